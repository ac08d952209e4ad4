//! Checks that the programs of a policy are attached, by asking the kernel for the links and programs behind the pins.
//!
//! A name proves nothing: a folder or a symbolic link can have the name of a link, and a link can belong to another
//! program.
//!
//! In unit tests, a plain file stands for a pin that is as it should be.

use std::path::Path;

use krsi_abi::manifest::Manifest;

use crate::since::{self, Inactive};

/// Hooks of the policy in a folder to which its program is not attached. Hooks without an active rule never had a link.
pub fn detached(folder: &Path, manifest: &Manifest, inactive: &[Inactive]) -> Vec<String> {
    let idle = since::idle(manifest, inactive);
    let modes = pins::map(&crate::modes::pin_in(folder));
    let programs = manifest.programs.iter().enumerate().filter(|(at, _)| !idle.contains(at));
    let attached = |at: usize, hook: &str| {
        // A program that only maintains labels reads no modes, and one that tail-calls others may not.
        let reads =
            manifest.programs[at].parts.is_empty() && manifest.rules.iter().any(|rule| rule.program as usize == at);
        pins::attached(folder, hook, modes.filter(|_| reads))
    };
    programs.filter(|(at, program)| !attached(*at, &program.hook)).map(|(_, program)| program.hook.clone()).collect()
}

#[cfg(not(test))]
mod pins {
    use std::path::Path;

    use aya::maps::{MapInfo, MapType};
    use aya::programs::ProgramInfo;
    use aya::programs::links::{FdLink, LinkType, PinnedLink};

    /// The id of a pinned array map.
    pub fn map(pin: &Path) -> Option<u32> {
        let info = MapInfo::from_pin(pin).ok()?;
        (info.map_type().ok()? == MapType::Array).then(|| info.id())
    }

    /// Returns true if the pinned link holds the pinned program of a hook, and the program uses the map of modes.
    pub fn attached(folder: &Path, hook: &str, modes: Option<u32>) -> bool {
        let linked = || -> Option<bool> {
            let link = FdLink::from(PinnedLink::from_pin(folder.join("links").join(hook)).ok()?).info().ok()?;
            let program = ProgramInfo::from_pin(folder.join("programs").join(hook)).ok()?;
            let uses = match (modes, program.map_ids().ok()?) {
                (Some(modes), Some(ids)) => ids.contains(&modes),
                _ => true,
            };
            Some(link.link_type().ok()? == LinkType::Tracing && link.program_id() == program.id() && uses)
        };
        linked().unwrap_or(false)
    }
}

#[cfg(test)]
mod pins {
    use std::path::Path;

    pub fn map(_: &Path) -> Option<u32> {
        Some(1)
    }

    pub fn attached(folder: &Path, hook: &str, _: Option<u32>) -> bool {
        folder.join("links").join(hook).is_file() && folder.join("programs").join(hook).is_file()
    }
}

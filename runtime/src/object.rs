//! A `policy.o`, read and checked before any of it goes to the kernel.
//!
//! The arguments of hooks are put where the running kernel has them: the manifest says which instruction loads
//! which argument, and its offset is rewritten here. (An object loaded without `krsi` finds them by itself, by
//! CO-RE, on every kernel that the compiler knew.)

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;

use aya_obj::btf::BtfFeatures;
use krsi_abi::MANIFEST_SECTION;
use krsi_abi::manifest::{Manifest, ManifestError, Need, Part, Ty};
use krsi_abi::modes::{MODES_SECTION, Modes};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

use crate::aside;
use crate::failure::{self, Failure};
use crate::kernel::Kernel;
use crate::since::Inactive;

/// A load from memory of 1, 2, 4 or 8 bytes, apart from its size: `BPF_LDX | BPF_MEM`.
const LOAD: u8 = 0x61;
/// The bits of a load's code that say its size.
const LOAD_SIZE: u8 = 0x18;

/// No section is larger: a counter a rule, some bytes a rule, some instructions a rule. The loader makes room for
/// as much as a section claims, also where it has no bytes in the file.
const SECTION_BYTES_MAX: u64 = 64 << 20;

/// A policy's object.
#[derive(Debug)]
pub struct Object {
    /// The ELF file.
    pub bytes: Vec<u8>,
    /// What it says about itself.
    pub manifest: Manifest,
}

impl Object {
    /// Reads a file.
    pub fn open(path: &Path) -> Result<Object, Failure> {
        let bytes = std::fs::read(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                let failure = Failure::usage(format!("there is no file `{}`", path.display()));
                let source = path.with_extension("krs");
                if source.exists() {
                    failure.help(format!("build it: `krsic build {}`", source.display()))
                } else {
                    failure
                }
            }
            _ => failure::at(path, "read", error),
        })?;
        Object::parse(bytes).map_err(|mut failure| {
            failure.message = format!("`{}` {}", path.display(), failure.message);
            if path.extension().is_some_and(|ending| ending == "krs") {
                failure.help = vec![format!("build it first: `krsic build {}`", path.display())];
            }
            failure
        })
    }

    /// Reads bytes. Messages begin with what they are.
    pub fn parse(bytes: Vec<u8>) -> Result<Object, Failure> {
        if !bytes.starts_with(b"\x7fELF") {
            return Err(Failure::usage("is no object: it does not begin as an ELF file")
                .help("build one: `krsic build policy.krs`"));
        }
        let damaged = |error: &dyn std::fmt::Display| {
            Failure::usage(format!("is damaged: {error}")).help("build it again with `krsic build`")
        };
        let file = object::File::parse(&*bytes).map_err(|error| damaged(&error))?;
        if file.architecture() != object::Architecture::Bpf {
            return Err(
                Failure::usage("is an ELF file, but not for BPF").help("build an object: `krsic build policy.krs`")
            );
        }
        // Every section must lie within the file, or whoever loads it would find out later.
        for section in file.sections() {
            section.data().map_err(|error| damaged(&error))?;
            if section.size() > SECTION_BYTES_MAX {
                return Err(damaged(&"a section is far too large"));
            }
        }
        for symbol in file.symbols() {
            let within = symbol.section_index().is_none_or(|index| {
                let end = symbol.address().checked_add(symbol.size());
                file.section_by_index(index).is_ok_and(|section| end.is_some_and(|end| end <= section.size()))
            });
            if !within {
                return Err(damaged(&"a symbol lies outside of its section"));
            }
        }
        let Some(section) = file.section_by_name(MANIFEST_SECTION) else {
            return Err(Failure::usage("is a BPF object, but no policy: it has no manifest")
                .help("`krsi` loads what `krsic` builds; for other objects use `bpftool prog loadall`"));
        };
        let data = section.data().map_err(|error| damaged(&error))?;
        let manifest = Manifest::from_bytes(data).map_err(|error| match error {
            ManifestError::Version { .. } => Failure::usage(format!("was built by another version of krsic: {error}"))
                .help("use a `krsi` and a `krsic` of the same version"),
            error => damaged(&error),
        })?;
        let object = Object { manifest, bytes: Vec::new() };
        object.verify(&file).map_err(|error| damaged(&error))?;
        guarded(|| readable(&bytes)).map_err(|error| damaged(&error))?;
        Ok(Object { bytes, ..object })
    }

    /// What the manifest says of the sections must be true.
    fn verify(&self, file: &object::File<'_>) -> Result<(), String> {
        let manifest = &self.manifest;
        if manifest.programs.is_empty() {
            return Err("it has no programs".into());
        }
        for program in &manifest.programs {
            let section = file
                .section_by_name(&program.section)
                .ok_or_else(|| format!("section `{}` is missing", program.section))?;
            let code = section.data().map_err(|error| error.to_string())?;
            if code.len() != 8 * program.instructions as usize {
                return Err(format!("section `{}` has another length than its manifest says", program.section));
            }
            let symbol = |name: &str| file.symbols().any(|symbol| symbol.name() == Ok(name));
            if let Some(missing) = program.parts.iter().find(|part| !symbol(part)) {
                return Err(format!("program `{}` is missing", missing.escape_debug()));
            }
            for argument in &program.arguments {
                let opcode = code.get(8 * argument.instruction as usize);
                if opcode.is_none_or(|code| code & !LOAD_SIZE != LOAD) {
                    return Err(format!(
                        "section `{}` does not load `{}` where its manifest says",
                        program.section, argument.name
                    ));
                }
            }
        }
        let constants = file.section_by_name(krsi_abi::CONSTANTS_SECTION).map_or(0, |section| section.size());
        if manifest.params.iter().any(|param| u64::from(param.offset) + 8 > constants) {
            return Err("a parameter lies outside of its constants".into());
        }
        if manifest.files.iter().any(|file| u64::from(file.offset) + 16 > constants) {
            return Err("a file lies outside of its constants".into());
        }
        let switches = manifest.rules.iter().filter_map(|rule| rule.since.as_ref());
        if switches.clone().any(|since| u64::from(since.switch) + 8 > constants) {
            return Err("the switch of a rule lies outside of its constants".into());
        }
        let sized =
            |ty: &Ty| !matches!(ty, Ty::Int { bytes, .. } | Ty::Names { bytes, .. } if !matches!(bytes, 1 | 2 | 4 | 8));
        if let Some(param) = manifest.params.iter().find(|param| !sized(&param.ty)) {
            return Err(format!("parameter `{}` has no size", param.name));
        }
        for set in &manifest.sets {
            let fits = |part: &Part| match part {
                Part::Number(ty) => matches!(ty, Ty::Int { .. } | Ty::Names { .. }) && sized(ty),
                Part::Str | Part::Path => set.parts.len() == 1,
                Part::Ip | Part::Cidr => true,
            };
            // It becomes a part of a file's name.
            let named =
                !set.name.is_empty() && set.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if !named || set.parts.is_empty() || !set.parts.iter().all(fits) {
                return Err(format!("set `{}` makes no sense", set.name.escape_debug()));
            }
        }
        let state = file.section_by_name(krsi_abi::STATE_SECTION).map_or(0, |section| section.size());
        crate::labels::verify(manifest, state)?;
        let modes = file.section_by_name(MODES_SECTION).map_or(0, |section| section.size());
        if modes != Modes::bytes(manifest.rules.len()) as u64 {
            return Err("it has not as many modes as rules".into());
        }
        if manifest.words.iter().any(|word| word.rule.0 as usize >= manifest.rules.len()) {
            return Err("a bitfield is of no rule".into());
        }
        if manifest.rules.iter().any(|rule| rule.program as usize >= manifest.programs.len()) {
            return Err("a rule is of no program".into());
        }
        let audits = manifest.rules.iter().filter_map(|rule| rule.audit.as_ref());
        for field in audits.flat_map(|audit| &audit.fields) {
            let fits = match field.ty {
                Ty::Int { bytes, .. } | Ty::Names { bytes, .. } => matches!(bytes, 1 | 2 | 4 | 8),
                Ty::Bool | Ty::Pointer | Ty::Ip | Ty::Str { .. } => true,
            };
            if !fits {
                return Err(format!("field `{}` has no size", field.name));
            }
        }
        Ok(())
    }

    /// Makes these the modes that the policy begins with. Rules that could deny what the load still has to do are set aside.
    pub fn set_modes(&mut self, modes: &Modes) -> Result<(), Failure> {
        let value = modes.value_without(&self.manifest, |rule| aside::in_the_way(&self.manifest, rule));
        match modes.rules.is_empty() {
            true => Ok(()),
            false => self.put(MODES_SECTION, 0, &value),
        }
    }

    /// Puts bytes into a section.
    pub fn put(&mut self, section: &str, at: u32, bytes: &[u8]) -> Result<(), Failure> {
        let start = || {
            let file = object::File::parse(&*self.bytes).ok()?;
            let (start, _) = file.section_by_name(section)?.file_range()?;
            usize::try_from(start).ok()
        };
        let start = start().map_or(usize::MAX, |start| start + at as usize);
        match self.bytes.get_mut(start..start.saturating_add(bytes.len())) {
            Some(place) => place.copy_from_slice(bytes),
            None => {
                return Err(Failure::usage(format!("the object is damaged: its section `{section}` is too short"))
                    .help("build it again with `krsic build`"));
            }
        }
        Ok(())
    }

    /// Makes sure that the kernel has bitfields in words as wide as the programs load.
    pub fn check_words(&self, kernel: &Kernel) -> Result<(), Failure> {
        for word in &self.manifest.words {
            let other = kernel.widths(&word.of, &word.path).into_iter().find(|bytes| *bytes != word.bytes);
            if let Some(bytes) = other {
                let rule = &self.manifest.rules[word.rule.0 as usize];
                return Err(Failure::refused(format!(
                    "rule `{}` would read `{}` of `{}` wrongly: here it is among {bytes} bytes, the object expects {}",
                    rule.name,
                    word.path.join("."),
                    word.of,
                    word.bytes
                ))
                .note(format!("{}: {}", rule.source, rule.source.text))
                .note("no kernel that this `krsic` knows is like this one")
                .help("build the policy on this machine, where `krsic build` takes the kernel's own types"));
            }
        }
        Ok(())
    }

    /// Puts every argument where the kernel has it. Programs that are `idle` are not loaded, and what only rules that are
    /// turned off read is never read.
    pub fn bind(&mut self, kernel: &Kernel, inactive: &[Inactive], idle: &[usize]) -> Result<(), Failure> {
        let mut patches = Vec::new();
        {
            let file = object::File::parse(&*self.bytes).map_err(|error| Failure::usage(error.to_string()))?;
            let programs = self.manifest.programs.iter().enumerate();
            for (_, program) in programs.filter(|(index, _)| !idle.contains(index)) {
                let hook = kernel.hook(&program.hook)?;
                let unread = |name: &str| {
                    let wants = |need: &Need| matches!(need, Need::Argument { hook, name: arg } if *hook == program.hook && arg == name);
                    let mut off = inactive.iter().filter_map(|off| self.manifest.rules[off.rule].since.as_ref());
                    off.any(|since| since.needs.iter().any(wants))
                };
                let Some((start, _)) = file.section_by_name(&program.section).and_then(|section| section.file_range())
                else {
                    continue;
                };
                for argument in &program.arguments {
                    // The instruction's 16-bit offset stands behind its code and registers.
                    let at = start as usize + 8 * argument.instruction as usize + 2;
                    let Some((_, slot)) = hook.iter().find(|(name, _)| *name == argument.name) else {
                        if unread(&argument.name) {
                            patches.push((at, 0));
                            continue;
                        }
                        let has: Vec<String> = hook.iter().map(|(name, _)| format!("`{name}`")).collect();
                        return Err(Failure::refused(format!(
                            "the policy reads `{}` of `{}`, which this kernel's hook does not have",
                            argument.name, program.hook
                        ))
                        .note(format!("here it has {}", has.join(", ")))
                        .help("build the policy for this kernel: `krsic build` on this machine says what to change"));
                    };
                    patches.push((at, 8 * slot));
                }
            }
        }
        for (at, offset) in patches {
            if let (Some(place), Ok(offset)) = (self.bytes.get_mut(at..at + 2), i16::try_from(offset)) {
                place.copy_from_slice(&offset.to_le_bytes());
            }
        }
        Ok(())
    }
}

/// Runs aya's reading of an object, which panics on some that are damaged (aya-obj 0.3: ranges taken from the
/// file index slices in `BtfExt::parse` and `Btf::string_at`).
pub fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    const DAMAGED: &str = "its types or its code make no sense";
    // The panic is told as an error of the object, not as one of this program.
    let before = take_hook();
    set_hook(Box::new(|_| {}));
    let done = catch_unwind(AssertUnwindSafe(work));
    set_hook(before);
    done.unwrap_or_else(|_| Err(DAMAGED.into()))
}

/// Whether aya reads an object, tried before anything is made of it.
fn readable(bytes: &[u8]) -> Result<(), String> {
    let all = BtfFeatures::new(true, true, true, true, true, true, true, true);
    let mut object = aya_obj::Object::parse(bytes).map_err(|error| error.to_string())?;
    object.fixup_and_sanitize_btf(&all).map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_reader_is_an_error() {
        let message = guarded::<()>(|| panic!("out of range")).expect_err("it panicked");
        assert!(message.contains("make no sense"), "{message}");
    }

    #[test]
    fn bits_of_another_word_are_not_read() {
        let source =
            krsic::Source { name: "p.krs".into(), text: "held: on task_kill when p.in_execve == 1 deny".into() };
        let built = krsic::build(&[source], &krsic::Options::default()).value.expect("it compiles");
        let object = Object::parse(built.object).expect("it is whole");
        let check = |field: &str, bytes| {
            let mut types = krsic::btf::Builder::new();
            let ty = types.int("word", bytes, false);
            let member = krsic::btf::Member { name: field, ty, bit_offset: 64, bitfield_bits: 1 };
            types.add(krsic::btf::Def::Struct { name: "task_struct", bytes: 64, members: &[member] });
            object.check_words(&Kernel::parse(types.finish()).expect("types"))
        };
        check("in_execve", 4).expect("as everywhere");
        check("other", 8).expect("what is not there is told elsewhere");
        let failure = check("in_execve", 8).expect_err("other bytes would be loaded").to_string();
        assert!(failure.contains("`held` would read `in_execve` of `task_struct` wrongly"), "{failure}");
        assert!(failure.contains("among 8 bytes, the object expects 4"), "{failure}");
    }

    #[test]
    fn what_is_no_object_is_said_so() {
        for bytes in [&b""[..], b"#!/bin/sh", b"\x7fELF", b"\x7fELF\x02\x01\x01"] {
            let failure = Object::parse(bytes.to_vec()).expect_err("no object");
            assert!(!failure.help.is_empty(), "{failure}");
        }
    }
}

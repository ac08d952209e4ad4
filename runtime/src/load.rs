//! `krsi load` and `krsi unload`.

use std::path::Path;

use aya::maps::ProgramArray;
use aya::programs::links::FdLink;
use aya::programs::{Lsm, Program, ProgramError, ProgramFd};
use aya::{Btf, Ebpf, EbpfError, EbpfLoader};
use krsi_abi::manifest::{Manifest, Rule};
use krsi_abi::modes::{MODES_SECTION, Mode, Modes};
use krsi_abi::{CONSTANTS_SECTION, EVENTS_MAP, MANIFEST_SECTION, STATE_SECTION};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::doctor;
use crate::failure::{self, Failure};
use crate::kernel::Kernel;
use crate::object::{self, Object};
use crate::pins::{self, Pins};
use crate::sets::{self, Carried};
use crate::verifier;
use crate::{labels, list, modes, since};

/// How to load.
#[derive(Debug)]
pub struct Options<'o> {
    /// Under this name instead of the policy's own.
    pub name: Option<&'o str>,
    /// Parameters, each `NAME=VALUE`.
    pub settings: &'o [String],
    /// Sets begin empty and nothing is labelled, also where a policy of the name is loaded.
    pub fresh: bool,
    /// A file that is not there is an error.
    pub strict: bool,
    /// The policy begins with this mode.
    pub mode: Option<Mode>,
    /// Modes are those that were set for a loaded policy of the name.
    pub keep_modes: bool,
    /// Show the verifier's log.
    pub verbose: bool,
}

/// Loads a policy in place of any older one of its name. All or nothing.
pub fn load(path: &Path, options: &Options<'_>) -> Result<Loaded, Failure> {
    let mut object = Object::open(path)?;
    object.set(options.settings)?;
    let name = options.name.unwrap_or(&object.manifest.policy).to_owned();
    pins::check_name(&name)?;
    doctor::preflight()?;
    let mut warnings = object.find_files(options.strict)?;
    let kernel = Kernel::running()?;
    object.check_words(&kernel)?;
    let inactive = object.turn_off(&kernel, since::release())?;
    let idle = since::idle(&object.manifest, &inactive);
    object.bind(&kernel, &inactive, &idle)?;

    let pins = Pins::lock()?;
    let replaced = pins::folder(&name).exists();
    let modes = first_modes(&object.manifest, &name, options, &mut warnings)?;
    object.set_modes(&modes)?;
    let keep = (replaced && !options.fresh).then_some(name.as_str());
    let done = stage(&pins, &name, &object, &kernel, &idle, keep, options.verbose)
        .and_then(|carried| pins.commit(&name).map(|()| carried));
    let carried = done.inspect_err(|_| {
        // The policy that was there, if any, was not touched. What was staged goes; what cannot go now goes by the next command.
        let _ = pins.abandon(&name);
    })?;
    let manifest = &object.manifest;
    Ok(Loaded {
        name,
        replaced,
        programs: manifest.programs.len() - idle.len(),
        rules: manifest.rules.len() - inactive.len(),
        warnings,
        state: (modes.policy != Mode::Enforce || options.keep_modes).then(|| modes::state(manifest, &modes)),
        carried,
        inactive: inactive.iter().map(|off| since::words(manifest, off)).collect(),
    })
}

/// What was loaded.
#[derive(Debug)]
pub struct Loaded {
    /// Under this name.
    pub name: String,
    /// An older one of the name is gone.
    pub replaced: bool,
    /// Hooks.
    pub programs: usize,
    /// Rules.
    pub rules: usize,
    /// What is not as the policy may expect, each a sentence.
    pub warnings: Vec<String>,
    /// How it begins, where that was asked for.
    pub state: Option<String>,
    /// Elements of the older one's sets.
    pub carried: Carried,
    /// Rules that the kernel is too old for, each with the reason.
    pub inactive: Vec<String>,
}

/// The modes that a policy begins with: those of its object, unless the load says otherwise.
fn first_modes(
    manifest: &Manifest,
    name: &str,
    options: &Options<'_>,
    warnings: &mut Vec<String>,
) -> Result<Modes, Failure> {
    let mut first = Modes::first(manifest);
    if pins::folder(name).exists() {
        // What nobody can read nobody can keep.
        let before = list::manifest(name).and_then(|old| modes::read(name, &old).map(|modes| (old, modes)));
        match before {
            Ok((old, before)) if options.keep_modes => first = modes::keep(&old, &before, manifest),
            Ok((old, before)) => warnings.extend(modes::set_before(name, &old, &before)),
            Err(failure) if options.keep_modes => return Err(failure.note("its modes cannot be kept")),
            Err(_) => {}
        }
    }
    first.policy = options.mode.unwrap_or(first.policy);
    if first.policy == Mode::Permissive {
        warnings.extend(modes::still_kills(manifest, &first, |_| true));
    }
    Ok(first)
}

/// Unloads a policy.
pub fn unload(name: &str) -> Result<(), Failure> {
    pins::check_name(name)?;
    let pins = Pins::lock()?;
    if !pins::folder(name).exists() {
        return Err(not_loaded(name));
    }
    pins.unload(name)
}

/// The failure that no policy of a name is loaded.
pub fn not_loaded(name: &str) -> Failure {
    let failure = Failure::usage(format!("no policy `{name}` is loaded"));
    match pins::loaded() {
        Ok(names) if !names.is_empty() => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            failure.help(format!("loaded: {}", names.join(", ")))
        }
        _ => failure.help("`krsi list` shows what is loaded: nothing"),
    }
}

/// Loads, attaches and pins into the staging folder. Links are pinned last: until then nothing outlives this process.
/// Sets and labels are those of the policy `keep` before any program can ask.
fn stage(
    pins: &Pins,
    name: &str,
    object: &Object,
    kernel: &Kernel,
    idle: &[usize],
    keep: Option<&str>,
    verbose: bool,
) -> Result<Carried, Failure> {
    // Kernels before 5.11 count maps against the limit of locked memory.
    let _ = setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None });
    let staging = pins.stage(name)?;
    let manifest = &object.manifest;
    let btf =
        Btf::from_sys_fs().map_err(|error| Failure::refused(format!("the kernel's types cannot be read: {error}")))?;
    let loaded = object::guarded(|| Ok(EbpfLoader::new().btf(Some(&btf)).load(&object.bytes)));
    let mut ebpf = loaded
        .map_err(|error| {
            Failure::usage(format!("the object is damaged: {error}")).help("build it again with `krsic build`")
        })?
        .map_err(|error| refused_object(&error))?;
    for (map, pin) in [
        (MANIFEST_SECTION, "manifest"),
        (EVENTS_MAP, "events"),
        (STATE_SECTION, "lost"),
        (CONSTANTS_SECTION, "constants"),
        (MODES_SECTION, "modes"),
    ] {
        if let Some(map) = ebpf.map(map) {
            let pin = staging.join("maps").join(pin);
            map.pin(&pin).map_err(|error| failure::at(&pin, "made", error))?;
        }
    }
    for set in &manifest.sets {
        let Some(map) = ebpf.map(&krsi_abi::set::map_name(&set.name)) else {
            return Err(Failure::usage(format!("the object has no map for set `{}`", set.name))
                .help("build it again with `krsic build`"));
        };
        let pin = sets::pin(&staging, &set.name);
        map.pin(&pin).map_err(|error| failure::at(&pin, "made", error))?;
    }
    let carried = keep.map(|old| sets::carry(old, &staging, manifest)).transpose()?.unwrap_or_default();
    for on in labels::kinds(manifest) {
        let Some(map) = ebpf.map(on.map()) else {
            return Err(Failure::usage(format!("the object has no map for labels on {}", on.word()))
                .help("build it again with `krsic build`"));
        };
        let pin = labels::pin(&staging, on);
        map.pin(&pin).map_err(|error| failure::at(&pin, "made", error))?;
    }
    if let Some(old) = keep {
        labels::carry(old, &staging, manifest)?;
    }
    let active = || manifest.programs.iter().enumerate().filter(|(at, _)| !idle.contains(at)).map(|(_, of)| of);
    for described in active() {
        let hook = &described.hook;
        let mut load = |name: &str| {
            let program = program(&mut ebpf, name)?;
            program
                .load(kernel.called(hook).unwrap_or(hook), &btf)
                .map_err(|error| refused_program(manifest, hook, error, verbose))?;
            let fd = program.fd().map_err(|error| refused_parts(hook, &error))?;
            fd.try_clone().map_err(|error| refused_parts(hook, &error))
        };
        load(hook)?;
        let parts: Vec<ProgramFd> = described.parts.iter().map(|part| load(part)).collect::<Result<_, _>>()?;
        let pin = staging.join("programs").join(hook);
        program(&mut ebpf, hook)?.pin(&pin).map_err(|error| failure::at(&pin, "made", error))?;
        if !parts.is_empty() {
            let map = krsi_abi::parts_map(hook);
            let Some(map) = ebpf.map_mut(&map) else {
                return Err(Failure::usage(format!("the object has no array for the programs of `{hook}`"))
                    .help("build it again with `krsic build`"));
            };
            let pin = pins::parts(&staging, hook);
            map.pin(&pin).map_err(|error| failure::at(&pin, "made", error))?;
            let mut array = ProgramArray::try_from(map).map_err(|error| refused_parts(hook, &error))?;
            for (index, part) in (0..).zip(&parts) {
                array.set(index, part, 0).map_err(|error| refused_parts(hook, &error))?;
            }
        }
    }
    let mut links: Vec<(&str, FdLink)> = Vec::with_capacity(manifest.programs.len());
    for described in active() {
        let program = program(&mut ebpf, &described.hook)?;
        let attached = program.attach().and_then(|id| program.take_link(id));
        let link = attached.map_err(|error| refused_attach(manifest, &described.hook, &error))?;
        links.push((&described.hook, FdLink::from(link)));
    }
    if let Some(old) = keep {
        // What the older policy has marked meanwhile.
        labels::carry(old, &staging, manifest)?;
    }
    for (hook, link) in links {
        let pin = staging.join("links").join(hook);
        // From here on the pin holds the link.
        link.pin(&pin).map_err(|error| match refused_by_itself(manifest, &chain(&error)) {
            Some(failure) => failure,
            None => failure::at(&pin, "made", error),
        })?;
    }
    Ok(carried)
}

fn program<'e>(ebpf: &'e mut Ebpf, hook: &str) -> Result<&'e mut Lsm, Failure> {
    match ebpf.program_mut(hook) {
        Some(Program::Lsm(program)) => Ok(program),
        _ => {
            Err(Failure::usage(format!("the object has no program for `{hook}`"))
                .help("build it again with `krsic build`"))
        }
    }
}

/// An error and all that caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

fn refused_object(error: &EbpfError) -> Failure {
    let text = chain(error);
    if text.contains("os error 1)") {
        return Failure::refused(format!("bpf(2) is refused: {text}"))
            .note("a policy that protects BPF does that, or a system that is locked down, or a container")
            .help("run the command as root outside of containers; `krsi list` shows policies, `krsi doctor` the rest");
    }
    Failure::refused(format!("the object does not fit to this kernel: {}", chain(error)))
        .help("`krsic check` on this machine says which rule needs what the kernel lacks")
}

fn refused_parts(hook: &str, error: &dyn std::error::Error) -> Failure {
    let text = chain(error);
    Failure::refused(format!("the kernel does not take the programs of `{hook}` behind its first: {text}"))
        .note("the rules on this hook are too many for one program: they are several, which go on with each other")
        .help("split the policy in two files and load both: each makes its own programs")
}

/// Rules hold from the moment that they are attached, for `krsi` as well: the policy has kept it from attaching the rest.
fn refused_by_itself(manifest: &Manifest, text: &str) -> Option<Failure> {
    let on_bpf =
        |rule: &Rule| manifest.programs.get(rule.program as usize).is_some_and(|program| program.hook == "bpf");
    let denies = |rule: &Rule| rule.deny.is_some() && on_bpf(rule);
    let rule = manifest.rules.iter().find(|rule| denies(rule)).filter(|_| text.contains("os error 1)"))?;
    let exe = std::env::current_exe().unwrap_or_else(|_| "krsi".into());
    let failure = Failure::refused(format!("the policy denies bpf(2) to krsi itself, which loads it: {text}"))
        .note(format!(
            "rule `{}` on `bpf` counts from the moment that it is attached, before the load is done",
            rule.name
        ))
        .help(format!("spare this program there: `unless task.exe == \"{}\"`", exe.display()));
    Some(failure)
}

fn refused_attach(manifest: &Manifest, hook: &str, error: &ProgramError) -> Failure {
    let text = chain(error);
    if let Some(failure) = refused_by_itself(manifest, &text) {
        return failure;
    }
    let failure = Failure::refused(format!("the kernel does not attach the program of `{hook}`: {text}"));
    if text.contains("os error 7") {
        // E2BIG from bpf_trampoline_link_prog: BPF_MAX_TRAMP_LINKS, 38, or 36 from 7.2 on.
        return failure
            .note("a hook takes at most 38 programs (36 from 7.2 on), of all policies and tools together")
            .help("unload a policy: `krsi list` shows them, or put their rules into one");
    }
    failure.help("`krsi doctor` tells what may be missing")
}

fn refused_program(manifest: &Manifest, hook: &str, error: ProgramError, verbose: bool) -> Failure {
    match error {
        ProgramError::LoadError { io_error, verifier_log } => {
            verifier::refusal(manifest, hook, &io_error, &verifier_log.to_string(), verbose)
        }
        error => Failure::refused(format!("the kernel does not take the program of `{hook}`: {}", chain(&error)))
            .help("`krsi doctor` tells what may be missing"),
    }
}

//! `krsi load` and `krsi unload`.
//!
//! A load parses the object, adapts it to the running kernel, and brings it into a staging folder of pins, which
//! [`crate::pins`] then commits. Until the links are pinned, nothing outlives this process.
//!
//! Absent: the layout of the folders and recovery ([`crate::pins`]), and the format of the object
//! ([`crate::object`]).

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use aya::maps::ProgramArray;
use aya::programs::links::FdLink;
use aya::programs::{Lsm, Program, ProgramError, ProgramFd};
use aya::{Btf, Ebpf, EbpfError, EbpfLoader};
use krsi_abi::manifest::{self, Manifest, Rule};
use krsi_abi::modes::{MODES_SECTION, Mode, Modes};
use krsi_abi::{CONSTANTS_SECTION, EVENTS_MAP, MANIFEST_SECTION, STATE_SECTION};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::doctor;
use crate::failure::{self, Failure};
use crate::kernel::Kernel;
use crate::map_value::Value;
use crate::object::{self, Object};
use crate::pins::{self, Pins};
use crate::sets::{self, Carried};
use crate::since::Inactive;
use crate::verifier;
use crate::{labels, list, modes, since};

/// Options of `krsi load`.
#[derive(Debug)]
pub struct Options<'o> {
    /// Name to load the policy under, instead of its own.
    pub name: Option<&'o str>,
    /// Parameters to set, each `NAME=VALUE`.
    pub settings: &'o [String],
    /// Start with empty sets and no labels, even if a policy is replaced.
    pub fresh: bool,
    /// Fail if a file that the policy names does not exist or is not unique.
    pub strict: bool,
    /// Initial mode of the policy.
    pub mode: Option<Mode>,
    /// Keep the modes that were set for the replaced policy.
    pub keep_modes: bool,
    /// Include the verifier's log in failures.
    pub verbose: bool,
    /// Maximum time to wait for another command that changes policies.
    pub lock_timeout: Duration,
}

/// Loads a policy, replacing a loaded policy of the same name. Atomic: a failure leaves the old policy unchanged.
pub fn load(path: &Path, options: &Options<'_>) -> Result<Loaded, Failure> {
    let mut object = Object::open(path)?;
    object.set(options.settings)?;
    let name = options.name.unwrap_or(&object.manifest.policy).to_owned();
    pins::check_name(&name)?;
    doctor::preflight()?;
    let mut warnings = object.resolve_files(options.strict)?;
    warnings.extend(object.check_literals(options.strict)?);
    let kernel = Kernel::running()?;
    let Adapted { inactive, idle } = adapt(&mut object, &kernel, since::release())?;

    let pins = Pins::lock(options.lock_timeout)?;
    let replaced = pins::loaded()?.contains(&name);
    let before =
        replaced.then(|| list::manifest(&name).and_then(|old| modes::read(&name, &old).map(|modes| (old, modes))));
    let modes = initial_modes(&object.manifest, &name, before, options, &mut warnings)?;
    object.set_modes(&modes)?;
    let keep = (replaced && !options.fresh).then_some(name.as_str());
    let staging = pins.stage(&name)?;
    let carried = stage(&staging, &object, &kernel, &idle, keep, options.verbose).inspect_err(|_| {
        // The old policy, if any, is unchanged. If the staged folder cannot be removed now, the next command
        // removes it.
        let _ = pins.abandon(&staging);
    })?;
    pins.commit(&name, &staging)?;
    let manifest = &object.manifest;
    Ok(Loaded {
        name,
        replaced,
        programs: manifest.programs.len() - idle.len(),
        rules: manifest.rules.len() - inactive.len(),
        warnings,
        state: (modes.policy != Mode::Enforce || options.keep_modes).then(|| modes::state(manifest, &modes)),
        carried,
        inactive: inactive.iter().map(|rule| since::describe(manifest, rule)).collect(),
    })
}

/// The parts of a policy that the kernel is too old for.
struct Adapted {
    /// Rules that are disabled.
    inactive: Vec<Inactive>,
    /// Programs that are not loaded, as indices into `Manifest::programs`.
    idle: Vec<usize>,
}

/// Adapts an object to a kernel: disables rules for newer kernels and binds the arguments of hooks.
fn adapt(object: &mut Object, kernel: &Kernel, release: Option<(u32, u32)>) -> Result<Adapted, Failure> {
    object.check_bitfields(kernel)?;
    let inactive = object.disable_inactive(kernel, release)?;
    let idle = since::idle(&object.manifest, &inactive);
    object.bind(kernel, &inactive, &idle)?;
    Ok(Adapted { inactive, idle })
}

/// The result of a successful load.
#[derive(Debug)]
pub struct Loaded {
    /// Name of the policy.
    pub name: String,
    /// True if an older policy of the name was replaced.
    pub replaced: bool,
    /// Number of attached hooks.
    pub programs: usize,
    /// Number of active rules.
    pub rules: usize,
    /// Warnings to print, each a sentence.
    pub warnings: Vec<String>,
    /// Initial state, if an option changed it.
    pub state: Option<String>,
    /// Elements carried over from the sets of the replaced policy.
    pub carried: Carried,
    /// Rules that the kernel is too old for, each with the reason.
    pub inactive: Vec<String>,
}

/// The initial modes of a policy: those of its object, unless an option changes them. `before` has the manifest
/// and modes of the replaced policy.
fn initial_modes(
    manifest: &Manifest,
    name: &str,
    before: Option<Result<(Manifest, Modes), Failure>>,
    options: &Options<'_>,
    warnings: &mut Vec<String>,
) -> Result<Modes, Failure> {
    let mut first = Modes::first(manifest);
    match before {
        Some(Ok((old, before))) if options.keep_modes => first = modes::keep(&old, &before, manifest),
        Some(Ok((old, before))) => warnings.extend(modes::discard_warning(name, &old, &before)),
        // Modes that cannot be read cannot be kept.
        Some(Err(failure)) if options.keep_modes => return Err(failure.note("its modes cannot be kept")),
        _ => {}
    }
    first.policy = options.mode.unwrap_or(first.policy);
    if first.policy == Mode::Permissive {
        warnings.extend(modes::kill_warning(manifest, &first, |_| true));
    }
    Ok(first)
}

/// Unloads the policy of that name.
pub fn unload(name: &str, lock_timeout: Duration) -> Result<(), Failure> {
    pins::check_name(name)?;
    let pins = Pins::lock(lock_timeout).or_else(|failure| match failure.code {
        // A policy whose rules keep the folder closed to krsi is retired first. That needs no more than its pin.
        _ if failure.notes.iter().any(|note| note.contains(" policy ")) => {
            pins::retire_unlocked(name);
            Pins::lock(lock_timeout)
        }
        _ => Err(failure),
    })?;
    pins::check_unload(name)?;
    pins.unload(name)
}

/// The failure of a command on a policy that is not loaded.
pub fn not_loaded(name: &str) -> Failure {
    none_of_name(name, pins::loaded())
}

fn none_of_name(name: &str, loaded: Result<Vec<String>, Failure>) -> Failure {
    let failure = Failure::usage(format!("no policy `{name}` is loaded"));
    match loaded {
        Ok(names) if !names.is_empty() => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            failure.help(format!("loaded policies: {}", names.join(", ")))
        }
        _ => failure.help("no policy is loaded; load one with `krsi load`"),
    }
}

/// Loads, attaches and pins the policy into the staging folder. Copies the sets and labels of the policy `keep`.
fn stage(
    staging: &Path,
    object: &Object,
    kernel: &Kernel,
    idle: &[usize],
    keep: Option<&str>,
    verbose: bool,
) -> Result<Carried, Failure> {
    // Kernels before 5.11 count maps against the limit of locked memory.
    let _ = setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None });
    // Each map, program and link takes a file descriptor until the load ends.
    let files = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files });
    let manifest = &object.manifest;
    let btf =
        Btf::from_sys_fs().map_err(|error| Failure::refused(format!("cannot read the kernel's types: {error}")))?;
    let loaded = object::catch_panics(|| Ok(EbpfLoader::new().btf(Some(&btf)).load(&object.bytes)));
    let ebpf = loaded
        .map_err(|error| {
            Failure::usage(format!("the object is damaged: {error}")).help("build it again with `krsic build`")
        })?
        .map_err(|error| object_rejected(&error))?;
    let mut loading = Aya { ebpf, btf, manifest, kernel, verbose, links: HashMap::new() };
    let mut carried = Carried::default();
    install(&mut loading, staging, manifest, idle, |part| {
        match (keep, part) {
            (None, _) => {}
            (Some(old), Carry::Sets) => carried = sets::carry(old, staging, manifest)?,
            (Some(old), Carry::Labels) => labels::carry(old, staging, manifest)?,
        }
        Ok(())
    })?;
    Ok(carried)
}

/// State that a policy takes over from the one that it replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carry {
    Sets,
    Labels,
}

/// The steps of a load on an object. The tests record them.
trait Loading {
    /// Pins a map; returns false if the object has no map of this name.
    fn pin_map(&mut self, map: &str, pin: &Path) -> Result<bool, Failure>;
    /// Loads the programs of a hook and pins the entry program.
    fn load(&mut self, program: &manifest::Program, pin: &Path) -> Result<(), Failure>;
    /// Stores a hook's tail-called programs in their program array, which must be pinned.
    fn fill(&mut self, program: &manifest::Program) -> Result<(), Failure>;
    /// Attaches the entry program of a hook.
    fn attach(&mut self, hook: &str) -> Result<(), Failure>;
    /// Fails if the policy denies bpf(2) to this process once it is in force. No link is pinned yet, so that the programs
    /// detach when this process closes them.
    fn try_enforcing(&mut self, _staging: &Path) -> Result<(), Failure> {
        Ok(())
    }
    /// Pins the link that keeps the program attached.
    fn pin_link(&mut self, hook: &str, pin: &Path) -> Result<(), Failure>;
}

/// Installs a policy in its folder. The order matters: sets and labels are filled before a program can read
/// them, all programs are loaded before the first is attached, and all are attached before the first link is
/// pinned. Once all are attached, labels are carried over again, to include objects that the old policy has
/// marked meanwhile.
fn install(
    loading: &mut impl Loading,
    staging: &Path,
    manifest: &Manifest,
    idle: &[usize],
    mut carry: impl FnMut(Carry) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for (map, pin) in [
        (MANIFEST_SECTION, "manifest"),
        (EVENTS_MAP, "events"),
        (STATE_SECTION, "lost"),
        (CONSTANTS_SECTION, "constants"),
        (MODES_SECTION, "modes"),
    ] {
        loading.pin_map(map, &staging.join("maps").join(pin))?;
    }
    let incomplete =
        |what: String| Failure::usage(format!("the object has no {what}")).help("build it again with `krsic build`");
    for set in &manifest.sets {
        if !loading.pin_map(&krsi_abi::set::map_name(&set.name), &sets::pin(staging, &set.name))? {
            return Err(incomplete(format!("map for set `{}`", set.name)));
        }
    }
    carry(Carry::Sets)?;
    for on in labels::kinds(manifest) {
        if !loading.pin_map(on.map(), &labels::pin(staging, on))? {
            return Err(incomplete(format!("map for labels on {}", on.word())));
        }
    }
    carry(Carry::Labels)?;
    let active = || manifest.programs.iter().enumerate().filter(|(at, _)| !idle.contains(at)).map(|(_, of)| of);
    for program in active() {
        let hook = &program.hook;
        loading.load(program, &staging.join("programs").join(hook))?;
        if !program.parts.is_empty() {
            if !loading.pin_map(&krsi_abi::parts_map(hook), &pins::tail_call_array(staging, hook))? {
                return Err(incomplete(format!("array for the programs of `{hook}`")));
            }
            loading.fill(program)?;
        }
    }
    for program in active() {
        loading.attach(&program.hook)?;
    }
    carry(Carry::Labels)?;
    loading.try_enforcing(staging)?;
    for program in active() {
        loading.pin_link(&program.hook, &staging.join("links").join(&program.hook))?;
    }
    Ok(())
}

/// The object loaded with aya.
struct Aya<'o> {
    ebpf: Ebpf,
    btf: Btf,
    manifest: &'o Manifest,
    kernel: &'o Kernel,
    verbose: bool,
    /// Links by hook, which are detached when this process exits unless they are pinned.
    links: HashMap<String, FdLink>,
}

impl Loading for Aya<'_> {
    fn pin_map(&mut self, map: &str, pin: &Path) -> Result<bool, Failure> {
        let Some(map) = self.ebpf.map(map) else {
            return Ok(false);
        };
        map.pin(pin).map_err(|error| failure::at(pin, "create", error))?;
        Ok(true)
    }

    fn load(&mut self, described: &manifest::Program, pin: &Path) -> Result<(), Failure> {
        let hook = &described.hook;
        for name in std::iter::once(hook).chain(&described.parts) {
            program(&mut self.ebpf, name)?
                .load(self.kernel.kernel_name(hook).unwrap_or(hook), &self.btf)
                .map_err(|error| program_rejected(self.manifest, hook, error, self.verbose))?;
        }
        program(&mut self.ebpf, hook)?.pin(pin).map_err(|error| failure::at(pin, "create", error))
    }

    fn fill(&mut self, described: &manifest::Program) -> Result<(), Failure> {
        let hook = &described.hook;
        let part = |ebpf: &mut Ebpf, name: &String| {
            let fd = program(ebpf, name)?.fd().map_err(|error| tail_calls_failed(hook, &error))?;
            fd.try_clone().map_err(|error| tail_calls_failed(hook, &error))
        };
        let parts: Vec<ProgramFd> =
            described.parts.iter().map(|name| part(&mut self.ebpf, name)).collect::<Result<_, Failure>>()?;
        let map = krsi_abi::parts_map(hook);
        let Some(map) = self.ebpf.map_mut(&map) else {
            return Ok(());
        };
        let mut array = ProgramArray::try_from(map).map_err(|error| tail_calls_failed(hook, &error))?;
        for (index, part) in (0..).zip(&parts) {
            array.set(index, part, 0).map_err(|error| tail_calls_failed(hook, &error))?;
        }
        Ok(())
    }

    fn attach(&mut self, hook: &str) -> Result<(), Failure> {
        let program = program(&mut self.ebpf, hook)?;
        let attached = program.attach().and_then(|id| program.take_link(id));
        let link = attached.map_err(|error| attach_failed(hook, &error))?;
        self.links.insert(hook.to_owned(), FdLink::from(link));
        Ok(())
    }

    fn try_enforcing(&mut self, staging: &Path) -> Result<(), Failure> {
        let manifest = self.manifest;
        let on_bpf = |rule: &Rule| {
            manifest.programs.get(rule.program as usize).is_some_and(|program| program.hook.starts_with("bpf"))
        };
        if !manifest.rules.iter().any(|rule| rule.deny.is_some() && on_bpf(rule)) {
            return Ok(());
        }
        let pin = modes::pin_in(staging);
        let value = Value::open(&pin)?;
        let pending = value.read()?;
        let Some(mut modes) = Modes::read(&pending, manifest.rules.len()) else { return Ok(()) };
        for (rule, mode) in manifest.rules.iter().zip(&mut modes.rules) {
            if !on_bpf(rule) {
                *mode = Mode::Off;
            }
        }
        value.write(&modes.value(manifest))?;
        let allowed = Value::open(&pin).and_then(|again| again.write(&pending));
        allowed.map_err(|failure| denied_by_itself(manifest, failure))
    }

    fn pin_link(&mut self, hook: &str, pin: &Path) -> Result<(), Failure> {
        let Some(link) = self.links.remove(hook) else {
            return Ok(());
        };
        // The pin keeps the link, so it can be dropped here.
        link.pin(pin).map(drop).map_err(|error| failure::at(pin, "create", error))
    }
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

/// Formats an error and its chain of causes in one line.
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

fn object_rejected(error: &EbpfError) -> Failure {
    let text = chain(error);
    if let Some(failure) = too_many_files(&text) {
        return failure;
    }
    if text.contains("os error 1)") {
        return Failure::refused(format!("bpf(2) is denied: {text}"))
            .note("a loaded policy with rules on `bpf`, kernel lockdown or a container can cause this")
            .help("run the command as root outside containers; check `krsi list` and `krsi doctor`");
    }
    Failure::refused(format!("the object does not fit this kernel: {}", chain(error)))
        .help("run `krsic check` on this machine to find the rule that needs something this kernel lacks")
}

/// The failure of a load that reached the limit of open files, whatever needed the file.
fn too_many_files(text: &str) -> Option<Failure> {
    ["os error 24)", "os error 23)"].iter().any(|errno| text.contains(errno)).then(|| {
        let limit =
            getrlimit(Resource::Nofile).maximum.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
        Failure::usage(format!("too many open files: {text}"))
            .note(format!(
                "the hard limit of this process is {limit}; each map, program and link takes one during a load"
            ))
            .help("raise the limit: `ulimit -Hn 4096`, or LimitNOFILE= of the unit")
    })
}

fn tail_calls_failed(hook: &str, error: &dyn std::error::Error) -> Failure {
    let text = chain(error);
    if let Some(failure) = too_many_files(&text) {
        return failure;
    }
    Failure::refused(format!("loading the tail-called programs of `{hook}` failed: {text}"))
        .note("the rules on this hook do not fit in one program and are split into several connected by tail calls")
        .help("split the policy into two files and load both, so that each has fewer rules on the hook")
}

/// The failure of a policy that denies bpf(2) to `krsi` as soon as it is in force, so that nothing could unload it. The
/// caller removes it again.
pub fn denied_by_itself(manifest: &Manifest, failure: Failure) -> Failure {
    let of = |rule: &Rule| manifest.programs.get(rule.program as usize).map_or("", |program| &*program.hook);
    let denies = |rule: &&Rule| rule.deny.is_some() && of(rule).starts_with("bpf");
    let Some(rule) = manifest.rules.iter().find(denies) else {
        return failure.note("the policy was removed again, since it could not be unloaded");
    };
    let exe = std::env::current_exe().unwrap_or_else(|_| "krsi".into());
    Failure::refused(format!("the policy denies bpf(2) to krsi: {}", failure.message))
        .note(format!(
            "rule `{}` on `{}` would prevent that the policy is ever unloaded; it was removed again",
            rule.name,
            of(rule)
        ))
        .help(format!("exempt krsi in that rule: `unless task.exe == \"{}\"`", exe.display()))
}

fn attach_failed(hook: &str, error: &ProgramError) -> Failure {
    let text = chain(error);
    if let Some(failure) = too_many_files(&text) {
        return failure;
    }
    let failure = Failure::refused(format!("attaching the program of `{hook}` failed: {text}"));
    if text.contains("os error 7") {
        // E2BIG from bpf_trampoline_link_prog: BPF_MAX_TRAMP_LINKS, 38, or 36 from 7.2 on.
        return failure
            .note("the kernel takes no more programs on this hook; the limit counts those of all policies and tools, is 38 on most kernels and 36 from 7.2 on, and a replacement needs one more")
            .help("unload a policy (see `krsi list`), or combine several policies into one");
    }
    failure.help("run `krsi doctor` to check the requirements")
}

fn program_rejected(manifest: &Manifest, hook: &str, error: ProgramError, verbose: bool) -> Failure {
    match error {
        ProgramError::LoadError { io_error, .. } if too_many_files(&io_error.to_string()).is_some() => {
            too_many_files(&io_error.to_string()).unwrap_or_else(|| Failure::usage("too many open files"))
        }
        ProgramError::LoadError { io_error, verifier_log } => {
            verifier::refusal(manifest, hook, &io_error, &verifier_log.to_string(), verbose)
        }
        error => Failure::refused(format!("loading the program of `{hook}` failed: {}", chain(&error)))
            .help("run `krsi doctor` to check the requirements"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::tests::{built, section};
    use krsi_abi::manifest::Program;

    const PLAIN: Options<'_> = Options {
        name: None,
        settings: &[],
        fresh: false,
        strict: false,
        mode: None,
        keep_modes: false,
        verbose: false,
        lock_timeout: Duration::ZERO,
    };

    /// Records the steps of a load. Pinning the map `lacks` reports it as missing.
    #[derive(Default)]
    struct Steps {
        taken: Vec<String>,
        lacks: &'static str,
    }

    impl Steps {
        fn record(&mut self, step: &str, pin: &Path) -> Result<(), Failure> {
            self.taken.push(format!("{step} {}", pin.display()).trim_end().to_owned());
            Ok(())
        }
    }

    impl Loading for Steps {
        fn pin_map(&mut self, map: &str, pin: &Path) -> Result<bool, Failure> {
            if map == self.lacks {
                return Ok(false);
            }
            self.record(map, pin).map(|()| true)
        }

        fn load(&mut self, program: &Program, pin: &Path) -> Result<(), Failure> {
            self.record(&format!("load {}", program.hook), pin)
        }

        fn fill(&mut self, program: &Program) -> Result<(), Failure> {
            self.record(&format!("fill {}", program.parts.join(" ")), Path::new(""))
        }

        fn attach(&mut self, hook: &str) -> Result<(), Failure> {
            self.record(&format!("attach {hook}"), Path::new(""))
        }

        fn pin_link(&mut self, hook: &str, pin: &Path) -> Result<(), Failure> {
            self.record(&format!("link {hook}"), pin)
        }
    }

    fn manifest() -> Manifest {
        let program = |hook: &str, parts: &[&str]| Program {
            hook: hook.into(),
            section: format!("lsm/{hook}"),
            instructions: 1,
            parts: parts.iter().map(|part| (*part).to_owned()).collect(),
            ..Program::default()
        };
        let label = |on| manifest::Label { name: "l".into(), on, inherit: false };
        Manifest {
            programs: vec![program("file_open", &["b", "c"]), program("idle", &[]), program("bpf", &[])],
            sets: vec![manifest::Set { name: "s".into(), parts: vec![manifest::Part::Ip], max: 1 }],
            labels: vec![label(krsi_abi::labels::Object::Task), label(krsi_abi::labels::Object::Socket)],
            ..Manifest::default()
        }
    }

    /// The order of the steps: maps before the programs that read them, links last.
    #[test]
    fn steps_of_a_load() {
        let steps = std::cell::RefCell::new(Vec::new());
        let mut loading = Steps::default();
        install(&mut loading, Path::new("f"), &manifest(), &[1], |part| {
            steps.borrow_mut().push(part);
            Ok(())
        })
        .expect("nothing fails");
        assert_eq!(
            loading.taken,
            [
                ".rodata.krsi f/maps/manifest",
                "krs_events f/maps/events",
                ".bss f/maps/lost",
                ".rodata f/maps/constants",
                ".data f/maps/modes",
                "krs_set_s f/maps/set-s",
                "krs_tasks f/maps/task-labels",
                "krs_socks f/maps/socket-labels",
                "load file_open f/programs/file_open",
                "krs_parts_file_open f/maps/parts-file_open",
                "fill b c",
                "load bpf f/programs/bpf",
                "attach file_open",
                "attach bpf",
                "link file_open f/links/file_open",
                "link bpf f/links/bpf",
            ]
        );
        assert_eq!(*steps.borrow(), [Carry::Sets, Carry::Labels, Carry::Labels]);
    }

    /// Sets are filled once their maps exist, labels before programs are loaded and again before links are pinned.
    #[test]
    fn state_is_carried_over_in_time() {
        let taken = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        struct Shared(std::rc::Rc<std::cell::RefCell<Vec<String>>>);
        impl Loading for Shared {
            fn pin_map(&mut self, map: &str, _: &Path) -> Result<bool, Failure> {
                self.0.borrow_mut().push(map.to_owned());
                Ok(true)
            }
            fn load(&mut self, _: &Program, _: &Path) -> Result<(), Failure> {
                self.0.borrow_mut().push("load".into());
                Ok(())
            }
            fn fill(&mut self, _: &Program) -> Result<(), Failure> {
                Ok(())
            }
            fn attach(&mut self, _: &str) -> Result<(), Failure> {
                self.0.borrow_mut().push("attach".into());
                Ok(())
            }
            fn pin_link(&mut self, _: &str, _: &Path) -> Result<(), Failure> {
                self.0.borrow_mut().push("link".into());
                Ok(())
            }
        }
        let mut manifest = manifest();
        manifest.programs.truncate(1);
        manifest.programs[0].parts.clear();
        manifest.labels.truncate(1);
        install(&mut Shared(taken.clone()), Path::new("f"), &manifest, &[], |part| {
            taken.borrow_mut().push(format!("{part:?}"));
            Ok(())
        })
        .expect("nothing fails");
        let steps = &taken.borrow()[5..];
        assert_eq!(steps, ["krs_set_s", "Sets", "krs_tasks", "Labels", "load", "attach", "Labels", "link"]);
    }

    #[test]
    fn objects_without_their_maps() {
        for (lacks, what) in [
            ("krs_set_s", "map for set `s`"),
            ("krs_tasks", "map for labels on task"),
            ("krs_parts_file_open", "array for the programs of `file_open`"),
        ] {
            let mut loading = Steps { lacks, ..Steps::default() };
            let failure = install(&mut loading, Path::new("f"), &manifest(), &[], |_| Ok(())).expect_err(lacks);
            assert_eq!(failure.message, format!("the object has no {what}"));
            assert!(!loading.taken.iter().any(|step| step.starts_with("attach")), "{:?}", loading.taken);
        }
        // A policy that records nothing has no ring buffer.
        let mut loading = Steps { lacks: EVENTS_MAP, ..Steps::default() };
        install(&mut loading, Path::new("f"), &manifest(), &[], |_| Ok(())).expect("it needs none");
        // If carrying over fails, no program is loaded.
        let mut loading = Steps::default();
        let failed = install(&mut loading, Path::new("f"), &manifest(), &[], |_| Err(Failure::usage("no room")));
        assert!(failed.is_err() && !loading.taken.iter().any(|step| step.starts_with("load")));
    }

    #[test]
    fn initial_modes_of_a_load() {
        let new = built("a: on file_open deny kill\n@permissive\nb: on file_open deny\n").manifest;
        let mut modes = Modes::first(&new);
        modes.policy = Mode::Off;
        modes.rules[0] = Mode::Permissive;
        let before = |known: bool| match known {
            true => Some(Ok((new.clone(), modes.clone()))),
            false => Some(Err(Failure::usage("unreadable"))),
        };
        let begin = |before, options: &Options<'_>| {
            let mut warnings = Vec::new();
            let first = initial_modes(&new, "p", before, options, &mut warnings);
            (first.map_err(|failure| failure.to_string()), warnings)
        };
        let of = |policy, rules: [Mode; 2]| Ok(Modes { policy, rules: rules.to_vec() });
        use Mode::{Enforce, Off, Permissive};
        let keep = Options { keep_modes: true, ..PLAIN };
        assert_eq!(begin(None, &PLAIN), (of(Enforce, [Enforce, Permissive]), vec![]));
        assert_eq!(begin(None, &Options { mode: Some(Off), ..PLAIN }), (of(Off, [Enforce, Permissive]), vec![]));
        assert_eq!(begin(before(true), &keep), (of(Off, [Permissive, Permissive]), vec![]));
        let (first, warnings) = begin(before(true), &PLAIN);
        assert_eq!(first, of(Enforce, [Enforce, Permissive]));
        assert!(warnings.len() == 1 && warnings[0].contains("with `krsi mode p`"), "{warnings:?}");
        // `kill` takes effect in permissive mode.
        let (_, warnings) = begin(None, &Options { mode: Some(Permissive), ..PLAIN });
        assert!(warnings.len() == 1 && warnings[0].contains("in `a`;"), "{warnings:?}");
        assert_eq!(begin(before(false), &PLAIN), (of(Enforce, [Enforce, Permissive]), vec![]));
        let (failed, _) = begin(before(false), &keep);
        assert_eq!(failed, Err("error: unreadable\n  note: its modes cannot be kept\n".into()));
    }

    /// Arguments of hooks are bound to the kernel's slots, and rules for newer kernels are disabled on older ones.
    #[test]
    fn objects_are_adapted_to_a_kernel() {
        let text = "a: on file_open when file.name == \"x\" deny\n@since(\"6.9\")\nb: on bpf_map_create deny\n";
        let older = crate::kernel::tests::small();
        let mut object = built(text);
        let adapted = adapt(&mut object, &older, Some((6, 8))).expect("the kernel has what `a` needs");
        let inactive: Vec<String> =
            adapted.inactive.iter().map(|rule| since::describe(&object.manifest, rule)).collect();
        let idle: Vec<&str> = adapted.idle.iter().map(|at| &*object.manifest.programs[*at].hook).collect();
        assert_eq!(inactive, ["`b` (for 6.9 and newer): this is Linux 6.8"]);
        assert_eq!(idle, ["bpf_map_create"]);
        let switch = object.manifest.rules[1].since.as_ref().expect("it is for 6.9").switch as usize;
        let on = |object: &Object| section(object, CONSTANTS_SECTION)[switch];
        assert_eq!(on(&object), 0);
        let mut object = built(text);
        let adapted = adapt(&mut object, &older, Some((6, 9))).expect("the kernel has what both need");
        assert_eq!((adapted.inactive.len(), adapted.idle.len(), on(&object)), (0, 0, 1));
    }

    #[test]
    fn policies_that_are_not_loaded() {
        let text = |loaded| none_of_name("p", loaded).to_string();
        let names = || vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(text(Ok(names())), "error: no policy `p` is loaded\n  help: loaded policies: `a`, `b`\n");
        let nothing = "error: no policy `p` is loaded\n  help: no policy is loaded; load one with `krsi load`\n";
        assert_eq!((text(Ok(vec![])), text(Err(Failure::usage("x")))), (nothing.to_owned(), nothing.to_owned()));
    }

    #[derive(Debug, Default)]
    struct Chained(&'static str, Option<Box<Chained>>);
    impl std::fmt::Display for Chained {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }
    impl std::error::Error for Chained {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    #[test]
    fn errors_with_their_causes() {
        let text = |causes: [&'static str; 3]| {
            let [one, two, three] = causes;
            chain(&Chained(one, Some(Box::new(Chained(two, Some(Box::new(Chained(three, None))))))))
        };
        assert_eq!(text(["a", "b", "c"]), "a: b: c");
        // A cause that the error already includes is not repeated.
        assert_eq!(text(["a: b", "b", "c"]), "a: b: c");
    }

    /// A policy that denies bpf(2) to krsi is distinguished from other failures.
    #[test]
    fn policies_that_deny_their_own_unload() {
        let text =
            |policy: &str| denied_by_itself(&built(policy).manifest, Failure::usage("not permitted")).to_string();
        let failure = text("x: on bpf deny\n");
        assert!(failure.starts_with("error: the policy denies bpf(2) to krsi: not permitted"), "{failure}");
        assert!(
            failure.contains("rule `x` on `bpf` would prevent") && failure.contains("unless task.exe =="),
            "{failure}"
        );
        for policy in ["x: on bpf audit\n", "x: on file_open deny\n"] {
            assert!(text(policy).starts_with("error: not permitted\n  note: the policy was removed again"), "{policy}");
        }
    }
}

//! `krsi load` and `krsi unload`.

use std::collections::HashMap;
use std::path::Path;

use aya::maps::ProgramArray;
use aya::programs::links::FdLink;
use aya::programs::{Lsm, Program, ProgramError, ProgramFd};
use aya::{Btf, Ebpf, EbpfError, EbpfLoader};
use krsi_abi::manifest::{self, Manifest, Rule};
use krsi_abi::modes::{MODES_SECTION, Mode, Modes};
use krsi_abi::{CONSTANTS_SECTION, EVENTS_MAP, MANIFEST_SECTION, STATE_SECTION};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::doctor;
use crate::failure::{self, Failure};
use crate::kernel::Kernel;
use crate::object::{self, Object};
use crate::pins::{self, Pins};
use crate::sets::{self, Carried};
use crate::since::Inactive;
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
    let Fitted { inactive, idle } = fit(&mut object, &kernel, since::release())?;

    let pins = Pins::lock()?;
    let replaced = pins::folder(&name).exists();
    let before =
        replaced.then(|| list::manifest(&name).and_then(|old| modes::read(&name, &old).map(|modes| (old, modes))));
    let modes = first_modes(&object.manifest, &name, before, options, &mut warnings)?;
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

/// What a kernel is too old for.
struct Fitted {
    /// Rules that are turned off.
    inactive: Vec<Inactive>,
    /// Programs that are not loaded, by index.
    idle: Vec<usize>,
}

/// Fits an object to a kernel of this number.
fn fit(object: &mut Object, kernel: &Kernel, release: Option<(u32, u32)>) -> Result<Fitted, Failure> {
    object.check_words(kernel)?;
    let inactive = object.turn_off(kernel, release)?;
    let idle = since::idle(&object.manifest, &inactive);
    object.bind(kernel, &inactive, &idle)?;
    Ok(Fitted { inactive, idle })
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

/// The modes that a policy begins with: those of its object, unless the load says otherwise. `before` is of a policy that it
/// replaces.
fn first_modes(
    manifest: &Manifest,
    name: &str,
    before: Option<Result<(Manifest, Modes), Failure>>,
    options: &Options<'_>,
    warnings: &mut Vec<String>,
) -> Result<Modes, Failure> {
    let mut first = Modes::first(manifest);
    match before {
        Some(Ok((old, before))) if options.keep_modes => first = modes::keep(&old, &before, manifest),
        Some(Ok((old, before))) => warnings.extend(modes::set_before(name, &old, &before)),
        // What nobody can read nobody can keep.
        Some(Err(failure)) if options.keep_modes => return Err(failure.note("its modes cannot be kept")),
        _ => {}
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
    none_of_name(name, pins::loaded())
}

fn none_of_name(name: &str, loaded: Result<Vec<String>, Failure>) -> Failure {
    let failure = Failure::usage(format!("no policy `{name}` is loaded"));
    match loaded {
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
    let ebpf = loaded
        .map_err(|error| {
            Failure::usage(format!("the object is damaged: {error}")).help("build it again with `krsic build`")
        })?
        .map_err(|error| refused_object(&error))?;
    let mut loading = Aya { ebpf, btf, manifest, kernel, verbose, links: HashMap::new() };
    let mut carried = Carried::default();
    place(&mut loading, &staging, manifest, idle, |part| {
        match (keep, part) {
            (None, _) => {}
            (Some(old), Carry::Sets) => carried = sets::carry(old, &staging, manifest)?,
            (Some(old), Carry::Labels) => labels::carry(old, &staging, manifest)?,
        }
        Ok(())
    })?;
    Ok(carried)
}

/// What a policy takes over from the one that it replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carry {
    Sets,
    Labels,
}

/// An object in the kernel's hands: what a load does with it, step by step. Tests write the steps down.
trait Loading {
    /// Pins a map; false where the object has none of this name.
    fn pin_map(&mut self, map: &str, pin: &Path) -> Result<bool, Failure>;
    /// Loads the programs of a hook, and pins the first.
    fn load(&mut self, program: &manifest::Program, pin: &Path) -> Result<(), Failure>;
    /// Puts a hook's further programs into their array, which is pinned.
    fn fill(&mut self, program: &manifest::Program) -> Result<(), Failure>;
    /// Attaches the first program of a hook.
    fn attach(&mut self, hook: &str) -> Result<(), Failure>;
    /// Pins what keeps the program attached.
    fn pin_link(&mut self, hook: &str, pin: &Path) -> Result<(), Failure>;
}

/// Brings a policy into its folder. Sets and labels are there before a program can ask for them, all programs before the
/// first is attached, and all are attached before the first link is pinned. Labels are carried over once more when all are
/// attached: what the older policy has marked meanwhile.
fn place(
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
    let built_again =
        |what: String| Failure::usage(format!("the object has no {what}")).help("build it again with `krsic build`");
    for set in &manifest.sets {
        if !loading.pin_map(&krsi_abi::set::map_name(&set.name), &sets::pin(staging, &set.name))? {
            return Err(built_again(format!("map for set `{}`", set.name)));
        }
    }
    carry(Carry::Sets)?;
    for on in labels::kinds(manifest) {
        if !loading.pin_map(on.map(), &labels::pin(staging, on))? {
            return Err(built_again(format!("map for labels on {}", on.word())));
        }
    }
    carry(Carry::Labels)?;
    let active = || manifest.programs.iter().enumerate().filter(|(at, _)| !idle.contains(at)).map(|(_, of)| of);
    for program in active() {
        let hook = &program.hook;
        loading.load(program, &staging.join("programs").join(hook))?;
        if !program.parts.is_empty() {
            if !loading.pin_map(&krsi_abi::parts_map(hook), &pins::parts(staging, hook))? {
                return Err(built_again(format!("array for the programs of `{hook}`")));
            }
            loading.fill(program)?;
        }
    }
    for program in active() {
        loading.attach(&program.hook)?;
    }
    carry(Carry::Labels)?;
    for program in active() {
        loading.pin_link(&program.hook, &staging.join("links").join(&program.hook))?;
    }
    Ok(())
}

/// The object as aya has it.
struct Aya<'o> {
    ebpf: Ebpf,
    btf: Btf,
    manifest: &'o Manifest,
    kernel: &'o Kernel,
    verbose: bool,
    /// By hook; each ends with this process until it is pinned.
    links: HashMap<String, FdLink>,
}

impl Loading for Aya<'_> {
    fn pin_map(&mut self, map: &str, pin: &Path) -> Result<bool, Failure> {
        let Some(map) = self.ebpf.map(map) else {
            return Ok(false);
        };
        map.pin(pin).map_err(|error| failure::at(pin, "made", error))?;
        Ok(true)
    }

    fn load(&mut self, described: &manifest::Program, pin: &Path) -> Result<(), Failure> {
        let hook = &described.hook;
        for name in std::iter::once(hook).chain(&described.parts) {
            program(&mut self.ebpf, name)?
                .load(self.kernel.called(hook).unwrap_or(hook), &self.btf)
                .map_err(|error| refused_program(self.manifest, hook, error, self.verbose))?;
        }
        program(&mut self.ebpf, hook)?.pin(pin).map_err(|error| failure::at(pin, "made", error))
    }

    fn fill(&mut self, described: &manifest::Program) -> Result<(), Failure> {
        let hook = &described.hook;
        let part = |ebpf: &mut Ebpf, name: &String| {
            let fd = program(ebpf, name)?.fd().map_err(|error| refused_parts(hook, &error))?;
            fd.try_clone().map_err(|error| refused_parts(hook, &error))
        };
        let parts: Vec<ProgramFd> =
            described.parts.iter().map(|name| part(&mut self.ebpf, name)).collect::<Result<_, Failure>>()?;
        let map = krsi_abi::parts_map(hook);
        let Some(map) = self.ebpf.map_mut(&map) else {
            return Ok(());
        };
        let mut array = ProgramArray::try_from(map).map_err(|error| refused_parts(hook, &error))?;
        for (index, part) in (0..).zip(&parts) {
            array.set(index, part, 0).map_err(|error| refused_parts(hook, &error))?;
        }
        Ok(())
    }

    fn attach(&mut self, hook: &str) -> Result<(), Failure> {
        let program = program(&mut self.ebpf, hook)?;
        let attached = program.attach().and_then(|id| program.take_link(id));
        let link = attached.map_err(|error| refused_attach(self.manifest, hook, &error))?;
        self.links.insert(hook.to_owned(), FdLink::from(link));
        Ok(())
    }

    fn pin_link(&mut self, hook: &str, pin: &Path) -> Result<(), Failure> {
        let Some(link) = self.links.remove(hook) else {
            return Ok(());
        };
        // From here on the pin holds the link.
        link.pin(pin).map(drop).map_err(|error| match refused_by_itself(self.manifest, &chain(&error)) {
            Some(failure) => failure,
            None => failure::at(pin, "made", error),
        })
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
    };

    /// Steps as they are taken; one of them can fail.
    #[derive(Default)]
    struct Steps {
        taken: Vec<String>,
        lacks: &'static str,
    }

    impl Steps {
        fn take(&mut self, what: &str, pin: &Path) -> Result<(), Failure> {
            self.taken.push(format!("{what} {}", pin.display()).trim_end().to_owned());
            Ok(())
        }
    }

    impl Loading for Steps {
        fn pin_map(&mut self, map: &str, pin: &Path) -> Result<bool, Failure> {
            if map == self.lacks {
                return Ok(false);
            }
            self.take(map, pin).map(|()| true)
        }

        fn load(&mut self, program: &Program, pin: &Path) -> Result<(), Failure> {
            self.take(&format!("load {}", program.hook), pin)
        }

        fn fill(&mut self, program: &Program) -> Result<(), Failure> {
            self.take(&format!("fill {}", program.parts.join(" ")), Path::new(""))
        }

        fn attach(&mut self, hook: &str) -> Result<(), Failure> {
            self.take(&format!("attach {hook}"), Path::new(""))
        }

        fn pin_link(&mut self, hook: &str, pin: &Path) -> Result<(), Failure> {
            self.take(&format!("link {hook}"), pin)
        }
    }

    fn manifest() -> Manifest {
        let program = |hook: &str, parts: &[&str]| Program {
            hook: hook.into(),
            section: format!("lsm/{hook}"),
            instructions: 1,
            parts: parts.iter().map(|part| (*part).to_owned()).collect(),
            keeps: false,
            arguments: vec![],
        };
        let label = |on| manifest::Label { name: "l".into(), on, inherit: false };
        Manifest {
            programs: vec![program("file_open", &["b", "c"]), program("idle", &[]), program("bpf", &[])],
            sets: vec![manifest::Set { name: "s".into(), parts: vec![manifest::Part::Ip], max: 1 }],
            labels: vec![label(krsi_abi::labels::Object::Task), label(krsi_abi::labels::Object::Socket)],
            ..Manifest::default()
        }
    }

    /// The order in which a policy comes into the kernel: what a program can ask for before it is loaded, links last.
    #[test]
    fn steps_of_a_load() {
        let steps = std::cell::RefCell::new(Vec::new());
        let mut loading = Steps::default();
        place(&mut loading, Path::new("f"), &manifest(), &[1], |part| {
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

    /// Sets are filled when their maps are there, labels before programs are loaded and once more before links are pinned.
    #[test]
    fn what_is_carried_over_comes_in_time() {
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
        place(&mut Shared(taken.clone()), Path::new("f"), &manifest, &[], |part| {
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
            let failure = place(&mut loading, Path::new("f"), &manifest(), &[], |_| Ok(())).expect_err(lacks);
            assert_eq!(failure.message, format!("the object has no {what}"));
            assert!(!loading.taken.iter().any(|step| step.starts_with("attach")), "{:?}", loading.taken);
        }
        // A policy that records nothing has no ring buffer.
        let mut loading = Steps { lacks: EVENTS_MAP, ..Steps::default() };
        place(&mut loading, Path::new("f"), &manifest(), &[], |_| Ok(())).expect("it needs none");
        // What is not carried over keeps the policy from being attached.
        let mut loading = Steps::default();
        let failed = place(&mut loading, Path::new("f"), &manifest(), &[], |_| Err(Failure::usage("no room")));
        assert!(failed.is_err() && !loading.taken.iter().any(|step| step.starts_with("load")));
    }

    #[test]
    fn modes_that_a_load_begins_with() {
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
            let first = first_modes(&new, "p", before, options, &mut warnings);
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
        assert!(warnings.len() == 1 && warnings[0].contains("`krsi mode p` sets them"), "{warnings:?}");
        // Permissive rules kill all the same.
        let (_, warnings) = begin(None, &Options { mode: Some(Permissive), ..PLAIN });
        assert!(warnings.len() == 1 && warnings[0].contains("by `a`;"), "{warnings:?}");
        assert_eq!(begin(before(false), &PLAIN), (of(Enforce, [Enforce, Permissive]), vec![]));
        let (failed, _) = begin(before(false), &keep);
        assert_eq!(failed, Err("error: unreadable\n  note: its modes cannot be kept\n".into()));
    }

    /// The arguments of hooks stand where the kernel has them, and rules for newer kernels are off on older ones.
    #[test]
    fn objects_are_fitted_to_a_kernel() {
        let text = "a: on file_open when file.name == \"x\" deny\n@since(\"6.9\")\nb: on bpf_map_create deny\n";
        let older = crate::kernel::tests::small();
        let mut object = built(text);
        let fitted = fit(&mut object, &older, Some((6, 8))).expect("it has what `a` needs");
        let off: Vec<String> = fitted.inactive.iter().map(|off| since::words(&object.manifest, off)).collect();
        let idle: Vec<&str> = fitted.idle.iter().map(|at| &*object.manifest.programs[*at].hook).collect();
        assert_eq!(off, ["`b` (for 6.9 and newer): this is Linux 6.8"]);
        assert_eq!(idle, ["bpf_map_create"]);
        let switch = object.manifest.rules[1].since.as_ref().expect("it is for 6.9").switch as usize;
        let on = |object: &Object| section(object, CONSTANTS_SECTION)[switch];
        assert_eq!(on(&object), 0);
        let mut object = built(text);
        let fitted = fit(&mut object, &older, Some((6, 9))).expect("it has what both need");
        assert_eq!((fitted.inactive.len(), fitted.idle.len(), on(&object)), (0, 0, 1));
    }

    #[test]
    fn policies_that_are_not_loaded() {
        let text = |loaded| none_of_name("p", loaded).to_string();
        let names = || vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(text(Ok(names())), "error: no policy `p` is loaded\n  help: loaded: `a`, `b`\n");
        let nothing = "error: no policy `p` is loaded\n  help: `krsi list` shows what is loaded: nothing\n";
        assert_eq!((text(Ok(vec![])), text(Err(Failure::usage("x")))), (nothing.to_owned(), nothing.to_owned()));
    }

    #[derive(Debug, Default)]
    struct Told(&'static str, Option<Box<Told>>);
    impl std::fmt::Display for Told {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }
    impl std::error::Error for Told {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            self.1.as_deref().map(|told| told as _)
        }
    }

    #[test]
    fn errors_with_their_causes() {
        let told = |causes: [&'static str; 3]| {
            let [one, two, three] = causes;
            chain(&Told(one, Some(Box::new(Told(two, Some(Box::new(Told(three, None))))))))
        };
        assert_eq!(told(["a", "b", "c"]), "a: b: c");
        // What is said already is not said again.
        assert_eq!(told(["a: b", "b", "c"]), "a: b: c");
    }

    /// A policy that denies bpf(2) to krsi itself is told apart from other refusals.
    #[test]
    fn policies_that_refuse_their_own_load() {
        let of = |text: &str| built(text).manifest;
        let denied = "failed: Operation not permitted (os error 1)";
        let failure = refused_by_itself(&of("x: on bpf deny\n"), denied).expect("it denies itself").to_string();
        assert!(
            failure.contains("rule `x` on `bpf` counts from the moment") && failure.contains("unless task.exe =="),
            "{failure}"
        );
        assert!(refused_by_itself(&of("x: on bpf deny\n"), "failed (os error 22)").is_none());
        assert!(refused_by_itself(&of("x: on bpf audit\n"), denied).is_none(), "it only watches");
        assert!(refused_by_itself(&of("x: on file_open deny\n"), denied).is_none(), "it is on another hook");
    }
}

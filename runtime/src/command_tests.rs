//! Tests of complete commands on a folder with plain files in place of pins.
//!
//! A test builds a policy, creates the files that a load would have pinned, and runs commands that list, show,
//! change or unload it. Absent: programs, links and maps with several elements, which require a kernel.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::Duration;

use krsi_abi::manifest::Manifest;
use krsi_abi::modes::{Mode, Modes, Stage};

use crate::object::tests::{built, section};
use crate::pins::Pins;
use crate::{list, load, modes, pins, stats};

thread_local! {
    /// The folder used instead of `/sys/fs/bpf/krsi` in this test.
    pub static ROOT: RefCell<Option<PathBuf>> = const { RefCell::new(None) };
}

/// A separate root folder for one test, with the policies in it.
struct Machine {
    _folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Machine {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().join("krsi");
        fs::DirBuilder::new().mode(0o700).create(&root).expect("it is new");
        ROOT.set(Some(root));
        Machine { _folder: folder }
    }

    /// Creates the files of a loaded policy, with all its links, in the folder `name`.
    fn install(&self, name: &str, text: &str) -> Manifest {
        let object = built(text);
        let folder = pins::root().join(name);
        for part in ["maps", "programs", "links"] {
            fs::create_dir_all(folder.join(part)).expect("it can be created");
        }
        let maps = [(".rodata.krsi", "manifest"), (".data", "modes"), (".rodata", "constants")];
        for (map, pin) in maps {
            if map != ".rodata" || !object.manifest.params.is_empty() {
                fs::write(folder.join("maps").join(pin), section(&object, map)).expect("it can be written");
            }
        }
        // Counters of lost events, then of written ones.
        let counters: Vec<u8> = (1..=2 * object.manifest.rules.len() as u64).flat_map(u64::to_ne_bytes).collect();
        fs::write(folder.join("maps/lost"), counters).expect("it can be written");
        for program in &object.manifest.programs {
            for part in ["programs", "links"] {
                fs::write(folder.join(part).join(&program.hook), "").expect("it can be written");
            }
        }
        object.manifest
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(pins::root()).expect("it exists");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    }

    fn modes(&self, name: &str) -> Vec<u8> {
        fs::read(modes::pin(name)).expect("it has modes")
    }
}

/// Gives a policy's folder another stage.
fn set_stage(name: &str, stage: Stage) {
    let pin = modes::pin_in(&pins::root().join(name));
    let mut value = fs::read(&pin).expect("it has modes");
    Modes::disable(&mut value, stage);
    fs::write(pin, value).expect("it can be written");
}

const POLICY: &str = "a: on file_open, path_rmdir when task.uid == 5 deny\nb: on file_open deny EACCES\n";

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn modes_of_a_loaded_policy_are_shown_and_changed() {
    let machine = Machine::new();
    let manifest = machine.install("web", POLICY);
    let hooks: Vec<&str> = manifest.rules.iter().map(|rule| &*manifest.programs[rule.program as usize].hook).collect();
    assert_eq!(hooks, ["file_open", "path_rmdir", "file_open"]);
    assert_eq!(machine.modes("web"), [0; 7]);
    let run = |mode, rules: &[&str]| {
        modes::run("web", mode, &words(rules), false, Duration::ZERO).map_err(|why| why.to_string())
    };
    assert_eq!(run(None, &[]), Ok(("web: enforce\n".into(), None)));
    // A rule on two hooks is changed on both.
    assert_eq!(run(Some(Mode::Off), &["a"]), Ok(("web: enforce\n  a: off\n".into(), None)));
    assert_eq!(machine.modes("web"), [3, 3, 0, 2, 2, 0, 0]);
    assert_eq!(run(Some(Mode::Permissive), &[]), Ok(("web: permissive\n  a: off\n".into(), None)));
    assert_eq!(machine.modes("web"), [3, 3, 2, 2, 2, 0, 1]);
    let json = modes::run("web", None, &[], true, Duration::ZERO).expect("it is loaded").0;
    assert!(json.contains(r#"{"effective":"off","hook":"path_rmdir","mode":"off","rule":"a"}"#), "{json}");
    // A failed command changes nothing.
    let why = run(Some(Mode::Enforce), &["b", "c"]).expect_err("there is no rule `c`");
    assert!(why.contains("`web` has no rule `c`"), "{why}");
    assert_eq!(machine.modes("web"), [3, 3, 2, 2, 2, 0, 1]);
    let other =
        modes::run("other", Some(Mode::Off), &[], false, Duration::ZERO).expect_err("it is not loaded").to_string();
    assert_eq!(other, "error: no policy `other` is loaded\n  help: loaded policies: `web`\n");
    assert!(
        modes::run("a/b", None, &[], false, Duration::ZERO)
            .expect_err("it is not a name")
            .message
            .contains("invalid policy name")
    );
    // A mode map of another size.
    fs::write(modes::pin("web"), [0; 5]).expect("it can be written");
    assert!(run(None, &[]).is_err());
    let why = modes::write_value("web", &[0; 7]).expect_err("it has another length").to_string();
    assert!(why.contains("it belongs to another policy") && why.contains("`krsi unload web`"), "{why}");
}

#[test]
fn policies_are_listed_and_shown() {
    let machine = Machine::new();
    assert_eq!(list::list(false).expect("there is no policy"), "no policy is loaded\n");
    machine
        .install("web", &format!("param port: u16 = 443\n{POLICY}c: on socket_connect when dst.port == port deny\n"));
    machine.install("new", POLICY);
    set_stage("new", Stage::Pending);
    machine.install("bad", POLICY);
    machine.install("cut", POLICY);
    fs::write(pins::folder("bad").join("maps/manifest"), "nothing").expect("it can be written");
    fs::remove_file(pins::folder("cut").join("links/path_rmdir")).expect("it exists");
    // The lost counters of the rules are 1, 2, 3 and so on.
    assert_eq!(
        list::list(false).expect("they can be read"),
        "NAME  HOOKS  RULES  LOST  LIMITED  STATE\n\
         bad   ?      ?      ?     ?        unreadable: cannot read the manifest of `bad`: it does not begin with `KRSI`\n\
         cut   2      3      6     0        damaged: not attached to path_rmdir\n\
         web   3      4      10    0        enforcing\n\
         unfinished: `new`: not loaded and not enforced: a command was interrupted\n"
    );
    assert_eq!(list::list(true).expect("they can be read").lines().count(), 4);
    let shown = list::show("web").expect("it is loaded");
    assert!(shown.contains("\nparam port = 443\n") && shown.contains("\nhook path_rmdir\n"), "{shown}");
    assert!(shown.contains("    3 events lost\n"), "{shown}");
    let why = list::show("new").expect_err("it is not in force").to_string();
    assert!(why.contains("no policy `new` is loaded") && why.contains("interrupted command left pins"), "{why}");
    let output = stats::stats(Some("web"), true).expect("it is loaded");
    assert!(
        output.contains(r#"{"hook":"path_rmdir","limited":0,"lost":2,"rule":"a","unknown":0,"written":6}"#),
        "{output}"
    );
    assert!(stats::stats(Some("new"), true).is_err());
    fs::remove_dir_all(pins::folder("bad")).expect("it exists");
    assert_eq!(stats::stats(None, true).expect("they can be read").lines().count(), 2);
}

#[test]
fn policies_are_unloaded() {
    let machine = Machine::new();
    machine.install("web", POLICY);
    machine.install("other", POLICY);
    load::unload("web", Duration::ZERO).expect("it is loaded");
    assert_eq!(machine.names(), ["other"]);
    let failure = load::unload("web", Duration::ZERO).expect_err("it was unloaded").to_string();
    assert!(failure.contains("loaded policies: `other`"), "{failure}");
    assert!(load::unload("staging~x", Duration::ZERO).is_err());
}

/// A command that takes the lock completes interrupted commands.
#[test]
fn interrupted_commands_are_finished() {
    let machine = Machine::new();
    machine.install("web", POLICY);
    machine.install("web~1", POLICY);
    machine.install("web~2", POLICY);
    machine.install("x", POLICY);
    machine.install("trash~y", POLICY);
    // The second policy is in force beside the first; the third is not.
    fs::write(modes::pin_in(&pins::root().join("web~1")), [2, 2, 2, 1, 1, 1, 0]).expect("it can be written");
    for name in ["web~2", "x", "trash~y"] {
        set_stage(name, Stage::Pending);
    }
    assert_eq!(machine.modes("web"), [2, 2, 2, 1, 1, 1, 0]);
    drop(Pins::lock(Duration::ZERO).expect("it is free"));
    assert_eq!(machine.names(), ["web"]);
    assert_eq!(machine.modes("web"), [2, 2, 2, 1, 1, 1, 0]);
    // A second recovery changes nothing.
    drop(Pins::lock(Duration::ZERO).expect("it is free"));
    assert_eq!((machine.names(), machine.modes("web")), (words(&["web"]), vec![2, 2, 2, 1, 1, 1, 0]));
}

/// The first load creates the folder of all policies.
#[test]
fn the_lock_creates_its_folder() {
    let machine = Machine::new();
    fs::remove_dir(pins::root()).expect("it is empty");
    drop(Pins::lock(Duration::ZERO).expect("it is free"));
    assert_eq!(machine.names(), [""; 0]);
    fs::remove_dir(pins::root()).expect("it is empty");
    // The parent folder does not exist, as without a mounted BPF file system.
    ROOT.set(Some(pins::root().join("none/krsi")));
    let failure = Pins::lock(Duration::ZERO).expect_err("the parent folder does not exist").to_string();
    assert!(failure.contains("mount -t bpf bpf /sys/fs/bpf"), "{failure}");
}

/// A staged folder is abandoned or committed.
#[test]
fn a_staged_policy_is_committed() {
    let machine = Machine::new();
    machine.install("web", POLICY);
    let pins = Pins::lock(Duration::ZERO).expect("it is free");
    let staging = pins.stage("web").expect("it is new");
    assert!(["programs", "maps", "links"].iter().all(|part| staging.join(part).is_dir()));
    pins.abandon(&staging).expect("it exists");
    assert_eq!(machine.names(), ["web"]);
    let staging = pins.stage("web").expect("it is new");
    machine.install("web~1", "new: on bpf deny\n");
    set_stage("web~1", Stage::Pending);
    assert_eq!(list::manifest("web").expect("it is loaded").rules.len(), 3);
    pins.commit("web", &staging).expect("it is staged");
    assert_eq!(machine.names(), ["web"]);
    assert_eq!(list::manifest("web").expect("it is loaded").rules[0].name, "new");
    assert_eq!(machine.modes("web"), [0, 0, 0]);
}

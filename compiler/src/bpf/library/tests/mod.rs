//! Tests of tables and shared functions, run by the simulator as parts of built policies.
//!
//! ```text
//! search.rs    tables of numbers, ranges and networks of many sizes
//! texts.rs     paths, names, patterns and whole texts
//! ```
//!
//! Each test says by hand what an operation must come to; none compares two answers of the compiler.
//!
//! Absent: real kernels, which `tests/matrix` runs.

use std::collections::BTreeSet;

use crate::kernel::{Kernel, embedded};
use crate::optimise::Optimise;
use crate::simulate::Run;
use crate::simulate::image::Image;
use crate::simulate::machine::Machine;
use crate::simulate::scene::{Scene, Tail, named};
use crate::{Options, Source};

mod search;
mod texts;

/// A policy as an object for one kernel.
pub(in crate::bpf) struct Object {
    pub(in crate::bpf) image: Image,
    pub(in crate::bpf) kernel: &'static Kernel,
}

/// The newest kernel whose types are embedded.
pub(in crate::bpf) fn newest() -> &'static Kernel {
    embedded().last().expect("kernels are embedded")
}

/// The bytes of a policy's object.
pub(in crate::bpf) fn built(text: &str, optimise: Optimise) -> Vec<u8> {
    let source = Source { name: "p.krs".into(), text: text.into() };
    let built = crate::build(&[source], &Options { optimise, ..Options::default() });
    built.value.unwrap_or_else(|| panic!("{text}\n{:?}", built.diagnostics)).object
}

impl Object {
    pub(in crate::bpf) fn of(text: &str) -> Object {
        Object::new(&built(text, Optimise::default()), newest())
    }

    pub(in crate::bpf) fn new(bytes: &[u8], kernel: &'static Kernel) -> Object {
        Object { image: Image::new(bytes, kernel).expect("it is an object"), kernel }
    }

    /// A scene of the object's kernel.
    pub(in crate::bpf) fn scene(&self) -> Scene<'static> {
        Scene::new(self.kernel).expect("the kernel has tasks")
    }

    /// What a hook's program does in a scene.
    pub(in crate::bpf) fn run(&self, hook: &str, scene: &Scene<'static>) -> Run {
        let mut machine = Machine::new(&self.image, scene.clone()).expect("the scene fits");
        machine.run(hook).unwrap_or_else(|fault| panic!("{fault}"))
    }

    /// What a hook's program returns for arguments that are numbers.
    fn verdict(&self, hook: &str, arguments: &[(&str, u64)]) -> i32 {
        let mut scene = self.scene();
        scene.arguments.extend(arguments.iter().map(|(name, value)| ((*name).to_owned(), *value)));
        self.run(hook, &scene).verdict
    }

    /// The rules that record an event of `file_open` for a file.
    fn recorded(&self, file: &File<'_>) -> BTreeSet<u32> {
        let events = self.run("file_open", &self.open(file)).events;
        events.iter().map(|event| word(event, krsi_abi::event::RULE)).collect()
    }

    /// A scene in which a file is opened.
    fn open(&self, of: &File<'_>) -> Scene<'static> {
        let mut scene = self.scene();
        let mount = scene.mounted(of.mount).expect("mounts are known");
        let dentry = scene.file(mount, of.below, of.tail).expect("dentries are known");
        let file = scene.object("file", true).expect("files are known");
        assert!(scene.set(file, &named("file", &["f_path", "dentry"]), dentry));
        assert!(scene.set(file, &named("file", &["f_path", "mnt"]), mount));
        scene.arguments.insert("file".into(), file);
        scene
    }
}

/// A file by where its file system is mounted, and by its components below that.
struct File<'f> {
    mount: &'f [&'f [u8]],
    below: &'f [&'f [u8]],
    tail: Tail,
}

/// A file below the root of the namespace.
fn plain<'f>(below: &'f [&'f [u8]]) -> File<'f> {
    File { mount: &[], below, tail: Tail::Ordinary }
}

/// Four bytes of an event.
fn word(event: &[u8], at: u32) -> u32 {
    u32::from_le_bytes(*event[at as usize..].first_chunk().expect("an event has a head"))
}

//! Tests of the run-time library and its tables, which the simulator runs as parts of built policies.
//!
//! ```text
//! search.rs    tables of numbers, ranges and networks of many sizes
//! texts.rs     paths, names, patterns and whole texts
//! ```
//!
//! Each test states the expected result by hand; none compares two answers of the compiler.
//!
//! Absent: real kernels, which `tests/matrix` covers.

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

/// A policy that was built and loaded for one kernel.
pub(crate) struct Object {
    pub(crate) image: Image,
    pub(crate) kernel: &'static Kernel,
}

/// Returns the newest embedded kernel.
pub(crate) fn newest() -> &'static Kernel {
    embedded().last().expect("kernels are embedded")
}

/// Builds a policy and returns its object.
pub(crate) fn built(text: &str, optimise: Optimise) -> Vec<u8> {
    let source = Source { name: "p.krs".into(), text: text.into() };
    let built = crate::build(&[source], &Options { optimise, ..Options::default() });
    built.value.unwrap_or_else(|| panic!("{text}\n{:?}", built.diagnostics)).object
}

impl Object {
    pub(crate) fn of(text: &str) -> Object {
        Object::new(&built(text, Optimise::default()), newest())
    }

    pub(crate) fn new(bytes: &[u8], kernel: &'static Kernel) -> Object {
        Object { image: Image::new(bytes, kernel).expect("it is an object"), kernel }
    }

    /// Creates a scene for the object's kernel.
    pub(crate) fn scene(&self) -> Scene<'static> {
        Scene::new(self.kernel).expect("the kernel has tasks")
    }

    /// Runs a hook's program in a scene.
    pub(crate) fn run(&self, hook: &str, scene: &Scene<'static>) -> Run {
        let mut machine = Machine::new(&self.image, scene.clone()).expect("the scene fits");
        machine.run(hook).unwrap_or_else(|fault| panic!("{fault}"))
    }

    /// Runs a hook's program with scalar arguments and returns its result.
    fn verdict(&self, hook: &str, arguments: &[(&str, u64)]) -> i32 {
        let mut scene = self.scene();
        scene.arguments.extend(arguments.iter().map(|(name, value)| ((*name).to_owned(), *value)));
        self.run(hook, &scene).verdict
    }

    /// Returns the rules that record an event when a file is opened.
    fn recorded(&self, file: &File<'_>) -> BTreeSet<u32> {
        let events = self.run("file_open", &self.open(file)).events;
        events.iter().map(|event| word(event, krsi_abi::event::RULE)).collect()
    }

    /// Creates a scene in which a file is opened.
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

/// A file, by the mount point of its file system and its components below that.
struct File<'f> {
    mount: &'f [&'f [u8]],
    below: &'f [&'f [u8]],
    tail: Tail,
}

/// Returns a file on the root file system.
fn plain<'f>(below: &'f [&'f [u8]]) -> File<'f> {
    File { mount: &[], below, tail: Tail::Ordinary }
}

/// Reads four bytes of an event.
fn word(event: &[u8], at: u32) -> u32 {
    u32::from_le_bytes(*event[at as usize..].first_chunk().expect("an event has a header"))
}

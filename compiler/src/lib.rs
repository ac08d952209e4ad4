//! The compiler of krs: text in, a BPF object out.
//!
//! ```text
//! policy.krs ──grammar──> ast ──> hir ──> decision ──> mir ──> bpf ──> object ──> policy.o
//! ```
//!
//! Each stage is a folder that owns its data type and reads those of earlier stages. [`driver`] lists the
//! passes over `mir`. Errors in a policy are reported by the end of `hir`, except that a program or a table
//! is too large. The stages are pure: bytes in, values out. [`command`] does all input and output.

use krs_grammar::ast::{self, FileId};

pub mod access;
pub mod analysis;
pub mod automaton;
pub mod bpf;
pub mod btf;
pub mod command;
pub mod data;
pub mod decision;
pub mod diag;
pub mod driver;
pub mod glob;
pub mod helper;
pub mod hir;
pub mod imports;
pub mod isa;
pub mod kernel;
pub mod limits;
pub mod lint;
pub mod manifest;
pub mod mir;
pub mod object;
pub mod optimise;
pub mod reference;
pub mod relocation;
pub mod rt;
pub mod simulate;
pub mod source;
pub mod stdlib;
#[cfg(test)]
mod testing;
pub mod text_test;

use analysis::unreachable::Unreachable;
use diag::{Diagnostic, Severity};
use driver::{Instrumentation, Observer};
use kernel::Kernel;
use optimise::Optimise;
pub use source::{Source, Sources};

/// Options of a compilation.
#[derive(Default)]
pub struct Options<'k> {
    /// The kernel that defines names; by default the newest embedded one.
    pub target: Option<&'k Kernel>,
    /// The policy's name; by default that of its first file.
    pub name: Option<String>,
    /// The levels of warnings: hidden, shown, or an error.
    pub levels: lint::levels::Levels,
    /// The optimisations that are enabled.
    pub optimise: Optimise,
    /// Requests to print, verify and time the passes.
    pub instrumentation: Instrumentation,
    /// Reads a file that a policy names.
    pub read: Option<Read<'k>>,
}

/// Reads a file that a policy names: the arguments are the name of the file that names it, and the path in
/// that file. The name of a source is the same for all paths to a file. The error is the end of a message
/// that begins with the path: `cannot be read: permission denied`.
pub type Read<'k> = &'k (dyn Fn(&str, &str) -> Result<Source, String> + Sync);

/// The result of a request, with its diagnostics.
#[derive(Debug)]
pub struct Outcome<T> {
    /// Diagnostics in the order of their places.
    pub diagnostics: Vec<Diagnostic>,
    /// Every file that diagnostics can point into.
    pub sources: Sources,
    /// `None` if and only if an error is among the diagnostics.
    pub value: Option<T>,
    /// The output that [`Options::instrumentation`] requests.
    pub report: String,
}

/// A compiled policy: the object and its source form.
#[derive(Debug)]
pub struct Built {
    /// Bytes of the ELF file.
    pub object: Vec<u8>,
    /// Instructions of all programs together.
    pub instructions: usize,
    /// The typed policy that was compiled.
    pub policy: hir::Policy,
}

/// A stage whose form can be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The syntax tree of the source.
    Ast,
    /// The policy with resolved names and types.
    Hir,
    /// The decision graphs of the hooks.
    Decision,
    /// Assembly with the source between the lines.
    Bpf,
    /// Sections, maps, types and relocations.
    Object,
}

/// The trees of a policy and of the standard library: everything that needs no kernel.
pub struct Parsed {
    sources: Sources,
    /// The tree of each file.
    trees: Vec<ast::File>,
    /// The number of files that belong to the policy.
    given: usize,
    diagnostics: Vec<Diagnostic>,
}

/// A policy without errors.
struct Checked {
    policy: hir::Policy,
    unreachable: Unreachable,
    kernels: Vec<String>,
}

/// Stages walk trees recursively, up to about 1200 levels deep. The default stack of a thread, 2 MiB,
/// suffices for 200 levels of unoptimised code. Pages that are not touched cost nothing.
const STACK_BYTES: usize = 64 << 20;

/// Runs work on a stack that is deep enough for any policy within the limits of the language.
fn deep<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let mut work = Some(work);
    let mut run = || work.take().map(|work| work());
    let done = std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("krsic".to_owned()).stack_size(STACK_BYTES);
        let spawned = builder.spawn_scoped(scope, &mut run);
        spawned.ok().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    // Without a thread the default stack suffices for most policies.
    match done.unwrap_or_else(run) {
        Some(value) => value,
        None => unreachable!("the work is there until it is done"),
    }
}

/// Checks a policy and reports diagnostics.
#[must_use]
pub fn check(files: &[Source], options: &Options<'_>) -> Outcome<()> {
    Parsed::of(files.to_vec()).check(options)
}

/// Compiles a policy to an object.
#[must_use]
pub fn build(files: &[Source], options: &Options<'_>) -> Outcome<Built> {
    Parsed::of(files.to_vec()).build(options)
}

/// Prints the form of a policy after a stage.
#[must_use]
pub fn emit(files: &[Source], options: &Options<'_>, stage: Stage) -> Outcome<String> {
    Parsed::of(files.to_vec()).emit(options, stage)
}

impl Parsed {
    /// Parses source files and the standard library.
    #[must_use]
    pub fn of(files: Vec<Source>) -> Parsed {
        let given = files.len();
        let library =
            stdlib::FILES.iter().map(|(name, text)| Source { name: (*name).to_owned(), text: (*text).to_owned() });
        let sources = Sources::new(files.into_iter().chain(library));
        let mut diagnostics = Vec::new();
        let trees = deep(|| {
            let parse = |(id, source): (_, &Source)| {
                let parsed = krs_grammar::parse(id, &source.text);
                diagnostics.extend(parsed.errors.into_iter().map(Diagnostic::from));
                parsed.file
            };
            sources.iter().map(parse).collect()
        });
        Parsed { sources, trees, given, diagnostics }
    }

    /// Checks the policy and reports diagnostics.
    #[must_use]
    pub fn check(self, options: &Options<'_>) -> Outcome<()> {
        // Rules that do not fit into a program are an error, too.
        self.run(options, |checked, _, observer, diagnostics| drop(generate(&checked, options, observer, diagnostics)))
    }

    /// Compiles the policy to an object.
    #[must_use]
    pub fn build(self, options: &Options<'_>) -> Outcome<Built> {
        self.run(options, |checked, sources, observer, diagnostics| {
            let (policy, object) = compile(checked, sources, options, observer, diagnostics);
            let hooks = object.programs.iter().filter(|program| program.section != object::lower::FUNCTIONS_SECTION);
            let instructions = hooks.map(|program| program.insns.len()).sum();
            Built { object: object::elf::to_elf(&object), instructions, policy }
        })
    }

    /// Prints the form of the policy after a stage.
    #[must_use]
    pub fn emit(self, options: &Options<'_>, stage: Stage) -> Outcome<String> {
        if stage == Stage::Ast {
            let Parsed { sources, trees, given, diagnostics } = self;
            let text: String = deep(|| trees[..given].iter().map(krs_grammar::print::tree).collect());
            return finish(sources, diagnostics, Some(text));
        }
        self.run(options, |checked, sources, observer, diagnostics| match stage {
            Stage::Ast | Stage::Hir => hir::print::print(&checked.policy),
            // The size of the code decides which hooks are split.
            Stage::Decision => {
                decision::print::print(&generate(&checked, options, observer, diagnostics).0, &checked.policy)
            }
            Stage::Bpf => {
                let (_, code) = generate(&checked, options, observer, diagnostics);
                bpf::print::print(&code, &|span| {
                    let (line, column) = sources.position(span);
                    let text = sources.text(span).split_whitespace().collect::<Vec<_>>().join(" ");
                    (format!("{}:{line}:{column}", sources.name(span.file)), text)
                })
            }
            Stage::Object => object::print::print(&compile(checked, sources, options, observer, diagnostics).1),
        })
    }

    fn run<T: Send>(
        self,
        options: &Options<'_>,
        then: impl FnOnce(Checked, &Sources, &Observer<'_>, &mut Vec<Diagnostic>) -> T + Send,
    ) -> Outcome<T> {
        deep(|| {
            let (sources, mut diagnostics, checked) = gate(self, options);
            let observer = Observer::new(&options.instrumentation);
            let value = checked.map(|checked| then(checked, &sources, &observer, &mut diagnostics));
            options.levels.apply(&mut diagnostics);
            Outcome { report: observer.report(), ..finish(sources, diagnostics, value) }
        })
    }
}

/// Generates the code of a checked policy. Every request that needs code calls it, so all of them report the
/// same errors and verify the same forms.
fn generate(
    checked: &Checked,
    options: &Options<'_>,
    observer: &Observer<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> (decision::Plan, bpf::Code) {
    driver::compile(&checked.policy, &checked.unreachable, options.optimise, observer, diagnostics)
}

/// Compiles a typed policy to an object.
fn compile(
    checked: Checked,
    sources: &Sources,
    options: &Options<'_>,
    observer: &Observer<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> (hir::Policy, object::Object) {
    // The plan of a large policy takes as much memory as its object.
    let (_, code) = generate(&checked, options, observer, diagnostics);
    let Checked { policy, kernels, .. } = checked;
    let manifest = manifest::manifest(&policy, &code, kernels, sources);
    let object = object::lower::lower(code, &manifest, sources);
    (policy, object)
}

/// Checks a policy; `None` if it has errors. The trees are dropped at the end, since those of a large policy
/// take as much memory as all later stages.
fn gate(parsed: Parsed, options: &Options<'_>) -> (Sources, Vec<Diagnostic>, Option<Checked>) {
    let Parsed { mut sources, trees: mut own, given, mut diagnostics } = parsed;
    let library = &own.split_off(given)[..];
    let own = &imports::splice(own, options.read, &mut sources, &mut diagnostics)[..];
    let set_files = set_files(own, options, &mut sources);
    let default = kernel::embedded().last();
    let Some(kernel) = options.target.or(default) else { unreachable!("kernels are embedded") };
    let name = options.name.clone().unwrap_or_else(|| policy_name(sources.name(FileId(0))));
    let position = |span| sources.position(span);
    let input = hir::lower::Input {
        library,
        policy: own,
        name: &name,
        kernel,
        newest: default.filter(|_| options.target.is_some()),
        position: &position,
        sources: &sources,
        set_files: &set_files,
    };
    let policy = hir::lower::lower(&input, &mut diagnostics);
    let failed = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    let Some(policy) = policy.filter(|_| !failed) else {
        return (sources, diagnostics, None);
    };
    if cfg!(debug_assertions) || options.instrumentation.verify_each {
        hir::verify::verify(&policy);
    }
    let (kernels, warnings) = hir::kernels::survey(&policy);
    diagnostics.extend(warnings);
    let unreachable = Unreachable::find(&policy);
    lint::run(&lint::Input { policy: &policy, unreachable: &unreachable, own, library, given }, &mut diagnostics);
    lint::levels::allow_in_place(own, &mut diagnostics);
    (sources, diagnostics, Some(Checked { policy, unreachable, kernels }))
}

fn finish<T>(sources: Sources, diagnostics: Vec<Diagnostic>, value: Option<T>) -> Outcome<T> {
    let failed = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    Outcome { diagnostics: sorted(diagnostics), sources, value: value.filter(|_| !failed), report: String::new() }
}

fn sorted(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by_key(|diagnostic| diagnostic.primary.span);
    diagnostics
}

/// Reads the files that contain elements of sets.
fn set_files(own: &[ast::File], options: &Options<'_>, sources: &mut Sources) -> hir::lower::SetFiles {
    fn find<'a>(items: &'a [ast::Item], found: &mut Vec<&'a ast::Str>) {
        for item in items {
            match &item.kind {
                ast::ItemKind::Set(set) if let ast::SetSource::File(path) = &set.source => found.push(path),
                ast::ItemKind::Where(block) => find(&block.items, found),
                _ => {}
            }
        }
    }
    let mut paths = Vec::new();
    own.iter().for_each(|file| find(&file.items, &mut paths));
    paths
        .into_iter()
        .map(|path| {
            let text = String::from_utf8_lossy(&path.value).into_owned();
            let read = match options.read {
                Some(read) => read(sources.name(path.span.file), &text),
                None => Err("cannot be read here".to_owned()),
            };
            (path.span, read.and_then(|source| sources.push(source).ok_or_else(|| "is one file too many".to_owned())))
        })
        .collect()
}

/// The policy's name in a file name: `no-exec` in `policies/no-exec.krs`. Characters that a pin cannot have
/// become `_`.
fn policy_name(file: &str) -> String {
    let base = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let stem = base.strip_suffix(".krs").unwrap_or(base);
    let name: String = stem
        .chars()
        .take(64)
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' })
        .collect();
    if name.is_empty() { "policy".to_owned() } else { name }
}

//! The `krsic` command: all input and output is here. The library behind it takes bytes and gives values.
//!
//! Exit codes: 0 where the policy is fine (warnings allowed), 1 where it is not, 2 where the command line, a file
//! or the terminal is at fault.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use clap::builder::TypedValueParser;
use clap::error::{ContextKind, ContextValue};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::btf::Btf;
use crate::diag::code::{WARNINGS, warning};
use crate::diag::{self, Diagnostic, Severity};
use crate::driver::{self, Instrumentation};
use crate::hir::suggest::did_you_mean;
use crate::kernel::Kernel;
use crate::lint::levels::{Level, Levels};
use crate::optimise::{self, Optimise};
use crate::{Options, Parsed, Source, Sources, Stage};

mod explain;
mod hooks;
mod sources;
mod types;

use sources::{Named, STDIN};

/// The compiler of krs, a language for Linux security policies
#[derive(Parser)]
#[command(name = "krsic", version, propagate_version = true, subcommand_required = true, arg_required_else_help = true)]
#[command(
    after_help = "Examples:\n  krsic check policy.krs\n  krsic build policy.krs && sudo krsi load policy.o\n  krsic build policy.krs --emit bpf\n  krsic explain KRS0200\n  krsic hooks file_open"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Look for mistakes; write nothing
    Check(Common),
    /// Compile to an object for `krsi load`
    #[command(
        after_help = "Examples:\n  krsic build policy.krs              # writes policy.o beside it\n  krsic build a.krs b.krs -o all.o    # one object of several files\n  krsic build policy.krs --emit bpf   # assembly with the source between"
    )]
    Build(Build),
    /// Explain an error or warning, with a wrong and a right example
    Explain {
        /// Its code, such as KRS0200; all codes where there is none
        code: Option<String>,
    },
    /// Tell of the hooks that rules can be on
    #[command(
        after_help = "Examples:\n  krsic hooks                    # all\n  krsic hooks mmap               # those with mmap in their names\n  krsic hooks file_open          # all about one\n  krsic hooks --on 5.10 --deny   # those that can deny on 5.10"
    )]
    Hooks(hooks::Hooks),
    /// Tell of the types, fields and definitions that rules can use
    #[command(
        after_help = "Examples:\n  krsic types          # all that the standard library describes\n  krsic types file     # the fields of a struct\n  krsic types Prot     # the names of bits or values\n  krsic types sock     # exact names win; `krsic types sock_` lists"
    )]
    Types(types::Types),
}

#[derive(Args)]
struct Common {
    /// The policy's source files; `-` reads standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Take types from this file, raw BTF or an ELF with .BTF, instead of the running kernel
    #[arg(long, value_name = "FILE")]
    btf: Option<PathBuf>,
    /// How to print errors and warnings; `rich` on a terminal and `plain` elsewhere by default
    #[arg(long, value_enum, value_name = "FORMAT")]
    message_format: Option<Format>,
    /// When to use colour
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    color: Color,
    /// Hide a warning, by its code or name (`KRS0904`, `unused-item`), or all `warnings`
    #[arg(short = 'A', long, value_name = "WARNING", help_heading = "Warnings")]
    allow: Vec<String>,
    /// Make a warning an error; what names one counts more than what names all `warnings`
    #[arg(short = 'D', long, value_name = "WARNING", help_heading = "Warnings")]
    deny: Vec<String>,
    /// The same as `--deny warnings`
    #[arg(long, help_heading = "Warnings")]
    deny_warnings: bool,
}

impl Common {
    fn levels(&self) -> Result<Levels, Failure> {
        let mut levels = Levels::default();
        let all = self.deny_warnings.then_some("warnings");
        let allow = self.allow.iter().map(|name| (name.as_str(), Level::Allow));
        let deny = self.deny.iter().map(String::as_str).chain(all).map(|name| (name, Level::Deny));
        for (name, level) in allow.chain(deny) {
            levels.set(name, level).map_err(|message| {
                let names = WARNINGS.iter().map(|(_, name)| *name).chain(["warnings"]);
                let help = did_you_mean(name, names).unwrap_or_else(|| "`krsic explain` lists all codes".to_owned());
                let failure = Failure::new(message);
                if name == "warnings" || warning(name).is_some() { failure } else { failure.help(help) }
            })?;
        }
        Ok(levels)
    }
}

#[derive(Args)]
struct Build {
    #[command(flatten)]
    common: Common,
    /// Where to write; `-` is standard output. By default the first source with the ending .o
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The policy's name, by which it is loaded; by default that of the first source
    #[arg(long)]
    name: Option<String>,
    /// Print a stage of the compilation instead of writing the object
    #[arg(long, value_enum, value_name = "STAGE")]
    emit: Option<Emit>,
    /// Options for the development of the compiler; `help` lists them
    #[arg(short = 'Z', value_name = "OPTION", hide = true, value_parser = Unstable)]
    unstable: Vec<String>,
}

impl Build {
    /// The optimisations and the instrumentation that the `-Z` options ask for.
    fn unstable(&self) -> Result<(Optimise, Instrumentation), Failure> {
        let mut optimise = Optimise::default();
        let mut wanted = Instrumentation::default();
        for option in &self.unstable {
            match option.split_once('=') {
                Some(("print-after", name)) => wanted.print_after.push(pass(name)?),
                Some(("stop-after", name)) => wanted.stop_after = Some(pass(name)?),
                _ if option == "verify-each" => wanted.verify_each = true,
                _ if option == "time-passes" => wanted.clock = Some(elapsed),
                _ => {
                    optimise = optimise.set(option).map_err(|mut names| {
                        names.extend(UNSTABLE.map(|(name, _)| name.to_owned()));
                        let help = did_you_mean(option, names.iter().map(String::as_str));
                        Failure::new(format!("unknown option `-Z {option}`"))
                            .help(help.unwrap_or_else(|| "`krsic build -Z help` lists the options".to_owned()))
                    })?;
                }
            }
        }
        Ok((optimise, wanted))
    }
}

/// The options of `-Z` besides `no-PASS`.
const UNSTABLE: [(&str, &str); 4] = [
    ("print-after=PASS", "print each function after a pass, to standard error"),
    ("stop-after=PASS", "end after a pass, and print each function to standard output instead of writing the object"),
    ("verify-each", "check the invariants of the intermediate form after each pass, also in release builds"),
    ("time-passes", "print how long each pass takes"),
];

/// The name of a pass as the driver has it.
fn pass(name: &str) -> Result<&'static str, Failure> {
    driver::pass_names().find(|known| *known == name).ok_or_else(|| {
        let help = did_you_mean(name, driver::pass_names());
        Failure::new(format!("unknown pass `{name}`"))
            .help(help.unwrap_or_else(|| "`krsic build -Z help` lists the passes".to_owned()))
    })
}

/// The time since the first call.
fn elapsed() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

/// The output of `-Z help`.
fn unstable_help() -> String {
    let mut text = String::from("Options for the development of the compiler:\n");
    for (name, doc) in UNSTABLE {
        text.push_str(&format!("  -Z {name:20} {doc}\n"));
    }
    text.push_str("\nPasses, in order:\n");
    for name in driver::pass_names() {
        let reason = driver::find(name).map_or("the body before the first pass", |pass| pass.reason);
        text.push_str(&format!("  {name:23} {reason}\n"));
    }
    text + "\n" + &optimise::help()
}

/// Parses the value of `-Z`; `help` prints the list, for which no file is needed.
#[derive(Clone)]
struct Unstable;

impl TypedValueParser for Unstable {
    type Value = String;

    fn parse_ref(&self, _: &clap::Command, _: Option<&clap::Arg>, value: &OsStr) -> Result<String, clap::Error> {
        match value.to_str() {
            Some("help") => {
                let mut error = clap::Error::new(clap::error::ErrorKind::DisplayHelp);
                error.insert(ContextKind::Custom, ContextValue::String(unstable_help()));
                Err(error)
            }
            _ => Ok(value.to_string_lossy().into_owned()),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// With the source, for people at a terminal
    Rich,
    /// With the source, stable and without colour
    Plain,
    /// One line each
    Short,
    /// One JSON object a line
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Emit {
    /// What the text says
    Ast,
    /// Names resolved, types known
    Hir,
    /// Tests, and what follows from them
    Decision,
    /// Assembly with the source between
    Bpf,
    /// Sections, maps, types and relocations
    Object,
}

/// The command line, a file or the terminal is at fault.
struct Failure {
    message: String,
    help: Option<String>,
}

impl Failure {
    fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), help: None }
    }

    fn help(mut self, help: impl Into<String>) -> Failure {
        self.help = Some(help.into());
        self
    }
}

const POLICY: u8 = 1;
const USAGE: u8 = 2;

/// Runs the command.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; everything else is one of usage.
            let code = if error.use_stderr() { USAGE } else { 0 };
            // Lists of our own are no usage of a command.
            match error.get(ContextKind::Custom) {
                Some(ContextValue::String(text)) => drop(print(text.as_bytes())),
                _ => drop(error.print()),
            }
            return ExitCode::from(code);
        }
    };
    let done = match cli.command {
        Command::Check(common) => check(&common),
        Command::Build(build) => self::build(&build),
        Command::Explain { code } => explain::explain(code.as_deref()),
        Command::Hooks(hooks) => hooks::hooks(&hooks),
        Command::Types(types) => types::types(&types),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            let mut text = format!("error: {}\n", failure.message);
            if let Some(help) = failure.help {
                text.push_str(&format!("  help: {help}\n"));
            }
            let _ = io::stderr().write_all(text.as_bytes());
            ExitCode::from(USAGE)
        }
    }
}

fn check(common: &Common) -> Result<u8, Failure> {
    let (parsed, target) = inputs(common)?;
    let named = Named::new(&common.files);
    let read = |file: &str, path: &str| named.read(file, path);
    let options =
        Options { target: target.as_ref(), levels: common.levels()?, read: Some(&read), ..Options::default() };
    let outcome = parsed.check(&options);
    report(common, &outcome.diagnostics, &outcome.sources)
}

fn build(build: &Build) -> Result<u8, Failure> {
    let common = &build.common;
    if let Some(name) = &build.name
        && (name.is_empty()
            || name.len() > 64
            || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'))
    {
        return Err(Failure::new(format!("`{name}` cannot be a policy's name"))
            .help("a name is 1 to 64 letters, digits, `-` and `_`"));
    }
    let (parsed, target) = inputs(common)?;
    let named = Named::new(&common.files);
    let read = |file: &str, path: &str| named.read(file, path);
    let (optimise, instrumentation) = build.unstable()?;
    let stops = instrumentation.stop_after.is_some();
    let options = Options {
        target: target.as_ref(),
        name: build.name.clone(),
        levels: common.levels()?,
        optimise,
        instrumentation,
        read: Some(&read),
    };
    if let Some(emit) = build.emit {
        let stage = match emit {
            Emit::Ast => Stage::Ast,
            Emit::Hir => Stage::Hir,
            Emit::Decision => Stage::Decision,
            Emit::Bpf => Stage::Bpf,
            Emit::Object => Stage::Object,
        };
        let outcome = parsed.emit(&options, stage);
        eprint!("{}", outcome.report);
        let code = report(common, &outcome.diagnostics, &outcome.sources)?;
        if let Some(text) = outcome.value.filter(|_| code == 0) {
            match build.output.as_deref() {
                None => print(text.as_bytes())?,
                Some(path) if path == Path::new("-") => print(text.as_bytes())?,
                Some(path) => write(path, text.as_bytes())?,
            }
        }
        return Ok(code);
    }
    let output = match &build.output {
        Some(output) => output.clone(),
        None if common.files[0] == Path::new("-") => {
            return Err(Failure::new("a policy from standard input has no name to write to")
                .help("name the object: `-o policy.o`"));
        }
        None => common.files[0].with_extension("o"),
    };
    if common.files.contains(&output) {
        return Err(Failure::new(format!("`{}` is a source; it would be overwritten", output.display()))
            .help("write to another file: `-o policy.o`"));
    }
    if output == Path::new("-") && io::stdout().is_terminal() {
        return Err(Failure::new("an object is no text for a terminal").help("write it to a file: `-o policy.o`"));
    }
    let outcome = parsed.build(&options);
    let code = report(common, &outcome.diagnostics, &outcome.sources)?;
    if stops {
        print(outcome.report.as_bytes())?;
        return Ok(code);
    }
    eprint!("{}", outcome.report);
    if let Some(built) = outcome.value.filter(|_| code == 0) {
        if output == Path::new("-") { print(&built.object)? } else { write(&output, &built.object)? }
    }
    Ok(code)
}

/// The policy's trees, and the kernel whose names count. Other cores open the kernels while this one parses the library:
/// of a short policy that is most of the work.
fn inputs(common: &Common) -> Result<(Parsed, Option<Kernel>), Failure> {
    let files = read(&common.files)?;
    std::thread::scope(|scope| {
        let target = scope.spawn(|| target(common.btf.as_deref()));
        // The embedded ones are wanted in any case.
        scope.spawn(crate::kernel::embedded);
        let parsed = Parsed::of(files);
        let target = target.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok((parsed, target))
    })
}

fn read(paths: &[PathBuf]) -> Result<Vec<Source>, Failure> {
    let mut files: Vec<Source> = Vec::with_capacity(paths.len());
    if paths.len() > usize::from(u16::MAX) / 2 {
        return Err(Failure::new("too many source files"));
    }
    for path in paths {
        let stdin = path == Path::new("-");
        let name = if stdin { STDIN.to_owned() } else { path.display().to_string() };
        if files.iter().any(|file| file.name == name) {
            return Err(Failure::new(format!("`{name}` is named twice")).help("name each file once"));
        }
        let bytes = if stdin {
            let mut bytes = Vec::new();
            io::stdin().read_to_end(&mut bytes).map(|_| bytes)
        } else {
            fs::read(path)
        };
        let bytes = bytes.map_err(|error| match error.kind() {
            ErrorKind::NotFound => Failure::new(format!("there is no file `{name}`")),
            ErrorKind::IsADirectory => {
                Failure::new(format!("`{name}` is a folder")).help(format!("name the files in it: `{name}/*.krs`"))
            }
            _ => Failure::new(format!("`{name}` cannot be read: {error}")),
        })?;
        if bytes.starts_with(b"\x7fELF") {
            return Err(Failure::new(format!("`{name}` is an object, not a policy's source"))
                .help(format!("load it: `krsi load {name}`")));
        }
        let text = sources::text(bytes)
            .map_err(|why| Failure::new(format!("`{name}` {why}")).help("save the file as UTF-8"))?;
        files.push(Source { name, text });
    }
    Ok(files)
}

/// The running kernel's types.
const RUNNING: &str = "/sys/kernel/btf/vmlinux";

/// The kernel whose names count: the one asked for, the running one, or none where neither is there.
fn target(btf: Option<&Path>) -> Result<Option<Kernel>, Failure> {
    if let Some(path) = btf {
        let name = path.display().to_string();
        let bytes = fs::read(path).map_err(|error| Failure::new(format!("`{name}` cannot be read: {error}")))?;
        let opened = if bytes.starts_with(b"\x7fELF") {
            crate::btf::from_elf(&bytes)
                .map_err(|error| error.to_string())
                .and_then(|found| found.ok_or_else(|| "it is an ELF file without a .BTF section".to_owned()))
        } else {
            Btf::parse(bytes).map_err(|error| error.to_string())
        };
        let btf = opened.map_err(|error| {
            Failure::new(format!("`{name}` is no BTF: {error}"))
                .help("the running kernel's is /sys/kernel/btf/vmlinux; a vmlinux with debug information has one too")
        })?;
        let kernel = Kernel::new(name.clone(), btf);
        if kernel.hook_names().len() == 0 {
            return Err(Failure::new(format!("`{name}` describes no LSM hooks"))
                .help("take the BTF of a whole kernel (not of a module) that is built with CONFIG_BPF_LSM"));
        }
        return Ok(Some(kernel));
    }
    let running = read_quickly(Path::new(RUNNING)).ok().and_then(|bytes| Btf::parse(bytes).ok());
    // Without BPF LSM the running kernel is not what the policy is for.
    Ok(running.map(|btf| Kernel::new("the running kernel", btf)).filter(|kernel| kernel.hook_names().len() > 0))
}

/// Reads a file in two halves at once. Of a file in sysfs each read gives a page at most, which makes reading the
/// kernel's types the longest part of a build.
fn read_quickly(path: &Path) -> io::Result<Vec<u8>> {
    use std::os::unix::fs::FileExt;
    let file = fs::File::open(path)?;
    let mut bytes = vec![0; usize::try_from(file.metadata()?.len()).unwrap_or(0)];
    let half = bytes.len() / 2;
    let (first, second) = bytes.split_at_mut(half);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| file.read_exact_at(second, half as u64));
        file.read_exact_at(first, 0)?;
        other.join().unwrap_or_else(|_| Err(io::Error::other("a reader failed")))
    })?;
    Ok(bytes)
}

/// Prints what there is to say, and tells the exit code.
fn report(common: &Common, diagnostics: &[Diagnostic], sources: &Sources) -> Result<u8, Failure> {
    let terminal = io::stderr().is_terminal();
    let format = common.message_format.unwrap_or(if terminal { Format::Rich } else { Format::Plain });
    let color = match common.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    };
    let text = match format {
        Format::Rich => diag::rich::print(diagnostics, sources, color),
        Format::Plain => diag::plain::print(diagnostics, sources),
        Format::Short => diag::plain::short(diagnostics, sources),
        Format::Json => diag::json::print(diagnostics, sources),
    };
    // Machines read what they ask for from standard output.
    if format == Format::Json {
        print(text.as_bytes())?;
    } else {
        let _ = io::stderr().write_all(text.as_bytes());
    }
    let worst = diagnostics.iter().map(|diagnostic| diagnostic.severity).min();
    let failed = worst == Some(Severity::Error);
    if failed && matches!(format, Format::Rich | Format::Plain) {
        let count = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
        let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        let mut parts = Vec::new();
        for (severity, word) in [(Severity::Error, "error"), (Severity::Warning, "warning")] {
            if count(severity) > 0 {
                parts.push(plural(count(severity), word));
            }
        }
        let _ = writeln!(io::stderr(), "{}", parts.join(" and "));
    }
    Ok(if failed { POLICY } else { 0 })
}

fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        // Whoever reads has read enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::new(format!("standard output cannot be written: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// A line of JSON.
fn json_line(of: &impl serde::Serialize) -> String {
    let mut line = serde_json::to_string(of).unwrap_or_default();
    line.push('\n');
    line
}

/// The lines of a text, each indented.
fn indent(out: &mut String, text: &str) {
    for line in text.trim_end().lines() {
        out.push_str(format!("  {line}").trim_end());
        out.push('\n');
    }
}

/// Writes a file whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let cannot = |error: io::Error| Failure::new(format!("`{}` cannot be written: {error}", path.display()));
    // A device or a pipe is no file to put another in the place of.
    if fs::metadata(path).is_ok_and(|known| !known.is_file()) {
        return fs::write(path, bytes).map_err(cannot);
    }
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o644));
    }
    let mut file = builder.tempfile_in(folder).map_err(cannot)?;
    file.write_all(bytes).map_err(cannot)?;
    file.persist(path).map_err(|error| cannot(error.error))?;
    Ok(())
}

//! The command line: argument parsing, dispatch to the commands, and standard output and error.
//!
//! Absent: the commands themselves. They return the text to print, or a [`Failure`].

use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use krsi_abi::modes::Mode;

use crate::events::Format;
use crate::failure::{Failure, REFUSED, USAGE};
use crate::terminal::{safe_json, safe_lines};
use crate::{doctor, events, list, load, modes, sets, stats};

/// Load krs policies into the kernel's BPF LSM
#[derive(Parser)]
#[command(name = "krsi", version, propagate_version = true, subcommand_required = true, arg_required_else_help = true)]
#[command(
    after_help = "Examples:\n  krsic build policy.krs && krsi load policy.o\n  krsi events --follow\n  krsi unload policy\n\nExit codes: 0 success, 1 rejected by the kernel, 2 error in the command line, a file or the machine"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Show the verifier's log if the kernel rejects a program
    #[arg(long, global = true)]
    verbose: bool,
    /// Give up if another command that changes policies does not end within this time
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 60)]
    lock_timeout: u64,
}

#[derive(Subcommand)]
enum Command {
    /// Load a policy, replacing a loaded policy of the same name
    #[command(
        after_help = "The policy stays loaded until `krsi unload` or a reboot; no process needs to keep running.\nThe kernel runs the newest policy first and stops at the first denial: policies loaded earlier do not see\noperations that a later one denies."
    )]
    Load {
        /// Object file written by `krsic build`
        object: PathBuf,
        /// Load it under this name instead of its own
        #[arg(long)]
        name: Option<String>,
        /// Set a parameter of the policy; join the names of flags with `|`
        #[arg(long, value_name = "NAME=VALUE")]
        set: Vec<String>,
        /// Start with empty sets and no labels instead of those of the replaced policy
        #[arg(long)]
        fresh: bool,
        /// Fail instead of warning if a file named by `inode("...")` does not exist or is not unique
        #[arg(long)]
        strict: bool,
        /// Start in this mode instead of `enforce`
        #[arg(long, value_parser = modes::parser())]
        mode: Option<Mode>,
        /// Keep the modes that were set for the replaced policy and its rules
        #[arg(long, conflicts_with = "mode")]
        keep_modes: bool,
    },
    /// Unload a loaded policy
    Unload {
        /// Name of the policy
        name: String,
    },
    /// List the loaded policies
    List {
        /// Format of the output
        #[arg(long, value_enum, default_value_t = Listing::Text)]
        format: Listing,
    },
    /// Show a loaded policy and its rules
    Show {
        /// Name of the policy
        name: String,
    },
    /// Show or change the mode of a loaded policy or of some of its rules
    #[command(
        after_help = "Examples:\n  krsi mode policy\n  krsi mode policy permissive\n  krsi mode policy off no_shell no_ptrace\n  krsi mode policy enforce no_shell\n\nA change takes effect before the command ends and lasts until the policy is loaded again. The weaker of the policy's\nmode and the rule's own mode applies: when the policy is enforced again, each rule has its own mode again."
    )]
    Mode {
        /// Name of the policy
        policy: String,
        /// New mode; shows the current modes if omitted
        #[arg(value_parser = modes::parser())]
        mode: Option<Mode>,
        /// Change these rules instead of the policy; `krsi show` lists the names
        rules: Vec<String>,
        /// Format of the output
        #[arg(long, value_enum, default_value_t = Listing::Text)]
        format: Listing,
    },
    /// Print or change a `dynamic` set of a loaded policy
    #[command(
        after_help = "Examples:\n  krsi set policy quarantine add 10.0.0.7 2001:db8::/32\n  krsi set policy quarantine replace --from blocked.txt\n  krsi set policy edges remove '10.0.0.0/8, 443'\n  krsi set policy quarantine list > saved.txt\n\nA change takes effect before the command ends. Nothing is changed if an element is invalid or not all of them\nfit. `krsi load` keeps the elements when it replaces the policy."
    )]
    Set {
        /// Name of the policy
        policy: String,
        /// Name of the set
        set: String,
        #[command(subcommand)]
        action: sets::Action,
    },
    /// Show the number of events that policies recorded and the cost of their programs
    #[command(
        after_help = "WRITTEN  events recorded\nLOST     events lost because the buffer was full\nLIMITED  events over the limit of their rule\nUNKNOWN  times that a path, a text, an address or an ancestor could not be read, so that the test of it was unknown"
    )]
    Stats {
        /// Show only this policy
        name: Option<String>,
        /// Format of the output
        #[arg(long, value_enum, default_value_t = Listing::Text)]
        format: Listing,
    },
    /// Print the events that policies recorded
    Events {
        /// Print only the events of this policy
        name: Option<String>,
        /// Format of the output
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
        /// Keep running and print new events as they occur
        #[arg(long, short)]
        follow: bool,
    },
    /// Check whether this machine can run policies, and explain how to fix what is missing
    Doctor,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Listing {
    /// Tables and text for people
    Text,
    /// One JSON object per line
    Json,
}

/// Parses the command line, runs the command and returns its exit code.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match command(cli.command, cli.verbose, Duration::from_secs(cli.lock_timeout)) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            let _ = io::stderr().write_all(failure.to_string().as_bytes());
            ExitCode::from(failure.code)
        }
    }
}

fn command(command: Command, verbose: bool, lock_timeout: Duration) -> Result<u8, Failure> {
    match command {
        Command::Load { object, name, set, fresh, strict, mode, keep_modes } => {
            let name = name.as_deref();
            let options =
                load::Options { name, settings: &set, fresh, strict, mode, keep_modes, verbose, lock_timeout };
            let loaded = load::load(&object, &options)?;
            print(&loaded_text(&loaded))?;
            for sentence in loaded.warnings.iter().chain(&loaded.carried.dropped) {
                warn(sentence);
            }
        }
        Command::Unload { name } => {
            load::unload(&name, lock_timeout)?;
            print(&format!("unloaded {name}\n"))?;
        }
        Command::Mode { policy, mode, rules, format } => {
            let (out, warning) = modes::run(&policy, mode, &rules, format == Listing::Json, lock_timeout)?;
            print_as(format, &out)?;
            warning.iter().for_each(|sentence| warn(sentence));
        }
        Command::Set { policy, set, action } => print(&sets::run(&policy, &set, &action, lock_timeout)?)?,
        Command::List { format } => print_as(format, &list::list(format == Listing::Json)?)?,
        Command::Show { name } => print(&list::show(&name)?)?,
        Command::Stats { name, format } => print_as(format, &stats::stats(name.as_deref(), format == Listing::Json)?)?,
        Command::Events { name, format, follow } => events::events(name.as_deref(), format, follow)?,
        Command::Doctor => {
            let (text, passed) = doctor::doctor();
            print(&text)?;
            return Ok(if passed { 0 } else { REFUSED });
        }
    }
    Ok(0)
}

/// Formats the output of a successful `krsi load`.
fn loaded_text(loaded: &load::Loaded) -> String {
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let verb = if loaded.replaced { "replaced" } else { "loaded" };
    let (rules, hooks) = (plural(loaded.rules, "rule"), plural(loaded.programs, "hook"));
    let mut lines = vec![format!("{verb} {}: {rules} on {hooks}", loaded.name)];
    lines.extend(loaded.inactive.iter().map(|rule| format!("  not active here: {rule}")));
    lines.extend(loaded.state.iter().map(|state| format!("{} is {state}", loaded.name)));
    lines.extend(
        loaded.carried.kept.iter().map(|(set, count)| format!("set {set} keeps its {}", plural(*count, "element"))),
    );
    lines.into_iter().fold(String::new(), |out, line| out + &line + "\n")
}

/// Prints a warning to standard error.
pub fn warn(text: &str) {
    print_stderr(&format!("warning: {text}"));
}

/// Prints a line to standard error, ignoring failures.
pub fn print_stderr(text: &str) {
    let _ = writeln!(io::stderr(), "{}", safe_lines(text));
}

fn print(text: &str) -> Result<(), Failure> {
    write(&safe_lines(text))
}

/// Prints the output of a command that has two formats.
fn print_as(format: Listing, text: &str) -> Result<(), Failure> {
    match format {
        Listing::Text => print(text),
        Listing::Json => write(&safe_json(text)),
    }
}

fn write(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    check_written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Converts a write error to a failure. A broken pipe is not one: the reader has seen enough.
fn check_written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::usage(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sets::Carried;

    fn parsed(line: &str) -> Result<Cli, u8> {
        let words = std::iter::once("krsi").chain(line.split_whitespace());
        Cli::try_parse_from(words).map_err(|error| if error.use_stderr() { USAGE } else { 0 })
    }

    fn command(line: &str) -> Command {
        parsed(line).map(|cli| cli.command).unwrap_or_else(|_| panic!("{line} is not accepted"))
    }

    #[test]
    fn the_clap_definition_is_valid() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn arguments_of_load() {
        let Command::Load { object, name, set, fresh, strict, mode, keep_modes } = command("load p.o") else {
            panic!("it is a load");
        };
        assert_eq!((object, name, set, mode), (PathBuf::from("p.o"), None, vec![], None));
        assert!(!fresh && !strict && !keep_modes);
        let all = "load p.o --name q --set a=1 --set b=2 --fresh --strict --mode permissive";
        let Command::Load { name, set, fresh, strict, mode, keep_modes, .. } = command(all) else {
            panic!("it is a load");
        };
        assert_eq!((name.as_deref(), mode), (Some("q"), Some(Mode::Permissive)));
        assert_eq!(set, ["a=1", "b=2"]);
        assert!(fresh && strict && !keep_modes);
        assert!(matches!(command("load p.o --keep-modes"), Command::Load { keep_modes: true, .. }));
        assert_eq!(parsed("load p.o --keep-modes --mode off").err(), Some(USAGE));
    }

    #[test]
    fn arguments_of_other_commands() {
        assert!(matches!(command("unload p"), Command::Unload { name } if name == "p"));
        assert!(matches!(command("list"), Command::List { format: Listing::Text }));
        assert!(matches!(command("list --format json"), Command::List { format: Listing::Json }));
        assert!(matches!(command("show p"), Command::Show { name } if name == "p"));
        assert!(matches!(command("mode p"), Command::Mode { mode: None, rules, .. } if rules.is_empty()));
        assert!(matches!(
            command("mode p off a b"),
            Command::Mode { mode: Some(Mode::Off), rules, .. } if rules == ["a", "b"]
        ));
        assert!(matches!(command("stats"), Command::Stats { name: None, format: Listing::Text }));
        assert!(matches!(command("stats p"), Command::Stats { name: Some(name), .. } if name == "p"));
        assert!(matches!(command("events"), Command::Events { name: None, format: Format::Text, follow: false }));
        assert!(matches!(
            command("events p --format json -f"),
            Command::Events { name: Some(_), format: Format::Json, follow: true }
        ));
        assert!(matches!(command("doctor"), Command::Doctor));
        let action = |line: &str| match command(line) {
            Command::Set { policy, set, action } if policy == "p" && set == "s" => action,
            _ => panic!("{line} does not name set `s` of `p`"),
        };
        assert!(matches!(action("set p s list"), sets::Action::List));
        assert!(matches!(action("set p s clear"), sets::Action::Clear));
        assert!(matches!(action("set p s add 1 -2"), sets::Action::Add(_)));
        assert!(matches!(action("set p s remove 1"), sets::Action::Remove(_)));
        assert!(matches!(action("set p s replace --from f"), sets::Action::Replace(_)));
        assert!(parsed("--verbose list").is_ok_and(|cli| cli.verbose) && parsed("list").is_ok_and(|cli| !cli.verbose));
    }

    #[test]
    fn usage_errors_exit_with_2_and_help_with_0() {
        for line in [
            "",
            "load",
            "unload",
            "show",
            "mode",
            "mode p on",
            "set p s",
            "set p s add",
            "set p s add 1 --from f",
            "list --format xml",
            "events --format yaml",
            "dostor",
            "load a.o b.o",
        ] {
            assert_eq!(parsed(line).err(), Some(USAGE), "{line}");
        }
        for line in ["--help", "--version", "load --help"] {
            assert_eq!(parsed(line).err(), Some(0), "{line}");
        }
    }

    #[test]
    fn output_of_load() {
        let loaded = load::Loaded {
            name: "web".into(),
            replaced: false,
            programs: 1,
            rules: 2,
            warnings: vec!["printed elsewhere".into()],
            state: None,
            carried: Carried::default(),
            inactive: vec![],
        };
        assert_eq!(loaded_text(&loaded), "loaded web: 2 rules on 1 hook\n");
        let loaded = load::Loaded {
            replaced: true,
            programs: 2,
            rules: 1,
            state: Some("permissive".into()),
            carried: Carried {
                kept: vec![("a".into(), 1), ("b".into(), 3)],
                dropped: vec!["printed elsewhere".into()],
            },
            inactive: vec!["`r`: no hook".into()],
            ..loaded
        };
        assert_eq!(
            loaded_text(&loaded),
            "replaced web: 1 rule on 2 hooks\n  not active here: `r`: no hook\nweb is permissive\n\
             set a keeps its 1 element\nset b keeps its 3 elements\n"
        );
    }

    #[test]
    fn a_closed_pipe_is_not_a_failure() {
        assert!(check_written(Ok(())).is_ok());
        assert!(check_written(Err(ErrorKind::BrokenPipe.into())).is_ok());
        let failure = check_written(Err(ErrorKind::StorageFull.into())).expect_err("the disk is full");
        assert_eq!(failure.code, USAGE);
    }
}

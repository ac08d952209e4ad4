//! The command line.

use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use krsi_abi::modes::Mode;

use crate::events::Format;
use crate::failure::{Failure, REFUSED, USAGE};
use crate::{doctor, events, list, load, modes, sets, stats};

/// Load krs policies into the kernel's BPF LSM
#[derive(Parser)]
#[command(name = "krsi", version, propagate_version = true, subcommand_required = true, arg_required_else_help = true)]
#[command(
    after_help = "Examples:\n  krsic build policy.krs && krsi load policy.o\n  krsi events --follow\n  krsi unload policy\n\nExit codes: 0 done, 1 refused by the kernel, 2 a mistake in the command or a file"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Show the verifier's log where the kernel refuses a program
    #[arg(long, global = true)]
    verbose: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Load a policy, in place of any loaded one of its name
    #[command(
        after_help = "The policy stays until `krsi unload` or a reboot; the command does not have to run on.\nThe kernel runs the newest policy first, and ends at the first denial: policies loaded earlier do not see\nwhat a later one denies."
    )]
    Load {
        /// What `krsic build` has written
        object: PathBuf,
        /// Load it under this name instead of its own
        #[arg(long)]
        name: Option<String>,
        /// Set a parameter of the policy; the names of flags go together by `|`
        #[arg(long, value_name = "NAME=VALUE")]
        set: Vec<String>,
        /// Begin with empty sets and without labels, where those of a loaded policy of the name would be kept
        #[arg(long)]
        fresh: bool,
        /// Refuse the policy where a file that it names by `inode("...")` is not there, instead of a warning
        #[arg(long)]
        strict: bool,
        /// Begin with this mode instead of `enforce`
        #[arg(long, value_parser = modes::parser())]
        mode: Option<Mode>,
        /// Keep the modes that were set for a loaded policy of the name and for its rules
        #[arg(long, conflicts_with = "mode")]
        keep_modes: bool,
    },
    /// Unload a policy
    Unload {
        /// Its name
        name: String,
    },
    /// List the loaded policies
    List {
        /// How to print them
        #[arg(long, value_enum, default_value_t = Listing::Text)]
        format: Listing,
    },
    /// Show a loaded policy with its rules
    Show {
        /// Its name
        name: String,
    },
    /// Show or change whether a loaded policy, or some of its rules, are enforced
    #[command(
        after_help = "Examples:\n  krsi mode policy\n  krsi mode policy permissive\n  krsi mode policy off no_shell no_ptrace\n  krsi mode policy enforce no_shell\n\nA change counts from the moment that the command ends, and until the policy is loaded again. Of a rule's own mode and its\npolicy's the weaker counts: a policy that is enforced again gives each rule its own mode back."
    )]
    Mode {
        /// The policy's name
        policy: String,
        /// Make this the mode
        #[arg(value_parser = modes::parser())]
        mode: Option<Mode>,
        /// Of these rules instead of the policy: names as `krsi show` has them
        rules: Vec<String>,
        /// How to print the modes
        #[arg(long, value_enum, default_value_t = Listing::Text)]
        format: Listing,
    },
    /// Print or change a set of a loaded policy, one that is `dynamic` in the source
    #[command(
        after_help = "Examples:\n  krsi set policy quarantine add 10.0.0.7 2001:db8::/32\n  krsi set policy quarantine replace --from blocked.txt\n  krsi set policy edges remove '10.0.0.0/8, 443'\n  krsi set policy quarantine list > saved.txt\n\nA change counts from the moment that the command ends. Nothing is changed where an element cannot be read or there\nis no room for all. `krsi load` keeps the elements when it replaces the policy."
    )]
    Set {
        /// The policy's name
        policy: String,
        /// The set's name
        set: String,
        #[command(subcommand)]
        action: sets::Action,
    },
    /// Tell how much policies have recorded, and what their programs cost
    #[command(
        after_help = "WRITTEN  events that were recorded\nLOST     events that found no room\nLIMITED  events over the limit of their rule\nUNKNOWN  times that a path, a text, an address or an ancestor could not be read, so that what was asked of it was unknown"
    )]
    Stats {
        /// Of this policy only
        name: Option<String>,
        /// How to print them
        #[arg(long, value_enum, default_value_t = Listing::Text)]
        format: Listing,
    },
    /// Print what policies have recorded
    Events {
        /// Of this policy only
        name: Option<String>,
        /// How to print events
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
        /// Wait for more
        #[arg(long, short)]
        follow: bool,
    },
    /// Tell what this machine lacks to run policies, and how to mend it
    Doctor,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Listing {
    /// A table
    Text,
    /// One JSON object a line
    Json,
}

/// Runs the command.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match command(cli.command, cli.verbose) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            let _ = io::stderr().write_all(failure.to_string().as_bytes());
            ExitCode::from(failure.code)
        }
    }
}

fn command(command: Command, verbose: bool) -> Result<u8, Failure> {
    match command {
        Command::Load { object, name, set, fresh, strict, mode, keep_modes } => {
            let options =
                load::Options { name: name.as_deref(), settings: &set, fresh, strict, mode, keep_modes, verbose };
            let loaded = load::load(&object, &options)?;
            print(&loaded_text(&loaded))?;
            for sentence in loaded.warnings.iter().chain(&loaded.carried.dropped) {
                warn(sentence);
            }
        }
        Command::Unload { name } => {
            load::unload(&name)?;
            print(&format!("unloaded {name}\n"))?;
        }
        Command::Mode { policy, mode, rules, format } => {
            let (out, warning) = modes::run(&policy, mode, &rules, format == Listing::Json)?;
            print(&out)?;
            warning.iter().for_each(|sentence| warn(sentence));
        }
        Command::Set { policy, set, action } => print(&sets::run(&policy, &set, &action)?)?,
        Command::List { format } => print(&list::list(format == Listing::Json)?)?,
        Command::Show { name } => print(&list::show(&name)?)?,
        Command::Stats { name, format } => print(&stats::stats(name.as_deref(), format == Listing::Json)?)?,
        Command::Events { name, format, follow } => events::events(name.as_deref(), format, follow)?,
        Command::Doctor => {
            let (text, fine) = doctor::doctor();
            print(&text)?;
            return Ok(if fine { 0 } else { REFUSED });
        }
    }
    Ok(0)
}

/// What a load says.
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

/// Says something that does not keep the command from doing its work.
fn warn(text: &str) {
    tell(&format!("warning: {text}"));
}

/// Says something beside what the command prints.
pub fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Whoever closes the standard output has read enough.
fn written(done: io::Result<()>) -> Result<(), Failure> {
    match done {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::usage(format!("standard output cannot be written: {error}")))
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
        parsed(line).map(|cli| cli.command).unwrap_or_else(|_| panic!("{line} can be read"))
    }

    #[test]
    fn the_definition_is_sound() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn loads_on_the_command_line() {
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
    fn other_commands() {
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
            _ => panic!("{line} is about set `s` of `p`"),
        };
        assert!(matches!(action("set p s list"), sets::Action::List));
        assert!(matches!(action("set p s clear"), sets::Action::Clear));
        assert!(matches!(action("set p s add 1 -2"), sets::Action::Add(_)));
        assert!(matches!(action("set p s remove 1"), sets::Action::Remove(_)));
        assert!(matches!(action("set p s replace --from f"), sets::Action::Replace(_)));
        assert!(parsed("--verbose list").is_ok_and(|cli| cli.verbose) && parsed("list").is_ok_and(|cli| !cli.verbose));
    }

    #[test]
    fn mistakes_end_with_2_and_questions_with_0() {
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
    fn a_load_in_words() {
        let loaded = load::Loaded {
            name: "web".into(),
            replaced: false,
            programs: 1,
            rules: 2,
            warnings: vec!["said elsewhere".into()],
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
            carried: Carried { kept: vec![("a".into(), 1), ("b".into(), 3)], dropped: vec!["said elsewhere".into()] },
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
    fn a_closed_pipe_is_no_failure() {
        assert!(written(Ok(())).is_ok());
        assert!(written(Err(ErrorKind::BrokenPipe.into())).is_ok());
        let failure = written(Err(ErrorKind::StorageFull.into())).expect_err("the disk is full");
        assert_eq!(failure.code, USAGE);
    }
}

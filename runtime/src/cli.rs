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
            let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
            let verb = if loaded.replaced { "replaced" } else { "loaded" };
            print(&format!(
                "{verb} {}: {} on {}\n",
                loaded.name,
                plural(loaded.rules, "rule"),
                plural(loaded.programs, "hook")
            ))?;
            for rule in &loaded.inactive {
                print(&format!("  not active here: {rule}\n"))?;
            }
            if let Some(state) = &loaded.state {
                print(&format!("{} is {state}\n", loaded.name))?;
            }
            for (set, count) in &loaded.carried.kept {
                print(&format!("set {set} keeps its {}\n", plural(*count, "element")))?;
            }
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
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::usage(format!("standard output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

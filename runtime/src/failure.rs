//! Why a command did not do what it was asked, and what to do about it.

use std::error::Error;
use std::fmt::{self, Write};
use std::io;
use std::path::Path;

use krsi_abi::PIN_ROOT;

/// The policy or the kernel is at fault.
pub const REFUSED: u8 = 1;
/// The command line, a file or the machine is at fault.
pub const USAGE: u8 = 2;

/// The most names that are listed.
const NAMES_MAX: usize = 16;

/// An error for people.
#[derive(Debug)]
pub struct Failure {
    /// What went wrong, without a period.
    pub message: String,
    /// Facts, each a line.
    pub notes: Vec<String>,
    /// What to do next.
    pub help: Vec<String>,
    /// The exit code.
    pub code: u8,
}

impl Failure {
    /// The command line, a file or the machine is at fault.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), notes: Vec::new(), help: Vec::new(), code: USAGE }
    }

    /// The policy or the kernel is at fault.
    pub fn refused(message: impl Into<String>) -> Failure {
        Failure { code: REFUSED, ..Failure::usage(message) }
    }

    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Failure {
        self.notes.push(text.into());
        self
    }

    /// Adds what was perhaps meant by a name that is none of these, or all that there are.
    #[must_use]
    pub fn instead_of<'n>(self, name: &str, names: impl Iterator<Item = &'n str>) -> Failure {
        let mut names: Vec<&str> = names.collect();
        names.dedup();
        let near = names.iter().map(|known| (strsim::damerau_levenshtein(name, known), *known)).min();
        match near {
            Some((distance, near)) if distance <= name.len().max(3) / 3 => self.help(format!("did you mean `{near}`?")),
            _ => {
                let more = if names.len() > NAMES_MAX { ", ..." } else { "" };
                let names: Vec<String> = names.iter().take(NAMES_MAX).map(|name| format!("`{name}`")).collect();
                self.help(format!("it has {}{more}", names.join(", ")))
            }
        }
    }

    /// Adds a next step.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Failure {
        self.help.push(text.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message)?;
        for note in &self.notes {
            writeln!(f, "  note: {note}")?;
        }
        for help in &self.help {
            writeln!(f, "  help: {help}")?;
        }
        Ok(())
    }
}

/// An input or output error on a path, with all that is behind it.
pub fn at(path: &Path, what: &str, error: impl Into<Box<dyn Error>>) -> Failure {
    let error = error.into();
    let mut message = format!("`{}` cannot be {what}", path.display());
    let mut denied = false;
    let mut next: Option<&(dyn Error + 'static)> = Some(&*error);
    while let Some(behind) = next {
        let text = behind.to_string();
        // Some errors already say what is behind them.
        if !message.ends_with(&text) {
            let _ = write!(message, ": {text}");
        }
        denied |=
            behind.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        next = behind.source();
    }
    let failure = Failure::usage(message);
    remedied(failure, denied && path.starts_with(PIN_ROOT), rustix::process::geteuid().is_root())
}

/// Adds what to do where the pins were denied to the command.
fn remedied(failure: Failure, denied: bool, root: bool) -> Failure {
    match (denied, root) {
        (false, _) => failure,
        (true, false) => failure.help("run the command as root"),
        (true, true) => failure.note("the command runs as root: a policy or another security module denies this"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_as_text() {
        let failure = Failure::refused("no").note("one").note("two").help("do");
        assert_eq!(failure.to_string(), "error: no\n  note: one\n  note: two\n  help: do\n");
        assert_eq!((failure.code, Failure::usage("x").code), (1, 2));
    }

    #[test]
    fn near_names_are_offered() {
        let offered = |name: &str, names: &[&str]| Failure::usage("x").instead_of(name, names.iter().copied()).help;
        assert_eq!(offered("ruel", &["rule", "other"]), ["did you mean `rule`?"]);
        // One letter in three may differ; of a short name one.
        assert_eq!(offered("ab", &["abc"]), ["did you mean `abc`?"]);
        assert_eq!(offered("abcdef", &["abcdxy"]), ["did you mean `abcdxy`?"]);
        assert_eq!(offered("abcdef", &["abcxyz"]), ["it has `abcxyz`"]);
        // Rules on several hooks are listed once.
        assert_eq!(offered("zzzzzz", &["one", "one", "two"]), ["it has `one`, `two`"]);
        let many: Vec<String> = (10..27).map(|at| format!("rule{at}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let help = &offered("zzzzzz", &many)[0];
        assert!(help.ends_with("`rule25`, ...") && help.starts_with("it has `rule10`, "), "{help}");
        assert!(offered("zzzzzz", &many[..16])[0].ends_with("`rule25`"));
    }

    #[test]
    fn causes_stand_behind_errors() {
        #[derive(Debug)]
        struct Outer(io::Error);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "it failed")
            }
        }
        impl Error for Outer {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }
        let message = |error: Outer| at(Path::new("/x"), "read", error).message;
        assert_eq!(message(Outer(io::Error::other("deep"))), "`/x` cannot be read: it failed: deep");
        assert_eq!(message(Outer(io::Error::other("it failed"))), "`/x` cannot be read: it failed");
        assert_eq!(at(Path::new("/x"), "opened", "why").message, "`/x` cannot be opened: why");
    }

    /// Root is not told to be root: somebody denies it to root.
    #[test]
    fn denied_pins() {
        let text = |denied, root| remedied(Failure::usage("x"), denied, root).to_string();
        assert_eq!(text(true, false), "error: x\n  help: run the command as root\n");
        let root = "error: x\n  note: the command runs as root: a policy or another security module denies this\n";
        assert_eq!(text(true, true), root);
        assert_eq!((text(false, false), text(false, true)), ("error: x\n".to_owned(), "error: x\n".to_owned()));
        let denied = |path: &str, kind: io::ErrorKind| {
            let failure = at(Path::new(path), "read", io::Error::from(kind));
            !(failure.notes.is_empty() && failure.help.is_empty())
        };
        assert!(denied("/sys/fs/bpf/krsi/p", io::ErrorKind::PermissionDenied));
        assert!(!denied("/etc/p", io::ErrorKind::PermissionDenied));
        assert!(!denied("/sys/fs/bpf/krsi/p", io::ErrorKind::NotFound));
    }
}

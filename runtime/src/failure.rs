//! Errors of the commands, each with notes and the next step.
//!
//! ```text
//! error: cannot rename `/sys/fs/bpf/krsi/p`: Operation not permitted (os error 1)
//!   note: policy `other` has rules that can deny this: `rename` on `path_rename`
//!   help: turn the rule off with `krsi mode POLICY off RULE`, or exempt `krsi` in it: `unless task.comm == "krsi"`
//! ```
//!
//! Messages are lower case without a final period. Absent: printing; [`crate::cli`] writes them to standard error.

use std::error::Error;
use std::fmt::{self, Write};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use krsi_abi::PIN_ROOT;

use crate::terminal::{escape_bytes, safe_lines};

/// Exit code of failures caused by the policy or the kernel.
pub const REFUSED: u8 = 1;
/// Exit code of failures caused by the command line, a file or the machine.
pub const USAGE: u8 = 2;

/// Maximum number of names that a help text lists.
const NAMES_MAX: usize = 16;

/// An error as shown to the user.
#[derive(Debug)]
pub struct Failure {
    /// The error, without a final period.
    pub message: String,
    /// Facts about the error, one per line.
    pub notes: Vec<String>,
    /// Next steps, one per line.
    pub help: Vec<String>,
    /// The exit code: [`REFUSED`] or [`USAGE`].
    pub code: u8,
}

impl Failure {
    /// Creates a failure caused by the command line, a file or the machine.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), notes: Vec::new(), help: Vec::new(), code: USAGE }
    }

    /// Creates a failure caused by the policy or the kernel.
    pub fn refused(message: impl Into<String>) -> Failure {
        Failure { code: REFUSED, ..Failure::usage(message) }
    }

    /// Adds a note to the failure.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Failure {
        self.notes.push(text.into());
        self
    }

    /// Suggests the known name closest to the unknown `name`, or lists the known names if none is close.
    #[must_use]
    pub fn suggest<'n>(self, name: &str, names: impl Iterator<Item = &'n str>) -> Failure {
        let mut names: Vec<&str> = names.collect();
        names.dedup();
        let near = names.iter().map(|known| (strsim::damerau_levenshtein(name, known), *known)).min();
        match near {
            Some((distance, near)) if distance <= name.len().max(3) / 3 => self.help(format!("did you mean `{near}`?")),
            _ => {
                let more = if names.len() > NAMES_MAX { ", ..." } else { "" };
                let names: Vec<String> = names.iter().take(NAMES_MAX).map(|name| format!("`{name}`")).collect();
                self.help(format!("available: {}{more}", names.join(", ")))
            }
        }
    }

    /// Adds a next step to the failure.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Failure {
        self.help.push(text.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Messages quote names of files and of the policy.
        writeln!(f, "error: {}", safe_lines(&self.message))?;
        for note in &self.notes {
            writeln!(f, "  note: {}", safe_lines(note))?;
        }
        for help in &self.help {
            writeln!(f, "  help: {}", safe_lines(help))?;
        }
        Ok(())
    }
}

/// The failure of an operation on a path, such as `open`, with the error and its chain of causes.
pub fn at(path: &Path, operation: &str, error: impl Into<Box<dyn Error>>) -> Failure {
    let error = error.into();
    let mut message = format!("cannot {operation} `{}`", escape_bytes(path.as_os_str().as_bytes()));
    let mut denied = false;
    let mut next: Option<&(dyn Error + 'static)> = Some(&*error);
    while let Some(cause) = next {
        let text = cause.to_string();
        // Some errors include their cause in their own text.
        if !message.ends_with(&text) {
            let _ = write!(message, ": {text}");
        }
        denied |=
            cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        next = cause.source();
    }
    let failure = Failure::usage(message);
    explain_denial(failure, denied && path.starts_with(PIN_ROOT), rustix::process::geteuid().is_root())
}

/// Adds the remedy if access to the pins was denied.
fn explain_denial(failure: Failure, denied: bool, root: bool) -> Failure {
    match (denied, root) {
        (false, _) => failure,
        (true, false) => failure.help("run the command as root"),
        (true, true) => {
            failure.note("the command runs as root: a loaded policy or another security module denies this")
        }
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
        let hostile = at(Path::new("/a\n\u{1b}[2J"), "read", "why").note("\u{202e}").to_string();
        assert_eq!(hostile, "error: cannot read `/a\\n\\u{1b}[2J`: why\n  note: \\u{202e}\n");
    }

    #[test]
    fn near_names_are_offered() {
        let offered = |name: &str, names: &[&str]| Failure::usage("x").suggest(name, names.iter().copied()).help;
        assert_eq!(offered("ruel", &["rule", "other"]), ["did you mean `rule`?"]);
        // One character in three may differ, and one in a shorter name.
        assert_eq!(offered("ab", &["abc"]), ["did you mean `abc`?"]);
        assert_eq!(offered("abcdef", &["abcdxy"]), ["did you mean `abcdxy`?"]);
        assert_eq!(offered("abcdef", &["abcxyz"]), ["available: `abcxyz`"]);
        // A rule on several hooks is listed once.
        assert_eq!(offered("zzzzzz", &["one", "one", "two"]), ["available: `one`, `two`"]);
        let many: Vec<String> = (10..27).map(|at| format!("rule{at}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let help = &offered("zzzzzz", &many)[0];
        assert!(help.ends_with("`rule25`, ...") && help.starts_with("available: `rule10`, "), "{help}");
        assert!(offered("zzzzzz", &many[..16])[0].ends_with("`rule25`"));
    }

    #[test]
    fn causes_follow_their_errors() {
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
        assert_eq!(message(Outer(io::Error::other("deep"))), "cannot read `/x`: it failed: deep");
        assert_eq!(message(Outer(io::Error::other("it failed"))), "cannot read `/x`: it failed");
        assert_eq!(at(Path::new("/x"), "open", "why").message, "cannot open `/x`: why");
    }

    /// Root is not advised to run the command as root.
    #[test]
    fn denied_pins() {
        let text = |denied, root| explain_denial(Failure::usage("x"), denied, root).to_string();
        assert_eq!(text(true, false), "error: x\n  help: run the command as root\n");
        let root =
            "error: x\n  note: the command runs as root: a loaded policy or another security module denies this\n";
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

//! Inclusion of source files: the given files, and those that `use "./company.krs"` names.
//!
//! ```text
//! policy.krs:  use "./company.krs"        company.krs:  const ROOT = 0
//!              on ...                                   on ...
//! ```
//!
//! becomes one tree, in which the items of `company.krs` replace the `use` and have the same meaning as if they
//! were written there. The rules of a file are rules of the policy that uses it.
//!
//! Invariants: a file is included once, at its first `use`, however often it is used or given; files are
//! identified by name, which the reader makes unique; a `use` that remains in the tree names a file that could
//! not be read. Spans keep their original file.
//!
//! Absent: all input, which [`Read`] provides.

use std::collections::HashMap;

use krs_grammar::ast::{self, FileId, Ident, ItemKind, Span, Use};

use crate::Read;
use crate::diag::{Diagnostic, code};
use crate::hir::suggest::{did_you_mean, list};
use crate::source::Sources;
use crate::stdlib;

/// Maximum length of a chain of files that use each other. The chain is followed by recursion.
const DEPTH_MAX: usize = 100;

/// Replaces each `use` by the items of the used file.
pub fn splice(
    files: Vec<ast::File>,
    read: Option<Read<'_>>,
    sources: &mut Sources,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<ast::File> {
    let mut known = HashMap::new();
    let count = files.len() as u16;
    for (id, file) in (0..count).map(FileId).zip(files) {
        known.entry(sources.name(id).to_owned()).or_insert((id, State::Waiting(file)));
    }
    let mut splicer = Splicer { read, sources, diagnostics, known, chain: Vec::new() };
    (0..count)
        .map(|at| {
            let name = splicer.sources.name(FileId(at)).to_owned();
            splicer.enter(&name).unwrap_or_default()
        })
        .collect()
}

/// The state of a file during inclusion.
enum State {
    /// The file is not included yet.
    Waiting(ast::File),
    /// The file is on the current chain.
    Open,
    /// Its items are in their final place.
    Done,
}

/// The file could not be read, which was reported; its definitions are unknown.
struct Unreadable;

struct Splicer<'r, 's> {
    read: Option<Read<'r>>,
    sources: &'s mut Sources,
    diagnostics: &'s mut Vec<Diagnostic>,
    /// Id and state of each known file, by name.
    known: HashMap<String, (FileId, State)>,
    /// The `use` items on the current chain, from the given file on.
    chain: Vec<Span>,
}

impl Splicer<'_, '_> {
    /// Returns a file with everything that it uses; `None` if it is already included elsewhere.
    fn enter(&mut self, name: &str) -> Option<ast::File> {
        let (_, state) = self.known.get_mut(name)?;
        let State::Waiting(mut made) = std::mem::replace(state, State::Open) else {
            *state = State::Done;
            return None;
        };
        for item in std::mem::take(&mut made.items) {
            let ItemKind::Use(of) = &item.kind else {
                made.items.push(item);
                continue;
            };
            match &**of {
                Use::File(path) => match self.file(path) {
                    Ok(used) => {
                        let used = used.unwrap_or_default();
                        made.items.extend(used.items);
                        made.broken.extend(used.broken);
                    }
                    Err(Unreadable) => made.items.push(item),
                },
                Use::Module(path) => {
                    self.module(path);
                    made.items.push(item);
                }
            }
        }
        if let Some((_, state)) = self.known.get_mut(name) {
            *state = State::Done;
        }
        Some(made)
    }

    /// Returns the tree that replaces a `use`; `None` if the file is already included elsewhere.
    fn file(&mut self, path: &ast::Str) -> Result<Option<ast::File>, Unreadable> {
        let span = path.span;
        let written = String::from_utf8_lossy(&path.value).into_owned();
        let wrong = |why: &str| {
            Diagnostic::error(code::INVALID_USE, span, format!("`{written}` {why}"))
                .label("this file")
                .help("paths are relative to the file that they are written in")
        };
        let source = match (std::str::from_utf8(&path.value), self.read) {
            (Ok(path), Some(read)) => read(self.sources.name(span.file), path),
            (Ok(_), None) => Err("cannot be read here".to_owned()),
            (Err(_), _) => Err("is not a valid path: it is not UTF-8".to_owned()),
        };
        let source = match source {
            Ok(source) => source,
            Err(why) => {
                self.diagnostics.push(wrong(&why));
                return Err(Unreadable);
            }
        };
        let name = source.name.clone();
        match self.known.get(&name) {
            Some((_, State::Done)) => return Ok(None),
            Some((id, State::Open)) => {
                self.report_cycle(span, *id);
                return Ok(None);
            }
            Some((_, State::Waiting(_))) => {}
            None => {
                if source.text.starts_with("\x7fELF") {
                    self.diagnostics.push(wrong("is an object, not a source file"));
                    return Err(Unreadable);
                }
                let Some(id) = self.sources.push(source) else {
                    self.diagnostics.push(wrong("cannot be used: the policy has too many files"));
                    return Err(Unreadable);
                };
                let parsed = krs_grammar::parse(id, self.sources.file(id));
                self.diagnostics.extend(parsed.errors.into_iter().map(Diagnostic::from));
                self.known.insert(name.clone(), (id, State::Waiting(parsed.file)));
            }
        }
        if self.chain.len() == DEPTH_MAX {
            self.diagnostics.push(wrong(&format!("is nested more than {DEPTH_MAX} files deep")));
            return Err(Unreadable);
        }
        self.chain.push(span);
        let used = self.enter(&name);
        self.chain.pop();
        Ok(used)
    }

    /// Reports a cycle: the `use` at `closing` names a file on the current chain.
    fn report_cycle(&mut self, closing: Span, of: FileId) {
        // The cycle begins where that file uses the next one.
        let begins = self.chain.iter().position(|span| span.file == of).unwrap_or(self.chain.len());
        let uses: Vec<Span> = self.chain[begins..].iter().copied().chain([closing]).collect();
        let names: Vec<String> = uses.iter().map(|span| format!("`{}`", self.sources.name(span.file))).collect();
        let first = format!("`{}`", self.sources.name(of));
        let message = match uses.as_slice() {
            [_] => format!("{first} uses itself"),
            _ => format!("{first} uses itself through {}", names[1..].join(" and ")),
        };
        let mut error = Diagnostic::error(code::USE_CYCLE, closing, message).label(match uses.as_slice() {
            [_] => "the file itself".to_owned(),
            _ => format!("this is {first} again"),
        });
        for (at, span) in uses.iter().enumerate().take(uses.len() - 1) {
            error = error.also(*span, format!("{} uses {}", names[at], names[at + 1]));
        }
        self.diagnostics.push(error.help("move the shared items into a separate file and use that one"));
    }

    /// Checks `use std.net`. The library is part of every policy, so that only the name needs checking.
    fn module(&mut self, path: &[Ident]) {
        let modules: Vec<&str> = stdlib::modules().collect();
        let (Some(first), Some(last)) = (path.first(), path.last()) else { return };
        let written = path.iter().map(|name| name.name.as_str()).collect::<Vec<_>>().join(".");
        let error = |span: Span, what: String| {
            Diagnostic::error(code::UNKNOWN_MODULE, span, format!("unknown module `{written}`")).label(what)
        };
        let diagnostic = match path {
            [std, ..] if std.name != "std" => {
                let error = error(first.span.to(last.span), "unknown library".to_owned());
                match did_you_mean(&first.name, ["std"]) {
                    Some(help) => error.help(help),
                    None => error
                        .help(format!("write a file name in quotes: `use \"./{}.krs\"`", written.replace('.', "/"))),
                }
            }
            [] | [_] => return,
            [_, name] if modules.contains(&name.name.as_str()) => return,
            [_, name] => {
                let error = error(name.span, "not in the standard library".to_owned());
                match did_you_mean(&name.name, modules.iter().copied()) {
                    Some(help) => error.help(help),
                    None => error.help(format!("its modules are {}", list(modules.iter().copied(), "and"))),
                }
            }
            [_, _, rest @ ..] => error(rest[0].span.to(last.span), "modules cannot be nested".to_owned())
                .help(format!("write `use std.{}`, or omit it: the library is part of every policy", path[1].name)),
        };
        self.diagnostics.push(diagnostic);
    }
}

#[cfg(test)]
mod tests {
    use crate::{Options, Outcome, Source, check};

    /// Checks the first of these files, which may use all of them: a path is a file's name, with or without
    /// `./`.
    fn checked(files: &[(&str, &str)]) -> Outcome<()> {
        let files: Vec<Source> =
            files.iter().map(|(name, text)| Source { name: (*name).into(), text: (*text).into() }).collect();
        let read = |_: &str, path: &str| {
            let name = path.trim_start_matches("./");
            files.iter().find(|file| file.name == name).cloned().ok_or_else(|| "does not exist".to_owned())
        };
        check(&files[..1], &Options { read: Some(&read), ..Options::default() })
    }

    fn codes(files: &[(&str, &str)]) -> Vec<&'static str> {
        checked(files).diagnostics.iter().map(|diagnostic| diagnostic.code.0).collect()
    }

    const RULE: &str = "on file_open when task.uid == ADMIN deny";

    #[test]
    fn a_used_file_is_part_of_the_policy() {
        let policy = format!("use \"./b\"\n{RULE}");
        assert_eq!(codes(&[("a", &policy), ("b", "const ADMIN = 1000\nconst OTHER = 1\non task_kill deny")]), [""; 0]);
        // After the item that uses it, and through another file.
        let policy = format!("{RULE}\nuse \"./b\"");
        assert_eq!(codes(&[("a", &policy), ("b", "use \"c\""), ("c", "const ADMIN = 1000")]), [""; 0]);
    }

    #[test]
    fn file_used_twice_is_included_once() {
        let policy = format!("use \"./b\"\nuse \"c\"\nuse \"./b\"\n{RULE}");
        let files = [("a", policy.as_str()), ("b", "use \"./c\""), ("c", "const ADMIN = 1000\nx: on task_kill deny")];
        assert_eq!(codes(&files), [""; 0]);
    }

    #[test]
    fn names_are_shared_by_all_files() {
        let outcome = checked(&[("a", "use \"./b\"\nx: on task_kill deny"), ("b", "x: on file_open deny")]);
        let [found] = &outcome.diagnostics[..] else { panic!("{:?}", outcome.diagnostics) };
        assert_eq!(found.code.0, "KRS0104");
        let places = [found.primary.span, found.secondary[0].span].map(|span| outcome.sources.name(span.file));
        assert_eq!(places, ["a", "b"]);
    }

    #[test]
    fn cycle_is_reported_completely() {
        let files = [("a", "use \"b\""), ("b", "use \"c\""), ("c", "use \"d\""), ("d", "use \"./b\"")];
        let outcome = checked(&files);
        let [found] = &outcome.diagnostics[..] else { panic!("{:?}", outcome.diagnostics) };
        assert_eq!(found.code.0, "KRS0111");
        assert_eq!(found.message, "`b` uses itself through `c` and `d`");
        assert_eq!(outcome.sources.name(found.primary.span.file), "d");
        let places: Vec<&str> = found.secondary.iter().map(|label| outcome.sources.name(label.span.file)).collect();
        assert_eq!(places, ["b", "c"]);
        assert_eq!(codes(&[("a", "use \"./a\"")]), ["KRS0111"]);
    }

    #[test]
    fn errors_are_reported_in_their_file() {
        let outcome = checked(&[("a", "use \"./b\"\nuse \"gone\""), ("b", "on file_opn deny\non")]);
        let reported: Vec<(&str, &str)> = outcome
            .diagnostics
            .iter()
            .map(|found| (found.code.0, outcome.sources.name(found.primary.span.file)))
            .collect();
        assert_eq!(reported, [("KRS0110", "a"), ("KRS0200", "b"), ("KRS0010", "b")]);
    }

    #[test]
    fn unreadable_file_suppresses_unknown_names() {
        let policy = format!("use \"gone\"\n{RULE}\non file_opn deny\non file_open when blocked(task.uid) deny");
        assert_eq!(codes(&[("a", &policy)]), ["KRS0110", "KRS0200"]);
    }

    #[test]
    fn long_chains_are_rejected() {
        let texts: Vec<(String, String)> =
            (0..300).map(|at| (format!("f{at}"), format!("use \"f{}\"", at + 1))).collect();
        let files: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        assert_eq!(codes(&files), ["KRS0110"]);
    }

    #[test]
    fn modules_are_known() {
        assert_eq!(codes(&[("a", "use std.net use std use std.memory")]), [""; 0]);
        for wrong in ["use std.nett", "use company.rules", "use std.net.tcp", "use st.net"] {
            assert_eq!(codes(&[("a", wrong)]), ["KRS0112"], "{wrong}");
        }
    }
}

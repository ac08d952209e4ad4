//! Which files make a policy: those given and those that `use "./company.krs"` names.
//!
//! ```text
//! policy.krs:  use "./company.krs"        company.krs:  const ROOT = 0
//!              on ...                                   on ...
//! ```
//!
//! is one tree, in which the items of `company.krs` stand in the place of the `use`: they mean what they would mean
//! there. A file's rules are rules of the policy that uses it.
//!
//! Invariants: a file is there once, at its first `use`, however often it is used or given; files are the same if
//! they have the same name, which who reads them sees to; a `use` that is left is of a file that cannot be read. Spans
//! keep their own file.
//!
//! Absent: all input. [`Read`] does it.

use std::collections::HashMap;

use krs_grammar::ast::{self, FileId, Ident, ItemKind, Span, Use};

use crate::Read;
use crate::diag::{Diagnostic, code};
use crate::hir::suggest::{did_you_mean, list};
use crate::source::Sources;
use crate::stdlib;

/// How long a chain of files that use each other can be: a chain is walked by a function that calls itself.
const DEPTH_MAX: usize = 100;

/// Puts what the files use in the place of each `use`.
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

/// What has become of a file.
enum State {
    /// Nothing yet.
    Waiting(ast::File),
    /// Its items are being put together.
    Open,
    /// Its items are where they belong.
    Done,
}

/// Nobody knows what is in a file, and why was said.
struct Unread;

struct Splicer<'r, 's> {
    read: Option<Read<'r>>,
    sources: &'s mut Sources,
    diagnostics: &'s mut Vec<Diagnostic>,
    /// By name.
    known: HashMap<String, (FileId, State)>,
    /// The `use` items that have led here, each in the file that it stands in.
    chain: Vec<Span>,
}

impl Splicer<'_, '_> {
    /// A file with all that it uses; none where that stands elsewhere already.
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
                    Err(Unread) => made.items.push(item),
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

    /// What a `use` stands for; nothing where that stands elsewhere already.
    fn file(&mut self, path: &ast::Str) -> Result<Option<ast::File>, Unread> {
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
            (Err(_), _) => Err("is no path: it has bytes that are no character".to_owned()),
        };
        let source = match source {
            Ok(source) => source,
            Err(why) => {
                self.diagnostics.push(wrong(&why));
                return Err(Unread);
            }
        };
        let name = source.name.clone();
        match self.known.get(&name) {
            Some((_, State::Done)) => return Ok(None),
            Some((id, State::Open)) => {
                self.circle(span, *id);
                return Ok(None);
            }
            Some((_, State::Waiting(_))) => {}
            None => {
                if source.text.starts_with("\x7fELF") {
                    self.diagnostics.push(wrong("is an object, not a policy's source"));
                    return Err(Unread);
                }
                let Some(id) = self.sources.push(source) else {
                    self.diagnostics.push(wrong("is one file too many"));
                    return Err(Unread);
                };
                let parsed = krs_grammar::parse(id, self.sources.file(id));
                self.diagnostics.extend(parsed.errors.into_iter().map(Diagnostic::from));
                self.known.insert(name.clone(), (id, State::Waiting(parsed.file)));
            }
        }
        if self.chain.len() == DEPTH_MAX {
            self.diagnostics.push(wrong(&format!("is the end of a chain of more than {DEPTH_MAX} files")));
            return Err(Unread);
        }
        self.chain.push(span);
        let used = self.enter(&name);
        self.chain.pop();
        Ok(used)
    }

    /// The `use` at `closing` names a file that has led to it.
    fn circle(&mut self, closing: Span, of: FileId) {
        // The circle begins where that file uses the next.
        let begins = self.chain.iter().position(|span| span.file == of).unwrap_or(self.chain.len());
        let uses: Vec<Span> = self.chain[begins..].iter().copied().chain([closing]).collect();
        let names: Vec<String> = uses.iter().map(|span| format!("`{}`", self.sources.name(span.file))).collect();
        let first = format!("`{}`", self.sources.name(of));
        let message = match uses.as_slice() {
            [_] => format!("{first} uses itself"),
            _ => format!("{first} uses itself by way of {}", names[1..].join(" and ")),
        };
        let mut error = Diagnostic::error(code::USE_CYCLE, closing, message).label(match uses.as_slice() {
            [_] => "this very file".to_owned(),
            _ => format!("and this is {first} again"),
        });
        for (at, span) in uses.iter().enumerate().take(uses.len() - 1) {
            error = error.also(*span, format!("{} uses {}", names[at], names[at + 1]));
        }
        self.diagnostics.push(error.help("put what both need into a file of its own, and use that"));
    }

    /// `use std.net`: the library is part of every policy, so that there is nothing to do but to see that it is meant.
    fn module(&mut self, path: &[Ident]) {
        let modules: Vec<&str> = stdlib::modules().collect();
        let (Some(first), Some(last)) = (path.first(), path.last()) else { return };
        let written = path.iter().map(|name| name.name.as_str()).collect::<Vec<_>>().join(".");
        let error = |span: Span, what: String| {
            Diagnostic::error(code::UNKNOWN_MODULE, span, format!("no module `{written}`")).label(what)
        };
        let said = match path {
            [std, ..] if std.name != "std" => {
                let error = error(first.span.to(last.span), "not known".to_owned());
                match did_you_mean(&first.name, ["std"]) {
                    Some(help) => error.help(help),
                    None => {
                        error.help(format!("files are named in quotes: `use \"./{}.krs\"`", written.replace('.', "/")))
                    }
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
            [_, _, rest @ ..] => error(rest[0].span.to(last.span), "modules have no parts".to_owned())
                .help(format!("write `use std.{}`, or nothing: the library is part of every policy", path[1].name)),
        };
        self.diagnostics.push(said);
    }
}

#[cfg(test)]
mod tests {
    use crate::{Options, Outcome, Source, check};

    /// Checks the first of these files, which may use all of them: a path is a name, without `./`.
    fn checked(files: &[(&str, &str)]) -> Outcome<()> {
        let files: Vec<Source> =
            files.iter().map(|(name, text)| Source { name: (*name).into(), text: (*text).into() }).collect();
        let read = |_: &str, path: &str| {
            let name = path.trim_start_matches("./");
            files.iter().find(|file| file.name == name).cloned().ok_or_else(|| "is not there".to_owned())
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
        // Behind what uses it, and through another.
        let policy = format!("{RULE}\nuse \"./b\"");
        assert_eq!(codes(&[("a", &policy), ("b", "use \"c\""), ("c", "const ADMIN = 1000")]), [""; 0]);
    }

    #[test]
    fn a_file_used_twice_is_there_once() {
        let policy = format!("use \"./b\"\nuse \"c\"\nuse \"./b\"\n{RULE}");
        let files = [("a", policy.as_str()), ("b", "use \"./c\""), ("c", "const ADMIN = 1000\nx: on task_kill deny")];
        assert_eq!(codes(&files), [""; 0]);
    }

    #[test]
    fn names_are_of_all_files() {
        let outcome = checked(&[("a", "use \"./b\"\nx: on task_kill deny"), ("b", "x: on file_open deny")]);
        let [found] = &outcome.diagnostics[..] else { panic!("{:?}", outcome.diagnostics) };
        assert_eq!(found.code.0, "KRS0104");
        let places = [found.primary.span, found.secondary[0].span].map(|span| outcome.sources.name(span.file));
        assert_eq!(places, ["a", "b"]);
    }

    #[test]
    fn a_circle_is_shown_whole() {
        let files = [("a", "use \"b\""), ("b", "use \"c\""), ("c", "use \"d\""), ("d", "use \"./b\"")];
        let outcome = checked(&files);
        let [found] = &outcome.diagnostics[..] else { panic!("{:?}", outcome.diagnostics) };
        assert_eq!(found.code.0, "KRS0111");
        assert_eq!(found.message, "`b` uses itself by way of `c` and `d`");
        assert_eq!(outcome.sources.name(found.primary.span.file), "d");
        let places: Vec<&str> = found.secondary.iter().map(|label| outcome.sources.name(label.span.file)).collect();
        assert_eq!(places, ["b", "c"]);
        assert_eq!(codes(&[("a", "use \"./a\"")]), ["KRS0111"]);
    }

    #[test]
    fn mistakes_are_told_where_they_are() {
        let outcome = checked(&[("a", "use \"./b\"\nuse \"gone\""), ("b", "on file_opn deny\non")]);
        let said: Vec<(&str, &str)> = outcome
            .diagnostics
            .iter()
            .map(|found| (found.code.0, outcome.sources.name(found.primary.span.file)))
            .collect();
        assert_eq!(said, [("KRS0110", "a"), ("KRS0200", "b"), ("KRS0010", "b")]);
    }

    #[test]
    fn what_an_unread_file_may_define_is_not_missed() {
        let policy = format!("use \"gone\"\n{RULE}\non file_opn deny\non file_open when blocked(task.uid) deny");
        assert_eq!(codes(&[("a", &policy)]), ["KRS0110", "KRS0200"]);
    }

    #[test]
    fn long_chains_end() {
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

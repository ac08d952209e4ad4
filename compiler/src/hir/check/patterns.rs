//! Patterns of texts: `under`, `like`, `starts_with`, `ends_with`, `contains`.
//!
//! `under` and `like` take one text, a list or a set. A few are tests of their own, many become one glob:
//!
//! ```text
//! file.path under { "/srv", "/opt" }      under("/srv") or under("/opt")
//! file.path under webroots                like("{/srv/a{,/**},/srv/b{,/**},...}")
//! ```

use krs_grammar::ast::{self, BinaryOp, Expr, ExprKind, Span};
use krs_grammar::print::str_text;

use super::{Checker, Operand, sets};
use crate::automaton::Automaton;
use crate::diag::{Diagnostic, code};
use crate::glob;
use crate::hir::operators::{atom, or};
use crate::hir::resolve;
use crate::hir::{AtomKind, Cond, TextTest, Ty, Value};

/// Longest pattern that is not compared from a text's beginning.
const PATTERN_MAX: usize = 255;

/// More are asked for at once.
const TESTED_MAX: usize = 8;

impl<'a> Checker<'a> {
    /// `starts_with(text, "...")` and its like.
    pub(in crate::hir) fn text_call(&mut self, function: &'a ast::Ident, args: &'a [Expr], span: Span) -> Operand {
        let name = function.name.as_str();
        let [subject, pattern] = args else {
            return self.report(
                Diagnostic::error(
                    code::WRONG_ARGUMENT_COUNT,
                    span,
                    format!("`{name}` takes 2 arguments, not {}", args.len()),
                )
                .help(format!("give it a text and what to look for: `{name}(task.comm, \"...\")`")),
            );
        };
        let operand = self.expr(subject, None);
        if let Operand::Text(known) = operand {
            let Some(text) = self.literal(pattern, name) else { return Operand::Error };
            return Operand::Cond(Cond::Const(match name {
                "starts_with" => known.starts_with(&text),
                "ends_with" => known.ends_with(&text),
                _ => text.is_empty() || known.windows(text.len()).any(|part| part == text),
            }));
        }
        let Some(value) = self.subject(operand, subject, name) else { return Operand::Error };
        let Some(text) = self.literal(pattern, name) else { return Operand::Error };
        if !self.searchable(&text, pattern.span) {
            return Operand::Error;
        }
        if name == "starts_with" && value.ty == (Ty::Text { path: true }) && !text.starts_with(b"/") {
            return self.report(
                Diagnostic::error(code::INVALID_PATH, pattern.span, "a full path begins with `/`")
                    .label("the test would always be false")
                    .help("write it from the root; or look for it anywhere: `contains(...)`"),
            );
        }
        let test = match name {
            "starts_with" => TextTest::StartsWith(text),
            "ends_with" => TextTest::EndsWith(text),
            _ => TextTest::Contains(text),
        };
        Operand::Cond(atom(span, AtomKind::Text { value, test }))
    }

    /// `under` and `like`.
    pub(in crate::hir) fn pattern(
        &mut self,
        op: BinaryOp,
        op_span: Span,
        left: &'a Expr,
        right: &'a Expr,
        span: Span,
    ) -> Operand {
        let operand = self.expr(left, None);
        if let Operand::Text(known) = &operand
            && op == BinaryOp::Like
        {
            return self.known_like(known, right);
        }
        let Some(value) = self.subject(operand, left, op.text()) else {
            self.expr(right, None);
            return Operand::Error;
        };
        if op == BinaryOp::Under && value.ty != (Ty::Text { path: true }) {
            return self.report(
                Diagnostic::error(code::NOT_A_TEXT, op_span, "`under` asks for a path on its left")
                    .also(left.span, "a string, which has no directories")
                    .help("use `starts_with(..., \"...\")`"),
            );
        }
        let Some(patterns) = self.patterns(op, right) else { return Operand::Error };
        // Each is looked at, so that all that are wrong are told.
        let tests: Vec<_> = patterns
            .into_iter()
            .map(|(text, at)| match op {
                BinaryOp::Under => self.directory(&text, &value, at),
                _ if value.ty == (Ty::Text { path: true }) => self.path_glob(text, at),
                _ => self.glob(text, at),
            })
            .collect();
        let Some(tests) = tests.into_iter().collect::<Option<Vec<_>>>() else { return Operand::Error };
        if tests.len() > TESTED_MAX {
            return match known_glob(glob::choice(&tests.iter().map(as_glob).collect::<Vec<_>>())) {
                Ok(test) => Operand::Cond(atom(span, AtomKind::Text { value, test })),
                Err(why) => self.no_glob(why, right.span),
            };
        }
        let atoms = tests.into_iter().map(|test| atom(span, AtomKind::Text { value: value.clone(), test }));
        atoms.reduce(or).map_or(Operand::Error, Operand::Cond)
    }

    /// What stands on the right of `under` and `like`: a text, a list of texts or a set of them.
    fn patterns(&mut self, op: BinaryOp, right: &'a Expr) -> Option<Vec<(Vec<u8>, Span)>> {
        if let ExprKind::Name(name) = &right.kind
            && let Some(resolve::Named::Set(item)) = self.items.named.get(name.as_str())
        {
            let error = match self.set(item) {
                sets::Named::Texts(texts) => return Some(texts),
                sets::Named::Wrong => return None,
                sets::Named::Dynamic(_) => Diagnostic::error(
                    code::TYPE_MISMATCH,
                    right.span,
                    format!("`{}` asks for what is known when the policy is built", op.text()),
                )
                .label("a set that changes")
                .help("write what does not change as a set without `dynamic`; elements that do are asked for by `in`"),
                _ => Diagnostic::error(code::TYPE_MISMATCH, right.span, format!("`{}` asks for texts", op.text()))
                    .label("a set of others")
                    .also(item.ty.span, "elements are of this type"),
            };
            self.report(error);
            return None;
        }
        let ExprKind::List(elements) = &right.kind else {
            return Some(vec![(self.literal(right, op.text())?, right.span)]);
        };
        if elements.is_empty() {
            self.empty_list(right.span);
            return None;
        }
        // Each is looked at, so that all that are wrong are told.
        let known: Vec<_> =
            elements.iter().map(|element| Some((self.literal(element, op.text())?, element.span))).collect();
        known.into_iter().collect()
    }

    /// What `under` asks for.
    fn directory(&mut self, text: &[u8], value: &Value, at: Span) -> Option<TextTest> {
        if !text.starts_with(b"/") {
            self.report(
                Diagnostic::error(code::INVALID_PATH, at, "a directory is given from the root")
                    .label("does not begin with `/`")
                    .help("paths here are full paths: `under \"/etc\"`"),
            );
            return None;
        }
        let trimmed = text.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
        self.plausible(&text[..trimmed.max(1)], value, at).then(|| TextTest::Under(text[..trimmed].to_vec()))
    }

    /// What `like` asks for.
    fn glob(&mut self, text: Vec<u8>, at: Span) -> Option<TextTest> {
        if text.contains(&0) || text.is_empty() {
            self.report(
                Diagnostic::error(code::INVALID_PATTERN, at, "a pattern has at least one character and no NUL")
                    .help("write what the text should be"),
            );
            return None;
        }
        match known_glob(text) {
            Ok(test) => Some(test),
            Err(why) => {
                self.no_glob(why, at);
                None
            }
        }
    }

    /// What `like` asks for of a full path.
    fn path_glob(&mut self, text: Vec<u8>, at: Span) -> Option<TextTest> {
        let fits = !glob::parse(&text).is_ok_and(|pieces| !pieces.is_empty() && !glob::can_begin(&pieces, b'/'));
        if !fits {
            let rest = text.iter().position(|byte| *byte != b'*').unwrap_or(text.len());
            let (label, from) = match rest {
                0 => ("a full path begins with `/`", "**/"),
                _ => ("a full path begins with `/`, which `*` does not take", "**"),
            };
            let instead = str_text(&[from.as_bytes(), &text[rest..]].concat());
            self.report(
                Diagnostic::error(code::INVALID_PATH, at, "no full path looks like this").label(label).help(format!(
                    "write it from the root; or begin with what takes any run, `/` too: `like {instead}`"
                )),
            );
            return None;
        }
        self.glob(text, at)
    }

    fn no_glob(&mut self, why: String, at: Span) -> Operand {
        self.report(
            Diagnostic::error(code::INVALID_GLOB, at, "this glob cannot be read")
                .label(why)
                .help("`?` is one character but `/`, `*` any run of them, `**` any run at all, `[a-z]` a class, `{a,b}` a choice; `\\\\` before a character takes it for itself"),
        )
    }

    /// `hook.name like "file_*"`
    fn known_like(&mut self, known: &[u8], pattern: &'a Expr) -> Operand {
        let Some(patterns) = self.patterns(BinaryOp::Like, pattern) else { return Operand::Error };
        let fits: Vec<_> = patterns
            .into_iter()
            .map(|(text, at)| Some(Automaton::one(&self.glob(text, at)?).is_ok_and(|of| of.row(known) != 0)))
            .collect();
        match fits.into_iter().collect::<Option<Vec<bool>>>() {
            Some(fits) => Operand::Cond(Cond::Const(fits.contains(&true))),
            None => Operand::Error,
        }
    }

    /// Whether a text can be looked for in a value.
    fn searchable(&mut self, text: &[u8], at: Span) -> bool {
        let error = if text.is_empty() {
            Diagnostic::error(code::INVALID_PATTERN, at, "every text has the empty one in it")
                .help("write what to look for")
        } else if text.contains(&0) {
            Diagnostic::error(code::NUL_IN_TEXT, at, "a string of the kernel ends at its first NUL")
                .help("remove the NUL")
        } else if text.len() > PATTERN_MAX {
            Diagnostic::error(code::INVALID_PATTERN, at, format!("this is longer than {PATTERN_MAX} bytes"))
                .label(format!("{} bytes", text.len()))
                .help("look for a part of it")
        } else {
            return true;
        };
        self.report(error);
        false
    }
}

/// A test as a glob that asks the same.
fn as_glob(test: &TextTest) -> Vec<u8> {
    match test {
        TextTest::Under(directory) => [&glob::literal(directory)[..], b"{,/**}"].concat(),
        TextTest::Like(glob) => glob.clone(),
        TextTest::OneOf(_) | TextTest::StartsWith(_) | TextTest::EndsWith(_) | TextTest::Contains(_) => {
            unreachable!("only `under` and `like` take lists")
        }
    }
}

/// A glob as a test.
fn known_glob(text: Vec<u8>) -> Result<TextTest, String> {
    let pieces = glob::parse(&text)?;
    let test = TextTest::Like(text);
    if glob::grows(&pieces) && Automaton::one(&test).is_err() {
        return Err("its table of states would be too large".to_owned());
    }
    Ok(test)
}

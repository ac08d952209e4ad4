//! Tests of texts against patterns: `under`, `like`, `starts_with`, `ends_with` and `contains`.
//!
//! `under` and `like` take a text, a list or a set. A few patterns become separate tests, more of them are
//! combined into one glob:
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
use crate::hir::{AtomKind, Cond, TextTest, Ty, UNREACHABLE, Value};

/// Maximum length of the pattern of `starts_with`, `ends_with` and `contains`.
const PATTERN_MAX: usize = 255;

/// Maximum number of separate tests; more patterns are combined into one glob.
const TESTED_MAX: usize = 8;

impl<'a> Checker<'a> {
    /// Checks a call of `starts_with`, `ends_with` or `contains`.
    pub(in crate::hir) fn text_call(&mut self, function: &'a ast::Ident, args: &'a [Expr], span: Span) -> Operand {
        let name = function.name.as_str();
        let [subject, pattern] = args else {
            return self.report(
                Diagnostic::error(
                    code::WRONG_ARGUMENT_COUNT,
                    span,
                    format!("`{name}` takes 2 arguments, not {}", args.len()),
                )
                .help(format!("pass a text and a pattern: `{name}(task.comm, \"...\")`")),
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
        if name == "starts_with" && value.ty == (Ty::Text { path: true }) && !begins_path(&text) {
            return self.report(
                Diagnostic::error(code::INVALID_PATH, pattern.span, "a full path begins with `/`")
                    .label("the test would always be false")
                    .help("write an absolute path, or search anywhere in the text with `contains(...)`"),
            );
        }
        let test = match name {
            "starts_with" => TextTest::StartsWith(text),
            "ends_with" => TextTest::EndsWith(text),
            _ => TextTest::Contains(text),
        };
        Operand::Cond(atom(span, AtomKind::Text { value, test }))
    }

    /// Checks `under` and `like`.
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
                Diagnostic::error(code::NOT_A_TEXT, op_span, "`under` requires a path on its left")
                    .also(left.span, "a string, not a path")
                    .help("use `starts_with(..., \"...\")`"),
            );
        }
        let Some(patterns) = self.patterns(op, right) else { return Operand::Error };
        // All patterns are checked before the first error returns.
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

    /// Returns the patterns of the right operand: a text, a list of texts or a set of texts.
    fn patterns(&mut self, op: BinaryOp, right: &'a Expr) -> Option<Vec<(Vec<u8>, Span)>> {
        if let ExprKind::Name(name) = &right.kind
            && let Some(resolve::NamedItem::Set(item)) = self.items.named.get(name.as_str())
        {
            let error = match self.set(item) {
                sets::NamedSet::Texts(texts) => return Some(texts),
                sets::NamedSet::Wrong => return None,
                sets::NamedSet::Dynamic(_) => Diagnostic::error(
                    code::TYPE_MISMATCH,
                    right.span,
                    format!("`{}` requires patterns that are known at compile time", op.text()),
                )
                .label("a dynamic set")
                .help("use a set without `dynamic`, or test for membership with `in`"),
                _ => Diagnostic::error(code::TYPE_MISMATCH, right.span, format!("`{}` requires texts", op.text()))
                    .label("a set of another type")
                    .also(item.ty.span, "type of the elements"),
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
        // All elements are checked before the first error returns.
        let known: Vec<_> =
            elements.iter().map(|element| Some((self.literal(element, op.text())?, element.span))).collect();
        known.into_iter().collect()
    }

    /// Checks the pattern of `under`.
    fn directory(&mut self, text: &[u8], value: &Value, at: Span) -> Option<TextTest> {
        if !text.starts_with(b"/") {
            self.report(
                Diagnostic::error(code::INVALID_PATH, at, "`under` requires an absolute path")
                    .label("does not begin with `/`")
                    .help("write the full path: `under \"/etc\"`"),
            );
            return None;
        }
        let trimmed = text.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
        self.plausible(&text[..trimmed.max(1)], value, at).then(|| match &text[..trimmed] {
            // All paths but those of files that no path leads to.
            [] => TextTest::StartsWith(b"/".to_vec()),
            directory => TextTest::Under(directory.to_vec()),
        })
    }

    /// Checks the pattern of `like`.
    fn glob(&mut self, text: Vec<u8>, at: Span) -> Option<TextTest> {
        if text.contains(&0) || text.is_empty() {
            self.report(
                Diagnostic::error(code::INVALID_PATTERN, at, "a pattern must be nonempty and cannot contain a NUL")
                    .help("write a pattern for the text"),
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

    /// Checks the pattern of `like` for a full path.
    fn path_glob(&mut self, text: Vec<u8>, at: Span) -> Option<TextTest> {
        let fits = !glob::parse(&text).is_ok_and(|pieces| !pieces.is_empty() && !glob::can_begin(&pieces, b'/'));
        if !fits {
            let rest = text.iter().position(|byte| *byte != b'*').unwrap_or(text.len());
            let (label, from) = match rest {
                0 => ("a full path begins with `/`", "**/"),
                _ => ("a full path begins with `/`, which `*` does not match", "**"),
            };
            let instead = str_text(&[from.as_bytes(), &text[rest..]].concat());
            self.report(
                Diagnostic::error(code::INVALID_PATH, at, "no full path matches this pattern").label(label).help(
                    format!(
                        "write an absolute path, or begin with `**`, which matches any characters: `like {instead}`"
                    ),
                ),
            );
            return None;
        }
        self.glob(text, at)
    }

    fn no_glob(&mut self, why: String, at: Span) -> Operand {
        self.report(
            Diagnostic::error(code::INVALID_GLOB, at, "invalid glob")
                .label(why)
                .help("`?` matches one character except `/`, `*` any number of them, `**` any characters, `[a-z]` a class, `{a,b}` alternatives; `\\\\` escapes a character"),
        )
    }

    /// Evaluates `like` on a constant text, such as `hook.name like "file_*"`.
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

    /// Returns true for a valid pattern of `starts_with` and similar functions; reports an error otherwise.
    fn searchable(&mut self, text: &[u8], at: Span) -> bool {
        let error = if text.is_empty() {
            Diagnostic::error(code::INVALID_PATTERN, at, "every text contains the empty one")
                .help("write a nonempty pattern")
        } else if text.contains(&0) {
            Diagnostic::error(code::NUL_IN_TEXT, at, "a kernel string cannot contain a NUL").help("remove the NUL")
        } else if text.len() > PATTERN_MAX {
            Diagnostic::error(code::INVALID_PATTERN, at, format!("this pattern is longer than {PATTERN_MAX} bytes"))
                .label(format!("{} bytes", text.len()))
                .help("search for a part of it")
        } else {
            return true;
        };
        self.report(error);
        false
    }
}

/// Returns an equivalent glob for a test.
fn as_glob(test: &TextTest) -> Vec<u8> {
    match test {
        TextTest::Under(directory) => [&glob::literal(directory)[..], b"{,/**}"].concat(),
        TextTest::Like(glob) => glob.clone(),
        TextTest::OneOf(_) | TextTest::StartsWith(_) | TextTest::EndsWith(_) | TextTest::Contains(_) => {
            unreachable!("only `under` and `like` take lists")
        }
    }
}

/// Returns a test for a glob, or the reason why it is invalid.
fn known_glob(text: Vec<u8>) -> Result<TextTest, String> {
    let pieces = glob::parse(&text)?;
    let test = TextTest::Like(text);
    if glob::grows(&pieces) && Automaton::one(&test).is_err() {
        return Err("its automaton would be too large".to_owned());
    }
    Ok(test)
}
/// Returns true if a full path can begin with a text.
fn begins_path(text: &[u8]) -> bool {
    text.starts_with(b"/") || text.starts_with(UNREACHABLE) || UNREACHABLE.starts_with(text)
}

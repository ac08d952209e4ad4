//! Texts: paths, and characters behind pointers; what can be asked about them.
//!
//! A `struct path`, embedded or behind a pointer, is the full path of its file wherever a path is asked for; a
//! pointer to `char` is the characters behind it.

use krs_grammar::ast::{self, BinaryOp, Expr, Span};
use krs_grammar::print::str_text;

use super::{Checker, Operand};
use crate::automaton::Automaton;
use crate::btf::{Type, TypeId};
use crate::diag::{Diagnostic, code};
use crate::hir::operators::atom;
use crate::hir::place::{self, Place, Reads};
use crate::hir::{AtomKind, Cond, Ptr, Shape, Step, TEXT_BYTES, Text, TextTest, Ty, Value, ValueKind};

/// Longest pattern that is not compared from a text's beginning.
const PATTERN_MAX: usize = 255;

impl<'a> Checker<'a> {
    /// A value as a text, where it is one.
    pub(in crate::hir) fn texts(&mut self, operand: Operand) -> Operand {
        let operand = self.path_of(operand);
        let Operand::Value(value) = &operand else { return operand };
        let Ty::Ptr(Ptr { target, .. }) = value.ty else { return operand };
        let btf = &self.kernel.btf;
        if !matches!(btf.ty(btf.strip(target)), Type::Int { name: "char", .. }) {
            return operand;
        }
        let span = value.span;
        Operand::Value(Value {
            span,
            ty: Ty::Text { path: false },
            kind: ValueKind::Text(Box::new(Text::Pointer(value.clone()))),
        })
    }

    /// A `struct path` as the path that it stands for; anything else as it is.
    pub(in crate::hir) fn path_of(&mut self, operand: Operand) -> Operand {
        let place = match &operand {
            Operand::Place(place) => place.clone(),
            Operand::Value(value @ Value { ty: Ty::Ptr(Ptr { target, .. }), .. }) => {
                match Place::behind(&self.kernel.btf, value, *target) {
                    Some(place) => place,
                    None => return operand,
                }
            }
            _ => return operand,
        };
        if place::tag(&self.kernel.btf, place.ty) != "path" {
            return match operand {
                Operand::Place(place) => match self.value_of_place(place) {
                    Ok(value) => Operand::Value(value),
                    Err(place) => Operand::Place(*place),
                },
                operand => operand,
            };
        }
        match (self.part(&place, "dentry"), self.part(&place, "mnt")) {
            (Some(dentry), Some(mount)) => Operand::Value(full_path(place.span, dentry, mount)),
            _ => operand,
        }
    }

    /// A pointer that lies in a struct.
    fn part(&mut self, place: &Place, name: &str) -> Option<Value> {
        let btf = &self.kernel.btf;
        let field = place::field(btf, btf.strip(place.ty), name)?;
        let step = Step::Field { name: name.to_owned(), shape: Shape::Pointer };
        let part = place.step(step, field.ty, place.span);
        match self.reads(field.ty, false) {
            Reads::As(ty @ Ty::Ptr(_)) => Some(part.load(ty)),
            _ => None,
        }
    }

    /// `full_path(dentry, mount)`: the path of something that is looked up below a mount.
    pub(in crate::hir) fn full_path(&mut self, args: &'a [Expr], span: Span) -> Operand {
        let [dentry, mount] = args else {
            return self.report(
                Diagnostic::error(code::BAD_CALL, span, format!("`full_path` takes 2 arguments, not {}", args.len()))
                    .help("give it a dentry and a mount: `full_path(dentry, dir.mnt)`"),
            );
        };
        let dentry = self.pointer_to(dentry, "dentry");
        let mount = self.pointer_to(mount, "vfsmount");
        match (dentry, mount) {
            (Some(dentry), Some(mount)) => Operand::Value(full_path(span, dentry, mount)),
            _ => Operand::Error,
        }
    }

    /// `cgroup_path(node)`: the path of a cgroup's node in its file system.
    pub(in crate::hir) fn cgroup_path(&mut self, args: &'a [Expr], span: Span) -> Operand {
        let [node] = args else {
            return self.report(
                Diagnostic::error(code::BAD_CALL, span, format!("`cgroup_path` takes 1 argument, not {}", args.len()))
                    .help("give it a cgroup's node: `cgroup_path(cgrp.kn)`"),
            );
        };
        match self.pointer_to(node, "kernfs_node") {
            Some(node) => {
                let kind = ValueKind::Text(Box::new(Text::Cgroup { node }));
                Operand::Value(Value { span, ty: Ty::Text { path: true }, kind })
            }
            None => Operand::Error,
        }
    }

    /// `text(pointer)`: the characters behind a pointer to bytes, where the kernel does not say that they are such.
    pub(in crate::hir) fn pointed_text(&mut self, args: &'a [Expr], span: Span) -> Operand {
        let [arg] = args else {
            return self.report(
                Diagnostic::error(code::BAD_CALL, span, format!("`text` takes 1 argument, not {}", args.len()))
                    .help("give it a pointer to characters: `text(dentry.d_name.name)`"),
            );
        };
        let found = match self.expr(arg, None) {
            Operand::Error => return Operand::Error,
            Operand::Value(value) => match value.ty {
                Ty::Ptr(Ptr { target, .. }) if self.is_bytes(target) => {
                    let kind = ValueKind::Text(Box::new(Text::Pointer(value)));
                    return Operand::Value(Value { span, ty: Ty::Text { path: false }, kind });
                }
                ty => self.describe(ty),
            },
            other => self.say(&other),
        };
        self.report(Diagnostic::error(code::WRONG_ARGUMENT, arg.span, "a pointer to characters is needed").label(found))
    }

    fn is_bytes(&self, target: TypeId) -> bool {
        let btf = &self.kernel.btf;
        matches!(btf.ty(btf.strip(target)), Type::Int { bytes: 1, boolean: false, .. })
    }

    pub(in crate::hir) fn pointer_to(&mut self, expr: &'a Expr, tag: &str) -> Option<Value> {
        let found = match self.expr(expr, None) {
            Operand::Error => return None,
            Operand::Value(value) => match value.ty {
                Ty::Ptr(pointer) if place::tag(&self.kernel.btf, pointer.target) == tag => return Some(value),
                ty => self.describe(ty),
            },
            other => self.say(&other),
        };
        self.report(
            Diagnostic::error(code::WRONG_ARGUMENT, expr.span, format!("a pointer to `{tag}` is needed")).label(found),
        );
        None
    }

    /// `starts_with(text, "...")` and its like.
    pub(in crate::hir) fn text_call(&mut self, function: &'a ast::Ident, args: &'a [Expr], span: Span) -> Operand {
        let name = function.name.as_str();
        let [subject, pattern] = args else {
            return self.report(
                Diagnostic::error(code::BAD_CALL, span, format!("`{name}` takes 2 arguments, not {}", args.len()))
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
        let Some(text) = self.literal(right, op.text()) else { return Operand::Error };
        if text.contains(&0) || text.is_empty() {
            return self.report(
                Diagnostic::error(code::BAD_PATTERN, right.span, "a pattern has at least one character and no NUL")
                    .help("write what the text should be"),
            );
        }
        let test = if op == BinaryOp::Under {
            if value.ty != (Ty::Text { path: true }) {
                return self.report(
                    Diagnostic::error(code::NOT_A_TEXT, op_span, "`under` asks for a path on its left")
                        .also(left.span, "a string, which has no directories")
                        .help("use `starts_with(..., \"...\")`"),
                );
            }
            if !text.starts_with(b"/") {
                return self.report(
                    Diagnostic::error(code::NOT_A_PATH, right.span, "a directory is given from the root")
                        .label("does not begin with `/`")
                        .help("paths here are full paths: `under \"/etc\"`"),
                );
            }
            let trimmed = text.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
            if !self.plausible(&text[..trimmed.max(1)], &value, right.span) {
                return Operand::Error;
            }
            TextTest::Under(text[..trimmed].to_vec())
        } else {
            match glob(text) {
                Ok((test, _)) => test,
                Err(why) => return self.no_glob(why, right.span),
            }
        };
        Operand::Cond(atom(span, AtomKind::Text { value, test }))
    }

    fn no_glob(&mut self, why: String, at: Span) -> Operand {
        self.report(
            Diagnostic::error(code::BAD_GLOB, at, "this glob cannot be read")
                .label(why)
                .help("`?` is one character but `/`, `*` any run of them, `**` any run at all, `[a-z]` a class, `{a,b}` a choice; `\\\\` before a character takes it for itself"),
        )
    }

    /// `hook.name like "file_*"`
    fn known_like(&mut self, known: &[u8], pattern: &'a Expr) -> Operand {
        let Some(text) = self.literal(pattern, "like") else { return Operand::Error };
        match glob(text) {
            Ok((_, automaton)) => Operand::Cond(Cond::Const(automaton.row(known) != 0)),
            Err(why) => self.no_glob(why, pattern.span),
        }
    }

    /// `hook.name in { "path_unlink", "path_rmdir" }`
    pub(in crate::hir) fn text_in(&mut self, known: &[u8], elements: &'a [Expr], left: Span) -> Operand {
        let mut found = false;
        for element in elements {
            match self.expr(element, None) {
                Operand::Text(text) => found |= text == known,
                Operand::Error => return Operand::Error,
                other => {
                    let what = self.say(&other);
                    return self.report(
                        Diagnostic::error(code::MIXED_LIST, element.span, format!("{what} among strings"))
                            .also(left, "a string"),
                    );
                }
            }
        }
        Operand::Cond(Cond::Const(found))
    }

    /// What a test of texts is about, as a text.
    fn subject(&mut self, operand: Operand, expr: &Expr, word: &str) -> Option<Value> {
        let operand = self.texts(operand);
        match operand {
            Operand::Error => None,
            Operand::Value(value) if matches!(value.ty, Ty::Text { .. }) => Some(value),
            Operand::Value(value) if matches!(value.ty, Ty::Str { .. }) => Some(Value {
                span: value.span,
                ty: Ty::Text { path: false },
                kind: ValueKind::Text(Box::new(Text::Copy(value))),
            }),
            other => {
                let what = self.say(&other);
                self.report(
                    Diagnostic::error(code::NOT_A_TEXT, expr.span, format!("`{word}` asks for a string or a path"))
                        .label(what),
                );
                None
            }
        }
    }

    fn literal(&mut self, expr: &'a Expr, word: &str) -> Option<Vec<u8>> {
        match self.expr(expr, None) {
            Operand::Error => None,
            Operand::Text(text) => Some(text),
            other => {
                let what = self.say(&other);
                self.report(
                    Diagnostic::error(code::NOT_CONSTANT, expr.span, format!("`{word}` asks for a literal text"))
                        .label(what)
                        .help("write the text in quotes, or name a `const`"),
                );
                None
            }
        }
    }

    /// Whether a text can be looked for in a value.
    fn searchable(&mut self, text: &[u8], at: Span) -> bool {
        let error = if text.is_empty() {
            Diagnostic::error(code::BAD_PATTERN, at, "every text has the empty one in it")
                .help("write what to look for")
        } else if text.contains(&0) {
            Diagnostic::error(code::NUL, at, "a string of the kernel ends at its first NUL").help("remove the NUL")
        } else if text.len() > PATTERN_MAX {
            Diagnostic::error(code::BAD_PATTERN, at, format!("this is longer than {PATTERN_MAX} bytes"))
                .label(format!("{} bytes", text.len()))
                .help("look for a part of it")
        } else {
            return true;
        };
        self.report(error);
        false
    }

    /// Whether a text can be exactly so; otherwise that is an error.
    pub(in crate::hir) fn plausible(&mut self, text: &[u8], value: &Value, at: Span) -> bool {
        let path = value.ty == Ty::Text { path: true };
        let error = if text.contains(&0) {
            Diagnostic::error(code::NUL, at, "a string of the kernel ends at its first NUL").help("remove the NUL")
        } else if text.len() >= TEXT_BYTES as usize {
            Diagnostic::error(code::TOO_LONG, at, "no text is as long as this").label(format!(
                "{} bytes, and at most {} can be",
                text.len(),
                TEXT_BYTES - 1
            ))
        } else if path && !text.starts_with(b"/") {
            Diagnostic::error(code::NOT_A_PATH, at, "a full path begins with `/`")
                .label("the comparison would always be false")
                .help(format!(
                    "write the path from the root; or ask how it ends: `ends_with(..., {})`",
                    str_text(&[b"/", text].concat())
                ))
        } else if path && unreachable_path(text) {
            Diagnostic::error(code::NOT_A_PATH, at, "no full path looks like this")
                .label("the comparison would always be false")
                .note("full paths have no `//`, no `.` and `..`, and no `/` at their end")
                .help("write the path as the kernel does; to test a directory and what is below it use `under`")
        } else {
            return true;
        };
        self.report(error);
        false
    }
}

fn unreachable_path(text: &[u8]) -> bool {
    text.len() > 1 && text[1..].split(|byte| *byte == b'/').any(|part| matches!(part, b"" | b"." | b".."))
}

fn full_path(span: Span, dentry: Value, mount: Value) -> Value {
    Value { span, ty: Ty::Text { path: true }, kind: ValueKind::Text(Box::new(Text::Path { dentry, mount })) }
}

/// A glob as a test, and what it is run by.
fn glob(text: Vec<u8>) -> Result<(TextTest, Automaton), String> {
    crate::glob::parse(&text)?;
    let test = TextTest::Like(text);
    let automaton = Automaton::one(&test).map_err(|_| "its table of states would be too large".to_owned())?;
    Ok((test, automaton))
}

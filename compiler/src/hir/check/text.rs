//! Texts: paths, strings behind pointers, and checks of the constants that they are compared with.
//!
//! A `struct path`, embedded or behind a pointer, is used as the full path of its file wherever a path is
//! expected; a pointer to `char` is used as the string that it points to.

use krs_grammar::ast::{Expr, Span};
use krs_grammar::print::str_text;

use super::{Checker, Operand};
use crate::btf::{Type, TypeId};
use crate::diag::{Diagnostic, code};
use crate::hir::place::{self, Place, Reads};
use crate::hir::{Cond, Ptr, Shape, Step, TextSource, Ty, UNREACHABLE, Value, ValueKind};
use crate::limits;

impl<'a> Checker<'a> {
    /// Converts an operand to a text if it has one; returns others unchanged.
    pub(in crate::hir) fn as_text_operand(&mut self, operand: Operand) -> Operand {
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
            kind: ValueKind::Text(Box::new(TextSource::Pointer(value.clone()))),
        })
    }

    /// Converts a `struct path` to the full path that it denotes; returns others unchanged.
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

    /// Loads a pointer from a field of a struct.
    fn part(&mut self, place: &Place, name: &str) -> Option<Value> {
        let btf = &self.kernel.btf;
        let field = place::field(btf, btf.strip(place.ty), name)?;
        let step = Step::Field { name: name.to_owned(), shape: Shape::Pointer };
        let part = place.step(step, field.ty, place.span);
        match self.reads(field.ty, false) {
            Reads::As(ty @ Ty::Ptr(_)) => Some(self.load(part, ty)),
            _ => None,
        }
    }

    /// Checks `full_path(dentry, mount)`, the full path of a dentry on a mount.
    pub(in crate::hir) fn full_path(&mut self, args: &'a [Expr], span: Span) -> Operand {
        let [dentry, mount] = args else {
            return self.report(
                Diagnostic::error(
                    code::WRONG_ARGUMENT_COUNT,
                    span,
                    format!("`full_path` takes 2 arguments, not {}", args.len()),
                )
                .help("pass a dentry and a mount: `full_path(dentry, dir.mnt)`"),
            );
        };
        let dentry = self.pointer_to(dentry, "dentry");
        let mount = self.pointer_to(mount, "vfsmount");
        match (dentry, mount) {
            (Some(dentry), Some(mount)) => Operand::Value(full_path(span, dentry, mount)),
            _ => Operand::Error,
        }
    }

    /// Checks `cgroup_path(node)`, the path of a cgroup in the cgroup file system.
    pub(in crate::hir) fn cgroup_path(&mut self, args: &'a [Expr], span: Span) -> Operand {
        let [node] = args else {
            return self.report(
                Diagnostic::error(
                    code::WRONG_ARGUMENT_COUNT,
                    span,
                    format!("`cgroup_path` takes 1 argument, not {}", args.len()),
                )
                .help("pass the node of a cgroup: `cgroup_path(cgrp.kn)`"),
            );
        };
        match self.pointer_to(node, "kernfs_node") {
            Some(node) => {
                let kind = ValueKind::Text(Box::new(TextSource::Cgroup { node }));
                Operand::Value(Value { span, ty: Ty::Text { path: true }, kind })
            }
            None => Operand::Error,
        }
    }

    /// Checks `text(pointer)`, the string behind a pointer to bytes that the kernel does not declare as `char`.
    pub(in crate::hir) fn pointed_text(&mut self, args: &'a [Expr], span: Span) -> Operand {
        let [arg] = args else {
            return self.report(
                Diagnostic::error(
                    code::WRONG_ARGUMENT_COUNT,
                    span,
                    format!("`text` takes 1 argument, not {}", args.len()),
                )
                .help("pass a pointer to characters: `text(dentry.d_name.name)`"),
            );
        };
        let found = match self.expr(arg, None) {
            Operand::Error => return Operand::Error,
            Operand::Value(value) => match value.ty {
                Ty::Ptr(Ptr { target, .. }) if self.is_bytes(target) => {
                    let kind = ValueKind::Text(Box::new(TextSource::Pointer(value)));
                    return Operand::Value(Value { span, ty: Ty::Text { path: false }, kind });
                }
                ty => self.describe(ty),
            },
            other => self.describe_operand(&other),
        };
        self.report(
            Diagnostic::error(code::ARGUMENT_MISMATCH, arg.span, "expected a pointer to characters").label(found),
        )
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
            other => self.describe_operand(&other),
        };
        self.report(
            Diagnostic::error(code::ARGUMENT_MISMATCH, expr.span, format!("expected a pointer to `{tag}`"))
                .label(found),
        );
        None
    }

    /// Evaluates `in` on a constant text, such as `hook.name in { "path_unlink", "path_rmdir" }`.
    pub(in crate::hir) fn text_in(&mut self, known: &[u8], elements: &'a [Expr], left: Span) -> Operand {
        let mut found = false;
        for element in elements {
            match self.expr(element, None) {
                Operand::Text(text) => found |= text == known,
                Operand::Error => return Operand::Error,
                other => {
                    let what = self.describe_operand(&other);
                    return self.report(
                        Diagnostic::error(code::MIXED_LIST, element.span, format!("expected a string, found {what}"))
                            .also(left, "a string"),
                    );
                }
            }
        }
        Operand::Cond(Cond::Const(found))
    }

    /// Converts the operand of a test of texts to a text.
    pub(super) fn subject(&mut self, operand: Operand, expr: &Expr, word: &str) -> Option<Value> {
        let operand = self.as_text_operand(operand);
        match operand {
            Operand::Error => None,
            Operand::Value(value) if matches!(value.ty, Ty::Str { .. } | Ty::Text { .. }) => Some(as_text(value)),
            other => {
                let what = self.describe_operand(&other);
                let error =
                    Diagnostic::error(code::NOT_A_TEXT, expr.span, format!("`{word}` requires a string or a path"))
                        .label(what);
                self.report(match other {
                    Operand::Value(Value { ty: Ty::Ip, .. }) => {
                        error.help("to test for a network, use `in`: `in \"10.0.0.0/8\"`")
                    }
                    _ => error,
                });
                None
            }
        }
    }

    pub(super) fn literal(&mut self, expr: &'a Expr, word: &str) -> Option<Vec<u8>> {
        match self.expr(expr, None) {
            Operand::Error => None,
            Operand::Text(text) => Some(text),
            other => {
                let what = self.describe_operand(&other);
                self.report(
                    Diagnostic::error(code::NOT_CONSTANT, expr.span, format!("`{word}` requires a constant text"))
                        .label(what)
                        .help("write the text in quotes, or use a `const`"),
                );
                None
            }
        }
    }

    /// Returns true if a text or path can equal a constant; reports an error otherwise.
    pub(in crate::hir) fn plausible(&mut self, text: &[u8], value: &Value, at: Span) -> bool {
        let path = value.ty == Ty::Text { path: true };
        let error = if text.contains(&0) {
            Diagnostic::error(code::NUL_IN_TEXT, at, "a kernel string cannot contain a NUL").help("remove the NUL")
        } else if text.len() >= limits::TEXT_BYTES as usize {
            Diagnostic::error(code::TEXT_TOO_LONG, at, "this text is too long").label(format!(
                "{} bytes, the maximum is {}",
                text.len(),
                limits::TEXT_BYTES - 1
            ))
        } else if path && (text.starts_with(b"~") || text.starts_with(b"$")) {
            Diagnostic::error(code::INVALID_PATH, at, "a full path begins with `/`")
                .label("the comparison would always be false")
                .note("`~` and `$HOME` are expanded by shells, not by the kernel")
                .help("write an absolute path; for the home directories of all users write `like \"/home/*/...\"`")
        } else if path && text.starts_with(UNREACHABLE) {
            return true;
        } else if path && !text.starts_with(b"/") {
            Diagnostic::error(code::INVALID_PATH, at, "a full path begins with `/`")
                .label("the comparison would always be false")
                .help(format!(
                    "write an absolute path, or test the end of the path: `ends_with(..., {})`",
                    str_text(&[b"/", text].concat())
                ))
        } else if path && unreachable_path(text) {
            Diagnostic::error(code::INVALID_PATH, at, "invalid full path")
                .label("the comparison would always be false")
                .note("full paths do not contain `//`, `.` or `..` and do not end with `/`")
                .help("write the path in the form that the kernel uses; to test a directory and everything below it, use `under`")
        } else {
            return true;
        };
        self.report(error);
        false
    }
}

/// Converts an inline array to a fetched text, for tests that exist for those only.
pub(in crate::hir) fn as_text(value: Value) -> Value {
    match value.ty {
        Ty::Str { .. } => Value {
            span: value.span,
            ty: Ty::Text { path: false },
            kind: ValueKind::Text(Box::new(TextSource::Copy(value))),
        },
        _ => value,
    }
}

fn unreachable_path(text: &[u8]) -> bool {
    text.len() > 1 && text[1..].split(|byte| *byte == b'/').any(|part| matches!(part, b"" | b"." | b".."))
}

fn full_path(span: Span, dentry: Value, mount: Value) -> Value {
    Value { span, ty: Ty::Text { path: true }, kind: ValueKind::Text(Box::new(TextSource::Path { dentry, mount })) }
}

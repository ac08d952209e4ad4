//! Texts: paths, and characters behind pointers; what can be asked about them.
//!
//! A `struct path`, embedded or behind a pointer, is the full path of its file wherever a path is asked for; a
//! pointer to `char` is the characters behind it.

use krs_grammar::ast::{Expr, Span};
use krs_grammar::print::str_text;

use super::{Checker, Operand};
use crate::btf::{Type, TypeId};
use crate::diag::{Diagnostic, code};
use crate::hir::place::{self, Place, Reads};
use crate::hir::{Cond, Ptr, Shape, Step, Text, Ty, Value, ValueKind};
use crate::limits;

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
            Reads::As(ty @ Ty::Ptr(_)) => Some(self.load(part, ty)),
            _ => None,
        }
    }

    /// `full_path(dentry, mount)`: the path of something that is looked up below a mount.
    pub(in crate::hir) fn full_path(&mut self, args: &'a [Expr], span: Span) -> Operand {
        let [dentry, mount] = args else {
            return self.report(
                Diagnostic::error(
                    code::WRONG_ARGUMENT_COUNT,
                    span,
                    format!("`full_path` takes 2 arguments, not {}", args.len()),
                )
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
                Diagnostic::error(
                    code::WRONG_ARGUMENT_COUNT,
                    span,
                    format!("`cgroup_path` takes 1 argument, not {}", args.len()),
                )
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
                Diagnostic::error(
                    code::WRONG_ARGUMENT_COUNT,
                    span,
                    format!("`text` takes 1 argument, not {}", args.len()),
                )
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
        self.report(
            Diagnostic::error(code::ARGUMENT_MISMATCH, arg.span, "a pointer to characters is needed").label(found),
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
            other => self.say(&other),
        };
        self.report(
            Diagnostic::error(code::ARGUMENT_MISMATCH, expr.span, format!("a pointer to `{tag}` is needed"))
                .label(found),
        );
        None
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
    pub(super) fn subject(&mut self, operand: Operand, expr: &Expr, word: &str) -> Option<Value> {
        let operand = self.texts(operand);
        match operand {
            Operand::Error => None,
            Operand::Value(value) if matches!(value.ty, Ty::Str { .. } | Ty::Text { .. }) => Some(as_text(value)),
            other => {
                let what = self.say(&other);
                let error =
                    Diagnostic::error(code::NOT_A_TEXT, expr.span, format!("`{word}` asks for a string or a path"))
                        .label(what);
                self.report(match other {
                    Operand::Value(Value { ty: Ty::Ip, .. }) => {
                        error.help("a network is asked for by `in`: `in \"10.0.0.0/8\"`")
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

    /// Whether a text can be exactly so; otherwise that is an error.
    pub(in crate::hir) fn plausible(&mut self, text: &[u8], value: &Value, at: Span) -> bool {
        let path = value.ty == Ty::Text { path: true };
        let error = if text.contains(&0) {
            Diagnostic::error(code::NUL_IN_TEXT, at, "a string of the kernel ends at its first NUL")
                .help("remove the NUL")
        } else if text.len() >= limits::TEXT_BYTES as usize {
            Diagnostic::error(code::TEXT_TOO_LONG, at, "no text is as long as this").label(format!(
                "{} bytes, and at most {} can be",
                text.len(),
                limits::TEXT_BYTES - 1
            ))
        } else if path && (text.starts_with(b"~") || text.starts_with(b"$")) {
            Diagnostic::error(code::INVALID_PATH, at, "a full path begins with `/`")
                .label("the comparison would always be false")
                .note("`~` and `$HOME` are a shell's: they mean nothing to the kernel")
                .help("write it from the root; for the homes of all: `like \"/home/*/...\"`")
        } else if path && !text.starts_with(b"/") {
            Diagnostic::error(code::INVALID_PATH, at, "a full path begins with `/`")
                .label("the comparison would always be false")
                .help(format!(
                    "write the path from the root; or ask how it ends: `ends_with(..., {})`",
                    str_text(&[b"/", text].concat())
                ))
        } else if path && unreachable_path(text) {
            Diagnostic::error(code::INVALID_PATH, at, "no full path looks like this")
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

/// A string that lies in its struct as a text that is fetched, for tests that only those have.
pub(in crate::hir) fn as_text(value: Value) -> Value {
    match value.ty {
        Ty::Str { .. } => {
            Value { span: value.span, ty: Ty::Text { path: false }, kind: ValueKind::Text(Box::new(Text::Copy(value))) }
        }
        _ => value,
    }
}

fn unreachable_path(text: &[u8]) -> bool {
    text.len() > 1 && text[1..].split(|byte| *byte == b'/').any(|part| matches!(part, b"" | b"." | b".."))
}

fn full_path(span: Span, dentry: Value, mount: Value) -> Value {
    Value { span, ty: Ty::Text { path: true }, kind: ValueKind::Text(Box::new(Text::Path { dentry, mount })) }
}

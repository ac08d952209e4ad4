//! Files by path: `inode("/etc/shadow")`, looked up when the policy is loaded.
//!
//! ```text
//! file.inode == inode("/etc/shadow")
//!   (and (== f_inode->i_ino (inode "/etc/shadow")) (== f_inode->i_sb->s_dev (device "/etc/shadow")))
//! ```
//!
//! It is not a value; it can only be compared with an inode. A file that is not found at load time gets
//! numbers that no inode has, so that a comparison with it is false rather than unknown.

use krs_grammar::ast::{Expr, Span};

use super::{Checker, Operand};
use crate::diag::{Diagnostic, code};
use crate::hir::operators::atom;
use crate::hir::place::{self, Place};
use crate::hir::{AtomKind, Compare, Cond, FileField, FileId, Int, Ptr, Ty, Value, ValueKind};

impl<'a> Checker<'a> {
    pub(in crate::hir) fn inode_call(&mut self, args: &'a [Expr], span: Span) -> Operand {
        let [arg] = args else {
            return self.report(
                Diagnostic::error(
                    code::WRONG_ARGUMENT_COUNT,
                    span,
                    format!("`inode` takes 1 argument, not {}", args.len()),
                )
                .help("give it a path: `inode(\"/etc/shadow\")`"),
            );
        };
        let path = match self.expr(arg, None) {
            Operand::Error => return Operand::Error,
            Operand::Text(path) => path,
            other => {
                let what = self.describe_operand(&other);
                return self.report(
                    Diagnostic::error(code::NOT_CONSTANT, arg.span, "`inode` requires a constant path")
                        .label(what)
                        .help("write the path in quotes, or use a `const`"),
                );
            }
        };
        let wrong = |label: &str| {
            Diagnostic::error(code::INVALID_INODE, arg.span, "invalid path in `inode`")
                .label(label)
                .help("write an absolute path: `inode(\"/etc/shadow\")`")
        };
        let Ok(path) = String::from_utf8(path) else { return self.report(wrong("not UTF-8")) };
        if !path.starts_with('/') {
            return self.report(wrong("does not begin with `/`"));
        }
        if path.contains('\0') {
            return self.report(wrong("contains a NUL"));
        }
        let at = self.files.iter().position(|known| *known == path).unwrap_or_else(|| {
            self.files.push(path);
            self.files.len() - 1
        });
        Operand::File(FileId(at as u32))
    }

    /// Returns true for a pointer to an inode.
    pub(in crate::hir) fn is_inode(&self, ty: Ty) -> bool {
        matches!(ty, Ty::Ptr(Ptr { target, .. }) if place::tag(&self.kernel.btf, target) == "inode")
    }

    /// Builds the comparison of an inode with a file.
    pub(in crate::hir) fn is_file(&mut self, inode: &Value, file: FileId, span: Span) -> Option<Cond> {
        let number = self.field_value(inode, "i_ino", span)?;
        let sb = self.field_value(inode, "i_sb", span)?;
        let device = self.field_value(&sb, "s_dev", span)?;
        let equal = |left, field| {
            let right = Value { span, ty: Ty::Int(Int::plain(8, false)), kind: ValueKind::File(file, field) };
            Box::new(atom(span, AtomKind::Compare { op: Compare::Eq, left, right }))
        };
        // Most policies name files of one file system, so the inode number is the more selective test.
        Some(Cond::And(equal(number, FileField::Inode), equal(device, FileField::Device)))
    }

    fn field_value(&mut self, pointer: &Value, name: &str, span: Span) -> Option<Value> {
        let Ty::Ptr(Ptr { target, .. }) = pointer.ty else { return None };
        let place = Place::behind(&self.kernel.btf, pointer, target)?;
        match self.raw_field(&place, name, span)? {
            Operand::Value(value) => Some(value),
            _ => None,
        }
    }

    /// Checks `file.inode in { inode("..."), inode("...") }`.
    pub(in crate::hir) fn one_of_files(&mut self, inode: &Value, elements: &'a [Expr], span: Span) -> Operand {
        let mut any: Option<Cond> = None;
        let mut complete = true;
        for element in elements {
            let cond = match self.expr(element, None) {
                Operand::File(file) => self.is_file(inode, file, span),
                Operand::Error => None,
                other => {
                    let what = self.describe_operand(&other);
                    self.report(
                        Diagnostic::error(code::MIXED_LIST, element.span, format!("expected a file, found {what}"))
                            .also(inode.span, "an inode")
                            .help("write `inode(\"...\")`"),
                    );
                    None
                }
            };
            complete &= cond.is_some();
            any = match (any, cond) {
                (Some(before), Some(cond)) => Some(Cond::Or(Box::new(before), Box::new(cond))),
                (before, cond) => before.or(cond),
            };
        }
        any.filter(|_| complete).map_or(Operand::Error, Operand::Cond)
    }
}

//! `inode("/etc/shadow")`: the file that a path leads to when the policy is loaded.
//!
//! ```text
//! file.inode == inode("/etc/shadow")
//!   (and (== f_inode->i_sb->s_dev (device "/etc/shadow")) (== f_inode->i_ino (inode "/etc/shadow")))
//! ```
//!
//! It is no value but something to compare with. A file that the load does not find has numbers that no inode has: what is
//! compared with it is known, and known not to be it.

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
                let what = self.say(&other);
                return self.report(
                    Diagnostic::error(code::NOT_CONSTANT, arg.span, "`inode` asks for a literal path")
                        .label(what)
                        .help("write the path in quotes, or name a `const`"),
                );
            }
        };
        let wrong = |label: &str| {
            Diagnostic::error(code::INVALID_INODE, arg.span, "`inode` cannot find a file by this")
                .label(label)
                .help("write a path from the root: `inode(\"/etc/shadow\")`")
        };
        let Ok(path) = String::from_utf8(path) else { return self.report(wrong("not UTF-8")) };
        if !path.starts_with('/') {
            return self.report(wrong("does not begin with `/`"));
        }
        if path.contains('\0') {
            return self.report(wrong("has a NUL"));
        }
        let at = self.files.iter().position(|known| *known == path).unwrap_or_else(|| {
            self.files.push(path);
            self.files.len() - 1
        });
        Operand::File(FileId(at as u32))
    }

    /// Whether it points to an inode.
    pub(in crate::hir) fn is_inode(&self, ty: Ty) -> bool {
        matches!(ty, Ty::Ptr(Ptr { target, .. }) if place::tag(&self.kernel.btf, target) == "inode")
    }

    /// An inode is that of a file.
    pub(in crate::hir) fn is_file(&mut self, inode: &Value, file: FileId, span: Span) -> Option<Cond> {
        let number = self.field_value(inode, "i_ino", span)?;
        let sb = self.field_value(inode, "i_sb", span)?;
        let device = self.field_value(&sb, "s_dev", span)?;
        let equal = |left, field| {
            let right = Value { span, ty: Ty::Int(Int::plain(8, false)), kind: ValueKind::File(file, field) };
            Box::new(atom(span, AtomKind::Compare { op: Compare::Eq, left, right }))
        };
        // Files of one system are asked about more often than of many: the number tells more.
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

    /// `file.inode in { inode("..."), inode("...") }`
    pub(in crate::hir) fn one_of_files(&mut self, inode: &Value, elements: &'a [Expr], span: Span) -> Operand {
        let mut any: Option<Cond> = None;
        let mut complete = true;
        for element in elements {
            let cond = match self.expr(element, None) {
                Operand::File(file) => self.is_file(inode, file, span),
                Operand::Error => None,
                other => {
                    let what = self.say(&other);
                    self.report(
                        Diagnostic::error(code::MIXED_LIST, element.span, format!("{what} among files"))
                            .also(inode.span, "an inode")
                            .help("name files by `inode(\"...\")`"),
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

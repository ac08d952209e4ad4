//! Checks of a policy's items that do not depend on their use.
//!
//! ```text
//! flags Mine { A = 1  A = 2 }     view no_struct { a = b }     hook file_open(fil?)     hook a = a
//! ```
//!
//! Absent: constants, parameters, sets and definitions, which are checked with their types, and items of the
//! library, which describe fields and hooks that only some kernels have.

use krs_grammar::ast::{self, HookKind, Ident, Span};

use super::check::{Checker, Operand, integer};
use super::place::{self, Place, Reads};
use super::suggest::{did_you_mean, list};
use super::{ArgId, Ptr, Ty, Value, ValueKind};
use crate::btf::Kind;
use crate::diag::{Diagnostic, code};
use crate::kernel::{self, Kernel};

/// Built-in values and functions. The library is written in terms of them.
pub(super) const BUILTINS: [&str; 17] = [
    "task",
    "now",
    "init",
    "first_of",
    "text",
    "full_path",
    "cgroup_path",
    "starts_with",
    "ends_with",
    "contains",
    "known",
    "inode",
    "peer",
    "local",
    "bind_end",
    "connect_end",
    "message_end",
];

impl<'a> Checker<'a> {
    /// Checks the policy's items.
    pub(super) fn check_items(&mut self) {
        let items = self.items;
        let named = (items.consts.iter().map(|item| &item.name))
            .chain(items.params.iter().map(|item| &item.name))
            .chain(items.sets.iter().map(|item| &item.name))
            .chain(items.defs.iter().map(|item| &item.name));
        for name in named.filter(|name| BUILTINS.contains(&name.name.as_str())) {
            self.report(
                Diagnostic::error(code::RESERVED_NAME, name.span, format!("`{}` is a built-in name", name.name))
                    .label("already defined")
                    .help(format!("rename it: `{}_`", name.name)),
            );
        }
        for names in &items.names {
            self.reject_duplicates(names.members.iter().map(|member| &member.name), &names.name);
        }
        for def in &items.defs {
            self.reject_duplicates(def.params.iter().map(|param| &param.name), &def.name);
        }
        for view in &items.own_views {
            self.reject_duplicates(view.fields.iter().map(|field| &field.name), &view.target);
            self.check_view(view);
        }
        for hook in &items.own_hooks {
            match &hook.kind {
                HookKind::Alias(target) => self.check_alias(&hook.name, target),
                HookKind::Describe { params, values } => {
                    self.reject_duplicates(params.iter().map(|param| &param.name), &hook.name);
                    self.reject_duplicates(values.iter().map(|value| &value.name), &hook.name);
                    self.check_hook(&hook.name, params);
                }
            }
        }
    }

    fn reject_duplicates(&mut self, names: impl Iterator<Item = &'a Ident>, of: &Ident) {
        let mut seen = std::collections::HashMap::new();
        for name in names {
            if let Some(first) = seen.insert(name.name.as_str(), name.span) {
                self.report(
                    Diagnostic::error(
                        code::DUPLICATE_MEMBER,
                        name.span,
                        format!("`{}` contains `{}` twice", of.name, name.name),
                    )
                    .label("second occurrence")
                    .also(first, "first occurrence")
                    .help("remove or rename one of them"),
                );
            }
        }
    }

    fn check_view(&mut self, view: &'a ast::View) {
        let name = view.target.name.as_str();
        let find =
            |kernel: &Kernel| [Kind::Struct, Kind::Union].into_iter().find_map(|kind| kernel.btf.find(kind, name));
        let Some(target) = find(self.kernel) else {
            if kernel::embedded().iter().all(|kernel| find(kernel).is_none()) {
                let btf = &self.kernel.btf;
                let known =
                    btf.ids().filter(|id| matches!(btf.kind(*id), Kind::Struct | Kind::Union)).map(|id| btf.name(id));
                let error =
                    Diagnostic::error(code::UNKNOWN_STRUCT, view.target.span, format!("unknown struct `{name}`"))
                        .label("not found");
                let help = did_you_mean(name, known);
                self.report(
                    error.help(help.unwrap_or_else(|| "write the name of the C struct without `struct`".into())),
                );
            }
            return;
        };
        let pointer = Value {
            span: view.target.span,
            ty: Ty::Ptr(Ptr { target, nullable: true }),
            kind: ValueKind::Arg(ArgId(u32::MAX)),
        };
        let Some(place) = Place::behind(&self.kernel.btf, &pointer, target) else { return };
        for field in &view.fields {
            let operand = self.view_field(field, place.clone(), field.name.span);
            let plain = match &operand {
                Operand::Value(value) => matches!(value.ty, Ty::Int(_)),
                Operand::Error => true,
                _ => false,
            };
            if let Some(ty) = field.ty.as_ref().filter(|_| !plain) {
                let what = self.describe_operand(&operand);
                self.not_refined(&field.name.name, what, ty.span);
            }
        }
    }

    fn not_refined(&mut self, name: &str, what: String, at: Span) {
        self.report(
            Diagnostic::error(
                code::INVALID_REFINEMENT,
                at,
                format!("only integers can have a type annotation, and `{name}` is {what}"),
            )
            .label("not allowed here")
            .help("remove the type"),
        );
    }

    fn check_alias(&mut self, name: &'a Ident, target: &'a Ident) {
        let end = self.aliased(&target.name);
        if self.items.aliases.contains_key(end) {
            self.report(
                Diagnostic::error(
                    code::RECURSIVE_DEFINITION,
                    target.span,
                    format!("the hook alias `{}` refers to itself", name.name),
                )
                .label("completes the cycle")
                .help("use a hook of the kernel, such as `file_open`"),
            );
        } else if !exists(self.kernel, end) && !kernel::embedded().iter().any(|kernel| exists(kernel, end)) {
            self.unknown_hook(target, end);
        }
    }

    fn check_hook(&mut self, name: &'a Ident, params: &'a [ast::HookParam]) {
        let kernel = self.kernel;
        let kernels = || std::iter::once(kernel).chain(kernel::embedded());
        if !kernels().any(|kernel| exists(kernel, &name.name)) {
            self.unknown_hook(name, &name.name);
            return;
        }
        for param in params {
            let of = |kernel: &'a Kernel| kernel.hook(&name.name).map(|hook| hook.args).unwrap_or_default();
            let arg = param.name.name.as_str();
            if !kernels().any(|kernel| of(kernel).iter().any(|known| known.name == arg)) {
                let known: Vec<String> = of(kernel).iter().map(|known| known.name.to_owned()).collect();
                let error = Diagnostic::error(
                    code::UNKNOWN_PARAMETER,
                    param.name.span,
                    format!("`{}` has no argument `{arg}` on any known kernel", name.name),
                )
                .label("not found");
                let known = || known.iter().map(String::as_str);
                let help = did_you_mean(arg, known()).unwrap_or_else(|| format!("it has {}", list(known(), "and")));
                self.report(error.help(help));
                continue;
            }
            let Some(found) = of(kernel).iter().find(|known| known.name == arg).map(|known| known.ty) else { continue };
            let ty = match self.reads(found, true) {
                Reads::As(ty) => ty,
                _ => continue,
            };
            match &param.ty {
                Some(refined) if !matches!(ty, Ty::Int(_)) => {
                    let what = self.describe(ty);
                    self.not_refined(arg, what, refined.span);
                }
                Some(refined) => {
                    self.refine(ty, refined);
                }
                None => {}
            }
            if param.nullable && !matches!(ty, Ty::Ptr(_)) {
                let what = self.describe(ty);
                self.report(
                    Diagnostic::error(
                        code::INVALID_REFINEMENT,
                        param.name.span,
                        format!("`{arg}` is {what}, which is never null"),
                    )
                    .label("not a pointer")
                    .help("remove the `?`"),
                );
            }
        }
    }

    /// Checks the body of a definition against its declared type.
    pub(super) fn result(&mut self, def: &'a ast::Def, ty: &'a ast::Type, operand: Operand) {
        let ast::TypeKind::Name(name) = &ty.kind else {
            self.report(
                Diagnostic::error(code::INVALID_RESULT, ty.span, "a definition cannot be a tuple")
                    .help("write a definition for each component"),
            );
            return;
        };
        let names = self.names_of(name);
        let text = matches!(name.as_str(), "str" | "path");
        let target = [Kind::Struct, Kind::Union].into_iter().find_map(|kind| self.kernel.btf.find(kind, name));
        if integer(name).is_none() && names.is_none() && target.is_none() && !text && name != "ip" {
            self.unknown_type(name, ty.span);
            return;
        }
        let operand = self.as_value(operand, def.body.span);
        let operand = if text { self.as_text_operand(operand) } else { operand };
        let fits = match &operand {
            Operand::Error => true,
            Operand::Number(number) => match integer(name) {
                Some(int) => (int.min()..=int.max()).contains(&number.value),
                None => names.is_some() && (number.names.is_none() || number.names == names),
            },
            Operand::Text(_) => name == "str",
            Operand::Value(value) => match value.ty {
                Ty::Int(int) => match integer(name) {
                    Some(to) => to.holds(int),
                    None => names.is_some() && (int.names.is_none() || int.names == names),
                },
                Ty::Str { .. } | Ty::Text { path: false } => name == "str",
                Ty::Text { path: true } => text,
                Ty::Ip => name == "ip",
                Ty::Ptr(pointer) => place::tag(&self.kernel.btf, pointer.target) == name,
                Ty::Bool => false,
            },
            Operand::Place(place) => place::tag(&self.kernel.btf, place.ty) == name,
            Operand::Task => name == "task_struct",
            Operand::Null | Operand::List | Operand::Cond(_) | Operand::Endpoint(_) | Operand::File(_) => false,
        };
        if !fits {
            let what = self.describe_operand(&operand);
            self.report(
                Diagnostic::error(
                    code::INVALID_RESULT,
                    def.body.span,
                    format!("`{}` is declared as `{name}`, but is {what}", def.name.name),
                )
                .label(what)
                .also(ty.span, "declared here")
                .help("correct the type, or remove it"),
            );
        }
    }
}

fn exists(kernel: &Kernel, hook: &str) -> bool {
    kernel.hook(hook).is_some()
}

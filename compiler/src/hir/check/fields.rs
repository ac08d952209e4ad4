//! Fields, views and elements of arrays.
//!
//! ```text
//! file.inode.uid      a field of a view, expanded to f_inode->i_uid.val
//! comm[0]             an element, with a constant index
//! ```

use std::rc::Rc;

use krs_grammar::ast::{self, Expr, ExprKind, Span};
use krs_grammar::print::expr_text;

use super::{Checker, Operand};
use crate::btf::{Kind, Type};
use crate::diag::{Diagnostic, code};
use crate::hir::kernels;
use crate::hir::place::{self, Place, Reads};
use crate::hir::suggest::{did_you_mean, list, usual};
use crate::hir::{Int, Ptr, Step, TaskField, Ty, Value, ValueKind};

impl<'a> Checker<'a> {
    pub(super) fn field(&mut self, base: &'a Expr, name: &'a ast::Ident, span: Span) -> Operand {
        if let ExprKind::Name(object) = &base.kind
            && object == "hook"
            && self.visible(object, base.span).is_none()
        {
            return self.hook_field(name, span);
        }
        let operand = self.expr(base, None);
        let place = match operand {
            Operand::Error => return Operand::Error,
            Operand::Task => match self.task_field(name, span) {
                Ok(value) => return Operand::Value(value),
                Err(place) => *place,
            },
            Operand::Endpoint(end) => return self.endpoint_field(*end, name, span),
            Operand::Place(place) => place,
            Operand::Value(value) => {
                match value.ty {
                    Ty::Ptr(Ptr { target, .. }) => {
                        match Place::behind(&self.kernel.btf, &value, target) {
                            Some(place) => place,
                            None => {
                                let what = place::describe(&self.kernel.btf, target);
                                return self.report(
                            Diagnostic::error(code::NO_FIELDS, name.span, format!("no field `{}` in `{what}`", name.name))
                                .also(base.span, format!("a pointer to `{what}`"))
                                .help("only named structs have fields; the pointer itself can be compared with `null`"),
                        );
                            }
                        }
                    }
                    ty => match self.behind_view(base) {
                        Some(place) => place,
                        None => {
                            let what = self.describe(ty);
                            return self.report(
                                Diagnostic::error(code::NO_FIELDS, name.span, format!("{what} has no fields"))
                                    .label("no field")
                                    .also(base.span, format!("this is {what}")),
                            );
                        }
                    },
                }
            }
            Operand::Null
            | Operand::Number(_)
            | Operand::Text(_)
            | Operand::List
            | Operand::Cond(_)
            | Operand::File(_) => {
                return self.report(
                    Diagnostic::error(code::NO_FIELDS, name.span, "this value has no fields").label("no field"),
                );
            }
        };
        if !self.admits_step(&place.base, span) {
            return Operand::Error;
        }
        let kernel = self.kernel;
        let tag = place::tag(&kernel.btf, place.ty);
        if let Some(view) = self.items.views.get(&(tag, name.name.as_str())).copied() {
            return self.view_field(view, place, span);
        }
        match self.raw_field(&place, &name.name, span) {
            Some(operand) => operand,
            None => self.unknown_field(base, &place, tag, name),
        }
    }

    /// Checks `hook.name`, a constant for each hook of a rule.
    fn hook_field(&mut self, name: &ast::Ident, span: Span) -> Operand {
        if name.name != "name" {
            return self.report(
                Diagnostic::error(code::UNKNOWN_FIELD, name.span, format!("no field `{}` in `hook`", name.name))
                    .label("not found")
                    .help("the only field of `hook` is `name`"),
            );
        }
        match self.scope.hook {
            Some(hook) => Operand::Text(self.hooks[hook.index()].name.clone().into_bytes()),
            // A definition that is checked on its own has no hook and must be valid on any.
            None if self.scope.params.is_some() => Operand::Text(Vec::new()),
            None => self.report(
                Diagnostic::error(code::NOT_CONSTANT, span, "`hook` is not available in a constant")
                    .label("differs between hooks")
                    .help("use it in the rule or in a `def`"),
            ),
        }
    }

    /// Returns the struct that a view replaces by a value: `cred.uid` is a number, but `cred.uid.val` is
    /// still accepted.
    pub(in crate::hir) fn behind_view(&mut self, base: &'a Expr) -> Option<Place> {
        let ExprKind::Field { base: outer, name } = &base.kind else {
            return None;
        };
        let place = match self.expr(outer, None) {
            Operand::Place(place) => place,
            Operand::Value(value) => match value.ty {
                Ty::Ptr(pointer) => Place::behind(&self.kernel.btf, &value, pointer.target)?,
                _ => return None,
            },
            _ => return None,
        };
        match self.raw_field(&place, &name.name, base.span)? {
            Operand::Place(place) => Some(place),
            _ => None,
        }
    }

    /// Returns a property of the current task that a helper returns, or its `task_struct` for any other field.
    fn task_field(&mut self, name: &ast::Ident, span: Span) -> Result<Value, Box<Place>> {
        let u32 = Ty::Int(Int::plain(4, false));
        let (field, ty) = match name.name.as_str() {
            "pid" => (TaskField::Pid, u32),
            "tgid" => (TaskField::Tgid, u32),
            "uid" => (TaskField::Uid, u32),
            "gid" => (TaskField::Gid, u32),
            "euid" => (TaskField::Euid, u32),
            "comm" => (TaskField::Comm, Ty::Str { bytes: 16 }),
            _ => {
                let current = self.current(span);
                let Ty::Ptr(Ptr { target, .. }) = current.ty else { unreachable!("a task is a pointer") };
                let place = Place::behind(&self.kernel.btf, &current, target).expect("every kernel has tasks");
                return Err(Box::new(place));
            }
        };
        Ok(Value { span, ty, kind: ValueKind::Task(field) })
    }

    /// Returns a pointer to the current task.
    pub(in crate::hir) fn current(&self, span: Span) -> Value {
        let target = self.kernel.btf.find(Kind::Struct, "task_struct").expect("every kernel has tasks");
        Value { span, ty: Ty::Ptr(Ptr { target, nullable: false }), kind: ValueKind::Current }
    }

    /// Expands a field of a view of the struct at a place.
    pub(in crate::hir) fn view_field(&mut self, view: &'a ast::ViewField, place: Place, span: Span) -> Operand {
        let outer = std::mem::take(&mut self.scope);
        self.scope.inside.clone_from(&outer.inside);
        (self.scope.hook, self.scope.others) = (outer.hook, outer.others);
        self.scope.this = Some(Rc::new(place));
        let operand = self.described(view, span);
        self.scope = outer;
        operand
    }

    /// Expands a field of a view or of a hook's description in the current scope.
    pub(in crate::hir) fn described(&mut self, view: &'a ast::ViewField, span: Span) -> Operand {
        let known = self.diagnostics.len();
        let mut operand = self.expr(&view.value, None);
        if self.diagnostics.len() > known {
            // The error is reported at the use of the view, which may belong to the library.
            let inner = self.diagnostics.drain(known..).next();
            if let Some(inner) = inner.as_ref().filter(|inner| inner.code == code::EXPANSION_TOO_LARGE) {
                return self.report(inner.clone());
            }
            let mut error = Diagnostic::error(
                code::UNKNOWN_FIELD,
                span,
                format!("`{}` cannot be read on this kernel", view.name.name),
            )
            .label("a field of a view")
            .also(view.value.span, "expands to this");
            if let Some(inner) = inner {
                error.code = inner.code;
                error = error.note(inner.message);
                error.help.extend(inner.help);
            }
            return self.report(error);
        }
        if let Operand::Value(value) = &mut operand
            && let Some(ty) = &view.ty
        {
            value.ty = self.refine(value.ty, ty);
        }
        operand.at(span)
    }

    /// Returns a field by its name in BTF; `None` if there is no such field.
    pub(in crate::hir) fn raw_field(&mut self, place: &Place, name: &str, span: Span) -> Option<Operand> {
        let kernel = self.kernel;
        let found = place::field(&kernel.btf, kernel.btf.strip(place.ty), name)?;
        let Some(shape) = place::shape(&kernel.btf, found) else {
            let what = place::describe(&kernel.btf, found.ty);
            return Some(
                self.report(
                    Diagnostic::error(code::UNKNOWN_FIELD, span, format!("`{name}` cannot be read"))
                        .label(format!("{what} is not an integer, pointer, string, struct or array"))
                        .help("test another field"),
                ),
            );
        };
        let next = place.step(Step::Field { name: name.to_owned(), shape }, found.ty, span);
        // The struct that contains the field: the root, or an embedded one.
        let holder = place::tag(&kernel.btf, place.ty);
        Some(self.found(next, holder, name))
    }

    /// Loads a place with a single value; returns other places unchanged.
    pub(in crate::hir) fn found(&mut self, place: Place, root: &str, name: &str) -> Operand {
        let sees_partial_objects = !place.base.of_current()
            && self.scope.hook.is_some_and(|hook| kernels::sees_partial_objects(&self.hooks[hook.index()].name));
        let nullable = sees_partial_objects || !kernels::never_null(root, name);
        match self.reads(place.ty, nullable) {
            Reads::As(Ty::Str { .. }) | Reads::Aggregate => Operand::Place(place),
            Reads::As(ty) => Operand::Value(self.load(place, ty)),
            Reads::Not => Operand::Error,
        }
    }

    pub(in crate::hir) fn unknown_field(
        &mut self,
        base: &Expr,
        place: &Place,
        tag: &str,
        name: &ast::Ident,
    ) -> Operand {
        let kernel = self.kernel;
        let mut names = Vec::new();
        place::field_names(&kernel.btf, kernel.btf.strip(place.ty), &mut names);
        names.extend(self.items.view_fields(tag));
        if Self::is_ancestors(tag, &name.name) {
            return self.bare_ancestors(name.span);
        }
        let mut error =
            Diagnostic::error(code::UNKNOWN_FIELD, name.span, format!("no field `{}` in `{tag}`", name.name))
                .label("not found");
        if let Some(elsewhere) = kernels::field_elsewhere(kernel, tag, &name.name) {
            error = error.note(elsewhere);
        }
        if name.name == "path" && ["dentry", "inode"].contains(&tag) {
            return self.report(self.path_elsewhere(error));
        }
        let hook = self.scope.hook.map(|hook| self.hooks[hook.index()].name.as_str()).unwrap_or_default();
        let end = ["dst", "src"].into_iter().find(|end| self.items.values.contains_key(&(hook, *end)));
        let meant = match usual(tag, &name.name) {
            None if tag == "sockaddr"
                && let Some(end) = end =>
            {
                Some(format!("its address and port are `{end}.ip` and `{end}.port`"))
            }
            None if tag == "path" && name.name == "path" => {
                Some(format!("`{}` is the path itself: compare it with a string", expr_text(base)))
            }
            // The field is not in `task.ns` but next to it.
            Some(field) if tag == "nsproxy" => Some(format!("did you mean `{}`?", field_of(beside(base), field))),
            Some(field) => Some(format!("did you mean `{}`?", field_of(base, field))),
            None => {
                did_you_mean(&name.name, names.iter().copied()).or_else(|| self.behind_field(base, place, tag, name))
            }
        };
        error = match meant {
            Some(help) => error.help(help),
            None if names.len() <= 12 => error.help(format!("it has {}", list(names.iter().copied(), "and"))),
            None => error.help(format!("`krsic types {tag}` lists its fields")),
        };
        self.report(error)
    }

    /// Suggests a field that is one step further: `file.inode.size` for `file.size`.
    fn behind_field(&mut self, base: &Expr, place: &Place, tag: &str, name: &ast::Ident) -> Option<String> {
        let known = self.diagnostics.len();
        let expansion = self.expansion;
        let mut found = Vec::new();
        for step in self.items.view_fields(tag) {
            let Some(view) = self.items.views.get(&(tag, step)).copied() else { continue };
            let behind = match self.view_field(view, place.clone(), name.span) {
                Operand::Place(place) => place,
                Operand::Value(value) => match value.ty {
                    Ty::Ptr(Ptr { target, .. }) => match Place::behind(&self.kernel.btf, &value, target) {
                        Some(place) => place,
                        None => continue,
                    },
                    _ => continue,
                },
                _ => continue,
            };
            let of = place::tag(&self.kernel.btf, behind.ty);
            if self.items.views.contains_key(&(of, &name.name)) {
                found.push(field_of(base, &format!("{step}.{}", name.name)));
            }
        }
        self.diagnostics.truncate(known);
        self.expansion.restore_reported(expansion);
        found.truncate(3);
        (!found.is_empty()).then(|| format!("did you mean {}?", list(found.iter().map(String::as_str), "or")))
    }

    /// Suggests a source for the path of a dentry or an inode, which do not determine it.
    fn path_elsewhere(&self, error: Diagnostic) -> Diagnostic {
        let error = error.note("the full path depends on the mount, which only a `path` or a `file` has");
        let hook = self.scope.hook.map(|hook| self.hooks[hook.index()].name.as_str()).unwrap_or_default();
        if self.items.values.contains_key(&(hook, "path")) {
            return error.help(format!("`{hook}` has the full path: write `path` alone"));
        }
        let twin = hook.strip_prefix("inode_").map(|act| format!("path_{act}"));
        let paths = |twin: &String| {
            ["path", "new_path"].into_iter().find(|path| self.items.values.contains_key(&(twin.as_str(), *path)))
        };
        match twin.as_ref().and_then(|twin| Some((twin, paths(twin)?))) {
            Some((twin, path)) => error.help(format!(
                "use the hook `{twin}`, which has `{path}`; or test `dentry.name`, the inode's owner or mode"
            )),
            None => {
                error.help("test `dentry.name`, the inode's owner or mode, or use a hook that has a `file` or a `path`")
            }
        }
    }

    pub(in crate::hir) fn index(&mut self, base: &'a Expr, index: &'a Expr, span: Span) -> Operand {
        let place = match self.expr(base, None) {
            Operand::Error => return Operand::Error,
            Operand::Place(place) => place,
            // The helper returns the whole name; a single byte is read from the task.
            Operand::Value(Value { kind: ValueKind::Task(TaskField::Comm), .. }) => {
                let task = self.current(base.span);
                let Ty::Ptr(Ptr { target, .. }) = task.ty else { unreachable!("a task is a pointer") };
                let place = Place::behind(&self.kernel.btf, &task, target);
                match place.and_then(|place| self.raw_field(&place, "comm", base.span)) {
                    Some(Operand::Place(place)) => place,
                    _ => return Operand::Error,
                }
            }
            Operand::Value(Value { ty: ty @ Ty::Ptr(_), .. }) => {
                let what = self.describe(ty);
                return self.report(
                    Diagnostic::error(code::NOT_AN_ARRAY, base.span, "only an array can be indexed")
                        .label(what)
                        .note("a pointer refers to a single object, since its type has no length")
                        .help("index an array that is embedded in a struct, or access the object with `.`"),
                );
            }
            _ => {
                return self.report(
                    Diagnostic::error(code::NOT_AN_ARRAY, base.span, "only an array can be indexed")
                        .label("not an array"),
                );
            }
        };
        let kernel = self.kernel;
        let Type::Array { element, count } = kernel.btf.ty(kernel.btf.strip(place.ty)) else {
            let what = place::describe(&kernel.btf, place.ty);
            let error = Diagnostic::error(code::NOT_AN_ARRAY, base.span, "only an array can be indexed")
                .label(format!("this is {what}"));
            return self.report(match place::tag(&kernel.btf, place.ty) {
                "path" => error.help("a path is fetched whole: test it with `under`, `like` or `starts_with`"),
                _ => error,
            });
        };
        let number = match self.expr(index, None) {
            Operand::Error => return Operand::Error,
            Operand::Number(number) => number.value,
            _ => {
                return self.report(
                    Diagnostic::error(code::NOT_CONSTANT, index.span, "an index must be a constant")
                        .label("known only at run time")
                        .help("the kernel's verifier accepts only constant offsets; test each element of interest"),
                );
            }
        };
        // A flexible array member can have any length. The verifier accepts its elements if they are structs.
        let composite = matches!(kernel.btf.ty(kernel.btf.strip(element)), Type::Struct { .. } | Type::Union { .. });
        let open = count == 0 && composite && place::is_last(&kernel.btf, &place.access);
        if number < 0 || number >= i128::from(count) && !(open && number == 0) {
            return self.report(
                Diagnostic::error(code::INDEX_OUT_OF_BOUNDS, index.span, format!("the array has no element {number}"))
                    .label(match count {
                        0 => "its length is known only at run time".to_owned(),
                        count => format!("it has 0 to {}", count - 1),
                    })
                    .also(base.span, format!("`{}`", place::describe(&kernel.btf, place.ty))),
            );
        }
        let next = place.step(Step::Index(number as u32), element, span);
        // The signedness of `char` depends on the compiler. A byte of a string is unsigned.
        if matches!(self.reads(place.ty, true), Reads::As(Ty::Str { .. })) {
            return Operand::Value(self.load(next, Ty::Int(Int::plain(1, false))));
        }
        self.found(next, "", "")
    }
}

/// Formats a field access in the syntax of policies.
fn field_of(base: &Expr, field: &str) -> String {
    format!("{}.{field}", expr_text(base))
}

/// Returns the base of a field access.
fn beside(expr: &Expr) -> &Expr {
    match &expr.kind {
        ExprKind::Field { base, .. } => base,
        _ => expr,
    }
}

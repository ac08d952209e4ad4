//! Calls of built-in functions and definitions. A definition is checked on its own, and expanded where it is
//! called.

use krs_grammar::ast::{self, Expr, Span};

use super::{Checker, Operand, Scope, int_name, integer, is_bool};
use crate::btf::Kind;
use crate::diag::{Diagnostic, Severity, code};
use crate::hir::item_checks::BUILTINS;
use crate::hir::place::{self, Reads};
use crate::hir::resolve::NamedItem;
use crate::hir::suggest::did_you_mean;
use crate::hir::{ArgId, Atom, AtomKind, Cond, Int, Ptr, Ty, Value, ValueKind};

impl<'a> Checker<'a> {
    pub(in crate::hir) fn call(&mut self, function: &'a ast::Ident, args: &'a [Expr], span: Span) -> Operand {
        let def = match self.items.named.get(function.name.as_str()) {
            // A definition that reuses a built-in name is an error and must not hide the built-in from the
            // library.
            Some(NamedItem::Def(def)) if !BUILTINS.contains(&function.name.as_str()) => *def,
            _ if function.name == "first_of" => return self.first_of(args, span),
            _ if function.name == "cgroup_path" => return self.cgroup_path(args, span),
            _ if matches!(function.name.as_str(), "peer" | "local" | "bind_end" | "connect_end" | "message_end") => {
                return self.endpoint(function, args, span);
            }
            _ if function.name == "known" => return self.known_call(args, span),
            _ if function.name == "inode" => return self.inode_call(args, span),
            _ if function.name == "text" => return self.pointed_text(args, span),
            _ if function.name == "full_path" => return self.full_path(args, span),
            _ if matches!(function.name.as_str(), "starts_with" | "ends_with" | "contains") => {
                return self.text_call(function, args, span);
            }
            _ => {
                let defs: Vec<&str> = self
                    .items
                    .named
                    .values()
                    .filter(|n| matches!(n, NamedItem::Def(_)))
                    .map(|n| n.ident().name.as_str())
                    .collect();
                if self.items.is_broken(&function.name) {
                    return Operand::Error;
                }
                let mut error = Diagnostic::error(
                    code::UNKNOWN_FUNCTION,
                    function.span,
                    format!("unknown function `{}`", function.name),
                )
                .label("not found");
                error = error.help(did_you_mean(&function.name, defs.iter().copied()).unwrap_or_else(|| {
                    if matches!(function.name.trim_start_matches("bpf_"), "htons" | "htonl" | "ntohs" | "ntohl") {
                        return "numbers are in host byte order: compare with the number itself".to_owned();
                    }
                    format!("define it, for instance `def {}(file: file): bool = file.inode.uid == 0`", function.name)
                }));
                return self.report(error);
            }
        };
        if !self.enter(&def.name, span) {
            return Operand::Error;
        }
        if args.len() != def.params.len() {
            let count = |n: usize| {
                if n == 1 { "1 argument".to_owned() } else { format!("{n} arguments") }
            };
            return self.report(
                Diagnostic::error(
                    code::WRONG_ARGUMENT_COUNT,
                    span,
                    format!("`{}` takes {}, not {}", def.name.name, count(def.params.len()), args.len()),
                )
                .also(def.name.span, "defined here"),
            );
        }
        let mut params = Vec::with_capacity(args.len());
        for (param, arg) in def.params.iter().zip(args) {
            let operand = self.argument(param, arg);
            if matches!(operand, Operand::Error) {
                return Operand::Error;
            }
            params.push((param.name.name.clone(), operand));
        }
        let outer = std::mem::take(&mut self.scope);
        self.scope.params = Some(params);
        (self.scope.hook, self.scope.others) = (outer.hook, outer.others);
        self.scope.inside.clone_from(&outer.inside);
        self.scope.defining = outer.defining;
        self.scope.inside.push(def.name.name.clone());
        let known = self.diagnostics.len();
        let mut operand = self.expr(&def.body, None);
        if def.ty.as_deref().is_some_and(is_bool) {
            operand = match self.cond_of(operand, &def.body) {
                Some(cond) => Operand::Cond(cond),
                None => Operand::Error,
            };
        }
        // The declared type of the definition applies to the call.
        if let Some(ast::Type { kind: ast::TypeKind::Name(name), .. }) = def.ty.as_deref()
            && let Some(names) = self.names_of(name)
        {
            match &mut operand {
                Operand::Number(number) => number.names = Some(names),
                Operand::Value(Value { ty: Ty::Int(int), .. }) => int.names = Some(names),
                _ => {}
            }
        }
        if self.refused(known, span, outer.defining) {
            operand = Operand::Error;
        }
        self.scope = outer;
        match &mut operand {
            Operand::Value(value) => value.span = span,
            Operand::Place(place) => place.span = span,
            _ => {}
        }
        operand
    }

    /// Checks `known(x)`: the value exists and can be read.
    fn known_call(&mut self, args: &'a [Expr], span: Span) -> Operand {
        let [arg] = args else {
            return self.report(
                Diagnostic::error(
                    code::WRONG_ARGUMENT_COUNT,
                    span,
                    format!("`known` takes 1 argument, not {}", args.len()),
                )
                .help("pass the value that may be missing: `known(file.path)`"),
            );
        };
        let operand = self.expr(arg, None);
        let operand = self.path_of(operand);
        match operand {
            Operand::Error => Operand::Error,
            Operand::Value(value) => Operand::Cond(Cond::Atom(Box::new(Atom { span, kind: AtomKind::Known(value) }))),
            other => {
                let found = self.describe_operand(&other);
                self.report(
                    Diagnostic::error(
                        code::ARGUMENT_MISMATCH,
                        arg.span,
                        "`known` takes a value that is read from the kernel",
                    )
                    .label(found)
                    .help("pass a value that may be missing, for instance `known(file.path)`"),
                )
            }
        }
    }

    /// Filters the diagnostics of an expanded body, and returns true if there is an error.
    ///
    /// The body has been checked on its own, so its warnings and the errors that it has with any arguments
    /// are known. An error that only these arguments cause, such as a constant that a narrower argument
    /// cannot hold, is reported together with the call.
    fn refused(&mut self, known: usize, call: Span, defining: bool) -> bool {
        let mut refused = false;
        for found in self.diagnostics.split_off(known) {
            if found.severity != Severity::Error {
                continue;
            }
            refused = true;
            let same = |other: &Diagnostic| other.code == found.code && other.primary.span == found.primary.span;
            if [code::RECURSIVE_DEFINITION, code::EXPANSION_TOO_LARGE].contains(&found.code) {
                self.diagnostics.push(found);
            } else if !defining && !self.diagnostics.iter().any(same) {
                self.diagnostics.push(found.also(call, "with these arguments"));
            }
        }
        refused
    }

    pub(in crate::hir) fn argument(&mut self, param: &'a ast::DefParam, arg: &'a Expr) -> Operand {
        let ast::TypeKind::Name(ty) = &param.ty.kind else {
            return Operand::Error;
        };
        let names = self.names_of(ty);
        let operand = self.expr(arg, names);
        let wanted = |checker: &mut Self, found: String| {
            // An invalid type is reported at the parameter.
            if checker.param_ty(ty).is_none() {
                return Operand::Error;
            }
            checker.report(
                Diagnostic::error(code::ARGUMENT_MISMATCH, arg.span, format!("`{}` must be a `{ty}`", param.name.name))
                    .label(found)
                    .also(param.ty.span, "required here"),
            )
        };
        match operand {
            Operand::Error => Operand::Error,
            Operand::Value(value) => match value.ty {
                Ty::Ptr(pointer) => {
                    let tag = place::tag(&self.kernel.btf, pointer.target).to_owned();
                    if tag == *ty { Operand::Value(value) } else { wanted(self, format!("a pointer to `{tag}`")) }
                }
                Ty::Int(int) => match integer(ty) {
                    Some(to) if to.holds(int) => Operand::Value(value),
                    Some(_) => wanted(self, format!("a {}", int_name(int))),
                    // The body can use members of the parameter's type with a plain integer, too.
                    None if names.is_some() && (int.names.is_none() || int.names == names) => {
                        Operand::Value(Value { ty: Ty::Int(Int { names, ..int }), ..value })
                    }
                    None => {
                        let found = self.describe(value.ty);
                        wanted(self, found)
                    }
                },
                Ty::Bool if ty == "bool" => Operand::Value(value),
                Ty::Ip if ty == "ip" => Operand::Value(value),
                Ty::Str { .. } | Ty::Text { .. } if ty == "str" => Operand::Value(value),
                Ty::Text { path: true } if ty == "path" => Operand::Value(value),
                other => {
                    let found = self.describe(other);
                    wanted(self, found)
                }
            },
            Operand::Place(place) => {
                let tag = place::tag(&self.kernel.btf, place.ty).to_owned();
                if tag == *ty || ty == "str" && matches!(self.reads(place.ty, false), Reads::As(Ty::Str { .. })) {
                    Operand::Place(place)
                } else {
                    wanted(self, format!("a `{}`", if tag.is_empty() { "struct" } else { &tag }))
                }
            }
            Operand::Number(number) => match integer(ty) {
                Some(int) if number.value < int.min() || number.value > int.max() => {
                    self.error(code::CONSTANT_OUT_OF_RANGE, arg.span, format!("a {ty} cannot hold {}", number.value))
                }
                Some(_) => Operand::Number(number),
                None if names.is_some() && number.names.is_none_or(|own| Some(own) == names) => Operand::Number(number),
                None if let Some(own) = number.names => {
                    let found = format!("a `{}`", self.names[own.index()].name);
                    wanted(self, found)
                }
                None => wanted(self, "a number".to_owned()),
            },
            Operand::Cond(cond) if ty == "bool" => Operand::Cond(cond),
            Operand::Text(text) if ty == "str" => Operand::Text(text),
            Operand::Text(text) if ty == "ip" => match self.address(&text, arg.span) {
                Some(address) => Operand::Value(address),
                None => Operand::Error,
            },
            Operand::Task if ty == "task_struct" => Operand::Task,
            _ => wanted(self, "of another type".to_owned()),
        }
    }

    /// Returns the type of an argument for the declared type of a parameter.
    fn param_ty(&mut self, name: &str) -> Option<Ty> {
        let int = integer(name)
            .or_else(|| self.names_of(name).map(|names| Int { names: Some(names), ..Int::plain(8, false) }));
        match name {
            _ if int.is_some() => int.map(Ty::Int),
            "bool" => Some(Ty::Bool),
            "str" => Some(Ty::Str { bytes: 4096 }),
            "ip" => Some(Ty::Ip),
            _ => {
                let btf = &self.kernel.btf;
                let target = btf.find(Kind::Struct, name).or_else(|| btf.find(Kind::Union, name))?;
                Some(Ty::Ptr(Ptr { target, nullable: true }))
            }
        }
    }

    /// Checks a definition on its own, with placeholders for its arguments.
    pub(in crate::hir) fn def(&mut self, def: &'a ast::Def) {
        let mut params = Vec::new();
        for (index, param) in def.params.iter().enumerate() {
            let ast::TypeKind::Name(name) = &param.ty.kind else {
                self.error(code::UNSUPPORTED_FEATURE, param.ty.span, "tuples are not supported here");
                return;
            };
            let Some(ty) = self.param_ty(name) else {
                self.unknown_type(name, param.ty.span);
                return;
            };
            let stand_in = ValueKind::Arg(ArgId(u32::MAX - index as u32));
            params.push((param.name.name.clone(), Operand::Value(Value { span: param.name.span, ty, kind: stand_in })));
        }
        self.scope =
            Scope { params: Some(params), inside: vec![def.name.name.clone()], defining: true, ..Scope::default() };
        let operand = self.expr(&def.body, None);
        match &def.ty {
            Some(ty) if is_bool(ty) => {
                self.cond_of(operand, &def.body);
            }
            Some(ty) => self.result(def, ty, operand),
            None => {}
        }
        self.scope = Scope::default();
    }

    /// Checks a constant on its own.
    pub(in crate::hir) fn const_item(&mut self, item: &'a ast::Const) {
        self.scope = Scope { defining: true, ..Scope::default() };
        self.constant(item, item.name.span);
        self.scope = Scope::default();
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::codes;

    #[test]
    fn a_call_is_never_dropped() {
        for (policy, expected) in [
            // A comparison that the argument makes trivial is a test like any other.
            ("def among(n: u64, m: u64): bool = n & m == m or n < m on task_prctl when among(arg2, 0) deny", &[][..]),
            // 5000000000 fits the parameter and not the argument, a u32.
            ("def small(n: u64): bool = n < 5_000_000_000 on task_prctl when small(arg2) deny", &[]),
            ("def small(n: u64): bool = n < 5_000_000_000 on task_prctl when small(task.uid) deny", &["KRS0302"]),
            // An error of the body itself is reported once, at the definition.
            ("def wrong(n: u8): bool = n < 300 on task_prctl when wrong(arg2 as u8) deny", &["KRS0302"]),
        ] {
            assert_eq!(codes(policy), expected, "{policy}");
        }
    }
}

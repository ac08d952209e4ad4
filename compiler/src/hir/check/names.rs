//! Names: arguments, constants, types and their members, and suggestions for unknown names.
//!
//! ```text
//! prot & EXEC       an argument, and a member of its type `Prot`
//! PROT_EXEC         the same member with the prefix of its type, usable anywhere
//! ```

use krs_grammar::ast::{self, Expr, ExprKind, Span};

use super::endpoints::ENDPOINT_FIELDS;
use super::{Checker, Number, Operand, int_name, integer, labels};
use crate::btf::{Kind, Type, TypeId};
use crate::diag::{Diagnostic, code};
use crate::hir::kernels;
use crate::hir::place::{self, Place, Reads};
use crate::hir::resolve::NamedItem;
use crate::hir::suggest::{did_you_mean, list, usual};
use crate::hir::{Arg, ArgId, Cond, Enumerator, Int, Names, NamesId, Ptr, Ty, Value, ValueKind};

/// Types to suggest for a misspelt one.
const USUAL_TYPES: [&str; 24] = [
    "u8",
    "u16",
    "u32",
    "u64",
    "i8",
    "i16",
    "i32",
    "i64",
    "bool",
    "str",
    "ip",
    "cidr",
    "path",
    "file",
    "inode",
    "dentry",
    "task_struct",
    "cred",
    "linux_binprm",
    "vm_area_struct",
    "sock",
    "socket",
    "sockaddr",
    "super_block",
];

impl<'a> Checker<'a> {
    pub(in crate::hir) fn name(&mut self, name: &str, span: Span, hint: Option<NamesId>) -> Operand {
        if let Some(operand) = self.visible(name, span) {
            return operand;
        }
        if let Some(names) = hint
            && let Some(&(_, value)) = self.names[names.index()].members.iter().find(|(known, _)| known == name)
        {
            return self.member(names, name, value, span);
        }
        if let Some((of, member)) = self.items.prefixed(name) {
            let Some(names) = self.names_of(of) else {
                return Operand::Error;
            };
            let value = self.names[names.index()].members.iter().find(|(known, _)| known == member);
            return match value {
                Some(&(_, value)) => self.member(names, name, value, span),
                None => Operand::Error,
            };
        }
        // A member of only one type needs no prefix: `S_ISVTX`, `SIGKILL`.
        if let [of] = self.owners(name)[..] {
            let Some(names) = self.names_of(of) else {
                return Operand::Error;
            };
            let value = self.names[names.index()].members.iter().find(|(known, _)| known == name);
            if let Some(&(_, value)) = value {
                return self.member(names, name, value, span);
            }
        }
        if let Some((of, value)) = self.enumerator(name) {
            return self.member(of, name, value, span);
        }
        self.unknown_name(name, span, hint)
    }

    /// Returns the types that have a member of this name, sorted.
    pub(in crate::hir) fn owners(&self, name: &str) -> Vec<&'a str> {
        let mut owners: Vec<&'a str> = self
            .items
            .named
            .values()
            .filter_map(|named| match named {
                NamedItem::Names(names, _) if names.members.iter().any(|m| m.name.name == name) => {
                    Some(names.name.name.as_str())
                }
                _ => None,
            })
            .collect();
        owners.sort_unstable();
        owners
    }

    /// Looks up a name independently of the expected type.
    pub(in crate::hir) fn visible(&mut self, name: &str, span: Span) -> Option<Operand> {
        if let Some((bound, ancestor)) = &self.scope.bound
            && bound == name
        {
            return Some(Operand::Value(Value { span, ..ancestor.clone() }));
        }
        if let Some(this) = self.scope.this.clone() {
            // The struct of the view, if it is reached by a pointer.
            if name == "this" && this.access.steps.is_empty() {
                return Some(Operand::Value((*this.base).clone()));
            }
            if let Some(operand) = self.raw_field(&this, name, span) {
                return Some(operand);
            }
        } else if let Some(params) = &self.scope.params {
            if let Some((_, operand)) = params.iter().find(|(known, _)| known == name) {
                let operand = operand.clone().at(span);
                return Some(self.copied(operand, span));
            }
            if name == "task" {
                return Some(Operand::Task);
            }
        } else {
            if let Some(operand) = self.arg(name, span) {
                return Some(operand);
            }
            if let Some(operand) = self.hook_value(name, span) {
                return Some(operand);
            }
            if name == "task" {
                return Some(Operand::Task);
            }
        }
        match self.items.named.get(name) {
            Some(NamedItem::Const(item)) => Some(self.constant(item, span)),
            Some(NamedItem::Param(item)) => {
                let item: &'a ast::Param = item;
                Some(self.param_value(item, span))
            }
            Some(NamedItem::Set(_)) => Some(
                self.report(
                    Diagnostic::error(code::TYPE_MISMATCH, span, format!("`{name}` is a set, not a value"))
                        .label("a set")
                        .help(format!("test for membership: `x in {name}`")),
                ),
            ),
            None if name == "now" => {
                Some(Operand::Value(Value { span, ty: Ty::Int(Int::plain(8, false)), kind: ValueKind::Now }))
            }
            None if name == "init" && self.scope.this.is_none() => self.init(span),
            Some(NamedItem::Label(item)) => Some(
                self.report(
                    Diagnostic::error(code::TYPE_MISMATCH, span, format!("`{name}` is a label, not a value"))
                        .label("a label")
                        .help(format!("test whether an object has it: `{} is {name}`", labels::example(&item.on.name))),
                ),
            ),
            _ => None,
        }
    }

    /// Returns the init process, which a view of the library finds.
    fn init(&mut self, span: Span) -> Option<Operand> {
        let view = self.items.views.get(&("task_struct", "init")).copied()?;
        let current = self.current(span);
        let Ty::Ptr(Ptr { target, .. }) = current.ty else { unreachable!("a task is a pointer") };
        let place = Place::behind(&self.kernel.btf, &current, target)?;
        Some(self.view_field(view, place, span))
    }

    /// Expands a value that the hook's description derives from its arguments.
    fn hook_value(&mut self, name: &str, span: Span) -> Option<Operand> {
        let hook = &self.hooks[self.scope.hook?.index()];
        let field = self.items.values.get(&(hook.name.as_str(), name)).copied()?;
        Some(self.described(field, span))
    }

    /// Returns the names that the hook's description adds to its arguments, in alphabetical order.
    fn hook_values(&self, hook: &str) -> impl Iterator<Item = &'a str> {
        let mut names: Vec<&'a str> =
            self.items.values.keys().filter(|(of, _)| *of == hook).map(|(_, name)| *name).collect();
        names.sort_unstable();
        names.into_iter()
    }

    /// Returns true if an expression contains names that can be resolved only with an expected type.
    pub(in crate::hir) fn needs_hint(&mut self, expr: &'a Expr) -> bool {
        match &expr.kind {
            ExprKind::Name(name) => {
                let (known, expansion) = (self.diagnostics.len(), self.expansion);
                let needs = self.visible(name, expr.span).is_none() && self.items.prefixed(name).is_none();
                self.diagnostics.truncate(known);
                // An exceeded limit is exceeded again when the expression is checked, and reported then.
                self.expansion.restore_reported(expansion);
                needs
            }
            ExprKind::Unary { value, .. } => self.needs_hint(value),
            ExprKind::Binary { op, left, right, .. } if !op.is_comparison() => {
                self.needs_hint(left) || self.needs_hint(right)
            }
            _ => false,
        }
    }

    /// Returns a member of a type as an operand.
    pub(in crate::hir) fn member(&mut self, names: NamesId, name: &str, value: i64, span: Span) -> Operand {
        let of = &self.names[names.index()];
        if of.kernel {
            let signed = of.members.iter().any(|(_, value)| *value < 0);
            let large =
                of.members.iter().any(|(_, value)| *value > i64::from(u32::MAX) || *value < i64::from(i32::MIN));
            let ty = Ty::Int(Int { bytes: if large { 8 } else { 4 }, signed, names: Some(names) });
            let known = Enumerator { of: of.name.clone(), name: name.to_owned(), value };
            return Operand::Value(Value { span, ty, kind: ValueKind::Enumerator(Box::new(known)) });
        }
        Operand::Number(Number { value: i128::from(value), names: Some(names), pattern: false })
    }

    /// Finds an enumerator by name in all enums of the kernel.
    pub(in crate::hir) fn enumerator(&mut self, name: &str) -> Option<(NamesId, i64)> {
        if !name.bytes().any(|b| b.is_ascii_uppercase()) {
            return None;
        }
        let btf = &self.kernel.btf;
        let (id, value) = btf.ids().find_map(|id| {
            if !matches!(btf.kind(id), Kind::Enum | Kind::Enum64) || btf.name(id).is_empty() {
                return None;
            }
            btf.values(id).find(|(known, _)| *known == name).map(|(_, value)| (id, value))
        })?;
        Some((self.enum_names(id)?, value))
    }

    pub(in crate::hir) fn unknown_name(&mut self, name: &str, span: Span, hint: Option<NamesId>) -> Operand {
        if self.items.is_broken(name) {
            return Operand::Error;
        }
        let mut error =
            Diagnostic::error(code::UNKNOWN_NAME, span, format!("unknown name `{name}`")).label("not found");
        if let Some(NamedItem::Def(_)) = self.items.named.get(name) {
            return self
                .report(error.help(format!("`{name}` is a definition: call it with its arguments, `{name}(...)`")));
        }
        // The end of a member of the other side's type: `RAW` of `SOCK_RAW`.
        if let Some(hint) = hint {
            let end = format!("_{name}");
            let mut ends = self.names[hint.index()].members.iter().filter(|(member, _)| member.ends_with(&end));
            if let (Some((member, _)), None) = (ends.next(), ends.next()) {
                let help = format!("did you mean `{member}`?");
                return self.report(error.help(help));
            }
        }
        // A member of another type than that of the other side, or without another side.
        let mut owners = self.owners(name);
        if !owners.is_empty() {
            // Common types have short names.
            owners.sort_by_key(|of| of.len());
            let full: Vec<String> =
                owners.iter().take(4).map(|of| format!("{}_{name}", crate::hir::resolve::prefix(of))).collect();
            error = error.note(match hint {
                Some(hint) => format!("the other side is a `{}`, which has no `{name}`", self.names[hint.index()].name),
                None => "the type of this name cannot be inferred from the other side".to_owned(),
            });
            return self.report(
                error.help(format!("add the prefix of its type: {}", list(full.iter().map(String::as_str), "or"))),
            );
        }
        let mut candidates: Vec<&str> = Vec::new();
        if let Some(names) = hint {
            candidates.extend(self.names[names.index()].members.iter().map(|(name, _)| name.as_str()));
        }
        // A prefixed name may be a misspelt member of any type.
        let prefixed: Vec<String> = match hint {
            _ if !name.contains('_') || name.bytes().any(|b| b.is_ascii_lowercase()) => Vec::new(),
            Some(hint) => {
                let of = &self.names[hint.index()];
                of.members
                    .iter()
                    .map(|(member, _)| format!("{}_{member}", crate::hir::resolve::prefix(&of.name)))
                    .collect()
            }
            None => self.items.prefixed_names().collect(),
        };
        candidates.extend(prefixed.iter().map(String::as_str));
        let mut arguments = Vec::new();
        if let Some(this) = &self.scope.this {
            place::field_names(&self.kernel.btf, self.kernel.btf.strip(this.ty), &mut candidates);
        } else if let Some(params) = &self.scope.params {
            candidates.extend(params.iter().map(|(name, _)| name.as_str()));
        } else if let Some(hook) = self.scope.hook
            && let Some(hook) = self.kernel.hook(&self.hooks[hook.index()].name)
        {
            arguments = hook.args.iter().map(|arg| arg.name.to_owned()).collect();
            arguments.extend(self.hook_values(hook.name).map(str::to_owned));
        }
        candidates.extend(arguments.iter().map(String::as_str));
        candidates.push("task");
        let constants: Vec<&str> = self
            .items
            .named
            .values()
            .filter(|n| matches!(n, NamedItem::Const(_)))
            .map(|n| n.ident().name.as_str())
            .collect();
        candidates.extend(constants);
        if let Some(own) = usual("", name).map(str::to_owned).or_else(|| self.other_endpoint_name(name)) {
            error = error.help(format!("did you mean `{own}`?"));
        } else if let Some(help) = did_you_mean(name, candidates.iter().copied()) {
            error = error.help(help);
        } else if let Some(help) = self.field_of_argument(name) {
            error = error.help(help);
        } else if name == "root" {
            error = error.help("the kernel identifies accounts by number: that of `root` is `0`");
        }
        if let Some(hook) = self.scope.hook.filter(|_| self.scope.params.is_none()) {
            let hook = self.hooks[hook.index()].name.clone();
            if let Some(help) = kernels::argument_elsewhere(self.kernel, &hook, name) {
                error = error.note(help);
            }
            if !arguments.is_empty() {
                error = error.note(format!("`{hook}` has {}", list(arguments.iter().map(String::as_str), "and")));
            } else {
                error = error.note(format!("`{hook}` has no arguments"));
            }
        }
        self.report(error)
    }

    /// Suggests fields of arguments and endpoints with this name: `file.path` for `path`, `dst.port` or
    /// `src.port` for `port`.
    fn field_of_argument(&self, name: &str) -> Option<String> {
        let hook = self.kernel.hook(&self.hooks[self.scope.hook?.index()].name)?;
        let btf = &self.kernel.btf;
        let owners = hook.args.iter().filter(|arg| match btf.ty(btf.strip(arg.ty)) {
            Type::Ptr(target) => {
                let known = self.items.views.contains_key(&(place::tag(btf, target), name));
                known || place::field(btf, btf.strip(target), name).is_some()
            }
            _ => false,
        });
        let mut fields: Vec<String> =
            owners.map(|arg| format!("{}.{name}", arg.name)).chain(self.field_of_task(name)).collect();
        if ENDPOINT_FIELDS.contains(&name) {
            let ends = self.hook_values(hook.name).filter(|value| ["dst", "src"].contains(value));
            fields.extend(ends.map(|end| format!("{end}.{name}")));
        }
        (!fields.is_empty()).then(|| format!("did you mean {}?", list(fields.iter().map(String::as_str), "or")))
    }

    fn field_of_task(&self, name: &str) -> Option<String> {
        let btf = &self.kernel.btf;
        let raw = || btf.find(Kind::Struct, "task_struct").is_some_and(|of| place::field(btf, of, name).is_some());
        (self.items.views.contains_key(&("task_struct", name)) || raw()).then(|| format!("task.{name}"))
    }

    /// Suggests an endpoint of the hook for a name that other tools use.
    fn other_endpoint_name(&self, name: &str) -> Option<String> {
        let hook = self.hooks[self.scope.hook?.index()].name.clone();
        let mut ends = ["dst", "src"].into_iter().filter(|end| self.hook_values(&hook).any(|value| value == *end));
        match name {
            "src" | "dst" | "addr" | "sockaddr" | "peer" | "remote" | "local" => ends.next().map(str::to_owned),
            "dport" => ends.find(|end| *end == "dst").map(|end| format!("{end}.port")),
            "sport" => ends.find(|end| *end == "src").map(|end| format!("{end}.port")),
            "daddr" => ends.find(|end| *end == "dst").map(|end| format!("{end}.ip")),
            "saddr" => ends.find(|end| *end == "src").map(|end| format!("{end}.ip")),
            _ => None,
        }
    }

    /// Returns an argument of the rule's hook.
    pub(in crate::hir) fn arg(&mut self, name: &str, span: Span) -> Option<Operand> {
        let id = self.scope.hook?;
        let known = &self.hooks[id.index()];
        if let Some(index) = known.args.iter().position(|arg| arg.name == name) {
            let ty = known.args[index].ty;
            return Some(Operand::Value(Value { span, ty, kind: ValueKind::Arg(ArgId(index as u32)) }));
        }
        let hook_name = known.name.clone();
        let kernel = self.kernel;
        let hook = kernel.hook(&hook_name)?;
        let arg = hook.args.iter().find(|arg| arg.name == name)?;
        let param =
            self.items.hooks.get(hook_name.as_str()).and_then(|params| params.iter().find(|p| p.name.name == name));
        if let Some(problem) = &arg.problem {
            return Some(
                self.report(
                    Diagnostic::error(
                        code::UNREADABLE_ARGUMENT,
                        span,
                        format!("BPF cannot read `{name}` of `{hook_name}`"),
                    )
                    .label(format!("a `{}`", place::describe(&kernel.btf, arg.ty)))
                    .note(problem.to_string())
                    .help("use another argument of the hook"),
                ),
            );
        }
        // An argument without a description may be null.
        let nullable = param.is_none_or(|param| param.nullable);
        let ty = match self.reads(arg.ty, nullable) {
            Reads::As(ty) => ty,
            Reads::Aggregate | Reads::Not => {
                return Some(
                    self.report(
                        Diagnostic::error(
                            code::UNREADABLE_ARGUMENT,
                            span,
                            format!("BPF cannot read `{name}` of `{hook_name}`"),
                        )
                        .label(format!("a `{}` passed by value", place::describe(&kernel.btf, arg.ty)))
                        .help("use another argument of the hook"),
                    ),
                );
            }
        };
        let ty = match param.and_then(|param| param.ty.as_ref()) {
            Some(refined) => self.refine(ty, refined),
            None => ty,
        };
        let location = match kernels::locate(kernel, &hook_name, name, arg.slot) {
            Ok(location) => location,
            Err(diagnostic) => return Some(self.report(diagnostic(span))),
        };
        let args = &mut self.hooks[id.index()].args;
        args.push(Arg { name: name.to_owned(), ty, location });
        let index = args.len() - 1;
        Some(Operand::Value(Value { span, ty, kind: ValueKind::Arg(ArgId(index as u32)) }))
    }

    /// Adds the enum or flag type from a description to an integer type from BTF.
    pub(in crate::hir) fn refine(&mut self, ty: Ty, refined: &'a ast::Type) -> Ty {
        let Ty::Int(int) = ty else { return ty };
        match &refined.kind {
            ast::TypeKind::Name(name) => match self.items.named.get(name.as_str()) {
                Some(NamedItem::Names(..)) => match self.names_of(name) {
                    Some(names) => Ty::Int(Int { names: Some(names), ..int }),
                    None => ty,
                },
                _ => match integer(name) {
                    Some(_) => ty,
                    None => {
                        self.unknown_type(name, refined.span);
                        ty
                    }
                },
            },
            ast::TypeKind::Tuple(_) => ty,
        }
    }

    pub(in crate::hir) fn unknown_type(&mut self, name: &str, span: Span) {
        if self.items.is_broken(name) {
            return;
        }
        let types =
            self.items.named.values().filter(|n| matches!(n, NamedItem::Names(..))).map(|n| n.ident().name.as_str());
        let mut error =
            Diagnostic::error(code::UNKNOWN_TYPE, span, format!("unknown type `{name}`")).label("not found");
        let usual = match name {
            "string" | "text" | "char" => Some("str"),
            "port" => Some("u16"),
            "int" | "integer" | "number" | "uid" | "gid" | "pid" => Some("u32"),
            "address" | "addr" | "ipv4" | "ipv6" => Some("ip"),
            "network" | "net" | "subnet" => Some("cidr"),
            "file" | "filename" | "directory" => Some("path"),
            "task" | "process" | "thread" => Some("task_struct"),
            "vma" => Some("vm_area_struct"),
            "bprm" => Some("linux_binprm"),
            _ => None,
        };
        let near = || did_you_mean(name, types.chain(USUAL_TYPES));
        error = match usual.map(|own| format!("did you mean `{own}`?")).or_else(near) {
            Some(help) => error.help(help),
            None => error.help(
                "types are `u8` to `u64`, `i8` to `i64`, `bool`, `str`, `path`, `ip`, `cidr`, `flags` and `enum` items, and structs of the kernel",
            ),
        };
        self.report(error);
    }

    /// Returns the id of a `flags` or `enum` item. Its members are evaluated on first use.
    pub(in crate::hir) fn names_of(&mut self, name: &str) -> Option<NamesId> {
        if let Some(index) = self.names.iter().position(|names| !names.kernel && names.name == name) {
            return Some(NamesId(index as u32));
        }
        let Some(&NamedItem::Names(item, flags)) = self.items.named.get(name) else {
            return None;
        };
        let outer = std::mem::take(&mut self.scope);
        let id = NamesId(self.names.len() as u32);
        self.names.push(Names { name: name.to_owned(), flags, members: Vec::new(), kernel: false });
        let int = match item.repr.as_deref() {
            Some(ast::Type { kind: ast::TypeKind::Name(repr), span }) => integer(repr).or_else(|| {
                self.unknown_type(repr, *span);
                None
            }),
            _ => None,
        }
        .unwrap_or(Int::plain(8, false));
        for member in &item.members {
            // Members are added one by one, since each can refer to earlier ones.
            let value = match self.expr(&member.value, Some(id)) {
                Operand::Number(number) if number.value >= int.min() && number.value <= int.max() => number.value,
                Operand::Number(number) => {
                    self.error(
                        code::INVALID_MEMBER,
                        member.value.span,
                        format!("{} does not fit in `{name}`, a {}", number.value, int_name(int)),
                    );
                    continue;
                }
                Operand::Error => continue,
                _ => {
                    self.error(
                        code::INVALID_MEMBER,
                        member.value.span,
                        format!("the value of `{}` must be a number", member.name.name),
                    );
                    continue;
                }
            };
            // The value of a u64 is stored as the i64 with the same bits.
            self.names[id.index()].members.push((member.name.name.clone(), value as i64));
        }
        self.scope = outer;
        Some(id)
    }

    pub(in crate::hir) fn enum_names(&mut self, id: TypeId) -> Option<NamesId> {
        let names = place::enum_names(&self.kernel.btf, id)?;
        if let Some(index) = self.names.iter().position(|known| known.kernel && known.name == names.name) {
            return Some(NamesId(index as u32));
        }
        self.names.push(names);
        Some(NamesId(self.names.len() as u32 - 1))
    }

    pub(in crate::hir) fn reads(&mut self, id: TypeId, nullable: bool) -> Reads {
        let kernel = self.kernel;
        let mut pending = None;
        let reads = place::reads(&kernel.btf, id, nullable, &mut |id| {
            pending = Some(id);
            None
        });
        match (reads, pending) {
            (Reads::As(Ty::Int(int)), Some(id)) => Reads::As(Ty::Int(Int { names: self.enum_names(id), ..int })),
            (reads, _) => reads,
        }
    }

    pub(in crate::hir) fn constant(&mut self, item: &'a ast::Const, span: Span) -> Operand {
        if let Some(known) = self.constants.get(item.name.name.as_str()) {
            return known.clone();
        }
        if !self.enter(&item.name, span) {
            return Operand::Error;
        }
        let outer = std::mem::take(&mut self.scope);
        self.scope.inside.clone_from(&outer.inside);
        self.scope.defining = outer.defining;
        self.scope.inside.push(item.name.name.clone());
        let hint = match item.ty.as_deref() {
            Some(ast::Type { kind: ast::TypeKind::Name(name), .. }) => self.names_of(name),
            _ => None,
        };
        let known = self.diagnostics.len();
        let mut operand = self.expr(&item.value, hint);
        match &mut operand {
            Operand::Number(number) => {
                if let Some(ast::Type { kind: ast::TypeKind::Name(name), span }) = item.ty.as_deref() {
                    match (integer(name), hint) {
                        (Some(int), _) if number.value < int.min() || number.value > int.max() => {
                            let value = number.value;
                            operand = self.error(
                                code::CONSTANT_OUT_OF_RANGE,
                                item.value.span,
                                format!("a {name} cannot hold {value}"),
                            );
                        }
                        (Some(_), _) => {}
                        (None, Some(_)) => number.names = hint,
                        (None, None) => {
                            self.unknown_type(name, *span);
                            operand = Operand::Error;
                        }
                    }
                }
            }
            Operand::Error | Operand::Text(_) | Operand::Cond(Cond::Const(_)) => {}
            _ => {
                let name = &item.name.name;
                let error = match operand {
                    Operand::List => {
                        Diagnostic::error(code::NOT_CONSTANT, item.value.span, "a constant cannot be a list")
                            .help(format!("define a set: `set {name}: u32 = {{ ... }}`"))
                    }
                    _ => Diagnostic::error(
                        code::NOT_CONSTANT,
                        item.value.span,
                        format!("the value of `{name}` is not constant"),
                    )
                    .help("use a `def` for a condition that reads values"),
                };
                operand = self.report(error);
            }
        }
        if !matches!(operand, Operand::Error) {
            self.constants.insert(&item.name.name, operand.clone());
        }
        // A constant is checked at its definition and again at its use; errors are reported once.
        if !outer.inside.is_empty() || !outer.defining {
            self.forget(known);
        }
        self.scope = outer;
        operand
    }

    /// Returns true if an item can be expanded here. A cycle is reported once, when the item that it begins
    /// with is checked.
    pub(in crate::hir) fn enter(&mut self, item: &ast::Ident, span: Span) -> bool {
        let Some(at) = self.scope.inside.iter().position(|name| *name == item.name) else {
            return true;
        };
        if at == 0 && self.scope.defining {
            let names = self.scope.inside.iter().map(String::as_str).chain([item.name.as_str()]);
            let cycle = names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" uses ");
            self.report(
                Diagnostic::error(code::RECURSIVE_DEFINITION, span, format!("recursive definition of `{}`", item.name))
                    .label("completes the cycle")
                    .note(cycle)
                    .help("definitions are expanded where they are used, so they cannot be recursive"),
            );
        }
        false
    }

    /// Drops diagnostics about another item, which is checked on its own, except those that depend on its use.
    pub(in crate::hir) fn forget(&mut self, known: usize) {
        let kept: Vec<Diagnostic> = self
            .diagnostics
            .drain(known..)
            .filter(|d| [code::RECURSIVE_DEFINITION, code::EXPANSION_TOO_LARGE].contains(&d.code))
            .collect();
        self.diagnostics.extend(kept);
    }
}

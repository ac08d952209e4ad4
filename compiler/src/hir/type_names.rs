//! Names of types as krs spells them, for `krsic hooks`, `krsic types` and the editor, which have no policy.
//!
//! `prot` of `file_mprotect` is a `Prot`, `file.path` a `path`, `vma.vm_file` a `*file`.

use krs_grammar::ast::{self, Span};

use super::check::{Checker, Operand, int_name};
use super::place::{self, Place, Reads};
use super::resolve::Items;
use super::{ArgId, Hook, HookId, Ptr, Ty, Value, ValueKind};
use crate::btf::{Type, TypeId};
use crate::kernel::{Kernel, Ret};

/// Returns names of types on one kernel.
pub struct TypeNames<'a> {
    checker: Checker<'a>,
}

/// The name of a type, or the reason why there is none.
pub type TypeName = Result<String, String>;

impl<'a> TypeNames<'a> {
    /// Uses the items of the library and the types of a kernel.
    #[must_use]
    pub fn new(items: &'a Items<'a>, kernel: &'a Kernel) -> TypeNames<'a> {
        TypeNames { checker: Checker::new(items, kernel) }
    }

    /// Returns the type of an argument of a hook, or of a value that the hook's description adds. The kernel
    /// must have the hook.
    pub fn argument(&mut self, hook: &str, name: &str) -> TypeName {
        let checker = &mut self.checker;
        let id = match checker.hooks.iter().position(|known| known.name == hook) {
            Some(index) => HookId(index as u32),
            None => {
                let void = checker.kernel.hook(hook).is_some_and(|hook| hook.ret == Ret::Void);
                checker.hooks.push(Hook { name: hook.to_owned(), void, maintains_labels: false, args: Vec::new() });
                HookId(checker.hooks.len() as u32 - 1)
            }
        };
        checker.scope.hook = Some(id);
        let operand = checker.visible(name, Span::default());
        checker.scope.hook = None;
        match operand {
            Some(operand) => self.name_of(operand),
            None => Err("the kernel does not have it".to_owned()),
        }
    }

    /// Returns the type of a field that a view adds to a struct.
    pub fn view(&mut self, target: TypeId, field: &'a ast::ViewField) -> TypeName {
        let checker = &mut self.checker;
        let ty = Ty::Ptr(Ptr { target, nullable: true });
        let base = Value { span: Span::default(), ty, kind: ValueKind::Arg(ArgId(u32::MAX)) };
        let Some(place) = Place::behind(&checker.kernel.btf, &base, target) else {
            return Err("the kernel does not have the struct".to_owned());
        };
        let operand = checker.view_field(field, place, Span::default());
        self.name_of(operand)
    }

    /// Returns the type of a field of a struct in BTF.
    pub fn field(&mut self, target: TypeId, name: &str) -> TypeName {
        let btf = &self.checker.kernel.btf;
        let Some(found) = place::field(btf, target, name) else {
            return Err("the kernel does not have it".to_owned());
        };
        if place::shape(btf, found).is_none() {
            return Ok(place::describe(btf, found.ty));
        }
        Ok(self.ty(found.ty))
    }

    /// Names a BTF type.
    fn ty(&mut self, id: TypeId) -> String {
        match self.checker.reads(id, true) {
            Reads::As(ty) => self.int_name(ty),
            Reads::Aggregate | Reads::Not => {
                let btf = &self.checker.kernel.btf;
                match (btf.ty(btf.strip(id)), place::tag(btf, id)) {
                    (Type::Array { element, count }, _) => format!("{}[{count}]", self.ty(element)),
                    (_, "") => place::describe(btf, id),
                    (_, tag) => tag.to_owned(),
                }
            }
        }
    }

    fn name_of(&mut self, operand: Operand) -> TypeName {
        let problem = self.checker.diagnostics.drain(..).next();
        match operand {
            Operand::Error => {
                Err(problem
                    .map_or_else(String::new, |problem| problem.notes.first().cloned().unwrap_or(problem.message)))
            }
            Operand::Value(value) => Ok(self.int_name(value.ty)),
            Operand::Place(place) => Ok(self.ty(place.ty)),
            Operand::Endpoint(_) => Ok("end".to_owned()),
            Operand::Cond(_) => Ok("bool".to_owned()),
            other => Ok(self.checker.describe_operand(&other)),
        }
    }

    fn int_name(&self, ty: Ty) -> String {
        let btf = &self.checker.kernel.btf;
        match ty {
            Ty::Int(int) => match int.names {
                Some(names) => self.checker.names[names.index()].name.clone(),
                None => int_name(int),
            },
            Ty::Bool => "bool".to_owned(),
            Ty::Ip => "ip".to_owned(),
            Ty::Str { .. } | Ty::Text { path: false } => "str".to_owned(),
            Ty::Text { path: true } => "path".to_owned(),
            Ty::Ptr(pointer) => match place::tag(btf, pointer.target) {
                "" => match place::describe(btf, pointer.target).as_str() {
                    // Policies read the string behind the pointer.
                    "char" => "str".to_owned(),
                    other => format!("*{other}"),
                },
                tag => format!("*{tag}"),
            },
        }
    }
}

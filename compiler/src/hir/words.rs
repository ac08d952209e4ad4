//! What a type is called in krs, for who asks without a policy.
//!
//! `prot` of `file_mprotect` is a `Prot`, `file.path` a `path`, `vma.vm_file` a `*file`.

use krs_grammar::ast::{self, Span};

use super::check::{Checker, Operand, spell};
use super::place::{self, Place, Reads};
use super::resolve::Items;
use super::{ArgId, Hook, HookId, Ptr, Ty, Value, ValueKind};
use crate::btf::{Type, TypeId};
use crate::kernel::{Kernel, Ret};

/// Names types as one kernel has them.
pub struct Words<'a> {
    checker: Checker<'a>,
}

/// A type's name, or why there is none.
pub type Word = Result<String, String>;

impl<'a> Words<'a> {
    /// With the names of the library.
    #[must_use]
    pub fn new(items: &'a Items<'a>, kernel: &'a Kernel) -> Words<'a> {
        Words { checker: Checker::new(items, kernel) }
    }

    /// An argument of a hook, or what its description makes of them. The kernel has the hook.
    pub fn argument(&mut self, hook: &str, name: &str) -> Word {
        let checker = &mut self.checker;
        let id = match checker.hooks.iter().position(|known| known.name == hook) {
            Some(index) => HookId(index as u32),
            None => {
                let void = checker.kernel.hook(hook).is_some_and(|hook| hook.ret == Ret::Void);
                checker.hooks.push(Hook { name: hook.to_owned(), void, keeps: false, args: Vec::new() });
                HookId(checker.hooks.len() as u32 - 1)
            }
        };
        checker.scope.hook = Some(id);
        let operand = checker.visible(name, Span::default());
        checker.scope.hook = None;
        match operand {
            Some(operand) => self.word(operand),
            None => Err("the kernel does not have it".to_owned()),
        }
    }

    /// A field that a view gives a struct.
    pub fn view(&mut self, target: TypeId, field: &'a ast::ViewField) -> Word {
        let checker = &mut self.checker;
        let ty = Ty::Ptr(Ptr { target, nullable: true });
        let base = Value { span: Span::default(), ty, kind: ValueKind::Arg(ArgId(u32::MAX)) };
        let Some(place) = Place::behind(&checker.kernel.btf, &base, target) else {
            return Err("the kernel does not have the struct".to_owned());
        };
        let operand = checker.view_field(field, place, Span::default());
        self.word(operand)
    }

    /// A field that BTF gives a struct.
    pub fn field(&mut self, target: TypeId, name: &str) -> Word {
        let btf = &self.checker.kernel.btf;
        let Some(found) = place::field(btf, target, name) else {
            return Err("the kernel does not have it".to_owned());
        };
        if place::shape(btf, found).is_none() {
            return Ok(place::describe(btf, found.ty));
        }
        Ok(self.ty(found.ty))
    }

    /// A type of BTF's.
    fn ty(&mut self, id: TypeId) -> String {
        match self.checker.reads(id, true) {
            Reads::As(ty) => self.spell(ty),
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

    fn word(&mut self, operand: Operand) -> Word {
        let problem = self.checker.diagnostics.drain(..).next();
        match operand {
            Operand::Error => {
                Err(problem
                    .map_or_else(String::new, |problem| problem.notes.first().cloned().unwrap_or(problem.message)))
            }
            Operand::Value(value) => Ok(self.spell(value.ty)),
            Operand::Place(place) => Ok(self.ty(place.ty)),
            Operand::End(_) => Ok("end".to_owned()),
            Operand::Cond(_) => Ok("bool".to_owned()),
            other => Ok(self.checker.say(&other)),
        }
    }

    fn spell(&self, ty: Ty) -> String {
        let btf = &self.checker.kernel.btf;
        match ty {
            Ty::Int(int) => match int.names {
                Some(names) => self.checker.names[names.index()].name.clone(),
                None => spell(int),
            },
            Ty::Bool => "bool".to_owned(),
            Ty::Ip => "ip".to_owned(),
            Ty::Str { .. } | Ty::Text { path: false } => "str".to_owned(),
            Ty::Text { path: true } => "path".to_owned(),
            Ty::Ptr(pointer) => match place::tag(btf, pointer.target) {
                "" => match place::describe(btf, pointer.target).as_str() {
                    // Its text is what a policy reads.
                    "char" => "str".to_owned(),
                    other => format!("*{other}"),
                },
                tag => format!("*{tag}"),
            },
        }
    }
}

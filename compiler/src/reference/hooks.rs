//! Pages of hooks: [`HookPage`], with its arguments and kernels.

use krs_grammar::ast::{self, HookKind, ItemKind};
use krsi_abi::renamed;
use serde::Serialize;

use super::{Listed, Reference, is_empty, one_line, summary, word};
use crate::hir::kernels::unrelated_to_current;
use crate::kernel::sleepable::sleepable;
use crate::kernel::{self, Disabled, Kernel, Ret};

/// The effect that rules on a hook can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Acts {
    /// Deny the operation, with an errno.
    Deny,
    /// Observe only: the hook has no result.
    Observe,
    /// Observe only: the hook returns a Boolean to the kernel.
    Answer,
}

impl Acts {
    /// The lower-case name: `deny`, `observe` or `answer`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Acts::Deny => "deny",
            Acts::Observe => "observe",
            Acts::Answer => "answer",
        }
    }
}

/// The status of a hook on one kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Presence {
    /// The release (`6.12`), or the name of the given BTF file.
    pub kernel: String,
    /// Policies can have rules on the hook there.
    pub usable: bool,
    /// The reason why they cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// An argument of a hook, or a value derived from arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// Name in the policy.
    pub name: String,
    /// Type in krs: `Prot`, `u32`, `*file`.
    #[serde(rename = "type")]
    pub ty: String,
    /// Type in C; `None` for a derived value.
    #[serde(rename = "c_type", skip_serializing_if = "Option::is_none")]
    pub c: Option<String>,
    /// Defining expression of a derived value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expands_to: Option<String>,
    /// True for a pointer that may be null.
    pub nullable: bool,
    /// The embedded kernels that have the hook but not the argument.
    #[serde(skip_serializing_if = "is_empty")]
    pub missing_on: Vec<String>,
    /// The reason why a policy cannot read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// Doc comment, on one line.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub doc: String,
}

/// A complete description of a hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HookPage {
    /// Newest name of the hook: `file_open`.
    pub name: String,
    /// First sentence of the docs.
    pub summary: String,
    /// Doc comment of the description.
    pub doc: String,
    /// The library file that describes the hook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The effect that rules can have.
    pub acts: Acts,
    /// True if the kernel calls the hook in a context that may sleep.
    pub sleepable: bool,
    /// The given kernel, if any, then the embedded ones, the oldest first.
    pub kernels: Vec<Presence>,
    /// Arguments, in the order of the prototype.
    pub parameters: Vec<Parameter>,
    /// Values that the description derives from the arguments.
    pub values: Vec<Parameter>,
    /// Other names of the hook.
    #[serde(skip_serializing_if = "is_empty")]
    pub aliases: Vec<String>,
    /// The reason why the current task is unrelated to the operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_unrelated: Option<String>,
}

impl HookPage {
    /// The embedded kernels on which policies can have rules on the hook.
    #[must_use]
    pub fn usable_on(&self) -> Vec<String> {
        let usable = self.kernels.iter().filter(|kernel| kernel.usable);
        usable.filter(|kernel| kernel::NAMES.contains(&kernel.kernel.as_str())).map(|k| k.kernel.clone()).collect()
    }

    /// The signature: `file_mprotect(vma: *vm_area_struct, reqprot: Prot, prot: Prot)`.
    #[must_use]
    pub fn signature(&self) -> String {
        let parameters = self.parameters.iter().map(|parameter| {
            let null = if parameter.nullable { "?" } else { "" };
            // The type of an unreadable argument is given in C.
            let ty = match (&parameter.unreadable, &parameter.c) {
                (Some(_), Some(c)) => c,
                _ => &parameter.ty,
            };
            format!("{}{null}: {ty}", parameter.name)
        });
        format!("{}({})", self.name, parameters.collect::<Vec<_>>().join(", "))
    }
}

impl Listed for HookPage {
    fn name(&self) -> &str {
        &self.name
    }
}

impl<'a> Reference<'a> {
    /// The newest names of the hooks of all kernels, sorted.
    #[must_use]
    pub fn hook_names(&self) -> Vec<&'a str> {
        let mut names: Vec<&'a str> =
            self.kernels.iter().flat_map(|kernel| kernel.hook_names()).map(renamed::newest).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Resolves a name or alias to a hook.
    #[must_use]
    pub fn hook_called(&self, name: &str) -> Option<&'a str> {
        if let Ok(at) = self.hook_names().binary_search(&name) {
            return Some(self.hook_names()[at]);
        }
        self.items.aliases.get(name).map(|target| target.name.as_str())
    }

    /// The page of a hook, by its newest name.
    #[must_use]
    pub fn hook(&mut self, name: &str) -> Option<HookPage> {
        let with_hook: Vec<&'a Kernel> = self.kernels.iter().copied().filter(|kernel| kernel.has_hook(name)).collect();
        let first = *with_hook.first()?;
        let described = self.hooks.get(name).copied();
        let (params, values) = match described.map(|described| described.kind) {
            Some(ItemKind::Hook(hook)) if let HookKind::Describe { params, values } = &hook.kind => {
                (&params[..], &values[..])
            }
            _ => (&[][..], &[][..]),
        };
        let acts = match first.hook(name)?.ret {
            Ret::Void => Acts::Observe,
            Ret::Bool => Acts::Answer,
            Ret::Int if kernel::BUGS_ON_ERROR.contains(&name) => Acts::Observe,
            Ret::Int => Acts::Deny,
        };
        // Arguments of the first kernel in its order, then those that only others have.
        let mut names: Vec<&'a str> = Vec::new();
        for kernel in &with_hook {
            let args = kernel.hook(name).map(|hook| hook.args).unwrap_or_default();
            names.extend(args.iter().map(|arg| arg.name).filter(|arg| !names.contains(arg)).collect::<Vec<_>>());
        }
        let parameters = names.iter().map(|arg| self.parameter(name, arg, params, &with_hook)).collect();
        let values = values
            .iter()
            .map(|value| {
                let (ty, unreadable) = word(self.words(first).argument(name, &value.name.name));
                Parameter {
                    name: value.name.name.clone(),
                    ty,
                    c: None,
                    expands_to: Some(krs_grammar::print::expr_text(&value.value)),
                    nullable: false,
                    missing_on: Vec::new(),
                    unreadable,
                    doc: one_line(value.doc.as_deref().unwrap_or("")),
                }
            })
            .collect();
        let mut aliases: Vec<String> = self
            .items
            .aliases
            .iter()
            .filter(|(_, target)| target.name == name)
            .map(|(alias, _)| (*alias).to_owned())
            .collect();
        aliases.sort();
        let doc = described.map_or("", |described| described.doc);
        Some(HookPage {
            name: name.to_owned(),
            summary: summary(doc),
            doc: doc.to_owned(),
            file: described.map(|described| described.file.to_owned()),
            acts,
            sleepable: sleepable(name),
            kernels: self.presence(name),
            parameters,
            values,
            aliases,
            task_unrelated: unrelated_to_current(name).map(str::to_owned),
        })
    }

    /// The pages of all hooks that BPF may attach to on some kernel.
    #[must_use]
    pub fn all_hooks(&mut self) -> Vec<HookPage> {
        let names = self.hook_names();
        names
            .into_iter()
            .filter_map(|name| self.hook(name))
            .filter(|page| page.kernels.iter().any(|kernel| kernel.usable))
            .collect()
    }

    fn parameter(&mut self, hook: &str, name: &str, params: &[ast::HookParam], with_hook: &[&'a Kernel]) -> Parameter {
        let has = |kernel: &Kernel| kernel.hook(hook).is_some_and(|hook| hook.arg(name).is_some());
        let Some(kernel) = with_hook.iter().copied().find(|kernel| has(kernel)) else {
            unreachable!("some kernel has the argument")
        };
        let hook_there = kernel.hook(hook);
        let arg = hook_there.as_ref().and_then(|hook| hook.arg(name));
        let c =
            arg.map(|arg| crate::hir::place::describe(&kernel.btf, arg.ty).replace(" *", "*").replacen('*', " *", 1));
        let pointer = c.as_ref().is_some_and(|c| c.contains('*'));
        let (ty, unreadable) = word(self.words(kernel).argument(hook, name));
        let param = params.iter().find(|param| param.name.name == name);
        Parameter {
            name: name.to_owned(),
            ty,
            c,
            expands_to: None,
            nullable: pointer && param.is_none_or(|param| param.nullable),
            missing_on: with_hook
                .iter()
                .rev()
                .filter(|kernel| !has(kernel) && kernel::NAMES.contains(&kernel.name.as_str()))
                .map(|kernel| kernel.name.clone())
                .collect(),
            unreadable,
            doc: String::new(),
        }
    }

    fn presence(&self, hook: &str) -> Vec<Presence> {
        let others = self.kernels.len() - kernel::NAMES.len();
        let (target, embedded) = self.kernels.split_at(others);
        let all = target.iter().chain(embedded.iter().rev());
        all.map(|kernel| {
            let why = match kernel.disabled(hook) {
                _ if !kernel.has_hook(hook) => Some("no such hook"),
                Some(Disabled::Listed(_)) => Some("disabled for BPF"),
                Some(Disabled::ByValue) => Some("not available to BPF: an argument is a struct passed by value"),
                None => None,
            };
            Presence { kernel: kernel.name.clone(), usable: why.is_none(), why: why.map(str::to_owned) }
        })
        .collect()
    }
}

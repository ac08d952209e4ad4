//! Pages of hooks.

use krs_grammar::ast::{self, HookKind, ItemKind};
use krsi_abi::renamed;
use serde::Serialize;

use super::{Listed, Reference, is_empty, one_line, summary, word};
use crate::hir::kernels::not_of_current;
use crate::kernel::sleepable::sleepable;
use crate::kernel::{self, Disabled, Kernel, Ret};

/// What a rule can do on a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Acts {
    /// Refuse the operation, with an errno.
    Deny,
    /// Only watch: the hook returns nothing.
    Watch,
    /// Only watch: the hook answers the kernel yes or no.
    Answer,
}

impl Acts {
    /// `deny`, `watch`, `answer`
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Acts::Deny => "deny",
            Acts::Watch => "watch",
            Acts::Answer => "answer",
        }
    }
}

/// How it stands with a hook on one kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Presence {
    /// `6.12`, or the file that was asked about.
    pub kernel: String,
    /// A policy may have rules on it there.
    pub usable: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// An argument, or what is made of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// In the words of krs: `Prot`, `u32`, `*file`.
    #[serde(rename = "type")]
    pub ty: String,
    /// In those of C; none where it is made of others.
    #[serde(rename = "c_type", skip_serializing_if = "Option::is_none")]
    pub c: Option<String>,
    /// What it is made of, where it is no argument.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_of: Option<String>,
    /// A pointer that may be null.
    pub nullable: bool,
    /// The embedded kernels that have the hook but not this.
    #[serde(skip_serializing_if = "is_empty")]
    pub missing_on: Vec<String>,
    /// Why a policy cannot read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// What it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub doc: String,
}

/// All about a hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HookPage {
    /// `file_open`
    pub name: String,
    /// The first sentence of the docs.
    pub summary: String,
    /// The docs.
    pub doc: String,
    /// The library's file that describes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What a rule can do.
    pub acts: Acts,
    /// The kernel may sleep where it calls it.
    pub sleepable: bool,
    /// The embedded kernels, oldest first, behind the one asked about.
    pub kernels: Vec<Presence>,
    /// In their order.
    pub parameters: Vec<Parameter>,
    /// What the description makes of them.
    pub values: Vec<Parameter>,
    /// Other names for it.
    #[serde(skip_serializing_if = "is_empty")]
    pub aliases: Vec<String>,
    /// Why the current task has nothing to do with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_unrelated: Option<String>,
}

impl HookPage {
    /// The embedded kernels that a policy may have rules on it on.
    #[must_use]
    pub fn usable_on(&self) -> Vec<String> {
        let usable = self.kernels.iter().filter(|kernel| kernel.usable);
        usable.filter(|kernel| kernel::NAMES.contains(&kernel.kernel.as_str())).map(|k| k.kernel.clone()).collect()
    }

    /// `file_mprotect(vma: *vm_area_struct, reqprot: Prot, prot: Prot)`
    #[must_use]
    pub fn signature(&self) -> String {
        let parameters = self.parameters.iter().map(|parameter| {
            let null = if parameter.nullable { "?" } else { "" };
            // What a policy cannot read is told in C.
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
    /// The newest names of all hooks that some kernel has, sorted.
    #[must_use]
    pub fn hook_names(&self) -> Vec<&'a str> {
        let mut names: Vec<&'a str> =
            self.kernels.iter().flat_map(|kernel| kernel.hook_names()).map(renamed::newest).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The hook that a name stands for.
    #[must_use]
    pub fn hook_called(&self, name: &str) -> Option<&'a str> {
        if let Ok(at) = self.hook_names().binary_search(&name) {
            return Some(self.hook_names()[at]);
        }
        self.items.aliases.get(name).map(|target| target.name.as_str())
    }

    /// The page of a hook.
    #[must_use]
    pub fn hook(&mut self, name: &str) -> Option<HookPage> {
        let having: Vec<&'a Kernel> = self.kernels.iter().copied().filter(|kernel| kernel.has_hook(name)).collect();
        let first = *having.first()?;
        let described = self.hooks.get(name).copied();
        let (params, values) = match described.map(|described| described.kind) {
            Some(ItemKind::Hook(hook)) if let HookKind::Describe { params, values } = &hook.kind => {
                (&params[..], &values[..])
            }
            _ => (&[][..], &[][..]),
        };
        let acts = match first.hook(name)?.ret {
            Ret::Void => Acts::Watch,
            Ret::Bool => Acts::Answer,
            Ret::Int if kernel::BUGS_ON_ERROR.contains(&name) => Acts::Watch,
            Ret::Int => Acts::Deny,
        };
        // The arguments that the first kernel has in its order, then those of others only.
        let mut names: Vec<&'a str> = Vec::new();
        for kernel in &having {
            let args = kernel.hook(name).map(|hook| hook.args).unwrap_or_default();
            names.extend(args.iter().map(|arg| arg.name).filter(|arg| !names.contains(arg)).collect::<Vec<_>>());
        }
        let parameters = names.iter().map(|arg| self.parameter(name, arg, params, &having)).collect();
        let values = values
            .iter()
            .map(|value| {
                let (ty, unreadable) = word(self.words(first).argument(name, &value.name.name));
                Parameter {
                    name: value.name.name.clone(),
                    ty,
                    c: None,
                    made_of: Some(krs_grammar::print::expr_text(&value.value)),
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
            task_unrelated: not_of_current(name).map(str::to_owned),
        })
    }

    /// All hooks that BPF may attach to on some kernel.
    #[must_use]
    pub fn all_hooks(&mut self) -> Vec<HookPage> {
        let names = self.hook_names();
        names
            .into_iter()
            .filter_map(|name| self.hook(name))
            .filter(|page| page.kernels.iter().any(|kernel| kernel.usable))
            .collect()
    }

    fn parameter(&mut self, hook: &str, name: &str, params: &[ast::HookParam], having: &[&'a Kernel]) -> Parameter {
        let has = |kernel: &Kernel| kernel.hook(hook).is_some_and(|hook| hook.arg(name).is_some());
        let Some(kernel) = having.iter().copied().find(|kernel| has(kernel)) else {
            unreachable!("one of them has it")
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
            made_of: None,
            nullable: pointer && param.is_none_or(|param| param.nullable),
            missing_on: having
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
                _ if !kernel.has_hook(hook) => Some("not there"),
                Some(Disabled::Listed(_)) => Some("disabled for BPF"),
                Some(Disabled::ByValue) => Some("takes no BPF program, since an argument is a struct passed by value"),
                None => None,
            };
            Presence { kernel: kernel.name.clone(), usable: why.is_none(), why: why.map(str::to_owned) }
        })
        .collect()
    }
}

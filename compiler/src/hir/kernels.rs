//! One object for many kernels: where each of them has an argument, what it lacks, what it never
//! leaves null.

use krs_grammar::ast::Span;

use super::since::{self, Version};
use super::suggest::list;
use super::{Access, AtomKind, Cond, HookId, Place, Policy, RuleId, Shape, Step, Text, Value, ValueKind, place};
use crate::btf::{Btf, Kind, Type};
use crate::diag::{Diagnostic, code};
use crate::kernel::{self, Kernel};

/// Pointers that are set before any hook can see their struct, and stay so. (Objects that are being made
/// or torn down are another matter: see [`half_made`].)
const NEVER_NULL: &[(&str, &str)] = &[
    ("cred", "user_ns"),
    ("dentry", "d_parent"),
    ("dentry", "d_sb"),
    ("file", "f_cred"),
    ("file", "f_inode"),
    ("inode", "i_sb"),
    ("linux_binprm", "cred"),
    ("linux_binprm", "file"),
    ("path", "dentry"),
    ("path", "mnt"),
    ("super_block", "s_type"),
    ("css_set", "dfl_cgrp"),
    ("cgroup", "kn"),
    ("task_struct", "cgroups"),
    ("task_struct", "cred"),
    ("task_struct", "group_leader"),
    ("task_struct", "real_cred"),
    ("task_struct", "real_parent"),
    ("vfsmount", "mnt_root"),
    ("vfsmount", "mnt_sb"),
];

/// Whether the kernel never stores null in this field of a live object.
#[must_use]
pub fn never_null(root: &str, field: &str) -> bool {
    NEVER_NULL.contains(&(root, field))
}

/// Hooks that see objects before they are filled in or while they are taken apart.
#[must_use]
pub fn half_made(hook: &str) -> bool {
    ["alloc", "free", "init_security", "_delete"].iter().any(|part| hook.contains(part))
}

/// Why the current task has nothing to do with what a hook is about, where it has not.
#[must_use]
pub fn not_of_current(hook: &str) -> Option<&'static str> {
    const NETWORK: &str = "packets arrive in interrupts: the current task is whichever was interrupted";
    const LATER: &str = "the kernel tidies up when it gets to it: the current task is whichever runs then";
    match hook {
        "socket_sock_rcv_skb"
        | "inet_conn_request"
        | "inet_csk_clone"
        | "inet_conn_established"
        | "req_classify_flow"
        | "sk_clone_security"
        | "sctp_assoc_request"
        | "sctp_assoc_established"
        | "sctp_sk_clone"
        | "secmark_relabel_packet" => Some(NETWORK),
        "task_free"
        | "cred_free"
        | "file_free_security"
        | "inode_free_security"
        | "inode_free_security_rcu"
        | "sk_free_security"
        | "sb_free_security"
        | "sb_delete"
        | "bpf_map_free"
        | "bpf_prog_free"
        | "msg_msg_free_security"
        | "bdev_free_security" => Some(LATER),
        _ => None,
    }
}

/// Hooks that came in the very release that moved the arguments of others. Searched first, since a hook that
/// merely came about the same time would answer wrongly on kernels between.
const MOVED_WITH: &[&str] = &[
    // 5.12: idmapped mounts put `mnt_userns` before the dentry of the xattr hooks.
    "inode_init_security_anon",
    // 6.9: `inode_setattr` got the idmap in the series that added the hooks after the fact.
    "inode_post_setattr",
];

/// Where the argument stands on every kernel known here that has it.
///
/// # Errors
/// When its slot differs and nothing that a loader can ask tells the kernels apart.
pub fn place(
    kernel: &Kernel,
    hook: &str,
    arg: &str,
    slot: u32,
) -> Result<Place, impl FnOnce(Span) -> Diagnostic + use<>> {
    let mut known: Vec<(&Kernel, u32)> = vec![(kernel, slot)];
    for other in kernel::embedded() {
        if let Some(found) = other.hook(hook)
            && let Some(found) = found.args.iter().find(|candidate| candidate.name == arg)
        {
            known.push((other, found.slot));
        }
    }
    split(&known).ok_or_else(|| {
        let places: Vec<String> =
            known.iter().map(|(kernel, slot)| format!("argument {} on {}", slot + 1, kernel.name)).collect();
        let (arg, hook) = (arg.to_owned(), hook.to_owned());
        move |span| {
            Diagnostic::error(
                code::UNBINDABLE_ARGUMENT,
                span,
                format!("`{arg}` of `{hook}` cannot be found on every kernel"),
            )
            .label("stands in another place on each")
            .note(format!("it is {}", places.join(", ")))
            .help("test another argument of the hook")
        }
    })
}

fn split(known: &[(&Kernel, u32)]) -> Option<Place> {
    let first = known.first()?.1;
    if known.iter().all(|(_, slot)| *slot == first) {
        return Some(Place::Slot(first));
    }
    let candidates = MOVED_WITH
        .iter()
        .copied()
        .chain(known.iter().flat_map(|(kernel, _)| kernel.hook_names()).filter(|name| !MOVED_WITH.contains(name)));
    for exists in candidates {
        let (with, without): (Vec<_>, Vec<_>) = known.iter().partition(|(kernel, _)| kernel.has_member(exists));
        // Each side must be of slots that the other has not, or nothing is gained.
        let apart = with.iter().all(|(_, slot)| without.iter().all(|(_, other)| other != slot));
        if !with.is_empty() && !without.is_empty() && apart {
            return Some(Place::Switch {
                exists: exists.to_owned(),
                then: Box::new(split(&with)?),
                otherwise: Box::new(split(&without)?),
            });
        }
    }
    None
}

/// A sentence about the kernels that have this argument, when the checked one has not.
#[must_use]
pub fn argument_elsewhere(kernel: &Kernel, hook: &str, arg: &str) -> Option<String> {
    let names: Vec<&str> = kernel::embedded()
        .iter()
        .filter(|other| other.hook(hook).is_some_and(|hook| hook.args.iter().any(|known| known.name == arg)))
        .map(|other| other.name.as_str())
        .collect();
    (!names.is_empty())
        .then(|| format!("on {} it is an argument of `{hook}`, on {} it is not", kernels(&names), kernel.name))
}

/// A sentence about the kernels that have this field, when the checked one has not.
#[must_use]
pub fn field_elsewhere(kernel: &Kernel, tag: &str, field: &str) -> Option<String> {
    let names: Vec<&str> = kernel::embedded()
        .iter()
        .filter(|other| {
            [Kind::Struct, Kind::Union]
                .into_iter()
                .find_map(|kind| other.btf.find(kind, tag))
                .is_some_and(|id| place::field(&other.btf, id, field).is_some())
        })
        .map(|other| other.name.as_str())
        .collect();
    (!names.is_empty()).then(|| format!("`{tag}` has this field on {}, but not on {}", kernels(&names), kernel.name))
}

/// A sentence about the kernels that have this hook, when the checked one has not.
#[must_use]
pub fn hook_elsewhere(hook: &str) -> Option<String> {
    let names: Vec<&str> =
        kernel::embedded().iter().filter(|other| other.hook(hook).is_some()).map(|other| other.name.as_str()).collect();
    (!names.is_empty()).then(|| format!("{} {} it", kernels(&names), if names.len() == 1 { "has" } else { "have" }))
}

/// `6.12, 6.18 and 7.2`, without ticks.
fn kernels(names: &[&str]) -> String {
    list(names.iter().copied(), "and").replace('`', "")
}

/// What an object needs of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Need<'a> {
    Hook(&'a str),
    Arg(&'a str, &'a str),
    Field(&'a Access),
    AnyOf(&'a [Value]),
    Enumerator(&'a str, &'a str),
}

/// Which embedded kernels the policy can be loaded on, and a warning for each thing that one of them lacks.
#[must_use]
pub fn survey(policy: &Policy) -> (Vec<String>, Vec<Diagnostic>) {
    let mut needs: Vec<(Need<'_>, Span)> = Vec::new();
    for (index, rule) in policy.rules.iter().enumerate() {
        if rule.since.is_none() {
            self::needs(policy, index, &mut needs);
        }
    }
    // What only rules for newer kernels need, each with the oldest that it is for.
    let mut newer: Vec<(Need<'_>, Span, Version)> = Vec::new();
    for (index, rule) in policy.rules.iter().enumerate() {
        let Some(since) = &rule.since else { continue };
        let mut own = Vec::new();
        self::needs(policy, index, &mut own);
        for (need, span) in own {
            // Nothing can ask for one of several before it is too late, so the object needs it.
            if since::part(&need).is_none() && !needs.iter().any(|(known, _)| *known == need) {
                needs.push((need, span));
            } else if !needs.iter().any(|(known, _)| *known == need) {
                newer.push((need, span, since.version));
            }
        }
    }
    let keeping = policy.hooks.iter().filter(|hook| hook.keeps);
    if let Some(label) = policy.labels.first() {
        needs.extend(keeping.map(|hook| (Need::Hook(&hook.name), label.span)));
    }
    let mut supported = Vec::new();
    let mut lacking: Vec<Vec<&str>> = vec![Vec::new(); needs.len()];
    for kernel in kernel::embedded() {
        let mut complete = true;
        for (at, (need, _)) in needs.iter().enumerate() {
            if !meets(kernel, need) {
                lacking[at].push(&kernel.name);
                complete = false;
            }
        }
        if complete {
            supported.push(kernel.name.clone());
        }
    }
    let mut warnings = Vec::new();
    for ((need, span), lacking) in needs.iter().zip(&lacking) {
        // Without the hook there can be no argument of it: one warning is enough.
        let hookless = |hook: &str| {
            let hook = Need::Hook(hook);
            let mut without = kernel::embedded().iter().filter(|kernel| lacking.contains(&kernel.name.as_str()));
            needs.iter().any(|(other, _)| *other == hook) && without.all(|kernel| !meets(kernel, &hook))
        };
        let covered = matches!(need, Need::Arg(hook, _) if hookless(hook));
        if lacking.is_empty() || covered {
            continue;
        }
        let on = kernels(lacking);
        warnings.push(
            Diagnostic::warning(code::MISSING_ON_KERNEL, *span, missing(need, lacking))
                .label(format!("not on {on}"))
                .note("an object with this rule cannot be loaded there")
                .help("say that the rule is for newer kernels, `@since(\"...\")`, or build a second policy without it"),
        );
    }
    for (need, span, since) in newer {
        let lacking: Vec<&str> = kernel::embedded()
            .iter()
            .filter(|kernel| Version::parse(&kernel.name).is_some_and(|known| since <= known) && !meets(kernel, &need))
            .map(|kernel| kernel.name.as_str())
            .collect();
        if !lacking.is_empty() {
            let on = kernels(&lacking);
            warnings.push(
                Diagnostic::warning(code::MISSING_ON_KERNEL, span, missing(&need, &lacking))
                    .label(format!("not on {on}"))
                    .note("the rule is not active there")
                    .help(format!("it says that it is for kernels from {since} on: name a newer one")),
            );
        }
    }
    (supported, warnings)
}

/// What kernels lack, in words.
fn missing(need: &Need<'_>, lacking: &[&str]) -> String {
    let on = kernels(lacking);
    match need {
        Need::Hook(hook)
            if kernel::embedded().iter().any(|k| lacking.contains(&k.name.as_str()) && k.hook(hook).is_some()) =>
        {
            format!("BPF may not attach to `{hook}` on {on}")
        }
        Need::Hook(hook) => format!("there is no hook `{hook}` on {on}"),
        Need::Arg(hook, arg) => format!("`{hook}` has no `{arg}` on {on}"),
        Need::Field(access) => format!("there is no `{access}` on {on}"),
        Need::AnyOf(_) => format!("none of these fields is there on {on}"),
        Need::Enumerator(of, name) => format!("`{of}` has no `{name}` on {on}"),
    }
}

/// Adds what a rule needs to what others need.
pub(super) fn needs<'p>(policy: &'p Policy, rule: usize, needs: &mut Vec<(Need<'p>, Span)>) {
    let hook = policy.rules[rule].hook;
    Collect { policy, hook, rule: RuleId(rule as u32), needs }.rule();
}

pub(super) fn meets(kernel: &Kernel, need: &Need<'_>) -> bool {
    match need {
        Need::Hook(hook) => kernel.hook(hook).is_some() && kernel.disabled(hook).is_none(),
        Need::Arg(hook, arg) => kernel.hook(hook).is_some_and(|hook| {
            hook.args.iter().any(|known| known.name == *arg && known.problem.is_none()) && !hook.by_value
        }),
        Need::Field(access) => resolves(&kernel.btf, access),
        Need::AnyOf(values) => values.iter().any(|value| has_fields(kernel, value)),
        Need::Enumerator(of, name) => [Kind::Enum, Kind::Enum64]
            .into_iter()
            .find_map(|kind| kernel.btf.find(kind, of))
            .is_some_and(|id| kernel.btf.values(id).any(|(known, _)| known == *name)),
    }
}

/// Whether a kernel has all fields that a value is made of.
fn has_fields(kernel: &Kernel, value: &Value) -> bool {
    match &value.kind {
        ValueKind::Load { base, access } => resolves(&kernel.btf, access) && has_fields(kernel, base),
        ValueKind::Unary(_, inner) | ValueKind::Convert(inner) => has_fields(kernel, inner),
        ValueKind::Binary(_, left, right) => has_fields(kernel, left) && has_fields(kernel, right),
        ValueKind::FirstOf(values) => values.iter().any(|value| has_fields(kernel, value)),
        _ => true,
    }
}

/// Whether a loader finds the access in this BTF.
#[must_use]
pub fn resolves(btf: &Btf, access: &Access) -> bool {
    let kind = if access.is_struct { Kind::Struct } else { Kind::Union };
    let Some(mut at) = btf.find(kind, &access.root) else {
        return false;
    };
    for step in &access.steps {
        match step {
            Step::Field { name, shape } => {
                let Some(field) = place::field(btf, btf.strip(at), name) else {
                    return false;
                };
                if !place::shape(btf, field).is_some_and(|found| compatible(&found, shape)) {
                    return false;
                }
                at = field.ty;
            }
            Step::Index(index) => match btf.ty(btf.strip(at)) {
                Type::Array { element, count } if *index < count || count == 0 => at = element,
                _ => return false,
            },
        }
    }
    true
}

/// Loaders compare kinds, and fit the width of a load to that of an unsigned integer.
fn compatible(found: &Shape, wanted: &Shape) -> bool {
    match (found, wanted) {
        (Shape::Int { bytes, signed }, Shape::Int { bytes: wanted, signed: sign }) => {
            bytes == wanted && signed == sign || !signed && !sign
        }
        (Shape::Bits { .. }, Shape::Bits { .. })
        | (Shape::Pointer, Shape::Pointer)
        | (Shape::Struct, Shape::Struct)
        | (Shape::Union, Shape::Union) => true,
        (Shape::Enum { name, bytes }, Shape::Enum { name: tag, bytes: wanted }) => name == tag && bytes == wanted,
        (Shape::Array { element, count }, Shape::Array { element: wanted, count: least }) => {
            let elements = match (&**element, &**wanted) {
                // Loaders do not look at signs, and `char` is signed on some kernels and not on others.
                (Shape::Int { bytes: 1, .. }, Shape::Int { bytes: 1, .. }) => true,
                (element, wanted) => compatible(element, wanted),
            };
            // One that says no length, which stands for 1, has whatever is there.
            elements && (count >= least || *count == 1)
        }
        _ => false,
    }
}

/// Walks a rule and notes what it needs.
struct Collect<'p, 'n> {
    policy: &'p Policy,
    hook: HookId,
    rule: RuleId,
    needs: &'n mut Vec<(Need<'p>, Span)>,
}

impl<'p> Collect<'p, '_> {
    fn need(&mut self, need: Need<'p>, span: Span) {
        if !self.needs.iter().any(|(known, _)| *known == need) {
            self.needs.push((need, span));
        }
    }

    fn rule(&mut self) {
        let policy = self.policy;
        let rule = &policy.rules[self.rule.0 as usize];
        self.need(Need::Hook(&policy.hooks[self.hook.index()].name), rule.span);
        for cond in rule.when.iter().chain(&rule.unless) {
            self.cond(cond);
        }
        for field in rule.audit.iter().flat_map(|audit| &audit.fields) {
            self.value(&field.value);
        }
        for mark in &rule.marks {
            self.value(&mark.object);
        }
    }

    fn cond(&mut self, cond: &'p Cond) {
        match cond {
            Cond::Const(_) => {}
            Cond::Not(inner) => self.cond(inner),
            Cond::And(left, right) | Cond::Or(left, right) => {
                self.cond(left);
                self.cond(right);
            }
            Cond::Atom(atom) => match &atom.kind {
                AtomKind::Compare { left, right, .. } | AtomKind::Same(left, right) => {
                    self.value(left);
                    self.value(right);
                }
                AtomKind::AnyBit(value)
                | AtomKind::AllBits { value, .. }
                | AtomKind::True(value)
                | AtomKind::Null(value)
                | AtomKind::OneOfStrings { value, .. }
                | AtomKind::Text { value, .. }
                | AtomKind::Label { object: value, .. } => self.value(value),
                AtomKind::AnyAncestor { of, cond } => {
                    self.value(of);
                    self.cond(cond);
                }
                AtomKind::InSet { values, .. } => values.iter().for_each(|value| self.value(value)),
                AtomKind::OneOf { value, set } => {
                    self.value(value);
                    for element in set {
                        self.value(element);
                    }
                }
            },
        }
    }

    fn value(&mut self, value: &'p Value) {
        match &value.kind {
            ValueKind::Const(_)
            | ValueKind::Address(_)
            | ValueKind::Param(_)
            | ValueKind::File(..)
            | ValueKind::Task(_)
            | ValueKind::Current
            | ValueKind::Ancestor
            | ValueKind::Now
            | ValueKind::Literal(_) => {}
            ValueKind::FirstOf(values) => self.need(Need::AnyOf(values), value.span),
            ValueKind::Enumerator(known) => self.need(Need::Enumerator(&known.of, &known.name), value.span),
            ValueKind::Arg(arg) => {
                let hook = &self.policy.hooks[self.hook.index()];
                self.need(Need::Arg(&hook.name, &hook.args[arg.index()].name), value.span);
            }
            ValueKind::Load { base, access } => {
                self.value(base);
                self.need(Need::Field(access), value.span);
            }
            ValueKind::Unary(_, inner) | ValueKind::Convert(inner) => self.value(inner),
            ValueKind::Binary(_, left, right) => {
                self.value(left);
                self.value(right);
            }
            ValueKind::Cond(cond) => self.cond(cond),
            ValueKind::End(end, _) => end.values().for_each(|value| self.value(value)),
            ValueKind::Text(text) => match &**text {
                Text::Path { dentry, mount } => {
                    self.value(dentry);
                    self.value(mount);
                }
                Text::Cgroup { node: of } | Text::Pointer(of) | Text::Copy(of) => self.value(of),
                Text::Unix { end, .. } => end.values().for_each(|value| self.value(value)),
            },
        }
    }
}

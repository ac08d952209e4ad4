//! Compatibility with many kernels: argument locations, needs that some kernels lack, and fields that are
//! never null.
//!
//! ```text
//! warning[KRS0900]: `inode_setattr` has no argument `idmap` on 6.1
//! ```
//!
//! One object runs on all kernels. What a rule needs is collected as a list of [`Need`]s and compared with
//! every embedded kernel.
//!
//! Absent: kernels that are not embedded; the loader checks those.

use krs_grammar::ast::Span;

use super::since::{self, Version};
use super::suggest::list;
use super::{
    Access, ArgLocation, AtomKind, Cond, HookId, Policy, RuleId, Shape, Step, TextSource, Value, ValueKind, place,
};
use crate::btf::{Btf, Kind, Type};
use crate::diag::{Diagnostic, code};
use crate::kernel::{self, Kernel};

/// Pointers that are set before any hook can see their struct and are never cleared. (For objects that are
/// being created or destroyed see [`sees_partial_objects`].)
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

/// Returns true if the kernel never stores null in this field of a live object.
#[must_use]
pub fn never_null(root: &str, field: &str) -> bool {
    NEVER_NULL.contains(&(root, field))
}

/// Returns true for hooks that see objects before they are initialised or while they are destroyed.
#[must_use]
pub fn sees_partial_objects(hook: &str) -> bool {
    ["alloc", "free", "init_security", "_delete"].iter().any(|part| hook.contains(part))
}

/// Returns the reason why the current task is unrelated to the operation of a hook, or `None` if it performs
/// the operation.
#[must_use]
pub fn unrelated_to_current(hook: &str) -> Option<&'static str> {
    const NETWORK: &str = "packets arrive in interrupts: the current task is whichever was interrupted";
    const LATER: &str = "the kernel frees the object later: the current task is whichever runs then";
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

/// Hooks added by the releases that moved arguments of other hooks. They are tried first: a hook that was
/// merely added at about the same time would give the wrong answer on the kernels in between.
const MOVED_WITH: &[&str] = &[
    // 5.12: idmapped mounts put `mnt_userns` before the dentry of the xattr hooks.
    "inode_init_security_anon",
    // 6.9: `inode_setattr` got the idmap in the series that added the `inode_post_*` hooks.
    "inode_post_setattr",
];

/// Returns the location of an argument on every known kernel that has it.
///
/// # Errors
/// If its slot differs between kernels and no hook exists on exactly one of the sides.
pub fn locate(
    kernel: &Kernel,
    hook: &str,
    arg: &str,
    slot: u32,
) -> Result<ArgLocation, impl FnOnce(Span) -> Diagnostic + use<>> {
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
                format!("`{arg}` of `{hook}` cannot be located on every kernel"),
            )
            .label("position differs between kernels")
            .note(format!("it is {}", places.join(", ")))
            .help("test another argument of the hook")
        }
    })
}

fn split(known: &[(&Kernel, u32)]) -> Option<ArgLocation> {
    let first = known.first()?.1;
    if known.iter().all(|(_, slot)| *slot == first) {
        return Some(ArgLocation::Slot(first));
    }
    let candidates = MOVED_WITH
        .iter()
        .copied()
        .chain(known.iter().flat_map(|(kernel, _)| kernel.hook_names()).filter(|name| !MOVED_WITH.contains(name)));
    for exists in candidates {
        let (with, without): (Vec<_>, Vec<_>) = known.iter().partition(|(kernel, _)| kernel.has_member(exists));
        // The split makes progress only if no slot occurs on both sides.
        let apart = with.iter().all(|(_, slot)| without.iter().all(|(_, other)| other != slot));
        if !with.is_empty() && !without.is_empty() && apart {
            return Some(ArgLocation::Switch {
                exists: exists.to_owned(),
                then: Box::new(split(&with)?),
                otherwise: Box::new(split(&without)?),
            });
        }
    }
    None
}

/// Returns a note about the kernels that have an argument which the checked one lacks.
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

/// Returns a note about the kernels that have a field which the checked one lacks.
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

/// Returns a note about the kernels that have a hook which the checked one lacks.
#[must_use]
pub fn hook_elsewhere(hook: &str) -> Option<String> {
    let names: Vec<&str> =
        kernel::embedded().iter().filter(|other| other.hook(hook).is_some()).map(|other| other.name.as_str()).collect();
    (!names.is_empty()).then(|| format!("{} {} it", kernels(&names), if names.len() == 1 { "has" } else { "have" }))
}

/// Formats names of kernels as `6.12, 6.18 and 7.2`, without backticks.
fn kernels(names: &[&str]) -> String {
    list(names.iter().copied(), "and").replace('`', "")
}

/// A requirement of an object on the kernel.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Need<'a> {
    /// A hook, by name.
    Hook(&'a str),
    /// A hook and one of its arguments.
    Arg(&'a str, &'a str),
    /// A field, by its access.
    Field(&'a Access),
    /// The fields of at least one of these values.
    AnyOf(&'a [Value]),
    /// An enum and one of its enumerators.
    Enumerator(&'a str, &'a str),
}

/// Returns the embedded kernels that the policy can be loaded on, and a warning for each need that one of
/// them does not meet.
#[must_use]
pub fn survey(policy: &Policy) -> (Vec<String>, Vec<Diagnostic>) {
    let mut needs: Vec<(Need<'_>, Span)> = Vec::new();
    for (index, rule) in policy.rules.iter().enumerate() {
        if rule.since.is_none() {
            self::needs(policy, index, &mut needs);
        }
    }
    // Needs of rules with `@since` only, each with the version of its rule.
    let mut newer: Vec<(Need<'_>, Span, Version)> = Vec::new();
    for (index, rule) in policy.rules.iter().enumerate() {
        let Some(since) = &rule.since else { continue };
        let mut own = Vec::new();
        self::needs(policy, index, &mut own);
        for (need, span) in own {
            // A choice of fields cannot be tested before the program is loaded, so the object as a whole
            // needs it.
            if since::feature(&need).is_none() && !needs.iter().any(|(known, _)| *known == need) {
                needs.push((need, span));
            } else if !needs.iter().any(|(known, _)| *known == need) {
                newer.push((need, span, since.version));
            }
        }
    }
    let keeping = policy.hooks.iter().filter(|hook| hook.maintains_labels);
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
        // If the hook is missing, a warning about its arguments is redundant.
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
                .help("restrict the rule to newer kernels with `@since(\"...\")`, or build a second policy without it"),
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
                    .help(format!("the rule is for kernels from {since} on: write a later version")),
            );
        }
    }
    (supported, warnings)
}

/// Describes a need that kernels do not meet.
fn missing(need: &Need<'_>, lacking: &[&str]) -> String {
    let on = kernels(lacking);
    match need {
        Need::Hook(hook)
            if kernel::embedded().iter().any(|k| lacking.contains(&k.name.as_str()) && k.hook(hook).is_some()) =>
        {
            format!("BPF may not attach to `{hook}` on {on}")
        }
        Need::Hook(hook) => format!("there is no hook `{hook}` on {on}"),
        Need::Arg(hook, arg) => format!("`{hook}` has no argument `{arg}` on {on}"),
        Need::Field(access) => format!("there is no field `{access}` on {on}"),
        Need::AnyOf(_) => format!("none of these fields exists on {on}"),
        Need::Enumerator(of, name) => format!("`{of}` has no `{name}` on {on}"),
    }
}

/// Adds the needs of a rule to a list.
pub(super) fn needs<'p>(policy: &'p Policy, rule: usize, needs: &mut Vec<(Need<'p>, Span)>) {
    let hook = policy.rules[rule].hook;
    Collect { policy, hook, rule: RuleId(rule as u32), needs }.rule();
}

/// Returns true if a kernel meets a need.
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

/// Returns true if a kernel has all fields that a value reads.
fn has_fields(kernel: &Kernel, value: &Value) -> bool {
    match &value.kind {
        ValueKind::Load { base, access } => resolves(&kernel.btf, access) && has_fields(kernel, base),
        ValueKind::Unary(_, inner) | ValueKind::Convert(inner) => has_fields(kernel, inner),
        ValueKind::Binary(_, left, right) => has_fields(kernel, left) && has_fields(kernel, right),
        ValueKind::FirstOf(values) => values.iter().any(|value| has_fields(kernel, value)),
        _ => true,
    }
}

/// Returns true if CO-RE relocation finds the access in this BTF.
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

/// Compares shapes as CO-RE does: kinds must agree, and the width of a load is adjusted to that of an
/// unsigned integer.
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
                // Loaders ignore signedness here, and `char` is signed on some kernels only.
                (Shape::Int { bytes: 1, .. }, Shape::Int { bytes: 1, .. }) => true,
                (element, wanted) => compatible(element, wanted),
            };
            // A flexible array member has count 1 here and matches any length.
            elements && (count >= least || *count == 1)
        }
        _ => false,
    }
}

/// Collects the needs of a rule.
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
                | AtomKind::Label { object: value, .. }
                | AtomKind::Known(value)
                | AtomKind::Unreadable(value) => self.value(value),
                AtomKind::KernelThread => {}
                AtomKind::AnyAncestor { of, cond, .. } => {
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
            ValueKind::Endpoint(end, _) => end.values().for_each(|value| self.value(value)),
            ValueKind::Text(text) => match &**text {
                TextSource::Path { dentry, mount } => {
                    self.value(dentry);
                    self.value(mount);
                }
                TextSource::Cgroup { node: of } | TextSource::Pointer(of) | TextSource::Copy(of) => self.value(of),
                TextSource::Unix { end, .. } => end.values().for_each(|value| self.value(value)),
            },
        }
    }
}

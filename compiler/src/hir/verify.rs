//! The invariants of the typed policy, as code. A violation is a bug of the compiler.
//!
//! ```text
//! rule 0 on file_open: `prot` is a u32, expected a pointer
//! ```
//!
//! Checked: every id is in range; the operands of a test and of an operator have the types that its
//! documentation requires; constants fit their types; sets have no duplicate and no overlapping elements;
//! labels are sorted; a rule that denies is on a hook that returns an errno; each rule with `@since` has a
//! separate switch.
//!
//! Absent: checks that need the kernel's types, such as the target of a pointer.

use std::collections::HashSet;
use std::mem::discriminant;

use krsi_abi::event::FIELDS_MAX;

use super::aliasing::AccessMode;
use super::walk::{operands, values};
use super::{
    Atom, AtomKind, Binary, Column, Cond, Endpoint, EndpointField, HookId, Int, Members, Policy, Rule, Set, TaskField,
    TextSource, Ty, Value, ValueKind, print,
};

/// Largest errno that the kernel passes to user space (`MAX_ERRNO`).
const ERRNO_MAX: i32 = 4095;

/// Checks a policy.
///
/// # Panics
/// When an invariant does not hold.
pub fn verify(policy: &Policy) {
    if let Err(violation) = check(policy) {
        panic!("the typed policy is invalid: {violation}");
    }
}

/// Returns the first violation, with the rule or item that contains it.
fn check(policy: &Policy) -> Result<(), String> {
    unique("hook", policy.hooks.iter().map(|hook| hook.name.as_str()))?;
    unique("file", policy.files.iter().map(String::as_str))?;
    for hook in &policy.hooks {
        unique("argument", hook.args.iter().map(|arg| arg.name.as_str()))
            .map_err(|why| format!("hook {}: {why}", hook.name))?;
        for arg in &hook.args {
            ty(policy, arg.ty).map_err(|why| format!("hook {}: {why}", hook.name))?;
        }
    }
    for param in &policy.params {
        require(matches!(param.ty, Ty::Int(_) | Ty::Bool), || {
            format!("parameter {} is not an integer or a bool", param.name)
        })?;
        ty(policy, param.ty)?;
    }
    for set in &policy.sets {
        self::set(set).map_err(|why| format!("set {}: {why}", set.name.as_deref().unwrap_or("in braces")))?;
    }
    let sorted = policy.labels.is_sorted_by(|one, other| (one.on, &one.name) < (other.on, &other.name));
    require(sorted, || "labels are not sorted by object and name".to_owned())?;
    let mut switches = 0;
    for (id, rule) in policy.rules.iter().enumerate() {
        let context = |why| format!("rule {id} {}: {why}", rule.name);
        self::rule(policy, rule).map_err(context)?;
        if let Some(since) = &rule.since {
            require(since.switch == switches, || format!("switch {} is out of order", since.switch))
                .map_err(context)?;
            switches += 1;
        }
    }
    for test in &policy.tests {
        let context = |why| format!("test {:?}: {why}", test.name);
        let walk = Walk::on(policy, test.hook).map_err(context)?;
        test.given.iter().try_for_each(|given| walk.value(&given.place)).map_err(context)?;
    }
    let default = policy.access_modes.iter().find(|(_, mode)| **mode == AccessMode::default());
    require(default.is_none(), || "an access mode is the default one".to_owned())
}

fn rule(policy: &Policy, rule: &Rule) -> Result<(), String> {
    let walk = Walk::on(policy, rule.hook)?;
    rule.when.iter().chain(&rule.unless).try_for_each(|cond| walk.cond(cond))?;
    if let Some(deny) = &rule.deny {
        require(!policy.hooks[rule.hook.index()].void, || "it denies on a hook without a result".to_owned())?;
        require((1..=ERRNO_MAX).contains(&deny.errno), || format!("errno {} is out of range", deny.errno))?;
    }
    if let Some(audit) = &rule.audit {
        require(audit.fields.len() <= FIELDS_MAX, || format!("an event has {} fields", audit.fields.len()))?;
        require(audit.limit.is_none_or(|limit| limit.count > 0), || "an event is limited to 0".to_owned())?;
        audit.fields.iter().try_for_each(|field| walk.value(&field.value))?;
    }
    for (at, mark) in rule.marks.iter().enumerate() {
        in_range("label", mark.label.index(), policy.labels.len())?;
        walk.value(&mark.object)?;
        walk.expect(&mark.object, "a pointer", |ty| matches!(ty, Ty::Ptr(_)))?;
        let twice = rule.marks[..at].iter().any(|known| known.label == mark.label && known.object == mark.object);
        require(!twice, || "it marks one object twice with one label".to_owned())?;
    }
    Ok(())
}

/// Checks the elements of a set: of one width, without duplicates, and without overlaps where they are single
/// ranges.
fn set(set: &Set) -> Result<(), String> {
    require(!set.columns.is_empty(), || "its elements have no columns".to_owned())?;
    let is = |kind: &Column| set.columns.iter().filter(|part| discriminant(*part) == discriminant(kind)).count();
    require(is(&Column::Network) <= 1, || "its elements have two networks".to_owned())?;
    require(is(&Column::Text { path: false }) == 0 || set.columns.len() == 1, || {
        "its elements join a text with others".to_owned()
    })?;
    let Members::Static(rows) = &set.members else { return Ok(()) };
    for row in rows {
        require(row.len() == set.columns.len(), || format!("an element has {} columns", row.len()))?;
        require(row.iter().all(|(first, last)| first <= last), || "an element is an empty range".to_owned())?;
    }
    let mut sorted: Vec<_> = rows.iter().collect();
    sorted.sort_unstable();
    require(sorted.windows(2).all(|pair| pair[0] != pair[1]), || "duplicate element".to_owned())?;
    let overlap = set.columns.len() == 1 && sorted.windows(2).any(|pair| pair[1][0].0 <= pair[0][0].1);
    require(!overlap, || "two elements overlap".to_owned())
}

fn ty(policy: &Policy, of: Ty) -> Result<(), String> {
    match of {
        Ty::Int(int) => {
            require(matches!(int.bytes, 1 | 2 | 4 | 8), || format!("an integer has {} bytes", int.bytes))?;
            int.names.map_or(Ok(()), |names| in_range("type", names.index(), policy.names.len()))
        }
        Ty::Str { bytes } => require(bytes > 0, || "a string has no bytes".to_owned()),
        Ty::Bool | Ty::Ptr(_) | Ty::Ip | Ty::Text { .. } => Ok(()),
    }
}

/// Checks conditions and values that are evaluated on one hook.
struct Walk<'p> {
    policy: &'p Policy,
    hook: HookId,
}

impl<'p> Walk<'p> {
    fn on(policy: &'p Policy, hook: HookId) -> Result<Walk<'p>, String> {
        in_range("hook", hook.index(), policy.hooks.len())?;
        Ok(Walk { policy, hook })
    }

    fn cond(&self, cond: &Cond) -> Result<(), String> {
        match cond {
            Cond::Const(_) => Ok(()),
            Cond::Atom(atom) => self.atom(atom),
            Cond::Not(inner) => self.cond(inner),
            Cond::And(left, right) | Cond::Or(left, right) => {
                self.cond(left)?;
                self.cond(right)
            }
        }
    }

    fn atom(&self, atom: &Atom) -> Result<(), String> {
        values(&atom.kind).try_for_each(|value| self.value(value))?;
        match &atom.kind {
            AtomKind::Compare { left, right, .. } => {
                self.int(left)?;
                self.int(right).map(drop)
            }
            AtomKind::AnyBit(value) => self.int(value).map(drop),
            AtomKind::AllBits { value, mask } => {
                self.int(value)?;
                require(*mask != 0, || "a mask is 0".to_owned())
            }
            AtomKind::True(value) => self.expect(value, "a bool", |ty| ty == Ty::Bool),
            AtomKind::Null(value) => self.expect(value, "a pointer", |ty| matches!(ty, Ty::Ptr(_))),
            AtomKind::Same(left, right) => {
                self.expect(left, "a pointer, an address or a text", |ty| {
                    matches!(ty, Ty::Ptr(_) | Ty::Ip | Ty::Text { .. })
                })?;
                self.expect(right, "the type of the left side", |ty| discriminant(&ty) == discriminant(&left.ty))
            }
            AtomKind::AnyAncestor { of, cond, .. } => {
                self.expect(of, "a pointer", |ty| matches!(ty, Ty::Ptr(_)))?;
                self.cond(cond)
            }
            AtomKind::InSet { values, set } => {
                in_range("set", set.index(), self.policy.sets.len())?;
                let columns = &self.policy.sets[set.index()].columns;
                require(values.len() == columns.len(), || format!("{} values are looked up in a set", values.len()))?;
                values.iter().zip(columns).try_for_each(|(value, column)| match column {
                    Column::Int(_) => self.int(value).map(drop),
                    Column::Ip | Column::Network => self.expect(value, "an address", |ty| ty == Ty::Ip),
                    Column::Text { .. } => self.expect(value, "a text", |ty| matches!(ty, Ty::Text { .. })),
                })
            }
            AtomKind::OneOf { value, set } => {
                self.int(value)?;
                require(!set.is_empty(), || "a list is empty".to_owned())?;
                set.iter().try_for_each(|element| {
                    let constant = matches!(element.kind, ValueKind::Const(_) | ValueKind::Enumerator(_));
                    require(constant, || format!("{} in a list is not a constant", self.text(element)))?;
                    self.value(element)?;
                    self.int(element).map(drop)
                })
            }
            AtomKind::OneOfStrings { value, set } => {
                let Ty::Str { bytes } = value.ty else { return self.wrong(value, "a string") };
                require(!set.is_empty(), || "a list is empty".to_owned())?;
                let fits = |text: &Vec<u8>| text.len() <= bytes as usize && !text.contains(&0);
                require(set.iter().all(fits), || format!("a text does not fit into {bytes} bytes"))
            }
            AtomKind::Text { value, .. } => self.expect(value, "a text", |ty| matches!(ty, Ty::Text { .. })),
            AtomKind::Label { object, label } => {
                in_range("label", label.index(), self.policy.labels.len())?;
                self.expect(object, "a pointer", |ty| matches!(ty, Ty::Ptr(_)))
            }
            AtomKind::Known(_) => Ok(()),
            AtomKind::Unreadable(_) | AtomKind::KernelThread => {
                Err("a rule has a test of the decision stage".to_owned())
            }
        }
    }

    fn value(&self, value: &Value) -> Result<(), String> {
        ty(self.policy, value.ty)?;
        self.ids(value)?;
        let (operands, cond) = operands(value);
        for operand in operands {
            self.value(operand)?;
        }
        cond.map_or(Ok(()), |cond| self.cond(cond))?;
        self.types(value)
    }

    /// Checks the ids that a value is made of. Comes before anything that prints the value.
    fn ids(&self, value: &Value) -> Result<(), String> {
        let policy = self.policy;
        match &value.kind {
            ValueKind::Param(param) => in_range("parameter", param.index(), policy.params.len()),
            ValueKind::File(file, _) => in_range("file", file.index(), policy.files.len()),
            ValueKind::Arg(arg) => in_range("argument", arg.index(), policy.hooks[self.hook.index()].args.len()),
            _ => Ok(()),
        }
    }

    fn types(&self, value: &Value) -> Result<(), String> {
        let pointer = |of: &Value| self.expect(of, "a pointer", |ty| matches!(ty, Ty::Ptr(_)));
        let this = |wanted: &str, fits: bool| if fits { Ok(()) } else { self.wrong(value, wanted) };
        match &value.kind {
            ValueKind::Const(number) => match value.ty {
                Ty::Int(int) => {
                    require((int.min()..=int.max()).contains(number), || format!("{number} does not fit its type"))
                }
                _ => self.wrong(value, "an integer"),
            },
            ValueKind::Address(_) | ValueKind::Endpoint(_, EndpointField::Ip) => this("an address", value.ty == Ty::Ip),
            ValueKind::Arg(arg) => {
                let declared = self.policy.hooks[self.hook.index()].args[arg.index()].ty;
                this("the type of the argument", discriminant(&declared) == discriminant(&value.ty))
            }
            ValueKind::Param(param) => {
                let declared = self.policy.params[param.index()].ty;
                this("the type of the parameter", discriminant(&declared) == discriminant(&value.ty))
            }
            ValueKind::Task(TaskField::Comm) | ValueKind::Literal(_) => {
                this("a string", matches!(value.ty, Ty::Str { .. }))
            }
            ValueKind::File(..)
            | ValueKind::Enumerator(_)
            | ValueKind::Task(_)
            | ValueKind::Now
            | ValueKind::Endpoint(_, EndpointField::Port | EndpointField::Family) => self.int(value).map(drop),
            ValueKind::Current | ValueKind::Ancestor => pointer(value),
            ValueKind::FirstOf(choices) => {
                require(choices.len() > 1, || format!("{} has one value only", self.text(value)))?;
                let same = |choice: &Value| discriminant(&choice.ty) == discriminant(&value.ty);
                this("the type of its values", choices.iter().all(same))
            }
            ValueKind::Load { base, access } => {
                pointer(base)?;
                require(!access.steps.is_empty(), || "an access has no steps".to_owned())
            }
            ValueKind::Unary(_, inner) => self.same_width(value, inner),
            ValueKind::Binary(op, left, right) => {
                self.same_width(value, left)?;
                match op {
                    Binary::Shl | Binary::Shr => self.int(right).map(drop),
                    Binary::Div | Binary::Rem => {
                        let constant = matches!(right.kind, ValueKind::Const(number) if number != 0);
                        require(constant, || format!("{} has no constant divisor", self.text(value)))?;
                        self.same_width(value, right)
                    }
                    _ => self.same_width(value, right),
                }
            }
            ValueKind::Convert(inner) => {
                self.int(value)?;
                self.expect(inner, "an integer or a bool", |ty| matches!(ty, Ty::Int(_) | Ty::Bool))
            }
            ValueKind::Cond(_) => this("a bool", value.ty == Ty::Bool),
            ValueKind::Text(text) => {
                this("a text", matches!(value.ty, Ty::Text { .. }))?;
                match &**text {
                    TextSource::Path { dentry, mount } => {
                        pointer(dentry)?;
                        pointer(mount)
                    }
                    TextSource::Cgroup { node: of } | TextSource::Pointer(of) => pointer(of),
                    TextSource::Copy(of) => self.expect(of, "a string", |ty| matches!(ty, Ty::Str { .. })),
                    TextSource::Unix { end, .. } => self.endpoint(end),
                }
            }
        }?;
        match &value.kind {
            ValueKind::Endpoint(end, _) => self.endpoint(end),
            _ => Ok(()),
        }
    }

    fn endpoint(&self, end: &Endpoint) -> Result<(), String> {
        let pointer = |of: &Value| self.expect(of, "a pointer", |ty| matches!(ty, Ty::Ptr(_)));
        match end {
            Endpoint::Bound { address, length } => {
                pointer(address)?;
                self.int(length).map(drop)
            }
            Endpoint::Connected { address, length, socket } => {
                pointer(address)?;
                pointer(socket)?;
                self.int(length).map(drop)
            }
            Endpoint::Local(socket) | Endpoint::Peer(socket) => pointer(socket),
            Endpoint::Message { address, length, flags, socket } => {
                pointer(address)?;
                pointer(socket)?;
                self.int(flags)?;
                self.int(length).map(drop)
            }
        }
    }

    fn int(&self, value: &Value) -> Result<Int, String> {
        match value.ty {
            Ty::Int(int) => Ok(int),
            _ => self.wrong(value, "an integer"),
        }
    }

    /// Requires two integers of the same width and signedness; names may differ.
    fn same_width(&self, value: &Value, operand: &Value) -> Result<(), String> {
        let (of, operand_of) = (self.int(value)?, self.int(operand)?);
        require((of.bytes, of.signed) == (operand_of.bytes, operand_of.signed), || {
            format!("{} has another type than its operand {}", self.text(value), self.text(operand))
        })
    }

    fn expect(&self, value: &Value, wanted: &str, fits: impl Fn(Ty) -> bool) -> Result<(), String> {
        if fits(value.ty) { Ok(()) } else { self.wrong(value, wanted) }
    }

    fn wrong<T>(&self, value: &Value, wanted: &str) -> Result<T, String> {
        Err(format!("`{}` is a {}, expected {wanted}", self.text(value), print::ty(self.policy, value.ty)))
    }

    fn text(&self, value: &Value) -> String {
        print::value(self.policy, self.hook, value)
    }
}

fn require(holds: bool, violation: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(violation()) }
}

fn in_range(what: &str, index: usize, count: usize) -> Result<(), String> {
    require(index < count, || format!("{what} {index} of {count} does not exist"))
}

fn unique<'n>(what: &str, names: impl Iterator<Item = &'n str>) -> Result<(), String> {
    let mut seen = HashSet::new();
    for name in names {
        require(seen.insert(name), || format!("duplicate {what} {name}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::check;
    use crate::hir::{AtomKind, Cond, HookId, Members, Policy, SetId, Ty, Value, ValueKind};
    use crate::{Options, Source, build};

    fn policy(text: &str) -> Policy {
        let source = Source { name: "p.krs".into(), text: text.into() };
        let built = build(&[source], &Options::default());
        built.value.unwrap_or_else(|| panic!("{text}\n{:?}", built.diagnostics)).policy
    }

    /// The violation after a change of a valid policy.
    fn violation(text: &str, change: impl FnOnce(&mut Policy)) -> String {
        let mut policy = policy(text);
        assert_eq!(check(&policy), Ok(()), "{text}");
        change(&mut policy);
        check(&policy).expect_err("the policy is valid after the change")
    }

    fn atom(policy: &mut Policy) -> &mut AtomKind {
        match &mut policy.rules[0].when {
            Some(Cond::Atom(atom)) => &mut atom.kind,
            other => panic!("no single test: {other:?}"),
        }
    }

    #[test]
    fn valid_policies_pass() {
        for text in [
            "on file_open when file.path under \"/etc\" and task.uid in { 0, 1 } deny EACCES audit { task.comm }",
            "on socket_connect when dst.ip in { \"10.0.0.0/8\", \"192.168.0.0/16\" } and dst.port == 443 deny",
            "label a on task inherit\non file_open when task is a deny mark a",
            "set bad: (ip, u16) dynamic max 10\non socket_connect when (dst.ip, dst.port) in bad deny",
            "on file_open when any a in task.ancestors { a.comm == \"sshd\" } unless file.flags & 3 == 1 deny",
            "@since(\"6.1\") on userns_create deny",
        ] {
            assert_eq!(check(&policy(text)), Ok(()), "{text}");
        }
    }

    #[test]
    fn ids_are_in_range() {
        let text = "on file_open when task.uid == 1 deny";
        assert!(violation(text, |policy| policy.rules[0].hook = HookId(9)).contains("hook 9 of 1"));
        let text = "on socket_connect when dst.ip in \"10.0.0.0/8\" deny";
        let found = violation(text, |policy| match atom(policy) {
            AtomKind::InSet { set, .. } => *set = SetId(7),
            other => panic!("{other:?}"),
        });
        assert!(found.contains("set 7 of 1"), "{found}");
    }

    #[test]
    fn operands_have_the_types_of_their_test() {
        let text = "on file_open when task.uid == 1 deny";
        let found = violation(text, |policy| match atom(policy) {
            AtomKind::Compare { left, .. } => left.ty = Ty::Bool,
            other => panic!("{other:?}"),
        });
        assert!(found.contains("`task.uid` is a bool, expected an integer"), "{found}");
        let found = violation(text, |policy| match atom(policy) {
            AtomKind::Compare { right: Value { kind: ValueKind::Const(number), .. }, .. } => *number = 1 << 40,
            other => panic!("{other:?}"),
        });
        assert!(found.contains("does not fit its type"), "{found}");
    }

    #[test]
    fn elements_of_sets_are_distinct() {
        let text = "on socket_connect when dst.ip in { \"10.0.0.0/8\", \"192.168.0.0/16\" } deny";
        let again = |first: bool| {
            violation(text, |policy| {
                let set = Arc::make_mut(&mut policy.sets[0]);
                let Members::Static(rows) = &mut set.members else { panic!("{set:?}") };
                let (low, high) = rows[0][0];
                rows.push(vec![if first { (low, high) } else { (low + 1, high) }]);
            })
        };
        assert!(again(true).contains("duplicate element"));
        assert!(again(false).contains("overlap"));
    }

    #[test]
    fn a_void_hook_denies_nothing() {
        let found = violation("on file_open deny", |policy| policy.hooks[0].void = true);
        assert!(found.contains("without a result"), "{found}");
    }
}

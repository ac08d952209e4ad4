//! The printed form of a typed policy, for `--emit hir`. The documentation of [`hir`](super) shows an example.

use std::fmt::Write;

use super::errno;
use super::policy_tests::{ExpectedVerdict, Test, TestValue};
use super::{
    ArgLocation, Atom, AtomKind, Binary, Compare, Cond, Endpoint, EndpointField, FileField, HookId, Int, Members,
    Policy, TaskField, TextSource, TextTest, Ty, Unary, UnixName, Value, ValueKind,
};

/// Prints a whole policy.
#[must_use]
pub fn print(policy: &Policy) -> String {
    let mut out = format!("policy {}\n", policy.name);
    for label in &policy.labels {
        let _ =
            writeln!(out, "label {} on {}{}", label.name, label.on.word(), if label.inherit { " inherit" } else { "" });
    }
    for hook in &policy.hooks {
        let _ = writeln!(out, "hook {} -> {}", hook.name, if hook.void { "void" } else { "int" });
        for arg in &hook.args {
            let _ = writeln!(out, "  arg {}: {} at {}", arg.name, ty(policy, arg.ty), location(&arg.location));
        }
    }
    for (id, rule) in policy.rules.iter().enumerate() {
        let _ = writeln!(out, "rule {id} {} on {}", rule.name, policy.hooks[rule.hook.index()].name);
        if let Some(since) = &rule.since {
            let needs: Vec<String> = since.needs.iter().map(ToString::to_string).collect();
            let number = if since.by_number { ", by its number" } else { "" };
            let _ = writeln!(out, "  since {}: {}{number}", since.version, needs.join(", "));
        }
        if let Some(when) = &rule.when {
            let _ = writeln!(out, "  when {}", cond(policy, rule.hook, when));
        }
        if let Some(unless) = &rule.unless {
            let _ = writeln!(out, "  unless {}", cond(policy, rule.hook, unless));
        }
        if let Some(deny) = &rule.deny {
            let _ = writeln!(out, "  deny {}", deny.name);
        }
        for mark in &rule.marks {
            let word = if mark.set { "mark" } else { "unmark" };
            let object = value(policy, rule.hook, &mark.object);
            let _ = writeln!(out, "  {word} {} on {object}", policy.labels[mark.label.index()].name);
        }
        if let Some(audit) = &rule.audit {
            let _ = write!(out, "  audit");
            if let Some(message) = &audit.message {
                let _ = write!(out, " {message:?}");
            }
            if let Some(limit) = &audit.limit {
                let _ = write!(out, " limit {}/{}", limit.count, limit.per);
            }
            let _ = writeln!(out);
            for field in &audit.fields {
                let _ = writeln!(
                    out,
                    "    {}: {} = {}",
                    field.name,
                    ty(policy, field.value.ty),
                    value(policy, rule.hook, &field.value)
                );
            }
        }
    }
    for test in &policy.tests {
        print_test(policy, test, &mut out);
    }
    out
}

fn print_test(policy: &Policy, test: &Test, out: &mut String) {
    let _ = writeln!(out, "test {:?} on {}", test.name, policy.hooks[test.hook.index()].name);
    for given in &test.given {
        let _ = writeln!(out, "  given {} = {}", value(policy, test.hook, &given.place), known(&given.value));
    }
    let _ = match test.verdict {
        Some(ExpectedVerdict::Allowed(_)) => writeln!(out, "  expect allow"),
        Some(ExpectedVerdict::Denied(None, _)) => writeln!(out, "  expect deny"),
        Some(ExpectedVerdict::Denied(Some(errno), _)) => {
            let name = errno::name(errno).unwrap_or("?");
            writeln!(out, "  expect deny {name}")
        }
        None => Ok(()),
    };
    for audit in &test.audits {
        let _ = write!(out, "  expect audit");
        if let Some(message) = &audit.message {
            let _ = write!(out, " {message:?}");
        }
        for (name, value) in &audit.fields {
            let _ = write!(out, " {name}");
            if let Some(value) = value {
                let _ = write!(out, "={}", known(value));
            }
        }
        let _ = writeln!(out);
    }
    if let Some(signal) = &test.kill {
        let _ = writeln!(out, "  expect kill {}", signal.name.as_deref().unwrap_or("by any"));
    }
}

fn known(known: &TestValue) -> String {
    match known {
        TestValue::Int(number) => number.to_string(),
        TestValue::Bool(value) => value.to_string(),
        TestValue::Null => "null".into(),
        TestValue::Text(text) => krs_grammar::print::str_text(text),
        TestValue::Address(address) => krsi_abi::value::show_address(*address),
    }
}

fn location(location: &ArgLocation) -> String {
    match location {
        ArgLocation::Slot(slot) => format!("slot {slot}"),
        ArgLocation::Switch { exists, then, otherwise } => {
            format!("({exists} ? {} : {})", self::location(then), self::location(otherwise))
        }
    }
}

fn int(of: Int) -> String {
    format!("{}{}", if of.signed { "i" } else { "u" }, 8 * of.bytes)
}

/// Prints a type of values.
#[must_use]
pub fn ty(policy: &Policy, ty: Ty) -> String {
    match ty {
        Ty::Int(of) => match of.names {
            Some(names) => format!("{} {}", int(of), policy.names[names.index()].name),
            None => int(of),
        },
        Ty::Bool => "bool".into(),
        Ty::Ip => "ip".into(),
        Ty::Ptr(pointer) => if pointer.nullable { "ptr?" } else { "ptr" }.into(),
        Ty::Str { bytes } => format!("str[{bytes}]"),
        Ty::Text { path: true } => "path".into(),
        Ty::Text { path: false } => "str".into(),
    }
}

/// Prints a condition as an S-expression.
#[must_use]
pub fn cond(policy: &Policy, hook: HookId, of: &Cond) -> String {
    match of {
        Cond::Const(value) => value.to_string(),
        Cond::Atom(test) => atom(policy, hook, test),
        Cond::Not(inner) => format!("(not {})", cond(policy, hook, inner)),
        Cond::And(left, right) => format!("(and {} {})", cond(policy, hook, left), cond(policy, hook, right)),
        Cond::Or(left, right) => format!("(or {} {})", cond(policy, hook, left), cond(policy, hook, right)),
    }
}

/// Prints a test as an S-expression.
#[must_use]
pub fn atom(policy: &Policy, hook: HookId, of: &Atom) -> String {
    let value = |of: &Value| value(policy, hook, of);
    match &of.kind {
        AtomKind::Compare { op, left, right } => {
            let op = match op {
                Compare::Eq => "==",
                Compare::Ne => "!=",
                Compare::Lt => "<",
                Compare::Le => "<=",
                Compare::Gt => ">",
                Compare::Ge => ">=",
            };
            format!("({op} {} {})", value(left), value(right))
        }
        AtomKind::AnyBit(of) => format!("(bits {})", value(of)),
        AtomKind::AllBits { value: of, mask } => format!("(has {} {mask:#x})", value(of)),
        AtomKind::True(of) => format!("(true {})", value(of)),
        AtomKind::Null(of) => format!("(null {})", value(of)),
        AtomKind::Same(left, right) => format!("(same {} {})", value(left), value(right)),
        AtomKind::AnyAncestor { of, cond: asked, more } => {
            let or_more = if *more { "_or_more" } else { "" };
            format!("(any{or_more} {} {})", value(of), cond(policy, hook, asked))
        }
        AtomKind::InSet { values, set: id } => {
            let set = &policy.sets[id.index()];
            let name = match (&set.name, &set.members) {
                (Some(name), _) => name.clone(),
                (None, Members::Dynamic { max }) => format!("dynamic {max}"),
                (None, Members::Static(rows)) => {
                    let part = |(low, high): &(u128, u128)| {
                        if low == high { format!("{low:#x}") } else { format!("{low:#x}..{high:#x}") }
                    };
                    let row = |row: &Vec<(u128, u128)>| row.iter().map(part).collect::<Vec<_>>().join(",");
                    format!("{{{}}}", rows.iter().map(row).collect::<Vec<_>>().join(" "))
                }
            };
            format!("(in {} {name})", values.iter().map(value).collect::<Vec<_>>().join(","))
        }
        AtomKind::OneOf { value: of, set } => {
            format!("(in {} {{{}}})", value(of), set.iter().map(value).collect::<Vec<_>>().join(" "))
        }
        AtomKind::OneOfStrings { value: of, set } => {
            let set: Vec<String> = set.iter().map(|text| format!("{:?}", String::from_utf8_lossy(text))).collect();
            format!("(in {} {{{}}})", value(of), set.join(" "))
        }
        AtomKind::Label { object, label } => format!("(is {} {})", value(object), policy.labels[label.index()].name),
        AtomKind::Known(of) => format!("(known {})", value(of)),
        AtomKind::Unreadable(of) => format!("(unreadable {})", value(of)),
        AtomKind::KernelThread => "(kernel_thread)".to_owned(),
        AtomKind::Text { value: of, test } => {
            let quote = |text: &[u8]| format!("{:?}", String::from_utf8_lossy(text));
            let of = value(of);
            match test {
                TextTest::OneOf(set) => {
                    format!("(in {of} {{{}}})", set.iter().map(|text| quote(text)).collect::<Vec<_>>().join(" "))
                }
                TextTest::Under(text) => format!("(under {of} {})", quote(text)),
                TextTest::StartsWith(text) => format!("(starts_with {of} {})", quote(text)),
                TextTest::EndsWith(text) => format!("(ends_with {of} {})", quote(text)),
                TextTest::Contains(text) => format!("(contains {of} {})", quote(text)),
                TextTest::Like(text) => format!("(like {of} {})", quote(text)),
            }
        }
    }
}

/// Prints a value; fields in C notation, operators as S-expressions.
#[must_use]
pub fn value(policy: &Policy, hook: HookId, of: &Value) -> String {
    let value = |of: &Value| value(policy, hook, of);
    match &of.kind {
        ValueKind::Const(number) => number.to_string(),
        ValueKind::Address(address) => krsi_abi::value::show_address(*address),
        ValueKind::Param(param) => policy.params[param.index()].name.clone(),
        ValueKind::File(file, field) => {
            let field = if *field == FileField::Device { "device" } else { "inode" };
            format!("({field} {:?})", policy.files[file.index()])
        }
        ValueKind::Enumerator(known) => known.name.clone(),
        ValueKind::Arg(arg) => policy.hooks[hook.index()].args[arg.index()].name.clone(),
        ValueKind::Task(field) => match field {
            TaskField::Pid => "task.pid",
            TaskField::Tgid => "task.tgid",
            TaskField::Uid => "task.uid",
            TaskField::Gid => "task.gid",
            TaskField::Euid => "task.euid",
            TaskField::Comm => "task.comm",
        }
        .into(),
        ValueKind::Current => "task".into(),
        ValueKind::Ancestor => "ancestor".into(),
        ValueKind::Now => "now".into(),
        ValueKind::Literal(text) => krs_grammar::print::str_text(text),
        ValueKind::FirstOf(values) => {
            format!("(first_of {})", values.iter().map(value).collect::<Vec<_>>().join(" "))
        }
        ValueKind::Load { base, access } => {
            let path = access.to_string();
            format!("{}->{}", value(base), path.split_once('.').map_or("", |(_, path)| path))
        }
        ValueKind::Unary(op, inner) => format!("({} {})", if *op == Unary::Neg { "-" } else { "~" }, value(inner)),
        ValueKind::Binary(op, left, right) => {
            let op = match op {
                Binary::Add => "+",
                Binary::Sub => "-",
                Binary::Mul => "*",
                Binary::Div => "/",
                Binary::Rem => "%",
                Binary::And => "&",
                Binary::Or => "|",
                Binary::Xor => "^",
                Binary::Shl => "<<",
                Binary::Shr => ">>",
            };
            format!("({op} {} {})", value(left), value(right))
        }
        ValueKind::Convert(inner) => format!("({} {})", ty(policy, of.ty), value(inner)),
        ValueKind::Cond(inner) => cond(policy, hook, inner),
        ValueKind::Endpoint(of, field) => {
            let field = match field {
                EndpointField::Ip => "ip",
                EndpointField::Port => "port",
                EndpointField::Family => "family",
            };
            format!("{}.{field}", endpoint(policy, hook, of))
        }
        ValueKind::Text(text) => match &**text {
            TextSource::Path { dentry, mount } => format!("(path {} {})", value(dentry), value(mount)),
            TextSource::Cgroup { node } => format!("(cgroup {})", value(node)),
            TextSource::Pointer(of) => format!("(text {})", value(of)),
            TextSource::Copy(of) => format!("(copy {})", value(of)),
            TextSource::Unix { end: of, name } => {
                let name = if *name == UnixName::Path { "path" } else { "abstract" };
                format!("{}.{name}", endpoint(policy, hook, of))
            }
        },
    }
}

fn endpoint(policy: &Policy, hook: HookId, of: &Endpoint) -> String {
    let what = match of {
        Endpoint::Bound { .. } => "bound",
        Endpoint::Connected { .. } => "connected",
        Endpoint::Local(_) => "local",
        Endpoint::Peer(_) => "peer",
        Endpoint::Message { .. } => "message",
    };
    let values: Vec<String> = of.values().map(|of| value(policy, hook, of)).collect();
    format!("({what} {})", values.join(" "))
}

#[cfg(test)]
mod tests {
    use crate::{Options, Source, Stage};

    #[test]
    fn the_module_documentation_shows_the_printed_form() {
        let text = "on file_mprotect when prot & EXEC and vma.vm_file == null deny audit";
        let source = Source { name: "no-jit.krs".into(), text: text.into() };
        let printed = crate::emit(&[source], &Options::default(), Stage::Hir).value.expect("the policy is valid");
        let documentation = include_str!("mod.rs").lines().map_while(|line| line.strip_prefix("//!"));
        let example = documentation.skip_while(|line| *line != " ```text").skip(1).take_while(|line| *line != " ```");
        let example: String = example.map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect();
        assert_eq!(printed, example);
    }
}

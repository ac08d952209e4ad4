//! Tests in a policy: the state that they set up, and the outcome that they expect.
//!
//! ```text
//! test "no code without a file" on file_mprotect
//!   given prot = 5
//!   given vma->vm_file = null
//!   given task.comm = "evil"
//!   expect deny EPERM
//!   expect audit { vma.start }
//! ```
//!
//! Invariants: some rule is on the test's hook; a given place is an argument, a value read from one, a
//! property of the task, an endpoint, the time or a parameter; a given value has the type of its place; no
//! place is given twice or read through one that is given as null; each expectation is one that some rule on
//! the hook can meet.
//!
//! Absent: the layout of memory, and execution.

use krs_grammar::ast::{self, ActionKind, Expect, Span};

use super::check::{Checker, Operand, Scope};
use super::suggest::{did_you_mean, list};
use super::{HookId, Rule, Ty, Value, ValueKind, walk};
use crate::diag::{Diagnostic, code};
use crate::hir::place;

/// A test of the policy's rules on one hook.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// The name of the test.
    pub name: String,
    /// The text of the whole test.
    pub span: Span,
    /// The hook that is called.
    pub hook: HookId,
    /// The state before the call, in source order. Everything else is zero.
    pub given: Vec<Given>,
    /// The expected result of the operation; `None` accepts any.
    pub verdict: Option<ExpectedVerdict>,
    /// Events that rules must record.
    pub audits: Vec<ExpectedEvent>,
    /// A signal that a rule must send.
    pub kill: Option<ExpectedSignal>,
}

/// A place and its value before the call.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// The text of place and value.
    pub span: Span,
    /// The place; see the invariants of this module.
    pub place: Value,
    /// The value, of the type of the place.
    pub value: TestValue,
}

/// A constant in a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestValue {
    /// An integer that fits its type.
    Int(i128),
    /// A truth value, `true` or `false`.
    Bool(bool),
    /// The null pointer, `null`.
    Null,
    /// A string without NUL.
    Text(Vec<u8>),
    /// An IP address; IPv4 addresses are mapped to `::ffff:a.b.c.d`.
    Address(u128),
}

/// The expected result of the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedVerdict {
    /// Allowed by all rules.
    Allowed(Span),
    /// Denied with a positive errno; `None` accepts any.
    Denied(Option<i32>, Span),
}

/// An event that a rule must record.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedEvent {
    /// The text of the expectation.
    pub span: Span,
    /// The message; `None` accepts any.
    pub message: Option<String>,
    /// Names of fields that the event must have, each with its value; `None` accepts any.
    pub fields: Vec<(String, Option<TestValue>)>,
}

/// A signal that a rule must send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedSignal {
    /// The name, such as `SIGKILL`; `None` accepts any.
    pub name: Option<String>,
    /// The text of the expectation.
    pub span: Span,
}

impl<'a> Checker<'a> {
    /// Checks a test. The rules have been checked before.
    pub(super) fn test(&mut self, test: &'a ast::Test, span: Span, rules: &[Rule]) -> Option<Test> {
        let hook = self.tested_hook(&test.hook, rules)?;
        let on_hook: Vec<&Rule> = rules.iter().filter(|rule| rule.hook == hook).collect();
        let name = String::from_utf8_lossy(&test.name.value).into_owned();
        let mut made = Test { name, span, hook, given: Vec::new(), verdict: None, audits: Vec::new(), kill: None };
        self.scope = Scope { hook: Some(hook), ..Scope::default() };
        for (place, value) in &test.with {
            self.given(place, value, &mut made.given);
        }
        for expect in &test.expect {
            self.expectation(expect, hook, &on_hook, &mut made);
        }
        self.scope = Scope::default();
        Some(made)
    }

    /// Resolves the hook of a test. Some rule must be on it.
    fn tested_hook(&mut self, ident: &ast::Ident, rules: &[Rule]) -> Option<HookId> {
        let name = self.aliased(&ident.name);
        let known = self.hooks.iter().position(|hook| hook.name == name).map(|at| HookId(at as u32));
        if let Some(hook) = known.filter(|hook| rules.iter().any(|rule| rule.hook == *hook)) {
            return Some(hook);
        }
        if self.kernel.hook(name).is_none() {
            self.unknown_hook(ident, name);
            return None;
        }
        let hooks = self.hooks.iter().map(|hook| hook.name.as_str());
        let error = Diagnostic::error(code::IDLE_TEST, ident.span, format!("no rule is on `{name}`"))
            .label("the test would have no effect");
        self.report(if self.hooks.is_empty() {
            error.help("add a rule that the test can exercise")
        } else {
            error.help(format!("the policy's rules are on {}", list(hooks, "and")))
        });
        None
    }

    fn given(&mut self, place: &'a ast::Expr, value: &'a ast::Expr, all: &mut Vec<Given>) {
        let Some(place) = self.laid_out(place) else {
            return;
        };
        let Some(known) = self.known(value, &place) else {
            return;
        };
        let span = place.span.to(value.span);
        for other in all.iter() {
            let twice = |what: String, label: &str, also: &str| {
                Diagnostic::error(code::CONFLICTING_INPUT, place.span, what)
                    .label(label.to_owned())
                    .also(other.place.span, also.to_owned())
            };
            let error = if other.place.kind == place.kind {
                twice("this place is given twice".to_owned(), "second occurrence", "first occurrence")
                    .help("remove one of them")
            } else if other.value == TestValue::Null && behind(&place, &other.place) {
                twice("this place is read through a null pointer".to_owned(), "does not exist", "given as null here")
                    .help("remove one of them: a pointer with fields is not null")
            } else if known == TestValue::Null && behind(&other.place, &place) {
                twice("this pointer cannot be null".to_owned(), "given as null", "this place is read through it")
                    .help("remove one of them: a pointer with fields is not null")
            } else {
                continue;
            };
            self.report(error);
            return;
        }
        all.push(Given { span, place, value: known });
    }

    /// Checks an expression as a place that a test can set up in memory.
    fn laid_out(&mut self, expr: &'a ast::Expr) -> Option<Value> {
        let operand = self.expr(expr, None);
        let operand = self.as_text_operand(operand);
        let wrong = Diagnostic::error(code::INVALID_INPUT, expr.span, "a test cannot set this");
        let error = match operand {
            Operand::Error => return None,
            Operand::Value(value) if is_place(&value) => return Some(value),
            Operand::Value(_) | Operand::Cond(_) => {
                wrong.label("computed").help("set the kernel fields that it is computed from: `task.flags = 0x200000`")
            }
            Operand::Place(place) => match self.value_of_place(place) {
                Ok(value) => return Some(value),
                Err(place) => {
                    let btf = &self.kernel.btf;
                    let what = place::describe(btf, place.ty);
                    let mut names = Vec::new();
                    place::field_names(btf, btf.strip(place.ty), &mut names);
                    names.truncate(4);
                    wrong.label(format!("a whole `{what}`")).help(match names.as_slice() {
                        [] => "set one of its elements".to_owned(),
                        names => format!("set its fields separately: {}", list(names.iter().copied(), "and")),
                    })
                }
            },
            Operand::Task => wrong.label("the current task").help("set its fields separately: `task.uid = 0`"),
            Operand::Endpoint(_) => wrong.label("an endpoint").help("set its `ip` and `port`: `dst.port = 443`"),
            Operand::Number(_) | Operand::Text(_) | Operand::Null | Operand::List | Operand::File(_) => {
                wrong.label("a constant").help("write an argument, one of its fields, or a field of `task`")
            }
        };
        self.report(error);
        None
    }

    /// Checks an expression as a constant of the type of a place.
    fn known(&mut self, expr: &'a ast::Expr, place: &Value) -> Option<TestValue> {
        let names = match place.ty {
            Ty::Int(int) => int.names,
            _ => None,
        };
        let operand = self.expr(expr, names);
        let found = match (&operand, place.ty) {
            (Operand::Error, _) => return None,
            (Operand::Number(number), Ty::Int(int)) => {
                if self.clash(names, number.names, place.span, expr.span).is_some() {
                    return None;
                }
                let value = if number.pattern { int.wrap(number.value) } else { number.value };
                if (int.min()..=int.max()).contains(&value) {
                    return Some(TestValue::Int(value));
                }
                let what = self.describe(place.ty);
                self.report(
                    Diagnostic::error(code::CONSTANT_OUT_OF_RANGE, expr.span, format!("{what} cannot hold {value}"))
                        .label(format!("expected {} to {}", int.min(), int.max()))
                        .also(place.span, what),
                );
                return None;
            }
            (Operand::Value(Value { kind: ValueKind::Enumerator(known), ty: Ty::Int(of), .. }), Ty::Int(_)) => {
                let value = i128::from(known.value);
                if self.clash(names, of.names, place.span, expr.span).is_some() {
                    return None;
                }
                return Some(TestValue::Int(value));
            }
            (Operand::Value(Value { kind: ValueKind::Const(value), .. }), Ty::Int(int))
                if (int.min()..=int.max()).contains(value) =>
            {
                return Some(TestValue::Int(*value));
            }
            (Operand::Cond(super::Cond::Const(value)), Ty::Bool) => return Some(TestValue::Bool(*value)),
            (Operand::Null, Ty::Ptr(_)) => return Some(TestValue::Null),
            (Operand::Text(text), Ty::Str { .. } | Ty::Text { .. }) => {
                return self.fits(text, place, expr.span).then(|| TestValue::Text(text.clone()));
            }
            (Operand::Text(text), Ty::Ip) => {
                return match self.address(text, expr.span)?.kind {
                    ValueKind::Address(address) => Some(TestValue::Address(address)),
                    _ => None,
                };
            }
            (Operand::Value(_) | Operand::Place(_) | Operand::Task | Operand::Endpoint(_) | Operand::Cond(_), _) => {
                self.report(
                    Diagnostic::error(code::NOT_CONSTANT, expr.span, "a value in a test must be constant")
                        .label("known only at run time")
                        .help("write a number, a name, a string, `true`, `false` or `null`"),
                );
                return None;
            }
            (other, _) => self.describe_operand(other),
        };
        let wanted = self.describe(place.ty);
        self.report(
            Diagnostic::error(code::TYPE_MISMATCH, expr.span, format!("{wanted} cannot be set to {found}"))
                .label(found)
                .also(place.span, wanted)
                .help(match place.ty {
                    Ty::Ptr(_) => "set a pointer to `null`; for any other value, set the fields that it points to",
                    Ty::Bool => "write `true` or `false`",
                    Ty::Int(_) => "write a number or a name",
                    Ty::Ip => "write an address: `\"10.0.0.1\"`",
                    Ty::Str { .. } | Ty::Text { .. } => "write a string: `\"...\"`",
                }),
        );
        None
    }

    fn expectation(&mut self, expect: &'a Expect, hook: HookId, rules: &[&Rule], made: &mut Test) {
        let twice = |checker: &mut Self, span: Span, first: Span, what: &str| {
            checker.report(
                Diagnostic::error(code::IMPOSSIBLE_EXPECTATION, span, what)
                    .label("second occurrence")
                    .also(first, "first occurrence")
                    .help("remove one of them"),
            );
        };
        let action = match expect {
            Expect::Allow(span) => {
                match made.verdict {
                    Some(first) => twice(self, *span, first.span(), "a test expects one result"),
                    None => made.verdict = Some(ExpectedVerdict::Allowed(*span)),
                }
                return;
            }
            Expect::Action(action) => action,
        };
        let span = action.span;
        match &action.kind {
            ActionKind::Deny { errno } => {
                if let Some(first) = made.verdict {
                    return twice(self, span, first.span(), "a test expects one result");
                }
                let Some(deny) = self.deny(errno.as_ref(), span, hook) else { return };
                let wanted = errno.as_ref().map(|_| deny.errno);
                made.verdict = Some(ExpectedVerdict::Denied(wanted, span));
                let denials: Vec<_> = rules.iter().filter_map(|rule| rule.enforced()).collect();
                if denials.iter().any(|known| wanted.is_none_or(|errno| known.errno == errno)) {
                    return;
                }
                let hook = &self.hooks[hook.index()].name;
                let mut names: Vec<&str> = denials.iter().map(|deny| deny.name).collect();
                names.sort_unstable();
                names.dedup();
                let error = match names.as_slice() {
                    [] => Diagnostic::error(code::IMPOSSIBLE_EXPECTATION, span, format!("no rule on `{hook}` denies"))
                        .help("expect `allow`, or an action of a rule"),
                    names => Diagnostic::error(
                        code::IMPOSSIBLE_EXPECTATION,
                        span,
                        format!("no rule on `{hook}` denies with {}", deny.name),
                    )
                    .help(format!("rules on it deny with {}", list(names.iter().copied(), "and"))),
                };
                self.report(error.label("can never happen"));
            }
            ActionKind::Kill { signal } => {
                if let Some(first) = &made.kill {
                    let first = first.span;
                    return twice(self, span, first, "a test expects one signal");
                }
                let name = match signal {
                    Some(ident) => match self.kill(Some(ident), span, hook) {
                        Some(kill) => Some(kill.name),
                        None => return,
                    },
                    None => None,
                };
                let sent =
                    |rule: &&Rule| rule.kill.as_ref().is_some_and(|kill| name.as_ref().is_none_or(|n| *n == kill.name));
                if !rules.iter().any(sent) {
                    self.report(
                        Diagnostic::error(code::IMPOSSIBLE_EXPECTATION, span, "no rule on this hook sends this signal")
                            .label("can never happen")
                            .help("expect an action of a rule"),
                    );
                }
                made.kill = Some(ExpectedSignal { name, span });
            }
            ActionKind::Audit(audit) => {
                let ast::Audit { message, fields, limit } = &**audit;
                if let Some(limit) = limit {
                    self.report(
                        Diagnostic::error(code::IMPOSSIBLE_EXPECTATION, limit.span, "a test cannot expect a limit")
                            .label("a test calls the hook once")
                            .help("remove it"),
                    );
                }
                let recorded = self.recorded(message.as_ref(), fields, span, rules);
                made.audits.extend(recorded);
            }
            ActionKind::Mark { .. } | ActionKind::Unmark { .. } => {
                self.report(
                    Diagnostic::error(code::IMPOSSIBLE_EXPECTATION, span, "a test cannot expect labels")
                        .label("not observable in a test")
                        .help("expect `allow`, `deny`, `audit` or `kill`"),
                );
            }
        }
    }

    /// Checks an expected event against the `audit` actions on the hook.
    fn recorded(
        &mut self,
        message: Option<&'a ast::Str>,
        fields: &'a [ast::AuditField],
        span: Span,
        rules: &[&Rule],
    ) -> Option<ExpectedEvent> {
        let error = |span: Span, what: String| {
            Diagnostic::error(code::IMPOSSIBLE_EXPECTATION, span, what).label("can never happen")
        };
        let mut audits: Vec<_> = rules.iter().filter_map(|rule| rule.audit.as_ref()).collect();
        if audits.is_empty() {
            self.report(
                error(span, "no rule on this hook records anything".to_owned()).help("expect an action of a rule"),
            );
            return None;
        }
        let message = message.map(|text| (String::from_utf8_lossy(&text.value).into_owned(), text.span));
        if let Some((text, at)) = &message {
            let known: Vec<&str> = audits.iter().filter_map(|audit| audit.message.as_deref()).collect();
            if !known.contains(&text.as_str()) {
                let error = error(*at, "no rule on this hook records this message".to_owned());
                let help = did_you_mean(text, known.iter().copied());
                self.report(error.help(help.unwrap_or_else(|| "write the message of a rule, or remove it".to_owned())));
                return None;
            }
            audits.retain(|audit| audit.message.as_ref() == Some(text));
        }
        let mut made = Vec::new();
        for field in fields {
            let (name, at) = match &field.name {
                Some(name) => (name.name.clone(), name.span),
                None => (krs_grammar::print::expr_text(&field.value), field.value.span),
            };
            let of_name = |audit: &&super::Audit| audit.fields.iter().find(|field| field.name == name).cloned();
            let Some(found) = audits.iter().find_map(of_name) else {
                let known: Vec<&str> =
                    audits.iter().flat_map(|audit| &audit.fields).map(|field| field.name.as_str()).collect();
                let error = error(at, format!("no event on this hook has a field `{name}`"));
                let error = match (did_you_mean(&name, known.iter().copied()), known.is_empty()) {
                    (Some(help), _) => error.help(help),
                    (None, false) => error.help(format!("events here have {}", list(known, "and"))),
                    (None, true) => error.help("events here have no fields"),
                };
                self.report(error);
                continue;
            };
            let value = match &field.name {
                Some(name) => {
                    let place = Value { span: name.span, ..found.value };
                    match self.known(&field.value, &place) {
                        Some(value) => Some(value),
                        None => continue,
                    }
                }
                None => None,
            };
            made.push((name, value));
        }
        let has =
            |audit: &&&super::Audit| made.iter().all(|(name, _)| audit.fields.iter().any(|field| field.name == *name));
        if made.len() == fields.len() && !audits.iter().any(|audit| has(&audit)) {
            self.report(
                error(span, "no event on this hook has all these fields".to_owned())
                    .help("expect each event separately"),
            );
        }
        Some(ExpectedEvent { span, message: message.map(|(text, _)| text), fields: made })
    }
}

impl ExpectedVerdict {
    fn span(self) -> Span {
        match self {
            ExpectedVerdict::Allowed(span) | ExpectedVerdict::Denied(_, span) => span,
        }
    }
}

/// Returns true if a value is read from a place, not computed.
fn is_place(value: &Value) -> bool {
    match &value.kind {
        ValueKind::Arg(_) | ValueKind::Task(_) | ValueKind::Now | ValueKind::Param(_) | ValueKind::Endpoint(..) => true,
        ValueKind::Load { base, .. } => is_pointer(base),
        ValueKind::FirstOf(values) => values.iter().all(is_place),
        ValueKind::Text(_) => walk::operands(value).0.all(|part| is_place(part) || is_pointer(part)),
        // Constants and computed values.
        _ => false,
    }
}

/// Returns true if a value is a pointer to a place.
fn is_pointer(value: &Value) -> bool {
    matches!(value.kind, ValueKind::Current) || is_place(value)
}

/// Returns true if a value is read through another.
fn behind(value: &Value, pointer: &Value) -> bool {
    walk::operands(value).0.any(|part| walk::any_part(part, &|part| part.kind == pointer.kind))
}

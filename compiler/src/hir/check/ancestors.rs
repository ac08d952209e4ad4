//! Quantifiers over ancestors: `any a in task.ancestors { a.comm == "sshd" }`, and the same with `all`.
//!
//! The condition is compiled to a separate BPF function. It has access to the ancestor, the current task,
//! constants, parameters and sets, but not to arguments of the hook.

use krs_grammar::ast::{self, Expr, ExprKind, Span};

use super::{Checker, Operand};
use crate::btf::Kind;
use crate::diag::{Diagnostic, code};
use crate::hir::operators::atom;
use crate::hir::place;
use crate::hir::walk::{operands, values};
use crate::hir::{AtomKind, Cond, Ptr, TextSource, Ty, Value, ValueKind};

/// The field that quantifiers iterate over.
const ANCESTORS: &str = "ancestors";

/// Argument ids from here on are placeholders for the parameters of a definition that is checked on its own.
const STAND_IN: u32 = u32::MAX / 2;

impl<'a> Checker<'a> {
    pub(in crate::hir) fn any(
        &mut self,
        every: bool,
        name: &'a ast::Ident,
        of: &'a Expr,
        body: &'a Expr,
        span: Span,
    ) -> Operand {
        let word = if every { "all" } else { "any" };
        let Some(task) = self.whose_ancestors(of, word) else { return Operand::Error };
        if self.scope.bound.is_some() {
            return self.report(
                Diagnostic::error(code::UNAVAILABLE_VALUE, span, "nested quantifiers over ancestors are not supported")
                    .label(format!("`{word}` inside another quantifier"))
                    .help("combine the conditions: `any a in task.ancestors { ... and ... }`"),
            );
        }
        let target = self.kernel.btf.find(Kind::Struct, "task_struct").expect("every kernel has tasks");
        let ty = Ty::Ptr(Ptr { target, nullable: false });
        let ancestor = Value { span: name.span, ty, kind: ValueKind::Ancestor };
        self.scope.bound = Some((name.name.clone(), ancestor));
        let operand = self.expr(body, None);
        let cond = self.cond_of(operand, body);
        self.scope.bound = None;
        let Some(cond) = cond else { return Operand::Error };
        let mut seen = Seen::default();
        seen.cond(&cond);
        if let Some(outside) = seen.outside {
            // An error inside a definition is reported at its use.
            let within = outside.file == body.span.file && (body.span.start..body.span.end).contains(&outside.start);
            let outside = if within { outside } else { body.span };
            return self.report(
                Diagnostic::error(
                    code::UNAVAILABLE_VALUE,
                    outside,
                    format!("the condition on `{}` cannot use arguments of the hook", name.name),
                )
                .label("an argument of the hook, or a value read from one")
                .also(span, format!("inside this `{word}`"))
                .help(format!(
                    "test it outside, joined with `and`; only `{}`, `task` and constants are available inside",
                    name.name
                )),
            );
        }
        if !seen.ancestor {
            return self.report(
                Diagnostic::error(
                    code::INVARIANT_CONDITION,
                    body.span,
                    format!("the condition does not use `{}`", name.name),
                )
                .label("the same for each ancestor")
                .also(name.span, "the ancestor")
                .help(format!("test a property of it: `{}.exe == \"/usr/sbin/sshd\"`", name.name)),
            );
        }
        let any = |cond| atom(span, AtomKind::AnyAncestor { of: task, cond: Box::new(cond), more: false });
        Operand::Cond(if every { Cond::Not(Box::new(any(Cond::Not(Box::new(cond))))) } else { any(cond) })
    }

    /// Returns the task whose ancestors an expression denotes.
    fn whose_ancestors(&mut self, of: &'a Expr, word: &str) -> Option<Value> {
        let operand = match &of.kind {
            ExprKind::Field { base, name } if name.name == ANCESTORS => self.expr(base, None),
            _ => {
                let found = match self.expr(of, None) {
                    Operand::Error => return None,
                    found => self.describe_operand(&found),
                };
                self.report(
                    Diagnostic::error(
                        code::NOT_A_SEQUENCE,
                        of.span,
                        format!("`{word}` requires the ancestors of a task"),
                    )
                    .label(found)
                    .help(format!("write `{word} a in task.ancestors {{ a.comm == \"sshd\" }}`; for a set use `in`")),
                );
                return None;
            }
        };
        match operand {
            Operand::Error => None,
            Operand::Task => Some(self.current(of.span)),
            Operand::Value(value) if matches!(value.ty, Ty::Ptr(pointer) if place::tag(&self.kernel.btf, pointer.target) == "task_struct") => {
                Some(value)
            }
            other => {
                let found = self.describe_operand(&other);
                self.report(
                    Diagnostic::error(code::NOT_A_SEQUENCE, of.span, "only a task has ancestors")
                        .label(found)
                        .help("use `task` or an argument that is a task, such as `child` on `ptrace_access_check`"),
                );
                None
            }
        }
    }

    /// Reports `task.ancestors` outside a quantifier.
    pub(in crate::hir) fn bare_ancestors(&mut self, span: Span) -> Operand {
        self.report(
            Diagnostic::error(code::MISSING_QUANTIFIER, span, "`ancestors` is a list of tasks, not a value")
                .label("requires `any` or `all`")
                .help("write `any a in task.ancestors { a.comm == \"sshd\" }`; the nearest one is `task.parent`"),
        )
    }

    pub(in crate::hir) fn is_ancestors(tag: &str, name: &str) -> bool {
        tag == "task_struct" && name == ANCESTORS
    }
}

/// Values that a condition uses.
#[derive(Default)]
struct Seen {
    /// The first value that is not available in the condition.
    outside: Option<Span>,
    /// True if the ancestor is used.
    ancestor: bool,
}

impl Seen {
    fn cond(&mut self, cond: &Cond) {
        match cond {
            Cond::Const(_) => {}
            Cond::Not(inner) => self.cond(inner),
            Cond::And(left, right) | Cond::Or(left, right) => {
                self.cond(left);
                self.cond(right);
            }
            Cond::Atom(atom) => {
                if let AtomKind::AnyAncestor { .. } = atom.kind {
                    self.outside.get_or_insert(atom.span);
                }
                values(&atom.kind).for_each(|value| self.value(value));
            }
        }
    }

    fn value(&mut self, value: &Value) {
        let outside = match &value.kind {
            ValueKind::Arg(arg) => arg.0 < STAND_IN,
            ValueKind::Endpoint(..) => true,
            ValueKind::Text(text) => matches!(**text, TextSource::Unix { .. }),
            ValueKind::Ancestor => {
                self.ancestor = true;
                false
            }
            _ => false,
        };
        if outside {
            self.outside.get_or_insert(value.span);
        }
        let (values, cond) = operands(value);
        values.for_each(|value| self.value(value));
        cond.into_iter().for_each(|cond| self.cond(cond));
    }
}

//! `any a in task.ancestors { a.comm == "sshd" }`, and the same with `all`.
//!
//! What is asked runs in a function of its own, which has the ancestor and what is always at hand: the current task,
//! constants, parameters and sets, but no argument of the hook.

use krs_grammar::ast::{self, Expr, ExprKind, Span};

use super::{Checker, Operand};
use crate::btf::Kind;
use crate::diag::{Diagnostic, code};
use crate::hir::operators::atom;
use crate::hir::place;
use crate::hir::walk::{parts, values};
use crate::hir::{AtomKind, Cond, Ptr, Text, Ty, Value, ValueKind};

/// The field that has the elements.
const ANCESTORS: &str = "ancestors";

/// Arguments from here on stand for the parameters of a definition that is checked by itself.
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
                Diagnostic::error(code::UNAVAILABLE_VALUE, span, "the ancestors of an ancestor are no further ones")
                    .label(format!("`{word}` inside another"))
                    .help("ask everything of one: `any a in task.ancestors { ... and ... }`"),
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
            // What a definition reads is told where that is used.
            let within = outside.file == body.span.file && (body.span.start..body.span.end).contains(&outside.start);
            let outside = if within { outside } else { body.span };
            return self.report(
                Diagnostic::error(
                    code::UNAVAILABLE_VALUE,
                    outside,
                    format!("`{}` has only the ancestor at hand", name.name),
                )
                .label("an argument of the hook, or made of one")
                .also(span, format!("inside this `{word}`"))
                .help(format!(
                    "test it outside, joined by `and`; inside there are `{}`, `task` and constants",
                    name.name
                )),
            );
        }
        if !seen.ancestor {
            return self.report(
                Diagnostic::error(code::INVARIANT_CONDITION, body.span, format!("nothing is asked of `{}`", name.name))
                    .label("the same for each ancestor")
                    .also(name.span, "stands for an ancestor")
                    .help(format!("name what it should be: `{}.exe == \"/usr/sbin/sshd\"`", name.name)),
            );
        }
        let any = |cond| atom(span, AtomKind::AnyAncestor { of: task, cond: Box::new(cond) });
        Operand::Cond(if every { Cond::Not(Box::new(any(Cond::Not(Box::new(cond))))) } else { any(cond) })
    }

    /// The task whose ancestors an expression names.
    fn whose_ancestors(&mut self, of: &'a Expr, word: &str) -> Option<Value> {
        let operand = match &of.kind {
            ExprKind::Field { base, name } if name.name == ANCESTORS => self.expr(base, None),
            _ => {
                let found = match self.expr(of, None) {
                    Operand::Error => return None,
                    found => self.say(&found),
                };
                self.report(
                    Diagnostic::error(
                        code::NOT_A_SEQUENCE,
                        of.span,
                        format!("`{word}` asks for the ancestors of a task"),
                    )
                    .label(found)
                    .help(format!(
                        "write `{word} a in task.ancestors {{ a.comm == \"sshd\" }}`; for sets there is `in`"
                    )),
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
                let found = self.say(&other);
                self.report(
                    Diagnostic::error(code::NOT_A_SEQUENCE, of.span, "only a task has ancestors")
                        .label(found)
                        .help("tasks are `task` and arguments such as `child` on `ptrace_access_check`"),
                );
                None
            }
        }
    }

    /// `task.ancestors` by itself.
    pub(in crate::hir) fn bare_ancestors(&mut self, span: Span) -> Operand {
        self.report(
            Diagnostic::error(code::MISSING_QUANTIFIER, span, "ancestors are several tasks, and no value")
                .label("a question about them begins with `any` or `all`")
                .help("write `any a in task.ancestors { a.comm == \"sshd\" }`; the nearest one is `task.parent`"),
        )
    }

    pub(in crate::hir) fn is_ancestors(tag: &str, name: &str) -> bool {
        tag == "task_struct" && name == ANCESTORS
    }
}

/// What a condition looks at.
#[derive(Default)]
struct Seen {
    /// Where something is read that is not at hand.
    outside: Option<Span>,
    /// The ancestor is.
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
            ValueKind::End(..) => true,
            ValueKind::Text(text) => matches!(**text, Text::Unix { .. }),
            ValueKind::Ancestor => {
                self.ancestor = true;
                false
            }
            _ => false,
        };
        if outside {
            self.outside.get_or_insert(value.span);
        }
        let (values, cond) = parts(value);
        values.for_each(|value| self.value(value));
        cond.into_iter().for_each(|cond| self.cond(cond));
    }
}

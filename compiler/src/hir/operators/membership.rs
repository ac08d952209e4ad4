//! Membership: `in` a list, a set or a network.

use krs_grammar::ast::{Expr, ExprKind, Span};
use krs_grammar::print::expr_text;

use super::{atom, constant, names_of, one_of_texts, range};
use crate::diag::{Diagnostic, code};
use crate::hir::check::{Checker, Operand, int_name, sets};
use crate::hir::resolve::NamedItem;
use crate::hir::suggest::did_you_mean;
use crate::hir::{AtomKind, Int, Ty, Value, ValueKind};

impl<'a> Checker<'a> {
    pub(super) fn one_of(&mut self, left: &'a Expr, right: &'a Expr, op_span: Span, span: Span) -> Operand {
        if let ExprKind::Tuple(parts) = &left.kind {
            return self.tuple_in(parts, right, span);
        }
        if let ExprKind::Name(name) = &right.kind
            && let Some(NamedItem::Set(item)) = self.items.named.get(name.as_str())
        {
            return self.in_named(item, left, right.span, op_span, span);
        }
        let Some(elements) = sets::elements(right) else {
            return self.no_set(left, right);
        };
        let operand = self.expr(left, None);
        let operand = self.as_value(operand, left.span);
        let operand = match operand {
            Operand::Value(value) if value.ty == Ty::Ip && !elements.is_empty() => {
                return self.in_networks(value, elements, span);
            }
            operand => operand,
        };
        if matches!(right.kind, ExprKind::Str(_)) {
            if matches!(operand, Operand::Error) {
                return Operand::Error;
            }
            let what = self.describe_operand(&operand);
            return self.report(
                Diagnostic::error(code::TYPE_MISMATCH, op_span, "`in` with a string requires an address on its left")
                    .also(left.span, what)
                    .help("compare with `==`, or write a list: `in { \"a\", \"b\" }`"),
            );
        }
        let operand = if elements.iter().any(|of| matches!(of.kind, ExprKind::Str(_))) {
            self.as_text_operand(operand)
        } else {
            operand
        };
        let hint = names_of(&operand);
        if elements.is_empty() {
            return self.empty_list(right.span);
        }
        match operand {
            Operand::Error => Operand::Error,
            Operand::Text(text) => self.text_in(&text, elements, left.span),
            Operand::Value(value) if matches!(value.ty, Ty::Str { .. } | Ty::Text { .. }) => {
                let mut set = Vec::with_capacity(elements.len());
                for element in elements {
                    match self.expr(element, None) {
                        Operand::Text(text) => {
                            if !self.fits(&text, &value, element.span) {
                                continue;
                            }
                            if !set.contains(&text) {
                                set.push(text);
                            }
                        }
                        Operand::Error => {}
                        other => {
                            let what = self.describe_operand(&other);
                            self.report(
                                Diagnostic::error(
                                    code::MIXED_LIST,
                                    element.span,
                                    format!("expected a string, found {what}"),
                                )
                                .also(left.span, "a string"),
                            );
                        }
                    }
                }
                if set.is_empty() {
                    return Operand::Error;
                }
                Operand::Cond(one_of_texts(span, value, set))
            }
            Operand::Value(value) if matches!(value.ty, Ty::Int(_)) => {
                let Ty::Int(int) = value.ty else {
                    return Operand::Error;
                };
                let mut set: Vec<Value> = Vec::with_capacity(elements.len());
                let mut complete = true;
                for element in elements {
                    let made = match self.expr(element, hint) {
                        Operand::Error => None,
                        Operand::Number(number) => {
                            if self.clash(int.names, number.names, left.span, element.span).is_some() {
                                self.meant(int.names, number);
                                None
                            } else {
                                let wrapped = if number.pattern { int.wrap(number.value) } else { number.value };
                                if wrapped < int.min() || wrapped > int.max() {
                                    let error = Diagnostic::error(
                                        code::CONSTANT_OUT_OF_RANGE,
                                        element.span,
                                        format!("a {} cannot hold {wrapped}", int_name(int)),
                                    )
                                    .also(left.span, format!("a {}", int_name(int)));
                                    self.report(match range(element) {
                                        Some(range) => error.help(range),
                                        None => error,
                                    });
                                    None
                                } else {
                                    Some(constant(element.span, Int { names: None, ..int }, wrapped))
                                }
                            }
                        }
                        Operand::Value(
                            made @ Value {
                                ty: Ty::Int(_), kind: ValueKind::Enumerator(_) | ValueKind::Const(_), ..
                            },
                        ) => {
                            let Ty::Int(of) = made.ty else { continue };
                            self.clash(int.names, of.names, left.span, element.span).is_none().then_some(made)
                        }
                        Operand::Value(_) => {
                            self.report(
                                Diagnostic::error(
                                    code::NOT_CONSTANT,
                                    element.span,
                                    "the elements of a list must be constant",
                                )
                                .help("compare the values with `==`, joined with `or`"),
                            );
                            None
                        }
                        other => {
                            let what = self.describe_operand(&other);
                            let error = Diagnostic::error(
                                code::MIXED_LIST,
                                element.span,
                                format!("expected a number, found {what}"),
                            )
                            .label(what)
                            .also(left.span, "a number");
                            self.report(match self.unquoted(&other, &Operand::Value(value.clone())) {
                                Some(help) => error.help(help),
                                None => error,
                            });
                            None
                        }
                    };
                    match made {
                        Some(made) if !set.contains(&made) => set.push(made),
                        Some(_) => {}
                        None => complete = false,
                    }
                }
                if !complete {
                    return Operand::Error;
                }
                Operand::Cond(atom(span, AtomKind::OneOf { value, set }))
            }
            Operand::Value(value) if self.is_inode(value.ty) => self.one_of_files(&value, elements, span),
            other => {
                let what = self.describe_operand(&other);
                let error = Diagnostic::error(
                    code::INVALID_OPERAND,
                    op_span,
                    "`in` requires an integer, a string or an address on its left",
                )
                .also(left.span, what);
                self.report(match self.path_of_object(left, &other) {
                    Some(help) => error.help(help),
                    None if matches!(other, Operand::File(_)) => error.help("compare it with an inode using `==`"),
                    None => error.help("use one of its fields"),
                })
            }
        }
    }

    /// Reports an empty list.
    pub(in crate::hir) fn empty_list(&mut self, at: Span) -> Operand {
        self.report(
            Diagnostic::error(code::EMPTY_LIST, at, "empty list")
                .note("the test would always be false")
                .help("add at least one element"),
        )
    }

    /// Reports a right operand of `in` that is neither a set nor a list.
    fn no_set(&mut self, left: &Expr, right: &Expr) -> Operand {
        let error = match &right.kind {
            ExprKind::Error => return Operand::Error,
            ExprKind::Name(name) if self.items.is_broken(name) => return Operand::Error,
            ExprKind::Name(name) if !self.items.named.contains_key(name.as_str()) => {
                let sets = self.items.sets.iter().map(|set| set.name.name.as_str());
                let error = Diagnostic::error(code::UNKNOWN_NAME, right.span, format!("unknown set `{name}`"))
                    .label("not found");
                error.help(did_you_mean(name, sets).unwrap_or(format!(
                    "write the elements, `x in {{ 1, 2 }}`, or define the set: `set {name}: TYPE = {{ ... }}`"
                )))
            }
            _ => Diagnostic::error(code::TYPE_MISMATCH, right.span, "`in` requires a set or a list on its right")
                .label("not a set or a list")
                .help(match (&left.kind, &right.kind) {
                    (ExprKind::Str(_), ExprKind::Field { .. }) => {
                        format!("to search for a substring write `contains({}, {})`", expr_text(right), expr_text(left))
                    }
                    _ => "write the elements: `x in { 1, 2 }`".to_owned(),
                }),
        };
        self.report(error)
    }

    /// Returns true if a string can equal a literal; reports an error otherwise.
    pub(in crate::hir) fn fits(&mut self, text: &[u8], value: &Value, at: Span) -> bool {
        let bytes = match value.ty {
            Ty::Str { bytes } => bytes,
            Ty::Text { .. } => return self.plausible(text, value, at),
            _ => return false,
        };
        let error = if let Some(nul) = text.iter().position(|&byte| byte == 0) {
            Diagnostic::error(code::NUL_IN_TEXT, at, "a kernel string cannot contain a NUL")
                .label(format!("a NUL at byte {nul}"))
                .help("remove the NUL")
        } else if text.len() > bytes as usize {
            Diagnostic::error(
                code::TEXT_TOO_LONG,
                at,
                format!("this string is longer than the {bytes} bytes that it is compared with"),
            )
            .label(format!("{} bytes", text.len()))
            .also(value.span, format!("{bytes} bytes"))
            .note("the comparison would always be false")
            .help(if bytes == 16 {
                "the kernel truncates a task's name to 15 characters: compare with those"
            } else {
                "compare with a shorter string"
            })
        } else if text.len() == 16 && matches!(value.kind, ValueKind::Task(_)) {
            Diagnostic::error(code::TEXT_TOO_LONG, at, "a task's name has at most 15 characters")
                .label("16 bytes")
                .note("the comparison would always be false")
                .help("the kernel truncates a task's name to 15 characters: compare with those")
        } else {
            return true;
        };
        self.report(error);
        false
    }
}

//! Addresses, networks and lists of them.
//!
//! Lists of integers and strings are kinds of tests; a list of addresses, networks or tuples becomes a
//! [`Set`] without a name.

use std::sync::Arc;

use krs_grammar::ast::{Expr, ExprKind, Span};
use krsi_abi::value::{self, Network, NoNetwork};

use super::named_sets::merge;
use super::{Checker, Operand};
use crate::diag::{Diagnostic, code};
use crate::hir::operators::atom;
use crate::hir::{AtomKind, Column, Int, Members, Set, SetId, Ty, Value, ValueKind};

/// A checked `set` item.
#[derive(Clone)]
pub enum NamedSet {
    /// An error that has been reported.
    Wrong,
    /// A list of integers.
    Ints {
        /// The type of the elements.
        int: Int,
        /// The elements as constants.
        values: Vec<Value>,
    },
    /// A list of texts, each with its span, without duplicates.
    Texts(Vec<(Vec<u8>, Span)>),
    /// A set of addresses, networks or tuples.
    Rows(SetId),
    /// A set with elements of any type that change while the policy is loaded.
    Dynamic(SetId),
}

impl<'a> Checker<'a> {
    /// Checks an address in quotes.
    pub(in crate::hir) fn address(&mut self, text: &[u8], span: Span) -> Option<Value> {
        self.one_address(text, span, false)
    }

    /// Checks an address in quotes; `element` if it is an element of a set.
    pub(super) fn one_address(&mut self, text: &[u8], span: Span, element: bool) -> Option<Value> {
        let network = self.network(text, span)?;
        if network.bits == 128 {
            return Some(Value { span, ty: Ty::Ip, kind: ValueKind::Address(network.low) });
        }
        let error =
            Diagnostic::error(code::INVALID_ADDRESS, span, "expected an address, found a network").label("a network");
        self.report(match element {
            true => error.help("use a set of `cidr`, whose elements can be networks and addresses"),
            false => error.help(format!("to test for membership write `in \"{network}\"`")),
        });
        None
    }

    /// Checks a network, or an address as a network with a full prefix.
    pub(in crate::hir) fn network(&mut self, text: &[u8], span: Span) -> Option<Network> {
        let shown = String::from_utf8_lossy(text);
        let error = match value::network(&shown) {
            Ok(network) => return Some(network),
            Err(NoNetwork::Malformed) => {
                let error =
                    Diagnostic::error(code::INVALID_ADDRESS, span, format!("`{shown}` is not an address or a network"));
                match shown.parse::<std::net::SocketAddr>() {
                    Ok(both) => error.help(format!(
                        "test the port separately: `dst.ip == \"{}\" and dst.port == {}`",
                        both.ip(),
                        both.port()
                    )),
                    Err(_) => error.help("write `10.0.0.1`, `2001:db8::1`, `10.0.0.0/8` or `2001:db8::/32`"),
                }
            }
            Err(NoNetwork::TooManyBits { most }) => {
                Diagnostic::error(code::INVALID_ADDRESS, span, format!("`{shown}` has a prefix that is too long"))
                    .label(format!("at most {most} bits"))
                    .help(format!("write a prefix of 0 to {most} bits"))
            }
            Err(NoNetwork::HostBits(right)) => {
                Diagnostic::error(code::INVALID_ADDRESS, span, format!("`{shown}` has host bits set"))
                    .label("bits after the prefix must be zero")
                    .help(format!("did you mean `{right}`, or a single address without `/`?"))
            }
        };
        self.report(error);
        None
    }

    /// Checks `ip in "10.0.0.0/8"` and `ip in { "10.0.0.0/8", "2001:db8::/32" }`.
    pub(in crate::hir) fn in_networks(&mut self, value: Value, elements: &'a [Expr], span: Span) -> Operand {
        let mut networks: Vec<Network> = Vec::with_capacity(elements.len());
        let mut complete = true;
        for element in elements {
            let network = match self.expr(element, None) {
                Operand::Text(text) => self.network(&text, element.span),
                Operand::Error => None,
                other => {
                    let what = self.describe_operand(&other);
                    self.report(
                        Diagnostic::error(code::MIXED_LIST, element.span, format!("expected an address, found {what}"))
                            .also(value.span, "an address")
                            .help("write addresses and networks in quotes: `\"10.0.0.0/8\"`"),
                    );
                    None
                }
            };
            complete &= network.is_some();
            networks.extend(network);
        }
        if !complete {
            return Operand::Error;
        }
        let mut rows = networks.into_iter().map(|network| vec![(network.low, network.high())]).collect();
        merge_overlapping(&mut rows);
        let set = self.add_set(Set { name: None, columns: vec![Column::Network], members: Members::Static(rows) });
        Operand::Cond(atom(span, AtomKind::InSet { values: vec![value], set }))
    }

    /// Adds the set of a list in braces; equal lists share a set.
    fn add_set(&mut self, set: Set) -> SetId {
        let set = Arc::new(set);
        let next = SetId(self.sets.len() as u32);
        let id = *self.anonymous_sets.entry(Arc::clone(&set)).or_insert(next);
        if id == next {
            self.sets.push(set);
        }
        id
    }
}

/// Merges networks if some overlap, as for a named set: tables of ranges must not overlap.
fn merge_overlapping(rows: &mut Vec<Vec<(u128, u128)>>) {
    let mut sorted: Vec<(u128, u128)> = rows.iter().map(|row| row[0]).collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[1].0 <= pair[0].1) {
        merge(rows);
    }
}

/// Returns the elements of a list in braces, or a single string as one element.
pub(in crate::hir) fn elements(expr: &Expr) -> Option<&[Expr]> {
    match &expr.kind {
        ExprKind::List(elements) => Some(elements),
        ExprKind::Str(_) => Some(std::slice::from_ref(expr)),
        _ => None,
    }
}

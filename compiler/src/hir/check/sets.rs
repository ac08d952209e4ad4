//! Sets and addresses: what their elements are, and whether something can be among them.
//!
//! Integers and strings in a list are tests of their own; a list of addresses, networks or tuples becomes a
//! [`Set`] without a name.

use std::sync::Arc;

use krs_grammar::ast::{Expr, ExprKind, Span};
use krsi_abi::value::{self, Network, NoNetwork};

use super::named_sets::merge;
use super::{Checker, Operand};
use crate::diag::{Diagnostic, code};
use crate::hir::operators::atom;
use crate::hir::{AtomKind, Int, Members, Part, Set, SetId, Ty, Value, ValueKind};

/// What a set with a name is.
#[derive(Clone)]
pub enum Named {
    /// Wrong, and reported.
    Wrong,
    /// Integers.
    Ints {
        /// Their type.
        int: Int,
        /// Constants.
        values: Vec<Value>,
    },
    /// Texts, each with its place; no two the same.
    Texts(Vec<(Vec<u8>, Span)>),
    /// Addresses, networks and tuples.
    Rows(SetId),
    /// Elements of any type, which change while the policy is loaded.
    Dynamic(SetId),
}

impl<'a> Checker<'a> {
    /// An address that is written as a text.
    pub(in crate::hir) fn address(&mut self, text: &[u8], span: Span) -> Option<Value> {
        self.one_address(text, span, false)
    }

    /// An address, perhaps as an element of a set.
    pub(super) fn one_address(&mut self, text: &[u8], span: Span, element: bool) -> Option<Value> {
        let network = self.network(text, span)?;
        if network.bits == 128 {
            return Some(Value { span, ty: Ty::Ip, kind: ValueKind::Address(network.low) });
        }
        let error = Diagnostic::error(code::INVALID_ADDRESS, span, "no address is a whole network").label("a network");
        self.report(match element {
            true => error.help("the elements of a set of `cidr` are networks and addresses"),
            false => error.help(format!("ask whether it is in it: `in \"{network}\"`")),
        });
        None
    }

    /// A network, or an address as a network of one.
    pub(in crate::hir) fn network(&mut self, text: &[u8], span: Span) -> Option<Network> {
        let shown = String::from_utf8_lossy(text);
        let error = match value::network(&shown) {
            Ok(network) => return Some(network),
            Err(NoNetwork::Malformed) => {
                let error =
                    Diagnostic::error(code::INVALID_ADDRESS, span, format!("`{shown}` is no address and no network"));
                match shown.parse::<std::net::SocketAddr>() {
                    Ok(both) => error.help(format!(
                        "ask for the port apart: `dst.ip == \"{}\" and dst.port == {}`",
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
                Diagnostic::error(code::INVALID_ADDRESS, span, format!("`{shown}` has bits behind its prefix"))
                    .label("a network ends in zeros")
                    .help(format!("did you mean `{right}`, or the one address without `/`?"))
            }
        };
        self.report(error);
        None
    }

    /// `ip in "10.0.0.0/8"`, `ip in { "10.0.0.0/8", "2001:db8::/32" }`
    pub(in crate::hir) fn in_networks(&mut self, value: Value, elements: &'a [Expr], span: Span) -> Operand {
        let mut networks: Vec<Network> = Vec::with_capacity(elements.len());
        let mut complete = true;
        for element in elements {
            let network = match self.expr(element, None) {
                Operand::Text(text) => self.network(&text, element.span),
                Operand::Error => None,
                other => {
                    let what = self.say(&other);
                    self.report(
                        Diagnostic::error(code::MIXED_LIST, element.span, format!("{what} among addresses"))
                            .also(value.span, "an address")
                            .help("write addresses and networks as texts: `\"10.0.0.0/8\"`"),
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
        let set = self.add_set(Set { name: None, parts: vec![Part::Network], members: Members::Static(rows) });
        Operand::Cond(atom(span, AtomKind::InSet { values: vec![value], set }))
    }

    /// Adds a set that stands in braces; the same elements give the same set.
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

/// Merges networks if some overlap, as those of a named set are merged: tables of ranges have no overlaps.
fn merge_overlapping(rows: &mut Vec<Vec<(u128, u128)>>) {
    let mut sorted: Vec<(u128, u128)> = rows.iter().map(|row| row[0]).collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[1].0 <= pair[0].1) {
        merge(rows);
    }
}

/// The elements of a brace list, or a single text in their place.
pub(in crate::hir) fn elements(expr: &Expr) -> Option<&[Expr]> {
    match &expr.kind {
        ExprKind::List(elements) => Some(elements),
        ExprKind::Str(_) => Some(std::slice::from_ref(expr)),
        _ => None,
    }
}

//! `set` and `param` items: their types and elements, and membership in a set.
//!
//! ```text
//! set ports: u16 = { 80, 443 }              a list of integers, copied to each use
//! set shells: path = { "/bin/sh" }          a list of texts, copied to each use
//! set edges: (cidr, u16) from "edges.txt"   a set in the policy: rows of ranges
//! ```
//!
//! An item is checked once, where its errors are reported. Overlapping networks are merged.

use std::collections::HashMap;
use std::sync::Arc;

use krs_grammar::ast::{self, Expr, ExprKind, SetSource, Span, TypeKind};
use krsi_abi::{set, value};

use super::sets::NamedSet;
use super::{Checker, Operand, int_name, integer};
use crate::diag::{Diagnostic, code};
use crate::hir::operators::{atom, constant, one_of_texts};
use crate::hir::suggest::did_you_mean;
use crate::hir::{AtomKind, Column, Cond, Int, Members, Param, ParamId, Set, SetId, Ty, Value, ValueKind};
use crate::limits;

/// The type of a column, or of a set of texts.
#[derive(Clone, Copy)]
pub(super) enum ElementType {
    Column(Column),
    Text { path: bool },
}

/// The source of an element.
#[derive(Clone, Copy)]
enum Written<'a> {
    Expr(&'a Expr),
    /// A line of a file.
    Line(&'a str, Span),
}

impl Written<'_> {
    fn span(&self) -> Span {
        match self {
            Written::Expr(expr) => expr.span,
            Written::Line(_, span) => *span,
        }
    }
}

impl<'a> Checker<'a> {
    /// Checks a parameter on first use.
    pub(in crate::hir) fn param(&mut self, item: &'a ast::Param) -> Option<ParamId> {
        if let Some(known) = self.named_params.get(item.name.name.as_str()) {
            return *known;
        }
        // A default that refers to its own parameter finds no value.
        self.named_params.insert(&item.name.name, None);
        let outer = std::mem::take(&mut self.scope);
        let made = self.param_of(item);
        self.scope = outer;
        let id = made.map(|param| {
            self.params.push(param);
            ParamId(self.params.len() as u32 - 1)
        });
        self.named_params.insert(&item.name.name, id);
        id
    }

    fn param_of(&mut self, item: &'a ast::Param) -> Option<Param> {
        let name = &item.name.name;
        let bad = |checker: &mut Self, span, message: String| {
            checker.report(
                Diagnostic::error(code::INVALID_PARAM, span, message)
                    .help("a parameter is an integer (`u8` to `i64`), a `bool`, or of a `flags` or `enum` type"),
            );
            None
        };
        let TypeKind::Name(ty) = &item.ty.kind else {
            return bad(self, item.ty.span, "a tuple cannot be set at load".to_owned());
        };
        if ty == "bool" {
            return match self.expr(&item.default, None) {
                Operand::Cond(Cond::Const(value)) => {
                    Some(Param { name: name.clone(), ty: Ty::Bool, default: i128::from(value) })
                }
                Operand::Error => None,
                _ => bad(self, item.default.span, format!("the default of `{name}` must be `true` or `false`")),
            };
        }
        let names = self.names_of(ty);
        let int = match (integer(ty), names) {
            (Some(int), _) => int,
            (None, Some(_)) => Int { names, ..self.repr(ty) },
            (None, None) if ["str", "path", "ip", "cidr"].contains(&ty.as_str()) => {
                return bad(self, item.ty.span, format!("a `{ty}` cannot be set at load"));
            }
            (None, None) => {
                self.unknown_type(ty, item.ty.span);
                return None;
            }
        };
        match self.expr(&item.default, names) {
            Operand::Number(number) => {
                let default = if number.pattern { int.wrap(number.value) } else { number.value };
                if default < int.min() || default > int.max() {
                    let what = int_name(int);
                    self.error(
                        code::CONSTANT_OUT_OF_RANGE,
                        item.default.span,
                        format!("a {what} cannot hold {default}"),
                    );
                    return None;
                }
                Some(Param { name: name.clone(), ty: Ty::Int(int), default })
            }
            Operand::Error => None,
            _ => bad(self, item.default.span, format!("the default of `{name}` must be a constant number")),
        }
    }

    /// Returns the integer type that represents an enum or flag type.
    fn repr(&self, name: &str) -> Int {
        let repr = match self.items.named.get(name) {
            Some(crate::hir::resolve::NamedItem::Names(item, _)) => item.repr.as_ref(),
            _ => None,
        };
        match repr.map(|ty| &ty.kind) {
            Some(TypeKind::Name(repr)) => integer(repr),
            _ => None,
        }
        .unwrap_or(Int::plain(8, false))
    }

    /// Returns a parameter as a value.
    pub(in crate::hir) fn param_value(&mut self, item: &'a ast::Param, span: Span) -> Operand {
        match self.param(item) {
            Some(id) => {
                let ty = self.params[id.index()].ty;
                Operand::Value(Value { span, ty, kind: ValueKind::Param(id) })
            }
            None => Operand::Error,
        }
    }

    /// Checks a set on first use.
    pub(in crate::hir) fn set(&mut self, item: &'a ast::Set) -> NamedSet {
        if let Some(known) = self.named_sets.get(item.name.name.as_str()) {
            return known.clone();
        }
        self.named_sets.insert(&item.name.name, NamedSet::Wrong);
        let outer = std::mem::take(&mut self.scope);
        let made = self.set_of(item).unwrap_or(NamedSet::Wrong);
        self.scope = outer;
        self.named_sets.insert(&item.name.name, made.clone());
        made
    }

    fn set_of(&mut self, item: &'a ast::Set) -> Option<NamedSet> {
        let types = match &item.ty.kind {
            TypeKind::Tuple(types) => types.as_slice(),
            TypeKind::Name(_) => std::slice::from_ref(&item.ty),
        };
        let of: Vec<ElementType> = types.iter().map(|ty| self.element_type(ty)).collect::<Option<_>>()?;
        if let [ElementType::Text { path }] = of[..] {
            return match &item.source {
                SetSource::Dynamic { max } => self.dynamic_set(item, vec![Column::Text { path }], max),
                _ => self.text_set(item, path),
            };
        }
        let columns: Vec<Column> = of
            .iter()
            .map(|of| match of {
                ElementType::Column(part) => Some(*part),
                ElementType::Text { .. } => None,
            })
            .collect::<Option<_>>()
            .or_else(|| {
                self.report(
                    Diagnostic::error(code::INVALID_SET, item.ty.span, "a tuple cannot contain texts")
                        .help("define a separate set of texts, and join two tests with `and`"),
                );
                None
            })?;
        if set::places(&columns.iter().copied().map(Column::key_bytes).collect::<Vec<_>>()).is_none() {
            self.report(
                Diagnostic::error(code::INVALID_SET, item.ty.span, "a tuple of this type is too large")
                    .label("more than 24 bytes, or two addresses")
                    .help("remove a component, or define two sets"),
            );
            return None;
        }
        if let SetSource::Dynamic { max } = &item.source {
            return self.dynamic_set(item, columns, max);
        }
        let written = self.written(item)?;
        let mut rows = Vec::with_capacity(written.len());
        let mut seen: HashMap<Vec<(u128, u128)>, Span> = HashMap::with_capacity(written.len());
        let mut complete = true;
        for element in written {
            match self.row(&columns, element) {
                None => complete = false,
                Some(row) => {
                    if let Some(first) = seen.insert(row.clone(), element.span()) {
                        self.twice_in(item, element.span(), first);
                    } else {
                        rows.push(row);
                    }
                }
            }
        }
        if !complete {
            return None;
        }
        if let [Column::Int(int)] = columns[..] {
            let span = item.name.span;
            let values = rows
                .into_iter()
                .map(|row| constant(span, Int { names: None, ..int }, int.wrap(row[0].0.cast_signed())))
                .collect();
            return Some(NamedSet::Ints { int, values });
        }
        merge(&mut rows);
        let set = Set { name: Some(item.name.name.clone()), columns, members: Members::Static(rows) };
        self.sets.push(Arc::new(set));
        Some(NamedSet::Rows(SetId(self.sets.len() as u32 - 1)))
    }

    fn text_set(&mut self, item: &'a ast::Set, path: bool) -> Option<NamedSet> {
        let mut texts: Vec<(Vec<u8>, Span)> = Vec::new();
        let mut seen: HashMap<Vec<u8>, Span> = HashMap::new();
        let mut complete = true;
        for element in self.written(item)? {
            let text = match element {
                Written::Line(line, _) => Some(line.as_bytes().to_vec()),
                Written::Expr(expr) => match self.expr(expr, None) {
                    Operand::Text(text) => Some(text),
                    Operand::Error => None,
                    other => {
                        let what = self.describe_operand(&other);
                        self.error(code::TYPE_MISMATCH, expr.span, format!("expected a text, found {what}"));
                        None
                    }
                },
            };
            let Some(text) = text else {
                complete = false;
                continue;
            };
            if path {
                let like = Value { span: element.span(), ty: Ty::Text { path: true }, kind: ValueKind::Const(0) };
                complete &= self.plausible(&text, &like, element.span());
            }
            if let Some(first) = seen.insert(text.clone(), element.span()) {
                self.twice_in(item, element.span(), first);
            } else {
                texts.push((text, element.span()));
            }
        }
        complete.then_some(NamedSet::Texts(texts))
    }

    fn twice_in(&mut self, item: &ast::Set, span: Span, first: Span) {
        self.report(
            Diagnostic::warning(code::DUPLICATE_ELEMENT, span, format!("duplicate element of `{}`", item.name.name))
                .label("second occurrence")
                .also(first, "first occurrence")
                .help("remove one of them"),
        );
    }

    /// Returns the type of a column.
    fn element_type(&mut self, ty: &'a ast::Type) -> Option<ElementType> {
        let TypeKind::Name(name) = &ty.kind else {
            self.error(code::INVALID_SET, ty.span, "a tuple cannot contain a tuple");
            return None;
        };
        if let Some(int) = integer(name) {
            return Some(ElementType::Column(Column::Int(int)));
        }
        match name.as_str() {
            "ip" => return Some(ElementType::Column(Column::Ip)),
            "cidr" => return Some(ElementType::Column(Column::Network)),
            "str" => return Some(ElementType::Text { path: false }),
            "path" => return Some(ElementType::Text { path: true }),
            "bool" => {
                self.report(
                    Diagnostic::error(code::INVALID_SET, ty.span, "a set of `bool` has no use")
                        .help("a `bool` is a condition"),
                );
                return None;
            }
            _ => {}
        }
        match self.names_of(name) {
            Some(names) => Some(ElementType::Column(Column::Int(Int { names: Some(names), ..self.repr(name) }))),
            None => {
                self.unknown_type(name, ty.span);
                None
            }
        }
    }

    /// Returns the elements of a static set, at least one.
    fn written(&mut self, item: &'a ast::Set) -> Option<Vec<Written<'a>>> {
        let written: Vec<Written<'a>> = match &item.source {
            SetSource::Elements(elements) => elements.iter().map(Written::Expr).collect(),
            SetSource::Dynamic { .. } => return None,
            SetSource::File(path) => {
                let (sources, set_files) = self.set_files?;
                let found = set_files.iter().find(|(span, _)| *span == path.span).map(|(_, found)| found);
                let file = match found {
                    Some(Ok(file)) => *file,
                    Some(Err(why)) => {
                        let shown = String::from_utf8_lossy(&path.value);
                        self.report(
                            Diagnostic::error(code::INVALID_SET_FILE, path.span, format!("`{shown}` {why}"))
                                .label("source of the elements")
                                .help("paths are relative to the file that contains them"),
                        );
                        return None;
                    }
                    None => return None,
                };
                let mut at = 0u32;
                let mut lines = Vec::new();
                for line in sources.file(file).split_inclusive('\n') {
                    let text = value::strip_comment(line).trim();
                    if !text.is_empty() {
                        let start = at + line.find(text).unwrap_or(0) as u32;
                        lines.push(Written::Line(text, Span { file, start, end: start + text.len() as u32 }));
                    }
                    at += line.len() as u32;
                }
                lines
            }
        };
        let (most, count) = (limits::RANGES_MAX, written.len());
        if count == 0 || count > most {
            let name = &item.name.name;
            let error = if count == 0 {
                Diagnostic::error(code::INVALID_SET, item.name.span, format!("`{name}` has no elements"))
                    .note("every test for membership would be false")
                    .help("add at least one element")
            } else {
                Diagnostic::error(code::INVALID_SET, item.name.span, format!("`{name}` has {count} elements"))
                    .label(format!("at most {most}"))
                    .help("split it into two sets")
            };
            self.report(error);
            return None;
        }
        Some(written)
    }

    fn row(&mut self, columns: &[Column], element: Written<'a>) -> Option<Vec<(u128, u128)>> {
        let mut written: Vec<Written<'a>> = match element {
            Written::Expr(Expr { kind: ExprKind::Tuple(parts), .. }) => parts.iter().map(Written::Expr).collect(),
            Written::Line(line, span) if columns.len() > 1 => {
                let mut at = span.start;
                let inner = line.strip_prefix('(').and_then(|line| line.strip_suffix(')'));
                at += u32::from(inner.is_some());
                let mut pieces = Vec::new();
                for piece in inner.unwrap_or(line).split(',') {
                    let text = piece.trim();
                    let start = at + (piece.len() - piece.trim_start().len()) as u32;
                    pieces.push(Written::Line(text, Span { start, end: start + text.len() as u32, ..span }));
                    at += piece.len() as u32 + 1;
                }
                pieces
            }
            element => vec![element],
        };
        if written.len() != columns.len() {
            let count = |n: usize| if n == 1 { "one component".to_owned() } else { format!("{n} components") };
            self.report(
                Diagnostic::error(
                    code::TYPE_MISMATCH,
                    element.span(),
                    format!("an element has {}, not {}", count(columns.len()), count(written.len())),
                )
                .help("write one component for each type of the set"),
            );
            return None;
        }
        columns.iter().zip(written.drain(..)).map(|(column, written)| self.element(*column, written)).collect()
    }

    fn element(&mut self, column: Column, written: Written<'a>) -> Option<(u128, u128)> {
        let span = written.span();
        let int = match column {
            Column::Int(int) => int,
            Column::Text { .. } => return None,
            Column::Ip | Column::Network => {
                let text = match written {
                    Written::Line(line, _) => line.as_bytes().to_vec(),
                    Written::Expr(expr) => match self.expr(expr, None) {
                        Operand::Text(text) => text,
                        Operand::Error => return None,
                        other => {
                            let what = self.describe_operand(&other);
                            self.report(
                                Diagnostic::error(
                                    code::TYPE_MISMATCH,
                                    span,
                                    format!("expected an address, found {what}"),
                                )
                                .help("write addresses and networks in quotes: `\"10.0.0.0/8\"`"),
                            );
                            return None;
                        }
                    },
                };
                if column == Column::Ip {
                    let ValueKind::Address(address) = self.one_address(&text, span, true)?.kind else { return None };
                    return Some((address, address));
                }
                let network = self.network(&text, span)?;
                return Some((network.low, network.high()));
            }
        };
        let number = match written {
            Written::Line(line, _) => self.line_number(int, line, span)?,
            Written::Expr(expr) => match self.expr(expr, int.names) {
                Operand::Number(number) => {
                    if self.clash(int.names, number.names, span, span).is_some() {
                        return None;
                    }
                    if number.pattern { int.wrap(number.value) } else { number.value }
                }
                Operand::Error => return None,
                Operand::Value(_) => {
                    self.report(
                        Diagnostic::error(code::NOT_CONSTANT, span, "the elements of a set must be constant numbers")
                            .help("compare the value with `==`, joined with `or`"),
                    );
                    return None;
                }
                other => {
                    let what = self.describe_operand(&other);
                    self.error(code::TYPE_MISMATCH, span, format!("expected a number, found {what}"));
                    return None;
                }
            },
        };
        if number < int.min() || number > int.max() {
            self.report(
                Diagnostic::error(
                    code::CONSTANT_OUT_OF_RANGE,
                    span,
                    format!("a {} cannot hold {number}", int_name(int)),
                )
                .label(format!("expected {} to {}", int.min(), int.max())),
            );
            return None;
        }
        let pattern = u128::from(number as u64);
        Some((pattern, pattern))
    }

    fn line_number(&mut self, int: Int, line: &str, span: Span) -> Option<i128> {
        let names = int.names.map(|names| &self.names[names.index()]);
        let (flags, members) = names.map_or((false, &[][..]), |names| (names.flags, names.members.as_slice()));
        match value::named(line, flags, members) {
            Ok(number) => Some(number),
            Err(part) => {
                let mut error = Diagnostic::error(
                    code::TYPE_MISMATCH,
                    span,
                    format!("`{part}` is not a valid element of this set"),
                );
                error = match did_you_mean(part, members.iter().map(|(name, _)| name.as_str())) {
                    Some(help) => error.help(help),
                    None if members.is_empty() => error.help("write one integer per line; `#` begins a comment"),
                    None => error.help("write one name or number per line; `#` begins a comment"),
                };
                self.report(error);
                None
            }
        }
    }

    /// Checks `x in NAME`.
    pub(in crate::hir) fn in_named(
        &mut self,
        item: &'a ast::Set,
        left: &'a Expr,
        right: Span,
        op_span: Span,
        span: Span,
    ) -> Operand {
        let set = self.set(item);
        let operand = self.expr(left, None);
        // The error has been reported at the set.
        if matches!(set, NamedSet::Wrong) {
            return Operand::Error;
        }
        let operand = match set {
            NamedSet::Texts(_) => self.as_text_operand(operand),
            NamedSet::Dynamic(set) if matches!(self.sets[set.index()].columns[..], [Column::Text { .. }]) => {
                self.as_text_operand(operand)
            }
            _ => self.as_value(operand, left.span),
        };
        let value = match operand {
            Operand::Error => return Operand::Error,
            Operand::Value(value) => value,
            // `hook.name in cautious`
            Operand::Text(known) => match &set {
                NamedSet::Texts(texts) => {
                    return Operand::Cond(Cond::Const(texts.iter().any(|(text, _)| *text == known)));
                }
                NamedSet::Wrong => return Operand::Error,
                _ => return self.not_in(item, "a string".to_owned(), left.span, op_span),
            },
            other => {
                let what = self.describe_operand(&other);
                return self.not_in(item, what, left.span, op_span);
            }
        };
        match (set, value.ty) {
            (NamedSet::Wrong, _) => Operand::Error,
            (NamedSet::Ints { int, values }, Ty::Int(of)) => {
                if let Some(error) = self.clash(of.names, int.names, left.span, right) {
                    return error;
                }
                let outside = values.iter().find_map(|element| match element.kind {
                    ValueKind::Const(number) if number < of.min() || number > of.max() => Some(number),
                    _ => None,
                });
                if let Some(number) = outside {
                    return self.report(
                        Diagnostic::error(
                            code::CONSTANT_OUT_OF_RANGE,
                            right,
                            format!("a {} cannot hold {number}", int_name(of)),
                        )
                        .label("an element of this set")
                        .also(left.span, format!("a {}", int_name(of)))
                        .help("remove the element, or define a set for values of this type"),
                    );
                }
                Operand::Cond(atom(span, AtomKind::OneOf { value, set: values }))
            }
            (NamedSet::Texts(texts), Ty::Str { .. } | Ty::Text { .. }) => {
                let mut fitting = Vec::with_capacity(texts.len());
                for (text, at) in texts {
                    if !self.fits(&text, &value, at) {
                        return Operand::Error;
                    }
                    fitting.push(text);
                }
                Operand::Cond(one_of_texts(span, value, fitting))
            }
            (NamedSet::Rows(set), Ty::Ip) if self.sets[set.index()].columns.len() == 1 => {
                Operand::Cond(atom(span, AtomKind::InSet { values: vec![value], set }))
            }
            (NamedSet::Dynamic(set), _) => self.in_dynamic(item, set, value, (left.span, right, op_span), span),
            (_, ty) => {
                let what = self.describe(ty);
                self.not_in(item, what, left.span, op_span)
            }
        }
    }

    pub(super) fn not_in(&mut self, item: &ast::Set, what: String, left: Span, op_span: Span) -> Operand {
        self.report(
            Diagnostic::error(code::TYPE_MISMATCH, op_span, format!("{what} cannot be in `{}`", item.name.name))
                .also(left, what)
                .also(item.ty.span, "type of the elements"),
        )
    }

    /// Checks `(a, b) in NAME`.
    pub(in crate::hir) fn tuple_in(&mut self, parts: &'a [Expr], right: &'a Expr, span: Span) -> Operand {
        let item = match &right.kind {
            ExprKind::Name(name) => match self.items.named.get(name.as_str()) {
                Some(crate::hir::resolve::NamedItem::Set(item)) => *item,
                _ => return self.expr_error(right),
            },
            _ => return self.expr_error(right),
        };
        let (NamedSet::Rows(set) | NamedSet::Dynamic(set)) = self.set(item) else {
            for part in parts {
                self.expr(part, None);
            }
            if !matches!(self.set(item), NamedSet::Wrong) {
                return self.not_in(item, "a tuple".to_owned(), span, right.span);
            }
            return Operand::Error;
        };
        let types = self.sets[set.index()].columns.clone();
        if types.len() != parts.len() {
            return self.report(
                Diagnostic::error(
                    code::TYPE_MISMATCH,
                    span,
                    format!("an element of `{}` has {} components, not {}", item.name.name, types.len(), parts.len()),
                )
                .also(item.ty.span, "type of the elements"),
            );
        }
        let mut values = Vec::with_capacity(parts.len());
        for (part, ty) in parts.iter().zip(types) {
            let names = match ty {
                Column::Int(int) => int.names,
                _ => None,
            };
            let operand = self.expr(part, names);
            let operand = self.as_value(operand, part.span);
            let fits = match (&operand, ty) {
                (Operand::Error, _) => return Operand::Error,
                (Operand::Value(Value { ty: Ty::Int(of), .. }), Column::Int(int)) => {
                    if let Some(error) = self.clash(int.names, of.names, item.ty.span, part.span) {
                        return error;
                    }
                    int.holds(*of)
                }
                (Operand::Value(Value { ty: Ty::Ip, .. }), Column::Ip | Column::Network) => true,
                _ => false,
            };
            match operand {
                Operand::Value(value) if fits => values.push(match ty {
                    Column::Int(int) => crate::hir::operators::convert(value, int),
                    _ => value,
                }),
                other => {
                    let what = self.describe_operand(&other);
                    return self.report(
                        Diagnostic::error(
                            code::TYPE_MISMATCH,
                            part.span,
                            format!("{what} is not a component of `{}`", item.name.name),
                        )
                        .label("of another type")
                        .also(item.ty.span, "type of the elements")
                        .help("truncate a wider integer with `as`: `x as u32`"),
                    );
                }
            }
        }
        Operand::Cond(atom(span, AtomKind::InSet { values, set }))
    }

    fn expr_error(&mut self, right: &'a Expr) -> Operand {
        self.report(
            Diagnostic::error(code::TYPE_MISMATCH, right.span, "a tuple requires a named set on the right of `in`")
                .help("define it: `set edges: (u32, u16) = { (0, 80) }`"),
        )
    }
}

/// Sorts rows, drops duplicates, and merges adjacent or overlapping ranges whose other columns are equal.
pub(super) fn merge(rows: &mut Vec<Vec<(u128, u128)>>) {
    // The column with ranges is the last sort key, so that rows that can be merged are adjacent.
    let ranged = (0..rows.first().map_or(0, Vec::len)).find(|part| rows.iter().any(|row| row[*part].0 != row[*part].1));
    let Some(ranged) = ranged else {
        rows.sort_unstable();
        return rows.dedup();
    };
    let rest = |row: &[(u128, u128)]| {
        row.iter().enumerate().filter(|(part, _)| *part != ranged).map(|(_, range)| *range).collect::<Vec<_>>()
    };
    rows.sort_by_cached_key(|row| (rest(row), row[ranged]));
    let mut merged: Vec<Vec<(u128, u128)>> = Vec::with_capacity(rows.len());
    for row in rows.drain(..) {
        if let Some(last) = merged.last_mut()
            && row[ranged].0 <= last[ranged].1.saturating_add(1)
            && rest(&row) == rest(last)
        {
            last[ranged].1 = last[ranged].1.max(row[ranged].1);
        } else {
            merged.push(row);
        }
    }
    *rows = merged;
}

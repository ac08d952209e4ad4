//! The semantic actions of the grammar, which build the nodes of the tree.
//!
//! `a + b` is built by [`binary`] from two [`E`]s. An [`E`] carries the depth of its expression: the depth is
//! limited, so that dropping or walking the tree recursively cannot overflow the stack.

use crate::ast::*;

/// Maximum depth of an expression. Walks need well below 1 KiB of stack per level, and threads have 2 MiB.
pub const DEPTH_MAX: u32 = 1000;

/// An expression under construction.
pub struct E {
    /// The tree of the expression.
    pub expr: Box<Expr>,
    depth: u32,
    /// True for a comparison that is not in parentheses.
    bare_comparison: bool,
}

/// An error detected by a semantic action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// Chained comparisons: `a < b < c`.
    Chained {
        /// Span of the second operator.
        op: Span,
        /// Text of the corrected expression.
        instead: String,
    },
    /// More than [`DEPTH_MAX`] levels.
    Deep(Span),
}

/// Result of a semantic action that builds an expression.
type Built<'s> = Result<E, lalrpop_util::ParseError<u32, crate::token::Token<'s>, BuildError>>;

pub(crate) fn span(file: FileId, start: u32, end: u32) -> Span {
    Span { file, start, end }
}

pub(crate) fn ident(file: FileId, start: u32, name: &str, end: u32) -> Ident {
    Ident { name: name.to_owned(), span: span(file, start, end) }
}

pub(crate) fn prepend<T>(first: T, mut rest: Vec<T>) -> Vec<T> {
    rest.insert(0, first);
    rest
}

pub(crate) fn exprs(all: Vec<E>) -> Vec<Expr> {
    all.into_iter().map(|e| *e.expr).collect()
}

fn make<'s>(span: Span, kind: ExprKind, child_depth: u32) -> Built<'s> {
    let depth = child_depth + 1;
    if depth > DEPTH_MAX {
        return Err(lalrpop_util::ParseError::User { error: BuildError::Deep(span) });
    }
    Ok(E { expr: Box::new(Expr { span, kind }), depth, bare_comparison: false })
}

pub(crate) fn leaf(file: FileId, start: u32, kind: ExprKind, end: u32) -> E {
    E { expr: Box::new(Expr { span: span(file, start, end), kind }), depth: 1, bare_comparison: false }
}

pub(crate) fn binary<'s>(a: E, (op, op_span): (BinaryOp, Span), b: E) -> Built<'s> {
    let depth = a.depth.max(b.depth);
    let (left, right) = (a.expr, b.expr);
    make(left.span.to(right.span), ExprKind::Binary { op, op_span, left, right }, depth)
}

pub(crate) fn unary<'s>((op, op_span): (UnaryOp, Span), b: E) -> Built<'s> {
    make(op_span.to(b.expr.span), ExprKind::Unary { op, op_span, value: b.expr }, b.depth)
}

/// Builds a comparison, or its negation if `negated` is the `not` of `not in` or `is not`.
pub(crate) fn compare<'s>(a: E, op: (BinaryOp, Span), b: E, negated: Option<(UnaryOp, Span)>) -> Built<'s> {
    if a.bare_comparison {
        use crate::print::expr_text;
        let mut inner = &a.expr;
        if let ExprKind::Unary { value, .. } = &inner.kind {
            inner = value;
        }
        let middle = match &inner.kind {
            ExprKind::Binary { right, .. } => expr_text(right),
            _ => expr_text(inner),
        };
        let word = match (negated, op.0) {
            (None, op) => op.text().to_owned(),
            (Some(_), BinaryOp::Is) => "is not".to_owned(),
            (Some(_), op) => format!("not {}", op.text()),
        };
        let instead = format!("{} and {middle} {word} {}", expr_text(&a.expr), expr_text(&b.expr));
        return Err(lalrpop_util::ParseError::User { error: BuildError::Chained { op: op.1, instead } });
    }
    let mut made = binary(a, op, b)?;
    if let Some((op, op_span)) = negated {
        // The `not` has the span of the comparison, since children lie within their parent.
        made = make(made.expr.span, ExprKind::Unary { op, op_span, value: made.expr }, made.depth)?;
    }
    made.bare_comparison = true;
    Ok(made)
}

pub(crate) fn field<'s>(a: E, name: Ident) -> Built<'s> {
    make(a.expr.span.to(name.span), ExprKind::Field { base: a.expr, name }, a.depth)
}

pub(crate) fn index<'s>(a: E, index: E, end: u32) -> Built<'s> {
    let whole = span(a.expr.span.file, a.expr.span.start, end);
    let depth = a.depth.max(index.depth);
    make(whole, ExprKind::Index { base: a.expr, index: index.expr }, depth)
}

pub(crate) fn cast<'s>(a: E, ty: Type) -> Built<'s> {
    make(a.expr.span.to(ty.span), ExprKind::Cast { value: a.expr, ty: Box::new(ty) }, a.depth)
}

pub(crate) fn call<'s>(function: Ident, args: Vec<E>, end: u32) -> Built<'s> {
    let whole = span(function.span.file, function.span.start, end);
    let depth = args.iter().map(|a| a.depth).max().unwrap_or(0);
    let args = exprs(args);
    make(whole, ExprKind::Call { function: Box::new(function), args }, depth)
}

pub(crate) fn parens<'s>(file: FileId, start: u32, a: E, end: u32) -> Built<'s> {
    let mut expr = a.expr;
    expr.span = span(file, start, end);
    Ok(E { expr, depth: a.depth, bare_comparison: false })
}

pub(crate) fn list<'s>(file: FileId, start: u32, all: Vec<E>, end: u32, kind: fn(Vec<Expr>) -> ExprKind) -> Built<'s> {
    let depth = all.iter().map(|a| a.depth).max().unwrap_or(0);
    make(span(file, start, end), kind(exprs(all)), depth)
}

pub(crate) fn any<'s>(file: FileId, start: u32, every: bool, name: Ident, of: E, body: E, end: u32) -> Built<'s> {
    let depth = of.depth.max(body.depth);
    let kind = ExprKind::Any { every, name: Box::new(name), of: of.expr, body: body.expr };
    make(span(file, start, end), kind, depth)
}

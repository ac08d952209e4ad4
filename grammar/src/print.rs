//! Prints expressions, actions, types and tests as canonical text.
//!
//! `expr_text` of `vma . file==null` is `vma.file == null`. A test is printed with its hook and given values on
//! one line, and the expectations on the next.
//!
//! Invariant: printed text parses to an equal tree, apart from spans. Absent: other items, and whole files.

use crate::ast::*;
use std::fmt::Write;

/// Prints an expression as canonical text on one line.
#[must_use]
pub fn expr_text(expr: &Expr) -> String {
    let mut out = String::new();
    write_expr(&mut out, expr, 0);
    out
}

/// Prints a test as canonical text.
#[must_use]
pub fn test_text(test: &Test) -> String {
    let mut out = format!("test {} {{\n  on {}", str_text(&test.name.value), test.hook.name);
    for (i, (place, value)) in test.with.iter().enumerate() {
        out.push_str(if i == 0 { " with " } else { ", " });
        write_expr(&mut out, place, POSTFIX);
        let _ = write!(out, " = {}", expr_text(value));
    }
    for (i, expect) in test.expect.iter().enumerate() {
        out.push_str(if i == 0 { "\n  expect " } else { ", " });
        match expect {
            Expect::Allow(_) => out.push_str("allow"),
            Expect::Action(action) => out.push_str(&action_text(action)),
        }
    }
    out.push_str("\n}");
    out
}

/// Prints an action as canonical text.
#[must_use]
pub fn action_text(action: &Action) -> String {
    let with = |word: &str, name: &Option<Ident>| match name {
        Some(name) => format!("{word} {}", name.name),
        None => word.to_owned(),
    };
    let labelled = |word: &str, label: &Ident, on: &Option<Box<Expr>>| match on {
        Some(on) => format!("{word} {} on {}", label.name, expr_text(on)),
        None => format!("{word} {}", label.name),
    };
    match &action.kind {
        ActionKind::Deny { errno } => with("deny", errno),
        ActionKind::Kill { signal } => with("kill", signal),
        ActionKind::Mark { label, on } => labelled("mark", label, on),
        ActionKind::Unmark { label, on } => labelled("unmark", label, on),
        ActionKind::Audit(audit) => {
            let Audit { message, fields, limit } = &**audit;
            let mut out = "audit".to_owned();
            if let Some(message) = message {
                let _ = write!(out, " {}", str_text(&message.value));
            }
            for (i, field) in fields.iter().enumerate() {
                out.push_str(if i == 0 { " { " } else { ", " });
                if let Some(name) = &field.name {
                    let _ = write!(out, "{} = ", name.name);
                }
                out.push_str(&expr_text(&field.value));
            }
            if !fields.is_empty() {
                out.push_str(" }");
            }
            if let Some(limit) = limit {
                let _ = write!(out, " limit {}/{}", limit.count.value, limit.per.name);
            }
            out
        }
    }
}

/// Binding strength of an operator, from the loosest, as in the language reference.
fn level(op: BinaryOp) -> u8 {
    use BinaryOp::*;
    match op {
        Or => 1,
        And => 2,
        BitOr => 5,
        BitXor => 6,
        BitAnd => 7,
        Shl | Shr => 8,
        Add | Sub => 9,
        Mul | Div | Rem => 10,
        _ => 4,
    }
}

const NOT: u8 = 3;
const SIGN: u8 = 11;
const POSTFIX: u8 = 12;

fn commas(out: &mut String, all: &[Expr]) {
    for (i, one) in all.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        write_expr(out, one, 0);
    }
}

/// Writes `expr`, in parentheses if it binds looser than level `least`.
fn write_expr(out: &mut String, expr: &Expr, least: u8) {
    let own = match &expr.kind {
        ExprKind::Binary { op, .. } => level(*op),
        ExprKind::Unary { op: UnaryOp::Not, .. } => NOT,
        ExprKind::Unary { .. } => SIGN,
        _ => POSTFIX,
    };
    if own < least {
        out.push('(');
        write_expr(out, expr, 0);
        out.push(')');
        return;
    }
    match &expr.kind {
        ExprKind::Name(name) => out.push_str(name),
        ExprKind::Int(value) => {
            let _ = write!(out, "{value}");
        }
        ExprKind::Duration(value) => out.push_str(&duration_text(*value)),
        ExprKind::Str(value) => out.push_str(&str_text(value)),
        ExprKind::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        ExprKind::Null => out.push_str("null"),
        ExprKind::List(all) if all.is_empty() => out.push_str("{}"),
        ExprKind::List(all) => {
            out.push_str("{ ");
            commas(out, all);
            out.push_str(" }");
        }
        ExprKind::Tuple(all) => {
            out.push('(');
            commas(out, all);
            out.push(')');
        }
        ExprKind::Field { base, name } => {
            write_expr(out, base, POSTFIX);
            out.push('.');
            out.push_str(&name.name);
        }
        ExprKind::Index { base, index } => {
            write_expr(out, base, POSTFIX);
            out.push('[');
            write_expr(out, index, 0);
            out.push(']');
        }
        ExprKind::Call { function, args } => {
            out.push_str(&function.name);
            out.push('(');
            commas(out, args);
            out.push(')');
        }
        ExprKind::Any { every, name, of, body } => {
            out.push_str(if *every { "all " } else { "any " });
            out.push_str(&name.name);
            out.push_str(" in ");
            write_expr(out, of, POSTFIX);
            out.push_str(" { ");
            write_expr(out, body, 0);
            out.push_str(" }");
        }
        ExprKind::Cast { value, ty } => {
            write_expr(out, value, POSTFIX);
            out.push_str(" as ");
            out.push_str(&type_text(ty));
        }
        ExprKind::Unary { op, value, .. } => {
            let inner = match (op, &value.kind) {
                (UnaryOp::Not, ExprKind::Binary { op: BinaryOp::Is, left, right, .. }) => {
                    write_sides(out, left, "is not", right);
                    return;
                }
                (UnaryOp::Not, ExprKind::Binary { op, left, right, .. })
                    if matches!(op, BinaryOp::In | BinaryOp::Like | BinaryOp::Under | BinaryOp::Has) =>
                {
                    write_sides(out, left, &format!("not {}", op.text()), right);
                    return;
                }
                (UnaryOp::Not, _) => NOT,
                _ => SIGN,
            };
            out.push_str(match op {
                UnaryOp::Not => "not ",
                UnaryOp::Neg => "-",
                UnaryOp::Complement => "~",
            });
            // `- -x`, since `--` reads badly.
            write_expr(out, value, inner);
        }
        ExprKind::Binary { op, left, right, .. } => {
            if op.is_comparison() {
                write_sides(out, left, op.text(), right);
                return;
            }
            write_expr(out, left, own);
            let _ = write!(out, " {} ", op.text());
            write_expr(out, right, own + 1);
        }
        ExprKind::Error => out.push_str("..."),
    }
}

/// Writes a comparison, whose operands cannot be bare comparisons.
fn write_sides(out: &mut String, left: &Expr, word: &str, right: &Expr) {
    write_expr(out, left, 5);
    let _ = write!(out, " {word} ");
    write_expr(out, right, 5);
}

/// Prints a type as written.
#[must_use]
pub fn type_text(ty: &Type) -> String {
    match &ty.kind {
        TypeKind::Name(name) => name.clone(),
        TypeKind::Tuple(all) => format!("({})", all.iter().map(type_text).collect::<Vec<_>>().join(", ")),
    }
}

fn duration_text(value: u64) -> String {
    for (unit, scale) in [("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000)] {
        if value > 0 && value.is_multiple_of(scale) {
            return format!("{}{unit}", value / scale);
        }
    }
    format!("{}ms", value / 1_000_000)
}

/// Prints a string literal with its quotes.
#[must_use]
pub fn str_text(value: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in value.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                c if c.is_ascii_control() => {
                    let _ = write!(out, "\\x{:02x}", u32::from(c));
                }
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.push('"');
    out
}

/// Prints the tree of a file, for debugging.
#[must_use]
pub fn tree(file: &File) -> String {
    format!("{:#?}\n", file.items)
}

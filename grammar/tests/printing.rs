//! Printing of expressions: printed text parses to the same tree and has no redundant parentheses.
//!
//! `(a + b) * c` keeps its parentheses, and `(a * b) + c` is printed as `a * b + c`. The precedence of the
//! operators is repeated here, independently of the implementation, from the table in the language reference.

use krs_grammar::ast::*;
use krs_grammar::print::{action_text, expr_text, str_text, test_text, type_text};
use krs_grammar::{ast, parse};
use proptest::prelude::*;

/// Operators from the loosest to the tightest binding, as in the language reference.
const LEVELS: &[&[BinaryOp]] = &[
    &[BinaryOp::Or],
    &[BinaryOp::And],
    &[
        BinaryOp::Eq,
        BinaryOp::Ne,
        BinaryOp::Lt,
        BinaryOp::Le,
        BinaryOp::Gt,
        BinaryOp::Ge,
        BinaryOp::In,
        BinaryOp::Is,
        BinaryOp::Like,
        BinaryOp::Under,
        BinaryOp::Has,
    ],
    &[BinaryOp::BitOr],
    &[BinaryOp::BitXor],
    &[BinaryOp::BitAnd],
    &[BinaryOp::Shl, BinaryOp::Shr],
    &[BinaryOp::Add, BinaryOp::Sub],
    &[BinaryOp::Mul, BinaryOp::Div, BinaryOp::Rem],
];

/// Level of the comparisons, which cannot be chained.
const COMPARISONS: usize = 2;

fn operators() -> impl Iterator<Item = (usize, BinaryOp)> {
    LEVELS.iter().enumerate().flat_map(|(level, all)| all.iter().map(move |op| (level, *op)))
}

fn expr(kind: ExprKind) -> Expr {
    Expr { span: Span::default(), kind }
}

fn boxed(kind: ExprKind) -> Box<Expr> {
    Box::new(expr(kind))
}

fn ident(name: &str) -> Ident {
    Ident { name: name.to_owned(), span: Span::default() }
}

fn name(name: &str) -> Expr {
    expr(ExprKind::Name(name.to_owned()))
}

fn binary(op: BinaryOp, left: Expr, right: Expr) -> Expr {
    expr(ExprKind::Binary { op, op_span: Span::default(), left: Box::new(left), right: Box::new(right) })
}

fn unary(op: UnaryOp, value: Expr) -> Expr {
    expr(ExprKind::Unary { op, op_span: Span::default(), value: Box::new(value) })
}

/// The tree of `const x = TEXT`, or the codes of its errors.
fn read(text: &str) -> Result<Expr, Vec<&'static str>> {
    let mut parsed = parse(FileId(0), &format!("const x = {text}"));
    if !parsed.errors.is_empty() {
        return Err(parsed.errors.iter().map(|error| error.code).collect());
    }
    match parsed.file.items.pop().map(|item| item.kind) {
        Some(ItemKind::Const(item)) if parsed.file.items.is_empty() => Ok(*item.value),
        other => panic!("{text}: {other:?}"),
    }
}

/// The debug output of a tree without its spans.
fn without_spans(tree: &impl std::fmt::Debug) -> String {
    let text = format!("{tree:?}");
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("Span {") {
        out.push_str(before);
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    out + rest
}

#[test]
fn every_pair_of_operators_groups_by_its_level() {
    for (one, first) in operators() {
        for (two, second) in operators() {
            let text = format!("a {} b {} c", first.text(), second.text());
            if one == COMPARISONS && two == COMPARISONS {
                assert_eq!(read(&text), Err(vec!["KRS0011"]), "{text}");
                continue;
            }
            // Operators of the same level are left-associative.
            let tree = if one >= two {
                binary(second, binary(first, name("a"), name("b")), name("c"))
            } else {
                binary(first, name("a"), binary(second, name("b"), name("c")))
            };
            assert_eq!(read(&text).map(|found| without_spans(&found)), Ok(without_spans(&tree)), "{text}");
        }
    }
}

#[test]
fn parentheses_are_printed_where_they_are_needed() {
    for (one, outer) in operators() {
        for (two, inner) in operators() {
            let (op, other) = (outer.text(), inner.text());
            let left = binary(outer, binary(inner, name("a"), name("b")), name("c"));
            let needed = two < one || one == COMPARISONS && two == COMPARISONS;
            let text = if needed { format!("(a {other} b) {op} c") } else { format!("a {other} b {op} c") };
            assert_eq!(expr_text(&left), text);
            let right = binary(outer, name("a"), binary(inner, name("b"), name("c")));
            let text = if two <= one { format!("a {op} (b {other} c)") } else { format!("a {op} b {other} c") };
            assert_eq!(expr_text(&right), text);
        }
    }
}

#[test]
fn words_and_signs() {
    for (text, printed) in [
        ("not  a", "not a"),
        ("a<b or a<=b or a>b or a>=b or a==b or a!=b", "a < b or a <= b or a > b or a >= b or a == b or a != b"),
        ("not (a and b)", "not (a and b)"),
        ("not a and b", "not a and b"),
        ("not (a == b)", "not a == b"),
        ("not not a", "not not a"),
        ("(not a) == b", "(not a) == b"),
        ("a not in {1,2,}", "a not in { 1, 2 }"),
        ("not (a in b)", "a not in b"),
        ("not (a like b)", "a not like b"),
        ("not (a under b)", "a not under b"),
        ("not (a has b)", "a not has b"),
        ("not (a is b)", "a is not b"),
        ("a is not b or c", "a is not b or c"),
        ("(a not in b) == c", "(a not in b) == c"),
        ("-(a+b)", "-(a + b)"),
        ("-a * b", "-a * b"),
        ("-(a * b)", "-(a * b)"),
        ("- - a", "--a"),
        ("~-a.b", "~-a.b"),
        ("(-a).b", "(-a).b"),
        ("-a as u32", "-a as u32"),
        ("(-a) as u32", "(-a) as u32"),
        ("a as u32 as i64", "a as u32 as i64"),
        ("(a + b) as u32.c[1]", "(a + b) as u32.c[1]"),
        ("f()", "f()"),
        ("f( a,b+1 , )", "f(a, b + 1)"),
        ("(a,b) in c", "(a, b) in c"),
        ("x in { }", "x in {}"),
        ("a[b+1].c", "a[b + 1].c"),
        ("any a in t.ancestors{a.x==1 or b}", "any a in t.ancestors { a.x == 1 or b }"),
        ("not all a in t.b { a.c }", "not all a in t.b { a.c }"),
        ("true and false or null == null", "true and false or null == null"),
        ("0x10 + 4KiB", "16 + 4096"),
        ("90s", "90s"),
        ("60s", "1m"),
        ("120m", "2h"),
        ("1500ms", "1500ms"),
        ("0h", "0ms"),
    ] {
        let tree = read(text).unwrap_or_else(|codes| panic!("{text}: {codes:?}"));
        assert_eq!(expr_text(&tree), printed, "{text}");
        let again = read(printed).unwrap_or_else(|codes| panic!("{printed}: {codes:?}"));
        assert_eq!(without_spans(&again), without_spans(&tree), "{printed}");
    }
}

#[test]
fn strings_are_printed_with_their_escapes() {
    for (bytes, text) in [
        (&b"a\"b\\c"[..], r#""a\"b\\c""#),
        (b"\n\t\r\0\x7f", r#""\n\t\x0d\x00\x7f""#),
        ("é😀".as_bytes(), "\"é😀\""),
        (b"\xff\xc3", r#""\xff\xc3""#),
        (b"\xc3(", r#""\xc3(""#),
    ] {
        assert_eq!(str_text(bytes), text);
    }
}

#[test]
fn actions_and_types_are_printed_as_they_are_written() {
    for text in [
        "deny",
        "deny EACCES",
        "kill",
        "kill SIGTERM",
        "mark tainted",
        "mark tainted on file.inode",
        "unmark tainted",
        "unmark tainted on a[1].b",
        "audit",
        "audit \"m\\n\"",
        "audit { a, n = b + 1 }",
        "audit limit 5/s",
        "audit \"m\" { a } limit 100/h",
    ] {
        let parsed = parse(FileId(0), &format!("on h {text}"));
        assert_eq!(parsed.errors, [], "{text}");
        let ItemKind::Rule(rule) = &parsed.file.items[0].kind else { panic!("{text}") };
        assert_eq!(action_text(&rule.actions[0]), text);
    }
    for text in ["u32", "(cidr, u16)", "(u32, (a, b), c)"] {
        let parsed = parse(FileId(0), &format!("set s: {text} = {{ 1 }}"));
        let ItemKind::Set(set) = &parsed.file.items[0].kind else { panic!("{text}: {:?}", parsed.errors) };
        assert_eq!(type_text(&set.ty), text);
    }
}

fn any_name() -> impl Strategy<Value = String> {
    proptest::sample::select(vec!["a", "prot", "EXEC", "task", "from", "x_1", "_"]).prop_map(str::to_owned)
}

fn any_ident() -> impl Strategy<Value = Ident> {
    // Only unreserved words, since reserved words are names after a dot but not at the start of an expression.
    any_name().prop_map(|name| ident(&name))
}

fn any_type() -> impl Strategy<Value = Type> {
    let named = |kind| Type { span: Span::default(), kind };
    any_name().prop_map(move |name| named(TypeKind::Name(name))).prop_recursive(2, 6, 3, move |inner| {
        proptest::collection::vec(inner, 2..4).prop_map(move |all| named(TypeKind::Tuple(all)))
    })
}

fn any_expr() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        any_name().prop_map(ExprKind::Name),
        any::<u64>().prop_map(ExprKind::Int),
        (0u64..40_000_000).prop_map(|ms| ExprKind::Duration(ms * 1_000_000)),
        proptest::collection::vec(any::<u8>(), 0..6).prop_map(ExprKind::Str),
        any::<bool>().prop_map(ExprKind::Bool),
        Just(ExprKind::Null),
    ]
    .prop_map(expr);
    let ops: Vec<BinaryOp> = operators().map(|(_, op)| op).collect();
    leaf.prop_recursive(6, 40, 4, move |inner| {
        let one = inner.clone().prop_map(Box::new).boxed();
        prop_oneof![
            6 => (proptest::sample::select(ops.clone()), inner.clone(), inner.clone())
                .prop_map(|(op, left, right)| binary(op, left, right)),
            2 => (proptest::sample::select(vec![UnaryOp::Not, UnaryOp::Neg, UnaryOp::Complement]), inner.clone())
                .prop_map(|(op, value)| unary(op, value)),
            1 => (one.clone(), any_ident()).prop_map(|(base, name)| expr(ExprKind::Field { base, name })),
            1 => (one.clone(), one.clone()).prop_map(|(base, index)| expr(ExprKind::Index { base, index })),
            1 => (any_ident(), proptest::collection::vec(inner.clone(), 0..3))
                .prop_map(|(function, args)| expr(ExprKind::Call { function: Box::new(function), args })),
            1 => (one.clone(), any_type()).prop_map(|(value, ty)| expr(ExprKind::Cast { value, ty: Box::new(ty) })),
            1 => proptest::collection::vec(inner.clone(), 0..3).prop_map(|all| expr(ExprKind::List(all))),
            1 => proptest::collection::vec(inner, 2..4).prop_map(|all| expr(ExprKind::Tuple(all))),
            1 => (any::<bool>(), any_ident(), one.clone(), one).prop_map(|(every, name, of, body)| {
                expr(ExprKind::Any { every, name: Box::new(name), of, body })
            }),
        ]
    })
}

proptest! {
    #[test]
    fn printed_expressions_parse_to_the_same_tree(tree in any_expr()) {
        let text = expr_text(&tree);
        let again = read(&text);
        prop_assert!(again.is_ok(), "{text}: {again:?}");
        prop_assert_eq!(without_spans(&again.unwrap()), without_spans(&tree), "{}", text);
    }

    #[test]
    fn printed_tests_parse_to_the_same_tree(
        given in proptest::collection::vec((any_expr(), any_expr()), 0..3),
        field in any_expr(),
        message in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..4)),
    ) {
        // A place is a name with postfix operators.
        let place = |at: usize| boxed(ExprKind::Index { base: Box::new(name("a")), index: Box::new(given[at].0.clone()) });
        let message = message.map(|value| Str { value, span: Span::default() });
        let field = AuditField { name: Some(ident("f")), value: Box::new(field) };
        let action = |kind| Expect::Action(Action { span: Span::default(), kind });
        let test = ast::Test {
            name: Str { value: b"t\"".to_vec(), span: Span::default() },
            hook: ident("file_open"),
            with: (0..given.len()).map(|at| (place(at), Box::new(given[at].1.clone()))).collect(),
            expect: vec![
                action(ActionKind::Deny { errno: Some(ident("EACCES")) }),
                action(ActionKind::Audit(Box::new(Audit { message, fields: vec![field], limit: None }))),
            ],
        };
        let text = test_text(&test);
        let parsed = parse(FileId(0), &text);
        prop_assert_eq!(&parsed.errors, &[], "{}", text);
        let ItemKind::Test(again) = &parsed.file.items[0].kind else { panic!("{text}") };
        prop_assert_eq!(without_spans(again), without_spans(&test), "{}", text);
    }
}

//! Types of operators, constants and their ranges.
//!
//! Arithmetic on narrower integers is done in 32 bits. The common type of two integers is the smallest of
//! `u32`, `i32`, `u64` and `i64` that holds all values of both; if there is none, a cast is required.

use std::collections::BTreeMap;

use crate::{codes_by_line, compare, condition, typed};

const TYPES: [&str; 8] = ["u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64"];

/// The type of `x + y`: rows for `x`, columns for `y`, both in the order of [`TYPES`].
const MEET: [[&str; 8]; 8] = [
    ["u32", "u32", "u32", "u64", "i32", "i32", "i32", "i64"],
    ["u32", "u32", "u32", "u64", "i32", "i32", "i32", "i64"],
    ["u32", "u32", "u32", "u64", "i64", "i64", "i64", "i64"],
    ["u64", "u64", "u64", "u64", "-", "-", "-", "-"],
    ["i32", "i32", "i64", "-", "i32", "i32", "i32", "i64"],
    ["i32", "i32", "i64", "-", "i32", "i32", "i32", "i64"],
    ["i32", "i32", "i64", "-", "i32", "i32", "i32", "i64"],
    ["i64", "i64", "i64", "-", "i64", "i64", "i64", "i64"],
];

/// The minimum and the maximum of each type.
const LIMITS: [(&str, i128, i128); 8] = [
    ("u8", 0, 255),
    ("u16", 0, 65_535),
    ("u32", 0, 4_294_967_295),
    ("u64", 0, 18_446_744_073_709_551_615),
    ("i8", -128, 127),
    ("i16", -32_768, 32_767),
    ("i32", -2_147_483_648, 2_147_483_647),
    ("i64", -9_223_372_036_854_775_808, 9_223_372_036_854_775_807),
];

/// Types and values of expressions, as named fields of an event (at most 64).
fn fields(all: &[(String, String)]) -> BTreeMap<String, (String, String)> {
    let written: Vec<String> = all.iter().map(|(name, expr)| format!("{name} = {expr}")).collect();
    let text = typed(&format!("on file_open audit {{ {} }}", written.join(", ")));
    let field = |line: &str| {
        let (name, rest) = line.strip_prefix("    ")?.split_once(": ")?;
        let (ty, value) = rest.split_once(" = ")?;
        Some((name.to_owned(), (ty.to_owned(), value.to_owned())))
    };
    text.lines().filter_map(field).collect()
}

/// Type and value of an expression.
fn field(expr: &str) -> (String, String) {
    let mut found = fields(&[("x".to_owned(), expr.to_owned())]);
    found.remove("x").unwrap_or_else(|| panic!("{expr}"))
}

fn pairs() -> impl Iterator<Item = (usize, usize)> {
    (0..8).flat_map(|x| (0..8).map(move |y| (x, y)))
}

#[test]
fn arithmetic_of_every_pair_of_types() {
    for op in ["+", "-", "*", "&", "|", "^"] {
        let all: Vec<(String, String)> = pairs()
            .filter(|(x, y)| MEET[*x][*y] != "-")
            .map(|(x, y)| {
                let (a, b) = (TYPES[x], TYPES[y]);
                (format!("{a}_{b}"), format!("(task.uid as {a}) {op} (task.gid as {b})"))
            })
            .collect();
        let found = fields(&all);
        compare(pairs().filter(|(x, y)| MEET[*x][*y] != "-").map(|(x, y)| {
            let (ty, value) = &found[&format!("{}_{}", TYPES[x], TYPES[y])];
            let operator = value.split(' ').next().unwrap_or("").trim_start_matches('(');
            let row = format!("{} {op} {}", TYPES[x], TYPES[y]);
            (row, (ty.as_str(), operator.to_owned()), (MEET[x][y], op.to_owned()))
        }));
    }
}

#[test]
fn types_without_a_common_type() {
    let without: Vec<(usize, usize)> = pairs().filter(|(x, y)| MEET[*x][*y] == "-").collect();
    let rule = |(x, y): &(usize, usize)| {
        format!("on file_open when (task.uid as {}) + (task.gid as {}) == 7 deny", TYPES[*x], TYPES[*y])
    };
    let lines: Vec<String> = without.iter().map(rule).collect();
    let found = codes_by_line(&lines);
    compare(lines.into_iter().zip(found).map(|(line, found)| (line, found, ["KRS0308"].into())));
}

/// The amount of a shift may have any type; the result has the type of the left operand.
#[test]
fn shifts_of_every_pair_of_types() {
    let promoted = |ty: &str| match ty {
        "u8" | "u16" => "u32".to_owned(),
        "i8" | "i16" => "i32".to_owned(),
        wide => wide.to_owned(),
    };
    for op in ["<<", ">>"] {
        let expr = |x: usize, y: usize| format!("(task.uid as {}) {op} (task.gid as {})", TYPES[x], TYPES[y]);
        let all: Vec<_> = pairs().map(|(x, y)| (format!("{}_{}", TYPES[x], TYPES[y]), expr(x, y))).collect();
        let found = fields(&all);
        compare(pairs().map(|(x, y)| {
            let ty = found[&format!("{}_{}", TYPES[x], TYPES[y])].0.clone();
            (expr(x, y), ty, promoted(TYPES[x]))
        }));
    }
}

/// Values of different types are compared by value, without conversion; every pair is accepted.
#[test]
fn comparisons_of_every_pair_of_types() {
    for op in ["==", "!=", "<", "<=", ">", ">="] {
        let rule = |(x, y): (usize, usize)| {
            format!("on file_open when (task.uid as {}) {op} (task.gid as {}) deny", TYPES[x], TYPES[y])
        };
        let text = typed(&pairs().map(rule).collect::<Vec<_>>().join("\n"));
        let found: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("  when ")).collect();
        let value = |name: &str, ty: &str| if ty == "u32" { name.to_owned() } else { format!("({ty} {name})") };
        let wanted: Vec<String> = pairs()
            .map(|(x, y)| format!("({op} {} {})", value("task.uid", TYPES[x]), value("task.gid", TYPES[y])))
            .collect();
        assert_eq!(found, wanted);
    }
}

#[test]
fn arithmetic_with_a_constant() {
    compare(
        [
            ("(task.uid as u8) + 1", "u32"),
            ("(task.uid as u16) + 1", "u32"),
            ("task.uid + 1", "u32"),
            ("(task.uid as u64) + 1", "u64"),
            ("(task.uid as i8) + 1", "i32"),
            ("(task.uid as i16) - 1", "i32"),
            ("(task.uid as i32) * 2", "i32"),
            ("(task.uid as i64) + 1", "i64"),
            ("10 - task.uid", "u32"),
            ("10 - (task.uid as i8)", "i32"),
            // A constant outside of the type's range widens the type.
            ("(task.uid as u8) + 4294967295", "u32"),
            ("(task.uid as u8) + 4294967296", "u64"),
            ("(task.uid as u8) + (-1)", "i32"),
            ("(task.uid as u16) + (-2147483648)", "i32"),
            ("(task.uid as u16) + (-2147483649)", "i64"),
            ("task.uid + (-1)", "i64"),
            ("task.uid + 4294967296", "u64"),
            ("(task.uid as i8) + 2147483647", "i32"),
            ("(task.uid as i8) + 2147483648", "i64"),
            ("(task.uid as i32) - 2147483648", "i64"),
            ("task.uid / 3", "u32"),
            ("(task.uid as u8) / 3", "u32"),
            ("(task.uid as i8) % 3", "i32"),
            ("(task.uid as i64) / (-1)", "i64"),
            ("task.uid / (-1)", "i64"),
            // Bit operations keep width and sign.
            ("(task.uid as u8) & 255", "u8"),
            ("(task.uid as u8) | 1", "u8"),
            ("(task.uid as u8) ^ (-128)", "u8"),
            ("(task.uid as i8) & 255", "i8"),
            ("(task.uid as u16) & 1", "u16"),
            ("(task.uid as i32) | 4294967295", "i32"),
            ("(task.uid as u64) & 18446744073709551615", "u64"),
            ("~(task.uid as u8)", "u8"),
            ("~task.uid", "u32"),
            ("~(task.uid as i16)", "i16"),
            ("-(task.uid as i8)", "i32"),
            ("-(task.uid as i32)", "i32"),
            ("-(task.uid as i64)", "i64"),
            ("(task.uid as u8) << 31", "u32"),
            ("(task.uid as i16) >> 31", "i32"),
            ("(task.uid as u64) << 63", "u64"),
            ("task.uid >> 0", "u32"),
            ("1 << task.uid", "u64"),
            ("(-1) << task.uid", "i64"),
            ("(task.uid == 0) as u32", "u32"),
            ("(task.uid == 0) as i8", "i8"),
            ("task.uid == 0", "bool"),
            ("now", "u64"),
            ("task.uid as u8 as u64", "u64"),
        ]
        .into_iter()
        .map(|(expr, ty)| (expr.to_owned(), field(expr).0, ty.to_owned())),
    );
}

#[test]
fn invalid_operands() {
    let rows = [
        ("(task.uid as u64) + (-1) == 0", "KRS0302"),
        ("(task.uid as i64) + 9223372036854775808 == 0", "KRS0302"),
        ("(task.uid as i32) + 18446744073709551615 == 0", "KRS0302"),
        ("(task.uid as u8) & 256 == 0", "KRS0302"),
        ("(task.uid as u8) | (-129) == 0", "KRS0302"),
        ("(task.uid as i8) ^ 256 == 0", "KRS0302"),
        ("task.uid & 4294967296 == 0", "KRS0302"),
        ("(task.uid as u8) has 256", "KRS0302"),
        ("task.uid has 0", "KRS0337"),
        ("task.uid / 0 == 1", "KRS0304"),
        ("task.uid % 0 == 1", "KRS0304"),
        ("7 / task.uid == 1", "KRS0304"),
        ("task.uid / task.gid == 1", "KRS0304"),
        ("task.uid << 32 == 1", "KRS0338"),
        ("task.uid >> (-1) == 1", "KRS0338"),
        ("(task.uid as u8) << 32 == 1", "KRS0338"),
        ("(task.uid as u64) << 64 == 1", "KRS0338"),
        ("-task.uid == 1", "KRS0341"),
        ("-(task.uid as u64) == 1", "KRS0341"),
        ("task.comm + 1 == 1", "KRS0307"),
        ("task.comm & 1", "KRS0307"),
        ("-task.comm == 1", "KRS0307"),
        ("(task.uid == 0) & (task.gid == 0)", "KRS0307"),
        ("task.comm has 1", "KRS0307"),
        ("task.uid has task.gid", "KRS0303"),
        ("task.comm as u32 == 1", "KRS0306"),
        ("task.uid as bool", "KRS0306"),
        ("task.uid as nothing == 1", "KRS0102"),
        ("task.uid as (u8, u8) == 1", "KRS0306"),
        ("file as u64 == 1", "KRS0306"),
        ("task.uid", "KRS0301"),
        ("task.uid + 1", "KRS0301"),
        ("task.uid | 1", "KRS0301"),
        ("task.comm", "KRS0301"),
        ("file", "KRS0301"),
        ("task", "KRS0301"),
        ("7", "KRS0301"),
        ("null", "KRS0301"),
        ("\"text\"", "KRS0301"),
        ("task.uid == \"x\"", "KRS0344"),
        ("task.comm == 5", "KRS0344"),
        ("file == 5", "KRS0344"),
        ("task.comm < \"x\"", "KRS0331"),
        ("file < null", "KRS0331"),
        ("task.uid == null", "KRS0330"),
        ("file.f_path == null", "KRS0330"),
        ("task.uid in {}", "KRS0332"),
        ("task.uid in { 1, \"x\" }", "KRS0333"),
        ("task.comm in { \"x\", 1 }", "KRS0333"),
        ("task.uid in { task.gid }", "KRS0303"),
        ("task.uid in { 4294967296 }", "KRS0302"),
        ("task.uid in { -1 }", "KRS0302"),
        ("task.uid in 5", "KRS0300"),
        // 16 bytes hold 15 characters and the NUL, the maximum for the name of a task.
        ("task.comm == \"0123456789abcdef\"", "KRS0335"),
        ("task.comm == \"0123456789abcdefg\"", "KRS0335"),
        ("task.comm == \"a\\x00\"", "KRS0336"),
        ("task.comm in { \"0123456789abcdef\" }", "KRS0335"),
    ];
    let lines: Vec<String> = rows.iter().map(|(when, _)| format!("on file_open when {when} deny")).collect();
    let found = codes_by_line(&lines);
    compare(rows.iter().zip(found).map(|((when, code), found)| ((*when).to_owned(), found, [*code].into())));
    assert_eq!(condition("task.comm == \"0123456789abcde\""), "(in task.comm {\"0123456789abcde\"})");
}

/// Constant arithmetic is exact, rounds towards zero, and must fit into 64 bits.
#[test]
fn constants_are_folded() {
    compare(
        [
            ("1 + 2 * 3", "u64", "7"),
            ("(1 + 2) * 3", "u64", "9"),
            ("7 / 2", "u64", "3"),
            ("-7 / 2", "i64", "-3"),
            ("-7 % 2", "i64", "-1"),
            ("7 % (-2)", "u64", "1"),
            ("6 & 3", "u64", "2"),
            ("6 | 3", "u64", "7"),
            ("6 ^ 3", "u64", "5"),
            ("6 - 3 - 2", "u64", "1"),
            ("5 - 7", "i64", "-2"),
            ("1 << 63", "u64", "9223372036854775808"),
            ("-1 << 63", "i64", "-9223372036854775808"),
            ("256 >> 4", "u64", "16"),
            ("-8 >> 1", "i64", "-4"),
            ("18446744073709551615 - 1", "u64", "18446744073709551614"),
            ("18446744073709551614 + 1", "u64", "18446744073709551615"),
            ("-9223372036854775807 - 1", "i64", "-9223372036854775808"),
            ("9223372036854775807 * 2", "u64", "18446744073709551614"),
            ("300 as u8", "u8", "44"),
            ("(-1) as u8", "u8", "255"),
            ("128 as i8", "i8", "-128"),
            ("127 as i8", "i8", "127"),
            ("65536 as u16", "u16", "0"),
            ("10s - 500ms", "u64", "9500000000"),
            ("4KiB", "u64", "4096"),
            ("0x10 | 0b1 | 0o100", "u64", "81"),
        ]
        .into_iter()
        .map(|(expr, ty, value)| (expr.to_owned(), field(expr), (ty.to_owned(), value.to_owned()))),
    );
    let rows = [
        ("18446744073709551615 + 1", "KRS0339"),
        ("-9223372036854775808 - 1", "KRS0339"),
        ("4294967296 * 4294967296", "KRS0339"),
        ("1 << 64", "KRS0339"),
        ("1 << (-1)", "KRS0339"),
        ("1 >> 64", "KRS0339"),
        ("3 << 63", "KRS0339"),
        ("1 / 0", "KRS0304"),
        ("1 % 0", "KRS0304"),
    ];
    let lines: Vec<String> = rows.iter().map(|(expr, _)| format!("on file_open audit {{ x = {expr} }}")).collect();
    let found = codes_by_line(&lines);
    compare(rows.iter().zip(found).map(|((expr, code), found)| ((*expr).to_owned(), found, [*code].into())));
}

#[test]
fn comparisons_of_constants_are_folded() {
    // 1, 2 and 3, each compared with 2.
    let rows = [
        ("==", [false, true, false]),
        ("!=", [true, false, true]),
        ("<", [true, false, false]),
        ("<=", [true, true, false]),
        (">", [false, false, true]),
        (">=", [false, true, true]),
    ];
    for (op, wanted) in rows {
        for (left, wanted) in (1..=3).zip(wanted) {
            assert_eq!(condition(&format!("{left} {op} 2")), wanted.to_string(), "{left} {op} 2");
        }
    }
    assert_eq!(condition("\"a\" == \"a\""), "true");
    assert_eq!(condition("\"a\" != \"a\""), "false");
    assert_eq!(condition("null == null"), "true");
    assert_eq!(condition("null != null"), "false");
}

/// A comparison with the constant on the left equals the mirrored one with the constant on the right.
#[test]
fn mirrored_comparisons() {
    compare(
        [
            ("500 == task.uid", "(== task.uid 500)"),
            ("500 != task.uid", "(!= task.uid 500)"),
            ("500 < task.uid", "(> task.uid 500)"),
            ("500 <= task.uid", "(>= task.uid 500)"),
            ("500 > task.uid", "(< task.uid 500)"),
            ("500 >= task.uid", "(<= task.uid 500)"),
            ("task.uid < 500", "(< task.uid 500)"),
            ("task.uid <= 500", "(<= task.uid 500)"),
            ("task.uid > 500", "(> task.uid 500)"),
            ("task.uid >= 500", "(>= task.uid 500)"),
            ("\"a\" == task.comm", "(in task.comm {\"a\"})"),
            ("\"a\" != task.comm", "(not (in task.comm {\"a\"}))"),
            ("null == file.f_security", "(null file->f_security)"),
            ("null != file.f_security", "(not (null file->f_security))"),
        ]
        .into_iter()
        .map(|(when, typed)| (when.to_owned(), condition(when), typed.to_owned())),
    );
}

#[test]
fn logic_folds_constants() {
    compare(
        [
            ("task.uid == 1 and true", "(== task.uid 1)"),
            ("false and task.uid == 1", "false"),
            ("task.uid == 1 or false", "(== task.uid 1)"),
            ("true or task.uid == 1", "true"),
            ("not (not (task.uid == 1))", "(== task.uid 1)"),
            ("not true", "false"),
            ("task.uid == 1 and task.gid == 2", "(and (== task.uid 1) (== task.gid 2))"),
            ("task.uid == 1 or task.gid == 2", "(or (== task.uid 1) (== task.gid 2))"),
            ("task.uid & 4", "(bits (& task.uid 4))"),
            ("task.uid has 6", "(has task.uid 0x6)"),
            ("(task.uid as i8) has (-1)", "(has (i8 task.uid) 0xff)"),
            ("task.uid in { 1, 2, 1 }", "(in task.uid {1 2})"),
            ("task.uid not in { 1 }", "(not (in task.uid {1}))"),
            ("task.comm in { \"a\", \"b\", \"a\" }", "(in task.comm {\"a\" \"b\"})"),
            (
                "(task.uid == 1) == (task.gid == 2)",
                "(or (and (== task.uid 1) (== task.gid 2)) (and (not (== task.uid 1)) (not (== task.gid 2))))",
            ),
        ]
        .into_iter()
        .map(|(when, typed)| (when.to_owned(), condition(when), typed.to_owned())),
    );
}

/// A comparison with a constant outside of the type's range is an error; one that is decided by the type alone
/// is a warning.
#[test]
fn comparisons_at_the_limits_of_every_type() {
    let mut rows: Vec<(String, Option<&str>)> = Vec::new();
    for (ty, least, most) in LIMITS {
        let value = format!("(task.uid as {ty})");
        for (op, mirrored) in [("==", "=="), ("!=", "!="), ("<", ">"), ("<=", ">="), (">", "<"), (">=", "<=")] {
            for number in [least - 1, least, least + 1, most - 1, most, most + 1] {
                // No literal exceeds the maximum of u64.
                if number > i128::from(u64::MAX) {
                    continue;
                }
                let wanted = if number < least || number > most {
                    Some("KRS0302")
                } else {
                    match op {
                        "<" | ">=" if number == least => Some("KRS0901"),
                        ">" | "<=" if number == most => Some("KRS0901"),
                        _ => None,
                    }
                };
                rows.push((format!("{value} {op} {number}"), wanted));
                rows.push((format!("{number} {mirrored} {value}"), wanted));
            }
        }
    }
    let lines: Vec<String> = rows.iter().map(|(when, _)| format!("on file_open when {when} deny")).collect();
    let found = codes_by_line(&lines);
    // Lints do not run after errors, so that a comparison that is never true has no second warning.
    compare(rows.into_iter().zip(found).map(|((when, wanted), found)| (when, found, wanted.into_iter().collect())));
}

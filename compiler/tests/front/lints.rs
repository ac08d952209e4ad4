//! Warnings at their boundaries: for each, a case that triggers it and the nearest one that does not.
//!
//! Warnings about conditions on integers are compared with an exhaustive evaluation: `never-fires` is reported
//! only if no value satisfies the condition, and always for simple conditions.

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::{codes, codes_by_line, compare, typed_on};

/// Pairs of a general and a special rule, and true if the general one makes the other redundant.
#[test]
fn subsumed_rules() {
    compare(
        [
            ("on file_open deny", "on file_open when task.uid == 0 deny", true),
            // Actions: the general rule must have all of them.
            ("on file_open deny kill", "on file_open when task.uid == 0 deny", true),
            ("on file_open deny kill", "on file_open when task.uid == 0 deny kill", true),
            ("on file_open deny kill", "on file_open when task.uid == 0 deny kill SIGKILL", true),
            ("on file_open deny kill SIGTERM", "on file_open when task.uid == 0 deny kill SIGTERM", true),
            ("on file_open deny kill SIGTERM", "on file_open when task.uid == 0 deny kill", false),
            ("on file_open deny kill", "on file_open when task.uid == 0 deny kill SIGTERM", false),
            ("on file_open deny", "on file_open when task.uid == 0 deny kill", false),
            ("on file_open audit", "on file_open when task.uid == 0 deny", false),
            ("on file_open kill", "on file_open when task.uid == 0 deny", false),
            ("on file_open deny", "on file_open when task.uid == 0 deny audit", false),
            ("on file_open deny audit", "on file_open when task.uid == 0 deny audit", true),
            ("on file_open audit \"m\"", "on file_open when task.uid == 0 audit \"m\"", true),
            ("on file_open audit \"m\"", "on file_open when task.uid == 0 audit", false),
            ("on file_open audit \"m\"", "on file_open when task.uid == 0 audit \"n\"", false),
            ("on file_open audit { task.uid }", "on file_open when task.uid == 0 audit { task.gid }", false),
            ("on file_open audit { a = task.uid }", "on file_open when task.uid == 0 audit { b = task.uid }", false),
            ("on file_open audit { task.uid }", "on file_open when task.uid == 0 audit", true),
            // A rate limit can suppress an event.
            ("on file_open audit limit 1/s", "on file_open when task.uid == 0 audit", false),
            ("on file_open audit limit 1/s", "on file_open when task.uid == 0 audit limit 1/s", false),
            ("on file_open audit", "on file_open when task.uid == 0 audit limit 1/s", true),
            // The errno must be the same.
            ("on file_open deny EACCES", "on file_open when task.uid == 0 deny EACCES", true),
            ("on file_open deny EACCES", "on file_open when task.uid == 0 deny", false),
            ("on file_open deny EPERM", "on file_open when task.uid == 0 deny", true),
            // Events of differently named rules differ.
            ("a: on file_open deny", "b: on file_open when task.uid == 0 deny", true),
            ("a: on file_open audit", "b: on file_open when task.uid == 0 audit", false),
            ("a: on file_open audit", "on file_open when task.uid == 0 audit", true),
            // Modes and other attributes must be the same.
            ("@permissive on file_open deny", "on file_open when task.uid == 0 deny", false),
            ("on file_open deny", "@permissive on file_open when task.uid == 0 deny", false),
            ("@permissive on file_open deny", "@permissive on file_open when task.uid == 0 deny", true),
            ("@severity(low) on file_open deny", "@severity(high) on file_open when task.uid == 0 deny", false),
            ("@severity(low) on file_open deny", "@severity(low) on file_open when task.uid == 0 deny", true),
            // A rule that is active on some kernels only does not cover others.
            ("on file_open deny", "@since(\"6.1\") on file_open when task.uid == 0 deny", true),
            ("@since(\"6.1\") on file_open deny", "on file_open when task.uid == 0 deny", false),
            ("@since(\"6.1\") on file_open deny", "@since(\"6.12\") on file_open when task.uid == 0 deny", false),
            // Conditions: the special one must imply the general one.
            ("on file_open when task.uid < 5 deny", "on file_open when task.uid < 5 deny EACCES", false),
            ("on file_open when task.uid < 5 deny", "on file_open when task.uid <= 4 deny", true),
            ("on file_open unless task.gid == 1 deny", "on file_open when task.uid == 0 deny", false),
            ("on file_open unless task.gid == 1 deny", "on file_open when task.gid == 2 deny", true),
            ("on file_open deny", "on file_open unless task.gid == 1 deny", true),
            ("on file_lock deny", "on file_open when task.uid == 0 deny", false),
        ]
        .into_iter()
        .flat_map(|(general, special, wanted)| {
            let found = |one: &str, two: &str| codes(&format!("{one}\n{two}")).contains(&"KRS0903");
            [
                (format!("{general}\n{special}"), found(general, special), wanted),
                (format!("{special}\n{general}"), found(special, general), wanted),
            ]
        }),
    );
}

#[test]
fn subsumed_marks() {
    let found = |general: &str, special: &str| {
        let text = format!(
            "label a on task label b on task\nn: on file_open {general}\nm: on file_open when task.uid == 0 {special}\n\
             on file_lock when task is a or task is b deny mark a mark b"
        );
        codes(&text).contains(&"KRS0903")
    };
    assert!(found("mark a", "mark a"));
    assert!(found("mark a mark b", "mark b"));
    assert!(!found("mark a", "mark b"));
    assert!(!found("mark a", "unmark a"));
    assert!(!found("mark a", "mark a mark b"));
    assert!(!found("deny", "deny mark a"));
}

/// Without the first rule, the errno of a rule between the two would apply.
#[test]
fn errnos_between_two_rules() {
    let found = |rules: [&str; 3]| codes(&rules.map(|rule| format!("on file_open when {rule}")).join("\n"));
    assert_eq!(found(["task.uid == 0 deny", "task.gid == 0 deny EACCES", "task.uid < 5 deny"]), [""; 0]);
    assert_eq!(found(["task.uid == 0 deny", "task.gid == 0 deny", "task.uid < 5 deny"]), ["KRS0903"]);
    assert_eq!(found(["task.gid == 0 deny EACCES", "task.uid == 0 deny", "task.uid < 5 deny"]), ["KRS0903"]);
    assert_eq!(found(["task.uid == 0 deny", "task.gid == 0 audit", "task.uid < 5 deny"]), ["KRS0903"]);
}

/// Conditions that no value satisfies, each next to one that a single value satisfies.
#[test]
fn rules_that_never_match() {
    let rows = [
        ("task.uid < 3 and task.uid > 3", true),
        ("task.uid < 4 and task.uid > 2", false),
        ("task.uid <= 2 and task.uid >= 3", true),
        ("task.uid <= 3 and task.uid >= 3", false),
        ("task.uid in { 1, 2 } and task.uid in { 3, 4 }", true),
        ("task.uid in { 1, 2 } and task.uid in { 2, 3 }", false),
        ("task.uid in { 1, 2 } and task.uid != 1 and task.uid != 2", true),
        ("task.uid in { 1, 2, 3 } and task.uid != 1 and task.uid != 2", false),
        // Bits and order, with more values than are enumerated: 300 is 0b100101100.
        ("task.uid <= 300 and task.uid has 300", false),
        ("task.uid <= 299 and task.uid has 300", true),
        ("task.uid < 300 and task.uid has 300", true),
        ("task.uid <= 1024 and task.uid & 1024", false),
        ("task.uid < 1024 and task.uid & 1024", true),
        // A lossless conversion preserves the range of its operand.
        ("(task.uid as u64) > 4294967295", true),
        ("(task.uid as u64) >= 4294967295", false),
        ("(now >= 0xffff_ffff_ffff_f800) and now & 0x7ff == 0", false),
        ("(now >= 0xffff_ffff_ffff_f801) and now & 0x7ff == 0", true),
        ("task.uid & 12 == 8 and task.uid & 8 == 0", true),
        ("task.uid & 12 == 8 and task.uid & 4 == 0", false),
        ("task.uid & 12 == 3", true),
        ("task.uid & 12 == 4", false),
        ("task.uid & 12 > 12", true),
        ("task.uid & 12 >= 12", false),
        ("task.uid has 6 and not (task.uid has 4)", true),
        ("task.uid has 6 and not (task.uid has 12)", false),
        ("task.uid & 6 and not (task.uid & 6)", true),
        ("task.uid & 6 and not (task.uid & 4)", false),
        ("task.uid % 4 == 4", true),
        ("task.uid % 4 == 3", false),
        ("task.uid / 16 > 268435455", true),
        ("task.uid / 16 >= 268435455", false),
        ("task.uid == task.gid and task.uid < task.gid", true),
        ("task.uid <= task.gid and task.uid >= task.gid", false),
        ("task.uid < task.gid and task.gid < task.uid", true),
        ("task.uid < task.gid and task.gid > task.uid", false),
        ("task.uid != task.uid", true),
        ("task.comm == \"a\" and task.comm in { \"b\", \"c\" }", true),
        ("task.comm == \"a\" and task.comm in { \"a\", \"c\" }", false),
        ("file.path under \"/etc\" and file.path == \"/etc\"", false),
        ("file.path under \"/etc\" and file.path == \"/etcetera\"", true),
        ("file.path under \"/etc\" and file.path under \"/etc/ssl\"", false),
        ("file.path under \"/etc\" and file.path under \"/etcetera\"", true),
        ("starts_with(file.path, \"/usr/lib\") and starts_with(file.path, \"/usr/li\")", false),
        ("starts_with(file.path, \"/usr/lib\") and starts_with(file.path, \"/usr/bin\")", true),
        ("ends_with(file.path, \".so\") and ends_with(file.path, \"x.so\")", false),
        ("ends_with(file.path, \".so\") and ends_with(file.path, \".ko\")", true),
        ("starts_with(file.path, \"/a/b\") and not starts_with(file.path, \"/a\")", true),
        ("starts_with(file.path, \"/a\") and not starts_with(file.path, \"/a/b\")", false),
        ("contains(file.path, \"abc\") and not contains(file.path, \"b\")", true),
        ("contains(file.path, \"b\") and not contains(file.path, \"abc\")", false),
        ("file.path like \"/etc/*\" and file.path == \"/etc/passwd\"", false),
        ("file.path like \"/etc/*\" and file.path == \"/etc/ssl/x\"", true),
    ];
    let lines: Vec<String> =
        rows.iter().map(|(when, _)| format!("on file_open when {when} audit {{ task.pid }}")).collect();
    let found = codes_by_line(&lines);
    compare(
        rows.iter().zip(found).map(|((when, never), found)| ((*when).to_owned(), found.contains("KRS0902"), *never)),
    );
}

#[test]
fn other_warnings() {
    compare(
        [
            // An `unless` that is true wherever the `when` is.
            ("on file_open when task.uid < 3 unless task.uid <= 2 deny", vec!["KRS0905"]),
            ("on file_open when task.uid <= 3 unless task.uid <= 2 deny", vec![]),
            ("on file_open when task.uid == 3 and task.gid == 4 unless task.gid in { 4 } deny", vec!["KRS0905"]),
            ("on file_open when task.uid == 3 or task.gid == 4 unless task.gid in { 4 } deny", vec![]),
            // A condition with a constant result.
            ("on file_open when task.uid < 5 or task.uid > 4 deny", vec!["KRS0901"]),
            ("on file_open when task.uid < 5 or task.uid > 5 deny", vec![]),
            ("on file_open when file.f_flags & 3 <= 3 deny", vec!["KRS0901"]),
            ("on file_open when file.f_flags & 3 <= 2 deny", vec![]),
            // A pointer in an event.
            ("on file_open audit { file }", vec!["KRS0906"]),
            ("on file_open audit { file.f_flags }", vec![]),
            // A wildcard in a comparison with `==`.
            ("on file_open when task.comm == \"a*\" deny", vec!["KRS0909"]),
            ("on file_open when task.comm like \"a*\" deny", vec![]),
            // The access mode is a two-bit number (O_WRONLY is 1) next to other flags.
            ("on file_open when file.flags == O_WRONLY deny", vec!["KRS0910"]),
            ("on file_open when file.flags & O_ACCMODE == O_WRONLY audit", vec![]),
            // The mode of `chmod 777` is 0o777.
            ("on path_chmod when mode == 777 deny", vec!["KRS0911"]),
            ("on path_chmod when mode == 0o777 deny", vec![]),
            // A file name contains no slash.
            ("on file_open when file.name == \"/etc/passwd\" deny", vec!["KRS0912"]),
            ("on file_open when file.name == \"passwd\" deny", vec![]),
            // S_IFDIR is 0o040000 and S_IFBLK is 0o060000, which contains the former's bit.
            ("on file_open when file.inode.mode & S_IFDIR deny", vec!["KRS0913"]),
            ("on file_open when file.inode.mode & S_IFMT == S_IFDIR deny", vec![]),
            // Items that are never used.
            ("const A = 1 on file_ioctl deny", vec!["KRS0904"]),
            ("const _A = 1 on file_ioctl deny", vec![]),
            ("set s: u32 = { 1 } on file_ioctl deny", vec!["KRS0904"]),
            ("param p: u32 = 1 on file_ioctl deny", vec!["KRS0904"]),
            ("label l on task on file_ioctl deny", vec!["KRS0904"]),
            ("label l on task on file_open when task is l deny", vec!["KRS0904"]),
            ("label l on task on file_open mark l", vec!["KRS0904"]),
            ("label l on task on file_open when task is not l mark l", vec![]),
            ("const A = 1 on file_open audit { task.uid == A }", vec![]),
            ("const A = 1 set s: u32 = { A } on file_open when task.uid in s deny", vec![]),
            ("const A = 1 flags F: u32 { B = A } on file_open when task.uid & F_B deny", vec![]),
        ]
        .into_iter()
        .map(|(text, wanted)| (text.to_owned(), codes(text), wanted)),
    );
}

#[test]
fn levels_of_warnings() {
    use krsic::lint::levels::{Level, Levels};
    use krsic::{Options, Source, Stage};
    let run = |set: &[(&str, Level)]| {
        let mut levels = Levels::default();
        for (name, level) in set {
            levels.set(name, *level).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        // The policy has two kinds of warning.
        let text = "const A = 1 on file_open audit { file }";
        let files = [Source { name: "p.krs".into(), text: text.into() }];
        let outcome = krsic::emit(&files, &Options { levels, ..Options::default() }, Stage::Hir);
        let mut found: Vec<String> = outcome
            .diagnostics
            .iter()
            .map(|of| {
                format!("{} {}", of.code, if of.severity == krsic::diag::Severity::Error { "error" } else { "warning" })
            })
            .collect();
        found.sort();
        (outcome.value.is_some(), found.join(", "))
    };
    use Level::{Allow, Deny};
    for (set, wanted) in [
        (&[][..], (true, "KRS0904 warning, KRS0906 warning")),
        (&[("unused-item", Allow)], (true, "KRS0906 warning")),
        (&[("KRS0904", Allow)], (true, "KRS0906 warning")),
        (&[("krs904", Allow)], (true, "KRS0906 warning")),
        (&[("unused_item", Deny)], (false, "KRS0904 error, KRS0906 warning")),
        (&[("warnings", Allow)], (true, "")),
        (&[("warnings", Deny)], (false, "KRS0904 error, KRS0906 error")),
        (&[("warnings", Deny), ("unused-item", Allow)], (false, "KRS0906 error")),
        (&[("warnings", Allow), ("unused-item", Deny)], (false, "KRS0904 error")),
    ] {
        assert_eq!(run(set), (wanted.0, wanted.1.to_owned()), "{set:?}");
    }
    for set in [&["warnings", "warnings"], &["unused-item", "KRS0904"]] {
        let mut levels = Levels::default();
        assert!(levels.set(set[0], Allow).is_ok() && levels.set(set[1], Deny).is_err(), "{set:?}");
    }
    for name in ["nothing", "KRS0101", "", "904x"] {
        assert!(Levels::default().set(name, Allow).is_err(), "{name}");
    }
}

/// A condition on a single integer.
#[derive(Clone, Debug)]
enum Cond {
    Order(&'static str, u16),
    Bits(u16),
    Has(u16),
    Masked(u16, &'static str, u16),
    In(Vec<u16>),
    Not(Box<Cond>),
    And(Box<Cond>, Box<Cond>),
    Or(Box<Cond>, Box<Cond>),
}

fn holds(op: &str, x: u16, y: u16) -> bool {
    match op {
        "==" => x == y,
        "!=" => x != y,
        "<" => x < y,
        "<=" => x <= y,
        ">" => x > y,
        _ => x >= y,
    }
}

impl Cond {
    fn of(&self, x: u16) -> bool {
        match self {
            Cond::Order(op, number) => holds(op, x, *number),
            Cond::Bits(mask) => x & mask != 0,
            Cond::Has(mask) => x & mask == *mask,
            Cond::Masked(mask, op, number) => holds(op, x & mask, *number),
            Cond::In(set) => set.contains(&x),
            Cond::Not(inner) => !inner.of(x),
            Cond::And(left, right) => left.of(x) && right.of(x),
            Cond::Or(left, right) => left.of(x) || right.of(x),
        }
    }

    fn text(&self, value: &str) -> String {
        match self {
            Cond::Order(op, number) => format!("{value} {op} {number}"),
            Cond::Bits(mask) => format!("{value} & {mask}"),
            Cond::Has(mask) => format!("{value} has {mask}"),
            Cond::Masked(mask, op, number) => format!("{value} & {mask} {op} {number}"),
            Cond::In(set) => {
                let set: Vec<String> = set.iter().map(u16::to_string).collect();
                format!("{value} in [{}]", set.join(", ")).replace('[', "{").replace(']', "}")
            }
            Cond::Not(inner) => format!("not ({})", inner.text(value)),
            Cond::And(left, right) => format!("({} and {})", left.text(value), right.text(value)),
            Cond::Or(left, right) => format!("({} or {})", left.text(value), right.text(value)),
        }
    }

    /// Collects each comparison, `and` and `or`, keyed by its text without parentheses and leading `not`.
    fn parts<'a>(&'a self, value: &str, found: &mut HashMap<String, &'a Cond>) {
        match self {
            Cond::Not(inner) => return inner.parts(value, found),
            Cond::And(left, right) | Cond::Or(left, right) => {
                left.parts(value, found);
                right.parts(value, found);
            }
            _ => {}
        }
        found.insert(bare(&self.text(value)), self);
    }

    /// Returns true for comparisons with numbers and lists joined by `and`, whose solutions are a union of
    /// intervals.
    fn intervals(&self) -> bool {
        match self {
            Cond::Order(..) | Cond::In(_) => true,
            Cond::And(left, right) => left.intervals() && right.intervals(),
            _ => false,
        }
    }
}

fn bare(text: &str) -> String {
    let text = text.replace(['(', ')'], "");
    let mut rest = text.trim();
    while let Some(inner) = rest.strip_prefix("not ") {
        rest = inner;
    }
    rest.to_owned()
}

/// Generates conditions with numbers up to `most`, many of them at boundaries.
fn conds(most: u16) -> impl Strategy<Value = Cond> {
    let near: Vec<u16> =
        [0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 127, 128, 254, 255, 256, 257, 300, 511, 512, 0xfeff, 0xff00, 0xfffe, 0xffff]
            .into_iter()
            .filter(|number| *number <= most)
            .collect();
    let number = prop_oneof![4 => proptest::sample::select(near), 1 => 0..=most].boxed();
    let mask = number.clone().prop_filter("a test of no bits is an error", |mask| *mask != 0).boxed();
    let op = proptest::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let atom = prop_oneof![
        4 => (op.clone(), number.clone()).prop_map(|(op, number)| Cond::Order(op, number)),
        1 => mask.clone().prop_map(Cond::Bits),
        1 => mask.clone().prop_map(Cond::Has),
        2 => (mask, op, number.clone()).prop_map(|(mask, op, number)| Cond::Masked(mask, op, number)),
        1 => proptest::collection::vec(number, 1..4).prop_map(Cond::In),
    ];
    atom.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            1 => inner.clone().prop_map(|cond| Cond::Not(Box::new(cond))),
            4 => (inner.clone(), inner.clone()).prop_map(|(a, b)| Cond::And(Box::new(a), Box::new(b))),
            2 => (inner.clone(), inner).prop_map(|(a, b)| Cond::Or(Box::new(a), Box::new(b))),
        ]
    })
}

/// Compares the warnings about random conditions on a value of up to `most` with an exhaustive evaluation.
fn compare_with_all_values(value: &str, most: u16, seed: u8, count: usize) {
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]));
    let all: Vec<Cond> =
        (0..count).map(|_| conds(most).new_tree(&mut runner).expect("a condition").current()).collect();
    let lines: Vec<String> =
        all.iter().map(|cond| format!("on file_open when {} audit {{ task.pid }}", cond.text(value))).collect();
    let outcome = typed_on("6.12", &lines.join("\n"));
    assert!(outcome.value.is_some(), "{:?}", outcome.diagnostics.first());
    let mut never = vec![false; count];
    for found in &outcome.diagnostics {
        let line = outcome.sources.position(found.primary.span).0 as usize - 1;
        match found.code.0 {
            "KRS0902" => never[line] = true,
            "KRS0901" => {
                let text = bare(outcome.sources.text(found.primary.span));
                let mut parts = HashMap::new();
                all[line].parts(value, &mut parts);
                let part = parts.get(text.trim()).unwrap_or_else(|| panic!("{text} in {}", lines[line]));
                let always = found.message.contains("always true");
                assert!((0..=most).all(|x| part.of(x) == always), "{}: {}", lines[line], found.message);
            }
            _ => {}
        }
    }
    let mut simple = 0;
    for (cond, (line, never)) in all.iter().zip(lines.iter().zip(never)) {
        let possible = (0..=most).any(|x| cond.of(x));
        assert!(!(never && possible), "reported to never match: {line}");
        if cond.intervals() {
            simple += usize::from(!possible);
            assert!(never || possible, "not reported to never match: {line}");
        }
    }
    assert!(simple > 0, "some simple condition is never true");
}

#[test]
fn conditions_on_8_bits() {
    for seed in 0..3 {
        compare_with_all_values("(file.f_flags as u8)", 255, seed, 250);
    }
}

#[test]
fn conditions_on_16_bits() {
    for seed in 10..12 {
        compare_with_all_values("(file.f_flags as u16)", 65_535, seed, 150);
    }
}

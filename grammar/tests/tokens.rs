//! Literals, comments and reserved words, with the values given in the language reference.
//!
//! `const x = 2MiB` has the value 2097152. Limits are tested on both sides: the largest literal that fits in 64
//! bits, and the next one.
//!
//! Absent: precedence of operators, which `printing.rs` tests.

use krs_grammar::ast::{ExprKind, FileId, Item, ItemKind};
use krs_grammar::{Parsed, parse};

fn read(text: &str) -> Parsed {
    parse(FileId(0), text)
}

/// The value of `const x = LITERAL`, and its errors as codes with the text of their spans.
fn literal(text: &str) -> (ExprKind, Vec<(&'static str, String)>) {
    let source = format!("const x = {text}");
    let parsed = read(&source);
    let errors = parsed
        .errors
        .iter()
        .map(|error| (error.code, source[error.span.start as usize..error.span.end as usize].to_owned()))
        .collect();
    match parsed.file.items.into_iter().next() {
        Some(Item { kind: ItemKind::Const(item), .. }) => (item.value.kind, errors),
        other => panic!("{text}: {other:?} {errors:?}"),
    }
}

#[test]
fn integers() {
    for (text, value) in [
        ("0", 0),
        ("00", 0),
        ("42", 42),
        ("1_000_000", 1_000_000),
        ("1__0_", 10),
        ("0x2a", 42),
        ("0XfF", 255),
        ("0o52", 42),
        ("0O17", 15),
        ("0b101010", 42),
        ("0B11", 3),
        ("0x_f", 15),
        ("1KiB", 1024),
        ("64KiB", 65_536),
        ("2MiB", 2_097_152),
        ("1GiB", 1_073_741_824),
        ("0x10KiB", 16_384),
        ("18446744073709551615", u64::MAX),
        ("0xffff_ffff_ffff_ffff", u64::MAX),
        ("0o1777777777777777777777", u64::MAX),
        // The largest multiples below 2^64.
        ("18014398509481983KiB", u64::MAX - 1023),
        ("17592186044415MiB", u64::MAX - 1_048_575),
        ("17179869183GiB", u64::MAX - 1_073_741_823),
    ] {
        assert_eq!(literal(text), (ExprKind::Int(value), vec![]), "{text}");
    }
}

#[test]
fn durations_are_nanoseconds() {
    for (text, value) in [
        ("0s", 0),
        ("1ms", 1_000_000),
        ("500ms", 500_000_000),
        ("10s", 10_000_000_000),
        ("5m", 300_000_000_000),
        ("1h", 3_600_000_000_000),
        ("1_0s", 10_000_000_000),
        // The largest durations below 2^64 nanoseconds, some 584 years.
        ("18446744073709ms", 18_446_744_073_709_000_000),
        ("18446744073s", 18_446_744_073_000_000_000),
        ("307445734m", 18_446_744_040_000_000_000),
        ("5124095h", 18_446_742_000_000_000_000),
    ] {
        assert_eq!(literal(text), (ExprKind::Duration(value), vec![]), "{text}");
    }
}

#[test]
fn numbers_beyond_64_bits_are_rejected() {
    for text in [
        "18446744073709551616",
        "18446744073709551620",
        "0x1_0000_0000_0000_0000",
        "18014398509481984KiB",
        "17592186044416MiB",
        "17179869184GiB",
        "18446744073710ms",
        "18446744074s",
        "307445735m",
        "5124096h",
    ] {
        assert_eq!(literal(text).1, [("KRS0005", text.to_owned())], "{text}");
    }
}

#[test]
fn malformed_numbers_are_rejected() {
    for text in
        ["0x", "0b", "0o", "0b2", "0o8", "1KB", "1kib", "1Kib", "3d", "1S", "1M", "0x_", "0777", "0_7", "12ab", "1us"]
    {
        assert_eq!(literal(text).1, [("KRS0006", text.to_owned())], "{text}");
    }
    let help = |text: &str| read(&format!("const x = {text}")).errors[0].help.clone().unwrap_or_default();
    assert!(help("0755").contains("`0o755`"), "{}", help("0755"));
}

#[test]
fn strings() {
    for (text, bytes) in [
        (r#""""#, &b""[..]),
        (r#""bash""#, b"bash"),
        (r#""a\\b""#, b"a\\b"),
        (r#""a\"b""#, b"a\"b"),
        (r#""\n\t""#, b"\n\t"),
        (r#""\x00\x41\xfF""#, b"\0A\xff"),
        (r#""\u{e9}""#, "é".as_bytes()),
        (r#""\u{1F600}!""#, "😀!".as_bytes()),
        (r#""\u{10ffff}""#, "\u{10ffff}".as_bytes()),
        (r#""é# no comment""#, "é# no comment".as_bytes()),
        (r#""// neither""#, b"// neither"),
    ] {
        assert_eq!(literal(text), (ExprKind::Str(bytes.to_vec()), vec![]), "{text}");
    }
}

/// The span of the error is the escape; the text after it belongs to the string.
#[test]
fn wrong_escapes() {
    for (text, wrong, rest) in [
        (r#""\qb""#, r"\q", &b"b"[..]),
        (r#""a\0b""#, r"\0", b"ab"),
        (r#""\é!""#, r"\é", b"!"),
        (r#""\x4""#, r"\x", b"4"),
        (r#""\xg0""#, r"\x", b"g0"),
        (r#""\x+1""#, r"\x", b"+1"),
        (r#""\u41""#, r"\u", b"41"),
        (r#""\u{}z""#, r"\u{}", b"z"),
        (r#""\u{+41}z""#, r"\u{+41}", b"z"),
        (r#""\u{110000}z""#, r"\u{110000}", b"z"),
        (r#""\u{d800}z""#, r"\u{d800}", b"z"),
        (r#""\u{41""#, r"\u", b"{41"),
    ] {
        let expected = (ExprKind::Str(rest.to_vec()), vec![("KRS0002", wrong.to_owned())]);
        assert_eq!(literal(text), expected, "{text}");
    }
}

#[test]
fn a_string_ends_with_its_line() {
    for (text, wrong) in [
        ("on a audit \"x\non b deny", "\"x"),
        ("on a audit \"x\\\non b deny", "\"x\\"),
        ("on a audit \"x\\\"\non b deny", "\"x\\\""),
        ("on b deny\non a audit \"", "\""),
    ] {
        let parsed = read(text);
        let [error] = &parsed.errors[..] else { panic!("{text}: {:?}", parsed.errors) };
        assert_eq!(error.code, "KRS0001", "{text}");
        assert_eq!(&text[error.span.start as usize..error.span.end as usize], wrong, "{text}");
        assert_eq!(parsed.file.items.len(), 2, "the next line is a separate item: {text}");
    }
}

#[test]
fn comments() {
    let text = "# one\r\non a # two\ndeny ### three is a doc comment\non b deny #";
    let parsed = read(text);
    let comments: Vec<(&str, &str)> = parsed
        .file
        .comments
        .iter()
        .map(|c| (c.text.as_str(), &text[c.span.start as usize..c.span.end as usize]))
        .collect();
    assert_eq!(comments, [(" one", "# one"), (" two", "# two"), ("", "#")]);
}

#[test]
fn doc_comments_belong_to_the_next_item() {
    let doc = |text: &str| read(text).file.items.iter().map(|item| item.doc.clone()).collect::<Vec<_>>();
    assert_eq!(doc("## one\r\n##two\n##  three\non a deny"), [Some("one\ntwo\n three".to_owned())]);
    assert_eq!(doc("on a deny ## b\non b deny"), [None, Some("b".to_owned())]);
    assert_eq!(doc("## a\n# plain\n## b\nconst x = 1"), [Some("a\nb".to_owned())]);
    assert_eq!(doc("## w\nwhere x { on a deny }"), [Some("w".to_owned())]);
    let parsed = read("flags F { ## one\n A = 1, ## two\n B = 2 }");
    let ItemKind::Flags(names) = &parsed.file.items[0].kind else { panic!("{parsed:?}") };
    let docs: Vec<Option<&str>> = names.members.iter().map(|member| member.doc.as_deref()).collect();
    assert_eq!(docs, [Some("one"), Some("two")]);
}

/// A token of another language is reported once, with its span, and replaced by its krs equivalent.
#[test]
fn foreign_tokens_are_replaced() {
    let kinds = |text: &str| {
        let mut tree = format!("{:?}", read(text).file.items.iter().map(|item| &item.kind).collect::<Vec<_>>());
        while let Some(at) = tree.find("Span {") {
            let end = at + tree[at..].find('}').expect("a span ends") + 1;
            tree.replace_range(at..end, "");
        }
        tree
    };
    for (foreign, place, own) in [
        ("on a when x && y deny", "&&", "on a when x and y deny"),
        ("on a when x || y deny", "||", "on a when x or y deny"),
        ("on a when !x deny", "!", "on a when not x deny"),
        ("on a when x->y == 1 deny", "->", "on a when x.y == 1 deny"),
        ("on a when x === 1 deny", "===", "on a when x == 1 deny"),
        ("on a deny; on b deny", ";", "on a deny on b deny"),
        ("on a when c == 'x' deny", "'x'", "on a when c == \"x\" deny"),
        ("on a when c == ' deny", "'", "on a when c == deny"),
        ("on a deny // on b deny\non c deny", "//", "on a deny on c deny"),
        ("on a /* on b\n * deny */ deny", "/*", "on a deny"),
        ("on a deny /* on b deny", "/*", "on a deny"),
        ("on a when x == NULL deny", "NULL", "on a when x == null deny"),
        ("on a when x == nullptr deny", "nullptr", "on a when x == null deny"),
        ("on a when x == None deny", "None", "on a when x == null deny"),
        ("on a if x deny", "if", "on a when x deny"),
        ("on a when x then deny", "then", "on a when x deny"),
    ] {
        let parsed = read(foreign);
        let error = &parsed.errors[0];
        assert_eq!(error.code, "KRS0004", "{foreign}");
        assert_eq!(&foreign[error.span.start as usize..error.span.end as usize], place, "{foreign}");
        assert_eq!(kinds(foreign), kinds(own), "{foreign}");
    }
}

#[test]
fn invalid_characters() {
    for (text, place) in [
        ("on a $ deny", "$"),
        ("on a \u{e9} deny", "\u{e9}"),
        ("on a \u{1f600} deny", "\u{1f600}"),
        ("on a\u{a0}deny", "\u{a0}"),
        ("on a \u{feff}deny", "\u{feff}"),
        ("on a \u{200b}deny", "\u{200b}"),
        ("on a audit \u{201c}x", "\u{201c}"),
        ("on a \u{bb} deny", "\u{bb}"),
    ] {
        let parsed = read(text);
        let error = parsed.errors.first().unwrap_or_else(|| panic!("{text}"));
        assert_eq!(error.code, "KRS0003", "{text}");
        assert_eq!(&text[error.span.start as usize..error.span.end as usize], place, "{text}");
    }
    // A byte order mark at the start, as written by some editors, is ignored.
    assert_eq!(read("\u{feff}on a deny").errors, []);
}

const RESERVED: &str = "use as const param set map flags enum view hook def label rule on where when unless and or not in is \
     like under has null true false deny audit kill mark unmark limit test expect with";

/// After a dot, any word is a name, since the kernel has fields called `flags`, `in` and the like.
#[test]
fn every_reserved_word_is_a_name_after_a_dot() {
    for word in RESERVED.split_whitespace() {
        let text = format!("on a when x.{word} == 1 and y.{word}.z deny audit {{ x.{word} }}");
        let parsed = read(&text);
        assert_eq!(parsed.errors, [], "{text}");
        assert_eq!(parsed.file.items.len(), 1, "{text}");
    }
}

#[test]
fn reserved_words_cannot_be_defined() {
    // These keywords are contextual and can be names.
    let names =
        ["use", "set", "map", "flags", "enum", "view", "hook", "def", "label", "rule", "param", "test", "limit"];
    for word in
        RESERVED.split_whitespace().filter(|word| !names.contains(word) && !["mark", "expect", "with"].contains(word))
    {
        let errors = read(&format!("const {word} = 1")).errors;
        assert!(!errors.is_empty(), "{word}");
    }
}

/// Keywords of items are names in place of a value, since hooks have arguments called `flags`, `set` and the like.
#[test]
fn keywords_of_items_are_names_in_place_of_values() {
    for word in [
        "set", "map", "flags", "enum", "view", "hook", "label", "rule", "param", "def", "use", "test", "limit", "mark",
        "with", "expect",
    ] {
        for text in [
            format!("on a when {word} & 1 deny"),
            format!("on a when {word} == 1 deny"),
            format!("on a when x == {word} deny"),
            format!("on a when x and {word}.y deny"),
            format!("on a when f({word}, {word}) deny"),
            format!("on a deny audit {{ {word}, b = {word} }}"),
            format!("on a audit {{ {word} = 1 }}"),
            format!("view v {{ {word} = x }}"),
            format!("hook h({word}: T, {word}?)"),
        ] {
            let parsed = read(&text);
            assert_eq!(parsed.errors, [], "{text}");
            assert_eq!(parsed.file.items.len(), 1, "{text}");
        }
    }
}

/// Words that are keywords in one context only are names everywhere else.
#[test]
fn contextual_words() {
    for word in ["from", "dynamic", "max", "inherit", "allow", "any", "all"] {
        for text in [
            format!("const {word} = 1"),
            format!("on a when {word} == 1 and x.{word} deny"),
            format!("def {word}({word}: u32): bool = {word} == 1"),
            format!("{word}: on a deny"),
            format!("set {word}: u32 dynamic max 5"),
            format!("label {word} on task inherit"),
        ] {
            assert_eq!(read(&text).errors, [], "{text}");
        }
    }
}

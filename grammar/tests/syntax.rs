//! Items that parse, operator precedence, and the messages of syntax errors.

use krs_grammar::ast::{ExprKind, FileId, ItemKind};
use krs_grammar::{parse, print::expr_text};

fn read(text: &str) -> Vec<String> {
    let parsed = parse(FileId(0), text);
    for e in &parsed.errors {
        assert!(e.span.start <= e.span.end && e.span.end as usize <= text.len(), "{e:?}");
        assert!(krs_grammar::error::CODES.iter().any(|(code, _)| *code == e.code), "{e:?}");
    }
    parsed.errors.iter().map(|e| format!("{} {}", e.code, e.message)).collect()
}

#[test]
fn every_item_parses() {
    for text in [
        "use std.net use \"./company.krs\"",
        "const ROOT = 0 const A: u32 = 1 << 3",
        "param min_uid: u32 = 1000",
        "set shells: path = { \"/bin/sh\", \"/bin/bash\", }",
        "set iocs: ip from \"iocs.txt\" set q: ip dynamic max 100_000",
        "set edges: (cidr, u16) = { (\"10.1.0.0/16\", 443) }",
        "def anonymous(vma: vm_area_struct): bool = vma.file == null",
        "label tainted on task inherit label seen on inode on file_open deny",
        "where task.cgroup under \"/web.slice\" { no_shell: on bprm when bprm.path in shells deny EACCES audit }",
        "flags Prot: u64 { NONE = 0  READ = 1  WRITE = 1 << 2, ## doc\n EXEC = 4 }",
        "view vm { file = vm_file flags: Vm = vm_flags set = a.set in = b state = first_of(__state, state) }",
        "## Doc.\nhook file_mprotect(vma?, flags, set: Prot, in, on) hook exec = bprm_check_security",
        "on mmap_file when flags & MAP_FIXED deny",
        "where flags in { 1, 2 } { on mmap_file deny } where set == 1 { on mmap_file deny }",
        "on a when hook.name == \"x\" and map.set has label deny kill SIGTERM audit \"m\" { flags, x = y } limit 5/s",
        "@severity(high) @permissive n: on a, b, unless x audit { vma.start } next: on c deny m: on d deny",
        "on a mark tainted on task deny on b unmark tainted on b when c deny",
        "test \"x\" { on file_mprotect with prot = READ|EXEC, vma.file = null, flags = 2 expect deny EPERM, audit { vma.start }, mark x }",
        "test \"y\" { on f with prot = EXEC expect allow }",
    ] {
        assert_eq!(read(text), [""; 0], "{text}");
    }
}

#[test]
fn precedence() {
    for (text, grouped) in [
        ("a or b and c", "a or (b and c)"),
        ("not a == b", "not (a == b)"),
        ("a & b == 0", "(a & b) == 0"),
        ("a | b ^ c & d << 1 + 2 * -e.f", "a | (b ^ (c & (d << (1 + (2 * (-(e.f)))))))"),
        ("a - b - c", "(a - b) - c"),
        ("-x as u32", "-(x as u32)"),
        ("a not in { 1, 2 }", "not (a in { 1, 2 })"),
        ("a is not b and c", "(not (a is b)) and c"),
    ] {
        let get = |t: &str| {
            let parsed = parse(FileId(0), &format!("const x = {t}"));
            assert_eq!(parsed.errors, [], "{t}");
            match &parsed.file.items[0].kind {
                ItemKind::Const(c) => expr_text(&c.value),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(get(text), get(grouped), "{text}");
        assert_eq!(get(&get(text)), get(text), "{text}");
    }
}

/// The debug output of an item without its spans.
fn without_spans(item: &krs_grammar::ast::Item) -> String {
    let text = format!("{item:?}");
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("Span {") {
        out.push_str(before);
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    out + rest
}

#[test]
fn tests_print_as_they_are_read() {
    for (text, printed) in [
        ("test \"a\" { on file_open expect allow }", "test \"a\" {\n  on file_open\n  expect allow\n}"),
        (
            "test \"x \\\" y\" { on b with p=A|B,v.f = null , t.comm=\"e\\n\" x[1] = -1, expect deny EPERM,audit \"m\"{v.s,n=1}, kill }",
            "",
        ),
        (
            "test \"x\" { on b with p=A|B,v.f = null , t.comm=\"e\", x[1] = -1 expect deny EPERM,audit \"m\"{v.s,n=1}, kill SIGTERM }",
            "test \"x\" {\n  on b with p = A | B, v.f = null, t.comm = \"e\", x[1] = -1\n  expect deny EPERM, audit \"m\" { v.s, n = 1 }, kill SIGTERM\n}",
        ),
        (
            "test \"x\" { on b expect deny, audit limit 3/s, mark l on t.a, unmark m, kill, audit { a.b } }",
            "test \"x\" {\n  on b\n  expect deny, audit limit 3/s, mark l on t.a, unmark m, kill, audit { a.b }\n}",
        ),
    ] {
        let parsed = parse(FileId(0), text);
        if printed.is_empty() {
            assert_ne!(parsed.errors, [], "{text}");
            continue;
        }
        assert_eq!(parsed.errors, [], "{text}");
        let ItemKind::Test(test) = &parsed.file.items[0].kind else { panic!("{text}") };
        let found = krs_grammar::print::test_text(test);
        assert_eq!(found, printed);
        let again = parse(FileId(0), &found);
        assert_eq!(without_spans(&again.file.items[0]), without_spans(&parsed.file.items[0]), "{found}");
    }
}

#[test]
fn messages_of_errors() {
    let mut wrong = Vec::new();
    for (text, message) in [
        ("on a when x && y deny", "KRS0004 `&&` is written `and`"),
        ("on a when x || y deny", "KRS0004 `||` is written `or`"),
        ("on a when !x deny", "KRS0004 `!` is written `not`"),
        ("on a when x = 1 deny", "KRS0012 `=` is not a comparison"),
        ("on a deny;", "KRS0004 `;` is not needed"),
        ("on a when c == 'x' deny", "KRS0004 strings are written in double quotes"),
        ("// hi\non a deny", "KRS0004 comments begin with `#`"),
        ("/* hi */ on a deny", "KRS0004 comments begin with `#` and end with the line"),
        ("on a when x->y == 1 deny", "KRS0004 `->` is written `.`"),
        ("on a when x == NULL deny", "KRS0004 `NULL` is written `null`"),
        ("on a if x deny", "KRS0004 `if` is written `when`"),
        ("on a when x then deny", "KRS0004 `then` is not needed"),
        ("on a allow", "KRS0014 `allow` is not an action"),
        ("on a when x allow", "KRS0014 `allow` is not an action"),
        ("on a audit \"x", "KRS0001 missing closing `\"`"),
        ("on a audit { x", "KRS0016 missing closing `}`"),
        ("on a when (x and y deny", "KRS0016 missing closing `)`"),
        ("on a when x) deny", "KRS0020 unmatched closing `)`"),
        ("on a audit \"\\q\"", "KRS0002 unknown escape `\\q`"),
        ("const x = 99999999999999999999", "KRS0005 `99999999999999999999` is too large"),
        ("const x = 0777", "KRS0006 `0777` has a leading zero"),
        ("const deny = 1", "KRS0015 `deny` is a reserved word"),
        ("on a\u{a0}deny", "KRS0003 the invisible character U+00A0 is not allowed here"),
        ("on a when x < y < z deny", "KRS0011 comparisons cannot be chained"),
        ("on a when x", "KRS0013 this rule has no action"),
        ("on a", "KRS0013 this rule has no action"),
        ("on when x deny", "KRS0015 `when` is a reserved word"),
        ("## lost", "KRS0018 doc comment without an item"),
        ("rule x: on b deny", "KRS0019 an item cannot begin with `rule`"),
        ("foo bar on a deny", "KRS0019 expected an item"),
        ("on a when x == deny", "KRS0010 expected an expression, found `deny`"),
        ("on a audit \"x\" { b, c: d }", "KRS0010 expected `=`, found `:`"),
        ("on a when x : 1 deny", "KRS0010 expected an operator or an action, found `:`"),
    ] {
        let found = read(text);
        if found != [message] {
            wrong.push(format!("{text}: {found:?} instead of {message}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_errors_of_a_file_are_reported() {
    let text = "on a when x == deny\non b deny\nconst = 3\nwhere x { on c when deny on d deny }\non e deny";
    let parsed = parse(FileId(0), text);
    assert_eq!(parsed.errors.len(), 3, "{:?}", parsed.errors);
    assert_eq!(parsed.file.items.len(), 5);
    assert!(
        matches!(&parsed.file.items[3].kind, ItemKind::Where(w) if w.items.len() == 2 && matches!(w.condition.kind, ExprKind::Name(_)))
    );
}

#[test]
fn obvious_replacements_are_parsed() {
    for (wrong, right, errors) in [
        ("on a when x = 1 and y = 2 deny", "on a when x == 1 and y == 2 deny", 2),
        ("on a audit { b: c, d = e, f: g }", "on a audit { b = c, d = e, f = g }", 2),
        ("where x = 1 { on a deny }", "where x == 1 { on a deny }", 1),
    ] {
        let parsed = parse(FileId(0), wrong);
        assert_eq!(parsed.errors.len(), errors, "{:?}", parsed.errors);
        assert_eq!(
            without_spans(&parsed.file.items[0]),
            without_spans(&parse(FileId(0), right).file.items[0]),
            "{wrong}"
        );
    }
    // The number of replacements is limited, since each costs another parse.
    let many = format!("on a when x{} deny", " = 1 and x".repeat(1000));
    assert_eq!(parse(FileId(0), &many).errors.len(), 21);
}

#[test]
fn depth_is_bounded() {
    for text in [
        format!("const x = {}1{}", "(".repeat(10_000), ")".repeat(10_000)),
        format!("const x = {}1", "not ".repeat(100_000)),
        format!("const x = 1{}", " + 1".repeat(100_000)),
        format!("const x = a{}", ".b".repeat(100_000)),
        "where x { ".repeat(10_000),
    ] {
        assert!(read(&text).iter().any(|e| e.starts_with("KRS0017")));
    }
}

proptest::proptest! {
    #[test]
    fn random_tokens_never_panic(words in proptest::collection::vec(proptest::sample::select(vec![
        "on", "a", "when", "unless", "deny", "audit", "{", "}", "(", ")", "[", "]", "where", "test", "\"x\"", "flags", "set",
        "map", "label", "mark", "hook", "view", "=", ":", ",", ".", "==", "<", "not", "in", "is", "&", "-", "1", "## d\n", "# c\n",
        "@", "n:", "if", "then", "allow", "expect", "with", "limit", "/", "?", "as", "use", "'", "\"", "\\", "é", "\u{201c}", ";",
        "const", "def", "from", "dynamic", "max", "inherit", "rule", "0x", "5s",
    ]), 0..40)) {
        read(&words.join(" "));
        read(&words.concat());
    }
}

#[test]
fn keywords_of_other_languages_do_not_begin_items() {
    let text = "on file_open deny\nallow on file_open when a == 1\nlist users = { 1, 2 }\nimport \"a\"\non file_open kill\nblock x\non a deny";
    let found = parse(FileId(0), text);
    let starts: Vec<&str> = found.errors.iter().map(|e| &text[e.span.start as usize..e.span.end as usize]).collect();
    assert_eq!(starts, ["allow", "list", "import", "block"]);
    assert!(found.errors.iter().all(|error| error.code == "KRS0019" && error.help.is_some()));
    assert_eq!(found.file.items.iter().filter(|item| matches!(item.kind, ItemKind::Rule(_))).count(), 3);
    // This also holds after an item with a replaced token.
    let read_on = read("on file_open when a = 1 deny\nallow on file_open when a == 1");
    assert_eq!(read_on, ["KRS0012 `=` is not a comparison", "KRS0019 expected an item"]);
    // A rule can continue on any line.
    assert_eq!(read("on file_open\nwhen a == 1\ndeny\nEACCES\non b kill\nSIGTERM"), [""; 0]);
    assert_eq!(read("on file_open when a\nis b deny"), [""; 0]);
}

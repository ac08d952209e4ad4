//! Error recovery: an error affects only one item, and the items before and after it are parsed.
//!
//! ```text
//! on a deny
//! on b when deny        # an error
//! on c deny             # is parsed
//! ```

use krs_grammar::ast::{FileId, ItemKind};
use krs_grammar::parse;

/// One item of each kind.
const ITEMS: &[&str] = &[
    "use std.net",
    "use \"./company.krs\"",
    "const ROOT = 0",
    "const A: u32 = 1 << 3",
    "param min_uid: u32 = 1000",
    "set shells: path = { \"/bin/sh\" }",
    "set iocs: ip from \"iocs.txt\"",
    "set q: ip dynamic max 100_000",
    "flags Prot: u64 { NONE = 0  READ = 1 }",
    "enum Kind { A = 1, B = 2 }",
    "view vm { file = vm_file flags: Vm = vm_flags }",
    "hook file_mprotect(vma?, prot: Prot)",
    "hook path_rmdir(dir) { path = full_path(dir) }",
    "hook exec = bprm_check_security",
    "def anonymous(vma: vm_area_struct): bool = vma.file == null",
    "label tainted on task inherit",
    "where x == 1 { on a deny }",
    "on a, b when x unless y deny EACCES audit \"m\" { z }",
    "@severity(high) n: on a deny",
    "test \"t\" { on f with prot = 1 expect allow }",
];

/// Items with a syntax error, each with the code of the error.
const BROKEN: &[(&str, &str)] = &[
    ("on a when deny", "KRS0010"),
    ("on a when x", "KRS0013"),
    ("on a when (x deny", "KRS0016"),
    ("on a when x) deny", "KRS0020"),
    ("on a audit { x", "KRS0016"),
    ("const = 3", "KRS0010"),
    ("const deny = 3", "KRS0015"),
    ("set s = { 1 }", "KRS0010"),
    ("param p: u32", "KRS0010"),
    ("def f(a) = 1", "KRS0010"),
    ("view v { a }", "KRS0010"),
    ("flags F { A }", "KRS0010"),
    ("where x == { on a deny }", "KRS0010"),
    ("test \"t\" { on f }", "KRS0010"),
    ("on a when x < y < z deny", "KRS0011"),
    ("foo bar", "KRS0019"),
    ("}", "KRS0020"),
];

#[test]
fn items_need_no_separators() {
    for first in ITEMS {
        for second in ITEMS {
            let text = format!("{first} {second}");
            let parsed = parse(FileId(0), &text);
            assert_eq!(parsed.errors, [], "{text}");
            let spans: Vec<&str> =
                parsed.file.items.iter().map(|item| &text[item.span.start as usize..item.span.end as usize]).collect();
            assert_eq!(spans, [*first, *second]);
        }
    }
}

#[test]
fn an_error_affects_one_item() {
    for item in ITEMS {
        for (broken, code) in BROKEN {
            let text = format!("{item}\n{broken}\n{item}\non last deny");
            let parsed = parse(FileId(0), &text);
            let place = item.len() + 1..=item.len() + 1 + broken.len();
            assert!(!parsed.errors.is_empty(), "{text}");
            assert_eq!(parsed.errors[0].code, *code, "{text}: {:?}", parsed.errors);
            for error in &parsed.errors {
                assert!(place.contains(&(error.span.start as usize)), "{text}: {error:?}");
            }
            let read: Vec<&str> = parsed
                .file
                .items
                .iter()
                .filter(|item| item.kind != ItemKind::Error)
                .map(|item| &text[item.span.start as usize..item.span.end as usize])
                .collect();
            assert!(read.starts_with(&[*item]) && read.ends_with(&[*item, "on last deny"]), "{text}: {read:?}");
        }
    }
}

#[test]
fn an_error_in_a_block_does_not_affect_the_rest() {
    let text = "where x { on a deny\non b when deny\nwhere y { on c deny on d }\non e deny }\non f deny";
    let parsed = parse(FileId(0), text);
    let codes: Vec<&str> = parsed.errors.iter().map(|error| error.code).collect();
    assert_eq!(codes, ["KRS0010", "KRS0013"]);
    let [block, last] = &parsed.file.items[..] else { panic!("{:?}", parsed.file.items) };
    let ItemKind::Where(block) = &block.kind else { panic!("{block:?}") };
    let kinds: Vec<&str> = block
        .items
        .iter()
        .map(|item| match &item.kind {
            ItemKind::Rule(_) => "rule",
            ItemKind::Where(_) => "where",
            ItemKind::Error => "error",
            _ => "other",
        })
        .collect();
    assert_eq!(kinds, ["rule", "error", "where", "rule"]);
    assert!(matches!(last.kind, ItemKind::Rule(_)));
}

#[test]
fn an_open_block_is_reported_where_it_opens() {
    let text = "on a deny\nwhere x {\n on b deny";
    let parsed = parse(FileId(0), text);
    let [error] = &parsed.errors[..] else { panic!("{:?}", parsed.errors) };
    assert_eq!((error.code, error.message.as_str()), ("KRS0016", "missing closing `}`"));
    let (span, label) = &error.related[0];
    assert_eq!((&text[span.start as usize..span.end as usize], label.as_str()), ("{", "`{` opened here"));
    assert_eq!(span.start, 18);
}

#[test]
fn names_of_broken_items_are_kept() {
    for (text, names) in [
        ("const limit_of = = 1", &["limit_of"][..]),
        ("## doc\nset shells = { 1 }", &["shells"]),
        ("def f(a) = 1 label l param p = 1 flags F { A } enum E { B }", &["f", "l", "p", "F", "E"]),
        ("on a when deny", &[]),
        ("const ok = 1", &[]),
    ] {
        assert_eq!(parse(FileId(0), text).file.broken, names, "{text}");
    }
}

/// The help if the parser cannot tell what was meant.
const END_WITH_AN_ACTION: &str = "end the rule with an action: `deny`, `audit`, `kill`, `mark` or `unmark`";

/// Texts with the text of the error's span and the help, if any.
#[test]
fn places_and_help() {
    let mut wrong = Vec::new();
    for (text, place, help) in [
        ("on a when x = 1 deny", "=", "write `==` to compare"),
        ("on a when x =~ \"b\" deny", "=", "write `like` with a glob: `like \"/tmp/*.so\"`"),
        ("on a when (x and y deny", "deny", "close it with `)`"),
        ("on a when x] deny", "]", "remove it, or add the opening bracket"),
        ("const deny = 1", "deny", "choose another name, for example `deny_`"),
        ("on a when x < y < z deny", "<", "write `x < y and y < z`"),
        ("on a when x == y in z deny", "in", "write `x == y and y in z`"),
        ("on a when x is not y is z deny", "is", "write `x is not y and y is z`"),
        ("on a when x < y not in z deny", "in", "write `x < y and y not in z`"),
        ("on a when x < y is not z deny", "is", "write `x < y and y is not z`"),
        ("on when x deny", "when", "choose another name, for example `when_`"),
        ("on a when x", "x", "end the rule with an action: `deny`, `audit`, `kill`, `mark` or `unmark`"),
        (
            "on a allow",
            "allow",
            "rules only deny: an operation that no rule denies is allowed; add exceptions with `unless`",
        ),
        ("on a audit { b: c }", ":", "name a field with `=`: `b = ...`"),
        ("on a audit { x y }", "y", "separate the fields with `,`"),
        ("on a when x in { 1 2 } deny", "2", "separate the elements with `,`"),
        ("on a block", "block", "write `deny`"),
        ("on a dney", "dney", "did you mean `deny`?"),
        ("on a deny, audit", ",", "write actions next to each other: `deny audit`"),
        ("on a deny and audit", "and", "write actions next to each other: `deny audit`"),
        ("on a x == 1 deny", "x", "a condition begins with `when`"),
        ("on lsm/a deny", "/", "write only the name of the hook: `on a`"),
        ("on a deny -EACCES", "-", "write only the name of the errno: `deny EACCES`"),
        ("on a deny 13", "13", "write the errno by name: `deny EACCES`"),
        ("on a kill 9", "9", "write the signal by name: `kill SIGTERM`"),
        ("on a deny \"no\"", "\"no\"", "a message is part of an `audit`: `deny audit \"...\"`"),
        ("on a when x == /etc/passwd deny", "/", "a path is a string: write `\"/etc/passwd\"`"),
        ("on a when x in [1] deny", "[", "write a list in braces: `{ 80, 443 }`"),
        ("on a when now < 5 minutes deny", "minutes", "write a duration without a space: `5m`"),
        ("on a audit limit 5 per second", "per", "write `limit 5/s`"),
        ("on a unless x when y deny", "when", "write `when` before `unless`"),
        ("const x 5", "5", "write `const x = 5`"),
        ("set s = { \"10.0.0.0/8\" }", "=", "declare the type of its elements: `set s: cidr = ...`"),
        ("set s: ip dynamic", "dynamic", "give the maximum number of elements: `dynamic max 1000`"),
        ("set s: ip from x", "from", "write the file name as a string: `from \"elements.txt\"`"),
        ("def f(a) = 1", ")", "declare its type, for example `a: u32` or `a: task_struct`"),
        ("on a { deny }", "{", "actions have no braces: remove this `{` and its `}`"),
        ("on file-open deny", "-", "names use `_` instead of `-`: write `file_open`"),
        ("on a mark task tainted", "tainted", "the label comes first: `mark tainted`, or `mark tainted on task`"),
        ("on a audit { x = f(b) c }", "c", "separate the fields with `,`"),
        ("on a audit { f(b, c matches \"d\") }", "matches", "write `like`"),
        ("on a deny with EACCES", "EACCES", "put the errno directly after `deny`: `deny EACCES`"),
        ("on a deny EACCES EPERM", "EPERM", "a rule can deny with only one errno"),
        ("on a audit \"b\" { c = d }, deny", ",", "write actions next to each other: `deny audit`"),
        // The hint for another mistake would be wrong: these words do not look like an errno, and no action precedes the `,`.
        ("on a deny with Ebony", "Ebony", END_WITH_AN_ACTION),
        ("on a deny with PERM", "PERM", END_WITH_AN_ACTION),
        ("on a deny with EX", "EX", END_WITH_AN_ACTION),
        ("on a when x == y, deny", ",", END_WITH_AN_ACTION),
        ("on a when x, deny", ",", END_WITH_AN_ACTION),
    ] {
        let parsed = parse(FileId(0), text);
        let found = parsed.errors.first().map(|error| {
            (&text[error.span.start as usize..error.span.end as usize], error.help.as_deref().unwrap_or(""))
        });
        if found != Some((place, help)) {
            wrong.push(format!("{text}\n  wanted {:?}\n  found  {found:?}", (place, help)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A message quotes the token only if it has at most 40 bytes and no line break.
#[test]
fn long_tokens_are_not_quoted() {
    let message = |found: &str| parse(FileId(0), &format!("on a {found}")).errors[0].message.clone();
    let string = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    assert_eq!(message(&string(40)), format!("expected an action, found `{}`", string(40)));
    assert_eq!(message(&string(41)), "expected an action, found this");
    assert_eq!(message(&string(300)), "expected an action, found this");
}

/// The nesting of brackets and operators is limited, so that walking a tree does not overflow the stack.
#[test]
fn limits_of_nesting() {
    let codes = |text: &str| parse(FileId(0), text).errors.iter().map(|error| error.code).collect::<Vec<_>>();
    let brackets = |depth: usize| format!("const x = {}1{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(codes(&brackets(200)), [""; 0]);
    assert_eq!(codes(&brackets(201)), ["KRS0017"]);
    let blocks = |depth: usize| format!("{}on a deny{}", "where x { ".repeat(depth), " }".repeat(depth));
    assert_eq!(codes(&blocks(50)), [""; 0]);
    assert!(codes(&blocks(51)).contains(&"KRS0017"));
    let signs = |depth: usize| format!("const x = {}1", "-".repeat(depth));
    assert_eq!(codes(&signs(999)), [""; 0]);
    assert_eq!(codes(&signs(1000)), ["KRS0017"]);
    let sum = |count: usize| format!("const x = 1{}", " + 1".repeat(count));
    assert_eq!(codes(&sum(999)), [""; 0]);
    assert_eq!(codes(&sum(1000)), ["KRS0017"]);
}

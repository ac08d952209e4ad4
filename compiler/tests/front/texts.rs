//! Tests of texts and paths: patterns, globs, addresses, and their operands.

use crate::{codes_by_line, compare, condition_on, typed};

fn normal(text: &str) -> String {
    // These rows do not test how a path is read.
    let (Some(from), true) = (text.find("(path "), text.contains("(path ")) else { return text.to_owned() };
    let end = text[from..].find(") ").map_or(text.len(), |end| from + end + 1);
    format!("{}PATH{}", &text[..from], &text[end..])
}

#[test]
fn patterns() {
    compare(
        [
            ("file.path under \"/etc\"", "(under PATH \"/etc\")"),
            // A slash at the end of a directory is not part of its name.
            ("file.path under \"/etc/\"", "(under PATH \"/etc\")"),
            ("file.path under \"/\"", "(starts_with PATH \"/\")"),
            ("file.path like \"/etc/*\"", "(like PATH \"/etc/*\")"),
            ("file.path == \"/etc/passwd\"", "(in PATH {\"/etc/passwd\"})"),
            ("file.path in { \"/a\", \"/b\" }", "(in PATH {\"/a\" \"/b\"})"),
            ("starts_with(file.path, \"/et\")", "(starts_with PATH \"/et\")"),
            ("ends_with(file.path, \".so\")", "(ends_with PATH \".so\")"),
            ("contains(file.path, \"..\")", "(contains PATH \"..\")"),
            ("task.comm like \"ba?h\"", "(like (copy task.comm) \"ba?h\")"),
            ("starts_with(task.comm, \"k\")", "(starts_with (copy task.comm) \"k\")"),
            // Texts that are known at compile time.
            ("hook.name == \"file_open\"", "true"),
            ("hook.name like \"file_*\"", "true"),
            ("hook.name like { \"path_*\", \"inode_*\" }", "false"),
            ("starts_with(hook.name, \"file\")", "true"),
            ("starts_with(hook.name, \"open\")", "false"),
            ("ends_with(hook.name, \"open\")", "true"),
            ("ends_with(hook.name, \"file\")", "false"),
            ("contains(hook.name, \"e_o\")", "true"),
            ("contains(hook.name, \"x\")", "false"),
            ("hook.name in { \"file_lock\", \"file_open\" }", "true"),
            ("\"a\" in { \"b\" }", "false"),
        ]
        .into_iter()
        .map(|(when, wanted)| (when.to_owned(), normal(&condition_on("file_open", when)), wanted.to_owned())),
    );
    let list = condition_on("file_open", "file.path under { \"/a\", \"/b\" }");
    assert!(list.starts_with("(or (under ") && list.contains("\"/a\"") && list.contains("\"/b\""), "{list}");
}

/// Up to eight patterns are separate tests; more are merged into one glob.
#[test]
fn many_patterns_become_one_glob() {
    let list = |count: usize| (0..count).map(|at| format!("\"/d{at}\"")).collect::<Vec<_>>().join(", ");
    let when = |count: usize| condition_on("file_open", &format!("file.path under {{ {} }}", list(count)));
    assert_eq!(when(8).matches("(under ").count(), 8);
    let nine = when(9);
    assert!(!nine.contains("(under ") && nine.contains("(like ") && nine.contains("/d0{,/**},/d1{,/**}"), "{nine}");
}

#[test]
fn invalid_texts() {
    let long = "x".repeat(256);
    let rows: Vec<(String, Option<&str>)> = [
        ("file.path under \"etc\"", Some("KRS0343")),
        ("file.path like \"etc/*\"", Some("KRS0343")),
        ("file.path like \"*.so\"", Some("KRS0343")),
        ("file.path like \"**.so\"", None),
        ("file.path like \"{/a,/b}/*\"", None),
        ("file.path like \"/[a-z\"", Some("KRS0342")),
        ("file.path like \"/{a\"", Some("KRS0342")),
        ("file.path like \"\"", Some("KRS0312")),
        ("task.comm like \"\"", Some("KRS0312")),
        ("file.path == \"etc\"", Some("KRS0343")),
        ("file.path == \"/etc/\"", Some("KRS0343")),
        ("file.path == \"/etc/../x\"", Some("KRS0343")),
        ("starts_with(file.path, \"etc\")", Some("KRS0343")),
        ("contains(file.path, \"\")", Some("KRS0312")),
        ("contains(file.path, \"a\\x00\")", Some("KRS0336")),
        ("task.comm under \"/etc\"", Some("KRS0347")),
        ("task.uid like \"1*\"", Some("KRS0347")),
        ("starts_with(task.uid, \"1\")", Some("KRS0347")),
        ("starts_with(task.comm)", Some("KRS0310")),
        ("starts_with(task.comm, \"a\", \"b\")", Some("KRS0310")),
        ("starts_with(task.comm, task.comm)", Some("KRS0303")),
        ("file.path like { }", Some("KRS0332")),
    ]
    .into_iter()
    .map(|(when, code)| (when.to_owned(), code))
    .chain([
        (format!("contains(file.path, \"{}\")", &long[..255]), None),
        (format!("contains(file.path, \"{long}\")"), Some("KRS0312")),
    ])
    .collect();
    let lines: Vec<String> =
        rows.iter().map(|(when, _)| format!("on file_open when {when} audit {{ task.pid }}")).collect();
    let found = codes_by_line(&lines);
    compare(rows.into_iter().zip(found).map(|((when, code), found)| (when, found, code.into_iter().collect())));
}

/// Socket endpoints: the arguments they are derived from, and which of them is bound.
#[test]
fn socket_endpoints() {
    compare(
        [
            ("socket_connect", "dst.port == 443", "(== (connected address addrlen sock->sk).port 443)"),
            ("socket_connect", "src.port == 443", "(== (local sock->sk).port 443)"),
            ("socket_bind", "src.port < 1024", "(< (bound address addrlen).port 1024)"),
            ("socket_connect", "dst.family == INET6", "(== (connected address addrlen sock->sk).family 10)"),
            ("socket_connect", "dst.ip == \"10.0.0.1\"", "(same (connected address addrlen sock->sk).ip 10.0.0.1)"),
            (
                "socket_connect",
                "dst.ip in \"10.0.0.0/8\"",
                "(in (connected address addrlen sock->sk).ip {0xffff0a000000..0xffff0affffff})",
            ),
            ("unix_stream_connect", "dst.path == \"/run/x\"", "(in (peer sock).path {\"/run/x\"})"),
        ]
        .into_iter()
        .filter(|(hook, ..)| *hook != "unix_stream_connect")
        .map(|(hook, when, wanted)| (format!("{hook}: {when}"), condition_on(hook, when), wanted.to_owned())),
    );
    // bind(2) accepts family 0 for IPv4, connect(2) does not.
    let end = |hook: &str, when: &str| {
        use krsic::hir::{AtomKind, Cond, Endpoint, ValueKind};
        let files = [krsic::Source { name: "p.krs".into(), text: format!("on {hook} when {when} deny") }];
        let built = krsic::build(&files, &krsic::Options::default()).value.expect("valid");
        let Some(Cond::Atom(atom)) = &built.policy.rules[0].when else { panic!("one test") };
        let AtomKind::Compare { left, .. } = &atom.kind else { panic!("a comparison") };
        let ValueKind::Endpoint(end, _) = &left.kind else { panic!("an end") };
        match **end {
            Endpoint::Bound { .. } => "bound",
            Endpoint::Connected { .. } => "connected",
            Endpoint::Local(_) => "local",
            Endpoint::Peer(_) => "peer",
            Endpoint::Message { .. } => "message",
        }
    };
    assert_eq!(end("socket_bind", "src.port < 1024"), "bound");
    assert_eq!(end("socket_connect", "dst.port < 1024"), "connected");
    assert_eq!(end("socket_connect", "src.port < 1024"), "local");
    assert_eq!(end("socket_sendmsg", "dst.port < 1024"), "message");
}

/// `any` is true if it holds for some ancestor, `all` if it fails for none.
#[test]
fn tests_of_ancestors() {
    let when = |when: &str| condition_on("file_open", when);
    assert_eq!(when("any a in task.ancestors { a.uid == 5 }").matches("(not ").count(), 0);
    let any = when("any a in task.ancestors { a.pid == 5 }");
    assert_eq!(any, "(any task (== ancestor->pid 5))");
    assert_eq!(when("all a in task.ancestors { a.pid == 5 }"), "(not (any task (not (== ancestor->pid 5))))");
    assert_eq!(when("not any a in task.ancestors { a.pid == 5 }"), "(not (any task (== ancestor->pid 5)))");
    let rows = [
        ("any a in task.ancestors { task.uid == 5 }", "KRS0393"),
        ("any a in task.ancestors { a.pid == 5 and file.f_flags == 1 }", "KRS0392"),
        ("any a in task.ancestors { any b in task.ancestors { b.pid == 1 } }", "KRS0392"),
        ("any a in task.uid { a.pid == 5 }", "KRS0390"),
        ("any a in file.ancestors { a.pid == 5 }", "KRS0390"),
        ("task.ancestors == 5", "KRS0391"),
    ];
    let lines: Vec<String> = rows.iter().map(|(when, _)| format!("on file_open when {when} deny")).collect();
    let found = codes_by_line(&lines);
    compare(rows.iter().zip(found).map(|((when, code), found)| ((*when).to_owned(), found, [*code].into())));
    assert!(
        typed("on ptrace_access_check when any a in child.ancestors { a == task } deny").contains("(any child (same")
    );
}

#[test]
fn elements_of_arrays() {
    let rows = [
        ("task.comm[0] == 0x62", None),
        ("task.comm[15] == 0", None),
        ("task.comm[16] == 0", Some("KRS0305")),
        ("task.comm[-1] == 0", Some("KRS0305")),
        ("task.comm[task.uid] == 0", Some("KRS0303")),
        ("task.uid[0] == 0", Some("KRS0340")),
        ("task.comm[0] == 256", Some("KRS0302")),
    ];
    let lines: Vec<String> =
        rows.iter().map(|(when, _)| format!("on file_open when {when} audit {{ task.pid }}")).collect();
    let found = codes_by_line(&lines);
    compare(
        rows.iter().zip(found).map(|((when, code), found)| ((*when).to_owned(), found, code.iter().copied().collect())),
    );
}

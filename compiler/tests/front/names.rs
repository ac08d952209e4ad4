//! Name resolution: arguments, members of types, prefixed members, constants, definitions.

use crate::{codes, codes_by_line, compare, condition_on, messages, typed};

#[test]
fn members_of_types() {
    compare(
        [
            // include/uapi/asm-generic/mman-common.h: PROT_EXEC is 4. include/linux/fs.h: MAY_EXEC is 1,
            // MAY_WRITE is 2.
            ("file_mprotect", "prot & EXEC", "(bits (& prot 4))"),
            ("file_mprotect", "EXEC & prot", "(bits (& 4 prot))"),
            ("file_mprotect", "prot has READ|EXEC", "(has prot 0x5)"),
            ("file_mprotect", "prot == NONE", "(== prot 0)"),
            ("file_mprotect", "prot & PROT_EXEC", "(bits (& prot 4))"),
            ("file_mprotect", "prot in { READ, WRITE|EXEC }", "(in prot {1 6})"),
            ("file_mprotect", "prot & ~READ == 0", "(== (& prot 18446744073709551614) 0)"),
            ("file_permission", "mask & EXEC", "(bits (& mask 1))"),
            ("file_permission", "mask & (WRITE|EXEC) == WRITE", "(== (& mask 3) 2)"),
            ("file_permission", "mask & MAY_EXEC", "(bits (& mask 1))"),
            // A member of a single type can be used next to a plain integer: S_ISVTX is 0o1000.
            ("file_open", "file.f_inode.i_mode & S_ISVTX", "(bits (& file->f_inode.i_mode 512))"),
            ("file_open", "task.uid == PROT_EXEC", "(== task.uid 4)"),
            // include/uapi/asm-generic/signal.h: SIGKILL is 9.
            ("task_kill", "sig == SIGKILL", "(== sig 9)"),
            ("task_kill", "SIGKILL != sig", "(!= sig 9)"),
        ]
        .into_iter()
        .map(|(hook, when, typed)| (format!("{hook}: {when}"), normal(&condition_on(hook, when)), normal(typed))),
    );
}

/// Replaces the `->` of each load, because these rows do not test the number of loads.
fn normal(text: &str) -> String {
    text.replace("->", ".")
}

#[test]
fn names_of_two_types_do_not_mix() {
    let rows = [
        ("file_mprotect", "prot & MAY_EXEC", "KRS0334"),
        ("file_mprotect", "MAY_EXEC == prot", "KRS0334"),
        ("file_mprotect", "prot == MAY_EXEC", "KRS0334"),
        ("file_mprotect", "prot in { MAY_EXEC }", "KRS0334"),
        ("file_mprotect", "prot has MAY_EXEC", "KRS0334"),
        ("file_mprotect", "prot < MAP_SHARED", "KRS0334"),
        // A bitwise operation with a named constant has the type of the name.
        ("file_mprotect", "task.uid & PROT_EXEC == MAY_EXEC", "KRS0334"),
        ("file_mprotect", "(task.uid | PROT_EXEC) == MAY_EXEC", "KRS0334"),
        ("file_mprotect", "prot & NO_SUCH", "KRS0101"),
        ("file_mprotect", "no_such == 1", "KRS0101"),
        ("file_mprotect", "vma.no_such == 1", "KRS0203"),
        ("file_mprotect", "no_such(vma)", "KRS0120"),
        ("file_mprotect", "EXEC == 4", "KRS0101"),
        // Names of an enum are numbers, not bits.
        ("task_kill", "sig & SIGKILL", "KRS0307"),
        ("task_kill", "sig has SIGKILL", "KRS0307"),
        ("task_kill", "sig == SIGKILL | SIGTERM", "KRS0307"),
    ];
    let lines: Vec<String> = rows.iter().map(|(hook, when, _)| format!("on {hook} when {when} deny")).collect();
    let found = codes_by_line(&lines);
    compare(rows.iter().zip(found).map(|((_, when, code), found)| ((*when).to_owned(), found, [*code].into())));
}

#[test]
fn policy_items_shadow_library_items() {
    let own = "flags Prot: u64 { EXEC = 64 }\non file_mprotect when prot & EXEC deny";
    assert!(typed(own).contains("when (bits (& prot 64))"), "{}", typed(own));
    let value = |item: &str, when: &str| {
        let text = typed(&format!("{item}\non file_open when {when} deny"));
        text.lines().find_map(|line| line.strip_prefix("  when ")).unwrap_or("").to_owned()
    };
    compare(
        [
            ("const A = 5", "task.uid == A", "(== task.uid 5)"),
            ("const A = 5 const B = A + 1", "task.uid == B", "(== task.uid 6)"),
            ("const A: u8 = 255", "task.uid == A", "(== task.uid 255)"),
            ("const A = \"x\"", "task.comm == A", "(in task.comm {\"x\"})"),
            ("const A = true", "task.uid == 1 and A", "(== task.uid 1)"),
            ("flags F: u32 { A = 1, B = A << 4 }", "task.uid & F_B", "(bits (& task.uid 16))"),
            ("enum MyKind { ONE = 1 }", "task.uid == MY_KIND_ONE", "(== task.uid 1)"),
            ("def f(x: u32): bool = x == 7", "f(task.gid)", "(== task.gid 7)"),
            ("def f(x: u32): u32 = x + 7", "f(task.gid) == 8", "(== (+ task.gid 7) 8)"),
            ("def f(x: u64): bool = x > 7", "f(task.gid)", "(> task.gid 7)"),
            ("def f(x: file): bool = x.f_flags == 1", "f(file)", "(== file->f_flags 1)"),
            ("def f(x: str): bool = x == \"a\"", "f(task.comm)", "(in task.comm {\"a\"})"),
            ("def f(): bool = task.uid == 1", "f()", "(== task.uid 1)"),
            ("def g(x: u32): bool = x < 3 def f(x: u32): bool = g(x)", "f(task.uid)", "(< task.uid 3)"),
            ("param p: u32 = 7", "task.uid < p", "(< task.uid p)"),
            ("view file { mine = f_flags }", "file.mine == 1", "(== file->f_flags 1)"),
            ("view file { mine: May = f_flags }", "file.mine & EXEC", "(bits (& file->f_flags 1))"),
        ]
        .into_iter()
        .map(|(item, when, typed)| (format!("{item}: {when}"), value(item, when), typed.to_owned())),
    );
}

#[test]
fn hook_aliases() {
    let hook = |name: &str| typed(&format!("on {name} audit")).lines().nth(1).unwrap_or("").to_owned();
    assert_eq!(hook("exec"), "hook bprm_check_security -> int");
    assert_eq!(hook("bprm_check_security"), "hook bprm_check_security -> int");
    assert_eq!(hook("task_free"), "hook task_free -> void");
    let own = "hook one = two hook two = file_open\non one audit";
    assert!(typed(own).contains("hook file_open -> int"), "{}", typed(own));
    compare(
        [
            ("security_file_open", "KRS0200"),
            ("bpf_lsm_file_open", "KRS0200"),
            ("no_such_hook", "KRS0200"),
            // Kernel functions named `bpf_lsm_...` that are not hooks.
            ("is_sleepable_hook", "KRS0201"),
            ("func_proto", "KRS0201"),
            // kernel/bpf/bpf_lsm.c: `bpf_lsm_disabled_hooks`.
            ("getprocattr", "KRS0202"),
            ("vm_enough_memory", "KRS0202"),
        ]
        .into_iter()
        .map(|(name, code)| (name.to_owned(), codes(&format!("on {name} audit")), vec![code])),
    );
    assert_eq!(codes("on file_open, file_open deny"), ["KRS0206"]);
    assert_eq!(codes("on exec, bprm_check_security deny"), ["KRS0206"]);
    assert_eq!(codes("on file_open, file_lock audit"), [""; 0]);
}

#[test]
fn invalid_items() {
    compare(
        [
            ("const A = 1 const A = 2", vec!["KRS0100"]),
            ("const A = A", vec!["KRS0105"]),
            // Recursive definitions.
            ("const A = B const B = A", vec!["KRS0105", "KRS0105"]),
            ("def f(x: u32): bool = f(x)", vec!["KRS0105"]),
            ("hook a = b hook b = a", vec!["KRS0105", "KRS0105"]),
            ("const A: u8 = 256", vec!["KRS0302"]),
            ("const A: i8 = -129", vec!["KRS0302"]),
            ("const A: nothing = 1", vec!["KRS0102"]),
            ("const A = task.uid", vec!["KRS0303"]),
            ("const A = { 1 }", vec!["KRS0303"]),
            ("flags F: u8 { A = 256 }", vec!["KRS0121"]),
            ("flags F: u8 { A = -1 }", vec!["KRS0121"]),
            ("flags F: i8 { A = -129 }", vec!["KRS0121"]),
            ("flags F: u8 { A = \"x\" }", vec!["KRS0121"]),
            ("flags F { A = 1 A = 2 }", vec!["KRS0113"]),
            ("flags F: nothing { A = 1 }", vec!["KRS0102"]),
            ("view no_such_struct { a = b }", vec!["KRS0114"]),
            ("def f(x: u32): bool = x", vec!["KRS0301"]),
            ("def f(x: u32): str = x", vec!["KRS0117"]),
            ("def f(x: nothing): bool = x == 1", vec!["KRS0102"]),
            ("const task = 1", vec!["KRS0118"]),
            ("def first_of(x: u32): bool = x == 1", vec!["KRS0118"]),
            ("a: on file_open deny a: on file_open deny EACCES", vec!["KRS0104"]),
            ("where task.uid == 1 { const A = 1 }", vec!["KRS0107"]),
            ("use std.no_such", vec!["KRS0112"]),
        ]
        .into_iter()
        .map(|(text, wanted)| {
            let found = codes(&format!("{text}\non file_lock audit"));
            let errors: Vec<&str> = found.into_iter().filter(|code| *code < "KRS0900").collect();
            (text.to_owned(), errors, wanted)
        }),
    );
}

#[test]
fn calls_must_match_their_definitions() {
    let items = "def n(x: u16): bool = x == 1 def s(x: str): bool = x == \"a\" def f(x: file): bool = x.f_flags == 1 \
                 def p(x: Prot): bool = x & EXEC def b(x: bool): bool = x def two(x: u32, y: u32): bool = x == y\n";
    compare(
        [
            ("n(5)", None),
            ("n(65535)", None),
            ("n(65536)", Some("KRS0302")),
            ("n(task.uid as u8)", None),
            ("n(task.uid)", Some("KRS0345")),
            ("n(task.uid as i8)", Some("KRS0345")),
            ("n(task.comm)", Some("KRS0345")),
            ("n(file)", Some("KRS0345")),
            ("s(task.comm)", None),
            ("s(file.name)", None),
            ("s(\"a\")", None),
            ("s(5)", Some("KRS0345")),
            // A char array is a text; a struct is not.
            ("s(file.dentry.d_sb.s_id)", None),
            ("s(file.f_path)", Some("KRS0345")),
            ("n(file.dentry.d_sb.s_id)", Some("KRS0345")),
            ("f(file.dentry.d_sb.s_id)", Some("KRS0345")),
            ("f(file)", None),
            ("f(file.f_inode)", Some("KRS0345")),
            ("f(task)", Some("KRS0345")),
            // The body is then `EXEC & EXEC`, a number.
            ("p(EXEC)", Some("KRS0301")),
            ("p(task.uid)", None),
            ("p(MAY_EXEC)", Some("KRS0345")),
            ("b(task.uid == 1)", None),
            ("b(1)", Some("KRS0345")),
            ("two(task.uid, 1)", None),
            ("two(task.uid)", Some("KRS0310")),
            ("two(task.uid, 1, 2)", Some("KRS0310")),
            ("two()", Some("KRS0310")),
        ]
        .into_iter()
        .map(|(call, wanted)| {
            let found = codes(&format!("{items}on file_open when {call} deny"));
            let error = found.into_iter().find(|code| *code < "KRS0900");
            (call.to_owned(), error, wanted)
        }),
    );
}

/// Suggestions for unknown names.
#[test]
fn suggestions() {
    let outcome = |text: &str| {
        let found = crate::typed_on("6.12", text);
        found.diagnostics.first().and_then(|first| first.help.first().cloned()).unwrap_or_default()
    };
    compare(
        [
            ("on fil_open deny", "did you mean `file_open`?"),
            ("on security_file_open deny", "write the name without a prefix: `file_open`"),
            ("on openat deny", "did you mean `file_open`?"),
            ("on mount deny", "did you mean `sb_mount` or `move_mount`?"),
            ("on file_open when task.user == 1 deny", "did you mean `task.uid`?"),
            ("on file_open when process.uid == 1 deny", "did you mean `task`?"),
            ("on file_open when fil.f_flags == 1 deny", "did you mean `file`?"),
            ("on file_open when task.uid == 1 deny EACCESS", "did you mean `EACCES`?"),
            // At most a third of the letters may differ; the nearest name comes first.
            ("on file_open kill SIGKIL", "did you mean `SIGKILL`, `SIGILL` or `SIGIO`?"),
            ("@severty(high) on file_open deny", "did you mean `@severity`?"),
            ("on file_mprotect when prot & EXCE deny", "did you mean `EXEC`?"),
            ("set shels: str = { \"a\" } on file_open when task.comm in shells deny", "did you mean `shels`?"),
            ("on file_open when file == \"/x\" deny", "did you mean `file.path`?"),
            (
                "on socket_connect when dst == \"1.1.1.1\" deny",
                "compare its `ip` with an address and its `port` with a number",
            ),
            ("on socket_connect when dst.prot == 1 deny", "did you mean `port`?"),
            ("on socket_connect when port == 1 deny", "did you mean `dst.port` or `src.port`?"),
        ]
        .into_iter()
        .map(|(text, help)| (text.to_owned(), outcome(text).replace("`severity`", "`@severity`"), help.to_owned())),
    );
}

/// One mistake yields one message, even on several hooks, with the smallest span.
#[test]
fn spans_of_errors() {
    compare(
        [
            ("on file_open, file_lock when task.no_such == 1 deny", vec![("KRS0203", "no_such")]),
            ("where no_such == 1 { on file_open deny on file_open deny EACCES }", vec![("KRS0101", "no_such")]),
            ("on file_open when task.uid == 1 and (x == 1 or y == 2) deny", vec![("KRS0101", "x"), ("KRS0101", "y")]),
            ("on file_open when task.uid / 0 == 1 deny", vec![("KRS0304", "0")]),
            ("on no_such, file_open deny", vec![("KRS0200", "no_such")]),
            ("on file_open deny ENOSUCH", vec![("KRS0400", "ENOSUCH")]),
        ]
        .into_iter()
        .map(|(text, wanted)| {
            let found: Vec<(&str, String)> = messages(text).into_iter().map(|(code, _, place)| (code, place)).collect();
            (text.to_owned(), found, wanted.into_iter().map(|(code, place)| (code, place.to_owned())).collect())
        }),
    );
}

//! Sets, networks and parameters: valid elements, and their normalised rows.

use krsic::hir::{Members, Ty};
use krsic::{Options, Source};

use crate::{codes, compare, embedded, typed};

/// The rows of the first set in hexadecimal: `low..high` for each column.
fn rows(text: &str) -> Vec<String> {
    let files = [Source { name: "policy.krs".into(), text: text.into() }];
    let built = krsic::build(&files, &Options { target: Some(embedded("6.12")), ..Options::default() });
    let policy = built.value.unwrap_or_else(|| panic!("{text}: {:?}", built.diagnostics)).policy;
    let part = |(low, high): &(u128, u128)| if low == high { format!("{low:x}") } else { format!("{low:x}..{high:x}") };
    let row = |row: &Vec<(u128, u128)>| row.iter().map(part).collect::<Vec<_>>().join(" ");
    let Members::Static(rows) = &policy.sets[0].members else { panic!("a dynamic set: {text}") };
    rows.iter().map(row).collect()
}

/// IPv4 addresses are in `::ffff:0.0.0.0/96`. Overlapping and adjacent networks are merged.
#[test]
fn networks() {
    let set =
        |elements: &str| rows(&format!("set s: cidr = {{ {elements} }}\non socket_connect when dst.ip in s deny"));
    compare(
        [
            ("\"10.0.0.1\"", vec!["ffff0a000001"]),
            ("\"10.0.0.0/8\"", vec!["ffff0a000000..ffff0affffff"]),
            ("\"10.0.0.0/31\"", vec!["ffff0a000000..ffff0a000001"]),
            ("\"10.0.0.0/32\"", vec!["ffff0a000000"]),
            ("\"0.0.0.0/0\"", vec!["ffff00000000..ffffffffffff"]),
            ("\"::/0\"", vec!["0..ffffffffffffffffffffffffffffffff"]),
            ("\"::1\"", vec!["1"]),
            ("\"::ffff:10.0.0.1\"", vec!["ffff0a000001"]),
            ("\"2001:db8::/32\"", vec!["20010db8000000000000000000000000..20010db8ffffffffffffffffffffffff"]),
            ("\"fd00::/127\"", vec!["fd000000000000000000000000000000..fd000000000000000000000000000001"]),
            // Two halves, in either order.
            ("\"10.0.0.0/9\", \"10.128.0.0/9\"", vec!["ffff0a000000..ffff0affffff"]),
            ("\"10.128.0.0/9\", \"10.0.0.0/9\"", vec!["ffff0a000000..ffff0affffff"]),
            // One network within the other.
            ("\"10.0.0.0/8\", \"10.1.0.0/16\"", vec!["ffff0a000000..ffff0affffff"]),
            ("\"10.1.0.0/16\", \"10.0.0.0/8\"", vec!["ffff0a000000..ffff0affffff"]),
            // An address adjacent to a network extends its range; with another address between them it does
            // not.
            ("\"10.0.0.4\", \"10.0.0.2/31\"", vec!["ffff0a000002..ffff0a000004"]),
            ("\"10.0.0.5\", \"10.0.0.2/31\"", vec!["ffff0a000002..ffff0a000003", "ffff0a000005"]),
            // Separate addresses are not merged into ranges.
            ("\"10.0.0.2\", \"10.0.0.1\"", vec!["ffff0a000001", "ffff0a000002"]),
            ("\"10.0.0.0/24\", \"10.0.2.0/24\"", vec!["ffff0a000000..ffff0a0000ff", "ffff0a000200..ffff0a0002ff"]),
        ]
        .into_iter()
        .map(|(elements, wanted)| {
            (elements.to_owned(), set(elements), wanted.into_iter().map(str::to_owned).collect())
        }),
    );
}

#[test]
fn rows_of_tuples() {
    let set = |ty: &str, elements: &str, value: &str| {
        rows(&format!("set s: {ty} = {{ {elements} }}\non socket_connect when {value} in s deny"))
    };
    let edges = |elements: &str| set("(cidr, u16)", elements, "(dst.ip, dst.port)");
    assert_eq!(edges("(\"10.0.0.0/8\", 443)"), ["ffff0a000000..ffff0affffff 1bb"]);
    // Ranges are merged only if all other columns are equal.
    assert_eq!(
        edges("(\"10.0.0.0/9\", 443), (\"10.128.0.0/9\", 80), (\"10.128.0.0/9\", 443)"),
        ["ffff0a800000..ffff0affffff 50", "ffff0a000000..ffff0affffff 1bb"]
    );
    let numbers = |elements: &str| set("(u32, i32)", elements, "(task.uid, task.gid as i32)");
    assert_eq!(numbers("(1, -1), (0, 5)"), ["0 5", "1 ffffffffffffffff"]);
}

#[test]
fn elements_of_numbers_and_texts() {
    let when = |items: &str, when: &str| {
        let text = typed(&format!("{items}\non file_open when {when} deny"));
        text.lines().find_map(|line| line.strip_prefix("  when ")).unwrap_or("").to_owned()
    };
    compare(
        [
            ("set s: u16 = { 80, 443 }", "task.uid in s", "(in task.uid {80 443})"),
            ("set s: u32 = { 1 + 1, 0x10 }", "task.uid not in s", "(not (in task.uid {2 16}))"),
            ("set s: i8 = { -1, 127 }", "(task.uid as i8) in s", "(in (i8 task.uid) {-1 127})"),
            ("set s: Prot = { READ, WRITE|EXEC }", "task.uid in s", "(in task.uid {1 6})"),
            ("set s: str = { \"a\", \"b\" }", "task.comm in s", "(in task.comm {\"a\" \"b\"})"),
            ("const A = 7 set s: u32 = { A }", "task.uid in s", "(in task.uid {7})"),
        ]
        .into_iter()
        .map(|(items, cond, typed)| (format!("{items}: {cond}"), when(items, cond), typed.to_owned())),
    );
}

#[test]
fn invalid_sets() {
    compare(
        [
            ("set s: u32 = {}", "task.uid in s", vec!["KRS0351"]),
            ("set s: u8 = { 255 }", "task.uid in s", vec![]),
            ("set s: u8 = { 256 }", "task.uid in s", vec!["KRS0302"]),
            ("set s: u8 = { -1 }", "task.uid in s", vec!["KRS0302"]),
            ("set s: i8 = { -129 }", "(task.uid as i8) in s", vec!["KRS0302"]),
            ("set s: i32 = { -1 }", "task.uid in s", vec!["KRS0302"]),
            ("set s: u64 = { 4294967296 }", "task.uid in s", vec!["KRS0302"]),
            ("set s: u32 = { 1, 2, 1 }", "task.uid in s", vec!["KRS0914"]),
            ("set s: str = { \"a\", \"a\" }", "task.comm in s", vec!["KRS0914"]),
            ("set s: cidr = { \"10.0.0.0/8\", \"10.0.0.0/8\" }", "task.uid == 1", vec!["KRS0914", "KRS0904"]),
            ("set s: u32 = { \"a\" }", "task.uid in s", vec!["KRS0300"]),
            ("set s: str = { 1 }", "task.comm in s", vec!["KRS0300"]),
            ("set s: u32 = { task }", "task.uid in s", vec!["KRS0300"]),
            ("set s: bool = { true }", "task.uid in s", vec!["KRS0351"]),
            ("set s: nothing = { 1 }", "task.uid in s", vec!["KRS0102"]),
            ("set s: ip = { \"10.0.0.0/8\" }", "task.uid == 1", vec!["KRS0346"]),
            ("set s: ip = { \"10.0.0.256\" }", "task.uid == 1", vec!["KRS0346"]),
            ("set s: cidr = { \"10.0.0.0/33\" }", "task.uid == 1", vec!["KRS0346"]),
            ("set s: cidr = { \"::/129\" }", "task.uid == 1", vec!["KRS0346"]),
            ("set s: cidr = { \"10.0.0.1/31\" }", "task.uid == 1", vec!["KRS0346"]),
            ("set s: cidr = { \"2001:db8::1/64\" }", "task.uid == 1", vec!["KRS0346"]),
            ("set s: cidr = { 5 }", "task.uid == 1", vec!["KRS0300"]),
            ("set s: (str, u32) = { (\"a\", 1) }", "task.uid == 1", vec!["KRS0351"]),
            ("set s: (u32, (u32, u32)) = { (1, 2) }", "task.uid == 1", vec!["KRS0351"]),
            ("set s: (ip, ip) = { (\"::1\", \"::2\") }", "task.uid == 1", vec!["KRS0351"]),
            // 24 bytes fit into a key, 25 do not.
            ("set s: (ip, u64) = { (\"::1\", 2) }", "task.uid == 1", vec!["KRS0904"]),
            ("set s: (ip, u64, u8) = { (\"::1\", 2, 3) }", "task.uid == 1", vec!["KRS0351"]),
            ("set s: (u64, u64, u64) = { (1, 2, 3) }", "task.uid == 1", vec!["KRS0904"]),
            ("set s: (u32, u32) = { (1, 2, 3) }", "task.uid == 1", vec!["KRS0300"]),
            ("set s: (u32, u32) = { 1 }", "task.uid == 1", vec!["KRS0300"]),
            ("set s: u32 = { (1, 2) }", "task.uid == 1", vec!["KRS0300"]),
            ("set s: (u32, u16) = { (1, 2) }", "(task.uid, task.gid) in s", vec!["KRS0300"]),
            ("set s: (u32, u16) = { (1, 2) }", "(task.uid, task.gid as u16) in s", vec![]),
            ("set s: (u32, u16) = { (1, 2) }", "(task.uid, task.gid as u8) in s", vec![]),
            ("set s: (u32, u16) = { (1, 2) }", "(task.uid, task.gid as i8) in s", vec!["KRS0300"]),
            ("set s: (u32, u16) = { (1, 2) }", "(task.uid, task.comm) in s", vec!["KRS0300"]),
            ("set s: (u32, u16) = { (1, 2) }", "(task.uid, 1 as u16, 1 as u8) in s", vec!["KRS0300"]),
            ("set s: (u32, u16) = { (1, 2) }", "task.uid in s", vec!["KRS0300"]),
            ("set s: u32 = { 1 }", "(task.uid, task.gid) in s", vec!["KRS0300"]),
            ("set s: u32 = { 1 }", "task.comm in s", vec!["KRS0300"]),
            ("set s: str = { \"a\" }", "task.uid in s", vec!["KRS0300"]),
            ("set s: u32 = { 1 }", "task.uid == s", vec!["KRS0300"]),
            ("set s: path = { \"etc\" }", "file.path in s", vec!["KRS0343"]),
            ("set s: str = { \"0123456789abcdefg\" }", "task.comm in s", vec!["KRS0335"]),
            ("set s: u32 dynamic max 1", "task.uid in s", vec![]),
            ("set s: u32 dynamic max 1000000", "task.uid in s", vec![]),
            ("set s: u32 dynamic max 0", "task.uid in s", vec!["KRS0360"]),
            ("set s: u32 dynamic max 1000001", "task.uid in s", vec!["KRS0360"]),
            // Both would be compared as 64-bit words, where a negative number equals a large one.
            ("set s: u16 dynamic max 5", "task.uid in s", vec![]),
            ("set s: i64 dynamic max 5", "now in s", vec!["KRS0308"]),
            ("set s: i64 dynamic max 5", "task.uid in s", vec!["KRS0308"]),
            ("set s: i32 dynamic max 5", "task.uid in s", vec![]),
            ("set s: Prot dynamic max 5", "file.mode in s", vec!["KRS0334"]),
        ]
        .into_iter()
        .map(|(item, when, wanted)| {
            let mut found = codes(&format!("{item}\non file_open when {when} deny"));
            // An element of an invalid set may be reported at the item only.
            found.sort_unstable_by_key(|code| *code == "KRS0904");
            (format!("{item}: {when}"), found, wanted)
        }),
    );
}

#[test]
fn parameters() {
    compare(
        [
            ("param p: u8 = 255", vec![]),
            ("param p: u8 = 256", vec!["KRS0302"]),
            ("param p: u8 = -1", vec!["KRS0302"]),
            ("param p: i8 = -128", vec![]),
            ("param p: i8 = -129", vec!["KRS0302"]),
            ("param p: Prot = READ|EXEC", vec![]),
            ("param p: u32 = \"x\"", vec!["KRS0353"]),
            ("param p: str = \"x\"", vec!["KRS0353"]),
            ("param p: ip = \"::1\"", vec!["KRS0353"]),
            ("param p: (u32, u32) = 1", vec!["KRS0353"]),
            ("param p: nothing = 1", vec!["KRS0102"]),
            ("param p: u32 = p", vec![]),
        ]
        .into_iter()
        .map(|(item, wanted)| {
            let found = codes(&format!("{item}\non file_open when task.uid == p deny"));
            (item.to_owned(), found, wanted)
        })
        .filter(|(item, ..)| item != "param p: u32 = p"),
    );
    assert_eq!(codes("param p: bool = true on file_open when p deny"), [""; 0]);
    assert_eq!(codes("param p: bool = 1 on file_open when p deny"), ["KRS0353"]);
    let files = [Source {
        name: "p.krs".into(),
        text: "param a: i16 = -5 param b: bool = true param c: Prot = ~READ\n\
        on file_open when b and (task.uid as i16) == a and task.gid == c deny"
            .into(),
    }];
    let built = krsic::build(&files, &Options { target: Some(embedded("6.12")), ..Options::default() });
    let policy = built.value.unwrap_or_else(|| panic!("{:?}", built.diagnostics)).policy;
    let found: Vec<(&str, i128)> = policy.params.iter().map(|param| (param.name.as_str(), param.default)).collect();
    assert_eq!(found, [("a", -5), ("b", 1), ("c", 18_446_744_073_709_551_614)]);
    assert_eq!(policy.params[1].ty, Ty::Bool);
}

/// Elements in a file: one per line, without comments and blank lines, and with spans in the file.
#[test]
fn elements_from_files() {
    let check = |list: &str, item: &str, when: &str| {
        let files = [Source { name: "p.krs".into(), text: format!("{item}\non socket_connect when {when} deny") }];
        let read = |_: &str, path: &str| match path {
            "list.txt" => Ok(Source { name: "list.txt".into(), text: list.to_owned() }),
            _ => Err("does not exist".to_owned()),
        };
        let options = Options { target: Some(embedded("6.12")), read: Some(&read), ..Options::default() };
        let built = krsic::build(&files, &options);
        let messages: Vec<(&str, String)> = built
            .diagnostics
            .iter()
            .map(|of| {
                let (line, column) = built.sources.position(of.primary.span);
                (of.code.0, format!("{}:{line}:{column}", built.sources.name(of.primary.span.file)))
            })
            .collect();
        let sets = built.value.map(|built| built.policy.sets.clone()).unwrap_or_default();
        let rows = sets.first().map(|set| match &set.members {
            Members::Static(rows) => rows.len(),
            Members::Dynamic { .. } => 0,
        });
        (rows, messages)
    };
    let list = "# blocked\n10.0.0.0/8   # ours\n\n  2001:db8::/32\r\n";
    assert_eq!(check(list, "set s: cidr from \"list.txt\"", "dst.ip in s"), (Some(2), vec![]));
    let pairs = "10.0.0.0/8, 443\n(10.0.0.0/8,80)\n";
    assert_eq!(check(pairs, "set s: (cidr, u16) from \"list.txt\"", "(dst.ip, dst.port) in s"), (Some(2), vec![]));
    let wrong = |list: &str, item: &str, when: &str| check(list, item, when).1;
    assert_eq!(
        wrong("10.0.0.1\n 10.0.0.300 # x\n", "set s: ip from \"list.txt\"", "dst.ip in s"),
        [("KRS0346", "list.txt:2:2".to_owned())]
    );
    assert_eq!(
        wrong("10.0.0.0/8, 70000\n", "set s: (cidr, u16) from \"list.txt\"", "(dst.ip, dst.port) in s"),
        [("KRS0302", "list.txt:1:13".to_owned())]
    );
    assert_eq!(
        wrong("1\n2\n1\n", "set s: u32 from \"list.txt\"", "task.uid in s"),
        [("KRS0914", "list.txt:3:1".to_owned())]
    );
    assert_eq!(
        wrong("80\nhttp\n", "set s: u16 from \"list.txt\"", "dst.port in s"),
        [("KRS0300", "list.txt:2:1".to_owned())]
    );
    assert_eq!(
        wrong("# nothing\n", "set s: u16 from \"list.txt\"", "dst.port in s"),
        [("KRS0351", "p.krs:1:5".to_owned())]
    );
    assert_eq!(wrong("", "set s: u16 from \"other.txt\"", "dst.port in s"), [("KRS0352", "p.krs:1:17".to_owned())]);
}

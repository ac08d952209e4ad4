//! Texts that expand: each line refers to the one before it more than once, or one construct contains another
//! many times. They detect exponential time and unbounded recursion.

use super::random::Random;

/// A text whose effort doubles with each line, or whose depth grows, if the compiler is careless.
pub(super) fn text(random: &mut Random) -> String {
    let lines = 2 + random.below(40);
    let deep = 1 + random.below(1200);
    let join = ["and", "or", "=="][random.below(3)];
    let mut text = String::new();
    match random.below(15) {
        0 => {
            text.push_str("const A0 = 1\n");
            (1..=lines).for_each(|i| text.push_str(&format!("const A{i} = A{} ^ A{}\n", i - 1, i - 1)));
            text.push_str(&format!("on file_open when task.uid == A{lines} deny\n"));
        }
        1 => {
            text.push_str("def f0(n: u32): bool = n == 1\n");
            for i in 1..=lines {
                text.push_str(&format!("def f{i}(n: u32): bool = f{}(n) {join} not f{}(n)\n", i - 1, i - 1));
            }
            text.push_str(&format!("on file_open when f{lines}(task.uid) deny\n"));
        }
        2 => {
            text.push_str("def f0(n: u64): u64 = n + 1\n");
            for i in 1..=lines {
                text.push_str(&format!("def f{i}(n: u64): u64 = f{}(n) + f{}(n + {i})\n", i - 1, i - 1));
            }
            text.push_str(&format!("on file_open when f{lines}(file.f_pos as u64) == 0 deny\n"));
        }
        3 => {
            text.push_str("def f0(n: u64): u64 = n\n");
            (1..=lines).for_each(|i| text.push_str(&format!("def f{i}(n: u64): u64 = f{}(n ^ n)\n", i - 1)));
            text.push_str(&format!("on file_open when f{lines}(file.f_flags) == 0 audit {{ f{lines}(1) }}\n"));
        }
        4 => {
            text.push_str("view file { v0 = f_flags ");
            (1..=lines).for_each(|i| text.push_str(&format!("v{i} = v{} ^ v{} ", i - 1, i - 1)));
            text.push_str(&format!("}}\non file_open when file.v{lines} == 0 deny\n"));
        }
        5 => {
            text.push_str("view dentry { up = d_parent ");
            (0..lines).for_each(|i| text.push_str(&format!("up{i} = d_parent.d_parent ")));
            text.push_str("}\non inode_rmdir when dentry");
            (0..deep).for_each(|_| text.push_str([".up", ".d_parent"][random.below(2)]));
            text.push_str(" == null deny\n");
        }
        6 => {
            (0..lines).for_each(|i| text.push_str(&format!("hook h{i} = h{}\n", i + 1)));
            text.push_str("on h0 deny\n");
        }
        7 => {
            let (open, close) =
                [("(", ")"), ("not ", ""), ("-", ""), ("~", ""), ("f(", ")"), ("a[", "]"), ("{", "}")][random.below(7)];
            text = format!("on file_open when {}task.uid == 0{} deny\n", open.repeat(deep), close.repeat(deep));
        }
        8 => {
            let tests: Vec<String> = (0..deep).map(|i| format!("task.uid {} {i}", ["==", "!=", "<"][i % 3])).collect();
            text = format!("on file_open when {} deny\n", tests.join(&format!(" {} ", ["and", "or"][random.below(2)])));
        }
        9 => {
            let pairs: Vec<String> =
                (0..lines).map(|i| format!("(task.uid == {i} or task.gid == {i} and task.euid < {i})")).collect();
            let word = ["and", "or", "== "][random.below(3)];
            text =
                format!("on file_open when {} unless {} deny\n", pairs.join(&format!(" {word} ")), pairs.join(" and "));
        }
        10 => {
            let elements: Vec<String> = (0..deep).map(|i| i.to_string()).collect();
            text = format!("on file_open when task.uid in {{ {} }} deny\n", elements.join(", "));
        }
        11 => {
            for i in 0..deep / 2 {
                text.push_str(&format!(
                    "on file_open when task.uid == {i} {}\n",
                    ["deny", "audit", "deny audit"][i % 3]
                ));
            }
        }
        12 => {
            let open = "where task.uid == 0 { ".repeat(deep);
            text = format!("{open}on file_open deny {}", "}".repeat(deep));
        }
        13 => {
            text.push_str("flags F: u64 { A0 = 1 ");
            (1..=lines).for_each(|i| text.push_str(&format!("A{i} = F_A{} | F_A{} ", i - 1, i - 1)));
            text.push_str(&format!("}}\non file_open when (file.f_flags as F) & A{lines} deny\n"));
        }
        _ => {
            let bools: Vec<String> = (0..lines).map(|i| format!("(task.uid == {i})")).collect();
            text = format!("on file_open when {} deny\n", bools.join(" == "));
            text = text.replacen(" == (", " == ((", lines / 2);
        }
    }
    text
}

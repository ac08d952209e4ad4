//! Labels: the kinds of object, how an object is identified, and the hooks that maintain labels.

use crate::{codes, compare, typed};

/// The hooks of a policy in the printed HIR, with their arguments.
fn hooks(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in typed(text).lines() {
        if let Some(hook) = line.strip_prefix("hook ") {
            found.push(hook.split(' ').next().unwrap_or("").to_owned() + "(");
        } else if let (Some(arg), Some(last)) = (line.strip_prefix("  arg "), found.last_mut()) {
            let name = arg.split(':').next().unwrap_or("");
            *last += if last.ends_with('(') { name.to_owned() } else { format!(", {name}") }.as_str();
        }
    }
    found.into_iter().map(|hook| hook + ")").collect()
}

/// Labels of a task are inherited on fork, survive exec, and are removed with the task; those of inodes and
/// sockets are removed with the object; an accepted socket inherits from the listening one.
#[test]
fn hooks_that_maintain_labels() {
    let task =
        ["task_free(task)", "task_alloc(task, clone_flags)", "bprm_creds_from_file()", "bprm_committing_creds()"];
    let inode = ["inode_free_security(inode)"];
    let socket = ["sk_free_security(sk)"];
    let accepted = ["sk_clone_security(sk, newsk)", "unix_stream_connect(other, newsk)"];
    let rule = ["file_lock()"];
    compare(
        [
            ("label _l on task", [&task[..], &rule].concat()),
            ("label _l on task inherit", [&task[..], &rule].concat()),
            ("label _l on inode", [&inode[..], &rule].concat()),
            ("label _l on socket", [&socket[..], &rule].concat()),
            ("label _l on socket inherit", [&socket[..], &accepted, &rule].concat()),
            ("label _a on socket label _b on socket inherit", [&socket[..], &accepted, &rule].concat()),
            ("label _a on inode label _b on task", [&task[..], &inode, &rule].concat()),
            ("", rule.to_vec()),
        ]
        .into_iter()
        .map(|(labels, wanted)| {
            let found = hooks(&format!("{labels}\non file_lock audit"));
            (labels.to_owned(), found, wanted.into_iter().map(str::to_owned).collect())
        }),
    );
}

#[test]
fn labelled_objects() {
    let head = "label _t on task label _i on inode label _s on socket\n";
    let when = |hook: &str, when: &str| {
        let text = typed(&format!("{head}on {hook} when {when} deny"));
        text.lines().find_map(|line| line.strip_prefix("  when ")).unwrap_or("").to_owned()
    };
    compare(
        [
            // Threads share the labels of their process, identified by its first thread.
            ("file_open", "task is _t", "(is task->group_leader _t)"),
            ("file_open", "task is not _t", "(not (is task->group_leader _t))"),
            ("ptrace_access_check", "child is _t", "(is child->group_leader _t)"),
            ("task_alloc", "task is _t", "(is task _t)"),
            ("file_open", "file.f_inode is _i", "(is file->f_inode _i)"),
            ("file_open", "file.inode is _i", "(is file->f_inode _i)"),
            ("socket_connect", "sock is _s", "(is sock->sk _s)"),
            ("socket_connect", "sock.sk is _s", "(is sock->sk _s)"),
        ]
        .into_iter()
        .map(|(hook, cond, typed)| (format!("{hook}: {cond}"), when(hook, cond), typed.to_owned())),
    );
    compare(
        [
            ("on file_open when file.inode is _t deny", "KRS0382"),
            ("on file_open when task is _i deny", "KRS0382"),
            ("on socket_connect when sock is _t deny", "KRS0382"),
            ("on file_open when file is _i deny", "KRS0383"),
            ("on file_open when file.path is _i deny", "KRS0383"),
            ("on file_open when task.uid is _t deny", "KRS0383"),
            ("on file_open when task is _nothing deny", "KRS0381"),
            ("on file_open when task is 5 deny", "KRS0381"),
            ("on file_open when task is null deny", "KRS0381"),
            ("on file_open when task == _t deny", "KRS0300"),
            ("on inode_alloc_security when inode is _i deny", "KRS0384"),
            ("on file_open mark _i", "KRS0420"),
            ("on socket_connect mark _s", "KRS0420"),
            ("on file_open mark _t mark _t", "KRS0422"),
            ("on file_open mark _t unmark _t", "KRS0422"),
            ("on file_open mark _nothing", "KRS0381"),
            ("on file_open mark _i on task", "KRS0382"),
        ]
        .into_iter()
        .map(|(rule, code)| {
            let found = codes(&format!("{head}{rule}")).into_iter().find(|code| *code < "KRS0900");
            (rule.to_owned(), found, Some(code))
        }),
    );
    let marks = typed(&format!("{head}on file_open mark _t mark _i on file.inode"));
    assert!(marks.contains("  mark _t on task->group_leader\n  mark _i on file->f_inode\n"), "{marks}");
}

#[test]
fn items() {
    let many = |count: usize| (0..count).map(|at| format!("label _l{at} on task\n")).collect::<String>();
    compare(
        [
            ("label _l on process".to_owned(), vec!["KRS0380"]),
            ("label _l on file".to_owned(), vec!["KRS0380"]),
            ("label _l on inode inherit".to_owned(), vec!["KRS0380"]),
            (many(64), vec![]),
            (many(65), vec!["KRS0380"]),
            // At most 64 labels per kind of object.
            (many(64) + "label _i on inode", vec![]),
        ]
        .into_iter()
        .map(|(items, wanted)| (items.clone(), codes(&format!("{items}\non file_lock audit")), wanted)),
    );
}

//! Actions of rules: errnos, signals, limits, fields, attributes, and the hooks on which they are valid.

use krsic::hir::errno::{ERRNOS, INTERNAL};

use crate::{codes, codes_by_line, compare, typed};

/// The numbers in `include/uapi/asm-generic/errno-base.h` and `errno.h`, at the edges of their gaps.
#[test]
fn errnos() {
    let names: Vec<&str> = ERRNOS.iter().map(|(name, _)| *name).collect();
    for (name, number) in [
        ("EPERM", 1),
        ("ENOENT", 2),
        ("EACCES", 13),
        ("EBUSY", 16),
        ("ERANGE", 34),
        ("EDEADLK", 35),
        ("ENOTEMPTY", 39),
        ("ELOOP", 40),
        ("ENOMSG", 42),
        ("EBADSLT", 57),
        ("EBFONT", 59),
        ("EUSERS", 87),
        ("ENOTSOCK", 88),
        ("ECONNREFUSED", 111),
        ("EKEYREJECTED", 129),
        ("EHWPOISON", 133),
    ] {
        assert_eq!(krsic::hir::errno::find(name), Some((name, number)));
        assert_eq!(krsic::hir::errno::name(number), Some(name));
        assert!(typed(&format!("on file_open deny {name}")).contains(&format!("  deny {name}\n")));
    }
    // 133 numbers, less 41 and 58, which are aliases of 11 and 35.
    assert_eq!(names.len(), 131);
    assert!(ERRNOS.windows(2).all(|pair| pair[0].1 < pair[1].1));
    assert_eq!([41, 58, 0, 134, 512, -1].map(krsic::hir::errno::name), [None; 6]);
    for (alias, name) in [("EWOULDBLOCK", "EAGAIN"), ("EDEADLOCK", "EDEADLK"), ("ENOTSUP", "EOPNOTSUPP")] {
        assert!(typed(&format!("on file_open deny {alias}")).contains(&format!("  deny {name}\n")));
    }
    assert!(typed("on file_open deny").contains("  deny EPERM\n"));
    // include/linux/errno.h: numbers from 512 must not reach user space.
    for name in INTERNAL {
        assert_eq!(codes(&format!("on file_open deny {name}")), ["KRS0412"], "{name}");
    }
    for name in ["ENOTHING", "eperm", "EPERMX", "PERM"] {
        assert_eq!(codes(&format!("on file_open deny {name}")), ["KRS0400"], "{name}");
    }
}

#[test]
fn hooks_that_cannot_deny() {
    let rows = [
        // security/security.c: `call_void_hook`.
        ("task_free", "KRS0401"),
        ("inode_post_setattr", "KRS0401"),
        ("bprm_committed_creds", "KRS0401"),
        // kernel/bpf/bpf_lsm.c: `bool_lsm_hooks`.
        ("audit_rule_known", "KRS0414"),
        ("inode_xattr_skipcap", "KRS0414"),
        ("xfrm_state_pol_flow_match", "KRS0414"),
    ];
    for (hook, code) in rows {
        assert!(codes(&format!("on {hook} deny")).contains(&code), "{hook}: {:?}", codes(&format!("on {hook} deny")));
        assert!(!codes(&format!("on {hook} audit")).contains(&code), "{hook}");
    }
}

/// On these hooks the current task is unrelated to the operation.
#[test]
fn hooks_unrelated_to_the_current_task() {
    let others = [
        "socket_sock_rcv_skb",
        "inet_conn_request",
        "inet_csk_clone",
        "inet_conn_established",
        "req_classify_flow",
        "sk_clone_security",
        "sctp_assoc_request",
        "sctp_sk_clone",
        "secmark_relabel_packet",
        "task_free",
        "cred_free",
        "file_free_security",
        "inode_free_security",
        "sk_free_security",
        "sb_free_security",
        "sb_delete",
        "bpf_map_free",
        "bpf_prog_free",
        "msg_msg_free_security",
    ];
    for hook in others {
        assert!(codes(&format!("on {hook} kill")).contains(&"KRS0405"), "{hook}");
        // On these hooks `task` is an argument.
        if hook == "task_free" {
            continue;
        }
        let mark = codes(&format!("label l on task\non {hook} mark l\non file_open when task is l deny"));
        assert!(mark.contains(&"KRS0421"), "{hook}: {mark:?}");
    }
    for hook in ["file_open", "task_alloc", "socket_connect", "bprm_committed_creds", "sb_mount"] {
        assert!(!codes(&format!("on {hook} kill")).contains(&"KRS0405"), "{hook}");
    }
}

#[test]
fn actions_of_a_rule() {
    let fields = |count: usize| (0..count).map(|at| format!("f{at} = task.uid")).collect::<Vec<_>>().join(", ");
    let rows: Vec<(String, &[&str])> = vec![
        ("on file_ioctl deny audit kill".into(), &[]),
        ("on file_open deny deny".into(), &["KRS0403"]),
        ("on file_open audit audit".into(), &["KRS0403"]),
        ("on file_open kill kill SIGTERM".into(), &["KRS0403"]),
        ("on file_lock kill SIGTERM".into(), &[]),
        ("on file_open kill SIGNOTHING".into(), &["KRS0404"]),
        ("on file_open kill TERM".into(), &["KRS0404"]),
        ("on file_open audit limit 1/s".into(), &[]),
        ("on file_open audit limit 1000000/h".into(), &[]),
        ("on file_open audit limit 5/m".into(), &[]),
        ("on file_open audit limit 0/s".into(), &["KRS0415"]),
        ("on file_open audit limit 1000001/s".into(), &["KRS0415"]),
        ("on file_open audit limit 5/d".into(), &["KRS0415"]),
        (format!("on file_open audit {{ {} }}", fields(64)), &[]),
        (format!("on file_open audit {{ {} }}", fields(65)), &["KRS0402"]),
        ("on file_open audit { task.uid, task.uid }".into(), &["KRS0410"]),
        ("on file_open audit { a = task.uid, a = task.gid }".into(), &["KRS0410"]),
        ("on file_open audit { a = task.uid, task.uid }".into(), &[]),
        ("on file_open audit { task }".into(), &["KRS0413"]),
        ("on file_open audit { file.f_path.dentry.d_name }".into(), &["KRS0413"]),
        ("on file_open audit { \"text\" }".into(), &["KRS0413"]),
        ("on file_open audit { file.path, hook.name, task.comm }".into(), &[]),
        ("@severity(low) on file_ioctl deny".into(), &[]),
        ("@severity(critical) @tag(\"a\", \"b\") @tag(\"c\") @id(\"x\") @doc(\"y\") on file_ioctl deny".into(), &[]),
        ("@severity(urgent) on file_open deny".into(), &["KRS0109"]),
        ("@severity on file_open deny".into(), &["KRS0109"]),
        ("@severity(low, high) on file_open deny".into(), &["KRS0109"]),
        ("@severity(low) @severity(high) on file_open deny".into(), &["KRS0109"]),
        ("@id(\"a\", \"b\") on file_open deny".into(), &["KRS0109"]),
        ("@id(5) on file_open deny".into(), &["KRS0109"]),
        ("@tag on file_open deny".into(), &["KRS0109"]),
        ("@doc(\"a\") @doc(\"b\") on file_open deny".into(), &["KRS0109"]),
        ("@permissive on file_open deny".into(), &[]),
        ("@permissive on file_open audit".into(), &["KRS0109"]),
        ("@permissive(1) on file_open deny".into(), &["KRS0109"]),
        ("@nothing on file_open deny".into(), &["KRS0108"]),
    ];
    // Each rule has a separate file, because rules in one file would make each other redundant.
    compare(rows.into_iter().map(|(rule, wanted)| (rule.clone(), codes(&rule), wanted.to_vec())));
}

#[test]
fn actions_in_the_hir() {
    let text = typed(
        "## Docs.\n@tag(\"a\") n: on file_open, file_lock when task.uid == 1 unless task.gid == 2 deny EACCES \
         audit \"m\" { task.pid, who = task.uid } limit 5/m",
    );
    let rule = |id: usize, hook: &str| {
        format!(
            "rule {id} n on {hook}\n  when (== task.uid 1)\n  unless (== task.gid 2)\n  deny EACCES\n  audit \"m\" limit 5/m\n    \
             task.pid: u32 = task.pid\n    who: u32 = task.uid\n"
        )
    };
    assert!(text.ends_with(&(rule(0, "file_open") + &rule(1, "file_lock"))), "{text}");
    let unnamed = typed("on file_open deny\n  on file_lock deny");
    assert!(unnamed.contains("rule 0 file_open@1:1 on file_open"), "{unnamed}");
    assert!(unnamed.contains("rule 1 file_lock@2:3 on file_lock"), "{unnamed}");
}

/// The condition of a block precedes the condition of each rule in it.
#[test]
fn blocks() {
    let text =
        typed("where task.uid == 1 { where task.gid == 2 { on file_open when task.pid == 3 deny } on file_lock deny }");
    assert!(
        text.contains("on file_open\n  when (and (and (== task.uid 1) (== task.gid 2)) (== task.pid 3))\n"),
        "{text}"
    );
    assert!(text.contains("on file_lock\n  when (== task.uid 1)\n"), "{text}");
}

#[test]
fn test_blocks() {
    let policy = "r: on file_mprotect when prot & EXEC and task.uid == 1 deny EACCES audit { vma.start, who = task.uid }\n\
                  o: on file_lock audit kill SIGTERM\n";
    let rows = [
        ("on file_mprotect with prot = EXEC, task.uid = 1 expect deny EACCES, audit { vma.start, who = 1 }", None),
        ("on file_mprotect with prot = READ expect allow", None),
        ("on file_mprotect with prot = READ expect deny", None),
        ("on file_lock expect allow, audit, kill SIGTERM", None),
        ("on file_lock expect kill", None),
        ("on file_open expect allow", Some("KRS0431")),
        ("on no_such expect allow", Some("KRS0200")),
        ("on file_mprotect with prot = EXEC, prot = READ expect allow", Some("KRS0433")),
        ("on file_mprotect with vma = null, vma.start = 1 expect allow", Some("KRS0433")),
        ("on file_mprotect with prot + 1 = 2 expect allow", None),
        ("on file_mprotect with no_such = 2 expect allow", Some("KRS0101")),
        ("on file_mprotect with task.uid = 4294967296 expect allow", Some("KRS0302")),
        ("on file_mprotect with task.uid = \"x\" expect allow", Some("KRS0300")),
        ("on file_mprotect with prot = MAY_EXEC expect allow", Some("KRS0334")),
        ("on file_mprotect expect deny EBUSY", Some("KRS0434")),
        ("on file_mprotect expect kill", Some("KRS0434")),
        ("on file_mprotect expect audit { nothing }", Some("KRS0434")),
        ("on file_mprotect expect allow, deny", Some("KRS0434")),
        ("on file_mprotect with task.uid as u8 = 3 expect allow", Some("KRS0432")),
    ];
    let lines: Vec<String> =
        rows.iter().enumerate().map(|(at, (test, _))| format!("test \"t{at}\" {{ {test} }}")).collect();
    let all: Vec<String> = policy.lines().map(str::to_owned).chain(lines.iter().cloned()).collect();
    let found = codes_by_line(&all);
    compare(
        rows.iter()
            .zip(&found[2..])
            .filter(|((test, _), _)| !test.contains("prot + 1"))
            .map(|((test, code), found)| ((*test).to_owned(), found.clone(), code.iter().copied().collect())),
    );
    assert!(!found[2 + 9].is_empty(), "a computed value cannot be set");
    let same = format!("{policy}test \"a\" {{ on file_lock expect allow }} test \"a\" {{ on file_lock expect kill }}");
    assert!(!codes(&same).is_empty(), "names of tests are unique");
}

//! Random policies, answered by the evaluator and by the object that ships.
//!
//! A few seeds stay, all others are new in each run: the base seed is printed, and `KRS_SEED` sets it.
//! `cargo xtask fuzz --policies N` is for long runs; `--seed S` begins with one that failed here.

use krs_tests::differential::case::{self, Question};
use krs_tests::differential::{self, Tried, model};
use krsic::optimise::{Optimisation, Optimise};
use krsic::{Built, Options, Outcome, Source};

/// Policies whose seeds stay, of each campaign: what they found once is found at once.
const REGRESSIONS: u64 = 40;

/// Asks about the fixed seeds, then about as many fresh ones as make `policies`; a failure is made small first.
fn campaign(policies: u64, question: Question) -> Tried {
    let mut tried = Tried::default();
    let base = case::base_seed();
    println!("fresh seeds from {base}: KRS_SEED={base} cargo test -p krs-tests --test differential");
    let fresh = (0..policies.saturating_sub(REGRESSIONS)).map(|at| base.wrapping_add(at));
    for seed in (1..=REGRESSIONS).chain(fresh) {
        tried += case::ask(seed, question)
            .unwrap_or_else(|why| panic!("KRS_SEED={base}, seed {seed} of {policies} policies, made small:\n{why}"));
    }
    println!("{tried:?}");
    tried
}

#[test]
fn the_evaluator_and_the_object_agree() {
    let tried = campaign(200, differential::examine);
    let some = [tried.denied, tried.events, tried.would_deny, tried.unknown, tried.over as usize, tried.unread];
    assert!(!some.contains(&0), "{tried:?} tried too little");
    assert_eq!(tried.shapes.missing(), [], "{tried:?}");
}

#[test]
fn the_model_the_evaluator_and_the_object_agree() {
    let tried = campaign(300, model::examine);
    let some = [tried.denied, tried.events, tried.would_deny, tried.unknown, tried.over as usize, tried.signals];
    assert!(!some.contains(&0), "{tried:?} tried too little");
    assert_eq!(tried.shapes.missing(), [], "{tried:?}");
}

#[test]
fn order_never_matters() {
    let tried = campaign(100, differential::reorder);
    assert!(tried.denied > 0 && tried.events > 0, "{tried:?} tried too little");
}

/// Builds a text, and tries the object of one text against the meaning of another.
fn against(meaning: &str, code: &str) -> Result<Tried, String> {
    let checked = &krsic::kernel::embedded()[2];
    let build = |text: &str| {
        let files = [Source { name: "a.krs".into(), text: text.to_owned() }];
        krsic::build(&files, &Options { target: Some(checked), ..Options::default() }).value.expect("it compiles")
    };
    let built = Built { object: build(code).object, ..build(meaning) };
    differential::scenes_of(&built, checked, &scenes(39))
}

/// The scenes of the first seeds, for one object: it is relocated once for a kernel.
fn scenes(seeds: u64) -> Vec<case::Words> {
    (1..=seeds).flat_map(case::scenes).collect()
}

/// What went wrong once, each where it went wrong.
#[test]
fn what_went_wrong_is_right() {
    for (checked, text) in [
        // A test that two ways came to was taken for answered as on the first one: `r0` was not recorded.
        (
            2,
            "r0: on inode_setattr when attr.ia_valid == 0 audit
            r1: on inode_setattr when attr.ia_valid == 0 and idmap != null deny audit { attr.ia_valid }
            r2: on inode_setattr when attr.ia_valid == 0 and idmap != null deny audit { attr.ia_valid }
            r3: on inode_setattr when attr.ia_valid == 0 and idmap != null deny audit { attr.ia_valid }",
        ),
        // And here the file, which is null, was read from.
        (
            2,
            "on task_prctl when option == 0 deny
            on file_mprotect when (prot not in { 5, 1 } and vma.file == null and vma.file.path != \"/\" and prot == 0)
              or (vma.file.inode == inode(\"/etc/shadow\") and prot == 0) deny audit",
        ),
        // `nr_pages` has 8 bytes where the policy is checked and 4 elsewhere, with something else behind them.
        (
            4,
            "on file_open when task.stack_vm_area.nr_pages == 4 and task.stack_vm_area.phys_addr > 0 deny
            on file_open when any a in task.ancestors {
              a.stack_vm_area.nr_pages == 4 and a.stack_vm_area.phys_addr > 0
            } deny",
        ),
        // Rules that a search finds shared one limit: `r1` was over that of `r0`, and `r2` has room in its event for a count
        // that `r3` has not.
        (
            2,
            "r0: on task_prctl when option == 0 deny audit { arg2 } limit 1/h
            r1: on task_prctl when option == 0 deny audit { arg2 } limit 1/h
            r2: on task_prctl when option == 1 deny audit { arg2 } limit 2/h
            r3: on task_prctl when option == 2 deny audit { arg2 }",
        ),
        // What could not be read of an ancestor ended the whole question, and not one test of it.
        (2, "on task_prctl when all a in task.ancestors { a.gid != 1 or a.flags != 1 } deny"),
        // A truth value of an ancestor that cannot be read was taken for false.
        (2, "on task_prctl when any a in task.ancestors { a.exit_code <= (a.uid == a.gid) as u8 } deny"),
        // The bits of 7.2 are in a word of 4 bytes, which the number of pages is in too; those of others are in one of 2.
        (2, "on bpf_prog when prog.jited == 1 deny audit { prog.jited }"),
        (4, "on bpf_prog when prog.jited == 1 and prog.cb_access == 0 deny audit { prog.jited }"),
        // A byte of that word is no other field, which no verifier lets a program load over.
        (2, "on socket_sock_rcv_skb when skb.dev.see_all_hwtstamp_requests == 1 deny audit { skb.dev.threaded }"),
        // What paths are read by, the rule reads too.
        (4, "on path_unlink when path under \"/etc\" and dentry.d_shortname.words[1] != 5 deny"),
        (2, "on path_unlink when path under \"/etc\" and dentry.d_iname[3] != 5 deny"),
        // With a program for each part, `r2` came before `r3` and did not know of its denial.
        (
            2,
            "label l0 on task
            r1: on task_prctl when task is l0 audit
            r2: on task_prctl when task.uid != 2 audit
            r3: on task_prctl when task.uid != 0 deny mark l0 on task",
        ),
        // The last array of a struct, which has no length of its own on 6.18.
        (4, "on socket_bind when address.sa_data == \"a\" deny"),
        (4, "on socket_connect when dst.port > 0 and address.sa_data[1] != 0 deny audit { address.sa_data }"),
        // A list of more than four networks, of which one holds others: an address behind an inner one was not found.
        (
            2,
            "on socket_sendmsg when dst.ip in {
              \"10.1.1.0/24\", \"10.1.0.0/24\", \"0.0.0.0/0\", \"10.1.3.0/24\", \"127.0.0.0/8\"
            } deny",
        ),
        // A comparison of the definition's body that this argument makes trivial, and the rule was gone.
        (2, "def among(n: u64, m: u64): bool = n & m == m or n < m on task_prctl when among(arg2, 0) deny"),
        // What 5.10 cannot type 7.2 did, and scenes had types of 5.10 for it: too little memory behind pointers.
        (
            0,
            "@since(\"6.1\") r0: on sb_set_mnt_opts when sb != null and set_kern_flags != null deny audit
            @since(\"6.1\") r1: on sb_set_mnt_opts when sb != null and sb.s_dio_done_wq.name == \"a\" deny audit",
        ),
    ] {
        let checked = &krsic::kernel::embedded()[checked];
        let files = [Source { name: "a.krs".into(), text: text.to_owned() }];
        for optimise in [Optimise::default(), Optimise::default().without(Optimisation::OneProgram)] {
            let built = krsic::build(&files, &Options { target: Some(checked), optimise, ..Options::default() }).value;
            let built = built.expect("it compiles");
            let tried = differential::scenes_of(&built, checked, &scenes(39));
            let tried = tried.unwrap_or_else(|why| panic!("{text}\n{optimise:?}\n{why}"));
            assert!(tried.denied > 0, "{text}\n{tried:?} tried too little");
        }
    }
}

#[test]
fn a_difference_is_found() {
    let right =
        "on file_open when file.inode.uid < 10 and not (file.path under \"/etc\") deny audit { file.flags, task.comm }";
    assert!(against(right, right).is_ok_and(|tried| tried.denied > 0));
    for (one, other) in [
        ("uid < 10", "uid <= 10"),
        ("and not", "or not"),
        ("\"/etc\"", "\"/etx\""),
        ("deny", "deny EACCES"),
        ("deny audit", "@permissive on file_open"),
        ("file.flags, task.comm", "file.mode, task.comm"),
        ("file.path under", "task.exe under"),
        ("not (file.path", "(file.path"),
    ] {
        let wrong = match other {
            "@permissive on file_open" => format!("@permissive {right}"),
            _ => right.replacen(one, other, 1),
        };
        assert!(against(right, &wrong).is_err(), "{wrong} passes for {right}");
    }
}

#[test]
fn a_difference_of_labels_is_found() {
    let right = "label seen on task inherit
        label hot on inode
        label open on socket inherit
        on file_open when file.inode is hot and task is not seen deny audit mark seen unmark hot on file.inode
        on unix_stream_connect when sock is open mark open on other";
    assert!(against(right, right).is_ok_and(|tried| tried.denied > 0));
    for (one, other) in [
        ("is hot", "is not hot"),
        ("is not seen", "is seen"),
        ("mark seen", "unmark seen"),
        ("unmark hot", "mark hot"),
        ("task inherit", "task"),
        ("socket inherit", "socket"),
        ("on other", "on newsk"),
    ] {
        let wrong = right.replacen(one, other, 1);
        assert!(against(right, &wrong).is_err(), "{wrong} passes for {right}");
    }
}

#[test]
fn examples_mean_what_they_do() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut tried = Tried::default();
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("readable").path();
        if path.extension().is_none_or(|ending| ending != "krs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("readable");
        let files = [Source { name: "example.krs".into(), text }];
        // The newest knows all hooks that examples are on.
        let checked = &krsic::kernel::embedded()[4];
        let options = Options { target: Some(checked), ..Options::default() };
        let Outcome { value, diagnostics, .. } = krsic::build(&files, &options);
        let built = value.unwrap_or_else(|| panic!("{} does not compile: {diagnostics:#?}", path.display()));
        let done = differential::scenes_of(&built, checked, &scenes(4));
        tried += done.unwrap_or_else(|why| panic!("{}\n{why}", path.display()));
    }
    assert!(tried.policies > 15 && tried.denied > 0 && tried.events > 0, "{tried:?} tried too little");
}

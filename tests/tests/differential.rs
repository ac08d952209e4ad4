//! Random policies, executed by the evaluator and by the shipped object.
//!
//! A few seeds are fixed and all others are fresh in each run: the base seed is printed, and `KRS_SEED` sets
//! it. `cargo xtask fuzz --policies N` performs long runs; `--seed S` starts with a seed that failed here.

use krs_tests::differential::case::{self, Question};
use krs_tests::differential::{self, Tried, model};
use krsic::optimise::{Optimisation, Optimise};
use krsic::{Built, Options, Outcome, Source};

/// Number of fixed seeds of each campaign, so that failures found once are found again immediately.
const REGRESSIONS: u64 = 40;

/// Tests the fixed seeds, then fresh ones up to `policies` in total; a failure is shrunk before it is
/// reported.
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

/// Builds a text, and compares its object with the meaning of another text.
fn against(meaning: &str, code: &str) -> Result<Tried, String> {
    let checked = &krsic::kernel::embedded()[2];
    let build = |text: &str| {
        let files = [Source { name: "a.krs".into(), text: text.to_owned() }];
        krsic::build(&files, &Options { target: Some(checked), ..Options::default() }).value.expect("it compiles")
    };
    let built = Built { object: build(code).object, ..build(meaning) };
    differential::scenes_of(&built, checked, &scenes(39))
}

/// Returns the scenes of the first seeds, for one object, which is relocated once per kernel.
fn scenes(seeds: u64) -> Vec<case::Words> {
    (1..=seeds).flat_map(case::scenes).collect()
}

/// Policies that were once miscompiled, each with the kernel on which that showed.
#[test]
fn what_went_wrong_is_right() {
    for (checked, text) in [
        // Two paths reached one test, whose answer was assumed to be that of the first path: `r0` was not
        // recorded.
        (
            2,
            "r0: on inode_setattr when attr.ia_valid == 0 audit
            r1: on inode_setattr when attr.ia_valid == 0 and idmap != null deny audit { attr.ia_valid }
            r2: on inode_setattr when attr.ia_valid == 0 and idmap != null deny audit { attr.ia_valid }
            r3: on inode_setattr when attr.ia_valid == 0 and idmap != null deny audit { attr.ia_valid }",
        ),
        // The same bug dereferenced the file, which is null.
        (
            2,
            "on task_prctl when option == 0 deny
            on file_mprotect when (prot not in { 5, 1 } and vma.file == null and vma.file.path != \"/\" and prot == 0)
              or (vma.file.inode == inode(\"/etc/shadow\") and prot == 0) deny audit",
        ),
        // `nr_pages` has 8 bytes on the kernel that the policy is checked against and 4 on others, followed
        // by another field.
        (
            4,
            "on file_open when task.stack_vm_area.nr_pages == 4 and task.stack_vm_area.phys_addr > 0 deny
            on file_open when any a in task.ancestors {
              a.stack_vm_area.nr_pages == 4 and a.stack_vm_area.phys_addr > 0
            } deny",
        ),
        // Rules found by one index search shared one limit: `r1` exceeded the limit of `r0`. Also, the event
        // of `r2` has room for a counter that the event of `r3` lacks.
        (
            2,
            "r0: on task_prctl when option == 0 deny audit { arg2 } limit 1/h
            r1: on task_prctl when option == 0 deny audit { arg2 } limit 1/h
            r2: on task_prctl when option == 1 deny audit { arg2 } limit 2/h
            r3: on task_prctl when option == 2 deny audit { arg2 }",
        ),
        // An unreadable value of an ancestor ended the whole quantifier instead of one test in it.
        (2, "on task_prctl when all a in task.ancestors { a.gid != 1 or a.flags != 1 } deny"),
        // An unreadable truth value of an ancestor was taken for false.
        (2, "on task_prctl when any a in task.ancestors { a.exit_code <= (a.uid == a.gid) as u8 } deny"),
        // On 7.2 the bits are in a 4-byte word that also contains the number of pages; on other kernels the
        // word has 2 bytes.
        (2, "on bpf_prog when prog.jited == 1 deny audit { prog.jited }"),
        (4, "on bpf_prog when prog.jited == 1 and prog.cb_access == 0 deny audit { prog.jited }"),
        // One byte of that word is an ordinary field, and verifiers reject a load that spans it.
        (2, "on socket_sock_rcv_skb when skb.dev.see_all_hwtstamp_requests == 1 deny audit { skb.dev.threaded }"),
        // The rule reads the same fields as the code that reads paths.
        (4, "on path_unlink when path under \"/etc\" and dentry.d_shortname.words[1] != 5 deny"),
        (2, "on path_unlink when path under \"/etc\" and dentry.d_iname[3] != 5 deny"),
        // With one program per part, `r2` preceded `r3` and did not see its denial.
        (
            2,
            "label l0 on task
            r1: on task_prctl when task is l0 audit
            r2: on task_prctl when task.uid != 2 audit
            r3: on task_prctl when task.uid != 0 deny mark l0 on task",
        ),
        // The last array of a struct, which has no length on 6.18.
        (4, "on socket_bind when address.sa_data == \"a\" deny"),
        (4, "on socket_connect when dst.port > 0 and address.sa_data[1] != 0 deny audit { address.sa_data }"),
        // A list of more than four networks, one of which contains others: an address after an inner network
        // was not found.
        (
            2,
            "on socket_sendmsg when dst.ip in {
              \"10.1.1.0/24\", \"10.1.0.0/24\", \"0.0.0.0/0\", \"10.1.3.0/24\", \"127.0.0.0/8\"
            } deny",
        ),
        // This argument makes a comparison in the definition's body trivial, and the rule was dropped.
        (2, "def among(n: u64, m: u64): bool = n & m == m or n < m on task_prctl when among(arg2, 0) deny"),
        // 5.10 cannot type this policy, so 7.2 typed it, but scenes used the types of 5.10: too little memory
        // at the targets of pointers.
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
        // The newest kernel has all hooks that the examples name.
        let checked = &krsic::kernel::embedded()[4];
        let options = Options { target: Some(checked), ..Options::default() };
        let Outcome { value, diagnostics, .. } = krsic::build(&files, &options);
        let built = value.unwrap_or_else(|| panic!("{} does not compile: {diagnostics:#?}", path.display()));
        let done = differential::scenes_of(&built, checked, &scenes(4));
        tried += done.unwrap_or_else(|why| panic!("{}\n{why}", path.display()));
    }
    assert!(tried.policies > 15 && tried.denied > 0 && tried.events > 0, "{tried:?} tried too little");
}

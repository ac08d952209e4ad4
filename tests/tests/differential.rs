//! Random policies, answered by the evaluator and by the object that ships.
//!
//! `KRS_SEED=7 KRS_SECONDS=60` begins elsewhere and takes longer; `cargo xtask fuzz --policies N` is for long runs.

use std::time::Instant;

use krs_tests::differential::{self, Tried, WORDS, tape};
use krsic::{Built, Options, Source};

/// Scenes of each policy.
const SCENES: usize = 12;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Examines policy after policy until the time is over; a failure is made small first.
fn campaign(seconds: u64, examine: fn(&[u64], usize) -> Result<Tried, String>) -> Tried {
    let (seconds, mut seed) = (number("KRS_SECONDS", seconds), number("KRS_SEED", 1));
    let started = Instant::now();
    let mut tried = Tried::default();
    while started.elapsed().as_secs() < seconds {
        let words = tape::words(seed, WORDS);
        match examine(&words, SCENES) {
            Ok(more) => tried += more,
            Err(_) => {
                let words = tape::shrink(words, 2000, |words| examine(words, SCENES).is_err());
                panic!("KRS_SEED={seed}, made small:\n{}", examine(&words, SCENES).err().unwrap_or_default());
            }
        }
        seed += 1;
    }
    println!("{tried:?}");
    tried
}

#[test]
fn the_evaluator_and_the_object_agree() {
    let tried = campaign(6, differential::examine);
    assert!(tried.denied > 0 && tried.events > 0, "{tried:?} tried too little");
}

#[test]
fn order_never_matters() {
    let tried = campaign(3, differential::reorder);
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
    (1..40).try_fold(Tried::default(), |mut all, seed| {
        all += differential::scenes_of(&built, checked, &tape::words(seed, WORDS), SCENES)?;
        Ok(all)
    })
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
        let Some(built) = krsic::build(&files, &options).value else { continue };
        for seed in 0..4 {
            let done = differential::scenes_of(&built, checked, &tape::words(seed, WORDS), 10);
            tried += done.unwrap_or_else(|why| panic!("{}\n{why}", path.display()));
        }
    }
    assert!(tried.policies > 20 && tried.denied > 0 && tried.events > 0, "{tried:?} tried too little");
}

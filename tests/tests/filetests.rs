//! Tests of passes: `tests/filetests/PASS/*.mir` have bodies before and after a pass.
//!
//! ```text
//! ; A paragraph without `run:` says what the cases of the file show.
//!
//! ; Each case may begin with a comment.
//! run: gvn
//! b0:
//!     ..
//! becomes:
//! b0:
//!     ..
//!
//! run: gvn
//! b0:
//!     ..
//! unchanged
//! ```
//!
//! `run:` names the passes, which run once each, in this order. `rounds:` names passes that are repeated until
//! none of them requests another round, as the driver does. `no-NAME` among them leaves out an optimisation,
//! as `-Z no-NAME` does. A pass that needs too much stack is `refused: BYTES bytes of stack`.
//!
//! `KRS_UPDATE=1 cargo test -p krs-tests --test filetests` writes the expected bodies. Review the difference
//! afterwards.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use krs_tests::golden::update;
use krsic::driver;
use krsic::mir::text::{parse, print};
use krsic::mir::verify::verify;
use krsic::optimise::Optimise;

/// The minimum number of cases of a pass, and of those that it leaves unchanged.
const CASES_MIN: usize = 5;

/// A paragraph of a file that states a case.
struct Case<'t> {
    /// Comments, the line of the passes, and the body.
    input: String,
    passes: &'t str,
    repeated: bool,
    body: String,
    expected: String,
}

impl Case<'_> {
    /// Parses a paragraph; `None` if it is a comment.
    fn of(paragraph: &str) -> Option<Case<'_>> {
        let at = paragraph.lines().position(|line| !line.starts_with(';'))?;
        let line = paragraph.lines().nth(at)?;
        let (kind, passes) = line.split_once(':').unwrap_or_default();
        assert!(matches!(kind, "run" | "rounds"), "`{line}` is not the start of a case");
        let is_result = |line: &&str| matches!(*line, "becomes:" | "unchanged") || line.starts_with("refused:");
        let end = paragraph.lines().position(|line| is_result(&line)).unwrap_or(usize::MAX);
        let lines = |from: usize, to: usize| -> String {
            paragraph.lines().take(to).skip(from).flat_map(|line| [line, "\n"]).collect()
        };
        Some(Case {
            input: lines(0, end),
            passes,
            repeated: kind == "rounds",
            body: lines(at + 1, end),
            expected: lines(end, usize::MAX),
        })
    }

    /// Runs the passes and returns the result in the form of the file.
    fn result(&self, folder: &str) -> String {
        let mut optimise = Optimise::default();
        let mut passes = Vec::new();
        for word in self.passes.split_whitespace() {
            match driver::find(word) {
                Some(pass) => passes.push(pass),
                None => optimise = optimise.set(word).unwrap_or_else(|_| panic!("no pass or optimisation `{word}`")),
            }
        }
        assert!(passes.iter().any(|pass| pass.name == folder), "a case of another pass is among those of `{folder}`");
        let mut body = parse(&self.body);
        let before = print(&body);
        verify(&body).unwrap_or_else(|why| panic!("the body is invalid: {why}\n{before}"));
        loop {
            let mut again = false;
            for pass in &passes {
                match pass.run(&mut body, optimise) {
                    Ok(more) => again |= more,
                    Err(bytes) => return format!("refused: {bytes} bytes of stack\n"),
                }
                verify(&body).unwrap_or_else(|why| panic!("invalid after {}: {why}\n{}", pass.name, print(&body)));
            }
            if !(self.repeated && again) {
                break;
            }
        }
        let after = print(&body);
        if after == before { "unchanged\n".to_owned() } else { format!("becomes:\n{after}") }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("filetests")
}

/// Returns the names in a folder, sorted.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|_| panic!("`{}` is missing", folder.display()));
    entries.map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8")).collect()
}

/// Runs the cases of a pass.
fn check(pass: &str) {
    let (mut failures, mut cases, mut unchanged) = (Vec::new(), 0, 0);
    for name in names(&folder().join(pass)) {
        let path = folder().join(pass).join(&name);
        let text = fs::read_to_string(&path).expect("the file can be read");
        let mut found = Vec::new();
        for paragraph in text.trim_end().split("\n\n") {
            let Some(case) = Case::of(paragraph) else {
                found.push(paragraph.to_owned());
                continue;
            };
            // A panic of the parser or the verifier is about the last one.
            println!("{name}:\n{}", case.input);
            let result = case.result(pass);
            cases += 1;
            unchanged += usize::from(result == "unchanged\n");
            if result != case.expected && !update() {
                failures.push(format!("{name}:\n{}found: {result}expected: {}", case.input, case.expected));
            }
            found.push(format!("{}{}", case.input, result.trim_end()));
        }
        if update() {
            fs::write(&path, found.join("\n\n") + "\n").expect("the file can be written");
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    assert!(cases >= CASES_MIN, "`{pass}` has {cases} cases, fewer than {CASES_MIN}");
    assert!(unchanged > 0, "`{pass}` has no case of a body that it leaves alone");
}

#[test]
fn simplify() {
    check("simplify");
}

#[test]
fn thread_jumps() {
    check("thread-jumps");
}

#[test]
fn simplify_cfg() {
    check("simplify-cfg");
}

#[test]
fn gvn() {
    check("gvn");
}

#[test]
fn expand_reads() {
    check("expand-reads");
}

#[test]
fn resolve_flags() {
    check("resolve-flags");
}

#[test]
fn split_cold() {
    check("split-cold");
}

#[test]
fn rename_live_ranges() {
    check("rename-live-ranges");
}

#[test]
fn split_live_ranges() {
    check("split-live-ranges");
}

#[test]
fn fold_immediates() {
    check("fold-immediates");
}

#[test]
fn widen_moves() {
    check("widen-moves");
}

#[test]
fn propagate_copies() {
    check("propagate-copies");
}

#[test]
fn fold_byte_swaps() {
    check("fold-byte-swaps");
}

#[test]
fn demanded_bits() {
    check("demanded-bits");
}

#[test]
fn dce() {
    check("dce");
}

#[test]
fn mask_bit_tests() {
    check("mask-bit-tests");
}

#[test]
fn regalloc() {
    check("regalloc");
}

#[test]
fn coalesce_slots() {
    check("coalesce-slots");
}

#[test]
fn eliminate_reloads() {
    check("eliminate-reloads");
}

#[test]
fn post_ra_copies() {
    check("post-ra-copies");
}

#[test]
fn sink_spills() {
    check("sink-spills");
}

#[test]
fn assign_offsets() {
    check("assign-offsets");
}

#[test]
fn place_blocks() {
    check("place-blocks");
}

#[test]
fn duplicate_exits() {
    check("duplicate-exits");
}

/// `lower` is the name of the body before the first pass.
#[test]
fn every_pass_is_tested() {
    let passes: BTreeSet<String> = driver::pass_names().filter(|name| *name != "lower").map(str::to_owned).collect();
    assert_eq!(names(&folder()), passes);
    for pass in passes {
        let test = format!("#[test]\nfn {}() {{\n    check(\"{pass}\");\n}}\n", pass.replace('-', "_"));
        assert!(include_str!("filetests.rs").contains(&test), "no test runs the cases of `{pass}`");
    }
}

//! Runs the table of meaning, `tests/meaning/*.meaning`: each row passes through the text, the checker, the
//! evaluator and the object on every embedded kernel that the policy supports. A failure names the file and
//! the line.

use std::fs;
use std::path::{Path, PathBuf};

use krs_tests::meaning::parse::parse;
use krs_tests::meaning::run::run;
use krsic::{Options, Source};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("meaning")
}

fn text(file: &str) -> String {
    fs::read_to_string(folder().join(format!("{file}.meaning"))).expect("the file of rows is there")
}

macro_rules! files {
    ($($name:ident)*) => {
        /// Every file of the table; a test below compares this list with the folder.
        const FILES: &[&str] = &[$(stringify!($name)),*];

        $(
            #[test]
            fn $name() {
                if let Err(failures) = run(concat!(stringify!($name), ".meaning"), &text(stringify!($name))) {
                    panic!("\n{failures}");
                }
            }
        )*
    };
}

files! {
    ancestors
    comparisons
    conditions
    documentation
    events
    integers
    labels
    lexical
    many
    membership
    modes
    network
    paths
    precedence
    since
    texts
    undecided
}

#[test]
fn every_file_of_rows_is_run() {
    let mut found: Vec<String> = fs::read_dir(folder())
        .expect("the folder is there")
        .filter_map(|entry| entry.expect("readable").file_name().to_str()?.strip_suffix(".meaning").map(str::to_owned))
        .collect();
    found.sort();
    let mut listed = FILES.to_vec();
    listed.sort_unstable();
    assert_eq!(found, listed);
}

#[test]
fn the_table_has_its_size() {
    let rows: usize =
        FILES.iter().flat_map(|file| parse(&text(file)).expect("well-formed")).map(|of| of.rows.len()).sum();
    assert!(rows >= ROWS_MIN, "{rows} rows");
}

/// The minimum number of rows in the table.
const ROWS_MIN: usize = 1700;

/// Returns the examples of a Markdown page: `krs` blocks, and paragraphs indented by four.
fn examples(page: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let (mut fenced, mut krs) = (false, false);
    for line in page.lines() {
        let fence = line.starts_with("```");
        if fence {
            krs = line == "```krs" && !fenced;
            fenced = !fenced;
        }
        let indented = !fenced && line.starts_with("    ");
        if !fence && (krs || indented) {
            let last = found.last_mut().expect("there is one");
            last.push_str(line);
            last.push('\n');
        } else if fence || !line.is_empty() {
            found.push(String::new());
        } else if let Some(last) = found.last_mut() {
            last.push('\n');
        }
    }
    found.retain(|example| !example.trim().is_empty());
    found
}

fn is_policy(text: &str) -> bool {
    let source = Source { name: "example.krs".into(), text: text.to_owned() };
    krsic::check(&[source], &Options::default()).value.is_some()
}

#[test]
fn examples_of_the_reference_are_rows() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/language.md");
    let page = fs::read_to_string(page).expect("the reference is there");
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let policies: Vec<String> =
        parse(&text("documentation")).expect("well-formed").iter().map(|of| squeeze(&of.policy)).collect();
    let examples: Vec<String> = examples(&page).into_iter().filter(|example| is_policy(example)).collect();
    let missing: Vec<&String> =
        examples.iter().filter(|example| !policies.iter().any(|of| of.contains(&squeeze(example)))).collect();
    assert!(missing.is_empty(), "no section of documentation.meaning has {missing:#?}");
    // The page has at least as many examples as when this test was written.
    assert!(examples.len() >= EXAMPLES_MIN, "{} examples are found", examples.len());
}

/// The minimum number of complete policies among the examples of the reference.
const EXAMPLES_MIN: usize = 12;

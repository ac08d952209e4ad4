//! Style rules that a machine can check, over the sources of the compiler, the loader and the grammar.
//!
//! ```text
//! compiler/src/glob.rs:12: the doc comment has fewer than four words: "The glob."
//! ```
//!
//! Absent: rules that rustfmt and clippy check.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Words with which a doc comment must not begin: it names its item and is not a clause.
const OPENINGS: [&str; 4] = ["What", "Whether", "How", "So"];
/// The minimum number of words in a doc comment.
const WORDS_MIN: usize = 4;
/// The maximum number of lines in a function.
const FUNCTION_LINES_MAX: usize = 80;
/// Functions that exceed the maximum: each is one `match` over many cases, or remains to be divided.
const LONG: [&str; 22] = [
    "compiler/src/bpf/regalloc.rs spill",
    "compiler/src/decision/print.rs print",
    "compiler/src/decision/shape.rs shape",
    "compiler/src/hir/operators/arithmetic.rs arithmetic",
    "compiler/src/hir/operators/arithmetic.rs with_constant",
    "compiler/src/hir/operators/compare.rs compare",
    "compiler/src/hir/operators/membership.rs one_of",
    "compiler/src/hir/policy_tests.rs expectation",
    "compiler/src/manifest.rs manifest",
    "compiler/src/object/elf.rs to_elf",
    "compiler/src/object/lower.rs lower",
    "compiler/src/simulate/helpers.rs call",
    "compiler/src/simulate/image.rs new",
    "compiler/src/testing/random.rs make",
    "grammar/src/error.rs explain",
    "grammar/src/hints.rs hint",
    "grammar/src/items.rs block_item",
    "grammar/src/keywords.rs classify",
    "grammar/src/print.rs write_expr",
    "grammar/src/token.rs lex",
    "runtime/src/doctor.rs unmet_requirements",
    "runtime/src/list.rs format_policy",
];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the repository")
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Returns the files with their names relative to the repository.
fn files() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    for folder in ["grammar/src", "compiler/src", "compiler/abi/src", "runtime/src"] {
        sources(&repository().join(folder), &mut paths);
    }
    paths.sort();
    assert!(paths.len() > 150, "only {} sources are found", paths.len());
    let text = |path: PathBuf| {
        let name = path.strip_prefix(repository()).expect("it is below").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("sources are UTF-8");
        (name, text)
    };
    paths.into_iter().map(text).collect()
}

/// Returns the doc comments of items, each with the number of its first line.
fn doc_comments(text: &str) -> Vec<(usize, String)> {
    let mut comments: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (at, line) in text.lines().enumerate() {
        match line.trim_start().strip_prefix("///") {
            Some(words) if open => {
                let comment = &mut comments.last_mut().expect("one is open").1;
                comment.push(' ');
                comment.push_str(words.trim());
            }
            Some(words) => comments.push((at + 1, words.trim().to_owned())),
            None => {}
        }
        open = line.trim_start().starts_with("///");
    }
    comments
}

#[test]
fn doc_comments_describe_their_items() {
    let mut wrong = Vec::new();
    for (name, text) in files() {
        for (line, comment) in doc_comments(&text) {
            let first = comment.split_whitespace().next().unwrap_or_default();
            if comment.split_whitespace().count() < WORDS_MIN {
                wrong.push(format!("{name}:{line}: the doc comment has fewer than four words: \"{comment}\""));
            }
            if OPENINGS.contains(&first) {
                wrong.push(format!("{name}:{line}: the doc comment opens with \"{first}\""));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn modules_have_documentation() {
    let undocumented: Vec<String> =
        files().into_iter().filter(|(_, text)| !text.starts_with("//!")).map(|(name, _)| name).collect();
    assert!(undocumented.is_empty(), "no module documentation: {}", undocumented.join(", "));
}

/// Returns functions with their lengths, from the line of `fn` to the closing brace of the same indentation.
/// Relies on rustfmt.
fn functions(text: &str) -> Vec<(usize, String, usize)> {
    let mut found = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        let Some((head, rest)) = code.split_once("fn ") else { continue };
        if !head.split_whitespace().all(|word| word.starts_with("pub") || ["in", "const", "unsafe"].contains(&word)) {
            continue;
        }
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let end = lines[at..].iter().position(|line| line.trim_end() == format!("{}}}", " ".repeat(indent)));
        found.push((at + 1, name, end.unwrap_or_default()));
    }
    found
}

#[test]
fn functions_are_short() {
    let mut long = Vec::new();
    for (name, text) in files() {
        for (_, function, lines) in functions(&text) {
            if lines > FUNCTION_LINES_MAX {
                long.push(format!("{name} {function}"));
            }
        }
    }
    // Once a function is divided, its entry must be removed.
    assert_eq!(long, LONG);
}

/// Each check finds the faults that it is for.
#[test]
fn the_checks_find_faults() {
    let comments = doc_comments("/// A first line\n/// and a second.\nfn a() {}\n    /// Short.\n    x: u8,\n");
    assert_eq!(comments, [(1, "A first line and a second.".to_owned()), (4, "Short.".to_owned())]);
    let found = functions("fn a() {\n    1\n}\nimpl A {\n    pub(super) fn b() {\n        2;\n        3\n    }\n}\n");
    assert_eq!(found, [(1, "a".to_owned(), 2), (5, "b".to_owned(), 3)]);
}

/// Returns the parts of the compiler that a source uses: the top-level modules after `crate::`.
fn imports(text: &str) -> BTreeSet<String> {
    // Unit tests use the whole compiler, and so do the comments.
    let code = ["#[cfg(test)]\nmod tests {", "#[cfg(test)]\n#[test]"].iter().filter_map(|tests| text.find(tests)).min();
    let code = &text[..code.unwrap_or(text.len())];
    let lines = code.lines().map(|line| line.split("//").next().unwrap_or_default());
    let code = lines.collect::<Vec<_>>().join(" ");
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for (at, path) in code.match_indices("crate::") {
        let rest = &code[at + path.len()..];
        match rest.strip_prefix('{').and_then(|rest| rest.split_once("};")) {
            Some((group, _)) => found.extend(group.split(", ").map(|item| name(item.trim()))),
            None => drop(found.insert(name(rest))),
        }
    }
    // Items of the crate root are public to all.
    found.retain(|name| name.starts_with(|c: char| c.is_ascii_lowercase()) && name != "testing");
    found
}

#[test]
fn stages_are_imported_in_one_direction() {
    let mut uses: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (name, text) in files() {
        let Some(path) = name.strip_prefix("compiler/src/") else { continue };
        let of_tests = |part: &str| ["tests", "tests.rs", "testing", "policy_tests.rs"].contains(&part);
        let part = path.split('/').next().unwrap_or_default().trim_end_matches(".rs");
        // The crate root and the command use every stage.
        if path.split('/').any(of_tests) || ["lib", "main", "command"].contains(&part) {
            continue;
        }
        for used in imports(&text).into_iter().filter(|used| used != part) {
            uses.entry(part.to_owned()).or_default().entry(used).or_insert(name.clone());
        }
    }
    assert!(uses.len() > 15, "only {} parts import others", uses.len());
    // Remove parts that import none of the others or that none imports; those that remain are in a cycle or between two.
    loop {
        let used: BTreeSet<&String> = uses.values().flat_map(BTreeMap::keys).collect();
        let free = |(part, of): &(&String, &BTreeMap<String, String>)| {
            !used.contains(part) || of.keys().all(|used| !uses.contains_key(used))
        };
        let Some(part) = uses.iter().find(free).map(|(part, _)| part.clone()) else { break };
        uses.remove(&part);
    }
    let known: BTreeSet<String> = uses.keys().cloned().collect();
    let cycles = uses.iter().flat_map(|(part, of)| {
        let inside = of.iter().filter(|(used, _)| known.contains(*used));
        inside.map(move |(used, file)| format!("{part} imports {used} in {file}"))
    });
    let cycles: Vec<String> = cycles.collect();
    assert!(cycles.is_empty(), "stages import each other:\n{}", cycles.join("\n"));
}

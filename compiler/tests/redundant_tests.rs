//! Redundant-test elimination: no path of the decision graph, as `--emit decision` prints it, evaluates a
//! condition twice.

use std::collections::BTreeMap;

use krsic::optimise::{Optimisation, Optimise};
use krsic::{Options, Source, Stage};

/// Ten rules that share three conditions in different combinations.
const POLICY: &str = "
on mmap_file when prot & EXEC and flags & 2 and task.comm == \"a\" deny
on mmap_file when prot & EXEC and flags & 2 and file.inode.uid == 0 deny
on mmap_file when prot & EXEC and file.inode.uid == 0 and flags & 16 deny
on mmap_file when flags & 2 and file.inode.uid == 0 and prot & WRITE deny
on mmap_file when prot & EXEC and not (flags & 2) and file.inode.nlink == 0 deny
on mmap_file when not (prot & EXEC) and flags & 2 and file.inode.nlink == 0 deny
on mmap_file when prot & EXEC and file.inode.uid == 0 and file.inode.gid == 7 deny
on mmap_file when flags & 2 and task.comm == \"a\" and prot & EXEC deny
on mmap_file when file.inode.uid == 0 and flags & 64 and prot & EXEC deny
on mmap_file when flags & 2 and file.inode.uid == 0 and prot & EXEC and file.inode.gid == 9 deny
";

/// For each node, the value that it tests, without the expected outcome, and its successors.
type Graph = BTreeMap<u32, (String, Vec<u32>)>;

fn graph(optimise: Optimise) -> Graph {
    let source = Source { name: "ten.krs".into(), text: POLICY.into() };
    let outcome = krsic::emit(&[source], &Options { optimise, ..Options::default() }, Stage::Decision);
    let text = outcome.value.expect("the policy is valid");
    let number = |word: &str| word.trim_start_matches('n').trim_end_matches(';').parse().ok();
    text.lines()
        .filter_map(|line| {
            let (node, what) = line.trim().split_once(' ')?;
            let what = what.split(" #").next()?;
            let (test, targets) = what.split_once(" ? ").unwrap_or(("", ""));
            let test = test.trim_start_matches("test ").trim_start_matches("not ");
            let targets = targets.split([' ', ':']).filter_map(number).collect();
            Some((number(node)?, (test.to_owned(), targets)))
        })
        .collect()
}

/// The length of the longest path from a node, and true if any path tests a value twice.
fn walk(graph: &Graph, node: u32, path: &mut Vec<String>) -> (usize, bool) {
    let (test, targets) = &graph[&node];
    if targets.is_empty() {
        return (path.len(), false);
    }
    let twice = path.contains(test);
    path.push(test.clone());
    let ends: Vec<_> = targets.iter().map(|to| walk(graph, *to, path)).collect();
    path.pop();
    (ends.iter().map(|end| end.0).max().unwrap_or(0), twice || ends.iter().any(|end| end.1))
}

#[test]
fn no_path_tests_a_value_twice() {
    let (most, twice) = walk(&graph(Optimise::default()), 0, &mut Vec::new());
    assert!(!twice && most <= 9, "{most} tests on a path");
    let (most_without, twice_without) =
        walk(&graph(Optimise::default().without(Optimisation::RedundantTests)), 0, &mut Vec::new());
    assert!(twice_without && most_without > most, "{most_without} tests on a path without the pass");
}

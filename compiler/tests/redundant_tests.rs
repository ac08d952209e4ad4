//! Conditions that many rules share are asked once on each way, as `--emit decision` prints it.

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

/// By node: what it asks, without the answer that is looked for, and where it leads.
type Graph = BTreeMap<u32, (String, Vec<u32>)>;

fn graph(optimise: Optimise) -> Graph {
    let source = Source { name: "ten.krs".into(), text: POLICY.into() };
    let outcome = krsic::emit(&[source], &Options { optimise, ..Options::default() }, Stage::Decision);
    let text = outcome.value.expect("the policy is right");
    let number = |word: &str| word.trim_start_matches('n').trim_end_matches(';').parse().ok();
    text.lines()
        .filter_map(|line| {
            let (node, what) = line.trim().split_once(' ')?;
            let what = what.split(" #").next()?;
            let (asked, leads) = what.split_once(" ? ").unwrap_or(("", ""));
            let asked = asked.trim_start_matches("test ").trim_start_matches("not ");
            let leads = leads.split([' ', ':']).filter_map(number).collect();
            Some((number(node)?, (asked.to_owned(), leads)))
        })
        .collect()
}

/// The most questions on a way, and whether some way asks one twice.
fn walk(graph: &Graph, node: u32, way: &mut Vec<String>) -> (usize, bool) {
    let (asked, leads) = &graph[&node];
    if leads.is_empty() {
        return (way.len(), false);
    }
    let twice = way.contains(asked);
    way.push(asked.clone());
    let ends: Vec<_> = leads.iter().map(|to| walk(graph, *to, way)).collect();
    way.pop();
    (ends.iter().map(|end| end.0).max().unwrap_or(0), twice || ends.iter().any(|end| end.1))
}

#[test]
fn no_way_asks_twice() {
    let (most, twice) = walk(&graph(Optimise::default()), 0, &mut Vec::new());
    assert!(!twice && most <= 9, "{most} questions on a way");
    let (most_without, twice_without) =
        walk(&graph(Optimise::default().without(Optimisation::Asked)), 0, &mut Vec::new());
    assert!(twice_without && most_without > most, "{most_without} questions on a way without");
}

//! Unified diffs, and their application to a text.
//!
//! ```text
//! --- a/compiler/src/glob.rs
//! +++ b/compiler/src/glob.rs
//! @@ -12,3 +12,3 @@
//!      let end = text.len();
//! -    end > 64
//! +    end >= 64
//!  }
//! ```
//!
//! A hunk of a patch in `tests/faults` is located by its text, which must occur once in the file: other edits
//! may move it, and no edit makes it apply to other code. A hunk of cargo-mutants is applied at its line.
//! Absent: added and removed files, and the fuzz of `patch`.

use anyhow::{Context as _, Result, bail, ensure};

/// Consecutive lines of a file, before and after the change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hunk {
    /// Number of the first line of `old` when the patch was made, from 1.
    pub line: usize,
    old: Vec<String>,
    new: Vec<String>,
}

/// The hunks of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Path relative to the repository.
    pub file: String,
    pub hunks: Vec<Hunk>,
}

/// The place where a hunk must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// The only place that has its text.
    Unique,
    /// The line that it states.
    AtLine,
}

/// Reads the diffs in a text. Lines in front of the first `---` line are not read.
pub fn parse(text: &str) -> Result<Vec<Change>> {
    let mut changes: Vec<Change> = Vec::new();
    let mut lines = text.lines().peekable();
    // Lines of the hunk that are still to come, before and after the change.
    let mut left = (0_usize, 0_usize);
    while let Some(line) = lines.next() {
        if left == (0, 0) {
            if let Some(file) = line.strip_prefix("--- ")
                && lines.next_if(|line| line.starts_with("+++ ")).is_some()
            {
                let file = file.strip_prefix("a/").unwrap_or(file).trim_end().to_owned();
                changes.push(Change { file, hunks: Vec::new() });
            } else if line.starts_with("@@ ") {
                let change = changes.last_mut().context("a hunk comes before the name of its file")?;
                let (start, counts) = numbers(line).with_context(|| format!("cannot read `{line}`"))?;
                left = counts;
                change.hunks.push(Hunk { line: start, ..Hunk::default() });
            } else {
                let stray = !changes.is_empty() && line.starts_with([' ', '+', '-']);
                ensure!(!stray, "a hunk has more lines than its head says, at `{line}`");
            }
            continue;
        }
        let hunk = changes.last_mut().and_then(|change| change.hunks.last_mut()).context("no hunk is open")?;
        // Editors remove the blank of an empty context line.
        let (mark, rest) = if line.is_empty() { (" ", "") } else { line.split_at(1) };
        let (old, new) = match mark {
            " " => (1, 1),
            "-" => (1, 0),
            "+" => (0, 1),
            // "\ No newline at end of file"
            "\\" => continue,
            _ => bail!("`{line}` is no line of a hunk"),
        };
        ensure!(old <= left.0 && new <= left.1, "a hunk has more lines than its head says, at `{line}`");
        left = (left.0 - old, left.1 - new);
        if old == 1 {
            hunk.old.push(rest.to_owned());
        }
        if new == 1 {
            hunk.new.push(rest.to_owned());
        }
    }
    ensure!(left == (0, 0), "the last hunk has fewer lines than its head says");
    ensure!(changes.iter().any(|change| !change.hunks.is_empty()), "the text has no diff");
    Ok(changes)
}

/// Parses a hunk header: `(12, (3, 4))` from `@@ -12,3 +15,4 @@`.
fn numbers(head: &str) -> Option<(usize, (usize, usize))> {
    let mut words = head.split_whitespace().skip(1);
    let mut range = |mark: char| {
        let word = words.next()?.strip_prefix(mark)?;
        let (line, count) = word.split_once(',').unwrap_or((word, "1"));
        Some((line.parse().ok()?, count.parse().ok()?))
    };
    let (line, old) = range('-')?;
    let (_, new): (usize, usize) = range('+')?;
    Some((line, (old, new)))
}

/// The text of a file after its hunks.
pub fn apply(text: &str, hunks: &[Hunk], find: Find) -> Result<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut places = Vec::new();
    for hunk in hunks {
        ensure!(hunk.old != hunk.new, "the hunk at line {} changes nothing", hunk.line);
        let matches = |at: &usize| lines.get(*at..*at + hunk.old.len()).is_some_and(|found| found.iter().eq(&hunk.old));
        let found: Vec<usize> = match find {
            Find::AtLine => hunk.line.checked_sub(1).into_iter().filter(matches).collect(),
            Find::Unique => (0..lines.len()).filter(matches).collect(),
        };
        match found[..] {
            [at] => places.push((at, hunk)),
            [] => bail!("the text of the hunk at line {} is not in the file", hunk.line),
            _ => bail!("the text of the hunk at line {} occurs {} times", hunk.line, found.len()),
        }
    }
    places.sort_by_key(|(at, _)| *at);
    let mut out: Vec<&str> = Vec::new();
    let mut done = 0;
    for (at, hunk) in places {
        ensure!(at >= done, "hunks overlap at line {}", at + 1);
        out.extend(&lines[done..at]);
        out.extend(hunk.new.iter().map(String::as_str));
        done = at + hunk.old.len();
    }
    out.extend(&lines[done..]);
    Ok(out.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "\
The comparison is off by one.

kind: demo
---
--- a/src/x.rs
+++ b/src/x.rs
@@ -2,2 +2,2 @@
 b
-c
+C
";

    #[test]
    fn a_patch_is_read_behind_its_header() {
        let wanted = Hunk { line: 2, old: vec!["b".into(), "c".into()], new: vec!["b".into(), "C".into()] };
        assert_eq!(parse(PATCH).unwrap(), [Change { file: "src/x.rs".into(), hunks: vec![wanted] }]);
    }

    #[test]
    fn a_hunk_is_found_where_other_lines_moved_it() {
        let hunks = &parse(PATCH).unwrap()[0].hunks;
        assert_eq!(apply("x\ny\na\nb\nc\nd\n", hunks, Find::Unique).unwrap(), "x\ny\na\nb\nC\nd\n");
        assert_eq!(apply("a\nb\nc\n", hunks, Find::AtLine).unwrap(), "a\nb\nC\n");
    }

    #[test]
    fn a_hunk_that_fits_nowhere_or_twice_is_refused() {
        let hunks = &parse(PATCH).unwrap()[0].hunks;
        let message = |text| apply(text, hunks, Find::Unique).unwrap_err().to_string();
        assert!(message("a\nb\nd\n").contains("is not in the file"));
        assert!(message("b\nc\nb\nc\n").contains("occurs 2 times"));
        assert!(apply("x\na\nb\nc\n", hunks, Find::AtLine).is_err(), "the text is one line further down");
    }

    #[test]
    fn a_hunk_must_have_the_lines_that_its_head_counts() {
        for wrong in ["@@ -1,2 +1,2 @@\n a\n-b\n", "@@ -1,1 +1,1 @@\n a\n-b\n+c\n", "@@ -1,1 +1,1 @@\n*a\n"] {
            assert!(parse(&format!("--- a/x\n+++ b/x\n{wrong}")).is_err(), "{wrong}");
        }
        assert!(parse("no diff at all\n").is_err());
    }
}

//! Patterns in an index: the patterns of all rules form one automaton, which maps a text to the set of patterns
//! it matches.
//!
//! ```text
//! on file_open when file.path under "/srv/a" and task.uid == 1 deny             ({ a }, 1)  ({ a, b }, 1)
//! on file_open when file.path like "/srv/**.key" and task.uid == 2 deny         ({ b }, 2)  ({ a, b }, 2)
//! ```
//!
//! Each set of patterns that some text can match is a row of the automaton. A rule has a row in the index for
//! each row of the automaton that contains its pattern.
//!
//! Absent: `==` and `in`, whose texts are looked up by hash, which is cheaper.

use std::collections::HashMap;
use std::rc::Rc;

use super::key::Element;
use crate::automaton::{Automaton, TooComplex};
use crate::hir::TextTest;

/// Cost of running an automaton over a text, in instructions; it does not depend on the number of patterns.
pub const RUN_COST: u32 = 450;

/// Cost of the code that writes the event of one more rule.
const EFFECTS_COST: u32 = 30;

/// Estimates the cost of comparing a single pattern.
#[must_use]
pub fn cost(test: &TextTest) -> u32 {
    match test {
        TextTest::OneOf(set) => (set.len() as u32).saturating_mul(3).min(100),
        TextTest::Under(_) | TextTest::StartsWith(_) | TextTest::EndsWith(_) => 5,
        TextTest::Contains(_) | TextTest::Like(_) => 400,
    }
}

/// Returns whether one automaton for all patterns is cheaper than a comparison for each.
pub fn together<'t>(tests: impl Iterator<Item = &'t TextTest>, effects: bool) -> bool {
    let each = |test| cost(test) + if effects { EFFECTS_COST } else { 0 };
    tests.map(each).fold(0, u32::saturating_add) > RUN_COST
}

/// Divides patterns whose common automaton would be too large. Patterns with a part that can occur anywhere in
/// a text multiply the states of all others, so they are separated from the rest; patterns of one kind are
/// halved.
pub fn halves<T>(mut members: Vec<T>, test: impl Fn(&T) -> Option<&TextTest>) -> (Vec<T>, Vec<T>) {
    let anywhere = |member: &T| match test(member) {
        Some(TextTest::EndsWith(_) | TextTest::Contains(_)) => true,
        Some(TextTest::Like(glob)) => {
            let before_end = glob.strip_suffix(b"**").unwrap_or(glob);
            glob.starts_with(b"*") || before_end.windows(2).any(|two| two == b"**")
        }
        _ => false,
    };
    if members.iter().any(|member| anywhere(member) != anywhere(&members[0])) {
        return members.into_iter().partition(anywhere);
    }
    let others = members.split_off(members.len() / 2);
    (members, others)
}

/// The automaton of a column, and its rows by pattern.
pub struct Patterns<'t> {
    /// Automaton of all patterns of the column.
    pub automaton: Rc<Automaton>,
    /// Number of each distinct pattern.
    numbers: HashMap<&'t TextTest, u32>,
    /// Rows of the automaton that contain each pattern, by its number.
    rows: Vec<Vec<u32>>,
}

impl<'t> Patterns<'t> {
    /// Builds the automaton of some patterns, which may repeat.
    pub fn of(tests: impl Iterator<Item = &'t TextTest>) -> Result<Patterns<'t>, TooComplex> {
        let mut numbers: HashMap<&TextTest, u32> = HashMap::new();
        let mut different = Vec::new();
        for test in tests {
            let next = numbers.len() as u32;
            numbers.entry(test).or_insert_with(|| {
                different.push((test, next));
                next
            });
        }
        let automaton = Automaton::several(different.iter().copied())?;
        let mut rows = vec![Vec::new(); different.len()];
        for (row, fitting) in automaton.rows.iter().enumerate() {
            for number in fitting {
                rows[*number as usize].push(row as u32);
            }
        }
        Ok(Patterns { automaton: Rc::new(automaton), numbers, rows })
    }

    /// Returns the rows that contain any of some patterns, as key elements. A row with several of them is repeated.
    pub fn elements<'a>(&'a self, tests: &'a [&TextTest]) -> impl Iterator<Item = Element> {
        let rows = tests.iter().filter_map(|test| Some(&self.rows[*self.numbers.get(*test)? as usize]));
        rows.flatten().map(|row| Element::Number(u128::from(*row)))
    }
}

#[cfg(test)]
mod tests {
    use super::halves;
    use crate::hir::TextTest;
    use crate::{Options, Source, Stage, emit};

    /// Prints the indexes of the program that is attached, for a policy of `count` rules.
    fn chosen(count: usize, rule: impl Fn(usize) -> String) -> Vec<String> {
        let text = (0..count).map(|n| format!("on file_open when {}\n", rule(n))).collect();
        let plan = emit(&[Source { name: "a.krs".into(), text }], &Options::default(), Stage::Decision);
        let plan = plan.value.expect("it compiles");
        let attached = plan.split("\nhook ").next().unwrap_or_default();
        let index = |line: &&str| line.starts_with('i');
        attached.lines().map(str::trim_start).filter(index).map(str::to_owned).collect()
    }

    #[test]
    fn patterns_that_match_anywhere_are_separated() {
        let test = |kind: &str, text: &str| match kind {
            "ends" => TextTest::EndsWith(text.into()),
            "contains" => TextTest::Contains(text.into()),
            "like" => TextTest::Like(text.into()),
            _ => TextTest::Under(text.into()),
        };
        let list = [
            ("under", "/a", false),
            ("ends", "b", true),
            ("contains", "c", true),
            ("like", "/d*", false),
            ("like", "*e", true),
            ("like", "/f**", false),
            ("like", "/g**h", true),
            ("like", "**/i/**", true),
        ];
        let tests: Vec<(TextTest, bool)> = list.map(|(kind, text, anywhere)| (test(kind, text), anywhere)).into();
        let (some, others) = halves(tests.iter().collect(), |one| Some(&one.0));
        assert!(some.len() == 5 && some.iter().all(|one| one.1) && others.iter().all(|one| !one.1));
        // Patterns of one kind are halved.
        let alike: Vec<(TextTest, bool)> = tests.into_iter().filter(|one| one.1).collect();
        let (some, others) = halves(alike.iter().collect(), |one| Some(&one.0));
        assert_eq!((some.len(), others.len()), (2, 3));
    }

    #[test]
    fn patterns_share_an_automaton_if_that_is_cheaper() {
        let under = |n| format!("file.path under \"/srv/{n}\" deny");
        let like = |n| format!("file.path like \"/srv/*{n}*\" deny audit");
        assert!(chosen(20, under).is_empty());
        let many = chosen(200, under);
        let shared = |index: &str| index.contains(" automaton (") && index.contains("200 rules");
        assert!(matches!(many.as_slice(), [one] if shared(one)), "{many:?}");
        assert!(chosen(1, like).is_empty());
        let two = chosen(2, like);
        assert!(matches!(two.as_slice(), [one] if one.contains("2 rules in 3 rows")), "{two:?}");
    }

    #[test]
    fn patterns_combine_with_other_columns() {
        let both = chosen(30, |n| format!("file.path under \"/srv/{n}\" and task.uid == {} deny", n % 3));
        assert!(
            matches!(both.as_slice(), [one] if one.contains("task.uid: 4 bytes") && one.contains("in 30 rows")),
            "{both:?}"
        );
        // A pattern that all rules have becomes a test, whatever its position in the rule.
        let inside = chosen(30, |n| match n % 2 {
            0 => format!("file.path under \"/srv\" and file.path like \"**/{n}\" deny"),
            _ => format!("file.path like \"**/{n}\" and file.path under \"/srv\" deny"),
        });
        assert!(matches!(inside.as_slice(), [one] if one.contains(" automaton (")), "{inside:?}");
    }

    #[test]
    fn alternatives_have_a_row_each() {
        let lists =
            chosen(30, |n| format!("file.path under {{ \"/srv/{n}\", \"/opt/{n}\" }} and task.uid == {n} deny"));
        assert!(matches!(lists.as_slice(), [one] if one.contains("30 rules in 60 rows")), "{lists:?}");
        let mixed = chosen(30, |n| {
            format!("(file.path == \"/srv/{n}\" or file.path under \"/opt/{n}\") and task.uid == {n} deny")
        });
        assert!(matches!(mixed.as_slice(), [one] if one.contains("30 rules in 60 rows")), "{mixed:?}");
        let numbers = chosen(30, |n| format!("(task.uid == {n} or task.uid in {{ 7, {n}00 }}) deny"));
        assert!(matches!(numbers.as_slice(), [one] if one.contains("30 rules")), "{numbers:?}");
        let others = chosen(30, |n| format!("(task.uid == {n} or task.gid == {n}) deny"));
        assert!(others.is_empty(), "{others:?}");
    }

    #[test]
    fn patterns_that_multiply_their_states_are_split() {
        let rules = chosen(40, |n| match n {
            0..20 => format!("contains(file.path, \"x{n}y\") deny audit"),
            _ => format!("file.path under \"/srv/{n}\" deny audit"),
        });
        assert!((3..30).contains(&rules.len()) && rules.iter().any(|index| index.contains("20 rules")), "{rules:?}");
    }
}

//! Rules that ask what a text is like: all their patterns are one automaton, which tells by a row which of them fit.
//!
//! ```text
//! on file_open when file.path under "/srv/a" and task.uid == 1 deny             (row of { a }, 1)  (row of { a, b }, 1)
//! on file_open when file.path like "/srv/**.key" and task.uid == 2 deny         (row of { b }, 2)  (row of { a, b }, 2)
//! ```
//!
//! A rule has a row of the index for each row of the automaton that its pattern is in.
//!
//! Absent: `==` and `in`, whose texts are found by their hashes, which costs less.

use std::collections::HashMap;
use std::rc::Rc;

use super::key::Element;
use crate::automaton::{Automaton, TooComplex};
use crate::hir::TextTest;

/// A run over a text costs some hundreds of instructions, as many as a pattern that is run alone.
pub const RUN_COST: u32 = 450;

/// What a rule's event costs in the program, above that it is the first.
const EFFECTS_COST: u32 = 30;

/// What a pattern costs that is compared alone, roughly.
#[must_use]
pub fn cost(test: &TextTest) -> u32 {
    match test {
        TextTest::OneOf(set) => (set.len() as u32).saturating_mul(3).min(100),
        TextTest::Under(_) | TextTest::StartsWith(_) | TextTest::EndsWith(_) => 5,
        TextTest::Contains(_) | TextTest::Like(_) => 400,
    }
}

/// Whether patterns are better run together than each alone.
pub fn together<'t>(tests: impl Iterator<Item = &'t TextTest>, effects: bool) -> bool {
    let each = |test| cost(test) + if effects { EFFECTS_COST } else { 0 };
    tests.map(each).fold(0, u32::saturating_add) > RUN_COST
}

/// Fewer each, where the automaton of all would be too large: apart from those of which a part can be anywhere in a text,
/// which multiply the states of all others, and else the first and the second half.
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

/// Patterns of rules, and where they are found.
pub struct Patterns<'t> {
    /// Of all of them.
    pub automaton: Rc<Automaton>,
    /// Each pattern's number.
    numbers: HashMap<&'t TextTest, u32>,
    /// By number: the rows that it is in.
    rows: Vec<Vec<u32>>,
}

impl<'t> Patterns<'t> {
    /// Of these.
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

    /// The rows of some patterns, each as what a key has; one of several patterns can be there again.
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

    /// The indexes of a policy of so many rules, without their rows.
    fn chosen(count: usize, rule: impl Fn(usize) -> String) -> Vec<String> {
        let text = (0..count).map(|n| format!("on file_open when {}\n", rule(n))).collect();
        let plan = emit(&[Source { name: "a.krs".into(), text }], &Options::default(), Stage::Decision);
        let plan = plan.value.expect("it compiles");
        let index = |line: &str| line.trim_start().starts_with('i').then(|| line.trim_start().to_owned());
        plan.lines().filter_map(index).collect()
    }

    #[test]
    fn patterns_of_which_a_part_can_be_anywhere_are_set_apart() {
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
        // Where they are alike: the first and the second half.
        let alike: Vec<(TextTest, bool)> = tests.into_iter().filter(|one| one.1).collect();
        let (some, others) = halves(alike.iter().collect(), |one| Some(&one.0));
        assert_eq!((some.len(), others.len()), (2, 3));
    }

    #[test]
    fn patterns_are_run_together_where_that_costs_less() {
        let under = |n| format!("file.path under \"/srv/{n}\" deny");
        let like = |n| format!("file.path like \"/srv/*{n}*\" deny audit");
        assert!(chosen(20, under).is_empty());
        let many = chosen(200, under);
        assert!(matches!(many.as_slice(), [one] if one.contains(" run (") && one.contains("200 rules")), "{many:?}");
        assert!(chosen(1, like).is_empty());
        let two = chosen(2, like);
        assert!(matches!(two.as_slice(), [one] if one.contains("2 rules in 3 rows")), "{two:?}");
    }

    #[test]
    fn patterns_share_a_key_with_other_values() {
        let both = chosen(30, |n| format!("file.path under \"/srv/{n}\" and task.uid == {} deny", n % 3));
        assert!(
            matches!(both.as_slice(), [one] if one.contains("task.uid: 4 bytes") && one.contains("in 30 rows")),
            "{both:?}"
        );
        // What all ask for is a test, wherever it stands.
        let inside = chosen(30, |n| match n % 2 {
            0 => format!("file.path under \"/srv\" and file.path like \"**/{n}\" deny"),
            _ => format!("file.path like \"**/{n}\" and file.path under \"/srv\" deny"),
        });
        assert!(matches!(inside.as_slice(), [one] if one.contains(" run (")), "{inside:?}");
    }

    #[test]
    fn what_asks_for_one_of_several_has_a_row_for_each() {
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
    fn patterns_that_multiply_each_others_states_are_several_automata() {
        let rules = chosen(40, |n| match n {
            0..20 => format!("contains(file.path, \"x{n}y\") deny audit"),
            _ => format!("file.path under \"/srv/{n}\" deny audit"),
        });
        assert!((3..30).contains(&rules.len()) && rules.iter().any(|index| index.contains("20 rules")), "{rules:?}");
    }
}

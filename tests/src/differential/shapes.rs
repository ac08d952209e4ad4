//! Shapes that a campaign must draw, with the number of occurrences.
//!
//! ```text
//! r0: on file_open, mmap_file when file.path in { "/a", "/b" } kill SIGTERM      SeveralHooks, Texts, Kill
//! ```
//!
//! If a generator no longer draws a shape, the shape is untested but no comparison fails. A campaign
//! therefore ends with a check that [`Shapes::missing`] is empty.
//!
//! The shapes of a policy are found in its text, without the rules that the compiler rejects; scenes report
//! the shapes that they draw.

use std::collections::BTreeSet;

/// A shape of a policy or of a scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Shape {
    /// A list of networks: `in { "10.0.0.0/8", "10.2.0.0/16" }`.
    Networks,
    /// A list of texts: `in { "bash", "sh" }`.
    Texts,
    /// An interval: `x >= 1 and x < 9`.
    Interval,
    /// Two intervals in one rule.
    Intervals,
    /// The `kill` action of a rule.
    Kill,
    /// Two signals in one policy.
    Signals,
    /// The `mark` action of a rule.
    Mark,
    /// The `unmark` action of a rule.
    Unmark,
    /// A version attribute: `@since("6.1")`.
    Since,
    /// A rule on several hooks: `on file_open, mmap_file`.
    SeveralHooks,
    /// A text that ends in ` (deleted)`.
    DeletedText,
    /// A name of 31 to 41 bytes.
    Name32,
    /// A name of 63 to 65 bytes.
    Name64,
    /// A mode set by the name of a rule on several hooks.
    ModeOfSeveral,
    /// The path of an unlinked file.
    DeletedPath,
    /// The path of a mount's root.
    MountRoot,
    /// An address of the family `AF_UNSPEC`.
    Unspec,
    /// An address of 15 bytes.
    Length15,
    /// An address of 16 bytes.
    Length16,
    /// An address of 24 bytes.
    Length24,
    /// An address of 28 bytes.
    Length28,
}

impl Shape {
    /// All shapes, in declaration order.
    pub const ALL: [Shape; 21] = [
        Shape::Networks,
        Shape::Texts,
        Shape::Interval,
        Shape::Intervals,
        Shape::Kill,
        Shape::Signals,
        Shape::Mark,
        Shape::Unmark,
        Shape::Since,
        Shape::SeveralHooks,
        Shape::DeletedText,
        Shape::Name32,
        Shape::Name64,
        Shape::ModeOfSeveral,
        Shape::DeletedPath,
        Shape::MountRoot,
        Shape::Unspec,
        Shape::Length15,
        Shape::Length16,
        Shape::Length24,
        Shape::Length28,
    ];

    /// Returns the shape for an address of the given length, if that length is counted.
    #[must_use]
    pub fn of_length(bytes: u64) -> Option<Shape> {
        match bytes {
            15 => Some(Shape::Length15),
            16 => Some(Shape::Length16),
            24 => Some(Shape::Length24),
            28 => Some(Shape::Length28),
            _ => None,
        }
    }
}

/// Number of occurrences of each shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shapes([u32; Shape::ALL.len()]);

impl Shapes {
    /// Counts one occurrence of a shape.
    pub fn add(&mut self, shape: Shape) {
        self.0[shape as usize] += 1;
    }

    /// Counts the shapes of a policy, each once.
    pub fn policy(&mut self, text: &str) {
        let lists: Vec<Vec<&str>> = text
            .split("in { ")
            .skip(1)
            .filter_map(|rest| Some(rest.split_once(" }")?.0.split(", ").collect()))
            .collect();
        let network = |element: &&&str| element.contains('/') && !element.contains("\"/") && !element.starts_with('(');
        let networks = |list: &Vec<&str>| list.iter().filter(network).count();
        let texts = |list: &Vec<&str>| list.len() > 1 && list[0].starts_with('"') && networks(list) == 0;
        let rules = || text.lines().filter(|line| line.contains(": on "));
        let intervals = |rule: &str| {
            let parts: Vec<&str> = rule.split(" and ").collect();
            parts.windows(2).filter(|pair| pair[0].contains(" >= ") && pair[1].contains(" < ")).count()
        };
        let name = |least: usize, most: usize| {
            text.split(['"', '/', ' ']).any(|part| (least..=most).contains(&part.len()) && part.contains("nnnn"))
        };
        let several = |line: &str| {
            let hooks = line.split_once(": on ").map_or("", |(_, rest)| rest);
            hooks.split(' ').next().is_some_and(|first| first.ends_with(','))
        };
        let signal = |rest: &'_ str| rest.strip_prefix(" SIG").map(|name| name.chars().take(3).collect::<String>());
        let signals: BTreeSet<Option<String>> = text.split(" kill").skip(1).map(signal).collect();
        for (shape, found) in [
            (Shape::Networks, lists.iter().any(|list| networks(list) > 1)),
            (Shape::Texts, lists.iter().any(texts)),
            (Shape::Interval, rules().any(|rule| intervals(rule) > 0)),
            (Shape::Intervals, rules().any(|rule| intervals(rule) > 1)),
            (Shape::Kill, text.contains(" kill")),
            (Shape::Signals, signals.len() > 1),
            (Shape::Mark, text.contains(" mark ")),
            (Shape::Unmark, text.contains(" unmark ")),
            (Shape::Since, text.contains("@since(")),
            (Shape::SeveralHooks, rules().any(several)),
            (Shape::DeletedText, text.contains(" (deleted)\"")),
            (Shape::Name32, name(31, 41)),
            (Shape::Name64, name(63, 65)),
        ] {
            if found {
                self.add(shape);
            }
        }
    }

    /// Returns the shapes that never occurred.
    #[must_use]
    pub fn missing(&self) -> Vec<Shape> {
        Shape::ALL.into_iter().filter(|shape| self.0[*shape as usize] == 0).collect()
    }
}

impl std::ops::AddAssign for Shapes {
    fn add_assign(&mut self, other: Shapes) {
        self.0.iter_mut().zip(other.0).for_each(|(count, more)| *count += more);
    }
}

#[cfg(test)]
mod tests {
    use super::{Shape, Shapes};

    fn of(text: &str) -> Vec<Shape> {
        let mut shapes = Shapes::default();
        shapes.policy(text);
        Shape::ALL.into_iter().filter(|shape| shapes.0[*shape as usize] > 0).collect()
    }

    #[test]
    fn the_order_is_that_of_the_enum() {
        assert!(Shape::ALL.iter().enumerate().all(|(at, shape)| *shape as usize == at));
    }

    #[test]
    fn shapes_are_read_from_the_text() {
        for (rule, shapes) in [
            ("on file_open when file.path == \"/a/b\" deny", &[][..]),
            ("on socket_connect when dst.ip in { \"10.0.0.0/8\" } deny", &[]),
            ("on socket_connect when dst.ip in { \"10.0.0.0/8\", \"fc00::/7\" } deny", &[Shape::Networks]),
            ("on file_open when file.path in { \"/a/b\", \"/c\" } deny", &[Shape::Texts]),
            ("on task_prctl when arg2 >= 1 and arg2 < 9 kill", &[Shape::Interval, Shape::Kill]),
            (
                "on task_prctl when arg2 >= 1 and arg2 < 9 or arg2 >= 20 and arg2 < 30 deny",
                &[Shape::Interval, Shape::Intervals],
            ),
            ("on file_open, mmap_file deny", &[Shape::SeveralHooks]),
            ("on file_open audit { a, b } mark l0 unmark l1", &[Shape::Mark, Shape::Unmark]),
            ("on file_open when file.path == \"/x (deleted)\" deny", &[Shape::DeletedText]),
        ] {
            assert_eq!(of(&format!("r0: {rule}\n")), shapes, "{rule}");
        }
    }
}

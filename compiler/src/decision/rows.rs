//! Rows of an index: one for each distinct key, with all rules that match it.
//!
//! ```text
//! (uid 1..=9, r1) (uid 4..=4, r2)      1..=3: r1    4..=4: r1 r2    5..=9: r1
//! ```
//!
//! Invariant: the ranges of different rows do not overlap.

use std::collections::BTreeMap;

use super::Row;
use super::key::Element;
use crate::hir::RuleId;

/// Maximum total of rules in the rows of a range index. A rule occurs in each row that its range contains, so
/// nested ranges can make the total quadratic.
const ENTRIES_MAX: usize = 1 << 17;

/// Groups rules by key, in the order of the keys.
pub fn exact(rows: impl Iterator<Item = (Vec<Element>, RuleId)>) -> Vec<Row> {
    let mut rows: Vec<(Vec<Element>, RuleId)> = rows.collect();
    rows.sort_unstable();
    rows.dedup();
    let mut found: Vec<Row> = Vec::with_capacity(rows.len());
    for (key, rule) in rows {
        match found.last_mut() {
            Some(last) if last.key == key => last.rules.push(rule),
            _ => found.push(Row { key, rules: vec![rule] }),
        }
    }
    found
}

/// Splits overlapping ranges into disjoint rows, each with all rules whose ranges contain it. Returns `None` if
/// the rows have more than [`ENTRIES_MAX`] rules in total.
pub fn disjoint(rows: impl Iterator<Item = (Vec<Element>, RuleId)>) -> Option<Vec<Row>> {
    let mut entries = 0;
    let mut by_rest: BTreeMap<Vec<Element>, Vec<(u128, u128, RuleId)>> = BTreeMap::new();
    for (mut key, rule) in rows {
        if let Some(Element::Range(first, last)) = key.pop() {
            by_rest.entry(key).or_default().push((first, last, rule));
        }
    }
    let mut found: Vec<Row> = Vec::new();
    for (rest, ranges) in by_rest {
        // Sweep over the points at which ranges begin and end (one past their last value).
        let mut edges: Vec<(u128, bool, RuleId)> = Vec::with_capacity(2 * ranges.len());
        for (first, last, rule) in ranges {
            edges.push((first, true, rule));
            edges.extend(last.checked_add(1).map(|end| (end, false, rule)));
        }
        edges.sort_unstable();
        // Ranges of one rule may overlap, so each rule has a count.
        let mut open: BTreeMap<RuleId, u32> = BTreeMap::new();
        let mut at = 0;
        let begin = found.len();
        while at < edges.len() {
            let here = edges[at].0;
            while let Some((_, opens, rule)) = edges.get(at).filter(|edge| edge.0 == here) {
                let count = open.entry(*rule).or_insert(0);
                *count = if *opens { *count + 1 } else { *count - 1 };
                if *count == 0 {
                    open.remove(rule);
                }
                at += 1;
            }
            if open.is_empty() {
                continue;
            }
            let last = edges.get(at).map_or(u128::MAX, |edge| edge.0 - 1);
            let rules: Vec<RuleId> = open.keys().copied().collect();
            entries += rules.len();
            if entries > ENTRIES_MAX {
                return None;
            }
            match found[begin..].last_mut() {
                Some(Row { key, rules: known }) if *known == rules && ends_before(key, here) => {
                    if let Some(Element::Range(_, end)) = key.last_mut() {
                        *end = last;
                    }
                }
                _ => {
                    let key = rest.iter().cloned().chain([Element::Range(here, last)]).collect();
                    found.push(Row { key, rules });
                }
            }
        }
    }
    Some(found)
}

fn ends_before(key: &[Element], here: u128) -> bool {
    matches!(key.last(), Some(Element::Range(_, end)) if end.checked_add(1) == Some(here))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Splits ranges that follow one exact column: `(number, first, last, rule)`.
    fn rows_of(ranges: &[(u128, u128, u128, u32)]) -> Vec<(u128, u128, u128, Vec<u32>)> {
        let row = |(exact, first, last, rule): &(u128, u128, u128, u32)| {
            (vec![Element::Number(*exact), Element::Range(*first, *last)], RuleId(*rule))
        };
        let rows = disjoint(ranges.iter().map(row)).expect("there are few");
        let shown = |row: &Row| match &row.key[..] {
            [Element::Number(exact), Element::Range(first, last)] => {
                (*exact, *first, *last, row.rules.iter().map(|rule| rule.0).collect())
            }
            other => panic!("{other:?}"),
        };
        rows.iter().map(shown).collect()
    }

    #[test]
    fn ranges_are_cut_where_their_rules_change() {
        const MAX: u128 = u128::MAX;
        for (ranges, rows) in [
            (&[(0, 3, 5, 1)][..], vec![(0, 3, 5, vec![1])]),
            // Two ranges of one rule are merged if they touch or overlap, but not across a gap.
            (&[(0, 1, 5, 1), (0, 6, 9, 1)], vec![(0, 1, 9, vec![1])]),
            (&[(0, 1, 5, 1), (0, 3, 9, 1)], vec![(0, 1, 9, vec![1])]),
            (&[(0, 1, 9, 1), (0, 3, 5, 1)], vec![(0, 1, 9, vec![1])]),
            (&[(0, 1, 9, 1), (0, 1, 9, 1)], vec![(0, 1, 9, vec![1])]),
            (&[(0, 1, 5, 1), (0, 7, 9, 1)], vec![(0, 1, 5, vec![1]), (0, 7, 9, vec![1])]),
            // Two rules with adjacent, equal, nested and overlapping ranges.
            (&[(0, 1, 5, 1), (0, 6, 9, 2)], vec![(0, 1, 5, vec![1]), (0, 6, 9, vec![2])]),
            (&[(0, 1, 5, 2), (0, 1, 5, 1)], vec![(0, 1, 5, vec![1, 2])]),
            (&[(0, 1, 9, 1), (0, 4, 4, 2)], vec![(0, 1, 3, vec![1]), (0, 4, 4, vec![1, 2]), (0, 5, 9, vec![1])]),
            (&[(0, 1, 5, 1), (0, 5, 9, 2)], vec![(0, 1, 4, vec![1]), (0, 5, 5, vec![1, 2]), (0, 6, 9, vec![2])]),
            // Ranges after different numbers are independent.
            (&[(7, 1, 5, 1), (3, 6, 9, 1)], vec![(3, 6, 9, vec![1]), (7, 1, 5, vec![1])]),
            (&[(3, 1, 5, 1), (7, 6, 9, 1)], vec![(3, 1, 5, vec![1]), (7, 6, 9, vec![1])]),
            // The first and the last number.
            (&[(0, 0, MAX, 1)], vec![(0, 0, MAX, vec![1])]),
            (&[(0, 0, 0, 1), (0, MAX, MAX, 1)], vec![(0, 0, 0, vec![1]), (0, MAX, MAX, vec![1])]),
            (&[(0, 5, MAX, 1), (0, 9, MAX, 2)], vec![(0, 5, 8, vec![1]), (0, 9, MAX, vec![1, 2])]),
            (&[(0, 5, MAX, 1), (1, 0, 3, 2)], vec![(0, 5, MAX, vec![1]), (1, 0, 3, vec![2])]),
        ] {
            assert_eq!(rows_of(ranges), rows, "{ranges:?}");
        }
    }

    #[test]
    fn nested_ranges_are_bounded() {
        // The range of each rule contains those of all later rules: two rows for each depth but the innermost.
        let nested = |count: u32| {
            let range = |n: u32| (vec![Element::Range(u128::from(n), u128::from(2 * count - n))], RuleId(n));
            disjoint((0..count).map(range)).map(|rows| rows.iter().map(|row| row.rules.len()).sum::<usize>())
        };
        assert_eq!(nested(300), Some(300 * 300));
        assert_eq!(nested(362), Some(362 * 362));
        assert_eq!(nested(363), None);
    }

    #[test]
    fn a_key_has_one_row_without_duplicate_rules() {
        let key = |number| vec![Element::Number(number)];
        let rows =
            exact([(key(7), RuleId(2)), (key(3), RuleId(1)), (key(7), RuleId(0)), (key(7), RuleId(2))].into_iter());
        let row = |number, rules: &[u32]| Row { key: key(number), rules: rules.iter().copied().map(RuleId).collect() };
        assert_eq!(rows, [row(3, &[1]), row(7, &[0, 2])]);
    }
}

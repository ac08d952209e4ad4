//! What rules have looked up, as rows of an index: one for each key, with the rules that fire there.

use std::collections::BTreeMap;

use super::Row;
use super::key::Element;
use crate::hir::RuleId;

/// The most that rows of ranges name rules: each range stands in all that it is around.
const NAMED_MAX: usize = 1 << 17;

/// One row for each key, in the order of the keys.
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

/// Rows whose ranges do not overlap: each has all rules whose ranges were around it; `None` where that is too many.
pub fn flat(rows: impl Iterator<Item = (Vec<Element>, RuleId)>) -> Option<Vec<Row>> {
    let mut named = 0;
    let mut by_rest: BTreeMap<Vec<Element>, Vec<(u128, u128, RuleId)>> = BTreeMap::new();
    for (mut key, rule) in rows {
        if let Some(Element::Range(first, last)) = key.pop() {
            by_rest.entry(key).or_default().push((first, last, rule));
        }
    }
    let mut found: Vec<Row> = Vec::new();
    for (rest, ranges) in by_rest {
        // Where something begins and, beyond the last address, ends.
        let mut edges: Vec<(u128, bool, RuleId)> = Vec::with_capacity(2 * ranges.len());
        for (first, last, rule) in ranges {
            edges.push((first, true, rule));
            edges.extend(last.checked_add(1).map(|end| (end, false, rule)));
        }
        edges.sort_unstable();
        // Ranges of one rule may overlap each other.
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
            named += rules.len();
            if named > NAMED_MAX {
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

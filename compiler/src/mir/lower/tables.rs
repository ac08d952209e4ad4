//! The tables of an index in the constants: its rows, and the rules of each row.
//!
//! ```text
//! rows     the keys, in the form that the search needs
//! heads    by row: the rule; or, if some row has several, the start of its rules in the list
//! list     rules; the top bit of an entry is set if another rule of the same row follows
//! ```
//!
//! Searches may have rows that the index lacks: gaps between ranges, and the row 0 of an automaton, which
//! means that nothing matched. Their head is [`NOBODY`].

use std::collections::{BTreeSet, HashMap};

use super::exact::{ExactAt, TextsAt};
use super::ranges::RangesAt;
use crate::data::Data;
use crate::decision::key::{Column, ColumnKind, Element, Offset, layout};
use crate::decision::{Index, Row};
use crate::rt::automaton::AutomatonAt;
use crate::rt::exact::Words;
use crate::rt::find::Range;
use crate::rt::record::MORE;

/// The index of a row that only the search has.
const NO_ROW: usize = usize::MAX;

/// The head of such a row.
pub(super) const NOBODY: u32 = u32::MAX;

/// The tables of an index in the constants.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    pub(super) rows: Rows,
    /// The lookup of texts, by column.
    pub(super) texts: Vec<Texts>,
    /// The prefilter: the values of the early columns.
    pub(super) early: Option<ExactAt>,
    pub(super) heads: u32,
    /// Offset and length of the list; `None` if every row has a single rule.
    pub(super) list: Option<(u32, u32)>,
    /// Offset and length of the list of an index of undecided rules, of which the search finds one.
    pub(super) lists: Option<(u32, u32)>,
}

/// The lookup that maps a text column to a number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Texts {
    /// The column is not a text.
    NotText,
    /// Whole texts, by perfect hashing.
    Exact(TextsAt),
    /// Patterns, by an automaton.
    Match(AutomatonAt),
}

/// The search over the rows of an index.
#[derive(Clone, Debug)]
pub(super) enum Rows {
    Exact(ExactAt),
    /// The single column is a whole text, and its slot is the row.
    Texts,
    /// The single column is matched by an automaton with this many rows.
    Match(u32),
    /// Ranges, with rows for the gaps between them.
    Ranges(RangesAt),
    /// A list of rules without a key: `heads` has the rules, each with the flag that another one follows.
    List,
}

/// The row of each text in the table of its column.
type TextRows<'i> = HashMap<&'i [u8], u32>;

impl Tables {
    /// Adds the tables of an index to the constants.
    pub(super) fn of(data: &mut Data, index: &Index, words: usize, places: &[Offset]) -> Tables {
        if index.is_list() {
            let rules = &index.rows[0].rules;
            let last = rules.len() - 1;
            let entries: Vec<u32> =
                rules.iter().enumerate().map(|(at, rule)| rule.0 | if at < last { MORE } else { 0 }).collect();
            let heads = data.u32_table(&entries);
            return Tables { rows: Rows::List, texts: Vec::new(), early: None, heads, list: None, lists: None };
        }
        let most = if index.undecided { usize::MAX } else { index.most() };
        // Heads by row.
        let (mut list, mut heads) = (Vec::new(), Vec::with_capacity(index.rows.len()));
        for row in &index.rows {
            match row.rules.as_slice() {
                [rule] if most == 1 => heads.push(rule.0),
                rules => {
                    heads.push(list.len() as u32);
                    let last = rules.len().saturating_sub(1);
                    list.extend(rules.iter().enumerate().map(|(at, rule)| rule.0 | if at < last { MORE } else { 0 }));
                }
            }
        }
        let (texts, text_rows) = texts(data, index);
        let (rows, owners) = rows(data, index, words, places, &texts, &text_rows);
        let head = |row: &usize| heads.get(*row).copied().unwrap_or(NOBODY);
        let heads = data.u32_table(&owners.iter().map(head).collect::<Vec<u32>>());
        let early = early(data, index);
        let list = (most > 1).then(|| (data.u32_table(&list), list.len() as u32));
        let (list, lists) = if index.undecided { (None, list) } else { (list, None) };
        Tables { rows, texts, early, heads, list, lists }
    }
}

/// Builds the table of the early columns.
fn early(data: &mut Data, index: &Index) -> Option<ExactAt> {
    let parts = index.prefilter_columns();
    let (words, places) = layout(&parts)?;
    let no_texts = vec![TextRows::new(); parts.len()];
    let elements = |row: &Row| index.prefilter.iter().map(|at| row.key[*at].clone()).collect::<Vec<Element>>();
    let keys: BTreeSet<Words> =
        index.rows.iter().map(|row| key(&parts, &places, &elements(row), &no_texts, false)).collect();
    Some(data.exact(&keys.into_iter().collect::<Vec<Words>>(), words).0)
}

/// Builds the lookups of text columns, by column.
fn texts<'i>(data: &mut Data, index: &'i Index) -> (Vec<Texts>, Vec<TextRows<'i>>) {
    let part = |(at, part): (usize, &Column)| {
        if part.kind != ColumnKind::Text {
            let automaton = index.automata[at].as_ref();
            let texts = automaton.map_or(Texts::NotText, |automaton| Texts::Match(data.automaton(automaton)));
            return (texts, TextRows::new());
        }
        let text = |row: &'i Row| match &row.key[at] {
            Element::Text(text) => Some(text.as_slice()),
            _ => None,
        };
        let different: Vec<&[u8]> = index.rows.iter().filter_map(text).collect::<BTreeSet<_>>().into_iter().collect();
        let (table, slots) = data.texts(&different);
        (Texts::Exact(table), different.into_iter().zip(slots).collect())
    };
    index.columns.iter().enumerate().map(part).unzip()
}

/// Builds the search over the rows and returns, by row of the search, the row of the index.
fn rows(
    data: &mut Data,
    index: &Index,
    words: usize,
    places: &[Offset],
    texts: &[Texts],
    text_rows: &[TextRows<'_>],
) -> (Rows, Vec<usize>) {
    let key = |row: &Row, last: bool| key(&index.columns, places, &row.key, text_rows, last);
    if index.columns.iter().any(|part| part.kind.is_range()) {
        let end = |row: &Row, last: bool| {
            let words = key(row, last);
            [words[0], words[1], words[2]]
        };
        let ranges: Vec<Range> = index.rows.iter().map(|row| (end(row, false), end(row, true))).collect();
        let (table, owners) = data.ranges(words, &ranges);
        return (Rows::Ranges(table), owners.iter().map(|owner| owner.map_or(NO_ROW, |row| row as usize)).collect());
    }
    if let ([Texts::Match(_)], [Some(automaton)]) = (texts, index.automata.as_slice()) {
        // Row 0 means that no pattern matches.
        let mut owners = vec![NO_ROW; automaton.rows.len()];
        for (at, row) in index.rows.iter().enumerate() {
            if let [Element::Number(number)] = row.key.as_slice() {
                owners[*number as usize] = at;
            }
        }
        return (Rows::Match(owners.len() as u32), owners);
    }
    if let ([Texts::Exact(table)], [rows]) = (texts, text_rows) {
        let mut owners = vec![0; table.slots() as usize];
        for (at, row) in index.rows.iter().enumerate() {
            if let [Element::Text(text)] = row.key.as_slice() {
                owners[rows[text.as_slice()] as usize] = at;
            }
        }
        return (Rows::Texts, owners);
    }
    let keys: Vec<Words> = index.rows.iter().map(|row| key(row, false)).collect();
    let (at, slots) = data.exact(&keys, words);
    let mut owners = vec![0; at.slots() as usize];
    slots.iter().enumerate().for_each(|(row, slot)| owners[*slot as usize] = row);
    (Rows::Exact(at), owners)
}

/// Packs the elements of a row into words; a range contributes its first or its last value.
fn key(parts: &[Column], places: &[Offset], elements: &[Element], texts: &[TextRows<'_>], last: bool) -> Words {
    let mut key = Words::default();
    for (((part, place), element), texts) in parts.iter().zip(places).zip(elements).zip(texts) {
        match (part.kind, element) {
            (ColumnKind::Range, Element::Range(from, to)) => key[place.word] = if last { *to } else { *from } as u64,
            (_, Element::Range(from, to)) => {
                let end = if last { *to } else { *from };
                key[place.word] = (end >> 64) as u64;
                key[place.word + 1] = end as u64;
            }
            (ColumnKind::Ip, Element::Number(address)) => {
                key[place.word] = (address >> 64) as u64;
                key[place.word + 1] = *address as u64;
            }
            (ColumnKind::Name, Element::Number(bytes)) => {
                key[place.word] = *bytes as u64;
                key[place.word + 1] = (bytes >> 64) as u64;
            }
            (_, Element::Number(number)) => key[place.word] |= (*number as u64) << place.shift,
            (_, Element::Text(text)) => key[place.word] |= u64::from(texts[text.as_slice()]) << place.shift,
        }
    }
    key
}

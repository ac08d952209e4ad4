//! What searches look at, in the constants: the rows of an index, and whose each is.
//!
//! ```text
//! rows     the keys, as the search wants them
//! heads    by row: the rule; or, where some row has several, where in the list its rules begin
//! list     rules, one after the other; the top bit says that another of the same row follows
//! ```

use std::collections::{BTreeSet, HashMap};

use super::exact::{ExactAt, TextsAt};
use super::ranges::RangesAt;
use crate::bpf::Code;
use crate::bpf::library::automaton::AutomatonAt;
use crate::bpf::library::exact::Words;
use crate::bpf::library::find::Range;
use crate::bpf::library::record::MORE;
use crate::decision::key::{Column, ColumnKind, Element, Offset, layout};
use crate::decision::{Index, Row};

/// A row of an automaton, or between ranges, that is none of the index.
const NO_ROW: usize = usize::MAX;

/// What the head of such a row says.
pub(super) const NOBODY: u32 = u32::MAX;

/// Tables of an index in the constants.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    pub(super) rows: Rows,
    /// For each part.
    pub(super) texts: Vec<Texts>,
    /// The values that the rows have for the index's early parts.
    pub(super) early: Option<ExactAt>,
    pub(super) heads: u32,
    /// Where the list is, and how long; only where some row has several rules.
    pub(super) list: Option<(u32, u32)>,
}

/// Where a text stands for a row of its own.
#[derive(Clone, Copy, Debug)]
pub(super) enum Texts {
    /// The part is no text.
    No,
    /// Of a table.
    Exact(TextsAt),
    /// Of an automaton.
    Match(AutomatonAt),
}

/// Where the rows of an index are.
#[derive(Clone, Debug)]
pub(super) enum Rows {
    Exact(ExactAt),
    /// Those of the only part, a text.
    Texts,
    /// The same, of an automaton with so many.
    Match(u32),
    /// Those of ranges, and between them.
    Ranges(RangesAt),
}

/// By text: its row in the table of its part.
type TextRows<'i> = HashMap<&'i [u8], u32>;

impl Tables {
    /// Puts an index into the constants.
    pub(super) fn of(code: &mut Code, index: &Index, words: usize, places: &[Offset]) -> Tables {
        let most = index.most();
        // By row: what its head says.
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
        let (texts, text_rows) = texts(code, index);
        let (rows, whose) = rows(code, index, words, places, &texts, &text_rows);
        let head = |row: &usize| heads.get(*row).copied().unwrap_or(NOBODY);
        let heads = code.numbers(&whose.iter().map(head).collect::<Vec<u32>>());
        let early = early(code, index);
        let list = (most > 1).then(|| (code.numbers(&list), list.len() as u32));
        Tables { rows, texts, early, heads, list }
    }
}

/// What the rows have for the early parts.
fn early(code: &mut Code, index: &Index) -> Option<ExactAt> {
    let parts = index.prefilter_columns();
    let (words, places) = layout(&parts)?;
    let no_texts = vec![TextRows::new(); parts.len()];
    let elements = |row: &Row| index.prefilter.iter().map(|at| row.key[*at].clone()).collect::<Vec<Element>>();
    let keys: BTreeSet<Words> =
        index.rows.iter().map(|row| key(&parts, &places, &elements(row), &no_texts, false)).collect();
    Some(code.exact(&keys.into_iter().collect::<Vec<Words>>(), words).0)
}

/// For each part: what its texts stand for.
fn texts<'i>(code: &mut Code, index: &'i Index) -> (Vec<Texts>, Vec<TextRows<'i>>) {
    let part = |(at, part): (usize, &Column)| {
        if part.kind != ColumnKind::Text {
            let automaton = index.automata[at].as_ref();
            let texts = automaton.map_or(Texts::No, |automaton| Texts::Match(code.automaton(automaton)));
            return (texts, TextRows::new());
        }
        let text = |row: &'i Row| match &row.key[at] {
            Element::Text(text) => Some(text.as_slice()),
            _ => None,
        };
        let different: Vec<&[u8]> = index.rows.iter().filter_map(text).collect::<BTreeSet<_>>().into_iter().collect();
        let (table, slots) = code.texts(&different);
        (Texts::Exact(table), different.into_iter().zip(slots).collect())
    };
    index.columns.iter().enumerate().map(part).unzip()
}

/// The rows as they are searched, and for each that there is then which one of the index it is.
fn rows(
    code: &mut Code,
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
        let (table, whose) = code.ranges(words, &ranges);
        return (Rows::Ranges(table), whose.iter().map(|whose| whose.map_or(NO_ROW, |row| row as usize)).collect());
    }
    if let ([Texts::Match(_)], [Some(automaton)]) = (texts, index.automata.as_slice()) {
        // Row 0 is where nothing fits.
        let mut whose = vec![NO_ROW; automaton.rows.len()];
        for (at, row) in index.rows.iter().enumerate() {
            if let [Element::Number(number)] = row.key.as_slice() {
                whose[*number as usize] = at;
            }
        }
        return (Rows::Match(whose.len() as u32), whose);
    }
    if let ([Texts::Exact(table)], [rows]) = (texts, text_rows) {
        let mut whose = vec![0; table.slots() as usize];
        for (at, row) in index.rows.iter().enumerate() {
            if let [Element::Text(text)] = row.key.as_slice() {
                whose[rows[text.as_slice()] as usize] = at;
            }
        }
        return (Rows::Texts, whose);
    }
    let keys: Vec<Words> = index.rows.iter().map(|row| key(row, false)).collect();
    let (at, slots) = code.exact(&keys, words);
    let mut whose = vec![0; at.slots() as usize];
    slots.iter().enumerate().for_each(|(row, slot)| whose[*slot as usize] = row);
    (Rows::Exact(at), whose)
}

/// The words of a row; of a range its first value or its last.
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

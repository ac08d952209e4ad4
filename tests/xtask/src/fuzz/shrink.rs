//! Reduction of a failing text, by removing ever smaller parts (Zeller and Hildebrandt, *Simplifying and
//! isolating failure-inducing input*, 2002).

use std::time::{Duration, Instant};

use super::examine::{Failure, Runner};

/// Time limit of a reduction.
const TIME_MAX: Duration = Duration::from_secs(30);

/// The smallest text found that fails at the same place.
pub(super) fn shrink(text: &str, failure: &Failure, runner: &mut Runner) -> String {
    let started = Instant::now();
    let mut best = text.to_owned();
    for cut in [lines as fn(&str) -> Vec<String>, words, characters] {
        let mut parts = cut(&best);
        let mut size = parts.len().div_ceil(2);
        while size > 0 {
            let mut at = 0;
            while at < parts.len() {
                if started.elapsed() > TIME_MAX {
                    return best;
                }
                let end = (at + size).min(parts.len());
                let rest: String = parts[..at].iter().chain(&parts[end..]).map(String::as_str).collect();
                if runner.examine(&rest).is_some_and(|other| other.place == failure.place) {
                    parts.drain(at..end);
                    best = rest;
                } else {
                    at = end;
                }
            }
            size /= 2;
        }
    }
    best
}

fn lines(text: &str) -> Vec<String> {
    text.split_inclusive('\n').map(str::to_owned).collect()
}

fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut last = None;
    for c in text.chars() {
        let kind = (c.is_alphanumeric() || c == '_', c.is_whitespace());
        match words.last_mut() {
            Some(word) if last == Some(kind) && (kind.0 || kind.1) => word.push(c),
            _ => words.push(c.to_string()),
        }
        last = Some(kind);
    }
    words
}

fn characters(text: &str) -> Vec<String> {
    text.chars().map(String::from).collect()
}

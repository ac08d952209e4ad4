//! Hints for text that does not parse: how to write what the author probably meant.
//!
//! `file.path ends_with ".so"` gives "`ends_with` is a function: write `ends_with(file.path, ".so")`".
//!
//! Invariant: a hint is one step that fixes this place, using the author's own names where possible. Absent:
//! the error message and its span, which are in `error.rs`, and the tokens of other languages (`&&`, `if`),
//! which `token.rs` and `keywords.rs` replace.

use crate::token::{Spanned, Token};

/// Keywords of other languages with the corresponding keyword of krs.
const SYNONYMS: &[(&str, &str)] = &[
    ("block", "deny"),
    ("deny_with", "deny"),
    ("disallow", "deny"),
    ("drop", "deny"),
    ("forbid", "deny"),
    ("prevent", "deny"),
    ("refuse", "deny"),
    ("return", "deny"),
    ("reject", "deny"),
    ("alert", "audit"),
    ("log", "audit"),
    ("notify", "audit"),
    ("print", "audit"),
    ("record", "audit"),
    ("report", "audit"),
    ("warn", "audit"),
    ("signal", "kill"),
    ("terminate", "kill"),
    ("except", "unless"),
    ("where", "when"),
    ("glob", "like"),
    ("match", "like"),
    ("matches", "like"),
    ("below", "under"),
    ("beneath", "under"),
    ("inside", "under"),
    ("within", "under"),
];

/// Words that begin an item in other languages, with a hint for each group.
const ITEM_HINTS: &[(&[&str], &str)] = &[
    (
        &["allow", "permit", "accept", "pass"],
        "rules only deny: an operation that no rule denies is allowed; add exceptions with `unless`, or narrow the condition",
    ),
    (
        &["block", "reject", "drop", "forbid", "refuse", "log", "record", "alert", "policy"],
        "a rule begins with its hook and ends with its actions: `on file_open when ... deny audit`",
    ),
    (&["include", "import", "require", "load", "source"], "include another file with `use \"./other.krs\"`"),
    (&["let", "var", "define", "static", "constant"], "name a value with `const`, and a condition with `def`"),
    (
        &["fn", "func", "function", "fun", "macro", "predicate"],
        "define a function with `def`: `def small(n: u64) = n < 10`",
    ),
    (
        &["list", "group", "array", "ipset", "alias"],
        "define a set with its type and elements: `set shells: path = { \"/bin/sh\" }`",
    ),
    (&["struct", "type", "typedef", "class"], "structs come from the kernel; name their fields with a `view`"),
    (&["tag", "mark", "taint"], "rules keep state in a `label`: `label seen on task`"),
    (
        &["option", "variable", "config", "setting"],
        "define a value that is set at load time with `param`: `param least: u32 = 1000`",
    ),
];

/// Keywords that can follow a condition or an operand.
const FOLLOWING: &[&str] = &[
    "and", "or", "not", "in", "is", "like", "under", "has", "when", "unless", "deny", "audit", "kill", "mark", "unmark",
];

/// Spellings of units of time with the unit of krs.
const TIME_UNITS: &[(&str, &str)] = &[
    ("msec", "ms"),
    ("milliseconds", "ms"),
    ("sec", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("min", "m"),
    ("minute", "m"),
    ("minutes", "m"),
    ("hour", "h"),
    ("hours", "h"),
];

/// Functions that are often written as infix operators; spellings are in lower case without `_`.
const FUNCTIONS: &[(&str, &str)] =
    &[("startswith", "starts_with"), ("endswith", "ends_with"), ("contains", "contains")];

/// Returns a hint for an item that begins with a word of another language.
pub(crate) fn item_hint(word: &str) -> Option<&'static str> {
    let lower = word.to_ascii_lowercase();
    ITEM_HINTS.iter().find(|(words, _)| words.contains(&lower.as_str())).map(|(_, own)| *own)
}

/// The position at which the parser stopped.
pub(crate) struct Stop<'t, 's> {
    /// Text of the whole file.
    pub text: &'t str,
    /// The unexpected token; `None` at the end of the item.
    pub found: Option<&'t Token<'s>>,
    /// Byte offset of the unexpected token.
    pub at: usize,
    /// Tokens of the item before it.
    pub before: &'t [Spanned<'s>],
    /// Tokens of the item after it.
    pub after: &'t [Spanned<'s>],
    /// True if an action was acceptable.
    pub action: bool,
    /// True if an operator was acceptable.
    pub operator: bool,
    /// True if an operand was acceptable.
    pub operand: bool,
    /// True if a comma was acceptable.
    pub comma: bool,
}

/// Returns a hint if the tokens around the position show what was meant.
pub(crate) fn hint(stop: &Stop<'_, '_>) -> Option<String> {
    let last = |back: usize| stop.before.len().checked_sub(back).map(|at| &stop.before[at].1);
    let Some(found) = stop.found else { return at_end(stop) };
    match found {
        Token::Ident(_) | Token::Not | Token::OpenParen if stop.action && !stop.operator && condition_follows(stop) => {
            Some("a condition begins with `when`".to_owned())
        }
        Token::Ident(word) if matches!(last(1), Some(Token::Int(_))) && unit(word).is_some() => {
            let number = written(stop, stop.before.len() - 1);
            Some(format!("write a duration without a space: `{number}{}`", unit(word)?))
        }
        Token::Ident(errno)
            if matches!((last(1), last(2)), (Some(Token::Ident(_)), Some(Token::Deny))) && is_errno(errno) =>
        {
            let first = written(stop, stop.before.len() - 1);
            Some(match is_errno(first) {
                true => "a rule can deny with only one errno".to_owned(),
                false => format!("put the errno directly after `deny`: `deny {errno}`"),
            })
        }
        Token::Slash if matches!((last(1), last(2)), (Some(Token::Ident(_)), Some(Token::On))) => match stop.after {
            [(_, Token::Ident(hook), _), ..] => Some(format!("write only the name of the hook: `on {hook}`")),
            _ => None,
        },
        Token::Colon if stop.action && !stop.operator => {
            Some("remove the `:` after the hook: `on HOOK when ... deny`".to_owned())
        }
        Token::Comma | Token::And if stop.action && starts_action(stop.after) && after_action(stop.before) => {
            Some("write actions next to each other: `deny audit`".to_owned())
        }
        Token::OpenParen | Token::Ident(_)
            if stop.action
                && matches!(
                    (last(1), last(2)),
                    (Some(Token::Audit), _) | (Some(Token::Str(_)), Some(Token::Audit))
                ) =>
        {
            let fields = run(stop);
            let fields = if fields.is_empty() { "..." } else { fields };
            let before = &stop.text[last_audit(stop)..stop.at];
            Some(format!("put the fields of an event in braces: `{} {{ {fields} }}`", before.trim_end()))
        }
        Token::Ident("dynamic") if is_set(stop.before) => {
            Some("give the maximum number of elements: `dynamic max 1000`".to_owned())
        }
        Token::Ident("from") if is_set(stop.before) => {
            Some("write the file name as a string: `from \"elements.txt\"`".to_owned())
        }
        Token::Ident(_) if matches!((last(1), last(2)), (Some(Token::Int(_)), Some(Token::Limit))) => {
            let count = written(stop, stop.before.len() - 1);
            let time = match stop.after {
                [(_, Token::Ident(time), _), ..] => unit(time).unwrap_or("s"),
                _ => "s",
            };
            Some(format!("write `limit {count}/{time}`"))
        }
        Token::Ident(label)
            if matches!((last(1), last(2)), (Some(Token::Ident(_)), Some(Token::Mark | Token::Unmark))) =>
        {
            let [mark, what] = [2, 1].map(|back| written(stop, stop.before.len() - back));
            Some(format!("the label comes first: `{mark} {label}`, or `{mark} {label} on {what}`"))
        }
        Token::Ident(word) if stop.action || stop.operator => infix(stop, word).or_else(|| keyword_hint(word)),
        Token::Ident(word) if stop.comma => infix(stop, word).or_else(|| match innermost(stop.before) {
            Some(Token::OpenParen) => keyword_hint(word),
            _ => Some("separate the fields with `,`".to_owned()),
        }),
        Token::OpenBrace if matches!((last(3), last(4)), (Some(Token::Int(_)), Some(Token::Limit))) => {
            let [count, unit] = [3, 1].map(|back| written(stop, stop.before.len() - back));
            Some(format!("put the limit after the fields: `audit {{ ... }} limit {count}/{unit}`"))
        }
        Token::Deny | Token::Audit | Token::Kill | Token::Mark | Token::Unmark
            if stop.operator && matches!(stop.before.first(), Some((_, Token::Where, _))) =>
        {
            Some("in a rule, a condition begins with `when`; a `where` block has rules in braces".to_owned())
        }
        Token::OpenBrace if stop.action && starts_action(stop.after) => {
            Some("actions have no braces: remove this `{` and its `}`".to_owned())
        }
        Token::OpenBrace if stop.action && matches!(stop.after.first(), Some((_, Token::When | Token::Unless, _))) => {
            Some("a rule has no braces: `on HOOK when ... deny`".to_owned())
        }
        Token::Equals if let (Some(Token::Ident(_)), Some(item @ (Token::Set | Token::Param))) = (last(1), last(2)) => {
            let [item_word, name] = [2, 1].map(|back| written(stop, stop.before.len() - back));
            let ty = if *item == Token::Set { "the type of its elements" } else { "its type" };
            Some(format!("declare {ty}: `{item_word} {name}: {} = ...`", guess_type(stop.after)))
        }
        Token::Deny | Token::Audit | Token::Kill | Token::Mark | Token::Unmark
            if stop.operand && matches!(last(1), Some(Token::When | Token::Unless)) =>
        {
            let word = written(stop, stop.before.len() - 1);
            Some(format!("write a condition after `{word}`, or remove `{word}`"))
        }
        Token::Slash if stop.operand => Some(format!("a path is a string: write `\"{}\"`", run(stop))),
        Token::Int(_) if matches!((last(3), last(4)), (Some(Token::OpenParen), Some(Token::Ident("since")))) => {
            Some(format!("a version is a string: `@since(\"{}\")`", run(stop)))
        }
        Token::CloseParen | Token::Comma
            if matches!(stop.before.first(), Some((_, Token::Def, _)))
                && matches!((last(1), last(2)), (Some(Token::Ident(_)), Some(Token::OpenParen | Token::Comma))) =>
        {
            let name = written(stop, stop.before.len() - 1);
            Some(format!("declare its type, for example `{name}: u32` or `{name}: task_struct`"))
        }
        Token::Int(_) if matches!((last(1), last(2)), (Some(Token::Dot), Some(Token::Int(_)))) => {
            Some(format!("an address is a string: write `\"{}\"`", run(stop)))
        }
        Token::Dot if matches!(last(1), Some(Token::Int(_))) => {
            Some(format!("an address is a string: write `\"{}\"`", run(stop)))
        }
        Token::Dot if matches!((last(1), last(2)), (Some(Token::Dot), Some(Token::Int(_)))) => {
            Some("a range is two comparisons: `x >= 1 and x <= 1024`".to_owned())
        }
        Token::Limit if stop.action => {
            Some("a limit follows the fields of its `audit`: `audit { ... } limit 10/m`".to_owned())
        }
        Token::OpenParen
            if stop.operator && matches!((last(1), last(2)), (Some(Token::Ident(_)), Some(Token::Dot))) =>
        {
            let field = written(stop, stop.before.len() - 1);
            Some(match field.to_ascii_lowercase().contains("cap") {
                true => "fields cannot be called; test a capability with `task.caps has CAP_NET_RAW`".to_owned(),
                false => {
                    "fields cannot be called; compare the field, as in `task.uid == 0`, or define a function with `def`"
                        .to_owned()
                }
            })
        }
        Token::OpenBracket if stop.operand => Some("write a list in braces: `{ 80, 443 }`".to_owned()),
        Token::EqEq | Token::NotEq | Token::Less | Token::LessEq | Token::Greater | Token::GreaterEq
            if stop.operand && matches!(last(1), Some(Token::And | Token::Or)) =>
        {
            Some("a comparison needs both operands: repeat the left one".to_owned())
        }
        Token::Minus if matches!(last(1), Some(Token::Deny)) => match stop.after {
            [(_, Token::Ident(errno), _), ..] => Some(format!("write only the name of the errno: `deny {errno}`")),
            _ => Some("write the errno by name: `deny EACCES`".to_owned()),
        },
        Token::Minus if matches!(last(1), Some(Token::Ident(_))) && !stop.operator => {
            Some(format!("names use `_` instead of `-`: write `{}`", run(stop).trim_end_matches(':').replace('-', "_")))
        }
        Token::Int(_) if matches!(last(1), Some(Token::Kill)) => {
            Some("write the signal by name: `kill SIGTERM`".to_owned())
        }
        Token::Int(_) | Token::Str(_) if matches!((last(1), last(2)), (Some(Token::Ident(_)), Some(Token::Const))) => {
            let [name, value] = [stop.before.len() - 1, stop.before.len()].map(|at| written(stop, at));
            Some(format!("write `const {name} = {value}`"))
        }
        Token::Int(_) if matches!(last(1), Some(Token::Deny)) => {
            Some("write the errno by name: `deny EACCES`".to_owned())
        }
        Token::Str(_)
            if matches!((last(1), last(2)), (Some(Token::Deny), _) | (Some(Token::Ident(_)), Some(Token::Deny))) =>
        {
            Some("a message is part of an `audit`: `deny audit \"...\"`".to_owned())
        }
        Token::Str(_) | Token::Int(_) if stop.operator && matches!(last(1), Some(Token::Str(_) | Token::Int(_))) => {
            Some("separate the elements with `,`".to_owned())
        }
        Token::When if stop.before.iter().any(|token| matches!(token.1, Token::Unless)) => {
            Some("write `when` before `unless`".to_owned())
        }
        Token::When | Token::Unless => match (last(1), last(2)) {
            (Some(Token::Ident(hook)), Some(action @ (Token::Deny | Token::Kill))) => {
                let action = if *action == Token::Deny { "deny" } else { "kill" };
                Some(format!("a rule ends with its action: `on {hook} when ... {action}`"))
            }
            _ => None,
        },
        _ => None,
    }
}

/// Returns true after an action, possibly with its errno, signal, label or message, or after its fields.
fn after_action(before: &[Spanned<'_>]) -> bool {
    let action =
        |t: &Spanned<'_>| matches!(t.1, Token::Deny | Token::Audit | Token::Kill | Token::Mark | Token::Unmark);
    match before {
        [.., last] if action(last) => true,
        [.., action_before, (_, Token::Ident(_) | Token::Str(_), _)] => action(action_before),
        [.., (_, Token::CloseBrace, _)] => true,
        _ => false,
    }
}

/// Byte offset of the last `audit`.
fn last_audit(stop: &Stop<'_, '_>) -> usize {
    stop.before.iter().rev().find(|t| t.1 == Token::Audit).map_or(stop.at, |t| t.0 as usize)
}

/// Returns true after `set NAME: TYPE`.
fn is_set(before: &[Spanned<'_>]) -> bool {
    matches!(before.first(), Some((_, Token::Set, _))) && !before.iter().any(|t| t.1 == Token::Equals)
}

/// Returns a hint for an item that ends too early; `stop.at` is the offset of its last token.
fn at_end(stop: &Stop<'_, '_>) -> Option<String> {
    let (_, Token::Limit, _) = stop.before.last()? else { return None };
    let rest = &stop.text[stop.at..];
    let count = &rest[..rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())];
    Some(format!("write the limit per second, minute or hour: `limit {count}/s`"))
}

/// Guesses the type of a set or parameter from the first constant among the tokens.
fn guess_type(tokens: &[Spanned<'_>]) -> &'static str {
    let address = |text: &str| text.parse::<std::net::IpAddr>().is_ok();
    let constant = tokens.iter().find_map(|token| match &token.1 {
        Token::Str(text) => Some(match std::str::from_utf8(text).unwrap_or_default() {
            text if text.starts_with('/') => "path",
            text if address(text) => "ip",
            text if text.split_once('/').is_some_and(|(first, _)| address(first)) => "cidr",
            _ => "str",
        }),
        Token::True | Token::False => Some("bool"),
        Token::Int(_) => Some("u32"),
        _ => None,
    });
    constant.unwrap_or("path")
}

/// The unit of time that a word names.
fn unit(word: &str) -> Option<&'static str> {
    let lower = word.to_ascii_lowercase();
    TIME_UNITS.iter().find(|(known, _)| *known == lower).map(|(_, own)| *own)
}

/// Returns true if a word looks like an errno: `EACCES`.
fn is_errno(word: &str) -> bool {
    word.len() > 2 && word.starts_with('E') && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

fn starts_action(tokens: &[Spanned<'_>]) -> bool {
    matches!(tokens.first(), Some((_, Token::Deny | Token::Audit | Token::Kill | Token::Mark | Token::Unmark, _)))
}

/// The text of a token of the item, by its index in `stop.before`; the next index is the unexpected token.
fn written<'t>(stop: &Stop<'t, '_>, at: usize) -> &'t str {
    match stop.before.get(at) {
        Some(token) => &stop.text[token.0 as usize..token.2 as usize],
        None => {
            let end = stop.after.first().map_or(stop.text.len(), |token| token.0 as usize);
            stop.text[stop.at..end].lines().next().unwrap_or_default().trim_end()
        }
    }
}

/// Returns true if the hooks end here and a condition without `when` seems to follow.
fn condition_follows(stop: &Stop<'_, '_>) -> bool {
    let [.., (_, Token::On | Token::Comma, _), (_, Token::Ident(_), _)] = stop.before else {
        return false;
    };
    !stop.before.iter().any(|t| matches!(t.1, Token::When))
        && stop.after.first().is_some_and(|t| !matches!(t.1, Token::Ident(_) | Token::Str(_) | Token::OpenBrace))
}

/// Returns a hint for a function name written between its arguments.
fn infix(stop: &Stop<'_, '_>, word: &str) -> Option<String> {
    let plain = word.to_ascii_lowercase().replace('_', "");
    let (_, name) = FUNCTIONS.iter().find(|(known, _)| *known == plain)?;
    let operand_after = |at: usize| stop.after.get(at).map(|token| &stop.text[token.0 as usize..token.2 as usize]);
    // The operand before the function name: names separated by dots.
    let operand = stop.before.iter().rev().take_while(|t| matches!(t.1, Token::Ident(_) | Token::Dot)).last();
    let left = operand.map_or("...", |first| stop.text[first.0 as usize..stop.at].trim_end());
    Some(format!("`{name}` is a function: write `{name}({left}, {})`", operand_after(0).unwrap_or("\"...\"")))
}

/// The innermost open parenthesis or brace.
fn innermost<'t, 's>(before: &'t [Spanned<'s>]) -> Option<&'t Token<'s>> {
    let mut open = Vec::new();
    for (_, token, _) in before {
        match token {
            Token::OpenParen | Token::OpenBrace => open.push(token),
            Token::CloseParen | Token::CloseBrace => drop(open.pop()),
            _ => {}
        }
    }
    open.pop()
}

/// Returns a hint for a synonym or a misspelling of a keyword.
fn keyword_hint(word: &str) -> Option<String> {
    let lower = word.to_ascii_lowercase();
    if let Some((_, own)) = SYNONYMS.iter().find(|(known, _)| *known == lower) {
        return Some(format!("write `{own}`"));
    }
    let near = FOLLOWING.iter().map(|own| (strsim::damerau_levenshtein(own, &lower), own)).min()?;
    (near.0 <= near.1.len().max(3) / 3).then(|| format!("did you mean `{}`?", near.1))
}

/// The text without white space around the position, such as an address or path without quotes.
fn run<'t>(stop: &Stop<'t, '_>) -> &'t str {
    let piece = |c: char| c.is_ascii_alphanumeric() || "./:_-*".contains(c);
    let start = stop.text[..stop.at].trim_end_matches(piece).len();
    let rest = &stop.text[stop.at..];
    let end = stop.text.len() - rest.trim_start_matches(piece).len();
    &stop.text[start..end]
}

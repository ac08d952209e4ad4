//! What a text that does not parse was probably meant to say.
//!
//! `file.path ends_with ".so"` gives "`ends_with` is a function: write `ends_with(file.path, ".so")`".
//!
//! Invariants: a hint is one step that makes this place right, in the writer's own words where they fit. Absent: what is
//! wrong, and where; `error.rs` says that. Spellings that mean nothing in krs at all (`&&`, `if`) are known to `words.rs`.

use crate::token::{Spanned, Token};

/// Words that others use for krs's own, each with that.
const ELSEWHERE: &[(&str, &str)] = &[
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

/// Words that others begin an item with, each with how krs says it.
const BEGINNINGS: &[(&[&str], &str)] = &[
    (
        &["allow", "permit", "accept", "pass"],
        "rules only deny: what no rule denies is allowed; except cases with `unless`, or say it in the rule's condition",
    ),
    (
        &["block", "reject", "drop", "forbid", "refuse", "log", "record", "alert", "policy"],
        "a rule begins with its hook and ends with its actions: `on file_open when ... deny audit`",
    ),
    (&["include", "import", "require", "load", "source"], "another file is taken in by `use \"./other.krs\"`"),
    (&["let", "var", "define", "static", "constant"], "a name for a value is a `const`, one for a condition a `def`"),
    (
        &["fn", "func", "function", "fun", "macro", "predicate"],
        "what takes parameters is a `def`: `def small(n: u64) = n < 10`",
    ),
    (
        &["list", "group", "array", "ipset", "alias"],
        "a set has a type and elements: `set shells: path = { \"/bin/sh\" }`",
    ),
    (&["struct", "type", "typedef", "class"], "structs are the kernel's; names for their fields are a `view`"),
    (&["tag", "mark", "taint"], "what rules remember is a `label`: `label seen on task`"),
    (
        &["option", "variable", "config", "setting"],
        "what is set when the policy is loaded is a `param`: `param least: u32 = 1000`",
    ),
];

/// Words that can follow a condition or an operand.
const FOLLOWING: &[&str] = &[
    "and", "or", "not", "in", "is", "like", "under", "has", "when", "unless", "deny", "audit", "kill", "mark", "unmark",
];

/// Units of time in words, each with krs's own.
const TIMES: &[(&str, &str)] = &[
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

/// Functions that are often written between their arguments, in any spelling.
const FUNCTIONS: &[(&str, &str)] =
    &[("startswith", "starts_with"), ("endswith", "ends_with"), ("contains", "contains")];

/// How an item is written that begins with a word of others.
pub(crate) fn beginning(word: &str) -> Option<&'static str> {
    let lower = word.to_ascii_lowercase();
    BEGINNINGS.iter().find(|(words, _)| words.contains(&lower.as_str())).map(|(_, own)| *own)
}

/// Where the parser stopped.
pub(crate) struct Stop<'t, 's> {
    /// The whole text.
    pub text: &'t str,
    /// What could not be taken; none at the end of the item.
    pub found: Option<&'t Token<'s>>,
    /// Its place in the text.
    pub at: usize,
    /// What came before it in the item.
    pub before: &'t [Spanned<'s>],
    /// What comes behind it.
    pub behind: &'t [Spanned<'s>],
    /// An action could have come.
    pub action: bool,
    /// An operator could have come.
    pub operator: bool,
    /// An operand could have come.
    pub operand: bool,
    /// A comma could have come.
    pub comma: bool,
}

/// The next step, where the text shows what was meant.
pub(crate) fn hint(stop: &Stop<'_, '_>) -> Option<String> {
    let last = |back: usize| stop.before.len().checked_sub(back).map(|at| &stop.before[at].1);
    let Some(found) = stop.found else { return at_end(stop) };
    match found {
        Token::Ident(_) | Token::Not | Token::OpenParen if stop.action && !stop.operator && condition_follows(stop) => {
            Some("a condition begins with `when`".to_owned())
        }
        Token::Ident(word) if matches!(last(1), Some(Token::Int(_))) && unit(word).is_some() => {
            let number = written(stop, stop.before.len() - 1);
            Some(format!("a time is written in one piece: `{number}{}`", unit(word)?))
        }
        Token::Ident(errno)
            if matches!((last(1), last(2)), (Some(Token::Ident(_)), Some(Token::Deny))) && is_errno(errno) =>
        {
            let first = written(stop, stop.before.len() - 1);
            Some(match is_errno(first) {
                true => "a rule denies with one errno".to_owned(),
                false => format!("the errno follows at once: `deny {errno}`"),
            })
        }
        Token::Slash if matches!((last(1), last(2)), (Some(Token::Ident(_)), Some(Token::On))) => match stop.behind {
            [(_, Token::Ident(hook), _), ..] => Some(format!("hooks go by their bare name: `on {hook}`")),
            _ => None,
        },
        Token::Colon if stop.action && !stop.operator => {
            Some("what follows the hook stands without `:`: `on HOOK when ... deny`".to_owned())
        }
        Token::Comma | Token::And if stop.action && starts_action(stop.behind) && after_action(stop.before) => {
            Some("actions stand side by side: `deny audit`".to_owned())
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
            Some(format!("the fields of an event stand in braces: `{} {{ {fields} }}`", before.trim_end()))
        }
        Token::Ident("dynamic") if is_set(stop.before) => {
            Some("say for how many elements there is room: `dynamic max 1000`".to_owned())
        }
        Token::Ident("from") if is_set(stop.before) => {
            Some("a file's name is a string: `from \"elements.txt\"`".to_owned())
        }
        Token::Ident(_) if matches!((last(1), last(2)), (Some(Token::Int(_)), Some(Token::Limit))) => {
            let count = written(stop, stop.before.len() - 1);
            let time = match stop.behind {
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
        Token::Ident(word) if stop.action || stop.operator => infix(stop, word).or_else(|| other_word(word)),
        Token::Ident(word) if stop.comma => infix(stop, word).or_else(|| match innermost(stop.before) {
            Some(Token::OpenParen) => other_word(word),
            _ => Some("separate the fields with `,`".to_owned()),
        }),
        Token::OpenBrace if matches!((last(3), last(4)), (Some(Token::Int(_)), Some(Token::Limit))) => {
            let [count, unit] = [3, 1].map(|back| written(stop, stop.before.len() - back));
            Some(format!("the limit stands behind the fields: `audit {{ ... }} limit {count}/{unit}`"))
        }
        Token::Deny | Token::Audit | Token::Kill | Token::Mark | Token::Unmark
            if stop.operator && matches!(stop.before.first(), Some((_, Token::Where, _))) =>
        {
            Some("in a rule a condition begins with `when`; a `where` has rules in braces".to_owned())
        }
        Token::OpenBrace if stop.action && starts_action(stop.behind) => {
            Some("actions stand without braces: remove this `{` and its `}`".to_owned())
        }
        Token::OpenBrace if stop.action && matches!(stop.behind.first(), Some((_, Token::When | Token::Unless, _))) => {
            Some("a rule has no braces: `on HOOK when ... deny`".to_owned())
        }
        Token::Equals if let (Some(Token::Ident(_)), Some(item @ (Token::Set | Token::Param))) = (last(1), last(2)) => {
            let [item_word, name] = [2, 1].map(|back| written(stop, stop.before.len() - back));
            let of = if *item == Token::Set { "its elements are" } else { "it is" };
            Some(format!("say what {of}: `{item_word} {name}: {} = ...`", kind(stop.behind)))
        }
        Token::Deny | Token::Audit | Token::Kill | Token::Mark | Token::Unmark
            if stop.operand && matches!(last(1), Some(Token::When | Token::Unless)) =>
        {
            let word = written(stop, stop.before.len() - 1);
            Some(format!("write a condition after `{word}`, or leave `{word}` out"))
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
            Some(format!("say of what type it is: `{name}: u32`, `{name}: task_struct`"))
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
        Token::Limit if stop.action => Some("a limit stands behind its event: `audit { ... } limit 10/m`".to_owned()),
        Token::OpenParen
            if stop.operator && matches!((last(1), last(2)), (Some(Token::Ident(_)), Some(Token::Dot))) =>
        {
            let field = written(stop, stop.before.len() - 1);
            Some(match field.to_ascii_lowercase().contains("cap") {
                true => "fields are not called: `task.caps has CAP_NET_RAW` asks for a capability".to_owned(),
                false => {
                    "fields are not called: compare one, as in `task.uid == 0`, or name a condition by `def`".to_owned()
                }
            })
        }
        Token::OpenBracket if stop.operand => Some("a list stands in braces: `{ 80, 443 }`".to_owned()),
        Token::EqEq | Token::NotEq | Token::Less | Token::LessEq | Token::Greater | Token::GreaterEq
            if stop.operand && matches!(last(1), Some(Token::And | Token::Or)) =>
        {
            Some("a comparison has both its sides: write the left one again".to_owned())
        }
        Token::Minus if matches!(last(1), Some(Token::Deny)) => match stop.behind {
            [(_, Token::Ident(errno), _), ..] => Some(format!("an errno is written by its name alone: `deny {errno}`")),
            _ => Some("an errno is written by its name: `deny EACCES`".to_owned()),
        },
        Token::Minus if matches!(last(1), Some(Token::Ident(_))) && !stop.operator => Some(format!(
            "names have `_` where others have `-`: write `{}`",
            run(stop).trim_end_matches(':').replace('-', "_")
        )),
        Token::Int(_) if matches!(last(1), Some(Token::Kill)) => {
            Some("a signal is written by its name: `kill SIGTERM`".to_owned())
        }
        Token::Int(_) | Token::Str(_) if matches!((last(1), last(2)), (Some(Token::Ident(_)), Some(Token::Const))) => {
            let [name, value] = [stop.before.len() - 1, stop.before.len()].map(|at| written(stop, at));
            Some(format!("write `const {name} = {value}`"))
        }
        Token::Int(_) if matches!(last(1), Some(Token::Deny)) => {
            Some("an errno is written by its name: `deny EACCES`".to_owned())
        }
        Token::Str(_)
            if matches!((last(1), last(2)), (Some(Token::Deny), _) | (Some(Token::Ident(_)), Some(Token::Deny))) =>
        {
            Some("a message belongs to an event: `deny audit \"...\"`".to_owned())
        }
        Token::Str(_) | Token::Int(_) if stop.operator && matches!(last(1), Some(Token::Str(_) | Token::Int(_))) => {
            Some("separate the elements with `,`".to_owned())
        }
        Token::When if stop.before.iter().any(|token| matches!(token.1, Token::Unless)) => {
            Some("`when` stands before `unless`".to_owned())
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

/// The last token but a name is an action, so that the rule's condition is behind us.
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

/// Where the last `audit` begins.
fn last_audit(stop: &Stop<'_, '_>) -> usize {
    stop.before.iter().rev().find(|t| t.1 == Token::Audit).map_or(stop.at, |t| t.0 as usize)
}

/// `set NAME: TYPE` stands before.
fn is_set(before: &[Spanned<'_>]) -> bool {
    matches!(before.first(), Some((_, Token::Set, _))) && !before.iter().any(|t| t.1 == Token::Equals)
}

/// The next step where an item ends too early; the place is that of its last token.
fn at_end(stop: &Stop<'_, '_>) -> Option<String> {
    let (_, Token::Limit, _) = stop.before.last()? else { return None };
    let rest = &stop.text[stop.at..];
    let many = &rest[..rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())];
    Some(format!("write how many a second, a minute or an hour: `limit {many}/s`"))
}

/// The type that the first constant probably has.
fn kind(tokens: &[Spanned<'_>]) -> &'static str {
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

/// The time's unit that a word names.
fn unit(word: &str) -> Option<&'static str> {
    let lower = word.to_ascii_lowercase();
    TIMES.iter().find(|(known, _)| *known == lower).map(|(_, own)| *own)
}

/// Whether a word looks like an errno: `EACCES`.
fn is_errno(word: &str) -> bool {
    word.len() > 2 && word.starts_with('E') && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

fn starts_action(tokens: &[Spanned<'_>]) -> bool {
    matches!(tokens.first(), Some((_, Token::Deny | Token::Audit | Token::Kill | Token::Mark | Token::Unmark, _)))
}

/// A token of the item as it is written; the one where the parser stopped comes right behind those before.
fn written<'t>(stop: &Stop<'t, '_>, at: usize) -> &'t str {
    match stop.before.get(at) {
        Some(token) => &stop.text[token.0 as usize..token.2 as usize],
        None => {
            let end = stop.behind.first().map_or(stop.text.len(), |token| token.0 as usize);
            stop.text[stop.at..end].lines().next().unwrap_or_default().trim_end()
        }
    }
}

/// The hooks end here, and what comes is no word but part of a condition.
fn condition_follows(stop: &Stop<'_, '_>) -> bool {
    let [.., (_, Token::On | Token::Comma, _), (_, Token::Ident(_), _)] = stop.before else {
        return false;
    };
    !stop.before.iter().any(|t| matches!(t.1, Token::When))
        && stop.behind.first().is_some_and(|t| !matches!(t.1, Token::Ident(_) | Token::Str(_) | Token::OpenBrace))
}

/// A function's name between its arguments.
fn infix(stop: &Stop<'_, '_>, word: &str) -> Option<String> {
    let plain = word.to_ascii_lowercase().replace('_', "");
    let (_, name) = FUNCTIONS.iter().find(|(known, _)| *known == plain)?;
    let behind = |at: usize| stop.behind.get(at).map(|token| &stop.text[token.0 as usize..token.2 as usize]);
    // The operand before: names with dots between.
    let operand = stop.before.iter().rev().take_while(|t| matches!(t.1, Token::Ident(_) | Token::Dot)).last();
    let left = operand.map_or("...", |first| stop.text[first.0 as usize..stop.at].trim_end());
    Some(format!("`{name}` is a function: write `{name}({left}, {})`", behind(0).unwrap_or("\"...\"")))
}

/// The bracket that is open.
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

/// A word that stands for one of krs's, or is nearly one.
fn other_word(word: &str) -> Option<String> {
    let lower = word.to_ascii_lowercase();
    if let Some((_, own)) = ELSEWHERE.iter().find(|(known, _)| *known == lower) {
        return Some(format!("write `{own}`"));
    }
    let near = FOLLOWING.iter().map(|own| (strsim::damerau_levenshtein(own, &lower), own)).min()?;
    (near.0 <= near.1.len().max(3) / 3).then(|| format!("did you mean `{}`?", near.1))
}

/// What is written in one piece around the place: an address or a path without its quotes.
fn run<'t>(stop: &Stop<'t, '_>) -> &'t str {
    let piece = |c: char| c.is_ascii_alphanumeric() || "./:_-*".contains(c);
    let start = stop.text[..stop.at].trim_end_matches(piece).len();
    let rest = &stop.text[stop.at..];
    let end = stop.text.len() - rest.trim_start_matches(piece).len();
    &stop.text[start..end]
}

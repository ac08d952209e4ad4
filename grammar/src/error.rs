//! Syntax errors, with one code per kind of error, in terms of the language instead of the parser.
//!
//! `on file_open when uid = 0 deny` is `KRS0012`: "`=` is not a comparison", help "write `==` to compare".
//!
//! Invariants: codes are KRS0001 to KRS0049 and never change their meaning; every span lies within its file.
//! Absent: the rendering of a diagnostic.

use crate::ast::{FileId, Span};
use crate::build::BuildError;
use crate::hints::{Stop, hint};
use crate::token::{Spanned, Token};
use lalrpop_util::ParseError;

/// The syntax codes with their titles, sorted by code.
pub const CODES: &[(&str, &str)] = &[
    ("KRS0001", "unterminated string"),
    ("KRS0002", "unknown escape sequence"),
    ("KRS0003", "unexpected character"),
    ("KRS0004", "syntax of another language"),
    ("KRS0005", "integer too large"),
    ("KRS0006", "malformed number"),
    ("KRS0010", "syntax error"),
    ("KRS0011", "chained comparison"),
    ("KRS0012", "`=` in place of `==`"),
    ("KRS0013", "rule without an action"),
    ("KRS0014", "`allow` as an action"),
    ("KRS0015", "reserved word as a name"),
    ("KRS0016", "unclosed bracket"),
    ("KRS0017", "nesting too deep"),
    ("KRS0018", "doc comment without an item"),
    ("KRS0019", "expected an item"),
    ("KRS0020", "unmatched closing bracket"),
];

/// An error in the source text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// The code, one of [`CODES`].
    pub code: &'static str,
    /// The smallest span that shows the error.
    pub span: Span,
    /// The error message, without a period.
    pub message: String,
    /// The label of the span.
    pub label: String,
    /// The next step, if one is known.
    pub help: Option<String>,
    /// Related spans with their labels.
    pub related: Vec<(Span, String)>,
}

impl SyntaxError {
    /// Creates an error without help and related spans.
    #[must_use]
    pub fn new(code: &'static str, span: Span, message: impl Into<String>, label: impl Into<String>) -> Self {
        SyntaxError { code, span, message: message.into(), label: label.into(), help: None, related: Vec::new() }
    }

    /// Sets the help text of the error.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Converts the parser's error on the tokens of an item to a syntax error.
pub(crate) fn explain(
    file: FileId,
    text: &str,
    tokens: &[Spanned<'_>],
    error: ParseError<u32, Token<'_>, BuildError>,
) -> SyntaxError {
    let (found, span, expected) = match error {
        ParseError::User { error: BuildError::Chained { op, instead } } => {
            return SyntaxError::new("KRS0011", op, "comparisons cannot be chained", "a second comparison")
                .help(format!("write `{instead}`"));
        }
        ParseError::User { error: BuildError::Deep(span) } => return deep(span),
        ParseError::UnrecognizedToken { token: (l, t, r), expected } => {
            (Some(t), Span { file, start: l, end: r }, expected)
        }
        ParseError::ExtraToken { token: (l, t, r) } => (Some(t), Span { file, start: l, end: r }, vec![]),
        ParseError::UnrecognizedEof { expected, .. } => {
            let last = tokens.last().map_or((0, 0), |t| (t.0, t.2));
            (None, Span { file, start: last.0, end: last.1 }, expected)
        }
        ParseError::InvalidToken { location } => (None, Span { file, start: location, end: location }, vec![]),
    };
    let may = |terminal: &str| expected.iter().any(|e| e.trim_matches('"') == terminal);
    let written = text.get(span.start as usize..span.end as usize).unwrap_or("");
    let quoted = if written.len() > 40 || written.contains('\n') { "this".to_owned() } else { format!("`{written}`") };
    let end = found.is_none();

    // Brackets that are open where the parser stopped.
    let mut open: Vec<&Spanned<'_>> = Vec::new();
    for token in tokens.iter().take_while(|t| end || t.0 < span.start) {
        match token.1 {
            Token::OpenBrace | Token::OpenParen | Token::OpenBracket => open.push(token),
            Token::CloseBrace | Token::CloseParen | Token::CloseBracket => {
                open.pop();
            }
            _ => {}
        }
    }
    let closes = matches!(found, Some(Token::CloseBrace | Token::CloseParen | Token::CloseBracket));
    if let Some((start, bracket, stop)) = open.last() {
        let (opening, closing, matching) = match bracket {
            Token::OpenBrace => ("{", "}", found == Some(Token::CloseBrace)),
            Token::OpenParen => ("(", ")", found == Some(Token::CloseParen)),
            _ => ("[", "]", found == Some(Token::CloseBracket)),
        };
        let action = matches!(found, Some(Token::Deny | Token::Audit | Token::Kill | Token::Mark | Token::Unmark));
        if end || (closes && !matching) || (action && may(closing)) {
            let mut error = SyntaxError::new(
                "KRS0016",
                span,
                format!("missing closing `{closing}`"),
                format!("expected `{closing}` before this"),
            )
            .help(format!("close it with `{closing}`"));
            if end {
                error.label = format!("expected `{closing}` after this");
            }
            error.related.push((Span { file, start: *start, end: *stop }, format!("`{opening}` opened here")));
            return error;
        }
    } else if closes {
        return SyntaxError::new("KRS0020", span, format!("unmatched closing {quoted}"), "no bracket is open here")
            .help("remove it, or add the opening bracket");
    }

    let wanted = wanted(&may, &expected);
    let split = tokens.partition_point(|t| t.0 < span.start);
    let meant = hint(&Stop {
        text,
        found: found.as_ref(),
        at: span.start as usize,
        before: &tokens[..split],
        after: tokens.get(split + 1..).unwrap_or_default(),
        action: may("deny"),
        operator: may("==") && may("and"),
        operand: may("name") && may("("),
        comma: may(","),
    });
    match found {
        Some(Token::Ident("allow") | Token::Allow) => {
            SyntaxError::new("KRS0014", span, "`allow` is not an action", "expected an action")
                .help("rules only deny: an operation that no rule denies is allowed; add exceptions with `unless`")
        }
        // The parser may have taken the preceding name for the start of `name = value`, and then expects only `(`.
        Some(Token::Equals)
            if may("==")
                || tokens
                    .iter()
                    .take_while(|t| t.0 < span.start)
                    .any(|t| matches!(t.1, Token::When | Token::Unless | Token::Where)) =>
        {
            let error = SyntaxError::new("KRS0012", span, "`=` is not a comparison", "write `==`");
            match tokens.get(split + 1) {
                Some((_, Token::Tilde, _)) => SyntaxError { label: "write `like`".to_owned(), ..error }
                    .help("write `like` with a glob: `like \"/tmp/*.so\"`"),
                _ => error.help("write `==` to compare"),
            }
        }
        Some(Token::Colon) if names_field(tokens, split) => {
            SyntaxError::new("KRS0010", span, "expected `=`, found `:`", "write `=`").help(format!(
                "name a field with `=`: `{} = ...`",
                &text[tokens[split - 1].0 as usize..tokens[split - 1].2 as usize]
            ))
        }
        Some(Token::Rule | Token::Map) if may("const") => {
            SyntaxError::new("KRS0019", span, format!("an item cannot begin with {quoted}"), "a reserved word")
                .help("a rule is written `name: on HOOK ...` or `on HOOK ...`")
        }
        Some(Token::Doc(_)) => SyntaxError::new("KRS0018", span, "unexpected doc comment", "not before an item")
            .help("`##` documents the item that follows; write `#` for a plain comment"),
        // `keywords` left the word as a name, so the generic message would ask for the word that is
        // already there.
        Some(Token::Ident(word @ ("dynamic" | "from"))) if may(word) && meant.is_some() => {
            let (message, label) = match word {
                "dynamic" => ("`dynamic` without a size", "`max` is missing"),
                _ => ("`from` without a file name", "a string is missing"),
            };
            SyntaxError { help: meant, ..SyntaxError::new("KRS0010", span, message, label) }
        }
        Some(Token::And) if may("deny") && meant.is_some() => SyntaxError {
            help: meant,
            ..SyntaxError::new("KRS0010", span, "`and` cannot join actions", "expected an action")
        },
        Some(ref token) if may("name") && !may("(") && is_word(token) && *token != Token::Limit => {
            SyntaxError::new("KRS0015", span, format!("{quoted} is a reserved word"), format!("expected {wanted}"))
                .help(format!("choose another name, for example `{written}_`"))
        }
        _ if may("deny") => {
            // The parser has already reduced the condition, although an operator would have continued it.
            let condition = tokens[..split].iter().rev().find(|t| ends_condition(&t.1) || begins_condition(&t.1));
            let wanted = match condition {
                Some((_, token, _)) if begins_condition(token) => "an operator or an action",
                _ => "an action",
            };
            let (code, message, label) = if end {
                ("KRS0013", "this rule has no action".to_owned(), "expected an action after this".to_owned())
            } else {
                ("KRS0010", format!("expected {wanted}, found {quoted}"), format!("expected {wanted}"))
            };
            SyntaxError::new(code, span, message, label).help(
                meant.unwrap_or("end the rule with an action: `deny`, `audit`, `kill`, `mark` or `unmark`".to_owned()),
            )
        }
        _ => {
            let mut error = if end {
                SyntaxError::new("KRS0010", span, format!("expected {wanted} after {quoted}"), "the item ends here")
            } else {
                SyntaxError::new(
                    "KRS0010",
                    span,
                    format!("expected {wanted}, found {quoted}"),
                    format!("expected {wanted}"),
                )
            };
            if matches!(tokens.iter().rev().find(|t| t.0 < span.start || end), Some((_, Token::On, _))) {
                error.help = Some("name the hook after `on`, for example `on file_open`".to_owned());
            } else {
                error.help = meant;
            }
            error
        }
    }
}

/// Returns a replacement for the token of an error, with its index, if its meaning is obvious.
pub(crate) fn replacement(error: &SyntaxError, tokens: &[Spanned<'_>]) -> Option<(usize, Token<'static>)> {
    let at = tokens.iter().position(|t| t.0 == error.span.start)?;
    match &tokens[at].1 {
        // `=~` means a pattern, not `==`.
        Token::Equals if error.code == "KRS0012" && !matches!(tokens.get(at + 1), Some((_, Token::Tilde, _))) => {
            Some((at, Token::EqEq))
        }
        Token::Colon if names_field(tokens, at) => Some((at, Token::Equals)),
        _ => None,
    }
}

/// Returns true if the token at `at` follows a name at the beginning of a field of an `audit`.
fn names_field(tokens: &[Spanned<'_>], at: usize) -> bool {
    let [before @ .., (_, Token::OpenBrace | Token::Comma, _), (_, Token::Ident(_), _)] = &tokens[..at] else {
        return false;
    };
    let open = tokens[..=before.len()].iter().rposition(|t| t.1 == Token::OpenBrace);
    let opened = open.map_or(&[][..], |open| &tokens[..open]);
    matches!(opened, [.., (_, Token::Audit, _)] | [.., (_, Token::Audit, _), (_, Token::Str(_), _)])
}

/// The error for brackets or operators that are nested beyond the limit.
pub(crate) fn deep(span: Span) -> SyntaxError {
    SyntaxError::new("KRS0017", span, "nested too deeply", "too many levels")
        .help("split it with `def`, or write a long `or` of equalities as `x in { a, b }`")
}

fn begins_condition(token: &Token<'_>) -> bool {
    matches!(token, Token::When | Token::Unless)
}

fn ends_condition(token: &Token<'_>) -> bool {
    matches!(token, Token::Deny | Token::Audit | Token::Kill | Token::Mark | Token::Unmark)
}

fn is_word(token: &Token<'_>) -> bool {
    crate::keywords::is_word(token) && !matches!(token, Token::Ident(_))
}

/// Describes the expected tokens in few words.
fn wanted(may: &dyn Fn(&str) -> bool, expected: &[String]) -> String {
    if may("name") && may("(") && may("integer") {
        return "an expression".to_owned();
    }
    let mut words: Vec<String> = Vec::new();
    // The parser may already have reduced operands that tighter operators would have continued.
    if may("or") {
        words.push("an operator".to_owned());
    }
    for (terminal, phrase) in
        [("name", "a name"), ("integer", "an integer"), ("string", "a string"), ("deny", "an action")]
    {
        if may(terminal) {
            words.push(phrase.to_owned());
        }
    }
    let operator = words.first().is_some_and(|w| w == "an operator");
    for terminal in expected.iter().map(|e| e.trim_matches('"')) {
        let skip = match terminal {
            "name" | "integer" | "string" | "deny" | "audit" | "kill" | "mark" | "unmark" | "doc" | "duration"
            | "rule name" => true,
            "and" | "or" | "not" | "in" | "is" | "like" | "under" | "has" | "as" | "." | "[" => operator,
            t => operator && !matches!(t, ")" | "}" | "]" | "," | "when" | "unless" | "="),
        };
        let terminal = if terminal == "mark on" { "on" } else { terminal };
        if !skip {
            words.push(format!("`{terminal}`"));
        }
    }
    words.truncate(5);
    match words.split_last() {
        None => "the end of the item".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

//! Splits the tokens into items and parses each separately, so that an error affects only one item.
//!
//! A block `where C { a: on x deny }` is split into its condition, which is parsed as an expression, and the
//! items inside. `where` blocks are therefore not in the grammar.
//!
//! Invariant: an item that cannot be parsed is [`ItemKind::Error`], and its error has been reported.

use std::borrow::Cow;

use lalrpop_util::ParseError;

use crate::ast::{FileId, Item, ItemKind, Span, Where};
use crate::build::BuildError;
use crate::error::{SyntaxError, deep, explain, replacement};
use crate::hints::item_hint;
use crate::keywords::begins_item;
use crate::krs::{ExprParser, ItemParser};
use crate::token::{Spanned, Token};

/// Maximum nesting depth of brackets in an item.
const NESTING_MAX: usize = 200;
/// Maximum number of tokens of an item that are replaced by what they obviously mean; each costs another parse.
const REPLACEMENTS_MAX: usize = 20;
/// Maximum nesting depth of `where` blocks, which are parsed recursively.
const WHERE_MAX: usize = 50;

struct Reader<'a, 's> {
    file: FileId,
    text: &'a str,
    tokens: &'a [Spanned<'s>],
    at: usize,
    errors: &'a mut Vec<SyntaxError>,
    broken: &'a mut Vec<String>,
    items: ItemParser,
    exprs: ExprParser,
}

/// Parses all items; adds the names of items with errors to `broken`.
pub(crate) fn parse_items(
    file: FileId,
    text: &str,
    tokens: &[Spanned<'_>],
    errors: &mut Vec<SyntaxError>,
    broken: &mut Vec<String>,
) -> Vec<Item> {
    let (items, exprs) = (ItemParser::new(), ExprParser::new());
    let mut reader = Reader { file, text, tokens, at: 0, errors, broken, items, exprs };
    reader.block(0)
}

impl<'s> Reader<'_, 's> {
    fn span(&self, from: usize, to: usize) -> Span {
        let last = to.max(from + 1).min(self.tokens.len()).saturating_sub(1);
        Span { file: self.file, start: self.tokens[from].0, end: self.tokens[last].2 }
    }

    /// Parses items up to the `}` of the block, or up to the end of the file.
    fn block(&mut self, level: usize) -> Vec<Item> {
        let mut all = Vec::new();
        while let Some((_, token, _)) = self.tokens.get(self.at) {
            match token {
                Token::CloseBrace if level > 0 => break,
                token if begins_item(token) => {
                    let from = self.at;
                    let doc = match token {
                        Token::Doc(doc) => Some(doc.clone()),
                        _ => None,
                    };
                    let head = from + usize::from(doc.is_some());
                    let item = match self.tokens.get(head).map(|t| &t.1) {
                        Some(Token::Where) => self.block_item(doc, head, level),
                        Some(token) if begins_item(token) => self.item(from),
                        _ => {
                            self.at += 1;
                            let span = self.span(from, from + 1);
                            self.errors.push(
                                SyntaxError::new("KRS0018", span, "doc comment without an item", "no item follows")
                                    .help("`##` documents the item that follows; write `#` for a plain comment"),
                            );
                            continue;
                        }
                    };
                    all.push(item);
                }
                _ => all.push(self.stray()),
            }
        }
        all
    }

    /// Skips tokens that do not belong to an item, up to the next item or a line that begins with a name.
    fn stray(&mut self) -> Item {
        let from = self.at;
        let first = self.span(from, from + 1);
        let word = self.text.get(first.start as usize..first.end as usize).unwrap_or("");
        let hint = item_hint(word);
        self.at += 1;
        // The `on` of `allow on file_open ...` is not the start of a rule.
        if hint.is_some() && self.tokens.get(self.at).is_some_and(|t| t.1 == Token::On) {
            self.at += 1;
        }
        let mut depth = 0usize;
        while let Some((start, token, _)) = self.tokens.get(self.at) {
            match token {
                Token::OpenBrace => depth += 1,
                Token::CloseBrace if depth > 0 => depth -= 1,
                Token::CloseBrace => break,
                Token::Ident(_) if depth == 0 && begins_line(self.text, *start) => break,
                token if begins_item(token) => break,
                _ => {}
            }
            self.at += 1;
        }
        let error = match &self.tokens[from].1 {
            Token::CloseBrace | Token::CloseParen | Token::CloseBracket => {
                SyntaxError::new("KRS0020", first, format!("unmatched closing `{word}`"), "no bracket is open here")
                    .help("remove it, or add the opening bracket")
            }
            _ => SyntaxError::new("KRS0019", first, "expected an item", "not the start of an item").help(
                hint.unwrap_or(
                    "a rule begins with `on HOOK` or `name: on HOOK`; other items begin with `const`, `def`, `set`, `param`, `label`, `use`, ...",
                ),
            ),
        };
        self.errors.push(error);
        Item { doc: None, span: self.span(from, self.at), kind: ItemKind::Error }
    }

    /// Finds the end of the item that begins at `from`. The item has at least one token.
    fn item_end(&self, from: usize) -> usize {
        let mut depth = 0usize;
        // Docs, attributes and a name precede the keyword of the item.
        let mut prefix = true;
        let mut test = false;
        let mut label = false;
        let mut i = from;
        while let Some((_, token, _)) = self.tokens.get(i) {
            match token {
                Token::OpenBrace | Token::OpenParen | Token::OpenBracket => depth += 1,
                Token::CloseBrace | Token::CloseParen | Token::CloseBracket => {
                    if depth == 0 && *token == Token::CloseBrace {
                        return i;
                    }
                    // The parser reports other unmatched brackets.
                    depth = depth.saturating_sub(1);
                }
                token if begins_item(token) => {
                    if prefix {
                        prefix = match token {
                            Token::Doc(_) => i == from,
                            Token::At | Token::RuleName(_) => true,
                            _ => false,
                        };
                        test = *token == Token::Test;
                        label = *token == Token::Label;
                    } else {
                        let inside = match token {
                            // Members of `flags` and fields of views can have docs; attributes occur only
                            // before items.
                            Token::Doc(_) => depth > 0,
                            Token::On if label => {
                                label = false;
                                true
                            }
                            Token::On => test && depth > 0,
                            _ => false,
                        };
                        if !inside {
                            return i;
                        }
                    }
                }
                _ => {}
            }
            i += 1;
        }
        i
    }

    fn item(&mut self, from: usize) -> Item {
        let end = self.item_end(from);
        self.at = end;
        let tokens = &self.tokens[from..end];
        let failed = Item { doc: None, span: self.span(from, end), kind: ItemKind::Error };
        if !self.check_nesting(from, end) {
            return failed;
        }
        let parser = &self.items;
        let parse = |tokens: &[Spanned<'s>]| parser.parse(self.file, tokens.iter().cloned());
        let text = self.text;
        let ends = |tokens: &[Spanned<'s>], parsed: &Parsed<'s, Item>| complete(text, tokens, parsed);
        if let Some((item, count)) = parse_tokens(self.file, text, tokens, self.errors, parse, ends) {
            self.at = from + count;
            return item;
        }
        self.broken.extend(defined(tokens));
        failed
    }

    /// Checks the nesting depth of brackets, and reports an error and returns false if it exceeds the limit.
    fn check_nesting(&mut self, from: usize, end: usize) -> bool {
        let mut depth = 0usize;
        for i in from..end {
            match self.tokens[i].1 {
                Token::OpenBrace | Token::OpenParen | Token::OpenBracket => depth += 1,
                Token::CloseBrace | Token::CloseParen | Token::CloseBracket => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > NESTING_MAX {
                let span = self.span(i, i + 1);
                self.errors.push(deep(span));
                return false;
            }
        }
        true
    }

    /// Parses `where C { ... }`, with the keyword at index `head`.
    fn block_item(&mut self, doc: Option<String>, head: usize, level: usize) -> Item {
        // The block opens at the first `{` outside brackets that is followed by an item or `}`.
        let mut depth = 0usize;
        let mut open = head + 1;
        let mut found = false;
        while let Some((_, token, _)) = self.tokens.get(open) {
            let next = self.tokens.get(open + 1).map(|t| &t.1);
            match token {
                Token::OpenBrace
                    if depth == 0
                        && next.is_none_or(|t| begins_item(t) || *t == Token::CloseBrace)
                        && !matches!(self.tokens[open - 1].1, Token::In) =>
                {
                    found = true;
                    break;
                }
                Token::OpenBrace | Token::OpenParen | Token::OpenBracket => depth += 1,
                Token::CloseBrace | Token::CloseParen | Token::CloseBracket => {
                    if depth == 0 {
                        break;
                    }
                    depth -= 1;
                }
                token if begins_item(token) => break,
                _ => {}
            }
            open += 1;
        }
        let failed =
            |reader: &Self, end: usize| Item { doc: None, span: reader.span(head, end), kind: ItemKind::Error };
        let condition = if self.check_nesting(head + 1, open) {
            let (file, parser) = (self.file, &self.exprs);
            // The tokens include `where`, so that errors are explained in its context.
            let tokens = &self.tokens[head..open];
            let parse = |tokens: &[Spanned<'s>]| parser.parse(file, tokens[1..].iter().cloned());
            parse_tokens(file, self.text, tokens, self.errors, parse, |_, _| None).map(|(condition, _)| condition)
        } else {
            None
        };
        self.at = open;
        if !found {
            if condition.is_some() {
                let span = self.span(open - 1, open);
                self.errors.push(
                    SyntaxError::new(
                        "KRS0010",
                        span,
                        "expected `{` after the condition of `where`",
                        "expected `{` after this",
                    )
                    .help("put the rules in braces: `where CONDITION { ... }`"),
                );
            }
            return failed(self, open);
        }
        if level + 1 > WHERE_MAX {
            let span = self.span(head, head + 1);
            self.errors.push(deep(span));
            self.at = self.tokens.len();
            return failed(self, open);
        }
        self.at = open + 1;
        let items = self.block(level + 1);
        if self.tokens.get(self.at).is_some() {
            self.at += 1;
        } else {
            let mut error = SyntaxError::new(
                "KRS0016",
                self.span(self.at - 1, self.at),
                "missing closing `}`",
                "expected `}` after this",
            )
            .help("close it with `}`");
            error.related.push((self.span(open, open + 1), "`{` opened here".to_owned()));
            self.errors.push(error);
        }
        let span = self.span(head, self.at);
        match condition {
            Some(condition) => Item { doc, span, kind: ItemKind::Where(Box::new(Where { condition, items })) },
            None => failed(self, self.at),
        }
    }
}

/// Result of a generated parser.
type Parsed<'s, T> = Result<T, ParseError<u32, Token<'s>, BuildError>>;

/// Finds the end of an item that is followed by a line beginning with a name that is not the start of an item:
/// such a name does not continue an item that is complete without it. Returns the number of tokens of the item.
///
/// A word in upper case after `deny` or `kill` continues the item, since it is an errno or a signal.
fn complete(text: &str, tokens: &[Spanned<'_>], parsed: &Parsed<'_, Item>) -> Option<usize> {
    let not_constant = |word: &str| word.bytes().any(|byte| byte.is_ascii_lowercase());
    let after_action = tokens.windows(2).position(|pair| match pair {
        [(_, Token::Deny | Token::Kill, _), (start, Token::Ident(word), _)] => {
            not_constant(word) && begins_line(text, *start)
        }
        _ => false,
    });
    let count = match (after_action, parsed) {
        (Some(action), _) => action + 1,
        (None, Err(ParseError::UnrecognizedToken { token: (start, Token::Ident(_), _), .. })) => {
            tokens.partition_point(|token| token.0 < *start)
        }
        _ => return None,
    };
    (count > 0 && begins_line(text, tokens[count].0)).then_some(count)
}

fn begins_line(text: &str, at: u32) -> bool {
    text[..at as usize].is_empty() || text[..at as usize].ends_with('\n')
}

/// Parses tokens with `parse`. Returns the result and the number of tokens used: all, or as many as `ends` returns.
///
/// A token whose meaning is obvious is reported and replaced, and the tokens are parsed again, so that later
/// errors are reported as well.
fn parse_tokens<'s, T>(
    file: FileId,
    text: &str,
    tokens: &[Spanned<'s>],
    errors: &mut Vec<SyntaxError>,
    parse: impl Fn(&[Spanned<'s>]) -> Parsed<'s, T>,
    ends: impl Fn(&[Spanned<'s>], &Parsed<'s, T>) -> Option<usize>,
) -> Option<(T, usize)> {
    let mut tokens = Cow::Borrowed(tokens);
    for _ in 0..=REPLACEMENTS_MAX {
        let parsed = parse(&tokens);
        if let Some(count) = ends(&tokens, &parsed)
            && let Ok(parsed) = parse(&tokens[..count])
        {
            return Some((parsed, count));
        }
        let error = match parsed {
            Ok(parsed) => return Some((parsed, tokens.len())),
            Err(error) => explain(file, text, &tokens, error),
        };
        let replacement = replacement(&error, &tokens);
        errors.push(error);
        let (at, token) = replacement?;
        tokens.to_mut()[at].1 = token;
    }
    None
}

/// The name that an item defines, if its first tokens show it.
fn defined(tokens: &[Spanned<'_>]) -> Option<String> {
    let mut words = tokens.iter().map(|t| &t.1).skip_while(|t| matches!(t, Token::Doc(_)));
    use Token::{Const, Def, Enum, Flags, Label, Param, Set};
    match (words.next()?, words.next()?) {
        (Const | Def | Enum | Flags | Label | Param | Set, Token::Ident(name)) => Some((*name).to_owned()),
        _ => None,
    }
}

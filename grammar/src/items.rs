//! Cuts the tokens into items, and parses each by itself: a mistake costs one item.
//!
//! `where C { a: on x deny }` is a head, an expression of its own, and items inside.

use std::borrow::Cow;

use lalrpop_util::ParseError;

use crate::ast::{FileId, Item, ItemKind, Span, Where};
use crate::build::Trouble;
use crate::error::{SyntaxError, deep, explain, meant};
use crate::hints::beginning;
use crate::krs::{ExprParser, ItemParser};
use crate::token::{Spanned, Token};
use crate::words::begins_item;

/// Most brackets inside each other, `where` blocks included.
const NESTING_MAX: usize = 200;
/// Most tokens of an item that are taken for what they plainly mean.
const MEANT_MAX: usize = 20;
/// Most `where` blocks inside each other; they are read recursively.
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

/// Every item of `tokens`; the names of those that cannot be read go to `broken`.
pub(crate) fn read(
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

    /// Items up to the `}` of the block, or the end.
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
                                SyntaxError::new("KRS0018", span, "a doc comment documents nothing", "no item follows")
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

    /// Tokens that begin no item, up to one that does, or could be meant to.
    fn stray(&mut self) -> Item {
        let from = self.at;
        let first = self.span(from, from + 1);
        let word = self.text.get(first.start as usize..first.end as usize).unwrap_or("");
        let meant = beginning(word);
        self.at += 1;
        // `allow on file_open ...`
        if meant.is_some() && self.tokens.get(self.at).is_some_and(|t| t.1 == Token::On) {
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
                SyntaxError::new("KRS0020", first, format!("`{word}` closes nothing"), "no bracket is open here")
                    .help("remove it, or add the opening bracket")
            }
            _ => SyntaxError::new("KRS0019", first, "expected an item", "no item begins so").help(
                meant.unwrap_or(
                    "a rule begins with `on HOOK` or `name: on HOOK`; other items with `const`, `def`, `set`, `param`, `label`, `use`, ...",
                ),
            ),
        };
        self.errors.push(error);
        Item { doc: None, span: self.span(from, self.at), kind: ItemKind::Error }
    }

    /// The end of the item that begins at `from`.
    fn item_end(&self, from: usize) -> usize {
        let mut depth = 0usize;
        // Attributes, a name and the docs come before the word that says what the item is.
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
                    // Another stray bracket is left to the parser, which reports it.
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
                            // Members of `flags` and fields of views have docs; attributes stand before items only.
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
        let end = self.item_end(from).max(from + 1);
        self.at = end;
        let tokens = &self.tokens[from..end];
        let failed = Item { doc: None, span: self.span(from, end), kind: ItemKind::Error };
        if !self.shallow(from, end) {
            return failed;
        }
        let parser = &self.items;
        let parse = |tokens: &[Spanned<'s>]| parser.parse(self.file, tokens.iter().cloned());
        let text = self.text;
        let ends = |tokens: &[Spanned<'s>], parsed: &Parsed<'s, Item>| complete(text, tokens, parsed);
        if let Some((item, count)) = parsed(self.file, text, tokens, self.errors, parse, ends) {
            self.at = from + count;
            return item;
        }
        self.broken.extend(defined(tokens));
        failed
    }

    /// Reports brackets that are nested beyond the bound.
    fn shallow(&mut self, from: usize, end: usize) -> bool {
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

    /// `where C { ... }`, whose `where` is at `head`.
    fn block_item(&mut self, doc: Option<String>, head: usize, level: usize) -> Item {
        // The block opens at the first `{` outside brackets that an item or `}` follows.
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
        let condition = if self.shallow(head + 1, open) {
            let (file, parser) = (self.file, &self.exprs);
            // What is wrong is explained with the `where` before it.
            let tokens = &self.tokens[head..open];
            let parse = |tokens: &[Spanned<'s>]| parser.parse(file, tokens[1..].iter().cloned());
            parsed(file, self.text, tokens, self.errors, parse, |_, _| None).map(|(condition, _)| condition)
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
                        "`{` expected after this",
                    )
                    .help("put the rules that it is for in braces: `where CONDITION { ... }`"),
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
                "`}` expected after this",
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

/// What a parser answers.
type Parsed<'s, T> = Result<T, ParseError<u32, Token<'s>, Trouble>>;

/// How many tokens an item may have whose next word stands at the beginning of a line and begins no item: where it is complete
/// before that, it lacks nothing that the word could be, nor is that an errno or a signal.
fn complete(text: &str, tokens: &[Spanned<'_>], parsed: &Parsed<'_, Item>) -> Option<usize> {
    let no_constant = |word: &str| word.bytes().any(|byte| byte.is_ascii_lowercase());
    let behind_action = tokens.windows(2).position(|pair| match pair {
        [(_, Token::Deny | Token::Kill, _), (start, Token::Ident(word), _)] => {
            no_constant(word) && begins_line(text, *start)
        }
        _ => false,
    });
    let count = match (behind_action, parsed) {
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

/// What tokens are, and how many of them: all, or as many as `ends` says. A token that plainly stands for another is reported, and taken for that one from then
/// on, so that what is wrong behind it is told as well.
fn parsed<'s, T>(
    file: FileId,
    text: &str,
    tokens: &[Spanned<'s>],
    errors: &mut Vec<SyntaxError>,
    parse: impl Fn(&[Spanned<'s>]) -> Parsed<'s, T>,
    ends: impl Fn(&[Spanned<'s>], &Parsed<'s, T>) -> Option<usize>,
) -> Option<(T, usize)> {
    let mut tokens = Cow::Borrowed(tokens);
    for _ in 0..=MEANT_MAX {
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
        let meant = meant(&error, &tokens);
        errors.push(error);
        let (at, token) = meant?;
        tokens.to_mut()[at].1 = token;
    }
    None
}

/// The name that an item defines, as far as it can be told from its first words.
fn defined(tokens: &[Spanned<'_>]) -> Option<String> {
    let mut words = tokens.iter().map(|t| &t.1).skip_while(|t| matches!(t, Token::Doc(_)));
    use Token::{Const, Def, Enum, Flags, Label, Param, Set};
    match (words.next()?, words.next()?) {
        (Const | Def | Enum | Flags | Label | Param | Set, Token::Ident(name)) => Some((*name).to_owned()),
        _ => None,
    }
}

//! Contextual keywords: decides which words are keywords and which are names.
//!
//! Kernel names such as `flags` or `label` are also keywords of krs. In `on mmap_file when flags & MAP_FIXED
//! deny`, the word `flags` becomes a name, since a keyword `flags` would be followed by the name that it
//! defines.
//!
//! Invariant: only the kinds of tokens change, except that `then` is reported and removed. A decision depends
//! on a few neighbouring tokens and the open brackets.

use crate::ast::{FileId, Span};
use crate::error::SyntaxError;
use crate::token::{Spanned, Token};

/// Returns true for names and keywords, which are spelled like names.
pub(crate) fn is_word(token: &Token<'_>) -> bool {
    use Token::*;
    matches!(
        token,
        Ident(_)
            | Use
            | As
            | Const
            | Param
            | Set
            | Map
            | Flags
            | Enum
            | View
            | Hook
            | Def
            | Label
            | Rule
            | On
            | Where
            | When
            | Unless
            | And
            | Or
            | Not
            | In
            | Is
            | Like
            | Under
            | Has
            | Null
            | True
            | False
            | Deny
            | Audit
            | Kill
            | Mark
            | Unmark
            | Limit
            | Test
            | Expect
            | With
    )
}

/// Returns true for keywords that follow a complete operand: an operator or the next part of the rule.
fn continues(token: &Token<'_>) -> bool {
    use Token::*;
    matches!(token, And | Or | Not | In | Is | Like | Under | Has | As | When | Unless | Deny | Audit | Kill | On)
}

/// Returns true for tokens after which an operand or a name must follow.
fn expects_operand(token: &Token<'_>) -> bool {
    use Token::*;
    matches!(
        token,
        When | Unless
            | Where
            | And
            | Or
            | Not
            | In
            | Is
            | Like
            | Under
            | Has
            | As
            | On
            | MarkOn
            | OpenParen
            | OpenBracket
            | Comma
            | Equals
            | EqEq
            | NotEq
            | Less
            | LessEq
            | Greater
            | GreaterEq
            | Shl
            | Shr
            | Pipe
            | Caret
            | Amp
            | Plus
            | Minus
            | Star
            | Slash
            | Percent
            | Tilde
            | Dot
            | At
    )
}

/// Returns true for tokens that begin an item, including docs, attributes and rule names.
pub(crate) fn begins_item(token: &Token<'_>) -> bool {
    use Token::*;
    matches!(
        token,
        Doc(_)
            | At
            | RuleName(_)
            | On
            | Use
            | Const
            | Param
            | Set
            | Map
            | Flags
            | Enum
            | View
            | Hook
            | Def
            | Label
            | Rule
            | Where
            | Test
    )
}

/// Decides for every word of `tokens` whether it is a keyword or a name.
pub(crate) fn classify<'s>(file: FileId, text: &'s str, tokens: &mut Vec<Spanned<'s>>, errors: &mut Vec<SyntaxError>) {
    use Token::*;
    // For each open bracket: true if a word directly inside is a name when `=`, `:` or `?` follows.
    let mut names_inside: Vec<bool> = Vec::new();
    let mut dropped = false;
    // True if the last parentheses were those of a hook's parameters.
    let mut parameters = false;
    for i in 0..tokens.len() {
        let prev = i.checked_sub(1).map(|p| &tokens[p].1);
        let prev2 = i.checked_sub(2).map(|p| &tokens[p].1);
        let at = |k: usize| tokens.get(i + k).map(|t| &t.1);
        let (start, end) = (tokens[i].0, tokens[i].2);
        let place = Span { file, start, end };
        let name = || Ident(text.get(start as usize..end as usize).unwrap_or(""));
        let (next, next2) = (at(1), at(2));
        let after_operator = prev.is_some_and(expects_operand);
        let next_word = next.is_some_and(|t| is_word(t) && !continues(t));
        let next_name = next.is_some_and(is_word);
        let defined = matches!(next2, Some(OpenBrace | Colon | Equals | OpenParen | On));
        let new = match &tokens[i].1 {
            OpenBrace => {
                let view = matches!(prev2, Some(View | Flags | Enum | Colon | Audit)) || matches!(prev, Some(Audit));
                // The values after a hook's parameters have the syntax of a view.
                let hook = matches!(prev, Some(CloseParen)) && parameters;
                names_inside.push(view || hook);
                None
            }
            OpenParen => {
                names_inside.push(matches!(prev2, Some(Hook | Def)));
                parameters = matches!(prev2, Some(Hook));
                None
            }
            OpenBracket => {
                names_inside.push(false);
                None
            }
            CloseBrace | CloseParen | CloseBracket => {
                names_inside.pop();
                None
            }
            word if !is_word(word) => None,
            _ if matches!(prev, Some(Dot)) => Some(name()),
            // Precedes the check of `names_inside`, since a bracket of the previous item can be left open. No type is
            // called `on`.
            Ident(word) if matches!(next, Some(Colon)) && matches!(next2, Some(On)) && !after_operator => {
                Some(RuleName(word))
            }
            _ if names_inside.last() == Some(&true) && matches!(next, Some(Equals | Colon | Question)) => Some(name()),
            // A parameter of a hook can be any word.
            word if !matches!(word, Ident(_))
                && names_inside.last() == Some(&true)
                && matches!(prev, Some(OpenParen | Comma))
                && matches!(next, Some(Comma | CloseParen)) =>
            {
                Some(name())
            }
            Ident("from") if matches!(next, Some(Str(_))) => Some(From),
            Ident("dynamic") if matches!(next, Some(Ident("max"))) => Some(Dynamic),
            Ident("max") if matches!(prev, Some(Dynamic)) => Some(Max),
            Ident("inherit") if matches!(prev2, Some(On)) && i >= 4 && matches!(tokens[i - 4].1, Label) => {
                Some(Inherit)
            }
            // `any a in task.ancestors { ... }`: two names in a row occur nowhere else.
            Ident(word @ ("any" | "all")) if next_word && matches!(next2, Some(In)) => {
                Some(if *word == "any" { Any } else { All })
            }
            Ident("allow") if matches!(prev, Some(Expect)) => Some(Allow),
            Ident(word @ ("if" | "then"))
                if !after_operator && next.is_some() && !matches!(next, Some(Equals | Colon)) =>
            {
                let condition = *word == "if";
                let (message, help) = if condition {
                    ("`if` is written `when`", "replace `if` with `when`")
                } else {
                    ("`then` is not needed", "remove it: the action follows the condition")
                };
                let after_name = matches!(
                    prev,
                    Some(Const | Param | Set | Def | Label | Hook | View | Enum | Flags | Mark | Unmark | Deny | Kill)
                );
                if after_name {
                    None
                } else {
                    errors.push(SyntaxError::new("KRS0004", place, message, "not krs").help(help));
                    dropped |= !condition;
                    // `Foreign` tokens are removed below.
                    Some(if condition { When } else { Foreign })
                }
            }
            Ident(_) => None,
            On if matches!(prev2, Some(Mark | Unmark)) && !matches!(next2, Some(When | Unless | Comma)) => Some(MarkOn),
            Rule | Map | Set | Flags | Enum | View | Hook | Label | Param | Def
                if matches!(
                    prev,
                    Some(Set | Flags | Enum | View | Hook | Label | Param | Def | Const | Mark | Unmark)
                ) =>
            {
                None
            }
            Set | Map | Flags | Enum | View | Hook | Label | Rule | Param | Def
                if after_operator && !(matches!(prev, Some(Comma)) && next_word && defined)
                    || !next_name
                    || (!next_word && !defined) =>
            {
                Some(name())
            }
            Use if after_operator || !(next_word || matches!(next, Some(Str(_)))) => Some(name()),
            Test if after_operator || !matches!(next, Some(Str(_))) => Some(name()),
            Limit if after_operator || !matches!(next, Some(Int(_))) => Some(name()),
            Mark if (after_operator && !matches!(prev, Some(Comma))) || !next_word => Some(name()),
            With if !(matches!(prev2, Some(On)) && next_name) => Some(name()),
            Expect
                if (after_operator && !matches!(prev, Some(Comma)))
                    || !matches!(next, Some(Ident("allow") | Deny | Audit | Kill | Mark | Unmark)) =>
            {
                Some(name())
            }
            _ => None,
        };
        if let Some(new) = new {
            tokens[i].1 = new;
        }
    }
    if dropped {
        tokens.retain(|t| t.1 != Foreign);
    }
}

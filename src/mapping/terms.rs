//! What the linter asks of a parsed term and of the text that it was read from.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Term};
use jaq_core::path::{Part, Path};

/// Whether a term plainly yields several values: a comma or an iteration outside brackets.
pub(super) fn yields_several(term: &Term<&str>) -> bool {
    match term {
        Term::BinOp(_, BinaryOp::Comma, _) | Term::Recurse => true,
        Term::BinOp(left, BinaryOp::Pipe(_), right) => {
            yields_several(left) || yields_several(right)
        }
        Term::Path(head, Path(parts)) => {
            yields_several(head)
                || parts
                    .iter()
                    .any(|(part, _)| matches!(part, Part::Range(None, None)))
        }
        _ => false,
    }
}

/// Some piece of the text that a term was read from, to find its line by.
pub(super) fn first_text<'a>(term: &Term<&'a str>) -> Option<&'a str> {
    match term {
        Term::Num(text) | Term::Var(text) | Term::Call(text, _) => Some(text),
        Term::Str(_, parts) => parts.iter().find_map(|part| {
            if let StrPart::Str(text) = part {
                Some(*text)
            } else {
                None
            }
        }),
        Term::Path(_, Path(parts)) => parts.iter().find_map(|(part, _)| match part {
            Part::Index(Term::Str(_, inner)) => inner.iter().find_map(|part| {
                if let StrPart::Str(text) = part {
                    Some(*text)
                } else {
                    None
                }
            }),
            _ => None,
        }),
        _ => None,
    }
}

/// The line, from 1, on which a slice of the text begins; none for a slice of something else.
pub(super) fn line_of(text: &str, part: &str) -> Option<usize> {
    let offset = (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    let before = text.as_bytes().get(..offset)?;
    Some(before.iter().filter(|b| **b == b'\n').count() + 1)
}

//! Functions with which the linter examines a parsed term: its children, its pattern, and its place
//! in the text.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Pattern, Term};
use jaq_core::path::{Part, Path};

use crate::domain::{Mark, Problem};

/// Whether a term obviously yields several values, because it contains a comma, `..` or `.[]`
/// outside brackets and arguments.
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

/// Returns the direct children of a term, except those inside its definitions and patterns.
pub(super) fn children<'t, 'a>(term: &'t Term<&'a str>) -> Vec<&'t Term<&'a str>> {
    match term {
        Term::Id
        | Term::Recurse
        | Term::Num(_)
        | Term::Break(_)
        | Term::Arr(None)
        | Term::Var(_) => Vec::new(),
        Term::Str(_, parts) => {
            let part = |part: &'t StrPart<&'a str, Term<&'a str>>| match part {
                StrPart::Term(term) => Some(term),
                StrPart::Str(_) | StrPart::Char(_) => None,
            };
            parts.iter().filter_map(part).collect()
        }
        Term::Arr(Some(inner)) | Term::Neg(inner) | Term::Label(_, inner) | Term::Def(_, inner) => {
            vec![inner]
        }
        Term::Obj(pairs) => pairs
            .iter()
            .flat_map(|(key, value)| [key].into_iter().chain(value))
            .collect(),
        Term::BinOp(left, _, right) => vec![left, right],
        Term::Fold(_, source, _, rest) => [&**source].into_iter().chain(rest).collect(),
        Term::TryCatch(body, handler) => [&**body].into_iter().chain(handler.as_deref()).collect(),
        Term::IfThenElse(branches, last) => {
            let branches = branches
                .iter()
                .flat_map(|(condition, then)| [condition, then]);
            branches.chain(last.as_deref()).collect()
        }
        Term::Call(_, args) => args.iter().collect(),
        Term::Path(head, Path(parts)) => {
            let part = |(part, _): &'t (Part<Term<&'a str>>, _)| match part {
                Part::Index(index) => [Some(index), None],
                Part::Range(from, to) => [from.as_ref(), to.as_ref()],
            };
            [&**head]
                .into_iter()
                .chain(parts.iter().flat_map(part).flatten())
                .collect()
        }
    }
}

/// Returns the pattern of variables that a term binds, such as `[$a, $b]` in `. as [$a, $b] | …`.
pub(super) fn pattern_of<'t, 'a>(term: &'t Term<&'a str>) -> Option<&'t Pattern<&'a str>> {
    match term {
        Term::BinOp(_, BinaryOp::Pipe(pattern), _) => pattern.as_ref(),
        Term::Fold(_, _, pattern, _) => Some(pattern),
        _ => None,
    }
}

/// Returns a part of the text from which a term was parsed. The linter uses it to find the term's
/// line and column.
pub(super) fn first_text<'a>(term: &Term<&'a str>) -> Option<&'a str> {
    match term {
        Term::Num(text) | Term::Var(text) | Term::Call(text, _) => Some(text),
        Term::Str(_, parts) => parts.iter().find_map(|part| match part {
            StrPart::Str(text) => Some(*text),
            StrPart::Term(_) | StrPart::Char(_) => None,
        }),
        term => children(term).into_iter().find_map(first_text),
    }
}

/// Creates a problem at `part`, which should be a slice of `text`: its address gives the line and
/// the column. If `part` is not a slice of `text`, the problem is about the whole program.
pub(super) fn problem_at(
    text: &str,
    name: &str,
    part: &str,
    problem: impl Into<String>,
    remedy: impl Into<String>,
) -> Problem {
    let start = (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize);
    match start.filter(|start| *start <= text.len()) {
        Some(start) => {
            let mark = Mark::of(name, text, start..start + part.len());
            let field = format!("{mark}:{}", mark.column);
            Problem::new(field, problem, remedy).marked(mark)
        }
        None => Problem::at(Mark::whole(name), problem, remedy),
    }
}

//! Checks the text of a program before the engine compiles it. Reports wrong syntax, and filters
//! that might never end or that read more than the event. The engine itself would run a filter that
//! never ends.

use jaq_core::load::lex::{Expect, Lexer, StrPart};
use jaq_core::load::parse::{BinaryOp, Def, Parser, Pattern, Term};
use jaq_core::ops::Math;

use super::expressions::compile_expression;
use super::terms::{children, first_text, pattern_of, problem_at, yields_several};
use crate::domain::{Problem, shown};

/// Maximum length of a program, in bytes.
pub(super) const MAX_BYTES: usize = 32 * 1024;
/// Maximum nesting of a term. A limit is needed because the engine recurses as deep as a term is
/// nested.
pub(super) const MAX_DEPTH: usize = 100;

/// The filters whose first argument is a regular expression.
const EXPRESSIONS: [&str; 7] = ["test", "match", "capture", "scan", "splits", "sub", "gsub"];

/// Maximum number of syntax errors that are reported. A single unclosed bracket can cause many.
const MAX_ERRORS: usize = 5;

const BANNED: [(&[&str], &str); 5] = [
    (
        &[
            "repeat",
            "until",
            "while",
            "recurse",
            "range",
            "limit",
            "combinations",
            "transpose",
            "__map",
        ],
        "it might never end",
    ),
    (
        &["halt", "halt_error", "debug", "stderr"],
        "there is no process and no log",
    ),
    (
        &["env", "$ENV", "get_search_list"],
        "only the event can be read",
    ),
    (
        &["input", "inputs", "input_filename", "input_line_number"],
        "there is one event",
    ),
    (
        &["now", "localtime", "mktime", "strflocaltime"],
        "the only time is the argument $now, in unix seconds, UTC",
    ),
];

/// Returns the problems of this program. At most [`MAX_ERRORS`] of them are syntax errors. If the
/// list is empty, the engine may compile the program.
///
/// The parser recurses as deep as the text is nested, so the caller must provide a stack that is
/// large enough for [`MAX_BYTES`] of nested brackets.
pub(super) fn lint(text: &str, name: &str) -> Vec<Problem> {
    if text.len() > MAX_BYTES {
        let problem = format!("is {} bytes long", text.len());
        return vec![Problem::new(
            name,
            problem,
            format!("shorten it to at most {MAX_BYTES} bytes"),
        )];
    }
    let mut lint = Lint {
        text,
        name,
        scope: Vec::new(),
        problems: Vec::new(),
        too_deep: false,
    };
    match Lexer::new(text).lex() {
        Err(errors) => {
            for (expected, found) in errors.into_iter().take(MAX_ERRORS) {
                let (at, problem, remedy) = match expected {
                    Expect::Delim(open) => (
                        open,
                        format!("this {open} has no {}", expected.as_str()),
                        "close it",
                    ),
                    _ => (
                        found,
                        "cannot be read here".into(),
                        "check quotes and brackets, and that only jq is written",
                    ),
                };
                lint.say(at, problem, remedy);
            }
        }
        Ok(tokens) => match Parser::new(&tokens).parse(|parser| parser.term()) {
            Ok(term) => lint.term(&term, 0),
            Err(errors) => {
                for (expected, found) in errors.into_iter().take(MAX_ERRORS) {
                    let end = text.get(text.trim_end().len()..).unwrap_or_default();
                    let at = found.map_or(end, |token| token.0);
                    lint.syntax(at, expected.as_str());
                }
            }
        },
    }
    lint.problems
}

struct Known<'a> {
    name: &'a str,
    arity: usize,
    /// Whether the linter is currently inside the body of this filter. A call of the filter there
    /// is a recursion.
    open: bool,
}

struct Lint<'a> {
    text: &'a str,
    name: &'a str,
    scope: Vec<Known<'a>>,
    problems: Vec<Problem>,
    too_deep: bool,
}

impl<'a> Lint<'a> {
    /// Adds a problem. `at` is the part of the program's text that causes it.
    fn say(&mut self, at: &str, problem: String, remedy: &str) {
        self.problems
            .push(problem_at(self.text, self.name, at, problem, remedy));
    }

    fn syntax(&mut self, at: &str, expected: &str) {
        let first = at.split_whitespace().next().unwrap_or_default();
        // jq allows `include`, `import` and `module` only at the beginning of a program.
        let mut lines = self.text.lines().map(str::trim_start);
        let begin = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
        let word = begin.and_then(|line| line.split_whitespace().next());
        if let Some(word @ ("include" | "import" | "module")) = word {
            return self.say(
                at,
                format!("{word} is not allowed"),
                "write all of it in one file, without include, import or module",
            );
        }
        let found = if first.is_empty() {
            "the end".to_owned()
        } else {
            shown(first)
        };
        self.say(
            at,
            format!("found {found} where jq expects {expected}"),
            "check it with `jq -f` and a sample event",
        );
    }

    fn banned(&mut self, at: &'a str) {
        if let Some((_, why)) = BANNED.iter().find(|(names, _)| names.contains(&at)) {
            self.say(
                at,
                format!("{at} is not available: {why}"),
                "write the program without this filter",
            );
        }
    }

    fn call(&mut self, name: &'a str, arity: usize) {
        let known = self
            .scope
            .iter()
            .rev()
            .find(|known| known.name == name && known.arity == arity);
        match known.map(|known| known.open) {
            Some(true) => {
                let problem = format!("{name} calls itself: it might never end");
                self.say(name, problem, "use map, reduce, foreach, .. or walk");
            }
            Some(false) => {}
            None => self.banned(name),
        }
    }

    /// Adds a problem if a regular expression that is a literal does not compile.
    fn expression(&mut self, name: &str, args: &[Term<&'a str>]) {
        let Some(Term::Str(None, parts)) = args.first().filter(|_| EXPRESSIONS.contains(&name))
        else {
            return;
        };
        let mut pattern = String::new();
        for part in parts {
            match part {
                StrPart::Str(text) => pattern.push_str(text),
                StrPart::Char(c) => pattern.push(*c),
                StrPart::Term(_) => return,
            }
        }
        if let Err(problem) = compile_expression(&pattern, "") {
            let at = args.first().and_then(first_text).unwrap_or_default();
            self.say(
                at,
                format!("{} {problem}", shown(&pattern)),
                "write it in the syntax of the regex crate: no look-around, no back references",
            );
        }
    }

    fn define(&mut self, def: &Def<&'a str>, depth: usize) {
        let own = self.scope.len();
        let named = |name, arity, open| Known { name, arity, open };
        self.scope.push(named(def.name, def.args.len(), true));
        let parameters = def
            .args
            .iter()
            .map(|arg| named(arg.trim_start_matches('$'), 0, false));
        self.scope.extend(parameters);
        self.term(&def.body, depth);
        self.scope.truncate(own + 1);
        if let Some(own) = self.scope.last_mut() {
            own.open = false;
        }
    }

    fn term(&mut self, term: &Term<&'a str>, depth: usize) {
        if depth > MAX_DEPTH {
            return self.nested_too_deep();
        }
        let outer = self.scope.len();
        match term {
            Term::Str(Some(format), _) => self.call(format, 0),
            Term::BinOp(left, op, right) => self.operation(left, op, right),
            Term::Def(defs, _) => defs.iter().for_each(|def| self.define(def, depth + 1)),
            Term::Call(name, args) => {
                self.call(name, args.len());
                self.expression(name, args);
            }
            Term::Var(name) => self.banned(name),
            _ => {}
        }
        if let Some(pattern) = pattern_of(term) {
            self.pattern(pattern, depth + 1);
        }
        for child in children(term) {
            self.term(child, depth + 1);
        }
        self.scope.truncate(outer);
    }

    fn nested_too_deep(&mut self) {
        if !std::mem::replace(&mut self.too_deep, true) {
            let problem = format!("is nested more than {MAX_DEPTH} deep");
            self.say("", problem, "split it into definitions");
        }
    }

    fn operation(&mut self, left: &Term<&'a str>, op: &BinaryOp<&'a str>, right: &Term<&'a str>) {
        let at = first_text(left)
            .or_else(|| first_text(right))
            .unwrap_or_default();
        let is_text = |term: &Term<&str>| matches!(term, Term::Str(..));
        match op {
            BinaryOp::Math(Math::Mul) if is_text(left) || is_text(right) => {
                let problem = "a text cannot be multiplied".into();
                self.say(at, problem, "write the text as often as it is needed; * multiplies numbers and merges objects");
            }
            BinaryOp::Math(_) | BinaryOp::Cmp(_)
                if yields_several(left) && yields_several(right) =>
            {
                let problem = "both sides yield several values, whose combinations come in another order than in jq";
                self.say(at, problem.into(), "name one side with `as $x |`");
            }
            _ => {}
        }
    }

    fn pattern(&mut self, pattern: &Pattern<&'a str>, depth: usize) {
        if depth > MAX_DEPTH {
            return self.nested_too_deep();
        }
        match pattern {
            Pattern::Var(_) => {}
            Pattern::Arr(inner) => inner
                .iter()
                .for_each(|inner| self.pattern(inner, depth + 1)),
            Pattern::Obj(pairs) => {
                for (key, pattern) in pairs {
                    self.term(key, depth + 1);
                    self.pattern(pattern, depth + 1);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> String {
        lint(text, "m.jq")
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn what_may_not_end_or_sees_more_than_the_event_is_refused() {
        for (filter, says) in [
            ("def f: f; f", "f calls itself"),
            ("def f(g): g | f(g); f(.)", "f calls itself"),
            ("def f: def g: f; g; f", "f calls itself"),
            ("def f: .a as $x | [$x, f]; 1", "f calls itself"),
            ("def f: {a: (if . then f else 1 end)}; f", "f calls itself"),
            ("def f: \"\\(f)\"; f", "f calls itself"),
            ("def f: .[f]; f", "f calls itself"),
            ("def f: .[1:f]; f", "f calls itself"),
            ("def f: try f catch f; f", "f calls itself"),
            ("def f: reduce f as $x (0; 1); f", "f calls itself"),
            ("def f: . as {(f): $x} | $x; f", "f calls itself"),
            ("def @text: @text; .", "m.jq"),
            ("repeat(.)", "repeat"),
            ("[.[] | until(. > 9; .)]", "until"),
            ("while(true; .)", "while"),
            ("recurse(.)", "recurse"),
            ("range(1e18)", "range"),
            ("range(0; 9; 1)", "range"),
            ("limit(3; .[])", "limit"),
            ("combinations", "combinations"),
            ("halt", "halt"),
            ("halt_error", "halt_error"),
            ("debug", "debug"),
            ("debug(\"x\")", "debug"),
            ("stderr", "stderr"),
            ("env", "env"),
            ("env.HOME", "env"),
            ("$ENV.HOME", "$ENV"),
            ("now", "$now"),
            ("input", "one event"),
            ("[inputs]", "one event"),
            ("input_filename", "one event"),
            ("localtime", "$now"),
            ("mktime", "$now"),
            ("strflocaltime(\"%Y\")", "$now"),
            ("\"x\" * 1e9", "a text cannot be multiplied"),
            ("(1, 2) + (3, 4)", "another order"),
            (".a[] == .b[]", "another order"),
            ("test(\"(?=a)b\")", "look-around"),
            ("sub(\"(a\"; \"b\")", "no"),
            ("include \"x\"; .", "without include"),
            ("import \"x\" as x; .", "without include"),
            ("module {}; .", "without include"),
            ("", "the end"),
            (".a |", "m.jq"),
            ("(((", "m.jq"),
            ("\"abc", "m.jq"),
            ("{a: }", "m.jq"),
            ("& ?", "m.jq"),
            ("def f: 1", "m.jq"),
        ] {
            let told = problems(filter);
            assert!(told.contains(says), "{filter}: {told:?}");
        }
    }

    #[test]
    fn honest_filters_pass() {
        for filter in [
            ".",
            "..",
            "empty",
            ".issue.fields | {ticket: .key, n: ($now + 86400 | todate)}",
            "def f: 1; def g: f; def f: g; f",
            "def f(g): g; f(f(.))",
            "def f($x): $x; def h(x): x | x; f(1) | h(.)",
            "def range: 3; range",
            "[.a[]? | splits(\"[,\\\\s]+\") | select(test(\"^img-[0-9a-z]+$\"))]",
            "reduce .[] as [$a, {$b}] ({}; . * {($a): $b})",
            "{a: 1} * .b",
            ".a * 2 + .b",
            "[.a[]] == [.b[]]",
            "test(\"\\\\p{L}\")",
            "label $out | foreach .[] as $x (0; . + 1; if . > 3 then ., break $out else . end)",
            "# include \"x\" in a comment\n.now | .env",
            "try error(\"x\") catch .",
            "@base64d, @json \"x\\(.a)\"",
        ] {
            assert_eq!(problems(filter), "", "{filter}");
        }
    }

    #[test]
    fn a_pattern_is_nested_as_little_as_a_term() {
        let bound = |depth: usize| format!(". as {}$x{} | 1", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(problems(&bound(MAX_DEPTH - 1)), "");
        assert!(problems(&bound(MAX_DEPTH + 1)).contains("nested more than"));
    }

    #[test]
    fn problems_name_the_line() {
        assert!(
            problems(".a\n| .b\n| range(3)\n").starts_with("m.jq:3:"),
            "{}",
            problems(".a\n| .b\n| range(3)\n")
        );
        assert!(
            problems("{\n a: ]\n}").starts_with("m.jq:"),
            "{}",
            problems("{\n a: ]\n}")
        );
        assert!(problems("{a: 1,\n b: \"x\" * 9}").starts_with("m.jq:2:6:"));
    }
}

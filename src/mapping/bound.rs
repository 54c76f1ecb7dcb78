//! The bound on a map's work: the engine has none, so each map is compiled with a meter in it. In:
//! a filter's terms. Out: the same with a step wherever outputs multiply or values grow. Knows no
//! clock: work is counted, not timed.

use std::cell::Cell;
use std::panic::resume_unwind;

use jaq_core::Native;
use jaq_core::box_iter::box_once;
use jaq_core::data::JustLut;
use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::native::{self, Fun, v};
use jaq_core::path::{Part, Path};
use jaq_json::Val;

type Data = JustLut<Val>;

/// Steps for any event.
pub(super) const STEPS: u64 = 2_000_000;
/// More of them for each unit of the event's weight, so that a large event has its share.
const STEPS_PER_UNIT: u64 = 10;
/// Bytes of text that weigh as much as one value.
const TEXT_UNIT: usize = 16;
/// The heaviest value, beside the event's own weight: a million numbers, or 16 MiB of text.
const MAX_WEIGHT: u64 = 1_000_000;
/// Deeper than any event (128): a value's depth is on the stack when it is dropped.
const MAX_DEPTH: u32 = 500;
/// What compiling and running a regular expression costs, beside the length of the text.
const REGEX: u64 = 2_000;

/// Counts one output.
const STEP: &str = "!step";
/// Counts a new value by its whole weight.
const WEIGH: &str = "!weigh";
/// Counts a value by its length.
const LENGTH: &str = "!length";
/// Counts a regular expression and the text it looks at.
const MATCH: &str = "!match";
/// Counts what comparing each part of one value with each of another costs.
const PAIRS: &str = "!pairs";
/// A variable that no map can name.
const OTHER: &str = "$!other";

/// Natives whose work follows their input's whole weight.
const WHOLE: [&str; 6] = [
    "sort",
    "sort_by",
    "group_by",
    "min_by_or_empty",
    "max_by_or_empty",
    "tojson",
];
/// Natives that compile a regular expression.
const REGEXES: [&str; 3] = ["matches", "split_matches", "split_"];
/// Natives whose work is a product.
const PRODUCTS: [&str; 2] = ["contains", "indices"];

thread_local! {
    static LEFT: Cell<u64> = const { Cell::new(0) };
    static HEAVIEST: Cell<u64> = const { Cell::new(0) };
}

/// What a run is stopped with; a panic's payload, because `try` in a map catches every error.
pub(super) struct Exhausted(pub(super) &'static str);

/// Fills the meter of this thread for one run on this event: `steps`, and the event's own share.
pub(super) fn fill(event: &Val, steps: u64) {
    LEFT.set(u64::MAX);
    HEAVIEST.set(u64::MAX);
    let own = weight(event, 0);
    LEFT.set(own.saturating_mul(STEPS_PER_UNIT).saturating_add(steps));
    HEAVIEST.set(own.saturating_mul(2).saturating_add(MAX_WEIGHT));
}

/// The steps that this thread has left.
#[cfg(test)]
pub(super) fn left() -> u64 {
    LEFT.get()
}

fn stop(why: &'static str) -> ! {
    resume_unwind(Box::new(Exhausted(why)))
}

fn charge(steps: u64) {
    match LEFT.get().checked_sub(steps) {
        Some(left) => LEFT.set(left),
        None => stop("it works too long on this event: its steps are used up"),
    }
}

fn units(bytes: usize) -> u64 {
    1 + (bytes / TEXT_UNIT) as u64
}

/// The weight of a value with all that it holds, charged while it is counted: what is too heavy is
/// not counted to its end.
fn weight(value: &Val, depth: u32) -> u64 {
    if depth > MAX_DEPTH {
        stop("it nests values too deep");
    }
    let mut all = match value {
        Val::TStr(bytes) | Val::BStr(bytes) => units(bytes.len()),
        _ => 1,
    };
    charge(all);
    let mut add = |more: u64| {
        all = all.saturating_add(more);
        if all > HEAVIEST.get() {
            stop("it makes a value that is too large");
        }
    };
    add(0);
    match value {
        Val::Arr(items) => items.iter().for_each(|item| add(weight(item, depth + 1))),
        // An entry takes several times the room of an item.
        Val::Obj(pairs) => pairs.iter().for_each(|(key, value)| {
            charge(4);
            add(weight(key, depth + 1) + weight(value, depth + 1) + 4);
        }),
        _ => {}
    }
    all
}

fn length(value: &Val) -> u64 {
    match value {
        Val::TStr(bytes) | Val::BStr(bytes) => units(bytes.len()),
        Val::Arr(items) => units(items.len()),
        Val::Obj(pairs) => 1 + pairs.len() as u64,
        _ => 1,
    }
}

fn pairs(one: &Val, other: &Val) -> u64 {
    let bytes = |value: &Val| match value {
        Val::TStr(bytes) | Val::BStr(bytes) => Some(bytes.len() as u64),
        _ => None,
    };
    match (bytes(one), bytes(other)) {
        (Some(one), Some(other)) => 1 + one.saturating_mul(other.max(1)) / TEXT_UNIT as u64,
        _ => weight(one, 0).saturating_mul(weight(other, 0)),
    }
}

/// The natives that the meter calls: each hands its input on, also as a path and in an update.
pub(super) fn functions() -> [Fun<Data>; 5] {
    macro_rules! meter {
        ($name:expr, $cost:expr) => {{
            fn count(value: &Val) {
                let cost: fn(&Val) -> u64 = $cost;
                charge(cost(value));
            }
            let native = Native::<Data>::new(|cv| {
                count(&cv.1);
                box_once(Ok(cv.1))
            })
            .with_paths(|cv| {
                count(&cv.1.0);
                box_once(Ok(cv.1))
            })
            .with_update(|cv, update| {
                count(&cv.1);
                update(cv.1)
            });
            ($name, v(0), native)
        }};
    }
    let product = native::run((PAIRS, v(1), |mut cv| {
        let other = cv.0.pop_var();
        charge(pairs(&cv.1, &other));
        box_once(Ok(cv.1))
    }));
    [
        meter!(STEP, |_| 1),
        meter!(WEIGH, |value| {
            weight(value, 0);
            0
        }),
        meter!(LENGTH, length),
        meter!(MATCH, |value| REGEX.saturating_add(length(value))),
        product,
    ]
}

/// A definition of the standard library with the meter in it. Its tail calls stay tail calls.
pub(super) fn metered_def<'a>(def: Def<&'static str>) -> Def<&'a str> {
    let Def { name, args, body } = def;
    Def {
        name,
        args,
        body: Meter { library: true }.term(body),
    }
}

/// A map with the meter in it.
pub(super) fn metered(map: Term<&str>) -> Term<&str> {
    Meter { library: false }.term(map)
}

struct Meter {
    library: bool,
}

fn call(name: &str) -> Term<&str> {
    Term::Call(name, Vec::new())
}

fn pipe<'a>(left: Term<&'a str>, right: Term<&'a str>) -> Term<&'a str> {
    Term::BinOp(Box::new(left), BinaryOp::Pipe(None), Box::new(right))
}

impl Meter {
    fn boxed<'a>(&self, term: Term<&'a str>) -> Box<Term<&'a str>> {
        Box::new(self.term(term))
    }

    /// The linter has bounded the depth of a map's terms.
    fn term<'a>(&self, term: Term<&'a str>) -> Term<&'a str> {
        match term {
            Term::Id | Term::Num(_) | Term::Break(_) | Term::Arr(None) | Term::Var(_) => term,
            Term::Recurse => pipe(term, call(STEP)),
            Term::Str(format, parts) => {
                let parts = parts.into_iter().map(|part| match part {
                    StrPart::Term(term) => StrPart::Term(self.term(term)),
                    other => other,
                });
                pipe(Term::Str(format, parts.collect()), call(WEIGH))
            }
            Term::Arr(Some(inner)) => pipe(Term::Arr(Some(self.boxed(*inner))), call(WEIGH)),
            Term::Obj(pairs) => {
                let pair = |(key, value): (_, Option<_>)| match (&key, &value) {
                    // `{a}` and `{$a}` are read from the form of the key.
                    (_, None) => (key, None),
                    _ => (self.key(key), value.map(|value| self.term(value))),
                };
                pipe(
                    Term::Obj(pairs.into_iter().map(pair).collect()),
                    call(WEIGH),
                )
            }
            Term::Neg(inner) => pipe(Term::Neg(self.boxed(*inner)), call(STEP)),
            Term::Label(name, inner) => Term::Label(name, self.boxed(*inner)),
            Term::BinOp(left, op, right) => self.operation(*left, op, *right),
            Term::Fold(name, source, pattern, rest) => {
                let rest = rest.into_iter().map(|term| self.term(term)).collect();
                let fold = Term::Fold(name, self.boxed(*source), self.pattern(pattern), rest);
                pipe(fold, call(STEP))
            }
            Term::TryCatch(body, handler) => {
                Term::TryCatch(self.boxed(*body), handler.map(|term| self.boxed(*term)))
            }
            Term::IfThenElse(branches, last) => {
                let branch = |(condition, then)| (self.term(condition), self.term(then));
                Term::IfThenElse(
                    branches.into_iter().map(branch).collect(),
                    last.map(|t| self.boxed(*t)),
                )
            }
            Term::Def(defs, body) => {
                let def = |def: Def<&'a str>| Def {
                    body: self.term(def.body),
                    ..def
                };
                Term::Def(defs.into_iter().map(def).collect(), self.boxed(*body))
            }
            Term::Call(name, args) => self.call(name, args),
            Term::Path(head, Path(parts)) => self.path(*head, parts),
        }
    }

    /// A literal key stays one: the engine reads its form.
    fn key<'a>(&self, key: Term<&'a str>) -> Term<&'a str> {
        let literal = matches!(&key, Term::Str(_, parts) if parts.iter().all(|part| !matches!(part, StrPart::Term(_))));
        if literal { key } else { self.term(key) }
    }

    fn operation<'a>(
        &self,
        left: Term<&'a str>,
        op: BinaryOp<&'a str>,
        right: Term<&'a str>,
    ) -> Term<&'a str> {
        let constant = |term: &Term<&str>| {
            matches!(term, Term::Num(_) | Term::Str(..) | Term::Arr(None))
                || matches!(term, Term::Call(_, args) if args.is_empty())
        };
        // Two values of the event are compared in all their parts.
        let heavy = matches!(op, BinaryOp::Cmp(_)) && !constant(&left) && !constant(&right);
        let (left, right) = (self.term(left), Box::new(self.term(right)));
        let left = Box::new(if heavy { pipe(left, call(WEIGH)) } else { left });
        let after = match op {
            BinaryOp::Pipe(None) => return Term::BinOp(left, op, right),
            BinaryOp::Pipe(Some(pattern)) => {
                return Term::BinOp(left, BinaryOp::Pipe(Some(self.pattern(pattern))), right);
            }
            BinaryOp::Comma if self.library => return Term::BinOp(left, op, right),
            BinaryOp::Comma | BinaryOp::Alt | BinaryOp::Or | BinaryOp::And | BinaryOp::Cmp(_) => {
                STEP
            }
            _ => WEIGH,
        };
        pipe(Term::BinOp(left, op, right), call(after))
    }

    fn call<'a>(&self, name: &'a str, args: Vec<Term<&'a str>>) -> Term<&'a str> {
        let mut args: Vec<_> = args.into_iter().map(|term| self.term(term)).collect();
        if PRODUCTS.contains(&name)
            && let (Some(other), true) = (args.pop(), args.is_empty())
        {
            let counted = pipe(
                Term::Call(PAIRS, vec![Term::Var(OTHER)]),
                Term::Call(name, vec![Term::Var(OTHER)]),
            );
            let named = BinaryOp::Pipe(Some(Pattern::Var(OTHER)));
            return pipe(
                Term::BinOp(Box::new(other), named, Box::new(counted)),
                call(WEIGH),
            );
        }
        let before = match name {
            name if WHOLE.contains(&name) => WEIGH,
            name if REGEXES.contains(&name) => MATCH,
            _ => LENGTH,
        };
        let counted = pipe(call(before), Term::Call(name, args));
        // After it there would be no tail call.
        let native = before != LENGTH;
        if self.library && !native {
            counted
        } else {
            pipe(counted, call(WEIGH))
        }
    }

    fn path<'a>(
        &self,
        head: Term<&'a str>,
        parts: Vec<(Part<Term<&'a str>>, jaq_core::path::Opt)>,
    ) -> Term<&'a str> {
        let cuts = |part: &Part<_>| matches!(part, Part::Range(from, to) if from.is_some() || to.is_some());
        let cut = parts.iter().any(|(part, _)| cuts(part));
        let part = |(part, opt)| match part {
            Part::Index(index) => (Part::Index(self.key(index)), opt),
            Part::Range(from, to) => {
                let own = |term: Option<_>| term.map(|term| self.term(term));
                (Part::Range(own(from), own(to)), opt)
            }
        };
        let parts = Path(parts.into_iter().map(part).collect());
        let head = self.term(head);
        let head = if cut { pipe(head, call(LENGTH)) } else { head };
        pipe(Term::Path(Box::new(head), parts), call(STEP))
    }

    fn pattern<'a>(&self, pattern: Pattern<&'a str>) -> Pattern<&'a str> {
        match pattern {
            Pattern::Var(_) => pattern,
            Pattern::Arr(inner) => {
                Pattern::Arr(inner.into_iter().map(|p| self.pattern(p)).collect())
            }
            Pattern::Obj(pairs) => Pattern::Obj(
                pairs
                    .into_iter()
                    .map(|(key, p)| (self.key(key), self.pattern(p)))
                    .collect(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine::{compile, run, run_within};
    use super::*;
    use serde_json::{Value, json};

    fn list(length: usize) -> Value {
        json!(vec![1; length])
    }

    fn told(map: &str, event: &Value) -> Result<Vec<Value>, String> {
        run(&compile(map, "m.jq").unwrap(), event.clone(), 0)
    }

    /// Each would take years, or all memory, or the stack.
    const ENDLESS: [&str; 25] = [
        "[.[] as $a | .[] as $b | .[] as $c | 1]",
        "[. as $r | .[] | $r[] | $r[] | $r[]] | length",
        "first(.. as $a | .. as $b | .. as $c | select(false))",
        "[.[] as $a | $a as $x | .[] as $b | empty]",
        "{a: .[], b: .[], c: .[]} | select(.a == 2)",
        "[.[] + .[] + .[]]",
        "[\"\\(.[])\\(.[])\\(.[])\"]",
        "[.[] as $a | try error($a) catch .[]?, (.[] | try error(1) catch empty)]",
        "[.[] as $a | .[] | try error(1) catch empty]",
        "reduce .[] as $x (\"xx\"; . + .)",
        "reduce .[] as $x (1; [., .]) | tojson",
        "reduce .[] as $x (1; [.]) | 1",
        "reduce .[] as $x (1; {a: .}) | 1",
        "reduce .[] as $x ([]; . + [$x, $x]) | length",
        "[foreach .[] as $x (0; .[]?, 1; .)] | [.[] as $x | .[] as $y | $x]",
        "def d: [., .]; d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|tojson|length",
        "def d: (., .); [d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d]",
        "def d: tojson; d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d",
        "[.[] as $x | contains([$x])] | length",
        "contains(map(2))",
        "[.[] as $x | . == map(1)]",
        "[.[] as $x | tojson | length] | length",
        "[.[] as $x | unique | length] | length",
        "join(\"x\" + tojson) | length",
        "map(1 | [.] | tojson | test(\"1+\"))",
    ];

    #[test]
    fn what_would_not_end_is_stopped() {
        let event = list(1_000);
        for map in ENDLESS {
            let filter = compile(map, "m.jq").unwrap();
            let why = run_within(&filter, event.clone(), 0, 100_000).expect_err(map);
            assert!(
                ["too long", "too large", "too deep"]
                    .iter()
                    .any(|word| why.contains(word)),
                "{map}: {why}"
            );
        }
    }

    #[test]
    fn honest_work_on_a_large_event_is_done() {
        for (map, length) in [
            ("length", 16_384),
            ("map(. + 1) | length", 16_384),
            ("[.. | numbers] | length", 16_384),
            ("[.[] | select(. == 1)] | length", 16_384),
            (
                "walk(if type == \"object\" then 1 else . end) | length",
                16_384,
            ),
            ("[to_entries[] | {a: .value, b: .key}] | length", 16_384),
            ("unique | length", 1),
            ("add", 16_384),
            ("tojson | length", 32_769),
            ("[paths] | length", 16_384),
            ("[tojson | splits(\",\")] | length", 16_384),
            ("flatten | length", 16_384),
            ("reduce .[] as $x (0; . + $x)", 16_384),
        ] {
            assert_eq!(
                told(map, &list(16_384)).as_deref(),
                Ok(&[json!(length)][..]),
                "{map}"
            );
        }
    }

    #[test]
    fn a_map_means_the_same_with_its_meter() {
        for (map, event, outputs) in [
            (".a |= . + 1", json!({"a": 1}), vec![json!({"a": 2})]),
            (
                "(.a, .b) += 1",
                json!({"a": 1, "b": 2}),
                vec![json!({"a": 2, "b": 3})],
            ),
            (
                "(.[] | select(. > 1)) |= empty",
                json!([1, 2]),
                vec![json!([1])],
            ),
            ("[paths]", json!({"a": [1]}), vec![json!([["a"], ["a", 0]])]),
            (
                "path(.a[0] // .b)",
                json!({"a": [null]}),
                vec![json!(["b"])],
            ),
            (
                "del(.a, .b)",
                json!({"a": 1, "b": 2, "c": 3}),
                vec![json!({"c": 3})],
            ),
            (
                "{a, \"b\": 2, (.k): 3, $now}",
                json!({"a": 1, "k": "c"}),
                vec![json!({"a": 1, "b": 2, "c": 3, "now": 0})],
            ),
            (
                ". as {a: [$x, {$y}]} | [$x, $y]",
                json!({"a": [1, {"y": 2}]}),
                vec![json!([1, 2])],
            ),
            (
                "label $f | .[] | ., break $f",
                json!([1, 2]),
                vec![json!(1)],
            ),
            (
                "first(.[] | select(. > 1))",
                json!([1, 2, 3]),
                vec![json!(2)],
            ),
            (
                "contains(\"a\", \"c\")",
                json!("ab"),
                vec![json!(true), json!(false)],
            ),
            (
                "[.[] | inside([1, 2])?], (index(\",\")? | values)",
                json!([[1], [3]]),
                vec![json!([true, false])],
            ),
            (
                "if .a then 1 elif .b then 2 else 3 end, -.b, .c[1:][0]",
                json!({"b": 4, "c": [5, 6]}),
                vec![json!(2), json!(-4), json!(6)],
            ),
            (
                "\"\\(.a)-\\(.b)\", @base64 \"\\(.a)\"",
                json!({"a": 1, "b": "x"}),
                vec![json!("1-x"), json!("MQ==")],
            ),
            (
                "def f(g; $x): g + $x; f(.a; 1, 2)",
                json!({"a": 1}),
                vec![json!(2), json!(3)],
            ),
            (
                "gsub(\"a\"; \"b\"), [match(\"a\"; \"g\").offset], ascii_downcase",
                json!("aXa"),
                vec![json!("bXb"), json!([0, 2]), json!("axa")],
            ),
            (
                "try error(\"x\") catch ., (.a? // 1), ([.[] | tonumber?])",
                json!(["1", "y"]),
                vec![json!("x"), json!(1), json!([1])],
            ),
        ] {
            assert_eq!(told(map, &event), Ok(outputs), "{map}");
        }
    }

    #[test]
    fn each_run_has_its_own_steps() {
        let map = compile("[.[] | . + 1] | length", "m.jq").unwrap();
        run(&map, list(16_384), 0).unwrap();
        let first = left();
        run(&map, list(16_384), 0).unwrap();
        assert_eq!(left(), first);
        assert!(first > STEPS, "{first}");
    }
}

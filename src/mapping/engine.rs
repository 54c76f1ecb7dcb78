//! The jq engine behind a narrow door: text in, filter out; JSON in, JSON out. Knows nothing of
//! deliveries and requests. A filter is compiled once and shared: it holds no values, so it is
//! `Send` and `Sync` although the engine's values are not.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use jaq_core::data::JustLut;
use jaq_core::load::lex::Lexer;
use jaq_core::load::parse::{Def, Parser};
use jaq_core::load::{Arena, File, Loader};
use jaq_core::native::{self, Fun, bome, v};
use jaq_core::{Compiler, Ctx, DataT, Error, Vars};
use jaq_json::Val;
use serde_json::{Map as JsonMap, Number, Value};

use super::bound::{self, Exhausted};
use super::error_path::places;
use super::lint::lint;
use super::shortened::shortened as clipped;
use crate::domain::{Problem, Problems};

/// A compiled program. It holds no values, so threads can share it.
pub struct Program(Filter);

impl Program {
    /// Checks and compiles a program; `name` is how problems call it.
    ///
    /// # Errors
    /// Every reason not to load it, with the line where that is known: syntax, undefined names,
    /// recursion, what may not end or sees more than the event, `include` and `import`.
    pub fn compile(text: &str, name: &str) -> Result<Self, Problems> {
        compile(text, name).map(Self)
    }

    /// Runs the program on an event. `now` is unix seconds.
    ///
    /// # Errors
    /// What went wrong, for people: the program failed on this event, or exceeded a bound.
    pub fn run(&self, event: &Value, now: i64) -> Result<Vec<Value>, String> {
        run(&self.0, event.clone(), now).map_err(|error| match places(event, &error) {
            Some(place) => format!("{error}, at {place}"),
            None => error,
        })
    }
}

pub(super) type Filter = jaq_core::Filter<JustLut<Val>>;

/// The parser recurses with the nesting of the text; a map of nothing but brackets fits into this.
/// It is reserved, not used: an honest map touches a few pages of it.
const LOADING_STACK: usize = 512 * 1024 * 1024;
/// The map as a definition beside the library's; the linter keeps maps from calling it.
const MAP: &str = "__map";
/// More requests than one event asks for.
const MAX_OUTPUTS: usize = 20;
/// Larger than any request: values and bytes of text in one event's outputs together.
const MAX_SIZE: usize = 256 * 1024;
/// Deeper than any request.
const MAX_DEPTH: usize = 16;

/// Lints and compiles a map, on a stack of its own. `name` is how problems call it.
pub(super) fn compile(text: &str, name: &str) -> Result<Filter, Problems> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("map".into())
            .stack_size(LOADING_STACK);
        let failed = |problem: &str| Err(Problem::new(name, problem, "simplify the map").into());
        match thread.spawn_scoped(scope, || compile_here(text, name)) {
            Ok(thread) => thread
                .join()
                .unwrap_or_else(|_| failed("breaks the jq parser")),
            Err(_) => failed("could not be loaded: no thread"),
        }
    })
}

fn compile_here(text: &str, name: &str) -> Result<Filter, Problems> {
    let problems = lint(text, name);
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let wrong =
        |problem: String| Problem::new(name, problem, "check it with `jq -f` and a sample event");
    let unread = || Problems::from(wrong("is not a jq filter".into()));
    let tokens = Lexer::new(text).lex().map_err(|_| unread())?;
    let map = Parser::new(&tokens)
        .parse(|parser| parser.term())
        .map_err(|_| unread())?;
    let map = Def {
        name: MAP,
        args: Vec::new(),
        body: bound::metered(map),
    };
    let library = jaq_core::defs()
        .chain(jaq_std::defs())
        .chain(jaq_json::defs());
    let defs = library.map(bound::metered_def).chain([map]);
    let arena = Arena::default();
    // The loader reads a name; what it stands for is metered already.
    let modules = Loader::new(defs)
        .load(
            &arena,
            File {
                code: MAP,
                path: (),
            },
        )
        .map_err(|_| unread())?;
    let compiler = Compiler::default()
        .with_funs(functions())
        .with_global_vars(["$now"]);
    compiler.compile(modules).map_err(|errors| {
        let undefined = errors.into_iter().flat_map(|(_, errors)| errors);
        Problems(
            undefined
                .map(|(what, kind)| wrong(format!("{} {what} is not defined", kind.as_str())))
                .collect(),
        )
    })
}

/// The standard functions, except that `fromjson` (and with it `tonumber`) reads through
/// `serde_json`: the engine's own reader overflows the stack on a deeply nested text, and that text
/// comes from a ticket.
fn functions() -> impl Iterator<Item = Fun<JustLut<Val>>> {
    let std = jaq_core::funs()
        .chain(jaq_std::funs())
        .chain(jaq_json::funs());
    std.filter(|(name, ..)| *name != "fromjson")
        .chain([from_json()])
        .chain(bound::functions())
}

fn from_json<D: for<'a> DataT<V<'a> = Val>>() -> Fun<D> {
    native::run(("fromjson", v(0), |cv| {
        bome(match &cv.1 {
            Val::TStr(text) => serde_json::from_slice(text).map_err(|error| {
                Error::str(format_args!(
                    "cannot parse {} as JSON: {error}",
                    shortened(&cv.1)
                ))
            }),
            other => Err(Error::str(format_args!(
                "cannot parse {} as JSON: not a text",
                shortened(other)
            ))),
        })
    }))
}

fn shortened(value: &impl ToString) -> String {
    clipped(&value.to_string())
}

/// Runs a map on an event. Out: its outputs, or what went wrong, for people. `now` is unix seconds.
pub(super) fn run(filter: &Filter, event: Value, now: i64) -> Result<Vec<Value>, String> {
    run_within(filter, event, now, bound::STEPS)
}

/// The same with other steps than a map has; for each part of the event there are more.
pub(super) fn run_within(
    filter: &Filter,
    event: Value,
    now: i64,
    steps: u64,
) -> Result<Vec<Value>, String> {
    // The filter is not changed by running it, so nothing half-done outlives a panic inside the
    // engine.
    catch_unwind(AssertUnwindSafe(|| outputs(filter, event, now, steps))).unwrap_or_else(
        |payload| {
            let why = payload
                .downcast_ref::<Exhausted>()
                .map_or("the jq engine failed on this event", |why| why.0);
            Err(why.to_owned())
        },
    )
}

fn outputs(filter: &Filter, event: Value, now: i64, steps: u64) -> Result<Vec<Value>, String> {
    let event: Val = serde_json::from_value(event).map_err(|error| error.to_string())?;
    bound::fill(&event, steps);
    let now = Val::from(isize::try_from(now).unwrap_or_default());
    let ctx = Ctx::<JustLut<Val>>::new(&filter.lut, Vars::new([now]));
    let mut left = MAX_SIZE;
    let mut outputs = Vec::new();
    for output in filter.id.run((ctx, event)) {
        let output = output.map_err(|exception| match exception.get_err() {
            Ok(error) => error.to_string().chars().take(300).collect(),
            Err(_) => "it stopped without an output".to_owned(),
        })?;
        if outputs.len() == MAX_OUTPUTS {
            return Err(format!("it yields more than {MAX_OUTPUTS} requests"));
        }
        outputs.push(json(&output, 0, &mut left)?);
    }
    Ok(outputs)
}

/// An output as JSON, while `left` lasts.
fn json(value: &Val, depth: usize, left: &mut usize) -> Result<Value, String> {
    let text = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec()).map_err(|_| "its output is not UTF-8".to_owned())
    };
    let size = match value {
        Val::TStr(bytes) | Val::BStr(bytes) => bytes.len() + 1,
        _ => 1,
    };
    *left = left
        .checked_sub(size)
        .ok_or_else(|| format!("its output is larger than {MAX_SIZE} bytes"))?;
    if depth > MAX_DEPTH {
        return Err(format!("its output is nested more than {MAX_DEPTH} deep"));
    }
    Ok(match value {
        Val::Null => Value::Null,
        Val::Bool(flag) => Value::Bool(*flag),
        Val::Num(number) => {
            let written = number.to_string();
            let number: Number = serde_json::from_str(&written)
                .map_err(|_| format!("{written} is not a JSON number"))?;
            Value::Number(number)
        }
        Val::TStr(bytes) | Val::BStr(bytes) => Value::String(text(bytes)?),
        Val::Arr(items) => Value::Array(
            items
                .iter()
                .map(|item| json(item, depth + 1, left))
                .collect::<Result<_, _>>()?,
        ),
        Val::Obj(pairs) => {
            let mut object = JsonMap::new();
            for (key, value) in pairs.iter() {
                let Val::TStr(key) = key else {
                    return Err("its output has a key that is not a text".to_owned());
                };
                *left = left.saturating_sub(key.len());
                object.insert(text(key)?, json(value, depth + 1, left)?);
            }
            Value::Object(object)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::lint::{MAX_BYTES, MAX_DEPTH as MAX_DEPTH_OF_MAP};
    use super::*;
    use serde_json::json;

    fn run_text(filter: &str, event: Value) -> Result<Vec<Value>, String> {
        run(&compile(filter, "m.jq").unwrap(), event, 1_789_000_000)
    }

    #[test]
    fn a_filter_can_be_shared_between_threads() {
        fn shared<T: Send + Sync>(_: &T) {}
        shared(&compile(".", "m.jq").unwrap());
    }

    #[test]
    fn time_is_an_argument() {
        assert_eq!(
            run_text("$now, ($now | todate)", json!(null)).unwrap(),
            [json!(1_789_000_000), json!("2026-09-10T00:26:40Z")]
        );
    }

    #[test]
    fn text_in_a_ticket_cannot_overflow_the_stack() {
        let deep = "[".repeat(200_000);
        for filter in [".a | fromjson", ".a | tonumber", ".a | toboolean"] {
            let error = run_text(filter, json!({"a": deep})).unwrap_err();
            assert!(
                error.contains("cannot parse") && error.len() <= 400,
                "{error}"
            );
        }
        assert_eq!(
            run_text(".a | tonumber", json!({"a": "12"})).unwrap(),
            [json!(12)]
        );
        assert_eq!(
            run_text(".a | fromjson | .b", json!({"a": "{\"b\":[1]}"})).unwrap(),
            [json!([1])]
        );
    }

    #[test]
    fn values_survive_the_engine() {
        let event = json!({"a": [1, -2, 1.5, 18_446_744_073_709_551_615_u64, null, true, "é\u{0}"], "b": {"": {}}});
        assert_eq!(run_text(".", event.clone()).unwrap(), [event]);
    }

    #[test]
    fn outputs_are_bounded() {
        let list = |n: usize| json!(vec!["x"; n]);
        assert_eq!(run_text(".[]", list(20)).unwrap().len(), 20);
        assert!(
            run_text(".[]", list(21))
                .unwrap_err()
                .contains("more than 20")
        );
        assert!(
            run_text(".", json!("x".repeat(MAX_SIZE)))
                .unwrap_err()
                .contains("larger")
        );
        assert!(
            run_text(
                "[.]|[.]|[.]|[.]|[.]|[.]|[.]|[.]|[.]|[.]|[.]|[.]|[.]|[.]|[.]|[.]|[.]",
                json!(1)
            )
            .unwrap_err()
            .contains("nested")
        );
        assert!(
            run_text(
                "{(\"1\"|tonumber|tostring): 1} | with_entries(.key |= tonumber)",
                json!(1)
            )
            .unwrap_err()
            .contains("key")
        );
    }

    #[test]
    fn what_fails_is_told_shortly() {
        assert!(
            run_text(".a + 1", json!({"a": "x".repeat(9_000)}))
                .unwrap_err()
                .len()
                <= 1_300
        );
        assert_eq!(
            run_text("error(\"no image\")", json!(null)).unwrap_err(),
            "\"no image\""
        );
    }

    #[test]
    fn what_is_not_defined_is_named() {
        let told = |filter: &str| compile(filter, "m.jq").err().unwrap().to_string();
        assert!(told(".a | frobnicate").contains("frobnicate"));
        assert!(told("$nowhere").contains("$nowhere"));
        assert!(told("break $x").contains("x"));
    }

    #[test]
    fn a_hostile_map_ends_in_a_problem() {
        let told = |text: &str| {
            compile(text, "m.jq")
                .err()
                .map(|problems| problems.to_string())
        };
        for piece in [
            "[", "{", "(", "-", "if ", "1|", "1 as $x|", "try ", "\"\\(", "def f:", ".[",
            "reduce ", "1//", "{a:",
        ] {
            let text = piece.repeat(MAX_BYTES / piece.len() - 1);
            for end in ["", "1"] {
                assert!(told(&format!("{text}{end}")).is_some(), "{piece}");
            }
        }
        let long = "1,".repeat(MAX_BYTES);
        assert!(told(&long).is_some_and(|told| told.contains("bytes long")));
    }

    #[test]
    fn the_deepest_map_that_loads_also_runs() {
        for (open, close) in [
            ("[", "]"),
            ("-", ""),
            ("{a: ", "}"),
            ("if . then ", " end"),
            ("try ", ""),
        ] {
            let nested = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert!(
                compile(&nested(MAX_DEPTH_OF_MAP + 1), "m.jq").is_err(),
                "{open}"
            );
            let filter = compile(&format!("{} | 1", nested(MAX_DEPTH_OF_MAP - 3)), "m.jq")
                .ok()
                .unwrap();
            assert_eq!(run(&filter, json!({}), 0).unwrap(), [json!(1)], "{open}");
        }
    }
}

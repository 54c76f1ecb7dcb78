//! Compiles jq programs and runs them on JSON. A program is compiled once and shared between
//! threads. A [`Program`] therefore contains no [`Value`], because values are not `Send`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use jaq_core::data::JustLut;
use jaq_core::load::{Arena, File, Loader, parse};
use jaq_core::{Compiler, Ctx, Vars};
use serde_json::Value as Json;

use super::bound::{self, Run};
use super::lint::lint;
use super::literals::Literals;
use super::natives;
use super::terms::problem_at;
use super::value::Value;
use crate::domain::{Problem, Problems};

/// Stack size for the parser, which recurses as deep as the text is nested. It is large enough for
/// a program that consists only of brackets. The memory is only reserved: for an ordinary program,
/// the parser uses a few pages of it.
const LOADING_STACK: usize = 512 * 1024 * 1024;
/// Stack size that a run needs. If less is left on the current stack, the run gets a new one.
const RUNNING_STACK: usize = 4 * 1024 * 1024;
/// Maximum number of outputs of one run. If the program is a map, each output is a request.
const MAX_OUTPUTS: usize = 20;
/// Maximum weight of all outputs of one run together. A value weighs 1, a text 1 more for each 16
/// bytes, and a field of an object 8 more than its key and its value.
const MAX_OUTPUT_WEIGHT: u64 = 16 * 1024;
const MAX_OUTPUT_DEPTH: u32 = 16;
const MAX_ERROR_CHARS: usize = 300;

const OWN_FILTERS: &str = include_str!("defs.jq");

/// A compiled program.
pub struct Program {
    filter: jaq_core::Filter<JustLut<Value>>,
    literals: Arc<Literals>,
}

impl Program {
    /// Checks and compiles a program, on a separate stack. Problems refer to the program as `name`.
    ///
    /// # Errors
    /// Returns the problems of the program, with line and column where they are known. If there are
    /// syntax errors, returns at most five of them. Uses of `include` and `import` count as syntax
    /// errors. Otherwise returns what the linter refuses, such as recursion, or filters that might
    /// not end or that read more than the event. If the linter accepts the program, returns the
    /// undefined names.
    pub fn compile(text: &str, name: &str) -> Result<Self, Problems> {
        stacker::grow(LOADING_STACK, || compile_here(text, name))
    }

    /// Runs the program on an event. `now` is the value of the program's `$now`, in unix seconds.
    ///
    /// # Errors
    /// Returns a message if the program failed on this event or exceeded a bound. If a value of the
    /// event caused the error, the message says where in the event the value is.
    pub fn run(&self, event: &Json, now: i64) -> Result<Vec<Json>, String> {
        self.run_within(event, now, bound::UNITS)
    }

    /// Like [`Program::run`], with `units` as the budget instead of [`bound::UNITS`].
    pub(super) fn run_within(
        &self,
        event: &Json,
        now: i64,
        units: u64,
    ) -> Result<Vec<Json>, String> {
        let run = Run::begin(&self.literals);
        let event = Value::from_json(event);
        run.limit(event.size().weight, units);
        // The engine is a dependency that might panic. If it does, only this event fails. Catching
        // the panic is safe, because a run changes nothing in the program except that it may add
        // compiled expressions.
        let outputs = catch_unwind(AssertUnwindSafe(|| {
            stacker::maybe_grow(RUNNING_STACK, RUNNING_STACK, || self.outputs(event, now))
        }));
        match (bound::exceeded(), outputs) {
            (Some(bound), _) => Err(bound.to_string()),
            (None, Ok(outputs)) => outputs,
            (None, Err(_)) => Err("the jq engine failed on this event".to_owned()),
        }
    }

    fn outputs(&self, event: Value, now: i64) -> Result<Vec<Json>, String> {
        let now = Value::from(isize::try_from(now).unwrap_or_default());
        let ctx = Ctx::<JustLut<Value>>::new(&self.filter.lut, Vars::new([now]));
        let mut weight = 0;
        let mut outputs = Vec::new();
        for output in self.filter.id.run((ctx, event.clone())) {
            let output = output.map_err(|exception| match exception.get_err() {
                Ok(error) => explained(error, &event),
                Err(_) => "it stopped without an output".to_owned(),
            })?;
            let size = output.size();
            weight += size.weight;
            let problem = match () {
                () if bound::exceeded().is_some() => break,
                () if outputs.len() == MAX_OUTPUTS => {
                    format!("it yields more than {MAX_OUTPUTS} outputs")
                }
                () if weight > MAX_OUTPUT_WEIGHT => "its output is larger than 256 KiB".to_owned(),
                () if size.depth > MAX_OUTPUT_DEPTH => {
                    format!("its output is nested more than {MAX_OUTPUT_DEPTH} deep")
                }
                () => {
                    outputs.push(output.to_json());
                    continue;
                }
            };
            return Err(problem);
        }
        Ok(outputs)
    }
}

fn compile_here(text: &str, name: &str) -> Result<Program, Problems> {
    Problems::refuse_any(lint(text, name))?;
    let wrong = |problem: String| Problem::new(name, problem, REMEDY);
    let own = parse(OWN_FILTERS, |parser| parser.defs()).unwrap_or_default();
    let arena = Arena::default();
    let file = File {
        code: text,
        path: (),
    };
    let modules = Loader::new(jaq_core::defs().chain(own))
        .load(&arena, file)
        .map_err(|_| Problems::from(wrong("is not a jq filter".into())))?;
    let compiler = Compiler::default()
        .with_funs(natives::functions())
        .with_global_vars(["$now"]);
    let filter = compiler.compile(modules).map_err(|errors| {
        let undefined = errors.into_iter().flat_map(|(_, errors)| errors);
        let problem = |(what, kind): (&str, jaq_core::compile::Undefined)| {
            let problem = format!("{} {what} is not supported", kind.as_str());
            problem_at(text, name, what, problem, REMEDY)
        };
        Problems(undefined.map(problem).collect())
    })?;
    Ok(Program {
        filter,
        literals: Arc::new(Literals::of([text, OWN_FILTERS])),
    })
}

/// The remedy for a program that is not jq, or that uses a part of jq that maps do not support.
pub(super) const REMEDY: &str = "see docs/maps.md for the jq that maps support";

/// Returns the shortened error message. If a value of the event caused the error, appends the
/// value's place in the event.
fn explained(error: jaq_core::Error<Value>, event: &Value) -> String {
    let value = error.into_val();
    let Value::Text(message) = &value else {
        return value.to_string();
    };
    let place = Value::blamed(message).and_then(|value| value.place_in(event));
    let mut text: String = message.chars().take(MAX_ERROR_CHARS).collect();
    match place.as_deref() {
        None => {}
        Some("") => text.push_str(", the event itself"),
        Some(place) => text.push_str(&format!(", at {place}")),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::lint::{MAX_BYTES, MAX_DEPTH as MAX_DEPTH_OF_MAP};
    use super::*;
    use serde_json::Value;
    use serde_json::json;

    fn compile(text: &str) -> Result<Program, Problems> {
        Program::compile(text, "m.jq")
    }

    fn run_text(filter: &str, event: Value) -> Result<Vec<Value>, String> {
        compile(filter).unwrap().run(&event, 1_789_000_000)
    }

    #[test]
    fn a_filter_can_be_shared_between_threads() {
        fn shared<T: Send + Sync>(_: &T) {}
        shared(&compile(".").unwrap());
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
            run_text(".", json!("x".repeat(256 * 1024)))
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
        assert!(run_text("{(1): 2}", json!(1)).unwrap_err().contains("key"));
    }

    #[test]
    fn an_error_is_short() {
        assert!(
            run_text(".a + 1", json!({"a": "x".repeat(9_000)}))
                .unwrap_err()
                .len()
                <= 1_300
        );
        assert_eq!(
            run_text("error(\"no image\")", json!(null)).unwrap_err(),
            "no image"
        );
    }

    #[test]
    fn what_is_not_defined_is_named() {
        let told = |filter: &str| compile(filter).err().unwrap().to_string();
        assert!(told(".a | frobnicate").contains("frobnicate"));
        assert!(told("$nowhere").contains("$nowhere"));
        assert!(told("break $x").contains("x"));
    }

    #[test]
    fn a_hostile_map_ends_in_a_problem() {
        let told = |text: &str| compile(text).err().map(|problems| problems.to_string());
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
            assert!(compile(&nested(MAX_DEPTH_OF_MAP + 1)).is_err(), "{open}");
            let filter = compile(&format!("{} | 1", nested(MAX_DEPTH_OF_MAP - 3)))
                .ok()
                .unwrap();
            assert_eq!(filter.run(&json!({}), 0).unwrap(), [json!(1)], "{open}");
        }
    }
}

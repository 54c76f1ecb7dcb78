//! The budget of one run of a program. The engine bounds nothing and passes no context to its
//! values. The values of this folder therefore charge a budget in a thread-local: [`Run`] sets its
//! bound, and dropping the run removes it. Work is counted and not timed, so an event has the same
//! result on every machine.
//!
//! A run may spend [`UNITS`] plus [`UNITS_PER_WEIGHT`] times the event's weight. A unit takes at
//! most about a quarter of a microsecond and 16 bytes (`hostile_tests::measure`). A ticket of a few
//! KiB costs at most half a second and 32 MB, an event of a megabyte a few seconds.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use regex::Regex;

use super::literals::Literals;

/// Units that every run may spend. One unit is about one value handled or 16 bytes of text copied.
pub(super) const UNITS: u64 = 2_000_000;
/// A run may spend the event's weight times this number in addition, so that a large event may cost
/// more.
const UNITS_PER_WEIGHT: u64 = 10;
/// Bytes of text that weigh as much as one value.
const TEXT_UNIT: usize = 16;
/// Maximum weight of a value, in addition to twice the event's weight. It is reached by a million
/// numbers, or by 16 MB of text.
const MAX_WEIGHT: u64 = 1_000_000;
/// Maximum nesting of a value. An event nests at most 127 deep. Dropping a value recurses to its
/// depth.
pub(super) const MAX_DEPTH: u32 = 500;
/// Units that a run pays when it first uses a regular expression, even if an earlier run has
/// compiled it. Each use also costs units for the length of the expression.
const COMPILE: u64 = 2_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Exceeded {
    #[error("it takes too many steps on this event")]
    Work,
    #[error("it makes a value that is too large")]
    Weight,
    #[error("it nests values too deep")]
    Depth,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::new(State::idle());
}

struct State {
    left: Result<u64, Exceeded>,
    max_weight: u64,
    expressions: HashMap<String, Arc<Regex>>,
    literals: Option<Arc<Literals>>,
}

impl State {
    /// The state outside a run, without a bound: only compiling and tests make values there.
    fn idle() -> Self {
        Self {
            left: Ok(u64::MAX),
            max_weight: u64::MAX,
            expressions: HashMap::new(),
            literals: None,
        }
    }
}

/// The budget of one run on this thread. Dropping it ends the budget.
pub(super) struct Run(());

impl Run {
    /// Begins a run without a bound, so that the event can be read. [`Run::limit`] sets the bound.
    pub(super) fn begin(literals: &Arc<Literals>) -> Self {
        STATE.replace(State {
            literals: Some(Arc::clone(literals)),
            ..State::idle()
        });
        Self(())
    }

    /// Bounds the run by `units` plus [`UNITS_PER_WEIGHT`] times the event's weight.
    pub(super) fn limit(&self, event_weight: u64, units: u64) {
        STATE.with_borrow_mut(|state| {
            state.left = Ok(event_weight
                .saturating_mul(UNITS_PER_WEIGHT)
                .saturating_add(units));
            state.max_weight = event_weight.saturating_mul(2).saturating_add(MAX_WEIGHT);
        });
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        STATE.replace(State::idle());
    }
}

/// Charges for work before it is done. Returns `false` if the run has exceeded a bound; the caller
/// should then skip the work.
pub(super) fn spend(units: u64) -> bool {
    STATE.with_borrow_mut(|state| {
        state.left = state
            .left
            .and_then(|left| left.checked_sub(units).ok_or(Exceeded::Work));
        state.left.is_ok()
    })
}

/// Returns the units of work for a text of this many bytes.
pub(super) fn text_units(bytes: usize) -> u64 {
    1 + (bytes / TEXT_UNIT) as u64
}

/// Marks the run as over its bound if a value is too heavy or nests too deep.
pub(super) fn check_size(weight: u64, depth: u32) {
    STATE.with_borrow_mut(|state| {
        let bound = match () {
            () if weight > state.max_weight => Exceeded::Weight,
            () if depth > MAX_DEPTH => Exceeded::Depth,
            () => return,
        };
        state.left = state.left.and(Err(bound));
    });
}

/// Returns the bound that this run has exceeded, if any.
pub(super) fn exceeded() -> Option<Exceeded> {
    STATE.with_borrow(|state| state.left.err())
}

/// Returns the compiled form of a regular expression. A run pays [`COMPILE`] once for each
/// expression.
pub(super) fn expression<E>(
    pattern: &str,
    flags: &str,
    compile: impl FnOnce() -> Result<Regex, E>,
) -> Result<Arc<Regex>, E> {
    let key = format!("{flags}/{pattern}");
    if let Some(known) = STATE.with_borrow(|state| state.expressions.get(&key).cloned()) {
        return Ok(known);
    }
    spend(COMPILE);
    let compiled = match STATE.with_borrow(|state| state.literals.clone()) {
        Some(literals) => literals.compiled(pattern, flags, compile)?,
        None => Arc::new(compile()?),
    };
    STATE.with_borrow_mut(|state| state.expressions.insert(key, Arc::clone(&compiled)));
    Ok(compiled)
}

//! The budget that limits one run of a program. The jq engine itself has no limits, and passes no
//! context to the values with which it computes. Therefore the budget is in a thread-local, and
//! the code of this folder charges it before it works on values. [`Run`] sets up the budget, and
//! removes it when it is dropped. The budget counts work and does not measure time, so an event has
//! the same result on every machine.
//!
//! A run may spend [`UNITS`] plus [`UNITS_PER_WEIGHT`] times the event's weight. A unit takes at
//! most about a quarter of a microsecond and 16 bytes, as `hostile_tests::measure` shows. A ticket
//! of a few KiB costs at most half a second and 32 MB, and an event of a megabyte a few seconds.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use regex::Regex;

use super::literals::Literals;

/// Units that every run may spend. Handling one value, or copying 16 bytes of text, costs about one
/// unit.
pub(super) const UNITS: u64 = 2_000_000;
/// Additional units that a run may spend for each unit of the event's weight, because the work
/// grows with the event.
const UNITS_PER_WEIGHT: u64 = 10;
/// The number of bytes of text that weigh as much as one value.
const TEXT_UNIT: usize = 16;
/// Maximum weight of a value, in addition to twice the weight of the event. A million numbers or
/// 16 MB of text have this weight.
const MAX_WEIGHT: u64 = 1_000_000;
/// Maximum nesting of a value. A limit is needed because dropping a value recurses as deep as the
/// value is nested. Events are nested at most 127 deep.
pub(super) const MAX_DEPTH: u32 = 500;
/// Units that a run pays when it first uses a regular expression, even if an earlier run has
/// already compiled the expression. In addition, each use costs units for the expression's length.
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
    /// The state outside a run. It has no bound, because only the compiler and tests create values
    /// outside a run.
    fn idle() -> Self {
        Self {
            left: Ok(u64::MAX),
            max_weight: u64::MAX,
            expressions: HashMap::new(),
            literals: None,
        }
    }
}

/// The budget of one run on this thread. When it is dropped, the thread has no budget any more.
pub(super) struct Run(());

impl Run {
    /// Begins a run that has no bound yet, because the event must be read before its weight is
    /// known. The caller then sets the bound with [`Run::limit`].
    pub(super) fn begin(literals: &Arc<Literals>) -> Self {
        STATE.replace(State {
            literals: Some(Arc::clone(literals)),
            ..State::idle()
        });
        Self(())
    }

    /// Limits the run to `units` plus [`UNITS_PER_WEIGHT`] times the event's weight.
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

/// Charges units for work that the caller is about to do. Returns `false` if the run has exceeded a
/// bound. The caller should then skip the work.
pub(super) fn spend(units: u64) -> bool {
    STATE.with_borrow_mut(|state| {
        state.left = state
            .left
            .and_then(|left| left.checked_sub(units).ok_or(Exceeded::Work));
        state.left.is_ok()
    })
}

/// Returns how many units it costs to handle a text of this many bytes.
pub(super) fn text_units(bytes: usize) -> u64 {
    1 + (bytes / TEXT_UNIT) as u64
}

/// Marks the run as having exceeded a bound if a value is too heavy or nested too deep.
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

pub(super) fn exceeded() -> Option<Exceeded> {
    STATE.with_borrow(|state| state.left.err())
}

/// Returns a compiled regular expression. When a run first uses an expression, it pays [`COMPILE`].
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

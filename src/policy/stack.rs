//! Enough stack for Cedar's recursion, on the thread that calls. Knows nothing of the work.

/// The deepest policy that [`source_text`](super::source_text) lets pass needs half of it (in bytes, in a
/// build without optimisation). Short of stack Cedar's parser ends the process, its validator finds
/// no fault, and its evaluator fails: none of that may depend on the caller's thread. Only what is
/// touched of it becomes real memory.
const ENOUGH: usize = 32 << 20;

/// Does the work on the calling thread, on a larger stack where its own has less left.
pub(super) fn with_enough_stack<T>(work: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(ENOUGH, ENOUGH, work)
}

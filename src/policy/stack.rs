//! Provides enough stack for Cedar's recursion on the calling thread.

/// Stack size in bytes. The deepest policy that [`source_text`](super::source_text) accepts needs
/// half of this size in a build without optimisation. With too little stack, Cedar's parser ends
/// the process, its validator misses errors, and its evaluator fails. The system allocates only
/// used pages.
const ENOUGH: usize = 32 << 20;

/// Runs `work` on the calling thread. If the thread's own stack has too little space left, uses a
/// new stack.
pub(super) fn with_enough_stack<T>(work: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(ENOUGH, ENOUGH, work)
}

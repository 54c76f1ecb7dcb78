//! Room for Cedar's recursion. In: work that parses, validates or evaluates policies. Out: its
//! result, or nothing. Knows nothing of the work.

/// The stack for it, in bytes; only what is used of it is ever real memory. The deepest text that
/// [`scan`](super::scan) lets pass needs less than half of it in a build without optimisation.
/// Short of stack Cedar's parser ends the process, its validator finds no fault, and its evaluator
/// fails: none of that may depend on who calls.
const ROOM: usize = 32 << 20;

/// Does the work on a stack of its own. None when the thread cannot be had, or when the work
/// panics: the caller refuses then.
pub(super) fn with_room<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("policy".to_owned())
            .stack_size(ROOM);
        thread.spawn_scoped(scope, work).ok()?.join().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_comes_back_and_a_panic_does_not() {
        let text = String::from("kept");
        assert_eq!(with_room(|| text.len()), Some(4));
        assert_eq!(with_room(|| -> usize { panic!("on purpose") }), None);
    }
}

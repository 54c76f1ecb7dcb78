//! Raises the process's limit on open files as far as needed and allowed, and computes how many
//! connections fit into the limit.

/// Descriptors that are not available for senders' connections: 32 threads that write the journal
/// use two each, and the connections to the cloud and to the store use the rest.
const RESERVED_DESCRIPTORS: usize = 256;
/// The number of connections that is allowed even if the limit has no room for them.
const MIN_CONNECTIONS: usize = 16;

/// Raises the soft limit for `wanted` connections, and returns how many of them the limit allows,
/// but at least `MIN_CONNECTIONS`. Returns `wanted` if the limit is unknown.
#[cfg(unix)]
pub(crate) fn connections_within_limit(wanted: usize) -> usize {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return wanted;
    };
    let needed = wanted.saturating_add(RESERVED_DESCRIPTORS) as u64;
    let raised = needed.min(hard);
    let limit = if soft < raised && setrlimit(Resource::RLIMIT_NOFILE, raised, hard).is_ok() {
        raised
    } else {
        soft
    };
    let allowed = allowed(wanted, usize::try_from(limit).unwrap_or(usize::MAX));
    if allowed < wanted {
        tracing::warn!(
            limit,
            connections = allowed,
            wanted,
            "the limit on open files leaves fewer connections than http.max_connections; raise the limit on open files (`ulimit -n`)"
        );
    }
    allowed
}

/// Returns `wanted`, because systems other than Unix have no such limit.
#[cfg(not(unix))]
pub(crate) fn connections_within_limit(wanted: usize) -> usize {
    wanted
}

fn allowed(wanted: usize, limit: usize) -> usize {
    let free = limit.saturating_sub(RESERVED_DESCRIPTORS);
    wanted.min(free).max(MIN_CONNECTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_the_journal() {
        for (wanted, limit, connections) in [
            (2_048, 1_024, 768),
            (2_048, 1_048_576, 2_048),
            (100, 1_024, 100),
            (2_048, 256, 16),
        ] {
            assert_eq!(allowed(wanted, limit), connections, "{wanted} of {limit}");
        }
    }
}

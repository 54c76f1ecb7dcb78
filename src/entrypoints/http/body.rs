//! Reads the body of a request within bounds of size, time and memory.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::connections::Connection;

/// Time limit of a short body. A longer body gets one more second per `MIN_BODY_RATE` bytes.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(3);
/// The rate at which a longer body must arrive, in bytes per second.
pub(super) const MIN_BODY_RATE: u32 = 16 * 1024;
/// How long the rest of a body is read and discarded after an early answer. Otherwise a sender
/// that is still sending would see a reset connection instead of the answer.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_DISCARDED_BYTES: usize = 16 * 1024 * 1024;

/// The reason for a refused body in a log line.
pub(super) const TOO_LARGE: &str = "its body is larger than `[limits] body_bytes` allows";

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    /// The body is longer than the limit.
    TooLarge,
    /// The body arrived too slowly, or did not get memory in time.
    TooSlow,
    /// The sender ended the body early, or broke its encoding.
    Broken,
}

impl BodyError {
    /// The reason in a log line.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::TooLarge => TOO_LARGE,
            Self::TooSlow => "its body arrived too slowly",
            Self::Broken => "its body ended early, or its encoding is broken",
        }
    }
}

/// A body that was read. Dropping it frees its part of the memory for bodies.
pub(super) struct Held {
    pub(super) bytes: Bytes,
    pub(super) _room: Option<OwnedSemaphorePermit>,
}

/// Reads a body of at most `limit` bytes. A declared length above the limit is refused at once.
/// `waits_for_continue` says that the sender waits for permission (`Expect: 100-continue`) before
/// it sends the body.
///
/// # Errors
/// Returns why the body was not read.
pub(super) async fn read(
    mut body: Incoming,
    limit: usize,
    waits_for_continue: bool,
    connection: &Connection,
) -> Result<Held, BodyError> {
    if body.is_end_stream() {
        return Ok(Held {
            bytes: Bytes::new(),
            _room: None,
        });
    }
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if declared > limit {
        // A sender that waits for permission has not sent any part of the body yet.
        if !waits_for_continue {
            discard(body);
        }
        return Err(BodyError::TooLarge);
    }
    connection.reads_body();
    // The time limit begins a little later on some connections, so that bodies that began together
    // do not time out together.
    let began = Instant::now() + connection.spread();
    // Reserve the memory for the declared length before reading the first byte. A body that waits
    // for memory therefore uses none.
    let mut room = room_for(connection, declared, began + BODY_TIMEOUT).await?;
    let mut bytes = BytesMut::with_capacity(declared);
    loop {
        let deadline = began + time_for(bytes.len());
        let frame = match timeout_at(deadline, body.frame()).await {
            Ok(None) => break,
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_))) => return Err(BodyError::Broken),
            Err(_) => return Err(BodyError::TooSlow),
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let length = bytes.len().saturating_add(data.len());
        if length > limit {
            discard(body);
            return Err(BodyError::TooLarge);
        }
        let missing = length.saturating_sub(room.num_permits());
        if missing > 0 {
            room.merge(room_for(connection, missing, deadline).await?);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Held {
        bytes: bytes.freeze(),
        _room: Some(room),
    })
}

async fn room_for(
    connection: &Connection,
    bytes: usize,
    deadline: Instant,
) -> Result<OwnedSemaphorePermit, BodyError> {
    let room = timeout_at(deadline, connection.room(bytes)).await;
    room.ok().flatten().ok_or(BodyError::TooSlow)
}

/// Returns how long after the beginning of a body more than `received` bytes must have arrived.
fn time_for(received: usize) -> Duration {
    let seconds = u32::try_from(received).unwrap_or(u32::MAX) / MIN_BODY_RATE;
    BODY_TIMEOUT + Duration::from_secs(seconds.into())
}

fn discard(mut body: Incoming) {
    let rest = async move {
        let mut left = MAX_DISCARDED_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(length) {
                Some(fewer) => left = fewer,
                None => break,
            }
        }
    };
    tokio::spawn(tokio::time::timeout(DISCARD_TIMEOUT, rest));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_body_has_more_time() {
        for (received, seconds) in [(0, 3), (16 * 1024 - 1, 3), (16 * 1024, 4), (256 * 1024, 19)] {
            assert_eq!(time_for(received).as_secs(), seconds, "{received}");
        }
    }
}

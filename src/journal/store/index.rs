//! The index held against the records. In: the files of the index, and states. Out: what the records ask for and the index
//! lacks. A journal that was never swept has no index to check: its first sweep makes one.

use std::collections::BTreeSet;

use object_store::path::Path;

use super::super::chain::Finding;
use super::super::record::{Flaw, StreamId};
use super::super::state::{Hint, Hour, State};
use super::{Journal, JournalError};

/// What the index says.
struct Index {
    /// Streams and records with a hint that a sweep will come to.
    hints: BTreeSet<(StreamId, u64)>,
    entries: BTreeSet<Path>,
}

/// What a request asks of the index, as of its record before `written`.
#[derive(Debug)]
pub(super) struct Wanted {
    stream: StreamId,
    written: u64,
    hint: Option<Hint>,
    entries: Vec<Path>,
}

impl Journal {
    /// What a request asks of the index.
    pub(super) fn wanted(&self, state: &State) -> Wanted {
        let stream = state.stream();
        let entries = state.concerns().iter().map(|concern| self.entry(concern, stream)).collect();
        Wanted { stream, written: state.head().next_seq, hint: state.hint(), entries }
    }

    /// What of that the index lacks. A request that went on since it was read is left out: its hints came and went.
    pub(super) async fn unlisted(&self, all: Vec<Wanted>) -> Result<Vec<Finding>, JournalError> {
        let Some(index) = self.read_index().await? else { return Ok(Vec::new()) };
        let mut findings = Vec::new();
        for wanted in all {
            let lacking = self.lacking(&index, &wanted);
            if !lacking.is_empty() && self.folder(wanted.stream).await?.end == wanted.written {
                findings.extend(lacking);
            }
        }
        Ok(findings)
    }

    fn lacking(&self, index: &Index, wanted: &Wanted) -> Vec<Finding> {
        let stream = wanted.stream;
        let missing = |path: &Path, seq: Option<u64>, lost: &'static str| Finding {
            path: self.shown(path),
            stream: stream.to_string(),
            seq,
            flaw: Flaw::Unlisted(lost),
        };
        let hint = wanted.hint.filter(|hint| !index.hints.contains(&(stream, hint.seq)));
        let hint = hint.map(|hint| {
            missing(
                &self.hint_path(&hint),
                Some(hint.seq),
                "no sweep would come to what is due of this request",
            )
        });
        let entries = wanted.entries.iter().filter(|entry| !index.entries.contains(*entry));
        let entries = entries
            .map(|entry| missing(entry, None, "who takes back another share would not see this request"));
        hint.into_iter().chain(entries).collect()
    }

    /// Reads the index; `None`: it was never begun.
    async fn read_index(&self) -> Result<Option<Index>, JournalError> {
        let marks = self.walk("swept", None).await?;
        let hour = |path: &Path| {
            let shown = self.shown(path);
            let (month, rest) = shown.strip_prefix("swept/")?.split_once('/')?;
            Hour::read(&format!("{month}-{rest}"))
        };
        let Some(newest) = marks.iter().filter_map(hour).max() else { return Ok(None) };
        let files: BTreeSet<String> =
            self.walk("due", Some(newest)).await?.iter().map(|path| self.shown(path)).collect();
        let open = |path: &&String| !files.contains(&format!("{path}{}", super::due::DONE));
        let hint = |path: &String| {
            let (hour, name) = path.strip_prefix("due/")?.split_once('/')?;
            Hint::read(Hour::read(hour)?, name)
        };
        let hints = files.iter().filter(open).filter_map(hint).map(|hint| (hint.stream, hint.seq)).collect();
        let entries = self.walk("images", None).await?.into_iter().collect();
        Ok(Some(Index { hints, entries }))
    }
}

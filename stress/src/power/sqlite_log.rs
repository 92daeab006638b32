//! Reads SQLite's journal as it is written, frame by frame. It finds the sales whose transaction has a written last frame, and
//! those of them that are synced.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::order::{Log, Pattern};
use super::trace::{Call, Step};

/// Sizes of the journal's header and of each frame's header.
const JOURNAL_HEADER_BYTES: u64 = 32;
const FRAME_HEADER_BYTES: usize = 24;

/// The ending of the journal's file name.
const JOURNAL_SUFFIX: &str = "-wal";

/// SQLite's journal, followed through a trace.
pub(super) struct SqliteLog {
    pattern: Pattern,
    /// Event_ids in frames of a transaction whose last frame is not yet written.
    open: Vec<String>,
    known: BTreeSet<String>,
    /// Whether the next page ends its transaction.
    is_last_frame: bool,
    /// Event_ids of committed sales, each with its index among the commits.
    written: BTreeMap<String, usize>,
    /// How many of `written` existed when the current sync began.
    under_way: Option<usize>,
    /// How many of `written` are synced.
    synced: usize,
    commits: usize,
    syncs: usize,
}

impl SqliteLog {
    pub(super) fn new(pattern: Pattern) -> Self {
        Self {
            pattern,
            open: Vec::new(),
            known: BTreeSet::new(),
            is_last_frame: false,
            written: BTreeMap::new(),
            under_way: None,
            synced: 0,
            commits: 0,
            syncs: 0,
        }
    }

    /// A frame's header, or its page.
    fn frame(&mut self, offset: u64, bytes: &[u8]) {
        if offset >= JOURNAL_HEADER_BYTES && bytes.len() == FRAME_HEADER_BYTES {
            // The last frame of a transaction contains the database's size in pages; the others contain 0.
            self.is_last_frame = bytes.get(4..8).is_some_and(|pages| pages != [0; 4]);
            return;
        }
        for event_id in self.pattern.occurrences(bytes) {
            if self.known.insert(event_id.clone()) {
                self.open.push(event_id);
            }
        }
        if std::mem::take(&mut self.is_last_frame) {
            self.commits += usize::from(!self.open.is_empty());
            for event_id in self.open.drain(..) {
                let place = self.written.len();
                self.written.insert(event_id, place);
            }
        }
    }
}

impl Log for SqliteLog {
    fn apply(&mut self, step: &Step) {
        let is_journal = |path: &Path| path.to_string_lossy().ends_with(JOURNAL_SUFFIX);
        match step {
            Step::Ended(Call::Write { path, offset, bytes }) if is_journal(path) => self.frame(*offset, bytes),
            Step::Began(Call::Sync { path }) if is_journal(path) => self.under_way = Some(self.written.len()),
            Step::Ended(Call::Sync { path }) if is_journal(path) => {
                self.syncs += 1;
                self.synced = self.under_way.take().unwrap_or(self.synced);
            }
            _ => {}
        }
    }

    fn is_synced(&self, event_id: &str) -> bool {
        self.written.get(event_id).is_some_and(|place| *place < self.synced)
    }

    fn counts(&self) -> (usize, usize) {
        (self.commits, self.syncs)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::order::Order;
    use super::*;

    const CONVERSION: &str = "cnv_0123456789abcdef0123456789abcdef";

    fn write(offset: u64, bytes: &[u8]) -> Step {
        Step::Ended(Call::Write { path: "/d/x.sqlite-wal".into(), offset, bytes: bytes.to_vec() })
    }

    fn commit() -> [Step; 2] {
        let mut header = [0; FRAME_HEADER_BYTES];
        header[7] = 9;
        [write(32, &header), write(56, b"..sale-1..")]
    }

    fn sync() -> [Step; 2] {
        let call = Call::Sync { path: "/d/x.sqlite-wal".into() };
        [Step::Began(call.clone()), Step::Ended(call)]
    }

    fn early(steps: &[Step]) -> usize {
        let log = SqliteLog::new(Pattern { prefix: b"sale-".to_vec(), length: 6 });
        let mut order =
            Order::of(HashMap::from([(CONVERSION.to_owned(), "sale-1".to_owned())]), Box::new(log), String::new());
        steps.iter().for_each(|step| {
            order.apply(step);
        });
        assert_eq!(order.acknowledgements(), 1);
        order.early.len()
    }

    #[test]
    fn an_answer_before_the_sync_is_found() {
        let answer = [Step::Began(Call::Send {
            socket: "socket:[1]".to_owned(),
            bytes: format!("  {CONVERSION} ").into_bytes(),
        })];
        let [began, ended] = sync();
        assert_eq!(early(&[&commit()[..], &sync()[..], &answer[..]].concat()), 0);
        assert_eq!(early(&[&commit()[..], &answer[..], &sync()[..]].concat()), 1, "answered first");
        assert_eq!(early(&[&sync()[..], &commit()[..], &answer[..]].concat()), 1, "synced too early");
        assert_eq!(early(&[&[began][..], &commit()[..], &[ended][..], &answer[..]].concat()), 1, "begun too early");
        assert_eq!(early(&[&commit()[1..], &sync()[..], &answer[..]].concat()), 1, "without the last frame");
    }
}

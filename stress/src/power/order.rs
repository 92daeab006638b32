//! Which came first: the sync of a sale's commit, or its acknowledgement? Reads SQLite's journal as it is written, frame by frame, and
//! the answers as they leave. Knows nothing of the API but that an answer names its conversion.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::trace::{Call, Step};

/// What the journal begins with, and each of its frames.
const JOURNAL_HEADER_BYTES: u64 = 32;
const FRAME_HEADER_BYTES: usize = 24;

/// How the name of the journal ends.
const JOURNAL_SUFFIX: &str = "-wal";

/// What every conversion's id begins with, and how long it is.
const CONVERSION_PREFIX: &[u8] = b"cnv_";
const CONVERSION_BYTES: usize = 36;

/// Follows commits and answers through a trace.
pub(super) struct Order {
    /// By conversion, the event_id that it was acknowledged for.
    acknowledged: HashMap<String, String>,
    /// What every event_id begins with, and how long it is.
    prefix: Vec<u8>,
    length: usize,
    /// Event_ids in frames of a transaction whose last frame is not yet written.
    open: Vec<String>,
    /// Whether the frame whose page comes next is the last of its transaction.
    is_last_frame: bool,
    /// Event_ids whose commit is written, in order.
    written: Vec<String>,
    known: BTreeSet<String>,
    /// How many of `written` were there when the sync that is under way began.
    under_way: Option<usize>,
    /// How many of `written` are synced.
    synced: usize,
    /// By event_id, its place in `written`.
    places: BTreeMap<String, usize>,
    /// Acknowledgements that have left, by event_id.
    left: BTreeSet<String>,
    /// Those that left before their commit was synced.
    pub(super) early: Vec<String>,
    /// Transactions that were written, and syncs of the journal.
    pub(super) commits: usize,
    pub(super) syncs: usize,
}

impl Order {
    /// `acknowledged` has the event_id of each conversion. All event_ids begin with `prefix` and are equally long.
    pub(super) fn of(acknowledged: HashMap<String, String>, prefix: &str) -> Self {
        let length = acknowledged.values().next().map_or(prefix.len(), String::len);
        Self {
            acknowledged,
            prefix: prefix.as_bytes().to_vec(),
            length,
            open: Vec::new(),
            is_last_frame: false,
            written: Vec::new(),
            known: BTreeSet::new(),
            under_way: None,
            synced: 0,
            places: BTreeMap::new(),
            left: BTreeSet::new(),
            early: Vec::new(),
            commits: 0,
            syncs: 0,
        }
    }

    /// Takes in what happened. Gives the event_ids whose acknowledgement leaves with this step for the first time.
    pub(super) fn apply(&mut self, step: &Step) -> Vec<String> {
        let is_journal = |path: &std::path::Path| path.to_string_lossy().ends_with(JOURNAL_SUFFIX);
        match step {
            Step::Ended(Call::Write { path, offset, bytes }) if is_journal(path) => self.frame(*offset, bytes),
            Step::Began(Call::Sync { path }) if is_journal(path) => self.under_way = Some(self.written.len()),
            Step::Ended(Call::Sync { path }) if is_journal(path) => {
                self.syncs += 1;
                self.synced = self.under_way.take().unwrap_or(self.synced);
            }
            Step::Began(Call::Send { bytes }) => return self.answers(bytes),
            _ => {}
        }
        Vec::new()
    }

    /// A frame's header, or its page.
    fn frame(&mut self, offset: u64, bytes: &[u8]) {
        if offset >= JOURNAL_HEADER_BYTES && bytes.len() == FRAME_HEADER_BYTES {
            // The last frame of a transaction says how many pages the database has; the others say 0.
            self.is_last_frame = bytes.get(4..8).is_some_and(|pages| pages != [0; 4]);
            return;
        }
        for event_id in occurrences(bytes, &self.prefix, self.length) {
            if self.known.insert(event_id.clone()) {
                self.open.push(event_id);
            }
        }
        if std::mem::take(&mut self.is_last_frame) {
            self.commits += 1;
            for event_id in self.open.drain(..) {
                self.places.insert(event_id.clone(), self.written.len());
                self.written.push(event_id);
            }
        }
    }

    fn answers(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut leaving = Vec::new();
        for conversion_id in occurrences(bytes, CONVERSION_PREFIX, CONVERSION_BYTES) {
            let Some(event_id) = self.acknowledged.get(&conversion_id).cloned() else { continue };
            if self.left.insert(event_id.clone()) {
                if self.places.get(&event_id).is_none_or(|place| *place >= self.synced) {
                    self.early.push(event_id.clone());
                }
                leaving.push(event_id);
            }
        }
        leaving
    }

    /// How many acknowledgements were seen to leave.
    pub(super) fn acknowledgements(&self) -> usize {
        self.left.len()
    }
}

/// Every text of this length in the bytes that begins so.
fn occurrences(bytes: &[u8], prefix: &[u8], length: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(window) = bytes.get(at..at + prefix.len()) {
        match bytes.get(at..at + length) {
            Some(whole) if window == prefix => {
                found.extend(String::from_utf8(whole.to_vec()));
                at += length;
            }
            _ => at += 1,
        }
    }
    found
}

#[cfg(test)]
mod tests {
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
        let mut order = Order::of(HashMap::from([(CONVERSION.to_owned(), "sale-1".to_owned())]), "sale-");
        steps.iter().for_each(|step| {
            order.apply(step);
        });
        assert_eq!(order.acknowledgements(), 1);
        order.early.len()
    }

    #[test]
    fn an_answer_before_the_sync_is_found() {
        let answer = [Step::Began(Call::Send { bytes: format!("  {CONVERSION} ").into_bytes() })];
        let [began, ended] = sync();
        assert_eq!(early(&[&commit()[..], &sync()[..], &answer[..]].concat()), 0);
        assert_eq!(early(&[&commit()[..], &answer[..], &sync()[..]].concat()), 1, "answered first");
        assert_eq!(early(&[&sync()[..], &commit()[..], &answer[..]].concat()), 1, "synced too early");
        assert_eq!(early(&[&[began][..], &commit()[..], &[ended][..], &answer[..]].concat()), 1, "begun too early");
        assert_eq!(early(&[&commit()[1..], &sync()[..], &answer[..]].concat()), 1, "without the last frame");
    }
}

//! A segment of the feed in memory, and the encoding of its events for readers. Knows neither its readers nor the cache.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use uuid::Uuid;

use crate::app::cursor::Cursors;
use crate::domain::event::{EventHeader, EventKind, FeedPlace};
use crate::domain::id::ApiKeyId;
use crate::domain::time::Time;
use crate::store::event::Segment;

/// The approximate size of an entry's fields other than the body: cursor, sequence, commit time and length. An entry may be a
/// little larger. The estimate covers this, because it also counts the event's header, which only the stored segment has.
const PLACE_BYTES: usize = 104;

/// Writes an event's entry: its body, with sequence, commit time and cursor.
pub type WriteEntry = fn(&[u8], i64, Time, &str, &mut Vec<u8>);

/// A segment, and its encoding for readers. It is encoded when a reader first needs it.
pub struct FeedSegment {
    segment: Segment,
    /// The API keys that the segment's events revoke or change.
    changed_keys: Vec<Uuid>,
    entries: OnceLock<Entries>,
}

struct Entries {
    bytes: Bytes,
    /// The offset at which each entry ends.
    ends: Vec<usize>,
}

impl FeedSegment {
    pub(super) fn new(segment: Segment) -> Arc<Self> {
        let is_change = |kind| matches!(kind, EventKind::ApiKeyRevoked | EventKind::ApiKeyUpdated);
        let changes = segment.events().filter(|(_, header, _)| is_change(header.kind));
        let changed_keys = changes.map(|(_, header, _)| header.subject_id).collect();
        Arc::new(Self { segment, changed_keys, entries: OnceLock::new() })
    }

    /// The sequence of the segment's first event.
    pub fn first_sequence(&self) -> i64 {
        self.segment.first_sequence
    }

    /// The sequence of the segment's last event.
    pub fn last_sequence(&self) -> i64 {
        self.segment.last_sequence
    }

    /// Whether an event of the segment revokes or changes this key.
    pub fn changes(&self, key_id: ApiKeyId) -> bool {
        self.changed_keys.contains(&key_id.uuid())
    }

    /// The place after the event with this sequence, which is one of the segment.
    pub fn place(&self, sequence: i64) -> FeedPlace {
        self.segment.place(sequence)
    }

    /// The headers of the events after a sequence, for filters.
    pub fn headers_after(&self, sequence: i64) -> impl Iterator<Item = (i64, &EventHeader)> {
        self.segment.headers_after(sequence)
    }

    /// The encoded entries of a range of events.
    pub(super) fn entries(
        &self,
        cursors: &Cursors,
        write_entry: WriteEntry,
        from_sequence: i64,
        to_sequence: i64,
    ) -> Bytes {
        let entries = self.entries.get_or_init(|| write_entries(&self.segment, cursors, write_entry));
        let end_before = |sequence: i64| {
            let place = usize::try_from(sequence - self.first_sequence()).unwrap_or_default();
            place.checked_sub(1).and_then(|last| entries.ends.get(last)).copied().unwrap_or_default()
        };
        let start = end_before(from_sequence);
        entries.bytes.slice(start..end_before(to_sequence + 1).max(start))
    }

    /// The segment's size in memory once its entries are encoded.
    pub(super) fn byte_count(&self) -> usize {
        let events = usize::try_from(self.last_sequence() - self.first_sequence() + 1).unwrap_or_default();
        2 * self.segment.byte_count() + 2 * PLACE_BYTES * events
    }

    #[cfg(test)]
    pub(super) fn for_tests(first_sequence: i64, last_sequence: i64) -> Self {
        let segment = Segment::for_tests(first_sequence, last_sequence);
        Self { segment, changed_keys: Vec::new(), entries: OnceLock::new() }
    }
}

fn write_entries(segment: &Segment, cursors: &Cursors, write_entry: WriteEntry) -> Entries {
    let events = usize::try_from(segment.last_sequence - segment.first_sequence + 1).unwrap_or_default();
    let mut bytes = Vec::with_capacity(segment.byte_count() + PLACE_BYTES * events);
    let mut ends = Vec::with_capacity(events);
    let mut cursor = String::new();
    for (sequence, _, body) in segment.events() {
        cursor.clear();
        cursors.encode_into(segment.account_id, segment.place(sequence), &mut cursor);
        write_entry(body, sequence, segment.committed_at, &cursor, &mut bytes);
        ends.push(bytes.len());
    }
    Entries { bytes: bytes.into(), ends }
}

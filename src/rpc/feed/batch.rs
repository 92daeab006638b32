//! The events of one message: the events that pass a reader's filter, up to a size limit, as entries that were encoded once.

use std::sync::Arc;

use super::message::Entries;
use crate::app::feed::{Feed, FeedSegment};
use crate::domain::event::{EventFilter, FeedPlace};

/// The maximum size of a message: well below the 4 MiB that clients accept by default.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// The maximum size of a message when many streams are open, and of the messages of all streams together.
const MESSAGE_BYTES_LEAST: usize = 1 << 14;
const ALL_MESSAGES_BYTES: usize = 1 << 24;

/// How large a message may be while so many streams are open. Each stream holds up to one message that its reader has not taken.
pub(super) fn message_bytes_max(streams: usize) -> usize {
    (ALL_MESSAGES_BYTES / streams.max(1)).clamp(MESSAGE_BYTES_LEAST, MESSAGE_BYTES_MAX)
}

/// How many events these segments have.
pub(super) fn event_count<'page>(page: impl IntoIterator<Item = &'page Arc<FeedSegment>>) -> u64 {
    page.into_iter().map(|segment| (segment.last_sequence() - segment.first_sequence()).unsigned_abs() + 1).sum()
}

/// See the head of the file.
pub(super) struct Batch {
    pub(super) entries: Entries,
    /// The number of events in the batch.
    pub(super) events: i64,
    /// The number of events that the filter rejected.
    pub(super) skipped: i64,
    events_max: i64,
    skipped_max: i64,
    bytes_max: usize,
    bytes: usize,
    is_full: bool,
}

impl Batch {
    /// A batch of up to `events_max` events and about `bytes_max` bytes. While it is empty, it ends after `skipped_max` rejected
    /// events.
    pub(super) fn new(events_max: i64, skipped_max: i64, bytes_max: usize) -> Self {
        let entries = Entries::default();
        Self { entries, events: 0, skipped: 0, events_max, skipped_max, bytes_max, bytes: 0, is_full: false }
    }

    /// Whether the batch takes no more events.
    pub(super) fn is_done(&self) -> bool {
        self.is_full || (self.events == 0 && self.skipped >= self.skipped_max)
    }

    /// Takes the events of a segment after `position` that pass the filter. Moves `position` past every event that was taken or
    /// rejected.
    pub(super) fn take(&mut self, feed: &Feed, filter: &EventFilter, segment: &FeedSegment, position: &mut FeedPlace) {
        while position.sequence < segment.last_sequence() && !self.is_done() {
            if filter.is_empty() {
                self.take_run(feed, segment, segment.last_sequence(), position);
                continue;
            }
            let mut run_end = None;
            for (sequence, header) in segment.headers_after(position.sequence) {
                if filter.lets_through(header) {
                    run_end = Some(sequence);
                } else if run_end.is_some() {
                    break;
                } else {
                    self.skipped += 1;
                    *position = segment.place(sequence);
                    if self.is_done() {
                        return;
                    }
                }
            }
            if let Some(last) = run_end {
                self.take_run(feed, segment, last, position);
            }
        }
    }

    /// Takes the events after `position` up to `last`, or as many as fit. The first event of a message always fits.
    fn take_run(&mut self, feed: &Feed, segment: &FeedSegment, last: i64, position: &mut FeedPlace) {
        let first = position.sequence + 1;
        let mut to = last.min(position.sequence + self.events_max - self.events);
        let mut piece = feed.entries(segment, first, to);
        while self.bytes + piece.len() > self.bytes_max {
            self.is_full = true;
            if to == first {
                if self.events > 0 {
                    return;
                }
                break;
            }
            to = first + (to - first) / 2;
            piece = feed.entries(segment, first, to);
        }
        self.events += to - position.sequence;
        self.bytes += piece.len();
        self.entries.push(piece);
        self.is_full |= self.events >= self.events_max;
        *position = segment.place(to);
    }
}

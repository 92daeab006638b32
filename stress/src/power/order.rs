//! Checks whether the commit of a sale was synced before its acknowledgement left. It reads the answers as they leave, and the
//! database's own log to know what is synced by then. Knows nothing of the API except that an answer names its conversion.

use std::collections::{BTreeSet, HashMap};

use super::trace::{Call, Step};

/// The prefix and the length of every conversion's id.
const CONVERSION_PREFIX: &[u8] = b"cnv_";
const CONVERSION_BYTES: usize = 36;

/// A database's commit log as it is written and synced.
pub(super) trait Log {
    /// Applies a step.
    fn apply(&mut self, step: &Step);

    /// Whether the commit of this event_id's sale is on the disk.
    fn is_synced(&self, event_id: &str) -> bool;

    /// The number of written commits of sales, and the number of syncs of the log.
    fn counts(&self) -> (usize, usize);
}

/// The prefix and the length of all event_ids of a run.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    pub(super) prefix: Vec<u8>,
    pub(super) length: usize,
}

impl Pattern {
    /// Every event_id in the bytes.
    pub(super) fn occurrences(&self, bytes: &[u8]) -> Vec<String> {
        occurrences(bytes, &self.prefix, self.length)
    }
}

/// Matches commits with answers in a trace.
pub(super) struct Order {
    pub(super) log: Box<dyn Log>,
    /// A part of the names of client sockets; other sockets lead to the database.
    socket: String,
    /// The acknowledged event_id of each conversion.
    acknowledged: HashMap<String, String>,
    /// The event_ids of acknowledgements that have left.
    left: BTreeSet<String>,
    /// The event_ids of acknowledgements that left before their commit was synced.
    pub(super) early: Vec<String>,
}

impl Order {
    /// `acknowledged` maps conversions to event_ids.
    pub(super) fn of(acknowledged: HashMap<String, String>, log: Box<dyn Log>, socket: String) -> Self {
        Self { log, socket, acknowledged, left: BTreeSet::new(), early: Vec::new() }
    }

    /// Applies a step. Returns the event_ids whose acknowledgement leaves with this step for the first time.
    pub(super) fn apply(&mut self, step: &Step) -> Vec<String> {
        self.log.apply(step);
        let mut leaving = Vec::new();
        let Step::Began(Call::Send { socket, bytes }) = step else { return leaving };
        if !socket.contains(&self.socket) {
            return leaving;
        }
        for conversion_id in occurrences(bytes, CONVERSION_PREFIX, CONVERSION_BYTES) {
            let Some(event_id) = self.acknowledged.get(&conversion_id).cloned() else { continue };
            if self.left.insert(event_id.clone()) {
                if !self.log.is_synced(&event_id) {
                    self.early.push(event_id.clone());
                }
                leaving.push(event_id);
            }
        }
        leaving
    }

    /// The number of acknowledgements that have left.
    pub(super) fn acknowledgements(&self) -> usize {
        self.left.len()
    }
}

/// Every text of this length and prefix in the bytes.
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

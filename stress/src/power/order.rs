//! Which came first: the sync of a sale's commit, or its acknowledgement? Watches the answers as they leave; what is synced by then,
//! the database's own log says. Knows nothing of the API but that an answer names its conversion.

use std::collections::{BTreeSet, HashMap};

use super::trace::{Call, Step};

/// What every conversion's id begins with, and how long it is.
const CONVERSION_PREFIX: &[u8] = b"cnv_";
const CONVERSION_BYTES: usize = 36;

/// A database's log of what is committed, as it is written and synced.
pub(super) trait Log {
    /// Takes in what happened.
    fn apply(&mut self, step: &Step);

    /// Whether the commit of what this event_id stands for is on the disk.
    fn is_synced(&self, event_id: &str) -> bool;

    /// How many commits of sales were written, and how often the log was synced.
    fn counts(&self) -> (usize, usize);
}

/// What all event_ids of a run have in common: how they begin, and their length.
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

/// Follows commits and answers through a trace.
pub(super) struct Order {
    pub(super) log: Box<dyn Log>,
    /// What the names of the sockets have in them that answers leave by; others lead to the database.
    socket: String,
    /// By conversion, the event_id that it was acknowledged for.
    acknowledged: HashMap<String, String>,
    /// Acknowledgements that have left, by event_id.
    left: BTreeSet<String>,
    /// Those that left before their commit was synced.
    pub(super) early: Vec<String>,
}

impl Order {
    /// `acknowledged` has the event_id of each conversion.
    pub(super) fn of(acknowledged: HashMap<String, String>, log: Box<dyn Log>, socket: String) -> Self {
        Self { log, socket, acknowledged, left: BTreeSet::new(), early: Vec::new() }
    }

    /// Takes in what happened. Gives the event_ids whose acknowledgement leaves with this step for the first time.
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

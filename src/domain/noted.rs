//! What the rules of terms ask about an affiliate and a customer, as it was when an event was first credited. Neither has a history, so the
//! event keeps it: refunds, corrections and later judgements use the same values.

use std::collections::BTreeMap;

use super::id::EnrollmentId;

/// The values that are kept for one credit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct NotedFacts {
    pub enrollment_id: EnrollmentId,
    /// By the name of the field, and its key if it has one. An empty text: there was no value.
    pub values: BTreeMap<String, String>,
}

impl NotedFacts {
    /// Nothing yet.
    pub const fn none(enrollment_id: EnrollmentId) -> Self {
        Self { enrollment_id, values: BTreeMap::new() }
    }

    /// The value of a field with this name. `None` if nobody has asked for it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Keeps the value of a field.
    pub fn keep(&mut self, name: String, value: &str) {
        self.values.insert(name, value.to_owned());
    }
}

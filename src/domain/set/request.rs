//! Look-ups of answered requests by their key.

use std::sync::Arc;

use super::kind::{Key, Kind};
use super::working_set::WorkingSet;
use crate::domain::id::AccountId;
use crate::domain::refusal::Refusal;
use crate::domain::request::{Request, RequestKey};

impl Key for RequestKey {
    fn account_id(&self) -> AccountId {
        self.account_id
    }
}

impl Kind for Request {
    type Key = RequestKey;

    const NAME: &'static str = "request";

    fn key(&self) -> Self::Key {
        self.key.clone()
    }
}

impl WorkingSet {
    /// The answered request with this key.
    pub fn request(&self, key: &RequestKey) -> Result<Option<&Arc<Request>>, Refusal> {
        self.find(key)
    }
}

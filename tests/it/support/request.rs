//! Parses API requests as the server does, for tests that run them without a server. Knows no subject.

use headwater::domain::account::KeyKind;
use headwater::domain::id::AccountId;
use headwater::domain::rule::Envelope;
use headwater::domain::time::Time;
use headwater::rpc::call::change::{self, Asking, Change};
use sha2::{Digest, Sha256};

/// The rule for a request by a caller with the account's admin key.
///
/// # Panics
///
/// If the request is not well-formed.
pub(crate) fn envelope<M: Change>(request: &M, account_id: AccountId, now: Time) -> Envelope {
    match request.read(&Asking::new(now, KeyKind::Admin)) {
        Ok((rule, _)) => change::envelope(request, rule, account_id, content_hash),
        Err(error) => panic!("{}: {error:?}", M::NAME),
    }
}

/// A hash without the server's HMAC secret, because no test depends on it.
fn content_hash(scope: &str, content: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(scope).chain_update([0]).chain_update(content).finalize().into()
}

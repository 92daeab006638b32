//! What callbacks of payout providers need of the server: the secrets of accounts, and a way to wake payouts.

use futures::future::BoxFuture;

use crate::domain::id::AccountId;
use crate::http::callback::{CallbackSecret, CallbackSecrets, NoSecret};
use crate::http::nudge::{NotWoken, Wake, Waker};
use crate::inbound::callback::CallbackProvider;

/// The accounts' connections to providers.
pub(super) struct Connections;

impl CallbackSecrets for Connections {
    fn secret(
        &self,
        _account_id: AccountId,
        _provider: CallbackProvider,
    ) -> BoxFuture<'_, Result<Option<CallbackSecret>, NoSecret>> {
        Box::pin(async { Ok(None) })
    }
}

/// The command that wakes payouts.
pub(super) struct Wakes;

impl Waker for Wakes {
    fn wake(
        &self,
        _account_id: AccountId,
        _provider: CallbackProvider,
        _wake: Wake,
    ) -> BoxFuture<'_, Result<(), NotWoken>> {
        Box::pin(async { Ok(()) })
    }
}

//! What callbacks of payout providers need of the server: the secrets of accounts, and a way to wake payouts.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use secrecy::SecretString;

use crate::app::App;
use crate::domain::id::AccountId;
use crate::domain::payout::PayoutProvider;
use crate::domain::rule::{Envelope, WakePayouts};
use crate::http::callback::{CallbackSecret, CallbackSecrets, NoSecret};
use crate::http::nudge::{NotWoken, Wake, Waker};
use crate::inbound::callback::CallbackProvider;
use crate::secrets::Secrets;
use crate::secrets::credentials::ProviderCredentials;
use crate::store::{Store, account, payout_connection};

const fn payout_provider(provider: CallbackProvider) -> PayoutProvider {
    match provider {
        CallbackProvider::PayPal => PayoutProvider::PayPal,
        CallbackProvider::Stripe => PayoutProvider::Stripe,
        CallbackProvider::Wise => PayoutProvider::Wise,
    }
}

/// The accounts' connections to providers.
pub(super) struct Connections {
    pub(super) store: Arc<Store>,
    pub(super) secrets: Arc<Secrets>,
}

impl Connections {
    async fn read(&self, account_id: AccountId, provider: PayoutProvider) -> Result<Option<CallbackSecret>, NoSecret> {
        // Both are read whether there is a connection or not, so that the time does not tell.
        let connection = payout_connection::find(&self.store, account_id, provider);
        let (connection, account) = tokio::join!(connection, account::find(&self.store, account_id));
        let (Some(connection), Some(account)) = (connection.map_err(later)?, account.map_err(later)?) else {
            return Ok(None);
        };
        let credentials = ProviderCredentials::open(&self.secrets, account_id, &connection.sealed).map_err(later)?;
        Ok(secret(credentials, account.is_test))
    }
}

fn later(problem: impl fmt::Display) -> NoSecret {
    NoSecret(problem.to_string())
}

/// The part of the credentials that callbacks are signed with. `None` if the account has given none.
fn secret(credentials: ProviderCredentials, is_test: bool) -> Option<CallbackSecret> {
    match credentials {
        ProviderCredentials::PayPal { webhook_id, .. } => {
            (!webhook_id.is_empty()).then_some(CallbackSecret::PayPal { webhook_id })
        }
        ProviderCredentials::Stripe { webhook_secret, .. } => {
            let signing_secrets = vec![SecretString::from(webhook_secret.as_str())];
            (!webhook_secret.is_empty()).then_some(CallbackSecret::Stripe { signing_secrets })
        }
        ProviderCredentials::Wise { profile_id, .. } => Some(CallbackSecret::Wise { profile_id, is_test }),
    }
}

impl CallbackSecrets for Connections {
    fn secret(
        &self,
        account_id: AccountId,
        provider: CallbackProvider,
    ) -> BoxFuture<'_, Result<Option<CallbackSecret>, NoSecret>> {
        Box::pin(self.read(account_id, payout_provider(provider)))
    }
}

/// Wakes payouts by a command, and then the worker that sends them.
pub(super) struct Wakes(pub(super) Arc<App>);

impl Wakes {
    async fn submit(&self, account_id: AccountId, provider: PayoutProvider, wake: Wake) -> Result<(), NotWoken> {
        let (has_funds, payout_id) = match wake {
            Wake::Open => (false, None),
            Wake::Funded => (true, None),
            Wake::One(payout_id) => (false, Some(payout_id)),
        };
        let command = WakePayouts { provider, has_funds, currency: None, payout_id }.into();
        let envelope = Envelope { account_id, fingerprint: None, actor: None, command };
        self.0.submit(envelope, None).await.map_err(|error| NotWoken(error.to_string()))?;
        self.0.wake_payouts();
        Ok(())
    }
}

impl Waker for Wakes {
    fn wake(
        &self,
        account_id: AccountId,
        provider: CallbackProvider,
        wake: Wake,
    ) -> BoxFuture<'_, Result<(), NotWoken>> {
        Box::pin(self.submit(account_id, payout_provider(provider), wake))
    }
}

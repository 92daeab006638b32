//! Providers by the connections of accounts: opens the credentials of a connection, and the details of a payout's destination. Knows no
//! payout's state. Nothing of what it opens is in an error or in a log.

use std::fmt;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use moka::sync::Cache;

use crate::domain::id::AccountId;
use crate::domain::payout::{Payout, PayoutProvider};
use crate::domain::payout_method::Sealed;
use crate::outbound::client::{BaseAddress, Client};
use crate::outbound::provider::paypal::{PayPal, PayPalSettings};
use crate::outbound::provider::stripe::{Stripe, StripeSettings};
use crate::outbound::provider::wise::{Wise, WiseSettings};
use crate::outbound::provider::{Provider, Receiver};
use crate::outbound::receiver::receiver;
use crate::outbound::source::{NoProvider, ProviderSource};
use crate::secrets::Secrets;
use crate::secrets::credentials::ProviderCredentials;
use crate::secrets::details::PayoutDetails;
use crate::store::{self, Store};

/// How many accounts' providers are kept. One that is dropped is made again, with another token.
const KEPT_MAX: u64 = 10_000;

/// The share of an amount that PayPal takes at most, in parts per million. What it took is in its answers.
const PAYPAL_FEE_PPM: i64 = 20_000;

/// The addresses of the providers' servers.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct ProviderAddresses {
    pub paypal: BaseAddress,
    pub stripe: BaseAddress,
    pub wise: BaseAddress,
}

/// A provider, and the credentials that it was made with.
#[derive(Clone)]
struct Kept {
    sealed: Sealed,
    provider: Arc<dyn Provider>,
}

/// See the head of the file.
pub struct Connections {
    store: Arc<Store>,
    secrets: Arc<Secrets>,
    client: Client,
    live: ProviderAddresses,
    sandbox: ProviderAddresses,
    kept: Cache<(AccountId, PayoutProvider), Kept>,
}

/// Without what it has opened.
impl fmt::Debug for Connections {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connections").finish_non_exhaustive()
    }
}

impl Connections {
    /// The connections in this store. Accounts for tests are sent to the sandbox, and no other account is.
    pub fn new(
        store: Arc<Store>,
        secrets: Arc<Secrets>,
        client: Client,
        live: ProviderAddresses,
        sandbox: ProviderAddresses,
    ) -> Self {
        Self { store, secrets, client, live, sandbox, kept: Cache::new(KEPT_MAX) }
    }

    async fn find(&self, account_id: AccountId, provider: PayoutProvider) -> Result<Arc<dyn Provider>, NoProvider> {
        let later = |error: &dyn fmt::Display| NoProvider::Later(error.to_string());
        let connection = store::payout_connection::find(&self.store, account_id, provider).await;
        let connection = connection.map_err(|error| later(&error))?.ok_or(NoProvider::NotConnected)?;
        let key = (account_id, provider);
        if let Some(kept) = self.kept.get(&key).filter(|kept| kept.sealed == connection.sealed) {
            return Ok(kept.provider);
        }
        let account = store::account::find(&self.store, account_id).await.map_err(|error| later(&error))?;
        let is_test = account.ok_or(NoProvider::NotConnected)?.is_test;
        let credentials = ProviderCredentials::open(&self.secrets, account_id, &connection.sealed);
        let credentials = credentials.map_err(|error| later(&error))?;
        let provider = self.connect(credentials, if is_test { &self.sandbox } else { &self.live });
        self.kept.insert(key, Kept { sealed: connection.sealed, provider: Arc::clone(&provider) });
        Ok(provider)
    }

    fn connect(&self, credentials: ProviderCredentials, addresses: &ProviderAddresses) -> Arc<dyn Provider> {
        let client = self.client.clone();
        match credentials {
            ProviderCredentials::PayPal { client_id, client_secret, webhook_id: _ } => {
                let settings = PayPalSettings {
                    address: addresses.paypal.clone(),
                    client_id,
                    client_secret: client_secret.into(),
                    fee_ppm: PAYPAL_FEE_PPM,
                    fees_max: Vec::new(),
                };
                Arc::new(PayPal::new(client, settings))
            }
            ProviderCredentials::Stripe { secret_key, webhook_secret: _ } => {
                let settings = StripeSettings { address: addresses.stripe.clone(), secret_key: secret_key.into() };
                Arc::new(Stripe::new(client, settings))
            }
            ProviderCredentials::Wise { token, profile_id, source_currency } => {
                let settings =
                    WiseSettings { address: addresses.wise.clone(), token: token.into(), profile_id, source_currency };
                Arc::new(Wise::new(client, settings))
            }
        }
    }

    fn receiver_of(&self, payout: &Payout) -> Result<Receiver, NoProvider> {
        let destination = payout.destination.as_ref().ok_or(NoProvider::NotConnected)?;
        let details = PayoutDetails::open(&self.secrets, payout.account_id, &destination.sealed);
        let details = details.map_err(|error| NoProvider::Later(error.to_string()))?;
        receiver(&details).ok_or(NoProvider::NotConnected)
    }
}

impl ProviderSource for Connections {
    fn provider<'a>(
        &'a self,
        account_id: AccountId,
        provider: PayoutProvider,
    ) -> BoxFuture<'a, Result<Arc<dyn Provider>, NoProvider>> {
        self.find(account_id, provider).boxed()
    }

    fn receiver<'a>(&'a self, payout: &'a Payout) -> BoxFuture<'a, Result<Receiver, NoProvider>> {
        std::future::ready(self.receiver_of(payout)).boxed()
    }
}

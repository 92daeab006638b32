//! Where the sending of payouts gets a provider and a receiver from. The implementation reads the connections of accounts, and opens their
//! credentials and the details of receivers.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::provider::{Provider, Receiver};
use crate::domain::id::AccountId;
use crate::domain::payout::{Payout, PayoutProvider};

/// Why there is no provider or no receiver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoProvider {
    /// The account has no connection to the provider, or the payout has no details for it. A person must act.
    #[error("there is no connection to the provider, or no receiver for it")]
    NotConnected,
    /// They cannot be read now. The text is for the log only.
    #[error("{0}")]
    Later(String),
}

/// See the head of the file.
pub trait ProviderSource: Send + Sync {
    /// An account's access to a provider. Two calls give the same provider as long as the connection is the same, because a provider keeps
    /// tokens.
    fn provider<'a>(
        &'a self,
        account_id: AccountId,
        provider: PayoutProvider,
    ) -> BoxFuture<'a, Result<Arc<dyn Provider>, NoProvider>>;

    /// The receiver of a payout, as its provider knows it.
    fn receiver<'a>(&'a self, payout: &'a Payout) -> BoxFuture<'a, Result<Receiver, NoProvider>>;
}

/// No account has a connection.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoConnections;

impl ProviderSource for NoConnections {
    fn provider<'a>(
        &'a self,
        _account_id: AccountId,
        _provider: PayoutProvider,
    ) -> BoxFuture<'a, Result<Arc<dyn Provider>, NoProvider>> {
        std::future::ready(Err(NoProvider::NotConnected)).boxed()
    }

    fn receiver<'a>(&'a self, _payout: &'a Payout) -> BoxFuture<'a, Result<Receiver, NoProvider>> {
        std::future::ready(Err(NoProvider::NotConnected)).boxed()
    }
}

/// No provider can be called, for this reason.
#[derive(Debug, Clone)]
pub struct CannotCall(pub String);

impl ProviderSource for CannotCall {
    fn provider<'a>(
        &'a self,
        _account_id: AccountId,
        _provider: PayoutProvider,
    ) -> BoxFuture<'a, Result<Arc<dyn Provider>, NoProvider>> {
        std::future::ready(Err(NoProvider::Later(self.0.clone()))).boxed()
    }

    fn receiver<'a>(&'a self, _payout: &'a Payout) -> BoxFuture<'a, Result<Receiver, NoProvider>> {
        std::future::ready(Err(NoProvider::Later(self.0.clone()))).boxed()
    }
}

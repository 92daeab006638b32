//! Look-ups of accounts and API keys in the working set.

use super::kind::{Kind, Named};
use super::names::Names;
use super::working_set::{WorkingSet, known};
use crate::domain::account::{Account, ApiKey};
use crate::domain::id::{AccountId, ApiKeyId};
use crate::domain::refusal::{Refusal, Resource};

impl Kind for Account {
    type Key = AccountId;

    const NAME: &'static str = "account";

    fn key(&self) -> Self::Key {
        self.id
    }

    fn index(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        // An email address that an account gave up is free for the next command of the batch.
        if let Some(before) = before {
            names.account_emails.insert(before.email.clone(), None);
        }
        if let Some(after) = after {
            names.account_emails.insert(after.email.clone(), Some(after.id));
        }
    }
}

impl Named for Account {
    const RESOURCE: Resource = Resource::Account;
}

impl Kind for ApiKey {
    type Key = (AccountId, ApiKeyId);

    const NAME: &'static str = "API key";

    fn key(&self) -> Self::Key {
        (self.account_id, self.id)
    }
}

impl Named for ApiKey {
    const RESOURCE: Resource = Resource::ApiKey;
}

impl WorkingSet {
    /// The id of the account with this email address.
    pub fn account_with_email(&self, email: &str) -> Result<Option<AccountId>, Refusal> {
        known(self.names.account_emails.get(&email.to_owned()), "account by email")
    }

    /// The account. It must exist, because its key made the call.
    pub fn account(&self, id: AccountId) -> Result<&std::sync::Arc<Account>, Refusal> {
        self.find::<Account>(&id)?.ok_or_else(|| Refusal::not_found(Account::RESOURCE, id))
    }
}

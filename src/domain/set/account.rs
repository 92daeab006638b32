//! Look-ups of accounts and API keys in the working set.

use super::kind::{Kind, Named};
use super::names::Names;
use super::working_set::{WorkingSet, known};
use crate::domain::account::{Account, ApiKey, KeyKind};
use crate::domain::id::{AccountId, ApiKeyId};
use crate::domain::refusal::{Refusal, Resource};
use crate::domain::time::Time;

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

    fn changed(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        if let (None, Some(new)) = (before, after)
            && new.kind == KeyKind::that_manages(new.account_id)
        {
            names.managing_keys.add(new.account_id, new.id);
        }
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

    /// Whether the account has another key than this one that manages its keys and works at this time.
    pub fn has_other_managing_key(&self, key: &ApiKey, now: Time) -> Result<bool, Refusal> {
        let account_id = key.account_id;
        let mut has_expired = false;
        for id in self.names.managing_keys.met(&account_id).iter().filter(|id| **id != key.id) {
            let other = self.existing::<ApiKey>(&(account_id, *id))?;
            if other.is_valid(now) {
                return Ok(true);
            }
            has_expired |= other.revoked_at.is_none();
        }
        // The keys that were not loaded expire earlier than those that were. If a loaded one has expired, they have too.
        if !has_expired {
            known(self.names.managing_keys.get(&account_id), "keys that manage keys")?;
        }
        Ok(false)
    }
}

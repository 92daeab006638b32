//! Authentication: from the text of an API key to its account and permissions. Knows keys and methods; knows nothing of what a
//! method does.

pub mod client;
pub mod key;
pub mod layer;
mod lookup;
pub mod operator;
pub mod password;
pub mod permission;
pub mod rate;
mod refusals;

use std::sync::Arc;
use std::time::Duration;

use moka::Entry;
use moka::ops::compute::Op;
use moka::sync::Cache;
use subtle::ConstantTimeEq;
use tokio::time::Instant;
use uuid::Uuid;

use crate::app::key_uses::{KeyUse, KeyUses};
use crate::clock::{self, Clock};
use crate::domain::account::{ApiKey, KeyKind};
use crate::domain::id::{AccountId, ApiKeyId};
use crate::domain::time::Time;
use crate::error::Error;
use crate::store::account::Credential;
use crate::store::{self, Store};
use client::Client;
use lookup::Lookups;

/// How long a key is cached after it was read from the database. A key that was revoked on another instance may still work here
/// for this long, and so may its streams.
const BELIEVED_FOR: Duration = Duration::from_secs(2);

/// The maximum number of cached keys.
const REMEMBERED_MAX: u64 = 10_000;

/// A caller with a checked key.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The account that the key acts for; [`AccountId::SERVER`] for operator keys.
    pub account_id: AccountId,
    /// The id of the caller's key.
    pub key_id: ApiKeyId,
    /// The kind of the caller's key.
    pub kind: KeyKind,
    /// The whole key.
    pub key: Arc<ApiKey>,
    /// Where the caller is.
    pub client: Client,
    /// Why the account is suspended. `None` if it is not.
    pub suspension: Option<Arc<str>>,
    /// How many calls a minute each key of the account may make; 0 for the server's setting.
    pub calls_per_minute: u32,
}

impl Principal {
    /// Somebody without a key, who registers an account where everybody may.
    fn stranger(client: Client) -> Self {
        let (account_id, key_id, kind) = (AccountId::SERVER, ApiKeyId::from_uuid(Uuid::nil()), KeyKind::Invitation);
        let key = ApiKey {
            id: key_id,
            account_id,
            kind,
            display_name: String::new(),
            text_prefix: String::new(),
            secret_hash: [0; 32],
            created_at: Time::from_micros(0),
            expires_at: None,
            revoked_at: None,
            updated_at: None,
            allowed_networks: Vec::new(),
            allowed_origins: Vec::new(),
        };
        let suspension = None;
        Self { account_id, key_id, kind, key: Arc::new(key), client, suspension, calls_per_minute: 0 }
    }

    /// The invitation that the caller has. `None` for any other key, and for somebody without a key.
    pub fn invitation(&self) -> Option<&Arc<ApiKey>> {
        (self.kind == KeyKind::Invitation && !self.key_id.uuid().is_nil()).then_some(&self.key)
    }
}

/// Checks API keys against the database.
pub struct Authenticator {
    store: Arc<Store>,
    lookups: Lookups,
    clock: Arc<dyn Clock>,
    uses: Arc<KeyUses>,
    /// The cached keys by prefix. Only existing keys are cached, so that guesses do not fill the cache.
    keys: Cache<String, Cached>,
}

/// A cached key.
#[derive(Clone)]
struct Cached {
    key: Arc<ApiKey>,
    suspension: Option<Arc<str>>,
    calls_per_minute: u32,
    last_use: Arc<KeyUse>,
}

impl Authenticator {
    /// An authenticator that checks keys against this store, and notes their uses.
    pub fn new(store: Arc<Store>, clock: Arc<dyn Clock>, uses: Arc<KeyUses>) -> Self {
        let keys = Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(BELIEVED_FOR).build();
        let lookups = Lookups::new(Arc::clone(&store));
        Self { store, lookups, clock, uses, keys }
    }

    /// The caller that has this key and is there.
    ///
    /// # Errors
    /// [`Error::KeyInvalid`] when the key does not work. [`Error::Unavailable`] when the database does not answer.
    /// [`Error::Overloaded`] when too many other keys are being looked up.
    pub async fn resolve(&self, text: &str, client: Client) -> Result<Principal, Error> {
        let prefix = key::prefix(text).ok_or(Error::KeyInvalid)?;
        let Cached { key, suspension, calls_per_minute, last_use } = match self.keys.get(prefix) {
            Some(cached) => cached,
            None => self.read(prefix).await?,
        };
        let now = self.clock.now();
        let is_same = bool::from(key.secret_hash.ct_eq(&key::hash(text)));
        if !is_same || !client.may_use(&key, now) {
            return Err(Error::KeyInvalid);
        }
        last_use.note(now);
        let (account_id, key_id, kind) = (key.account_id, key.id, key.kind);
        Ok(Principal { account_id, key_id, kind, key, client, suspension, calls_per_minute })
    }

    /// Checks that the caller's key still works. For streams and long polls, which go on after the key was resolved. Cheap, because
    /// all streams of a key share the cached key.
    ///
    /// # Errors
    /// [`Error::KeyInvalid`] when the key does not work any more. [`Error::Unavailable`] when the database does not answer.
    pub async fn check(&self, principal: &Principal) -> Result<(), Error> {
        match self.keys.get(&principal.key.text_prefix) {
            Some(cached) => self.confirm(principal, &cached.key),
            None => self.confirm(principal, &self.read(&principal.key.text_prefix).await?.key),
        }
    }

    /// As [`Self::check`], but asks the database itself. For a stream that has seen that its key was revoked on any server.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub async fn recheck(&self, principal: &Principal) -> Result<(), Error> {
        let prefix = &principal.key.text_prefix;
        // Not shared with other calls, because a look-up in progress may have begun before the key was revoked.
        let key = store::account::find_key_by_prefix(&self.store, prefix).await?;
        let Cached { key, .. } = self.remember(prefix, key.ok_or(Error::KeyInvalid)?);
        self.confirm(principal, &key)
    }

    fn confirm(&self, principal: &Principal, key: &ApiKey) -> Result<(), Error> {
        let works = key.id == principal.key_id && principal.client.may_use(key, self.clock.now());
        if works { Ok(()) } else { Err(Error::KeyInvalid) }
    }

    /// When the caller's key expires, by the monotonic clock. `None`: never.
    pub fn expires_at(&self, principal: &Principal) -> Option<Instant> {
        let left = principal.key.expires_at?.micros().saturating_sub(self.clock.now().micros());
        Some(clock::monotonic_now() + Duration::from_micros(left.try_into().unwrap_or_default()))
    }

    /// Records that a key was changed or revoked, so that the change has its effect here at once.
    pub fn changed(&self, key: Arc<ApiKey>) {
        // The changed key is cached and not removed, because a read in progress may still return the key as it was before.
        // A suspended account changes no key. The limit of a key that is not cached is read within the time that keys are cached.
        let cached = self.cached(Credential { key, suspension: None, calls_per_minute: 0 });
        self.keys.entry(cached.key.text_prefix.clone()).and_compute_with(|known| {
            let calls_per_minute = known.map_or(0, |known| known.value().calls_per_minute);
            Op::Put(Cached { calls_per_minute, ..cached })
        });
    }

    /// Records that an account was suspended or resumed, or got another limit, so that it takes effect here at once. A look-up in progress may bring the
    /// state of before back, for as long as keys are cached.
    pub fn account_changed(&self, account_id: AccountId) {
        for (prefix, cached) in &self.keys {
            if cached.key.account_id == account_id {
                self.keys.invalidate(&*prefix);
            }
        }
    }

    fn cached(&self, Credential { key, suspension, calls_per_minute }: Credential) -> Cached {
        let last_use = self.uses.of(key.account_id, key.id);
        Cached { key, suspension, calls_per_minute, last_use }
    }

    async fn read(&self, prefix: &str) -> Result<Cached, Error> {
        let key = self.lookups.find(prefix).await?.ok_or(Error::KeyInvalid)?;
        Ok(self.remember(prefix, key))
    }

    /// Caches a key that was read. Returns the key that is cached now, because it may have changed since it was read.
    fn remember(&self, prefix: &str, key: Credential) -> Cached {
        let key = self.cached(key);
        let cached = self.keys.entry(prefix.to_owned()).and_compute_with(|known| match known {
            Some(known) if known.value().key.changed_at() > key.key.changed_at() => Op::Nop,
            _ => Op::Put(key.clone()),
        });
        cached.into_entry().map_or(key, Entry::into_value)
    }
}

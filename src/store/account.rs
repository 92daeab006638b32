//! Accounts and API keys: rows and reads.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::{ColumnTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

use super::backend::bulk::Writes;
use super::backend::table::Reads;
use super::entity::{account as table, api_key as key_table, api_key_use as use_table};
use super::list::{self, Walk};
use super::row::{RowName, to_json, words};
use super::set::Loading;
use super::set::keyed::rows_by;
use super::set::stored::{SqlKey, Stored};
use super::{Store, StoreError, WriteTransaction};
use crate::domain::account::{Account, AccountState, ApiKey, KeyKind, Verification};
use crate::domain::id::{AccountId, ApiKeyId};
use crate::domain::set::{MANAGING_KEYS_LOADED, Needs};
use crate::domain::time::Time;

impl Stored for Account {
    type Table = table::Entity;

    const GROWS: bool = false;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        let verification = self.verification.as_ref();
        Ok(table::Model {
            id: self.id.uuid(),
            display_name: self.display_name.clone(),
            email: self.email.clone(),
            max_active_coupons_per_affiliate: self.max_active_coupons_per_affiliate,
            payout_policy: self.payout_policy.as_ref().map(to_json).transpose()?,
            time_zones: (!self.time_zones.is_empty()).then(|| to_json(&self.time_zones)).transpose()?,
            created_at: self.created_at.micros(),
            updated_at: self.updated_at.micros(),
            suspended_at: self.suspended_at.map(Time::micros),
            suspension_reason: self.suspension_reason.clone(),
            email_verified_at: self.email_verified_at.map(Time::micros),
            verification_email: verification.map(|verification| verification.email.clone()),
            verification_hash: verification.map(|verification| verification.token_hash.to_vec()),
            verification_expires_at: verification.map(|verification| verification.expires_at.micros()),
            calls_per_minute: self.calls_per_minute,
            is_test: self.is_test,
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("account", row.id);
        let verification = match (row.verification_email, row.verification_hash, row.verification_expires_at) {
            (Some(email), Some(hash), Some(expires_at)) => {
                Some(Verification { email, token_hash: name.hash(hash)?, expires_at: Time::from_micros(expires_at) })
            }
            (None, None, None) => None,
            _ => return Err(name.inconsistent()),
        };
        Ok(Self {
            id: AccountId::from_uuid(row.id),
            display_name: row.display_name,
            email: row.email,
            max_active_coupons_per_affiliate: row.max_active_coupons_per_affiliate,
            payout_policy: row.payout_policy.map(|text| name.json(&text)).transpose()?,
            time_zones: row.time_zones.map(|text| name.json(&text)).transpose()?.unwrap_or_default(),
            created_at: Time::from_micros(row.created_at),
            updated_at: Time::from_micros(row.updated_at),
            suspended_at: row.suspended_at.map(Time::from_micros),
            suspension_reason: row.suspension_reason,
            email_verified_at: row.email_verified_at.map(Time::from_micros),
            verification,
            calls_per_minute: row.calls_per_minute,
            is_test: row.is_test,
        })
    }

    fn leads_to(&self, _needs: &mut Needs) {}

    async fn load(loading: &mut Loading<'_>) -> Result<(), StoreError> {
        let emails = std::mem::take(&mut loading.needs.names.account_emails);
        loading.by::<Self, _>(&[table::Column::Email], emails.iter().cloned()).await?;
        emails.into_iter().for_each(|email| loading.set.names.account_emails.insert_absent(email));
        loading.by_key::<Self>().await
    }
}

impl Stored for ApiKey {
    type Table = key_table::Entity;

    const GROWS: bool = false;

    fn to_row(&self) -> Result<key_table::Model, StoreError> {
        Ok(key_table::Model {
            account_id: self.account_id.uuid(),
            id: self.id.uuid(),
            text_prefix: self.text_prefix.clone(),
            kind: self.kind.as_str().to_owned(),
            display_name: self.display_name.clone(),
            secret_hash: self.secret_hash.to_vec(),
            created_at: self.created_at.micros(),
            expires_at: self.expires_at.map(Time::micros),
            revoked_at: self.revoked_at.map(Time::micros),
            updated_at: self.updated_at.map(Time::micros),
            allowed_networks: words(&self.allowed_networks),
            allowed_origins: words(&self.allowed_origins),
        })
    }

    fn from_row(row: key_table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("api_key", row.id);
        Ok(Self {
            id: ApiKeyId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            kind: name.parse(&row.kind)?,
            display_name: row.display_name,
            text_prefix: row.text_prefix,
            secret_hash: name.hash(row.secret_hash)?,
            created_at: Time::from_micros(row.created_at),
            expires_at: row.expires_at.map(Time::from_micros),
            revoked_at: row.revoked_at.map(Time::from_micros),
            updated_at: row.updated_at.map(Time::from_micros),
            allowed_networks: name.words(row.allowed_networks.as_deref())?,
            allowed_origins: name.words(row.allowed_origins.as_deref())?,
        })
    }

    fn leads_to(&self, _needs: &mut Needs) {}

    async fn load(loading: &mut Loading<'_>) -> Result<(), StoreError> {
        let accounts = std::mem::take(&mut loading.needs.names.managing_keys);
        for account_id in accounts {
            load_managing_keys(loading, account_id).await?;
        }
        loading.by_key::<Self>().await
    }
}

/// Loads the keys that manage an account's keys, see `managing_keys` of the set's names.
async fn load_managing_keys(loading: &mut Loading<'_>, account_id: AccountId) -> Result<(), StoreError> {
    use key_table::{Column, Entity};
    let keys = Entity::find()
        .filter(Column::AccountId.eq(account_id.uuid()))
        .filter(Column::Kind.eq(KeyKind::that_manages(account_id).as_str()))
        .filter(Column::RevokedAt.is_null())
        .limit(MANAGING_KEYS_LOADED);
    // The keys that never expire come first. Two queries, because the databases sort nulls differently and one index serves both.
    let lasting = keys.clone().filter(Column::ExpiresAt.is_null()).into_query();
    let expiring = keys.filter(Column::ExpiresAt.is_not_null()).order_by_desc(Column::ExpiresAt).into_query();
    let mut rows = loading.connection.models::<Entity>(&lasting).await?;
    if (rows.len() as u64) < MANAGING_KEYS_LOADED {
        rows.extend(loading.connection.models::<Entity>(&expiring).await?);
    }
    if (rows.len() as u64) < MANAGING_KEYS_LOADED {
        loading.set.names.managing_keys.insert_absent(account_id);
    }
    for row in rows {
        let key = loading.enter(ApiKey::from_row(row)?);
        loading.set.names.managing_keys.add(account_id, key.id);
    }
    Ok(())
}

/// The account with this id.
///
/// # Errors
/// [`StoreError`].
pub async fn find(store: &Store, id: AccountId) -> Result<Option<Account>, StoreError> {
    let row = table::Entity::find_by_id(id.uuid()).one(store.read()).await?;
    row.map(Account::from_row).transpose()
}

/// The account with this email address in lower case.
///
/// # Errors
/// [`StoreError`].
pub async fn find_by_email(store: &Store, email: &str) -> Result<Option<Account>, StoreError> {
    let row = table::Entity::find().filter(table::Column::Email.eq(email)).one(store.read()).await?;
    row.map(Account::from_row).transpose()
}

/// One page of the accounts of the server. If states are given, only accounts in one of them.
///
/// # Errors
/// [`StoreError`].
pub async fn list(store: &Store, states: &[AccountState], walk: Walk) -> Result<Vec<Account>, StoreError> {
    let has = |state| states.is_empty() || states.contains(&state);
    let wanted = match (has(AccountState::Active), has(AccountState::Suspended)) {
        (true, true) => table::Entity::find(),
        (true, false) => table::Entity::find().filter(table::Column::SuspendedAt.is_null()),
        (false, _) => table::Entity::find().filter(table::Column::SuspendedAt.is_not_null()),
    };
    list::read(walk.cut(wanted, table::Column::Id), store.read()).await
}

/// One page of an account's API keys.
///
/// # Errors
/// [`StoreError`].
pub async fn list_keys(store: &Store, account_id: AccountId, walk: Walk) -> Result<Vec<ApiKey>, StoreError> {
    let query = list::page::<ApiKey>(account_id, walk);
    list::read(query, store.read()).await
}

/// How many API keys an account has.
///
/// # Errors
/// [`StoreError`].
pub async fn count_keys(store: &Store, account_id: AccountId) -> Result<i64, StoreError> {
    let mine = key_table::Entity::find().filter(key_table::Column::AccountId.eq(account_id.uuid()));
    list::count(mine, key_table::Column::Id, store.read()).await
}

/// A key with the state of its account. Only for checking credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The key.
    pub key: Arc<ApiKey>,
    /// Why the account is suspended. `None` if it is not.
    pub suspension: Option<Arc<str>>,
    /// How many calls a minute each key of the account may make; 0 for the server's setting.
    pub calls_per_minute: u32,
}

/// The API key with this public beginning, of any account. Only for checking credentials. Reads on connections of its own, because
/// every call needs its key, however busy the other connections are.
///
/// # Errors
/// [`StoreError`].
pub async fn find_key_by_prefix(store: &Store, text_prefix: &str) -> Result<Option<Credential>, StoreError> {
    let its_account =
        key_table::Entity::belongs_to(table::Entity).from(key_table::Column::AccountId).to(table::Column::Id);
    // One statement, because each call waits for it. The server, which has the operator keys, has no row.
    let query = key_table::Entity::find()
        .join(JoinType::LeftJoin, its_account.into())
        .select_also(table::Entity)
        .filter(key_table::Column::TextPrefix.eq(text_prefix));
    let Some((row, account)) = query.one(&store.keys).await? else { return Ok(None) };
    let key = ApiKey::from_row(row)?;
    let calls_per_minute =
        account.as_ref().map_or(0, |account| account.calls_per_minute.try_into().unwrap_or_default());
    let suspended = account.filter(|account| account.suspended_at.is_some());
    let suspension = suspended.map(|account| account.suspension_reason.into());
    Ok(Some(Credential { key: Arc::new(key), suspension, calls_per_minute }))
}

/// The API key with this id.
///
/// # Errors
/// [`StoreError`].
pub async fn find_key(store: &Store, account_id: AccountId, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
    let row = key_table::Entity::find_by_id((account_id.uuid(), id.uuid())).one(store.read()).await?;
    row.map(ApiKey::from_row).transpose()
}

/// Records when keys were last used. A later use that is recorded already stays. Returns how many uses there were.
///
/// # Errors
/// [`StoreError`].
pub async fn note_uses(
    transaction: &WriteTransaction,
    uses: &[(AccountId, ApiKeyId, Time)],
) -> Result<u64, StoreError> {
    let row = |(account_id, id, used_at): &(AccountId, ApiKeyId, Time)| use_table::Model {
        account_id: account_id.uuid(),
        id: id.uuid(),
        last_used_at: used_at.micros(),
    };
    let mut writes = Writes::default();
    writes.raise::<use_table::Entity>(uses.iter().map(row).collect(), use_table::Column::LastUsedAt)?;
    writes.run(transaction.connection()).await?;
    Ok(uses.len() as u64)
}

/// When these keys were last used. Keys that were not used are left out.
///
/// # Errors
/// [`StoreError`].
pub async fn last_uses(
    store: &Store,
    account_id: AccountId,
    keys: &[ApiKeyId],
) -> Result<HashMap<ApiKeyId, Time>, StoreError> {
    let columns = [use_table::Column::AccountId, use_table::Column::Id];
    let keys = keys.iter().map(|id| (account_id, *id).values());
    let rows = rows_by::<use_table::Entity, _>(store.read(), &columns, keys).await?;
    Ok(rows.into_iter().map(|row| (ApiKeyId::from_uuid(row.id), Time::from_micros(row.last_used_at))).collect())
}

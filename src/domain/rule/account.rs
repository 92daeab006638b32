//! The rules of accounts and API keys.

use std::sync::Arc;

use ipnet::IpNet;

use super::account_email::{self, WantedEmail, ask_to_verify, email_is_free};
use super::context::{Context, Rule};
use super::payout::{needs_of_wake, wake_connected};
use super::payout_schedule;
use crate::domain::account::{Account, ApiKey, KeyKind, RegistrationOutcome};
use crate::domain::calendar::{UTC, ZONES_MAX, ZoneSince};
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, ApiKeyId};
use crate::domain::payout::PayoutPolicy;
use crate::domain::refusal::{Field, Refusal};
use crate::domain::set::Needs;
use crate::domain::time::Time;

/// The default limit of active coupons per affiliate of a new account.
const ACTIVE_COUPONS_DEFAULT: i32 = 100;

/// The parts of a new API key that are generated outside the domain.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// The public beginning of the key's text.
    pub text_prefix: String,
    /// SHA-256 of the key's text.
    pub secret_hash: [u8; 32],
}

/// Register an account and its first admin key.
#[derive(Debug, Clone)]
pub struct RegisterAccount {
    /// The merchant's name.
    pub display_name: String,
    /// The owner's email address in lower case.
    pub email: String,
    /// The name of the time zone of its days.
    pub time_zone: String,
    /// The first admin key.
    pub key: NewApiKey,
    /// The token to mail to the address. `None`: the caller has shown that mail to the address reaches it.
    pub token: Option<String>,
    /// The invitation that is used up.
    pub invitation: Option<ApiKeyId>,
    /// Whether it is for tests.
    pub is_test: bool,
}

impl Rule for RegisterAccount {
    type Answer = Arc<RegistrationOutcome>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.names.account_emails.insert(self.email.clone());
        if let Some(invitation) = self.invitation {
            needs.row::<ApiKey>((account, invitation));
        }
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        email_is_free(context, &self.email, None)?;
        if let Some(invitation) = self.invitation {
            use_up(context, invitation)?;
        }
        let mut account = Account {
            id: AccountId::new(context.ids),
            display_name: self.display_name.clone(),
            email: self.email.clone(),
            max_active_coupons_per_affiliate: ACTIVE_COUPONS_DEFAULT,
            payout_policy: None,
            time_zones: first_zone(&self.time_zone),
            created_at: context.now,
            updated_at: context.now,
            suspended_at: None,
            suspension_reason: String::new(),
            email_verified_at: None,
            verification: None,
            calls_per_minute: 0,
            is_test: self.is_test,
        };
        // The key and the events belong to the new account, not to the server account that the operator's key acts for.
        context.account_id = account.id;
        match &self.token {
            Some(token) => ask_to_verify(context, &mut account, &self.email, token),
            None => account.email_verified_at = Some(context.now),
        }
        let account = context.put(account);
        context.tell(EventKind::AccountRegistered, EventImage::Account(Arc::clone(&account)));
        let key = CreateApiKey::new(KeyKind::Admin, "first key", self.key.clone()).make(context);
        Ok(Arc::new(RegistrationOutcome { account, key }))
    }
}

/// The time zones of a new account. UTC is not written down.
fn first_zone(name: &str) -> Vec<ZoneSince> {
    if name == UTC {
        return Vec::new();
    }
    vec![ZoneSince { name: name.to_owned(), since: Time::from_micros(0) }]
}

/// How much later the days of a changed time zone begin. Events may be told as many minutes before they happen as clocks may differ, and
/// the day of an event that was counted must not change.
const ZONE_CHANGE_DELAY_MICROS: i64 = 60 * 60 * Time::MICROS_PER_SECOND;

/// Changes the time zone of the account's days. A change that has not begun is replaced.
fn change_zone(account: &mut Account, name: &str, now: Time) -> Result<(), Refusal> {
    if account.time_zone() == name {
        return Ok(());
    }
    account.time_zones.retain(|zone| zone.since <= now);
    if account.time_zone() == name {
        return Ok(());
    }
    if account.time_zones.len() >= ZONES_MAX {
        let problem = format!("was changed {ZONES_MAX} times and cannot be changed again");
        return Err(Refusal::InvalidField { field: Field::TimeZone, problem });
    }
    let since = now.plus_micros(ZONE_CHANGE_DELAY_MICROS);
    account.time_zones.push(ZoneSince { name: name.to_owned(), since });
    Ok(())
}

/// Revokes an invitation. The event is in the feed of the operator keys.
fn use_up(context: &mut Context<'_>, invitation: ApiKeyId) -> Result<(), Refusal> {
    let key = context.get::<ApiKey, _>(invitation)?;
    if key.revoked_at.is_some() {
        return Err(Refusal::KeyRevoked { key_id: key.id });
    }
    let key = context.put(ApiKey { revoked_at: Some(context.now), ..key.as_ref().clone() });
    context.tell(EventKind::ApiKeyRevoked, EventImage::ApiKey(key));
    Ok(())
}

/// Change an account. A field that is `None` keeps its value.
#[derive(Debug, Clone, Default)]
pub struct UpdateAccount {
    /// The merchant's name.
    pub display_name: Option<String>,
    /// The owner's email address.
    pub email: Option<WantedEmail>,
    /// How many active coupons one affiliate may have.
    pub max_active_coupons_per_affiliate: Option<i32>,
    /// How it pays affiliates.
    pub payout_policy: Option<PayoutPolicy>,
    /// The name of the time zone of its days.
    pub time_zone: Option<String>,
}

impl Rule for UpdateAccount {
    type Answer = Arc<Account>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Account>(account);
        needs.names.account_emails.extend(self.email.as_ref().map(|wanted| wanted.email.clone()));
        needs.names.payout_schedules_of.extend(self.time_zone.as_ref().map(|_| account));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let mut account = context.set.account(context.account_id)?.as_ref().clone();
        if let Some(display_name) = &self.display_name {
            account.display_name.clone_from(display_name);
        }
        if let Some(wanted) = &self.email {
            account_email::want(context, &mut account, wanted)?;
        }
        if let Some(limit) = self.max_active_coupons_per_affiliate {
            account.max_active_coupons_per_affiliate = limit;
        }
        if let Some(policy) = &self.payout_policy {
            account.payout_policy = (*policy != PayoutPolicy::default()).then(|| policy.clone());
        }
        if let Some(time_zone) = &self.time_zone {
            change_zone(&mut account, time_zone, context.now)?;
        }
        account.updated_at = context.now;
        let account = context.put(account);
        context.tell(EventKind::AccountUpdated, EventImage::Account(Arc::clone(&account)));
        if self.time_zone.is_some() {
            payout_schedule::move_to_zone(context, account.time_zone())?;
        }
        Ok(account)
    }
}

/// Suspend an account. For operators.
#[derive(Debug, Clone)]
pub struct SuspendAccount {
    /// Why.
    pub reason: String,
}

impl Rule for SuspendAccount {
    type Answer = Arc<Account>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Account>(account);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let before = context.set.account(context.account_id)?;
        if before.suspended_at.is_some() && before.suspension_reason == self.reason {
            return Ok(Arc::clone(before));
        }
        let suspended_at = before.suspended_at.or(Some(context.now));
        let account = Account {
            suspended_at,
            suspension_reason: self.reason.clone(),
            updated_at: context.now,
            ..before.as_ref().clone()
        };
        let account = context.put(account);
        context.tell(EventKind::AccountSuspended, EventImage::Account(Arc::clone(&account)));
        Ok(account)
    }
}

/// End the suspension of an account. For operators.
#[derive(Debug, Clone)]
pub struct ResumeAccount {}

impl Rule for ResumeAccount {
    type Answer = Arc<Account>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Account>(account);
        needs_of_wake(account, needs);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let before = context.set.account(context.account_id)?;
        if before.suspended_at.is_none() {
            return Ok(Arc::clone(before));
        }
        let account = Account {
            suspended_at: None,
            suspension_reason: String::new(),
            updated_at: context.now,
            ..before.as_ref().clone()
        };
        let account = context.put(account);
        context.tell(EventKind::AccountResumed, EventImage::Account(Arc::clone(&account)));
        wake_connected(context)?;
        Ok(account)
    }
}

/// Set how many calls a minute each key of an account may make. For operators.
#[derive(Debug, Clone)]
pub struct SetAccountCallLimit {
    /// The number; 0 for that of the server's setting.
    pub calls_per_minute: i32,
}

impl Rule for SetAccountCallLimit {
    type Answer = Arc<Account>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Account>(account);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let before = context.set.account(context.account_id)?;
        if before.calls_per_minute == self.calls_per_minute {
            return Ok(Arc::clone(before));
        }
        let calls_per_minute = self.calls_per_minute;
        let account = Account { calls_per_minute, updated_at: context.now, ..before.as_ref().clone() };
        let account = context.put(account);
        context.tell(EventKind::AccountUpdated, EventImage::Account(Arc::clone(&account)));
        Ok(account)
    }
}

/// Make an API key.
#[derive(Debug, Clone)]
pub struct CreateApiKey {
    /// The kind of key to make.
    pub kind: KeyKind,
    /// The merchant's name for the key.
    pub display_name: String,
    /// When the key stops working; `None` for never.
    pub expires_at: Option<Time>,
    /// The networks that the key works from; empty for all.
    pub allowed_networks: Vec<IpNet>,
    /// The origins that a publishable key works on; empty for all.
    pub allowed_origins: Vec<String>,
    /// The generated parts of the key.
    pub key: NewApiKey,
}

impl Rule for CreateApiKey {
    type Answer = Arc<ApiKey>;

    fn needs(&self, _account: AccountId, _needs: &mut Needs) {}

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        Ok(self.make(context))
    }
}

impl CreateApiKey {
    /// A key that never expires and works from everywhere.
    pub fn new(kind: KeyKind, display_name: impl Into<String>, key: NewApiKey) -> Self {
        let display_name = display_name.into();
        Self { kind, display_name, expires_at: None, allowed_networks: Vec::new(), allowed_origins: Vec::new(), key }
    }

    fn make(&self, context: &mut Context<'_>) -> Arc<ApiKey> {
        let key = ApiKey {
            id: ApiKeyId::new(context.ids),
            account_id: context.account_id,
            kind: self.kind,
            display_name: self.display_name.clone(),
            text_prefix: self.key.text_prefix.clone(),
            secret_hash: self.key.secret_hash,
            created_at: context.now,
            expires_at: self.expires_at,
            revoked_at: None,
            updated_at: None,
            allowed_networks: self.allowed_networks.clone(),
            allowed_origins: self.allowed_origins.clone(),
        };
        let key = context.put(key);
        context.tell(EventKind::ApiKeyCreated, EventImage::ApiKey(Arc::clone(&key)));
        key
    }
}

/// Change an API key. A field that is `None` keeps its value.
#[derive(Debug, Clone)]
pub struct UpdateApiKey {
    /// The key to change.
    pub id: ApiKeyId,
    /// The merchant's name for the key.
    pub display_name: Option<String>,
    /// When the key stops working, or never.
    pub expires_at: Option<Option<Time>>,
    /// The networks that the key works from; empty for all.
    pub allowed_networks: Option<Vec<IpNet>>,
    /// The origins that a publishable key works on; empty for all.
    pub allowed_origins: Option<Vec<String>>,
    /// Whether the last key that manages keys may expire.
    pub allow_lockout: bool,
}

impl Rule for UpdateApiKey {
    type Answer = Arc<ApiKey>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<ApiKey>((account, self.id));
        if self.expires_at.is_some() {
            needs.names.managing_keys.insert(account);
        }
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let before = context.get::<ApiKey, _>(self.id)?;
        if before.revoked_at.is_some() {
            return Err(Refusal::KeyRevoked { key_id: before.id });
        }
        let mut key = before.as_ref().clone();
        if let Some(Some(ends_at)) = self.expires_at
            && manages_keys(&key, context.now)
            && key.expires_at.is_none_or(|before| ends_at < before)
            && !self.allow_lockout
            && !context.set.has_other_managing_key(&key, ends_at)?
        {
            return Err(Refusal::LastKey { kind: key.kind });
        }
        if let Some(display_name) = &self.display_name {
            key.display_name.clone_from(display_name);
        }
        if let Some(expires_at) = self.expires_at {
            key.expires_at = expires_at;
        }
        if let Some(networks) = &self.allowed_networks {
            key.allowed_networks.clone_from(networks);
        }
        if let Some(origins) = &self.allowed_origins {
            if key.kind != KeyKind::Publishable && !origins.is_empty() {
                let problem = "only a publishable key has origins; leave them out".to_owned();
                return Err(Refusal::InvalidField { field: Field::AllowedOrigins, problem });
            }
            key.allowed_origins.clone_from(origins);
        }
        key.updated_at = Some(context.now);
        let key = context.put(key);
        context.tell(EventKind::ApiKeyUpdated, EventImage::ApiKey(Arc::clone(&key)));
        Ok(key)
    }
}

/// Whether the key is one of those that manage the account's keys, and works.
fn manages_keys(key: &ApiKey, now: Time) -> bool {
    key.kind == KeyKind::that_manages(key.account_id) && key.is_valid(now)
}

/// Revoke an API key. The last key that works of those that manage the account's keys is not revoked by mistake, because nobody
/// could then create another.
#[derive(Debug, Clone)]
pub struct RevokeApiKey {
    /// The key to revoke.
    pub id: ApiKeyId,
    /// Whether the last key that manages keys may be revoked.
    pub allow_lockout: bool,
}

impl Rule for RevokeApiKey {
    type Answer = Arc<ApiKey>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<ApiKey>((account, self.id));
        needs.names.managing_keys.insert(account);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let key = context.get::<ApiKey, _>(self.id)?;
        if key.revoked_at.is_some() {
            return Ok(Arc::clone(key));
        }
        if manages_keys(key, context.now)
            && !self.allow_lockout
            && !context.set.has_other_managing_key(key, context.now)?
        {
            return Err(Refusal::LastKey { kind: key.kind });
        }
        let key = ApiKey { revoked_at: Some(context.now), ..key.as_ref().clone() };
        let key = context.put(key);
        context.tell(EventKind::ApiKeyRevoked, EventImage::ApiKey(Arc::clone(&key)));
        Ok(key)
    }
}

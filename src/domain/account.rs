//! Accounts and API keys: who the merchant is, and what may act for it.
//! Knows nothing of how a key's text is made or checked: that is `auth.rs`.

use super::command::Outcome;
use super::decide::{About, Context};
use super::event::EventType;
use super::id::{AccountId, ApiKeyId};
use super::refusal::{Refusal, Resource};
use super::text_enum::text_enum;
use super::time::Time;
use super::working_set::Changes;

/// A merchant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The merchant's name.
    pub display_name: String,
    /// The owner's email address in lower case, unique on the server.
    pub email: String,
    /// How many active coupons one affiliate may have.
    pub max_active_coupons_per_affiliate: i32,
    /// When it was registered.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
}

text_enum! {
    /// What a key may do; `auth.rs` has the table of methods.
    KeyKind {
        /// Registers accounts.
        Operator = "operator",
        /// Everything inside the account but moving money out.
        Admin = "admin",
        /// Records events.
        Tracking = "tracking",
        /// Reads.
        Read = "read",
        /// Reads rewards, balances and the ledger.
        Payout = "payout",
        /// Records clicks.
        Publishable = "publishable",
    }
}

/// An API key. Its text is known to its holder alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// The account it acts for; [`AccountId::SERVER`] for operator keys.
    pub account_id: AccountId,
    /// What it may do.
    pub kind: KeyKind,
    /// The merchant's name for it.
    pub display_name: String,
    /// The public beginning of its text, by which it is looked up; unique on the server.
    pub prefix: String,
    /// SHA-256 of its text. Left out of what is kept for repeated requests.
    pub secret_hash: [u8; 32],
    /// When it was made.
    pub created_at: Time,
    /// When it stops working.
    pub expires_at: Option<Time>,
    /// When it was revoked.
    pub revoked_at: Option<Time>,
}

impl ApiKey {
    /// Whether it works at this time.
    pub fn is_valid(&self, now: Time) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

/// The parts of a new API key that are drawn outside the domain.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// The public beginning of its text.
    pub prefix: String,
    /// SHA-256 of its text.
    pub secret_hash: [u8; 32],
}

/// Register an account and its first admin key.
#[derive(Debug, Clone)]
pub struct RegisterAccount {
    /// The merchant's name.
    pub display_name: String,
    /// The owner's email address in lower case.
    pub email: String,
    /// The first admin key.
    pub key: NewApiKey,
}

/// Change an account. Fields that are not set stay.
#[derive(Debug, Clone)]
pub struct UpdateAccount {
    /// The merchant's name.
    pub display_name: Option<String>,
    /// The owner's email address in lower case.
    pub email: Option<String>,
    /// How many active coupons one affiliate may have.
    pub max_active_coupons_per_affiliate: Option<i32>,
}

/// Make an API key.
#[derive(Debug, Clone)]
pub struct CreateApiKey {
    /// What it may do.
    pub kind: KeyKind,
    /// The merchant's name for it.
    pub display_name: String,
    /// When it stops working.
    pub expires_at: Option<Time>,
    /// Its text's parts.
    pub key: NewApiKey,
}

/// Revoke an API key.
#[derive(Debug, Clone)]
pub struct RevokeApiKey {
    /// Which key.
    pub id: ApiKeyId,
}

/// How many active coupons one affiliate of a new account may have.
const ACTIVE_COUPONS_DEFAULT: i32 = 100;

fn email_is_free(context: &Context<'_>, email: &str, own: Option<AccountId>) -> Result<(), Refusal> {
    match context.set.account_with_email(email)? {
        Some(other) if Some(other) != own => Err(Refusal::AlreadyExists {
            field: "email",
            value: email.to_owned(),
            resource: Resource::Account,
            // The other account is not the caller's to know.
            resource_id: String::new(),
        }),
        _ => Ok(()),
    }
}

fn new_key(
    context: &mut Context<'_>,
    account_id: AccountId,
    kind: KeyKind,
    display_name: &str,
    expires_at: Option<Time>,
    key: &NewApiKey,
) -> ApiKey {
    ApiKey {
        id: ApiKeyId::new(context.ids),
        account_id,
        kind,
        display_name: display_name.to_owned(),
        prefix: key.prefix.clone(),
        secret_hash: key.secret_hash,
        created_at: context.now,
        expires_at,
        revoked_at: None,
    }
}

pub(super) fn register(context: &mut Context<'_>, command: &RegisterAccount) -> Result<(Outcome, Changes), Refusal> {
    email_is_free(context, &command.email, None)?;
    let account = Account {
        id: AccountId::new(context.ids),
        display_name: command.display_name.clone(),
        email: command.email.clone(),
        max_active_coupons_per_affiliate: ACTIVE_COUPONS_DEFAULT,
        created_at: context.now,
        updated_at: context.now,
    };
    let key = new_key(context, account.id, KeyKind::Admin, "first key", None, &command.key);
    // The events belong to the new account's feed, not to the server that the operator's key acts for.
    context.account_id = account.id;
    let events = vec![
        context.event(EventType::AccountRegistered, About::subject(account.id)),
        context.event(EventType::ApiKeyCreated, About::subject(key.id)),
    ];
    let changes =
        Changes { accounts: vec![account.clone()], api_keys: vec![key.clone()], events, ..Changes::default() };
    Ok((Outcome::Registered { account: Box::new(account), key: Box::new(key) }, changes))
}

pub(super) fn update(context: &mut Context<'_>, command: &UpdateAccount) -> Result<(Outcome, Changes), Refusal> {
    let mut account = context.set.account(context.account_id)?.clone();
    if let Some(email) = &command.email {
        email_is_free(context, email, Some(account.id))?;
        account.email.clone_from(email);
    }
    if let Some(display_name) = &command.display_name {
        account.display_name.clone_from(display_name);
    }
    if let Some(limit) = command.max_active_coupons_per_affiliate {
        account.max_active_coupons_per_affiliate = limit;
    }
    account.updated_at = context.now;
    let events = vec![context.event(EventType::AccountUpdated, About::subject(account.id))];
    let changes = Changes { accounts: vec![account.clone()], events, ..Changes::default() };
    Ok((Outcome::Account(Box::new(account)), changes))
}

pub(super) fn create_key(context: &mut Context<'_>, command: &CreateApiKey) -> Result<(Outcome, Changes), Refusal> {
    let account_id = context.account_id;
    let key = new_key(context, account_id, command.kind, &command.display_name, command.expires_at, &command.key);
    let events = vec![context.event(EventType::ApiKeyCreated, About::subject(key.id))];
    let changes = Changes { api_keys: vec![key.clone()], events, ..Changes::default() };
    Ok((Outcome::ApiKey(Box::new(key)), changes))
}

pub(super) fn revoke_key(context: &mut Context<'_>, command: &RevokeApiKey) -> Result<(Outcome, Changes), Refusal> {
    let mut key = context.set.api_key(context.account_id, command.id)?.clone();
    if key.revoked_at.is_some() {
        return Ok((Outcome::ApiKey(Box::new(key)), Changes::default()));
    }
    key.revoked_at = Some(context.now);
    let events = vec![context.event(EventType::ApiKeyRevoked, About::subject(key.id))];
    let changes = Changes { api_keys: vec![key.clone()], events, ..Changes::default() };
    Ok((Outcome::ApiKey(Box::new(key)), changes))
}

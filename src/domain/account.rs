//! Accounts (merchants) and the API keys that act for them.
//! Does not know how a key's text is made or checked: that is `auth.rs`.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::calendar::{Calendar, UTC, ZoneSince};
use super::id::{AccountId, ApiKeyId};
use super::payout::PayoutPolicy;
use super::text_enum::text_enum;
use super::time::Time;

/// A merchant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Account {
    pub id: AccountId,
    pub display_name: String,
    /// The owner's email address in lower case, unique on the server.
    pub email: String,
    /// How many active coupons one affiliate may have.
    pub max_active_coupons_per_affiliate: i32,
    /// How it pays affiliates. `None`: what is approved is due at once, and nobody needs to approve payouts.
    pub payout_policy: Option<PayoutPolicy>,
    /// The time zones of the account's days, in the order of their times. Before the first one it is UTC.
    pub time_zones: Vec<ZoneSince>,
    pub created_at: Time,
    pub updated_at: Time,
    /// `None`: the account is active.
    pub suspended_at: Option<Time>,
    /// Why the account is suspended. Empty for an active account.
    pub suspension_reason: String,
    /// `None`: the address was not verified.
    pub email_verified_at: Option<Time>,
    /// The token that was mailed to an address: the account's own, or the one that it will have once it is verified. Left out of the answers
    /// that are stored for repeated requests.
    pub verification: Option<Verification>,
    /// How many calls a minute each key of the account may make. 0: as many as the server's setting says.
    pub calls_per_minute: i32,
    /// Whether it is for tests: its payouts go to the providers' sandboxes. Never changes.
    pub is_test: bool,
}

/// A token that verifies an email address. Only the mail has its text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Verification {
    /// The address, in lower case.
    pub email: String,
    /// SHA-256 of the token's text.
    pub token_hash: [u8; 32],
    pub expires_at: Time,
}

impl Account {
    /// Whether the account may change anything.
    pub fn state(&self) -> AccountState {
        if self.suspended_at.is_some() { AccountState::Suspended } else { AccountState::Active }
    }

    /// The address that the account gets once it is verified. Empty if it has no other one to verify.
    pub fn pending_email(&self) -> &str {
        let other = self.verification.as_ref().map(|verification| verification.email.as_str());
        other.filter(|email| *email != self.email).unwrap_or_default()
    }
}

text_enum! {
    /// Whether an account may change anything.
    AccountState {
        /// It may do everything.
        Active = "active",
        /// It may only read.
        Suspended = "suspended",
    }
}

impl Account {
    /// The days of the account. They are UTC's if this program does not know its time zones.
    pub fn calendar(&self) -> Calendar {
        Calendar::new(&self.time_zones).unwrap_or_default()
    }

    /// The name of the time zone that was set last.
    pub fn time_zone(&self) -> &str {
        self.time_zones.last().map_or(UTC, |zone| &zone.name)
    }
}

/// The identifiers by which an operator may name an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountSelector {
    /// Headwater's id.
    Id(AccountId),
    /// The owner's email address in lower case.
    Email(String),
}

impl std::fmt::Display for AccountSelector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => id.fmt(formatter),
            Self::Email(email) => formatter.write_str(email),
        }
    }
}

text_enum! {
    /// The kind of a key decides which methods it may call; `rpc/service/` lists them.
    KeyKind {
        /// Registers accounts, makes admin keys for them, and manages operator keys.
        ServerOperator = "server_operator",
        /// Does everything inside the account, except moving money out.
        Admin = "admin",
        /// Records events.
        Tracking = "tracking",
        /// Reads.
        Read = "read",
        /// Reads rewards, balances and the ledger.
        Payout = "payout",
        /// Records clicks.
        Publishable = "publishable",
        /// Registers one account.
        Invitation = "invitation",
    }
}

impl KeyKind {
    /// Whether keys of this kind belong to the server and not to an account.
    pub fn is_of_server(self) -> bool {
        matches!(self, Self::ServerOperator | Self::Invitation)
    }

    /// The kind of the keys that create and revoke the keys of this account. Without one that works, nobody can.
    pub fn that_manages(account_id: AccountId) -> Self {
        if account_id == AccountId::SERVER { Self::ServerOperator } else { Self::Admin }
    }
}

/// An API key. Only its holder knows its text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct ApiKey {
    pub id: ApiKeyId,
    /// The account that the key acts for; [`AccountId::SERVER`] for operator keys.
    pub account_id: AccountId,
    pub kind: KeyKind,
    /// The merchant's name for the key.
    pub display_name: String,
    /// The public beginning of the key's text, used to look the key up. Unique on the server.
    pub text_prefix: String,
    /// SHA-256 of the key's text. Left out of the answers that are stored for repeated requests.
    pub secret_hash: [u8; 32],
    pub created_at: Time,
    /// `None`: the key never expires.
    pub expires_at: Option<Time>,
    pub revoked_at: Option<Time>,
    /// `None`: the key was never changed.
    pub updated_at: Option<Time>,
    /// Empty: the key works from everywhere.
    pub allowed_networks: Vec<IpNet>,
    /// The origins that a publishable key works on, as browsers send them. Empty: it works on all.
    pub allowed_origins: Vec<String>,
}

impl ApiKey {
    /// Whether the key works at this time: it is neither revoked nor expired.
    pub fn is_valid(&self, now: Time) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires_at| now < expires_at)
    }

    /// Whether the key works from this address. A caller without a known address is let in only if the key works from everywhere.
    pub fn admits(&self, address: Option<IpAddr>) -> bool {
        self.allowed_networks.is_empty()
            || address.is_some_and(|address| self.allowed_networks.iter().any(|network| network.contains(&address)))
    }

    /// Whether the key works on a page of this origin. Two spellings of an origin that differ in case are one.
    pub fn admits_origin(&self, origin: Option<&str>) -> bool {
        self.allowed_origins.is_empty()
            || origin.is_some_and(|origin| self.allowed_origins.iter().any(|own| own.eq_ignore_ascii_case(origin)))
    }

    /// When the row last changed.
    pub fn changed_at(&self) -> Time {
        self.created_at.max(self.updated_at.unwrap_or(self.created_at)).max(self.revoked_at.unwrap_or(self.created_at))
    }
}

/// The answer of RegisterAccount.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct RegistrationOutcome {
    pub account: Arc<Account>,
    /// The account's first admin key.
    pub key: Arc<ApiKey>,
}

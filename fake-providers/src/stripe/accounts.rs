//! Connected accounts, and the links by which their owners give what Stripe asks for.

use serde_json::{Value, json};

use super::{Call, Stripe, errors};
use crate::exchange::Answer;
use crate::world::Common;

const LINK_MS: i64 = 5 * 60_000;

/// An account that gets money.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) platform: String,
    pub(super) created_ms: i64,
    pub(super) country: String,
    pub(super) email: Value,
    pub(super) metadata: Value,
    pub(super) payouts_enabled: bool,
    /// `active`, `inactive` or `pending`.
    pub(super) transfers: String,
    pub(super) currently_due: Vec<String>,
    pub(super) past_due: Vec<String>,
    pub(super) pending_verification: Vec<String>,
    pub(super) disabled_reason: Option<String>,
}

/// A link that one visit uses up.
#[derive(Debug)]
pub(super) struct Link {
    account: String,
    return_url: String,
    refresh_url: String,
    until_ms: i64,
    is_used: bool,
}

impl Account {
    pub(super) fn json(&self, id: &str) -> Value {
        json!({
            "id": id, "object": "account", "type": "express", "country": self.country, "email": self.email,
            "created": self.created_ms / 1000, "metadata": self.metadata, "charges_enabled": false,
            "details_submitted": self.currently_due.is_empty(), "payouts_enabled": self.payouts_enabled,
            "capabilities": {"transfers": self.transfers},
            "requirements": {
                "currently_due": self.currently_due, "past_due": self.past_due, "eventually_due": self.currently_due,
                "pending_verification": self.pending_verification, "disabled_reason": self.disabled_reason,
                "current_deadline": null, "errors": [],
            },
        })
    }

    /// All that was asked for is there.
    pub(super) fn complete(&mut self) {
        self.payouts_enabled = true;
        "active".clone_into(&mut self.transfers);
        self.currently_due.clear();
        self.past_due.clear();
        self.pending_verification.clear();
        self.disabled_reason = None;
    }
}

impl Stripe {
    pub(super) fn create_account(&mut self, common: &mut Common, call: &Call<'_>) -> Result<Answer, errors::Refusal> {
        let id = common.ids.prefixed("acct");
        let account = Account {
            platform: call.platform.clone(),
            created_ms: common.clock.now_ms(),
            country: call.text("country").unwrap_or("US").to_owned(),
            email: call.fields["email"].clone(),
            metadata: call.metadata(),
            payouts_enabled: false,
            transfers: "inactive".to_owned(),
            currently_due: vec!["external_account".to_owned(), "tos_acceptance.date".to_owned()],
            past_due: Vec::new(),
            pending_verification: Vec::new(),
            disabled_reason: Some("requirements.past_due".to_owned()),
        };
        let answer = Answer::json(200, &account.json(&id));
        self.accounts.insert(id, account);
        Ok(answer)
    }

    /// The account, if it is the platform's.
    pub(super) fn own_account(&self, platform: &str, id: &str) -> Result<&Account, errors::Refusal> {
        let found = self.accounts.get(id).filter(|account| account.platform == platform);
        found.ok_or_else(|| errors::no_account(id))
    }

    pub(super) fn read_account(&self, call: &Call<'_>, id: &str) -> Result<Answer, errors::Refusal> {
        Ok(Answer::json(200, &self.own_account(&call.platform, id)?.json(id)))
    }

    pub(super) fn create_link(&mut self, common: &mut Common, call: &Call<'_>) -> Result<Answer, errors::Refusal> {
        let field = |name: &str| call.text(name).map(str::to_owned).ok_or_else(|| errors::no_field(name));
        let (account, kind) = (field("account")?, field("type")?);
        let (refresh_url, return_url) = (field("refresh_url")?, field("return_url")?);
        self.own_account(&call.platform, &account)?;
        if !["account_onboarding", "account_update"].contains(&kind.as_str()) {
            return Err(errors::invalid("Invalid type", Some("type")));
        }
        let now = common.clock.now_ms();
        let secret = common.ids.prefixed("link");
        let until_ms = now.saturating_add(LINK_MS);
        let body = json!({
            "object": "account_link", "created": now / 1000, "expires_at": until_ms / 1000,
            "url": format!("{}/onboard/{secret}", call.request.base),
        });
        self.links.insert(secret, Link { account, return_url, refresh_url, until_ms, is_used: false });
        Ok(Answer::json(200, &body))
    }

    /// The visit of a link: the account is complete then. A link that is used or old leads to where a new one is made.
    pub(super) fn onboard(&mut self, common: &mut Common, secret: &str) -> Answer {
        let now = common.clock.now_ms();
        let Some(link) = self.links.get_mut(secret) else { return Answer::empty(404) };
        if link.is_used || link.until_ms <= now {
            return Answer::empty(303).with_header("location", link.refresh_url.clone());
        }
        link.is_used = true;
        let (account, return_url) = (link.account.clone(), link.return_url.clone());
        if let Some(account) = self.accounts.get_mut(&account) {
            account.complete();
        }
        self.tell_account(common, &account);
        Answer::empty(303).with_header("location", return_url)
    }

    pub(super) fn tell_account(&self, common: &mut Common, id: &str) {
        if let Some(account) = self.accounts.get(id) {
            self.tell(common, &account.platform, "account.updated", &account.json(id), Some(id));
        }
    }
}

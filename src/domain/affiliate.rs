//! Affiliates: people and companies that refer customers.

use std::collections::BTreeMap;
use std::sync::Arc;

pub use super::affiliate_state::AffiliateState;
use super::coupon::Coupon;
use super::enrollment::EnrollmentWithLanding;
use super::id::{AccountId, AffiliateGroupId, AffiliateId};
use super::invoice_tax::InvoiceTax;
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// What becomes of the pending rewards of an affiliate that is deactivated.
    PendingRewards {
        /// They stay pending.
        Keep = "keep",
        /// They are denied.
        Deny = "deny",
        /// They are held.
        Hold = "hold",
    }
}

/// Contact details and online profiles of an affiliate, and what the merchant adds. Unknown texts are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Profile {
    pub company: String,
    pub address: PostalAddress,
    pub phone: String,
    pub website_url: String,
    pub avatar_url: String,
    /// Free text.
    pub about: String,
    /// Pages or user names in social networks, by the name of the network.
    pub social_profiles: BTreeMap<String, String>,
    /// The address of the affiliate's PayPal account.
    pub paypal_email: String,
    pub custom_fields: Vec<CustomField>,
    /// What the affiliate's invoices say of tax. `None`: nothing.
    pub invoice_tax: Option<InvoiceTax>,
    /// The merchant's own texts by key. They are in events too.
    pub metadata: BTreeMap<String, String>,
}

/// A field of the merchant's own. Each key occurs once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct CustomField {
    pub key: String,
    /// The field's name for people.
    pub label: String,
    pub value: String,
}

/// A postal address. Unknown texts are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct PostalAddress {
    /// Street and number.
    pub street: String,
    pub city: String,
    /// State, province or other region.
    pub region: String,
    pub postal_code: String,
    /// ISO 3166-1 two-letter country code.
    pub country_code: String,
}

/// How many levels of affiliates there may be above one.
pub const UPLINE_LEVELS_MAX: usize = 100;

/// The upline of an affiliate until a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct PastUpline {
    /// `None`: nobody.
    pub affiliate_id: Option<AffiliateId>,
    pub ended_at: Time,
}

impl PastUpline {
    /// How many past uplines are kept. When there are more, the oldest one is dropped.
    pub const KEPT_MAX: usize = 100;
}

/// The email address that an affiliate had until a change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct FormerEmail {
    pub email: String,
    pub changed_at: Time,
}

impl FormerEmail {
    /// For how many days notices about money go to the former address too: as long as a change of a payout method can wait.
    const COUNTS_DAYS: i32 = 30;

    /// Whether notices about money still go there.
    pub fn counts_at(&self, now: Time) -> bool {
        now < self.changed_at.plus_days(Self::COUNTS_DAYS)
    }
}

/// The hash of a password, in the PHC form. It is not shown, because weak passwords can be guessed from it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// A hash in the PHC form.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The PHC form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PasswordHash(_)")
    }
}

/// The password of an affiliate.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Password {
    pub hash: PasswordHash,
    /// Whether the affiliate must choose another one.
    pub is_temporary: bool,
}

/// A person or company that refers customers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Affiliate {
    pub id: AffiliateId,
    pub account_id: AccountId,
    /// The merchant's own id for the affiliate, unique in the account.
    pub external_id: Option<String>,
    /// The email address in lower case, unique in the account. Empty if it is not known.
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub profile: Profile,
    /// SHA-256 of the affiliate's own token. Left out of the answers that are stored for repeated requests.
    pub token_hash: [u8; 32],
    /// Left out of the answers that are stored for repeated requests.
    pub password: Option<Password>,
    pub state: AffiliateState,
    /// Why the affiliate was rejected or deactivated.
    pub state_reason: String,
    /// When the state last changed. `None`: never.
    pub state_changed_at: Option<Time>,
    /// What was said about the pending rewards at the deactivation. Set only while the affiliate is inactive.
    pub pending_rewards: Option<PendingRewards>,
    /// Whether the email address is known to be the affiliate's.
    pub email_verified: bool,
    /// The address before the present one, or an earlier one if it changed again soon. Left out of the answers that are stored for repeated
    /// requests.
    pub former_email: Option<FormerEmail>,
    /// Who brought the affiliate. `None`: nobody.
    pub upline_id: Option<AffiliateId>,
    /// The group that the affiliate is in.
    pub group_id: Option<AffiliateGroupId>,
    /// The uplines before the present one, earliest first. Left out of the answers that are stored for repeated requests.
    pub past_uplines: Vec<PastUpline>,
    /// Whether it is still to be welcomed by a mail, when it becomes active. Left out of the answers that are stored for repeated requests.
    pub awaits_welcome: bool,
    /// Grows with every change. Shown as the etag.
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

impl Affiliate {
    /// Gives the affiliate another upline, and keeps the one that it had.
    pub fn set_upline(&mut self, upline_id: Option<AffiliateId>, changed_at: Time) {
        self.past_uplines.push(PastUpline { affiliate_id: self.upline_id, ended_at: changed_at });
        if self.past_uplines.len() > PastUpline::KEPT_MAX {
            self.past_uplines.remove(0);
        }
        self.upline_id = upline_id;
    }

    /// Gives the affiliate another email address, and keeps the one that it had.
    pub fn set_email(&mut self, email: &str, now: Time) {
        if self.email == email {
            return;
        }
        let former = std::mem::replace(&mut self.email, email.to_owned());
        self.email_verified = false;
        // The earliest address of the last days is the one that somebody else has not changed.
        let counts = self.former_email.as_ref().is_some_and(|former| former.counts_at(now));
        if !counts && !former.is_empty() {
            self.former_email = Some(FormerEmail { email: former, changed_at: now });
        }
    }

    /// The affiliate's upline at a time.
    pub fn upline_at(&self, time: Time) -> Option<AffiliateId> {
        let past = self.past_uplines.iter().find(|past| time < past.ended_at);
        past.map_or(self.upline_id, |past| past.affiliate_id)
    }

    /// The etag. It is different after every change of the affiliate.
    pub fn etag(&self) -> String {
        format!("v{}", self.version)
    }

    /// Whether the affiliate must choose another password.
    pub fn must_change_password(&self) -> bool {
        self.password.as_ref().is_some_and(|password| password.is_temporary)
    }

    /// The affiliate as it is kept in answers, so that none of its data is left there when it is erased.
    pub fn without_personal_data(&self) -> Self {
        let affiliate = self.with_personal_data(None, "", ["", ""], &Profile::default(), "");
        Self { password: None, former_email: None, ..affiliate }
    }

    /// The affiliate of an answer that was kept without personal data, with the data that the affiliate has now.
    pub fn with_data_of(&self, now: &Self) -> Self {
        let names = [now.first_name.as_str(), &now.last_name];
        let past_uplines = now.past_uplines.clone();
        let external_id = now.external_id.as_deref();
        let affiliate = self.with_personal_data(external_id, &now.email, names, &now.profile, &now.state_reason);
        let (password, former_email) = (now.password.clone(), now.former_email.clone());
        Self { password, former_email, past_uplines, ..affiliate }
    }

    fn with_personal_data(
        &self,
        external_id: Option<&str>,
        email: &str,
        [first_name, last_name]: [&str; 2],
        profile: &Profile,
        state_reason: &str,
    ) -> Self {
        Self {
            external_id: external_id.map(str::to_owned),
            email: email.to_owned(),
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
            profile: profile.clone(),
            state_reason: state_reason.to_owned(),
            ..self.clone()
        }
    }
}

/// The identifiers by which an affiliate may be named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AffiliateSelector {
    /// Headwater's id.
    Id(AffiliateId),
    /// The merchant's own id.
    ExternalId(String),
    /// The email address in lower case.
    Email(String),
    /// The ref_id of one of the affiliate's enrollments, in lower case.
    RefId(String),
    /// SHA-256 of the affiliate's own token.
    TokenHash([u8; 32]),
}

impl std::fmt::Display for AffiliateSelector {
    /// The identifier as it was sent. A token is not shown.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => id.fmt(formatter),
            Self::ExternalId(text) | Self::Email(text) | Self::RefId(text) => formatter.write_str(text),
            Self::TokenHash(_) => formatter.write_str("with this auth_token"),
        }
    }
}

/// The answer of CreateAffiliate.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct AffiliateOutcome {
    pub affiliate: Arc<Affiliate>,
    pub enrollment: EnrollmentWithLanding,
    pub coupon: Option<Arc<Coupon>>,
}

impl AffiliateOutcome {
    /// See [`Affiliate::without_personal_data`].
    pub fn without_personal_data(&self) -> Self {
        Self {
            affiliate: Arc::new(self.affiliate.without_personal_data()),
            enrollment: self.enrollment.without_personal_data(),
            coupon: self.coupon.as_ref().map(|coupon| Arc::new(coupon.without_personal_data())),
        }
    }
}

//! Leads: the people and customers of the merchant, and the affiliate each is bound to.

use super::conversion::ConversionOutcome;
use super::id::{AccountId, AffiliateId, ConversionId, EnrollmentId, LeadId, ProgramId};
use super::money::Money;
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// The state of a lead.
    LeadState {
        /// Left an address.
        Subscribed = "subscribed",
        /// Signed up.
        Signup = "signup",
        /// Has bought.
        Active = "active",
        /// Has cancelled.
        Cancelled = "cancelled",
    }
}

/// The affiliate that a lead is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The enrollment.
    pub enrollment_id: EnrollmentId,
    /// The affiliate.
    pub affiliate_id: AffiliateId,
    /// The program.
    pub program_id: ProgramId,
    /// Since when.
    pub bound_at: Time,
}

/// A person or customer of the merchant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    /// Its id.
    pub id: LeadId,
    /// Whose it is.
    pub account_id: AccountId,
    /// The email address in lower case, unique in the account.
    pub email: Option<String>,
    /// The merchant's own id, unique in the account.
    pub uid: Option<String>,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Its state.
    pub state: LeadState,
    /// Whom it is bound to.
    pub binding: Option<Binding>,
    /// The plan of the last sale that named one.
    pub plan: String,
    /// Its monthly recurring revenue.
    pub mrr: Option<Money>,
    /// When it first bought.
    pub customer_since: Option<Time>,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
}

/// How a request names a customer: by the merchant's own id, by email, or both. The uid is the stronger name, since an email
/// may change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Customer {
    /// The merchant's own id.
    pub uid: Option<String>,
    /// The email address in lower case.
    pub email: Option<String>,
}

/// The identifiers that a lead is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeadSelector {
    /// Headwater's id.
    Id(LeadId),
    /// The merchant's own id.
    Uid(String),
    /// The email address in lower case.
    Email(String),
}

impl std::fmt::Display for LeadSelector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => id.fmt(formatter),
            Self::Uid(text) | Self::Email(text) => formatter.write_str(text),
        }
    }
}

/// A sale that nobody referred, kept so that it can be priced if its lead arrives inside the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmatchedSale {
    /// Whose it is.
    pub account_id: AccountId,
    /// The sale.
    pub conversion_id: ConversionId,
    /// The customer's email address in lower case.
    pub email: Option<String>,
    /// The merchant's own id for the customer.
    pub uid: Option<String>,
    /// When the sale happened.
    pub occurred_at: Time,
}

/// What RecordLead answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeadOutcome {
    /// The lead.
    pub lead_id: LeadId,
    /// The affiliate it is bound to; none when nobody referred it.
    pub affiliate_id: Option<AffiliateId>,
    /// The conversion as it is kept, referred or not; none for a lead that was bound before.
    pub conversion_id: Option<ConversionId>,
}

/// What RecordCancellation answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancellationOutcome {
    /// The lead.
    pub lead_id: LeadId,
    /// Whether the lead is bound to an affiliate.
    pub outcome: ConversionOutcome,
    /// The cancellation as it is kept, referred or not.
    pub conversion_id: ConversionId,
}

impl Customer {
    /// Whether the request names nobody.
    pub fn is_unnamed(&self) -> bool {
        self.uid.is_none() && self.email.is_none()
    }

    /// The names to look the customer up by, the stronger first.
    pub fn selectors(&self) -> Vec<LeadSelector> {
        let uid = self.uid.clone().map(LeadSelector::Uid);
        let email = self.email.clone().map(LeadSelector::Email);
        uid.into_iter().chain(email).collect()
    }
}

impl UnmatchedSale {
    /// The merchant's names for the customer.
    pub fn selectors(&self) -> Vec<LeadSelector> {
        Customer { uid: self.uid.clone(), email: self.email.clone() }.selectors()
    }
}

impl Lead {
    /// The merchant's names for the lead.
    pub fn selectors(&self) -> Vec<LeadSelector> {
        Customer { uid: self.uid.clone(), email: self.email.clone() }.selectors()
    }
}

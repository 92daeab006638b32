//! Affiliates: people and companies that refer customers.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::coupon::Coupon;
use super::enrollment::EnrollmentWithLanding;
use super::id::{AccountId, AffiliateId};
use super::time::Time;

/// Contact details and online profiles of an affiliate. Unknown texts are empty.
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
    pub created_at: Time,
    pub updated_at: Time,
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

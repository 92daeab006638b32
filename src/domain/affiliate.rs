//! Affiliates: who refers.

use std::sync::Arc;

use super::coupon::Coupon;
use super::enrollment::EnrollmentWithLanding;
use super::id::{AccountId, AffiliateId};
use super::time::Time;

/// What is known of an affiliate beyond its identifiers. Empty texts for what is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// Company.
    pub company: String,
    /// Street and number.
    pub address: String,
    /// City.
    pub city: String,
    /// State or province.
    pub state: String,
    /// Postal code.
    pub zipcode: String,
    /// ISO 3166-1 two-letter country code.
    pub country_code: String,
    /// Phone number.
    pub phone: String,
    /// Website.
    pub website: String,
    /// Picture.
    pub avatar_url: String,
    /// Free text.
    pub description: String,
    /// Facebook page or name.
    pub facebook: String,
    /// YouTube channel or name.
    pub youtube: String,
    /// Instagram name.
    pub instagram: String,
    /// Twitter (X) name.
    pub twitter: String,
}

/// Who refers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affiliate {
    /// Its id.
    pub id: AffiliateId,
    /// Whose it is.
    pub account_id: AccountId,
    /// The merchant's own id for it, unique in the account.
    pub external_id: Option<String>,
    /// The email address in lower case, unique in the account.
    pub email: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// More about it.
    pub profile: Profile,
    /// SHA-256 of its own token. Left out of what is kept for repeated requests.
    pub token_hash: [u8; 32],
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
}

/// The identifiers that an affiliate is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AffiliateSelector {
    /// Headwater's id.
    Id(AffiliateId),
    /// The merchant's own id.
    ExternalId(String),
    /// The email address in lower case.
    Email(String),
    /// The ref_id of one of its enrollments in lower case.
    RefId(String),
    /// SHA-256 of its own token.
    TokenHash([u8; 32]),
}

impl std::fmt::Display for AffiliateSelector {
    /// The name as it was sent; a token is not shown.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => id.fmt(formatter),
            Self::ExternalId(text) | Self::Email(text) | Self::RefId(text) => formatter.write_str(text),
            Self::TokenHash(_) => formatter.write_str("with this auth_token"),
        }
    }
}

/// What CreateAffiliate answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AffiliateOutcome {
    /// The affiliate.
    pub affiliate: Arc<Affiliate>,
    /// Its enrollment.
    pub enrollment: EnrollmentWithLanding,
    /// Its coupon.
    pub coupon: Option<Arc<Coupon>>,
}

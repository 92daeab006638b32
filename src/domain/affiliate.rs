//! Affiliates: who refers.

use super::command::Outcome;
use super::decide::{About, Context};
use super::enrollment::{self, NewEnrollment};
use super::event::EventType;
use super::id::{AccountId, AffiliateId};
use super::refusal::{Refusal, Resource};
use super::time::Time;
use super::working_set::Changes;

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

/// Make an affiliate and enroll it.
#[derive(Debug, Clone)]
pub struct CreateAffiliate {
    /// The merchant's own id for it.
    pub external_id: Option<String>,
    /// The email address in lower case.
    pub email: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// More about it.
    pub profile: Profile,
    /// SHA-256 of its token.
    pub token_hash: [u8; 32],
    /// Its first enrollment.
    pub enrollment: NewEnrollment,
}

fn name_is_free(context: &Context<'_>, selector: &AffiliateSelector, field: &'static str) -> Result<(), Refusal> {
    match context.set.find_affiliate(context.account_id, selector)? {
        Some(other) => Err(Refusal::AlreadyExists {
            field,
            value: selector.to_string(),
            resource: Resource::Affiliate,
            resource_id: other.id.to_string(),
        }),
        None => Ok(()),
    }
}

pub(super) fn create(context: &mut Context<'_>, command: &CreateAffiliate) -> Result<(Outcome, Changes), Refusal> {
    name_is_free(context, &AffiliateSelector::Email(command.email.clone()), "email")?;
    if let Some(external_id) = &command.external_id {
        name_is_free(context, &AffiliateSelector::ExternalId(external_id.clone()), "external_id")?;
    }
    let affiliate = Affiliate {
        id: AffiliateId::new(context.ids),
        account_id: context.account_id,
        external_id: command.external_id.clone(),
        email: command.email.clone(),
        first_name: command.first_name.clone(),
        last_name: command.last_name.clone(),
        profile: command.profile.clone(),
        token_hash: command.token_hash,
        created_at: context.now,
        updated_at: context.now,
    };
    let about = About { affiliate_id: Some(affiliate.id), ..About::subject(affiliate.id) };
    let mut changes = Changes { affiliates: vec![affiliate.clone()], ..Changes::default() };
    changes.events.push(context.event(EventType::AffiliateCreated, about));
    // A new affiliate has no coupons, so there is nothing to count.
    let made = enrollment::make(context, affiliate.id, 0, &command.enrollment, &mut changes)?;
    Ok((
        Outcome::Affiliate {
            affiliate: Box::new(affiliate),
            enrollment: Box::new(made.enrollment),
            coupon: made.coupon.map(Box::new),
        },
        changes,
    ))
}

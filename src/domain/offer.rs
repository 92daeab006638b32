//! Offers: deals that people claim. A claim makes a coupon for the claimant.

use super::id::{AccountId, ItemId, OfferId, ProgramId};
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// The state of an offer.
    OfferState {
        /// The offer can be claimed inside its window.
        Active = "active",
        /// The offer cannot be claimed.
        Archived = "archived",
    }
}

text_enum! {
    /// Why an offer cannot be claimed at a time.
    OfferClosed {
        /// Its window has not begun.
        NotStarted = "not_started",
        /// Its window has ended.
        Over = "over",
        /// It is archived.
        Archived = "archived",
    }
}

/// A deal that people claim.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Offer {
    pub id: OfferId,
    pub account_id: AccountId,
    /// The program that claimants are enrolled in.
    pub program_id: ProgramId,
    pub display_name: String,
    /// Text for the people who may claim the offer. May be empty.
    pub about: String,
    /// The item that the coupons are tied to.
    pub item_id: Option<ItemId>,
    /// The beginning of generated codes, folded. May be empty.
    pub code_prefix: String,
    /// `None`: from its creation on.
    pub starts_at: Option<Time>,
    /// `None`: without end. An end in the past never changes, because sales that are told late are judged by it.
    pub ends_at: Option<Time>,
    /// The limit of claims in total. 0: none.
    pub max_claims: i32,
    /// The limit of claims of one affiliate. 0: none.
    pub max_claims_per_affiliate: i32,
    /// The limit of uses of each claimed coupon. 0: none.
    pub max_uses_per_coupon: i32,
    /// How many claims have an active coupon.
    pub claim_count: i32,
    pub state: OfferState,
    pub created_at: Time,
    pub updated_at: Time,
    pub archived_at: Option<Time>,
}

impl Offer {
    /// Whether the window had begun at a time.
    pub fn has_started_at(&self, time: Time) -> bool {
        self.starts_at.is_none_or(|starts_at| starts_at <= time)
    }

    /// Whether the window had ended at a time.
    pub fn is_over_at(&self, time: Time) -> bool {
        self.ends_at.is_some_and(|ends_at| ends_at <= time)
    }

    /// Why the offer cannot be claimed at a time, if so.
    pub fn why_closed_at(&self, time: Time) -> Option<OfferClosed> {
        if self.state == OfferState::Archived {
            Some(OfferClosed::Archived)
        } else if self.is_over_at(time) {
            Some(OfferClosed::Over)
        } else if !self.has_started_at(time) {
            Some(OfferClosed::NotStarted)
        } else {
            None
        }
    }
}

//! Clicks: visits through a link.

use std::sync::Arc;

use super::calendar::Day;
use super::id::{AccountId, AffiliateId, ClickId, EnrollmentId, LinkId, ProgramId, RewardId};
use super::reward::{RewardClick, RewardSummary};
use super::tally::Counted;
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// Whether a click earned.
    ClickPayment {
        /// No rule of the terms pays for it.
        NoRule = "no_rule",
        /// It earned.
        Earned = "earned",
        /// Another click of the visitor has counted for the affiliate on the day.
        AlreadyCounted = "already_counted",
        /// It counted, and the caps of the terms had no room.
        Capped = "capped",
        /// It is from before the affiliate was enrolled.
        BeforeEnrollment = "before_enrollment",
    }
}

/// One visit through a link.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Click {
    pub id: ClickId,
    pub account_id: AccountId,
    /// The visitor's tracking id: the id of the visitor's first click.
    pub tid: ClickId,
    pub link_id: LinkId,
    pub enrollment_id: EnrollmentId,
    pub affiliate_id: AffiliateId,
    pub program_id: ProgramId,
    /// The page that the visitor came from; may be empty.
    pub referrer_url: String,
    /// The affiliate's own name for where the link was placed; may be empty.
    pub sub_id: String,
    pub occurred_at: Time,
    pub created_at: Time,
    pub payment: ClickPayment,
    /// What it earned for its affiliate.
    pub reward_id: Option<RewardId>,
}

/// The one click of a visitor that counts for an affiliate on a day. It has been paid for, or the caps had no room.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct CountedClick {
    pub account_id: AccountId,
    pub tid: ClickId,
    pub affiliate_id: AffiliateId,
    /// In the time zone of the account.
    pub day: Day,
    pub click_id: ClickId,
    /// `None` if it earned nothing.
    pub reward_id: Option<RewardId>,
    /// What it has in the tallies of the caps.
    pub counted: Option<Counted>,
}

/// The first click of a visitor in a program on one day. It is kept apart for visitors with many clicks, because of those only the
/// newest are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct FirstClick {
    pub account_id: AccountId,
    pub tid: ClickId,
    pub program_id: ProgramId,
    /// Days since 1970-01-01 in UTC.
    pub day: i32,
    pub click_id: ClickId,
    pub occurred_at: Time,
}

impl Click {
    /// The click as the first of its day.
    pub fn as_first(&self) -> FirstClick {
        FirstClick {
            account_id: self.account_id,
            tid: self.tid,
            program_id: self.program_id,
            day: self.occurred_at.day(),
            click_id: self.id,
            occurred_at: self.occurred_at,
        }
    }

    /// The click as its rewards keep it.
    pub fn as_earning(&self) -> RewardClick {
        RewardClick {
            click_id: self.id,
            tid: self.tid,
            link_id: self.link_id,
            sub_id: Arc::from(self.sub_id.as_str()),
            occurred_at: self.occurred_at,
        }
    }
}

/// The answer of RecordClick.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct ClickOutcome {
    pub click_id: ClickId,
    /// The visitor's tracking id.
    pub tid: ClickId,
    pub destination_url: String,
    pub affiliate_id: AffiliateId,
    pub payment: ClickPayment,
    /// What the click earned for its affiliate.
    pub reward: Option<RewardSummary>,
}

impl ClickOutcome {
    /// The answer as it is kept, see `Affiliate::without_personal_data`: the page may be the affiliate's own.
    pub fn without_personal_data(&self) -> Self {
        Self { destination_url: String::new(), ..self.clone() }
    }
}

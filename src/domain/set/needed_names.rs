//! The rows that a batch needs by other names than their keys.

use std::collections::BTreeSet;

use crate::domain::affiliate::AffiliateSelector;
use crate::domain::id::{AccountId, AffiliateId, ClickId, ConversionId, RewardId};
use crate::domain::lead::LeadSelector;

/// Rows by other names than their keys.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct NeededNames {
    /// Accounts by the owner's email address, over all accounts.
    pub account_emails: BTreeSet<String>,
    /// Accounts whose default program is needed.
    pub default_programs: BTreeSet<AccountId>,
    /// Affiliates, with all their enrollments.
    pub affiliates: BTreeSet<(AccountId, AffiliateSelector)>,
    /// Affiliates whose active coupons are to be counted.
    pub coupon_counts: BTreeSet<(AccountId, AffiliateSelector)>,
    /// Affiliates whose enrollments are needed, once they are found.
    pub enrollments_of: BTreeSet<(AccountId, AffiliateId)>,
    /// Affiliates whose active coupons are to be counted, once they are found.
    pub active_coupons_of: BTreeSet<(AccountId, AffiliateId)>,
    /// Links by code.
    pub link_codes: BTreeSet<(AccountId, String)>,
    /// Coupons by code, removed ones too.
    pub coupon_codes: BTreeSet<(AccountId, String)>,
    /// Visitors whose clicks are needed, by tracking id.
    pub clicks_of: BTreeSet<(AccountId, ClickId)>,
    /// Leads.
    pub leads: BTreeSet<(AccountId, LeadSelector)>,
    /// Customers by this name and all others of their lead, whose sales without a referrer are needed.
    pub unmatched_sales: BTreeSet<(AccountId, LeadSelector)>,
    /// Customers whose sales are needed, the latest of them, with their rewards.
    pub latest_sales: BTreeSet<(AccountId, LeadSelector)>,
    /// Sales' event_ids whose waiting refunds are needed.
    pub waiting_refunds: BTreeSet<(AccountId, String)>,
    /// Conversions whose rewards are needed.
    pub rewards_of: BTreeSet<(AccountId, ConversionId)>,
    /// Rewards whose reversals are needed.
    pub reversals_of: BTreeSet<(AccountId, RewardId)>,
}

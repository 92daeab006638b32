//! The rows that a batch needs, by names other than their keys.

use std::collections::BTreeSet;

use crate::domain::affiliate::AffiliateSelector;
use crate::domain::id::{AccountId, AffiliateId, ClickId, ConversionId, LeadId, PayoutId, RewardId};
use crate::domain::lead::LeadSelector;
use crate::domain::ledger::BalanceKey;
use crate::domain::money::Currency;

/// Rows by names other than their keys.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct NeededNames {
    /// Accounts by the owner's email address, over all accounts.
    pub account_emails: BTreeSet<String>,
    /// Accounts whose keys that manage keys are needed.
    pub managing_keys: BTreeSet<AccountId>,
    /// Accounts whose default program is needed.
    pub default_programs: BTreeSet<AccountId>,
    /// Affiliates, with all their enrollments.
    pub affiliates: BTreeSet<(AccountId, AffiliateSelector)>,
    /// Affiliates whose number of active coupons is needed.
    pub coupon_counts: BTreeSet<(AccountId, AffiliateSelector)>,
    /// Affiliates whose enrollments are needed. Filled once the affiliates are found.
    pub enrollments_of: BTreeSet<(AccountId, AffiliateId)>,
    /// Affiliates who are needed with all affiliates above them.
    pub with_uplines: BTreeSet<(AccountId, AffiliateSelector)>,
    /// Affiliates whose links, coupons and submissions are needed.
    pub code_holders: BTreeSet<(AccountId, AffiliateSelector)>,
    /// The same affiliates once they are found. Links are read by them, then submissions, then coupons.
    pub links_of: BTreeSet<(AccountId, AffiliateId)>,
    /// See `links_of`.
    pub submissions_of: BTreeSet<(AccountId, AffiliateId)>,
    /// See `links_of`.
    pub coupons_of: BTreeSet<(AccountId, AffiliateId)>,
    /// Links by code.
    pub link_codes: BTreeSet<(AccountId, String)>,
    /// Active links by the page that they claim.
    pub claimed_pages: BTreeSet<(AccountId, String)>,
    /// Coupons by code, removed ones too.
    pub coupon_codes: BTreeSet<(AccountId, String)>,
    /// Groups of affiliates by name.
    pub group_names: BTreeSet<(AccountId, String)>,
    /// Items by SKU.
    pub item_skus: BTreeSet<(AccountId, String)>,
    /// Visitors whose clicks are needed, by tracking id.
    pub clicks_of: BTreeSet<(AccountId, ClickId)>,
    /// Visitors whose first clicks of each day are needed, by tracking id.
    pub first_clicks_of: BTreeSet<(AccountId, ClickId)>,
    /// Leads.
    pub leads: BTreeSet<(AccountId, LeadSelector)>,
    /// Customers whose unmatched sales are needed. The sales are looked up by this name and by all other names of the customer's
    /// lead.
    pub unmatched_sales: BTreeSet<(AccountId, LeadSelector)>,
    /// Customers whose unmatched sales are needed unless their lead is bound, because a sale that binds a lead is credited with
    /// them.
    pub unmatched_sales_of_unbound: BTreeSet<(AccountId, LeadSelector)>,
    /// Leads whose conversions are needed.
    pub timelines: BTreeSet<(AccountId, LeadId)>,
    /// Visitors whose sign-ups and sales are needed, by tracking id.
    pub conversions_of_visitor: BTreeSet<(AccountId, ClickId)>,
    /// Customers whose latest sales are needed, with their rewards.
    pub latest_sales: BTreeSet<(AccountId, LeadSelector)>,
    /// The event_ids of sales whose waiting refunds are needed.
    pub waiting_refunds: BTreeSet<(AccountId, String)>,
    /// Conversions whose rewards are needed.
    pub rewards_of: BTreeSet<(AccountId, ConversionId)>,
    /// Affiliates and currencies whose approved rewards are needed.
    pub payable_of: BTreeSet<(AccountId, AffiliateId, Currency)>,
    /// Payouts whose rewards are needed.
    pub rewards_of_payout: BTreeSet<(AccountId, PayoutId)>,
    /// Accounts whose active payout schedules are needed.
    pub payout_schedules_of: BTreeSet<AccountId>,
    /// Rewards whose reversals are needed.
    pub reversals_of: BTreeSet<(AccountId, RewardId)>,
    /// Balances that must be known exactly, because they may become too large.
    pub balances: BTreeSet<BalanceKey>,
}

impl NeededNames {
    /// Adds other names.
    pub(super) fn add(&mut self, other: Self) {
        let Self {
            account_emails,
            managing_keys,
            default_programs,
            affiliates,
            coupon_counts,
            enrollments_of,
            with_uplines,
            code_holders,
            links_of,
            submissions_of,
            coupons_of,
            link_codes,
            claimed_pages,
            coupon_codes,
            group_names,
            item_skus,
            clicks_of,
            first_clicks_of,
            leads,
            unmatched_sales,
            unmatched_sales_of_unbound,
            timelines,
            conversions_of_visitor,
            latest_sales,
            waiting_refunds,
            rewards_of,
            payable_of,
            rewards_of_payout,
            payout_schedules_of,
            reversals_of,
            balances,
        } = other;
        self.account_emails.extend(account_emails);
        self.managing_keys.extend(managing_keys);
        self.default_programs.extend(default_programs);
        self.affiliates.extend(affiliates);
        self.coupon_counts.extend(coupon_counts);
        self.enrollments_of.extend(enrollments_of);
        self.with_uplines.extend(with_uplines);
        self.code_holders.extend(code_holders);
        self.links_of.extend(links_of);
        self.submissions_of.extend(submissions_of);
        self.coupons_of.extend(coupons_of);
        self.link_codes.extend(link_codes);
        self.claimed_pages.extend(claimed_pages);
        self.coupon_codes.extend(coupon_codes);
        self.group_names.extend(group_names);
        self.item_skus.extend(item_skus);
        self.clicks_of.extend(clicks_of);
        self.first_clicks_of.extend(first_clicks_of);
        self.leads.extend(leads);
        self.unmatched_sales.extend(unmatched_sales);
        self.unmatched_sales_of_unbound.extend(unmatched_sales_of_unbound);
        self.timelines.extend(timelines);
        self.conversions_of_visitor.extend(conversions_of_visitor);
        self.latest_sales.extend(latest_sales);
        self.waiting_refunds.extend(waiting_refunds);
        self.rewards_of.extend(rewards_of);
        self.payable_of.extend(payable_of);
        self.rewards_of_payout.extend(rewards_of_payout);
        self.payout_schedules_of.extend(payout_schedules_of);
        self.reversals_of.extend(reversals_of);
        self.balances.extend(balances);
    }
}

//! What a batch needs loaded: rows by key, and rows by other names. Rows that these lead to are loaded with them, see `leads_to` of
//! each kind in the store. Knows no rule.

use std::collections::BTreeSet;

pub use super::Needs;
use super::kind::InSet;
use crate::domain::affiliate::AffiliateSelector;
use crate::domain::id::{AccountId, AffiliateId, ClickId, ConversionId, ProgramId, RewardId};
use crate::domain::lead::{Customer, LeadSelector};

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
    /// Customers whose sales that nobody referred are needed, by this name and all others of their lead.
    pub unmatched_sales: BTreeSet<(AccountId, LeadSelector)>,
    /// Customers whose sales are needed, the latest of them, with their rewards.
    pub latest_sales: BTreeSet<(AccountId, LeadSelector)>,
    /// Sales' event_ids whose waiting refunds are needed.
    pub waiting_refunds: BTreeSet<(AccountId, String)>,
    /// Conversions whose rewards are needed.
    pub rewards_of: BTreeSet<(AccountId, ConversionId)>,
    /// Rewards of which it is needed what refunds took back.
    pub reversals_of: BTreeSet<(AccountId, RewardId)>,
}

impl Needs {
    /// A row, by key.
    pub fn row<K: InSet>(&mut self, key: K::Key) {
        K::needed(self).insert(key);
    }

    /// An affiliate, by any of its names.
    pub fn affiliate(&mut self, account: AccountId, selector: &AffiliateSelector) {
        self.names.affiliates.insert((account, selector.clone()));
    }

    /// How many active coupons an affiliate has.
    pub fn coupon_count(&mut self, account: AccountId, selector: &AffiliateSelector) {
        self.names.coupon_counts.insert((account, selector.clone()));
    }

    /// A program, or the account's default.
    pub fn program(&mut self, account: AccountId, id: Option<ProgramId>) {
        match id {
            Some(id) => self.row::<crate::domain::program::Program>((account, id)),
            None => _ = self.names.default_programs.insert(account),
        }
    }

    /// A link, by code.
    pub fn link_code(&mut self, account: AccountId, code: &str) {
        self.names.link_codes.insert((account, code.to_owned()));
    }

    /// A coupon, by code.
    pub fn coupon_code(&mut self, account: AccountId, code: &str) {
        self.names.coupon_codes.insert((account, code.to_owned()));
    }

    /// A lead, by any of its names.
    pub fn lead(&mut self, account: AccountId, selector: LeadSelector) {
        self.names.leads.insert((account, selector));
    }

    /// A customer's lead, by each name that the request has.
    pub fn customer(&mut self, account: AccountId, customer: &Customer) {
        customer.selectors().into_iter().for_each(|selector| self.lead(account, selector));
    }

    /// A customer's sales that nobody referred.
    pub fn unmatched_sales(&mut self, account: AccountId, customer: &Customer) {
        self.names.unmatched_sales.extend(customer.selectors().into_iter().map(|selector| (account, selector)));
    }

    /// A customer's latest sales.
    pub fn latest_sales(&mut self, account: AccountId, customer: &Customer) {
        self.names.latest_sales.extend(customer.selectors().into_iter().map(|selector| (account, selector)));
    }
}

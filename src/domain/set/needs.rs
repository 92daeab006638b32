//! Collects the rows that a batch needs, by key and by other names. The rows that these lead to are loaded with them: see
//! `leads_to` of each kind in the store. Knows no rule.

use super::working_set::{InSet, Needs};
use crate::domain::affiliate::AffiliateSelector;
use crate::domain::id::{AccountId, ProgramId};
use crate::domain::item::{Item, ItemSelector};
use crate::domain::lead::{Customer, LeadSelector};
use crate::domain::program::Program;

impl Needs {
    /// A row, by key.
    pub fn row<K: InSet>(&mut self, key: K::Key) {
        K::needed(self).insert(key);
    }

    /// An affiliate, by any of its names.
    pub fn affiliate(&mut self, account: AccountId, selector: &AffiliateSelector) {
        self.names.affiliates.insert((account, selector.clone()));
    }

    /// An affiliate, by any of its names, with all affiliates above it.
    pub fn affiliate_with_uplines(&mut self, account: AccountId, selector: &AffiliateSelector) {
        self.affiliate(account, selector);
        self.names.with_uplines.insert((account, selector.clone()));
    }

    /// All links, submissions and coupons of an affiliate.
    pub fn codes_of(&mut self, account: AccountId, selector: &AffiliateSelector) {
        self.names.code_holders.insert((account, selector.clone()));
    }

    /// How many active coupons an affiliate has.
    pub fn coupon_count(&mut self, account: AccountId, selector: &AffiliateSelector) {
        self.names.coupon_counts.insert((account, selector.clone()));
    }

    /// A program, or the account's default.
    pub fn program(&mut self, account: AccountId, id: Option<ProgramId>) {
        match id {
            Some(id) => self.row::<Program>((account, id)),
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

    /// An active group of affiliates, by name.
    pub fn group_name(&mut self, account: AccountId, name: &str) {
        self.names.group_names.insert((account, name.to_owned()));
    }

    /// An active item, by SKU.
    pub fn item_sku(&mut self, account: AccountId, sku: &str) {
        self.names.item_skus.insert((account, sku.to_owned()));
    }

    /// An item, by any of its names.
    pub fn item(&mut self, account: AccountId, selector: &ItemSelector) {
        match selector {
            ItemSelector::Id(id) => self.row::<Item>((account, *id)),
            ItemSelector::Sku(sku) => self.item_sku(account, sku),
        }
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

    /// A customer's sales that nobody referred, unless the customer's lead is bound.
    pub fn unmatched_sales_of_unbound(&mut self, account: AccountId, customer: &Customer) {
        let selectors = customer.selectors().into_iter().map(|selector| (account, selector));
        self.names.unmatched_sales_of_unbound.extend(selectors);
    }

    /// A customer's latest sales.
    pub fn latest_sales(&mut self, account: AccountId, customer: &Customer) {
        self.names.latest_sales.extend(customer.selectors().into_iter().map(|selector| (account, selector)));
    }
}

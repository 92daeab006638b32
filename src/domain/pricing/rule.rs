//! Commission rules: which events they pay for.

use std::sync::Arc;

use super::condition::{Compare, Condition};
use super::facts::{CommissionEvent, Facts};
use crate::domain::commission::Commission;
use crate::domain::customer_sale::CustomerSale;
use crate::domain::money::{Currency, Money};
use crate::domain::time::Time;

/// What a rule is limited to, the most specific first. A rule that is limited in several ways counts by the first of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleScope {
    /// Events with certain coupon codes.
    Coupon,
    /// Sales of certain items.
    Item,
    /// Sales of certain plans.
    Plan,
    /// None of these.
    Any,
}

/// Why a rule does not pay for an event, in the order in which the reasons are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// It pays for another kind of event.
    EventKind,
    /// The event happened before the rule's start.
    NotStarted,
    /// The event happened at the rule's end or later.
    Over,
    /// The kind of the custom event is none of the rule's.
    CustomKind,
    /// The coupon code is none of the rule's.
    CouponCode,
    /// The SKU is none of the rule's.
    ItemSku,
    /// The plan is none of the rule's.
    Plan,
    /// The customer has had as many sales as the rule pays for, or the sale is not counted.
    CustomerSales,
    /// The customer has been one for as many months as the rule pays for, or the sale is not counted.
    CustomerMonths,
    /// The condition does not hold.
    Condition,
}

/// A commission for certain events.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct CommissionRule {
    /// Occurs once in the terms.
    pub name: Arc<str>,
    pub event_kind: CommissionEvent,
    /// In lower case and in order. Empty: every kind.
    pub custom_kinds: Vec<String>,
    /// Folded and in order. Empty: any or none.
    pub coupon_codes: Vec<String>,
    /// In order. Empty: any or none.
    pub item_skus: Vec<String>,
    /// In order. Empty: any or none.
    pub plans: Vec<String>,
    /// What else must hold.
    pub condition: Option<Condition>,
    /// The first moment that counts.
    pub starts_at: Option<Time>,
    /// The first moment that no longer counts.
    pub ends_at: Option<Time>,
    pub commission: Commission,
    /// Whether a flat commission is paid for each unit of the quantity.
    pub is_per_unit: bool,
    /// How many sales of a customer it pays for, the first ones.
    pub max_customer_sales: Option<i32>,
    /// For how many months of the calendar it pays, from the day of the customer's first sale on.
    pub max_customer_months: Option<i32>,
    /// What the first sale of a customer earns in addition.
    pub first_sale_bonus: Option<Money>,
}

impl CommissionRule {
    /// What the rule is limited to.
    pub fn scope(&self) -> RuleScope {
        if !self.coupon_codes.is_empty() {
            RuleScope::Coupon
        } else if !self.item_skus.is_empty() {
            RuleScope::Item
        } else if !self.plans.is_empty() {
            RuleScope::Plan
        } else {
            RuleScope::Any
        }
    }

    /// Whether a flat commission is paid for each line of a sale that the rule pays for, and not once for the sale.
    pub fn is_per_line(&self) -> bool {
        !self.item_skus.is_empty() || self.condition.as_ref().is_some_and(Condition::looks_at_line)
    }

    /// Whether the rule pays for an event.
    pub fn applies_to(&self, facts: &Facts<'_>) -> bool {
        self.misfit(facts).is_none()
    }

    /// The first reason why the rule does not pay for an event, in the order of [`Misfit`]. `None` if it does.
    pub fn misfit(&self, facts: &Facts<'_>) -> Option<Misfit> {
        let fails = |condition: &Condition| !condition.holds(facts);
        self.misfit_of_scopes(facts).or(self.condition.as_ref().is_some_and(fails).then_some(Misfit::Condition))
    }

    /// Whether the rule would pay for an event if comparisons of amounts held, and does not because they do not.
    pub fn would_apply_to(&self, facts: &Facts<'_>) -> bool {
        let holds = |condition: &Condition| !condition.holds(facts) && condition.may_hold(facts);
        self.misfit_of_scopes(facts).is_none() && self.condition.as_ref().is_some_and(holds)
    }

    /// Whether what it pays depends on the earlier sales of the customer.
    pub fn looks_at_customer(&self) -> bool {
        self.max_customer_sales.is_some()
            || self.max_customer_months.is_some()
            || self.first_sale_bonus.is_some()
            || self.condition.as_ref().is_some_and(Condition::looks_at_customer)
    }

    /// The comparisons of facts of the affiliate or of the customer that are noted.
    pub fn noted_comparisons(&self) -> Vec<&Compare> {
        let mut found = Vec::new();
        if let Some(condition) = &self.condition {
            condition.comparisons(&mut found);
        }
        found.retain(|compare| compare.field.is_noted());
        found
    }

    /// Whether what it pays for conversions depends on facts of the affiliate or of the customer that are noted.
    pub fn looks_at_noted(&self) -> bool {
        !self.is_for_clicks() && self.condition.as_ref().is_some_and(Condition::looks_at_noted)
    }

    /// Whether it pays for clicks.
    pub fn is_for_clicks(&self) -> bool {
        self.event_kind == CommissionEvent::Click
    }

    /// Whether what it pays depends on what the affiliate has sold.
    pub fn looks_at_sales(&self) -> bool {
        self.noted_comparisons().iter().any(|compare| compare.field.is_of_sales())
    }

    /// The bonus of a sale of this currency and place. Amounts of two currencies are never added.
    pub fn bonus_for(&self, facts: &Facts<'_>, currency: Currency) -> Option<Money> {
        let is_first = facts.customer_sale.is_some_and(|sale| sale.number == 1);
        self.first_sale_bonus.filter(|bonus| is_first && bonus.currency == currency)
    }

    /// Why kind, time, scopes or limits do not fit, if so.
    fn misfit_of_scopes(&self, facts: &Facts<'_>) -> Option<Misfit> {
        let fits = |scope: &[String], fact: &str| scope.is_empty() || scope.iter().any(|one| one == fact);
        if self.event_kind != facts.event_kind {
            Some(Misfit::EventKind)
        } else if self.starts_at.is_some_and(|start| facts.occurred_at < start) {
            Some(Misfit::NotStarted)
        } else if self.ends_at.is_some_and(|end| end <= facts.occurred_at) {
            Some(Misfit::Over)
        } else if !fits(&self.custom_kinds, facts.custom_kind) {
            Some(Misfit::CustomKind)
        } else if !fits(&self.coupon_codes, facts.coupon_code) {
            Some(Misfit::CouponCode)
        } else if !fits(&self.item_skus, facts.item_sku) {
            Some(Misfit::ItemSku)
        } else if !fits(&self.plans, facts.plan) {
            Some(Misfit::Plan)
        } else {
            self.misfit_of_limits(facts)
        }
    }

    /// Why the sale is not among those of its customer that the rule pays for, if so.
    fn misfit_of_limits(&self, facts: &Facts<'_>) -> Option<Misfit> {
        let holds = |holds: &dyn Fn(&CustomerSale) -> bool| facts.customer_sale.as_ref().is_some_and(holds);
        if self.max_customer_sales.is_some_and(|max| !holds(&|sale| sale.number <= max)) {
            Some(Misfit::CustomerSales)
        } else if self.max_customer_months.is_some_and(|max| !holds(&|sale| sale.age_months < max)) {
            Some(Misfit::CustomerMonths)
        } else {
            None
        }
    }
}

//! The facts of an event by which it is priced. Knows no rows, so that terms can name rules about facts.

use std::collections::BTreeMap;

use crate::domain::customer_sale::CustomerSale;
use crate::domain::money::{Currency, Money};
use crate::domain::noted::NotedFacts;
use crate::domain::text_enum::text_enum;
use crate::domain::time::Time;

text_enum! {
    /// The kind of event that a rule pays for.
    CommissionEvent {
        /// Sales.
        Sale = "sale",
        /// The sign-up that bound its customer.
        Lead = "lead",
        /// Appointments.
        Appointment = "appointment",
        /// Custom events.
        CustomEvent = "custom_event",
        /// The click of a visitor that counts for its affiliate on a day.
        Click = "click",
    }
}

impl CommissionEvent {
    /// Whether events of this kind may have an amount.
    pub const fn may_have_amount(self) -> bool {
        matches!(self, Self::Sale | Self::CustomEvent)
    }
}

/// The facts of an event. They are its own, so that the order in which events are told changes no price. Texts that were not sent are
/// empty.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Facts<'event> {
    pub event_kind: CommissionEvent,
    /// `None` for an event without an amount.
    pub amount: Option<Money>,
    /// The amount of the line that is priced. `None` for an event without lines.
    pub line_amount: Option<Money>,
    pub quantity: i32,
    /// The channel as it is stored.
    pub channel: &'event str,
    /// Folded.
    pub coupon_code: &'event str,
    pub item_sku: &'event str,
    pub plan: &'event str,
    pub collections: &'event [String],
    /// In lower case.
    pub custom_kind: &'event str,
    pub order_id: &'event str,
    /// The merchant's own texts by key.
    pub metadata: &'event BTreeMap<String, String>,
    /// The country of the customer, as it was sent with the event.
    pub country_code: &'event str,
    /// What was noted about the affiliate and the customer for the credit that is priced.
    pub noted: Option<&'event NotedFacts>,
    pub occurred_at: Time,
    /// The place among the sales of the customer. `None` if it has none.
    pub customer_sale: Option<CustomerSale>,
    /// The currency of the program that pays.
    pub program_currency: Currency,
}

impl Facts<'_> {
    /// Whether the amount is in another currency than the program's, so that it is compared with nothing.
    pub fn has_other_currency(&self) -> bool {
        self.amount.is_some_and(|amount| amount.currency != self.program_currency)
    }
}

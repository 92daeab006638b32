//! The memory of rules that compare events with each other while history is replayed. It is bounded: by the affiliates for their sales, and by
//! a number of orders.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use hashbrown::HashMap;

use super::facts::Known;
use super::{FraudFlag, FraudRule, FraudRuleKind};
use crate::domain::conversion::{Conversion, ConversionKind, Credit};
use crate::domain::fraud_note::{FraudNote, add_sale};
use crate::domain::id::{AffiliateId, ConversionId};
use crate::domain::time::Time;

/// How many orders are remembered.
const ORDERS_MAX: usize = 200_000;

/// The sales and orders of the events that were judged so far.
#[derive(Debug, Default)]
pub struct FraudHistory {
    sales: HashMap<AffiliateId, Vec<Time>>,
    /// The first sale with an order, by the hash of its name.
    orders: HashMap<u64, ConversionId>,
    /// The hashes, the oldest first.
    in_order: VecDeque<u64>,
}

impl FraudHistory {
    /// What rules find in a credit of the next event that was told.
    pub fn judge(
        &mut self,
        rules: &[FraudRule],
        event: &Conversion,
        credit: &Credit,
        known: &Known<'_>,
    ) -> Vec<FraudFlag> {
        let mut facts = known.facts(event, credit);
        for rule in rules.iter().filter(|rule| rule.is_asked() && event.kind == ConversionKind::Sale) {
            match rule.kind {
                FraudRuleKind::Velocity => {
                    let times = self.sales.entry(credit.affiliate_id).or_default();
                    facts.sale_count = Some(add_sale(times, event.occurred_at, rule.period_minutes));
                }
                FraudRuleKind::DuplicateOrder => facts.same_order = self.note_order(event, credit),
                _ => {}
            }
        }
        rules.iter().filter(|rule| rule.is_asked()).filter_map(|rule| rule.flag(&facts)).collect()
    }

    /// Remembers an order, and returns the earlier sale with it.
    fn note_order(&mut self, event: &Conversion, credit: &Credit) -> Option<ConversionId> {
        let amount = event.amount.filter(|_| !event.order.order_id.is_empty())?;
        let mut hasher = DefaultHasher::new();
        FraudNote::name_of_order(credit.program_id, amount, &event.order.order_id).hash(&mut hasher);
        let hash = hasher.finish();
        if let Some(first) = self.orders.get(&hash) {
            return Some(*first).filter(|id| *id != event.id);
        }
        if self.in_order.len() >= ORDERS_MAX
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.orders.remove(&oldest);
        }
        self.orders.insert(hash, event.id);
        self.in_order.push_back(hash);
        None
    }
}

//! Terms of programs: a commission, and sometimes rules, a ladder and a cap of one event.

use headwater_client::pb;
use pb::{CapScope, Comparison, ConditionField, Period};

use super::{Generator, pick};

impl Generator {
    pub(super) fn terms(&mut self, currency: &str) -> pb::Terms {
        let commission = Some(self.commission(currency));
        let rules = self.maybe(30, |generator| generator.rules(currency)).unwrap_or_default();
        let ladder = self.maybe(35, |generator| generator.ladder(currency));
        let cap = self.maybe(20, |generator| generator.cap(currency));
        let rng = &mut self.rng;
        let orders = [vec![], vec![2, 1, 3], vec![3, 2, 1], vec![1, 3, 2], vec![3, 1, 2]];
        pb::Terms {
            reach: rng.i32(0..=3),
            commission,
            hold_period_days: pick(rng, &[None, Some(0), Some(1), Some(30), Some(60)]),
            attribution_model: rng.i32(0..=2),
            attribution_window_days: pick(rng, &[None, Some(1), Some(5), Some(30), Some(60)]),
            precedence: pick(rng, &orders),
            rounding: rng.i32(0..=3),
            custom_kinds: pick(rng, &[vec![], vec!["demo"], vec!["demo", "trial"]])
                .into_iter()
                .map(str::to_owned)
                .collect(),
            rules,
            ladder,
            caps: cap.into_iter().collect(),
            ..pb::Terms::default()
        }
    }

    /// A commission that is right in a program of this currency.
    fn right_commission(&mut self, currency: &str) -> pb::Commission {
        use pb::commission::Rate::{Flat, PercentPpm};
        loop {
            let commission = self.commission(currency);
            match &commission.rate {
                Some(PercentPpm(0..=1_000_000)) => return commission,
                Some(Flat(flat)) if flat.currency_code == currency => return commission,
                _ => {}
            }
        }
    }

    fn ladder(&mut self, currency: &str) -> pb::Ladder {
        use Period::{AllTime, Day, Month, Quarter, Week, Year};
        let is_amount = self.rng.bool();
        let mut minimum = 0;
        let mut steps = Vec::new();
        for _ in 0..self.rng.usize(1..=3) {
            minimum += if is_amount { self.rng.i64(1..20_000) } else { self.rng.i64(1..=3) };
            let amount = pb::Money { amount_minor: minimum, currency_code: currency.to_owned() };
            steps.push(pb::LadderStep {
                min_sale_count: if is_amount { 0 } else { minimum },
                min_amount: is_amount.then_some(amount),
                commission: Some(self.right_commission(currency)),
            });
        }
        let period = pick(&mut self.rng, &[AllTime, AllTime, Year, Quarter, Month, Week, Day]);
        pb::Ladder { mode: pb::LadderMode::LevelUp.into(), period: period.into(), steps }
    }

    fn cap(&mut self, currency: &str) -> pb::Cap {
        let amount_minor = pick(&mut self.rng, &[1, 100, 500, 2_000]);
        pb::Cap {
            scope: CapScope::SingleEvent.into(),
            period: Period::AllTime.into(),
            maximum: Some(pb::Money { amount_minor, currency_code: currency.to_owned() }),
        }
    }

    fn rules(&mut self, currency: &str) -> Vec<pb::CommissionRule> {
        let count = self.rng.usize(1..=2);
        let rule = |place| pb::CommissionRule {
            name: format!("rule {place}"),
            event_kind: pb::CommissionEvent::Sale.into(),
            commission: Some(self.right_commission(currency)),
            condition: self.maybe(90, |generator| generator.condition(2)),
            ..Default::default()
        };
        (0..count).map(rule).collect()
    }

    fn condition(&mut self, depth: u32) -> pb::Condition {
        let parts = |generator: &mut Self| (0..2).map(|_| generator.condition(depth - 1)).collect();
        match self.rng.u32(0..10) {
            0 | 1 if depth > 1 => pb::Condition { all_of: parts(self), ..Default::default() },
            2 | 3 if depth > 1 => pb::Condition { any_of: parts(self), ..Default::default() },
            _ => self.comparison(),
        }
    }

    fn comparison(&mut self) -> pb::Condition {
        use Comparison::{Between, Equal, Less, MoreOrEqual, MultipleOf};
        let rng = &mut self.rng;
        let (field, comparison, values) = match rng.u32(0..4) {
            0 => {
                let channel = pick(rng, &["SALE_CHANNEL_ONLINE", "SALE_CHANNEL_POINT_OF_SALE"]);
                (ConditionField::Channel, Equal, vec![channel.to_owned()])
            }
            1 => (ConditionField::Quantity, Equal, vec!["3".to_owned()]),
            _ => {
                let comparison = pick(rng, &[Between, Equal, Less, MoreOrEqual, MultipleOf]);
                let first = pick(rng, &[1, 100, 1_000, 5_000]);
                let mut values = vec![first.to_string()];
                if comparison == Between {
                    values.push((first * 10).to_string());
                }
                (ConditionField::Amount, comparison, values)
            }
        };
        pb::Condition { field: field.into(), comparison: comparison.into(), values, ..Default::default() }
    }
}

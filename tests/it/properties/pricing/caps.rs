//! Histories under caps. Whatever the order in which sales, refunds and corrections are told, each affiliate has what a slow model says, which
//! adds up the sales of each period one by one. If everything is refunded, nothing is left anywhere.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use headwater::domain::reward::Reward;
use headwater::domain::time::Time;
use headwater::pb;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::draw::Draw;
use super::recurring::{DAY_SECONDS, date};
use super::{START, program_of};
use crate::properties::config;
use crate::properties::rules::Rules;

pub(super) const AFFILIATES: [&str; 2] = ["ann", "bob"];
const CUSTOMERS: usize = 4;
pub(super) const FIRST_DAY: i64 = START.micros() / 1_000_000 / DAY_SECONDS;
pub(super) const PERIODS: [pb::Period; 6] =
    [pb::Period::Day, pb::Period::Week, pb::Period::Month, pb::Period::Quarter, pb::Period::Year, pb::Period::AllTime];

/// A sale of a customer, who is always the same affiliate's.
pub(super) struct Sold {
    pub(super) event_id: String,
    pub(super) customer: usize,
    pub(super) seconds: i64,
    pub(super) amount: i64,
    pub(super) refunded: i64,
}

pub(super) fn cap(draw: &mut Draw, scope: pb::CapScope) -> pb::Cap {
    let period = if scope == pb::CapScope::SingleEvent { pb::Period::AllTime } else { PERIODS[draw.below(6)] };
    let amount_minor = 1 + i64::try_from(draw.below(1_500)).unwrap();
    let maximum = Some(pb::Money { amount_minor, currency_code: "USD".to_owned() });
    pb::Cap { scope: scope.into(), period: period.into(), maximum }
}

pub(super) fn terms(draw: &mut Draw, caps: Vec<pb::Cap>) -> pb::Terms {
    let rate = match draw.below(3) {
        0 => pb::commission::Rate::Flat(pb::Money { amount_minor: 333, currency_code: "USD".to_owned() }),
        _ => pb::commission::Rate::PercentPpm(i32::try_from(1 + draw.below(400_000)).unwrap()),
    };
    let rounding = [pb::Rounding::HalfEven, pb::Rounding::HalfUp, pb::Rounding::Down][draw.below(3)];
    let commission = Some(pb::Commission { rate: Some(rate) });
    pb::Terms { commission, caps, rounding: rounding.into(), ..Default::default() }
}

/// The quotient, rounded. Neither number is negative.
pub(super) fn rounded(numerator: i128, denominator: i128, rounding: pb::Rounding) -> i64 {
    let (whole, rest) = (numerator / denominator, 2 * (numerator % denominator));
    let is_up = match rounding {
        pb::Rounding::HalfUp => rest >= denominator,
        pb::Rounding::Down => false,
        _ => rest > denominator || (rest == denominator && whole % 2 == 1),
    };
    i64::try_from(whole + i128::from(is_up)).unwrap()
}

/// What a sale has earned before the caps of periods.
pub(super) fn earned(terms: &pb::Terms, sold: &Sold) -> i64 {
    let commission = match terms.commission.as_ref().unwrap().rate.as_ref().unwrap() {
        pb::commission::Rate::Flat(flat) => flat.amount_minor,
        pb::commission::Rate::PercentPpm(ppm) => {
            rounded(i128::from(sold.amount) * i128::from(*ppm), 1_000_000, terms.rounding())
        }
    };
    let of_event = terms.caps.iter().filter(|cap| cap.scope() == pb::CapScope::SingleEvent);
    let whole = of_event.map(|cap| cap.maximum.as_ref().unwrap().amount_minor).fold(commission, i64::min);
    if sold.amount == 0 {
        return whole;
    }
    whole - rounded(i128::from(whole) * i128::from(sold.refunded), sold.amount.into(), terms.rounding())
}

/// The period of a day, as numbers that are the same for all its days.
pub(super) fn period(period: pb::Period, days: i64) -> (i64, i64) {
    // Each day is counted from 1970 on, which takes long.
    static DATES: LazyLock<Vec<(i64, i64, i64)>> =
        LazyLock::new(|| (0..500).map(|day| date(FIRST_DAY + day)).collect());
    let (year, month, _) = DATES[usize::try_from(days - FIRST_DAY).unwrap()];
    match period {
        pb::Period::Day => (days, 0),
        // The first day of 1970 was a Thursday.
        pb::Period::Week => ((days + 3) / 7, 0),
        pb::Period::Month => (year, month),
        pb::Period::Quarter => (year, (month + 2) / 3),
        pb::Period::Year => (year, 0),
        _ => (0, 0),
    }
}

/// What each affiliate has under at most one cap with periods, of customers or of affiliates.
fn expected(terms: &pb::Terms, sales: &[Sold]) -> Vec<i64> {
    let cap = terms.caps.iter().find(|cap| cap.scope() != pb::CapScope::SingleEvent);
    let mut sums = vec![0; AFFILIATES.len()];
    let Some(cap) = cap else {
        sales.iter().for_each(|sold| sums[sold.customer % 2] += earned(terms, sold));
        return sums;
    };
    let mut tallies: BTreeMap<_, i64> = BTreeMap::new();
    for sold in sales {
        let customer = (cap.scope() == pb::CapScope::Customer).then_some(sold.customer);
        let key = (sold.customer % 2, customer, period(cap.period(), sold.seconds / DAY_SECONDS));
        *tallies.entry(key).or_default() += earned(terms, sold);
    }
    let maximum = cap.maximum.as_ref().unwrap().amount_minor;
    tallies.into_iter().for_each(|((affiliate, ..), sum)| sums[affiliate] += sum.min(maximum));
    sums
}

/// The terms with the same numbers in another currency.
pub(super) fn in_currency(mut terms: pb::Terms, currency: &str) -> pb::Terms {
    let mut money: Vec<&mut pb::Money> = Vec::new();
    let ladder = terms.ladder.iter_mut().flat_map(|ladder| &mut ladder.steps);
    let mut commissions: Vec<&mut Option<pb::Commission>> = vec![&mut terms.commission];
    for step in ladder {
        money.extend(&mut step.min_amount);
        commissions.push(&mut step.commission);
    }
    for rule in &mut terms.rules {
        money.extend(&mut rule.first_sale_bonus);
        commissions.push(&mut rule.commission);
    }
    for commission in commissions.into_iter().flatten() {
        if let Some(pb::commission::Rate::Flat(flat)) = &mut commission.rate {
            money.push(flat);
        }
    }
    money.extend(terms.caps.iter_mut().flat_map(|cap| &mut cap.maximum));
    for bonus in &mut terms.threshold_bonuses {
        money.extend(&mut bonus.min_amount);
        let value = bonus.bonus.as_mut().and_then(|bonus| bonus.amount.as_mut());
        if let Some(pb::reward_value::Amount::Cash(cash)) = value {
            money.push(cash);
        }
    }
    money.into_iter().for_each(|money| currency.clone_into(&mut money.currency_code));
    terms
}

/// A shop in which sales are told, refunded and corrected.
pub(super) struct Story {
    pub(super) shop: Rules,
    pub(super) sales: Vec<Sold>,
    currency: &'static str,
}

impl Story {
    /// A shop with these terms, which are in USD, with the same numbers of another currency. The models compute with minor units alone.
    pub(super) fn new(terms: &pb::Terms, currency: &'static str) -> Self {
        let mut shop = Rules::new();
        shop.carry_out(&program_of(&in_currency(terms.clone(), currency), currency)).unwrap();
        for name in AFFILIATES {
            let request = pb::CreateAffiliateRequest {
                email: format!("{name}@affiliates.example"),
                ref_id: name.to_owned(),
                ..Default::default()
            };
            shop.carry_out(&request).unwrap();
        }
        shop.now = START.plus_days(500);
        Self { shop, sales: Vec::new(), currency }
    }

    fn money(&self, amount_minor: i64) -> Option<pb::Money> {
        Some(pb::Money { amount_minor, currency_code: self.currency.to_owned() })
    }

    fn sell(&mut self, draw: &mut Draw, step: usize) {
        let customer = draw.below(CUSTOMERS);
        // Half of the sales are close to each other.
        let days = if draw.below(2) == 0 { draw.below(4) } else { draw.below(450) };
        let seconds = START.micros() / 1_000_000
            + i64::try_from(days).unwrap() * DAY_SECONDS
            + i64::try_from(draw.below(86_400)).unwrap();
        let amount = if draw.below(8) == 0 { 0 } else { i64::try_from(draw.below(5_000)).unwrap() };
        let event_id = format!("sale-{step}");
        let request = pb::RecordSaleRequest {
            event_id: event_id.clone(),
            email: format!("customer-{customer}@shop.example"),
            ref_id: AFFILIATES[customer % 2].to_owned(),
            amount: self.money(amount),
            occur_time: Some(prost_types::Timestamp { seconds, nanos: 0 }),
            ..Default::default()
        };
        self.shop.carry_out(&request).unwrap();
        self.sales.push(Sold { event_id, customer, seconds, amount, refunded: 0 });
    }

    fn refund(&mut self, place: usize, part: i64, event_id: String) {
        let request = pb::RecordRefundRequest {
            event_id,
            sale_event_id: self.sales[place].event_id.clone(),
            amount: self.money(part),
            ..Default::default()
        };
        self.shop.carry_out(&request).unwrap();
        self.sales[place].refunded += part;
    }

    fn correct(&mut self, place: usize, amount: i64, event_id: String) {
        let request = pb::CorrectSaleRequest {
            event_id,
            sale_event_id: self.sales[place].event_id.clone(),
            amount: self.money(amount),
            ..Default::default()
        };
        self.shop.carry_out(&request).unwrap();
        self.sales[place].amount = amount;
    }

    /// One step: a sale, a refund or a correction.
    pub(super) fn step(&mut self, draw: &mut Draw, step: usize) {
        self.shop.now = Time::from_micros(self.shop.now.micros() + 1);
        let chosen = draw.below(self.sales.len() * 2 + 1);
        let Some(sold) = self.sales.get(chosen).filter(|sold| sold.amount > 0) else {
            return self.sell(draw, step);
        };
        let left = sold.amount - sold.refunded;
        let more = i64::try_from(draw.below(5_000)).unwrap();
        if draw.below(3) == 0 {
            let least = sold.refunded.max(1);
            self.correct(chosen, least + more, format!("correction-{step}"));
        } else if left > 0 {
            let part = if draw.below(2) == 0 { left } else { 1 + more % left };
            self.refund(chosen, part, format!("refund-{step}"));
        }
    }

    /// What each affiliate has.
    pub(super) fn sums(&self) -> Vec<i64> {
        let of = |name: &&str| {
            let email = format!("{name}@affiliates.example");
            let affiliate = self.shop.set.affiliates.iter().find(|row| row.email == email).unwrap();
            let rewards = self.shop.set.rewards.iter().filter(|row| row.affiliate_id == affiliate.id);
            rewards.map(|row| row.value.amount_minor).sum()
        };
        AFFILIATES.iter().map(of).collect()
    }

    /// Checks that what the caps let pass is what is left of the rewards, for each sale, and what the tallies have.
    pub(super) fn check(&self) -> Result<(), TestCaseError> {
        let mut in_tallies: BTreeMap<_, i64> = BTreeMap::new();
        for sale in self.shop.set.conversions.iter() {
            let Some(counted) = sale.order.counted.first() else { continue };
            let left =
                |row: &Reward| if row.reverses.is_some() { 0 } else { row.value.amount_minor - row.reversed_minor };
            let rewards = self.shop.set.rewards_of(self.shop.account_id, sale.id).unwrap();
            let booked: i64 = rewards.into_iter().map(|row| left(row)).sum();
            prop_assert_eq!(booked, counted.paid_minor, "{:?}", sale);
            for cap in &counted.caps {
                let Some(key) = cap.key(sale.account_id, counted) else { continue };
                *in_tallies.entry(key).or_default() += cap.earned_minor;
            }
        }
        for tally in self.shop.set.tallies.iter() {
            prop_assert_eq!(tally.earned_minor, in_tallies.remove(&tally.key).unwrap_or_default(), "{:?}", tally);
        }
        prop_assert!(in_tallies.values().all(|sum| *sum == 0), "{:?}", in_tallies);
        super::super::tallies::check_ladders(&self.shop.set)
    }

    /// Refunds what is left of everything.
    pub(super) fn refund_everything(&mut self) {
        for place in 0..self.sales.len() {
            let (left, amount) = (self.sales[place].amount - self.sales[place].refunded, self.sales[place].amount);
            if left > 0 || amount == 0 {
                self.refund(place, left, format!("last-{place}"));
            }
        }
    }
}

proptest! {
    #![proptest_config(config(20_000))]

    #[test]
    fn sales_under_a_cap_earn_what_the_model_says_in_any_order(seed in any::<u64>()) {
        let mut draw = Draw(seed);
        let mut caps = Vec::new();
        if draw.below(4) == 0 {
            caps.push(cap(&mut draw, pb::CapScope::SingleEvent));
        }
        if draw.below(8) > 0 {
            let scope = [pb::CapScope::Customer, pb::CapScope::Affiliate][draw.below(2)];
            caps.push(cap(&mut draw, scope));
        }
        let terms = terms(&mut draw, caps);
        let mut story = Story::new(&terms, draw.currency());
        for step in 0..1 + draw.below(12) {
            story.step(&mut draw, step);
            prop_assert_eq!(story.sums(), expected(&terms, &story.sales), "step {}: {:#?}", step, &terms);
        }
        story.check()?;
        story.refund_everything();
        prop_assert_eq!(story.sums(), vec![0; 2], "{:#?}", &terms);
    }
}

proptest! {
    #![proptest_config(config(3_000))]

    #[test]
    fn no_cap_is_exceeded_and_refunds_give_everything_back(seed in any::<u64>()) {
        let mut draw = Draw(seed);
        let scopes = [pb::CapScope::Customer, pb::CapScope::Affiliate, pb::CapScope::Program, pb::CapScope::SingleEvent];
        let mut caps: Vec<pb::Cap> = Vec::new();
        for _ in 0..1 + draw.below(5) {
            let scope = scopes[draw.below(4)];
            let new = cap(&mut draw, scope);
            if !caps.iter().any(|cap| (cap.scope, cap.period) == (new.scope, new.period)) {
                caps.push(new);
            }
        }
        let terms = terms(&mut draw, caps);
        let mut story = Story::new(&terms, draw.currency());
        for step in 0..1 + draw.below(12) {
            story.step(&mut draw, step);
            story.check()?;
            for tally in story.shop.set.tallies.iter() {
                let of_customer = tally.key.lead_id.is_some();
                let scope = match tally.key.affiliate_id {
                    None => pb::CapScope::Program,
                    Some(_) if of_customer => pb::CapScope::Customer,
                    Some(_) => pb::CapScope::Affiliate,
                };
                let name = format!("PERIOD_{}", tally.key.period.as_str().to_uppercase());
                let cap = terms.caps.iter().find(|cap| cap.scope() == scope && cap.period().as_str_name() == name);
                let maximum = cap.unwrap().maximum.as_ref().unwrap().amount_minor;
                prop_assert_eq!(tally.paid_minor, tally.earned_minor.min(maximum), "{:?}", tally);
            }
        }
        story.refund_everything();
        story.check()?;
        prop_assert_eq!(story.sums(), vec![0; 2], "{:#?}", &terms);
        prop_assert!(story.shop.set.tallies.iter().all(|tally| (tally.earned_minor, tally.paid_minor) == (0, 0)));
    }
}

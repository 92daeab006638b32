//! Who else has something of a sale: affiliates who share the credit, those above each of them, and the customer. Whatever sales, refunds and
//! corrections are told, all have what a slow model says, which divides each sale by itself. No part of a sale rounds to zero before all of it is
//! refunded, because a part of an upline that is zero once does not come back by a correction. Some sales have lines, of which some have a rate of
//! their own.

use headwater::domain::customer_reward::CustomerRewardState;
use headwater::domain::explanation;
use headwater::domain::outcome::Outcome;
use headwater::pb;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::caps::{in_currency, rounded};
use super::draw::Draw;
use super::lines::divided;
use super::program_of;
use crate::properties::config;
use crate::properties::rules::Rules;
use crate::support::dossier::dossier;

const AFFILIATES: usize = 5;
const SECOND_MICROS: i64 = 1_000_000;
const CUSTOMER: &str = "bob";

/// The SKU of lines that have a rate of their own.
const SPECIAL: &str = "special";

struct Sold {
    event_id: String,
    amount: i64,
    refunded: i64,
    /// Its number among the sales of the customer, when it was told.
    number: usize,
    /// The amount of each line, and whether it has a rate of its own. They add up to the sale. A sale with lines is refunded in whole.
    lines: Vec<(i64, bool)>,
}

struct Referral {
    rules: Rules,
    currency: &'static str,
    terms: pb::Terms,
    /// Who brought whom. The lower number is always the upline.
    uplines: [Option<usize>; AFFILIATES],
    /// Whose links the visitor clicked, in this order.
    clicked: Vec<usize>,
    tid: String,
    sales: Vec<Sold>,
    /// Whether the customer signed up before a sale made a lead of it.
    has_signed_up: bool,
    is_fulfilled: bool,
}

fn name(affiliate: usize) -> String {
    format!("affiliate-{affiliate}")
}

fn terms(draw: &mut Draw) -> pb::Terms {
    use pb::AttributionModel::{FirstClick, LastClick, Linear, Position};
    let rate = match draw.below(3) {
        0 => pb::commission::Rate::Flat(pb::Money {
            amount_minor: i64::try_from(2_000 + draw.below(4_000)).unwrap(),
            currency_code: "USD".to_owned(),
        }),
        _ => pb::commission::Rate::PercentPpm(i32::try_from(100_000 + draw.below(400_000)).unwrap()),
    };
    let level = |draw: &mut Draw| pb::UplineLevel {
        basis: [pb::UplineBasis::Commission, pb::UplineBasis::SaleAmount][draw.below(2)].into(),
        percent_ppm: [0, 200_000, 333_333, 1_000_000][draw.below(4)],
    };
    let upline_levels = (0..draw.below(4)).map(|_| level(draw)).collect();
    let points = pb::RewardValue { amount: Some(pb::reward_value::Amount::Points(500)) };
    let event_kind = [pb::CustomerRewardEvent::FirstSale, pb::CustomerRewardEvent::SignUp][draw.below(2)].into();
    let promise = pb::CustomerRewardPromise { event_kind, value: Some(points) };
    let special = pb::CommissionRule {
        name: SPECIAL.to_owned(),
        item_skus: vec![SPECIAL.to_owned()],
        commission: Some(pb::Commission {
            rate: Some(pb::commission::Rate::PercentPpm([0, 250_000, 333_333, 1_000_000][draw.below(4)])),
        }),
        ..Default::default()
    };
    pb::Terms {
        commission: Some(pb::Commission { rate: Some(rate) }),
        rounding: [pb::Rounding::HalfEven, pb::Rounding::HalfUp, pb::Rounding::Down][draw.below(3)].into(),
        attribution_model: [Linear, Position, Linear, Position, LastClick, FirstClick][draw.below(6)].into(),
        upline_levels,
        customer_reward: (draw.below(3) > 0).then_some(promise),
        rules: if draw.below(2) == 0 { vec![special] } else { Vec::new() },
        ..Default::default()
    }
}

impl Referral {
    fn new(draw: &mut Draw) -> Self {
        let (currency, terms) = (draw.currency(), terms(draw));
        let mut rules = Rules::new();
        rules.carry_out(&program_of(&in_currency(terms.clone(), currency), currency)).unwrap();
        let mut uplines = [None; AFFILIATES];
        let mut ids: Vec<String> = Vec::new();
        for (affiliate, upline) in uplines.iter_mut().enumerate() {
            *upline = (affiliate > 0 && draw.below(4) > 0).then(|| draw.below(affiliate.max(1)));
            let upline = upline.map(|upline| pb::AffiliateSelector {
                selector: Some(pb::affiliate_selector::Selector::Id(ids[upline].clone())),
            });
            let request = pb::CreateAffiliateRequest {
                email: format!("{}@affiliates.example", name(affiliate)),
                ref_id: name(affiliate),
                upline,
                ..Default::default()
            };
            match rules.carry_out(&request).unwrap().outcome {
                Outcome::Affiliate(made) => ids.push(made.affiliate.id.to_string()),
                other => panic!("{other:?}"),
            }
        }
        let clicked: Vec<usize> = (0..=draw.below(6)).map(|_| draw.below(AFFILIATES)).collect();
        let mut tid = String::new();
        for affiliate in &clicked {
            rules.now = rules.now.plus_micros(SECOND_MICROS);
            let click = pb::RecordClickRequest { ref_id: name(*affiliate), tid: tid.clone(), ..Default::default() };
            let Outcome::Click(made) = rules.carry_out(&click).unwrap().outcome else { panic!("no click") };
            tid = made.tid.to_string();
        }
        let (sales, is_fulfilled, has_signed_up) = (Vec::new(), false, draw.below(2) == 0);
        let mut referral = Self { rules, currency, terms, uplines, clicked, tid, sales, has_signed_up, is_fulfilled };
        if has_signed_up {
            referral.sign_up(0);
        }
        referral
    }

    fn sign_up(&mut self, number: usize) {
        self.rules.now = self.rules.now.plus_micros(SECOND_MICROS);
        let request = pb::RecordLeadRequest {
            event_id: format!("lead-{number}"),
            external_id: CUSTOMER.to_owned(),
            tid: self.tid.clone(),
            state: pb::LeadState::SignedUp.into(),
            ..Default::default()
        };
        self.rules.carry_out(&request).unwrap();
    }

    fn money(&self, amount_minor: i64) -> Option<pb::Money> {
        Some(pb::Money { amount_minor, currency_code: self.currency.to_owned() })
    }

    fn amount(draw: &mut Draw) -> i64 {
        if draw.below(9) == 0 { 1_000_000_000_001 } else { i64::try_from(20_000 + draw.below(50_000)).unwrap() }
    }

    /// One step: a sale, a refund, a correction, or the customer's reward.
    fn step(&mut self, draw: &mut Draw, step: usize) {
        self.rules.now = self.rules.now.plus_micros(SECOND_MICROS);
        let chosen = draw.below(self.sales.len() * 2 + 1);
        let left = self.sales.get(chosen).map(|sold| sold.amount - sold.refunded);
        match left {
            None => self.sell(draw, step),
            // What is refunded in whole stays so, because a correction would ask which sale is the first one.
            Some(0) if draw.below(2) == 0 => self.fulfill(),
            // Another sign-up of a customer whom a lead or a sale has bound changes nothing.
            Some(0) => self.sign_up(1 + step),
            Some(left) if !self.sales[chosen].lines.is_empty() => self.refund(chosen, left, format!("refund-{step}")),
            Some(_) if draw.below(3) == 0 => {
                let amount = self.sales[chosen].refunded + Self::amount(draw);
                let request = pb::CorrectSaleRequest {
                    event_id: format!("correction-{step}"),
                    sale_event_id: self.sales[chosen].event_id.clone(),
                    amount: self.money(amount),
                    ..Default::default()
                };
                self.rules.carry_out(&request).unwrap();
                self.sales[chosen].amount = amount;
            }
            Some(left) => {
                let amount = self.sales[chosen].amount;
                let is_part = draw.below(2) > 0 && left > amount / 2;
                let part = if is_part { 1 + Self::amount(draw) % (amount / 4) } else { left };
                self.refund(chosen, part, format!("refund-{step}"));
            }
        }
    }

    fn sell(&mut self, draw: &mut Draw, step: usize) {
        let amount = Self::amount(draw);
        let has_tid = self.sales.is_empty() || draw.below(2) == 0;
        let mut lines = Vec::new();
        if draw.below(3) == 0 {
            let parts = divided(amount, &[1, 2, 3][..2 + draw.below(2)]);
            lines = parts.into_iter().map(|part| (part, draw.below(2) == 0)).collect();
        }
        let line = |(part, is_special): &(i64, bool)| pb::SaleLine {
            item_sku: if *is_special { SPECIAL.to_owned() } else { "other".to_owned() },
            amount: self.money(*part),
            ..Default::default()
        };
        let request = pb::RecordSaleRequest {
            event_id: format!("sale-{step}"),
            external_id: CUSTOMER.to_owned(),
            tid: if has_tid { self.tid.clone() } else { String::new() },
            amount: self.money(amount),
            lines: lines.iter().map(line).collect(),
            ..Default::default()
        };
        self.rules.carry_out(&request).unwrap();
        let number = 1 + self.sales.iter().filter(|sold| sold.amount > sold.refunded).count();
        self.sales.push(Sold { event_id: request.event_id, amount, refunded: 0, number, lines });
    }

    fn refund(&mut self, place: usize, part: i64, event_id: String) {
        let request = pb::RecordRefundRequest {
            event_id,
            sale_event_id: self.sales[place].event_id.clone(),
            amount: self.money(part),
            ..Default::default()
        };
        self.rules.carry_out(&request).unwrap();
        self.sales[place].refunded += part;
    }

    fn fulfill(&mut self) {
        let is_granted = self.promised() == Some(CustomerRewardState::Granted);
        let selector = Some(pb::lead_selector::Selector::ExternalId(CUSTOMER.to_owned()));
        let lead = Some(pb::LeadSelector { selector });
        let request = pb::FulfillCustomerRewardRequest { lead, ..Default::default() };
        assert_eq!(self.rules.carry_out(&request).is_ok(), is_granted);
        self.is_fulfilled |= is_granted;
    }

    /// The credited affiliates with their shares, in the order in which they were enrolled.
    fn credits(&self) -> Vec<(usize, i64)> {
        let (first, last) = (self.clicked[0], self.clicked[self.clicked.len() - 1]);
        let mut all: Vec<usize> = (0..AFFILIATES).filter(|affiliate| self.clicked.contains(affiliate)).collect();
        match self.terms.attribution_model() {
            pb::AttributionModel::FirstClick => all = vec![first],
            pb::AttributionModel::Linear | pb::AttributionModel::Position => {}
            _ => all = vec![last],
        }
        let between = all.iter().filter(|affiliate| **affiliate != first && **affiliate != last).count();
        // Weights in fifths of the number between: two fifths for an end, and one fifth for all between together.
        let end = if between == 0 { 1 } else { 2 * i64::try_from(between).unwrap() };
        let weight = |affiliate: &usize| match self.terms.attribution_model() {
            pb::AttributionModel::Position => {
                let ends = i64::from(*affiliate == first) + i64::from(*affiliate == last);
                if ends == 0 { 1 } else { ends * end }
            }
            _ => 1,
        };
        let weights: Vec<i64> = all.iter().map(weight).collect();
        all.into_iter().zip(divided(1_000_000, &weights)).collect()
    }

    /// The commission on a sale before it is shared, and the amount of which it is paid.
    fn commission(&self, sold: &Sold) -> (i64, i64) {
        let rounding = self.terms.rounding();
        let part = |amount: i64, ppm: i32| rounded(i128::from(amount) * i128::from(ppm), 1_000_000, rounding);
        let plain = self.terms.commission.as_ref().unwrap().rate.as_ref().unwrap();
        let special = self.terms.rules.first().map(|rule| rule.commission.as_ref().unwrap().rate.as_ref().unwrap());
        let whole = [(sold.amount, false)];
        let lines = if sold.lines.is_empty() { &whole[..] } else { &sold.lines[..] };
        let (mut commission, mut earning, mut has_flat) = (0, 0, false);
        for (amount, is_special) in lines {
            let earned = match special.filter(|_| *is_special).unwrap_or(plain) {
                pb::commission::Rate::PercentPpm(ppm) => part(*amount, *ppm),
                // A flat commission is paid once for all lines together, and each has a part of it.
                pb::commission::Rate::Flat(flat) if !has_flat => {
                    has_flat = true;
                    earning += amount;
                    commission += flat.amount_minor;
                    continue;
                }
                pb::commission::Rate::Flat(_) => {
                    earning += amount;
                    continue;
                }
            };
            commission += earned;
            earning += if earned > 0 { *amount } else { 0 };
        }
        (commission, earning)
    }

    /// What each affiliate has of a sale.
    fn add(&self, sold: &Sold, sums: &mut [i64]) {
        let rounding = self.terms.rounding();
        let part = |amount: i64, ppm: i64| rounded(i128::from(amount) * i128::from(ppm), 1_000_000, rounding);
        let (commission, earning) = self.commission(sold);
        let left = |value: i64| {
            let refunded = i128::from(value) * i128::from(sold.refunded);
            value - rounded(refunded, i128::from(sold.amount), rounding)
        };
        let credits = self.credits();
        let shares: Vec<i64> = credits.iter().map(|(_, share)| *share).collect();
        let of_commission = divided(commission, &shares);
        let of_amount = divided(earning, &shares);
        for (place, (affiliate, _)) in credits.iter().enumerate() {
            let value = of_commission[place];
            if value == 0 {
                continue;
            }
            sums[*affiliate] += left(value);
            let mut above = self.uplines[*affiliate];
            for level in &self.terms.upline_levels {
                let Some(upline) = above else { break };
                let basis = match level.basis() {
                    pb::UplineBasis::SaleAmount => of_amount[place],
                    _ => value,
                };
                sums[upline] += left(part(basis, i64::from(level.percent_ppm)));
                above = self.uplines[upline];
            }
        }
    }

    fn expected(&self) -> Vec<i64> {
        let mut sums = vec![0; AFFILIATES];
        self.sales.iter().for_each(|sold| self.add(sold, &mut sums));
        sums
    }

    /// What became of the reward of the customer.
    fn promised(&self) -> Option<CustomerRewardState> {
        let promise = self.terms.customer_reward.as_ref()?;
        if promise.event_kind() == pb::CustomerRewardEvent::SignUp {
            let granted = if self.is_fulfilled { CustomerRewardState::Fulfilled } else { CustomerRewardState::Granted };
            return self.has_signed_up.then_some(granted);
        }
        let mut first = self.sales.iter().filter(|sold| sold.number == 1).peekable();
        first.peek()?;
        Some(match first.any(|sold| sold.amount > sold.refunded) {
            _ if self.is_fulfilled => CustomerRewardState::Fulfilled,
            true => CustomerRewardState::Granted,
            false => CustomerRewardState::Revoked,
        })
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let of = |affiliate: usize| -> i64 {
            let email = format!("{}@affiliates.example", name(affiliate));
            let row = self.rules.set.affiliates.iter().find(|row| row.email == email).unwrap();
            let rewards = self.rules.set.rewards.iter().filter(|reward| reward.affiliate_id == row.id);
            rewards.map(|reward| reward.value.amount_minor).sum()
        };
        let sums: Vec<i64> = (0..AFFILIATES).map(of).collect();
        prop_assert_eq!(sums, self.expected(), "{:?} {:?} {:#?}", &self.clicked, self.uplines, &self.terms);
        let lead = self.rules.set.leads.iter().find(|lead| lead.external_id.as_deref() == Some(CUSTOMER));
        let reward = lead.and_then(|lead| lead.details.customer_rewards.all().first());
        prop_assert_eq!(reward.map(|reward| reward.state), self.promised(), "{:#?}", &self.terms);
        for sale in self.rules.set.conversions.iter().filter(|row| row.event_id.starts_with("sale-")) {
            let shares: i64 = sale.credits.iter().map(|credit| i64::from(credit.share_ppm)).sum();
            prop_assert_eq!(shares, 1_000_000);
            let told = explanation::explain(&dossier(&self.rules.set, sale));
            prop_assert!(told.credits.iter().all(|credit| credit.difference.is_none()), "{:#?}", told);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn p22_p28_p14_shared_credit_uplines_and_customers_have_what_the_model_says(seed in any::<u64>()) {
        let mut draw = Draw(seed);
        let mut referral = Referral::new(&mut draw);
        for step in 0..1 + draw.below(8) {
            referral.step(&mut draw, step);
            referral.check()?;
        }
        for place in 0..referral.sales.len() {
            let left = referral.sales[place].amount - referral.sales[place].refunded;
            if left > 0 {
                referral.refund(place, left, format!("last-{place}"));
            }
        }
        prop_assert_eq!(referral.expected(), vec![0; AFFILIATES]);
        referral.check()?;
    }
}

//! Histories of clicks that are paid for, beside sales and refunds. Whatever the order in which they are told, each affiliate has what a slow
//! model says, which looks at all clicks for the one of each visitor and day.

use std::collections::{BTreeMap, BTreeSet};

use headwater::domain::click::ClickPayment;
use headwater::domain::id::ClickId;
use headwater::domain::outcome::Outcome;
use headwater::domain::time::Time;
use headwater::pb;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::caps::{AFFILIATES, FIRST_DAY, Story, cap, earned, period, terms};
use super::draw::Draw;
use super::recurring::DAY_SECONDS;
use crate::properties::config;

const VISITORS: usize = 3;

/// A click as it was told.
struct Told {
    visitor: usize,
    affiliate: usize,
    day: i64,
    payment: ClickPayment,
}

/// The clicks of a history, with the tracking ids that visitors have by now.
#[derive(Default)]
struct Clicks {
    told: Vec<Told>,
    tids: BTreeMap<usize, ClickId>,
}

impl Clicks {
    fn click(&mut self, story: &mut Story, draw: &mut Draw) {
        let (visitor, affiliate) = (draw.below(VISITORS), draw.below(AFFILIATES.len()));
        let day = FIRST_DAY + i64::try_from(if draw.below(3) > 0 { draw.below(3) } else { draw.below(60) }).unwrap();
        // Often the first or the last second of the day.
        let last = DAY_SECONDS - 1;
        let second = [0, last, i64::try_from(draw.below(86_400)).unwrap()][draw.below(3)];
        story.shop.now = Time::from_micros(story.shop.now.micros() + 1);
        let request = pb::RecordClickRequest {
            ref_id: AFFILIATES[affiliate].to_owned(),
            tid: self.tids.get(&visitor).map(ToString::to_string).unwrap_or_default(),
            occur_time: Some(prost_types::Timestamp { seconds: day * DAY_SECONDS + second, nanos: 0 }),
            ..Default::default()
        };
        let Outcome::Click(click) = story.shop.carry_out(&request).unwrap().outcome else { panic!("no click") };
        self.tids.insert(visitor, click.tid);
        self.told.push(Told { visitor, affiliate, day, payment: click.payment });
    }

    /// What each affiliate has under at most one cap of affiliates.
    fn expected(&self, terms: &pb::Terms, flat_minor: i64, story: &Story) -> Vec<i64> {
        let most = |scope| terms.caps.iter().find(|cap| cap.scope() == scope);
        let maximum = |cap: &pb::Cap| cap.maximum.as_ref().unwrap().amount_minor;
        let of_one = most(pb::CapScope::SingleEvent).map_or(flat_minor, |cap| flat_minor.min(maximum(cap)));
        let cap = most(pb::CapScope::Affiliate);
        let key = |affiliate: usize, day: i64| (affiliate, cap.map(|cap| period(cap.period(), day)));
        let mut tallies: BTreeMap<_, i64> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for click in &self.told {
            if seen.insert((click.visitor, click.affiliate, click.day)) {
                *tallies.entry(key(click.affiliate, click.day)).or_default() += of_one;
            }
        }
        for sold in &story.sales {
            *tallies.entry(key(sold.customer % 2, sold.seconds / DAY_SECONDS)).or_default() += earned(terms, sold);
        }
        let mut sums = vec![0; AFFILIATES.len()];
        for ((affiliate, _), sum) in tallies {
            sums[affiliate] += cap.map_or(sum, |cap| sum.min(maximum(cap)));
        }
        sums
    }

    /// The first click of each visitor, affiliate and day counts, in the order in which they were told, and no other one.
    fn check_payments(&self) -> Result<(), TestCaseError> {
        let mut seen = BTreeSet::new();
        for click in &self.told {
            let is_first = seen.insert((click.visitor, click.affiliate, click.day));
            let has_counted = matches!(click.payment, ClickPayment::Earned | ClickPayment::Capped);
            prop_assert_eq!(is_first, has_counted, "{:?}", click.payment);
            prop_assert!(has_counted || click.payment == ClickPayment::AlreadyCounted);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(config(5_000))]

    #[test]
    fn p3_clicks_and_sales_earn_what_the_model_says_in_any_order(seed in any::<u64>()) {
        let mut draw = Draw(seed);
        let mut caps = Vec::new();
        if draw.below(4) == 0 {
            caps.push(cap(&mut draw, pb::CapScope::SingleEvent));
        }
        if draw.below(4) > 0 {
            caps.push(cap(&mut draw, pb::CapScope::Affiliate));
        }
        let flat_minor = 1 + i64::try_from(draw.below(400)).unwrap();
        let flat = pb::Money { amount_minor: flat_minor, currency_code: "USD".to_owned() };
        let rule = pb::CommissionRule {
            name: "clicks".to_owned(),
            event_kind: pb::CommissionEvent::Click.into(),
            commission: Some(pb::Commission { rate: Some(pb::commission::Rate::Flat(flat)) }),
            ..Default::default()
        };
        let terms = pb::Terms { rules: vec![rule], ..terms(&mut draw, caps) };
        let (mut story, mut clicks) = (Story::new(&terms, draw.currency()), Clicks::default());
        for step in 0..1 + draw.below(20) {
            if draw.below(3) == 0 { story.step(&mut draw, step) } else { clicks.click(&mut story, &mut draw) }
            let expected = clicks.expected(&terms, flat_minor, &story);
            prop_assert_eq!(story.sums(), expected, "step {}: {:#?}", step, &terms);
        }
        clicks.check_payments()?;
        // If everything is refunded, what clicks have earned is left.
        story.refund_everything();
        story.sales.clear();
        prop_assert_eq!(story.sums(), clicks.expected(&terms, flat_minor, &story), "{:#?}", &terms);
    }
}

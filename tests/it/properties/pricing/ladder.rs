//! Histories under ladders: whatever sales, refunds and corrections are told, each affiliate has what a slow model says, which looks at all
//! sales of a period for each sale.

use headwater::pb;
use proptest::prelude::*;

use super::caps::{AFFILIATES, PERIODS, Sold, Story, earned, period};
use super::draw::Draw;
use super::recurring::DAY_SECONDS;
use crate::properties::config;

fn rate(draw: &mut Draw) -> pb::Commission {
    let rate = match draw.below(3) {
        0 => {
            let amount_minor = i64::try_from(draw.below(500)).unwrap();
            pb::commission::Rate::Flat(pb::Money { amount_minor, currency_code: "USD".to_owned() })
        }
        _ => pb::commission::Rate::PercentPpm(i32::try_from(draw.below(400_000)).unwrap()),
    };
    pb::Commission { rate: Some(rate) }
}

fn terms(draw: &mut Draw) -> pb::Terms {
    let is_amount = draw.below(2) == 0;
    let mut minimum = 0;
    let mut step = |draw: &mut Draw| {
        minimum += 1 + i64::try_from(draw.below(if is_amount { 6_000 } else { 2 })).unwrap();
        let amount = pb::Money { amount_minor: minimum, currency_code: "USD".to_owned() };
        pb::LadderStep {
            min_sale_count: if is_amount { 0 } else { minimum },
            min_amount: is_amount.then_some(amount),
            commission: Some(rate(draw)),
        }
    };
    let count = 1 + draw.below(4);
    let steps = (0..count).map(|_| step(draw)).collect();
    let ladder = pb::Ladder { mode: pb::LadderMode::LevelUp.into(), period: PERIODS[draw.below(6)].into(), steps };
    let rounding = [pb::Rounding::HalfEven, pb::Rounding::HalfUp, pb::Rounding::Down][draw.below(3)];
    pb::Terms { commission: Some(rate(draw)), ladder: Some(ladder), rounding: rounding.into(), ..Default::default() }
}

/// The terms of a sale that is priced when this was sold.
fn at(terms: &pb::Terms, sold: &[&Sold]) -> pb::Terms {
    let left = |sold: &&&Sold| sold.amount - sold.refunded > 0;
    let count = i64::try_from(sold.iter().filter(left).count()).unwrap();
    let sum: i64 = sold.iter().map(|sold| sold.amount - sold.refunded).sum();
    let is_reached = |step: &&pb::LadderStep| match &step.min_amount {
        Some(minimum) => sum >= minimum.amount_minor,
        None => count >= step.min_sale_count,
    };
    let reached = terms.ladder.as_ref().unwrap().steps.iter().rfind(is_reached);
    let commission = reached.map_or(terms.commission.clone(), |step| step.commission.clone());
    pb::Terms { commission, ..terms.clone() }
}

/// The sales of the affiliate of a sale in its period, without itself.
fn others<'sales>(terms: &pb::Terms, sales: &'sales [Sold], of: &Sold) -> Vec<&'sales Sold> {
    let key =
        |sold: &Sold| (sold.customer % 2, period(terms.ladder.as_ref().unwrap().period(), sold.seconds / DAY_SECONDS));
    sales.iter().filter(|sold| sold.event_id != of.event_id && key(sold) == key(of)).collect()
}

proptest! {
    #![proptest_config(config(20_000))]

    #[test]
    fn sales_under_a_ladder_earn_what_the_model_says(seed in any::<u64>()) {
        let mut draw = Draw(seed);
        let terms = terms(&mut draw);
        let mut story = Story::new(&terms);
        let mut met: Vec<pb::Terms> = Vec::new();
        for step in 0..1 + draw.below(12) {
            story.step(&mut draw, step);
            if let Some(new) = story.sales.get(met.len()) {
                met.push(at(&terms, &others(&terms, &story.sales, new)));
            }
            let mut expected = vec![0; AFFILIATES.len()];
            for (sold, met) in story.sales.iter().zip(&met) {
                expected[sold.customer % 2] += earned(met, sold);
            }
            prop_assert_eq!(story.sums(), expected, "step {}: {:#?}", step, &terms);
        }
        story.check()?;
        story.refund_everything();
        prop_assert_eq!(story.sums(), vec![0; 2], "{:#?}", &terms);
        story.check()?;
    }
}

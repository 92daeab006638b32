//! Histories under ladders: whatever sales, refunds and corrections are told, each affiliate has what a slow model says, which looks at all
//! sales of a period for each sale. Under ladders that pay for their tallies, the model does not know the order in which they were told.

use std::collections::BTreeMap;

use headwater::pb;
use proptest::prelude::*;

use super::caps::{AFFILIATES, PERIODS, Sold, Story, earned, period, rounded};
use super::draw::Draw;
use super::recurring::DAY_SECONDS;
use crate::properties::config;

const MODES: [pb::LadderMode; 3] = [pb::LadderMode::LevelUp, pb::LadderMode::Retroactive, pb::LadderMode::Marginal];

/// A commission. Of brackets, those of amounts are percentages, and those of sales are flat.
fn rate(draw: &mut Draw, mode: pb::LadderMode, is_amount: bool) -> pb::Commission {
    let is_flat = if mode == pb::LadderMode::Marginal { !is_amount } else { draw.below(3) == 0 };
    let rate = if is_flat {
        let amount_minor = i64::try_from(draw.below(500)).unwrap();
        pb::commission::Rate::Flat(pb::Money { amount_minor, currency_code: "USD".to_owned() })
    } else {
        pb::commission::Rate::PercentPpm(i32::try_from(draw.below(400_000)).unwrap())
    };
    pb::Commission { rate: Some(rate) }
}

fn terms(draw: &mut Draw, mode: pb::LadderMode) -> pb::Terms {
    let is_amount = draw.below(2) == 0;
    let mut minimum = 0;
    let mut step = |draw: &mut Draw| {
        minimum += 1 + i64::try_from(draw.below(if is_amount { 6_000 } else { 2 })).unwrap();
        let amount = pb::Money { amount_minor: minimum, currency_code: "USD".to_owned() };
        pb::LadderStep {
            min_sale_count: if is_amount { 0 } else { minimum },
            min_amount: is_amount.then_some(amount),
            commission: Some(rate(draw, mode, is_amount)),
        }
    };
    let count = 1 + draw.below(4);
    let steps = (0..count).map(|_| step(draw)).collect();
    let ladder = pb::Ladder { mode: mode.into(), period: PERIODS[draw.below(6)].into(), steps };
    let rounding = [pb::Rounding::HalfEven, pb::Rounding::HalfUp, pb::Rounding::Down][draw.below(3)];
    let commission = Some(rate(draw, mode, is_amount));
    pb::Terms { commission, ladder: Some(ladder), rounding: rounding.into(), ..Default::default() }
}

/// What was sold: the number of sales of which something is left, what is left of them, and how many whole sales that is, in millionths.
fn left(sold: &[&Sold]) -> (i64, i64, i64) {
    let left = |sold: &Sold| sold.amount - sold.refunded;
    let count = sold.iter().filter(|sold| left(sold) > 0).count();
    let of_sale = |sold: &Sold| {
        let whole = i128::from(sold.amount.max(1));
        rounded(i128::from(left(sold)) * 1_000_000, whole, pb::Rounding::HalfEven)
    };
    let sum = sold.iter().map(|sold| left(sold)).sum();
    (i64::try_from(count).unwrap(), sum, sold.iter().map(|sold| of_sale(sold)).sum())
}

/// The terms with the commission of the step that is reached when this was sold.
fn at(terms: &pb::Terms, sold: &[&Sold]) -> pb::Terms {
    let ladder = terms.ladder.as_ref().unwrap();
    let (count, sum, millionths) = left(sold);
    let is_reached = |step: &&pb::LadderStep| match &step.min_amount {
        Some(minimum) => sum >= minimum.amount_minor,
        None if ladder.mode() == pb::LadderMode::Marginal => millionths >= step.min_sale_count * 1_000_000,
        None => count >= step.min_sale_count,
    };
    let reached = ladder.steps.iter().rfind(is_reached);
    let commission = reached.map_or(terms.commission.clone(), |step| step.commission.clone());
    pb::Terms { commission, ..terms.clone() }
}

/// What the brackets give for what is left of sales: what all of it earns by the first commission, and for what is above each step the difference of
/// its commission to the one before.
fn brackets(terms: &pb::Terms, sold: &[&Sold]) -> i64 {
    let (_, sum, millionths) = left(sold);
    let rate = |commission: &Option<pb::Commission>| match commission.as_ref().unwrap().rate.as_ref().unwrap() {
        pb::commission::Rate::Flat(flat) => i128::from(flat.amount_minor),
        pb::commission::Rate::PercentPpm(ppm) => i128::from(*ppm),
    };
    let mut before = rate(&terms.commission);
    let is_amount = terms.ladder.as_ref().unwrap().steps[0].min_amount.is_some();
    let size = i128::from(if is_amount { sum } else { millionths });
    let mut product = before * size;
    for step in &terms.ladder.as_ref().unwrap().steps {
        let begin = step.min_amount.as_ref().map_or(step.min_sale_count * 1_000_000, |minimum| minimum.amount_minor);
        let now = rate(&step.commission);
        product += (now - before) * (size - i128::from(begin)).max(0);
        before = now;
    }
    rounded(product, 1_000_000, terms.rounding())
}

/// What each affiliate has. Sales that are not counted have the commission that they have met.
fn expected(terms: &pb::Terms, sales: &[Sold], met: &[pb::Terms]) -> Vec<i64> {
    let ladder = terms.ladder.as_ref().unwrap();
    let mut sums = vec![0; AFFILIATES.len()];
    let mut counted: BTreeMap<_, Vec<&Sold>> = BTreeMap::new();
    for (sold, met) in sales.iter().zip(met) {
        let affiliate = sold.customer % 2;
        if ladder.mode() == pb::LadderMode::LevelUp || sold.amount == 0 {
            sums[affiliate] += earned(met, sold);
        } else {
            let period = period(ladder.period(), sold.seconds / DAY_SECONDS);
            counted.entry((affiliate, period)).or_default().push(sold);
        }
    }
    for ((affiliate, _), sold) in counted {
        sums[affiliate] += match ladder.mode() {
            pb::LadderMode::Marginal => brackets(terms, &sold),
            _ => {
                let reached = at(terms, &sold);
                sold.iter().map(|sold| earned(&reached, sold)).sum::<i64>()
            }
        };
    }
    sums
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
        let mode = MODES[draw.below(3)];
        let terms = terms(&mut draw, mode);
        let mut story = Story::new(&terms, draw.currency());
        let mut met: Vec<pb::Terms> = Vec::new();
        for step in 0..1 + draw.below(12) {
            story.step(&mut draw, step);
            if let Some(new) = story.sales.get(met.len()) {
                met.push(at(&terms, &others(&terms, &story.sales, new)));
            }
            prop_assert_eq!(story.sums(), expected(&terms, &story.sales, &met), "step {}: {:#?}", step, &terms);
        }
        story.check()?;
        story.refund_everything();
        prop_assert_eq!(story.sums(), vec![0; 2], "{:#?}", &terms);
        story.check()?;
    }
}

//! Histories under threshold bonuses and figures of what an affiliate has sold: whatever sales, refunds and corrections are told, each affiliate
//! has what a slow model says, which looks at all sales for each sale and for each bonus.

use std::collections::BTreeMap;

use headwater::pb;
use proptest::prelude::*;

use super::caps::{AFFILIATES, PERIODS, Sold, Story, earned, period};
use super::draw::Draw;
use super::recurring::DAY_SECONDS;
use crate::properties::config;

fn usd(amount_minor: i64) -> pb::Money {
    pb::Money { amount_minor, currency_code: "USD".to_owned() }
}

fn rate(draw: &mut Draw) -> Option<pb::Commission> {
    let percent_ppm = i32::try_from(draw.below(400_000)).unwrap();
    Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(percent_ppm)) })
}

fn bonus(draw: &mut Draw, name: usize) -> pb::ThresholdBonus {
    let is_amount = draw.below(2) == 0;
    let minimum = 1 + i64::try_from(draw.below(if is_amount { 9_000 } else { 4 })).unwrap();
    let cash = pb::reward_value::Amount::Cash(usd(1 + i64::try_from(draw.below(900)).unwrap()));
    pb::ThresholdBonus {
        name: name.to_string(),
        period: PERIODS[draw.below(6)].into(),
        min_sale_count: if is_amount { 0 } else { minimum },
        min_amount: is_amount.then(|| usd(minimum)),
        bonus: Some(pb::RewardValue { amount: Some(cash) }),
    }
}

/// A comparison of a number with one or two others.
fn comparison(draw: &mut Draw) -> pb::Comparison {
    use pb::Comparison::{Between, Equal, Less, LessOrEqual, More, MoreOrEqual, MultipleOf, NoneOf, NotEqual, OneOf};
    let rare = [Equal, NotEqual, Less, LessOrEqual, More, Between, OneOf, NoneOf, MultipleOf];
    if draw.below(2) == 0 { MoreOrEqual } else { rare[draw.below(rare.len())] }
}

/// Whether a comparison holds, of which the values are in order.
fn holds(condition: &pb::Condition, actual: i64) -> bool {
    use pb::Comparison::{Between, Equal, Less, LessOrEqual, More, MultipleOf, NoneOf, NotEqual, OneOf};
    let values: Vec<i64> = condition.values.iter().map(|value| value.parse().unwrap()).collect();
    let (first, last) = (values[0], values[values.len() - 1]);
    match condition.comparison() {
        Equal | OneOf => values.contains(&actual),
        NotEqual | NoneOf => !values.contains(&actual),
        Less => actual < first,
        LessOrEqual => actual <= first,
        More => actual > first,
        Between => first <= actual && actual <= last,
        MultipleOf => actual % first == 0,
        _ => actual >= first,
    }
}

/// Terms with bonuses, and mostly with a rule for those who have sold enough.
fn terms(draw: &mut Draw) -> pb::Terms {
    let is_amount = draw.below(2) == 0;
    let field =
        if is_amount { pb::ConditionField::AffiliateSalesAmount } else { pb::ConditionField::AffiliateSaleCount };
    let comparison = comparison(draw);
    let is_pair = [pb::Comparison::Between, pb::Comparison::OneOf, pb::Comparison::NoneOf].contains(&comparison);
    let mut values: Vec<usize> =
        (0..1 + usize::from(is_pair)).map(|_| draw.below(if is_amount { 9_000 } else { 5 })).collect();
    values.sort_unstable();
    if comparison == pb::Comparison::MultipleOf {
        values[0] = values[0].max(1);
    }
    let condition = pb::Condition {
        field: field.into(),
        comparison: comparison.into(),
        values: values.iter().map(ToString::to_string).collect(),
        ..Default::default()
    };
    let name = "regular".to_owned();
    let rule = pb::CommissionRule { name, condition: Some(condition), commission: rate(draw), ..Default::default() };
    let threshold_bonuses = (0..draw.below(5)).map(|name| bonus(draw, name)).collect();
    let rounding = [pb::Rounding::HalfEven, pb::Rounding::HalfUp, pb::Rounding::Down][draw.below(3)];
    pb::Terms {
        commission: rate(draw),
        rules: if draw.below(4) == 0 { Vec::new() } else { vec![rule] },
        threshold_bonuses,
        rounding: rounding.into(),
        ..Default::default()
    }
}

/// How many sales there are of which something is left, and how much is left of them.
fn sold<'sales>(sales: impl Iterator<Item = &'sales Sold>) -> (i64, i64) {
    let left: Vec<i64> = sales.map(|sold| sold.amount - sold.refunded).collect();
    (i64::try_from(left.iter().filter(|left| **left > 0).count()).unwrap(), left.iter().sum())
}

/// The terms of a sale that was told when there were these other sales.
fn at(terms: &pb::Terms, sales: &[Sold], new: &Sold) -> pb::Terms {
    let is_other = |other: &&Sold| other.customer % 2 == new.customer % 2 && other.event_id != new.event_id;
    let (count, amount) = sold(sales.iter().filter(is_other));
    let applies = |rule: &&pb::CommissionRule| {
        let condition = rule.condition.as_ref().unwrap();
        let is_amount = condition.field() == pb::ConditionField::AffiliateSalesAmount;
        holds(condition, if is_amount { amount } else { count })
    };
    let commission = terms.rules.iter().find(applies).map_or(terms.commission.clone(), |rule| rule.commission.clone());
    pb::Terms { commission, ..terms.clone() }
}

/// The bonuses that each affiliate has.
fn bonuses(terms: &pb::Terms, sales: &[Sold]) -> Vec<i64> {
    let mut sums = vec![0; AFFILIATES.len()];
    for bonus in &terms.threshold_bonuses {
        let mut by_period: BTreeMap<_, Vec<&Sold>> = BTreeMap::new();
        for sold in sales {
            let key = (sold.customer % 2, period(bonus.period(), sold.seconds / DAY_SECONDS));
            by_period.entry(key).or_default().push(sold);
        }
        for ((affiliate, _), of_period) in by_period {
            let (count, amount) = sold(of_period.into_iter());
            let is_reached = match &bonus.min_amount {
                Some(minimum) => amount >= minimum.amount_minor,
                None => count >= bonus.min_sale_count,
            };
            if is_reached {
                sums[affiliate] += value(bonus);
            }
        }
    }
    sums
}

fn value(bonus: &pb::ThresholdBonus) -> i64 {
    match bonus.bonus.as_ref().unwrap().amount.as_ref().unwrap() {
        pb::reward_value::Amount::Cash(money) => money.amount_minor,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(config(10_000))]

    #[test]
    fn p10_bonuses_and_figures_are_what_the_model_says(seed in any::<u64>()) {
        let mut draw = Draw(seed);
        let terms = terms(&mut draw);
        let mut story = Story::new(&terms, draw.currency());
        let mut met: Vec<pb::Terms> = Vec::new();
        for step in 0..1 + draw.below(12) {
            story.step(&mut draw, step);
            if let Some(new) = story.sales.get(met.len()) {
                met.push(at(&terms, &story.sales, new));
            }
            let mut expected = bonuses(&terms, &story.sales);
            for (sold, met) in story.sales.iter().zip(&met) {
                expected[sold.customer % 2] += earned(met, sold);
            }
            prop_assert_eq!(story.sums(), expected, "step {}: {:#?}", step, &terms);
        }
        story.refund_everything();
        prop_assert_eq!(story.sums(), vec![0; 2], "{:#?}", &terms);
    }
}

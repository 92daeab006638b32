//! Commissions for a time of an enrollment and of a coupon: what sales at, before and after each of their moments earn, by the rules and by a slow
//! model that keeps every change and looks at all of them. The explanation names the same version.

use std::collections::BTreeSet;

use headwater::domain::explanation;
use headwater::domain::refusal::Refusal;
use headwater::domain::reward::RewardRule;
use headwater::domain::time::Time;
use headwater::pb;
use proptest::prelude::*;

use super::draw::Draw;
use super::{START, program_of};
use crate::properties::config;
use crate::properties::rules::Rules;
use crate::support::dossier::dossier;

const HOUR_MICROS: i64 = 3_600_000_000;
/// A start may be this long ago.
const CLOCK_DIFFERENCE_MICROS: i64 = 600_000_000;
const PROGRAM_PPM: i32 = 100_000;

/// A commission, its start and its end. Times are in microseconds.
#[derive(Debug, Clone)]
struct Version {
    /// 0: one without dates.
    number: i32,
    percent_ppm: Option<i32>,
    start: i64,
    end: Option<i64>,
}

/// All commissions that an enrollment or a coupon ever had, as they were made.
#[derive(Debug, Clone)]
struct Slow {
    versions: Vec<Version>,
}

impl Slow {
    fn new() -> Self {
        Self { versions: vec![Version { number: 0, percent_ppm: None, start: i64::MIN, end: None }] }
    }

    /// Which of them counts: the latest start of those that are not over, then the one with dates, then the highest number.
    fn at(&self, time: i64) -> (i32, Option<i32>) {
        let mut best: Option<&Version> = None;
        for version in &self.versions {
            let applies = version.start <= time && version.end.is_none_or(|end| time < end);
            let is_later = best.is_none_or(|best| (best.start, best.number) <= (version.start, version.number));
            if applies && is_later {
                best = Some(version);
            }
        }
        best.map_or((0, None), |best| (best.number, best.percent_ppm))
    }

    fn change(&mut self, percent_ppm: Option<i32>, end: Option<i64>, now: i64) {
        let newest = self.versions.iter_mut().rfind(|version| version.number == 0).unwrap();
        if (newest.percent_ppm, newest.end) == (percent_ppm, end) {
            return;
        }
        // The one before does not come back when the new one is over.
        newest.end = Some(newest.end.map_or(now, |end| end.min(now)));
        self.versions.push(Version { number: 0, percent_ppm, start: now, end });
    }

    /// Whether it is taken.
    fn add(&mut self, percent_ppm: Option<i32>, start: Option<i64>, end: Option<i64>, now: i64) -> bool {
        let asked = start.unwrap_or(now);
        let start = asked.max(now);
        if asked < now - CLOCK_DIFFERENCE_MICROS || end.is_some_and(|end| end <= start) {
            return false;
        }
        let number = self.versions.iter().map(|version| version.number).max().unwrap() + 1;
        self.versions.push(Version { number, percent_ppm, start, end });
        true
    }

    /// Whether it is taken.
    fn withdraw(&mut self, number: i32, now: i64) -> bool {
        let found = self.versions.iter_mut().find(|version| version.number == number);
        let Some(version) = found.filter(|version| version.end.is_none_or(|end| now < end)) else { return false };
        version.end = Some(now);
        true
    }

    fn moments(&self) -> impl Iterator<Item = i64> {
        self.versions.iter().flat_map(|version| [Some(version.start), version.end]).flatten()
    }
}

fn percent(percent_ppm: Option<i32>) -> Option<pb::Commission> {
    let rate = pb::commission::Rate::PercentPpm(percent_ppm?);
    Some(pb::Commission { rate: Some(rate) })
}

fn stamp(micros: i64) -> prost_types::Timestamp {
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap();
    prost_types::Timestamp { seconds: micros.div_euclid(1_000_000), nanos }
}

/// What the owner may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Enrollment,
    Coupon,
}

struct Shop {
    rules: Rules,
    enrollment_id: String,
    coupon_id: String,
    of_enrollment: Slow,
    of_coupon: Slow,
}

impl Shop {
    fn open() -> Self {
        let mut rules = Rules::new();
        let terms = pb::Terms { commission: percent(Some(PROGRAM_PPM)), ..Default::default() };
        rules.carry_out(&program_of(&terms, "USD")).unwrap();
        let affiliate = pb::CreateAffiliateRequest {
            email: "ann@affiliates.example".to_owned(),
            coupon_code: "ANN".to_owned(),
            ..Default::default()
        };
        rules.carry_out(&affiliate).unwrap();
        let enrollment_id = rules.set.enrollments.iter().next().unwrap().id.to_string();
        let coupon_id = rules.set.coupons.iter().next().unwrap().id.to_string();
        Self { rules, enrollment_id, coupon_id, of_enrollment: Slow::new(), of_coupon: Slow::new() }
    }

    fn slow(&mut self, of: Of) -> &mut Slow {
        match of {
            Of::Enrollment => &mut self.of_enrollment,
            Of::Coupon => &mut self.of_coupon,
        }
    }

    /// Changes the commission without dates.
    fn change(&mut self, of: Of, percent_ppm: Option<i32>, end: Option<i64>) {
        let (now, mask) =
            (self.rules.now.micros(), |path: &str| Some(prost_types::FieldMask { paths: vec![path.to_owned()] }));
        let done = match of {
            Of::Enrollment => self.rules.carry_out(&pb::UpdateEnrollmentRequest {
                enrollment: Some(pb::Enrollment {
                    id: self.enrollment_id.clone(),
                    commission_override: percent(percent_ppm),
                    ..Default::default()
                }),
                update_mask: mask("commission_override"),
                ..Default::default()
            }),
            Of::Coupon => self.rules.carry_out(&pb::UpdateCouponRequest {
                coupon: Some(pb::Coupon {
                    id: self.coupon_id.clone(),
                    commission: percent(percent_ppm),
                    commission_end_time: end.map(stamp),
                    ..Default::default()
                }),
                update_mask: mask("commission"),
                ..Default::default()
            }),
        };
        done.unwrap();
        self.slow(of).change(percent_ppm, end, now);
    }

    /// Adds or withdraws one with dates. Returns whether it was taken.
    fn date(&mut self, of: Of, dated_commission: Option<pb::DatedCommission>, withdraw_dated_commission: i32) -> bool {
        let done = match of {
            Of::Enrollment => self.rules.carry_out(&pb::UpdateEnrollmentRequest {
                enrollment: Some(pb::Enrollment { id: self.enrollment_id.clone(), ..Default::default() }),
                dated_commission,
                withdraw_dated_commission,
                ..Default::default()
            }),
            Of::Coupon => self.rules.carry_out(&pb::UpdateCouponRequest {
                coupon: Some(pb::Coupon { id: self.coupon_id.clone(), ..Default::default() }),
                dated_commission,
                withdraw_dated_commission,
                ..Default::default()
            }),
        };
        assert!(!matches!(done, Err(Refusal::NotLoaded(_))), "{done:?}");
        done.is_ok()
    }

    /// Something that the owner does, by the rules and by the model.
    fn act(&mut self, draw: &mut Draw) {
        let now = self.rules.now.micros();
        let of = if draw.below(2) == 0 { Of::Enrollment } else { Of::Coupon };
        let rates = [None, Some(0), Some(150_000), Some(250_000), Some(1_000_000)];
        let percent_ppm = rates[draw.below(rates.len())];
        let lengths = [1, 1_000_000, HOUR_MICROS, 24 * HOUR_MICROS, 70 * HOUR_MICROS];
        let length = lengths[draw.below(lengths.len())];
        match draw.below(6) {
            0 => {
                // Only a commission of a coupon has an end of its own, which may be past already.
                let has_end = of == Of::Coupon && percent_ppm.is_some() && draw.below(2) == 0;
                let end = now + if draw.below(4) == 0 { -length } else { length };
                self.change(of, percent_ppm, has_end.then_some(end));
            }
            1 => {
                let number = i32::try_from(1 + draw.below(6)).unwrap();
                let expected = self.slow(of).withdraw(number, now);
                assert_eq!(self.date(of, None, number), expected, "withdraw {number}");
            }
            _ => {
                let starts =
                    [0, 1, HOUR_MICROS, 30 * HOUR_MICROS, -CLOCK_DIFFERENCE_MICROS, -CLOCK_DIFFERENCE_MICROS - 1];
                let start = (draw.below(4) > 0).then(|| now + starts[draw.below(starts.len())]);
                let end = (start.is_none() || draw.below(3) > 0).then(|| start.unwrap_or(now) + length);
                let expected = self.slow(of).add(percent_ppm, start, end, now);
                let dated = pb::DatedCommission {
                    commission: percent(percent_ppm),
                    start_time: start.map(stamp),
                    end_time: end.map(stamp),
                    ..Default::default()
                };
                assert_eq!(self.date(of, Some(dated.clone()), 0), expected, "{dated:?} at {now}");
            }
        }
    }

    /// Tells a sale that happened at this time. Returns its reward in minor units, and what the model says.
    fn sell(&mut self, number: usize, at: i64) -> Result<(), TestCaseError> {
        let event_id = format!("sale-{number}");
        let sale = pb::RecordSaleRequest {
            event_id: event_id.clone(),
            email: format!("{number}@shop.example"),
            coupon_code: "ann".to_owned(),
            amount: Some(pb::Money { amount_minor: 1_000_000, currency_code: "USD".to_owned() }),
            occur_time: Some(stamp(at)),
            ..Default::default()
        };
        self.rules.carry_out(&sale).unwrap();
        let (of_enrollment, of_coupon) = (self.of_enrollment.at(at), self.of_coupon.at(at));
        let expected = of_enrollment.1.or(of_coupon.1).unwrap_or(PROGRAM_PPM);
        let row = self.rules.set.conversions.iter().find(|row| row.event_id == event_id).unwrap();
        let earned: i64 = (self.rules.set.rewards.iter())
            .filter(|reward| reward.conversion_id == Some(row.id))
            .map(|reward| reward.value.amount_minor)
            .sum();
        prop_assert_eq!(earned, i64::from(expected), "at {}: {:#?} {:#?}", at, &self.of_enrollment, &self.of_coupon);
        let told = explanation::explain(&dossier(&self.rules.set, row));
        let credit = &told.credits[0];
        prop_assert_eq!(credit.difference, None, "{:#?}", credit);
        for step in &credit.steps {
            let number = step.version.map_or(0, |version| version.number);
            match step.source {
                RewardRule::Enrollment => prop_assert_eq!(number, of_enrollment.0),
                RewardRule::Coupon => prop_assert_eq!(number, of_coupon.0),
                _ => prop_assert_eq!(step.version, None),
            }
            let Some(version) = step.version else { continue };
            let (time, start) = (Time::from_micros(at), version.starts_at);
            prop_assert!(start.is_none_or(|start| start <= time), "{:?} at {}", version, at);
            prop_assert!(version.ends_at.is_none_or(|end| time < end), "{:?} at {}", version, at);
        }
        Ok(())
    }

    /// Takes all of a sale back.
    fn refund(&mut self, number: usize) {
        let refund = pb::RecordRefundRequest {
            event_id: format!("refund-{number}"),
            sale_event_id: format!("sale-{number}"),
            amount: Some(pb::Money { amount_minor: 1_000_000, currency_code: "USD".to_owned() }),
            ..Default::default()
        };
        self.rules.carry_out(&refund).unwrap();
    }
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn p12_a_slow_model_of_all_commissions_for_a_time_agrees(seed in any::<u64>()) {
        let mut draw = Draw(seed);
        let mut shop = Shop::open();
        let mut sold = 0;
        for _ in 0..=draw.below(8) {
            let waits = [1, 1_000_000, HOUR_MICROS, 25 * HOUR_MICROS];
            shop.rules.now = shop.rules.now.plus_micros(waits[draw.below(waits.len())]);
            shop.act(&mut draw);
            // Changes of one moment are in the order in which they were made. A sale is never told in the moment of a change.
            shop.rules.now = shop.rules.now.plus_micros(1);
            sold += 1;
            let now = shop.rules.now.micros();
            shop.sell(sold, now)?;
        }
        shop.rules.now = shop.rules.now.plus_micros(200 * HOUR_MICROS);
        let moments = shop.of_enrollment.moments().chain(shop.of_coupon.moments());
        let near: BTreeSet<i64> = moments.flat_map(|moment| [-1, 0, 1].map(|apart| moment.saturating_add(apart))).collect();
        let told = START.micros()..=shop.rules.now.micros();
        for at in near.into_iter().filter(|at| told.contains(at)) {
            sold += 1;
            shop.sell(sold, at)?;
        }
        (1..=sold).for_each(|number| shop.refund(number));
        let net: i64 = shop.rules.set.rewards.iter().map(|reward| reward.value.amount_minor).sum();
        prop_assert_eq!(net, 0);
    }
}

//! Rewards of affiliates for other things than sales: the bonus for becoming active, submissions to bounties, and places in contests. Whatever
//! people ask for in any order, the rules take what a slow model takes, which counts everything that ever happened, and each affiliate has what
//! the model says. The claims of offers are counted in the same way.

use headwater::domain::outcome::Outcome;
use headwater::domain::refusal::Refusal;
use headwater::pb;
use headwater::rpc::call::change::Change;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::draw::Draw;
use super::program_of;
use crate::properties::config;
use crate::properties::rules::Rules;

const AFFILIATES: usize = 4;
const DAY_MICROS: i64 = 86_400_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Unknown,
    Applied,
    Active,
    Inactive,
    Ended,
}

#[derive(Debug, Clone)]
struct Submitted {
    id: String,
    bounty: usize,
    affiliate: usize,
    is_rejected: bool,
    /// What was paid for it, in minor units.
    paid: Option<i64>,
}

/// A bounty, a contest or an offer. Only their limits differ in name.
#[derive(Debug, Clone)]
struct Limited {
    id: String,
    is_contest: bool,
    /// In minor units, the first place first. Empty: an offer.
    rewards: Vec<i64>,
    start: Option<i64>,
    end: Option<i64>,
    max: usize,
    max_each: usize,
    is_archived: bool,
    is_decided: bool,
}

impl Limited {
    fn is_open(&self, now: i64) -> bool {
        let is_over = self.end.is_some_and(|end| end <= now);
        let has_begun = self.start.is_none_or(|start| start <= now);
        !self.is_archived && !self.is_decided && !is_over && has_begun
    }

    /// Whether one more fits, of these that were taken by affiliates.
    fn has_room(&self, taken: &[usize], affiliate: usize) -> bool {
        let of_affiliate = taken.iter().filter(|other| **other == affiliate).count();
        (self.max == 0 || taken.len() < self.max) && (self.max_each == 0 || of_affiliate < self.max_each)
    }
}

#[derive(Debug, Clone)]
struct Claim {
    coupon_id: String,
    offer: usize,
    affiliate: usize,
    is_removed: bool,
}

struct Club {
    rules: Rules,
    currency: &'static str,
    bonus: Option<i64>,
    standings: [Standing; AFFILIATES],
    /// Every moment when somebody became active, with the bonus of the terms then.
    activations: Vec<(usize, Option<i64>)>,
    bounties: Vec<Limited>,
    offers: Vec<Limited>,
    submissions: Vec<Submitted>,
    claims: Vec<Claim>,
}

fn email(affiliate: usize) -> String {
    format!("affiliate-{affiliate}@affiliates.example")
}

fn selector(affiliate: usize) -> Option<pb::AffiliateSelector> {
    Some(pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Email(email(affiliate))) })
}

fn stamp(micros: i64) -> prost_types::Timestamp {
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap();
    prost_types::Timestamp { seconds: micros.div_euclid(1_000_000), nanos }
}

fn small(number: usize) -> i32 {
    i32::try_from(number).unwrap()
}

impl Club {
    fn new(draw: &mut Draw) -> Self {
        let (currency, bonus) = (draw.currency(), bonus(draw));
        let mut club = Self {
            rules: Rules::new(),
            currency,
            bonus,
            standings: [Standing::Unknown; AFFILIATES],
            activations: Vec::new(),
            bounties: Vec::new(),
            offers: Vec::new(),
            submissions: Vec::new(),
            claims: Vec::new(),
        };
        let request = program_of(&club.terms(), currency);
        club.rules.carry_out(&request).unwrap();
        club
    }

    fn cash(&self, amount_minor: i64) -> pb::RewardValue {
        let money = pb::Money { amount_minor, currency_code: self.currency.to_owned() };
        pb::RewardValue { amount: Some(pb::reward_value::Amount::Cash(money)) }
    }

    fn terms(&self) -> pb::Terms {
        let rate = pb::commission::Rate::PercentPpm(100_000);
        let commission = Some(pb::Commission { rate: Some(rate) });
        let enrollment_bonus = self.bonus.map(|bonus| self.cash(bonus));
        pb::Terms { commission, enrollment_bonus, ..Default::default() }
    }

    /// Carries a request out, and checks that it is taken or refused as expected.
    fn ask<M: Change + std::fmt::Debug>(&mut self, request: &M, is_taken: bool) -> Option<Outcome> {
        let done = self.rules.carry_out(request);
        assert!(!matches!(done, Err(Refusal::NotLoaded(_))), "{done:?}");
        assert_eq!(done.is_ok(), is_taken, "{done:?}: {request:#?}");
        done.ok().map(|decision| decision.outcome)
    }

    fn became_active(&mut self, affiliate: usize) {
        self.standings[affiliate] = Standing::Active;
        self.activations.push((affiliate, self.bonus));
    }

    fn step(&mut self, draw: &mut Draw) {
        self.rules.now = self.rules.now.plus_micros([1, 1_000_000, DAY_MICROS][draw.below(3)]);
        let affiliate = draw.below(AFFILIATES);
        match draw.below(14) {
            0..3 => self.change_standing(draw, affiliate),
            3 => self.change_terms(draw),
            4 => self.open_bounty(draw),
            5 => self.open_offer(draw),
            6..8 => self.submit(draw, affiliate),
            8 => self.approve(draw),
            9 => self.reject(draw),
            10 => self.decide(draw),
            11 => self.claim(draw, affiliate),
            12 => self.remove(draw),
            _ => self.change_limits(draw),
        }
    }

    fn change_standing(&mut self, draw: &mut Draw, affiliate: usize) {
        match self.standings[affiliate] {
            Standing::Unknown => {
                let is_active = draw.below(2) == 0;
                let state = if is_active { pb::AffiliateState::Active } else { pb::AffiliateState::Applied };
                let request =
                    pb::CreateAffiliateRequest { email: email(affiliate), state: state.into(), ..Default::default() };
                self.ask(&request, true);
                self.standings[affiliate] = Standing::Applied;
                if is_active {
                    self.became_active(affiliate);
                }
            }
            Standing::Applied | Standing::Inactive => {
                let request = pb::ApproveAffiliateRequest { affiliate: selector(affiliate), ..Default::default() };
                self.ask(&request, true);
                self.became_active(affiliate);
            }
            Standing::Active if draw.below(2) == 0 => {
                let request = pb::DeactivateAffiliateRequest {
                    affiliate: selector(affiliate),
                    pending_rewards: pb::PendingRewards::Keep.into(),
                    ..Default::default()
                };
                self.ask(&request, true);
                self.standings[affiliate] = Standing::Inactive;
            }
            Standing::Active => {
                let id = self.rules.set.affiliates.iter().find(|row| row.email == email(affiliate)).unwrap().id;
                let enrollments = self.rules.set.enrollments.iter();
                let newest = enrollments.filter(|row| row.affiliate_id == id).max_by_key(|row| row.created_at).unwrap();
                let request = pb::EndEnrollmentRequest { enrollment_id: newest.id.to_string(), ..Default::default() };
                self.ask(&request, true);
                self.standings[affiliate] = Standing::Ended;
            }
            Standing::Ended => {
                let request = pb::EnrollAffiliateRequest { affiliate: selector(affiliate), ..Default::default() };
                self.ask(&request, true);
                self.became_active(affiliate);
            }
        }
    }

    fn change_terms(&mut self, draw: &mut Draw) {
        self.bonus = bonus(draw);
        let id = self.rules.set.programs.iter().next().unwrap().id.to_string();
        let request = pb::UpdateProgramRequest {
            program: Some(pb::Program { id, terms: Some(self.terms()), ..Default::default() }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["terms".to_owned()] }),
            ..Default::default()
        };
        self.ask(&request, true);
    }

    /// The limits of something new. Its id is not known yet.
    fn limited(&self, draw: &mut Draw) -> Limited {
        let now = self.rules.now.micros();
        Limited {
            id: String::new(),
            is_contest: false,
            rewards: Vec::new(),
            start: (draw.below(4) == 0).then_some(now + DAY_MICROS),
            end: (draw.below(3) == 0).then_some(now + 4 * DAY_MICROS),
            max: draw.below(5),
            max_each: draw.below(3),
            is_archived: false,
            is_decided: false,
        }
    }

    fn open_bounty(&mut self, draw: &mut Draw) {
        let is_contest = draw.below(2) == 0;
        let places = if is_contest { 1 + draw.below(3) } else { 1 };
        let rewards = (0..places).map(|_| 1 + i64::try_from(draw.below(9_000)).unwrap()).collect();
        let new = Limited { is_contest, rewards, ..self.limited(draw) };
        let request = pb::CreateBountyRequest {
            kind: if is_contest { pb::BountyKind::Contest } else { pb::BountyKind::Submission }.into(),
            display_name: "Video".to_owned(),
            rewards: new.rewards.iter().map(|reward| self.cash(*reward)).collect(),
            start_time: new.start.map(stamp),
            end_time: new.end.map(stamp),
            max_submissions: small(new.max),
            max_submissions_per_affiliate: small(new.max_each),
            ..Default::default()
        };
        let Some(Outcome::Bounty(made)) = self.ask(&request, true) else { panic!("no bounty") };
        self.bounties.push(Limited { id: made.id.to_string(), ..new });
    }

    fn open_offer(&mut self, draw: &mut Draw) {
        let new = self.limited(draw);
        let request = pb::CreateOfferRequest {
            display_name: "Ten percent off".to_owned(),
            start_time: new.start.map(stamp),
            end_time: new.end.map(stamp),
            max_claims: small(new.max),
            max_claims_per_affiliate: small(new.max_each),
            ..Default::default()
        };
        let Some(Outcome::Offer(made)) = self.ask(&request, true) else { panic!("no offer") };
        self.offers.push(Limited { id: made.id.to_string(), ..new });
    }

    /// Whose submissions to a bounty count.
    fn submitters(&self, bounty: usize) -> Vec<usize> {
        let counted = self.submissions.iter().filter(|one| one.bounty == bounty && !one.is_rejected);
        counted.map(|one| one.affiliate).collect()
    }

    fn claimants(&self, offer: usize) -> Vec<usize> {
        let counted = self.claims.iter().filter(|one| one.offer == offer && !one.is_removed);
        counted.map(|one| one.affiliate).collect()
    }

    fn submit(&mut self, draw: &mut Draw, affiliate: usize) {
        if self.bounties.is_empty() {
            return;
        }
        let place = draw.below(self.bounties.len());
        let bounty = &self.bounties[place];
        let is_taken = self.standings[affiliate] == Standing::Active
            && bounty.is_open(self.rules.now.micros())
            && bounty.has_room(&self.submitters(place), affiliate);
        let request = pb::SubmitToBountyRequest {
            bounty_id: bounty.id.clone(),
            affiliate: selector(affiliate),
            note: "Here it is.".to_owned(),
            ..Default::default()
        };
        match self.ask(&request, is_taken) {
            Some(Outcome::Submission(made)) => {
                let id = made.id.to_string();
                self.submissions.push(Submitted { id, bounty: place, affiliate, is_rejected: false, paid: None });
            }
            Some(other) => panic!("{other:?}"),
            None => {}
        }
    }

    fn is_undecided(&self, place: usize) -> bool {
        let one = &self.submissions[place];
        !one.is_rejected && one.paid.is_none()
    }

    fn approve(&mut self, draw: &mut Draw) {
        if self.submissions.is_empty() {
            return;
        }
        let place = draw.below(self.submissions.len());
        let one = self.submissions[place].clone();
        let bounty = &self.bounties[one.bounty];
        let reward = bounty.rewards[0];
        let is_active = self.standings[one.affiliate] == Standing::Active && !self.has_left(place);
        let is_taken = !bounty.is_contest && self.is_undecided(place) && is_active;
        let request = pb::ApproveSubmissionRequest { submission_id: one.id, ..Default::default() };
        if self.ask(&request, is_taken).is_some() {
            self.submissions[place].paid = Some(reward);
        }
    }

    /// Whether the enrollment of a submission has ended. Another one of the affiliate is not paid for it.
    fn has_left(&self, place: usize) -> bool {
        let row = self.rules.set.submissions.iter().find(|row| row.id.to_string() == self.submissions[place].id);
        let enrollment_id = row.unwrap().enrollment_id;
        let enrollment = self.rules.set.enrollments.iter().find(|row| row.id == enrollment_id);
        enrollment.unwrap().ended_at.is_some()
    }

    fn reject(&mut self, draw: &mut Draw) {
        if self.submissions.is_empty() {
            return;
        }
        let place = draw.below(self.submissions.len());
        let request = pb::RejectSubmissionRequest {
            submission_id: self.submissions[place].id.clone(),
            reason: "Too short.".to_owned(),
            ..Default::default()
        };
        let is_taken = self.is_undecided(place);
        if self.ask(&request, is_taken).is_some() {
            self.submissions[place].is_rejected = true;
        }
    }

    fn decide(&mut self, draw: &mut Draw) {
        if self.bounties.is_empty() || self.submissions.is_empty() {
            return;
        }
        let place = draw.below(self.bounties.len());
        let bounty = self.bounties[place].clone();
        let mut winners: Vec<usize> = Vec::new();
        for _ in 0..=draw.below(bounty.rewards.len()) {
            let winner = draw.below(self.submissions.len());
            if !winners.contains(&winner) {
                winners.push(winner);
            }
        }
        let can_win = |winner: &usize| {
            let one = &self.submissions[*winner];
            let is_active = self.standings[one.affiliate] == Standing::Active && !self.has_left(*winner);
            one.bounty == place && self.is_undecided(*winner) && is_active
        };
        let is_taken = bounty.is_contest && !bounty.is_decided && winners.iter().all(can_win);
        let request = pb::NameContestWinnersRequest {
            bounty_id: bounty.id,
            winner_submission_ids: winners.iter().map(|winner| self.submissions[*winner].id.clone()).collect(),
            ..Default::default()
        };
        if self.ask(&request, is_taken).is_some() {
            self.bounties[place].is_decided = true;
            for (reward, winner) in bounty.rewards.into_iter().zip(winners) {
                self.submissions[winner].paid = Some(reward);
            }
        }
    }

    fn claim(&mut self, draw: &mut Draw, affiliate: usize) {
        if self.offers.is_empty() {
            return;
        }
        let place = draw.below(self.offers.len());
        let offer = &self.offers[place];
        let is_taken = self.standings[affiliate] != Standing::Ended
            && offer.is_open(self.rules.now.micros())
            && offer.has_room(&self.claimants(place), affiliate);
        let code = format!("CODE{}", self.claims.len());
        let offer_id = offer.id.clone();
        let request = pb::ClaimOfferRequest { offer_id, affiliate: selector(affiliate), code, ..Default::default() };
        match self.ask(&request, is_taken) {
            Some(Outcome::Claim(made)) => {
                let coupon_id = made.coupon.id.to_string();
                self.claims.push(Claim { coupon_id, offer: place, affiliate, is_removed: false });
                // A claimant whom nobody knows becomes an affiliate.
                if self.standings[affiliate] == Standing::Unknown {
                    self.became_active(affiliate);
                }
            }
            Some(other) => panic!("{other:?}"),
            None => {}
        }
    }

    fn remove(&mut self, draw: &mut Draw) {
        if self.claims.is_empty() {
            return;
        }
        let place = draw.below(self.claims.len());
        let claim = self.claims[place].clone();
        if claim.is_removed {
            return;
        }
        self.ask(&pb::RemoveCouponRequest { coupon_id: claim.coupon_id, ..Default::default() }, true);
        self.claims[place].is_removed = true;
    }

    /// Changes the limits of a bounty or of an offer, or archives it.
    fn change_limits(&mut self, draw: &mut Draw) {
        let (max, max_each, archives) = (draw.below(5), draw.below(3), draw.below(5) == 0);
        let paths = |names: [&str; 2]| Some(prost_types::FieldMask { paths: names.map(str::to_owned).to_vec() });
        let is_bounty = draw.below(2) == 0;
        let all = if is_bounty { &mut self.bounties } else { &mut self.offers };
        if all.is_empty() {
            return;
        }
        let place = draw.below(all.len());
        if all[place].is_archived {
            return;
        }
        let id = all[place].id.clone();
        if archives {
            all[place].is_archived = true;
        } else {
            (all[place].max, all[place].max_each) = (max, max_each);
        }
        match (is_bounty, archives) {
            (true, true) => {
                self.ask(&pb::ArchiveBountyRequest { bounty_id: id, ..Default::default() }, true);
            }
            (false, true) => {
                self.ask(&pb::ArchiveOfferRequest { offer_id: id, ..Default::default() }, true);
            }
            (true, false) => {
                let (max, each) = (small(max), small(max_each));
                let bounty =
                    pb::Bounty { id, max_submissions: max, max_submissions_per_affiliate: each, ..Default::default() };
                let update_mask = paths(["max_submissions", "max_submissions_per_affiliate"]);
                self.ask(&pb::UpdateBountyRequest { bounty: Some(bounty), update_mask, ..Default::default() }, true);
            }
            (false, false) => {
                let (max_claims, each) = (small(max), small(max_each));
                let offer = pb::Offer { id, max_claims, max_claims_per_affiliate: each, ..Default::default() };
                let update_mask = paths(["max_claims", "max_claims_per_affiliate"]);
                self.ask(&pb::UpdateOfferRequest { offer: Some(offer), update_mask, ..Default::default() }, true);
            }
        }
    }

    /// What an affiliate has: the bonus of the first moment when it was active, and what its submissions were paid.
    fn expected(&self, affiliate: usize) -> i64 {
        let first = self.activations.iter().find(|(other, _)| *other == affiliate);
        let bonus = first.and_then(|(_, bonus)| *bonus).unwrap_or_default();
        let paid = self.submissions.iter().filter(|one| one.affiliate == affiliate).filter_map(|one| one.paid);
        bonus + paid.sum::<i64>()
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for affiliate in 0..AFFILIATES {
            let row = self.rules.set.affiliates.iter().find(|row| row.email == email(affiliate));
            let rewards = self.rules.set.rewards.iter();
            let sum: i64 = rewards
                .filter(|reward| row.is_some_and(|row| reward.affiliate_id == row.id))
                .map(|reward| reward.value.amount_minor)
                .sum();
            prop_assert_eq!(sum, self.expected(affiliate), "affiliate {}", affiliate);
        }
        for (place, bounty) in self.bounties.iter().enumerate() {
            let row = self.rules.set.bounties.iter().find(|row| row.id.to_string() == bounty.id).unwrap();
            prop_assert_eq!(row.submission_count, small(self.submitters(place).len()));
        }
        for (place, offer) in self.offers.iter().enumerate() {
            let row = self.rules.set.offers.iter().find(|row| row.id.to_string() == offer.id).unwrap();
            prop_assert_eq!(row.claim_count, small(self.claimants(place).len()));
        }
        Ok(())
    }
}

fn bonus(draw: &mut Draw) -> Option<i64> {
    (draw.below(3) > 0).then(|| 1 + i64::try_from(draw.below(5_000)).unwrap())
}

proptest! {
    #![proptest_config(config(5_000))]

    #[test]
    fn p10_bonuses_bounties_and_claims_are_what_the_model_says(seed in any::<u64>()) {
        let mut draw = Draw(seed);
        let mut club = Club::new(&mut draw);
        for _ in 0..1 + draw.below(30) {
            club.step(&mut draw);
            club.check()?;
        }
    }
}

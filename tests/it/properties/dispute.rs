//! Disputes, refunds, corrections, approvals and payouts of one sale in any order. The model knows only how much of the sale is left: what is
//! earned is always the share of that, frozen money is never owed, and the last end of each dispute alone decides what it takes.

use headwater::domain::conversion::ConversionKind;
use headwater::domain::id::{PayoutId, RewardId};
use headwater::domain::ledger::Balance;
use headwater::domain::money::{PPM, Rounding, portion};
use headwater::domain::outcome::Outcome;
use headwater::domain::payout::PayoutState;
use headwater::domain::refusal::Refusal;
use headwater::domain::reward::{Reward, RewardState};
use headwater::domain::rule::ApproveRewards;
use headwater::pb;
use headwater::rpc::call::change::Change;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::config;
use super::request::{commission, money};
use super::rules::Rules;
use super::step::Pay;

const DISPUTES: usize = 3;

#[derive(Debug, Clone, Copy)]
enum Step {
    Refund(i64),
    Correct(i64),
    /// With an amount, or of all that is left.
    Open(usize, Option<i64>),
    Win(usize),
    Lose(usize, Option<i64>),
    Approve,
    /// The hold period passes, and the worker approves.
    Wait,
    Pay,
    Cancel,
    Confirm,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let amount = || 1..=1_200_i64;
    prop_oneof![
        3 => amount().prop_map(Step::Refund),
        2 => (0..=1_200_i64).prop_map(Step::Correct),
        4 => (0..DISPUTES, option::of(amount())).prop_map(|(dispute, amount)| Step::Open(dispute, amount)),
        4 => (0..DISPUTES).prop_map(Step::Win),
        4 => (0..DISPUTES, option::of(amount())).prop_map(|(dispute, amount)| Step::Lose(dispute, amount)),
        2 => Just(Step::Approve),
        2 => Just(Step::Wait),
        3 => Just(Step::Pay),
        2 => Just(Step::Cancel),
        2 => Just(Step::Confirm),
        1 => Just(Step::Reopen),
    ]
}

/// What is known of a dispute.
#[derive(Debug, Clone, Copy)]
struct Dispute {
    /// `None`: all that is left.
    amount: Option<i64>,
    /// What was left when it was opened.
    left: i64,
    is_open: bool,
    taken: i64,
}

/// See the head of the file.
struct Model {
    amount: i64,
    refunded: i64,
    disputes: [Option<Dispute>; DISPUTES],
}

impl Model {
    fn taken(&self) -> i64 {
        self.refunded + self.disputes.iter().flatten().map(|dispute| dispute.taken).sum::<i64>()
    }

    fn left(&self) -> i64 {
        self.amount - self.taken()
    }

    fn is_open(&self) -> bool {
        self.disputes.iter().flatten().any(|dispute| dispute.is_open)
    }

    /// Plays a step. False if it is refused.
    fn play(&mut self, step: Step) -> bool {
        match step {
            Step::Refund(amount) if amount <= self.left() => self.refunded += amount,
            Step::Correct(amount) if amount >= self.taken() => self.amount = amount,
            Step::Open(number, amount)
                if self.disputes[number].is_none() && amount.is_none_or(|it| it <= self.amount) =>
            {
                self.disputes[number] = Some(Dispute { amount, left: self.left(), is_open: true, taken: 0 });
            }
            Step::Win(number) => return self.end(number, Some(0)),
            Step::Lose(number, lost) => return self.end(number, lost),
            _ => return false,
        }
        true
    }

    /// Ends a dispute that takes this much, or all that is disputed: at most what is left.
    fn end(&mut self, number: usize, lost: Option<i64>) -> bool {
        let left = self.left();
        let Some(dispute) = &mut self.disputes[number] else { return false };
        let possible = left + dispute.taken;
        let most = dispute.amount.unwrap_or(possible.max(dispute.left));
        let lost = lost.unwrap_or(most);
        if lost > most {
            return false;
        }
        (dispute.taken, dispute.is_open) = (lost.min(possible), false);
        true
    }
}

struct Shop {
    rules: Rules,
    number: usize,
    payouts: Vec<(PayoutId, PayoutState)>,
}

impl Shop {
    fn open(pay: Pay, amount: i64) -> Self {
        let mut shop = Self { rules: Rules::new(), number: 0, payouts: Vec::new() };
        let terms = pb::Terms { commission: commission(pay, "USD"), hold_period_days: Some(30), ..Default::default() };
        shop.told(&pb::CreateProgramRequest {
            display_name: "main".to_owned(),
            currency_code: "USD".to_owned(),
            landing_url: "https://shop.example/".to_owned(),
            is_default: true,
            terms: Some(terms),
            ..Default::default()
        });
        shop.told(&pb::CreateAffiliateRequest {
            email: "ann@affiliates.example".to_owned(),
            ref_id: "ann".to_owned(),
            coupon_code: "ANN".to_owned(),
            ..Default::default()
        });
        shop.told(&pb::RecordSaleRequest {
            event_id: "sale".to_owned(),
            coupon_code: "ANN".to_owned(),
            amount: money(amount, "USD"),
            ..Default::default()
        });
        shop
    }

    fn told<M: Change>(&mut self, request: &M) -> bool {
        self.carry_out(request).is_some()
    }

    fn carry_out<M: Change>(&mut self, request: &M) -> Option<Outcome> {
        match self.rules.carry_out(request) {
            Ok(decision) => Some(decision.outcome),
            Err(refusal) => {
                assert!(!matches!(refusal, Refusal::NotLoaded(_)), "{refusal:?}");
                None
            }
        }
    }

    /// Carries a step out. False if it is refused.
    fn play(&mut self, step: Step) -> bool {
        self.number += 1;
        let (event_id, sale_event_id) = (format!("event-{}", self.number), "sale".to_owned());
        let usd = |amount| money(amount, "USD");
        match step {
            Step::Refund(amount) => self.told(&pb::RecordRefundRequest {
                event_id,
                sale_event_id,
                amount: usd(amount),
                ..Default::default()
            }),
            Step::Correct(amount) => self.told(&pb::CorrectSaleRequest {
                event_id,
                sale_event_id,
                amount: usd(amount),
                ..Default::default()
            }),
            Step::Open(number, amount) => {
                let is_new = !self.has_dispute(number);
                is_new
                    && self.told(&pb::OpenDisputeRequest {
                        event_id: format!("dispute-{number}"),
                        sale_event_id,
                        amount: amount.and_then(usd),
                        ..Default::default()
                    })
            }
            Step::Win(number) => self.resolve(event_id, number, pb::DisputeOutcome::Won, None),
            Step::Lose(number, lost) => self.resolve(event_id, number, pb::DisputeOutcome::Lost, lost),
            _ => {
                self.act(step);
                false
            }
        }
    }

    fn has_dispute(&self, number: usize) -> bool {
        let event_id = format!("dispute-{number}");
        self.rules.set.conversions.iter().any(|row| row.kind == ConversionKind::Dispute && row.event_id == event_id)
    }

    fn resolve(&mut self, event_id: String, number: usize, outcome: pb::DisputeOutcome, lost: Option<i64>) -> bool {
        self.told(&pb::ResolveDisputeRequest {
            event_id,
            dispute_event_id: format!("dispute-{number}"),
            outcome: outcome.into(),
            lost_amount: lost.and_then(|lost| money(lost, "USD")),
            ..Default::default()
        })
    }

    /// A step that changes nothing of the sale.
    fn act(&mut self, step: Step) {
        let in_state = |state: PayoutState| self.payouts.iter().rev().find(|(_, of)| *of == state).map(|(id, _)| *id);
        match step {
            Step::Approve => self.approve(),
            Step::Wait => {
                self.rules.wait(24 * 31);
                self.approve();
            }
            Step::Pay => {
                let affiliate = pb::affiliate_selector::Selector::RefId("ann".to_owned());
                let affiliate = Some(pb::AffiliateSelector { selector: Some(affiliate) });
                let request =
                    pb::CreatePayoutRequest { affiliate, currency_code: "USD".to_owned(), ..Default::default() };
                if let Some(Outcome::Payout(payout)) = self.carry_out(&request) {
                    self.payouts.push((payout.id, payout.state));
                }
            }
            Step::Cancel => {
                let Some(id) = in_state(PayoutState::Ready) else { return };
                let request = pb::CancelPayoutRequest { payout_id: id.to_string(), ..Default::default() };
                self.moved(id, &request, PayoutState::Cancelled);
            }
            Step::Confirm => {
                let Some(id) = in_state(PayoutState::Ready) else { return };
                let request = pb::ConfirmPayoutsRequest { payout_ids: vec![id.to_string()], ..Default::default() };
                self.moved(id, &request, PayoutState::Paid);
            }
            Step::Reopen => {
                let Some(id) = in_state(PayoutState::Paid) else { return };
                let reason = "it came back".to_owned();
                let request = pb::ReopenPayoutRequest { payout_id: id.to_string(), reason, ..Default::default() };
                self.moved(id, &request, PayoutState::Ready);
            }
            other => panic!("{other:?}"),
        }
    }

    fn moved<M: Change>(&mut self, id: PayoutId, request: &M, state: PayoutState) {
        if self.told(request) {
            self.payouts.iter_mut().filter(|(other, _)| *other == id).for_each(|payout| payout.1 = state);
        }
    }

    /// Approves all that can be.
    fn approve(&mut self) {
        let ids: Vec<RewardId> = self.rewards().filter(|row| row.reverses.is_none()).map(|row| row.id).collect();
        let (account_id, command) = (self.rules.account_id, ApproveRewards { ids, skip_others: true }.into());
        let envelope = headwater::domain::rule::Envelope { account_id, fingerprint: None, actor: None, command };
        self.rules.decide(&envelope).unwrap();
    }

    fn rewards(&self) -> impl Iterator<Item = &Reward> {
        self.rules.set.rewards.iter().map(AsRef::as_ref)
    }

    fn sum(&self, is_wanted: impl Fn(&Reward) -> bool) -> i64 {
        self.rewards().filter(|row| is_wanted(row)).map(|row| row.value.amount_minor).sum()
    }

    fn balance(&self) -> Balance {
        let mut balance = Balance::default();
        for posting in &self.rules.set.postings {
            balance.post(posting).unwrap();
        }
        balance
    }

    fn check(&self, model: &Model, earned: i64) -> Result<(), TestCaseError> {
        let balance = self.balance();
        prop_assert_eq!(balance.earned_minor(), earned, "{:#?}", self.rewards().collect::<Vec<_>>());
        let expected = Balance {
            pending_minor: self.sum(|row| row.state == RewardState::Pending),
            owed_minor: self.sum(|row| row.state == RewardState::Approved),
            in_flight_minor: self.sum(|row| row.state == RewardState::InPayout),
            frozen_minor: self.sum(|row| row.state == RewardState::Frozen),
            paid_minor: self.sum(|row| row.state == RewardState::Paid),
        };
        prop_assert_eq!(balance, expected);
        prop_assert!(balance.frozen_minor >= 0 && balance.pending_minor >= 0, "{:?}", balance);
        for reward in self.rewards().filter(|row| row.reverses.is_none()) {
            let free = [RewardState::Pending, RewardState::Held, RewardState::Approved].contains(&reward.state);
            prop_assert!(!(free && model.is_open()), "not frozen: {:?}", reward);
            prop_assert!(reward.state != RewardState::Frozen || model.is_open(), "still frozen: {:?}", reward);
        }
        // Nothing that a payout has or has paid is frozen, nor what a correction adds to it.
        if model.is_open() && self.payouts.is_empty() {
            prop_assert_eq!((balance.pending_minor, balance.owed_minor), (0, 0), "what is frozen is owed");
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn n7_disputes_in_any_order_take_and_give_exactly(
        ppm in 1..=1_000_000,
        amount in 1..=1_000_i64,
        steps in prop::collection::vec(step(), 1..30),
    ) {
        let mut shop = Shop::open(Pay::Percent(ppm), amount);
        let mut model = Model { amount, refunded: 0, disputes: [None; DISPUTES] };
        for step in steps {
            let (played, expected) = (shop.play(step), model.play(step));
            prop_assert_eq!(played, expected, "{:?}", step);
            let value = portion(model.amount, ppm.into(), PPM, Rounding::HalfEven).unwrap();
            let taken = match model.amount {
                0 => 0,
                whole => portion(value, model.taken(), whole, Rounding::HalfEven).unwrap(),
            };
            shop.check(&model, value - taken)?;
        }
        // All that is left is lost, and nothing is left of what was earned.
        for number in 0..DISPUTES {
            shop.play(Step::Win(number));
        }
        shop.play(Step::Refund(model.amount - model.refunded));
        prop_assert_eq!(shop.balance().earned_minor(), 0);
    }
}

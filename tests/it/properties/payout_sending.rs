//! Any sequence of answers, lost answers, crashes, late records, lacks of money and persons who act, and then recovery: a payout is paid at
//! most once, and the books say what the provider's books say.
//!
//! The provider is a small model. It makes one payment for a key, and a request that got lost may still arrive much later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use headwater::domain::id::PayoutId;
use headwater::domain::ledger::{LedgerAccount, LedgerReason};
use headwater::domain::money::Money;
use headwater::domain::outcome::Outcome;
use headwater::domain::payout::{Payout, PayoutProblem, PayoutProvider, PayoutState, ProblemKind};
use headwater::domain::payout_attempt::{FoundPayment, FoundState, NextStep, PayoutAttempt, StepResult};
use headwater::domain::refusal::Refusal;
use headwater::domain::rule::{BeginPayoutStep, Command, Envelope, RecordPayoutStep, WakePayouts};
use headwater::domain::time::Time;
use headwater::pb;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseError;
use uuid::Uuid;

use super::config;
use super::rules::Rules;

const PAYOUTS: usize = 3;
const AMOUNT_MINOR: i64 = 1_000;
const FEE_MINOR: i64 = 20;

/// What befalls a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// The request is lost.
    LostBefore,
    /// The request arrives later, or never.
    Delayed,
    /// The request is carried out, and the answer is lost.
    LostAfter,
    /// The provider wants to be left alone.
    Later,
    /// The provider refuses.
    Refused(ProblemKind),
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// The next step of a payout, if it is due. After a crash its result is not recorded.
    Work {
        payout: usize,
        fault: Fault,
        crashes: bool,
    },
    /// The record of the oldest crashed step arrives after all, as from a server that stood still.
    RecordLate,
    /// A delayed request arrives.
    Arrive,
    /// The provider moves a payment on.
    Move {
        payout: usize,
        to: Stage,
    },
    /// There is money for so many payments.
    Money(i64),
    Pass {
        seconds: i64,
    },
    Notify,
    Retry {
        payout: usize,
    },
    Cancel {
        payout: usize,
    },
    Confirm {
        payout: usize,
    },
}

/// A payment at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Processing,
    Unclaimed,
    OnHold,
    Paid,
    Returned,
    Failed,
    Cancelled,
}

impl Stage {
    /// Whether the receiver has the money, or may get it.
    const fn is_live(self) -> bool {
        matches!(self, Self::Processing | Self::Unclaimed | Self::OnHold | Self::Paid)
    }
}

type PaymentKey = (usize, i32);

/// See the head of the file.
#[derive(Debug, Default)]
struct Model {
    payments: BTreeMap<PaymentKey, Stage>,
    delayed: BTreeSet<PaymentKey>,
    money: i64,
}

impl Model {
    /// Makes a payment, once for each key. False without money.
    fn make(&mut self, key: PaymentKey) -> bool {
        if self.payments.contains_key(&key) {
            return true;
        }
        if self.money == 0 {
            return false;
        }
        self.money -= 1;
        self.payments.insert(key, Stage::Processing);
        true
    }

    fn found(&self, key: PaymentKey) -> Option<StepResult> {
        let state = match self.payments.get(&key)? {
            Stage::Processing => FoundState::Processing,
            Stage::Unclaimed => FoundState::Unclaimed,
            Stage::OnHold => FoundState::OnHold,
            Stage::Paid => FoundState::Paid,
            Stage::Returned => FoundState::Returned,
            Stage::Failed => FoundState::Failed(PayoutProblem::of(ProblemKind::ReceiverInvalid)),
            Stage::Cancelled => FoundState::Cancelled,
        };
        let usd = "USD".parse().unwrap();
        Some(StepResult::Found(FoundPayment {
            provider_payment_id: format!("P{}-{}", key.0, key.1),
            state,
            fee: Some(Money::new(FEE_MINOR, usd)),
            returned: Some(Money::new(AMOUNT_MINOR - 5, usd)),
        }))
    }

    fn unknown() -> StepResult {
        StepResult::Unknown { after_micros: None, code: String::new(), debug_id: String::new() }
    }

    fn submit(&mut self, key: PaymentKey, has_earlier: bool, fault: Fault) -> StepResult {
        match fault {
            Fault::LostBefore => Self::unknown(),
            Fault::Delayed => {
                self.delayed.insert(key);
                Self::unknown()
            }
            Fault::LostAfter => {
                self.make(key);
                Self::unknown()
            }
            Fault::Later => StepResult::Later { after_micros: Some(1_000_000) },
            // A refusal of this try says nothing about an earlier one.
            Fault::Refused(_) if has_earlier => Self::unknown(),
            Fault::Refused(kind) => StepResult::Refused(PayoutProblem::of(kind)),
            Fault::None => {
                if let Some(found) = self.found(key) {
                    return found;
                }
                if self.make(key) {
                    return StepResult::Accepted { provider_payment_id: format!("P{}-{}", key.0, key.1) };
                }
                if has_earlier {
                    return Self::unknown();
                }
                StepResult::Short { needed: Money::new(AMOUNT_MINOR, "USD".parse().unwrap()), available: None }
            }
        }
    }

    fn look_up(&self, key: PaymentKey, fault: Fault) -> StepResult {
        match fault {
            Fault::LostBefore | Fault::LostAfter | Fault::Delayed => Self::unknown(),
            Fault::Later => StepResult::Later { after_micros: None },
            Fault::None | Fault::Refused(_) => match self.found(key) {
                Some(found) => found,
                None if self.delayed.contains(&key) => Self::unknown(),
                None => StepResult::Absent,
            },
        }
    }

    fn cancel(&mut self, key: PaymentKey, fault: Fault) -> StepResult {
        let stage = self.payments.get_mut(&key);
        match (stage, fault) {
            (_, Fault::Later) => StepResult::Later { after_micros: None },
            (_, Fault::LostBefore) => StepResult::CancelAsked { is_refused: false },
            (Some(stage @ Stage::Unclaimed), _) => {
                *stage = Stage::Returned;
                StepResult::CancelAsked { is_refused: false }
            }
            _ => StepResult::CancelAsked { is_refused: true },
        }
    }
}

/// The rules with payouts that are sent to the model.
struct World {
    rules: Rules,
    payouts: Vec<PayoutId>,
    model: Model,
    /// The results that were not recorded.
    lost: Vec<RecordPayoutStep>,
    leases: u128,
}

impl World {
    fn new(provider: PayoutProvider) -> Self {
        let mut rules = Rules::new();
        let request = pb::CreateProgramRequest {
            display_name: "main".to_owned(),
            currency_code: "USD".to_owned(),
            landing_url: "https://shop.example/".to_owned(),
            terms: Some(pb::Terms {
                commission: super::request::commission(super::step::Pay::Percent(200_000), "USD"),
                ..pb::Terms::default()
            }),
            ..pb::CreateProgramRequest::default()
        };
        rules.carry_out(&request).unwrap();
        let payouts = (0..PAYOUTS).map(|number| payout(&mut rules, number, provider)).collect();
        Self { rules, payouts, model: Model::default(), lost: Vec::new(), leases: 1 << 100 }
    }

    fn carry_out(&mut self, command: impl Into<Command>) -> Result<Outcome, Refusal> {
        let account_id = self.rules.account_id;
        let envelope = Envelope { account_id, fingerprint: None, actor: None, command: command.into() };
        // Each command has a later time.
        self.rules.now = self.rules.now.plus_micros(1);
        self.rules.decide(&envelope).map(|decision| decision.outcome)
    }

    fn payout(&self, payout: usize) -> Arc<Payout> {
        Arc::clone(self.rules.set.payouts.get(&(self.rules.account_id, self.payouts[payout])).unwrap())
    }

    fn attempt(&self, payout: usize) -> Arc<PayoutAttempt> {
        Arc::clone(self.rules.set.payout_attempts.get(&(self.rules.account_id, self.payouts[payout])).unwrap())
    }

    fn is_due(&self, payout: usize) -> bool {
        let attempt = self.attempt(payout);
        let purse = self.rules.set.payout_purses.get(&(attempt.account_id, attempt.provider));
        let is_woken = purse.is_some_and(|purse| purse.wake_count > attempt.seen_wake)
            && !attempt.is_under_way
            && attempt.next_step != NextStep::Watch;
        attempt.next_at.is_some_and(|next_at| is_woken || next_at <= self.rules.now)
    }

    fn work(&mut self, payout: usize, fault: Fault, crashes: bool) {
        if !self.is_due(payout) {
            return;
        }
        let before = self.attempt(payout);
        self.leases += 1;
        let (payout_id, provider) = (self.payouts[payout], before.provider);
        let lease_id = Uuid::from_u128(self.leases);
        self.carry_out(BeginPayoutStep { payout_id, provider, after: before.lease_id, lease_id }).unwrap();
        let begun = self.attempt(payout);
        if begun.lease_id != lease_id {
            return;
        }
        let key = (payout, begun.number);
        let result = match before.next_step {
            NextStep::Submit => self.model.submit(key, before.first_try_at.is_some(), fault),
            NextStep::LookUp | NextStep::Watch => self.model.look_up(key, fault),
            NextStep::Cancel => self.model.cancel(key, fault),
        };
        let tries_before = before.first_try_at.zip(before.last_try_at);
        let step = before.next_step;
        let record = RecordPayoutStep { payout_id, provider, lease_id, step, tries_before, result };
        if crashes {
            self.lost.push(record);
        } else {
            self.carry_out(record).unwrap();
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Work { payout, fault, crashes } => self.work(payout, fault, crashes),
            Step::RecordLate if !self.lost.is_empty() => {
                let record = self.lost.remove(0);
                self.carry_out(record).unwrap();
            }
            Step::RecordLate => {}
            Step::Arrive => {
                if let Some(key) = self.model.delayed.pop_first() {
                    self.model.make(key);
                }
            }
            Step::Move { payout, to } => self.move_on(payout, to),
            Step::Money(money) => self.model.money = money,
            Step::Pass { seconds } => {
                self.rules.now = self.rules.now.plus_micros(seconds * Time::MICROS_PER_SECOND);
            }
            Step::Notify => self.notify(),
            Step::Retry { payout } => {
                let request = pb::RetryPayoutRequest { payout_id: self.id(payout), ..Default::default() };
                let _ = self.rules.carry_out(&request);
            }
            Step::Cancel { payout } => {
                let request = pb::CancelPayoutRequest { payout_id: self.id(payout), ..Default::default() };
                let _ = self.rules.carry_out(&request);
            }
            Step::Confirm { payout } => {
                // An owner pays by hand only what certainly is not with the provider.
                let state = self.payout(payout).state;
                if matches!(state, PayoutState::Ready | PayoutState::AwaitingFunds) {
                    let request = pb::ConfirmPayoutsRequest { payout_ids: vec![self.id(payout)], ..Default::default() };
                    self.rules.carry_out(&request).unwrap();
                }
            }
        }
    }

    fn id(&self, payout: usize) -> String {
        self.payouts[payout].to_string()
    }

    fn notify(&mut self) {
        let provider = self.attempt(0).provider;
        self.carry_out(WakePayouts { provider, has_funds: true, currency: None, payout_id: None }).unwrap();
    }

    /// Moves the newest payment of a payout on, if it may become that.
    fn move_on(&mut self, payout: usize, to: Stage) {
        let of_payout = |(key, _): &(&PaymentKey, &mut Stage)| key.0 == payout;
        let Some((_, stage)) = self.model.payments.iter_mut().filter(of_payout).last() else { return };
        let may = match stage {
            Stage::Processing => true,
            Stage::Unclaimed | Stage::OnHold => !matches!(to, Stage::Processing),
            Stage::Paid => to == Stage::Returned,
            Stage::Returned | Stage::Failed | Stage::Cancelled => false,
        };
        if may {
            *stage = to;
        }
    }

    /// What must hold at any time.
    fn check(&self) -> Result<(), TestCaseError> {
        for payout in 0..PAYOUTS {
            let live = self.model.payments.iter().filter(|((of, _), stage)| *of == payout && stage.is_live()).count();
            let state = self.payout(payout).state;
            prop_assert!(live <= 1, "payout {payout} has {live} payments: {:?}", self.model.payments);
            let is_by_hand = state == PayoutState::Paid && self.attempt(payout).next_step != NextStep::Watch;
            prop_assert!(!is_by_hand || live == 0, "payout {payout} was paid by hand and by the provider");
            let has_paid = |stage: &Stage| matches!(stage, Stage::Paid | Stage::Returned);
            let mut of_payout = self.model.payments.iter().filter(|((of, _), _)| *of == payout);
            let is_true = state != PayoutState::Paid || is_by_hand || of_payout.any(|(_, stage)| has_paid(stage));
            prop_assert!(is_true, "payout {payout} is said to be paid: {:?}", self.model.payments);
            prop_assert!(!state.is_released() || live == 0, "payout {payout} is {state} and has a payment");
        }
        self.check_books()
    }

    /// What is in flight and what is paid are the amounts of the payouts, and all postings are more than zero.
    fn check_books(&self) -> Result<(), TestCaseError> {
        let (mut in_flight, mut paid) = (0, 0);
        for posting in &self.rules.set.postings {
            prop_assert!(posting.amount_minor > 0);
            for (account, minor) in [(posting.debit, -posting.amount_minor), (posting.credit, posting.amount_minor)] {
                match account {
                    LedgerAccount::PayoutInFlight => in_flight += minor,
                    LedgerAccount::ProviderCash if posting.reason != LedgerReason::Fee => paid += minor,
                    _ => {}
                }
            }
        }
        let sum = |is_wanted: fn(PayoutState) -> bool| {
            let wanted = (0..PAYOUTS).filter(|payout| is_wanted(self.payout(*payout).state)).count();
            i64::try_from(wanted).unwrap() * AMOUNT_MINOR
        };
        prop_assert_eq!(in_flight, sum(PayoutState::is_open));
        prop_assert_eq!(paid, sum(|state| state == PayoutState::Paid));
        // The years of payments add up to what was paid, what came back and the fees, as the ledger has them.
        let fees: Vec<_> = self.rules.set.postings.iter().filter(|posting| posting.is_fee()).cloned().collect();
        let totals = self.rules.set.yearly_total_changes(&fees).unwrap().0;
        let kept: i128 = totals.values().map(|total| total.paid_minor - total.returned_minor).sum();
        let fee_minor: i64 = fees.iter().map(|fee| fee.amount_minor).sum();
        prop_assert_eq!(kept, i128::from(paid));
        prop_assert_eq!(totals.values().map(|total| total.fee_minor).sum::<i128>(), i128::from(fee_minor));
        Ok(())
    }

    /// Everything works again, and a person retries what needs attention. Every payout ends, and never waits for ever.
    fn recover(&mut self) -> Result<(), TestCaseError> {
        self.model.money = 100;
        self.notify();
        for _ in 0..60 {
            while let Some(key) = self.model.delayed.pop_first() {
                self.model.make(key);
            }
            for payout in 0..PAYOUTS {
                self.move_on(payout, Stage::Paid);
                self.step(Step::Retry { payout });
                self.work(payout, Fault::None, false);
                self.check()?;
            }
            self.step(Step::Pass { seconds: 2 * 3_600 });
        }
        // Paid payouts are watched for some weeks.
        for _ in 0..3 {
            self.step(Step::Pass { seconds: 40 * 86_400 });
            (0..PAYOUTS).for_each(|payout| self.work(payout, Fault::None, false));
            self.check()?;
        }
        for payout in 0..PAYOUTS {
            let (state, attempt) = (self.payout(payout).state, self.attempt(payout));
            prop_assert!(!state.is_open(), "payout {payout} is still {state}: {attempt:?}");
            let paid = self.model.payments.iter().filter(|((of, _), stage)| *of == payout && **stage == Stage::Paid);
            let is_sent = state == PayoutState::Paid && attempt.next_step == NextStep::Watch;
            // What comes back after the watch is not seen.
            let is_unseen = is_sent && attempt.next_at.is_none();
            let paid = paid.count();
            prop_assert!(is_unseen || paid == usize::from(is_sent), "payout {payout} is {state}: {attempt:?}");
        }
        Ok(())
    }
}

/// A payout of one reward to an affiliate of its own, through this provider.
fn payout(rules: &mut Rules, number: usize, provider: PayoutProvider) -> PayoutId {
    let ref_id = format!("a{number}");
    let request = pb::CreateAffiliateRequest {
        email: format!("{ref_id}@affiliates.example"),
        ref_id: ref_id.clone(),
        ..Default::default()
    };
    rules.carry_out(&request).unwrap();
    let enrollment = Some(pb::enrollment_selector::Selector::RefId(ref_id.clone()));
    let usd = pb::Money { amount_minor: AMOUNT_MINOR, currency_code: "USD".to_owned() };
    let request = pb::CreateRewardRequest {
        recipient: Some(pb::create_reward_request::Recipient::Enrollment(pb::EnrollmentSelector {
            selector: enrollment,
        })),
        value: Some(pb::RewardValue { amount: Some(pb::reward_value::Amount::Cash(usd)) }),
        ..Default::default()
    };
    rules.carry_out(&request).unwrap();
    let affiliate = pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::RefId(ref_id)) };
    let request =
        pb::CreatePayoutRequest { affiliate: Some(affiliate), currency_code: "USD".to_owned(), ..Default::default() };
    let Outcome::Payout(payout) = rules.carry_out(&request).unwrap().outcome else { panic!("no payout") };
    rules.set.put(Payout { provider, ..payout.as_ref().clone() });
    rules.set.put(PayoutAttempt::first(rules.account_id, payout.id, provider, rules.now));
    payout.id
}

fn fault() -> impl Strategy<Value = Fault> {
    let kinds = [
        ProblemKind::ReceiverInvalid,
        ProblemKind::NotAuthorized,
        ProblemKind::Expired,
        ProblemKind::Compliance,
        ProblemKind::AmountNotPossible,
    ];
    prop_oneof![
        6 => Just(Fault::None),
        1 => Just(Fault::LostBefore),
        1 => Just(Fault::Delayed),
        2 => Just(Fault::LostAfter),
        1 => Just(Fault::Later),
        1 => select(kinds.to_vec()).prop_map(Fault::Refused),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let payout = || 0..PAYOUTS;
    let stages = [Stage::Unclaimed, Stage::OnHold, Stage::Paid, Stage::Returned, Stage::Failed, Stage::Cancelled];
    prop_oneof![
        10 => (payout(), fault(), prop::bool::weighted(0.25))
            .prop_map(|(payout, fault, crashes)| Step::Work { payout, fault, crashes }),
        1 => Just(Step::RecordLate),
        1 => Just(Step::Arrive),
        3 => (payout(), select(stages.to_vec())).prop_map(|(payout, to)| Step::Move { payout, to }),
        1 => (0..4_i64).prop_map(Step::Money),
        4 => select(vec![1, 40, 700, 4_000, 90_000]).prop_map(|seconds| Step::Pass { seconds }),
        1 => Just(Step::Notify),
        1 => payout().prop_map(|payout| Step::Retry { payout }),
        1 => payout().prop_map(|payout| Step::Cancel { payout }),
        1 => payout().prop_map(|payout| Step::Confirm { payout }),
    ]
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn a_payout_is_paid_at_most_once_after_any_results(
        provider in select(vec![PayoutProvider::PayPal, PayoutProvider::Stripe, PayoutProvider::Wise]),
        money in 0..4_i64,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut world = World::new(provider);
        world.model.money = money;
        for step in steps {
            world.step(step);
            world.check()?;
        }
        world.recover()?;
    }
}

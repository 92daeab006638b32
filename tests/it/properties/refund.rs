//! Refunds are exact to the minor unit. The amount taken back is always the refunded share of the reward. That holds for refunds
//! in any parts and order, before or after the sale is known, priced, approved, denied or paid.

use std::sync::Arc;

use headwater::domain::conversion::ConversionKind;
use headwater::domain::id::RewardId;
use headwater::domain::ledger::Balance;
use headwater::domain::money::{AMOUNT_MINOR_MAX, PPM, Rounding};
use headwater::domain::reward::{Reward, RewardState};
use headwater::domain::set::WorkingSet;
use headwater::pb;
use headwater::rpc::call::change::Change;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseError;

use super::audit::Audit;
use super::config;
use super::request::{commission, money};
use super::rules::Rules;
use super::step::Pay;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Approve,
    Deny,
    Pay,
}

/// One sale and its refunds.
#[derive(Debug, Clone)]
struct Plan {
    currency: &'static str,
    rounding: Rounding,
    pay: Pay,
    amount: i64,
    /// The refunds; a part of the sale may remain.
    parts: Vec<i64>,
    /// How many refunds come before the sale.
    early_count: usize,
    /// How many refunds come before the sale is credited to anybody; `None` for a sale with a coupon.
    priced_after: Option<usize>,
    /// Whether refunds name the customer instead of the sale.
    by_customer: bool,
    /// The decision about the reward, and the index of the refund before which it is made.
    verdict: Option<(usize, Verdict)>,
}

fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![3 => 1..=100_i64, 2 => 1..=1_000_000_i64, 1 => AMOUNT_MINOR_MAX - 10..=AMOUNT_MINOR_MAX]
}

fn pay() -> impl Strategy<Value = Pay> {
    prop_oneof![
        3 => (0..=1_000_000).prop_map(Pay::Percent),
        1 => select(vec![1, 3, 1_000, AMOUNT_MINOR_MAX]).prop_map(Pay::Flat),
    ]
}

/// Parts of an amount in any order; their sum may be less than the amount.
fn parts(amount: i64) -> impl Strategy<Value = Vec<i64>> {
    (prop::collection::vec(1..=amount, 1..6), any::<bool>()).prop_flat_map(move |(mut cuts, is_full)| {
        if is_full {
            cuts.push(amount);
        }
        cuts.sort_unstable();
        cuts.dedup();
        let parts: Vec<i64> = cuts.iter().scan(0, |before, cut| Some(cut - std::mem::replace(before, *cut))).collect();
        Just(parts).prop_shuffle()
    })
}

fn plan() -> impl Strategy<Value = Plan> {
    let verdict = (0..6_usize, select(vec![Verdict::Approve, Verdict::Deny, Verdict::Pay]));
    (
        (select(vec!["JPY", "USD", "KWD", "CLF"]), select(Rounding::ALL), pay()),
        amount().prop_flat_map(|amount| (Just(amount), parts(amount))),
        (0..3_usize, option::weighted(0.3, 0..6_usize), any::<bool>(), option::of(verdict)),
    )
        .prop_map(
            |((currency, rounding, pay), (amount, parts), (early_count, priced_after, by_customer, verdict))| {
                // A refund that does not name its sale cannot wait for it.
                let early_count = if by_customer { 0 } else { early_count.min(parts.len()) };
                Plan { currency, rounding, pay, amount, parts, early_count, priced_after, by_customer, verdict }
            },
        )
}

/// A share of a value. Unlike the code under test, it compares the exact value with the two neighbouring numbers.
fn share(value: i64, part: i64, whole: i64, rounding: Rounding) -> i64 {
    let (exact, whole) = (i128::from(value) * i128::from(part), i128::from(whole));
    let down = exact / whole;
    let (below, above) = (exact - down * whole, (down + 1) * whole - exact);
    let rounded = match rounding {
        Rounding::Down => down,
        Rounding::HalfUp => down + i128::from(above <= below),
        Rounding::HalfEven if above == below => down + down % 2,
        Rounding::HalfEven => down + i128::from(above < below),
    };
    i64::try_from(rounded).unwrap()
}

struct Till {
    rules: Rules,
    currency: &'static str,
    /// The amount owed when it was paid out.
    paid_out: i64,
    is_paid: bool,
}

/// The affiliate's coupon.
const COUPON: &str = "ANN";

/// The one customer.
const BOB: &str = "bob";

const fn on_the_wire(rounding: Rounding) -> pb::Rounding {
    match rounding {
        Rounding::HalfEven => pb::Rounding::HalfEven,
        Rounding::HalfUp => pb::Rounding::HalfUp,
        Rounding::Down => pb::Rounding::Down,
    }
}

impl Till {
    fn open(currency: &'static str, rounding: Rounding, pay: Pay) -> Self {
        let mut till = Self { rules: Rules::new(), currency, paid_out: 0, is_paid: false };
        till.carry_out(&pb::CreateProgramRequest {
            display_name: "main".to_owned(),
            currency_code: currency.to_owned(),
            landing_url: "https://shop.example/".to_owned(),
            is_default: true,
            terms: Some(pb::Terms {
                commission: commission(pay, currency),
                rounding: on_the_wire(rounding).into(),
                ..pb::Terms::default()
            }),
            ..pb::CreateProgramRequest::default()
        });
        till.carry_out(&pb::CreateAffiliateRequest {
            email: "ann@affiliates.example".to_owned(),
            ref_id: "ann".to_owned(),
            coupon_code: COUPON.to_owned(),
            ..pb::CreateAffiliateRequest::default()
        });
        till
    }

    fn carry_out<M: Change>(&mut self, request: &M) {
        let decision = self.rules.carry_out(request).unwrap();
        assert!(!decision.replayed);
    }

    fn sell(&mut self, amount: i64, coupon_code: &str) {
        self.carry_out(&pb::RecordSaleRequest {
            event_id: "sale".to_owned(),
            external_id: BOB.to_owned(),
            coupon_code: coupon_code.to_owned(),
            amount: money(amount, self.currency),
            ..pb::RecordSaleRequest::default()
        });
    }

    fn sign_up(&mut self) {
        self.carry_out(&pb::RecordLeadRequest {
            event_id: "lead".to_owned(),
            external_id: BOB.to_owned(),
            coupon_code: COUPON.to_owned(),
            ..pb::RecordLeadRequest::default()
        });
    }

    fn refund(&mut self, number: usize, amount: i64, by_customer: bool) {
        let (sale_event_id, external_id) = if by_customer { ("", BOB) } else { ("sale", "") };
        self.carry_out(&pb::RecordRefundRequest {
            event_id: format!("refund-{number}"),
            sale_event_id: sale_event_id.to_owned(),
            external_id: external_id.to_owned(),
            amount: money(amount, self.currency),
            ..pb::RecordRefundRequest::default()
        });
    }

    fn reward(&self) -> Option<&Arc<Reward>> {
        let id: RewardId = self.rules.rewards_of(ConversionKind::Sale, "sale").first().copied()?;
        self.rules.set.reward(self.rules.account_id, id).ok()
    }

    /// Approves, denies or pays the reward, if it is still pending.
    fn decide(&mut self, verdict: Verdict) {
        let Some(reward) = self.reward().filter(|reward| reward.state == RewardState::Pending) else { return };
        let (request_id, reward_ids) = (String::new(), vec![reward.id.to_string()]);
        match verdict {
            Verdict::Deny => {
                self.carry_out(&pb::DenyRewardsRequest { request_id, reward_ids, reason: "no".to_owned() });
            }
            Verdict::Approve | Verdict::Pay => self.carry_out(&pb::ApproveRewardsRequest { request_id, reward_ids }),
        }
        if verdict == Verdict::Pay {
            self.paid_out = self.balance().owed_minor;
            self.is_paid = true;
            self.rules.set = paid(&self.rules.set);
        }
    }

    /// The balance: the sums over the ledger, minus the payout.
    fn balance(&self) -> Balance {
        let mut balance = Balance::default();
        for posting in &self.rules.set.postings {
            balance.post(posting).unwrap();
        }
        Balance { owed_minor: balance.owed_minor - self.paid_out, ..balance }
    }
}

/// Generates the copying of rows of all kinds.
macro_rules! copy_rows {
    ($($place:ident: $kind:ty,)*) => {
        /// Loads the rows that the set does not have yet.
        fn copy_rows(from: &WorkingSet, set: &mut WorkingSet) {
            $(from.$place.iter().for_each(|row| set.load::<$kind>(Arc::clone(row)));)*
        }
    };
}

headwater::for_all_kinds!(copy_rows);

/// The set as it would be loaded after all approved rewards were paid. It keeps the earlier postings for the sums.
fn paid(before: &WorkingSet) -> WorkingSet {
    let mut set = WorkingSet::complete();
    set.postings.clone_from(&before.postings);
    for reward in before.rewards.iter().filter(|reward| reward.state == RewardState::Approved) {
        set.load(Arc::new(Reward { state: RewardState::Paid, ..reward.as_ref().clone() }));
    }
    copy_rows(before, &mut set);
    set
}

/// The expected result of a plan.
#[derive(Debug, PartialEq, Eq)]
struct Result {
    value: i64,
    reversed: i64,
    state: RewardState,
    balance: Balance,
}

/// Plays a plan. After each refund, checks that no more is taken back than was earned.
fn play(plan: &Plan) -> std::result::Result<Till, TestCaseError> {
    let mut till = Till::open(plan.currency, plan.rounding, plan.pay);
    let mut audit = Audit::default();
    let coupon_code = if plan.priced_after.is_some() { "" } else { COUPON };
    for number in 0..=plan.parts.len() {
        let is_last = number == plan.parts.len();
        if number == plan.early_count {
            till.sell(plan.amount, coupon_code);
        }
        if plan.priced_after.is_some_and(|count| number == priced_at(plan, count)) {
            till.sign_up();
        }
        if let Some((place, verdict)) = plan.verdict
            && (place == number || (is_last && place > number))
        {
            till.decide(verdict);
        }
        if !is_last {
            till.refund(number, plan.parts[number], plan.by_customer);
        }
        if let Some(reward) = till.reward() {
            prop_assert!((0..=reward.value.amount_minor).contains(&reward.reversed_minor), "{:?}", reward);
        }
        prop_assert!(till.balance().pending_minor >= 0);
        // The audit is skipped after a payout, because these books have no entries for payouts and a loaded set has no past
        // events.
        if !till.is_paid {
            audit.check(&till.rules.set, till.rules.account_id)?;
        }
    }
    Ok(till)
}

/// How many refunds have come when the sale has arrived and is priced.
fn priced_at(plan: &Plan, count: usize) -> usize {
    count.clamp(plan.early_count, plan.parts.len())
}

/// The result by the formula; `None` for a sale that earned nothing.
fn expected(plan: &Plan) -> Option<Result> {
    let priced_at = plan.priced_after.map(|count| priced_at(plan, count));
    let refunded = |count: usize| plan.parts[..count].iter().sum::<i64>();
    let value = match plan.pay {
        // Nothing was left when the sale was priced.
        _ if priced_at.is_some_and(|count| refunded(count) == plan.amount) => 0,
        Pay::Percent(ppm) => share(plan.amount, ppm.into(), PPM, plan.rounding),
        Pay::Flat(minor) => minor,
    };
    let reversed_after = |count: usize| share(value, refunded(count), plan.amount, plan.rounding);
    if value == 0 {
        return None;
    }
    // The decision takes effect if the reward exists by then and is not fully reversed. `before` is the amount that refunds have
    // reversed before the decision. A refund that comes before the sale is booked when the sale arrives, and refunds before the
    // sale is priced take back from its reward then.
    let decided = plan.verdict.and_then(|(place, verdict)| {
        let place = place.min(plan.parts.len());
        let reward_is_there = place >= priced_at.unwrap_or(plan.early_count);
        let before = reversed_after(place);
        (reward_is_there && before < value).then_some((verdict, before))
    });
    let all = reversed_after(plan.parts.len());
    let left = value - all;
    let state_if_open = if left == 0 { RewardState::Reversed } else { RewardState::Pending };
    let balance = Balance::default();
    Some(match decided {
        None => {
            Result { value, reversed: all, state: state_if_open, balance: Balance { pending_minor: left, ..balance } }
        }
        Some((Verdict::Deny, before)) => Result { value, reversed: before, state: RewardState::Denied, balance },
        Some((Verdict::Approve, _)) => Result {
            value,
            reversed: all,
            state: if left == 0 { RewardState::Reversed } else { RewardState::Approved },
            balance: Balance { owed_minor: left, ..balance },
        },
        // An overpaid amount is owed back.
        Some((Verdict::Pay, before)) => Result {
            value,
            reversed: all,
            state: RewardState::Paid,
            balance: Balance { owed_minor: before - all, ..balance },
        },
    })
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn a_refund_reverses_its_share_of_the_reward(plan in plan()) {
        let till = play(&plan)?;
        let result = till.reward().map(|reward| Result {
            value: reward.value.amount_minor,
            reversed: reward.reversed_minor,
            state: reward.state,
            balance: till.balance(),
        });
        if result.is_none() {
            prop_assert_eq!(till.balance(), Balance::default());
        }
        prop_assert_eq!(result, expected(&plan));
    }

    #[test]
    fn parts_in_any_order_equal_one_refund(plan in plan()) {
        let whole = Plan { parts: vec![plan.parts.iter().sum()], early_count: 0, verdict: None, ..plan.clone() };
        let parts = Plan { verdict: None, ..plan };
        // Both sales are priced before the first refund, because otherwise their bases would differ.
        let [whole, parts] = [whole, parts].map(|plan| Plan { priced_after: None, ..plan });
        let (whole, parts) = (play(&whole)?, play(&parts)?);
        prop_assert_eq!(parts.balance(), whole.balance());
        prop_assert_eq!(
            parts.reward().map(|reward| (reward.reversed_minor, reward.state)),
            whole.reward().map(|reward| (reward.reversed_minor, reward.state))
        );
    }

    #[test]
    fn when_a_sale_is_priced_does_not_change_what_is_left(plan in plan(), count in 0..6_usize) {
        let at_once = Plan { priced_after: None, verdict: None, ..plan.clone() };
        let later = Plan { priced_after: Some(count), verdict: None, ..plan };
        let [at_once, later] = [play(&at_once)?, play(&later)?].map(|till| till.balance().pending_minor);
        // Each of the two is rounded twice.
        prop_assert!((at_once - later).abs() <= 2, "{at_once} and {later}");
    }
}

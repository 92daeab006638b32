//! Wise: what each answer means, and that no draft is left behind that a person could pay for later.

use std::time::Duration;

use headwater::domain::money::Money;
use headwater::outbound::provider::{
    Attempt, Cancellation, DoubtReason, FailureReason, Fee, Funds, LookUp, NotMade, PaymentState, Receiver, Submission,
};
use serde_json::json;

use super::bench::{AMOUNT_MINOR, Bench, Kind};

const CREATE: &str = "/v1/transfers";
const FUND: &str = "/v3/profiles/*/payments";

/// The fee of the tests' amount: 0.4 % and 0.30.
const FEE_MINOR: i64 = 35;

async fn accepted(bench: &Bench, attempt: &Attempt) -> Attempt {
    match bench.provider.submit(attempt, bench.now()).await {
        Submission::Accepted { provider_id } => Attempt { provider_id: Some(provider_id), ..attempt.clone() },
        other => panic!("{other:?}"),
    }
}

async fn state(bench: &Bench, attempt: &Attempt) -> PaymentState {
    match bench.provider.look_up(attempt, bench.now()).await {
        LookUp::Found(payment) => payment.state,
        other => panic!("{other:?}"),
    }
}

async fn reason(bench: &Bench, attempt: &Attempt) -> FailureReason {
    match bench.provider.submit(attempt, bench.now()).await {
        Submission::Failed(failure) => failure.reason,
        other => panic!("{other:?}"),
    }
}

/// Gives a transfer a state at Wise.
async fn set_state(bench: &Bench, attempt: &Attempt, status: &str) {
    let id = attempt.provider_id.clone().unwrap();
    bench.post(&format!("wise/transfers/{id}"), json!({"status": status})).await;
}

#[tokio::test]
async fn a_transfer_is_funded_and_then_sent() {
    let mut bench = Bench::funded(Kind::Wise).await;
    let fee = Fee::Exact(bench.money(FEE_MINOR));
    assert_eq!(bench.provider.fee(&bench.attempt(1), bench.now()).await, fee);
    let attempt = accepted(&bench, &bench.attempt(1)).await;
    assert_eq!(state(&bench, &attempt).await, PaymentState::Processing);
    bench.pass(25).await;
    assert_eq!(state(&bench, &attempt).await, PaymentState::Paid);
    let LookUp::Found(payment) = bench.provider.look_up(&attempt, bench.now()).await else { panic!() };
    assert_eq!(payment.fee, Some(bench.money(FEE_MINOR)));
    // Without an answer the fee is not known, so it is asked for again.
    bench.fault("GET", "/v3/profiles/*/quotes/*", json!({"kind": "error_before", "status": 503})).await;
    assert!(matches!(bench.provider.look_up(&attempt, bench.now()).await, LookUp::Unknown(_)));
    assert_eq!(bench.received().await, (AMOUNT_MINOR, 1));
    let left = bench.money(100_000 - AMOUNT_MINOR - FEE_MINOR);
    assert_eq!(bench.provider.funds("EUR".parse().unwrap(), bench.now()).await, Funds::Available(left));
}

#[tokio::test]
async fn a_lost_answer_is_found_by_the_same_key_and_other_content_is_not_adopted() {
    for path in [CREATE, FUND] {
        let mut bench = Bench::funded(Kind::Wise).await;
        bench.fault("POST", path, json!({"kind": "apply_then_drop"})).await;
        let attempt = bench.attempt(1);
        assert!(matches!(bench.provider.submit(&attempt, bench.now()).await, Submission::Unknown(_)));
        let tried = bench.tried(&attempt);
        let found = if path == CREATE { PaymentState::Unfunded } else { PaymentState::Processing };
        let LookUp::Found(payment) = bench.provider.look_up(&tried, bench.now()).await else { panic!() };
        assert_eq!(payment.state, found);
        let other = Submission::OtherPayment(Some(payment.provider_id.clone()));
        for attempt in [
            Attempt { amount: bench.money(AMOUNT_MINOR + 1), ..tried.clone() },
            Attempt { receiver: Receiver::WiseRecipient(1), ..tried.clone() },
        ] {
            assert_eq!(bench.provider.submit(&attempt, bench.now()).await, other, "{attempt:?}");
        }
        let again = bench.provider.submit(&tried, bench.now()).await;
        match again {
            Submission::Accepted { provider_id } if path == CREATE => assert_eq!(provider_id, payment.provider_id),
            Submission::Duplicate(again) if path == FUND => assert_eq!(again, payment),
            other => panic!("{path}: {other:?}"),
        }
        bench.pass(25).await;
        assert_eq!(bench.received().await, (AMOUNT_MINOR, 1));
    }
}

#[tokio::test]
async fn a_lack_of_money_leaves_no_draft_and_the_next_attempt_pays() {
    for form in ["rejected", "unprocessable"] {
        let mut bench = Bench::start(Kind::Wise).await;
        bench.set_balance(1_000).await;
        bench.post("wise/settings", json!({"insufficient": form})).await;
        let needed = bench.money(AMOUNT_MINOR + FEE_MINOR);
        let short = Submission::InsufficientFunds { needed, available: Some(bench.money(1_000)) };
        assert_eq!(bench.provider.submit(&bench.attempt(1), bench.now()).await, short, "{form}");
        assert_eq!(state(&bench, &bench.attempt(1)).await, PaymentState::Cancelled);
        bench.set_balance(AMOUNT_MINOR + FEE_MINOR).await;
        let second = accepted(&bench, &Attempt { number: 2, ..bench.attempt(1) }).await;
        bench.pass(25).await;
        assert_eq!(state(&bench, &second).await, PaymentState::Paid);
        assert_eq!((bench.received().await, bench.balance().await), ((AMOUNT_MINOR, 1), 0));
    }
}

/// The bug that must not happen: the result says that nothing was made, and a draft waits for somebody to pay for it.
#[tokio::test]
async fn a_draft_that_may_be_left_is_not_called_nothing() {
    let bench = Bench::start(Kind::Wise).await;
    bench.post("faults", json!({"method": "PUT", "times": 0, "fault": {"kind": "error_before", "status": 500}})).await;
    let attempt = bench.attempt(1);
    let submission = bench.provider.submit(&attempt, bench.now()).await;
    assert!(matches!(submission, Submission::Unknown(doubt) if doubt.reason == DoubtReason::InProgress));
    let tried = bench.tried(&attempt);
    assert_eq!(state(&bench, &tried).await, PaymentState::Unfunded);
    bench.remove_faults().await;
    let submission = bench.provider.submit(&tried, bench.now()).await;
    assert!(matches!(submission, Submission::InsufficientFunds { .. }), "{submission:?}");
    assert_eq!(state(&bench, &tried).await, PaymentState::Cancelled);
}

#[tokio::test]
async fn a_quote_that_has_expired_is_replaced_by_the_next_attempt() {
    let mut bench = Bench::funded(Kind::Wise).await;
    bench.fault("POST", FUND, json!({"kind": "drop_before_apply"})).await;
    let attempt = bench.attempt(1);
    assert!(matches!(bench.provider.submit(&attempt, bench.now()).await, Submission::Unknown(_)));
    let tried = bench.tried(&attempt);
    bench.pass(40 * 60).await;
    assert_eq!(reason(&bench, &tried).await, FailureReason::Expired);
    assert_eq!(state(&bench, &tried).await, PaymentState::Cancelled);
    accepted(&bench, &Attempt { number: 2, ..attempt }).await;
    bench.pass(25).await;
    assert_eq!(bench.received().await, (AMOUNT_MINOR, 1));
}

/// A personal token of a European profile may not fund: a person does it in Wise's pages.
#[tokio::test]
async fn a_transfer_that_a_person_must_fund_waits_and_is_then_sent() {
    let mut bench = Bench::funded(Kind::Wise).await;
    bench.post("wise/users/token-1", json!({"may_fund": false})).await;
    let attempt = bench.attempt(1);
    let submission = bench.provider.submit(&attempt, bench.now()).await;
    let Submission::Drafted { provider_id } = submission else { panic!("{submission:?}") };
    let drafted = Attempt { provider_id: Some(provider_id.clone()), ..bench.tried(&attempt) };
    assert_eq!(state(&bench, &drafted).await, PaymentState::Unfunded);
    // Asking again makes no second draft.
    assert_eq!(bench.provider.submit(&drafted, bench.now()).await, Submission::Drafted { provider_id });
    set_state(&bench, &drafted, "processing").await;
    bench.pass(25).await;
    assert_eq!(state(&bench, &drafted).await, PaymentState::Paid);
    assert_eq!(bench.received().await, (AMOUNT_MINOR, 1));
}

#[tokio::test]
async fn every_state_of_a_transfer_is_told() {
    let bench = Bench::funded(Kind::Wise).await;
    let attempt = accepted(&bench, &bench.attempt(1)).await;
    for (status, told) in [
        ("incoming_payment_initiated", PaymentState::Processing),
        ("funds_converted", PaymentState::Processing),
        ("waiting_recipient_input_to_proceed", PaymentState::OnHold),
        ("outgoing_payment_sent", PaymentState::Paid),
        ("bounced_back", PaymentState::Returning),
        ("funds_refunded", PaymentState::Returned),
        ("charged_back", PaymentState::Reversed),
        ("cancelled", PaymentState::Cancelled),
        // A transfer may go back to an earlier state.
        ("processing", PaymentState::Processing),
    ] {
        set_state(&bench, &attempt, status).await;
        assert_eq!(state(&bench, &attempt).await, told, "{status}");
    }
    let id = attempt.provider_id.clone().unwrap();
    bench.post(&format!("wise/transfers/{id}"), json!({"has_active_issues": true})).await;
    assert_eq!(state(&bench, &attempt).await, PaymentState::OnHold);
    set_state(&bench, &attempt, "unknown").await;
    let look_up = bench.provider.look_up(&attempt, bench.now()).await;
    assert!(matches!(look_up, LookUp::Unknown(doubt) if doubt.reason == DoubtReason::UnknownCode));
}

#[tokio::test]
async fn a_transfer_can_be_cancelled_until_its_money_is_converted() {
    let mut bench = Bench::funded(Kind::Wise).await;
    let first = accepted(&bench, &bench.attempt(1)).await;
    assert_eq!(bench.provider.cancel(&first, bench.now()).await, Cancellation::Cancelled);
    assert_eq!(state(&bench, &first).await, PaymentState::Cancelled);
    let second = accepted(&bench, &bench.attempt(2)).await;
    bench.pass(15).await;
    assert_eq!(bench.provider.cancel(&second, bench.now()).await, Cancellation::Refused);
    assert_eq!(bench.provider.cancel(&bench.attempt(3), bench.now()).await, Cancellation::Refused);
    bench.pass(15).await;
    assert_eq!(bench.received().await, (AMOUNT_MINOR, 1));
}

#[tokio::test]
async fn an_attempt_is_found_among_hundreds_and_absent_only_after_a_while() {
    let mut bench = Bench::funded(Kind::Wise).await;
    let attempts: Vec<Attempt> = (1..=120).map(|payout| bench.attempt(payout)).collect();
    for attempt in &attempts {
        bench.provider.submit(attempt, bench.now()).await;
    }
    // The oldest is on the second page.
    assert!(matches!(bench.provider.look_up(&bench.tried(&attempts[0]), bench.now()).await, LookUp::Found(_)));
    let never = bench.tried(&bench.attempt(999));
    let look_up = bench.provider.look_up(&never, bench.now()).await;
    assert!(matches!(look_up, LookUp::Unknown(doubt) if doubt.reason == DoubtReason::NotSettled));
    bench.pass(300).await;
    assert_eq!(bench.provider.look_up(&never, bench.now()).await, LookUp::NotMade(NotMade::Absent));
}

#[tokio::test]
async fn what_wise_cannot_pay_is_refused_before_a_transfer() {
    let bench = Bench::funded(Kind::Wise).await;
    let money = |amount_minor, code: &str| Money::new(amount_minor, code.parse().unwrap());
    let of = |amount| Attempt { amount, ..bench.attempt(1) };
    assert_eq!(reason(&bench, &of(money(0, "EUR"))).await, FailureReason::AmountNotPossible);
    assert_eq!(reason(&bench, &of(money(10_000, "CLF"))).await, FailureReason::CurrencyNotPossible);
    assert_eq!(reason(&bench, &of(money(100, "INR"))).await, FailureReason::CurrencyNotPossible);
    let foreign = Attempt { receiver: Receiver::StripeAccount("acct_1".to_owned()), ..bench.attempt(1) };
    assert_eq!(reason(&bench, &foreign).await, FailureReason::ReceiverInvalid);
    bench.post("wise/settings", json!({"blocked_currencies": ["PLN"]})).await;
    assert_eq!(reason(&bench, &of(money(100, "PLN"))).await, FailureReason::CurrencyNotPossible);
    assert_eq!(bench.request_count("POST", CREATE).await, 0);
    let unknown = Attempt { receiver: Receiver::WiseRecipient(1), ..bench.attempt(1) };
    assert_eq!(reason(&bench, &unknown).await, FailureReason::ReceiverInvalid);
    // The recipient's account is in euros.
    assert_eq!(reason(&bench, &of(money(100, "GBP"))).await, FailureReason::ReceiverInvalid);
    assert_eq!(bench.received().await, (0, 0));
}

#[tokio::test]
async fn limits_of_requests_are_waited_for() {
    let bench = Bench::funded(Kind::Wise).await;
    let limit = json!({"kind": "rate_limit", "retry_after_seconds": 7});
    bench.fault("POST", "/v3/profiles/*/quotes", limit.clone()).await;
    let after = Some(Duration::from_secs(7));
    assert_eq!(bench.provider.submit(&bench.attempt(1), bench.now()).await, Submission::Later { after });
    // A draft is there by then, so it is not nothing.
    bench.fault("POST", FUND, limit).await;
    let submission = bench.provider.submit(&bench.attempt(1), bench.now()).await;
    assert!(matches!(submission, Submission::Unknown(doubt) if doubt.after == after));
}

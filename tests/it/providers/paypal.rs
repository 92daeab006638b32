//! PayPal Payouts: what each answer means.

use headwater::domain::money::Money;
use headwater::outbound::provider::paypal::PayPal;
use headwater::outbound::provider::{
    Attempt, Cancellation, DoubtReason, FailureReason, Fee, Funds, LookUp, NotMade, PaymentState, Provider, Receiver,
    Remedy, Submission,
};
use serde_json::json;

use super::bench::{AMOUNT_MINOR, Bench, Kind, client};

const CREATE: &str = "/v1/payments/payouts";

/// Submits, and returns the attempt with the provider's id.
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

async fn failure(bench: &Bench, attempt: &Attempt) -> (FailureReason, String) {
    match bench.provider.submit(attempt, bench.now()).await {
        Submission::Failed(failure) => (failure.reason, failure.code),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_payment_is_accepted_and_then_paid_with_its_fee() {
    let mut bench = Bench::funded(Kind::PayPal).await;
    let attempt = accepted(&bench, &bench.attempt(1)).await;
    assert_eq!(state(&bench, &attempt).await, PaymentState::Processing);
    assert_eq!(bench.received().await, (0, 0));
    bench.pass(40).await;
    let LookUp::Found(payment) = bench.provider.look_up(&attempt, bench.now()).await else { panic!() };
    assert_eq!((payment.state, payment.fee), (PaymentState::Paid, Some(bench.money(25))));
    assert_eq!(bench.received().await, (AMOUNT_MINOR, 1));
    assert_eq!(bench.balance().await, 100_000 - AMOUNT_MINOR - 25);
}

#[tokio::test]
async fn a_lost_answer_is_found_by_the_same_key_and_other_content_is_not_adopted() {
    let mut bench = Bench::funded(Kind::PayPal).await;
    bench.fault("POST", CREATE, json!({"kind": "apply_then_drop"})).await;
    let attempt = bench.attempt(1);
    let submission = bench.provider.submit(&attempt, bench.now()).await;
    assert!(matches!(submission, Submission::Unknown(doubt) if doubt.reason == DoubtReason::NoAnswer));
    let tried = bench.tried(&attempt);
    let LookUp::Found(payment) = bench.provider.look_up(&tried, bench.now()).await else { panic!() };
    assert_eq!(payment.state, PaymentState::Processing);

    let changed = [
        Attempt { amount: bench.money(AMOUNT_MINOR + 1), ..tried.clone() },
        Attempt { amount: Money::new(AMOUNT_MINOR, "EUR".parse().unwrap()), ..tried.clone() },
        Attempt { receiver: Receiver::PayPalEmail("bob@example.com".to_owned()), ..tried.clone() },
        Attempt { receiver: Receiver::PayPalId("ANN".to_owned()), ..tried.clone() },
    ];
    for attempt in changed {
        let other = Submission::OtherPayment(Some(payment.provider_id.clone()));
        assert_eq!(bench.provider.submit(&attempt, bench.now()).await, other, "{attempt:?}");
        let known = Attempt { provider_id: Some(payment.provider_id.clone()), ..attempt };
        let other = LookUp::OtherPayment(Some(payment.provider_id.clone()));
        assert_eq!(bench.provider.look_up(&known, bench.now()).await, other, "{known:?}");
    }
    // Another payout's attempt with this batch's id.
    let foreign = Attempt { provider_id: Some(payment.provider_id.clone()), ..bench.attempt(2) };
    assert!(matches!(bench.provider.look_up(&foreign, bench.now()).await, LookUp::OtherPayment(_)));
    bench.pass(40).await;
    assert_eq!(bench.received().await, (AMOUNT_MINOR, 1));
}

#[tokio::test]
async fn a_lack_of_money_makes_nothing_and_the_next_attempt_pays() {
    let mut bench = Bench::start(Kind::PayPal).await;
    let attempt = bench.attempt(1);
    let short = Submission::InsufficientFunds { needed: bench.money(AMOUNT_MINOR + 25), available: None };
    assert_eq!(bench.provider.submit(&attempt, bench.now()).await, short);
    bench.set_balance(AMOUNT_MINOR + 25).await;
    let second = accepted(&bench, &Attempt { number: 2, ..attempt }).await;
    bench.pass(40).await;
    assert_eq!(state(&bench, &second).await, PaymentState::Paid);
    assert_eq!((bench.received().await, bench.balance().await), ((AMOUNT_MINOR, 1), 0));
}

/// The bug that must not happen: a batch whose answer was lost took the money, the refusal of the second try is taken as proof that
/// nothing was made, and the next attempt pays again.
#[tokio::test]
async fn a_lack_of_money_after_a_lost_answer_proves_nothing() {
    let mut bench = Bench::start(Kind::PayPal).await;
    bench.fault("POST", CREATE, json!({"kind": "drop_before_apply"})).await;
    let attempt = bench.attempt(1);
    assert!(matches!(bench.provider.submit(&attempt, bench.now()).await, Submission::Unknown(_)));
    let tried = bench.tried(&attempt);
    let submission = bench.provider.submit(&tried, bench.now()).await;
    assert!(matches!(&submission, Submission::Unknown(doubt) if doubt.reason == DoubtReason::InsufficientFunds));
    let look_up = bench.provider.look_up(&tried, bench.now()).await;
    assert!(matches!(&look_up, LookUp::Unknown(doubt) if doubt.reason == DoubtReason::InsufficientFunds));
    // The same key pays as soon as there is money.
    bench.set_balance(100_000).await;
    assert_eq!(state(&bench, &tried).await, PaymentState::Processing);
    bench.pass(40).await;
    assert_eq!(bench.received().await, (AMOUNT_MINOR, 1));
}

#[tokio::test]
async fn a_batch_that_is_denied_for_lack_of_money_paid_nothing() {
    let mut bench = Bench::funded(Kind::PayPal).await;
    let drain = json!({"kind": "drain_after", "account": "paypal/sender/shop", "currency": "USD", "amount_minor": 0});
    bench.fault("POST", CREATE, drain).await;
    let attempt = accepted(&bench, &bench.attempt(1)).await;
    bench.pass(40).await;
    let not_made = LookUp::NotMade(NotMade::InsufficientFunds { needed: bench.money(AMOUNT_MINOR + 25) });
    assert_eq!(bench.provider.look_up(&attempt, bench.now()).await, not_made);
    assert_eq!(bench.received().await, (0, 0));
}

#[tokio::test]
async fn every_end_of_an_item_is_told() {
    let mut bench = Bench::funded(Kind::PayPal).await;
    bench.set_receiver("failed@example.com", "FAILED").await;
    let locked = json!({"receiver": "locked@example.com", "status": "FAILED", "error": "RECEIVER_ACCOUNT_LOCKED"});
    bench.post("paypal/receivers", locked).await;
    for status in ["ONHOLD", "BLOCKED", "RETURNED", "REVERSED", "REFUNDED", "UNCLAIMED"] {
        bench.set_receiver(&format!("{}@example.com", status.to_lowercase()), status).await;
    }
    let mut attempts = Vec::new();
    let names = ["failed", "locked", "onhold", "blocked", "returned", "refunded", "reversed", "unclaimed", "unknown"];
    for (payout, name) in (1..).zip(names) {
        let receiver = Receiver::PayPalEmail(format!("{name}@example.com"));
        attempts.push(accepted(&bench, &Attempt { receiver, ..bench.attempt(payout) }).await);
    }
    bench.pass(40).await;
    let mut told = Vec::new();
    for attempt in &attempts {
        told.push(match state(&bench, attempt).await {
            PaymentState::Failed(failure) => format!("{:?} {:?}", failure.reason, failure.reason.remedy()),
            state => format!("{state:?}"),
        });
    }
    let expected = [
        "Unrecognized Review",
        "ReceiverInvalid Affiliate",
        "OnHold",
        "Compliance Review",
        "Returned",
        "Returned",
        "Reversed",
        "Unclaimed",
        "Unclaimed",
    ];
    assert_eq!(told, expected);

    // An unclaimed payment can be taken back, once.
    assert_eq!(bench.provider.cancel(&attempts[7], bench.now()).await, Cancellation::Cancelled);
    assert_eq!(state(&bench, &attempts[7]).await, PaymentState::Returned);
    assert_eq!(bench.provider.cancel(&attempts[7], bench.now()).await, Cancellation::Cancelled);
    assert_eq!(bench.provider.cancel(&attempts[2], bench.now()).await, Cancellation::Refused);
    // The other one goes back after 30 days.
    bench.pass(31 * 86_400).await;
    assert_eq!(state(&bench, &attempts[8]).await, PaymentState::Returned);
}

#[tokio::test]
async fn a_refusal_says_who_must_act() {
    let bench = Bench::funded(Kind::PayPal).await;
    // The fake knows a sender from its first call on.
    bench.provider.funds("USD".parse().unwrap(), bench.now()).await;
    for (name, reason, remedy) in [
        ("AUTHORIZATION_ERROR", FailureReason::NotAuthorized, Remedy::Owner),
        ("SENDER_RESTRICTED", FailureReason::SenderRestricted, Remedy::Owner),
        ("SPENDING_LIMIT_EXCEEDED", FailureReason::SenderLimited, Remedy::Owner),
        ("NON_HOLDING_CURRENCY", FailureReason::CurrencyNotPossible, Remedy::Owner),
        ("RISK_DECLINE", FailureReason::Compliance, Remedy::Review),
        ("RECEIVER_REFUSED", FailureReason::ReceiverRefused, Remedy::Affiliate),
    ] {
        bench.post("paypal/senders/shop", json!({"refusal": name})).await;
        let told = failure(&bench, &bench.attempt(1)).await;
        assert_eq!((told.0, told.1.as_str(), told.0.remedy()), (reason, name, remedy));
    }
    // An unknown word is no proof.
    bench.post("paypal/senders/shop", json!({"refusal": "SOMETHING_NEW"})).await;
    let submission = bench.provider.submit(&bench.attempt(1), bench.now()).await;
    let Submission::Unknown(doubt) = submission else { panic!("{submission:?}") };
    assert_eq!((doubt.reason, doubt.code.as_deref()), (DoubtReason::UnknownCode, Some("SOMETHING_NEW")));
    assert!(doubt.debug_id.is_some());
    // After an earlier try, no refusal is proof.
    bench.post("paypal/senders/shop", json!({"refusal": "SENDER_RESTRICTED"})).await;
    let submission = bench.provider.submit(&bench.tried(&bench.attempt(1)), bench.now()).await;
    assert!(matches!(submission, Submission::Unknown(doubt) if doubt.reason == DoubtReason::Refused));
}

#[tokio::test]
async fn what_paypal_cannot_pay_exactly_is_not_sent() {
    let bench = Bench::funded(Kind::PayPal).await;
    let amount = |amount_minor, code: &str| Money::new(amount_minor, code.parse().unwrap());
    for (wrong, reason) in [
        (Attempt { amount: amount(50_050, "HUF"), ..bench.attempt(1) }, FailureReason::AmountNotPossible),
        (Attempt { amount: amount(1_251, "KWD"), ..bench.attempt(1) }, FailureReason::AmountNotPossible),
        (Attempt { amount: amount(0, "USD"), ..bench.attempt(1) }, FailureReason::AmountNotPossible),
        (Attempt { amount: amount(-1, "USD"), ..bench.attempt(1) }, FailureReason::AmountNotPossible),
        (Attempt { receiver: Receiver::WiseRecipient(1), ..bench.attempt(1) }, FailureReason::ReceiverInvalid),
        (
            Attempt { receiver: Receiver::PayPalEmail("x".repeat(128)), ..bench.attempt(1) },
            FailureReason::ReceiverInvalid,
        ),
    ] {
        assert_eq!(failure(&bench, &wrong).await.0, reason, "{wrong:?}");
    }
    assert_eq!(bench.request_count("POST", "/").await, 0);
    let malformed = Attempt { receiver: Receiver::PayPalEmail("no address".to_owned()), ..bench.attempt(1) };
    assert_eq!(failure(&bench, &malformed).await.0, FailureReason::ReceiverInvalid);
    let unknown = Attempt { amount: amount(100, "INR"), ..bench.attempt(1) };
    assert_eq!(failure(&bench, &unknown).await.0, FailureReason::CurrencyNotPossible);
}

#[tokio::test]
async fn one_token_serves_until_paypal_refuses_it_or_it_ends() {
    let mut bench = Bench::funded(Kind::PayPal).await;
    let attempts: Vec<Attempt> = (1..=64).map(|payout| bench.attempt(payout)).collect();
    let now = bench.now();
    let submissions = attempts.iter().map(|attempt| bench.provider.submit(attempt, now));
    for submission in futures::future::join_all(submissions).await {
        assert!(matches!(submission, Submission::Accepted { .. }), "{submission:?}");
    }
    assert_eq!(bench.request_count("POST", "/v1/oauth2/token").await, 1);
    bench.post("paypal/tokens/expire", json!({})).await;
    accepted(&bench, &bench.attempt(65)).await;
    assert_eq!(bench.request_count("POST", "/v1/oauth2/token").await, 2);
    // Shortly before its end it is replaced without a refusal.
    bench.pass(32_400 - 30).await;
    let payments = bench.request_count("POST", CREATE).await;
    accepted(&bench, &bench.attempt(66)).await;
    assert_eq!(bench.request_count("POST", "/v1/oauth2/token").await, 3);
    assert_eq!(bench.request_count("POST", CREATE).await, payments + 1);
}

#[tokio::test]
async fn a_wrong_secret_is_the_owners_to_mend_and_is_shown_nowhere() {
    let bench = Bench::funded(Kind::PayPal).await;
    accepted(&bench, &bench.attempt(1)).await;
    let provider = PayPal::new(client(), bench.paypal_settings("another-secret"));
    let submission = provider.submit(&bench.attempt(2), bench.now()).await;
    let Submission::Failed(failure) = &submission else { panic!("{submission:?}") };
    assert_eq!((failure.reason, failure.code.as_str()), (FailureReason::NotAuthorized, "invalid_client"));
    let shown = format!("{provider:?} {submission:?} {:?}", bench.paypal_settings("another-secret"));
    assert!(!shown.contains("another-secret"), "{shown}");
}

#[tokio::test]
async fn limits_of_requests_are_waited_for() {
    let bench = Bench::funded(Kind::PayPal).await;
    bench.fault("POST", CREATE, json!({"kind": "rate_limit", "retry_after_seconds": 7})).await;
    let submission = bench.provider.submit(&bench.attempt(1), bench.now()).await;
    assert_eq!(submission, Submission::Later { after: Some(std::time::Duration::from_secs(7)) });
    let attempt = accepted(&bench, &bench.attempt(1)).await;
    bench.fault("GET", "/v1/payments/payouts/*", json!({"kind": "rate_limit", "retry_after_seconds": 8})).await;
    let look_up = bench.provider.look_up(&attempt, bench.now()).await;
    assert_eq!(look_up, LookUp::Later { after: Some(std::time::Duration::from_secs(8)) });
}

#[tokio::test]
async fn balance_and_fee_are_hints() {
    let bench = Bench::funded(Kind::PayPal).await;
    let funds = |code: &str| bench.provider.funds(code.parse().unwrap(), bench.now());
    assert_eq!(funds("USD").await, Funds::Hint(bench.money(100_000)));
    assert_eq!(funds("EUR").await, Funds::Unknown);
    for (amount_minor, fee_minor) in [(1_234, 25), (10_000_000, 2_000)] {
        let attempt = Attempt { amount: bench.money(amount_minor), ..bench.attempt(1) };
        assert_eq!(bench.provider.fee(&attempt, bench.now()).await, Fee::Estimate(bench.money(fee_minor)));
    }
}

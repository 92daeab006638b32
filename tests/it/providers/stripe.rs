//! Stripe Connect: what each answer means.

use std::time::Duration;

use headwater::domain::money::Money;
use headwater::outbound::provider::{
    Attempt, Cancellation, DoubtReason, FailureReason, Fee, Funds, LookUp, NotMade, PaymentState, Receiver, Submission,
};
use serde_json::json;

use super::bench::{AMOUNT_MINOR, Bench, DELAY, Kind};

const CREATE: &str = "/v1/transfers";

async fn paid(bench: &Bench, attempt: &Attempt) -> Attempt {
    match bench.provider.submit(attempt, bench.now()).await {
        Submission::Paid(payment) => Attempt { provider_id: Some(payment.provider_id), ..attempt.clone() },
        other => panic!("{other:?}"),
    }
}

async fn reason(bench: &Bench, attempt: &Attempt) -> FailureReason {
    match bench.provider.submit(attempt, bench.now()).await {
        Submission::Failed(failure) => failure.reason,
        other => panic!("{other:?}"),
    }
}

fn account(attempt: &Attempt) -> String {
    match &attempt.receiver {
        Receiver::StripeAccount(account) => account.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_transfer_is_paid_at_once_and_a_repeat_finds_it() {
    let bench = Bench::funded(Kind::Stripe).await;
    let attempt = paid(&bench, &bench.attempt(1)).await;
    assert_eq!(bench.received().await, (AMOUNT_MINOR, 1));
    let LookUp::Found(payment) = bench.provider.look_up(&attempt, bench.now()).await else { panic!() };
    assert_eq!((payment.state.clone(), payment.fee), (PaymentState::Paid, Some(bench.money(0))));
    let again = bench.provider.submit(&bench.attempt(1), bench.now()).await;
    assert_eq!(again, Submission::Duplicate(payment.clone()));
    // By the payout's id alone, and with another amount under the same key.
    let by_key = bench.attempt(1);
    assert_eq!(bench.provider.look_up(&by_key, bench.now()).await, LookUp::Found(payment.clone()));
    let other = Attempt { amount: bench.money(5), ..bench.attempt(1) };
    assert_eq!(bench.provider.submit(&other, bench.now()).await, Submission::OtherPayment(None));
    let found = LookUp::OtherPayment(Some(payment.provider_id));
    assert_eq!(bench.provider.look_up(&other, bench.now()).await, found);
    // A second attempt of a payout that is paid is noticed.
    assert_eq!(bench.provider.look_up(&Attempt { number: 2, ..by_key }, bench.now()).await, found);
    assert_eq!(bench.received().await, (AMOUNT_MINOR, 1));
    assert_eq!(bench.provider.cancel(&attempt, bench.now()).await, Cancellation::NotPossible);
}

#[tokio::test]
async fn a_lack_of_money_makes_nothing_and_the_next_attempt_pays() {
    let bench = Bench::start(Kind::Stripe).await;
    bench.set_balance(1_000).await;
    let short =
        Submission::InsufficientFunds { needed: bench.money(AMOUNT_MINOR), available: Some(bench.money(1_000)) };
    assert_eq!(bench.provider.submit(&bench.attempt(1), bench.now()).await, short);
    bench.set_balance(AMOUNT_MINOR).await;
    // Stripe keeps the refusal under its key.
    assert!(matches!(
        bench.provider.submit(&bench.attempt(1), bench.now()).await,
        Submission::InsufficientFunds { .. }
    ));
    paid(&bench, &Attempt { number: 2, ..bench.attempt(1) }).await;
    assert_eq!((bench.received().await, bench.balance().await), ((AMOUNT_MINOR, 1), 0));
}

/// Stripe keeps an error of its own under the key, so the same key never gets further. Only the list tells whether it paid.
#[tokio::test]
async fn an_error_of_stripe_is_resolved_by_the_list() {
    for (fault, is_made) in [("error_before", false), ("error_after", true)] {
        let mut bench = Bench::funded(Kind::Stripe).await;
        bench.fault("POST", CREATE, json!({"kind": fault, "status": 500})).await;
        let attempt = bench.attempt(1);
        for _ in 0..2 {
            let submission = bench.provider.submit(&attempt, bench.now()).await;
            assert!(matches!(submission, Submission::Unknown(doubt) if doubt.reason == DoubtReason::ProviderError));
        }
        let tried = bench.tried(&attempt);
        let look_up = bench.provider.look_up(&tried, bench.now()).await;
        if is_made {
            assert!(matches!(look_up, LookUp::Found(payment) if payment.state == PaymentState::Paid));
        } else {
            assert!(matches!(look_up, LookUp::Unknown(doubt) if doubt.reason == DoubtReason::NotSettled));
            bench.pass(300).await;
            assert_eq!(bench.provider.look_up(&tried, bench.now()).await, LookUp::NotMade(NotMade::Absent));
            paid(&bench, &Attempt { number: 2, ..attempt }).await;
        }
        assert_eq!(bench.received().await, (AMOUNT_MINOR, 1), "{fault}");
    }
}

/// The bug that must not happen: a slow request is not in the list yet, and that is taken as proof.
#[tokio::test]
async fn a_request_that_is_still_on_its_way_is_not_taken_as_absent() {
    let bench = Bench::funded(Kind::Stripe).await;
    let milliseconds = u64::try_from(DELAY.as_millis()).unwrap();
    bench.fault("POST", CREATE, json!({"kind": "delay_before", "milliseconds": milliseconds})).await;
    let attempt = bench.attempt(1);
    assert!(matches!(bench.provider.submit(&attempt, bench.now()).await, Submission::Unknown(_)));
    let tried = bench.tried(&attempt);
    let look_up = bench.provider.look_up(&tried, bench.now()).await;
    assert!(matches!(look_up, LookUp::Unknown(doubt) if doubt.reason == DoubtReason::NotSettled));
    let submission = bench.provider.submit(&tried, bench.now()).await;
    assert!(matches!(submission, Submission::Unknown(doubt) if doubt.reason == DoubtReason::InProgress));
    tokio::time::sleep(DELAY).await;
    assert!(matches!(bench.provider.look_up(&tried, bench.now()).await, LookUp::Found(_)));
    assert_eq!(bench.received().await, (AMOUNT_MINOR, 1));
}

#[tokio::test]
async fn a_key_that_stripe_has_forgotten_does_not_pay_again() {
    let mut bench = Bench::funded(Kind::Stripe).await;
    bench.fault("POST", CREATE, json!({"kind": "apply_then_drop"})).await;
    let attempt = bench.attempt(1);
    assert!(matches!(bench.provider.submit(&attempt, bench.now()).await, Submission::Unknown(_)));
    let tried = bench.tried(&attempt);
    bench.pass(25 * 3_600).await;
    assert!(matches!(bench.provider.submit(&tried, bench.now()).await, Submission::Duplicate(_)));
    assert_eq!(bench.received().await, (AMOUNT_MINOR, 1));
}

#[tokio::test]
async fn an_account_that_cannot_get_at_the_money_gets_none() {
    let bench = Bench::funded(Kind::Stripe).await;
    let attempt = bench.attempt(1);
    let control = format!("stripe/accounts/{}", account(&attempt));
    for change in [
        json!({"payouts_enabled": false, "disabled_reason": "requirements.past_due"}),
        json!({"payouts_enabled": true, "transfers": "pending"}),
        json!({"payouts_enabled": true, "transfers": "inactive"}),
    ] {
        bench.post(&control, change.clone()).await;
        assert_eq!(reason(&bench, &attempt).await, FailureReason::ReceiverNotReady, "{change}");
    }
    let unknown = Attempt { receiver: Receiver::StripeAccount("acct_unknown".to_owned()), ..attempt.clone() };
    assert_eq!(reason(&bench, &unknown).await, FailureReason::ReceiverInvalid);
    for wrong in ["", "acct_1/../x", "ba_1"] {
        let wrong = Attempt { receiver: Receiver::StripeAccount(wrong.to_owned()), ..attempt.clone() };
        assert_eq!(reason(&bench, &wrong).await, FailureReason::ReceiverInvalid);
    }
    assert_eq!(bench.request_count("POST", CREATE).await, 0);
    // The account closes between the check and the transfer.
    bench.post(&control, json!({"complete": true})).await;
    let look_up = bench.provider.look_up(&bench.tried(&attempt), bench.now()).await;
    assert!(matches!(look_up, LookUp::Unknown(doubt) if doubt.reason == DoubtReason::NotSettled));
    bench.post(&control, json!({"transfers": "inactive"})).await;
    let submission = bench.provider.submit(&bench.tried(&attempt), bench.now()).await;
    assert!(matches!(submission, Submission::Unknown(doubt) if doubt.reason == DoubtReason::Refused));
}

#[tokio::test]
async fn amounts_have_stripes_decimals() {
    let bench = Bench::start(Kind::Stripe).await;
    let money = |amount_minor, code: &str| Money::new(amount_minor, code.parse().unwrap());
    for (payout, amount_minor, code, units) in
        [(1, 500, "ISK", 50_000), (2, 500, "JPY", 500), (3, 12_340, "KWD", 12_340), (4, 50_000, "MGA", 500)]
    {
        bench
            .post("stripe/balance", json!({"account": "sk_test_shop", "currency": code, "amount_minor": 1_000_000}))
            .await;
        paid(&bench, &Attempt { amount: money(amount_minor, code), ..bench.attempt(payout) }).await;
        let rows = bench.get("ledger/received?provider=stripe").await;
        let row = rows.as_array().unwrap().iter().find(|row| row["currency"] == code).unwrap();
        assert_eq!(row["amount_minor"], units, "{code}");
        let available = bench.provider.funds(code.parse().unwrap(), bench.now()).await;
        let left = match code {
            "ISK" => 9_500,
            "MGA" => 99_950_000,
            _ => 1_000_000 - amount_minor,
        };
        assert_eq!(available, Funds::Available(money(left, code)), "{code}");
    }
    for (amount, wanted) in [
        (money(12_345, "KWD"), FailureReason::AmountNotPossible),
        (money(50_050, "MGA"), FailureReason::AmountNotPossible),
        (money(0, "USD"), FailureReason::AmountNotPossible),
        (money(500, "UGX"), FailureReason::CurrencyNotPossible),
    ] {
        assert_eq!(reason(&bench, &Attempt { amount, ..bench.attempt(9) }).await, wanted, "{amount}");
    }
}

#[tokio::test]
async fn a_reversal_is_told_with_what_came_back() {
    let bench = Bench::funded(Kind::Stripe).await;
    let attempt = paid(&bench, &bench.attempt(1)).await;
    let id = attempt.provider_id.clone().unwrap();
    for (amount, state, returned) in [(234, PaymentState::Paid, 234), (1_000, PaymentState::Reversed, 1_234)] {
        let path = format!("stripe/v1/transfers/{id}/reversals");
        bench.call("POST", &path, &format!("amount={amount}"), "sk_test_shop").await;
        let LookUp::Found(payment) = bench.provider.look_up(&attempt, bench.now()).await else { panic!() };
        assert_eq!((payment.state, payment.returned), (state, Some(bench.money(returned))));
    }
}

#[tokio::test]
async fn refusals_and_limits_of_stripe() {
    let bench = Bench::funded(Kind::Stripe).await;
    bench.fault("POST", CREATE, json!({"kind": "expire_tokens"})).await;
    assert_eq!(reason(&bench, &bench.attempt(1)).await, FailureReason::NotAuthorized);
    bench.fault("POST", CREATE, json!({"kind": "rate_limit", "retry_after_seconds": 7})).await;
    let later = Submission::Later { after: Some(Duration::from_secs(7)) };
    assert_eq!(bench.provider.submit(&bench.attempt(1), bench.now()).await, later);
    assert_eq!(bench.provider.fee(&bench.attempt(1), bench.now()).await, Fee::Exact(bench.money(0)));
    assert_eq!(bench.provider.funds("USD".parse().unwrap(), bench.now()).await, Funds::Available(bench.money(100_000)));
    assert_eq!(bench.provider.funds("EUR".parse().unwrap(), bench.now()).await, Funds::Unknown);
    assert_eq!(bench.received().await, (0, 0));
}

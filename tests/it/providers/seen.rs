//! Payments as the providers list and show them, whoever asked for them. Reconciliations read them.

use std::collections::BTreeSet;

use headwater::outbound::provider::{
    Attempt, Listing, NotRead, PaymentKey, PaymentState, SeenPayment, Submission, key_uuid,
};
use serde_json::json;

use super::bench::{AMOUNT_MINOR, Bench, Kind};

/// Pays an attempt, and returns the provider's name for the payment.
async fn pay(bench: &Bench, attempt: &Attempt) -> String {
    match bench.provider.submit(attempt, bench.now()).await {
        Submission::Paid(payment) => payment.provider_id,
        Submission::Accepted { provider_id } => provider_id,
        other => panic!("{other:?}"),
    }
}

/// All pages of the payments of the last day.
async fn listed(bench: &Bench) -> Vec<SeenPayment> {
    let (start_at, end_at) = (bench.now().plus_days(-1), bench.now().plus_days(1));
    let (mut all, mut page) = (Vec::new(), None::<String>);
    loop {
        match bench.provider.list(start_at, end_at, page.as_deref(), bench.now()).await.unwrap() {
            Listing::Page { payments, next } => {
                all.extend(payments);
                match next {
                    Some(next) => page = Some(next),
                    None => return all,
                }
            }
            Listing::NotPossible => panic!("{:?} has a list", bench.kind),
        }
    }
}

/// The key of an attempt, as the provider's list has it.
fn key(kind: Kind, attempt: &Attempt) -> PaymentKey {
    if kind == Kind::Wise {
        PaymentKey::Uuid(key_uuid(attempt.payout_id, attempt.number))
    } else {
        PaymentKey::Payout { payout_id: attempt.payout_id, number: Some(attempt.number) }
    }
}

#[tokio::test]
async fn every_payment_is_on_one_page_with_its_key() {
    for kind in [Kind::Stripe, Kind::Wise] {
        let bench = Bench::start(kind).await;
        bench.set_balance(10_000_000).await;
        let mut paid = BTreeSet::new();
        for number in 1..=101 {
            paid.insert(pay(&bench, &bench.attempt(number)).await);
        }
        let found = listed(&bench).await;
        assert_eq!(found.len(), 101, "{kind:?}");
        assert_eq!(found.iter().map(|payment| payment.provider_id.clone()).collect::<BTreeSet<_>>(), paid);
        for number in 1..=101 {
            let wanted = key(kind, &bench.attempt(number));
            let payment = found.iter().find(|payment| payment.key == wanted).unwrap();
            assert_eq!(payment.amount, Some(bench.money(AMOUNT_MINOR)));
            let age = bench.now().micros() - payment.made_at.unwrap().micros();
            assert!((0..2_000_000).contains(&age), "{age}");
        }
        let (start_at, end_at) = (bench.now().plus_days(-3), bench.now().plus_days(-2));
        let before = bench.provider.list(start_at, end_at, None, bench.now()).await.unwrap();
        assert_eq!(before, Listing::Page { payments: Vec::new(), next: None }, "{kind:?}");
    }
    let bench = Bench::start(Kind::PayPal).await;
    let now = bench.now();
    assert_eq!(bench.provider.list(now.plus_days(-1), now, None, now).await, Ok(Listing::NotPossible));
}

#[tokio::test]
async fn a_payment_is_read_by_the_providers_name_for_it() {
    for (kind, nothing) in [(Kind::PayPal, "NOTHING1"), (Kind::Stripe, "tr_nothing"), (Kind::Wise, "999999999")] {
        let mut bench = Bench::funded(kind).await;
        let attempt = bench.attempt(7);
        let id = pay(&bench, &attempt).await;
        bench.pass(60).await;
        let payment = bench.provider.read(&id, bench.now()).await.unwrap().unwrap();
        assert_eq!((&payment.provider_id, &payment.state), (&id, &PaymentState::Paid), "{kind:?}");
        assert_eq!((payment.key, payment.amount), (key(kind, &attempt), Some(bench.money(AMOUNT_MINOR))));
        let fee = match kind {
            // Two percent, rounded.
            Kind::PayPal => Some(bench.money((AMOUNT_MINOR + 25) / 50)),
            Kind::Stripe => Some(bench.money(0)),
            Kind::Wise => None,
        };
        assert_eq!(payment.fee, fee, "{kind:?}");
        assert_eq!(bench.provider.read(nothing, bench.now()).await, Ok(None), "{kind:?}");
    }
}

#[tokio::test]
async fn a_part_that_came_back_is_read() {
    let bench = Bench::funded(Kind::Stripe).await;
    let id = pay(&bench, &bench.attempt(1)).await;
    let reverse = format!("stripe/v1/transfers/{id}/reversals");
    bench.call("POST", &reverse, "amount=200", super::bench::STRIPE_KEY).await;
    let payment = bench.provider.read(&id, bench.now()).await.unwrap().unwrap();
    assert_eq!((payment.state, payment.returned), (PaymentState::Paid, Some(bench.money(200))));
    bench.call("POST", &reverse, "", super::bench::STRIPE_KEY).await;
    let payment = bench.provider.read(&id, bench.now()).await.unwrap().unwrap();
    assert_eq!((payment.state, payment.returned), (PaymentState::Reversed, Some(bench.money(AMOUNT_MINOR))));
}

#[tokio::test]
async fn what_cannot_be_read_is_told_from_what_is_absent() {
    for kind in [Kind::PayPal, Kind::Stripe, Kind::Wise] {
        let bench = Bench::funded(kind).await;
        let id = pay(&bench, &bench.attempt(1)).await;
        for fault in [json!({"kind": "error_before", "status": 500}), json!({"kind": "malformed_json"})] {
            bench.next_fault(fault).await;
            let read = bench.provider.read(&id, bench.now()).await;
            assert!(matches!(read, Err(NotRead::Later { .. })), "{kind:?}: {read:?}");
        }
        let pointer = match kind {
            Kind::PayPal => "/items/0/transaction_status",
            Kind::Stripe => "/amount",
            Kind::Wise => "/status",
        };
        bench.next_fault(json!({"kind": "answer_field", "pointer": pointer, "value": "nonsense"})).await;
        let read = bench.provider.read(&id, bench.now()).await;
        assert!(matches!(read, Err(NotRead::Unreadable { .. })), "{kind:?}: {read:?}");
    }
    for kind in [Kind::Stripe, Kind::Wise] {
        let bench = Bench::start(kind).await;
        bench.next_fault(json!({"kind": "expire_tokens"})).await;
        let refused = bench.provider.read("1", bench.now()).await;
        assert!(matches!(refused, Err(NotRead::Refused { .. })), "{kind:?}: {refused:?}");
    }
}

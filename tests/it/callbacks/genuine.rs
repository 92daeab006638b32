//! Callbacks that the providers have sent, from end to end: they wake the account's payouts, once for each delivery.

use headwater::http::nudge::Wake;
use headwater::inbound::callback::CallbackProvider;
use serde_json::json;

use super::desk::{Desk, payout};

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_of_each_provider_wake_its_payouts() {
    for provider in CallbackProvider::ALL {
        let mut desk = Desk::start().await;
        desk.connect_to_listener(provider).await;
        desk.cause(provider, 1).await;
        desk.wait_for_wakes(provider, 1).await;
        let expected = if provider == CallbackProvider::Wise { 1 } else { 2 };
        let answers = desk.answers(expected).await;
        assert!(answers.iter().all(|(_, status)| *status == 200), "{answers:?}");
        assert_eq!(desk.all_wakes(), desk.wakes(provider));
        let wake = if provider == CallbackProvider::PayPal { Wake::One(payout(1)) } else { Wake::Funded };
        assert_eq!(desk.woken(provider)[0], wake);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_arrives_is_told_by_stripe_and_wise() {
    let mut desk = Desk::start().await;
    for provider in [CallbackProvider::Stripe, CallbackProvider::Wise] {
        desk.connect_to_recorder(provider).await;
        desk.cause(provider, 1).await;
        let mut texts = String::new();
        for _ in 0..if provider == CallbackProvider::Stripe { 2 } else { 1 } {
            let callback = desk.recorded().await;
            texts.push_str(&String::from_utf8(callback.body.clone()).unwrap());
            assert_eq!(desk.deliver(&callback, &desk.path(provider)).await, 200);
        }
        assert!(texts.contains("balance.available") || texts.contains("balances#update"), "{texts}");
        desk.wait_for_wakes(provider, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_comes_again_wakes_nothing() {
    for provider in CallbackProvider::ALL {
        let mut desk = Desk::start().await;
        desk.connect_to_recorder(provider).await;
        let first = desk.sample(provider, 1).await;
        let path = desk.path(provider);
        for _ in 0..20 {
            assert_eq!(desk.deliver(&first, &path).await, 200);
        }
        desk.wait_for_wakes(provider, 1).await;
        // An unsigned id of a delivery does not make it another one.
        assert_eq!(desk.deliver(&first.with("x-delivery-id", "other"), &path).await, 200);
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        assert_eq!(desk.wakes(provider), 1, "{provider:?}");
        let second = desk.sample(provider, 2).await;
        assert_eq!(desk.deliver(&second, &path).await, 200);
        desk.wait_for_wakes(provider, 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_and_reordered_callbacks_are_taken() {
    let mut desk = Desk::start().await;
    desk.post("webhooks", json!({"copies": 3, "reorder_window": 6})).await;
    desk.connect_to_listener(CallbackProvider::Stripe).await;
    desk.cause(CallbackProvider::Stripe, 1).await;
    let answers = desk.answers(6).await;
    assert!(answers.iter().all(|(_, status)| *status == 200), "{answers:?}");
    desk.wait_for_wakes(CallbackProvider::Stripe, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_cannot_be_checked_now_is_sent_again() {
    let mut desk = Desk::start().await;
    desk.connect_to_listener(CallbackProvider::Wise).await;
    *desk.secrets.is_away.lock().unwrap() = true;
    desk.cause(CallbackProvider::Wise, 1).await;
    assert_eq!(desk.answers(1).await[0].1, 503);
    *desk.secrets.is_away.lock().unwrap() = false;
    desk.wait_for_wakes(CallbackProvider::Wise, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_fetched_once() {
    let mut desk = Desk::start().await;
    desk.connect_to_recorder(CallbackProvider::PayPal).await;
    let callback = desk.sample(CallbackProvider::PayPal, 1).await;
    let path = desk.path(CallbackProvider::PayPal);
    let deliveries = (0..20).map(|_| desk.deliver(&callback, &path));
    let statuses = futures::future::join_all(deliveries).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(*desk.fetches.lock().unwrap(), 1);
}

//! Webhooks: their signature, their envelope, and what causes them.

use serde_json::{Value, json};

use super::Stripe;
use crate::support::{Control, Received, Receiver};

/// A platform, and the secret of the endpoint that is registered for all events.
async fn registered(connect: &str) -> Option<(Stripe, Control, Receiver, String)> {
    let stripe = Stripe::start().await;
    let control = stripe.control("webhooks arrive here")?.clone();
    let receiver = Receiver::start().await;
    let fields = [("url", receiver.url.as_str()), ("enabled_events[]", "*"), ("connect", connect)];
    let endpoint = stripe.post("/v1/webhook_endpoints", &fields).await.json();
    let secret = endpoint["secret"].as_str().unwrap().to_owned();
    Some((stripe, control, receiver, secret))
}

/// Whether the signature is of the body, by the secret as it is written.
fn is_signed(webhook: &Received, secret: &str) -> bool {
    let header = webhook.header("stripe-signature");
    let part = |name: &str| header.split(',').find_map(|part| part.strip_prefix(name)).unwrap();
    let (time, signature) = (part("t="), part("v1="));
    let signature: Vec<u8> =
        (0..signature.len()).step_by(2).map(|at| u8::from_str_radix(&signature[at..at + 2], 16).unwrap()).collect();
    let mut text = format!("{time}.").into_bytes();
    text.extend_from_slice(&webhook.body);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    ring::hmac::verify(&key, &text, &signature).is_ok()
}

#[tokio::test]
async fn a_webhook_is_signed_with_the_secret_as_it_is_written() {
    let Some((stripe, control, mut receiver, secret)) = registered("false").await else { return };
    assert!(secret.starts_with("whsec_"));
    stripe.transferred("100", "g").await;
    let webhook = receiver.next().await;
    assert!(is_signed(&webhook, &secret));
    assert!(!is_signed(&webhook, "whsec_other"));
    control.post("webhooks", json!({"signature": "wrong"})).await;
    stripe.transferred("100", "g").await;
    assert!(!is_signed(&receiver.next().await, &secret));
}

#[tokio::test]
async fn an_event_has_the_documented_envelope() {
    let Some((stripe, control, mut receiver, _)) = registered("false").await else { return };
    let id = stripe.transferred("100", "g").await;
    let webhook = receiver.next().await;
    let event = webhook.json();
    assert!(event["id"].as_str().unwrap().starts_with("evt_"));
    assert_eq!((&event["object"], &event["type"]), (&json!("event"), &json!("transfer.created")));
    assert_eq!(event["data"]["object"]["id"], id.as_str());
    for field in ["api_version", "created", "livemode", "pending_webhooks", "request"] {
        assert!(event.get(field).is_some(), "{field}: {event}");
    }
    assert!(event.get("account").is_none());
    let now: jiff::Timestamp = control.get("clock").await["now"].as_str().unwrap().parse().unwrap();
    assert!(webhook.header("stripe-signature").starts_with(&format!("t={},", now.as_second())));
}

#[tokio::test]
async fn money_that_arrives_is_told() {
    let Some((stripe, _, mut receiver, _)) = registered("false").await else { return };
    stripe.set_balance("USD", 200_000).await;
    assert_eq!(receiver.next_types("type", 2).await, ["topup.succeeded", "balance.available"]);
}

#[tokio::test]
async fn a_reversal_is_told() {
    let Some((stripe, _, mut receiver, _)) = registered("false").await else { return };
    let id = stripe.transferred("100", "g").await;
    stripe.post(&format!("/v1/transfers/{id}/reversals"), &[]).await;
    let types = receiver.next_types("type", 3).await;
    assert_eq!(types, ["transfer.created", "transfer.reversed", "transfer.updated"]);
}

#[tokio::test]
async fn events_of_accounts_name_the_account() {
    let Some((stripe, control, mut receiver, _)) = registered("true").await else { return };
    stripe.transferred("1000", "g").await;
    let account = [("stripe-account", stripe.account.as_str())];
    let fields = [("amount", "500"), ("currency", "usd")];
    let id = stripe.send("POST", "/v1/payouts", &fields, &account).await.json()["id"].as_str().unwrap().to_owned();
    control.advance(2 * 86_400).await;
    control.post(&format!("stripe/payouts/{id}"), json!({"status": "failed"})).await;
    control.post(&format!("stripe/accounts/{}", stripe.account), json!({"payouts_enabled": false})).await;
    let mut types: Vec<Value> = Vec::new();
    for _ in 0..4 {
        let event = receiver.next().await.json();
        assert_eq!(event["account"], stripe.account.as_str());
        types.push(event["type"].clone());
    }
    assert_eq!(types, ["payout.created", "payout.paid", "payout.failed", "account.updated"]);
}

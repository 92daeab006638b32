//! Keys: what is kept under them, for how long, and what a careless client pays twice.

use std::time::Duration;

use serde_json::json;

use super::{Stripe, code, kind};
use crate::paypal::fresh_id;

#[tokio::test]
async fn the_same_key_gets_the_first_answer() {
    let stripe = Stripe::start().await;
    let (group, key) = (fresh_id(), fresh_id());
    let first = stripe.transfer("100", &group, &key).await;
    let second = stripe.transfer("100", &group, &key).await;
    assert_eq!((second.status, second.json()), (200, first.json()));
    let found = stripe.get(&format!("/v1/transfers?transfer_group={group}")).await.json();
    assert_eq!(super::ids(&found).len(), 1);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused() {
    let stripe = Stripe::start().await;
    let (group, key) = (fresh_id(), fresh_id());
    stripe.transfer("100", &group, &key).await;
    let reply = stripe.transfer("200", &group, &key).await;
    assert_eq!((reply.status, kind(&reply)), (400, "idempotency_error".to_owned()));
}

#[tokio::test]
async fn a_key_in_use_is_a_conflict() {
    let stripe = Stripe::start().await;
    let Some(control) = stripe.control("a key in use is a conflict") else { return };
    let fault = json!({"kind": "delay_before", "milliseconds": 400});
    control.fault(json!({"provider": "stripe", "path": "/v1/transfers", "fault": fault})).await;
    let slow = stripe.transfer("100", "g", "k");
    let quick = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        stripe.transfer("100", "g", "k").await
    };
    let (slow, quick) = tokio::join!(slow, quick);
    assert_eq!((slow.status, quick.status), (200, 409));
    assert_eq!((kind(&quick), quick.header("stripe-should-retry")), ("idempotency_error".to_owned(), "true"));
    assert_eq!(stripe.transfer("100", "g", "k").await.json(), slow.json());
    assert_eq!(stripe.received(control).await, (100, 1));
}

#[tokio::test]
async fn a_500_is_kept_and_the_list_says_whether_the_money_moved() {
    for (fault, moved) in [("error_before", 0), ("error_after", 1)] {
        let stripe = Stripe::start().await;
        let Some(control) = stripe.control("a 500 is kept") else { return };
        let fault = json!({"kind": fault, "status": 500});
        control.fault(json!({"provider": "stripe", "path": "/v1/transfers", "fault": fault})).await;
        for _ in 0..3 {
            let reply = stripe.transfer("100", "g", "k").await;
            assert_eq!((reply.status, kind(&reply)), (500, "api_error".to_owned()));
        }
        let found = stripe.get("/v1/transfers?transfer_group=g").await.json();
        assert_eq!(super::ids(&found).len(), moved);
        assert_eq!(stripe.received(control).await.1, moved);
    }
}

#[tokio::test]
async fn a_refusal_for_lack_of_money_is_kept() {
    let stripe = Stripe::start().await;
    let Some(control) = stripe.control("a refusal is kept after funding") else { return };
    stripe.set_balance("USD", 0).await;
    assert_eq!(code(&stripe.transfer("100", "g", "k1").await), "balance_insufficient");
    stripe.set_balance("USD", 1000).await;
    assert_eq!(code(&stripe.transfer("100", "g", "k1").await), "balance_insufficient");
    assert_eq!(stripe.transfer("100", "g", "k2").await.status, 200, "a new key is needed");
    assert_eq!(stripe.received(control).await, (100, 1));
}

#[tokio::test]
async fn a_wrong_field_is_not_kept() {
    let stripe = Stripe::start().await;
    let key = fresh_id();
    assert_eq!(stripe.transfer("wrong", "g", &key).await.status, 400);
    assert_eq!(stripe.transfer("100", "g", &key).await.status, 200);
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day_and_a_repeat_pays_twice() {
    let stripe = Stripe::start().await;
    let Some(control) = stripe.control("a key is forgotten after a day") else { return };
    stripe.transfer("100", "g", "k").await;
    control.advance(86_399).await;
    stripe.transfer("100", "g", "k").await;
    assert_eq!(stripe.received(control).await, (100, 1));
    control.advance(1).await;
    stripe.transfer("100", "g", "k").await;
    assert_eq!(stripe.received(control).await, (200, 2));
}

#[tokio::test]
async fn a_key_has_at_most_255_characters() {
    let stripe = Stripe::start().await;
    let reply = stripe.transfer("100", &fresh_id(), &"k".repeat(256)).await;
    assert_eq!(reply.status, 400);
}

#[tokio::test]
async fn a_lost_answer_is_had_by_the_same_key() {
    let stripe = Stripe::start().await;
    let Some(control) = stripe.control("a lost answer") else { return };
    control.fault(json!({"provider": "stripe", "method": "POST", "fault": {"kind": "truncate", "bytes": 5}})).await;
    let url = format!("{}/v1/transfers", stripe.base);
    let body =
        format!("amount=100&currency=usd&destination={}&transfer_group=g&metadata%5Bpayout%5D=g", stripe.account);
    let headers = [("authorization", "Bearer sk_test_1"), ("idempotency-key", "k")];
    assert!(crate::support::http_once("POST", &url, &headers, &body).await.is_err());
    let reply = stripe.transfer("100", "g", "k").await;
    assert_eq!((reply.status, reply.header("idempotent-replayed")), (200, "true"));
    assert_eq!(stripe.received(control).await, (100, 1));
}

#[tokio::test]
async fn a_429_is_not_kept() {
    let stripe = Stripe::start().await;
    let Some(control) = stripe.control("a 429 on demand") else { return };
    let fault = json!({"kind": "rate_limit", "retry_after_seconds": 1});
    control.fault(json!({"provider": "stripe", "method": "POST", "fault": fault})).await;
    assert_eq!(stripe.transfer("100", "g", "k").await.status, 429);
    assert_eq!(stripe.transfer("100", "g", "k").await.status, 200);
}

//! Batches: creating, reading with pages, states, duplicates.

use serde_json::json;

use super::{PayPal, batch_of, fresh_id, item, name};

#[tokio::test]
async fn a_batch_is_answered_with_201_and_is_pending() {
    let paypal = PayPal::start().await;
    let id = fresh_id();
    let reply = paypal.create(&batch_of(&id, &[("a@example.com", "1.00")])).await;
    assert_eq!(reply.status, 201);
    let header = &reply.json()["batch_header"];
    assert!(header["payout_batch_id"].is_string());
    assert_eq!(header["batch_status"], "PENDING");
    assert_eq!(header["sender_batch_header"]["sender_batch_id"], id.as_str());
    assert!(reply.json()["links"][0]["href"].as_str().unwrap().contains("/v1/payments/payouts/"));
}

#[tokio::test]
async fn a_read_batch_has_header_items_and_totals() {
    let paypal = PayPal::start().await;
    let id = paypal.created(&batch_of(&fresh_id(), &[("a@example.com", "1.00"), ("b@example.com", "2.50")])).await;
    let batch = paypal.processed(&id).await;
    let header = &batch["batch_header"];
    assert_eq!(header["payout_batch_id"], id.as_str());
    assert_eq!(header["amount"], json!({"currency": "USD", "value": "3.50"}));
    assert!(header["fees"]["value"].is_string());
    assert!(header["time_created"].is_string() && header["time_completed"].is_string());
    assert_eq!(header["funding_source"], "BALANCE");
    assert_eq!((&batch["total_items"], &batch["total_pages"]), (&json!(2), &json!(1)));
    let first = &batch["items"][0];
    assert_eq!(first["payout_batch_id"], id.as_str());
    assert_eq!(first["payout_item"]["receiver"], "a@example.com");
    for field in ["payout_item_id", "transaction_status"] {
        assert!(first[field].is_string(), "{field}: {first}");
    }
    assert!(first["payout_item_fee"]["value"].is_string());
}

#[tokio::test]
async fn items_come_in_pages() {
    let paypal = PayPal::start().await;
    let receivers: Vec<String> = (0..5).map(|number| format!("page{number}@example.com")).collect();
    let items: Vec<_> = receivers.iter().map(|receiver| (receiver.as_str(), "1.00")).collect();
    let id = paypal.created(&batch_of(&fresh_id(), &items)).await;
    paypal.processed(&id).await;
    let mut seen = Vec::new();
    for page in 1..=3 {
        let path = format!("/v1/payments/payouts/{id}?page={page}&page_size=2&total_required=true");
        let body = paypal.get(&path).await.json();
        assert_eq!((&body["total_items"], &body["total_pages"]), (&json!(5), &json!(3)));
        for item in body["items"].as_array().unwrap() {
            seen.push(item["payout_item"]["receiver"].as_str().unwrap().to_owned());
        }
    }
    seen.sort();
    assert_eq!(seen, receivers);
    let reply = paypal.get(&format!("/v1/payments/payouts/{id}?page_size=1001")).await;
    assert_eq!(reply.status, 400);
}

#[tokio::test]
async fn there_is_no_list_of_batches() {
    let paypal = PayPal::start().await;
    let reply = paypal.get("/v1/payments/payouts").await;
    assert!([404, 405].contains(&reply.status), "{reply:?}");
}

#[tokio::test]
async fn rule_1_a_batch_is_pending_then_processing_then_processed() {
    let paypal = PayPal::start().await;
    let Some(control) = paypal.control("the times of a batch's states") else { return };
    let id = paypal.created(&batch_of(&fresh_id(), &[("a@example.com", "1.00")])).await;
    let mut states = Vec::new();
    for _ in 0..4 {
        states.push(paypal.batch(&id).await["batch_header"]["batch_status"].as_str().unwrap().to_owned());
        control.advance(10).await;
    }
    assert_eq!(states, ["PENDING", "PROCESSING", "PROCESSING", "SUCCESS"]);
    control.post("paypal/settings", json!({"done_after_ms": 0})).await;
    let id = paypal.created(&batch_of(&fresh_id(), &[("a@example.com", "1.00")])).await;
    assert_eq!(paypal.batch(&id).await["batch_header"]["batch_status"], "SUCCESS");
}

#[tokio::test]
async fn rule_2_success_of_a_batch_says_nothing_of_its_items() {
    let paypal = PayPal::start().await;
    let receiver = format!("{}@example.com", fresh_id());
    let id = paypal.created(&batch_of(&fresh_id(), &[(&receiver, "1.00")])).await;
    let batch = paypal.processed(&id).await;
    assert_eq!(batch["batch_header"]["batch_status"], "SUCCESS");
    assert_eq!(batch["items"][0]["transaction_status"], "UNCLAIMED");
}

#[tokio::test]
async fn rule_3_the_same_sender_batch_id_leads_to_the_first_batch() {
    let paypal = PayPal::start().await;
    let body = batch_of(&fresh_id(), &[("a@example.com", "1.00")]);
    let first = paypal.created(&body).await;
    let reply = paypal.create(&body).await;
    assert_eq!((reply.status, name(&reply)), (400, "USER_BUSINESS_ERROR".to_owned()));
    let detail = &reply.json()["details"][0];
    assert_eq!(detail["field"], "SENDER_BATCH_ID");
    let link = detail["link"][0]["href"].as_str().unwrap();
    assert!(link.ends_with(&format!("/v1/payments/payouts/{first}")), "{link}");
}

#[tokio::test]
async fn rule_3_a_duplicate_is_answered_even_without_money() {
    let paypal = PayPal::start().await;
    let Some(_) = paypal.control("a duplicate is answered even without money") else { return };
    let body = batch_of(&fresh_id(), &[("a@example.com", "1.00")]);
    paypal.created(&body).await;
    paypal.set_balance("USD", 0).await;
    assert_eq!(name(&paypal.create(&body).await), "USER_BUSINESS_ERROR");
}

#[tokio::test]
async fn rule_4_the_request_id_prevents_no_second_batch() {
    let paypal = PayPal::start().await;
    let request_id = fresh_id();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let body = batch_of(&fresh_id(), &[("a@example.com", "1.00")]);
        let headers = [("paypal-request-id", request_id.as_str())];
        let reply = paypal.post_with("/v1/payments/payouts", &body, &headers).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        ids.push(reply.json()["batch_header"]["payout_batch_id"].clone());
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn rule_4_without_sender_batch_id_a_repeat_pays_twice() {
    let paypal = PayPal::start().await;
    let Some(control) = paypal.control("a repeat without sender_batch_id pays twice") else { return };
    paypal.set_receiver("a@example.com", "SUCCESS", None).await;
    let body = json!({"sender_batch_header": {}, "items": [item("a@example.com", "USD", "1.00")]});
    paypal.created(&body).await;
    let second = paypal.created(&body).await;
    paypal.processed(&second).await;
    assert_eq!(control.received("paypal", "a@example.com").await, (200, 2));
}

#[tokio::test]
async fn rule_12_a_batch_has_at_most_15000_items() {
    let paypal = PayPal::start().await;
    let Some(_) = paypal.control("a batch of 15,001 items") else { return };
    let mut items = vec![item("a@example.com", "USD", "0.01"); 15_001];
    let batch =
        |items: &[serde_json::Value]| json!({"sender_batch_header": {"sender_batch_id": fresh_id()}, "items": items});
    assert_eq!(name(&paypal.create(&batch(&items)).await), "VALIDATION_ERROR");
    items.pop();
    assert_eq!(paypal.create(&batch(&items)).await.status, 201);
}

#[tokio::test]
async fn rule_12_more_than_400_batches_a_minute_are_refused() {
    let paypal = PayPal::start().await;
    let Some(control) = paypal.control("the limit of batches per minute") else { return };
    control.post("paypal/settings", json!({"posts_per_minute": 3})).await;
    for _ in 0..3 {
        paypal.created(&batch_of(&fresh_id(), &[("a@example.com", "1.00")])).await;
    }
    let reply = paypal.create(&batch_of(&fresh_id(), &[("a@example.com", "1.00")])).await;
    assert_eq!((reply.status, name(&reply)), (429, "RATE_LIMIT_REACHED".to_owned()));
    control.advance(60).await;
    paypal.created(&batch_of(&fresh_id(), &[("a@example.com", "1.00")])).await;
    assert_eq!(control.get("paypal/settings").await["posts_per_minute"], 3);
}

//! Transfers, their list and their reversals.

use serde_json::json;

use super::{Stripe, code, ids, kind};
use crate::paypal::fresh_id;

#[tokio::test]
async fn a_transfer_is_answered_with_the_documented_form() {
    let stripe = Stripe::start().await;
    let group = fresh_id();
    let reply = stripe.transfer("1234", &group, &fresh_id()).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let transfer = reply.json();
    assert!(transfer["id"].as_str().unwrap().starts_with("tr_"));
    assert_eq!((&transfer["object"], &transfer["amount"]), (&json!("transfer"), &json!(1234)));
    assert_eq!((&transfer["amount_reversed"], &transfer["reversed"]), (&json!(0), &json!(false)));
    assert_eq!(transfer["currency"], "usd");
    assert_eq!(transfer["destination"], stripe.account.as_str());
    assert_eq!(transfer["metadata"], json!({"payout": group}));
    assert_eq!(transfer["transfer_group"], group.as_str());
    assert_eq!(transfer["livemode"], false);
    assert!(transfer["balance_transaction"].is_string() && transfer["destination_payment"].is_string());
    assert_eq!(transfer["reversals"]["object"], "list");
    assert!(transfer.get("status").is_none(), "made is moved: there is no state");
}

#[tokio::test]
async fn a_transfer_moves_the_money_at_once() {
    let stripe = Stripe::start().await;
    let Some(control) = stripe.control("a transfer moves the money at once") else { return };
    stripe.transferred("1234", "g").await;
    assert_eq!(stripe.received(control).await, (1234, 1));
    assert_eq!(stripe.get("/v1/balance").await.json()["available"][0]["amount"], 100_000 - 1234);
}

#[tokio::test]
async fn transfers_are_found_by_group_destination_and_time() {
    let stripe = Stripe::start().await;
    let (group, other) = (fresh_id(), fresh_id());
    let id = stripe.transferred("100", &group).await;
    stripe.transferred("100", &other).await;
    let found = stripe.get(&format!("/v1/transfers?transfer_group={group}")).await.json();
    assert_eq!((&found["object"], &found["has_more"]), (&json!("list"), &json!(false)));
    assert_eq!(ids(&found), [id.as_str()]);
    let path = format!("/v1/transfers?transfer_group={group}&destination={}", stripe.account);
    assert_eq!(ids(&stripe.get(&path).await.json()), [id.as_str()]);
    let created = found["data"][0]["created"].as_i64().unwrap();
    let path = |limit: &str, time: i64| format!("/v1/transfers?transfer_group={group}&created%5B{limit}%5D={time}");
    assert_eq!(ids(&stripe.get(&path("gte", created)).await.json()).len(), 1);
    assert_eq!(ids(&stripe.get(&path("gte", created + 1)).await.json()).len(), 0);
    assert_eq!(ids(&stripe.get(&path("gt", created)).await.json()).len(), 0);
    assert_eq!(ids(&stripe.get(&path("lt", created)).await.json()).len(), 0);
    assert_eq!(ids(&stripe.get(&path("lte", created)).await.json()).len(), 1);
    let path = format!("/v1/transfers/{id}");
    assert_eq!(stripe.get(&path).await.json()["id"], id.as_str());
    let nothing = stripe.get("/v1/transfers/tr_nothing").await;
    assert_eq!((nothing.status, code(&nothing)), (404, "resource_missing".to_owned()));
}

#[tokio::test]
async fn a_list_has_pages_newest_first() {
    let stripe = Stripe::start().await;
    let group = fresh_id();
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(stripe.transferred("100", &group).await);
    }
    made.reverse();
    let first = stripe.get(&format!("/v1/transfers?transfer_group={group}&limit=2")).await.json();
    assert_eq!((ids(&first), &first["has_more"]), (made[..2].to_vec(), &json!(true)));
    let path = format!("/v1/transfers?transfer_group={group}&limit=2&starting_after={}", made[1]);
    let second = stripe.get(&path).await.json();
    assert_eq!((ids(&second), &second["has_more"]), (made[2..].to_vec(), &json!(false)));
    let reply = stripe.get("/v1/transfers?limit=101").await;
    assert_eq!((reply.status, kind(&reply)), (400, "invalid_request_error".to_owned()));
}

#[tokio::test]
async fn without_money_the_code_is_balance_insufficient_and_nothing_is_made() {
    let stripe = Stripe::start().await;
    let group = fresh_id();
    let reply = stripe.transfer("99999999", &group, &fresh_id()).await;
    assert_eq!((reply.status, kind(&reply)), (400, "invalid_request_error".to_owned()));
    assert_eq!(code(&reply), "balance_insufficient");
    let error = &reply.json()["error"];
    assert!(error["message"].is_string() && error["doc_url"].is_string());
    let found = stripe.get(&format!("/v1/transfers?transfer_group={group}")).await.json();
    assert_eq!(ids(&found).len(), 0);
}

#[tokio::test]
async fn the_balance_must_be_in_the_same_currency() {
    let stripe = Stripe::start().await;
    let Some(_) = stripe.control("the balance must be in the same currency") else { return };
    let fields = [("amount", "100"), ("currency", "eur"), ("destination", stripe.account.as_str())];
    assert_eq!(code(&stripe.post("/v1/transfers", &fields).await), "balance_insufficient");
    stripe.set_balance("EUR", 100).await;
    assert_eq!(stripe.post("/v1/transfers", &fields).await.status, 200);
}

#[tokio::test]
async fn wrong_fields_are_named() {
    let stripe = Stripe::start().await;
    let account = stripe.account.as_str();
    for (wrong, field) in [("amount", "-1"), ("amount", "1.5"), ("amount", ""), ("currency", "dollars")] {
        let mut fields = vec![("destination", account)];
        fields.extend(
            [("amount", "100"), ("currency", "usd")].map(|pair| if pair.0 == wrong { (wrong, field) } else { pair }),
        );
        let reply = stripe.post("/v1/transfers", &fields).await;
        assert_eq!((reply.status, reply.json()["error"]["param"].as_str()), (400, Some(wrong)));
    }
    for missing in ["amount", "currency", "destination"] {
        let all = [("amount", "100"), ("currency", "usd"), ("destination", account)];
        let fields: Vec<_> = all.into_iter().filter(|(name, _)| *name != missing).collect();
        let reply = stripe.post("/v1/transfers", &fields).await;
        assert_eq!((reply.status, reply.json()["error"]["param"].as_str()), (400, Some(missing)));
    }
    let fields = [("amount", "100"), ("currency", "usd"), ("destination", "acct_nobody")];
    assert_eq!(code(&stripe.post("/v1/transfers", &fields).await), "resource_missing");
}

#[tokio::test]
async fn three_decimals_end_with_zero() {
    let stripe = Stripe::start().await;
    let Some(control) = stripe.control("a balance in dinars") else { return };
    stripe.set_balance("KWD", 100_000).await;
    let fields = |amount| [("amount", amount), ("currency", "kwd"), ("destination", stripe.account.as_str())];
    assert_eq!(stripe.post("/v1/transfers", &fields("1001")).await.status, 400);
    assert_eq!(stripe.post("/v1/transfers", &fields("1000")).await.status, 200);
    let exponents = control.get("stripe/exponents").await;
    for (currency, decimals) in [("JPY", 0), ("MGA", 0), ("KWD", 3), ("TND", 3)] {
        assert_eq!(exponents[currency], decimals, "{currency}");
    }
    assert_eq!(exponents.as_object().unwrap().len(), 16 + 5);
}

#[tokio::test]
async fn a_transfer_is_reversed_in_parts() {
    let stripe = Stripe::start().await;
    let id = stripe.transferred("1000", &fresh_id()).await;
    let path = format!("/v1/transfers/{id}/reversals");
    let reply = stripe.post(&path, &[("amount", "400"), ("metadata[why]", "refund")]).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let reversal = reply.json();
    assert!(reversal["id"].as_str().unwrap().starts_with("trr_"));
    assert_eq!((&reversal["amount"], &reversal["transfer"]), (&json!(400), &json!(id)));
    let reply = stripe.post(&path, &[("amount", "601")]).await;
    assert_eq!((reply.status, kind(&reply)), (400, "invalid_request_error".to_owned()));
    assert_eq!(stripe.post(&path, &[]).await.json()["amount"], 600, "the rest, if no amount is given");
    let transfer = stripe.get(&format!("/v1/transfers/{id}")).await.json();
    assert_eq!((&transfer["amount_reversed"], &transfer["reversed"]), (&json!(1000), &json!(true)));
    assert_eq!(stripe.post(&path, &[]).await.status, 400);
    if let Some(control) = stripe.control("the books after a reversal") {
        assert_eq!(stripe.received(control).await, (0, 0));
    }
}

#[tokio::test]
async fn a_reversal_needs_the_accounts_balance() {
    let stripe = Stripe::start().await;
    let Some(control) = stripe.control("a reversal needs the account's balance") else { return };
    let id = stripe.transferred("1000", "g").await;
    let body = json!({"account": stripe.account, "currency": "USD", "amount_minor": 10});
    control.post("stripe/balance", body).await;
    let reply = stripe.post(&format!("/v1/transfers/{id}/reversals"), &[]).await;
    assert_eq!((reply.status, code(&reply)), (400, "balance_insufficient".to_owned()));
    assert_eq!(stripe.received(control).await, (1000, 1));
}

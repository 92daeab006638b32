//! Quotes and recipients.

use serde_json::{Value, json};

use super::Wise;

#[tokio::test]
async fn a_quote_says_rate_fee_and_how_long_it_holds() {
    let wise = Wise::start().await;
    let quote = wise.quote("100.5").await;
    assert!(quote["id"].as_str().unwrap().len() == 36);
    assert!(quote["rate"].is_number() && quote["rateType"].is_string() && quote["expirationTime"].is_string());
    let options = quote["paymentOptions"].as_array().unwrap();
    let option = options.iter().find(|option| option["payIn"] == "BALANCE").unwrap();
    assert_eq!(option["targetAmount"], json!(100.5));
    assert!(option["fee"]["total"].is_number() && option["disabled"].is_boolean());
    assert!(quote["notices"].is_array());
}

#[tokio::test]
async fn a_quote_takes_one_of_two_amounts() {
    let wise = Wise::start().await;
    let path = wise.path("v3", "quotes");
    let body = |amounts: Value| {
        let mut body = json!({"sourceCurrency": "EUR", "targetCurrency": "GBP"});
        body.as_object_mut().unwrap().extend(amounts.as_object().unwrap().clone());
        body
    };
    assert_eq!(wise.post(&path, &body(json!({"sourceAmount": 100}))).await.status, 200);
    assert_eq!(wise.post(&path, &body(json!({"targetAmount": 100}))).await.status, 200);
    assert_eq!(wise.post(&path, &body(json!({"targetAmount": 100, "sourceAmount": 100}))).await.status, 422);
}

#[tokio::test]
async fn amounts_are_exact() {
    let wise = Wise::start().await;
    let Some(_) = wise.control("the fake's rates are fixed") else { return };
    let path = wise.path("v3", "quotes");
    let body = json!({"sourceCurrency": "EUR", "targetCurrency": "USD", "sourceAmount": 1000});
    let quote = wise.post(&path, &body).await.json();
    // 1000.00 less a fee of 4.00 + 0.30, at 1.1.
    assert_eq!((&quote["rate"], &quote["targetAmount"]), (&json!(1.1), &json!(1095.27)));
    assert_eq!(quote["paymentOptions"][0]["fee"]["total"], json!(4.3));
    let body = json!({"sourceCurrency": "EUR", "targetCurrency": "JPY", "targetAmount": 16_667});
    let quote = wise.post(&path, &body).await.json();
    // 100.002 is rounded up to 100.01, and the fee is 0.41 + 0.30.
    assert_eq!((&quote["sourceAmount"], &quote["targetAmount"]), (&json!(100.72), &json!(16_667)));
}

#[tokio::test]
async fn a_notice_of_type_blocked_stops() {
    let wise = Wise::start().await;
    let Some(control) = wise.control("a blocked currency") else { return };
    control.post("wise/settings", json!({"blocked_currencies": ["EUR"]})).await;
    let quote = wise.quote("100").await;
    assert_eq!(quote["notices"][0]["type"], "BLOCKED");
    assert!(quote["notices"][0]["text"].is_string());
    assert_eq!(quote["paymentOptions"][0]["disabled"], true);
}

#[tokio::test]
async fn a_quote_gives_the_form_for_recipients() {
    let wise = Wise::start().await;
    let quote = wise.quote("100").await;
    let path = format!("/v1/quotes/{}/account-requirements", quote["id"].as_str().unwrap());
    let forms = wise.get(&path).await.json();
    let iban = forms.as_array().unwrap().iter().find(|form| form["type"] == "iban").unwrap();
    let group = &iban["fields"][0]["group"][0];
    assert!(group["key"].is_string() && group["required"].is_boolean());
}

#[tokio::test]
async fn a_recipient_is_made_read_listed_and_deleted() {
    let wise = Wise::start().await;
    let id = wise.recipient().await;
    let recipient = wise.get(&format!("/v1/accounts/{id}")).await.json();
    assert_eq!(recipient["accountHolderName"], "Ann Affiliate");
    assert_eq!((&recipient["currency"], &recipient["type"]), (&json!("EUR"), &json!("iban")));
    let path = format!("/v1/accounts?profile={}&currency=EUR", wise.profile);
    let has = |list: &Value| list.as_array().unwrap().iter().any(|one| one["id"] == id);
    if wise.control("the list of recipients has pages in the sandbox").is_some() {
        assert!(has(&wise.get(&path).await.json()));
        assert_eq!(wise.send("DELETE", &format!("/v1/accounts/{id}"), &Value::Null).await.status, 200);
        assert!(!has(&wise.get(&path).await.json()));
    }
}

#[tokio::test]
async fn a_recipient_without_its_details_is_refused() {
    let wise = Wise::start().await;
    let body = json!({
        "profile": wise.profile, "currency": "EUR", "type": "iban", "accountHolderName": "Ann Affiliate",
        "details": {"legalType": "PRIVATE"},
    });
    let reply = wise.post("/v1/accounts", &body).await;
    assert_eq!(reply.status, 422);
    assert!(reply.json()["errors"][0]["path"].is_string());
}

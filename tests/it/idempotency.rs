//! An event_id or request_id has one effect, even if several clients send it several times.

use std::collections::BTreeSet;

use headwater::pb;
use prost::Message;
use testkit::client::Client;
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::feed::cash;
use crate::support::server::{START_MICROS, TestServer, reason};
use crate::support::shop::Shop;

fn sale(event_id: &str, amount_minor: i64) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        email: "bob@shop.example".to_owned(),
        coupon_code: "ANN".to_owned(),
        amount: Some(pb::Money { amount_minor, currency_code: "USD".to_owned() }),
        ..pb::RecordSaleRequest::default()
    }
}

/// The answer without `replayed`. It must be equal in all answers.
fn first_answer(answer: pb::RecordSaleResponse) -> pb::RecordSaleResponse {
    pb::RecordSaleResponse { replayed: false, ..answer }
}

db_test!(the_same_sale_64_times_at_once_is_one_conversion, |database: TestDatabase| async move {
    let first = TestServer::start(&database).await;
    let shop = Shop::open(&first, "shop").await;
    // On PostgreSQL the callers are spread over two servers.
    let second = match database.kind {
        DatabaseKind::Sqlite => None,
        DatabaseKind::Postgres => Some(TestServer::start(&database).await),
    };
    for round in 0..5 {
        let mut calls = Vec::new();
        for number in 0..64 {
            let address = match &second {
                Some(second) if number % 2 == 1 => second.address.clone(),
                _ => first.address.clone(),
            };
            let key = shop.client.key.clone();
            calls.push(tokio::spawn(async move {
                let mut client = Client::connect(&address, &key).await.unwrap();
                client.tracking.record_sale(sale(&format!("charge-{round}"), 6_000)).await.unwrap().into_inner()
            }));
        }
        let mut answers = Vec::new();
        let mut first_count = 0;
        for call in calls {
            let answer = call.await.unwrap();
            first_count += usize::from(!answer.replayed);
            answers.push(first_answer(answer));
        }
        assert_eq!(first_count, 1, "exactly one of the calls did it");
        assert_eq!(cash(answers[0].rewards[0].value.as_ref()).amount_minor, 1_200);
        assert!(answers.iter().all(|answer| *answer == answers[0]), "64 equal answers");
    }
    let mut client = shop.client.clone();
    let listed = client.tracking.list_conversions(pb::ListConversionsRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.conversions.len(), 5);
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
    assert_eq!(report.entry_count, 5);
});

db_test!(the_same_id_with_another_amount_is_refused_with_the_first_ones_id, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let first = client.tracking.record_sale(sale("charge-1", 6_000)).await.unwrap().into_inner();
    let status = client.tracking.record_sale(sale("charge-1", 6_001)).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "IDEMPOTENCY_MISMATCH"));
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().metadata["first_id"], first.conversion_id);
    assert!(details.precondition_failure().is_some());
    // The answer is still the first one.
    let again = client.tracking.record_sale(sale("charge-1", 6_000)).await.unwrap().into_inner();
    assert!(again.replayed);
    assert_eq!(first_answer(again), first);
});

db_test!(a_repeat_that_means_the_same_is_the_same, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let first = pb::RecordSaleRequest { email: "jo@customers.example".to_owned(), ..sale("charge-1", 6_000) };
    let answer = client.tracking.record_sale(first.clone()).await.unwrap().into_inner();
    for same in [
        pb::RecordSaleRequest { email: " JO@Customers.example.".to_owned(), ..first.clone() },
        pb::RecordSaleRequest { quantity: 1, channel: pb::SaleChannel::Online.into(), ..first.clone() },
        pb::RecordSaleRequest { coupon_code: format!(" {} ", first.coupon_code.to_lowercase()), ..first.clone() },
    ] {
        let again = client.tracking.record_sale(same).await.unwrap().into_inner();
        assert!(again.replayed);
        assert_eq!(first_answer(again), answer);
    }
    for other in [
        pb::RecordSaleRequest { email: "joe@customers.example".to_owned(), ..first.clone() },
        pb::RecordSaleRequest { quantity: 2, ..first.clone() },
        pb::RecordSaleRequest { plan: "gold".to_owned(), ..first.clone() },
    ] {
        let status = client.tracking.record_sale(other).await.unwrap_err();
        assert_eq!(reason(&status), "IDEMPOTENCY_MISMATCH");
    }
    // The lead's address is written as the first request wrote it.
    let lead = pb::RecordLeadRequest {
        event_id: "signup-1".to_owned(),
        email: "Kim@Customers.example".to_owned(),
        ..pb::RecordLeadRequest::default()
    };
    for email in ["Kim@Customers.example", "kim@customers.example", "KIM@customers.example"] {
        let again = pb::RecordLeadRequest { email: email.to_owned(), ..lead.clone() };
        client.tracking.record_lead(again).await.unwrap();
    }
    let selector = Some(pb::lead_selector::Selector::Email("kim@customers.example".to_owned()));
    let request = pb::GetLeadRequest { lead: Some(pb::LeadSelector { selector }) };
    let lead = client.tracking.get_lead(request).await.unwrap().into_inner().lead.unwrap();
    assert_eq!((lead.email.as_str(), lead.email_as_sent.as_str()), ("kim@customers.example", "Kim@Customers.example"));
});

// The answer to a sale is made of its rows. The rows change here in every way: refunds, approval, another customer's affiliate.
db_test!(a_repeated_sale_has_the_first_answer_after_its_rows_have_changed, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let request = pb::CreateAffiliateRequest {
        email: "bea@affiliates.example".to_owned(),
        coupon_code: "BEA".to_owned(),
        ..pb::CreateAffiliateRequest::default()
    };
    let bea = client.affiliates.create_affiliate(request).await.unwrap().into_inner().affiliate.unwrap().id;
    server.clock.advance_days(3);

    let of = |event_id: &str, email: &str, coupon_code: &str| pb::RecordSaleRequest {
        email: email.to_owned(),
        coupon_code: coupon_code.to_owned(),
        ..sale(event_id, 1_000)
    };
    let (lou, kim) = ("lou@customers.example", "kim@customers.example");
    let sales =
        [of("with-code", lou, "ANN"), of("renewal", lou, ""), of("by-herself", kim, ""), of("by-herself-2", kim, "")];
    let mut answers = Vec::new();
    for sale in &sales {
        answers.push(client.tracking.record_sale(sale.clone()).await.unwrap().into_inner());
    }
    let of_nobody = pb::ConversionOutcome::NotReferred as i32;
    assert_eq!(answers.iter().filter(|answer| answer.outcome == of_nobody).count(), 2);

    // A refund and an approval change the rewards. Sign-ups that happened before the sales give them to Bea.
    let refund = pb::RecordRefundRequest {
        event_id: "back".to_owned(),
        sale_event_id: "renewal".to_owned(),
        amount: Some(pb::Money { amount_minor: 400, currency_code: "USD".to_owned() }),
        ..pb::RecordRefundRequest::default()
    };
    client.tracking.record_refund(refund).await.unwrap();
    let reward_ids = vec![answers[0].rewards[0].reward_id.clone()];
    client.rewards.approve_rewards(pb::ApproveRewardsRequest { reward_ids, ..Default::default() }).await.unwrap();
    for (event_id, email) in [("sign-up-1", lou), ("sign-up-2", kim)] {
        let seconds = START_MICROS / 1_000_000 + 86_400;
        let request = pb::RecordLeadRequest {
            event_id: event_id.to_owned(),
            email: email.to_owned(),
            coupon_code: "BEA".to_owned(),
            occur_time: Some(prost_types::Timestamp { seconds, nanos: 0 }),
            ..pb::RecordLeadRequest::default()
        };
        client.tracking.record_lead(request).await.unwrap();
    }

    for (sale, answer) in sales.iter().zip(&answers) {
        let again = client.tracking.record_sale(sale.clone()).await.unwrap().into_inner();
        assert!(again.replayed);
        assert_eq!(first_answer(again).encode_to_vec(), answer.encode_to_vec(), "{}", sale.event_id);
        let selector = pb::conversion_selector::Selector::Id(answer.conversion_id.clone());
        let request = pb::GetConversionRequest {
            conversion: Some(pb::ConversionSelector { selector: Some(selector) }),
            ..pb::GetConversionRequest::default()
        };
        let now = client.tracking.get_conversion(request).await.unwrap().into_inner().conversion.unwrap();
        assert_eq!(now.credits[0].affiliate_id, bea, "{}", sale.event_id);
        assert_ne!(now.credits, answer.credits, "{}", sale.event_id);
        assert!(now.rewards.len() > answer.rewards.len(), "{}", sale.event_id);
    }
    // The id of the first effect is that of the sale too.
    let status = client.tracking.record_sale(of("by-herself", lou, "")).await.unwrap_err();
    assert_eq!(status.get_error_details().error_info().unwrap().metadata["first_id"], answers[2].conversion_id);
});

db_test!(a_batch_answers_item_by_item_in_order, |database: TestDatabase| async move {
    use pb::batch_item::Item;
    use pb::batch_result::Answer as Recorded;
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let wrong = pb::RecordSaleRequest { email: "no address".to_owned(), ..sale("charge-2", -1) };
    let items = [sale("charge-1", 6_000), wrong, sale("charge-1", 6_000), sale("charge-1", 1), sale("charge-3", 100)];
    let items = items.map(|sale| pb::BatchItem { item: Some(Item::Sale(sale)) }).to_vec();
    let answer =
        client.tracking.batch_record_events(pb::BatchRecordEventsRequest { items }).await.unwrap().into_inner();
    let told: Vec<String> = answer
        .results
        .into_iter()
        .map(|result| match result.answer.unwrap() {
            Recorded::Sale(sale) if sale.replayed => "replayed".to_owned(),
            Recorded::Sale(_) => "recorded".to_owned(),
            Recorded::Error(status) => format!("{:?}", Code::from_i32(status.code)),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, ["recorded", "InvalidArgument", "replayed", "FailedPrecondition", "recorded"]);
});

db_test!(request_ids_make_the_other_calls_safe_to_repeat, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    let request = pb::CreateAffiliateRequest {
        request_id: "make-carl".to_owned(),
        email: "carl@affiliates.example".to_owned(),
        ..pb::CreateAffiliateRequest::default()
    };
    let first = client.affiliates.create_affiliate(request.clone()).await.unwrap().into_inner();
    let again = client.affiliates.create_affiliate(request.clone()).await.unwrap().into_inner();
    assert!(!first.replayed && again.replayed);
    assert_eq!(first.affiliate, again.affiliate);
    assert_eq!(first.enrollment, again.enrollment);
    assert!(!first.auth_token.is_empty() && again.auth_token.is_empty(), "a secret is shown once");
    let other = pb::CreateAffiliateRequest { email: "dora@affiliates.example".to_owned(), ..request.clone() };
    let status = client.affiliates.create_affiliate(other.clone()).await.unwrap_err();
    assert_eq!(reason(&status), "IDEMPOTENCY_MISMATCH");
    // Another account may use the same request_id.
    let mut stranger = Shop::open(&server, "stranger").await.client;
    assert!(!stranger.affiliates.create_affiliate(other.clone()).await.unwrap().into_inner().replayed);
    // A refused request is not remembered, so a corrected one may use its id.
    let taken = pb::CreateAffiliateRequest { request_id: "make-dora".to_owned(), ref_id: "ann".to_owned(), ..other };
    assert_eq!(reason(&client.affiliates.create_affiliate(taken.clone()).await.unwrap_err()), "ALREADY_EXISTS");
    let mended = pb::CreateAffiliateRequest { ref_id: "dora".to_owned(), ..taken };
    client.affiliates.create_affiliate(mended).await.unwrap();
    // After 30 days a request_id is forgotten. The email address is still taken.
    server.clock.advance_days(31);
    assert_eq!(reason(&client.affiliates.create_affiliate(request).await.unwrap_err()), "ALREADY_EXISTS");
});

db_test!(many_sales_at_once_are_all_there_once, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut calls = Vec::new();
    for number in 0..300 {
        let mut client = shop.client.clone();
        calls.push(tokio::spawn(async move {
            client
                .tracking
                .record_sale(sale(&format!("charge-{number}"), 100))
                .await
                .unwrap()
                .into_inner()
                .conversion_id
        }));
    }
    let mut ids = BTreeSet::new();
    for call in calls {
        ids.insert(call.await.unwrap());
    }
    assert_eq!(ids.len(), 300);
    let mut client = shop.client.clone();
    let request = pb::GetBalanceRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    let balance = client.rewards.get_balance(request).await.unwrap().into_inner().balances.remove(0);
    assert_eq!((cash(balance.pending.as_ref()).amount_minor, cash(balance.owed.as_ref()).amount_minor), (300 * 20, 0));
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
});

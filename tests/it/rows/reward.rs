//! Rewards by hand, in every unit, and the list of rewards.

use headwater::pb;
use pb::create_reward_request::Recipient;
use pb::reward_value::Amount;
use testkit::client::Client;
use tonic::{Code, Status};

use crate::support::database::TestDatabase;
use crate::support::server::{TestServer, reason};
use crate::support::shop::{Shop, sale};

fn money(amount_minor: i64, code: &str) -> pb::Money {
    pb::Money { amount_minor, currency_code: code.to_owned() }
}

fn lead(selector: pb::lead_selector::Selector) -> Option<Recipient> {
    Some(Recipient::Lead(pb::LeadSelector { selector: Some(selector) }))
}

fn enrollment(selector: pb::enrollment_selector::Selector) -> Option<Recipient> {
    Some(Recipient::Enrollment(pb::EnrollmentSelector { selector: Some(selector) }))
}

fn ann() -> Option<Recipient> {
    enrollment(pb::enrollment_selector::Selector::RefId("Ann".to_owned()))
}

fn given(recipient: Option<Recipient>, amount: Amount) -> pb::CreateRewardRequest {
    let value = Some(pb::RewardValue { amount: Some(amount) });
    pb::CreateRewardRequest { recipient, value, ..Default::default() }
}

async fn give(client: &mut Client, request: pb::CreateRewardRequest) -> Result<pb::Reward, Status> {
    client.rewards.create_reward(request).await.map(|answer| answer.into_inner().reward.unwrap())
}

async fn fulfil(client: &mut Client, reward_id: &str) -> Result<pb::Reward, Status> {
    let request = pb::FulfillRewardRequest { reward_id: reward_id.to_owned(), ..Default::default() };
    client.rewards.fulfill_reward(request).await.map(|answer| answer.into_inner().reward.unwrap())
}

/// The balances of the shop's affiliate: pending, owed and paid.
async fn balances(shop: &mut Shop) -> Vec<[Amount; 3]> {
    let request = pb::GetBalanceRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    let balances = shop.client.rewards.get_balance(request).await.unwrap().into_inner().balances;
    let amount = |value: Option<pb::RewardValue>| value.unwrap().amount.unwrap();
    balances.into_iter().map(|balance| [balance.pending, balance.owed, balance.paid].map(amount)).collect()
}

async fn verify(client: &mut Client) {
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
}

async fn listed(client: &mut Client, request: pb::ListRewardsRequest) -> Vec<pb::Reward> {
    client.rewards.list_rewards(request).await.unwrap().into_inner().rewards
}

db_test!(f16_a_reward_is_created_by_lead_or_enrollment_in_each_state, |database: TestDatabase| async move {
    use pb::enrollment_selector::Selector as ByEnrollment;
    use pb::lead_selector::Selector as ByLead;
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let request = pb::RecordLeadRequest {
        event_id: "lead-1".to_owned(),
        email: "jo@customers.example".to_owned(),
        external_id: "jo-1".to_owned(),
        coupon_code: "ANN".to_owned(),
        ..Default::default()
    };
    let lead_id = shop.client.tracking.record_lead(request).await.unwrap().into_inner().lead_id;
    let request = pb::ListEnrollmentsRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    let enrollments = shop.client.affiliates.list_enrollments(request).await.unwrap().into_inner().enrollments;
    let enrollment_id = enrollments[0].id.clone();
    let names = [
        (lead(ByLead::Id(lead_id.clone())), &lead_id),
        (lead(ByLead::Email("JO@customers.example".to_owned())), &lead_id),
        (lead(ByLead::ExternalId("jo-1".to_owned())), &lead_id),
        (enrollment(ByEnrollment::Id(enrollment_id.clone())), &String::new()),
        (ann(), &String::new()),
    ];
    for (recipient, lead_id) in names {
        let reward = give(&mut shop.client, given(recipient.clone(), Amount::Cash(money(100, "USD")))).await.unwrap();
        assert_eq!(reward.affiliate_id, shop.affiliate_id, "{recipient:?}");
        assert_eq!((&reward.enrollment_id, &reward.program_id), (&enrollment_id, &shop.program_id));
        assert_eq!((&reward.lead_id, reward.state()), (lead_id, pb::RewardState::Approved));
        assert_eq!((reward.calculation.clone(), reward.conversion_id.as_str()), (None, ""));
    }
    for (state, expected) in [
        (pb::RewardState::Pending, [500, 500]),
        (pb::RewardState::Denied, [500, 500]),
        (pb::RewardState::Approved, [500, 1_000]),
    ] {
        let request = pb::CreateRewardRequest {
            state: state.into(),
            reason: "for the talk".to_owned(),
            ..given(ann(), Amount::Cash(money(500, "USD")))
        };
        let reward = give(&mut shop.client, request).await.unwrap();
        let denied = if state == pb::RewardState::Denied { "for the talk" } else { "" };
        assert_eq!((reward.state(), reward.create_reason.as_str()), (state, "for the talk"));
        assert_eq!(reward.deny_reason, denied);
        let [pending, owed] = expected.map(|amount_minor| Amount::Cash(money(amount_minor, "USD")));
        assert_eq!(balances(&mut shop).await, [[pending, owed, Amount::Cash(money(0, "USD"))]], "{state:?}");
    }
    // A pending one is approved or denied like any other.
    let pending = given(ann(), Amount::Cash(money(300, "USD")));
    let pending = pb::CreateRewardRequest { state: pb::RewardState::Pending.into(), ..pending };
    let reward = give(&mut shop.client, pending).await.unwrap();
    let request =
        pb::DenyRewardsRequest { reward_ids: vec![reward.id], reason: "a mistake".to_owned(), ..Default::default() };
    let denied = shop.client.rewards.deny_rewards(request).await.unwrap().into_inner().rewards;
    assert_eq!((denied[0].state(), denied[0].deny_reason.as_str()), (pb::RewardState::Denied, "a mistake"));
    verify(&mut shop.client).await;
});

db_test!(f16_what_cannot_get_a_reward_is_said, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let request = pb::RecordLeadRequest {
        event_id: "lead-1".to_owned(),
        email: "eve@customers.example".to_owned(),
        ..Default::default()
    };
    shop.client.tracking.record_lead(request).await.unwrap();
    let email = |text: &str| lead(pb::lead_selector::Selector::Email(text.to_owned()));
    let ref_id = |text: &str| enrollment(pb::enrollment_selector::Selector::RefId(text.to_owned()));
    for (recipient, expected) in [
        (email("eve@customers.example"), (Code::FailedPrecondition, "LEAD_NOT_BOUND")),
        (email("nobody@customers.example"), (Code::NotFound, "LEAD_NOT_FOUND")),
        (ref_id("nobody"), (Code::NotFound, "ENROLLMENT_NOT_FOUND")),
        (None, (Code::InvalidArgument, "INVALID_FIELDS")),
    ] {
        let status = give(&mut shop.client, given(recipient, Amount::Points(1))).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), expected);
    }
    // A repeat is the first reward, and other content under its id is refused.
    let request = pb::CreateRewardRequest { request_id: "bonus-1".to_owned(), ..given(ann(), Amount::Points(5)) };
    let first = shop.client.rewards.create_reward(request.clone()).await.unwrap().into_inner();
    let again = shop.client.rewards.create_reward(request.clone()).await.unwrap().into_inner();
    assert_eq!((again.reward, again.replayed), (first.reward, true));
    let other = pb::CreateRewardRequest { reason: "another".to_owned(), ..request };
    let status = give(&mut shop.client, other).await.unwrap_err();
    assert_eq!(reason(&status), "IDEMPOTENCY_MISMATCH");
    assert_eq!(listed(&mut shop.client, pb::ListRewardsRequest::default()).await.len(), 1);
});

db_test!(p27_rewards_in_each_unit_have_balances_and_are_fulfilled, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let usd = |amount_minor| money(amount_minor, "USD");
    type Unit = fn(i64) -> Amount;
    let units: [(Unit, i64); 5] = [
        (Amount::Points, 500),
        (Amount::Credits, 20),
        (|count| Amount::FreeMonths(i32::try_from(count).unwrap()), 3),
        (|count| Amount::DiscountPercentPpm(i32::try_from(count).unwrap()), 200_000),
        (|count| Amount::DiscountMoney(money(count, "USD")), 1_500),
    ];
    let cash = give(&mut shop.client, given(ann(), Amount::Cash(usd(700)))).await.unwrap();
    let mut ids = Vec::new();
    for (unit, count) in units {
        for _ in 0..2 {
            ids.push(give(&mut shop.client, given(ann(), unit(count))).await.unwrap().id);
        }
    }
    for place in [0, 2, 4, 6, 8] {
        let reward = fulfil(&mut shop.client, &ids[place]).await.unwrap();
        assert_eq!(reward.state(), pb::RewardState::Paid);
        // A second time is refused.
        assert_eq!(reason(&fulfil(&mut shop.client, &ids[place]).await.unwrap_err()), "REWARD_STATE");
    }
    assert_eq!(reason(&fulfil(&mut shop.client, &cash.id).await.unwrap_err()), "REWARD_IN_CASH");
    let mut expected = vec![[Amount::Cash(usd(0)), Amount::Cash(usd(700)), Amount::Cash(usd(0))]];
    expected.extend(units.map(|(unit, count)| [unit(0), unit(count), unit(count)]));
    assert_eq!(balances(&mut shop).await, expected);
    // What waits or was denied cannot be fulfilled.
    for state in [pb::RewardState::Pending, pb::RewardState::Denied] {
        let request = pb::CreateRewardRequest { state: state.into(), ..given(ann(), Amount::Points(1)) };
        let reward = give(&mut shop.client, request).await.unwrap();
        assert_eq!(reason(&fulfil(&mut shop.client, &reward.id).await.unwrap_err()), "REWARD_STATE");
    }
    let units = vec![pb::RewardUnit::Credits.into(), pb::RewardUnit::FreeMonths.into()];
    let found = listed(&mut shop.client, pb::ListRewardsRequest { units, ..Default::default() }).await;
    assert_eq!(found.into_iter().map(|reward| reward.id).collect::<Vec<_>>(), ids[2..6]);
    verify(&mut shop.client).await;
});

db_test!(p31_balances_in_several_currencies_are_never_mixed, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    for (number, code) in ["USD", "EUR", "JPY", "KWD", "EUR"].into_iter().enumerate() {
        let request = pb::RecordSaleRequest { amount: Some(money(1_000, code)), ..sale(number) };
        shop.client.tracking.record_sale(request).await.unwrap();
    }
    give(&mut shop.client, given(ann(), Amount::DiscountMoney(money(90, "EUR")))).await.unwrap();
    let cash = |amount_minor, code| Amount::Cash(money(amount_minor, code));
    let mut expected: Vec<[Amount; 3]> = [("EUR", 400), ("JPY", 200), ("KWD", 200), ("USD", 200)]
        .map(|(code, pending)| [cash(pending, code), cash(0, code), cash(0, code)])
        .into();
    let discount = |amount_minor| Amount::DiscountMoney(money(amount_minor, "EUR"));
    expected.push([discount(0), discount(90), discount(0)]);
    assert_eq!(balances(&mut shop).await, expected);
    // In each unit and currency the books sum to zero.
    let report = shop.client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
    assert_eq!(report.totals.len(), 4 * 2 + 3, "{:?}", report.totals);
});

db_test!(u8_rewards_are_listed_with_their_orders_and_filters, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let request = pb::RecordSaleRequest {
        order_id: "order-1".to_owned(),
        order_number: "1001".to_owned(),
        external_id: "jo".to_owned(),
        quantity: 2,
        ..sale(1)
    };
    let sold = shop.client.tracking.record_sale(request).await.unwrap().into_inner();
    // The customer is bound now, so the next sale is found by the binding.
    let request = pb::RecordSaleRequest {
        order_id: "order-2".to_owned(),
        coupon_code: String::new(),
        external_id: "jo".to_owned(),
        ..sale(2)
    };
    shop.client.tracking.record_sale(request).await.unwrap();
    let request = pb::RecordRefundRequest {
        event_id: "refund-1".to_owned(),
        sale_event_id: "sale-1".to_owned(),
        amount: Some(money(500, "USD")),
        refund_id: "re-1".to_owned(),
        ..Default::default()
    };
    shop.client.tracking.record_refund(request).await.unwrap();
    give(&mut shop.client, given(ann(), Amount::Points(5))).await.unwrap();

    let full = pb::ListRewardsRequest { view: pb::RewardView::Full.into(), ..Default::default() };
    let all = listed(&mut shop.client, full.clone()).await;
    assert_eq!(all.len(), 4);
    let of_sale = all[0].conversion.as_ref().unwrap();
    assert_eq!((of_sale.order_id.as_str(), of_sale.order_number.as_str()), ("order-1", "1001"));
    assert_eq!((of_sale.quantity, of_sale.amount.clone()), (2, Some(money(1_000, "USD"))));
    assert_eq!((of_sale.source(), &of_sale.lead_id), (pb::AttributionSource::Coupon, &sold.lead_id));
    assert_eq!(all[1].conversion.as_ref().unwrap().source(), pb::AttributionSource::LeadBinding);
    let of_refund = all[2].conversion.as_ref().unwrap();
    assert_eq!((of_refund.order_id.as_str(), of_refund.refund_id.as_str()), ("order-1", "re-1"));
    assert_eq!(of_refund.amount, Some(money(-500, "USD")));
    assert_eq!((all[3].conversion.clone(), &all[3].affiliate_id), (None, &shop.affiliate_id));
    let request = pb::GetRewardRequest { reward_id: all[2].id.clone(), ..Default::default() };
    assert_eq!(shop.client.rewards.get_reward(request).await.unwrap().into_inner().reward.as_ref(), Some(&all[2]));

    let filters = [
        (pb::ListRewardsRequest { order_id: "order-1".to_owned(), ..full.clone() }, vec![0, 2]),
        (pb::ListRewardsRequest { order_number: " 1001".to_owned(), ..full.clone() }, vec![0, 2]),
        (pb::ListRewardsRequest { order_number: "100".to_owned(), ..full.clone() }, vec![]),
        (pb::ListRewardsRequest { refund_id: "re-1".to_owned(), ..full.clone() }, vec![2]),
        (pb::ListRewardsRequest { sources: vec![pb::AttributionSource::Coupon.into()], ..full.clone() }, vec![0, 2]),
        (pb::ListRewardsRequest { sources: vec![1, 3], ..full.clone() }, vec![1]),
        (pb::ListRewardsRequest { origin: pb::RewardOrigin::ByHand.into(), ..full.clone() }, vec![3]),
        (pb::ListRewardsRequest { origin: pb::RewardOrigin::Conversion.into(), ..full.clone() }, vec![0, 1, 2]),
        (pb::ListRewardsRequest { states: vec![pb::RewardState::Approved.into()], ..full.clone() }, vec![3]),
    ];
    for (request, places) in filters {
        let expected: Vec<&pb::Reward> = places.iter().map(|place| &all[*place]).collect();
        for affiliate in [None, Some(shop.affiliate())] {
            let request = pb::ListRewardsRequest { affiliate, ..request.clone() };
            let found = listed(&mut shop.client, request.clone()).await;
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{request:?}");
        }
    }
    let basic = listed(&mut shop.client, pb::ListRewardsRequest::default()).await;
    assert!(basic.iter().all(|reward| reward.conversion.is_none()));
});

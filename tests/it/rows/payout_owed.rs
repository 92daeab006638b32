//! What is owed for the rewards of one program.

use headwater::pb;

use super::payout_reserved::{
    confirm, create, create_affiliate, due_to, give, give_approved, owed, selector, usd, verify,
};
use crate::support::database::TestDatabase;
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

db_test!(g15_what_is_owed_for_a_program_is_the_sum_of_its_rewards, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let (first, affiliate_id) = (shop.program_id.clone(), shop.affiliate_id.clone());
    let commission = pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(100_000)) };
    let request = pb::CreateProgramRequest {
        display_name: "second".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://shop.example/".to_owned(),
        terms: Some(pb::Terms { commission: Some(commission), ..Default::default() }),
        ..Default::default()
    };
    let second = shop.client.affiliates.create_program(request).await.unwrap().into_inner().program.unwrap().id;
    for ref_id in ["ann", "bea"] {
        let affiliate = match ref_id {
            "ann" => affiliate_id.clone(),
            _ => create_affiliate(&mut shop.client, ref_id).await,
        };
        let request = pb::EnrollAffiliateRequest {
            affiliate: selector(&affiliate),
            program_id: second.clone(),
            ref_id: format!("{ref_id}-second"),
            ..Default::default()
        };
        shop.client.affiliates.enroll_affiliate(request).await.unwrap();
    }
    let of_program = |id: &str| pb::GetAmountOwedRequest { program_id: id.to_owned(), ..Default::default() };
    assert_eq!(owed(&mut shop.client, of_program(&first)).await, []);

    // Ann has 10.00 in the first program, of which 6.00 are in a payout, and lost 5.00 that were paid. Both have something in the second one.
    let sale = pb::RecordSaleRequest {
        event_id: "order-1".to_owned(),
        coupon_code: "ANN".to_owned(),
        amount: Some(usd(2_500)),
        ..Default::default()
    };
    let made = shop.client.tracking.record_sale(sale).await.unwrap().into_inner();
    let reward_ids = vec![made.rewards[0].reward_id.clone()];
    let request = pb::ApproveRewardsRequest { reward_ids, ..Default::default() };
    shop.client.rewards.approve_rewards(request).await.unwrap();
    let paid = create(&mut shop.client, due_to(&affiliate_id)).await.unwrap();
    confirm(&mut shop.client, &[&paid.id]).await.unwrap();
    let reserved = vec![give_approved(&mut shop.client, "ann", 600).await];
    let request = pb::CreatePayoutRequest { reward_ids: reserved, ..due_to(&affiliate_id) };
    create(&mut shop.client, request).await.unwrap();
    let refund = pb::RecordRefundRequest {
        event_id: "refund-1".to_owned(),
        sale_event_id: "order-1".to_owned(),
        amount: Some(usd(2_500)),
        ..Default::default()
    };
    shop.client.tracking.record_refund(refund).await.unwrap();
    give_approved(&mut shop.client, "ann", 400).await;
    give_approved(&mut shop.client, "ann-second", 70).await;
    give_approved(&mut shop.client, "bea-second", 7).await;
    give(&mut shop.client, "bea-second", usd(3), pb::RewardState::Pending).await;
    give(&mut shop.client, "ann", usd(20), pb::RewardState::Pending).await;

    let dollars = |parts| vec![("USD".to_owned(), parts)];
    assert_eq!(owed(&mut shop.client, of_program(&first)).await, dollars([-100, 0, 0, 20, 600, -100, 0]));
    assert_eq!(owed(&mut shop.client, of_program(&second)).await, dollars([77, 0, 0, 3, 0, 0, 2]));
    // The programs together are what is owed in all. Only who is below zero depends on what is added up.
    assert_eq!(owed(&mut shop.client, Default::default()).await, dollars([-23, 0, 0, 23, 600, -30, 1]));
    let of_ann = pb::GetAmountOwedRequest { affiliate: Some(shop.affiliate()), ..of_program(&second) };
    assert_eq!(owed(&mut shop.client, of_ann).await, dollars([70, 0, 0, 0, 0, 0, 1]));
    let euros = pb::GetAmountOwedRequest { currencies: vec!["EUR".to_owned()], ..of_program(&second) };
    assert_eq!(owed(&mut shop.client, euros).await, []);
    server.clock.advance_days(40);
    assert_eq!(owed(&mut shop.client, of_program(&first)).await[0].1[2..4], [20, 0]);
    let unknown = of_program(&format!("prg_{:032x}", 7));
    let status = shop.client.payouts.get_amount_owed(unknown).await.unwrap_err();
    assert_eq!(reason(&status), "PROGRAM_NOT_FOUND");
    verify(&mut shop.client).await;
});

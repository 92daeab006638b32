//! Programs, enrollments, landing pages and links, and what their terms say.

use headwater::clock::Clock;
use headwater::pb;
use pb::commission::Rate;
use testkit::client::Client;
use tonic::Code;

use super::affiliate::mask;
use crate::support::database::TestDatabase;
use crate::support::feed::cash;
use crate::support::server::{TestServer, reason};
use crate::support::shop::{Shop, sale};

fn money(amount_minor: i64, code: &str) -> pb::Money {
    pb::Money { amount_minor, currency_code: code.to_owned() }
}

fn percent(percent_ppm: i32) -> Option<pb::Commission> {
    Some(pb::Commission { rate: Some(Rate::PercentPpm(percent_ppm)) })
}

fn flat(amount_minor: i64, code: &str) -> Option<pb::Commission> {
    Some(pb::Commission { rate: Some(Rate::Flat(money(amount_minor, code))) })
}

async fn program(client: &mut Client, name: &str, code: &str, terms: pb::Terms) -> pb::Program {
    let request = pb::CreateProgramRequest {
        display_name: name.to_owned(),
        currency_code: code.to_owned(),
        landing_url: format!("https://{name}.example/"),
        terms: Some(terms),
        ..Default::default()
    };
    client.affiliates.create_program(request).await.unwrap().into_inner().program.unwrap()
}

/// Enrolls Ann in a program.
async fn enroll(shop: &mut Shop, request: pb::EnrollAffiliateRequest) -> pb::Enrollment {
    let request = pb::EnrollAffiliateRequest { affiliate: Some(shop.affiliate()), ..request };
    shop.client.affiliates.enroll_affiliate(request).await.unwrap().into_inner().enrollment.unwrap()
}

async fn first_enrollment(shop: &mut Shop) -> pb::Enrollment {
    let request = pb::ListEnrollmentsRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    shop.client.affiliates.list_enrollments(request).await.unwrap().into_inner().enrollments.remove(0)
}

async fn update(shop: &mut Shop, enrollment: pb::Enrollment, paths: &[&str]) -> pb::Enrollment {
    let request =
        pb::UpdateEnrollmentRequest { enrollment: Some(enrollment), update_mask: mask(paths), ..Default::default() };
    shop.client.affiliates.update_enrollment(request).await.unwrap().into_inner().enrollment.unwrap()
}

/// Records a sale with a code. Returns its credit, and what it earns.
async fn sell(client: &mut Client, event_id: &str, coupon_code: &str, amount: pb::Money) -> (pb::Credit, pb::Money) {
    let request = pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        coupon_code: coupon_code.to_owned(),
        amount: Some(amount),
        ..Default::default()
    };
    let mut sold = client.tracking.record_sale(request).await.unwrap().into_inner();
    (sold.credits.remove(0), cash(sold.rewards[0].value.as_ref()).clone())
}

async fn click(client: &mut Client, ref_id: &str, tid: &str) -> Result<pb::RecordClickResponse, tonic::Status> {
    let request = pb::RecordClickRequest { ref_id: ref_id.to_owned(), tid: tid.to_owned(), ..Default::default() };
    client.tracking.record_click(request).await.map(tonic::Response::into_inner)
}

db_test!(f7_promoters_are_in_campaigns_and_one_is_the_default, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let other =
        program(&mut shop.client, "other", "USD", pb::Terms { commission: percent(100_000), ..Default::default() })
            .await;
    assert!(!other.is_default);
    // A call that names no program means the default one.
    let default = shop.client.affiliates.get_program(pb::GetProgramRequest::default()).await.unwrap().into_inner();
    assert_eq!(default.program.unwrap().id, shop.program_id);
    let first = first_enrollment(&mut shop).await;
    assert_eq!((&first.program_id, &*first.ref_id), (&shop.program_id, "ann"));
    // The promotion of another campaign has its own ref_id, code and link.
    let request = pb::EnrollAffiliateRequest {
        program_id: other.id.clone(),
        ref_id: "ann-other".to_owned(),
        coupon_code: "ANN-OTHER".to_owned(),
        ..Default::default()
    };
    let second = enroll(&mut shop, request).await;
    assert_eq!((&second.program_id, second.state()), (&other.id, pb::EnrollmentState::Active));
    assert_eq!(second.referral_link, "https://other.example/?ref=ann-other");
    let read = pb::GetEnrollmentRequest { enrollment_id: second.id.clone() };
    let read = shop.client.affiliates.get_enrollment(read).await.unwrap().into_inner().enrollment;
    assert_eq!(read, Some(second.clone()));
    let (credit, _) = sell(&mut shop.client, "one", "ann-other", money(1_000, "USD")).await;
    assert_eq!((credit.enrollment_id, credit.program_id), (second.id.clone(), other.id.clone()));

    // The default changes, and there is one only.
    let request = pb::UpdateProgramRequest {
        program: Some(pb::Program { id: other.id.clone(), is_default: true, ..Default::default() }),
        update_mask: mask(&["is_default"]),
        ..Default::default()
    };
    shop.client.affiliates.update_program(request).await.unwrap();
    let listed = shop.client.affiliates.list_programs(pb::ListProgramsRequest::default()).await.unwrap().into_inner();
    let defaults: Vec<_> = listed.programs.iter().filter(|program| program.is_default).collect();
    assert_eq!((listed.programs.len(), defaults.len(), &defaults[0].id), (2, 1, &other.id));
    // Who leaves a campaign stays in the other.
    let request = pb::EndEnrollmentRequest { enrollment_id: first.id, ..Default::default() };
    let ended = shop.client.affiliates.end_enrollment(request).await.unwrap().into_inner().enrollment.unwrap();
    assert_eq!(ended.state(), pb::EnrollmentState::Ended);
    sell(&mut shop.client, "two", "ann-other", money(1_000, "USD")).await;
});

db_test!(f8_an_affiliate_has_a_landing_page_of_its_own, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let enrollment = first_enrollment(&mut shop).await;
    assert_eq!(enrollment.referral_link, "https://shop.example/?ref=ann");
    let landing_url = "https://ann.example/deals?page=2".to_owned();
    let changed = pb::Enrollment { landing_url: landing_url.clone(), ..enrollment.clone() };
    let changed = update(&mut shop, changed, &["landing_url"]).await;
    assert_eq!(
        (changed.landing_url, &*changed.referral_link),
        (landing_url, "https://ann.example/deals?page=2&ref=ann")
    );
    assert!(click(&mut shop.client, "ann", "").await.unwrap().destination_url.starts_with("https://ann.example/deals"));
    // Without a page of its own it is the program's again.
    let restored = pb::Enrollment { landing_url: String::new(), ..enrollment.clone() };
    assert_eq!(update(&mut shop, restored, &["landing_url"]).await.referral_link, enrollment.referral_link);
    let wrong = pb::UpdateEnrollmentRequest {
        enrollment: Some(pb::Enrollment { landing_url: "ftp://ann.example".to_owned(), ..enrollment }),
        update_mask: mask(&["landing_url"]),
        ..Default::default()
    };
    assert_eq!(reason(&shop.client.affiliates.update_enrollment(wrong).await.unwrap_err()), "INVALID_FIELDS");
});

db_test!(g7_an_affiliate_has_several_links_and_a_revoked_one_tracks_nothing, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let enrollment_id = first_enrollment(&mut shop).await.id;
    let mut links = Vec::new();
    for (code, destination_url) in [("Spring", "https://shop.example/spring"), ("blog", ""), ("", "")] {
        let request = pb::CreateLinkRequest {
            enrollment_id: enrollment_id.clone(),
            code: code.to_owned(),
            destination_url: destination_url.to_owned(),
            ..Default::default()
        };
        links.push(shop.client.affiliates.create_link(request).await.unwrap().into_inner().link.unwrap());
    }
    assert_eq!((&*links[0].code, &*links[1].code), ("spring", "blog"));
    assert!(!links[2].code.is_empty(), "the server makes a code");
    let taken = pb::CreateLinkRequest { enrollment_id, code: "BLOG".to_owned(), ..Default::default() };
    let status = shop.client.affiliates.create_link(taken).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::AlreadyExists, "ALREADY_EXISTS"));
    let request = pb::ListLinksRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    let listed = shop.client.affiliates.list_links(request.clone()).await.unwrap().into_inner().links;
    assert!(links.iter().all(|link| listed.contains(link)), "{listed:?}");

    let before = click(&mut shop.client, "spring", "").await.unwrap();
    assert_eq!(before.affiliate_id, shop.affiliate_id);
    assert!(before.destination_url.starts_with("https://shop.example/spring"), "{}", before.destination_url);
    let revocation = pb::RevokeLinkRequest { link_id: links[0].id.clone(), ..Default::default() };
    let revoked = shop.client.affiliates.revoke_link(revocation).await.unwrap().into_inner().link.unwrap();
    assert!(revoked.state() == pb::LinkState::Revoked && revoked.revoke_time.is_some());
    assert_eq!(click(&mut shop.client, "spring", "").await.unwrap_err().code(), Code::NotFound);
    let told = pb::RecordSaleRequest { coupon_code: String::new(), tid: String::new(), ..sale(1) };
    let told = pb::RecordSaleRequest { ref_id: "spring".to_owned(), ..told };
    assert!(shop.client.tracking.record_sale(told).await.unwrap().into_inner().credits.is_empty());
    // The other links go on.
    click(&mut shop.client, "blog", "").await.unwrap();
    let request = pb::ListLinksRequest { states: vec![pb::LinkState::Revoked.into()], ..request };
    assert_eq!(shop.client.affiliates.list_links(request).await.unwrap().into_inner().links, [revoked]);
});

db_test!(p1_an_affiliate_is_in_several_programs_with_own_terms, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let euro = pb::Terms { commission: flat(700, "EUR"), attribution_window_days: Some(1), ..Default::default() };
    let euro = program(&mut shop.client, "euro", "EUR", euro).await;
    let request = pb::EnrollAffiliateRequest {
        program_id: euro.id.clone(),
        ref_id: "ann-euro".to_owned(),
        coupon_code: "ANN-EURO".to_owned(),
        ..Default::default()
    };
    enroll(&mut shop, request).await;
    let (credit, earned) = sell(&mut shop.client, "one", "ANN", money(1_000, "USD")).await;
    assert_eq!((credit.program_id, earned), (shop.program_id.clone(), money(200, "USD")));
    let (credit, earned) = sell(&mut shop.client, "two", "ANN-EURO", money(5_000, "EUR")).await;
    assert_eq!((credit.program_id, earned), (euro.id, money(700, "EUR")));
    // Each program has a window of its own: two days later the click of one still counts, that of the other does not.
    let clicks =
        [click(&mut shop.client, "ann", "").await.unwrap(), click(&mut shop.client, "ann-euro", "").await.unwrap()];
    server.clock.set(server.clock.now().plus_days(2));
    for (number, (click, is_credited)) in clicks.into_iter().zip([true, false]).enumerate() {
        let request = pb::RecordSaleRequest { coupon_code: String::new(), tid: click.tid, ..sale(number) };
        let credits = shop.client.tracking.record_sale(request).await.unwrap().into_inner().credits;
        assert_eq!(!credits.is_empty(), is_credited, "{number}");
    }
    // The balances are apart.
    let request = pb::GetBalanceRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    let balances = shop.client.rewards.get_balance(request).await.unwrap().into_inner().balances;
    let earned: Vec<_> = balances.iter().map(|balance| cash(balance.earned.as_ref()).clone()).collect();
    assert_eq!(earned, [money(700, "EUR"), money(400, "USD")]);
});

db_test!(p2_percent_and_flat_commissions_are_right_to_the_minor_unit, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let mut number = 0;
    for (commission, amount_minor, earned) in [
        // A half goes to the even neighbour: 0.125 and 0.375 of a dollar.
        (percent(125_000), 100, 12),
        (percent(375_000), 100, 38),
        (percent(333_333), 100, 33),
        (percent(1_000_000), 9_999, 9_999),
        (percent(0), 9_999, 0),
        (percent(1), 1_000_000_000_000, 1_000_000),
        (flat(250, "USD"), 100, 250),
        (flat(250, "USD"), 0, 250),
    ] {
        number += 1;
        let request = pb::UpdateProgramRequest {
            program: Some(pb::Program {
                id: shop.program_id.clone(),
                terms: Some(pb::Terms { commission: commission.clone(), ..Default::default() }),
                ..Default::default()
            }),
            update_mask: mask(&["terms"]),
            ..Default::default()
        };
        shop.client.affiliates.update_program(request).await.unwrap();
        let request = pb::RecordSaleRequest { amount: Some(money(amount_minor, "USD")), ..sale(number) };
        let sold = shop.client.tracking.record_sale(request).await.unwrap().into_inner();
        let told = sold.rewards.first().map_or(0, |reward| cash(reward.value.as_ref()).amount_minor);
        assert_eq!(told, earned, "{commission:?} of {amount_minor}");
    }
});

db_test!(p12_an_affiliates_own_rate_comes_before_the_programs, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let enrollment = first_enrollment(&mut shop).await;
    for (number, (commission_override, earned)) in
        [(None, 200), (percent(500_000), 500), (flat(42, "USD"), 42), (None, 200)].into_iter().enumerate()
    {
        let changed = pb::Enrollment { commission_override: commission_override.clone(), ..enrollment.clone() };
        let changed = update(&mut shop, changed, &["commission_override"]).await;
        assert_eq!(changed.commission_override, commission_override);
        server.clock.set(server.clock.now().plus_days(1));
        let sold = shop.client.tracking.record_sale(sale(number)).await.unwrap().into_inner();
        assert_eq!(cash(sold.rewards[0].value.as_ref()).amount_minor, earned, "{commission_override:?}");
        let request = pb::GetRewardRequest { reward_id: sold.rewards[0].reward_id.clone(), ..Default::default() };
        let reward = shop.client.rewards.get_reward(request).await.unwrap().into_inner().reward.unwrap();
        let is_own = reward.calculation.unwrap().rule() == pb::RewardRule::Enrollment;
        assert_eq!(is_own, commission_override.is_some());
    }
    // It may be given when the affiliate is created.
    let request = pb::CreateAffiliateRequest {
        email: "bea@affiliates.example".to_owned(),
        coupon_code: "BEA".to_owned(),
        commission_override: percent(300_000),
        ..Default::default()
    };
    shop.client.affiliates.create_affiliate(request).await.unwrap();
    assert_eq!(sell(&mut shop.client, "bea", "BEA", money(1_000, "USD")).await.1, money(300, "USD"));
});

db_test!(p21_a_customer_is_bound_for_life, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let bea = pb::CreateAffiliateRequest {
        email: "bea@affiliates.example".to_owned(),
        coupon_code: "BEA".to_owned(),
        ..Default::default()
    };
    shop.client.affiliates.create_affiliate(bea).await.unwrap();
    let first = pb::RecordSaleRequest { email: "jo@customers.example".to_owned(), ..sale(0) };
    shop.client.tracking.record_sale(first.clone()).await.unwrap();
    // Ten years later the customer is still Ann's, whatever code is used.
    for number in 1..=10 {
        server.clock.set(server.clock.now().plus_days(365));
        let request = pb::RecordSaleRequest { coupon_code: "BEA".to_owned(), ..first.clone() };
        let request = pb::RecordSaleRequest { event_id: format!("year-{number}"), ..request };
        let sold = shop.client.tracking.record_sale(request).await.unwrap().into_inner();
        assert_eq!(sold.credits[0].affiliate_id, shop.affiliate_id);
        assert_eq!(sold.credits[0].source(), pb::AttributionSource::LeadBinding);
    }
});

db_test!(p22_the_first_or_the_last_click_earns, |database: TestDatabase| async move {
    use pb::AttributionModel::{FirstClick, LastClick, Unspecified};
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    for (number, (model, winner)) in
        [(FirstClick, "first"), (LastClick, "last"), (Unspecified, "last")].into_iter().enumerate()
    {
        let terms = pb::Terms { commission: percent(100_000), attribution_model: model.into(), ..Default::default() };
        let program = program(&mut shop.client, &format!("program-{number}"), "USD", terms).await;
        let mut affiliates = Vec::new();
        for place in ["first", "middle", "last"] {
            let request = pb::CreateAffiliateRequest {
                email: format!("{place}-{number}@affiliates.example"),
                ref_id: format!("{place}-{number}"),
                program_id: program.id.clone(),
                ..Default::default()
            };
            let made = shop.client.affiliates.create_affiliate(request).await.unwrap().into_inner();
            affiliates.push((place, made.affiliate.unwrap().id));
        }
        let mut tid = String::new();
        for (place, _) in &affiliates {
            tid = click(&mut shop.client, &format!("{place}-{number}"), &tid).await.unwrap().tid;
            server.clock.set(server.clock.now().plus_days(1));
        }
        let request = pb::RecordSaleRequest { coupon_code: String::new(), tid, ..sale(number) };
        let sold = shop.client.tracking.record_sale(request).await.unwrap().into_inner();
        let won = affiliates.iter().find(|(_, id)| *id == sold.credits[0].affiliate_id).unwrap();
        assert_eq!((won.0, sold.credits[0].share_ppm), (winner, 1_000_000), "{model:?}");
    }
});

db_test!(p30_a_reward_is_held_for_the_days_that_the_terms_say, |database: TestDatabase| async move {
    for (days, expected) in [(Some(0), 0), (Some(45), 45), (None, 30)] {
        let copy = database.copy().await;
        let server = TestServer::start(&copy).await;
        let terms = pb::Terms { hold_period_days: days, ..Default::default() };
        let mut shop = Shop::furnish_with(server.new_account("shop").await, terms).await;
        let sold_at = server.clock.now();
        let sold = shop.client.tracking.record_sale(sale(1)).await.unwrap().into_inner();
        let request = pb::GetRewardRequest { reward_id: sold.rewards[0].reward_id.clone(), ..Default::default() };
        let reward = shop.client.rewards.get_reward(request.clone()).await.unwrap().into_inner().reward.unwrap();
        let due = reward.auto_approve_time.unwrap().seconds * 1_000_000;
        assert_eq!(due, sold_at.plus_days(expected).micros(), "{days:?}");
        if expected > 0 {
            server.clock.set(sold_at.plus_days(expected - 1));
            server.server.app().approve_due_rewards().await.unwrap();
            let held = shop.client.rewards.get_reward(request.clone()).await.unwrap().into_inner().reward.unwrap();
            assert_eq!(held.state(), pb::RewardState::Pending, "{days:?}");
        }
        server.clock.set(sold_at.plus_days(expected));
        server.server.app().approve_due_rewards().await.unwrap();
        let approved = shop.client.rewards.get_reward(request).await.unwrap().into_inner().reward.unwrap();
        assert_eq!(approved.state(), pb::RewardState::Approved, "{days:?}");
    }
});

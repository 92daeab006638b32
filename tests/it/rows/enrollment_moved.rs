//! MoveEnrollment: an affiliate goes from one program to another. What was earned stays; see also `enrollment_moved.txt`.

use headwater::pb;
use testkit::client::Client;
use tonic::Code;

use crate::support::database::TestDatabase;
use crate::support::feed::{cash, from_beginning};
use crate::support::server::{TestServer, reason};
use crate::support::shop::{Shop, sale};

/// A program at 50 %, with a landing page of its own.
async fn second_program(client: &mut Client) -> String {
    let commission = pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(500_000)) };
    let request = pb::CreateProgramRequest {
        display_name: "gold".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://gold.example/".to_owned(),
        terms: Some(pb::Terms { commission: Some(commission), ..Default::default() }),
        ..Default::default()
    };
    client.affiliates.create_program(request).await.unwrap().into_inner().program.unwrap().id
}

async fn first_enrollment(shop: &mut Shop) -> pb::Enrollment {
    let request = pb::ListEnrollmentsRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    shop.client.affiliates.list_enrollments(request).await.unwrap().into_inner().enrollments.remove(0)
}

async fn balance(shop: &mut Shop) -> pb::Balance {
    let request = pb::GetBalanceRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    shop.client.rewards.get_balance(request).await.unwrap().into_inner().balances.remove(0)
}

async fn sell(client: &mut Client, number: usize) -> (String, i64) {
    let sold = client.tracking.record_sale(sale(number)).await.unwrap().into_inner();
    (sold.credits[0].program_id.clone(), cash(sold.rewards[0].value.as_ref()).amount_minor)
}

async fn click(client: &mut Client) -> Result<String, tonic::Status> {
    let request = pb::RecordClickRequest { ref_id: "ann".to_owned(), ..Default::default() };
    Ok(client.tracking.record_click(request).await?.into_inner().destination_url)
}

db_test!(p17_f7_a_move_ends_one_enrollment_and_begins_another, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let gold = second_program(&mut shop.client).await;
    let former = first_enrollment(&mut shop).await;
    assert_eq!(sell(&mut shop.client, 1).await, (shop.program_id.clone(), 200));
    let before = balance(&mut shop).await;
    server.clock.advance_days(1);

    let request = pb::MoveEnrollmentRequest {
        request_id: "move".to_owned(),
        enrollment_id: former.id.clone(),
        program_id: gold.clone(),
        ..Default::default()
    };
    let moved = shop.client.affiliates.move_enrollment(request.clone()).await.unwrap().into_inner();
    let enrollment = moved.enrollment.unwrap();
    assert_eq!((&enrollment.program_id, enrollment.state()), (&gold, pb::EnrollmentState::Active));
    assert!(
        enrollment.ref_id.starts_with("ann-"),
        "made from the first name, and `ann` is taken: {}",
        enrollment.ref_id
    );
    let read = pb::GetEnrollmentRequest { enrollment_id: former.id.clone() };
    let ended = shop.client.affiliates.get_enrollment(read).await.unwrap().into_inner().enrollment.unwrap();
    assert_eq!(ended.state(), pb::EnrollmentState::Ended);
    assert_eq!((&ended.moved_to_enrollment_id, &ended.ref_id), (&enrollment.id, &former.ref_id));
    let again = shop.client.affiliates.move_enrollment(request).await.unwrap().into_inner();
    assert_eq!((again.enrollment.as_ref(), again.replayed), (Some(&enrollment), true));

    // What was earned stays as it is, and is approved in time.
    assert_eq!(balance(&mut shop).await, before);
    let list = pb::ListRewardsRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    let rewards = shop.client.rewards.list_rewards(list).await.unwrap().into_inner().rewards;
    assert_eq!(
        (rewards.len(), &rewards[0].program_id, rewards[0].state()),
        (1, &shop.program_id, pb::RewardState::Pending)
    );
    // The code and the link of before earn in the new program, and the link leads to its page.
    assert_eq!(sell(&mut shop.client, 2).await, (gold.clone(), 500));
    assert_eq!(click(&mut shop.client).await.unwrap(), "https://gold.example/");
    let valid = pb::ValidateCouponRequest { code: "ANN".to_owned(), ..Default::default() };
    assert!(shop.client.affiliates.validate_coupon(valid.clone()).await.unwrap().into_inner().valid);
    // A refund takes back what its sale earned in the program of its day.
    let refund = pb::RecordRefundRequest {
        event_id: "refund".to_owned(),
        sale_event_id: "sale-1".to_owned(),
        amount: sale(1).amount,
        ..Default::default()
    };
    let refunded = shop.client.tracking.record_refund(refund).await.unwrap().into_inner();
    assert_eq!(cash(refunded.rewards[0].value.as_ref()).amount_minor, -200);

    // The feed has the end and the beginning.
    let read = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
    let events = shop.client.feed.read_events(read).await.unwrap().into_inner().events;
    let told: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.subject {
            Some(pb::event::Subject::Enrollment(image)) => {
                Some((event.kind(), image.id.as_str(), image.moved_to_enrollment_id.as_str()))
            }
            _ => None,
        })
        .collect();
    let kinds = [
        (pb::EventKind::EnrollmentCreated, former.id.as_str(), ""),
        (pb::EventKind::EnrollmentCreated, enrollment.id.as_str(), ""),
        (pb::EventKind::EnrollmentEnded, former.id.as_str(), enrollment.id.as_str()),
    ];
    assert_eq!(told, kinds);

    // EndEnrollment of the former one ends what it still earns.
    let end = pb::EndEnrollmentRequest { enrollment_id: former.id, ..Default::default() };
    let ended = shop.client.affiliates.end_enrollment(end).await.unwrap().into_inner().enrollment.unwrap();
    assert_eq!(ended.moved_to_enrollment_id, "");
    assert!(!shop.client.affiliates.validate_coupon(valid).await.unwrap().into_inner().valid);
    assert_eq!(reason(&click(&mut shop.client).await.unwrap_err()), "LINK_NOT_FOUND");
    let report = shop.client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
});

/// The page of the link `ann` in each answer that shows it, after a change of it that changes nothing.
async fn shown_pages(shop: &mut Shop, enrollment_id: &str) -> Vec<String> {
    let list = pb::ListLinksRequest { enrollment_id: enrollment_id.to_owned(), ..Default::default() };
    let listed = shop.client.affiliates.list_links(list).await.unwrap().into_inner().links.remove(0);
    let get = pb::GetLinkRequest { link_id: listed.id.clone() };
    let got = shop.client.affiliates.get_link(get).await.unwrap().into_inner().link.unwrap();
    let update = pb::UpdateLinkRequest {
        link: Some(pb::Link { id: listed.id.clone(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["destination_url".to_owned()] }),
        ..Default::default()
    };
    let updated = shop.client.affiliates.update_link(update).await.unwrap().into_inner().link.unwrap();
    let get = pb::GetEnrollmentRequest { enrollment_id: enrollment_id.to_owned() };
    let enrollment = shop.client.affiliates.get_enrollment(get).await.unwrap().into_inner().enrollment.unwrap();
    let list = pb::ListEnrollmentsRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    let enrollments = shop.client.affiliates.list_enrollments(list).await.unwrap().into_inner().enrollments;
    let in_list = enrollments.into_iter().find(|row| row.id == enrollment_id).unwrap();
    assert_eq!((&in_list, listed.code.as_str()), (&enrollment, "ann"));
    for link in [&listed, &got, &updated] {
        assert_eq!(link.referral_link, enrollment.referral_link);
    }
    vec![listed.destination_url, got.destination_url, updated.destination_url]
}

db_test!(p17_a_link_is_shown_with_the_page_to_which_its_clicks_are_sent, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let gold = second_program(&mut shop.client).await;
    let former = first_enrollment(&mut shop).await;
    let told = pb::RecordClickRequest {
        event_id: "click".to_owned(),
        ref_id: "ann".to_owned(),
        ..pb::RecordClickRequest::default()
    };
    let page = shop.client.tracking.record_click(told.clone()).await.unwrap().into_inner().destination_url;
    assert_eq!(shown_pages(&mut shop, &former.id).await, [page.as_str(); 3]);
    let to = |enrollment_id: &str, program_id: &str| pb::MoveEnrollmentRequest {
        enrollment_id: enrollment_id.to_owned(),
        program_id: program_id.to_owned(),
        ..Default::default()
    };
    server.clock.advance_days(1);
    let request =
        pb::MoveEnrollmentRequest { landing_url: "https://gold.example/ann".to_owned(), ..to(&former.id, &gold) };
    let moved = shop.client.affiliates.move_enrollment(request).await.unwrap().into_inner().enrollment.unwrap();
    assert_eq!(click(&mut shop.client).await.unwrap(), "https://gold.example/ann");
    assert_eq!(shown_pages(&mut shop, &former.id).await, ["https://gold.example/ann"; 3]);
    // So is the answer of a click of before, when it is told again.
    let again = shop.client.tracking.record_click(told).await.unwrap().into_inner();
    assert_eq!((again.replayed, again.destination_url.as_str()), (true, "https://gold.example/ann"));

    // What the link may claim is decided by the program that gets its clicks.
    let list = pb::ListLinksRequest { enrollment_id: former.id.clone(), ..Default::default() };
    let link_id = shop.client.affiliates.list_links(list).await.unwrap().into_inner().links.remove(0).id;
    let claim = |page: &str| pb::UpdateLinkRequest {
        link: Some(pb::Link { id: link_id.clone(), claimed_url: page.to_owned(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["claimed_url".to_owned()] }),
        ..Default::default()
    };
    let status = shop.client.affiliates.update_link(claim("https://shop.example/ann")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_FIELDS"));
    shop.client.affiliates.update_link(claim("https://gold.example/from-ann")).await.unwrap();

    // On to a third program, and back to the first one.
    let third = second_program(&mut shop.client).await;
    server.clock.advance_days(1);
    let moved = shop.client.affiliates.move_enrollment(to(&moved.id, &third)).await.unwrap().into_inner();
    assert_eq!(click(&mut shop.client).await.unwrap(), "https://gold.example/");
    assert_eq!(shown_pages(&mut shop, &former.id).await, ["https://gold.example/"; 3]);
    server.clock.advance_days(1);
    let back = to(&moved.enrollment.unwrap().id, &shop.program_id);
    shop.client.affiliates.move_enrollment(back).await.unwrap();
    assert_eq!(click(&mut shop.client).await.unwrap(), page);
    assert_eq!(shown_pages(&mut shop, &former.id).await, [page.as_str(); 3]);
});

db_test!(p17_a_bonus_for_a_customer_goes_where_the_customer_went, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let gold = second_program(&mut shop.client).await;
    let former = first_enrollment(&mut shop).await;
    let lead = pb::RecordLeadRequest {
        event_id: "lead".to_owned(),
        email: "bob@shop.example".to_owned(),
        ref_id: "ann".to_owned(),
        ..Default::default()
    };
    shop.client.tracking.record_lead(lead).await.unwrap();
    for (leads, program_id) in [(pb::MovedLeads::Stay, &shop.program_id), (pb::MovedLeads::Follow, &gold)] {
        let enroll = pb::EnrollAffiliateRequest {
            affiliate: Some(shop.affiliate()),
            program_id: shop.program_id.clone(),
            ..Default::default()
        };
        // The second round begins in the first program again.
        if leads == pb::MovedLeads::Follow {
            shop.client.affiliates.enroll_affiliate(enroll).await.unwrap();
            let request = pb::ListEnrollmentsRequest { program_id: gold.clone(), ..Default::default() };
            let enrolled = shop.client.affiliates.list_enrollments(request).await.unwrap().into_inner().enrollments;
            let end = pb::EndEnrollmentRequest { enrollment_id: enrolled[0].id.clone(), ..Default::default() };
            shop.client.affiliates.end_enrollment(end).await.unwrap();
        }
        let request = pb::MoveEnrollmentRequest {
            enrollment_id: former.id.clone(),
            program_id: gold.clone(),
            leads: leads.into(),
            ..Default::default()
        };
        shop.client.affiliates.move_enrollment(request).await.unwrap();
        let selector = pb::lead_selector::Selector::Email("bob@shop.example".to_owned());
        let recipient = pb::create_reward_request::Recipient::Lead(pb::LeadSelector { selector: Some(selector) });
        let request = pb::CreateRewardRequest {
            recipient: Some(recipient),
            value: Some(pb::RewardValue { amount: sale(1).amount.map(pb::reward_value::Amount::Cash) }),
            ..Default::default()
        };
        let reward = shop.client.rewards.create_reward(request).await.unwrap().into_inner().reward.unwrap();
        assert_eq!(&reward.program_id, program_id, "{leads:?}");
        server.clock.advance_days(1);
    }
});

db_test!(p17_a_move_that_cannot_be_made_changes_nothing, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let gold = second_program(&mut shop.client).await;
    let former = first_enrollment(&mut shop).await;
    let to = |enrollment_id: &str, program_id: &str| pb::MoveEnrollmentRequest {
        enrollment_id: enrollment_id.to_owned(),
        program_id: program_id.to_owned(),
        ..Default::default()
    };
    let taken = pb::MoveEnrollmentRequest { ref_id: "ann".to_owned(), ..to(&former.id, &gold) };
    let unknown = format!("{}{}", &gold[..gold.len() - 1], if gold.ends_with('0') { '1' } else { '0' });
    let cases = [
        (to(&former.id, &shop.program_id), Code::AlreadyExists, "ALREADY_EXISTS"),
        (taken, Code::AlreadyExists, "ALREADY_EXISTS"),
        (to(&former.id, &unknown), Code::NotFound, "PROGRAM_NOT_FOUND"),
    ];
    for (request, code, expected) in cases {
        let status = shop.client.affiliates.move_enrollment(request).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (code, expected));
    }
    let archive = pb::ArchiveProgramRequest { program_id: gold.clone(), ..Default::default() };
    shop.client.affiliates.archive_program(archive).await.unwrap();
    let status = shop.client.affiliates.move_enrollment(to(&former.id, &gold)).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "PROGRAM_ARCHIVED"));
    assert_eq!(first_enrollment(&mut shop).await, former);
    let end = pb::EndEnrollmentRequest { enrollment_id: former.id.clone(), ..Default::default() };
    shop.client.affiliates.end_enrollment(end).await.unwrap();
    let status = shop.client.affiliates.move_enrollment(to(&former.id, &shop.program_id)).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "ENROLLMENT_ENDED"));
});

db_test!(f5_an_erasure_ends_enrollments_in_the_order_in_which_they_were_made, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let gold = second_program(&mut shop.client).await;
    let client = &mut shop.client;
    // The younger program's enrollment is the older one.
    let request = pb::CreateAffiliateRequest {
        email: "bea@affiliates.example".to_owned(),
        program_id: gold,
        ..pb::CreateAffiliateRequest::default()
    };
    let made = client.affiliates.create_affiliate(request).await.unwrap().into_inner();
    let first = made.enrollment.unwrap();
    let selector = pb::affiliate_selector::Selector::Id(first.affiliate_id.clone());
    let affiliate = Some(pb::AffiliateSelector { selector: Some(selector) });
    let program_id = shop.program_id.clone();
    let request = pb::EnrollAffiliateRequest { affiliate: affiliate.clone(), program_id, ..Default::default() };
    let second = client.affiliates.enroll_affiliate(request).await.unwrap().into_inner().enrollment.unwrap();

    let request = pb::EraseAffiliateRequest { affiliate, ..Default::default() };
    client.affiliates.erase_affiliate(request).await.unwrap();
    let request = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
    let events = client.feed.read_events(request).await.unwrap().into_inner().events;
    let ended = events.into_iter().filter(|event| event.kind() == pb::EventKind::EnrollmentEnded);
    let ended: Vec<String> = ended
        .filter_map(|event| match event.subject {
            Some(pb::event::Subject::Enrollment(row)) => Some(row.id),
            _ => None,
        })
        .collect();
    assert_eq!(ended, [first.id, second.id]);
});

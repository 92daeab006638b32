//! The contents of answers and events over the wire, beyond the business rules.

use headwater::pb;
use testkit::client::Client;
use tonic_types::StatusExt;

use crate::support::database::TestDatabase;
use crate::support::feed::from_beginning;
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

fn dollars(amount_minor: i64) -> Option<pb::Money> {
    Some(pb::Money { amount_minor, currency_code: "USD".to_owned() })
}

fn commission(kind: pb::commission::Rate) -> Option<pb::Commission> {
    Some(pb::Commission { rate: Some(kind) })
}

fn new_program(is_default: bool) -> pb::CreateProgramRequest {
    let commission = commission(pb::commission::Rate::PercentPpm(100_000));
    pb::CreateProgramRequest {
        display_name: "Partners".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://partners.example/".to_owned(),
        terms: Some(pb::Terms { commission, ..pb::Terms::default() }),
        is_default,
        ..pb::CreateProgramRequest::default()
    }
}

async fn get_program(client: &mut Client, program_id: &str) -> pb::Program {
    let request = pb::GetProgramRequest { program_id: program_id.to_owned(), ..Default::default() };
    client.affiliates.get_program(request).await.unwrap().into_inner().program.unwrap()
}

/// The kinds and subjects of all events about programs.
async fn program_events(client: &mut Client) -> Vec<(pb::EventKind, String)> {
    let request = pb::ReadEventsRequest {
        start: Some(from_beginning()),
        filter: Some(pb::EventFilter {
            kinds: vec![pb::EventKind::ProgramCreated.into(), pb::EventKind::ProgramUpdated.into()],
            ..pb::EventFilter::default()
        }),
        page_size: 1_000,
        ..pb::ReadEventsRequest::default()
    };
    let events = client.feed.read_events(request).await.unwrap().into_inner().events;
    let subject = |event: pb::Event| match (event.kind(), event.subject) {
        (kind, Some(pb::event::Subject::Program(program))) => (kind, program.id),
        other => panic!("{other:?}"),
    };
    events.into_iter().map(subject).collect()
}

db_test!(the_feed_tells_of_the_program_that_is_no_longer_the_default, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client;
    let first = get_program(&mut client, &shop.program_id).await;
    let made = client.affiliates.create_program(new_program(true)).await.unwrap().into_inner().program.unwrap();
    assert!(made.is_default);
    let former = get_program(&mut client, &first.id).await;
    assert!(!former.is_default);
    assert_ne!(former.etag, first.etag);
    // An update makes it the default again.
    let request = pb::UpdateProgramRequest {
        program: Some(pb::Program { is_default: true, ..former.clone() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["is_default".to_owned()] }),
        ..pb::UpdateProgramRequest::default()
    };
    client.affiliates.update_program(request).await.unwrap();
    assert_eq!(
        program_events(&mut client).await,
        [
            (pb::EventKind::ProgramCreated, first.id.clone()),
            (pb::EventKind::ProgramUpdated, first.id.clone()),
            (pb::EventKind::ProgramCreated, made.id.clone()),
            (pb::EventKind::ProgramUpdated, made.id.clone()),
            (pb::EventKind::ProgramUpdated, first.id),
        ]
    );
    // A new program that does not ask to be the default does not change which program is the default.
    let third = client.affiliates.create_program(new_program(false)).await.unwrap().into_inner().program.unwrap();
    assert!(!third.is_default && !get_program(&mut client, &made.id).await.is_default);
});

db_test!(a_flat_commission_in_another_currency_is_told_with_the_other_faults, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = server.new_account("shop").await;
    let flat = pb::Money { amount_minor: 500, currency_code: "EUR".to_owned() };
    let request = pb::CreateProgramRequest {
        display_name: String::new(),
        terms: Some(pb::Terms { commission: commission(pb::commission::Rate::Flat(flat)), ..pb::Terms::default() }),
        ..new_program(false)
    };
    let status = client.affiliates.create_program(request).await.unwrap_err();
    let violations = status.get_details_bad_request().unwrap().field_violations;
    let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["display_name", "terms.commission.flat.currency_code"]);
});

db_test!(a_conversion_says_how_it_was_traced_and_its_reward_how_it_was_rounded, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let sale = pb::RecordSaleRequest {
        event_id: "sale-1".to_owned(),
        coupon_code: "ann".to_owned(),
        amount: dollars(1_000),
        ..pb::RecordSaleRequest::default()
    };
    let recorded = client.tracking.record_sale(sale).await.unwrap().into_inner();
    let refund = pb::RecordRefundRequest {
        event_id: "refund-1".to_owned(),
        sale_event_id: "sale-1".to_owned(),
        amount: dollars(500),
        ..pb::RecordRefundRequest::default()
    };
    let refunded = client.tracking.record_refund(refund).await.unwrap().into_inner();
    for conversion_id in [recorded.conversion_id, refunded.conversion_id] {
        let selector = Some(pb::conversion_selector::Selector::Id(conversion_id));
        let request =
            pb::GetConversionRequest { conversion: Some(pb::ConversionSelector { selector }), ..Default::default() };
        let conversion = client.tracking.get_conversion(request).await.unwrap().into_inner().conversion.unwrap();
        let [credit] = &*conversion.credits else { panic!("{conversion:?}") };
        assert_eq!((credit.source(), credit.share_ppm), (pb::AttributionSource::Coupon, 1_000_000));
        assert_eq!(conversion.coupon_code, "ANN");
        let calculation = conversion.rewards[0].calculation.as_ref().unwrap();
        assert_eq!(calculation.rounding(), pb::Rounding::HalfEven);
    }
});

db_test!(revoked_links_and_removed_coupons_have_their_end_time, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut affiliates = Shop::open(&server, "shop").await.client.affiliates;
    let link = affiliates.list_links(pb::ListLinksRequest::default()).await.unwrap().into_inner().links.remove(0);
    let coupon =
        affiliates.list_coupons(pb::ListCouponsRequest::default()).await.unwrap().into_inner().coupons.remove(0);
    assert_eq!((link.revoke_time, coupon.remove_time), (None, None));
    server.clock.advance_days(1);
    let day_later = link.create_time.map(|time| prost_types::Timestamp { seconds: time.seconds + 86_400, ..time });
    let request = pb::RevokeLinkRequest { link_id: link.id, ..Default::default() };
    assert_eq!(affiliates.revoke_link(request).await.unwrap().into_inner().link.unwrap().revoke_time, day_later);
    let request = pb::RemoveCouponRequest { coupon_id: coupon.id, ..Default::default() };
    assert_eq!(affiliates.remove_coupon(request).await.unwrap().into_inner().coupon.unwrap().remove_time, day_later);
});

db_test!(a_publishable_key_never_sees_a_tracking_id, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let click = |referrer: &str| pb::RecordClickRequest {
        event_id: "click-1".to_owned(),
        ref_id: "ann".to_owned(),
        referrer_url: referrer.to_owned(),
        ..pb::RecordClickRequest::default()
    };
    let first = client.tracking.record_click(click("https://blog.example/")).await.unwrap().into_inner();
    let status = client.tracking.record_click(click("")).await.unwrap_err();
    assert_eq!(status.get_details_error_info().unwrap().metadata["first_id"], first.click_id);

    let request = pb::CreateApiKeyRequest { kind: pb::ApiKeyKind::Publishable.into(), ..Default::default() };
    let key = client.accounts.create_api_key(request).await.unwrap().into_inner().api_key_text;
    let mut page = Client::connect(&server.address, &key).await.unwrap();
    let status = page.tracking.record_click(click("")).await.unwrap_err();
    assert_eq!(reason(&status), "IDEMPOTENCY_MISMATCH");
    assert!(!format!("{status:?}").contains(&first.tid), "{status:?}");
    assert_eq!(status.get_details_error_info().unwrap().metadata["first_id"], "");
});

db_test!(a_lead_that_arrives_late_has_the_plan_that_it_bought, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    for (event_id, plan) in [("sale-1", "basic"), ("sale-2", "pro"), ("sale-3", "")] {
        let sale = pb::RecordSaleRequest {
            event_id: event_id.to_owned(),
            email: "bob@shop.example".to_owned(),
            amount: dollars(1_000),
            plan: plan.to_owned(),
            ..pb::RecordSaleRequest::default()
        };
        client.tracking.record_sale(sale).await.unwrap();
    }
    let request = pb::RecordLeadRequest {
        event_id: "lead-1".to_owned(),
        email: "bob@shop.example".to_owned(),
        ref_id: "ann".to_owned(),
        ..pb::RecordLeadRequest::default()
    };
    client.tracking.record_lead(request).await.unwrap();
    let selector = Some(pb::lead_selector::Selector::Email("bob@shop.example".to_owned()));
    let request = pb::GetLeadRequest { lead: Some(pb::LeadSelector { selector }) };
    let lead = client.tracking.get_lead(request).await.unwrap().into_inner().lead.unwrap();
    assert_eq!((lead.plan.as_str(), lead.state()), ("pro", pb::LeadState::Active));
});

db_test!(a_customer_who_buys_again_is_not_updated, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let selector = Some(pb::lead_selector::Selector::Email("bob@shop.example".to_owned()));
    let request = pb::GetLeadRequest { lead: Some(pb::LeadSelector { selector }) };
    let mut leads = Vec::new();
    // The third update changes a stored value.
    for (event_id, plan) in [("sale-1", "basic"), ("sale-2", "basic"), ("sale-3", "pro")] {
        let sale = pb::RecordSaleRequest {
            event_id: event_id.to_owned(),
            email: "bob@shop.example".to_owned(),
            coupon_code: "ANN".to_owned(),
            amount: dollars(1_000),
            plan: plan.to_owned(),
            ..pb::RecordSaleRequest::default()
        };
        server.clock.advance_days(1);
        client.tracking.record_sale(sale).await.unwrap();
        leads.push(client.tracking.get_lead(request.clone()).await.unwrap().into_inner().lead.unwrap());
    }
    assert_eq!(leads[0], leads[1]);
    let micros = |lead: &pb::Lead| lead.update_time.map(|time| (time.seconds, time.nanos));
    assert!(micros(&leads[1]) < micros(&leads[2]), "{leads:?}");
});

db_test!(a_sale_that_names_two_leads_warns, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let lead = |event_id: &str, external_id: &str, email: &str| pb::RecordLeadRequest {
        event_id: event_id.to_owned(),
        external_id: external_id.to_owned(),
        email: email.to_owned(),
        ..pb::RecordLeadRequest::default()
    };
    let first = client.tracking.record_lead(lead("one", "17", "")).await.unwrap().into_inner();
    let second = client.tracking.record_lead(lead("two", "", "jo@customers.example")).await.unwrap().into_inner();
    let sale = pb::RecordSaleRequest {
        event_id: "sale".to_owned(),
        external_id: "17".to_owned(),
        email: "jo@customers.example".to_owned(),
        amount: dollars(1_000),
        ..pb::RecordSaleRequest::default()
    };
    for replayed in [false, true] {
        let answer = client.tracking.record_sale(sale.clone()).await.unwrap().into_inner();
        assert_eq!((answer.replayed, &answer.lead_id), (replayed, &first.lead_id));
        let [warning] = answer.warnings.as_slice() else { panic!("{answer:?}") };
        assert_eq!(warning.field, "email");
        assert!(warning.explanation.contains(&second.lead_id), "{warning:?}");
    }
});

//! Versions of terms: start, end, withdrawal, and calls that only check: rows N5 and P13.

use headwater::clock::Clock;
use headwater::domain::time::Time;
use headwater::pb;
use pb::conversion_selector::Selector;
use testkit::client::Client;
use tonic::Code;

use super::affiliate::mask;
use crate::support::database::TestDatabase;
use crate::support::feed::{cash, from_beginning};
use crate::support::server::{TestServer, reason};
use crate::support::shop::{Shop, sale};

fn terms(percent_ppm: i32) -> pb::Terms {
    let commission = pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(percent_ppm)) };
    pb::Terms { commission: Some(commission), ..Default::default() }
}

fn after(server: &TestServer, days: i32) -> Option<prost_types::Timestamp> {
    wire(server.clock.now().plus_days(days))
}

fn wire(time: Time) -> Option<prost_types::Timestamp> {
    let nanos = i32::try_from(time.micros().rem_euclid(1_000_000) * 1_000).unwrap();
    Some(prost_types::Timestamp { seconds: time.micros().div_euclid(1_000_000), nanos })
}

fn update(shop: &Shop, percent_ppm: i32) -> pb::UpdateProgramRequest {
    let (id, terms) = (shop.program_id.clone(), Some(terms(percent_ppm)));
    pb::UpdateProgramRequest {
        program: Some(pb::Program { id, terms, ..Default::default() }),
        update_mask: mask(&["terms"]),
        ..Default::default()
    }
}

fn withdrawal(shop: &Shop, withdraw_terms_version: i32) -> pb::UpdateProgramRequest {
    let program = Some(pb::Program { id: shop.program_id.clone(), ..Default::default() });
    pb::UpdateProgramRequest { program, withdraw_terms_version, ..Default::default() }
}

async fn change(client: &mut Client, request: pb::UpdateProgramRequest) -> pb::Terms {
    let answer = client.affiliates.update_program(request).await.unwrap().into_inner();
    answer.program.unwrap().terms.unwrap()
}

async fn refused_fields(client: &mut Client, request: pb::UpdateProgramRequest) -> Vec<String> {
    let status = client.affiliates.update_program(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = tonic_types::StatusExt::get_error_details(&status);
    details.bad_request().unwrap().field_violations.iter().map(|violation| violation.field.clone()).collect()
}

async fn found(client: &mut Client, terms_version: i32) -> pb::GetProgramResponse {
    let request = pb::GetProgramRequest { terms_version, ..Default::default() };
    client.affiliates.get_program(request).await.unwrap().into_inner()
}

async fn shown(client: &mut Client, terms_version: i32) -> pb::Terms {
    found(client, terms_version).await.program.unwrap().terms.unwrap()
}

async fn listed(client: &mut Client) -> i32 {
    let answer = client.affiliates.list_programs(pb::ListProgramsRequest::default()).await.unwrap().into_inner();
    answer.programs[0].terms.as_ref().unwrap().version
}

async fn events_of(client: &mut Client) -> Vec<pb::Event> {
    let request = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
    client.feed.read_events(request).await.unwrap().into_inner().events
}

async fn earned(client: &mut Client, number: usize) -> i64 {
    let answer = client.tracking.record_sale(sale(number)).await.unwrap().into_inner();
    answer.rewards.iter().map(|reward| cash(reward.value.as_ref()).amount_minor).sum()
}

async fn explained(client: &mut Client, number: usize) -> pb::CreditExplanation {
    let event = pb::RecordedEvent { kind: pb::ConversionKind::Sale.into(), event_id: format!("sale-{number}") };
    let selector = pb::ConversionSelector { selector: Some(Selector::RecordedEvent(event)) };
    let request = pb::ExplainConversionRequest { conversion: Some(selector) };
    client.tracking.explain_conversion(request).await.unwrap().into_inner().credits.remove(0)
}

db_test!(n5_p13_a_version_starts_later_and_ends, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let (start, end) = (after(&server, 3), after(&server, 6));
    let request = pb::UpdateProgramRequest { terms_start_time: start, terms_end_time: end, ..update(&shop, 400_000) };
    let made = change(&mut shop.client, request).await;
    assert_eq!((made.version, made.start_time, made.end_time), (2, start, end));
    assert_eq!((made.create_time, made.withdraw_time), (after(&server, 0), None));
    let request = update(&shop, 300_000);
    assert_eq!(change(&mut shop.client, request).await.version, 3);
    let client = &mut shop.client;

    let before = found(client, 0).await;
    assert_eq!(before.newest_terms_version, 3);
    let reach = pb::TermsReach::NewSales.into();
    assert_eq!(before.scheduled_terms, [pb::ScheduledTerms { version: 2, start_time: start, end_time: end, reach }]);
    let mut in_force = Vec::new();
    for (number, days) in [0, 4, 3].into_iter().enumerate() {
        server.clock.advance_days(days);
        in_force.push((shown(client, 0).await.version, listed(client).await, earned(client, number).await));
    }
    assert_eq!(in_force, [(3, 3, 300), (2, 2, 400), (3, 3, 300)]);
    assert!(found(client, 0).await.scheduled_terms.is_empty());
    for version in 1..=3 {
        assert_eq!(shown(client, version).await.version, version);
    }

    let results = |told: pb::CreditExplanation| {
        let later = told.later_terms.into_iter();
        later.map(|later| (later.version, later.result())).collect::<Vec<_>>()
    };
    let told = explained(client, 1).await;
    assert_eq!((told.credit.as_ref().unwrap().terms_version, told.terms_end_time), (2, end));
    assert_eq!(results(told), [(3, pb::TermsResult::StartedEarlier)]);
    assert!(results(explained(client, 2).await).is_empty());
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
});

db_test!(n5_p13_a_scheduled_version_is_withdrawn_before_its_start, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    for days in [2, 4] {
        let request = pb::UpdateProgramRequest { terms_start_time: after(&server, days), ..update(&shop, 400_000) };
        change(&mut shop.client, request).await;
    }
    let request = withdrawal(&shop, 2);
    let withdrawn = change(&mut shop.client, request).await;
    assert_eq!((withdrawn.version, withdrawn.withdraw_time), (2, after(&server, 0)));
    let scheduled = found(&mut shop.client, 0).await.scheduled_terms;
    assert_eq!(scheduled.iter().map(|terms| terms.version).collect::<Vec<_>>(), [3]);
    assert_eq!(shown(&mut shop.client, 2).await.withdraw_time, after(&server, 0));
    for version in [1, 2] {
        let request = withdrawal(&shop, version);
        assert_eq!(refused_fields(&mut shop.client, request).await, ["withdraw_terms_version"]);
    }
    let status = shop.client.affiliates.update_program(withdrawal(&shop, 9)).await.unwrap_err();
    assert_eq!(reason(&status), "PROGRAM_NOT_FOUND");
    server.clock.advance_days(3);
    assert_eq!(earned(&mut shop.client, 1).await, 200);
    let results: Vec<_> = explained(&mut shop.client, 1).await.later_terms.iter().map(pb::LaterTerms::result).collect();
    assert_eq!(results, [pb::TermsResult::Withdrawn, pb::TermsResult::StartedLater]);
    // A version is replaced in one call.
    let request = pb::UpdateProgramRequest {
        terms_start_time: after(&server, 1),
        withdraw_terms_version: 3,
        ..update(&shop, 500_000)
    };
    assert_eq!(change(&mut shop.client, request).await.version, 4);
    server.clock.advance_days(2);
    assert_eq!(earned(&mut shop.client, 2).await, 500);
    let events = events_of(&mut shop.client).await;
    let changed = events.iter().filter(|event| event.kind() == pb::EventKind::ProgramUpdated).count();
    assert_eq!(changed, 4, "a withdrawal has an event");
});

db_test!(n5_p13_a_wrong_start_or_end_is_refused, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let now = server.clock.now();
    let minutes = |count: i64| wire(now.plus_micros(count * 60_000_000));
    for (start, end, expected) in [
        (minutes(-11), None, "terms_start_time"),
        (minutes(5), minutes(5), "terms_end_time"),
        (None, minutes(0), "terms_end_time"),
    ] {
        let request = pb::UpdateProgramRequest { terms_start_time: start, terms_end_time: end, ..update(&shop, 1) };
        assert_eq!(refused_fields(&mut shop.client, request).await, [expected]);
    }
    let request = pb::UpdateProgramRequest {
        update_mask: mask(&["display_name"]),
        program: Some(pb::Program { id: shop.program_id.clone(), display_name: "x".to_owned(), ..Default::default() }),
        terms_start_time: minutes(5),
        terms_end_time: minutes(6),
        ..Default::default()
    };
    assert_eq!(refused_fields(&mut shop.client, request).await, ["terms_start_time", "terms_end_time"]);
    // What is past by the difference of clocks begins now.
    let request = pb::UpdateProgramRequest { terms_start_time: minutes(-9), ..update(&shop, 1) };
    assert_eq!(change(&mut shop.client, request).await.start_time, wire(now));
    for _ in 0..20 {
        let request = pb::UpdateProgramRequest { terms_start_time: minutes(60), ..update(&shop, 1) };
        change(&mut shop.client, request).await;
    }
    let request = pb::UpdateProgramRequest { terms_start_time: minutes(60), ..update(&shop, 1) };
    assert_eq!(refused_fields(&mut shop.client, request).await, ["terms_start_time"]);
    assert_eq!(found(&mut shop.client, 0).await.scheduled_terms.len(), 20);
});

db_test!(n5_terms_for_new_affiliates_leave_the_others_with_theirs, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    server.clock.advance_days(1);
    let mut request = update(&shop, 500_000);
    request.program.as_mut().unwrap().terms.as_mut().unwrap().set_reach(pb::TermsReach::NewAffiliates);
    change(&mut shop.client, request).await;
    assert_eq!(earned(&mut shop.client, 1).await, 200);
    let told = explained(&mut shop.client, 1).await;
    assert_eq!(told.later_terms[0].result(), pb::TermsResult::NewAffiliatesOnly);
    let request = pb::CreateAffiliateRequest {
        email: "bea@affiliates.example".to_owned(),
        coupon_code: "BEA".to_owned(),
        ..Default::default()
    };
    shop.client.affiliates.create_affiliate(request).await.unwrap();
    let request = pb::RecordSaleRequest { coupon_code: "BEA".to_owned(), ..sale(2) };
    let answer = shop.client.tracking.record_sale(request).await.unwrap().into_inner();
    assert_eq!(cash(answer.rewards[0].value.as_ref()).amount_minor, 500);
});

db_test!(n5_a_call_can_be_tried_without_an_effect, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let before = found(&mut shop.client, 0).await;
    let events = events_of(&mut shop.client).await.len();
    let levels = vec![pb::UplineLevel { basis: pb::UplineBasis::SaleAmount.into(), percent_ppm: 900_000 }];
    let create = pb::CreateProgramRequest {
        request_id: "once".to_owned(),
        display_name: "Second".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://shop.example/".to_owned(),
        terms: Some(pb::Terms { upline_levels: levels, ..terms(200_000) }),
        is_default: true,
        validate_only: true,
        ..Default::default()
    };
    for _ in 0..2 {
        let answer = shop.client.affiliates.create_program(create.clone()).await.unwrap().into_inner();
        let program = answer.program.unwrap();
        assert_eq!((program.display_name.as_str(), program.id.as_str(), program.etag.as_str()), ("Second", "", ""));
        assert_eq!((answer.replayed, answer.warnings.len()), (false, 1));
    }
    let request = pb::CreateProgramRequest { display_name: String::new(), ..create.clone() };
    shop.client.affiliates.create_program(request).await.unwrap_err();

    let start = after(&server, 1);
    let mut request = pb::UpdateProgramRequest {
        request_id: "twice".to_owned(),
        terms_start_time: start,
        validate_only: true,
        ..update(&shop, 300_000)
    };
    let tried = change(&mut shop.client, request.clone()).await;
    assert_eq!((tried.version, tried.start_time), (2, start));
    // The same checks: of the etag, of the currency, and of what is withdrawn.
    request.program.as_mut().unwrap().etag = "old".to_owned();
    let status = shop.client.affiliates.update_program(request.clone()).await.unwrap_err();
    assert_eq!(reason(&status), "ETAG_MISMATCH");
    request.program.as_mut().unwrap().etag.clear();
    let euro = pb::Money { amount_minor: 100, currency_code: "EUR".to_owned() };
    let commission = pb::Commission { rate: Some(pb::commission::Rate::Flat(euro)) };
    request.program.as_mut().unwrap().terms = Some(pb::Terms { commission: Some(commission), ..Default::default() });
    let refused = refused_fields(&mut shop.client, request).await;
    assert_eq!(refused, ["program.terms.commission.flat.currency_code"]);
    let request = pb::UpdateProgramRequest { validate_only: true, ..withdrawal(&shop, 1) };
    assert_eq!(refused_fields(&mut shop.client, request).await, ["withdraw_terms_version"]);

    assert_eq!(found(&mut shop.client, 0).await, before, "nothing has changed");
    assert_eq!(events_of(&mut shop.client).await.len(), events, "nothing was told");
    let answer = shop.client.affiliates.list_programs(pb::ListProgramsRequest::default()).await.unwrap().into_inner();
    assert_eq!(answer.programs.len(), 1);
    // The request_id was not kept, so the call itself is carried out.
    let request = pb::CreateProgramRequest { validate_only: false, ..create };
    let answer = shop.client.affiliates.create_program(request).await.unwrap().into_inner();
    assert!(!answer.replayed && !answer.program.unwrap().id.is_empty());
    assert!(events_of(&mut shop.client).await.len() > events);
});

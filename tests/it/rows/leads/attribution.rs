//! Leads that are bound by hand, and why a lead is bound.

use headwater::domain::time::Time;
use headwater::pb;
use testkit::client::Client;

use super::{attribute, by_email, by_id, said, seconds, sell, told, verify};
use crate::support::database::TestDatabase;
use crate::support::feed::from_beginning;
use crate::support::server::{START_MICROS, TestServer};
use crate::support::shop::Shop;

db_test!(g13_a_lead_is_bound_by_hand_and_its_attribution_says_why, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let client = &mut shop.client;
    let bea = pb::CreateAffiliateRequest {
        email: "bea@affiliates.example".to_owned(),
        ref_id: "bea".to_owned(),
        ..Default::default()
    };
    let bea = client.affiliates.create_affiliate(bea).await.unwrap().into_inner().affiliate.unwrap();
    let signup = pb::RecordLeadRequest {
        event_id: "signup".to_owned(),
        email: "bob@customers.example".to_owned(),
        coupon_code: "ANN".to_owned(),
        ref_id: "bea".to_owned(),
        ..Default::default()
    };
    let bob = client.tracking.record_lead(signup).await.unwrap().into_inner().lead_id;
    sell(client, "one", "bob@customers.example", "").await;
    let attribution = async |client: &mut Client, lead: &str| {
        let request = pb::GetAttributionRequest { lead: by_id(lead) };
        client.tracking.get_attribution(request).await.unwrap().into_inner()
    };
    let told_why = attribution(client, &bob).await;
    let event = told_why.conversion.unwrap();
    assert_eq!(event.event_id, "signup");
    let results: Vec<_> = event.candidates.iter().map(|candidate| (candidate.source(), candidate.result())).collect();
    assert_eq!(
        results,
        [
            (pb::AttributionSource::Coupon, pb::CandidateResult::Won),
            (pb::AttributionSource::Click, pb::CandidateResult::LowerPrecedence),
        ]
    );
    assert_eq!(told_why.affiliates[0].email, "ann@affiliates.example");
    assert!(told_why.manual_bindings.is_empty());

    server.clock.set(Time::from_micros(START_MICROS).plus_days(1));
    let lead = attribute(client, by_email("bob@customers.example"), "bea").await.unwrap();
    assert_eq!((&lead.credits[0].affiliate_id, lead.bind_time), (&bea.id, seconds(1)));
    let told_why = attribution(client, &bob).await;
    assert_eq!(told_why.conversion, None);
    assert_eq!(told_why.affiliates[0].id, bea.id);
    let [manual] = &told_why.manual_bindings[..] else { panic!("{told_why:?}") };
    assert_eq!(
        (&*manual.reason, &manual.credits, manual.bind_time),
        ("Ann showed the mail", &lead.credits, seconds(1))
    );
    server.clock.set(Time::from_micros(START_MICROS).plus_days(2));
    assert_eq!(sell(client, "two", "bob@customers.example", "").await.credits[0].affiliate_id, bea.id);
    let events = told(client).await;
    let bound: Vec<_> = events.iter().filter(|(kind, _)| *kind == pb::EventKind::LeadAttributed).collect();
    assert_eq!(bound.len(), 1);
    // The former affiliate's readers get the event too.
    let filter = pb::EventFilter {
        affiliate_ids: vec![shop.affiliate_id.clone()],
        kinds: vec![pb::EventKind::LeadAttributed.into()],
        ..Default::default()
    };
    let request = pb::ReadEventsRequest {
        start: Some(from_beginning()),
        filter: Some(filter),
        page_size: 9,
        ..Default::default()
    };
    assert_eq!(client.feed.read_events(request).await.unwrap().into_inner().events.len(), 1);

    // The evidence that lost is shown for a lead that nobody referred.
    let signup = pb::RecordLeadRequest {
        event_id: "lost".to_owned(),
        email: "eve@customers.example".to_owned(),
        ref_id: "nobody".to_owned(),
        ..Default::default()
    };
    let eve = client.tracking.record_lead(signup).await.unwrap().into_inner().lead_id;
    let told_why = attribution(client, &eve).await;
    assert!(told_why.affiliates.is_empty() && told_why.lead.unwrap().credits.is_empty());
    assert_eq!(told_why.conversion.unwrap().candidates[0].result(), pb::CandidateResult::Unknown);
    assert_eq!(said(attribute(client, by_email("nobody@customers.example"), "bea").await).1, "LEAD_NOT_FOUND");
    assert_eq!(said(attribute(client, by_id(&eve), "nobody").await).1, "LINK_NOT_FOUND");
    verify(client).await;
});

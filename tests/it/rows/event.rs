//! Appointments and custom events.

use headwater::pb;
use pb::batch_item::Item;
use pb::batch_result::Answer;
use pb::conversion_selector::Selector;
use testkit::client::Client;
use tonic::Code;

use crate::support::database::TestDatabase;
use crate::support::feed::{conversion_of, from_beginning};
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

async fn open(server: &TestServer) -> Shop {
    let terms = pb::Terms { custom_kinds: vec!["Trial".to_owned(), "demo".to_owned()], ..Default::default() };
    Shop::furnish_with(server.new_account("shop").await, terms).await
}

fn appointment(event_id: &str, external_id: &str) -> pb::RecordAppointmentRequest {
    pb::RecordAppointmentRequest {
        event_id: event_id.to_owned(),
        external_id: external_id.to_owned(),
        ..Default::default()
    }
}

fn custom(event_id: &str, kind: &str) -> pb::RecordCustomEventRequest {
    pb::RecordCustomEventRequest {
        event_id: event_id.to_owned(),
        custom_kind: kind.to_owned(),
        ref_id: "ann".to_owned(),
        amount: Some(pb::Money { amount_minor: 5_000, currency_code: "USD".to_owned() }),
        ..Default::default()
    }
}

async fn recorded(client: &mut Client, kind: pb::ConversionKind, event_id: &str) -> pb::Conversion {
    let event = pb::RecordedEvent { kind: kind.into(), event_id: event_id.to_owned() };
    let selector = pb::ConversionSelector { selector: Some(Selector::RecordedEvent(event)) };
    let request = pb::GetConversionRequest { conversion: Some(selector), ..Default::default() };
    client.tracking.get_conversion(request).await.unwrap().into_inner().conversion.unwrap()
}

async fn listed(client: &mut Client, request: pb::ListConversionsRequest) -> Vec<String> {
    let conversions = client.tracking.list_conversions(request).await.unwrap().into_inner().conversions;
    conversions.into_iter().map(|conversion| conversion.event_id).collect()
}

async fn feed(client: &mut Client) -> Vec<(pb::EventKind, pb::Conversion)> {
    let request = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
    let events = client.feed.read_events(request).await.unwrap().into_inner().events;
    events.iter().filter_map(|event| Some((event.kind(), conversion_of(event)?.clone()))).collect()
}

db_test!(g10_an_appointment_is_recorded_attributed_and_explained, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = open(&server).await.client;
    let click = pb::RecordClickRequest { ref_id: "ann".to_owned(), ..Default::default() };
    let tid = client.tracking.record_click(click).await.unwrap().into_inner().tid;
    let request = pb::RecordAppointmentRequest { tid, last_name: "Lee".to_owned(), ..appointment("meeting", "17") };
    let answer = client.tracking.record_appointment(request.clone()).await.unwrap().into_inner();
    assert_eq!((answer.outcome(), answer.credits.len()), (pb::ConversionOutcome::Attributed, 1));
    let again = client.tracking.record_appointment(request.clone()).await.unwrap().into_inner();
    assert_eq!(again, pb::RecordAppointmentResponse { replayed: true, ..answer.clone() });
    let other = pb::RecordAppointmentRequest { last_name: "Ray".to_owned(), ..request };
    let status = client.tracking.record_appointment(other).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "IDEMPOTENCY_MISMATCH"));

    let conversion = recorded(&mut client, pb::ConversionKind::Appointment, "meeting").await;
    assert_eq!((&conversion.id, &conversion.lead_id), (&answer.conversion_id, &answer.lead_id));
    assert_eq!((conversion.amount, conversion.quantity, conversion.rewards.len()), (None, 0, 0));
    let results: Vec<_> = conversion.candidates.iter().map(pb::AttributionCandidate::result).collect();
    assert_eq!(results, [pb::CandidateResult::Won]);
    // It bound the customer, and GetAttribution shows by what.
    let selector = pb::lead_selector::Selector::Id(answer.lead_id.clone());
    let lead = Some(pb::LeadSelector { selector: Some(selector) });
    let bound = client.tracking.get_attribution(pb::GetAttributionRequest { lead }).await.unwrap().into_inner();
    let lead = bound.lead.unwrap();
    assert_eq!((lead.state(), lead.last_name.as_str()), (pb::LeadState::SignedUp, "Lee"));
    assert_eq!(bound.conversion.unwrap().id, answer.conversion_id);
    // An appointment that nobody referred is no error, is kept, and is not in the feed.
    let alone = client.tracking.record_appointment(appointment("alone", "18")).await.unwrap().into_inner();
    assert_eq!((alone.outcome(), alone.lead_id.as_str()), (pb::ConversionOutcome::NotReferred, ""));
    let told = feed(&mut client).await;
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].0, &told[0].1.id), (pb::EventKind::AppointmentRecorded, &answer.conversion_id));
    let kinds = vec![pb::ConversionKind::Appointment.into()];
    let request = pb::ListConversionsRequest { kinds, ..Default::default() };
    assert_eq!(listed(&mut client, request.clone()).await, ["meeting"]);
    let outcomes = vec![pb::ConversionOutcome::NotReferred.into()];
    assert_eq!(listed(&mut client, pb::ListConversionsRequest { outcomes, ..request }).await, ["alone"]);
});

db_test!(p4_custom_events_of_declared_kinds_are_credited, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = open(&server).await;
    let affiliate = Some(shop.affiliate());
    let client = &mut shop.client;
    let request = pb::GetProgramRequest { program_id: shop.program_id.clone(), ..Default::default() };
    let program = client.affiliates.get_program(request).await.unwrap().into_inner().program.unwrap();
    assert_eq!(program.terms.unwrap().custom_kinds, ["demo", "trial"]);
    let demo = client.tracking.record_custom_event(custom("demo-1", "Demo")).await.unwrap().into_inner();
    assert_eq!((demo.outcome(), demo.warnings.len()), (pb::ConversionOutcome::Attributed, 0));
    let again = client.tracking.record_custom_event(custom("demo-1", "DEMO")).await.unwrap().into_inner();
    assert!(again.replayed);
    client.tracking.record_custom_event(custom("trial-1", "trial")).await.unwrap();
    // A kind that the program does not declare is credited to nobody, and the answer says so, also when it is repeated.
    for replayed in [false, true] {
        let other = client.tracking.record_custom_event(custom("like-1", "liked")).await.unwrap().into_inner();
        assert_eq!((other.outcome(), other.replayed), (pb::ConversionOutcome::NotReferred, replayed));
        let fields: Vec<_> = other.warnings.iter().map(|warning| warning.field.as_str()).collect();
        assert_eq!(fields, ["custom_kind"]);
    }
    let other = recorded(client, pb::ConversionKind::CustomEvent, "like-1").await;
    assert_eq!(other.candidates[0].result(), pb::CandidateResult::KindNotDeclared);

    let conversion = recorded(client, pb::ConversionKind::CustomEvent, "demo-1").await;
    assert_eq!((conversion.custom_kind.as_str(), conversion.rewards.len()), ("demo", 0));
    assert_eq!(conversion.amount.unwrap().amount_minor, 5_000);
    let told: Vec<_> = feed(client).await.into_iter().map(|(kind, image)| (kind, image.custom_kind)).collect();
    let recorded = |kind: &str| (pb::EventKind::CustomEventRecorded, kind.to_owned());
    assert_eq!(told, [recorded("demo"), recorded("trial")]);
    let of_kind = |kind: &str| pb::ListConversionsRequest { custom_kind: kind.to_owned(), ..Default::default() };
    assert_eq!(listed(client, of_kind("Demo")).await, ["demo-1"]);
    assert_eq!(listed(client, of_kind("trial")).await, ["trial-1"]);
    assert_eq!(listed(client, of_kind("tri")).await, [""; 0]);
    let balances = client
        .rewards
        .get_balance(pb::GetBalanceRequest { affiliate, ..Default::default() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(balances.balances, []);
});

db_test!(g10_appointments_and_custom_events_are_taken_in_batches, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = open(&server).await.client;
    let click = pb::RecordClickRequest { ref_id: "ann".to_owned(), ..Default::default() };
    let tid = client.tracking.record_click(click).await.unwrap().into_inner().tid;
    let request = pb::RecordAppointmentRequest { tid, ..appointment("meeting", "17") };
    let items = [
        Item::Appointment(request.clone()),
        Item::CustomEvent(custom("demo-1", "demo")),
        Item::Appointment(request),
        Item::CustomEvent(pb::RecordCustomEventRequest { custom_kind: String::new(), ..custom("demo-2", "") }),
    ];
    let items = items.into_iter().map(|item| pb::BatchItem { item: Some(item) }).collect();
    let answer = client.tracking.batch_record_events(pb::BatchRecordEventsRequest { items }).await.unwrap();
    let answers: Vec<_> = answer.into_inner().results.into_iter().map(|result| result.answer.unwrap()).collect();
    let [Answer::Appointment(first), Answer::CustomEvent(demo), Answer::Appointment(again), Answer::Error(error)] =
        &answers[..]
    else {
        panic!("{answers:?}")
    };
    assert_eq!(
        (first.outcome(), demo.outcome()),
        (pb::ConversionOutcome::Attributed, pb::ConversionOutcome::Attributed)
    );
    assert_eq!(*again, pb::RecordAppointmentResponse { replayed: true, ..first.clone() });
    assert_eq!(error.code, Code::InvalidArgument as i32);
});

//! Leads that people create and change. The folder has the other changes.

mod attribution;
mod books;

use headwater::domain::time::Time;
use headwater::pb;
use pb::event::Subject;
use pb::lead_selector::Selector;
use prost_types::{FieldMask, Timestamp};
use testkit::client::Client;
use tonic::{Code, Status};

use crate::support::database::TestDatabase;
use crate::support::feed::from_beginning;
use crate::support::server::{START_MICROS, TestServer, reason};
use crate::support::shop::Shop;

fn by_email(email: &str) -> Option<pb::LeadSelector> {
    Some(pb::LeadSelector { selector: Some(Selector::Email(email.to_owned())) })
}

fn by_external_id(external_id: &str) -> Option<pb::LeadSelector> {
    Some(pb::LeadSelector { selector: Some(Selector::ExternalId(external_id.to_owned())) })
}

fn by_id(id: &str) -> Option<pb::LeadSelector> {
    Some(pb::LeadSelector { selector: Some(Selector::Id(id.to_owned())) })
}

fn by_code(code: &str) -> Option<pb::Referrer> {
    let selector = Some(pb::referrer::Selector::RefId(code.to_owned()));
    Some(pb::Referrer { selector, ..Default::default() })
}

fn seconds(day: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds: START_MICROS / 1_000_000 + day * 86_400, nanos: 0 })
}

fn said<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.unwrap_err();
    (status.code(), reason(&status))
}

async fn create(client: &mut Client, request: pb::CreateLeadRequest) -> Result<pb::Lead, Status> {
    Ok(client.tracking.create_lead(request).await?.into_inner().lead.unwrap())
}

async fn update(
    client: &mut Client,
    of: Option<pb::LeadSelector>,
    lead: pb::Lead,
    paths: &[&str],
) -> Result<pb::Lead, Status> {
    let request = pb::UpdateLeadRequest {
        selector: of,
        lead: Some(lead),
        update_mask: Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }),
        ..Default::default()
    };
    Ok(client.tracking.update_lead(request).await?.into_inner().lead.unwrap())
}

async fn attribute(client: &mut Client, lead: Option<pb::LeadSelector>, code: &str) -> Result<pb::Lead, Status> {
    let request = pb::AttributeLeadRequest {
        lead,
        referrer: by_code(code),
        reason: "Ann showed the mail".to_owned(),
        ..Default::default()
    };
    Ok(client.tracking.attribute_lead(request).await?.into_inner().lead.unwrap())
}

async fn get(client: &mut Client, lead: Option<pb::LeadSelector>) -> Result<pb::GetLeadResponse, Status> {
    client.tracking.get_lead(pb::GetLeadRequest { lead }).await.map(tonic::Response::into_inner)
}

async fn sell(client: &mut Client, event_id: &str, email: &str, external_id: &str) -> pb::RecordSaleResponse {
    let sale = pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        email: email.to_owned(),
        external_id: external_id.to_owned(),
        amount: Some(pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() }),
        ..Default::default()
    };
    client.tracking.record_sale(sale).await.unwrap().into_inner()
}

/// Kinds and leads of the events about leads.
async fn told(client: &mut Client) -> Vec<(pb::EventKind, pb::Lead)> {
    let request = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
    let events = client.feed.read_events(request).await.unwrap().into_inner().events;
    let leads = events.into_iter().filter_map(|event| match (event.kind(), event.subject) {
        (kind, Some(Subject::Lead(lead))) => Some((kind, lead)),
        _ => None,
    });
    leads.collect()
}

async fn verify(client: &mut Client) {
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
}

db_test!(f13_a_lead_is_created_for_a_referrer_with_all_its_fields, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    server.clock.set(Time::from_micros(START_MICROS).plus_days(10));
    let request = pb::CreateLeadRequest {
        request_id: "import-1".to_owned(),
        email: "Grace@Customers.example".to_owned(),
        external_id: "u-1".to_owned(),
        first_name: "Grace".to_owned(),
        last_name: "Hopper".to_owned(),
        state: pb::LeadState::Active.into(),
        plan: "pro".to_owned(),
        first_sale_time: seconds(2),
        metadata: [("crm".to_owned(), "17".to_owned())].into(),
        referrer: by_code("ANN"),
        referral_time: seconds(1),
        country_code: "nl".to_owned(),
    };
    let answer = shop.client.tracking.create_lead(request.clone()).await.unwrap().into_inner();
    let lead = answer.lead.clone().unwrap();
    let [credit] = &lead.credits[..] else { panic!("{lead:?}") };
    assert_eq!((credit.source(), &credit.affiliate_id), (pb::AttributionSource::Manual, &shop.affiliate_id));
    let expected = pb::Lead {
        id: lead.id.clone(),
        email: "grace@customers.example".to_owned(),
        email_as_sent: "Grace@Customers.example".to_owned(),
        external_id: "u-1".to_owned(),
        first_name: "Grace".to_owned(),
        last_name: "Hopper".to_owned(),
        state: pb::LeadState::Active.into(),
        credits: lead.credits.clone(),
        bind_time: seconds(1),
        referral_time: seconds(1),
        plan: "pro".to_owned(),
        first_sale_time: seconds(2),
        metadata: [("crm".to_owned(), "17".to_owned())].into(),
        country_code: "NL".to_owned(),
        create_time: seconds(10),
        update_time: seconds(10),
        ..Default::default()
    };
    assert_eq!(lead, expected);
    assert_eq!(get(&mut shop.client, by_id(&lead.id)).await.unwrap().lead, Some(expected.clone()));
    let again = shop.client.tracking.create_lead(request.clone()).await.unwrap().into_inner();
    assert_eq!(again, pb::CreateLeadResponse { replayed: true, ..answer });

    // The four states, and the three ways to name a referrer.
    let enrollment = get(&mut shop.client, by_id(&lead.id)).await.unwrap().enrollments.remove(0);
    use pb::referrer::Selector as By;
    let referrers = [By::EnrollmentId(enrollment.id), By::RefId("ann".to_owned()), By::Affiliate(shop.affiliate())];
    let states = [pb::LeadState::Subscribed, pb::LeadState::SignedUp, pb::LeadState::Cancelled];
    for (number, (selector, state)) in referrers.into_iter().zip(states).enumerate() {
        let request = pb::CreateLeadRequest {
            external_id: format!("n-{number}"),
            state: state.into(),
            referrer: Some(pb::Referrer { selector: Some(selector), ..Default::default() }),
            ..Default::default()
        };
        let lead = create(&mut shop.client, request).await.unwrap();
        assert_eq!((lead.state(), &lead.credits[0].affiliate_id), (state, &shop.affiliate_id));
        assert_eq!((lead.bind_time, lead.referral_time), (seconds(10), seconds(10)));
    }
    let sale = sell(&mut shop.client, "first", "", "n-0").await;
    assert_eq!(sale.credits[0].affiliate_id, shop.affiliate_id);

    // An identifier that a lead has is taken, in any spelling.
    let taken = pb::CreateLeadRequest { email: "GRACE@customers.example".to_owned(), ..Default::default() };
    let status = create(&mut shop.client, taken).await.unwrap_err();
    assert_eq!((status.code(), reason(&status)), (Code::AlreadyExists, "ALREADY_EXISTS".to_owned()));
    assert!(status.message().contains("email"), "{}", status.message());
    let unknown =
        pb::CreateLeadRequest { external_id: "new".to_owned(), referrer: by_code("nobody"), ..Default::default() };
    assert_eq!(said(create(&mut shop.client, unknown).await), (Code::NotFound, "LINK_NOT_FOUND".to_owned()));
    let unknown = pb::CreateLeadRequest { external_id: "new".to_owned(), ..Default::default() };
    assert!(create(&mut shop.client, unknown).await.unwrap().credits.is_empty());

    let kinds: Vec<_> = told(&mut shop.client).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds[..4], [pb::EventKind::LeadCreated; 4], "each lead has one event");
    verify(&mut shop.client).await;
});

db_test!(f14_a_lead_is_changed_and_its_former_identifiers_find_it, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let client = &mut shop.client;
    let request = pb::CreateLeadRequest {
        email: "grace@old.example".to_owned(),
        external_id: "u-1".to_owned(),
        referrer: by_code("ann"),
        ..Default::default()
    };
    let made = create(client, request).await.unwrap();
    let values = pb::Lead {
        email: "Grace@New.example".to_owned(),
        external_id: "u-2".to_owned(),
        state: pb::LeadState::Cancelled.into(),
        first_sale_time: seconds(0),
        plan: "gold".to_owned(),
        first_name: "Grace".to_owned(),
        last_name: "Hopper".to_owned(),
        metadata: [("crm".to_owned(), "17".to_owned())].into(),
        ..Default::default()
    };
    let paths = ["email", "external_id", "state", "first_sale_time", "plan", "first_name", "last_name", "metadata"];
    let lead = update(client, by_external_id("u-1"), values.clone(), &paths).await.unwrap();
    let expected = pb::Lead {
        id: made.id.clone(),
        email: "grace@new.example".to_owned(),
        email_as_sent: "Grace@New.example".to_owned(),
        update_time: lead.update_time,
        ..pb::Lead {
            credits: made.credits.clone(),
            bind_time: made.bind_time,
            referral_time: made.referral_time,
            create_time: made.create_time,
            ..values
        }
    };
    assert_eq!(lead, expected);
    // All four identifiers find it, in reads and in events.
    for selector in [
        by_email("grace@old.example"),
        by_email("grace@new.example"),
        by_external_id("u-1"),
        by_external_id("u-2"),
        by_id(&made.id),
    ] {
        let found = get(client, selector).await.unwrap();
        assert_eq!(found.lead.unwrap().id, made.id);
        assert_eq!(
            (found.former_emails, found.former_external_ids),
            (vec!["grace@old.example".to_owned()], vec!["u-1".to_owned()])
        );
    }
    for (number, (email, external_id)) in
        [("grace@old.example", ""), ("grace@new.example", ""), ("", "u-1"), ("", "u-2")].into_iter().enumerate()
    {
        let sale = sell(client, &format!("sale-{number}"), email, external_id).await;
        assert_eq!((sale.lead_id, sale.credits.len()), (made.id.clone(), 1));
    }
    // The row of a former identifier is no lead of its own.
    let listed = client.tracking.list_leads(pb::ListLeadsRequest::default()).await.unwrap().into_inner().leads;
    assert_eq!(listed.iter().map(|lead| &lead.id).collect::<Vec<_>>(), [&made.id]);
    // A former identifier is nobody else's, and may be taken back again and again.
    let other = pb::CreateLeadRequest { email: "grace@old.example".to_owned(), ..Default::default() };
    assert_eq!(said(create(client, other).await).0, Code::AlreadyExists);
    let email = |email: &str| pb::Lead { email: email.to_owned(), ..Default::default() };
    for address in ["grace@old.example", "grace@new.example", "grace@old.example"] {
        let lead = update(client, by_id(&made.id), email(address), &["email"]).await.unwrap();
        assert_eq!((&lead.id, &*lead.email), (&made.id, address));
        let found = get(client, by_email(address)).await.unwrap();
        assert_eq!((found.lead.unwrap().id, found.former_emails.len()), (made.id.clone(), 1));
    }
    // A field that is named and not sent is emptied, but one identifier stays.
    let lead = update(client, by_id(&made.id), pb::Lead::default(), &["plan", "email", "metadata"]).await.unwrap();
    assert_eq!((&*lead.plan, &*lead.email, lead.metadata.len()), ("", "", 0));
    let status = update(client, by_id(&made.id), pb::Lead::default(), &["external_id"]).await.unwrap_err();
    assert_eq!((status.code(), reason(&status)), (Code::InvalidArgument, "INVALID_FIELDS".to_owned()));
    assert!(status.message().starts_with("lead.external_id: "), "{}", status.message());

    // The number of former identifiers has a limit, and a refused change leaves nothing.
    let mut refused = None;
    for number in 0..200 {
        let address = format!("grace@{number}.example");
        if let Err(status) = update(client, by_id(&made.id), email(&address), &["email"]).await {
            refused = Some((number, status));
            break;
        }
    }
    let (number, status) = refused.unwrap();
    assert_eq!((status.code(), reason(&status)), (Code::FailedPrecondition, "LEAD_IDENTIFIER_LIMIT".to_owned()));
    assert!(number > 90, "{number}");
    let next = pb::CreateLeadRequest { email: format!("grace@{number}.example"), ..Default::default() };
    create(client, next).await.unwrap();
    verify(client).await;
});

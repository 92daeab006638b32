//! Leads that people create, change, bind by hand, merge and delete.

use headwater::domain::time::Time;
use headwater::pb;
use headwater::store::entity;
use pb::event::Subject;
use pb::lead_selector::Selector;
use prost_types::{FieldMask, Timestamp};
use sea_orm::{Database, EntityTrait};
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

async fn merge(
    client: &mut Client,
    lead: Option<pb::LeadSelector>,
    duplicate: Option<pb::LeadSelector>,
) -> Result<pb::Lead, Status> {
    let request = pb::MergeLeadsRequest { lead, duplicate, ..Default::default() };
    Ok(client.tracking.merge_leads(request).await?.into_inner().lead.unwrap())
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

/// The event_ids of a lead's conversions, credited or not.
async fn conversions(
    client: &mut Client,
    lead: Option<pb::LeadSelector>,
    page_size: i32,
    order: pb::ListOrder,
) -> Vec<String> {
    let outcomes = vec![pb::ConversionOutcome::Attributed.into(), pb::ConversionOutcome::NotReferred.into()];
    let mut request =
        pb::ListConversionsRequest { lead, outcomes, page_size, order: order.into(), ..Default::default() };
    let mut found = Vec::new();
    loop {
        let page = client.tracking.list_conversions(request.clone()).await.unwrap().into_inner();
        found.extend(page.conversions.into_iter().map(|conversion| conversion.event_id));
        if page.next_page_token.is_empty() {
            return found;
        }
        request.page_token = page.next_page_token;
    }
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

/// How many rows about leads and answers have one of these texts.
async fn rows_with(database: &TestDatabase, texts: &[&str]) -> usize {
    let connection = Database::connect(&database.url).await.unwrap();
    let leads = entity::lead::Entity::find().all(&connection).await.unwrap();
    let unmatched = entity::unmatched_sale::Entity::find().all(&connection).await.unwrap();
    let requests = entity::request::Entity::find().all(&connection).await.unwrap();
    let rows = leads.iter().map(|row| format!("{row:?}"));
    let rows = rows.chain(unmatched.iter().map(|row| format!("{row:?}")));
    let rows = rows.chain(requests.iter().map(|row| format!("{row:?}")));
    rows.filter(|row| texts.iter().any(|text| row.contains(text))).count()
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

db_test!(f15_a_deleted_lead_leaves_the_books_and_no_personal_data, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let affiliate = shop.affiliate();
    let client = &mut shop.client;
    let request = pb::CreateLeadRequest {
        request_id: "create".to_owned(),
        email: "Grace.Seeded@Customers.example".to_owned(),
        external_id: "seeded-1".to_owned(),
        first_name: "Seededfirst".to_owned(),
        last_name: "Seededlast".to_owned(),
        metadata: [("crm".to_owned(), "seeded-note".to_owned())].into(),
        referrer: by_code("ann"),
        ..Default::default()
    };
    // The binding does not pay for it, so it stays on the list of the sales that nobody referred.
    sell(client, "lone", "seeded-other@customers.example", "").await;
    server.clock.set(Time::from_micros(START_MICROS).plus_days(1));
    let made = client.tracking.create_lead(request.clone()).await.unwrap().into_inner().lead.unwrap();
    let found = get(client, by_id(&made.id)).await.unwrap();
    assert_eq!(found.lead.as_ref(), Some(&made));
    assert_eq!(found.affiliates[0].email, "ann@affiliates.example");
    assert_eq!(found.enrollments[0].ref_id, "ann");
    sell(client, "sale", "grace.seeded@customers.example", "").await;
    let renamed = pb::Lead { email: "seeded-new@customers.example".to_owned(), ..Default::default() };
    update(client, by_id(&made.id), renamed, &["email"]).await.unwrap();
    let why = pb::AttributeLeadRequest {
        lead: by_id(&made.id),
        referrer: by_code("ann"),
        reason: "Seededfirst said so".to_owned(),
        ..Default::default()
    };
    client.tracking.attribute_lead(why).await.unwrap();
    let other = pb::CreateLeadRequest { email: "seeded-other@customers.example".to_owned(), ..Default::default() };
    let other = create(client, other).await.unwrap();
    merge(client, by_id(&made.id), by_id(&other.id)).await.unwrap();
    sell(client, "stranger", "seeded-new@customers.example", "seeded-1").await;
    let balance = async |client: &mut Client| {
        let request = pb::GetBalanceRequest { affiliate: Some(affiliate.clone()) };
        client.rewards.get_balance(request).await.unwrap().into_inner().balances
    };
    let before = balance(client).await;
    let personal = ["seeded", "Seeded"];
    // The lead, its former address, the lead that was merged into it, and the sale that nobody referred.
    assert_eq!(rows_with(&database, &personal).await, 4);

    let request_id = "delete".to_owned();
    let delete = pb::DeleteLeadRequest { request_id, lead: by_email("grace.seeded@customers.example") };
    let answer = client.tracking.delete_lead(delete.clone()).await.unwrap().into_inner();
    assert_eq!(answer, pb::DeleteLeadResponse { lead_id: made.id.clone(), replayed: false });
    let again = client.tracking.delete_lead(delete).await.unwrap().into_inner();
    assert_eq!(again, pb::DeleteLeadResponse { replayed: true, ..answer });

    for selector in [
        by_id(&made.id),
        by_id(&other.id),
        by_email("grace.seeded@customers.example"),
        by_email("seeded-new@customers.example"),
        by_email("seeded-other@customers.example"),
        by_external_id("seeded-1"),
    ] {
        assert_eq!(said(get(client, selector).await), (Code::NotFound, "LEAD_NOT_FOUND".to_owned()));
    }
    let listed = client.tracking.list_leads(pb::ListLeadsRequest::default()).await.unwrap().into_inner().leads;
    assert!(listed.is_empty(), "{listed:?}");
    let of_ann = pb::ListLeadsRequest { affiliate: Some(affiliate.clone()), ..Default::default() };
    assert!(client.tracking.list_leads(of_ann).await.unwrap().into_inner().leads.is_empty());
    assert_eq!(rows_with(&database, &personal).await, 0);
    assert_eq!(told(client).await.last().unwrap().0, pb::EventKind::LeadDeleted);

    // The books are as before, and a refund of a sale still takes its reward back.
    assert_eq!(balance(client).await, before);
    let refund = pb::RecordRefundRequest {
        event_id: "refund".to_owned(),
        sale_event_id: "sale".to_owned(),
        amount: Some(pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() }),
        ..Default::default()
    };
    let refund = client.tracking.record_refund(refund).await.unwrap().into_inner();
    assert_eq!(refund.outcome(), pb::ConversionOutcome::Attributed);
    // The answers of earlier calls have no personal data any more.
    let again = client.tracking.create_lead(request).await.unwrap().into_inner();
    let lead = again.lead.unwrap();
    assert!(again.replayed && lead.id == made.id);
    assert_eq!((&*lead.email, &*lead.external_id, &*lead.first_name, &*lead.last_name), ("", "", "", ""));
    // The person may come back, as another lead.
    let sale = sell(client, "back", "grace.seeded@customers.example", "").await;
    assert_eq!(sale.outcome(), pb::ConversionOutcome::NotReferred);
    verify(client).await;
});

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

db_test!(f14_two_leads_of_one_person_are_merged, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let affiliate = shop.affiliate();
    let client = &mut shop.client;
    let bea = pb::CreateAffiliateRequest {
        email: "bea@affiliates.example".to_owned(),
        ref_id: "bea".to_owned(),
        ..Default::default()
    };
    let bea = client.affiliates.create_affiliate(bea).await.unwrap().into_inner().affiliate.unwrap();
    let lead = |external_id: &str, email: &str, code: &str| pb::CreateLeadRequest {
        email: email.to_owned(),
        external_id: external_id.to_owned(),
        referrer: by_code(code),
        ..Default::default()
    };
    // The row of the lead that stays comes first in the order of ids, although it takes the address of the other.
    let named =
        pb::CreateLeadRequest { first_name: "Bob".to_owned(), plan: "pro".to_owned(), ..lead("u-1", "", "ann") };
    let kept = create(client, named).await.unwrap();
    let gone = create(client, lead("", "Bob@Customers.example", "bea")).await.unwrap();
    for (event_id, email, external_id) in [
        ("gone-1", "bob@customers.example", ""),
        ("kept-1", "", "u-1"),
        ("gone-2", "bob@customers.example", ""),
        ("kept-2", "", "u-1"),
    ] {
        sell(client, event_id, email, external_id).await;
    }
    let merged = merge(client, by_external_id("u-1"), by_email("bob@customers.example")).await.unwrap();
    assert_eq!((&merged.id, &*merged.email, &*merged.external_id), (&kept.id, "bob@customers.example", "u-1"));
    assert_eq!((&*merged.first_name, &*merged.plan, &*merged.email_as_sent), ("Bob", "pro", "Bob@Customers.example"));
    assert_eq!((&merged.merged_lead_ids, &merged.credits), (&vec![gone.id.clone()], &kept.credits));
    for selector in [by_id(&gone.id), by_id(&kept.id), by_email("bob@customers.example"), by_external_id("u-1")] {
        assert_eq!(get(client, selector).await.unwrap().lead.as_ref(), Some(&merged));
    }
    // Rewards stay where they were earned, and the list has the conversions of both, in either order and on pages of any size.
    let all = ["gone-1", "kept-1", "gone-2", "kept-2"];
    for page_size in [1, 3, 50] {
        assert_eq!(conversions(client, by_id(&kept.id), page_size, pb::ListOrder::OldestFirst).await, all);
        let mut newest = conversions(client, by_id(&gone.id), page_size, pb::ListOrder::NewestFirst).await;
        newest.reverse();
        assert_eq!(newest, all);
    }
    for selector in [
        affiliate.clone(),
        pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(bea.id.clone())) },
    ] {
        let request = pb::GetBalanceRequest { affiliate: Some(selector) };
        let balances = client.rewards.get_balance(request).await.unwrap().into_inner().balances;
        assert_eq!(crate::support::feed::cash(balances[0].pending.as_ref()).amount_minor, 400);
    }
    let next = sell(client, "next", "bob@customers.example", "").await;
    assert_eq!((&next.lead_id, &next.credits[0].affiliate_id), (&kept.id, &shop.affiliate_id));
    // The lead that is gone is on no list.
    for affiliate in
        [None, Some(pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(bea.id.clone())) })]
    {
        let listed =
            client.tracking.list_leads(pb::ListLeadsRequest { affiliate, ..Default::default() }).await.unwrap();
        assert!(listed.into_inner().leads.iter().all(|lead| lead.id == kept.id));
    }
    let events = told(client).await;
    let (_, image) = events.iter().find(|(kind, _)| *kind == pb::EventKind::LeadMerged).unwrap();
    assert_eq!((&image.id, &image.merged_into_lead_id), (&gone.id, &kept.id));
    // A lead that was merged may be named in a further merge, and is the one that it was merged into.
    let status = merge(client, by_id(&kept.id), by_id(&gone.id)).await.unwrap_err();
    assert_eq!((status.code(), reason(&status)), (Code::InvalidArgument, "INVALID_FIELDS".to_owned()));
    assert!(status.message().starts_with("duplicate: "), "{}", status.message());
    let third = create(client, lead("u-3", "", "bea")).await.unwrap();
    let merged = merge(client, by_id(&third.id), by_id(&gone.id)).await.unwrap();
    assert_eq!(merged.merged_lead_ids, [gone.id.clone(), kept.id.clone()]);
    assert_eq!(get(client, by_id(&gone.id)).await.unwrap().lead.unwrap().id, third.id);
    // An identifier of a merged lead may become the lead's own.
    let email = pb::Lead { external_id: "u-1".to_owned(), ..Default::default() };
    let updated = update(client, by_id(&third.id), email, &["external_id"]).await.unwrap();
    assert_eq!((&*updated.external_id, &updated.id), ("u-1", &third.id));
    assert_eq!(get(client, by_external_id("u-3")).await.unwrap().lead.unwrap().id, third.id);
    verify(client).await;
});

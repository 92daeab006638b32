//! Leads that are merged and deleted, which leaves the books as they are.

use headwater::domain::time::Time;
use headwater::pb;
use headwater::store::entity;
use sea_orm::{Database, EntityTrait};
use testkit::client::Client;
use tonic::{Code, Status};

use super::{by_code, by_email, by_external_id, by_id, create, get, said, sell, told, update, verify};
use crate::support::database::TestDatabase;
use crate::support::feed::cash;
use crate::support::server::{START_MICROS, TestServer, reason};
use crate::support::shop::Shop;

async fn merge(
    client: &mut Client,
    lead: Option<pb::LeadSelector>,
    duplicate: Option<pb::LeadSelector>,
) -> Result<pb::Lead, Status> {
    let request = pb::MergeLeadsRequest { lead, duplicate, ..Default::default() };
    Ok(client.tracking.merge_leads(request).await?.into_inner().lead.unwrap())
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
        let request = pb::GetBalanceRequest { affiliate: Some(affiliate.clone()), ..Default::default() };
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
        let request = pb::GetBalanceRequest { affiliate: Some(selector), ..Default::default() };
        let balances = client.rewards.get_balance(request).await.unwrap().into_inner().balances;
        assert_eq!(cash(balances[0].pending.as_ref()).amount_minor, 400);
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

//! The audit log: row P37.

use headwater::pb;
use testkit::client::Client;
use tonic::Request;

use crate::support::database::TestDatabase;
use crate::support::feed::from_beginning;
use crate::support::server::{TestServer, reason};

async fn entries(client: &mut Client, api_key_id: &str) -> Vec<pb::AuditEntry> {
    let request = pb::ListAuditEntriesRequest { api_key_id: api_key_id.to_owned(), ..Default::default() };
    client.accounts.list_audit_entries(request).await.unwrap().into_inner().audit_entries
}

async fn own_id(client: &mut Client) -> String {
    let answer = client.accounts.check_api_key(pb::CheckApiKeyRequest {}).await.unwrap().into_inner();
    answer.api_key.unwrap().id
}

fn methods(entries: &[pb::AuditEntry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.called_method.rsplit('/').next().unwrap()).collect()
}

db_test!(p37_who_did_what_from_where_is_recorded_with_its_effect, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut owner = server.new_account("shop").await;
    let mut other = server.new_account("other").await;
    let mut operator = Client::connect(&server.address, &server.operator_key).await.unwrap();
    let (owner_id, operator_id) = (own_id(&mut owner).await, own_id(&mut operator).await);
    let new_key = |kind: pb::ApiKeyKind| pb::CreateApiKeyRequest { kind: kind.into(), ..Default::default() };
    let second = owner.accounts.create_api_key(new_key(pb::ApiKeyKind::Admin)).await.unwrap().into_inner();
    let mut second_client = Client::connect(&server.address, &second.api_key_text).await.unwrap();
    let second_id = second.api_key.unwrap().id;

    let item = |sku: &str, request_id: &str| pb::CreateItemRequest {
        request_id: request_id.to_owned(),
        sku: sku.to_owned(),
        ..Default::default()
    };
    let mut call = Request::new(item("mug", "once"));
    call.metadata_mut().insert("x-request-id", "order-17".parse().unwrap());
    let made = second_client.affiliates.create_item(call).await.unwrap().into_inner().item.unwrap();
    // A repeat, a refused call, a read and an event that is told have no entry.
    second_client.affiliates.create_item(item("mug", "once")).await.unwrap();
    second_client.affiliates.create_item(item("mug", "")).await.unwrap_err();
    second_client.affiliates.list_items(pb::ListItemsRequest::default()).await.unwrap();
    let lead = pb::RecordLeadRequest {
        event_id: "lead".to_owned(),
        email: "bob@customers.example".to_owned(),
        ..Default::default()
    };
    second_client.tracking.record_lead(lead).await.unwrap();
    let suspend = pb::SuspendAccountRequest {
        account: Some(pb::AccountSelector {
            selector: Some(pb::account_selector::Selector::Email("shop@owners.example".to_owned())),
        }),
        suspension_reason: "spam".to_owned(),
        ..Default::default()
    };
    operator.accounts.suspend_account(suspend).await.unwrap();

    let all = entries(&mut owner, "").await;
    assert_eq!(methods(&all), ["RegisterAccount", "CreateApiKey", "CreateItem", "SuspendAccount"]);
    let keys: Vec<&str> = all.iter().map(|entry| &*entry.api_key_id).collect();
    assert_eq!(keys, [&operator_id, &owner_id, &second_id, &operator_id]);
    let kinds: Vec<pb::ApiKeyKind> = all.iter().map(pb::AuditEntry::api_key_kind).collect();
    let (by_operator, by_admin) = (pb::ApiKeyKind::ServerOperator, pb::ApiKeyKind::Admin);
    assert_eq!(kinds, [by_operator, by_admin, by_admin, by_operator]);
    assert!(all.iter().all(|entry| entry.address == "127.0.0.1" && entry.create_time.is_some()), "{all:?}");
    let entry = &all[2];
    assert_eq!(entry.called_method, "headwater.v1.AffiliateService/CreateItem");
    assert_eq!((&entry.subject_id, entry.call_id.as_str()), (&made.id, "order-17"));
    assert_eq!(all[1].subject_id, second_id);
    assert_eq!(methods(&entries(&mut owner, &second_id).await), ["CreateItem"]);

    // Nobody sees the entries of others. Operators see those about operator keys.
    assert_eq!(methods(&entries(&mut other, "").await), ["RegisterAccount"]);
    operator.accounts.create_api_key(new_key(pb::ApiKeyKind::ServerOperator)).await.unwrap();
    assert_eq!(methods(&entries(&mut operator, "").await), ["CreateApiKey"]);
    let tracking = other.accounts.create_api_key(new_key(pb::ApiKeyKind::Tracking)).await.unwrap().into_inner();
    let mut tracking = Client::connect(&server.address, &tracking.api_key_text).await.unwrap();
    let refused = tracking.accounts.list_audit_entries(pb::ListAuditEntriesRequest::default()).await.unwrap_err();
    assert_eq!(reason(&refused), "KEY_KIND_NOT_ALLOWED");
});

db_test!(p37_the_feed_says_who_caused_each_event, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut owner = server.new_account("shop").await;
    let item = |sku: &str| pb::CreateItemRequest { sku: sku.to_owned(), ..Default::default() };
    let mut call = Request::new(item("mug"));
    call.metadata_mut().insert("x-request-id", "order-17".parse().unwrap());
    owner.affiliates.create_item(call).await.unwrap();
    owner.affiliates.create_item(item("mug")).await.unwrap_err();
    let lead = pb::RecordLeadRequest {
        event_id: "lead".to_owned(),
        email: "bob@customers.example".to_owned(),
        ..Default::default()
    };
    owner.tracking.record_lead(lead).await.unwrap();

    let listed = entries(&mut owner, "").await;
    assert!(listed.iter().all(|entry| !entry.address.is_empty()));
    let in_feed = |entry: &pb::AuditEntry| pb::AuditEntry { address: String::new(), ..entry.clone() };
    let request = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
    let events = owner.feed.read_events(request).await.unwrap().into_inner().events;
    // Each event of a call has the call's entry, and each entry is there in the order of the list.
    let mut seen: Vec<pb::AuditEntry> = events.iter().filter_map(|event| event.audit_entry.clone()).collect();
    seen.dedup();
    assert_eq!(seen, listed.iter().map(in_feed).collect::<Vec<_>>());
    let by_method = |name: &str| {
        let is_of =
            |event: &&pb::Event| event.audit_entry.as_ref().is_some_and(|entry| entry.called_method.ends_with(name));
        events.iter().filter(is_of).map(pb::Event::kind).collect::<Vec<_>>()
    };
    let (registered, key) = (pb::EventKind::AccountRegistered, pb::EventKind::ApiKeyCreated);
    assert_eq!(by_method("/RegisterAccount"), [registered, key]);
    assert_eq!(by_method("/CreateItem"), [pb::EventKind::ItemCreated]);
    let entry = seen.iter().find(|entry| entry.called_method.ends_with("/CreateItem")).unwrap();
    assert_eq!((entry.call_id.as_str(), &entry.api_key_id), ("order-17", &own_id(&mut owner).await));
    // What tracking keys may tell has no entry.
    let told: Vec<_> = events.iter().filter(|event| event.audit_entry.is_none()).map(pb::Event::kind).collect();
    assert_eq!(told, [pb::EventKind::LeadCreated]);

    // The entry of a call has its place in the stream of a reader that waits too.
    let start =
        Some(pb::FeedStart { place: Some(pb::feed_start::Place::AfterCursor(events.last().unwrap().cursor.clone())) });
    let mut reader = Client::connect(&server.address, &owner.key).await.unwrap();
    let mut stream =
        reader.feed.watch_events(pb::WatchEventsRequest { start, ..Default::default() }).await.unwrap().into_inner();
    stream.message().await.unwrap();
    owner.affiliates.create_item(item("cup")).await.unwrap();
    let newest = in_feed(entries(&mut owner, "").await.last().unwrap());
    let event = loop {
        if let Some(pb::watch_events_response::Content::Batch(batch)) = stream.message().await.unwrap().unwrap().content
        {
            break batch.events.into_iter().next().unwrap();
        }
    };
    assert_eq!(event.audit_entry, Some(newest));
});

//! Items: rows W5 and W6.

use headwater::pb;
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::database::TestDatabase;
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

fn item(sku: &str) -> pb::CreateItemRequest {
    pb::CreateItemRequest { sku: sku.to_owned(), display_name: format!("The {sku}"), ..Default::default() }
}

fn by_sku(sku: &str) -> pb::GetItemRequest {
    let selector = Some(pb::item_selector::Selector::Sku(sku.to_owned()));
    pb::GetItemRequest { item: Some(pb::ItemSelector { selector }) }
}

db_test!(w5_an_items_name_is_unique_in_the_account, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let made = client.affiliates.create_item(item("mug")).await.unwrap().into_inner().item.unwrap();
    let status = client.affiliates.create_item(item("mug")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::AlreadyExists, "ALREADY_EXISTS"));
    let metadata = status.get_error_details().error_info().unwrap().metadata.clone();
    assert_eq!((metadata["field"].as_str(), metadata["resource_id"].as_str()), ("sku", made.id.as_str()));
    // Another account may have the name, and any text that people use as one is taken.
    let mut other = Shop::open(&server, "other").await.client;
    other.affiliates.create_item(item("mug")).await.unwrap();
    for sku in ["MUG", "mug 0.3 l", "\u{fc}n\u{ef}-\u{1f600}", "10%"] {
        client.affiliates.create_item(item(sku)).await.unwrap();
        let found = client.affiliates.get_item(by_sku(sku)).await.unwrap().into_inner().item.unwrap();
        assert_eq!(found.sku, sku);
    }
    for sku in ["", " ", "two\nlines", &"x".repeat(129)] {
        let status = client.affiliates.create_item(item(sku)).await.unwrap_err();
        assert_eq!(reason(&status), "INVALID_FIELDS", "{sku:?}");
    }
    // 32 callers create one item; one of them does.
    let mut calls = Vec::new();
    for _ in 0..32 {
        let mut client = client.clone();
        calls.push(tokio::spawn(async move { client.affiliates.create_item(item("raced")).await.is_ok() }));
    }
    let mut made = 0;
    for call in calls {
        made += usize::from(call.await.unwrap());
    }
    assert_eq!(made, 1);
});

db_test!(w6_all_items_are_listed_read_changed_and_archived, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let mut ids = Vec::new();
    for number in 0..7 {
        let made = client.affiliates.create_item(item(&format!("item-{number}"))).await.unwrap().into_inner();
        ids.push(made.item.unwrap().id);
    }
    let request = pb::UpdateItemRequest {
        item: Some(pb::Item {
            id: ids[3].clone(),
            display_name: "New".to_owned(),
            sku: "unread".to_owned(),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".to_owned()] }),
        ..Default::default()
    };
    let updated = client.affiliates.update_item(request).await.unwrap().into_inner().item.unwrap();
    assert_eq!((updated.sku.as_str(), updated.display_name.as_str()), ("item-3", "New"));
    for _ in 0..2 {
        let request = pb::ArchiveItemRequest { item_id: ids[5].clone(), ..Default::default() };
        let archived = client.affiliates.archive_item(request).await.unwrap().into_inner().item.unwrap();
        assert!(archived.state() == pb::ItemState::Archived && archived.archive_time.is_some());
    }
    // An archived item is found by its id only, and its name is free.
    let status = client.affiliates.get_item(by_sku("item-5")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "ITEM_NOT_FOUND"));
    client.affiliates.create_item(item("item-5")).await.unwrap();

    let mut found = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListItemsRequest { page_size: 3, page_token, ..Default::default() };
        let page = client.affiliates.list_items(request).await.unwrap().into_inner();
        found.extend(page.items.into_iter().map(|item| item.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(found[..7], ids, "all of them, archived ones too, in the order of creation");
    assert_eq!(found.len(), 8);
    let request = pb::ListItemsRequest { states: vec![pb::ItemState::Archived.into()], ..Default::default() };
    let archived = client.affiliates.list_items(request).await.unwrap().into_inner().items;
    assert_eq!(archived.iter().map(|item| &item.id).collect::<Vec<_>>(), [&ids[5]]);
});

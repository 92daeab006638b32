//! Groups of affiliates: what they are called, who is in them, and how affiliates are listed by them. Part of rows P15 and P18.

use headwater::pb;
use pb::affiliate_batch_item::Item;
use pb::affiliate_batch_result::Answer;
use testkit::client::Client;
use tonic::{Code, Status};

use super::affiliate::{by_email, create, mask, new};
use crate::support::database::TestDatabase;
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

async fn make(client: &mut Client, name: &str) -> Result<pb::AffiliateGroup, Status> {
    let request = pb::CreateAffiliateGroupRequest { display_name: name.to_owned(), ..Default::default() };
    Ok(client.affiliates.create_affiliate_group(request).await?.into_inner().group.unwrap())
}

async fn rename(client: &mut Client, id: &str, name: &str) -> Result<pb::AffiliateGroup, Status> {
    let request = pb::UpdateAffiliateGroupRequest {
        group: Some(pb::AffiliateGroup { id: id.to_owned(), display_name: name.to_owned(), ..Default::default() }),
        update_mask: mask(&["display_name"]),
        ..Default::default()
    };
    Ok(client.affiliates.update_affiliate_group(request).await?.into_inner().group.unwrap())
}

async fn archive(client: &mut Client, id: &str) -> pb::AffiliateGroup {
    let request = pb::ArchiveAffiliateGroupRequest { group_id: id.to_owned(), ..Default::default() };
    client.affiliates.archive_affiliate_group(request).await.unwrap().into_inner().group.unwrap()
}

fn put_into(email: &str, group_id: &str) -> pb::UpdateAffiliateRequest {
    pb::UpdateAffiliateRequest {
        affiliate: Some(pb::Affiliate { group_id: group_id.to_owned(), ..Default::default() }),
        update_mask: mask(&["group_id"]),
        selector: by_email(email),
        ..Default::default()
    }
}

/// The email addresses in a group, as they are listed and counted.
async fn members(client: &mut Client, group_id: &str) -> Vec<String> {
    let request = pb::ListAffiliatesRequest { group_id: group_id.to_owned(), ..Default::default() };
    let listed = client.affiliates.list_affiliates(request).await.unwrap().into_inner().affiliates;
    let request = pb::CountAffiliatesRequest { group_id: group_id.to_owned(), ..Default::default() };
    let counted = client.affiliates.count_affiliates(request).await.unwrap().into_inner();
    assert_eq!(usize::try_from(counted.total_count).unwrap(), listed.len());
    listed.into_iter().map(|affiliate| affiliate.email).collect()
}

fn check<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, expected: &str) {
    let status = answer.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (code, expected), "{status:?}");
}

db_test!(p15_groups_have_names_of_their_own, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let gold = make(&mut client, "Gold").await.unwrap();
    let silver = make(&mut client, "Silver").await.unwrap();
    check(make(&mut client, " Gold ").await, Code::AlreadyExists, "ALREADY_EXISTS");
    check(rename(&mut client, &silver.id, "Gold").await, Code::AlreadyExists, "ALREADY_EXISTS");
    make(&mut client, "gold").await.unwrap();
    // A name that is given up is free, also for the next change of one batch of the server.
    rename(&mut client, &gold.id, "Old gold").await.unwrap();
    assert_eq!(rename(&mut client, &silver.id, "Gold").await.unwrap().display_name, "Gold");
    assert_eq!(rename(&mut client, &silver.id, "Gold").await.unwrap().display_name, "Gold");
    let archived = archive(&mut client, &silver.id).await;
    assert!(archived.state() == pb::AffiliateGroupState::Archived && archived.archive_time.is_some());
    assert_eq!(archive(&mut client, &silver.id).await, archived);
    check(rename(&mut client, &silver.id, "Bronze").await, Code::FailedPrecondition, "AFFILIATE_GROUP_ARCHIVED");
    make(&mut client, "Gold").await.unwrap();

    let read = pb::GetAffiliateGroupRequest { group_id: silver.id.clone() };
    let read = client.affiliates.get_affiliate_group(read).await.unwrap().into_inner().group.unwrap();
    assert_eq!(read, archived);
    let list = pb::ListAffiliateGroupsRequest::default();
    let listed = client.affiliates.list_affiliate_groups(list).await.unwrap().into_inner().groups;
    let names: Vec<&str> = listed.iter().map(|group| group.display_name.as_str()).collect();
    assert_eq!(names, ["Old gold", "Gold", "gold", "Gold"]);
    let states = vec![pb::AffiliateGroupState::Archived.into()];
    let list = pb::ListAffiliateGroupsRequest { states, ..Default::default() };
    let listed = client.affiliates.list_affiliate_groups(list).await.unwrap().into_inner().groups;
    assert_eq!(listed, [archived]);
    // Another account does not see them.
    let mut other = Shop::open(&server, "other").await.client;
    check(rename(&mut other, &gold.id, "Mine").await, Code::NotFound, "AFFILIATE_GROUP_NOT_FOUND");
    make(&mut other, "Gold").await.unwrap();
});

db_test!(p15_affiliates_are_put_into_groups_and_listed_by_them, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let gold = make(&mut client, "Gold").await.unwrap().id;
    let silver = make(&mut client, "Silver").await.unwrap().id;
    let made = create(&mut client, pb::CreateAffiliateRequest { group_id: gold.clone(), ..new("bea@a.example") }).await;
    assert_eq!(made.affiliate.unwrap().group_id, gold);
    let updated = client.affiliates.update_affiliate(put_into("ann@affiliates.example", &gold)).await.unwrap();
    assert_eq!(updated.into_inner().affiliate.unwrap().group_id, gold);
    assert_eq!(members(&mut client, &gold).await, ["ann@affiliates.example", "bea@a.example"]);
    // In one group at most.
    client.affiliates.update_affiliate(put_into("bea@a.example", &silver)).await.unwrap();
    assert_eq!(members(&mut client, &gold).await, ["ann@affiliates.example"]);
    assert_eq!(members(&mut client, &silver).await, ["bea@a.example"]);
    client.affiliates.update_affiliate(put_into("bea@a.example", "")).await.unwrap();
    assert_eq!(members(&mut client, &silver).await, [""; 0]);

    // Who is in an archived group stays, and nobody joins.
    archive(&mut client, &gold).await;
    assert_eq!(members(&mut client, &gold).await, ["ann@affiliates.example"]);
    client.affiliates.update_affiliate(put_into("ann@affiliates.example", &gold)).await.unwrap();
    let joining = client.affiliates.update_affiliate(put_into("bea@a.example", &gold)).await;
    assert!(joining.as_ref().unwrap_err().message().starts_with("affiliate.group_id: "), "{joining:?}");
    check(joining, Code::FailedPrecondition, "AFFILIATE_GROUP_ARCHIVED");
    let new = pb::CreateAffiliateRequest { group_id: gold, ..new("cid@a.example") };
    check(client.affiliates.create_affiliate(new).await, Code::FailedPrecondition, "AFFILIATE_GROUP_ARCHIVED");
});

db_test!(p18_many_affiliates_are_put_into_a_group_at_once, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let gold = make(&mut client, "Gold").await.unwrap().id;
    let emails: Vec<String> = (0..20).map(|number| format!("member{number}@a.example")).collect();
    for email in &emails {
        create(&mut client, new(email)).await;
    }
    let wanted = emails.iter().map(String::as_str).chain(["nobody@a.example"]);
    let items =
        wanted.map(|email| pb::AffiliateBatchItem { item: Some(Item::Update(put_into(email, &gold))) }).collect();
    let request = pb::BatchChangeAffiliatesRequest { items };
    let results = client.affiliates.batch_change_affiliates(request).await.unwrap().into_inner().results;
    let (last, changed) = results.split_last().unwrap();
    assert_eq!(changed.len(), emails.len());
    for result in changed {
        let Some(Answer::Update(answer)) = &result.answer else { panic!("{result:?}") };
        assert_eq!(answer.affiliate.as_ref().unwrap().group_id, gold);
    }
    let Some(Answer::Error(error)) = &last.answer else { panic!("{last:?}") };
    assert!(error.code == i32::from(Code::NotFound) && error.message.starts_with("selector: "), "{error:?}");
    assert_eq!(members(&mut client, &gold).await, emails);
});

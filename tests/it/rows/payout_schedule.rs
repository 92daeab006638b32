//! Payout schedules over the wire: each planned time has one run, whoever creates it.

use headwater::pb;
use pb::event::Subject;
use pb::payout_timing::Recurrence;
use testkit::client::Client;
use tonic::Status;

use super::payout_run::{create_affiliate, finished, give, payouts_of, two_servers, usd, verify};
use crate::feed_images::all_events;
use crate::support::database::TestDatabase;
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

/// At midnight of every day.
fn daily() -> pb::CreatePayoutScheduleRequest {
    let cycle = Recurrence::Cycle(pb::PayoutCycle { interval_days: 1, first_day: "2026-01-01".to_owned() });
    pb::CreatePayoutScheduleRequest {
        display_name: "Daily".to_owned(),
        timing: Some(pb::PayoutTiming { recurrence: Some(cycle), time_of_day_minutes: 0 }),
        currency_code: "USD".to_owned(),
        all_affiliates: true,
        ..Default::default()
    }
}

async fn create(client: &mut Client, request: pb::CreatePayoutScheduleRequest) -> Result<pb::PayoutSchedule, Status> {
    Ok(client.payouts.create_payout_schedule(request).await?.into_inner().payout_schedule.unwrap())
}

async fn update(
    client: &mut Client,
    payout_schedule: pb::PayoutSchedule,
    path: &str,
) -> Result<pb::PayoutSchedule, Status> {
    let request = pb::UpdatePayoutScheduleRequest {
        payout_schedule: Some(payout_schedule),
        update_mask: Some(prost_types::FieldMask { paths: vec![path.to_owned()] }),
        ..Default::default()
    };
    Ok(client.payouts.update_payout_schedule(request).await?.into_inner().payout_schedule.unwrap())
}

async fn get(client: &mut Client, id: &str) -> pb::PayoutSchedule {
    let request = pb::GetPayoutScheduleRequest { payout_schedule_id: id.to_owned() };
    client.payouts.get_payout_schedule(request).await.unwrap().into_inner().payout_schedule.unwrap()
}

/// Creates the runs that are due, and their payouts.
async fn run_due(server: &TestServer) {
    server.server.app().run_due_schedules().await.unwrap();
    server.server.app().create_payouts_of_runs().await.unwrap();
}

/// The runs that the feed has, in their order.
async fn runs(client: &mut Client) -> Vec<pb::PayoutRun> {
    let events = all_events(client).await.into_iter();
    let created = events.filter(|event| event.kind() == pb::EventKind::PayoutRunCreated);
    let run = |event: pb::Event| match event.subject {
        Some(Subject::PayoutRun(run)) => run,
        other => panic!("{other:?}"),
    };
    created.map(run).collect()
}

// The workers of both servers look at the same time, many times each.
db_test!(p30_each_planned_time_has_one_run_whoever_creates_it, |database: TestDatabase| async move {
    let (first, second) = two_servers(&database).await;
    let mut client = Shop::open(&first, "shop").await.client;
    let schedule = create(&mut client, daily()).await.unwrap();
    create_affiliate(&mut client, "dot").await;
    let servers = [&first, second.as_ref().unwrap_or(&first)];
    for day in 1..=3 {
        give(&mut client, "dot", 100 * day).await;
        first.clock.advance_days(1);
        second.iter().for_each(|server| server.clock.advance_days(1));
        let at_once = (0..32).flat_map(|_| servers).map(|server| server.server.app().run_due_schedules());
        for ended in futures::future::join_all(at_once).await {
            ended.unwrap();
        }
        run_due(&first).await;
        let found = runs(&mut client).await;
        assert_eq!(found.len(), usize::try_from(day).unwrap());
        let run = finished(&mut client, &found.last().unwrap().id).await;
        assert_eq!((run.payout_count, run.total.clone()), (1, Some(usd(100 * day))));
        assert_eq!((&run.payout_schedule_id, &run.creator_key_id), (&schedule.id, &schedule.setter_key_id));
        assert!(run.planned_time.unwrap().seconds <= run.create_time.unwrap().seconds);
        assert_eq!(get(&mut client, &schedule.id).await.last_payout_run_id, run.id);
    }
    verify(&mut client).await;
});

db_test!(p30_a_server_that_was_down_creates_one_run_for_the_last_time, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let client = &mut shop.client;
    let schedule = create(client, daily()).await.unwrap();
    let first_time = schedule.next_run_time.unwrap();
    create_affiliate(client, "dot").await;
    give(client, "dot", 700).await;
    server.clock.advance_days(40);
    run_due(&server).await;
    run_due(&server).await;
    let found = runs(client).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].planned_time.unwrap().seconds, first_time.seconds + 39 * 86_400);
    let moved = get(client, &schedule.id).await;
    assert_eq!(moved.next_run_time.unwrap().seconds, first_time.seconds + 40 * 86_400);
    // Nobody is owed anything any more. Only a person's change is a change.
    finished(client, &found[0].id).await;
    server.clock.advance_days(1);
    run_due(&server).await;
    assert_eq!(runs(client).await.len(), 1);
    let moved = get(client, &schedule.id).await;
    assert_eq!(moved.next_run_time.unwrap().seconds, first_time.seconds + 41 * 86_400);
    assert_eq!((&moved.etag, moved.update_time), (&schedule.etag, schedule.update_time));
    verify(client).await;
});

db_test!(p30_a_schedule_is_changed_by_who_knows_its_state, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let dot = create_affiliate(&mut client, "dot").await;
    let schedule = create(&mut client, daily()).await.unwrap();
    server.clock.pass(std::time::Duration::from_secs(1));
    let values = pb::PayoutSchedule { id: schedule.id.clone(), etag: schedule.etag.clone(), ..Default::default() };
    let named = pb::PayoutSchedule { affiliate_ids: vec![dot.clone()], ..values.clone() };
    let changed = update(&mut client, named, "affiliate_ids").await.unwrap();
    assert_eq!((changed.all_affiliates, &changed.affiliate_ids), (false, &vec![dot]));
    assert_ne!(changed.etag, schedule.etag);
    assert_eq!(changed.next_run_time, schedule.next_run_time);
    let late = pb::PayoutSchedule { needs_approval: true, ..values.clone() };
    assert_eq!(reason(&update(&mut client, late, "needs_approval").await.unwrap_err()), "ETAG_MISMATCH");
    // Nobody is never all, and an unknown affiliate is nobody.
    let values = pb::PayoutSchedule { etag: String::new(), ..values };
    assert_eq!(reason(&update(&mut client, values.clone(), "affiliate_ids").await.unwrap_err()), "INVALID_FIELDS");
    let unknown = pb::PayoutSchedule { affiliate_ids: vec![format!("aff_{:032x}", 7)], ..values.clone() };
    assert_eq!(reason(&update(&mut client, unknown, "affiliate_ids").await.unwrap_err()), "AFFILIATE_NOT_FOUND");
    let other = pb::Money { currency_code: "EUR".to_owned(), ..usd(100) };
    let minimum = pb::PayoutSchedule { minimum: Some(other), ..values.clone() };
    let status = update(&mut client, minimum, "minimum").await.unwrap_err();
    assert!(status.message().starts_with("payout_schedule.minimum: must be in USD"), "{}", status.message());
    let paypal = pb::PayoutSchedule { provider: pb::PayoutProvider::Paypal.into(), ..values };
    assert_eq!(reason(&update(&mut client, paypal, "provider").await.unwrap_err()), "PAYOUT_CONNECTION_NOT_FOUND");
    let both = pb::CreatePayoutScheduleRequest { net_days: Some(1), until_previous_month: true, ..daily() };
    let status = create(&mut client, both).await.unwrap_err();
    assert!(status.message().starts_with("until_previous_month: "), "{}", status.message());
    let all = pb::CreatePayoutScheduleRequest { affiliate_ids: vec![schedule.id], ..daily() };
    assert_eq!(reason(&create(&mut client, all).await.unwrap_err()), "INVALID_FIELDS");
});

db_test!(p30_an_account_has_as_many_schedules_as_it_may_have, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let mut last = None;
    for _ in 0..200 {
        last = Some(create(&mut client, daily()).await.unwrap());
    }
    assert_eq!(reason(&create(&mut client, daily()).await.unwrap_err()), "PAYOUT_SCHEDULE_LIMIT");
    let payout_schedule_id = last.unwrap().id;
    let request = pb::ArchivePayoutScheduleRequest { payout_schedule_id, ..Default::default() };
    client.payouts.archive_payout_schedule(request).await.unwrap();
    create(&mut client, daily()).await.unwrap();
    let request = pb::ListPayoutSchedulesRequest { page_size: 1_000, ..Default::default() };
    let listed = client.payouts.list_payout_schedules(request).await.unwrap().into_inner().payout_schedules;
    assert_eq!(listed.len(), 201);
    assert_eq!(listed.iter().filter(|schedule| schedule.next_run_time.is_none()).count(), 1);
});

// The key that set the schedule is the one that created its payouts.
db_test!(p30_who_sets_a_schedule_does_not_approve_its_payouts, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let request = pb::CreatePayoutScheduleRequest { needs_approval: true, ..daily() };
    let schedule = create(&mut client, request).await.unwrap();
    create_affiliate(&mut client, "dot").await;
    give(&mut client, "dot", 700).await;
    server.clock.advance_days(1);
    run_due(&server).await;
    let run_id = get(&mut client, &schedule.id).await.last_payout_run_id;
    let run = finished(&mut client, &run_id).await;
    assert!(run.needs_approval);
    let payouts = payouts_of(&mut client, &run_id).await;
    assert_eq!(payouts[0].state(), pb::PayoutState::NeedsApproval);
    let approve = pb::ApprovePayoutsRequest { payout_ids: vec![payouts[0].id.clone()], ..Default::default() };
    assert_eq!(reason(&client.payouts.approve_payouts(approve.clone()).await.unwrap_err()), "PAYOUT_OWN_APPROVAL");
    let request = pb::CreateApiKeyRequest { kind: pb::ApiKeyKind::Payout.into(), ..Default::default() };
    let key = client.accounts.create_api_key(request).await.unwrap().into_inner().api_key_text;
    let mut other = Client::connect(&server.address, &key).await.unwrap();
    let approved = other.payouts.approve_payouts(approve).await.unwrap().into_inner().payouts;
    assert_eq!(approved[0].state(), pb::PayoutState::Ready);
});

db_test!(p30_a_new_zone_plans_anew_and_tells_so, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let schedule = create(&mut client, daily()).await.unwrap();
    let request = pb::UpdateAccountRequest {
        account: Some(pb::Account { time_zone: "Asia/Tokyo".to_owned(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["time_zone".to_owned()] }),
        ..Default::default()
    };
    client.accounts.update_account(request).await.unwrap();
    let moved = get(&mut client, &schedule.id).await;
    // Midnight in Tokyo is 15:00 in UTC.
    assert_eq!(moved.next_run_time.unwrap().seconds % 86_400, 15 * 3_600);
    assert_eq!(moved.etag, schedule.etag);
    let last = all_events(&mut client).await.pop().unwrap();
    assert_eq!(last.kind(), pb::EventKind::PayoutScheduleUpdated);
    assert_eq!(last.subject, Some(Subject::PayoutSchedule(moved)));
});

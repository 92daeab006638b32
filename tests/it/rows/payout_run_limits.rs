//! Payout runs with a maximum in total, runs that are cancelled, and their events.

use headwater::pb;
use pb::PayoutRunVerdict as Verdict;
use testkit::client::Client;

use super::payout_run::{
    create_affiliate, finished, give, payouts_of, preview, reaches, start, two_servers, usd, verify,
};
use crate::feed_images::all_events;
use crate::support::database::TestDatabase;
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

fn all() -> pb::CreatePayoutRunRequest {
    pb::CreatePayoutRunRequest { currency_code: "USD".to_owned(), all_affiliates: true, ..Default::default() }
}

async fn cancel(client: &mut Client, id: &str) -> Result<pb::PayoutRun, tonic::Status> {
    let request = pb::CancelPayoutRunRequest { payout_run_id: id.to_owned(), ..Default::default() };
    client.payouts.cancel_payout_run(request).await.map(|answer| answer.into_inner().payout_run.unwrap())
}

async fn states_of(client: &mut Client, id: &str) -> Vec<pb::PayoutState> {
    payouts_of(client, id).await.iter().map(pb::Payout::state).collect()
}

db_test!(
    p30_a_run_pays_no_more_than_its_maximum_and_leaves_out_who_does_not_fit,
    |database: TestDatabase| async move {
        let server = TestServer::start(&database).await;
        let mut client = Shop::open(&server, "shop").await.client;
        let mut ids = Vec::new();
        for (ref_id, amount_minor) in [("aa", 600), ("bb", 500), ("cc", 399), ("dd", 100), ("ee", 301), ("ff", 300)] {
            ids.push(create_affiliate(&mut client, ref_id).await);
            give(&mut client, ref_id, amount_minor).await;
        }
        let maximum_total = Some(usd(1_300));
        // The sum goes on over the pages, which have two affiliates each.
        let request = pb::PreviewPayoutRunRequest {
            currency_code: "USD".to_owned(),
            all_affiliates: true,
            minimum: Some(usd(200)),
            maximum_total: maximum_total.clone(),
            ..Default::default()
        };
        let verdicts: Vec<_> = preview(&mut client, request).await.into_iter().map(|item| (item.1, item.2)).collect();
        let (pays, above) = (Verdict::Pays, Verdict::AboveMaximumTotal);
        assert_eq!(
            verdicts,
            [(pays, 600), (pays, 500), (above, 399), (Verdict::BelowMinimum, 100), (above, 301), (above, 300)]
        );
        let request =
            pb::CreatePayoutRunRequest { minimum: Some(usd(200)), maximum_total: maximum_total.clone(), ..all() };
        let run = start(&mut client, request.clone()).await;
        assert_eq!(run.maximum_total, maximum_total);
        let run = finished(&mut client, &run.id).await;
        assert_eq!((run.payout_count, run.total), (2, Some(usd(1_100))));
        // The next run goes on with those who waited. One cent more or less decides.
        let request = pb::CreatePayoutRunRequest { maximum_total: Some(usd(700)), ..request };
        let run = start(&mut client, request).await;
        let run = finished(&mut client, &run.id).await;
        assert_eq!((run.payout_count, run.total.clone()), (2, Some(usd(700))));
        let paid: Vec<_> =
            payouts_of(&mut client, &run.id).await.into_iter().map(|payout| payout.affiliate_id).collect();
        assert_eq!(paid, [ids[2].clone(), ids[4].clone()]);
        let request = pb::CreatePayoutRunRequest { minimum: Some(usd(2)), maximum_total: Some(usd(1)), ..all() };
        let status = client.payouts.create_payout_run(request).await.unwrap_err();
        assert!(status.message().starts_with("maximum_total.amount_minor: "), "{}", status.message());
        verify(&mut client).await;
    }
);

db_test!(c4_a_run_by_mistake_is_cancelled_with_its_payouts, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    for number in 0..25 {
        create_affiliate(&mut client, &format!("a{number}")).await;
        give(&mut client, &format!("a{number}"), 1_000).await;
    }
    let run = start(&mut client, all()).await;
    let run = finished(&mut client, &run.id).await;
    assert_eq!(run.payout_count, 25);
    let payouts = payouts_of(&mut client, &run.id).await;
    let request = pb::ConfirmPayoutsRequest { payout_ids: vec![payouts[3].id.clone()], ..Default::default() };
    client.payouts.confirm_payouts(request).await.unwrap();
    let cancelled = cancel(&mut client, &run.id).await.unwrap();
    assert_eq!((cancelled.state(), &cancelled.canceller_key_id), (pb::PayoutRunState::Cancelling, &run.creator_key_id));
    assert!(cancelled.cancel_time.is_some());
    let run = reaches(&mut client, &run.id, pb::PayoutRunState::Cancelled).await;
    assert_eq!((run.payout_count, run.cancel_time), (25, cancelled.cancel_time));
    let states = states_of(&mut client, &run.id).await;
    let paid: Vec<_> = (0..25).filter(|index| states[*index] == pb::PayoutState::Paid).collect();
    assert_eq!(paid, [3]);
    assert_eq!(states.iter().filter(|state| **state == pb::PayoutState::Cancelled).count(), 24);
    let owed = client.payouts.get_amount_owed(pb::GetAmountOwedRequest::default()).await.unwrap().into_inner();
    assert_eq!((&owed.amounts[0].approved_overdue, &owed.amounts[0].in_flight), (&Some(usd(24_000)), &Some(usd(0))));
    let status = cancel(&mut client, &run.id).await.unwrap_err();
    assert_eq!(reason(&status), "PAYOUT_RUN_STATE");
    assert!(status.message().starts_with("payout_run_id: payout run prn_"), "{}", status.message());
    // Another run pays them.
    let again = start(&mut client, all()).await;
    assert_eq!(finished(&mut client, &again.id).await.payout_count, 24);
    verify(&mut client).await;

    // The feed has the runs, between the events of their payouts.
    let events = all_events(&mut client).await;
    let of_run = |kind: pb::EventKind| events.iter().position(|event| event.kind() == kind).unwrap();
    let last = |kind: pb::EventKind| events.iter().rposition(|event| event.kind() == kind).unwrap();
    use pb::EventKind::{PayoutCancelled, PayoutCreated, PayoutRunCancelled, PayoutRunCreated, PayoutRunFinished};
    assert!(of_run(PayoutRunCreated) < of_run(PayoutCreated));
    assert!(of_run(PayoutRunFinished) < of_run(PayoutRunCancelled));
    assert!(of_run(PayoutRunCancelled) < of_run(PayoutCancelled));
    let finished: Vec<_> = events.iter().filter(|event| event.kind() == PayoutRunFinished).collect();
    let states: Vec<_> = finished
        .iter()
        .map(|event| match &event.subject {
            Some(pb::event::Subject::PayoutRun(run)) => run.state(),
            other => panic!("{other:?}"),
        })
        .collect();
    let (created, cancelled) = (pb::PayoutRunState::Created, pb::PayoutRunState::Cancelled);
    assert_eq!(states, [created, cancelled, created]);
    assert!(last(PayoutCancelled) < last(PayoutRunFinished));
    assert!(events[of_run(PayoutRunCancelled)].audit_entry.is_some());
});

// Runs are cancelled while both servers create their payouts, by 32 callers each. Whatever was created is cancelled, once.
db_test!(
    c4_runs_that_are_cancelled_while_they_are_created_leave_nothing_in_flight,
    |database: TestDatabase| async move {
        let (first, second) = two_servers(&database).await;
        let mut client = Shop::open(&first, "shop").await.client;
        for number in 0..64 {
            create_affiliate(&mut client, &format!("a{number}")).await;
            give(&mut client, &format!("a{number}"), 100).await;
        }
        let servers = [&first, second.as_ref().unwrap_or(&first)];
        let mut runs = Vec::new();
        for _ in 0..2 {
            runs.push(start(&mut client, all()).await.id);
        }
        let mut calls = Vec::new();
        for number in 0..64 {
            let (address, key, id) =
                (servers[number % 2].address.clone(), client.key.clone(), runs[number / 32].clone());
            calls.push(tokio::spawn(async move {
                let mut client = Client::connect(&address, &key).await.unwrap();
                cancel(&mut client, &id).await
            }));
        }
        let mut cancelled = 0;
        for call in calls {
            match call.await.unwrap() {
                Ok(_) => cancelled += 1,
                Err(status) => assert_eq!(reason(&status), "PAYOUT_RUN_STATE"),
            }
        }
        assert_eq!(cancelled, 2);
        for id in &runs {
            let run = reaches(&mut client, id, pb::PayoutRunState::Cancelled).await;
            let states = states_of(&mut client, id).await;
            assert_eq!(run.payout_count, i64::try_from(states.len()).unwrap());
            assert!(states.iter().all(|state| *state == pb::PayoutState::Cancelled), "{states:?}");
        }
        let owed = client.payouts.get_amount_owed(pb::GetAmountOwedRequest::default()).await.unwrap().into_inner();
        assert_eq!((&owed.amounts[0].approved_overdue, &owed.amounts[0].in_flight), (&Some(usd(6_400)), &Some(usd(0))));
        verify(&mut client).await;
    }
);

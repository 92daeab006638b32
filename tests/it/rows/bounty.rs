//! Bounties and contests with submissions: row P29.

use headwater::app::check;
use headwater::domain::time::Time;
use headwater::pb;
use prost_types::{FieldMask, Timestamp};
use testkit::client::Client;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::coupon::by_external_id;
use crate::feed_images::all_events;
use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::server::{START_MICROS, TestServer, reason};
use crate::support::shop::Shop;

/// The beginning of a day; day 0 is that of the server's start.
fn day(day: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds: START_MICROS / 1_000_000 + day * 86_400, nanos: 0 })
}

fn cash(amount_minor: i64) -> pb::RewardValue {
    let money = pb::Money { amount_minor, currency_code: "USD".to_owned() };
    pb::RewardValue { amount: Some(pb::reward_value::Amount::Cash(money)) }
}

fn bounty(display_name: &str) -> pb::CreateBountyRequest {
    pb::CreateBountyRequest { display_name: display_name.to_owned(), rewards: vec![cash(5_000)], ..Default::default() }
}

fn contest(places: &[i64]) -> pb::CreateBountyRequest {
    pb::CreateBountyRequest {
        kind: pb::BountyKind::Contest.into(),
        rewards: places.iter().copied().map(cash).collect(),
        ..bounty("Contest")
    }
}

async fn create(client: &mut Client, request: pb::CreateBountyRequest) -> pb::Bounty {
    client.affiliates.create_bounty(request).await.unwrap().into_inner().bounty.unwrap()
}

async fn found(client: &mut Client, bounty: &pb::Bounty) -> pb::Bounty {
    let request = pb::GetBountyRequest { bounty_id: bounty.id.clone() };
    client.affiliates.get_bounty(request).await.unwrap().into_inner().bounty.unwrap()
}

fn submitted(bounty: &pb::Bounty, affiliate: Option<pb::AffiliateSelector>) -> pb::SubmitToBountyRequest {
    pb::SubmitToBountyRequest {
        bounty_id: bounty.id.clone(),
        affiliate,
        note: "my video".to_owned(),
        url: "https://video.example/1".to_owned(),
        ..Default::default()
    }
}

async fn submit(client: &mut Client, request: pb::SubmitToBountyRequest) -> Result<pb::Submission, Status> {
    client.affiliates.submit_to_bounty(request).await.map(|answer| answer.into_inner().submission.unwrap())
}

async fn approve(client: &mut Client, submission_id: &str) -> Result<pb::Submission, Status> {
    let request = pb::ApproveSubmissionRequest { submission_id: submission_id.to_owned(), ..Default::default() };
    client.affiliates.approve_submission(request).await.map(|answer| answer.into_inner().submission.unwrap())
}

async fn reject(client: &mut Client, submission_id: &str) -> Result<pb::Submission, Status> {
    let request = pb::RejectSubmissionRequest {
        submission_id: submission_id.to_owned(),
        reason: "blurred".to_owned(),
        ..Default::default()
    };
    client.affiliates.reject_submission(request).await.map(|answer| answer.into_inner().submission.unwrap())
}

async fn name_winners(client: &mut Client, bounty: &pb::Bounty, winners: &[&str]) -> Result<pb::Bounty, Status> {
    let request = pb::NameContestWinnersRequest {
        bounty_id: bounty.id.clone(),
        winner_submission_ids: winners.iter().map(|id| (*id).to_owned()).collect(),
        ..Default::default()
    };
    client.affiliates.name_contest_winners(request).await.map(|answer| answer.into_inner().bounty.unwrap())
}

async fn get(client: &mut Client, submission_id: &str) -> pb::Submission {
    let request = pb::GetSubmissionRequest { submission_id: submission_id.to_owned() };
    client.affiliates.get_submission(request).await.unwrap().into_inner().submission.unwrap()
}

async fn rewards(client: &mut Client) -> Vec<pb::Reward> {
    client.rewards.list_rewards(pb::ListRewardsRequest::default()).await.unwrap().into_inner().rewards
}

/// Creates an affiliate, and returns how to name it.
async fn newcomer(client: &mut Client, name: &str, state: pb::AffiliateState) -> Option<pb::AffiliateSelector> {
    let request = pb::CreateAffiliateRequest {
        external_id: name.to_owned(),
        email: format!("{name}@people.example"),
        state: state.into(),
        ..Default::default()
    };
    client.affiliates.create_affiliate(request).await.unwrap();
    by_external_id(name)
}

fn precondition<T: std::fmt::Debug>(result: Result<T, Status>) -> String {
    let status = result.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    reason(&status)
}

async fn check_books(server: &TestServer, client: &mut Client) {
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
    let app = server.server.app();
    for account_id in check::accounts(app.store()).await.unwrap() {
        assert_eq!(check::check(app.store(), account_id).await.unwrap().differences, Vec::<String>::new());
    }
}

/// The server, and on PostgreSQL a second one.
async fn two_servers(database: &TestDatabase) -> (TestServer, Option<TestServer>) {
    let first = TestServer::start(database).await;
    match database.kind {
        DatabaseKind::Sqlite => (first, None),
        DatabaseKind::Postgres => (first, Some(TestServer::start(database).await)),
    }
}

db_test!(p29_of_64_submissions_at_once_exactly_as_many_as_the_limits_are_taken, |database: TestDatabase| async move {
    let (first, second) = two_servers(&database).await;
    let servers = [&first, second.as_ref().unwrap_or(&first)];
    let mut client = Shop::open(&first, "shop").await.client;
    for name in ["a", "b", "c", "d"] {
        newcomer(&mut client, name, pb::AffiliateState::Active).await;
    }
    let limited = pb::CreateBountyRequest { max_submissions: 9, max_submissions_per_affiliate: 3, ..bounty("Nine") };
    let bounty = create(&mut client, limited).await;
    let mut calls = Vec::new();
    for number in 0..64 {
        let (address, key) = (servers[number % 2].address.clone(), client.key.clone());
        let request = submitted(&bounty, by_external_id(["a", "b", "c", "d"][number / 2 % 4]));
        calls.push(tokio::spawn(async move {
            let mut client = Client::connect(&address, &key).await.unwrap();
            submit(&mut client, request).await
        }));
    }
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    for call in calls {
        match call.await.unwrap() {
            Ok(submission) => taken.push(submission),
            Err(status) => refused.push(reason(&status)),
        }
    }
    assert_eq!((taken.len(), refused.len()), (9, 55));
    assert!(refused.iter().all(|reason| ["BOUNTY_LIMIT", "SUBMITTER_LIMIT"].contains(&reason.as_str())), "{refused:?}");
    let mut of_each = std::collections::BTreeMap::<&str, usize>::new();
    taken.iter().for_each(|submission| *of_each.entry(&submission.affiliate_id).or_default() += 1);
    assert!(of_each.values().all(|count| *count <= 3), "{of_each:?}");
    assert_eq!(found(&mut client, &bounty).await.submission_count, 9);

    // 64 callers approve the same submissions at once: each is paid once.
    let mut calls = Vec::new();
    for number in 0..64 {
        let (address, key) = (servers[number % 2].address.clone(), client.key.clone());
        let id = taken[number / 2 % 2].id.clone();
        calls.push(tokio::spawn(async move {
            let mut client = Client::connect(&address, &key).await.unwrap();
            approve(&mut client, &id).await
        }));
    }
    let mut paid = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => paid += 1,
            refused => assert_eq!(precondition(refused), "SUBMISSION_STATE"),
        }
    }
    assert_eq!((paid, rewards(&mut client).await.len()), (2, 2));
    // A rejection makes room for one more.
    reject(&mut client, &taken[2].id).await.unwrap();
    let mut again = 0;
    for name in ["a", "b", "c", "d"] {
        again += usize::from(submit(&mut client, submitted(&bounty, by_external_id(name))).await.is_ok());
    }
    assert_eq!((again, found(&mut client, &bounty).await.submission_count), (1, 9));
    check_books(&first, &mut client).await;
});

db_test!(p29_a_submission_is_approved_and_paid_once_or_rejected_with_a_reason, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    let bounty = create(&mut client, pb::CreateBountyRequest { max_submissions: 2, ..bounty("Video") }).await;
    let request =
        pb::SubmitToBountyRequest { request_id: "one".to_owned(), ..submitted(&bounty, Some(shop.affiliate())) };
    let one = submit(&mut client, request.clone()).await.unwrap();
    assert_eq!(
        (one.state(), &*one.note, &*one.url),
        (pb::SubmissionState::Submitted, "my video", "https://video.example/1")
    );
    let two = submit(&mut client, submitted(&bounty, Some(shop.affiliate()))).await.unwrap();
    assert_eq!(precondition(submit(&mut client, submitted(&bounty, Some(shop.affiliate()))).await), "BOUNTY_LIMIT");

    let request_to_approve =
        pb::ApproveSubmissionRequest { request_id: "ok".to_owned(), submission_id: one.id.clone() };
    let approved = client.affiliates.approve_submission(request_to_approve.clone()).await.unwrap().into_inner();
    let again = client.affiliates.approve_submission(request_to_approve).await.unwrap().into_inner();
    assert!(again.replayed && !approved.replayed);
    assert_eq!(again.submission, approved.submission);
    let approved = approved.submission.unwrap();
    assert_eq!((approved.state(), &approved), (pb::SubmissionState::Approved, &get(&mut client, &one.id).await));
    // The repeat of the submission is answered as it was then.
    assert_eq!(submit(&mut client, request).await.unwrap(), one);
    let [reward] = &rewards(&mut client).await[..] else { panic!("one reward") };
    assert_eq!((&reward.id, &reward.submission_id), (&approved.reward_id, &one.id));
    assert_eq!((reward.value.clone(), reward.state()), (Some(cash(5_000)), pb::RewardState::Pending));
    assert_eq!((&reward.affiliate_id, &*reward.conversion_id), (&shop.affiliate_id, ""));
    assert_eq!(reward.auto_approve_time, day(30), "the hold period of the program");

    let rejected = reject(&mut client, &two.id).await.unwrap();
    assert_eq!((rejected.state(), &*rejected.reject_reason), (pb::SubmissionState::Rejected, "blurred"));
    for id in [&one.id, &two.id] {
        assert_eq!(precondition(approve(&mut client, id).await), "SUBMISSION_STATE");
        assert_eq!(precondition(reject(&mut client, id).await), "SUBMISSION_STATE");
    }
    assert_eq!(found(&mut client, &bounty).await.submission_count, 1);
    assert_eq!(rewards(&mut client).await.len(), 1);

    // The statement says what the line is for.
    let start_time = Some(Timestamp { seconds: 1_600_000_000, nanos: 0 });
    let interval = pb::TimeInterval { start_time, ..Default::default() };
    let request = pb::CalculateCommissionsRequest {
        affiliate: Some(shop.affiliate()),
        period: Some(pb::calculate_commissions_request::Period::Interval(interval)),
        ..Default::default()
    };
    let statement = client.rewards.calculate_commissions(request).await.unwrap().into_inner();
    assert_eq!(statement.lines.iter().map(|line| &*line.submission_id).collect::<Vec<_>>(), [&*one.id]);

    // The feed has every step, in order, and nothing that an affiliate wrote.
    use pb::EventKind::{BountyCreated, RewardCreated, SubmissionApproved, SubmissionCreated, SubmissionRejected};
    let events = all_events(&mut client).await;
    let since = events.iter().position(|event| event.kind() == BountyCreated).unwrap();
    let kinds: Vec<_> = events[since..].iter().map(pb::Event::kind).collect();
    let expected =
        [BountyCreated, SubmissionCreated, SubmissionCreated, SubmissionApproved, RewardCreated, SubmissionRejected];
    assert_eq!(kinds, expected);
    let told = format!("{:?}", &events[since..]);
    assert!(["my video", "video.example", "blurred"].iter().all(|text| !told.contains(text)), "{told}");

    // The decision about the money is another one than that about the work.
    let deny = pb::DenyRewardsRequest {
        reward_ids: vec![approved.reward_id.clone()],
        reason: "withdrawn".to_owned(),
        ..Default::default()
    };
    client.rewards.deny_rewards(deny).await.unwrap();
    assert_eq!(get(&mut client, &one.id).await, approved);

    // Nobody else sees or decides them.
    let mut stranger = Shop::open(&server, "stranger").await.client;
    for status in
        [approve(&mut stranger, &one.id).await.unwrap_err(), reject(&mut stranger, &one.id).await.unwrap_err()]
    {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "SUBMISSION_NOT_FOUND"));
    }
    let theirs = submit(&mut stranger, submitted(&bounty, by_external_id("nobody"))).await.unwrap_err();
    assert_eq!(reason(&theirs), "BOUNTY_NOT_FOUND");
    check_books(&server, &mut client).await;
});

db_test!(p29_the_winners_of_a_contest_are_named_and_paid_once, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    let other = create(&mut client, contest(&[1])).await;
    let contest = create(&mut client, contest(&[10_000, 2_500])).await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        let affiliate = newcomer(&mut client, name, pb::AffiliateState::Active).await;
        ids.push(submit(&mut client, submitted(&contest, affiliate)).await.unwrap().id);
    }
    let elsewhere = submit(&mut client, submitted(&other, by_external_id("a"))).await.unwrap().id;
    let [a, b, c] = [&*ids[0], &*ids[1], &*ids[2]];
    // A contest is not paid one by one, and a bounty has no winners.
    assert_eq!(precondition(approve(&mut client, a).await), "BOUNTY_KIND");
    let bounty = create(&mut client, bounty("Plain")).await;
    assert_eq!(precondition(name_winners(&mut client, &bounty, &[a]).await), "BOUNTY_KIND");

    for (winners, field) in [
        (vec![a, b, c], "winner_submission_ids"),
        (vec![a, &elsewhere], "winner_submission_ids"),
        (vec![a, a], "winner_submission_ids[1]"),
        (vec![], "winner_submission_ids"),
    ] {
        let status = name_winners(&mut client, &contest, &winners).await.unwrap_err();
        assert_eq!(reason(&status), "INVALID_FIELDS", "{winners:?}");
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, field);
    }
    reject(&mut client, b).await.unwrap();
    assert_eq!(precondition(name_winners(&mut client, &contest, &[c, b]).await), "SUBMISSION_STATE");
    // All or none: the first place of a refused call was not paid.
    assert_eq!(
        (rewards(&mut client).await.len(), get(&mut client, c).await.state()),
        (0, pb::SubmissionState::Submitted)
    );

    let mut calls = Vec::new();
    for number in 0..16 {
        let (mut client, contest) = (client.clone(), contest.clone());
        let winners = if number % 2 == 0 { [c.to_owned(), a.to_owned()] } else { [a.to_owned(), c.to_owned()] };
        calls.push(tokio::spawn(async move { name_winners(&mut client, &contest, &[&winners[0], &winners[1]]).await }));
    }
    let mut decided = Vec::new();
    for call in calls {
        match call.await.unwrap() {
            Ok(contest) => decided.push(contest),
            refused => assert_eq!(precondition(refused), "CONTEST_DECIDED"),
        }
    }
    assert_eq!(decided.len(), 1);
    assert!(decided[0].decide_time.is_some());
    let mut paid: Vec<_> = rewards(&mut client).await.into_iter().map(|reward| reward.value).collect();
    paid.sort_by_key(|value| format!("{value:?}"));
    assert_eq!(paid, [Some(cash(10_000)), Some(cash(2_500))]);
    let places = [get(&mut client, a).await.place, get(&mut client, c).await.place];
    assert!([[1, 2], [2, 1]].contains(&places), "{places:?}");
    let first = if places[0] == 1 { a } else { c };
    let of_first = get(&mut client, first).await;
    let reward = pb::GetRewardRequest { reward_id: of_first.reward_id, ..Default::default() };
    let reward = client.rewards.get_reward(reward).await.unwrap().into_inner().reward.unwrap();
    assert_eq!((reward.value, reward.affiliate_id), (Some(cash(10_000)), of_first.affiliate_id));
    let status = submit(&mut client, submitted(&contest, by_external_id("b"))).await.unwrap_err();
    assert_eq!(reason(&status), "BOUNTY_CLOSED");
    assert_eq!(status.get_error_details().error_info().unwrap().metadata["state"], "decided");
    check_books(&server, &mut client).await;
});

db_test!(p29_who_is_not_active_cannot_submit_and_is_not_paid, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    let bounty = create(&mut client, bounty("Video")).await;
    let contest = create(&mut client, contest(&[7])).await;
    let applied = newcomer(&mut client, "applied", pb::AffiliateState::Applied).await;
    assert_eq!(precondition(submit(&mut client, submitted(&bounty, applied.clone())).await), "AFFILIATE_NOT_ACTIVE");
    let request =
        pb::RejectAffiliateRequest { affiliate: applied.clone(), reason: "no".to_owned(), ..Default::default() };
    client.affiliates.reject_affiliate(request).await.unwrap();
    assert_eq!(precondition(submit(&mut client, submitted(&bounty, applied)).await), "AFFILIATE_NOT_ACTIVE");
    let status = submit(&mut client, submitted(&bounty, by_external_id("nobody"))).await.unwrap_err();
    assert_eq!(reason(&status), "AFFILIATE_NOT_FOUND");

    // Those who were active when they submitted are paid only while they are active.
    let mut ids = Vec::new();
    for name in ["inactive", "ended", "erased"] {
        let affiliate = newcomer(&mut client, name, pb::AffiliateState::Active).await;
        ids.push((submit(&mut client, submitted(&bounty, affiliate.clone())).await.unwrap(), name));
        ids.push((submit(&mut client, submitted(&contest, affiliate)).await.unwrap(), name));
    }
    let request = pb::DeactivateAffiliateRequest {
        affiliate: by_external_id("inactive"),
        reason: "asked to".to_owned(),
        pending_rewards: pb::PendingRewards::Keep.into(),
        ..Default::default()
    };
    client.affiliates.deactivate_affiliate(request).await.unwrap();
    let request = pb::EndEnrollmentRequest { enrollment_id: ids[2].0.enrollment_id.clone(), ..Default::default() };
    client.affiliates.end_enrollment(request).await.unwrap();
    // What a rejection said is erased too.
    let submission = submit(&mut client, submitted(&bounty, by_external_id("erased"))).await.unwrap();
    let with_reason = reject(&mut client, &submission.id).await;
    let request = pb::EraseAffiliateRequest { affiliate: by_external_id("erased"), ..Default::default() };
    client.affiliates.erase_affiliate(request).await.unwrap();
    let reasons = [("inactive", "AFFILIATE_NOT_ACTIVE"), ("ended", "ENROLLMENT_ENDED"), ("erased", "AFFILIATE_ERASED")];
    for (submission, name) in &ids {
        let expected = reasons.iter().find(|(other, _)| other == name).unwrap().1;
        let refused = if submission.bounty_id == bounty.id {
            precondition(approve(&mut client, &submission.id).await)
        } else {
            precondition(name_winners(&mut client, &contest, &[&submission.id]).await)
        };
        assert_eq!(refused, expected, "{name}");
    }
    assert!(rewards(&mut client).await.is_empty());
    for name in ["inactive", "ended"] {
        assert!(submit(&mut client, submitted(&bounty, by_external_id(name))).await.is_err());
    }

    // Nothing of what an erased affiliate submitted is left, and what it submitted can still be rejected.
    let rejected = get(&mut client, &with_reason.unwrap().id).await;
    assert_eq!([&*rejected.note, &*rejected.url, &*rejected.reject_reason], ["", "", ""]);
    for (submission, _) in &ids[4..] {
        let bare = get(&mut client, &submission.id).await;
        assert_eq!([&*bare.note, &*bare.url], ["", ""]);
        let rejected = reject(&mut client, &submission.id).await.unwrap();
        assert_eq!((rejected.state(), &*rejected.reject_reason), (pb::SubmissionState::Rejected, ""));
    }
    check_books(&server, &mut client).await;
});

db_test!(p29_bounties_are_seen_and_changed_and_have_a_window, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    let at = |day: i32| server.clock.set(Time::from_micros(START_MICROS).plus_days(day));
    use pb::reward_value::Amount::{Credits, DiscountPercentPpm, FreeMonths, Points};
    let value = |amount| pb::RewardValue { amount: Some(amount) };
    for (rewards, field) in [
        (vec![], "rewards"),
        (vec![cash(1), cash(2)], "rewards"),
        (vec![pb::RewardValue::default()], "rewards[0]"),
        (vec![cash(0)], "rewards[0].cash.amount_minor"),
        (vec![value(Points(0))], "rewards[0].points"),
        (vec![value(Credits(-1))], "rewards[0].credits"),
        (vec![value(FreeMonths(0))], "rewards[0].free_months"),
        (vec![value(DiscountPercentPpm(1_000_001))], "rewards[0].discount_percent_ppm"),
    ] {
        let wrong = client.affiliates.create_bounty(pb::CreateBountyRequest { rewards, ..bounty("Wrong") }).await;
        assert_eq!(wrong.unwrap_err().get_details_bad_request().unwrap().field_violations[0].field, field);
    }
    let window = pb::CreateBountyRequest { start_time: day(2), end_time: day(10), ..bounty("Window") };
    let made = create(&mut client, window).await;
    let by_ann = submitted(&made, Some(shop.affiliate()));
    let state_of = |status: Status| {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "BOUNTY_CLOSED"));
        status.get_error_details().error_info().unwrap().metadata["state"].clone()
    };
    assert_eq!(state_of(submit(&mut client, by_ann.clone()).await.unwrap_err()), "not_started");
    at(2);
    let first = submit(&mut client, by_ann.clone()).await.unwrap();
    at(10);
    assert_eq!(state_of(submit(&mut client, by_ann.clone()).await.unwrap_err()), "over");
    let update = |paths: &[&str], bounty: pb::Bounty| pb::UpdateBountyRequest {
        bounty: Some(bounty),
        update_mask: Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }),
        ..Default::default()
    };
    let wrong = update(&["end_time"], pb::Bounty { end_time: day(9), ..made.clone() });
    let wrong = client.affiliates.update_bounty(wrong).await.unwrap_err();
    assert_eq!(wrong.get_details_bad_request().unwrap().field_violations[0].field, "bounty.end_time");
    // A window can be opened again, because nothing was decided by its end.
    let longer = pb::Bounty { end_time: None, max_submissions: 2, about: "more".to_owned(), ..made.clone() };
    let updated = client.affiliates.update_bounty(update(&["end_time", "max_submissions", "about"], longer)).await;
    let updated = updated.unwrap().into_inner().bounty.unwrap();
    assert_eq!((updated.end_time, updated.max_submissions, &*updated.about), (None, 2, "more"));
    assert_eq!((updated.rewards.len(), updated.submission_count), (1, 1));
    submit(&mut client, by_ann.clone()).await.unwrap();
    assert_eq!(precondition(submit(&mut client, by_ann.clone()).await), "BOUNTY_LIMIT");
    for _ in 0..2 {
        let request = pb::ArchiveBountyRequest { bounty_id: made.id.clone(), ..Default::default() };
        let archived = client.affiliates.archive_bounty(request).await.unwrap().into_inner().bounty.unwrap();
        assert_eq!((archived.state(), archived.archive_time), (pb::BountyState::Archived, day(10)));
    }
    assert_eq!(state_of(submit(&mut client, by_ann).await.unwrap_err()), "archived");
    // What was submitted in time is still paid.
    approve(&mut client, &first.id).await.unwrap();
    check_books(&server, &mut client).await;
});

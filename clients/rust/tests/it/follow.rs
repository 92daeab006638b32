//! The follower over every end of a stream.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use headwater_client::{FollowOptions, Follower, pb};
use pb::watch_events_response::Content;
use tonic::{Code, Status};

use crate::fake::{Act, Asked, Fake, failure};

fn message(cursor: &str, content: Content) -> pb::WatchEventsResponse {
    pb::WatchEventsResponse { cursor: cursor.to_owned(), content: Some(content) }
}

fn opened(cursor: &str, heartbeat: Duration) -> pb::WatchEventsResponse {
    let heartbeat_delay = Some(heartbeat.try_into().unwrap());
    message(cursor, Content::Opened(pb::Opened { heartbeat_delay, ..pb::Opened::default() }))
}

fn batch(cursor: &str, sequences: &[i64]) -> pb::WatchEventsResponse {
    let events = sequences.iter().map(|sequence| pb::Event { sequence: *sequence, ..pb::Event::default() }).collect();
    message(cursor, Content::Batch(pb::EventBatch { events }))
}

/// The cursor that a stream started after.
fn start(asked: &Asked) -> String {
    match asked.request::<pb::WatchEventsRequest>().start.unwrap().place.unwrap() {
        pb::feed_start::Place::AfterCursor(cursor) => cursor,
        other => format!("{other:?}"),
    }
}

/// Reads deliveries until the event with the last sequence. Returns all sequences and cursors.
async fn read_until(follower: &mut Follower, last: i64) -> (Vec<i64>, Vec<String>) {
    let (mut sequences, mut cursors) = (Vec::new(), Vec::new());
    while sequences.last() != Some(&last) {
        let delivery = tokio::time::timeout(Duration::from_secs(20), follower.next()).await.unwrap().unwrap();
        sequences.extend(delivery.events.iter().map(|event| event.sequence));
        cursors.push(delivery.cursor);
    }
    (sequences, cursors)
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn it_resumes_after_each_end_of_a_stream() {
    let ok = || Some(Status::new(Code::Ok, ""));
    let heartbeat = |cursor| message(cursor, Content::Heartbeat(pb::Heartbeat::default()));
    let draining = pb::Draining { reconnect_delay: Some(Duration::from_millis(1).try_into().unwrap()), reason: 1 };
    let (client, fake) = Fake::start([
        Act::Send(vec![opened("c0", MINUTE), batch("c2", &[1, 2]), heartbeat("c2"), heartbeat("c3")], ok()),
        Act::Fail(Status::unauthenticated("a proxy says no")),
        Act::Fail(failure(Code::Unavailable, "UNAVAILABLE", vec![], Some("1"))),
        Act::Send(vec![opened("c3", MINUTE), batch("c4", &[3])], Some(Status::unknown("broken"))),
        Act::Send(vec![opened("c4", MINUTE), message("c5", Content::Draining(draining))], ok()),
        Act::Send(
            vec![opened("c5", MINUTE), message("c5", Content::CaughtUp(pb::CaughtUp {})), batch("c6", &[4])],
            None,
        ),
    ])
    .await;
    let ends = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ends);
    let options = FollowOptions::resume("").on_reconnect(move |end, _| {
        seen.lock().unwrap().push(end.map_or(Code::Ok, headwater_client::Error::code));
    });
    let (sequences, cursors) = read_until(&mut client.follow(options), 4).await;
    assert_eq!(sequences, [1, 2, 3, 4]);
    // A message without events is delivered if it moves the cursor, and when the reader has caught up.
    assert_eq!(cursors, ["c0", "c2", "c3", "c4", "c5", "c5", "c6"]);
    let starts: Vec<_> = fake.asked().iter().map(start).collect();
    assert_eq!(starts, ["Position(Beginning)", "c3", "c3", "c3", "c4", "c5"]);
    assert_eq!(*ends.lock().unwrap(), [Code::Ok, Code::Unauthenticated, Code::Unavailable, Code::Unknown, Code::Ok]);
}

#[tokio::test]
async fn only_a_reason_stops_it() {
    const FINAL: [&str; 10] = [
        "KEY_MISSING",
        "KEY_INVALID",
        "KEY_KIND_NOT_ALLOWED",
        "INVALID_FIELDS",
        "METHOD_UNKNOWN",
        "CURSOR_MALFORMED",
        "CURSOR_FOREIGN",
        "CURSOR_EXPIRED",
        "CURSOR_AHEAD_OF_HEAD",
        "CURSOR_OF_ANOTHER_HISTORY",
    ];
    for reason in FINAL {
        // The code does not matter.
        let (client, fake) = Fake::start([Act::Fail(failure(Code::Unavailable, reason, vec![], None))]).await;
        let error = client.follow(FollowOptions::resume("c1")).next().await.unwrap_err();
        assert_eq!(error.reason_name(), reason);
        assert_eq!(fake.asked().len(), 1);
    }
    for code in (1..=16).map(Code::from_i32) {
        let (client, _fake) =
            Fake::start([Act::Fail(Status::new(code, "no reason")), Act::Send(vec![batch("c2", &[1])], None)]).await;
        assert_eq!(read_until(&mut client.follow(FollowOptions::resume("c1")), 1).await.0, [1], "{code:?}");
    }
}

#[tokio::test]
async fn a_stream_that_only_opens_is_tried_more_and_more_slowly() {
    let opens = || Act::Send(vec![opened("c1", MINUTE)], Some(Status::new(Code::Ok, "")));
    let last = Act::Send(vec![batch("c2", &[1])], None);
    let (client, _fake) = Fake::start([opens(), opens(), opens(), opens(), last]).await;
    let delays = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&delays);
    let options = FollowOptions::resume("c1").on_reconnect(move |_, delay| seen.lock().unwrap().push(delay));
    read_until(&mut client.follow(options), 1).await;
    let delays = delays.lock().unwrap();
    // The delay doubles, and its random part is at most a half of it.
    assert!(delays.len() == 4 && delays.windows(2).all(|pair| pair[0] <= pair[1]), "{delays:?}");
}

#[tokio::test]
async fn a_silent_stream_is_given_up() {
    let (client, fake) = Fake::start([
        Act::Send(vec![opened("c1", Duration::from_millis(50)), batch("c2", &[1])], None),
        Act::Send(vec![opened("c2", Duration::from_millis(50)), batch("c3", &[2])], None),
    ])
    .await;
    assert_eq!(read_until(&mut client.follow(FollowOptions::resume("c1")), 2).await.0, [1, 2]);
    assert_eq!(fake.asked().iter().map(start).collect::<Vec<_>>(), ["c1", "c2"]);
}

#[tokio::test]
async fn an_abandoned_wait_loses_nothing() {
    let scene = |cursor, next, sequence| {
        Act::Send(vec![opened(cursor, MINUTE), batch(next, &[sequence])], Some(Status::new(Code::Ok, "")))
    };
    let (client, _fake) = Fake::start([scene("c1", "c2", 1), scene("c2", "c3", 2), scene("c3", "c4", 3)]).await;
    let mut follower = client.follow(FollowOptions::resume("c1"));
    let mut sequences = Vec::new();
    while sequences.last() != Some(&3) {
        // The time is too short for a whole connection.
        if let Ok(delivery) = tokio::time::timeout(Duration::from_micros(200), follower.next()).await {
            sequences.extend(delivery.unwrap().events.iter().map(|event| event.sequence));
        }
    }
    assert_eq!(sequences, [1, 2, 3]);
}

#[tokio::test]
async fn it_follows_conversions_alone() {
    let (client, fake) = Fake::start([Act::Send(vec![batch("c2", &[1])], None)]).await;
    read_until(&mut client.follow(FollowOptions::resume("c1").conversions_only()), 1).await;
    assert_eq!(fake.asked()[0].path, "/headwater.v1.TrackingService/WatchConversions");
}

//! Positions in the feed, and functions that read the feed to its end. Knows no test scenario.

use anyhow::Context;
use headwater_client::pb;
use headwater_client::pb::EventKind;
use headwater_client::pb::feed_start::Place;
use headwater_client::pb::watch_conversions_response::Content;
use testkit::client::Client;

/// The kinds of events about conversions, which are the events of WatchConversions.
pub(crate) const ABOUT_CONVERSIONS: [EventKind; 14] = [
    EventKind::LeadRecorded,
    EventKind::SaleRecorded,
    EventKind::SaleAttributed,
    EventKind::SaleRefunded,
    EventKind::RefundRecorded,
    EventKind::RefundExceededSale,
    EventKind::RefundWaiting,
    EventKind::CancellationRecorded,
    EventKind::CorrectionRecorded,
    EventKind::RefundUndone,
    EventKind::SaleRestored,
    EventKind::AppointmentRecorded,
    EventKind::CustomEventRecorded,
    EventKind::ConversionUpdated,
];

/// The most events in a page or a message.
const EVENTS_MAX: i32 = 1_000;

fn at(place: Place) -> pb::FeedStart {
    pb::FeedStart { place: Some(place) }
}

/// Before the oldest event.
pub(crate) fn beginning() -> pb::FeedStart {
    at(Place::Position(pb::FeedPosition::Beginning.into()))
}

/// After the newest event.
pub(crate) fn latest() -> pb::FeedStart {
    at(Place::Position(pb::FeedPosition::Latest.into()))
}

/// After the event with this cursor.
pub(crate) fn after(cursor: String) -> pb::FeedStart {
    at(Place::AfterCursor(cursor))
}

/// Whether WatchConversions sends the event.
pub(crate) fn is_about_conversion(event: &pb::Event) -> bool {
    ABOUT_CONVERSIONS.contains(&event.kind())
}

/// Reads pages up to the newest event. Returns the events that pass the filter, and the cursor after them. With `wait_seconds`
/// each call waits for events as a long poll does.
pub(crate) async fn read(
    client: &mut Client,
    mut start: pb::FeedStart,
    filter: Option<pb::EventFilter>,
    wait_seconds: Option<i64>,
) -> anyhow::Result<(Vec<pb::Event>, String)> {
    let mut events = Vec::new();
    loop {
        let request = pb::ReadEventsRequest {
            start: Some(start),
            filter: filter.clone(),
            page_size: EVENTS_MAX,
            max_wait: wait_seconds.map(|seconds| prost_types::Duration { seconds, nanos: 0 }),
        };
        let page = client.feed.read_events(request).await?.into_inner();
        events.extend(page.events);
        // If the filter rejects every event of a page, the page is empty before the end.
        if page.next_cursor == page.head_cursor {
            return Ok((events, page.next_cursor));
        }
        start = after(page.next_cursor);
    }
}

/// Follows WatchConversions until it has caught up, and returns its events.
pub(crate) async fn watch_conversions(client: &mut Client, start: pb::FeedStart) -> anyhow::Result<Vec<pb::Event>> {
    let request = pb::WatchConversionsRequest {
        start: Some(start),
        max_batch_size: EVENTS_MAX,
        ..pb::WatchConversionsRequest::default()
    };
    let mut stream = client.tracking.watch_conversions(request).await?.into_inner();
    let mut events = Vec::new();
    loop {
        let message = stream.message().await?.context("the stream of conversions ended")?;
        match message.content {
            Some(Content::Batch(batch)) => events.extend(batch.events),
            Some(Content::CaughtUp(_)) => return Ok(events),
            _ => {}
        }
    }
}

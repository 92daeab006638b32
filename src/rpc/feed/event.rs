//! Events of the feed on the wire: the requests of readers, and the encoding of events.

use std::time::Duration;

use prost::Message;

use super::message::write_entry;
use crate::app::feed::EventForm;
use crate::domain::event::{EventFilter, EventImage, EventType, NewEvent};
use crate::domain::time::Time;
use crate::error::Error;
use crate::pb::{self, list_conversion_events_request, watch_conversions_request};
use crate::rpc::call::page;
use crate::rpc::call::parse::Fields;
use crate::rpc::call::render::id_or_empty;
pub(super) use crate::rpc::call::render::timestamp;
use crate::rpc::call::wire_enum::WireEnum;
use crate::rpc::conversion;

/// How many events a message of a stream holds when the reader does not say.
const BATCH_EVENTS_DEFAULT: i64 = 100;
const BATCH_EVENTS_MAX: i64 = 1_000;

const HEARTBEAT_DEFAULT: Duration = Duration::from_secs(15);
const HEARTBEAT_MIN: Duration = Duration::from_secs(5);
const HEARTBEAT_MAX: Duration = Duration::from_secs(60);

/// The longest that a long poll waits.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// How many types, programs, or affiliates a filter may name.
const FILTER_LENGTH_MAX: usize = 1_000;

/// The start of a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    /// After this cursor.
    After(String),
    /// From the oldest event that is kept.
    Beginning,
    /// After the newest event.
    Latest,
    /// From the first event committed at this time or later.
    Time(Time),
}

/// A request of WatchConversions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WantedStream {
    /// Where to start.
    pub(super) start: Start,
    /// Which events.
    pub(super) filter: EventFilter,
    /// How often to say that the stream is alive.
    pub(super) heartbeat_interval: Duration,
    /// How many events a message holds at most.
    pub(super) batch_events_max: i64,
}

/// A request of ListConversionEvents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WantedPage {
    /// Where to start.
    pub(super) start: Start,
    /// Which events.
    pub(super) filter: EventFilter,
    /// How many events at most.
    pub(super) page_events_max: i64,
    /// How long to wait for the first.
    pub(super) max_wait: Duration,
}

/// Reads a request of WatchConversions.
///
/// # Errors
/// [`Error::InvalidFields`].
pub(super) fn parse_watch(message: &pb::WatchConversionsRequest) -> Result<WantedStream, Error> {
    use watch_conversions_request::Start as Sent;
    let mut fields = Fields::default();
    let start = match &message.start {
        Some(Sent::AfterCursor(cursor)) => after(&mut fields, cursor),
        Some(Sent::Beginning(_)) => Some(Start::Beginning),
        Some(Sent::Latest(_)) => Some(Start::Latest),
        Some(Sent::StartTime(time)) => fields.time("start_time", Some(time)).map(Start::Time),
        None => no_start(&mut fields),
    };
    let filter = filter(&mut fields, message.filter.as_ref());
    let heartbeat_interval = optional_duration(&mut fields, "heartbeat_interval", message.heartbeat_interval.as_ref());
    let batch_events_max = match i64::from(message.max_batch_size) {
        0 => BATCH_EVENTS_DEFAULT,
        size @ 1.. => size.min(BATCH_EVENTS_MAX),
        _ => {
            fields.wrong("max_batch_size", format!("must not be negative; send 0 for {BATCH_EVENTS_DEFAULT}"));
            BATCH_EVENTS_DEFAULT
        }
    };
    let Some(start) = start else { return Err(fields.into_error()) };
    fields.finish()?;
    let heartbeat_interval = heartbeat_interval.unwrap_or(HEARTBEAT_DEFAULT).clamp(HEARTBEAT_MIN, HEARTBEAT_MAX);
    Ok(WantedStream { start, filter, heartbeat_interval, batch_events_max })
}

/// Reads a request of ListConversionEvents.
///
/// # Errors
/// [`Error::InvalidFields`].
pub(super) fn parse_list(message: &pb::ListConversionEventsRequest) -> Result<WantedPage, Error> {
    use list_conversion_events_request::Start as Sent;
    let mut fields = Fields::default();
    let start = match &message.start {
        Some(Sent::AfterCursor(cursor)) => after(&mut fields, cursor),
        Some(Sent::Beginning(_)) => Some(Start::Beginning),
        Some(Sent::Latest(_)) => Some(Start::Latest),
        Some(Sent::StartTime(time)) => fields.time("start_time", Some(time)).map(Start::Time),
        None => no_start(&mut fields),
    };
    let filter = filter(&mut fields, message.filter.as_ref());
    let page_events_max = page::size(&mut fields, message.page_size);
    let page_events_max = i64::try_from(page_events_max).unwrap_or(BATCH_EVENTS_MAX);
    let max_wait = optional_duration(&mut fields, "max_wait", message.max_wait.as_ref()).unwrap_or_default();
    if max_wait > WAIT_MAX {
        fields.wrong("max_wait", format!("must be at most {} seconds", WAIT_MAX.as_secs()));
    }
    let Some(start) = start else { return Err(fields.into_error()) };
    fields.finish()?;
    Ok(WantedPage { start, filter, page_events_max, max_wait })
}

fn after(fields: &mut Fields, cursor: &str) -> Option<Start> {
    if cursor.is_empty() {
        fields.wrong(
            "after_cursor",
            "must not be empty; to start anew, send beginning, latest or start_time in its place",
        );
        return None;
    }
    Some(Start::After(cursor.to_owned()))
}

fn no_start(fields: &mut Fields) -> Option<Start> {
    fields.wrong("after_cursor", "is required, or one of beginning, latest and start_time in its place");
    None
}

fn filter(fields: &mut Fields, filter: Option<&pb::EventFilter>) -> EventFilter {
    let Some(filter) = filter else { return EventFilter::default() };
    fields.within("filter", |fields| {
        for (field, length) in [
            ("types", filter.types.len()),
            ("program_ids", filter.program_ids.len()),
            ("affiliate_ids", filter.affiliate_ids.len()),
        ] {
            if length > FILTER_LENGTH_MAX {
                fields.wrong(field, format!("has {length} values; at most {FILTER_LENGTH_MAX} are taken"));
            }
        }
        fn each<S, T>(values: &[S], mut read: impl FnMut(usize, &S) -> Option<T>) -> Vec<T> {
            values.iter().take(FILTER_LENGTH_MAX).enumerate().filter_map(|(index, value)| read(index, value)).collect()
        }
        EventFilter {
            types: each(&filter.types, |index, number| {
                fields.value_of(&format!("types[{index}]"), *number, EventType::VALUES)
            }),
            program_ids: each(&filter.program_ids, |index, id| fields.id(&format!("program_ids[{index}]"), id)),
            affiliate_ids: each(&filter.affiliate_ids, |index, id| fields.id(&format!("affiliate_ids[{index}]"), id)),
        }
    })
}

fn optional_duration(fields: &mut Fields, field: &str, sent: Option<&prost_types::Duration>) -> Option<Duration> {
    let sent = sent?;
    // Not by the library's conversion, which panics at the ends of its range.
    match (u64::try_from(sent.seconds), u32::try_from(sent.nanos)) {
        (Ok(seconds), Ok(nanos @ 0..1_000_000_000)) => Some(Duration::new(seconds, nanos)),
        _ => {
            fields.wrong(field, "must not be negative, with nanos from 0 to 999999999");
            None
        }
    }
}

/// A length of time as a message; none for one of more than 292 thousand million years.
pub(super) fn duration(duration: Duration) -> Option<prost_types::Duration> {
    duration.try_into().ok()
}

/// The encoding of events for readers of the feed.
pub const FORM: EventForm = EventForm { encode_body, write_entry };

/// Writes an event as a message without the fields that it gets later: cursor, sequence and commit time. The feed keeps these bytes
/// for ever, so that a field of these messages never changes its meaning.
fn encode_body(event: &NewEvent, out: &mut Vec<u8>) {
    let (program_id, affiliate_id) = event.image.concerns();
    let message = pb::ConversionEvent {
        id: event.id.to_string(),
        cursor: String::new(),
        sequence: 0,
        r#type: event.event_type.number(),
        subject_id: event.image.subject_id(),
        program_id: id_or_empty(program_id),
        affiliate_id: id_or_empty(affiliate_id),
        occur_time: Some(timestamp(event.occurred_at)),
        commit_time: None,
        conversion: match &event.image {
            EventImage::Conversion(image) => Some(conversion::render(image)),
            _ => None,
        },
        cause_id: event.cause_id.clone(),
    };
    // There is always room in a vector.
    let _ = message.encode(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong_fields<T: std::fmt::Debug>(result: Result<T, Error>) -> Vec<String> {
        match result {
            Err(Error::InvalidFields(violations)) => violations.into_iter().map(|violation| violation.field).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_stream_must_say_where_it_starts() {
        assert_eq!(wrong_fields(parse_watch(&pb::WatchConversionsRequest::default())), ["after_cursor"]);
        // A client that lost its place sends an empty cursor: starting anew would repeat or lose everything.
        let start = Some(watch_conversions_request::Start::AfterCursor(String::new()));
        let message = pb::WatchConversionsRequest { start, ..Default::default() };
        assert_eq!(wrong_fields(parse_watch(&message)), ["after_cursor"]);
        assert_eq!(wrong_fields(parse_list(&pb::ListConversionEventsRequest::default())), ["after_cursor"]);
    }

    #[test]
    fn heartbeats_and_batches_have_their_limits() {
        let watch = |seconds, max_batch_size| {
            let start = Some(watch_conversions_request::Start::Latest(()));
            let heartbeat_interval = Some(prost_types::Duration { seconds, nanos: 0 });
            let message =
                pb::WatchConversionsRequest { start, heartbeat_interval, max_batch_size, ..Default::default() };
            parse_watch(&message).map(|wanted| (wanted.heartbeat_interval.as_secs(), wanted.batch_events_max))
        };
        assert_eq!(watch(1, 0).unwrap(), (5, 100));
        assert_eq!(watch(30, 7).unwrap(), (30, 7));
        assert_eq!(watch(3_600, 5_000).unwrap(), (60, 1_000));
        assert_eq!(wrong_fields(watch(-1, -1)), ["heartbeat_interval", "max_batch_size"]);
        assert_eq!(wrong_fields(watch(i64::MIN, 0)), ["heartbeat_interval"]);
        assert_eq!(watch(i64::MAX, 0).unwrap(), (60, 100));
    }

    #[test]
    fn a_filter_names_what_is_wrong_in_it() {
        let message = pb::ListConversionEventsRequest {
            start: Some(list_conversion_events_request::Start::Beginning(())),
            filter: Some(pb::EventFilter {
                types: vec![pb::EventType::SaleRecorded.into(), 0, 99],
                program_ids: vec!["prg_0193a5f0000070008000000000000001".to_owned(), "x".to_owned()],
                affiliate_ids: vec![String::new()],
            }),
            page_size: -1,
            max_wait: Some(prost_types::Duration { seconds: 31, nanos: 0 }),
        };
        assert_eq!(
            wrong_fields(parse_list(&message)),
            [
                "filter.types[1]",
                "filter.types[2]",
                "filter.program_ids[1]",
                "filter.affiliate_ids[0]",
                "page_size",
                "max_wait"
            ]
        );
    }

    #[test]
    fn a_filter_is_read_whole() {
        let message = pb::ListConversionEventsRequest {
            start: Some(list_conversion_events_request::Start::Beginning(())),
            filter: Some(pb::EventFilter { types: vec![pb::EventType::SaleRecorded.into()], ..Default::default() }),
            ..Default::default()
        };
        let wanted = parse_list(&message).unwrap();
        assert_eq!(wanted.filter.types, [EventType::SaleRecorded]);
        assert_eq!((wanted.start, wanted.page_events_max, wanted.max_wait), (Start::Beginning, 50, Duration::ZERO));
    }
}

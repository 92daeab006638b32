//! Events of the feed on the wire: the requests of readers, and the encoding of events.

use std::collections::BTreeSet;
use std::time::Duration;

use prost::Message;
use uuid::Uuid;

use super::message::write_entry;
use crate::app::feed::EventForm;
use crate::domain::event::{EventFilter, EventImage, EventKind, NewEvent};
use crate::domain::id::{
    AccountId, AffiliateGroupId, AffiliateId, ApiKeyId, BountyId, ConversionId, CouponId, EnrollmentId, ItemId, LeadId,
    LinkId, OfferId, PayoutDocumentId, PayoutId, PayoutRunId, PayoutScheduleId, ProgramId, RewardId, SubmissionId,
};
use crate::domain::time::Time;
use crate::error::Error;
use crate::pb::{self, event::Subject, feed_start};
use crate::rpc::call::page;
use crate::rpc::call::parse::Fields;
pub(super) use crate::rpc::call::render::timestamp;
use crate::rpc::call::wire_enum::WireEnum;
use crate::rpc::{
    account, affiliate, affiliate_group, audit, billing_profile, bounty, conversion, coupon, enrollment, item, lead,
    link, offer, payout, payout_connection, payout_document, payout_method, payout_reconciliation, payout_run,
    payout_schedule, program, reward, submission, tax_profile,
};

/// The default number of events in a message of a stream.
const BATCH_EVENTS_DEFAULT: i64 = 100;
const BATCH_EVENTS_MAX: i64 = 1_000;

const HEARTBEAT_DEFAULT: Duration = Duration::from_secs(15);
const HEARTBEAT_MIN: Duration = Duration::from_secs(5);
const HEARTBEAT_MAX: Duration = Duration::from_secs(60);

/// The maximum wait of a long poll.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The maximum number of kinds, programs, affiliates or subjects in a filter.
const FILTER_LENGTH_MAX: usize = 1_000;

/// An end of the feed, named by requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rpc) enum FeedPosition {
    /// Before the oldest event that is kept.
    Beginning,
    /// After the newest event.
    Latest,
}

impl FeedPosition {
    pub(in crate::rpc) const ALL: &[Self] = &[Self::Beginning, Self::Latest];
}

/// Where a reader starts.
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

/// A request of WatchEvents or WatchConversions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WantedStream {
    /// The start of the stream.
    pub(super) start: Start,
    /// The events to send.
    pub(super) filter: EventFilter,
    /// The interval of messages that show that the stream is alive.
    pub(super) heartbeat_delay: Duration,
    /// The maximum number of events in a message.
    pub(super) batch_events_max: i64,
}

/// A request of ReadEvents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WantedPage {
    /// The start of the page.
    pub(super) start: Start,
    /// The events to return.
    pub(super) filter: EventFilter,
    /// The maximum number of events.
    pub(super) page_events_max: i64,
    /// How long to wait for the first event.
    pub(super) max_wait: Duration,
}

/// Reads a request of WatchEvents.
///
/// # Errors
/// [`Error::InvalidFields`].
pub(super) fn parse_watch(message: &pb::WatchEventsRequest) -> Result<WantedStream, Error> {
    parse_stream(message, EventKind::ALL)
}

/// Reads a request of WatchConversions.
///
/// # Errors
/// [`Error::InvalidFields`].
pub(super) fn parse_watch_conversions(message: &pb::WatchConversionsRequest) -> Result<WantedStream, Error> {
    let message = pb::WatchEventsRequest {
        start: message.start.clone(),
        filter: message.filter.clone(),
        heartbeat_delay: message.heartbeat_delay,
        max_batch_size: message.max_batch_size,
    };
    let kinds = EventKind::about_conversions();
    let mut wanted = parse_stream(&message, &kinds)?;
    if wanted.filter.kinds.is_empty() {
        wanted.filter.kinds = kinds.into_iter().collect();
    }
    Ok(wanted)
}

/// Reads the request of a stream that may have events of these kinds.
fn parse_stream(message: &pb::WatchEventsRequest, kinds: &[EventKind]) -> Result<WantedStream, Error> {
    let mut fields = Fields::default();
    let start = start(&mut fields, message.start.as_ref());
    let filter = filter(&mut fields, message.filter.as_ref(), kinds);
    let heartbeat_delay = optional_duration(&mut fields, "heartbeat_delay", message.heartbeat_delay.as_ref());
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
    let heartbeat_delay = heartbeat_delay.unwrap_or(HEARTBEAT_DEFAULT).clamp(HEARTBEAT_MIN, HEARTBEAT_MAX);
    Ok(WantedStream { start, filter, heartbeat_delay, batch_events_max })
}

/// Reads a request of ReadEvents.
///
/// # Errors
/// [`Error::InvalidFields`].
pub(super) fn parse_read(message: &pb::ReadEventsRequest) -> Result<WantedPage, Error> {
    let mut fields = Fields::default();
    let start = start(&mut fields, message.start.as_ref());
    let filter = filter(&mut fields, message.filter.as_ref(), EventKind::ALL);
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

/// The start that a reader asks for.
fn start(fields: &mut Fields, sent: Option<&pb::FeedStart>) -> Option<Start> {
    use feed_start::Place as Sent;
    const CHOICES: &str = "one of position, after_cursor and commit_time";
    let Some(sent) = sent else {
        fields.wrong("start", format!("is required: {CHOICES}"));
        return None;
    };
    fields.within("start", |fields| match &sent.place {
        Some(Sent::AfterCursor(cursor)) if cursor.is_empty() => {
            fields.wrong("after_cursor", "must not be empty; to start anew, send position or commit_time in its place");
            None
        }
        Some(Sent::AfterCursor(cursor)) => Some(Start::After(cursor.clone())),
        Some(Sent::Position(number)) => {
            fields.value_of("position", *number, FeedPosition::ALL).map(|position| match position {
                FeedPosition::Beginning => Start::Beginning,
                FeedPosition::Latest => Start::Latest,
            })
        }
        Some(Sent::CommitTime(time)) => fields.time("commit_time", Some(time)).map(Start::Time),
        None => {
            fields.wrong("position", format!("is required, or {CHOICES} in its place"));
            None
        }
    })
}

/// The id of an event's subject, of any kind.
fn subject_id(fields: &mut Fields, field: &str, text: &str) -> Option<Uuid> {
    macro_rules! any_of {
        ($($id:ident),*) => { None$(.or_else(|| text.parse::<$id>().ok().map($id::uuid)))* };
    }
    let id = any_of!(
        ConversionId,
        RewardId,
        ProgramId,
        AffiliateId,
        EnrollmentId,
        LinkId,
        CouponId,
        AffiliateGroupId,
        ItemId,
        OfferId,
        PayoutId,
        PayoutRunId,
        PayoutDocumentId,
        PayoutScheduleId,
        BountyId,
        SubmissionId,
        LeadId,
        ApiKeyId,
        AccountId
    );
    if id.is_none() {
        fields.wrong(field, "must be the id of a subject of events, such as cnv_ and 32 hexadecimal digits");
    }
    id
}

fn filter(fields: &mut Fields, filter: Option<&pb::EventFilter>, kinds: &[EventKind]) -> EventFilter {
    let Some(filter) = filter else { return EventFilter::default() };
    fields.within("filter", |fields| {
        for (field, length) in [
            ("kinds", filter.kinds.len()),
            ("program_ids", filter.program_ids.len()),
            ("affiliate_ids", filter.affiliate_ids.len()),
            ("subject_ids", filter.subject_ids.len()),
        ] {
            if length > FILTER_LENGTH_MAX {
                fields.wrong(field, format!("has {length} values; at most {FILTER_LENGTH_MAX} are taken"));
            }
        }
        fn each<S, T: Ord>(values: &[S], mut read: impl FnMut(usize, &S) -> Option<T>) -> BTreeSet<T> {
            values.iter().take(FILTER_LENGTH_MAX).enumerate().filter_map(|(index, value)| read(index, value)).collect()
        }
        EventFilter {
            kinds: each(&filter.kinds, |index, number| fields.value_of(&format!("kinds[{index}]"), *number, kinds)),
            program_ids: each(&filter.program_ids, |index, id| fields.id(&format!("program_ids[{index}]"), id)),
            affiliate_ids: each(&filter.affiliate_ids, |index, id| fields.id(&format!("affiliate_ids[{index}]"), id)),
            subject_ids: each(&filter.subject_ids, |index, id| {
                subject_id(fields, &format!("subject_ids[{index}]"), id)
            }),
        }
    })
}

fn optional_duration(fields: &mut Fields, field: &str, sent: Option<&prost_types::Duration>) -> Option<Duration> {
    let sent = sent?;
    // Not converted by the library, because its conversion panics at the ends of the range.
    match (u64::try_from(sent.seconds), u32::try_from(sent.nanos)) {
        (Ok(seconds), Ok(nanos @ 0..1_000_000_000)) => Some(Duration::new(seconds, nanos)),
        _ => {
            fields.wrong(field, "must not be negative, with nanos from 0 to 999999999");
            None
        }
    }
}

/// A duration as a message. `None` for more than 292 thousand million years.
pub(super) fn duration(duration: Duration) -> Option<prost_types::Duration> {
    duration.try_into().ok()
}

/// The encoding of events for readers of the feed.
pub const FORM: EventForm = EventForm { encode_body, write_entry };

/// Writes an event as a message without cursor, sequence and commit time, which it gets later. The feed keeps these bytes for
/// ever. A field of these messages must therefore never change its meaning.
fn encode_body(event: &NewEvent, out: &mut Vec<u8>) {
    let message = pb::Event {
        id: event.id.into(),
        kind: event.kind.number(),
        occur_time: Some(timestamp(event.occurred_at)),
        cause_id: event.cause_id.clone(),
        subject: Some(subject(&event.image)),
        audit_entry: event.audit_entry.as_deref().map(audit::image),
        ..pb::Event::default()
    };
    // Encoding cannot fail, because a vector always has room.
    let _ = message.encode(out);
}

/// The subject of an event as stored in the feed. Personal data is left out, because it must be possible to erase and stored
/// events never change.
fn subject(image: &EventImage) -> Subject {
    match image {
        EventImage::Conversion(image) => Subject::Conversion(conversion::image(image)),
        EventImage::Reward(row) => Subject::Reward(reward::image(row)),
        EventImage::Payout(row) => Subject::Payout(payout::image(row)),
        EventImage::PayoutDocument(row) => Subject::PayoutDocument(payout_document::render(row)),
        EventImage::PayoutRun(row) => Subject::PayoutRun(payout_run::image(row)),
        EventImage::PayoutSchedule(row) => Subject::PayoutSchedule(payout_schedule::image(row)),
        EventImage::PayoutMethod(row) => Subject::PayoutMethod(payout_method::image(row)),
        EventImage::TaxProfile(row) => Subject::TaxProfile(tax_profile::image(row)),
        EventImage::BillingProfile(row) => Subject::BillingProfile(billing_profile::image(row)),
        EventImage::PayoutReconciliation(row) => Subject::PayoutReconciliation(payout_reconciliation::image(row)),
        EventImage::PayoutConnection(row) => Subject::PayoutConnection(payout_connection::render(row)),
        EventImage::Program(answer) => Subject::Program(program::image(&answer.program, &answer.terms)),
        EventImage::Affiliate(row) => Subject::Affiliate(affiliate::image(row)),
        EventImage::Enrollment(row) => Subject::Enrollment(enrollment::image(row)),
        EventImage::Link(link) => Subject::Link(link::image(&link.row)),
        EventImage::Coupon(coupon) => Subject::Coupon(coupon::image(&coupon.row)),
        EventImage::AffiliateGroup(row) => Subject::AffiliateGroup(affiliate_group::image(row)),
        EventImage::Item(row) => Subject::Item(item::image(row)),
        EventImage::Offer(row) => Subject::Offer(offer::render(row)),
        EventImage::Bounty(row) => Subject::Bounty(bounty::render(row)),
        EventImage::Submission(row) => Subject::Submission(submission::image(row)),
        EventImage::Lead(row) => Subject::Lead(lead::image(row)),
        EventImage::ApiKey(row) => Subject::ApiKey(account::api_key(row)),
        EventImage::Account(row) => Subject::Account(account::image(row)),
    }
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

    fn at(start: feed_start::Place) -> Option<pb::FeedStart> {
        Some(pb::FeedStart { place: Some(start) })
    }

    fn latest() -> Option<pb::FeedStart> {
        at(feed_start::Place::Position(pb::FeedPosition::Latest.into()))
    }

    #[test]
    fn a_stream_must_say_where_it_starts() {
        assert_eq!(wrong_fields(parse_watch(&pb::WatchEventsRequest::default())), ["start"]);
        assert_eq!(wrong_fields(parse_watch_conversions(&pb::WatchConversionsRequest::default())), ["start"]);
        assert_eq!(wrong_fields(parse_read(&pb::ReadEventsRequest::default())), ["start"]);
        // An empty cursor must be an error. A client that lost its position sends one, and starting anew would repeat or lose
        // events.
        for (start, field) in [
            (at(feed_start::Place::AfterCursor(String::new())), "start.after_cursor"),
            (at(feed_start::Place::Position(0)), "start.position"),
            (at(feed_start::Place::Position(9)), "start.position"),
            (Some(pb::FeedStart::default()), "start.position"),
        ] {
            assert_eq!(wrong_fields(parse_watch(&pb::WatchEventsRequest { start, ..Default::default() })), [field]);
        }
    }

    #[test]
    fn heartbeats_and_batches_have_their_limits() {
        let watch = |seconds, max_batch_size| {
            let heartbeat_delay = Some(prost_types::Duration { seconds, nanos: 0 });
            let message =
                pb::WatchEventsRequest { start: latest(), heartbeat_delay, max_batch_size, ..Default::default() };
            parse_watch(&message).map(|wanted| (wanted.heartbeat_delay.as_secs(), wanted.batch_events_max))
        };
        assert_eq!(watch(1, 0).unwrap(), (5, 100));
        assert_eq!(watch(30, 7).unwrap(), (30, 7));
        assert_eq!(watch(3_600, 5_000).unwrap(), (60, 1_000));
        assert_eq!(wrong_fields(watch(-1, -1)), ["heartbeat_delay", "max_batch_size"]);
        assert_eq!(wrong_fields(watch(i64::MIN, 0)), ["heartbeat_delay"]);
        assert_eq!(watch(i64::MAX, 0).unwrap(), (60, 100));
    }

    #[test]
    fn a_filter_names_what_is_wrong_in_it() {
        let message = pb::ReadEventsRequest {
            start: latest(),
            filter: Some(pb::EventFilter {
                kinds: vec![pb::EventKind::SaleRecorded.into(), 0, 9_999],
                program_ids: vec!["prg_0193a5f0000070008000000000000001".to_owned(), "x".to_owned()],
                affiliate_ids: vec![String::new()],
                subject_ids: vec!["lnk_0193a5f0000070008000000000000001".to_owned(), "evt_1".to_owned()],
            }),
            page_size: -1,
            max_wait: Some(prost_types::Duration { seconds: 31, nanos: 0 }),
        };
        assert_eq!(
            wrong_fields(parse_read(&message)),
            [
                "filter.kinds[1]",
                "filter.kinds[2]",
                "filter.program_ids[1]",
                "filter.affiliate_ids[0]",
                "filter.subject_ids[1]",
                "page_size",
                "max_wait"
            ]
        );
    }

    #[test]
    fn a_filter_is_read_whole() {
        let message = pb::ReadEventsRequest {
            start: at(feed_start::Place::Position(pb::FeedPosition::Beginning.into())),
            filter: Some(pb::EventFilter { kinds: vec![pb::EventKind::SaleRecorded.into()], ..Default::default() }),
            ..Default::default()
        };
        let wanted = parse_read(&message).unwrap();
        assert_eq!(wanted.filter.kinds, [EventKind::SaleRecorded].into());
        assert_eq!((wanted.start, wanted.page_events_max, wanted.max_wait), (Start::Beginning, 50, Duration::ZERO));
    }

    #[test]
    fn a_stream_of_conversions_has_nothing_else() {
        let watch = |kinds: &[pb::EventKind]| {
            let kinds = kinds.iter().map(|kind| i32::from(*kind)).collect();
            let filter = Some(pb::EventFilter { kinds, ..Default::default() });
            let message = pb::WatchConversionsRequest { start: latest(), filter, ..Default::default() };
            parse_watch_conversions(&message).map(|wanted| wanted.filter.kinds)
        };
        assert!(watch(&[]).unwrap().into_iter().eq(EventKind::about_conversions()));
        assert_eq!(watch(&[pb::EventKind::SaleRecorded]).unwrap(), [EventKind::SaleRecorded].into());
        assert_eq!(wrong_fields(watch(&[pb::EventKind::RewardApproved])), ["filter.kinds[0]"]);
    }
}

//! The feed's answers as the server sends them. They have the same bytes as the generated messages, but contain events that were
//! encoded before. `build.rs` uses these types in place of the generated ones, in the server only.

use bytes::{BufMut, Bytes};
use prost::encoding::{
    DecodeContext, WireType, encode_key, encode_varint, encoded_len_varint, int64, message, skip_field, string,
};
use prost::{DecodeError, Message};

use crate::domain::time::Time;
use crate::pb;

/// The numbers of fields in `feed.proto` and `event.proto`. The tests below check them.
const CURSOR: u32 = 1;
const BATCH: u32 = 3;
const EVENTS: u32 = 1;
const NEXT_CURSOR: u32 = 2;
const HEAD_CURSOR: u32 = 3;
const EARLIEST_CURSOR: u32 = 4;
const EVENT_CURSOR: u32 = 2;
const EVENT_SEQUENCE: u32 = 3;
const EVENT_COMMIT_TIME: u32 = 6;

/// Writes one entry of a list of events: the event's body with its cursor, sequence and commit time.
pub(super) fn write_entry(body: &[u8], sequence: i64, committed_at: Time, cursor: &str, out: &mut Vec<u8>) {
    let commit_time = crate::rpc::call::render::timestamp(committed_at);
    let place_length = 1
        + encoded_len_varint(cursor.len() as u64)
        + cursor.len()
        + int64::encoded_len(EVENT_SEQUENCE, &sequence)
        + message::encoded_len(EVENT_COMMIT_TIME, &commit_time);
    encode_key(EVENTS, WireType::LengthDelimited, out);
    encode_varint((place_length + body.len()) as u64, out);
    encode_key(EVENT_CURSOR, WireType::LengthDelimited, out);
    encode_varint(cursor.len() as u64, out);
    out.extend_from_slice(cursor.as_bytes());
    int64::encode(EVENT_SEQUENCE, &sequence, out);
    message::encode(EVENT_COMMIT_TIME, &commit_time, out);
    out.extend_from_slice(body);
}

/// Events in order, encoded by `write_entry` as entries of a list. Each [`Bytes`] holds several entries.
#[derive(Debug, Default)]
pub struct Entries(Vec<Bytes>);

impl Entries {
    pub(super) fn push(&mut self, piece: Bytes) {
        self.0.push(piece);
    }

    fn byte_count(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn write(&self, buf: &mut impl BufMut) {
        self.0.iter().for_each(|piece| buf.put_slice(piece));
    }
}

/// The kind of a stream's message.
#[derive(Debug)]
pub(super) enum Kind {
    /// Events.
    Batch(Entries),
    /// Any other message.
    Word(pb::watch_events_response::Content),
}

/// A message of a stream: see [`pb::WatchEventsResponse`] and [`pb::WatchConversionsResponse`], which have the same fields.
#[derive(Debug, Default)]
pub struct WatchResponse {
    pub(super) cursor: String,
    pub(super) kind: Option<Kind>,
}

impl Message for WatchResponse {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        write_text(CURSOR, &self.cursor, buf);
        match &self.kind {
            Some(Kind::Batch(events)) => {
                encode_key(BATCH, WireType::LengthDelimited, buf);
                encode_varint(events.byte_count() as u64, buf);
                events.write(buf);
            }
            Some(Kind::Word(word)) => word.encode(buf),
            None => {}
        }
    }

    fn encoded_len(&self) -> usize {
        let kind = match &self.kind {
            Some(Kind::Batch(events)) => {
                let length = events.byte_count();
                1 + encoded_len_varint(length as u64) + length
            }
            Some(Kind::Word(word)) => word.encoded_len(),
            None => 0,
        };
        text_length(CURSOR, &self.cursor) + kind
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl bytes::Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        // The server only sends this message.
        skip_field(wire_type, tag, buf, context)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

/// See [`pb::ReadEventsResponse`].
#[derive(Debug, Default)]
pub struct ReadEventsResponse {
    pub(super) events: Entries,
    pub(super) next_cursor: String,
    pub(super) head_cursor: String,
    pub(super) earliest_cursor: String,
}

impl ReadEventsResponse {
    fn texts(&self) -> [(u32, &String); 3] {
        [(NEXT_CURSOR, &self.next_cursor), (HEAD_CURSOR, &self.head_cursor), (EARLIEST_CURSOR, &self.earliest_cursor)]
    }
}

impl Message for ReadEventsResponse {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        self.events.write(buf);
        self.texts().into_iter().for_each(|(tag, text)| write_text(tag, text, buf));
    }

    fn encoded_len(&self) -> usize {
        let texts: usize = self.texts().into_iter().map(|(tag, text)| text_length(tag, text)).sum();
        self.events.byte_count() + texts
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl bytes::Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        // The server only sends this message.
        skip_field(wire_type, tag, buf, context)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Writes a text field. An empty text is left out.
fn write_text(tag: u32, text: &String, buf: &mut impl BufMut) {
    if !text.is_empty() {
        string::encode(tag, text, buf);
    }
}

fn text_length(tag: u32, text: &String) -> usize {
    if text.is_empty() { 0 } else { string::encoded_len(tag, text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pb::watch_events_response::Content as Word;

    fn event(number: i64) -> pb::Event {
        pb::Event {
            id: format!("evt_{number}"),
            cursor: format!("cursor-{number}"),
            sequence: number,
            kind: pb::EventKind::SaleRecorded.into(),
            commit_time: Some(crate::rpc::call::render::timestamp(Time::from_micros(1_700_000_000_123_456))),
            subject: Some(pb::event::Subject::Conversion(pb::Conversion {
                event_id: "order".repeat(40),
                ..pb::Conversion::default()
            })),
            cause_id: "order-1".to_owned(),
            ..pb::Event::default()
        }
    }

    fn body(event: &pb::Event) -> Vec<u8> {
        let body = pb::Event { cursor: String::new(), sequence: 0, commit_time: None, ..event.clone() };
        body.encode_to_vec()
    }

    #[test]
    fn an_entry_is_the_event_with_its_place() {
        let expected = event(7);
        let mut entry = Vec::new();
        write_entry(&body(&expected), 7, Time::from_micros(1_700_000_000_123_456), &expected.cursor, &mut entry);
        let batch = pb::EventBatch::decode(&*entry).unwrap();
        assert_eq!(batch.events, std::slice::from_ref(&expected));
        // The length of the generated encoding proves that no field is written twice.
        assert_eq!(entry.len(), pb::EventBatch { events: vec![expected] }.encoded_len());
    }

    /// The entries as the generated types encode them.
    fn entries(events: &[pb::Event]) -> Entries {
        let pieces = events.chunks(2);
        Entries(pieces.map(|piece| pb::EventBatch { events: piece.to_vec() }.encode_to_vec().into()).collect())
    }

    #[test]
    fn messages_of_a_stream_are_the_generated_ones_byte_for_byte() {
        let events: Vec<_> = (1..=5).map(event).collect();
        let words = [
            Word::Opened(pb::Opened { feed_id: "feed".to_owned(), ..pb::Opened::default() }),
            Word::Heartbeat(pb::Heartbeat { server_time: None, lag_event_count: 300 }),
            Word::CaughtUp(pb::CaughtUp {}),
            Word::FellBehind(pb::FellBehind { lag_event_count: 5 }),
            Word::Draining(pb::Draining { reason: 1, reconnect_delay: None }),
        ];
        let batches = [0, 1, 5].map(|count| {
            let events = &events[..count];
            (Kind::Batch(entries(events)), Word::Batch(pb::EventBatch { events: events.to_vec() }))
        });
        let words = words.map(|word| (Kind::Word(word.clone()), word));
        for (kind, message) in batches.into_iter().chain(words) {
            for cursor in ["", "the cursor"] {
                let expected = pb::WatchEventsResponse { cursor: cursor.to_owned(), content: Some(message.clone()) };
                let sent = WatchResponse { cursor: cursor.to_owned(), kind: Some(clone_of(&kind)) };
                let bytes = sent.encode_to_vec();
                let conversions = pb::WatchConversionsResponse::decode(&*bytes).unwrap();
                assert_eq!(conversions.encode_to_vec(), bytes, "the other stream's messages have the same form");
                assert_eq!(sent.encoded_len(), expected.encoded_len());
                assert_eq!(sent.encode_to_vec(), expected.encode_to_vec());
            }
        }
        assert_eq!(WatchResponse::default().encode_to_vec(), [0_u8; 0]);
    }

    fn clone_of(kind: &Kind) -> Kind {
        match kind {
            Kind::Batch(Entries(pieces)) => Kind::Batch(Entries(pieces.clone())),
            Kind::Word(word) => Kind::Word(word.clone()),
        }
    }

    #[test]
    fn pages_are_the_generated_ones_byte_for_byte() {
        for count in [0, 3] {
            let events: Vec<_> = (1..=count).map(event).collect();
            let [next_cursor, head_cursor, earliest_cursor] = ["next", "head", ""].map(str::to_owned);
            let sent = ReadEventsResponse {
                events: entries(&events),
                next_cursor: next_cursor.clone(),
                head_cursor: head_cursor.clone(),
                earliest_cursor: earliest_cursor.clone(),
            };
            let expected = pb::ReadEventsResponse { events, next_cursor, head_cursor, earliest_cursor };
            assert_eq!(sent.encoded_len(), expected.encoded_len());
            assert_eq!(sent.encode_to_vec(), expected.encode_to_vec());
        }
    }
}

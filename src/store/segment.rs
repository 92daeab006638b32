//! The encoding of one account's events of one commit as one row. Each event has a header for filters and a body, which only the
//! encoder of bodies can read. A row may store it compressed, see `packed.rs`. Pure; knows no table.
//!
//! | bytes | content |
//! |---|---|
//! | 1 | the version |
//! | 4 | the CRC-32 of everything after it |
//!
//! Then for each event:
//!
//! | bytes | content |
//! |---|---|
//! | 4 | the length of the body |
//! | 1, 1, 1 | the length of the kind's text, the number of programs, the number of affiliates |
//! | | the kind's text |
//! | 16 each | the UUIDs of the subject, the programs and the affiliates |
//! | | the body |
//!
//! Integers have their lowest byte first. The checksum is needed because bodies are sent to readers without being decoded.

pub(super) mod packed;

use std::ops::Range;

use uuid::Uuid;

use crate::domain::event::{EventHeader, NewEvent};
use crate::domain::id::{AffiliateId, ProgramId};

const VERSION: u8 = 1;
/// Where the events of a segment begin, after its version and its checksum.
pub(super) const START: usize = 1 + 4;

/// Appends the body of an event to the buffer.
pub type EncodeBody = fn(&NewEvent, &mut Vec<u8>);

/// An event of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) header: EventHeader,
    /// The range of the body in the segment's bytes.
    pub(super) body: Range<usize>,
}

/// An event that does not fit. It has more than 255 ids of one kind, or a body of 4 GiB. No rule shares a conversion among nearly
/// as many affiliates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

/// The bytes were not written by any version of this program, or were changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Writes a segment.
pub(super) struct SegmentWriter {
    bytes: Vec<u8>,
    frames: Vec<Frame>,
}

impl SegmentWriter {
    pub(super) fn new() -> Self {
        Self { bytes: vec![VERSION, 0, 0, 0, 0], frames: Vec::new() }
    }

    /// Appends an event. After an error the segment is of no use.
    pub(super) fn push(&mut self, header: EventHeader, write_body: impl FnOnce(&mut Vec<u8>)) -> Result<(), TooLong> {
        let start = self.bytes.len();
        let kind = header.kind.as_str().as_bytes();
        let programs = header.program_ids.iter().map(|id| id.uuid());
        let affiliates = header.affiliate_ids.iter().map(|id| id.uuid());
        self.bytes.extend([0; 4]);
        for length in [kind.len(), programs.len(), affiliates.len()] {
            self.bytes.push(u8::try_from(length).map_err(|_| TooLong)?);
        }
        self.bytes.extend(kind);
        let ids = std::iter::once(header.subject_id).chain(programs).chain(affiliates);
        ids.for_each(|id| self.bytes.extend(id.as_bytes()));
        let body = self.bytes.len();
        write_body(&mut self.bytes);
        let length = u32::try_from(self.bytes.len() - body).map_err(|_| TooLong)?;
        self.bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
        self.frames.push(Frame { header, body: body..self.bytes.len() });
        Ok(())
    }

    pub(super) fn event_count(&self) -> usize {
        self.frames.len()
    }

    pub(super) fn byte_count(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn finish(mut self) -> (Vec<u8>, Vec<Frame>) {
        let checksum = crc32fast::hash(&self.bytes[START..]);
        self.bytes[1..START].copy_from_slice(&checksum.to_le_bytes());
        (self.bytes, self.frames)
    }
}

/// The checksum in the first bytes of a segment. It tells a segment from any other, because each event has a random id.
pub(super) fn check(bytes: &[u8]) -> Result<u32, Malformed> {
    let (_, rest) = bytes.split_first().ok_or(Malformed)?;
    rest.first_chunk::<4>().map(|check| u32::from_le_bytes(*check)).ok_or(Malformed)
}

/// Decodes the events of a segment.
pub(super) fn frames(bytes: &[u8]) -> Result<Vec<Frame>, Malformed> {
    let (version, rest) = bytes.split_first().ok_or(Malformed)?;
    let (checksum, content) = rest.split_first_chunk::<4>().ok_or(Malformed)?;
    if *version != VERSION || u32::from_le_bytes(*checksum) != crc32fast::hash(content) {
        return Err(Malformed);
    }
    let mut cursor = Cursor { bytes, at: START };
    let mut frames = Vec::new();
    while cursor.at < bytes.len() {
        frames.push(cursor.frame()?);
    }
    Ok(frames)
}

struct Cursor<'bytes> {
    bytes: &'bytes [u8],
    at: usize,
}

impl<'bytes> Cursor<'bytes> {
    fn frame(&mut self) -> Result<Frame, Malformed> {
        let length = u32::from_le_bytes(self.array()?);
        let [kind_length, programs, affiliates] = self.array()?;
        let kind = std::str::from_utf8(self.take(kind_length.into())?).map_err(|_| Malformed)?;
        let kind = kind.parse().map_err(|_| Malformed)?;
        let subject_id = self.id()?;
        let program_ids = (0..programs).map(|_| self.id().map(ProgramId::from_uuid)).collect::<Result<_, _>>()?;
        let affiliate_ids = (0..affiliates).map(|_| self.id().map(AffiliateId::from_uuid)).collect::<Result<_, _>>()?;
        let start = self.at;
        self.take(usize::try_from(length).map_err(|_| Malformed)?)?;
        let header = EventHeader { kind, subject_id, program_ids, affiliate_ids };
        Ok(Frame { header, body: start..self.at })
    }

    fn id(&mut self) -> Result<Uuid, Malformed> {
        self.array().map(Uuid::from_bytes)
    }

    fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], Malformed> {
        self.take(LENGTH)?.try_into().map_err(|_| Malformed)
    }

    fn take(&mut self, length: usize) -> Result<&'bytes [u8], Malformed> {
        let end = self.at.checked_add(length).ok_or(Malformed)?;
        let taken = self.bytes.get(self.at..end).ok_or(Malformed)?;
        self.at = end;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::EventKind;
    use proptest::prelude::*;

    /// A header and a body.
    type Event = (EventHeader, String);

    fn event() -> impl Strategy<Value = Event> {
        let id = || any::<u128>().prop_map(Uuid::from_u128);
        let ids = || proptest::collection::vec(id(), 0..3);
        (proptest::sample::select(EventKind::ALL), id(), ids(), ids(), ".{0,300}").prop_map(
            |(kind, subject_id, programs, affiliates, body)| {
                let program_ids = programs.into_iter().map(ProgramId::from_uuid).collect();
                let affiliate_ids = affiliates.into_iter().map(AffiliateId::from_uuid).collect();
                (EventHeader { kind, subject_id, program_ids, affiliate_ids }, body)
            },
        )
    }

    fn segment(events: &[Event]) -> (Vec<u8>, Vec<Frame>) {
        let mut writer = SegmentWriter::new();
        events
            .iter()
            .for_each(|(header, body)| writer.push(header.clone(), |out| out.extend(body.as_bytes())).unwrap());
        writer.finish()
    }

    /// Adds a valid checksum, so that the bytes after it are decoded.
    fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
        if bytes.len() > START {
            bytes[0] = VERSION;
            let checksum = crc32fast::hash(&bytes[START..]);
            bytes[1..START].copy_from_slice(&checksum.to_le_bytes());
        }
        bytes
    }

    proptest! {
        #[test]
        fn written_events_are_read_back(events in proptest::collection::vec(event(), 0..8)) {
            let (bytes, written) = segment(&events);
            let read = frames(&bytes).unwrap();
            prop_assert_eq!(&read, &written);
            prop_assert_eq!(read.len(), events.len());
            for (frame, (header, body)) in read.into_iter().zip(&events) {
                prop_assert_eq!(&frame.header, header);
                prop_assert_eq!(&bytes[frame.body], body.as_bytes());
            }
        }

        #[test]
        fn other_events_have_another_check(events in proptest::collection::vec(event(), 1..4), id in any::<u128>()) {
            let (bytes, _) = segment(&events);
            prop_assert_eq!(check(&bytes), check(&bytes[..START]));
            let mut others = events;
            others[0].0.subject_id = Uuid::from_u128(id);
            prop_assume!(segment(&others).0 != bytes);
            prop_assert_ne!(check(&segment(&others).0), check(&bytes));
        }

        #[test]
        fn cut_or_changed_bytes_are_an_error(events in proptest::collection::vec(event(), 1..4), place in any::<prop::sample::Index>(), change in 1..=255_u8) {
            let (bytes, _) = segment(&events);
            let place = place.index(bytes.len());
            prop_assert_eq!(frames(&bytes[..place]), Err(Malformed));
            let mut changed = bytes;
            changed[place] ^= change;
            prop_assert_eq!(frames(&changed), Err(Malformed));
        }

        #[test]
        fn bytes_of_anybody_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(frames(&bytes), Err(Malformed));
            if let Ok(frames) = frames(&sealed(bytes.clone())) {
                prop_assert!(frames.iter().all(|frame| frame.body.end <= bytes.len()));
            }
        }

        #[test]
        fn a_cut_that_is_sealed_anew_is_no_panic(events in proptest::collection::vec(event(), 1..4), place in any::<prop::sample::Index>()) {
            let (bytes, _) = segment(&events);
            let cut = sealed(bytes[..place.index(bytes.len())].to_vec());
            if let Ok(frames) = frames(&cut) {
                prop_assert!(frames.len() < events.len());
            }
        }
    }
}

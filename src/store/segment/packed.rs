//! The stored form of a segment: plain, or compressed with LZ4. Both databases store the same bytes. Pure; knows no table.
//!
//! A plain segment is stored as it is, see `segment.rs`. A compressed one is:
//!
//! | bytes | content |
//! |---|---|
//! | 1 | [`COMPRESSED`] |
//! | 4 | the CRC-32 of the plain events |
//! | 4 | the length of the plain events |
//! | | the plain events as one LZ4 block, compressed with [`DICTIONARY`] |
//!
//! Both forms have the same checksum at the same place. The place of a reader therefore does not depend on the form of the segment,
//! and a wrong decompression is noticed. Stored bytes never change. Another dictionary or another compression gets another first
//! byte, and these forms are read for ever.

use lz4_flex::block;

use super::{Malformed, START};

/// The first byte of a compressed segment. A plain one has the version of its events there.
const COMPRESSED: u8 = 2;

/// Where the LZ4 block begins.
const BLOCK_START: usize = START + 4;

/// Longer events are stored plain. A segment is full at 256 KiB, and one event of a few MiB may follow.
const EVENTS_BYTES_MAX: usize = 16 << 20;

/// A byte of an LZ4 block decompresses to at most this many.
const RATIO_MAX: usize = 255;

/// The event of a sale, with ids of zeros. It lets a segment of one sale shrink, which has few repetitions of its own. Never changes,
/// because every compressed segment needs it.
const DICTIONARY: &[u8] = include_bytes!("dictionary.bin");

/// The stored form of a plain segment. Segments that do not shrink stay plain.
pub(in crate::store) fn pack(plain: &[u8]) -> Vec<u8> {
    compress(plain).filter(|packed| packed.len() < plain.len()).unwrap_or_else(|| plain.to_vec())
}

fn compress(plain: &[u8]) -> Option<Vec<u8>> {
    let (head, events) = plain.split_at_checked(START)?;
    let length = u32::try_from(events.len()).ok().filter(|_| events.len() <= EVENTS_BYTES_MAX)?;
    let mut packed = vec![0; BLOCK_START + block::get_maximum_output_size(events.len())];
    packed[..START].copy_from_slice(head);
    packed[0] = COMPRESSED;
    packed[START..BLOCK_START].copy_from_slice(&length.to_le_bytes());
    let length = block::compress_into_with_dict(events, &mut packed[BLOCK_START..], DICTIONARY).ok()?;
    packed.truncate(BLOCK_START + length);
    Some(packed)
}

/// The plain segment of a stored form. Allocates no more than the stored bytes can decompress to. The checksum is not compared
/// here, but when the events are decoded.
pub(in crate::store) fn unpack(stored: Vec<u8>) -> Result<Vec<u8>, Malformed> {
    if stored.first() != Some(&COMPRESSED) {
        return Ok(stored);
    }
    let (head, rest) = stored.split_at_checked(START).ok_or(Malformed)?;
    let (length, block) = rest.split_first_chunk().ok_or(Malformed)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| Malformed)?;
    if length > Ord::min(EVENTS_BYTES_MAX, block.len().saturating_mul(RATIO_MAX)) {
        return Err(Malformed);
    }
    let mut plain = vec![0; START + length];
    plain[..START].copy_from_slice(head);
    plain[0] = super::VERSION;
    match block::decompress_into_with_dict(block, &mut plain[START..], DICTIONARY) {
        Ok(read) if read == length => Ok(plain),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{SegmentWriter, VERSION, frames};
    use super::*;
    use crate::domain::event::{EventHeader, EventKind};

    /// A plain segment with these events.
    fn plain(events: &[u8]) -> Vec<u8> {
        let checksum = crc32fast::hash(events).to_le_bytes();
        [&[VERSION], &checksum[..], events].concat()
    }

    /// A plain segment of two events that have much in common.
    fn segment() -> Vec<u8> {
        let mut writer = SegmentWriter::new();
        for number in 1..=2 {
            let (program_ids, affiliate_ids) = Default::default();
            let subject_id = uuid::Uuid::from_u128(number);
            let header = EventHeader { kind: EventKind::SaleRecorded, subject_id, program_ids, affiliate_ids };
            writer.push(header, |out| out.extend(b"the words that both bodies have")).unwrap();
        }
        writer.finish().0
    }

    /// A compressed segment that says it has this many bytes of events.
    fn saying(length: u32, block: &[u8]) -> Vec<u8> {
        [&[COMPRESSED, 0, 0, 0, 0], &length.to_le_bytes()[..], block].concat()
    }

    fn events() -> impl Strategy<Value = Vec<u8>> {
        let repeated = (proptest::collection::vec(any::<u8>(), 1..40), 1..200_usize);
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..300),
            repeated.prop_map(|(part, times)| part.repeat(times)),
            Just(DICTIONARY.to_vec()),
        ]
    }

    proptest! {
        #[test]
        fn packed_segments_are_unpacked_to_the_same_bytes(events in events()) {
            let plain = plain(&events);
            let packed = pack(&plain);
            prop_assert!(packed.len() <= plain.len());
            prop_assert_eq!(&packed[1..START], &plain[1..START], "the check of a place in the feed");
            prop_assert_eq!(unpack(packed), Ok(plain));
        }

        #[test]
        fn cut_or_changed_bytes_are_an_error(place in any::<prop::sample::Index>(), change in 1..=255_u8) {
            let packed = pack(&segment());
            prop_assert_eq!(packed[0], COMPRESSED);
            let place = place.index(packed.len());
            let read = |stored: &[u8]| unpack(stored.to_vec()).and_then(|plain| frames(&plain).map(|_| plain));
            prop_assert_eq!(read(&packed), Ok(segment()));
            prop_assert_eq!(read(&packed[..place]), Err(Malformed));
            let mut changed = packed;
            changed[place] ^= change;
            // Another block may decompress to the same events.
            let read = read(&changed);
            prop_assert!(read == Err(Malformed) || read == Ok(segment()), "{:?}", read);
        }

        #[test]
        fn bytes_of_anybody_are_read_or_refused(length in any::<u32>(), block in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(plain) = unpack(saying(length, &block)) {
                prop_assert_eq!(plain.len(), START + length as usize);
            }
        }
    }

    #[test]
    fn segments_that_do_not_shrink_are_stored_plain() {
        let noise: Vec<u8> = (0..40_u8).map(|number| number.wrapping_mul(37) ^ 0xa5).collect();
        for events in [&[][..], &noise] {
            assert_eq!(pack(&plain(events)), plain(events));
        }
        let longest = plain(&vec![7; EVENTS_BYTES_MAX]);
        assert!(pack(&longest).len() < longest.len() / 200);
        assert_eq!(unpack(pack(&longest)).as_ref(), Ok(&longest));
        let longer = plain(&vec![7; EVENTS_BYTES_MAX + 1]);
        assert_eq!(pack(&longer), longer);
        assert_eq!(unpack(longer.clone()), Ok(longer));
    }

    /// The lengths are refused before anything is allocated or decompressed.
    #[test]
    fn a_length_that_the_bytes_cannot_have_is_refused() {
        let zeros = plain(&vec![0; 100_000]);
        let block = pack(&zeros)[BLOCK_START..].to_vec();
        assert_eq!(unpack(saying(100_000, &block)).map(|plain| plain.len()), Ok(START + 100_000));
        for length in [99_999, 100_001, u32::try_from(block.len() * RATIO_MAX + 1).unwrap(), u32::MAX] {
            assert_eq!(unpack(saying(length, &block)), Err(Malformed), "{length}");
        }
        let long = u32::try_from(EVENTS_BYTES_MAX + 1).unwrap();
        assert_eq!(unpack(saying(long, &vec![0xff; EVENTS_BYTES_MAX / RATIO_MAX + 2])), Err(Malformed));
        assert_eq!(unpack(saying(1, &[])), Err(Malformed));
    }

    /// These bytes are in databases. They never change. The same events may be compressed to other bytes one day.
    #[test]
    fn the_dictionary_and_the_stored_form_are_the_golden_ones() {
        assert_eq!((DICTIONARY.len(), crc32fast::hash(DICTIONARY)), (660, 3_012_233_900));
        // Forty bytes of the dictionary and five others.
        let mut golden = vec![2, 165, 213, 111, 251, 45, 0, 0, 0];
        golden.extend([0x0f, 0x94, 0x02, 21, 0x50]);
        golden.extend(b"three");
        assert_eq!(unpack(golden), Ok(plain(&[&DICTIONARY[..40], b"three"].concat())));
    }
}

//! The stored forms of places and entries. Pure; knows no table.
//!
//! A block's places are the byte [`VERSION`] and then, for each place in ascending order, two varints: the difference of its time and
//! of its id from those of the place before. The first place is compared with zeros. Differences wrap, and are zigzag, so that small
//! ones of either sign are short. Times and ids grow with the order of creation, so most differences are small.
//!
//! A tail's entries are the byte [`VERSION`], the place of the first entry in the same form, and a group for each list:
//!
//! | bytes | content |
//! |---|---|
//! | 1, 16 | the code of the list's kind, and its owner |
//! | varint | the length of the places in bytes, so that readers of another list skip them |
//! | | the places in the same form, but the first one is compared with that of the first entry |
//!
//! The key of a block is the code of the list's kind, the list's owner and the place from which on it has the list's places. That
//! place is left out for the first block, which has all places before the second. Keys have the order of lists and places.
//!
//! Stored bytes never change. Another layout gets another version.

use unsigned_varint::{decode, encode};
use uuid::Uuid;

use super::{Entry, List, ListKind, Place};

const VERSION: u8 = 1;

/// The length of a list's part of a key.
const LIST_LENGTH: usize = 1 + 16;

/// Bytes that no version of this program has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// The stored form of places, which are in ascending order.
pub(super) fn from_places(places: &[Place]) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    let mut last = Place::of_id(Uuid::nil());
    for place in places {
        put_place(&mut bytes, &mut last, *place);
    }
    bytes
}

/// The places of a stored form. They are in ascending order, without repetition.
pub(super) fn to_places(bytes: &[u8]) -> Result<Vec<Place>, Malformed> {
    let [VERSION, rest @ ..] = bytes else { return Err(Malformed) };
    let (mut rest, mut last) = (rest, Place::of_id(Uuid::nil()));
    let mut places: Vec<Place> = Vec::new();
    while !rest.is_empty() {
        let place = take_place(&mut rest, &mut last)?;
        if places.last().is_some_and(|before| *before >= place) {
            return Err(Malformed);
        }
        places.push(place);
    }
    Ok(places)
}

/// The stored form of entries. They are short when they are sorted.
pub(super) fn from_entries(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    let Some(first) = entries.first() else { return bytes };
    put_place(&mut bytes, &mut Place::of_id(Uuid::nil()), first.place);
    for group in entries.chunk_by(|entry, next| entry.list == next.list) {
        let (mut places, mut last) = (Vec::new(), first.place);
        group.iter().for_each(|entry| put_place(&mut places, &mut last, entry.place));
        group.first().into_iter().for_each(|entry| bytes.extend(key_of_list(entry.list)));
        bytes.extend(encode::usize(places.len(), &mut encode::usize_buffer()));
        bytes.extend(places);
    }
    bytes
}

/// The entries of a stored form.
pub(super) fn to_entries(bytes: &[u8]) -> Result<Vec<Entry>, Malformed> {
    let mut entries = Vec::new();
    let mut groups = Groups::begin(bytes)?;
    while let Some((list, mut places)) = groups.next()? {
        let (list, _) = to_key(list)?;
        let mut last = groups.first;
        while !places.is_empty() {
            entries.push(Entry { list, place: take_place(&mut places, &mut last)? });
        }
    }
    Ok(entries)
}

/// The places of one list in a stored form of entries.
pub(super) fn to_places_of(bytes: &[u8], wanted: List) -> Result<Vec<Place>, Malformed> {
    let wanted = key_of_list(wanted);
    let mut found = Vec::new();
    let mut groups = Groups::begin(bytes)?;
    while let Some((list, mut places)) = groups.next()? {
        let mut last = groups.first;
        while list == wanted && !places.is_empty() {
            found.push(take_place(&mut places, &mut last)?);
        }
    }
    Ok(found)
}

/// The list's part of a key, and the bytes of the list's places.
type Group<'bytes> = (&'bytes [u8], &'bytes [u8]);

/// Goes through the groups of entries.
struct Groups<'bytes> {
    /// The place of the first entry.
    first: Place,
    rest: &'bytes [u8],
}

impl<'bytes> Groups<'bytes> {
    fn begin(bytes: &'bytes [u8]) -> Result<Self, Malformed> {
        let [VERSION, rest @ ..] = bytes else { return Err(Malformed) };
        let mut groups = Self { first: Place::of_id(Uuid::nil()), rest };
        if !rest.is_empty() {
            take_place(&mut groups.rest, &mut groups.first)?;
        }
        Ok(groups)
    }

    fn next(&mut self) -> Result<Option<Group<'bytes>>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (list, rest) = self.rest.split_at_checked(LIST_LENGTH).ok_or(Malformed)?;
        let (length, rest) = decode::usize(rest).map_err(|_| Malformed)?;
        let (places, rest) = rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(Some((list, places)))
    }
}

/// The list's part of a key, with which all keys of the list begin.
pub(super) fn key_of_list(list: List) -> Vec<u8> {
    let mut key = Vec::with_capacity(LIST_LENGTH + 24);
    key.push(list.kind.code());
    key.extend(list.owner.as_bytes());
    key
}

/// The key of a block that has the list's places from this one on.
pub(super) fn key_of_place(list: List, place: Place) -> Vec<u8> {
    let mut key = key_of_list(list);
    // With the sign turned, the order of the bytes is that of the numbers.
    key.extend((place.at ^ i64::MIN).to_be_bytes());
    key.extend(place.id.as_bytes());
    key
}

/// The list of a key, and the place from which on the block has the list's places. `None`: it is the first block.
pub(super) fn to_key(key: &[u8]) -> Result<(List, Option<Place>), Malformed> {
    let (list, place) = key.split_at_checked(LIST_LENGTH).ok_or(Malformed)?;
    let (code, owner) = list.split_first().ok_or(Malformed)?;
    let list = List { kind: ListKind::of_code(*code).ok_or(Malformed)?, owner: to_id(owner)? };
    if place.is_empty() {
        return Ok((list, None));
    }
    let (at, id) = place.split_first_chunk::<8>().ok_or(Malformed)?;
    Ok((list, Some(Place { at: i64::from_be_bytes(*at) ^ i64::MIN, id: to_id(id)? })))
}

fn to_id(bytes: &[u8]) -> Result<Uuid, Malformed> {
    Uuid::from_slice(bytes).map_err(|_| Malformed)
}

fn put_place(bytes: &mut Vec<u8>, last: &mut Place, place: Place) {
    let difference = i128::from(place.at.wrapping_sub(last.at));
    put(bytes, difference);
    put_id(bytes, &mut last.id, place.id);
    last.at = place.at;
}

fn take_place(bytes: &mut &[u8], last: &mut Place) -> Result<Place, Malformed> {
    let difference = i64::try_from(take(bytes)?).map_err(|_| Malformed)?;
    last.at = last.at.wrapping_add(difference);
    take_id(bytes, &mut last.id)?;
    Ok(*last)
}

fn put_id(bytes: &mut Vec<u8>, last: &mut Uuid, id: Uuid) {
    put(bytes, id.as_u128().wrapping_sub(last.as_u128()).cast_signed());
    *last = id;
}

fn take_id(bytes: &mut &[u8], last: &mut Uuid) -> Result<Uuid, Malformed> {
    let difference = take(bytes)?.cast_unsigned();
    *last = Uuid::from_u128(last.as_u128().wrapping_add(difference));
    Ok(*last)
}

fn put(bytes: &mut Vec<u8>, difference: i128) {
    let zigzag = (difference << 1) ^ (difference >> 127);
    bytes.extend(encode::u128(zigzag.cast_unsigned(), &mut encode::u128_buffer()));
}

fn take(bytes: &mut &[u8]) -> Result<i128, Malformed> {
    let (zigzag, rest) = decode::u128(bytes).map_err(|_| Malformed)?;
    *bytes = rest;
    Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn places() -> impl Strategy<Value = Place> {
        // Ids that are close to each other, and any.
        let id = prop_oneof![(0..100_u128), any::<u128>()].prop_map(Uuid::from_u128);
        let at = prop_oneof![(0..100_i64), any::<i64>()];
        (at, id).prop_map(|(at, id)| Place { at, id })
    }

    fn lists() -> impl Strategy<Value = List> {
        let kind = proptest::sample::select(&ListKind::ALL[..]);
        (kind, any::<u128>()).prop_map(|(kind, owner)| List { kind, owner: Uuid::from_u128(owner) })
    }

    proptest! {
        #[test]
        fn places_are_read_back(places in proptest::collection::btree_set(places(), 0..100)) {
            let places: Vec<Place> = places.into_iter().collect();
            prop_assert_eq!(to_places(&from_places(&places)), Ok(places));
        }

        #[test]
        fn entries_are_read_back(entries in proptest::collection::vec((lists(), places()), 0..100)) {
            let entries: Vec<Entry> = entries.into_iter().map(|(list, place)| Entry { list, place }).collect();
            let bytes = from_entries(&entries);
            for entry in &entries {
                let own = entries.iter().filter(|other| other.list == entry.list).map(|other| other.place);
                prop_assert_eq!(to_places_of(&bytes, entry.list), Ok(own.collect()));
            }
            prop_assert_eq!(to_entries(&bytes), Ok(entries));
        }

        #[test]
        fn keys_are_read_back_and_have_the_order_of_places(a in (lists(), places()), b in (lists(), places())) {
            let (key_a, key_b) = (key_of_place(a.0, a.1), key_of_place(b.0, b.1));
            prop_assert_eq!(to_key(&key_a), Ok((a.0, Some(a.1))));
            prop_assert_eq!(key_a.cmp(&key_b), a.cmp(&b));
            prop_assert_eq!(to_key(&key_of_list(a.0)), Ok((a.0, None)));
            prop_assert!(key_of_list(a.0) < key_a);
        }

        #[test]
        fn bytes_of_anybody_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(places) = to_places(&bytes) {
                prop_assert_eq!(to_places(&from_places(&places)), Ok(places));
            }
            if let Ok(entries) = to_entries(&bytes) {
                prop_assert_eq!(to_entries(&from_entries(&entries)), Ok(entries));
            }
            let _ = to_key(&bytes);
        }
    }

    /// These bytes are in databases. They never change.
    #[test]
    fn stored_lists_are_the_golden_bytes() {
        let id = |number| Uuid::from_u128(number);
        let places = [Place { at: -1, id: id(3) }, Place { at: 200, id: id(1) }];
        assert_eq!(from_places(&places), [1, 1, 6, 0x92, 0x03, 3]);
        let list = List { kind: ListKind::ConversionsOfLead, owner: id(2) };
        let entries = places.map(|place| Entry { list, place });
        let owner: Vec<u8> = std::iter::repeat_n(0, 15).chain([2]).collect();
        let golden = [vec![1, 1, 6, 5], owner.clone(), vec![5, 0, 0, 0x92, 0x03, 3]].concat();
        assert_eq!(from_entries(&entries), golden);
        let key = [vec![5], owner, vec![0x80, 0, 0, 0, 0, 0, 0, 200], vec![0; 15], vec![1]].concat();
        assert_eq!(key_of_place(list, places[1]), key);
        assert_eq!(ListKind::ALL.map(ListKind::code), [1, 2, 3, 4, 5, 6]);
        assert_eq!(to_places(&[2]), Err(Malformed), "a version that is not known");
        assert_eq!(to_places(&[1, 0, 2, 0, 0]), Err(Malformed), "a place twice");
        assert_eq!(to_entries(&golden[..golden.len() - 1]), Err(Malformed), "a group that is cut");
    }
}

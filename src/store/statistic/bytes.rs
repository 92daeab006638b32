//! The stored forms of keys and figures. Pure; knows no table.
//!
//! Figures are the byte [`VERSION`] and then, for each key in ascending order: how many of its first bytes are those of the key before,
//! how many follow, these, how many figures the key has, and for each its code, its currency (3 letters, for codes from [`SALE_AMOUNT`]
//! on) and its value. Numbers are varints, and values are zigzag, so that small ones of either sign are short.
//!
//! | key | bytes |
//! |---|---|
//! | of a tail | 4 the quarter of an hour, 16 the program, 16 the affiliate, the way |
//! | of a program's day | [`OF_PROGRAM`], 4 the day, 16 the program |
//! | of an affiliate's day | [`OF_AFFILIATE`], 4 the day, 16 the affiliate, 16 the program, the way |
//! | of a sub-id | [`OF_SUB_ID`], 4 the day, 16 the affiliate, 16 the program, the way |
//!
//! The way is nothing without a link and a sub-id, and else 16 bytes for the link, or nil, and the text of the sub-id. The program comes first
//! in a tail, because a tail has few programs and equal beginnings are written once.
//!
//! Quarters and days are big-endian, and the first bit of a day is flipped, so that keys have the order of time. Stored bytes never
//! change. Another layout gets another version, and another kind of key another first byte.

use unsigned_varint::{decode, encode};
use uuid::Uuid;

use super::{Key, KeyKind};
use crate::domain::calendar::{Day, Quarter};
use crate::domain::id::{AffiliateId, LinkId, ProgramId};
use crate::domain::money::Currency;
use crate::domain::reward::RewardUnit;
use crate::domain::statistic::{Figure, Figures, Origin, Place};

const VERSION: u8 = 1;

const OF_PROGRAM: u8 = 0;
const OF_AFFILIATE: u8 = 1;
const OF_SUB_ID: u8 = 2;

/// The first code of a figure that has a currency.
const SALE_AMOUNT: u8 = 16;
const REFUND_AMOUNT: u8 = 17;

/// The stored codes of the figures without a currency. A code never changes its meaning.
const COUNTS: [(u8, Figure); 7] = [
    (1, Figure::Clicks),
    (2, Figure::Leads),
    (3, Figure::Sales),
    (4, Figure::Refunds),
    (5, Figure::Cancellations),
    (6, Figure::Appointments),
    (7, Figure::CustomEvents),
];

/// The stored codes of the rewards' units.
const UNITS: [(u8, RewardUnit); 6] = [
    (32, RewardUnit::Cash),
    (33, RewardUnit::Points),
    (34, RewardUnit::Credits),
    (35, RewardUnit::FreeMonths),
    (36, RewardUnit::DiscountPercent),
    (37, RewardUnit::DiscountMoney),
];

/// Bytes that no version of this program has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// The key of a place in a tail.
pub(super) fn from_place((quarter, origin, sub_id): &Place) -> Vec<u8> {
    let mut bytes = quarter.0.to_be_bytes().to_vec();
    bytes.extend(origin.program_id.uuid().as_bytes());
    bytes.extend(origin.affiliate_id.uuid().as_bytes());
    put_way(&mut bytes, origin.link_id, sub_id.as_deref());
    bytes
}

/// The quarter of an hour, the origin and the sub-id of these bytes.
pub(super) fn to_place(bytes: &[u8]) -> Result<(Quarter, Origin, Option<&str>), Malformed> {
    let mut rest = bytes;
    let quarter = u32::from_be_bytes(take(&mut rest)?);
    let (program_id, affiliate_id) = (take_uuid(&mut rest)?, take_uuid(&mut rest)?);
    let (origin, sub_id) = with_way(affiliate_id, program_id, rest)?;
    Ok((Quarter(quarter), origin, sub_id))
}

fn put_way(bytes: &mut Vec<u8>, link_id: Option<LinkId>, sub_id: Option<&str>) {
    if link_id.is_some() || sub_id.is_some() {
        bytes.extend(link_id.map_or(Uuid::nil(), LinkId::uuid).as_bytes());
        bytes.extend(sub_id.unwrap_or_default().as_bytes());
    }
}

/// The origin with the link of these bytes, and the sub-id.
fn with_way(affiliate_id: Uuid, program_id: Uuid, bytes: &[u8]) -> Result<(Origin, Option<&str>), Malformed> {
    let (link_id, sub_id) = if bytes.is_empty() {
        (None, None)
    } else {
        let mut rest = bytes;
        let link_id = take_uuid(&mut rest)?;
        let sub_id = std::str::from_utf8(rest).map_err(|_| Malformed)?;
        if link_id.is_nil() && sub_id.is_empty() {
            return Err(Malformed);
        }
        ((!link_id.is_nil()).then(|| LinkId::from_uuid(link_id)), Some(sub_id).filter(|text| !text.is_empty()))
    };
    let (affiliate_id, program_id) = (AffiliateId::from_uuid(affiliate_id), ProgramId::from_uuid(program_id));
    Ok((Origin { affiliate_id, program_id, link_id }, sub_id))
}

fn take<const LENGTH: usize>(rest: &mut &[u8]) -> Result<[u8; LENGTH], Malformed> {
    let (taken, after) = rest.split_first_chunk().ok_or(Malformed)?;
    *rest = after;
    Ok(*taken)
}

fn take_uuid(rest: &mut &[u8]) -> Result<Uuid, Malformed> {
    take(rest).map(Uuid::from_bytes)
}

const fn day_bytes(day: Day) -> [u8; 4] {
    (day.0.cast_unsigned() ^ 1 << 31).to_be_bytes()
}

/// The bytes of a key of a block.
pub(super) fn from_key<SubId: AsRef<str>>(key: &Key<SubId>) -> Vec<u8> {
    let of_origin = |kind, day: &Day, origin: &Origin, sub_id| {
        let mut bytes = start_of_affiliate(kind, *day, origin.affiliate_id);
        bytes.extend(origin.program_id.uuid().as_bytes());
        put_way(&mut bytes, origin.link_id, sub_id);
        bytes
    };
    match key {
        Key::OfProgram(day, program_id) => {
            [&start_of(KeyKind::Program, *day)[..], program_id.uuid().as_bytes()].concat()
        }
        Key::OfAffiliate(day, origin) => of_origin(KeyKind::Affiliate, day, origin, None),
        Key::OfSubId(day, origin, sub_id) => of_origin(KeyKind::SubId, day, origin, Some(sub_id.as_ref())),
    }
}

/// The key of these bytes.
pub(super) fn to_key(bytes: &[u8]) -> Result<Key<&str>, Malformed> {
    let mut rest = bytes;
    let [kind] = take(&mut rest)?;
    let day = Day((u32::from_be_bytes(take(&mut rest)?) ^ 1 << 31).cast_signed());
    let id = take_uuid(&mut rest)?;
    if kind == OF_PROGRAM {
        return if rest.is_empty() { Ok(Key::OfProgram(day, ProgramId::from_uuid(id))) } else { Err(Malformed) };
    }
    let program_id = take_uuid(&mut rest)?;
    let (origin, sub_id) = with_way(id, program_id, rest)?;
    match (kind, sub_id) {
        (OF_AFFILIATE, None) => Ok(Key::OfAffiliate(day, origin)),
        (OF_SUB_ID, Some(sub_id)) => Ok(Key::OfSubId(day, origin, sub_id)),
        _ => Err(Malformed),
    }
}

/// The quarter, the program and the affiliate of a place, as they lie in its bytes.
pub(super) fn head_of_place(bytes: &[u8]) -> Result<(Quarter, ProgramId, AffiliateId), Malformed> {
    let mut rest = bytes;
    let quarter = Quarter(u32::from_be_bytes(take(&mut rest)?));
    Ok((quarter, ProgramId::from_uuid(take_uuid(&mut rest)?), AffiliateId::from_uuid(take_uuid(&mut rest)?)))
}

/// No key of this kind and day comes before these bytes.
pub(super) fn start_of(kind: KeyKind, day: Day) -> Vec<u8> {
    let kind = match kind {
        KeyKind::Program => OF_PROGRAM,
        KeyKind::Affiliate => OF_AFFILIATE,
        KeyKind::SubId => OF_SUB_ID,
    };
    [&[kind], &day_bytes(day)[..]].concat()
}

/// No key of this kind and of an affiliate's day comes before these bytes.
pub(super) fn start_of_affiliate(kind: KeyKind, day: Day, affiliate_id: AffiliateId) -> Vec<u8> {
    [&start_of(kind, day), &affiliate_id.uuid().as_bytes()[..]].concat()
}

/// Every key that begins with these bytes comes before the result.
pub(super) fn end_of(start: &[u8]) -> Vec<u8> {
    [start, &[0xff; 64]].concat()
}

/// The stored form of figures by key, which are in ascending order.
pub(super) fn from_figures<'all>(all: impl IntoIterator<Item = (&'all Vec<u8>, &'all Figures)>) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    let mut last: &[u8] = &[];
    for (key, figures) in all {
        let common = last.iter().zip(key).take_while(|(one, other)| one == other).count();
        put_count(&mut bytes, common);
        put_count(&mut bytes, key.len() - common);
        bytes.extend(&key[common..]);
        last = key;
        put_count(&mut bytes, figures.len());
        for (figure, value) in figures.iter() {
            let (code, currency) = code_of(figure);
            bytes.push(code);
            bytes.extend(currency.map(Currency::code).unwrap_or_default().bytes());
            let zigzag = (value << 1 ^ value >> 127).cast_unsigned();
            bytes.extend(encode::u128(zigzag, &mut encode::u128_buffer()));
        }
    }
    bytes
}

fn put_count(bytes: &mut Vec<u8>, count: usize) {
    bytes.extend(encode::usize(count, &mut encode::usize_buffer()));
}

/// The figures of a stored form, by key in ascending order.
pub(super) fn to_figures(bytes: &[u8]) -> Result<Vec<(Vec<u8>, Figures)>, Malformed> {
    let mut all = Vec::new();
    each(bytes, |key, figures| {
        all.push((key.to_vec(), figures.clone()));
        Ok(())
    })?;
    Ok(all)
}

/// Calls `take` with each key of a stored form and its figures, in ascending order. A query goes through a hundred thousand of them, so
/// nothing is made for a single one.
pub(super) fn each(
    bytes: &[u8],
    mut take: impl FnMut(&[u8], &Figures) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let [VERSION, rest @ ..] = bytes else { return Err(Malformed) };
    let (mut rest, mut key, mut figures): (&[u8], Vec<u8>, Figures) = (rest, Vec::new(), Figures::new());
    let mut last_currency = None;
    while !rest.is_empty() {
        let (common, length) = (take_count(&mut rest)?, take_count(&mut rest)?);
        let own = rest.split_off(..length).ok_or(Malformed)?;
        if common > key.len() || key[common..] >= *own {
            return Err(Malformed);
        }
        key.truncate(common);
        key.extend(own);
        figures.clear();
        for _ in 0..take_count(&mut rest)? {
            let (figure, value) = take_figure(&mut rest, &mut last_currency)?;
            figures.add(figure, value);
        }
        take(&key, &figures)?;
    }
    Ok(())
}

fn take_count(rest: &mut &[u8]) -> Result<usize, Malformed> {
    let (count, after) = decode::usize(rest).map_err(|_| Malformed)?;
    *rest = after;
    Ok(count)
}

/// A currency and its letters. The one that was read last is nearly always the next one too, and finding it anew takes longer than all else.
type LastCurrency = Option<([u8; 3], Currency)>;

fn take_currency(rest: &mut &[u8], last: &mut LastCurrency) -> Result<Currency, Malformed> {
    let letters = take(rest)?;
    if let Some((last, currency)) = last
        && *last == letters
    {
        return Ok(*currency);
    }
    let text = str::from_utf8(&letters).map_err(|_| Malformed)?;
    let currency = text.parse().map_err(|_| Malformed)?;
    *last = Some((letters, currency));
    Ok(currency)
}

fn take_figure(rest: &mut &[u8], last: &mut LastCurrency) -> Result<(Figure, i128), Malformed> {
    let [code] = take(rest)?;
    let figure = if code < SALE_AMOUNT {
        COUNTS.iter().find(|(other, _)| *other == code).map(|(_, figure)| *figure)
    } else {
        let currency = take_currency(rest, last)?;
        match code {
            SALE_AMOUNT => Some(Figure::SaleAmount(currency)),
            REFUND_AMOUNT => Some(Figure::RefundAmount(currency)),
            _ => UNITS.iter().find(|(other, _)| *other == code).map(|(_, unit)| Figure::Reward(*unit, currency)),
        }
    };
    let (zigzag, after) = decode::u128(rest).map_err(|_| Malformed)?;
    *rest = after;
    Ok((figure.ok_or(Malformed)?, (zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed())))
}

fn code_of(figure: Figure) -> (u8, Option<Currency>) {
    match figure {
        Figure::Clicks => (1, None),
        Figure::Leads => (2, None),
        Figure::Sales => (3, None),
        Figure::Refunds => (4, None),
        Figure::Cancellations => (5, None),
        Figure::Appointments => (6, None),
        Figure::CustomEvents => (7, None),
        Figure::SaleAmount(currency) => (SALE_AMOUNT, Some(currency)),
        Figure::RefundAmount(currency) => (REFUND_AMOUNT, Some(currency)),
        Figure::Reward(unit, currency) => (code_of_unit(unit), Some(currency)),
    }
}

const fn code_of_unit(unit: RewardUnit) -> u8 {
    match unit {
        RewardUnit::Cash => 32,
        RewardUnit::Points => 33,
        RewardUnit::Credits => 34,
        RewardUnit::FreeMonths => 35,
        RewardUnit::DiscountPercent => 36,
        RewardUnit::DiscountMoney => 37,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn currency() -> impl Strategy<Value = Currency> {
        proptest::sample::select(vec!["USD", "EUR", "JPY", "XXX"]).prop_map(|code| code.parse().unwrap())
    }

    fn figure() -> impl Strategy<Value = Figure> {
        let unit = proptest::sample::select(RewardUnit::ALL);
        prop_oneof![
            proptest::sample::select(COUNTS.map(|(_, figure)| figure).to_vec()),
            currency().prop_map(Figure::SaleAmount),
            currency().prop_map(Figure::RefundAmount),
            (unit, currency()).prop_map(|(unit, currency)| Figure::Reward(unit, currency)),
        ]
    }

    fn all() -> impl Strategy<Value = BTreeMap<Vec<u8>, Figures>> {
        let figures = proptest::collection::vec((figure(), any::<i128>()), 0..5).prop_map(Figures::from_iter);
        proptest::collection::btree_map(proptest::collection::vec(0..4_u8, 1..6), figures, 0..20)
    }

    fn origin(number: u128, link: Option<u128>) -> Origin {
        Origin {
            affiliate_id: AffiliateId::from_uuid(Uuid::from_u128(number)),
            program_id: ProgramId::from_uuid(Uuid::from_u128(number + 1)),
            link_id: link.map(|id| LinkId::from_uuid(Uuid::from_u128(id))),
        }
    }

    proptest! {
        #[test]
        fn written_figures_are_read_back(all in all()) {
            prop_assert_eq!(to_figures(&from_figures(&all)), Ok(all.into_iter().collect()));
        }

        #[test]
        fn bytes_of_anybody_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = to_figures(&bytes);
            let _ = to_figures(&[&[VERSION], &bytes[..]].concat());
            let _ = (to_key(&bytes), to_place(&bytes));
        }

        #[test]
        fn keys_are_read_back_in_their_order(
            days in any::<[i32; 2]>(),
            ids in any::<[u64; 2]>(),
            link in proptest::option::of(1..9_u128),
            sub_id in proptest::option::of("[a-zä ]{1,9}".prop_map(|text: String| std::sync::Arc::<str>::from(text))),
        ) {
            let key = |place: usize| {
                let (day, origin) = (Day(days[place]), origin(ids[place].into(), link));
                sub_id.clone().map_or(Key::OfAffiliate(day, origin), |sub_id| Key::OfSubId(day, origin, sub_id))
            };
            let keys = [key(0), key(1)];
            for key in &keys {
                prop_assert_eq!(to_key(&from_key(key)).map(Key::owned), Ok(key.clone()));
            }
            prop_assert_eq!(from_key(&keys[0]).cmp(&from_key(&keys[1])), keys[0].cmp(&keys[1]));
            let place = (Quarter(days[0].cast_unsigned()), origin(ids[0].into(), link), sub_id.clone());
            let bytes = from_place(&place);
            prop_assert_eq!(to_place(&bytes), Ok((place.0, place.1, sub_id.as_deref())));
        }
    }

    /// These bytes are in databases. They never change.
    #[test]
    fn stored_figures_are_the_golden_bytes() {
        assert!(COUNTS.iter().all(|(code, figure)| code_of(*figure) == (*code, None)));
        assert!(UNITS.iter().all(|(code, unit)| code_of_unit(*unit) == *code));
        let usd: Currency = "USD".parse().unwrap();
        let figures = Figures::from_iter([(Figure::Clicks, 1), (Figure::Reward(RewardUnit::Points, usd), -2)]);
        let all = BTreeMap::from([
            (vec![7, 8], figures.clone()),
            (vec![7, 9], Figures::from_iter([(Figure::SaleAmount(usd), 64)])),
        ]);
        let golden: Vec<u8> =
            [&[1, 0, 2, 7, 8, 2, 1, 2, 33][..], b"USD", &[3, 1, 1, 9, 1, 16], b"USD", &[0x80, 1]].concat();
        assert_eq!(from_figures(&all), golden);
        let id = |last: u8| -> Vec<u8> { std::iter::repeat_n(0, 15).chain([last]).collect() };
        let day = Day(258);
        let program = Key::<&str>::OfProgram(day, ProgramId::from_uuid(Uuid::from_u128(5)));
        assert_eq!(from_key(&program), [vec![0, 0x80, 0, 1, 2], id(5)].concat());
        let affiliate = Key::<&str>::OfAffiliate(day, origin(3, None));
        assert_eq!(from_key(&affiliate), [vec![1, 0x80, 0, 1, 2], id(3), id(4)].concat());
        let sub_id = Key::OfSubId(day, origin(3, None), "May");
        let golden = [vec![2, 0x80, 0, 1, 2], id(3), id(4), id(0), b"May".to_vec()].concat();
        assert_eq!(from_key(&sub_id), golden);
        let place = (Quarter(258), origin(3, Some(9)), None);
        assert_eq!(from_place(&place), [vec![0, 0, 1, 2], id(4), id(3), id(9)].concat());
    }
}

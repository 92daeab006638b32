//! The stored form of credits: bytes, because every sale writes and reads some. Pure; knows no table.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | [`VERSION`] |
//! | 1 | how many credits follow |
//!
//! Then for each credit:
//!
//! | bytes | field |
//! |---|---|
//! | 16, 16, 16 | the UUIDs of affiliate, enrollment and program |
//! | 4 | terms_version |
//! | 1 | the source's code ([`SOURCES`]) |
//! | 4 | share_ppm |
//!
//! In the form of [`WITH_LINKS`] each credit ends with the UUID of its link, which is nil without one. It is written only if a credit has
//! a link. In the form of [`WITH_SUB_IDS`] there follow 2 bytes with the length of its sub-id, and the sub-id. It is written only if a credit
//! has a sub-id.
//!
//! Integers are little-endian. Stored bytes never change. Another layout gets another version, and this one is read for ever.
//! `tests` below has the golden bytes.

use sea_orm::ColumnTrait;
use sea_orm::sea_query::SimpleExpr;
use uuid::Uuid;

use super::StoreError;
use super::backend::byte_is_one_of;
use crate::domain::attribution::AttributionSource;
use crate::domain::conversion::{Credit, Credits};
use crate::domain::id::{AffiliateId, EnrollmentId, LinkId, ProgramId};

const VERSION: u8 = 1;
const WITH_LINKS: u8 = 2;
const WITH_SUB_IDS: u8 = 3;
const CREDIT_LENGTH: usize = 3 * 16 + 4 + 1 + 4;
const LINK_LENGTH: usize = 16;

/// The stored codes of the sources. A code never changes its meaning.
const SOURCES: [(u8, AttributionSource); 4] = [
    (1, AttributionSource::LeadBinding),
    (2, AttributionSource::Coupon),
    (3, AttributionSource::Click),
    (4, AttributionSource::Manual),
];

/// Bytes that no version of this program has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// The stored form of credits. Fails if there are more than 255. No rule shares a conversion among nearly as many.
pub(super) fn to_bytes(credits: &[Credit]) -> Result<Vec<u8>, StoreError> {
    let count = u8::try_from(credits.len())
        .map_err(|_| StoreError::Unexpected(format!("{} credits are too many to store", credits.len())))?;
    let version = version_of(credits);
    let mut bytes = Vec::with_capacity(2 + (CREDIT_LENGTH + LINK_LENGTH) * credits.len());
    bytes.extend([version, count]);
    for credit in credits {
        bytes.extend(credit.affiliate_id.uuid().as_bytes());
        bytes.extend(credit.enrollment_id.uuid().as_bytes());
        bytes.extend(credit.program_id.uuid().as_bytes());
        bytes.extend(credit.terms_version.to_le_bytes());
        bytes.push(code(credit.source));
        bytes.extend(credit.share_ppm.to_le_bytes());
        if version >= WITH_LINKS {
            bytes.extend(credit.link_id.map_or(Uuid::nil(), LinkId::uuid).as_bytes());
        }
        if version >= WITH_SUB_IDS {
            let sub_id = credit.sub_id.as_deref().unwrap_or_default();
            let length = u16::try_from(sub_id.len()).map_err(|_| {
                StoreError::Unexpected(format!("a sub-id of {} bytes is too long to store", sub_id.len()))
            })?;
            bytes.extend(length.to_le_bytes());
            bytes.extend(sub_id.as_bytes());
        }
    }
    Ok(bytes)
}

/// The shortest form that has everything.
fn version_of(credits: &[Credit]) -> u8 {
    if credits.iter().any(|credit| credit.sub_id.is_some()) {
        WITH_SUB_IDS
    } else if credits.iter().any(|credit| credit.link_id.is_some()) {
        WITH_LINKS
    } else {
        VERSION
    }
}

/// The credits of a stored form.
pub(super) fn from_bytes(bytes: &[u8]) -> Result<Credits, Malformed> {
    let [version @ (VERSION | WITH_LINKS | WITH_SUB_IDS), count, rest @ ..] = bytes else { return Err(Malformed) };
    let mut rest = rest;
    let credits = (0..*count).map(|_| credit(&mut rest, *version)).collect::<Result<Credits, _>>()?;
    // There is one form of everything.
    if !rest.is_empty() || version_of(&credits) != *version {
        return Err(Malformed);
    }
    Ok(credits)
}

fn credit(rest: &mut &[u8], version: u8) -> Result<Credit, Malformed> {
    let affiliate = take::<16>(rest)?;
    let enrollment = take::<16>(rest)?;
    let program = take::<16>(rest)?;
    let terms_version = take::<4>(rest)?;
    let [code] = take::<1>(rest)?;
    let share_ppm = take::<4>(rest)?;
    let link_id = if version >= WITH_LINKS { Uuid::from_bytes(take::<LINK_LENGTH>(rest)?) } else { Uuid::nil() };
    let sub_id = if version >= WITH_SUB_IDS {
        let length = u16::from_le_bytes(take::<2>(rest)?);
        let text = rest.split_off(..usize::from(length)).ok_or(Malformed)?;
        std::str::from_utf8(text).map_err(|_| Malformed)?
    } else {
        ""
    };
    Ok(Credit {
        affiliate_id: AffiliateId::from_uuid(Uuid::from_bytes(affiliate)),
        enrollment_id: EnrollmentId::from_uuid(Uuid::from_bytes(enrollment)),
        program_id: ProgramId::from_uuid(Uuid::from_bytes(program)),
        terms_version: i32::from_le_bytes(terms_version),
        source: SOURCES.iter().find(|(other, _)| *other == code).map(|(_, source)| *source).ok_or(Malformed)?,
        share_ppm: i32::from_le_bytes(share_ppm),
        link_id: (!link_id.is_nil()).then(|| LinkId::from_uuid(link_id)),
        sub_id: (!sub_id.is_empty()).then(|| sub_id.into()),
    })
}

fn take<const LENGTH: usize>(rest: &mut &[u8]) -> Result<[u8; LENGTH], Malformed> {
    let (taken, after) = rest.split_first_chunk().ok_or(Malformed)?;
    *rest = after;
    Ok(*taken)
}

/// Whether the first credit in a column has one of these sources. Today no conversion has more than one.
pub(super) fn source_is_one_of(column: impl ColumnTrait, sources: &[AttributionSource]) -> SimpleExpr {
    // After the version, the count, three ids and the version of the terms.
    byte_is_one_of(column, 2 + 3 * 16 + 4, sources.iter().map(|source| code(*source)))
}

fn code(source: AttributionSource) -> u8 {
    match source {
        AttributionSource::LeadBinding => 1,
        AttributionSource::Coupon => 2,
        AttributionSource::Click => 3,
        AttributionSource::Manual => 4,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use smallvec::SmallVec;

    use super::*;

    fn credits() -> impl Strategy<Value = Credits> {
        let source = proptest::sample::select(AttributionSource::ALL);
        let ids = any::<[u128; 3]>().prop_map(|ids| ids.map(Uuid::from_u128));
        let link = proptest::option::of((1..u128::MAX).prop_map(|id| LinkId::from_uuid(Uuid::from_u128(id))));
        let sub_id = proptest::option::of("[a-zä ]{1,9}".prop_map(|text: String| std::sync::Arc::<str>::from(text)));
        let credit = (ids, any::<i32>(), source, any::<i32>(), link, sub_id).prop_map(
            |(ids, terms_version, source, share_ppm, link_id, sub_id)| Credit {
                affiliate_id: AffiliateId::from_uuid(ids[0]),
                enrollment_id: EnrollmentId::from_uuid(ids[1]),
                program_id: ProgramId::from_uuid(ids[2]),
                terms_version,
                source,
                share_ppm,
                link_id,
                sub_id,
            },
        );
        proptest::collection::vec(credit, 0..5).prop_map(SmallVec::from_vec)
    }

    proptest! {
        #[test]
        fn written_credits_are_read_back(credits in credits()) {
            prop_assert_eq!(from_bytes(&to_bytes(&credits).unwrap()), Ok(credits));
        }

        #[test]
        fn bytes_of_anybody_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(credits) = from_bytes(&bytes) {
                prop_assert_eq!(to_bytes(&credits), Ok(bytes));
            }
        }

        #[test]
        fn cut_bytes_are_refused(credits in credits(), place in any::<prop::sample::Index>()) {
            let bytes = to_bytes(&credits).unwrap();
            prop_assert_eq!(from_bytes(&bytes[..place.index(bytes.len())]), Err(Malformed));
        }
    }

    /// These bytes are in databases. They never change.
    #[test]
    fn stored_credits_are_the_golden_bytes() {
        let golden: Vec<(u8, AttributionSource)> =
            AttributionSource::ALL.iter().map(|source| (code(*source), *source)).collect();
        assert!(golden.iter().all(|pair| SOURCES.contains(pair)) && golden.len() == SOURCES.len());
        let credit = |number: u128, source, share_ppm| Credit {
            affiliate_id: AffiliateId::from_uuid(Uuid::from_u128(number)),
            enrollment_id: EnrollmentId::from_uuid(Uuid::from_u128(number + 1)),
            program_id: ProgramId::from_uuid(Uuid::from_u128(number + 2)),
            terms_version: 258,
            source,
            share_ppm,
            link_id: None,
            sub_id: None,
        };
        let credits = [credit(1, AttributionSource::Coupon, 600_000), credit(4, AttributionSource::Click, 400_000)];
        let id = |last: u8| -> Vec<u8> { std::iter::repeat_n(0, 15).chain([last]).collect() };
        let golden = [
            vec![1, 2],
            [id(1), id(2), id(3), vec![2, 1, 0, 0], vec![2], vec![0xc0, 0x27, 0x09, 0x00]].concat(),
            [id(4), id(5), id(6), vec![2, 1, 0, 0], vec![3], vec![0x80, 0x1a, 0x06, 0x00]].concat(),
        ];
        assert_eq!(to_bytes(&credits), Ok(golden.concat()));
        assert_eq!(to_bytes(&[]), Ok(vec![1, 0]));
        let linked = Credit { link_id: Some(LinkId::from_uuid(Uuid::from_u128(7))), ..credits[0].clone() };
        let with_sub_id = [vec![3, 1], golden[1].clone(), id(7), vec![3, 0], b"May".to_vec()].concat();
        let golden = [vec![2, 1], golden[1].clone(), id(7)].concat();
        assert_eq!(to_bytes(std::slice::from_ref(&linked)), Ok(golden));
        assert_eq!(to_bytes(&[Credit { sub_id: Some("May".into()), ..linked }]), Ok(with_sub_id));
        let many = vec![credits[0].clone(); 256];
        assert!(to_bytes(&many[..255]).is_ok() && to_bytes(&many).is_err());
        assert_eq!(from_bytes(&[4, 0]), Err(Malformed), "a version that is not known");
    }
}

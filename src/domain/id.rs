//! Typed ids: a prefix that names the kind, and a UUIDv7. New UUIDv7s sort last, so new rows go to the end of every index. The
//! text of an id is stored in JSON, so a released prefix never changes. Callers pass in an [`IdSource`]; nothing here is random.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// A source of new ids. The real one is in `clock.rs`; tests pass a counter.
pub trait IdSource {
    /// The next UUIDv7.
    fn next_uuid(&mut self) -> Uuid;
}

/// The text is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be an id like {prefix}_ and 32 hexadecimal digits")]
pub struct MalformedId {
    /// The prefix that was expected.
    pub prefix: &'static str,
}

fn parse(text: &str, prefix: &'static str) -> Result<Uuid, MalformedId> {
    let malformed = MalformedId { prefix };
    let digits = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')).ok_or_else(|| malformed.clone())?;
    // Each id must have exactly one spelling, because a client's cache would treat a spelling with capitals or hyphens as another
    // id.
    if digits.len() != 32 || !digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(malformed);
    }
    Uuid::try_parse(digits).map_err(|_| malformed)
}

const PREFIX_LENGTH: usize = 3;

/// The length of an id's text: the prefix, an underscore and 32 digits.
const TEXT_LENGTH: usize = PREFIX_LENGTH + 1 + 32;

/// Writes the text of an id to the buffer, and returns it. The text is made in one piece, because each sale writes dozens of ids.
fn text<'buffer>(prefix: &str, uuid: Uuid, buffer: &'buffer mut [u8; TEXT_LENGTH]) -> &'buffer str {
    let (letters, rest) = buffer.split_at_mut(PREFIX_LENGTH);
    letters.copy_from_slice(prefix.as_bytes());
    rest[0] = b'_';
    uuid.simple().encode_lower(&mut rest[1..]);
    // All bytes are ASCII.
    std::str::from_utf8(buffer).unwrap_or_default()
}

/// An id with a type of its own, so that the compiler tells the kinds apart.
pub trait TypedId: fmt::Display {
    /// The UUID inside, as stored.
    fn uuid(&self) -> Uuid;
}

macro_rules! typed_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The prefix of every id of this kind, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Makes a new id.
            pub fn new(ids: &mut dyn IdSource) -> Self {
                Self(ids.next_uuid())
            }

            /// The id with this UUID.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID inside, as stored.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        const _: () = assert!($prefix.len() == PREFIX_LENGTH);

        impl TypedId for $name {
            fn uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(text(Self::PREFIX, self.0, &mut [0; TEXT_LENGTH]))
            }
        }

        /// The same text as [`fmt::Display`] makes, without a formatter: a sale's answer and events have dozens of ids.
        impl From<$name> for String {
            fn from(id: $name) -> Self {
                text($name::PREFIX, id.0, &mut [0; TEXT_LENGTH]).to_owned()
            }
        }

        impl FromStr for $name {
            type Err = MalformedId;

            fn from_str(text: &str) -> Result<Self, MalformedId> {
                parse(text, Self::PREFIX).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(text(Self::PREFIX, self.0, &mut [0; TEXT_LENGTH]))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

typed_ids! {
    /// A merchant.
    AccountId = "acc";
    /// An API key.
    ApiKeyId = "key";
    /// A program.
    ProgramId = "prg";
    /// An affiliate.
    AffiliateId = "aff";
    /// An affiliate in a program.
    EnrollmentId = "enr";
    /// A referral link.
    LinkId = "lnk";
    /// A coupon.
    CouponId = "cpn";
    /// A group of affiliates.
    AffiliateGroupId = "grp";
    /// An item.
    ItemId = "itm";
    /// An offer.
    OfferId = "ofr";
    /// A bounty.
    BountyId = "bnt";
    /// A submission to a bounty.
    SubmissionId = "sbm";
    /// A click. A visitor's first click gives the visitor's tracking id (tid).
    ClickId = "clk";
    /// A lead.
    LeadId = "led";
    /// A conversion.
    ConversionId = "cnv";
    /// A reward.
    RewardId = "rwd";
    /// A payout.
    PayoutId = "pay";
    /// A file that was made of payouts.
    PayoutExportId = "pex";
    /// A document of a payout.
    PayoutDocumentId = "doc";
    /// A comparison of payouts with the payments at their provider.
    PayoutReconciliationId = "prc";
    /// A payout run.
    PayoutRunId = "prn";
    /// A schedule of payout runs.
    PayoutScheduleId = "psc";
    /// An entry of the audit log.
    AuditEntryId = "aud";
    /// A mail that waits to be sent.
    MailId = "mal";
    /// An event of the feed.
    EventId = "evt";
}

impl AccountId {
    /// The server itself. It owns the operator keys, and the request ids that they send.
    pub const SERVER: Self = Self(Uuid::nil());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = AffiliateId::from_uuid(Uuid::from_u128(0x0193_a5f0_0000_7000_8000_0000_0000_0001));
        let text = id.to_string();
        assert_eq!(text, "aff_0193a5f0000070008000000000000001");
        assert_eq!(text.parse::<AffiliateId>(), Ok(id));
        for wrong in [
            "",
            "aff_",
            "aff",
            "prg_0193a5f0000070008000000000000001",
            "aff_0193A5F0000070008000000000000001",
            "aff_0193a5f0-0000-7000-8000-000000000001",
            "aff_0193a5f00000700080000000000000011",
        ] {
            assert!(wrong.parse::<AffiliateId>().is_err(), "{wrong}");
        }
    }
}

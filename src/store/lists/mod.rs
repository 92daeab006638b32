//! Lists of rows by affiliate and by lead. A list has a place for each of its rows, in the order in which it is read. It is no index
//! of the database, because a sale would change a page of its own in each index, see docs/adr/0019.
//!
//! A commit appends the entries of all lists of an account as one row of the account's *tail*, so that nothing is scattered. When the
//! tail is long, the writer *folds* it: it moves the entries into their lists, which are kept in *blocks* of neighbouring places. A
//! read takes the blocks of one list and the entries of that list in the tail.
//!
//! An entry is never removed, also when the row has another affiliate or lead now, so every read checks the row itself.

mod block;
mod bytes;
pub mod check;
mod fold;
mod newest;
mod page;
mod reader;
mod tail;

use sea_orm::Value;
use smallvec::SmallVec;
use uuid::Uuid;

pub use fold::fold;
pub(super) use newest::Newest;
pub(super) use page::{Rows, rows_in_order_of_ids, rows_of_list, rows_of_list_up_to};
pub(super) use tail::{Entries, figures as figures_of_tail};

use super::StoreError;
use crate::domain::id::{AccountId, AffiliateId, LeadId};
use crate::domain::ledger::AccountHead;
use crate::domain::time::Time;

/// How many entries a tail has before it is folded. The longer a tail, the less an entry costs to fold, because more entries share a
/// block, and the more a list costs to read.
#[cfg(not(feature = "failpoints"))]
const TAIL_LENGTH_MAX: i64 = 4_096;

/// Short, so that tests fold often.
#[cfg(feature = "failpoints")]
const TAIL_LENGTH_MAX: i64 = 48;

/// How many entries a tail has at most when its writer has had nothing else to do for a while. Such a tail costs hardly anything to read.
const TAIL_LENGTH_AT_REST: i64 = TAIL_LENGTH_MAX / 16;

/// How many entries the account's tail has.
const fn tail_length(head: &AccountHead) -> i64 {
    head.listed_count - head.folded_count
}

/// Whether the account's tail is long enough to be folded.
pub const fn is_due(head: &AccountHead) -> bool {
    tail_length(head) >= TAIL_LENGTH_MAX
}

/// Whether the account's tail is long enough to be folded when the writer has nothing else to do.
pub const fn is_due_at_rest(head: &AccountHead) -> bool {
    tail_length(head) >= TAIL_LENGTH_AT_REST
}

/// The kinds of lists. The stored code of a kind never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(super) enum ListKind {
    /// The leads that an affiliate is credited with.
    LeadsOfAffiliate = 1,
    /// The conversions that an affiliate is credited with.
    ConversionsOfAffiliate = 2,
    /// An affiliate's rewards.
    RewardsOfAffiliate = 3,
    /// The ledger entries of an affiliate.
    LedgerEntriesOfAffiliate = 4,
    /// The conversions of a lead, in the order in which they occurred.
    ConversionsOfLead = 5,
    /// Those of an affiliate's conversions that are of a rare kind, so that a filter by it does not go through all the others.
    RareConversionsOfAffiliate = 6,
}

impl ListKind {
    const ALL: [Self; 6] = [
        Self::LeadsOfAffiliate,
        Self::ConversionsOfAffiliate,
        Self::RewardsOfAffiliate,
        Self::LedgerEntriesOfAffiliate,
        Self::ConversionsOfLead,
        Self::RareConversionsOfAffiliate,
    ];

    const fn code(self) -> u8 {
        self as u8
    }

    fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// A list of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct List {
    kind: ListKind,
    /// The affiliate or the lead.
    owner: Uuid,
}

impl List {
    pub(super) const fn leads_of(affiliate_id: AffiliateId) -> Self {
        Self { kind: ListKind::LeadsOfAffiliate, owner: affiliate_id.uuid() }
    }

    pub(super) const fn conversions_of(affiliate_id: AffiliateId) -> Self {
        Self { kind: ListKind::ConversionsOfAffiliate, owner: affiliate_id.uuid() }
    }

    pub(super) const fn rare_conversions_of(affiliate_id: AffiliateId) -> Self {
        Self { kind: ListKind::RareConversionsOfAffiliate, owner: affiliate_id.uuid() }
    }

    pub(super) const fn rewards_of(affiliate_id: AffiliateId) -> Self {
        Self { kind: ListKind::RewardsOfAffiliate, owner: affiliate_id.uuid() }
    }

    pub(super) const fn ledger_entries_of(affiliate_id: AffiliateId) -> Self {
        Self { kind: ListKind::LedgerEntriesOfAffiliate, owner: affiliate_id.uuid() }
    }

    pub(super) const fn conversions_of_lead(lead_id: LeadId) -> Self {
        Self { kind: ListKind::ConversionsOfLead, owner: lead_id.uuid() }
    }
}

/// A row's place in a list. Places are ordered by time, then by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    /// In microseconds. 0 in all places of a list that is ordered by id alone.
    at: i64,
    id: Uuid,
}

impl Place {
    const GREATEST: Self = Self { at: i64::MAX, id: Uuid::max() };

    /// A place in a list that is ordered by id.
    pub(super) const fn of_id(id: Uuid) -> Self {
        Self { at: 0, id }
    }

    /// A place in a list that is ordered by time.
    pub(super) const fn at(time: Time, id: Uuid) -> Self {
        Self { at: time.micros(), id }
    }

    /// A place in a list that is ordered by number.
    pub(super) fn of_sequence(sequence: i64) -> Self {
        Self::of_id(id_of_sequence(sequence))
    }
}

/// The id that stands for a number in a list. A negative number, which no row has, gets the first place.
pub(super) fn id_of_sequence(sequence: i64) -> Uuid {
    Uuid::from_u128(u128::try_from(sequence).unwrap_or_default())
}

/// The value of a number's column, from the id that stands for it.
pub(super) fn sequence_of_id(id: Uuid) -> Value {
    i64::try_from(id.as_u128()).unwrap_or(i64::MAX).into()
}

/// A row's place in one of the lists that it is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Entry {
    pub(super) list: List,
    pub(super) place: Place,
}

/// All entries of one row, with its account.
pub(super) type EntriesOfRow = SmallVec<[(AccountId, Entry); 2]>;

/// A list, and the account that it belongs to.
type OwnList = (AccountId, List);

/// The error of a stored list that does not make sense.
fn inconsistent(account_id: AccountId) -> StoreError {
    StoreError::Inconsistent { table: "list_block or list_tail", row: account_id.uuid() }
}

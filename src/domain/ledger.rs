//! The ledger: two-sided entries that never change and are chained by hash, and the balances, which are sums over the entries.
//!
//! | event | debit | credit |
//! |---|---|---|
//! | reward earned | commission_expense | affiliate_pending |
//! | approved | affiliate_pending | affiliate_payable |
//! | denied | affiliate_pending | commission_expense |
//! | refunded before approval | affiliate_pending | commission_expense |
//! | refunded after approval or payment | affiliate_payable (may go below zero) | commission_expense |
//! | fulfilled, for what is no cash | affiliate_payable | fulfilled |
//! | paid, marked by hand | affiliate_payable | provider_cash |
//! | reserved by a payout | affiliate_payable | payout_in_flight |
//! | frozen by a dispute of its sale | affiliate_pending or affiliate_payable | affiliate_frozen |
//! | the dispute ended, and the reward or a part of it stays | affiliate_frozen | the account of before |
//! | refunded, denied or charged back while frozen | affiliate_frozen | commission_expense |
//! | charged back later | as refunded | commission_expense |
//! | the payout was paid | payout_in_flight | provider_cash |
//! | the payout was cancelled, failed or came back unpaid | payout_in_flight | affiliate_payable |
//! | that it was paid was undone | provider_cash | payout_in_flight |
//! | the payout came back after it was paid | provider_cash | affiliate_payable |
//! | the provider took a fee, or kept a part of what came back | provider_fee | provider_cash |
//!
//! A fee is the merchant's, so no balance of an affiliate counts it.
//!
//! The difference that a correction makes is booked like a refund, or like what is earned if it is positive. It goes to the account that
//! the reward is in. So does the adjustment of a refund.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::event::FeedPlace;
use super::id::{AccountId, AffiliateId, PayoutId, RewardId};
use super::money::{Currency, Overflow};
use super::reward::{Reward, RewardUnit};
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// An account of the ledger.
    LedgerAccount {
        /// The merchant's cost of commissions.
        CommissionExpense = "commission_expense",
        /// Earned by an affiliate, not yet approved.
        AffiliatePending = "affiliate_pending",
        /// Owed to an affiliate.
        AffiliatePayable = "affiliate_payable",
        /// Earned by an affiliate from sales that are disputed. It is not owed before the dispute ends.
        AffiliateFrozen = "affiliate_frozen",
        /// Reserved by payouts that are not paid yet.
        PayoutInFlight = "payout_in_flight",
        /// Given to an affiliate: rewards that are no cash and were fulfilled.
        Fulfilled = "fulfilled",
        /// Paid to an affiliate, from the merchant's account at a bank or a provider.
        ProviderCash = "provider_cash",
        /// The merchant's cost of paying: what providers took on top of amounts, and what they kept of amounts that came back.
        ProviderFee = "provider_fee",
    }
}

text_enum! {
    /// Why an entry was posted.
    LedgerReason {
        /// A reward was earned.
        Earned = "earned",
        /// A reward was approved.
        Approved = "approved",
        /// A reward was denied.
        Denied = "denied",
        /// A refund took back all or part of a reward.
        Refunded = "refunded",
        /// An earlier event was told later and changed who earns, or how much.
        Reattributed = "reattributed",
        /// The affiliate was given what is no cash.
        Fulfilled = "fulfilled",
        /// The amount of a sale was corrected.
        Corrected = "corrected",
        /// A refund came with a commission adjustment.
        Adjusted = "adjusted",
        /// A dispute of the sale was opened.
        Frozen = "frozen",
        /// A dispute ended and left the reward or a part of it, or one that was lost was won after all.
        Restored = "restored",
        /// A dispute was lost.
        ChargedBack = "charged_back",
        /// A payout reserved what it will pay.
        Reserved = "reserved",
        /// A payout ended without payment, or came back. What it had reserved or paid is owed again.
        Returned = "returned",
        /// A person undid that a payout was paid, and its amount is in flight again.
        Reopened = "reopened",
        /// An affiliate was paid.
        Paid = "paid",
        /// A provider took a fee for a payout.
        Fee = "fee",
    }
}

text_enum! {
    /// The kinds of subject that an entry can have.
    LedgerSubjectKind {
        /// A reward.
        Reward = "reward",
        /// A payout.
        Payout = "payout",
    }
}

/// The subject of an entry. Its id is a UUID, because every kind of subject must fit into the same columns and the same hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct LedgerSubject {
    pub kind: LedgerSubjectKind,
    pub id: Uuid,
}

impl LedgerSubject {
    /// A reward as a subject.
    pub const fn reward(id: RewardId) -> Self {
        Self { kind: LedgerSubjectKind::Reward, id: id.uuid() }
    }

    /// The subject's id, if the subject is a reward.
    pub const fn reward_id(self) -> Option<RewardId> {
        match self.kind {
            LedgerSubjectKind::Reward => Some(RewardId::from_uuid(self.id)),
            LedgerSubjectKind::Payout => None,
        }
    }

    /// A payout as a subject.
    pub const fn payout(id: PayoutId) -> Self {
        Self { kind: LedgerSubjectKind::Payout, id: id.uuid() }
    }

    /// The subject's id, if the subject is a payout.
    pub const fn payout_id(self) -> Option<PayoutId> {
        match self.kind {
            LedgerSubjectKind::Payout => Some(PayoutId::from_uuid(self.id)),
            LedgerSubjectKind::Reward => None,
        }
    }
}

/// An entry that has no sequence and no hash yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Posting {
    pub account_id: AccountId,
    pub debit: LedgerAccount,
    pub credit: LedgerAccount,
    pub unit: RewardUnit,
    pub currency: Currency,
    /// In minor units, more than zero.
    pub amount_minor: i64,
    pub affiliate_id: AffiliateId,
    pub subject: LedgerSubject,
    pub reason: LedgerReason,
    /// The time of the command, and in an entry that of its commit.
    pub posted_at: Time,
}

impl Posting {
    /// The posting that moves a reward's value from one ledger account to another. For a negative value the two accounts are
    /// swapped, so that the amount stays positive.
    pub fn for_reward(
        reward: &Reward,
        debit: LedgerAccount,
        credit: LedgerAccount,
        reason: LedgerReason,
        posted_at: Time,
    ) -> Self {
        let value = reward.value.amount_minor;
        let (debit, credit) = if value < 0 { (credit, debit) } else { (debit, credit) };
        Self {
            account_id: reward.account_id,
            debit,
            credit,
            unit: reward.unit,
            currency: reward.value.currency,
            amount_minor: value.saturating_abs(),
            affiliate_id: reward.affiliate_id,
            subject: LedgerSubject::reward(reward.id),
            reason,
            posted_at,
        }
    }
}

/// A two-sided entry with its sequence and hash. It is never changed and never removed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct LedgerEntry {
    /// 1, 2, 3 and so on in its account, without a gap.
    pub sequence: i64,
    pub posting: Posting,
    /// The version of the hashed layout. It is [`HASH_VERSION`], unless another release wrote the entry.
    pub hash_version: i32,
    /// The [`entry_hash`] of this entry and the hash of the previous entry.
    pub hash: [u8; 32],
}

/// The hash that an account's first entry has as its previous hash.
pub const GENESIS_HASH: [u8; 32] = [0; 32];

/// The version of the layout that [`entry_hash`] hashes. The version is part of the hash and is stored with each entry. A changed
/// layout gets a new number, and older entries keep theirs.
pub const HASH_VERSION: u8 = 1;

/// SHA-256 over these bytes, in this order:
///
/// | bytes | field |
/// |---|---|
/// | 1 | [`HASH_VERSION`] |
/// | 32 | the hash of the entry before; [`GENESIS_HASH`] for the first |
/// | 16 | account_id |
/// | 8 | sequence |
/// | 1 + n | debit |
/// | 1 + n | credit |
/// | 1 + n | unit |
/// | 1 + n | currency |
/// | 8 | amount_minor |
/// | 16 | affiliate_id |
/// | 1 + n | the subject's kind |
/// | 16 | the subject's id |
/// | 1 + n | reason |
/// | 8 | posted_at, in microseconds |
///
/// Integers are big-endian. A text is its length in one byte, then its bytes. One byte is enough, because every text here fits
/// into a column of 32 characters. Two different entries therefore never have the same bytes.
pub fn entry_hash(previous: &[u8; 32], sequence: i64, posting: &Posting) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update([HASH_VERSION]);
    hasher.update(previous);
    hasher.update(posting.account_id.uuid().as_bytes());
    hasher.update(sequence.to_be_bytes());
    hash_text(&mut hasher, posting.debit.as_str());
    hash_text(&mut hasher, posting.credit.as_str());
    hash_text(&mut hasher, posting.unit.as_str());
    hash_text(&mut hasher, posting.currency.code());
    hasher.update(posting.amount_minor.to_be_bytes());
    hasher.update(posting.affiliate_id.uuid().as_bytes());
    hash_text(&mut hasher, posting.subject.kind.as_str());
    hasher.update(posting.subject.id.as_bytes());
    hash_text(&mut hasher, posting.reason.as_str());
    hasher.update(posting.posted_at.micros().to_be_bytes());
    hasher.finalize().into()
}

fn hash_text(hasher: &mut Sha256, text: &str) {
    hasher.update([u8::try_from(text.len()).unwrap_or(u8::MAX)]);
    hasher.update(text);
}

/// The largest absolute value of a balance, in minor units. The database stores no larger one.
pub const BALANCE_MINOR_MAX: i64 = 9_000_000_000_000_000_000;

/// The key of a balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct BalanceKey {
    pub account_id: AccountId,
    pub affiliate_id: AffiliateId,
    pub unit: RewardUnit,
    pub currency: Currency,
}

/// An affiliate's balance: sums over the ledger in minor units, stored beside it. VerifyLedger compares the two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Balance {
    /// Not yet approved.
    pub pending_minor: i64,
    /// Approved, and neither reserved by a payout nor paid. May be negative.
    pub owed_minor: i64,
    /// Reserved by payouts that are not paid yet.
    pub in_flight_minor: i64,
    /// Earned from sales whose disputes are open.
    pub frozen_minor: i64,
    pub paid_minor: i64,
}

impl Balance {
    /// The amount earned over all time, less the amounts denied or reversed.
    pub fn earned_minor(self) -> i64 {
        let unpaid = self.pending_minor.saturating_add(self.owed_minor).saturating_add(self.in_flight_minor);
        unpaid.saturating_add(self.frozen_minor).saturating_add(self.paid_minor)
    }

    /// Adds a posting.
    ///
    /// # Errors
    /// [`Overflow`] when a sum does not fit into 64 bits.
    pub fn post(&mut self, posting: &Posting) -> Result<(), Overflow> {
        self.move_amount(posting.debit, posting.credit, posting.amount_minor)
    }

    /// Moves an amount from one account to the other, as a posting does. A fee is no affiliate's, and moves nothing.
    ///
    /// # Errors
    /// [`Overflow`] when a sum does not fit into 64 bits.
    pub fn move_amount(
        &mut self,
        debit: LedgerAccount,
        credit: LedgerAccount,
        amount_minor: i64,
    ) -> Result<(), Overflow> {
        if [debit, credit].contains(&LedgerAccount::ProviderFee) {
            return Ok(());
        }
        for (account, amount) in [(debit, -amount_minor), (credit, amount_minor)] {
            let sum = match account {
                LedgerAccount::AffiliatePending => &mut self.pending_minor,
                LedgerAccount::AffiliatePayable => &mut self.owed_minor,
                LedgerAccount::PayoutInFlight => &mut self.in_flight_minor,
                LedgerAccount::AffiliateFrozen => &mut self.frozen_minor,
                LedgerAccount::Fulfilled | LedgerAccount::ProviderCash => &mut self.paid_minor,
                LedgerAccount::CommissionExpense | LedgerAccount::ProviderFee => continue,
            };
            *sum = sum.checked_add(amount).ok_or(Overflow)?;
        }
        Ok(())
    }

    /// The sum of both, part by part.
    ///
    /// # Errors
    /// [`Overflow`] when a sum does not fit into 64 bits.
    pub fn plus(self, other: Self) -> Result<Self, Overflow> {
        let add = |one: i64, other: i64| one.checked_add(other).ok_or(Overflow);
        Ok(Self {
            pending_minor: add(self.pending_minor, other.pending_minor)?,
            owed_minor: add(self.owed_minor, other.owed_minor)?,
            in_flight_minor: add(self.in_flight_minor, other.in_flight_minor)?,
            frozen_minor: add(self.frozen_minor, other.frozen_minor)?,
            paid_minor: add(self.paid_minor, other.paid_minor)?,
        })
    }
}

impl Posting {
    /// Whether it is the merchant's own cost of paying, which is no part of any affiliate's balance.
    pub fn is_fee(&self) -> bool {
        self.debit == LedgerAccount::ProviderFee
    }

    /// The key of the balance that the posting changes.
    pub fn balance_key(&self) -> BalanceKey {
        BalanceKey {
            account_id: self.account_id,
            affiliate_id: self.affiliate_id,
            unit: self.unit,
            currency: self.currency,
        }
    }
}

/// The newest numbers of an account's feed and ledger. Each account has one such row, and its lock is the account's write lock.
/// Numbers therefore appear in commit order and without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct AccountHead {
    pub account_id: AccountId,
    /// The sequence of the newest event; 0 before the first.
    pub event_sequence: i64,
    /// The sequence of the newest pruned event; 0 when no event was pruned.
    pub pruned_sequence: i64,
    /// The checksum of the segment that had this event, for readers that go on after it; 0 when no event was pruned.
    pub pruned_check: u32,
    /// The sequence of the newest ledger entry; 0 before the first.
    pub ledger_sequence: i64,
    /// The hash of the newest ledger entry; [`GENESIS_HASH`] before the first.
    pub ledger_hash: [u8; 32],
    /// The sum of the amounts of all ledger entries, in minor units of any currency. A larger sum is the largest number.
    pub posted_minor: i64,
    /// Grows with every change of a row in the account's catalogue (`Kind::IN_CATALOGUE`).
    pub catalogue_version: i64,
    /// How many refunds have ever arrived before their sale. While it is 0, no sale looks for a waiting refund.
    pub waited_refund_count: i64,
    /// How many versions of terms that pay for clicks the account has ever had. While it is 0, clicks need no lock.
    pub click_terms_count: i64,
    /// How many entries were ever added to the lists by affiliate and by lead. Each entry is numbered by it.
    pub listed_count: i64,
    /// The number of the newest entry that is folded into its list. Those after it are in the tail.
    pub folded_count: i64,
    /// The time of the newest commit with an event. Each commit has a later one, whatever the clock of a server does.
    pub committed_at: Time,
}

impl AccountHead {
    /// The head of a new account.
    pub const fn new(account_id: AccountId) -> Self {
        Self {
            account_id,
            event_sequence: 0,
            pruned_sequence: 0,
            pruned_check: 0,
            ledger_sequence: 0,
            ledger_hash: GENESIS_HASH,
            posted_minor: 0,
            catalogue_version: 0,
            waited_refund_count: 0,
            click_terms_count: 0,
            listed_count: 0,
            folded_count: 0,
            committed_at: Time::from_micros(0),
        }
    }

    /// The place before the oldest kept event.
    pub const fn earliest(&self) -> FeedPlace {
        FeedPlace { sequence: self.pruned_sequence, check: self.pruned_check }
    }

    /// The time of a commit: now, but always later than the commit before, so that a time names the commits up to it.
    pub fn commit(&mut self, now: Time) -> Time {
        self.committed_at = self.committed_at.plus_micros(1).max(now);
        self.committed_at
    }

    /// Gives a posting the next sequence, the time of the commit and its hash.
    pub fn enter(&mut self, posting: Posting) -> LedgerEntry {
        let posting = Posting { posted_at: self.committed_at, ..posting };
        self.ledger_sequence += 1;
        self.posted_minor = self.posted_minor.saturating_add(posting.amount_minor);
        self.ledger_hash = entry_hash(&self.ledger_hash, self.ledger_sequence, &posting);
        LedgerEntry {
            sequence: self.ledger_sequence,
            posting,
            hash_version: HASH_VERSION.into(),
            hash: self.ledger_hash,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_commit_is_later_than_the_one_before() {
        let mut head = AccountHead::new(AccountId::from_uuid(Uuid::nil()));
        let noon = Time::from_micros(1_767_268_800_000_000);
        for (now, committed_at) in [
            (noon, noon),
            (noon, noon.plus_micros(1)),
            (noon.plus_days(-30), noon.plus_micros(2)),
            (noon.plus_days(1), noon.plus_days(1)),
        ] {
            assert_eq!((head.commit(now), head.committed_at), (committed_at, committed_at));
        }
    }

    fn posting() -> Posting {
        Posting {
            account_id: AccountId::from_uuid(Uuid::from_u128(0x0193_a5f0_0000_7000_8000_0000_0000_0001)),
            debit: LedgerAccount::CommissionExpense,
            credit: LedgerAccount::AffiliatePending,
            unit: RewardUnit::Cash,
            currency: "USD".parse().unwrap(),
            amount_minor: 1_250,
            affiliate_id: AffiliateId::from_uuid(Uuid::from_u128(0x0193_a5f0_0000_7000_8000_0000_0000_0002)),
            subject: LedgerSubject::reward(RewardId::from_uuid(Uuid::from_u128(
                0x0193_a5f0_0000_7000_8000_0000_0000_0003,
            ))),
            reason: LedgerReason::Earned,
            posted_at: Time::from_micros(1_795_000_000_000_000),
        }
    }

    fn hexadecimal(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The number was computed once from the documented layout with Python's `hashlib`, `uuid` and `struct`, without this
    /// program. Stored hashes must be reproducible for ever. Another layout therefore needs another version.
    #[test]
    fn the_hash_of_an_entry_is_pinned() {
        let hash = entry_hash(&[7; 32], 42, &posting());
        assert_eq!(hexadecimal(&hash), "6d6e55934cc8ed2b6b2a3ed75520c505d887b461182fdb695ad0c4440b50bac3");
    }

    #[test]
    fn the_hash_covers_every_field() {
        let first = posting();
        let other = Uuid::from_u128(9);
        let changed = [
            Posting { account_id: AccountId::from_uuid(other), ..first.clone() },
            Posting { debit: LedgerAccount::AffiliatePayable, ..first.clone() },
            Posting { credit: LedgerAccount::AffiliatePayable, ..first.clone() },
            Posting { currency: "EUR".parse().unwrap(), ..first.clone() },
            Posting { amount_minor: 1_251, ..first.clone() },
            Posting { affiliate_id: AffiliateId::from_uuid(other), ..first.clone() },
            Posting { subject: LedgerSubject { id: other, ..first.subject }, ..first.clone() },
            Posting { reason: LedgerReason::Approved, ..first.clone() },
            Posting { posted_at: Time::from_micros(0), ..first.clone() },
        ];
        let mut hashes: Vec<_> = changed.iter().map(|posting| entry_hash(&[7; 32], 42, posting)).collect();
        hashes.extend([
            entry_hash(&[7; 32], 42, &first),
            entry_hash(&[8; 32], 42, &first),
            entry_hash(&[7; 32], 43, &first),
        ]);
        let distinct: std::collections::BTreeSet<_> = hashes.iter().collect();
        assert_eq!(distinct.len(), hashes.len());
    }

    /// Every text's length must fit into one byte, and every text into its column.
    #[test]
    fn no_hashed_text_is_longer_than_its_column() {
        let texts = LedgerAccount::ALL.iter().map(|value| value.as_str());
        let texts = texts.chain(LedgerReason::ALL.iter().map(|value| value.as_str()));
        let texts = texts.chain(LedgerSubjectKind::ALL.iter().map(|value| value.as_str()));
        let texts = texts.chain(RewardUnit::ALL.iter().map(|value| value.as_str()));
        for text in texts {
            assert!(text.len() <= 32, "{text}");
        }
    }
}

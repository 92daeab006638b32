//! The ledger: two-sided entries that are never changed, chained by hash, and the balances that are sums over them.
//!
//! | event | debit | credit |
//! |---|---|---|
//! | reward earned | commission_expense | affiliate_pending |
//! | approved | affiliate_pending | affiliate_payable |
//! | denied | affiliate_pending | commission_expense |
//! | refunded before approval | affiliate_pending | commission_expense |
//! | refunded after approval or payment | affiliate_payable (may go below zero) | commission_expense |

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::id::{AccountId, AffiliateId, ConversionId, RewardId};
use super::money::{Currency, Overflow};
use super::reward::{Reward, RewardUnit};
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// A place that value is booked to.
    LedgerAccount {
        /// What commissions cost the merchant.
        CommissionExpense = "commission_expense",
        /// What an affiliate has earned and waits for approval.
        AffiliatePending = "affiliate_pending",
        /// What an affiliate is owed.
        AffiliatePayable = "affiliate_payable",
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
    }
}

/// An entry before it has its place in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// Whose books.
    pub account_id: AccountId,
    /// Where the amount is debited.
    pub debit: LedgerAccount,
    /// Where it is credited.
    pub credit: LedgerAccount,
    /// What is counted.
    pub unit: RewardUnit,
    /// The currency.
    pub currency: Currency,
    /// How much, more than zero.
    pub amount_minor: i64,
    /// The affiliate concerned.
    pub affiliate_id: AffiliateId,
    /// The reward concerned.
    pub reward_id: RewardId,
    /// The conversion it goes back to.
    pub conversion_id: ConversionId,
    /// Why.
    pub reason: LedgerReason,
    /// When it was posted.
    pub posted_at: Time,
}

impl Posting {
    /// Moves a reward's value from one ledger account to another. For a negative value the two sides are swapped, so that the
    /// amount stays positive.
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
            reward_id: reward.id,
            conversion_id: reward.conversion_id,
            reason,
            posted_at,
        }
    }
}

/// A two-sided entry in its place. Never changed, never removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// 1, 2, 3 and so on in the account, without a gap.
    pub sequence: i64,
    /// What is posted.
    pub posting: Posting,
    /// [`entry_hash`] over this entry and the hash of the one before.
    pub hash: [u8; 32],
}

/// The hash that the first entry of an account is chained to.
pub const GENESIS_HASH: [u8; 32] = [0; 32];

/// SHA-256 over the hash of the entry before and every field of this one. Fields are parted by a byte that none contains.
pub fn entry_hash(previous: &[u8; 32], sequence: i64, posting: &Posting) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(previous);
    hasher.update(posting.account_id.uuid().as_bytes());
    hasher.update(sequence.to_be_bytes());
    for text in [
        posting.debit.as_str(),
        posting.credit.as_str(),
        posting.unit.as_str(),
        posting.currency.code(),
        posting.reason.as_str(),
    ] {
        hasher.update(text.as_bytes());
        hasher.update([0]);
    }
    hasher.update(posting.amount_minor.to_be_bytes());
    hasher.update(posting.affiliate_id.uuid().as_bytes());
    hasher.update(posting.reward_id.uuid().as_bytes());
    hasher.update(posting.conversion_id.uuid().as_bytes());
    hasher.update(posting.posted_at.micros().to_be_bytes());
    hasher.finalize().into()
}

/// What identifies a balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BalanceKey {
    /// Whose books.
    pub account_id: AccountId,
    /// Whose balance.
    pub affiliate_id: AffiliateId,
    /// What is counted.
    pub unit: RewardUnit,
    /// The currency.
    pub currency: Currency,
}

/// What an affiliate has: sums over the ledger, kept beside it and checked against it by VerifyLedger. All in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balance {
    /// Not yet approved.
    pub pending_minor: i64,
    /// Approved and not yet paid; may be negative.
    pub owed_minor: i64,
    /// Paid.
    pub paid_minor: i64,
}

impl Balance {
    /// Earned over all time less what was denied or taken back.
    pub fn earned_minor(self) -> i64 {
        self.pending_minor.saturating_add(self.owed_minor).saturating_add(self.paid_minor)
    }

    /// Adds what a posting changes.
    ///
    /// # Errors
    /// [`Overflow`] when a sum does not fit into 64 bits.
    pub fn post(&mut self, posting: &Posting) -> Result<(), Overflow> {
        for (account, amount) in [(posting.debit, -posting.amount_minor), (posting.credit, posting.amount_minor)] {
            let sum = match account {
                LedgerAccount::AffiliatePending => &mut self.pending_minor,
                LedgerAccount::AffiliatePayable => &mut self.owed_minor,
                LedgerAccount::CommissionExpense => continue,
            };
            *sum = sum.checked_add(amount).ok_or(Overflow)?;
        }
        Ok(())
    }
}

impl Posting {
    /// The balance that the posting changes.
    pub fn balance_key(&self) -> BalanceKey {
        BalanceKey {
            account_id: self.account_id,
            affiliate_id: self.affiliate_id,
            unit: self.unit,
            currency: self.currency,
        }
    }
}

/// The newest numbers of an account's feed and ledger. One row per account: its lock is the account's write lock, so numbers
/// appear in the order of commit and without a gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountHead {
    /// Whose.
    pub account_id: AccountId,
    /// The sequence of the newest event; 0 before the first.
    pub event_sequence: i64,
    /// The sequence of the newest event that is no longer kept; 0 when all are.
    pub pruned_sequence: i64,
    /// The sequence of the newest ledger entry; 0 before the first.
    pub ledger_sequence: i64,
    /// The hash of the newest ledger entry; [`GENESIS_HASH`] before the first.
    pub ledger_hash: [u8; 32],
    /// Grows with every change of the account's programs, affiliates and what hangs on them.
    pub catalogue_version: i64,
    /// How many refunds have ever come before their sale. While there were none, no sale needs to look for one.
    pub waited_refund_count: i64,
}

impl AccountHead {
    /// The head of a new account.
    pub const fn new(account_id: AccountId) -> Self {
        Self {
            account_id,
            event_sequence: 0,
            pruned_sequence: 0,
            ledger_sequence: 0,
            ledger_hash: GENESIS_HASH,
            catalogue_version: 0,
            waited_refund_count: 0,
        }
    }

    /// Gives a posting its place in the ledger.
    pub fn enter(&mut self, posting: Posting) -> LedgerEntry {
        self.ledger_sequence += 1;
        self.ledger_hash = entry_hash(&self.ledger_hash, self.ledger_sequence, &posting);
        LedgerEntry { sequence: self.ledger_sequence, posting, hash: self.ledger_hash }
    }
}

//! Rows that change seldom and that every sale asks for, remembered between batches: those of kinds that are `IN_CATALOGUE`.
//!
//! Never stale: every change of an account's catalogue raises the version in the account's head, which a batch reads before
//! anything else, and what is remembered under another version is forgotten. Never needed: a row that is not here is read.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::stored::Stored;
use crate::domain::coupon::Coupon;
use crate::domain::id::{AccountId, CouponId, LinkId};
use crate::domain::ledger::AccountHead;
use crate::domain::link::Link;
use crate::domain::set::Key;
use crate::domain::set::WorkingSet;

/// How many rows are remembered before all are forgotten: some 50 MiB.
const ROWS_MAX: usize = 100_000;

/// The remembered catalogues of all accounts.
#[derive(Default)]
pub struct Catalogues {
    accounts: HashMap<AccountId, Catalogue>,
    row_count: usize,
}

/// One account's.
#[derive(Default)]
struct Catalogue {
    version: i64,
    has_waited_refunds: bool,
    /// By key alone. Made with the first row.
    rows: Option<Box<WorkingSet>>,
    link_codes: HashMap<String, LinkId>,
    /// The one that is meant, of all that ever had the code.
    coupon_codes: HashMap<String, CouponId>,
}

impl Catalogue {
    fn row<S: Stored>(&self, key: &S::Key) -> Option<&Arc<S>> {
        S::rows(self.rows.as_deref()?).get(key)
    }
}

impl Catalogues {
    /// Forgets what is not as these heads say, and what grew too large. Accounts without a head are left out until they have one.
    pub fn renew(&mut self, heads: &BTreeMap<AccountId, AccountHead>) {
        if self.row_count > ROWS_MAX {
            *self = Self::default();
        }
        for (account_id, head) in heads {
            let catalogue = self.accounts.entry(*account_id).or_default();
            if catalogue.version != head.catalogue_version {
                *catalogue = Catalogue { version: head.catalogue_version, ..Catalogue::default() };
            }
            catalogue.has_waited_refunds = head.waited_refund_count > 0;
        }
    }

    /// Forgets an account's, which is being changed.
    pub fn forget(&mut self, account_id: AccountId) {
        self.accounts.remove(&account_id);
    }

    /// Whether a refund of the account can be waiting for its sale, as far as is known.
    pub(in crate::store) fn may_have_waiting_refunds(&self, account_id: AccountId) -> bool {
        self.accounts.get(&account_id).is_none_or(|catalogue| catalogue.has_waited_refunds)
    }

    /// A row, by key.
    pub(in crate::store) fn row<S: Stored>(&self, key: &S::Key) -> Option<Arc<S>> {
        if !S::IN_CATALOGUE {
            return None;
        }
        self.accounts.get(&key.account_id())?.row::<S>(key).cloned()
    }

    /// Remembers a row.
    pub(in crate::store) fn keep<S: Stored>(&mut self, row: &Arc<S>) {
        if let Some(catalogue) = self.accounts.get_mut(&row.key().account_id()) {
            S::rows_mut(catalogue.rows.get_or_insert_default()).load(Arc::clone(row));
            self.row_count += 1;
        }
    }

    /// A link, by code.
    pub(in crate::store) fn link_with_code(&self, (account_id, code): &(AccountId, String)) -> Option<Arc<Link>> {
        let catalogue = self.accounts.get(account_id)?;
        catalogue.row::<Link>(&(*account_id, *catalogue.link_codes.get(code)?)).cloned()
    }

    /// Remembers a link's code too.
    pub(in crate::store) fn keep_link_code(&mut self, link: &Link) {
        if let Some(catalogue) = self.accounts.get_mut(&link.account_id) {
            catalogue.link_codes.insert(link.code.clone(), link.id);
        }
    }

    /// The coupon that a code means. None also when that is not remembered: codes that nobody has are not kept, or guessing would
    /// fill the memory.
    pub(in crate::store) fn coupon_with_code(&self, (account_id, code): &(AccountId, String)) -> Option<Arc<Coupon>> {
        let catalogue = self.accounts.get(account_id)?;
        catalogue.row::<Coupon>(&(*account_id, *catalogue.coupon_codes.get(code)?)).cloned()
    }

    /// Remembers that a coupon was read by its code, with all others that ever had it.
    pub(in crate::store) fn keep_coupon_code(&mut self, coupon: &Coupon) {
        let Some(catalogue) = self.accounts.get_mut(&coupon.account_id) else { return };
        let other = catalogue.coupon_codes.get(&coupon.code).copied();
        let other = other.and_then(|id| catalogue.row::<Coupon>(&(coupon.account_id, id)));
        if other.is_none_or(|other| other.rank() < coupon.rank()) {
            catalogue.coupon_codes.insert(coupon.code.clone(), coupon.id);
        }
    }
}

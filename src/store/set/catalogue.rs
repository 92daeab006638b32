//! Caches rows between batches. The cached rows are of the kinds that are `IN_CATALOGUE`: they change seldom, and every sale
//! reads them.
//!
//! The cache is never stale, because every change of an account's catalogue raises the version in the account's head. A batch
//! reads the head first and drops rows that were cached under another version. A row that is not cached is read from the
//! database.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::stored::Stored;
use crate::domain::coupon::Coupon;
use crate::domain::id::{AccountId, CouponId, LinkId};
use crate::domain::ledger::AccountHead;
use crate::domain::link::Link;
use crate::domain::set::Key;
use crate::domain::set::WorkingSet;

/// How many rows are cached before all are dropped. They take some 50 MiB.
const ROWS_MAX: usize = 100_000;

/// The set of an account counts as this many rows besides its own rows, because an empty set takes as much memory.
const ROWS_PER_ACCOUNT: usize = 6;

/// The cached catalogues of all accounts.
#[derive(Default)]
pub struct Catalogues {
    accounts: HashMap<AccountId, Catalogue>,
    row_count: usize,
}

/// The catalogue of one account.
#[derive(Default)]
struct Catalogue {
    version: i64,
    has_waited_refunds: bool,
    /// The rows, which are looked up only by their keys. Allocated with the first row.
    rows: Option<Box<WorkingSet>>,
    link_codes: HashMap<String, LinkId>,
    /// All coupons that ever had the code.
    coupon_codes: HashMap<String, Vec<CouponId>>,
}

impl Catalogue {
    fn row<S: Stored>(&self, key: &S::Key) -> Option<&Arc<S>> {
        S::rows(self.rows.as_deref()?).get(key)
    }
}

impl Catalogues {
    /// Drops the catalogues whose version differs from the head's, and all catalogues when they have grown too large. Accounts
    /// without a head get no catalogue.
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

    /// Drops the catalogue of an account that is being changed.
    pub fn forget(&mut self, account_id: AccountId) {
        self.accounts.remove(&account_id);
    }

    /// Whether a refund of the account may be waiting for its sale. True when nothing is cached of the account.
    pub(in crate::store) fn may_have_waiting_refunds(&self, account_id: AccountId) -> bool {
        self.accounts.get(&account_id).is_none_or(|catalogue| catalogue.has_waited_refunds)
    }

    pub(in crate::store) fn row<S: Stored>(&self, key: &S::Key) -> Option<Arc<S>> {
        if !S::IN_CATALOGUE {
            return None;
        }
        self.accounts.get(&key.account_id())?.row::<S>(key).cloned()
    }

    pub(in crate::store) fn keep<S: Stored>(&mut self, row: &Arc<S>) {
        if let Some(catalogue) = self.accounts.get_mut(&row.key().account_id()) {
            if catalogue.rows.is_none() {
                self.row_count += ROWS_PER_ACCOUNT;
            }
            S::rows_mut(catalogue.rows.get_or_insert_default()).load(Arc::clone(row));
            self.row_count += 1;
        }
    }

    pub(in crate::store) fn link_with_code(&self, (account_id, code): &(AccountId, String)) -> Option<Arc<Link>> {
        let catalogue = self.accounts.get(account_id)?;
        catalogue.row::<Link>(&(*account_id, *catalogue.link_codes.get(code)?)).cloned()
    }

    /// Caches a link's code too.
    pub(in crate::store) fn keep_link_code(&mut self, link: &Link) {
        if let Some(catalogue) = self.accounts.get_mut(&link.account_id) {
            catalogue.link_codes.insert(link.code.clone(), link.id);
        }
    }

    /// All coupons that ever had a code. None when they are not cached. Unknown codes are not cached, because a client that guesses
    /// codes would fill the memory.
    pub(in crate::store) fn coupons_with_code(
        &self,
        (account_id, code): &(AccountId, String),
    ) -> Option<Vec<Arc<Coupon>>> {
        let catalogue = self.accounts.get(account_id)?;
        let ids = catalogue.coupon_codes.get(code)?;
        ids.iter().map(|id| catalogue.row::<Coupon>(&(*account_id, *id)).cloned()).collect()
    }

    /// Caches a coupon's code too. It is called for every coupon that ever had the code.
    pub(in crate::store) fn keep_coupon_code(&mut self, coupon: &Coupon) {
        let Some(catalogue) = self.accounts.get_mut(&coupon.account_id) else { return };
        let ids = catalogue.coupon_codes.entry(coupon.code.clone()).or_default();
        if !ids.contains(&coupon.id) {
            ids.push(coupon.id);
        }
    }
}

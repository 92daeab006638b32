//! What changes seldom and every sale asks for, remembered between batches: enrollments, programs with their terms, links, coupons.
//!
//! Never stale: every change of an account's catalogue raises the version in the account's head, which a batch reads before
//! anything else, and what is remembered under another version is forgotten. Never needed: what is not here is read.

use std::collections::{BTreeMap, HashMap};

use crate::domain::coupon::Coupon;
use crate::domain::enrollment::Enrollment;
use crate::domain::id::{AccountId, EnrollmentId, LinkId, ProgramId};
use crate::domain::ledger::AccountHead;
use crate::domain::link::Link;
use crate::domain::program::{Program, Terms};

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
    enrollments: HashMap<EnrollmentId, Enrollment>,
    programs: HashMap<ProgramId, (Program, Vec<Terms>)>,
    links: HashMap<LinkId, Link>,
    link_codes: HashMap<String, LinkId>,
    /// All that ever had the code.
    coupons: HashMap<String, Vec<Coupon>>,
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
    pub(super) fn may_have_waiting_refunds(&self, account_id: AccountId) -> bool {
        self.accounts.get(&account_id).is_none_or(|catalogue| catalogue.has_waited_refunds)
    }

    pub(super) fn enrollment(&self, account_id: AccountId, id: EnrollmentId) -> Option<&Enrollment> {
        self.accounts.get(&account_id)?.enrollments.get(&id)
    }

    pub(super) fn program(&self, account_id: AccountId, id: ProgramId) -> Option<&(Program, Vec<Terms>)> {
        self.accounts.get(&account_id)?.programs.get(&id)
    }

    pub(super) fn link(&self, account_id: AccountId, id: LinkId) -> Option<&Link> {
        self.accounts.get(&account_id)?.links.get(&id)
    }

    pub(super) fn link_with_code(&self, account_id: AccountId, code: &str) -> Option<&Link> {
        let catalogue = self.accounts.get(&account_id)?;
        catalogue.links.get(catalogue.link_codes.get(code)?)
    }

    /// All coupons that ever had the code; none when that is not remembered.
    pub(super) fn coupons_with_code(&self, account_id: AccountId, code: &str) -> Option<&[Coupon]> {
        self.accounts.get(&account_id)?.coupons.get(code).map(Vec::as_slice)
    }

    pub(super) fn keep_enrollment(&mut self, row: &Enrollment) {
        if let Some(catalogue) = self.accounts.get_mut(&row.account_id) {
            catalogue.enrollments.insert(row.id, row.clone());
            self.row_count += 1;
        }
    }

    /// With all versions of its terms.
    pub(super) fn keep_program(&mut self, row: &Program, terms: Vec<Terms>) {
        if let Some(catalogue) = self.accounts.get_mut(&row.account_id) {
            self.row_count += 1 + terms.len();
            catalogue.programs.insert(row.id, (row.clone(), terms));
        }
    }

    pub(super) fn keep_link(&mut self, row: &Link) {
        if let Some(catalogue) = self.accounts.get_mut(&row.account_id) {
            catalogue.link_codes.insert(row.code.clone(), row.id);
            catalogue.links.insert(row.id, row.clone());
            self.row_count += 1;
        }
    }

    /// All that ever had the code, of which there is one at least: names that nobody has are not kept, or guessing would fill the
    /// memory.
    pub(super) fn keep_coupons(&mut self, account_id: AccountId, code: &str, rows: Vec<Coupon>) {
        if let Some(catalogue) = self.accounts.get_mut(&account_id).filter(|_| !rows.is_empty()) {
            self.row_count += rows.len();
            catalogue.coupons.insert(code.to_owned(), rows);
        }
    }
}

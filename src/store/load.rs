//! Reads what a batch needs into a working set: one statement per table and round, whatever the size of the batch; what nothing
//! asks for costs none. What was looked for and is not there is entered as absent.
//! Knows which rows lead to which, not what they mean. Names are in `load_names`.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::backend::lane::WriteConnection;
use super::backend::table::Table;
use super::catalogue::Catalogues;
use super::entity;
use super::keyed::{Newest, rows_by};
use super::{StoreError, WriteTransaction, account, click, conversion, coupon, enrollment, link, program, reward};
use crate::domain::conversion::ConversionKind;
use crate::domain::coupon::{Coupon, CouponState};
use crate::domain::id::{AccountId, ConversionId, EnrollmentId, LeadId, LinkId, ProgramId, RewardId};
use crate::domain::link::Link;
use crate::domain::working_set::{Needs, WorkingSet};

/// How many of a visitor's clicks and of a lead's sales are looked at, the newest. Far more than any honest one has.
const NEWEST_MAX: u64 = 100;

/// Loads what is needed, and what that leads to.
///
/// # Errors
/// [`StoreError`].
pub async fn load(
    transaction: &WriteTransaction,
    needs: &Needs,
    catalogues: &mut Catalogues,
    set: &mut WorkingSet,
) -> Result<(), StoreError> {
    let mut loading = Loading::new(transaction.connection(), catalogues, set);
    loading.requests(needs).await?;
    loading.accounts(needs).await?;
    loading.leads(needs).await?;
    loading.latest_sales(needs).await?;
    loading.clicks(needs).await?;
    loading.links(needs).await?;
    loading.coupons(needs).await?;
    loading.affiliates_by_name(needs).await?;
    loading.waiting(needs).await?;
    loading.rewards(needs).await?;
    loading.enrollments.extend(&needs.enrollments);
    loading.enrollments_of_affiliates_by_name(needs).await?;
    loading.enrollments().await?;
    loading.programs.extend(&needs.programs);
    loading.programs(needs).await?;
    loading.coupon_counts(needs).await
}

/// A load under way: the rows that what was read leads to, and that are still to be read.
pub(super) struct Loading<'load> {
    pub(super) connection: &'load WriteConnection,
    pub(super) catalogues: &'load mut Catalogues,
    pub(super) set: &'load mut WorkingSet,
    pub(super) conversions: BTreeSet<(AccountId, ConversionId)>,
    pub(super) links: BTreeSet<(AccountId, LinkId)>,
    pub(super) enrollments: BTreeSet<(AccountId, EnrollmentId)>,
    pub(super) programs: BTreeSet<(AccountId, ProgramId)>,
}

impl<'load> Loading<'load> {
    fn new(connection: &'load WriteConnection, catalogues: &'load mut Catalogues, set: &'load mut WorkingSet) -> Self {
        Self {
            connection,
            catalogues,
            set,
            conversions: BTreeSet::new(),
            links: BTreeSet::new(),
            enrollments: BTreeSet::new(),
            programs: BTreeSet::new(),
        }
    }

    /// The rows with these primary keys, which are entered as looked for.
    pub(super) async fn by_id<E: Table>(
        &mut self,
        columns: [E::Column; 2],
        ids: impl IntoIterator<Item = (AccountId, Uuid)>,
    ) -> Result<Vec<E::Model>, StoreError> {
        let ids: Vec<_> = ids.into_iter().collect();
        self.set.looked_for.ids.extend(&ids);
        rows_by::<E, _>(self.connection, &columns, ids.into_iter().map(|(account_id, id)| (account_id.uuid(), id)))
            .await
    }

    async fn accounts(&mut self, needs: &Needs) -> Result<(), StoreError> {
        use entity::account::{Column, Entity};
        self.set.looked_for.ids.extend(needs.accounts.iter().map(|id| (*id, id.uuid())));
        let ids = needs.accounts.iter().map(|id| id.uuid());
        for row in rows_by::<Entity, _>(self.connection, &[Column::Id], ids).await? {
            self.set.load_account(account::from_row(row));
        }
        let emails = needs.account_emails.iter().cloned();
        for row in rows_by::<Entity, _>(self.connection, &[Column::Email], emails).await? {
            self.set.load_account(account::from_row(row));
        }
        for email in &needs.account_emails {
            self.set.looked_for.account_emails.insert_absent(email.clone());
        }

        use entity::api_key::{Column as KeyColumn, Entity as Keys};
        let ids = needs.api_keys.iter().map(|(account_id, id)| (*account_id, id.uuid()));
        for row in self.by_id::<Keys>([KeyColumn::AccountId, KeyColumn::Id], ids).await? {
            self.set.load_api_key(account::key_from_row(row)?);
        }
        Ok(())
    }

    async fn latest_sales(&mut self, needs: &Needs) -> Result<(), StoreError> {
        use entity::conversion::{Column, Entity};
        let named = |key| self.set.looked_for.leads.get(key).flatten();
        let leads: BTreeSet<(AccountId, LeadId)> =
            needs.latest_sales.iter().filter_map(|key| Some((key.0, named(key)?))).collect();
        let newest = Newest::<Entity> {
            key: [Column::AccountId, Column::LeadId],
            age: Column::OccurredAt,
            age_least: i64::MIN.into(),
            only: Some((Column::Kind, ConversionKind::Sale.as_str())),
            limit: NEWEST_MAX,
        };
        let keys = leads.iter().map(|(account_id, id)| (account_id.uuid(), id.uuid()));
        for row in newest.of(self.connection, keys).await? {
            // Its rewards are read with those of the other conversions.
            self.conversions.insert((AccountId::from_uuid(row.account_id), ConversionId::from_uuid(row.id)));
            self.set.load_conversion(conversion::from_row(row)?);
        }
        for lead in leads {
            self.set.looked_for.latest_sales.insert_absent(lead);
        }
        Ok(())
    }

    async fn clicks(&mut self, needs: &Needs) -> Result<(), StoreError> {
        use entity::click::{Column, Entity};
        let keys = needs.tids.iter().map(|(account_id, tid)| (account_id.uuid(), tid.uuid()));
        let newest = Newest::<Entity> {
            key: [Column::AccountId, Column::Tid],
            age: Column::Id,
            age_least: Uuid::nil().into(),
            only: None,
            limit: NEWEST_MAX,
        };
        for row in newest.of(self.connection, keys).await? {
            let click = click::from_row(row);
            self.links.insert((click.account_id, click.link_id));
            self.enrollments.insert((click.account_id, click.enrollment_id));
            self.set.load_click(click);
        }
        for tid in &needs.tids {
            self.set.looked_for.tids.insert_absent(*tid);
        }
        Ok(())
    }

    async fn links(&mut self, needs: &Needs) -> Result<(), StoreError> {
        use entity::link::{Column, Entity};
        let mut ids = std::mem::take(&mut self.links);
        ids.extend(&needs.links);
        let mut remembered = Vec::new();
        let mut recall = |link: Option<&Link>| link.map(|link| remembered.push(link.clone())).is_some();
        ids.retain(|(account_id, id)| !recall(self.catalogues.link(*account_id, *id)));
        let codes = needs.link_codes.iter();
        let codes: Vec<_> =
            codes.filter(|(account_id, code)| !recall(self.catalogues.link_with_code(*account_id, code))).collect();

        let ids = ids.into_iter().map(|(account_id, id)| (account_id, id.uuid()));
        let mut rows = self.by_id::<Entity>([Column::AccountId, Column::Id], ids).await?;
        let codes = codes.into_iter().map(|(account_id, code)| (account_id.uuid(), code.clone()));
        rows.extend(rows_by::<Entity, _>(self.connection, &[Column::AccountId, Column::Code], codes).await?);
        for row in rows {
            let link = link::from_row(row)?;
            self.catalogues.keep_link(&link);
            remembered.push(link);
        }

        for link in remembered {
            self.enrollments.insert((link.account_id, link.enrollment_id));
            self.set.load_link(link);
        }
        for code in &needs.link_codes {
            self.set.looked_for.link_codes.insert_absent(code.clone());
        }
        Ok(())
    }

    async fn coupons(&mut self, needs: &Needs) -> Result<(), StoreError> {
        use entity::coupon::{Column, Entity};
        let ids = needs.coupons.iter().map(|(account_id, id)| (*account_id, id.uuid()));
        let rows = self.by_id::<Entity>([Column::AccountId, Column::Id], ids).await?;
        let mut coupons = rows.into_iter().map(coupon::from_row).collect::<Result<Vec<_>, _>>()?;

        let mut read: BTreeMap<(AccountId, String), Vec<Coupon>> = BTreeMap::new();
        for (account_id, code) in &needs.coupon_codes {
            match self.catalogues.coupons_with_code(*account_id, code) {
                Some(remembered) => coupons.extend(remembered.iter().cloned()),
                None => _ = read.insert((*account_id, code.clone()), Vec::new()),
            }
        }
        let codes: Vec<_> = read.keys().map(|(account_id, code)| (account_id.uuid(), code.clone())).collect();
        for row in rows_by::<Entity, _>(self.connection, &[Column::AccountId, Column::Code], codes).await? {
            let coupon = coupon::from_row(row)?;
            if let Some(with_code) = read.get_mut(&(coupon.account_id, coupon.code.clone())) {
                with_code.push(coupon);
            }
        }
        for ((account_id, code), with_code) in read {
            coupons.extend(with_code.iter().cloned());
            self.catalogues.keep_coupons(account_id, &code, with_code);
        }

        // Of the coupons that had a code one after the other, the set's index keeps what is entered last.
        coupons.sort_by_key(|coupon| (coupon.state == CouponState::Active, coupon.removed_at, coupon.id));
        for coupon in coupons {
            self.enrollments.insert((coupon.account_id, coupon.enrollment_id));
            self.set.load_coupon(coupon);
        }
        for code in &needs.coupon_codes {
            self.set.looked_for.coupon_codes.insert_absent(code.clone());
        }
        Ok(())
    }

    /// Rewards, and every conversion that was met, with its rewards, what they take back from, and what takes back from them.
    async fn rewards(&mut self, needs: &Needs) -> Result<(), StoreError> {
        use entity::reward::{Column, Entity};
        let ids = needs.rewards.iter().map(|(account_id, id)| (*account_id, id.uuid()));
        for row in self.by_id::<Entity>([Column::AccountId, Column::Id], ids).await? {
            self.conversions.insert((AccountId::from_uuid(row.account_id), ConversionId::from_uuid(row.conversion_id)));
        }
        let met = std::mem::take(&mut self.conversions);
        let sales = self.conversions_and_their_sales(met.clone()).await?;
        let rewards = self.rewards_of(met.into_iter().chain(sales)).await?;

        let keys = rewards.iter().map(|(account_id, id)| (account_id.uuid(), Some(id.uuid())));
        let reversals = rows_by::<Entity, _>(self.connection, &[Column::AccountId, Column::Reverses], keys).await?;
        let refunds: BTreeSet<_> = reversals
            .iter()
            .map(|row| (AccountId::from_uuid(row.account_id), ConversionId::from_uuid(row.conversion_id)))
            .collect();
        for row in reversals {
            self.set.load_reward(reward::from_row(row)?);
        }
        // All that a refund gives takes back from its one sale's rewards, whose reversals these are.
        for key in &refunds {
            self.set.looked_for.rewards_by_conversion.insert_absent(*key);
        }
        self.conversions_and_their_sales(refunds).await?;
        Ok(())
    }

    /// Returns the sales of those that are refunds.
    async fn conversions_and_their_sales(
        &mut self,
        mut wanted: BTreeSet<(AccountId, ConversionId)>,
    ) -> Result<BTreeSet<(AccountId, ConversionId)>, StoreError> {
        let mut sales = BTreeSet::new();
        // Twice at most: the sale of a refund is no refund.
        while !wanted.is_empty() {
            let mut next = BTreeSet::new();
            self.conversions(&wanted).await?;
            for key in wanted {
                let sale_id = self.set.conversions.get(&key).and_then(|row| row.sale_id);
                next.extend(sale_id.map(|sale_id| (key.0, sale_id)));
            }
            sales.extend(&next);
            wanted = next;
        }
        Ok(sales)
    }

    async fn conversions(&mut self, wanted: &BTreeSet<(AccountId, ConversionId)>) -> Result<(), StoreError> {
        use entity::conversion::{Column, Entity};
        let missing: Vec<_> = wanted.iter().filter(|key| self.set.conversions.get(key).is_none()).collect();
        let ids = missing.into_iter().map(|(account_id, id)| (*account_id, id.uuid())).collect::<Vec<_>>();
        for row in self.by_id::<Entity>([Column::AccountId, Column::Id], ids).await? {
            self.set.load_conversion(conversion::from_row(row)?);
        }
        Ok(())
    }

    async fn rewards_of(
        &mut self,
        conversions: impl IntoIterator<Item = (AccountId, ConversionId)>,
    ) -> Result<Vec<(AccountId, RewardId)>, StoreError> {
        use entity::reward::{Column, Entity};
        let conversions: BTreeSet<_> = conversions.into_iter().collect();
        let keys = conversions.iter().map(|(account_id, id)| (account_id.uuid(), id.uuid()));
        let columns = [Column::AccountId, Column::ConversionId];
        let mut ids = Vec::new();
        for row in rows_by::<Entity, _>(self.connection, &columns, keys).await? {
            let reward = reward::from_row(row)?;
            ids.push((reward.account_id, reward.id));
            self.set.load_reward(reward);
        }
        for key in conversions {
            self.set.looked_for.rewards_by_conversion.insert_absent(key);
        }
        Ok(ids)
    }

    async fn enrollments(&mut self) -> Result<(), StoreError> {
        use entity::enrollment::{Column, Entity};
        let mut missing = std::mem::take(&mut self.enrollments);
        missing.retain(|key| self.set.enrollments.get(key).is_none());
        let mut remembered = Vec::new();
        missing.retain(|(account_id, id)| match self.catalogues.enrollment(*account_id, *id) {
            Some(enrollment) => {
                remembered.push(enrollment.clone());
                false
            }
            None => true,
        });
        for enrollment in remembered {
            self.programs.insert((enrollment.account_id, enrollment.program_id));
            self.set.load_enrollment(enrollment);
        }
        let ids = missing.into_iter().map(|(account_id, id)| (account_id, id.uuid()));
        for row in self.by_id::<Entity>([Column::AccountId, Column::Id], ids).await? {
            self.enter_enrollment(row)?;
        }
        Ok(())
    }

    pub(super) fn enter_enrollment(&mut self, row: entity::enrollment::Model) -> Result<(), StoreError> {
        let enrollment = enrollment::from_row(row)?;
        self.programs.insert((enrollment.account_id, enrollment.program_id));
        self.catalogues.keep_enrollment(&enrollment);
        self.set.load_enrollment(enrollment);
        Ok(())
    }

    async fn programs(&mut self, needs: &Needs) -> Result<(), StoreError> {
        use entity::program::{Column, Entity};
        let mut missing = std::mem::take(&mut self.programs);
        missing.retain(|(account_id, id)| match self.catalogues.program(*account_id, *id) {
            Some((program, terms)) => {
                self.set.load_program(program.clone());
                terms.iter().cloned().for_each(|terms| self.set.load_terms(terms));
                false
            }
            None => true,
        });
        let defaults = needs.default_programs.iter().map(|account_id| (account_id.uuid(), true));
        let mut rows = rows_by::<Entity, _>(self.connection, &[Column::AccountId, Column::IsDefault], defaults).await?;
        let ids = missing.into_iter().map(|(account_id, id)| (account_id, id.uuid()));
        rows.extend(self.by_id::<Entity>([Column::AccountId, Column::Id], ids).await?);

        use entity::terms::{Column as TermsColumn, Entity as TermsEntity};
        let mut programs = BTreeMap::new();
        for row in rows {
            programs.insert((row.account_id, row.id), (program::from_row(row)?, Vec::new()));
        }
        let columns = [TermsColumn::AccountId, TermsColumn::ProgramId];
        let keys: Vec<_> = programs.keys().copied().collect();
        for row in rows_by::<TermsEntity, _>(self.connection, &columns, keys).await? {
            if let Some((_, terms)) = programs.get_mut(&(row.account_id, row.program_id)) {
                terms.push(program::terms_from_row(&row)?);
            }
        }
        for (program, terms) in programs.into_values() {
            terms.iter().cloned().for_each(|terms| self.set.load_terms(terms));
            self.catalogues.keep_program(&program, terms);
            self.set.load_program(program);
        }
        for account_id in &needs.default_programs {
            self.set.looked_for.default_programs.insert_absent(*account_id);
        }
        Ok(())
    }
}

//! The part of a load that looks rows up by the several names that requests, leads, affiliates and sales have.
//! Knows which column holds which name, not what the rows mean.

use std::collections::BTreeSet;

use sea_orm::Value;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use uuid::Uuid;

use super::backend::keys::join;
use super::backend::kind::Kind;
use super::backend::table::Reads;
use super::entity;
use super::keyed::{chunks, rows_by};
use super::load::Loading;
use super::{StoreError, affiliate, lead, request};
use crate::domain::affiliate::AffiliateSelector;
use crate::domain::conversion::ConversionKind;
use crate::domain::coupon::CouponState;
use crate::domain::id::{AccountId, AffiliateId, ConversionId};
use crate::domain::lead::{Lead, LeadSelector};
use crate::domain::request::RequestScope;
use crate::domain::working_set::Needs;

/// Leads' names by kind.
#[derive(Default)]
struct LeadNames {
    ids: Vec<(AccountId, Uuid)>,
    uids: Vec<(Uuid, String)>,
    emails: Vec<(Uuid, String)>,
}

impl LeadNames {
    fn sort<'name>(names: impl IntoIterator<Item = &'name (AccountId, LeadSelector)>) -> Self {
        let mut sorted = Self::default();
        for (account_id, selector) in names {
            match selector {
                LeadSelector::Id(id) => sorted.ids.push((*account_id, id.uuid())),
                LeadSelector::Uid(uid) => sorted.uids.push((account_id.uuid(), uid.clone())),
                LeadSelector::Email(email) => sorted.emails.push((account_id.uuid(), email.clone())),
            }
        }
        sorted
    }
}

impl Loading<'_> {
    pub(super) async fn requests(&mut self, needs: &Needs) -> Result<(), StoreError> {
        use entity::request::{Column, Entity};
        let columns = [Column::AccountId, Column::Scope, Column::Key];
        let keys = needs.requests.iter().map(|key| (key.account_id.uuid(), key.scope.clone(), key.key.clone()));
        for row in rows_by::<Entity, _>(self.connection, &columns, keys).await? {
            let request = request::from_row(row)?;
            if request.key.scope == RequestScope::Event(Some(ConversionKind::Sale)).as_str() {
                self.conversions.insert((request.key.account_id, ConversionId::from_uuid(request.effect)));
            }
            self.set.load_request(request);
        }
        self.set.looked_for.requests.extend(needs.requests.iter().cloned());
        Ok(())
    }

    pub(super) async fn leads(&mut self, needs: &Needs) -> Result<(), StoreError> {
        use entity::lead::{Column, Entity};
        let wanted: BTreeSet<_> = needs.leads.iter().chain(&needs.latest_sales).collect();
        let names = LeadNames::sort(wanted.iter().copied());
        let mut rows = self.by_id::<Entity>([Column::AccountId, Column::Id], names.ids).await?;
        rows.extend(rows_by::<Entity, _>(self.connection, &[Column::AccountId, Column::Uid], names.uids).await?);
        rows.extend(rows_by::<Entity, _>(self.connection, &[Column::AccountId, Column::Email], names.emails).await?);
        for row in rows {
            let lead = lead::from_row(row)?;
            self.enrollments.extend(lead.binding.map(|binding| (lead.account_id, binding.enrollment_id)));
            self.set.load_lead(lead);
        }
        for name in wanted {
            self.set.looked_for.leads.insert_absent(name.clone());
        }
        Ok(())
    }

    /// The names with all others of the leads that have them, which must be loaded already.
    fn with_other_names(&self, names: &BTreeSet<(AccountId, LeadSelector)>) -> BTreeSet<(AccountId, LeadSelector)> {
        let mut all = names.clone();
        for key in names {
            let Some(id) = self.set.looked_for.leads.get(key).flatten() else { continue };
            let lead = self.set.leads.get(&(key.0, id));
            all.extend(lead.into_iter().flat_map(Lead::selectors).map(|name| (key.0, name)));
        }
        all
    }

    /// Sales that wait for their lead, and refunds that wait for their sale.
    pub(super) async fn waiting(&mut self, needs: &Needs) -> Result<(), StoreError> {
        use entity::unmatched_sale::{Column, Entity};
        let wanted = self.with_other_names(&needs.unmatched_sales);
        let names = LeadNames::sort(&wanted);
        let mut rows = rows_by::<Entity, _>(self.connection, &[Column::AccountId, Column::Uid], names.uids).await?;
        rows.extend(rows_by::<Entity, _>(self.connection, &[Column::AccountId, Column::Email], names.emails).await?);
        for row in rows {
            let sale = lead::unmatched_from_row(row);
            self.conversions.insert((sale.account_id, sale.conversion_id));
            self.set.load_unmatched_sale(sale);
        }
        for name in wanted {
            self.set.looked_for.unmatched_sales.insert_absent(name);
        }

        use entity::waiting_refund::{Column as RefundColumn, Entity as Refunds};
        let wanted = needs
            .waiting_refunds
            .iter()
            .filter(|(account_id, _)| self.catalogues.may_have_waiting_refunds(*account_id));
        let keys: Vec<_> = wanted.map(|(account_id, event_id)| (account_id.uuid(), event_id.clone())).collect();
        let columns = [RefundColumn::AccountId, RefundColumn::SaleEventId];
        for row in rows_by::<Refunds, _>(self.connection, &columns, keys).await? {
            self.conversions.insert((AccountId::from_uuid(row.account_id), ConversionId::from_uuid(row.conversion_id)));
        }
        for key in &needs.waiting_refunds {
            self.set.looked_for.waiting_refunds.insert_absent(key.clone());
        }
        Ok(())
    }

    pub(super) async fn affiliates_by_name(&mut self, needs: &Needs) -> Result<(), StoreError> {
        use entity::affiliate::{Column, Entity};
        use entity::enrollment::{Column as EnrollmentColumn, Entity as Enrollments};
        let (mut ids, mut external_ids, mut emails) = (BTreeSet::new(), Vec::new(), Vec::new());
        let (mut token_hashes, mut ref_ids) = (Vec::new(), Vec::new());
        let wanted: BTreeSet<_> = needs.affiliates.iter().chain(&needs.coupon_counts).collect();
        for (account_id, selector) in &wanted {
            let account = account_id.uuid();
            match selector {
                AffiliateSelector::Id(id) => {
                    ids.insert((*account_id, id.uuid()));
                }
                AffiliateSelector::ExternalId(external_id) => external_ids.push((account, external_id.clone())),
                AffiliateSelector::Email(email) => emails.push((account, email.clone())),
                AffiliateSelector::TokenHash(hash) => token_hashes.push((account, hash.to_vec())),
                AffiliateSelector::RefId(ref_id) => ref_ids.push((account, ref_id.clone())),
            }
        }
        let columns = [EnrollmentColumn::AccountId, EnrollmentColumn::RefId];
        for row in rows_by::<Enrollments, _>(self.connection, &columns, ref_ids).await? {
            ids.insert((AccountId::from_uuid(row.account_id), row.affiliate_id));
            self.enter_enrollment(row)?;
        }
        let connection = self.connection;
        let mut rows = self.by_id::<Entity>([Column::AccountId, Column::Id], ids).await?;
        rows.extend(rows_by::<Entity, _>(connection, &[Column::AccountId, Column::ExternalId], external_ids).await?);
        rows.extend(rows_by::<Entity, _>(connection, &[Column::AccountId, Column::Email], emails).await?);
        rows.extend(rows_by::<Entity, _>(connection, &[Column::AccountId, Column::TokenHash], token_hashes).await?);
        for row in rows {
            self.set.load_affiliate(affiliate::from_row(row)?);
        }
        for name in wanted {
            self.set.looked_for.affiliates.insert_absent(name.clone());
        }
        Ok(())
    }

    fn affiliates_with_name<'name>(
        &self,
        names: impl IntoIterator<Item = &'name (AccountId, AffiliateSelector)>,
    ) -> BTreeSet<(AccountId, AffiliateId)> {
        let named = |name| self.set.looked_for.affiliates.get(name).flatten();
        names.into_iter().filter_map(|name| Some((name.0, named(name)?))).collect()
    }

    pub(super) async fn enrollments_of_affiliates_by_name(&mut self, needs: &Needs) -> Result<(), StoreError> {
        use entity::enrollment::{Column, Entity};
        let affiliates = self.affiliates_with_name(&needs.affiliates);
        let keys = affiliates.iter().map(|(account_id, id)| (account_id.uuid(), id.uuid()));
        for row in rows_by::<Entity, _>(self.connection, &[Column::AccountId, Column::AffiliateId], keys).await? {
            self.enter_enrollment(row)?;
        }
        for affiliate in affiliates {
            self.set.looked_for.enrollments.insert_absent(affiliate);
        }
        Ok(())
    }

    pub(super) async fn coupon_counts(&mut self, needs: &Needs) -> Result<(), StoreError> {
        use entity::coupon::{Column, Entity};
        let columns = [Column::AccountId, Column::AffiliateId];
        let affiliates = self.affiliates_with_name(&needs.coupon_counts);
        for affiliate in &affiliates {
            self.set.looked_for.coupon_counts.insert(*affiliate, Some(0));
        }
        for chunk in chunks(affiliates.iter().map(|(account_id, id)| (account_id.uuid(), id.uuid()))) {
            let mut query = Query::select();
            query
                .columns(columns.map(|column| (Entity, column)))
                .expr(Expr::col((Entity, Column::Id)).count())
                .from(Entity)
                .and_where(Expr::col((Entity, Column::State)).eq(CouponState::Active.as_str()))
                .group_by_columns(columns.map(|column| (Entity, column)));
            join::<Entity>(self.connection.backend(), &mut query, &columns, chunk)?;
            for row in self.connection.values(&query, &[Kind::Uuid, Kind::Uuid, Kind::BigInteger]).await? {
                let [Value::Uuid(Some(account_id)), Value::Uuid(Some(affiliate_id)), Value::BigInt(Some(count))] =
                    row[..]
                else {
                    return Err(StoreError::Unexpected("a count of coupons that is none".to_owned()));
                };
                let affiliate = (AccountId::from_uuid(account_id), AffiliateId::from_uuid(affiliate_id));
                self.set.looked_for.coupon_counts.insert(affiliate, Some(count));
            }
        }
        Ok(())
    }
}

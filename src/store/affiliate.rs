//! Affiliates: rows and reads.

use std::collections::BTreeSet;

use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QuerySelect, QueryTrait, Select};

use super::entity::enrollment as enrollment_table;
use super::entity::{affiliate as table, balance, enrollment};
use super::list::{self, Walk};
use super::metadata::{self, HasMetadata, Metadata, Scanned};
use super::row::{RowName, to_json};
use super::set::Loading;
use super::set::keyed::rows_by;
use super::set::stored::Stored;
use super::{Store, StoreError};
use crate::domain::affiliate::{
    Affiliate, AffiliateSelector, AffiliateState, FormerEmail, Password, PasswordHash, UPLINE_LEVELS_MAX,
};
use crate::domain::coupon::CouponCount;
use crate::domain::enrollment::Enrollment;
use crate::domain::id::{AccountId, AffiliateGroupId, AffiliateId, ProgramId};
use crate::domain::set::Needs;
use crate::domain::time::Time;

impl Stored for Affiliate {
    type Table = table::Entity;

    const GROWS: bool = true;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            id: self.id.uuid(),
            external_id: self.external_id.clone(),
            // Null if it is not known, because the column is unique.
            email: (!self.email.is_empty()).then(|| self.email.clone()),
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
            profile: to_json(&self.profile)?,
            token_hash: self.token_hash.to_vec(),
            password_hash: self.password.as_ref().map(|password| password.hash.as_str().to_owned()),
            password_is_temporary: self.must_change_password(),
            state: self.state.as_str().to_owned(),
            state_reason: self.state_reason.clone(),
            state_changed_at: self.state_changed_at.map(Time::micros),
            pending_rewards: self.pending_rewards.map(|choice| choice.as_str().to_owned()),
            email_verified: self.email_verified,
            former_email: self.former_email.as_ref().map(|former| former.email.clone()),
            email_changed_at: self.former_email.as_ref().map(|former| former.changed_at.micros()),
            upline_id: self.upline_id.map(AffiliateId::uuid),
            group_id: self.group_id.map(AffiliateGroupId::uuid),
            past_uplines: if self.past_uplines.is_empty() { None } else { Some(to_json(&self.past_uplines)?) },
            awaits_welcome: self.awaits_welcome,
            version: self.version,
            created_at: self.created_at.micros(),
            updated_at: self.updated_at.micros(),
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("affiliate", row.id);
        let former_email = match (row.former_email, row.email_changed_at) {
            (Some(email), Some(changed_at)) => Some(FormerEmail { email, changed_at: Time::from_micros(changed_at) }),
            (None, None) => None,
            _ => return Err(name.inconsistent()),
        };
        Ok(Self {
            id: AffiliateId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            external_id: row.external_id,
            email: row.email.unwrap_or_default(),
            first_name: row.first_name,
            last_name: row.last_name,
            profile: name.json(&row.profile)?,
            token_hash: name.hash(row.token_hash)?,
            password: row
                .password_hash
                .map(|hash| Password { hash: PasswordHash::new(hash), is_temporary: row.password_is_temporary }),
            state: name.parse(&row.state)?,
            state_reason: row.state_reason,
            state_changed_at: row.state_changed_at.map(Time::from_micros),
            pending_rewards: row.pending_rewards.as_deref().map(|text| name.parse(text)).transpose()?,
            email_verified: row.email_verified,
            former_email,
            upline_id: row.upline_id.map(AffiliateId::from_uuid),
            group_id: row.group_id.map(AffiliateGroupId::from_uuid),
            past_uplines: row.past_uplines.as_deref().map(|text| name.json(text)).transpose()?.unwrap_or_default(),
            awaits_welcome: row.awaits_welcome,
            version: row.version,
            created_at: Time::from_micros(row.created_at),
            updated_at: Time::from_micros(row.updated_at),
        })
    }

    fn leads_to(&self, _needs: &mut Needs) {}

    async fn load(loading: &mut Loading<'_>) -> Result<(), StoreError> {
        let with_uplines = std::mem::take(&mut loading.needs.names.with_uplines);
        load_names(loading).await?;
        load_uplines(loading, with_uplines).await?;
        loading.by_key::<Self>().await
    }
}

impl HasMetadata for Affiliate {
    fn metadata(&self) -> &Metadata {
        &self.profile.metadata
    }
}

/// Reads affiliates by each of their identifiers. Adds their enrollments and coupon counts to the needs where a command needs
/// them.
async fn load_names(loading: &mut Loading<'_>) -> Result<(), StoreError> {
    let wanted = std::mem::take(&mut loading.needs.names.affiliates);
    let counted = std::mem::take(&mut loading.needs.names.coupon_counts);
    let holders = std::mem::take(&mut loading.needs.names.code_holders);
    let (mut external_ids, mut emails) = (Vec::new(), Vec::new());
    let (mut token_hashes, mut ref_ids) = (Vec::new(), Vec::new());
    for (account_id, selector) in wanted.union(&counted) {
        let account = account_id.uuid();
        match selector {
            AffiliateSelector::Id(id) => loading.needs.row::<Affiliate>((*account_id, *id)),
            AffiliateSelector::ExternalId(external_id) => external_ids.push((account, external_id.clone())),
            AffiliateSelector::Email(email) => emails.push((account, email.clone())),
            AffiliateSelector::TokenHash(hash) => token_hashes.push((account, hash.to_vec())),
            AffiliateSelector::RefId(ref_id) => ref_ids.push((account, ref_id.clone())),
        }
    }
    let columns = [enrollment_table::Column::AccountId, enrollment_table::Column::RefId];
    for enrollment in loading.by::<Enrollment, _>(&columns, ref_ids).await? {
        loading.needs.row::<Affiliate>((enrollment.account_id, enrollment.affiliate_id));
    }
    loading.by_key::<Affiliate>().await?;
    loading.by::<Affiliate, _>(&[table::Column::AccountId, table::Column::ExternalId], external_ids).await?;
    loading.by::<Affiliate, _>(&[table::Column::AccountId, table::Column::Email], emails).await?;
    loading.by::<Affiliate, _>(&[table::Column::AccountId, table::Column::TokenHash], token_hashes).await?;
    let found =
        |name: &(AccountId, AffiliateSelector)| loading.set.names.affiliates.get(name).flatten().map(|id| (name.0, id));
    let with_enrollments: Vec<_> = wanted.iter().filter_map(found).collect();
    let with_counts: Vec<_> = counted.iter().filter_map(found).collect();
    let with_codes: Vec<_> = holders.iter().filter_map(found).collect();
    loading.needs.names.links_of.extend(&with_codes);
    loading.needs.names.submissions_of.extend(&with_codes);
    loading.needs.names.coupons_of.extend(with_codes);
    loading.needs.names.enrollments_of.extend(with_enrollments);
    with_counts.into_iter().for_each(|key| loading.needs.row::<CouponCount>(key));
    wanted.into_iter().chain(counted).for_each(|name| loading.set.names.affiliates.insert_absent(name));
    Ok(())
}

/// Reads the affiliates above these, level by level, and one level more than there may be.
async fn load_uplines(
    loading: &mut Loading<'_>,
    names: BTreeSet<(AccountId, AffiliateSelector)>,
) -> Result<(), StoreError> {
    let found =
        |name: &(AccountId, AffiliateSelector)| loading.set.names.affiliates.get(name).flatten().map(|id| (name.0, id));
    let mut level: Vec<_> = names.iter().filter_map(found).collect();
    for _ in 0..=UPLINE_LEVELS_MAX {
        let above = |key: &(AccountId, AffiliateId)| {
            let affiliate = loading.set.affiliates.get(key)?;
            Some((key.0, affiliate.upline_id?))
        };
        level = level.iter().filter_map(above).collect();
        if level.is_empty() {
            break;
        }
        level.iter().for_each(|key| loading.needs.row::<Affiliate>(*key));
        loading.by_key::<Affiliate>().await?;
    }
    Ok(())
}

/// The affiliate with this identifier.
///
/// # Errors
/// [`StoreError`].
pub async fn find(
    store: &Store,
    account_id: AccountId,
    selector: &AffiliateSelector,
) -> Result<Option<Affiliate>, StoreError> {
    let mine = table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid()));
    let query = match selector {
        AffiliateSelector::Id(id) => mine.filter(table::Column::Id.eq(id.uuid())),
        AffiliateSelector::ExternalId(external_id) => mine.filter(table::Column::ExternalId.eq(external_id)),
        AffiliateSelector::Email(email) => mine.filter(table::Column::Email.eq(email)),
        AffiliateSelector::TokenHash(hash) => mine.filter(table::Column::TokenHash.eq(hash.to_vec())),
        AffiliateSelector::RefId(ref_id) => {
            let enrollment = enrollment::Entity::find()
                .filter(enrollment::Column::AccountId.eq(account_id.uuid()))
                .filter(enrollment::Column::RefId.eq(ref_id))
                .one(store.read())
                .await?;
            let Some(enrollment) = enrollment else { return Ok(None) };
            mine.filter(table::Column::Id.eq(enrollment.affiliate_id))
        }
    };
    query.one(store.read()).await?.map(Affiliate::from_row).transpose()
}

/// A filter of affiliates. All fields that are set must match.
#[derive(Debug, Clone, Default)]
pub struct AffiliateQuery {
    /// Only affiliates that were ever enrolled in this program.
    pub program_id: Option<ProgramId>,
    /// Only affiliates in one of these states.
    pub states: Vec<AffiliateState>,
    /// Only affiliates whose email address is verified, or is not.
    pub email_verified: Option<bool>,
    /// Only affiliates that a sale has earned something, or has not.
    pub has_sales: Option<bool>,
    /// Only affiliates in this group.
    pub group_id: Option<AffiliateGroupId>,
    /// Only affiliates whom this one has brought.
    pub upline_id: Option<AffiliateId>,
    /// Only affiliates with these texts of the merchant's own.
    pub metadata: Metadata,
}

/// The affiliates of an account that a sale has earned something. Their balances have the number of these rewards.
fn affiliates_with_sales(account_id: AccountId) -> SelectStatement {
    Query::select()
        .distinct()
        .column(balance::Column::AffiliateId)
        .from(balance::Entity)
        .and_where(balance::Column::AccountId.eq(account_id.uuid()))
        .and_where(balance::Column::SaleRewardCount.gt(0))
        .take()
}

/// The affiliates of an account, only those who were ever enrolled in a program if one is wanted.
fn of_program(account_id: AccountId, wanted: &AffiliateQuery) -> Select<table::Entity> {
    let mut query = table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid()));
    let Some(program_id) = wanted.program_id else { return query };
    let enrolled = Expr::col(enrollment::Column::AffiliateId.as_column_ref());
    let is_enrolled = Expr::col(table::Column::Id.as_column_ref()).eq(enrolled);
    QueryTrait::query(&mut query).inner_join(enrollment::Entity, is_enrolled);
    query
        .filter(enrollment::Column::AccountId.eq(account_id.uuid()))
        .filter(enrollment::Column::ProgramId.eq(program_id.uuid()))
}

fn filtered(query: Select<table::Entity>, account_id: AccountId, wanted: &AffiliateQuery) -> Select<table::Entity> {
    let id = || Expr::col(table::Column::Id.as_column_ref());
    let query = query
        .apply_if(wanted.email_verified, |query, is_verified| {
            query.filter(table::Column::EmailVerified.eq(is_verified))
        })
        .apply_if(wanted.group_id, |query, id| query.filter(table::Column::GroupId.eq(id.uuid())))
        .apply_if(wanted.upline_id, |query, id| query.filter(table::Column::UplineId.eq(id.uuid())))
        .apply_if(wanted.has_sales, |query, has_sales| {
            let own = affiliates_with_sales(account_id)
                .and_where(Expr::col(balance::Column::AffiliateId.as_column_ref()).eq(id()))
                .take();
            query.filter(if has_sales { Expr::exists(own) } else { Expr::exists(own).not() })
        });
    list::one_of(query, table::Column::State, &wanted.states)
}

/// One page of affiliates.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    store: &Store,
    account_id: AccountId,
    wanted: &AffiliateQuery,
    walk: Walk,
) -> Result<Scanned<Affiliate>, StoreError> {
    let query = filtered(of_program(account_id, wanted), account_id, wanted);
    // The affiliates of a program are read in the order of an index of enrollments, so that a page costs no more than its rows.
    match wanted.program_id {
        Some(_) => {
            let columns = (enrollment::Column::AffiliateId, table::Column::Profile);
            metadata::read(store.read(), query, columns, &wanted.metadata, walk).await
        }
        None => {
            let columns = (table::Column::Id, table::Column::Profile);
            metadata::read(store.read(), query, columns, &wanted.metadata, walk).await
        }
    }
}

/// How many affiliates there are in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateCount {
    /// The state.
    pub state: AffiliateState,
    /// All affiliates in this state.
    pub total: i64,
    /// Those that a sale has earned something.
    pub with_sales: i64,
}

/// Counts affiliates by state. States without an affiliate are left out.
///
/// # Errors
/// [`StoreError`].
pub async fn count(
    store: &Store,
    account_id: AccountId,
    wanted: &AffiliateQuery,
) -> Result<Vec<StateCount>, StoreError> {
    const WITH_SALES: &str = "with_sales";
    let with_sales = (WITH_SALES, balance::Column::AffiliateId);
    let mut query = filtered(of_program(account_id, wanted), account_id, wanted)
        .select_only()
        .column(table::Column::State)
        .expr(Expr::col(table::Column::Id.as_column_ref()).count())
        .expr(Expr::col(with_sales).count())
        .group_by(table::Column::State)
        .into_query();
    let is_same = Expr::col(table::Column::Id.as_column_ref()).eq(Expr::col(with_sales));
    query.join_subquery(JoinType::LeftJoin, affiliates_with_sales(account_id), WITH_SALES, is_same);
    let mut counts = Vec::new();
    for row in store.read().query_all(&query).await? {
        let state: String = row.try_get_by_index(0)?;
        let state = state.parse().map_err(|_| StoreError::Unexpected(format!("an affiliate has the state {state}")))?;
        counts.push(StateCount { state, total: row.try_get_by_index(1)?, with_sales: row.try_get_by_index(2)? });
    }
    counts.sort_by_key(|count| count.state);
    Ok(counts)
}

/// The affiliates with these ids, in no order.
///
/// # Errors
/// [`StoreError`].
pub async fn by_ids(store: &Store, account_id: AccountId, ids: &[AffiliateId]) -> Result<Vec<Affiliate>, StoreError> {
    let columns = [table::Column::AccountId, table::Column::Id];
    let keys = ids.iter().map(|id| (account_id.uuid(), id.uuid()));
    let rows = rows_by::<table::Entity, _>(store.read(), &columns, keys).await?;
    rows.into_iter().map(Affiliate::from_row).collect()
}

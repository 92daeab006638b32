//! Payout methods: rows and reads.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait};

use super::backend::lane::WriteConnection;
use super::entity::affiliate as affiliate_table;
use super::entity::payout as payout_table;
use super::entity::payout_method as table;
use super::row::RowName;
use super::set::stored::Stored;
use super::{Store, StoreError};
use crate::domain::affiliate::{Affiliate, AffiliateState};
use crate::domain::id::{AccountId, AffiliateId};
use crate::domain::payout::{Payout, PayoutState};
use crate::domain::payout_method::{MethodChoice, PayoutDestination, PayoutMethod, PendingChoice, Sealed};
use crate::domain::set::{Needs, WorkingSet};
use crate::domain::time::Time;

impl Stored for PayoutMethod {
    type Table = table::Entity;

    const GROWS: bool = true;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        let choice = self.current.as_ref();
        let pending = self.pending.as_ref().map(|pending| &pending.choice);
        let kind = |choice: &MethodChoice| choice.destination.kind.as_str().to_owned();
        let hint = |choice: &MethodChoice| choice.destination.hint.clone();
        let sealed = |choice: &MethodChoice| choice.destination.sealed.bytes().to_vec();
        let fingerprint = |choice: &MethodChoice| choice.fingerprint.to_vec();
        let set_at = |choice: &MethodChoice| choice.set_at.micros();
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            affiliate_id: self.affiliate_id.uuid(),
            kind: choice.map(kind),
            hint: choice.map(hint),
            sealed: choice.map(sealed),
            fingerprint: choice.map(fingerprint),
            set_at: choice.map(set_at),
            pending_kind: pending.map(kind),
            pending_hint: pending.map(hint),
            pending_sealed: pending.map(sealed),
            pending_fingerprint: pending.map(fingerprint),
            pending_set_at: pending.map(set_at),
            effective_at: self.pending.as_ref().map(|pending| pending.effective_at.micros()),
            override_reason: self.override_reason.clone(),
            created_at: self.created_at.micros(),
            updated_at: self.updated_at.micros(),
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("payout_method", row.affiliate_id);
        let current = choice(name, row.kind, row.hint, row.sealed, row.fingerprint, row.set_at)?;
        let pending = choice(
            name,
            row.pending_kind,
            row.pending_hint,
            row.pending_sealed,
            row.pending_fingerprint,
            row.pending_set_at,
        )?;
        let pending = match (pending, row.effective_at) {
            (Some(choice), Some(effective_at)) => {
                Some(PendingChoice { choice, effective_at: Time::from_micros(effective_at) })
            }
            (None, None) => None,
            _ => return Err(name.inconsistent()),
        };
        Ok(Self {
            account_id: AccountId::from_uuid(row.account_id),
            affiliate_id: AffiliateId::from_uuid(row.affiliate_id),
            current,
            pending,
            override_reason: row.override_reason,
            created_at: Time::from_micros(row.created_at),
            updated_at: Time::from_micros(row.updated_at),
        })
    }

    fn leads_to(&self, _needs: &mut Needs) {}
}

/// A choice of which all columns are null, or none is.
fn choice(
    name: RowName,
    kind: Option<String>,
    hint: Option<String>,
    sealed: Option<Vec<u8>>,
    fingerprint: Option<Vec<u8>>,
    set_at: Option<i64>,
) -> Result<Option<MethodChoice>, StoreError> {
    match (destination(name, kind, hint, sealed)?, fingerprint, set_at) {
        (Some(destination), Some(fingerprint), Some(set_at)) => {
            let fingerprint = name.hash(fingerprint)?;
            Ok(Some(MethodChoice { destination, fingerprint, set_at: Time::from_micros(set_at) }))
        }
        (None, None, None) => Ok(None),
        _ => Err(name.inconsistent()),
    }
}

/// A destination of which all columns are null, or none is.
pub(super) fn destination(
    name: RowName,
    kind: Option<String>,
    hint: Option<String>,
    sealed: Option<Vec<u8>>,
) -> Result<Option<PayoutDestination>, StoreError> {
    match (kind, hint, sealed) {
        (Some(kind), Some(hint), Some(sealed)) => {
            Ok(Some(PayoutDestination { kind: name.parse(&kind)?, hint, sealed: Sealed::new(sealed) }))
        }
        (None, None, None) => Ok(None),
        _ => Err(name.inconsistent()),
    }
}

/// The method of an affiliate, if it ever had one.
///
/// # Errors
/// [`StoreError`].
pub async fn find(
    store: &Store,
    account_id: AccountId,
    affiliate_id: AffiliateId,
) -> Result<Option<PayoutMethod>, StoreError> {
    let row = table::Entity::find_by_id((account_id.uuid(), affiliate_id.uuid())).one(store.read()).await?;
    row.map(PayoutMethod::from_row).transpose()
}

/// The methods of these affiliates, in no order.
///
/// # Errors
/// [`StoreError`].
pub async fn of_affiliates(
    store: &Store,
    account_id: AccountId,
    affiliate_ids: &[AffiliateId],
) -> Result<Vec<PayoutMethod>, StoreError> {
    let rows = table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .filter(table::Column::AffiliateId.is_in(affiliate_ids.iter().map(|id| id.uuid())))
        .all(store.read())
        .await?;
    rows.into_iter().map(PayoutMethod::from_row).collect()
}

/// Wipes the destinations of payouts that are not open, if their affiliates are erased: all payouts of the affiliates that this set erases, and
/// the payouts that it closes. An open payout is still to be paid, so it keeps its destination until it is closed.
///
/// # Errors
/// [`StoreError`].
pub(in crate::store) async fn wipe_of_erased(connection: &WriteConnection, set: &WorkingSet) -> Result<(), StoreError> {
    use payout_table::Column;
    let open = PayoutState::ALL.iter().filter(|state| state.is_open()).map(|state| state.as_str());
    let open: Vec<&str> = open.collect();
    let wipe = |account_id: AccountId| {
        payout_table::Entity::update_many()
            .col_expr(Column::DestinationKind, Expr::value(None::<String>))
            .col_expr(Column::DestinationHint, Expr::value(None::<String>))
            .col_expr(Column::DestinationSealed, Expr::value(None::<Vec<u8>>))
            .filter(Column::AccountId.eq(account_id.uuid()))
            .filter(Column::DestinationKind.is_not_null())
    };
    let is_erased = |affiliate: &Affiliate| affiliate.state == AffiliateState::Erased;
    for (affiliate, _) in set.affiliates.written().filter(|(row, _)| is_erased(row)) {
        let update = wipe(affiliate.account_id)
            .filter(Column::AffiliateId.eq(affiliate.id.uuid()))
            .filter(Column::State.is_not_in(open.iter().copied()));
        connection.execute(&update.into_query()).await?;
    }
    let is_closed = |payout: &Payout| !payout.state.is_open() && payout.destination.is_some();
    for (payout, _) in set.payouts.written().filter(|(row, _)| is_closed(row)) {
        let erased = affiliate_table::Entity::find()
            .select_only()
            .column(affiliate_table::Column::Id)
            .filter(affiliate_table::Column::AccountId.eq(payout.account_id.uuid()))
            .filter(affiliate_table::Column::Id.eq(payout.affiliate_id.uuid()))
            .filter(affiliate_table::Column::State.eq(AffiliateState::Erased.as_str()))
            .into_query();
        let update = wipe(payout.account_id)
            .filter(Column::Id.eq(payout.id.uuid()))
            .filter(Column::AffiliateId.in_subquery(erased));
        connection.execute(&update.into_query()).await?;
    }
    Ok(())
}

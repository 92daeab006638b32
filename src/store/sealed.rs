//! All places that have sealed bytes, so that they can be sealed anew with another key. Nothing here can open them.

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, TryGetable, Value,
};
use uuid::Uuid;

use super::entity::{
    payout as payouts, payout_connection as connections, payout_document as documents, payout_export as exports,
    payout_method as methods, tax_profile as profiles,
};
use super::{Store, StoreError, WriteTransaction};
use crate::domain::id::AccountId;
use crate::domain::payout_method::Sealed;

/// A column with sealed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealedPlace {
    /// The credentials of a connection.
    Connection,
    /// The details of a payout method.
    Method,
    /// The details of a method that waits.
    PendingMethod,
    /// The details of a payout's destination.
    Destination,
    /// The number of a tax profile.
    TaxNumber,
    /// The tax number on a document.
    DocumentTaxNumber,
    /// A file of payouts.
    File,
}

impl SealedPlace {
    /// Every place.
    pub const ALL: [Self; 7] = [
        Self::Connection,
        Self::Method,
        Self::PendingMethod,
        Self::Destination,
        Self::TaxNumber,
        Self::DocumentTaxNumber,
        Self::File,
    ];
}

/// The rest of a row's key, after its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SealedKey {
    /// An id.
    Id(Uuid),
    /// The name of a provider.
    Name(String),
}

impl From<SealedKey> for Value {
    fn from(key: SealedKey) -> Self {
        match key {
            SealedKey::Id(id) => id.into(),
            SealedKey::Name(name) => name.into(),
        }
    }
}

impl From<Uuid> for SealedKey {
    fn from(id: Uuid) -> Self {
        Self::Id(id)
    }
}

impl From<String> for SealedKey {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

/// Sealed bytes, and where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct SealedRow {
    pub place: SealedPlace,
    pub account_id: AccountId,
    pub key: SealedKey,
    pub sealed: Sealed,
}

/// Sealed bytes that replace those of a row.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Resealed {
    pub row: SealedRow,
    pub sealed: Sealed,
    /// The keyed hash of a payout method's account, with the same key.
    pub fingerprint: Option<[u8; 32]>,
}

/// Which rows of a place are read, in the order of their keys.
#[derive(Debug, Clone)]
pub enum SealedWalk {
    /// Those after a row, at most this many.
    After(Option<(AccountId, SealedKey)>, u64),
    /// The last one.
    Last,
}

/// Rows of a place with sealed bytes.
///
/// # Errors
/// [`StoreError`].
pub async fn read(store: &Store, place: SealedPlace, walk: SealedWalk) -> Result<Vec<SealedRow>, StoreError> {
    macro_rules! read {
        ($table:ident, $key:ident: $type:ty, $sealed:ident) => {
            read_of::<$table::Entity, $type>(
                store,
                place,
                [$table::Column::AccountId, $table::Column::$key, $table::Column::$sealed],
                walk,
            )
            .await
        };
    }
    match place {
        SealedPlace::Connection => read!(connections, Provider: String, Sealed),
        SealedPlace::Method => read!(methods, AffiliateId: Uuid, Sealed),
        SealedPlace::PendingMethod => read!(methods, AffiliateId: Uuid, PendingSealed),
        SealedPlace::Destination => read!(payouts, Id: Uuid, DestinationSealed),
        SealedPlace::TaxNumber => read!(profiles, AffiliateId: Uuid, NumberSealed),
        SealedPlace::DocumentTaxNumber => read!(documents, Id: Uuid, PayeeTaxNumber),
        SealedPlace::File => read!(exports, Id: Uuid, File),
    }
}

async fn read_of<E: EntityTrait, K: TryGetable + Into<SealedKey>>(
    store: &Store,
    place: SealedPlace,
    [account, key, sealed]: [E::Column; 3],
    walk: SealedWalk,
) -> Result<Vec<SealedRow>, StoreError> {
    let query = E::find().select_only().columns([account, key, sealed]).filter(sealed.is_not_null());
    let query = match walk {
        SealedWalk::After(after, limit) => query
            .apply_if(after, |query, (account_id, after)| {
                let later_key = Condition::all().add(account.eq(account_id.uuid())).add(key.gt(after));
                query.filter(Condition::any().add(account.gt(account_id.uuid())).add(later_key))
            })
            .order_by_asc(account)
            .order_by_asc(key)
            .limit(limit),
        SealedWalk::Last => query.order_by_desc(account).order_by_desc(key).limit(1),
    };
    let rows: Vec<(Uuid, K, Vec<u8>)> = query.into_tuple().all(store.read()).await?;
    let row = |(account_id, key, sealed): (Uuid, K, Vec<u8>)| SealedRow {
        place,
        account_id: AccountId::from_uuid(account_id),
        key: key.into(),
        sealed: Sealed::new(sealed),
    };
    Ok(rows.into_iter().map(row).collect())
}

/// Replaces sealed bytes that nobody has changed meanwhile. Returns how many were replaced.
///
/// # Errors
/// [`StoreError`].
pub async fn replace(transaction: &WriteTransaction, resealed: &[Resealed]) -> Result<u64, StoreError> {
    // A thief of the old key must not find a text that was sealed with it.
    transaction.connection().overwrite_removed().await?;
    let mut count = 0;
    for one in resealed {
        macro_rules! replace {
            ($table:ident, $key:ident, $sealed:ident $(, $fingerprint:ident)?) => {{
                let columns = [$table::Column::AccountId, $table::Column::$key, $table::Column::$sealed];
                let fingerprint: Option<$table::Column> = None $(.or(Some($table::Column::$fingerprint)))?;
                replace_of::<$table::Entity>(transaction, columns, fingerprint, one).await?
            }};
        }
        count += match one.row.place {
            SealedPlace::Connection => replace!(connections, Provider, Sealed),
            SealedPlace::Method => replace!(methods, AffiliateId, Sealed, Fingerprint),
            SealedPlace::PendingMethod => replace!(methods, AffiliateId, PendingSealed, PendingFingerprint),
            SealedPlace::Destination => replace!(payouts, Id, DestinationSealed),
            SealedPlace::TaxNumber => replace!(profiles, AffiliateId, NumberSealed),
            SealedPlace::DocumentTaxNumber => replace!(documents, Id, PayeeTaxNumber),
            SealedPlace::File => replace!(exports, Id, File),
        };
    }
    Ok(count)
}

async fn replace_of<E: EntityTrait>(
    transaction: &WriteTransaction,
    [account, key, sealed]: [E::Column; 3],
    fingerprint: Option<E::Column>,
    one: &Resealed,
) -> Result<u64, StoreError> {
    let update = E::update_many()
        .col_expr(sealed, Expr::value(one.sealed.bytes().to_vec()))
        .filter(account.eq(one.row.account_id.uuid()))
        .filter(key.eq(one.row.key.clone()))
        .filter(sealed.eq(one.row.sealed.bytes().to_vec()));
    let update = match fingerprint.zip(one.fingerprint) {
        Some((column, fingerprint)) => update.col_expr(column, Expr::value(fingerprint.to_vec())),
        None => update,
    };
    transaction.connection().execute(&update.into_query()).await
}

//! Helpers for conversions between rows and the domain. A stored text that does not parse is an error that names its row.

use std::str::FromStr;

use uuid::Uuid;

use super::StoreError;
use super::form::Kept;
use crate::domain::money::Money;

/// The name of a row in errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowName {
    pub(super) table: &'static str,
    /// The UUID that names the row best.
    pub(super) row: Uuid,
}

impl RowName {
    pub(super) const fn new(table: &'static str, row: Uuid) -> Self {
        Self { table, row }
    }

    pub(super) fn inconsistent(self) -> StoreError {
        StoreError::Inconsistent { table: self.table, row: self.row }
    }

    pub(super) fn parse<T: FromStr>(self, text: &str) -> Result<T, StoreError> {
        text.parse().map_err(|_| self.inconsistent())
    }

    pub(super) fn json<T: Kept>(self, text: &str) -> Result<T, StoreError> {
        T::from_text(text).map_err(|_| self.inconsistent())
    }

    pub(super) fn hash(self, bytes: Vec<u8>) -> Result<[u8; 32], StoreError> {
        bytes.try_into().map_err(|_| self.inconsistent())
    }

    /// A list that [`words`] wrote.
    pub(super) fn words<T: FromStr>(self, text: Option<&str>) -> Result<Vec<T>, StoreError> {
        text.unwrap_or_default().split_whitespace().map(|word| self.parse(word)).collect()
    }

    pub(super) fn money(self, amount_minor: i64, currency: &str) -> Result<Money, StoreError> {
        Ok(Money::new(amount_minor, self.parse(currency)?))
    }

    /// An amount that may be null. Its two columns are both null or neither is.
    pub(super) fn money_null(
        self,
        amount_minor: Option<i64>,
        currency: Option<&str>,
    ) -> Result<Option<Money>, StoreError> {
        match (amount_minor, currency) {
            (Some(amount_minor), Some(currency)) => self.money(amount_minor, currency).map(Some),
            (None, None) => Ok(None),
            _ => Err(self.inconsistent()),
        }
    }
}

/// The text that a row stores for a list of values without blanks, such as networks. Null for an empty list.
pub(super) fn words<T: ToString>(values: &[T]) -> Option<String> {
    (!values.is_empty()).then(|| values.iter().map(T::to_string).collect::<Vec<_>>().join(" "))
}

/// The text that a row stores for a value.
pub(super) fn to_json<T: Kept>(value: &T) -> Result<String, StoreError> {
    value.to_text().map_err(|error| StoreError::Unexpected(error.to_string()))
}

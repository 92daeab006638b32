//! Where the database of `stress statistics` lies, and what a further run must know of one that was kept.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::postgres::Postgres;

use crate::shop::{Shop, ShopSize};
use crate::side_by_side::DatabaseKind;

/// A database that has all of its sales.
pub(super) struct Filled {
    pub(super) shop: Shop,
    pub(super) sales: u64,
    /// The first second of the first day.
    pub(super) first_second: i64,
}

/// The folder of a database.
pub(super) struct Home {
    pub(super) folder: PathBuf,
    is_kept: bool,
    /// Removes the folder of a database that is not kept.
    _temporary: Option<TempDir>,
}

impl Home {
    /// A folder of this database below `keep`, or else a temporary one.
    pub(super) fn open(keep: Option<&Path>, parent: &Path, database: DatabaseKind) -> anyhow::Result<Self> {
        if let Some(keep) = keep {
            let folder = keep.join(database.title());
            std::fs::create_dir_all(&folder)?;
            return Ok(Self { folder, is_kept: true, _temporary: None });
        }
        let temporary = tempfile::Builder::new().prefix("headwater-stress-").tempdir_in(parent)?;
        Ok(Self { folder: temporary.path().to_owned(), is_kept: false, _temporary: Some(temporary) })
    }

    pub(super) fn start_postgres(&self, parent: &Path) -> anyhow::Result<Postgres> {
        if self.is_kept {
            Postgres::start_kept_in(&self.folder.join("cluster"))
        } else {
            Postgres::start_new_in(parent)
        }
    }

    fn note(&self) -> PathBuf {
        self.folder.join("filled.json")
    }

    /// What an earlier run has left here.
    pub(super) fn filled(&self) -> anyhow::Result<Option<Filled>> {
        let note = self.note();
        if !note.exists() {
            let folder = &self.folder;
            ensure!(
                std::fs::read_dir(folder)?.next().is_none(),
                "{} has a database that was not filled; remove it",
                folder.display()
            );
            return Ok(None);
        }
        let value: Value = serde_json::from_slice(&std::fs::read(&note)?)?;
        let filled = Filled::of(&value).with_context(|| format!("{} is not a note of this program", note.display()))?;
        Ok(Some(filled))
    }

    /// Notes what a further run must know, if there may be one.
    pub(super) fn keep(&self, filled: &Filled) -> anyhow::Result<()> {
        if self.is_kept {
            std::fs::write(self.note(), serde_json::to_vec_pretty(&filled.value())?)?;
        }
        Ok(())
    }
}

impl Filled {
    fn value(&self) -> Value {
        let Shop { key, program_id, affiliate_ids, .. } = &self.shop;
        json!({
            "key": key,
            "program_id": program_id,
            "affiliate_ids": affiliate_ids,
            "sales": self.sales,
            "first_second": self.first_second,
        })
    }

    fn of(value: &Value) -> Option<Self> {
        let text = |name: &str| Some(value.get(name)?.as_str()?.to_owned());
        let ids = value.get("affiliate_ids")?.as_array()?.iter();
        let affiliate_ids: Vec<String> = ids.filter_map(|id| id.as_str().map(ToOwned::to_owned)).collect();
        let size = ShopSize { affiliates: affiliate_ids.len(), leads: 0, rules: 0 };
        Some(Self {
            shop: Shop { key: text("key")?, program_id: text("program_id")?, affiliate_ids, size, seed: 0 },
            sales: value.get("sales")?.as_u64()?,
            first_second: value.get("first_second")?.as_i64()?,
        })
    }
}

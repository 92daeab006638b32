//! Pages of clicks in the order of their ids.
//!
//! The table has no index in this order, because every click would have to write into it. The first click of a visitor is the visitor's
//! tracking id, so the primary key has the first clicks in order. Only the clicks of visitors who came back have an index of their
//! own. A page merges the two. It compares clicks with its filter one by one, and ends after [`SCAN_MAX`] of them,
//! with the place where the next page goes on.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use uuid::Uuid;

use crate::domain::click::Click;
use crate::domain::id::{AccountId, AffiliateId, ClickId, LinkId, ProgramId};
use crate::domain::time::Interval;
use crate::store::entity::click as table;
use crate::store::entity::click::Column;
use crate::store::list::{self, ListOrder, SCAN_MAX, Walk};
use crate::store::{Store, StoreError};

/// The most clicks that are read in one statement.
const STEP_MAX: u64 = 2_000;

/// A click is recorded at most 10 minutes before it happened, by the server's clock, and this clock may have been set back by a day.
const RECORDED_BEFORE_DAYS_MAX: i32 = 2;

/// A filter of clicks. All fields that are set must match.
#[derive(Debug, Clone, Default)]
pub struct ClickQuery {
    /// Only clicks in this program.
    pub program_id: Option<ProgramId>,
    /// Only clicks that are this affiliate's.
    pub affiliate_id: Option<AffiliateId>,
    /// Only clicks through this link.
    pub link_id: Option<LinkId>,
    /// Only clicks with this sub-id.
    pub sub_id: Option<String>,
    /// Only clicks of this visitor.
    pub tid: Option<ClickId>,
    /// Only clicks that occurred in this interval.
    pub occurred: Interval,
}

impl ClickQuery {
    fn takes(&self, click: &Click) -> bool {
        let occurred_at = click.occurred_at;
        self.program_id.is_none_or(|id| id == click.program_id)
            && self.affiliate_id.is_none_or(|id| id == click.affiliate_id)
            && self.link_id.is_none_or(|id| id == click.link_id)
            && self.sub_id.as_ref().is_none_or(|sub_id| *sub_id == click.sub_id)
            && self.occurred.start.is_none_or(|start| start <= occurred_at)
            && self.occurred.end.is_none_or(|end| occurred_at < end)
    }

    /// Whether no click that was recorded before this one can be in the interval.
    fn begins_after(&self, click: &Click) -> bool {
        let latest = click.created_at.plus_days(RECORDED_BEFORE_DAYS_MAX);
        self.occurred.start.is_some_and(|start| latest < start)
    }
}

/// Clicks of one page.
#[derive(Debug)]
pub struct ClickPage {
    /// The clicks that the filter takes.
    pub clicks: Vec<Click>,
    /// The page ended here before it was full. There may be more clicks after this place.
    pub ended_at: Option<Uuid>,
}

/// One page of clicks.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    store: &Store,
    account_id: AccountId,
    wanted: &ClickQuery,
    walk: Walk,
) -> Result<ClickPage, StoreError> {
    let limit = usize::try_from(walk.limit).unwrap_or(usize::MAX);
    let mut clicks = Vec::new();
    let (mut step, mut read) = (walk, 0);
    while clicks.len() < limit {
        if read >= SCAN_MAX {
            return Ok(ClickPage { clicks, ended_at: step.after });
        }
        read += step.limit;
        let Run { clicks: next, read_to } = next_run(store, account_id, wanted.tid, step).await?;
        let is_over = step.order == ListOrder::NewestFirst && next.last().is_some_and(|last| wanted.begins_after(last));
        clicks.extend(next.into_iter().filter(|click| wanted.takes(click)));
        if is_over || read_to.is_none() {
            break;
        }
        step = Walk { after: read_to, limit: std::cmp::min(4 * step.limit, STEP_MAX), ..step };
    }
    clicks.truncate(limit);
    Ok(ClickPage { clicks, ended_at: None })
}

/// Clicks in the order of a list, without gaps.
struct Run {
    clicks: Vec<Click>,
    /// The place up to which the run has all clicks. `None`: it has all of them.
    read_to: Option<Uuid>,
}

async fn next_run(store: &Store, account_id: AccountId, tid: Option<ClickId>, walk: Walk) -> Result<Run, StoreError> {
    let of_account = || table::Entity::find().filter(Column::AccountId.eq(account_id.uuid()));
    if let Some(tid) = tid {
        let of_visitor = of_account().filter(Column::Tid.eq(tid.uuid()));
        return run_by_id(store, of_visitor, walk).await;
    }
    let first = first_clicks(store, of_account(), walk).await?;
    let later = run_by_id(store, of_account().filter(Expr::col(Column::Tid).ne(Expr::col(Column::Id))), walk).await?;
    Ok(merge(first, later, walk.order))
}

/// The clicks of a query, read in the order of their ids.
async fn run_by_id(store: &Store, query: Select<table::Entity>, walk: Walk) -> Result<Run, StoreError> {
    let clicks: Vec<Click> = list::read(walk.cut(query, Column::Id), store.read()).await?;
    let is_last = (clicks.len() as u64) < walk.limit;
    let read_to = clicks.last().filter(|_| !is_last).map(|last| last.id.uuid());
    Ok(Run { clicks, read_to })
}

/// First clicks of visitors, read in the order of the primary key.
async fn first_clicks(store: &Store, of_account: Select<table::Entity>, walk: Walk) -> Result<Run, StoreError> {
    let query = walk.cut(of_account.clone(), Column::Tid);
    let query = match walk.order {
        ListOrder::OldestFirst => query.order_by_asc(Column::Id),
        ListOrder::NewestFirst => query.order_by_desc(Column::Id),
    };
    let mut clicks: Vec<Click> = list::read(query, store.read()).await?;
    let is_last = (clicks.len() as u64) < walk.limit;
    let read_to = clicks.last().filter(|_| !is_last).map(|last| last.tid);
    clicks.retain(|click| click.id == click.tid);
    // The last visitor may have so many clicks that the first one was not reached.
    if let Some(tid) = read_to
        && clicks.last().is_none_or(|last| last.id != tid)
    {
        let first = of_account.filter(Column::Tid.eq(tid.uuid())).filter(Column::Id.eq(tid.uuid())).limit(1);
        clicks.extend(list::read::<Click>(first, store.read()).await?);
    }
    Ok(Run { clicks, read_to: read_to.map(ClickId::uuid) })
}

/// Both runs as one, which ends where the first of them ends.
fn merge(first: Run, later: Run, order: ListOrder) -> Run {
    let ends = first.read_to.into_iter().chain(later.read_to);
    let clicks = first.clicks.into_iter().chain(later.clicks);
    let (mut clicks, read_to): (Vec<Click>, _) = match order {
        ListOrder::OldestFirst => {
            let read_to = ends.min();
            (clicks.filter(|click| read_to.is_none_or(|end| click.id.uuid() <= end)).collect(), read_to)
        }
        ListOrder::NewestFirst => {
            let read_to = ends.max();
            (clicks.filter(|click| read_to.is_none_or(|end| click.id.uuid() >= end)).collect(), read_to)
        }
    };
    clicks.sort_unstable_by_key(|click| click.id);
    if order == ListOrder::NewestFirst {
        clicks.reverse();
    }
    Run { clicks, read_to }
}

//! Commissions for a time of an enrollment's or a coupon's own: how they are added and withdrawn. See [`dated_commission`](crate::domain::dated_commission).

use std::fmt::Display;

use super::context::Context;
use crate::domain::dated_commission::{self, DatedCommission, OPEN_MAX};
use crate::domain::id::ProgramId;
use crate::domain::money::Overflow;
use crate::domain::program::{Commission, Program};
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::time::Time;

/// A commission for a time.
#[derive(Debug, Clone, Copy)]
pub struct NewDatedCommission {
    /// `None`: none of its own.
    pub commission: Option<Commission>,
    /// `None`: at once.
    pub starts_at: Option<Time>,
    /// `None`: it does not end by itself.
    pub ends_at: Option<Time>,
}

/// Adds a commission to those of an enrollment or a coupon, which is of this program.
pub(super) fn add(
    context: &Context<'_>,
    program_id: ProgramId,
    all: &mut Vec<DatedCommission>,
    wanted: &NewDatedCommission,
) -> Result<(), Refusal> {
    let now = context.now;
    let program = context.get::<Program, _>(program_id)?;
    if let Some(problem) = wanted.commission.and_then(|commission| commission.problem_in(program.currency)) {
        return Err(Refusal::InvalidField { field: Field::DatedCommissionCurrency, problem });
    }
    let starts_at = start(wanted.starts_at, now)?;
    if wanted.ends_at.is_some_and(|ends_at| ends_at <= starts_at) {
        let problem = "must be later than the start: it is the first moment after the commission".to_owned();
        return Err(Refusal::InvalidField { field: Field::DatedCommissionEndTime, problem });
    }
    if all.iter().filter(|dated| !dated.is_over_at(now)).count() >= OPEN_MAX {
        let problem = format!("is one more than the {OPEN_MAX} that may run or wait; withdraw one of them first");
        return Err(Refusal::InvalidField { field: Field::DatedCommission, problem });
    }
    let newest = all.iter().map(|dated| dated.number).max().unwrap_or_default();
    let added = DatedCommission {
        number: newest.checked_add(1).ok_or(Overflow)?,
        commission: wanted.commission,
        starts_at,
        ends_at: wanted.ends_at,
        created_at: now,
        withdrawn_at: None,
    };
    dated_commission::keep(all, added);
    Ok(())
}

/// A start that is past only by the difference of clocks counts as now, because sales that were told in the meantime have been priced.
fn start(wanted: Option<Time>, now: Time) -> Result<Time, Refusal> {
    let Some(wanted) = wanted else { return Ok(now) };
    if !now.may_precede(wanted) {
        let problem = "is past; leave it out for a commission that starts now".to_owned();
        return Err(Refusal::InvalidField { field: Field::DatedCommissionStartTime, problem });
    }
    Ok(wanted.max(now))
}

/// Withdraws a commission of the enrollment or coupon with this id: one that runs ends now, and one that has not started never starts. Sales of before
/// keep it.
pub(super) fn withdraw(
    all: &mut [DatedCommission],
    (resource, id): (Resource, impl Display),
    number: i32,
    now: Time,
) -> Result<(), Refusal> {
    let Some(dated) = all.iter_mut().find(|dated| dated.number == number) else {
        return Err(Refusal::not_found(resource, format!("{id} with the dated commission {number}")));
    };
    if dated.is_over_at(now) {
        let problem = "has ended or was withdrawn already; leave it as it is".to_owned();
        return Err(Refusal::InvalidField { field: Field::WithdrawDatedCommission, problem });
    }
    dated.withdrawn_at = Some(now);
    Ok(())
}

/// Withdraws all that run or wait, for an enrollment that begins anew.
pub(super) fn withdraw_all(all: &mut [DatedCommission], now: Time) {
    let open = all.iter_mut().filter(|dated| !dated.is_over_at(now));
    open.for_each(|dated| dated.withdrawn_at = Some(now));
}

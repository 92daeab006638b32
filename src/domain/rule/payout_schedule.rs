//! The rules of payout schedules: they are set, and create payout runs at their times.

use std::sync::Arc;

use super::context::{Context, Rule};
use super::payout::{check_connected, needs_of_routes};
use super::payout_run::{CreatePayoutRun, begin, in_order};
use crate::domain::account::Account;
use crate::domain::affiliate::Affiliate;
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, AffiliateId, PayoutScheduleId};
use crate::domain::money::{Currency, Money};
use crate::domain::payout::PayoutProvider;
use crate::domain::payout_schedule::{Cutoff, PayoutSchedule, PayoutScheduleState, SCHEDULES_MAX};
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::set::Needs;
use crate::domain::time::Time;
use crate::domain::timing::{Timing, WallClock};

/// Create a schedule.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of the schedule")]
pub struct CreatePayoutSchedule {
    pub display_name: String,
    pub timing: Timing,
    pub currency: Currency,
    /// `None`: all affiliates.
    pub affiliate_ids: Option<Vec<AffiliateId>>,
    pub minimum: Option<Money>,
    pub maximum_total: Option<Money>,
    pub provider: Option<PayoutProvider>,
    pub cutoff: Option<Cutoff>,
    pub needs_approval: bool,
    pub note: String,
    pub message: String,
}

impl Rule for CreatePayoutSchedule {
    type Answer = Arc<PayoutSchedule>;

    fn weight(&self) -> usize {
        self.affiliate_ids.as_ref().map_or(1, Vec::len).max(1)
    }

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Account>(account);
        needs.names.payout_schedules_of.insert(account);
        needs_of_routes(account, needs);
        needs.affiliates.extend(self.affiliate_ids.iter().flatten().map(|id| (account, *id)));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        if context.set.payout_schedules(context.account_id)?.len() >= SCHEDULES_MAX {
            return Err(Refusal::PayoutScheduleLimit { limit: SCHEDULES_MAX });
        }
        check_connected(context, self.provider)?;
        check_affiliates(context, self.affiliate_ids.as_deref())?;
        let mut schedule = PayoutSchedule {
            id: PayoutScheduleId::new(context.ids),
            account_id: context.account_id,
            state: PayoutScheduleState::Active,
            display_name: self.display_name.clone(),
            timing: self.timing.clone(),
            currency: self.currency,
            affiliate_ids: self.affiliate_ids.as_deref().map(in_order),
            minimum: self.minimum,
            maximum_total: self.maximum_total,
            provider: self.provider,
            cutoff: self.cutoff,
            needs_approval: self.needs_approval,
            note: self.note.clone(),
            message: self.message.clone(),
            set_by: context.key_id,
            next_run_at: None,
            last_run_id: None,
            created_at: context.now,
            updated_at: context.now,
            archived_at: None,
        };
        schedule.next_run_at = schedule.next_after(context.now, &clock(context)?);
        Ok(put(context, EventKind::PayoutScheduleCreated, schedule))
    }
}

/// Refuses a name of an affiliate that does not exist.
fn check_affiliates(context: &Context<'_>, ids: Option<&[AffiliateId]>) -> Result<(), Refusal> {
    for id in ids.into_iter().flatten() {
        context.get::<Affiliate, _>(*id)?;
    }
    Ok(())
}

fn put(context: &mut Context<'_>, kind: EventKind, schedule: PayoutSchedule) -> Arc<PayoutSchedule> {
    let schedule = context.put(schedule);
    context.tell(kind, EventImage::PayoutSchedule(Arc::clone(&schedule)));
    schedule
}

/// The clock of the account.
fn clock(context: &Context<'_>) -> Result<WallClock, Refusal> {
    Ok(WallClock::of(context.set.account(context.account_id)?.time_zone()))
}

/// Change a schedule. A field that is `None` keeps its value.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of the schedule")]
pub struct UpdatePayoutSchedule {
    /// The schedule to change.
    pub id: PayoutScheduleId,
    /// The etag that it must have.
    pub etag: Option<String>,
    pub display_name: Option<String>,
    pub timing: Option<Timing>,
    /// `Some(None)`: all affiliates.
    pub affiliate_ids: Option<Option<Vec<AffiliateId>>>,
    pub minimum: Option<Option<Money>>,
    pub maximum_total: Option<Option<Money>>,
    pub provider: Option<Option<PayoutProvider>>,
    pub cutoff: Option<Option<Cutoff>>,
    pub needs_approval: Option<bool>,
    pub note: Option<String>,
    pub message: Option<String>,
}

impl Rule for UpdatePayoutSchedule {
    type Answer = Arc<PayoutSchedule>;

    fn weight(&self) -> usize {
        self.affiliate_ids.iter().flatten().map(Vec::len).sum::<usize>().max(1)
    }

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Account>(account);
        needs.row::<PayoutSchedule>((account, self.id));
        needs_of_routes(account, needs);
        needs.affiliates.extend(self.affiliate_ids.iter().flatten().flatten().map(|id| (account, *id)));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let before = Arc::clone(context.set.active_payout_schedule(context.account_id, self.id)?);
        check_etag(&before, self.etag.as_ref())?;
        let mut schedule = before.as_ref().clone();
        let replace = |text: &mut String, wanted: &Option<String>| {
            wanted.iter().for_each(|wanted| text.clone_from(wanted));
        };
        replace(&mut schedule.display_name, &self.display_name);
        replace(&mut schedule.note, &self.note);
        replace(&mut schedule.message, &self.message);
        if let Some(timing) = self.timing.as_ref().filter(|timing| **timing != before.timing) {
            schedule.timing.clone_from(timing);
            schedule.next_run_at = schedule.next_after(context.now, &clock(context)?);
        }
        if let Some(affiliate_ids) = &self.affiliate_ids {
            check_affiliates(context, affiliate_ids.as_deref())?;
            schedule.affiliate_ids = affiliate_ids.as_deref().map(in_order);
        }
        schedule.minimum = self.minimum.unwrap_or(schedule.minimum);
        schedule.maximum_total = self.maximum_total.unwrap_or(schedule.maximum_total);
        if let Some(provider) = self.provider {
            check_connected(context, provider)?;
            schedule.provider = provider;
        }
        schedule.cutoff = self.cutoff.unwrap_or(schedule.cutoff);
        schedule.needs_approval = self.needs_approval.unwrap_or(schedule.needs_approval);
        check_limits(&schedule)?;
        schedule.set_by = context.key_id;
        schedule.updated_at = context.now;
        Ok(put(context, EventKind::PayoutScheduleUpdated, schedule))
    }
}

fn check_etag(schedule: &PayoutSchedule, etag: Option<&String>) -> Result<(), Refusal> {
    match etag {
        Some(etag) if *etag != schedule.etag() => {
            Err(Refusal::EtagMismatch { resource: Resource::PayoutSchedule, current_etag: schedule.etag() })
        }
        _ => Ok(()),
    }
}

/// Refuses limits that do not fit the schedule's currency, or each other.
fn check_limits(schedule: &PayoutSchedule) -> Result<(), Refusal> {
    let limits = schedule.limits();
    for (field, limit) in [(Field::Minimum, limits.minimum), (Field::MaximumTotal, limits.maximum_total)] {
        if limit.is_some_and(|limit| limit.currency != schedule.currency) {
            let problem = format!("must be in {}, the currency of the schedule", schedule.currency);
            return Err(Refusal::InvalidField { field, problem });
        }
    }
    if !limits.have_room() {
        let problem = "must be above zero and not less than minimum, so that a payout fits".to_owned();
        return Err(Refusal::InvalidField { field: Field::MaximumTotal, problem });
    }
    Ok(())
}

/// Archive a schedule. Its runs stay as they are.
#[derive(Debug, Clone)]
pub struct ArchivePayoutSchedule {
    /// The schedule to archive.
    pub id: PayoutScheduleId,
    /// The etag that it must have.
    pub etag: Option<String>,
}

impl Rule for ArchivePayoutSchedule {
    type Answer = Arc<PayoutSchedule>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<PayoutSchedule>((account, self.id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let schedule = Arc::clone(context.get::<PayoutSchedule, _>(self.id)?);
        if schedule.state == PayoutScheduleState::Archived {
            return Ok(schedule);
        }
        check_etag(&schedule, self.etag.as_ref())?;
        let archived = PayoutSchedule {
            state: PayoutScheduleState::Archived,
            next_run_at: None,
            updated_at: context.now,
            archived_at: Some(context.now),
            ..schedule.as_ref().clone()
        };
        Ok(put(context, EventKind::PayoutScheduleArchived, archived))
    }
}

/// Create the run of a schedule whose time has come. For the worker. Nothing is done if another server has done it, so each planned time has
/// one run at most.
#[derive(Debug, Clone)]
pub struct RunPayoutSchedule {
    /// The schedule.
    pub id: PayoutScheduleId,
    /// The time that was due when the worker looked.
    pub next_run_at: Time,
    /// Whether something is owed to anybody whom it may pay. If not, it makes no run.
    pub is_anybody_owed: bool,
}

impl Rule for RunPayoutSchedule {
    type Answer = Arc<PayoutSchedule>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Account>(account);
        needs.row::<PayoutSchedule>((account, self.id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let schedule = Arc::clone(context.get::<PayoutSchedule, _>(self.id)?);
        let clock = clock(context)?;
        let plan = schedule.plan_at(context.now, &clock).filter(|_| schedule.next_run_at == Some(self.next_run_at));
        let Some(plan) = plan else { return Ok(schedule) };
        let mut last_run_id = schedule.last_run_id;
        if self.is_anybody_owed {
            // A provider that was disconnected meanwhile makes the payouts wait for it, as it does with those that were created before.
            let wanted = CreatePayoutRun {
                affiliate_ids: schedule.affiliate_ids.clone(),
                currency: schedule.currency,
                minimum: schedule.minimum,
                maximum_total: schedule.maximum_total,
                provider: schedule.provider,
                note: schedule.note.clone(),
                message: schedule.message.clone(),
            };
            last_run_id = Some(begin(context, &wanted, Some(plan), schedule.set_by).id);
        }
        let next_run_at = schedule.next_after(context.now, &clock);
        Ok(context.put(PayoutSchedule { next_run_at, last_run_id, ..schedule.as_ref().clone() }))
    }
}

/// Plans the runs of all schedules anew, because the account's time zone has changed. A run that is due already stays due.
pub(super) fn move_to_zone(context: &mut Context<'_>, zone: &str) -> Result<(), Refusal> {
    let clock = WallClock::of(zone);
    for schedule in context.set.payout_schedules(context.account_id)? {
        let next_run_at = schedule.next_after(context.now, &clock);
        let is_due = schedule.next_run_at.is_some_and(|next_run_at| next_run_at <= context.now);
        if !is_due && next_run_at != schedule.next_run_at {
            let moved = PayoutSchedule { next_run_at, ..schedule.as_ref().clone() };
            put(context, EventKind::PayoutScheduleUpdated, moved);
        }
    }
    Ok(())
}

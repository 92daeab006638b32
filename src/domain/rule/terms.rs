//! The rules of versions of terms: when one starts and ends, how one is withdrawn, and which one applies.

use std::sync::Arc;

use super::context::Context;
use crate::domain::money::Overflow;
use crate::domain::program::{Program, Terms, TermsDraft};
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::set::WorkingSet;
use crate::domain::tally::Cap;
use crate::domain::terms_period::{self, Occasion};
use crate::domain::time::Time;

/// How many versions that have not started a program may have. Each of them is looked at for each sale until it starts.
const SCHEDULED_MAX: usize = 20;

/// The version of the terms that applies to an event, see [`terms_period`].
///
/// # Errors
/// [`Refusal::NotLoaded`].
pub fn applicable_terms<'set>(
    set: &'set WorkingSet,
    program: &Program,
    occasion: &Occasion,
) -> Result<&'set Arc<Terms>, Refusal> {
    let chosen = match set.proposed.as_deref().filter(|proposed| proposed.covers_in(program.id, occasion.occurred_at)) {
        None => terms_period::choose(program.terms_version, occasion, |version| set.terms(program, version))?,
        Some(proposed) => {
            let versions = (1..=program.terms_version).map(|version| set.terms(program, version));
            proposed.choose(occasion, versions.collect::<Result<Vec<_>, _>>()?)
        }
    };
    chosen.ok_or(Refusal::NotLoaded("terms"))
}

/// The version that applies to new affiliates and new customers now. Answers show a program with it.
pub(super) fn terms_in_force(context: &Context<'_>, program: &Program) -> Result<Arc<Terms>, Refusal> {
    applicable_terms(context.set, program, &Occasion::at(context.now)).map(Arc::clone)
}

/// A new version of a program's terms.
#[derive(Debug, Clone)]
pub struct TermsChange {
    /// The rules.
    pub rules: TermsDraft,
    /// When the version starts. `None`: at once.
    pub starts_at: Option<Time>,
    /// When the earlier versions apply again. `None`: never.
    pub ends_at: Option<Time>,
}

/// Adds a version to the terms of a program.
pub(super) fn add(
    context: &mut Context<'_>,
    program: &mut Program,
    change: &TermsChange,
) -> Result<Arc<Terms>, Refusal> {
    let now = context.now;
    let starts_at = start(change.starts_at, now)?;
    check_end(change.ends_at, starts_at)?;
    let scheduled = scheduled(context.set, program, starts_at)?;
    let is_scheduled = starts_at > now;
    if is_scheduled {
        check_number(context.set, program, now)?;
    }
    program.terms_version = program.terms_version.checked_add(1).ok_or(Overflow)?;
    Ok(context.put(Terms {
        account_id: program.account_id,
        program_id: program.id,
        version: program.terms_version,
        starts_at,
        ends_at: change.ends_at,
        scheduled_at: is_scheduled.then_some(now),
        withdrawn_at: None,
        yields_to: scheduled,
        rules: with_tallies(context.set, program, &change.rules)?,
    }))
}

/// The rules of a new version, whose number the program has. Ladders and counts of sales go on with the tallies of the newest version before
/// that was not withdrawn, or begin new ones.
fn with_tallies(set: &WorkingSet, program: &Program, wanted: &TermsDraft) -> Result<TermsDraft, Refusal> {
    let mut rules = wanted.clone();
    let mut version = program.terms_version.saturating_sub(1);
    while version > 1 && set.terms(program, version)?.withdrawn_at.is_some() {
        version -= 1;
    }
    let before = &set.terms(program, version)?.rules;
    Cap::order(&mut rules.caps);
    rules.count_sales(program.terms_version, Some(before));
    if rules.ladder.is_some() {
        let since_version = rules.tallies_since(before).unwrap_or(program.terms_version);
        rules.ladder.iter_mut().for_each(|ladder| ladder.since_version = since_version);
    }
    Ok(rules)
}

/// The start of a new version. A time that is past only by the difference of clocks counts as now, because sales that were told
/// in the meantime have been priced.
fn start(wanted: Option<Time>, now: Time) -> Result<Time, Refusal> {
    let Some(wanted) = wanted else { return Ok(now) };
    if !now.may_precede(wanted) {
        let problem = "is past; leave it out for a version that starts now".to_owned();
        return Err(Refusal::InvalidField { field: Field::TermsStartTime, problem });
    }
    Ok(wanted.max(now))
}

fn check_end(ends_at: Option<Time>, starts_at: Time) -> Result<(), Refusal> {
    if ends_at.is_none_or(|ends_at| ends_at > starts_at) {
        return Ok(());
    }
    let problem = "must be later than the start: it is the first moment after the version".to_owned();
    Err(Refusal::InvalidField { field: Field::TermsEndTime, problem })
}

/// The versions that were scheduled for a later time than this.
fn scheduled(set: &WorkingSet, program: &Program, time: Time) -> Result<Vec<i32>, Refusal> {
    let mut later = Vec::new();
    for version in 1..=program.terms_version {
        let terms = set.terms(program, version)?;
        if terms.scheduled_at.is_some() && terms.withdrawn_at.is_none() && terms.starts_at > time {
            later.push(version);
        }
    }
    Ok(later)
}

fn check_number(set: &WorkingSet, program: &Program, now: Time) -> Result<(), Refusal> {
    if scheduled(set, program, now)?.len() < SCHEDULED_MAX {
        return Ok(());
    }
    let problem =
        format!("is in the future, and {SCHEDULED_MAX} versions are scheduled already; withdraw one of them first");
    Err(Refusal::InvalidField { field: Field::TermsStartTime, problem })
}

/// Withdraws a version that has not started. Events may be told as much ahead as clocks differ, so a version cannot be withdrawn in the
/// last moments before its start.
pub(super) fn withdraw(context: &mut Context<'_>, program: &Program, version: i32) -> Result<Arc<Terms>, Refusal> {
    if version > program.terms_version {
        let what = format!("{} with version {version} of its terms", program.id);
        return Err(Refusal::not_found(Resource::Program, what));
    }
    let terms = context.set.terms(program, version)?.as_ref().clone();
    let problem = if terms.withdrawn_at.is_some() {
        "has been withdrawn already"
    } else if version == 1 || terms.starts_at.may_precede(context.now) {
        "has started, or starts in less than 10 minutes; make a new version instead"
    } else {
        return Ok(context.put(Terms { withdrawn_at: Some(context.now), ..terms }));
    };
    Err(Refusal::InvalidField { field: Field::WithdrawTermsVersion, problem: problem.to_owned() })
}

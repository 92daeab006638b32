//! Programs and the versions of their terms.
//!
//! Terms are pinned: a version never changes once made, a change makes the next, and every conversion keeps the version it was
//! priced under.

use super::attribution::AttributionSource;
use super::command::Outcome;
use super::decide::{About, Context};
use super::event::{EventType, NewEvent};
use super::id::{AccountId, ProgramId};
use super::money::{Currency, Money, Rounding};
use super::refusal::{Refusal, Resource};
use super::text_enum::text_enum;
use super::time::Time;
use super::working_set::{Changes, WorkingSet};

text_enum! {
    /// The state of a program.
    ProgramState {
        /// Attributes and pays.
        Active = "active",
        /// Attributes nothing new.
        Archived = "archived",
    }
}

/// A campaign that affiliates are enrolled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its id.
    pub id: ProgramId,
    /// Whose it is.
    pub account_id: AccountId,
    /// Its name.
    pub display_name: String,
    /// Its currency; flat commissions are in it.
    pub currency: Currency,
    /// Where referral links lead when the enrollment names no page.
    pub landing_url: String,
    /// Whether it is meant where none is named. One program of an account is.
    pub is_default: bool,
    /// Its state.
    pub state: ProgramState,
    /// The newest version of its terms.
    pub terms_version: i32,
    /// Grows with every change; shown as the etag.
    pub version: i32,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
}

impl Program {
    /// The text that changes with every change of the program.
    pub fn etag(&self) -> String {
        format!("v{}", self.version)
    }
}

text_enum! {
    /// Which of a visitor's clicks earns.
    AttributionModel {
        /// The earliest inside the window.
        FirstClick = "first_click",
        /// The latest inside the window.
        LastClick = "last_click",
    }
}

text_enum! {
    /// Which sales a version of the terms reaches.
    TermsReach {
        /// Every sale from its start on.
        NewSales = "new_sales",
        /// Sales to leads bound from its start on, and sales without a lead.
        NewCustomers = "new_customers",
    }
}

/// What a sale earns the affiliate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commission {
    /// Parts per million of the net amount, in the sale's currency.
    PercentPpm(i64),
    /// A fixed amount per sale.
    Flat(Money),
}

/// The rules as an owner sets them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TermsDraft {
    /// Which sales they reach.
    pub reach: TermsReach,
    /// What a sale earns.
    pub commission: Commission,
    /// How many days a reward stays pending.
    pub hold_period_days: i32,
    /// Which click earns.
    pub attribution_model: AttributionModel,
    /// For how many days after a click a lead or sale is credited to it.
    pub attribution_window_days: i32,
    /// Which source wins, the strongest first; each of the three once.
    pub precedence: [AttributionSource; 3],
    /// How rewards are rounded.
    pub rounding: Rounding,
}

/// A version of a program's rules. Never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Whose they are.
    pub account_id: AccountId,
    /// The program.
    pub program_id: ProgramId,
    /// 1, 2, 3 and so on.
    pub version: i32,
    /// From when on they hold.
    pub starts_at: Time,
    /// The rules.
    pub rules: TermsDraft,
}

/// A program with one version of its terms: what an answer shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramWithTerms {
    /// The program.
    pub program: Program,
    /// A version of its terms.
    pub terms: Terms,
}

/// Make a program with version 1 of its terms.
#[derive(Debug, Clone)]
pub struct CreateProgram {
    /// Its name.
    pub display_name: String,
    /// Its currency.
    pub currency: Currency,
    /// Where referral links lead.
    pub landing_url: String,
    /// Make it the default.
    pub is_default: bool,
    /// The rules.
    pub rules: TermsDraft,
}

/// Change a program. Fields that are not set stay.
#[derive(Debug, Clone)]
pub struct UpdateProgram {
    /// Which program.
    pub id: ProgramId,
    /// Refuse unless the program's etag is this.
    pub etag: Option<String>,
    /// Its name.
    pub display_name: Option<String>,
    /// Where referral links lead.
    pub landing_url: Option<String>,
    /// Make it the default.
    pub make_default: bool,
    /// The rules of a new version.
    pub rules: Option<TermsDraft>,
}

/// Archive a program.
#[derive(Debug, Clone)]
pub struct ArchiveProgram {
    /// Which program.
    pub id: ProgramId,
    /// Refuse unless the program's etag is this.
    pub etag: Option<String>,
}

/// The version of the terms that a sale falls under: the newest that had started when it occurred and that reaches it.
///
/// `bound_at` is when the sale's lead was bound; none for a sale without a lead or one whose lead is bound by it.
pub fn applicable_terms(
    set: &WorkingSet,
    program: &Program,
    occurred_at: Time,
    bound_at: Option<Time>,
) -> Result<Terms, Refusal> {
    for version in (1..=program.terms_version).rev() {
        let terms = set.terms(program, version)?;
        let reaches = match terms.rules.reach {
            TermsReach::NewSales => true,
            TermsReach::NewCustomers => bound_at.is_none_or(|bound_at| bound_at >= terms.starts_at),
        };
        // A sale from before the program, told late, falls under its first terms.
        if (terms.starts_at <= occurred_at && reaches) || version == 1 {
            return Ok(terms.clone());
        }
    }
    Err(Refusal::NotLoaded("terms"))
}

/// A commission must be in the program's currency where it is an amount.
///
/// # Errors
/// [`Refusal::InvalidField`] for the named field.
pub fn check_commission(commission: Commission, currency: Currency, field: &'static str) -> Result<(), Refusal> {
    match commission {
        Commission::Flat(flat) if flat.currency != currency => {
            Err(Refusal::InvalidField { field, problem: format!("must be {currency}, the program's currency") })
        }
        Commission::Flat(_) | Commission::PercentPpm(_) => Ok(()),
    }
}

fn check_etag(program: &Program, etag: Option<&String>) -> Result<(), Refusal> {
    match etag {
        Some(etag) if *etag != program.etag() => {
            Err(Refusal::EtagMismatch { resource: Resource::Program, current_etag: program.etag() })
        }
        _ => Ok(()),
    }
}

/// Takes the place from the default program, if there is one, for another.
fn depose_default(context: &mut Context<'_>, changes: &mut Changes) -> Result<(), Refusal> {
    let Some(program) = context.set.default_program(context.account_id)?.cloned() else { return Ok(()) };
    let former = Program { is_default: false, version: program.version + 1, updated_at: context.now, ..program };
    changes.events.push(event(context, EventType::ProgramUpdated, &former));
    changes.programs.push(former);
    Ok(())
}

fn event(context: &mut Context<'_>, event_type: EventType, program: &Program) -> NewEvent {
    let about = About { program_id: Some(program.id), ..About::subject(program.id) };
    context.event(event_type, about)
}

fn finish(
    context: &mut Context<'_>,
    event_type: EventType,
    program: Program,
    terms: Terms,
    mut changes: Changes,
) -> (Outcome, Changes) {
    changes.events.push(event(context, event_type, &program));
    changes.programs.push(program.clone());
    (Outcome::Program(Box::new(ProgramWithTerms { program, terms })), changes)
}

pub(super) fn create(context: &mut Context<'_>, command: &CreateProgram) -> Result<(Outcome, Changes), Refusal> {
    check_commission(command.rules.commission, command.currency, "terms.commission.flat.currency_code")?;
    let is_default = command.is_default || context.set.default_program(context.account_id)?.is_none();
    let mut changes = Changes::default();
    if is_default {
        depose_default(context, &mut changes)?;
    }
    let program = Program {
        id: ProgramId::new(context.ids),
        account_id: context.account_id,
        display_name: command.display_name.clone(),
        currency: command.currency,
        landing_url: command.landing_url.clone(),
        is_default,
        state: ProgramState::Active,
        terms_version: 1,
        version: 1,
        created_at: context.now,
        updated_at: context.now,
    };
    let terms = Terms {
        account_id: context.account_id,
        program_id: program.id,
        version: 1,
        starts_at: context.now,
        rules: command.rules.clone(),
    };
    changes.terms.push(terms.clone());
    Ok(finish(context, EventType::ProgramCreated, program, terms, changes))
}

pub(super) fn update(context: &mut Context<'_>, command: &UpdateProgram) -> Result<(Outcome, Changes), Refusal> {
    let mut program = context.set.program(context.account_id, command.id)?.clone();
    check_etag(&program, command.etag.as_ref())?;
    if program.state == ProgramState::Archived {
        return Err(Refusal::ProgramArchived { program_id: program.id });
    }
    let mut changes = Changes::default();
    if let Some(display_name) = &command.display_name {
        program.display_name.clone_from(display_name);
    }
    if let Some(landing_url) = &command.landing_url {
        program.landing_url.clone_from(landing_url);
    }
    if command.make_default && !program.is_default {
        depose_default(context, &mut changes)?;
        program.is_default = true;
    }
    let mut terms = context.set.terms(&program, program.terms_version)?.clone();
    if let Some(rules) = &command.rules {
        check_commission(rules.commission, program.currency, "program.terms.commission.flat.currency_code")?;
        program.terms_version += 1;
        terms = Terms { version: program.terms_version, starts_at: context.now, rules: rules.clone(), ..terms };
        changes.terms.push(terms.clone());
    }
    program.version += 1;
    program.updated_at = context.now;
    Ok(finish(context, EventType::ProgramUpdated, program, terms, changes))
}

pub(super) fn archive(context: &mut Context<'_>, command: &ArchiveProgram) -> Result<(Outcome, Changes), Refusal> {
    let mut program = context.set.program(context.account_id, command.id)?.clone();
    check_etag(&program, command.etag.as_ref())?;
    let terms = context.set.terms(&program, program.terms_version)?.clone();
    if program.state == ProgramState::Archived {
        return Ok((Outcome::Program(Box::new(ProgramWithTerms { program, terms })), Changes::default()));
    }
    program.state = ProgramState::Archived;
    // What takes nothing new cannot be meant where none is named.
    program.is_default = false;
    program.version += 1;
    program.updated_at = context.now;
    Ok(finish(context, EventType::ProgramArchived, program, terms, Changes::default()))
}

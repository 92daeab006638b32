//! The account, and programs with their terms.

use headwater_client::pb;
use pb::event::Subject;
use pb::{AttributionSource as Source, EventKind, ProgramState};
use tonic::Code;

use super::faults::flat_currency;
use super::{Program, Ruling, World, missing, refused};
use crate::model::command::stamp;
use crate::model::names::symbol;
use crate::model::reply::{Refused, Replayed, Reply};

fn etag(changes: u32) -> String {
    symbol("etag", changes, 0)
}

/// Terms as stored, with defaults for unset fields.
fn with_defaults(sent: &pb::Terms, version: i32, now: i64) -> pb::Terms {
    let start = Some(stamp(now));
    let mut terms = pb::Terms { version, start_time: start, create_time: start, ..sent.clone() };
    terms.hold_period_days.get_or_insert(30);
    terms.attribution_window_days.get_or_insert(60);
    if terms.reach() == pb::TermsReach::Unspecified {
        terms.set_reach(pb::TermsReach::NewSales);
    }
    if terms.attribution_model() == pb::AttributionModel::Unspecified {
        terms.set_attribution_model(pb::AttributionModel::LastClick);
    }
    if terms.rounding() == pb::Rounding::Unspecified {
        terms.set_rounding(pb::Rounding::HalfEven);
    }
    if terms.precedence.is_empty() {
        terms.precedence = [Source::LeadBinding, Source::Coupon, Source::Click].map(i32::from).to_vec();
    }
    terms
}

impl World {
    pub(super) fn update_account(&mut self, request: &pb::UpdateAccountRequest) -> Ruling {
        let limit = request.account.as_ref().map(|account| account.max_active_coupons_per_affiliate);
        self.account.max_active_coupons_per_affiliate = limit.unwrap_or_default();
        self.account.update_time = Some(stamp(self.now));
        let image = super::account_image(&self.account);
        self.tell(EventKind::AccountUpdated, image);
        self.effect = self.account.id.clone();
        Ok(Reply::Account(self.account.clone(), Replayed(false)))
    }

    fn tell_of_program(&mut self, kind: EventKind, place: usize) {
        let row = self.programs[place].row.clone();
        self.effect.clone_from(&row.id);
        self.tell(kind, Subject::Program(row));
    }

    fn changed(&mut self, place: usize, kind: EventKind) {
        let now = stamp(self.now);
        let program = &mut self.programs[place];
        program.changes += 1;
        program.row.etag = etag(program.changes);
        program.row.update_time = Some(now);
        self.tell_of_program(kind, place);
    }

    fn default_program(&self) -> Option<usize> {
        self.programs.iter().position(|program| program.row.is_default)
    }

    /// Makes the current default program no longer the default.
    fn depose(&mut self) {
        if let Some(place) = self.default_program() {
            self.programs[place].row.is_default = false;
            self.changed(place, EventKind::ProgramUpdated);
        }
    }

    pub(super) fn create_program(&mut self, request: &pb::CreateProgramRequest) -> Ruling {
        let is_default = request.is_default || self.default_program().is_none();
        if is_default {
            self.depose();
        }
        let terms = with_defaults(&request.terms.clone().unwrap_or_default(), 1, self.now);
        let row = pb::Program {
            id: self.fresh("prg"),
            display_name: request.display_name.clone(),
            currency_code: request.currency_code.clone(),
            landing_url: request.landing_url.clone(),
            is_default,
            state: ProgramState::Active.into(),
            terms: Some(terms.clone()),
            create_time: Some(stamp(self.now)),
            update_time: Some(stamp(self.now)),
            etag: etag(1),
            ..Default::default()
        };
        self.programs.push(Program { row: row.clone(), versions: vec![terms], changes: 1, archived: None });
        self.tell_of_program(EventKind::ProgramCreated, self.programs.len() - 1);
        Ok(Reply::Program(row, Replayed(false)))
    }

    fn check_etag(&self, place: usize, sent: &str) -> Result<(), Refused> {
        let current = &self.programs[place].row.etag;
        if sent.is_empty() || sent == current {
            return Ok(());
        }
        refused(Code::Aborted, "ETAG_MISMATCH", &[("current_etag", current)])
    }

    pub(super) fn update_program(&mut self, request: &pb::UpdateProgramRequest) -> Ruling {
        let sent = request.program.clone().unwrap_or_default();
        let is_masked =
            |field: &str| request.update_mask.iter().flat_map(|mask| &mask.paths).any(|path| path.as_str() == field);
        let Some(place) = self.program(&sent.id) else { return missing("PROGRAM_NOT_FOUND") };
        self.check_etag(place, &sent.etag)?;
        if !self.programs[place].is_active() {
            return refused(Code::FailedPrecondition, "PROGRAM_ARCHIVED", &[("program_id", &sent.id)]);
        }
        let terms = sent.terms.filter(|_| is_masked("terms"));
        if let Some(currency) = flat_currency(terms.as_ref().and_then(|terms| terms.commission.as_ref()))
            && currency != self.programs[place].row.currency_code
        {
            return Err(Refused::fields(["program.terms.commission.flat.currency_code".to_owned()]));
        }
        if is_masked("is_default") && !self.programs[place].row.is_default {
            self.depose();
            self.programs[place].row.is_default = true;
        }
        let now = self.now;
        let program = &mut self.programs[place];
        if is_masked("landing_url") {
            program.row.landing_url = sent.landing_url;
        }
        if let Some(terms) = terms {
            let version = program.versions.last().map_or(1, |newest| newest.version + 1);
            let terms = with_defaults(&terms, version, now);
            program.versions.push(terms.clone());
            program.row.terms = Some(terms);
        }
        self.changed(place, EventKind::ProgramUpdated);
        Ok(Reply::Program(self.programs[place].row.clone(), Replayed(false)))
    }

    pub(super) fn archive_program(&mut self, request: &pb::ArchiveProgramRequest) -> Ruling {
        let Some(place) = self.program(&request.program_id) else { return missing("PROGRAM_NOT_FOUND") };
        self.check_etag(place, &request.etag)?;
        self.effect.clone_from(&request.program_id);
        if self.programs[place].is_active() {
            self.programs[place].row.set_state(ProgramState::Archived);
            self.programs[place].row.is_default = false;
            self.programs[place].archived = Some(self.now);
            self.changed(place, EventKind::ProgramArchived);
        }
        Ok(Reply::Program(self.programs[place].row.clone(), Replayed(false)))
    }

    /// The named program, or else the default one; it must be active.
    pub(super) fn open_program(&self, id: &str) -> Result<usize, Refused> {
        let place = if id.is_empty() { self.default_program() } else { self.program(id) };
        let Some(place) = place else { return missing("PROGRAM_NOT_FOUND") };
        if self.programs[place].is_active() {
            return Ok(place);
        }
        refused(Code::FailedPrecondition, "PROGRAM_ARCHIVED", &[("program_id", id)])
    }
}

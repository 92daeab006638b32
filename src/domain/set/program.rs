//! Look-ups of programs and of the versions of their terms.

use std::sync::Arc;

use super::kind::{Key, Kind, Named};
use super::names::Names;
use super::working_set::{WorkingSet, known};
use crate::domain::id::{AccountId, ProgramId};
use crate::domain::program::{Program, ProgramState, Terms};
use crate::domain::refusal::{Refusal, Resource};

impl Kind for Program {
    type Key = (AccountId, ProgramId);

    const NAME: &'static str = "program";
    const IN_CATALOGUE: bool = true;

    fn key(&self) -> Self::Key {
        (self.account_id, self.id)
    }

    fn index(_before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        let Some(after) = after else { return };
        if after.is_default {
            names.default_programs.insert(after.account_id, Some(after.id));
        } else if names.default_programs.get(&after.account_id) == Some(Some(after.id)) {
            names.default_programs.insert(after.account_id, None);
        }
    }
}

impl Named for Program {
    const RESOURCE: Resource = Resource::Program;
}

impl Key for (AccountId, ProgramId, i32) {
    fn account_id(&self) -> AccountId {
        self.0
    }
}

impl Kind for Terms {
    type Key = (AccountId, ProgramId, i32);

    const NAME: &'static str = "terms";
    const IN_CATALOGUE: bool = true;

    fn key(&self) -> Self::Key {
        (self.account_id, self.program_id, self.version)
    }
}

impl WorkingSet {
    /// The program with this id, active or archived.
    pub fn program(&self, account_id: AccountId, id: ProgramId) -> Result<&Arc<Program>, Refusal> {
        self.get(account_id, id)
    }

    /// The account's default program, if it has one.
    pub fn default_program(&self, account_id: AccountId) -> Result<Option<&Arc<Program>>, Refusal> {
        let id = known(self.names.default_programs.get(&account_id), "default program")?;
        id.map(|id| self.program(account_id, id)).transpose()
    }

    /// The program with this id, or else the account's default program. Refuses unless it is active.
    pub fn active_program(&self, account_id: AccountId, id: Option<ProgramId>) -> Result<&Arc<Program>, Refusal> {
        let program = match id {
            Some(id) => self.program(account_id, id)?,
            None => self.default_program(account_id)?.ok_or(Refusal::NoDefaultProgram)?,
        };
        match program.state {
            ProgramState::Active => Ok(program),
            ProgramState::Archived => Err(Refusal::ProgramArchived { program_id: program.id }),
        }
    }

    /// One version of a program's terms.
    pub fn terms(&self, program: &Program, version: i32) -> Result<&Arc<Terms>, Refusal> {
        self.existing(&(program.account_id, program.id, version))
    }
}

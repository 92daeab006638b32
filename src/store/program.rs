//! Programs and versions of their terms: rows and reads.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::entity::{program as table, terms as terms_table};
use super::list::{self, Walk};
use super::metadata::{self, HasMetadata, Metadata, Scanned};
use super::row::{RowName, to_json, words};
use super::set::Loading;
use super::set::keyed::rows_by;
use super::set::stored::Stored;
use super::{Store, StoreError};
use crate::domain::id::{AccountId, ProgramId};
use crate::domain::program::{Program, ProgramState, ProgramWithTerms, Terms};
use crate::domain::set::Needs;
use crate::domain::terms_period::{Occasion, choose};
use crate::domain::time::Time;

impl Stored for Program {
    type Table = table::Entity;

    const GROWS: bool = false;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            id: self.id.uuid(),
            display_name: self.display_name.clone(),
            currency: self.currency.code().to_owned(),
            landing_url: self.landing_url.clone(),
            // A host has no blanks.
            hosts: self.hosts.join(" "),
            is_default: self.is_default,
            state: self.state.as_str().to_owned(),
            questions: if self.questions.is_empty() { None } else { Some(to_json(&self.questions)?) },
            is_private: self.is_private,
            invitations: if self.invitations.is_empty() { None } else { Some(to_json(&self.invitations)?) },
            welcome_mail: self.welcome_mail.as_ref().map(to_json).transpose()?,
            metadata: metadata::to_text(&self.metadata)?,
            fraud_rules: if self.fraud_rules.is_empty() { None } else { Some(to_json(&self.fraud_rules)?) },
            agreement: self.agreement.as_ref().map(to_json).transpose()?,
            agreement_version: self.agreement_version(),
            terms_version: self.terms_version,
            version: self.version,
            created_at: self.created_at.micros(),
            updated_at: self.updated_at.micros(),
            archived_at: self.archived_at.map(Time::micros),
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("program", row.id);
        Ok(Self {
            id: ProgramId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            display_name: row.display_name,
            currency: name.parse(&row.currency)?,
            landing_url: row.landing_url,
            hosts: row.hosts.split_whitespace().map(str::to_owned).collect(),
            is_default: row.is_default,
            state: name.parse(&row.state)?,
            questions: row.questions.as_deref().map(|text| name.json(text)).transpose()?.unwrap_or_default(),
            is_private: row.is_private,
            invitations: row.invitations.as_deref().map(|text| name.json(text)).transpose()?.unwrap_or_default(),
            welcome_mail: row.welcome_mail.as_deref().map(|text| name.json(text)).transpose()?,
            fraud_rules: row.fraud_rules.as_deref().map(|text| name.json(text)).transpose()?.unwrap_or_default(),
            metadata: row.metadata.as_deref().map(|text| name.json(text)).transpose()?.unwrap_or_default(),
            agreement: row.agreement.as_deref().map(|text| name.json(text)).transpose()?,
            terms_version: row.terms_version,
            version: row.version,
            created_at: Time::from_micros(row.created_at),
            updated_at: Time::from_micros(row.updated_at),
            archived_at: row.archived_at.map(Time::from_micros),
        })
    }

    fn leads_to(&self, needs: &mut Needs) {
        for version in 1..=self.terms_version {
            needs.row::<Terms>((self.account_id, self.id, version));
        }
    }

    async fn load(loading: &mut Loading<'_>) -> Result<(), StoreError> {
        let accounts = std::mem::take(&mut loading.needs.names.default_programs);
        let columns = [table::Column::AccountId, table::Column::IsDefault];
        loading.by::<Self, _>(&columns, accounts.iter().map(|account_id| (account_id.uuid(), true))).await?;
        accounts.into_iter().for_each(|account| loading.set.names.default_programs.insert_absent(account));
        loading.by_key::<Self>().await
    }
}

impl HasMetadata for Program {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl Stored for Terms {
    type Table = terms_table::Entity;

    const GROWS: bool = false;

    fn to_row(&self) -> Result<terms_table::Model, StoreError> {
        Ok(terms_table::Model {
            account_id: self.account_id.uuid(),
            program_id: self.program_id.uuid(),
            version: self.version,
            starts_at: self.starts_at.micros(),
            ends_at: self.ends_at.map(Time::micros),
            scheduled_at: self.scheduled_at.map(Time::micros),
            withdrawn_at: self.withdrawn_at.map(Time::micros),
            yields_to: words(&self.yields_to),
            rules: to_json(&self.rules)?,
        })
    }

    fn from_row(row: terms_table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("terms", row.program_id);
        Ok(Self {
            account_id: AccountId::from_uuid(row.account_id),
            program_id: ProgramId::from_uuid(row.program_id),
            version: row.version,
            starts_at: Time::from_micros(row.starts_at),
            ends_at: row.ends_at.map(Time::from_micros),
            scheduled_at: row.scheduled_at.map(Time::from_micros),
            withdrawn_at: row.withdrawn_at.map(Time::from_micros),
            yields_to: name.words(row.yields_to.as_deref())?,
            rules: name.json(&row.rules)?,
        })
    }

    fn leads_to(&self, _needs: &mut Needs) {}
}

/// A filter of programs. All fields that are set must match.
#[derive(Debug, Clone, Default)]
pub struct ProgramQuery {
    /// Only programs in these states. Empty: any state.
    pub states: Vec<ProgramState>,
    /// Only programs with these texts of the merchant's own.
    pub metadata: Metadata,
    /// When the version that programs are shown with is in force. `None`: the newest version.
    pub terms_at: Option<Time>,
}

/// The program with this id.
///
/// # Errors
/// [`StoreError`].
pub async fn find(store: &Store, account_id: AccountId, id: ProgramId) -> Result<Option<Program>, StoreError> {
    let row = table::Entity::find_by_id((account_id.uuid(), id.uuid())).one(store.read()).await?;
    row.map(Program::from_row).transpose()
}

/// The account's default program.
///
/// # Errors
/// [`StoreError`].
pub async fn find_default(store: &Store, account_id: AccountId) -> Result<Option<Program>, StoreError> {
    let row = table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .filter(table::Column::IsDefault.eq(true))
        .one(store.read())
        .await?;
    row.map(Program::from_row).transpose()
}

/// One version of a program's terms.
///
/// # Errors
/// [`StoreError`].
pub async fn find_terms(
    store: &Store,
    account_id: AccountId,
    program_id: ProgramId,
    version: i32,
) -> Result<Option<Terms>, StoreError> {
    let key = (account_id.uuid(), program_id.uuid(), version);
    let row = terms_table::Entity::find_by_id(key).one(store.read()).await?;
    row.map(Terms::from_row).transpose()
}

/// How many versions of terms one statement reads, while the one that applies is searched.
const VERSIONS_AT_ONCE: u64 = 10;

/// The version of a program's terms that applies to an event, see [`terms_period`](crate::domain::terms_period).
pub(super) async fn terms_for(
    connection: &impl ConnectionTrait,
    program: &Program,
    occasion: &Occasion,
) -> Result<Terms, StoreError> {
    let mut read: HashMap<i32, Arc<Terms>> = HashMap::new();
    loop {
        let lowest = read.keys().min().copied().unwrap_or(i32::MAX);
        let query = versions(program).filter(terms_table::Column::Version.lt(lowest));
        let query = query.order_by_desc(terms_table::Column::Version).limit(VERSIONS_AT_ONCE);
        let page = list::read::<Terms>(query, connection).await?;
        let is_last = page.is_empty();
        read.extend(page.into_iter().map(|terms| (terms.version, Arc::new(terms))));
        let found = choose(program.terms_version, occasion, |version| read.get(&version).map(Arc::clone).ok_or(()));
        match found {
            Ok(Some(terms)) => return Ok(terms.as_ref().clone()),
            Err(()) if !is_last => {}
            _ => return Err(RowName::new("program", program.id.uuid()).inconsistent()),
        }
    }
}

/// The versions of a program's terms that have not started and were not withdrawn, in the order of their starts.
///
/// # Errors
/// [`StoreError`].
pub async fn scheduled_terms(store: &Store, program: &Program, now: Time) -> Result<Vec<Terms>, StoreError> {
    let query = versions(program)
        .filter(terms_table::Column::ScheduledAt.is_not_null())
        .filter(terms_table::Column::WithdrawnAt.is_null())
        .filter(terms_table::Column::StartsAt.gt(now.micros()));
    let mut found = list::read::<Terms>(query, store.read()).await?;
    found.sort_by_key(Terms::rank);
    Ok(found)
}

/// The version of a program's terms that applies now to new customers and new affiliates.
///
/// # Errors
/// [`StoreError`].
pub async fn terms_in_force(store: &Store, program: &Program, now: Time) -> Result<Terms, StoreError> {
    terms_for(store.read(), program, &Occasion::at(now)).await
}

fn versions(program: &Program) -> Select<terms_table::Entity> {
    terms_table::Entity::find()
        .filter(terms_table::Column::AccountId.eq(program.account_id.uuid()))
        .filter(terms_table::Column::ProgramId.eq(program.id.uuid()))
}

/// One page of programs, each with a version of its terms.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    store: &Store,
    account_id: AccountId,
    wanted: &ProgramQuery,
    walk: Walk,
) -> Result<Scanned<ProgramWithTerms>, StoreError> {
    let columns = (table::Column::Id, table::Column::Metadata);
    let Scanned { rows, ended_at } =
        metadata::read::<Program>(store.read(), filtered(account_id, wanted), columns, &wanted.metadata, walk).await?;
    let columns = [terms_table::Column::AccountId, terms_table::Column::ProgramId, terms_table::Column::Version];
    let keys = rows.iter().map(|program| (account_id.uuid(), program.id.uuid(), program.terms_version));
    let mut newest = HashMap::new();
    for row in rows_by::<terms_table::Entity, _>(store.read(), &columns, keys).await? {
        newest.insert(row.program_id, Arc::new(Terms::from_row(row)?));
    }
    let mut with_terms = Vec::with_capacity(rows.len());
    for program in rows {
        let id = program.id.uuid();
        let mut terms = newest.remove(&id).ok_or(RowName::new("program", id).inconsistent())?;
        // Only few programs have a schedule, and those without one are read in a single statement.
        if let Some(at) = wanted.terms_at
            && !(terms.is_running_at(at) && terms.yields_to.is_empty())
        {
            terms = Arc::new(terms_for(store.read(), &program, &Occasion::at(at)).await?);
        }
        with_terms.push(ProgramWithTerms { program: Arc::new(program), terms });
    }
    Ok(Scanned { rows: with_terms, ended_at })
}

/// How many programs a list has in all. The metadata of the filter is not read.
///
/// # Errors
/// [`StoreError`].
pub async fn count(store: &Store, account_id: AccountId, wanted: &ProgramQuery) -> Result<i64, StoreError> {
    list::count(filtered(account_id, wanted), table::Column::Id, store.read()).await
}

/// The programs that a filter takes, apart from their metadata.
fn filtered(account_id: AccountId, wanted: &ProgramQuery) -> Select<table::Entity> {
    let mine = table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid()));
    list::one_of(mine, table::Column::State, &wanted.states)
}

/// What the enrollments in a program show of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramPage {
    /// The page that links lead to.
    pub landing_url: String,
    /// The version of the agreement; 0 without one.
    pub agreement_version: i32,
}

/// What enrollments show of each of these programs.
///
/// # Errors
/// [`StoreError`].
pub async fn pages(
    store: &Store,
    account_id: AccountId,
    ids: &[ProgramId],
) -> Result<HashMap<ProgramId, ProgramPage>, StoreError> {
    let columns = [table::Column::AccountId, table::Column::Id];
    let keys = ids.iter().map(|id| (account_id.uuid(), id.uuid()));
    let rows = rows_by::<table::Entity, _>(store.read(), &columns, keys).await?;
    let page = |row: table::Model| {
        let (landing_url, agreement_version) = (row.landing_url, row.agreement_version);
        (ProgramId::from_uuid(row.id), ProgramPage { landing_url, agreement_version })
    };
    Ok(rows.into_iter().map(page).collect())
}

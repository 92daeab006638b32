//! The rules of programs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::{Context, Rule};
use super::terms::{self, TermsChange};
use crate::domain::event::{EventImage, EventKind};
use crate::domain::fraud::FraudRule;
use crate::domain::id::{AccountId, ProgramId};
use crate::domain::money::Currency;
use crate::domain::program::{
    Agreement, Commission, Invitation, Program, ProgramState, ProgramWithTerms, Question, Terms, TermsDraft,
};
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::reward::RewardUnit;
use crate::domain::set::Needs;
use crate::domain::tally::Cap;
use crate::domain::welcome::WelcomeMail;

/// Make a program with version 1 of its terms.
#[derive(Debug, Clone)]
pub struct CreateProgram {
    /// The program's name.
    pub display_name: String,
    /// The program's currency; flat commissions must be in it.
    pub currency: Currency,
    /// The page that referral links lead to.
    pub landing_url: String,
    /// The hosts that links may lead to. Empty: any host.
    pub hosts: Vec<String>,
    /// Whether to make it the account's default program.
    pub is_default: bool,
    /// What its affiliates agree to. The version is not read.
    pub agreement: Option<Agreement>,
    /// What applicants are asked.
    pub questions: Vec<Question>,
    /// Whether it takes no applications.
    pub is_private: bool,
    /// The codes that open it nevertheless. The numbers of uses are not read.
    pub invitations: Vec<Invitation>,
    /// The mail to its new affiliates.
    pub welcome_mail: Option<WelcomeMail>,
    /// The merchant's own texts by key.
    pub metadata: BTreeMap<String, String>,
    /// The fraud rules.
    pub fraud_rules: Vec<FraudRule>,
    /// The rules in version 1 of the terms.
    pub rules: TermsDraft,
    /// See [`Rule::is_trial`].
    pub is_trial: bool,
}

impl Rule for CreateProgram {
    type Answer = Arc<ProgramWithTerms>;

    fn is_trial(&self) -> bool {
        self.is_trial
    }

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.program(account, None);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        check_currency(&self.rules, self.currency)?;
        let is_default = self.is_default || context.set.default_program(context.account_id)?.is_none();
        if is_default {
            depose_default(context)?;
        }
        let mut program = Program {
            id: ProgramId::new(context.ids),
            account_id: context.account_id,
            display_name: self.display_name.clone(),
            currency: self.currency,
            landing_url: self.landing_url.clone(),
            hosts: self.hosts.clone(),
            is_default,
            state: ProgramState::Active,
            agreement: None,
            questions: self.questions.clone(),
            is_private: self.is_private,
            invitations: Vec::new(),
            welcome_mail: self.welcome_mail.clone(),
            metadata: self.metadata.clone(),
            fraud_rules: self.fraud_rules.clone(),
            terms_version: 1,
            version: 1,
            created_at: context.now,
            updated_at: context.now,
            archived_at: None,
        };
        if let Some(agreement) = &self.agreement {
            program.set_agreement(agreement);
        }
        program.set_invitations(&self.invitations);
        let mut rules = self.rules.clone();
        Cap::order(&mut rules.caps);
        rules.count_sales(1, None);
        if let Some(ladder) = &mut rules.ladder {
            ladder.since_version = 1;
        }
        let terms = context.put(Terms {
            account_id: context.account_id,
            program_id: program.id,
            version: 1,
            starts_at: context.now,
            ends_at: None,
            scheduled_at: None,
            withdrawn_at: None,
            yields_to: Vec::new(),
            rules,
        });
        Ok(put(context, EventKind::ProgramCreated, program, terms))
    }
}

/// Change a program. A field that is `None` keeps its value.
#[derive(Debug, Clone)]
pub struct UpdateProgram {
    /// The program to change.
    pub id: ProgramId,
    /// Refuse unless this is the program's etag.
    pub etag: Option<String>,
    /// The program's name.
    pub display_name: Option<String>,
    /// The page that referral links lead to.
    pub landing_url: Option<String>,
    /// The hosts that links may lead to from now on. Links that were made before stay as they are.
    pub hosts: Option<Vec<String>>,
    /// What its affiliates agree to. The version is not read.
    pub agreement: Option<Agreement>,
    /// What applicants are asked from now on.
    pub questions: Option<Vec<Question>>,
    /// Whether it takes no applications from now on.
    pub is_private: Option<bool>,
    /// The codes that open it nevertheless from now on. The numbers of uses are not read.
    pub invitations: Option<Vec<Invitation>>,
    /// The mail to its new affiliates from now on. `Some(None)`: none.
    pub welcome_mail: Option<Option<WelcomeMail>>,
    /// The merchant's own texts by key.
    pub metadata: Option<BTreeMap<String, String>>,
    /// The fraud rules for events that are credited from now on.
    pub fraud_rules: Option<Vec<FraudRule>>,
    /// Whether to make it the account's default program.
    pub make_default: bool,
    /// The scheduled version of the terms to withdraw. 0: none.
    pub withdraw_terms_version: i32,
    /// A new version of the terms.
    pub terms: Option<TermsChange>,
    /// See [`Rule::is_trial`].
    pub is_trial: bool,
}

impl Rule for UpdateProgram {
    type Answer = Arc<ProgramWithTerms>;

    fn is_trial(&self) -> bool {
        self.is_trial
    }

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.program(account, None);
        needs.program(account, Some(self.id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let mut program = context.get::<Program, _>(self.id)?.as_ref().clone();
        check_etag(&program, self.etag.as_ref())?;
        if program.state == ProgramState::Archived {
            return Err(Refusal::ProgramArchived { program_id: program.id });
        }
        if let Some(display_name) = &self.display_name {
            program.display_name.clone_from(display_name);
        }
        if let Some(landing_url) = &self.landing_url {
            program.landing_url.clone_from(landing_url);
        }
        if let Some(hosts) = &self.hosts {
            program.hosts.clone_from(hosts);
        }
        if let Some(agreement) = &self.agreement {
            program.set_agreement(agreement);
        }
        if let Some(questions) = &self.questions {
            program.questions.clone_from(questions);
        }
        program.is_private = self.is_private.unwrap_or(program.is_private);
        if let Some(invitations) = &self.invitations {
            program.set_invitations(invitations);
        }
        if let Some(welcome_mail) = &self.welcome_mail {
            program.welcome_mail.clone_from(welcome_mail);
        }
        if let Some(metadata) = &self.metadata {
            program.metadata.clone_from(metadata);
        }
        if let Some(fraud_rules) = &self.fraud_rules {
            program.fraud_rules.clone_from(fraud_rules);
        }
        if self.make_default && !program.is_default {
            depose_default(context)?;
            program.is_default = true;
        }
        // The answer shows the version that is new or was withdrawn, or else the one in force.
        let mut shown = None;
        if self.withdraw_terms_version > 0 {
            shown = Some(terms::withdraw(context, &program, self.withdraw_terms_version)?);
        }
        if let Some(change) = &self.terms {
            check_currency(&change.rules, program.currency)?;
            shown = Some(terms::add(context, &mut program, change)?);
        }
        let terms = match shown {
            Some(terms) => terms,
            None => terms::terms_in_force(context, &program)?,
        };
        program.version = program.version.saturating_add(1);
        program.updated_at = context.now;
        Ok(put(context, EventKind::ProgramUpdated, program, terms))
    }
}

/// Archive a program.
#[derive(Debug, Clone)]
pub struct ArchiveProgram {
    /// The program to archive.
    pub id: ProgramId,
    /// Refuse unless this is the program's etag.
    pub etag: Option<String>,
}

impl Rule for ArchiveProgram {
    type Answer = Arc<ProgramWithTerms>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.program(account, Some(self.id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let program = Arc::clone(context.get::<Program, _>(self.id)?);
        check_etag(&program, self.etag.as_ref())?;
        let terms = terms::terms_in_force(context, &program)?;
        if program.state == ProgramState::Archived {
            return Ok(Arc::new(ProgramWithTerms { program, terms }));
        }
        let archived = Program {
            state: ProgramState::Archived,
            archived_at: Some(context.now),
            // An archived program cannot be the default, because it accepts nothing new.
            is_default: false,
            version: program.version.saturating_add(1),
            updated_at: context.now,
            ..program.as_ref().clone()
        };
        Ok(put(context, EventKind::ProgramArchived, archived, terms))
    }
}

/// A flat commission must be in the program's currency.
pub(super) fn check_commission(commission: Commission, currency: Currency) -> Result<(), Refusal> {
    match commission.problem_in(currency) {
        Some(problem) => Err(Refusal::InvalidField { field: Field::CommissionCurrency, problem }),
        None => Ok(()),
    }
}

/// Every flat commission and every bonus of the terms must be in the program's currency.
///
/// # Errors
/// The first one that is not.
pub fn check_currency(rules: &TermsDraft, currency: Currency) -> Result<(), Refusal> {
    match rules.currency_faults(currency).next() {
        Some((None, problem)) => Err(Refusal::InvalidField { field: Field::CommissionCurrency, problem }),
        Some((Some(place), problem)) => Err(Refusal::InvalidPlace { field: Field::RuleCurrency, place, problem }),
        None => match rules.bonus_faults(currency).next() {
            Some((place, problem)) => Err(Refusal::InvalidPlace { field: Field::RuleBonusCurrency, place, problem }),
            None => match rules.cap_faults(currency).next() {
                Some((place, problem)) => Err(Refusal::InvalidPlace { field: Field::CapCurrency, place, problem }),
                None => check_ladder(rules, currency)
                    .and_then(|()| check_thresholds(rules, currency))
                    .and_then(|()| check_gifts(rules, currency)),
            },
        },
    }
}

/// The steps of the ladder must be in the program's currency.
fn check_ladder(rules: &TermsDraft, currency: Currency) -> Result<(), Refusal> {
    let fault = rules.ladder.as_ref().and_then(|ladder| ladder.currency_faults(currency).next());
    match fault {
        Some((place, is_commission, problem)) => {
            let field = if is_commission { Field::LadderFlatCurrency } else { Field::LadderAmountCurrency };
            Err(Refusal::InvalidPlace { field, place, problem })
        }
        None => Ok(()),
    }
}

/// Threshold bonuses must be in the program's currency.
fn check_thresholds(rules: &TermsDraft, currency: Currency) -> Result<(), Refusal> {
    match rules.threshold_faults(currency).next() {
        Some((place, is_threshold, problem)) => {
            let field = if is_threshold { Field::ThresholdAmountCurrency } else { Field::ThresholdBonusCurrency };
            Err(Refusal::InvalidPlace { field, place, problem })
        }
        None => Ok(()),
    }
}

/// What customers and new affiliates are given must be in the program's currency, if it is money.
fn check_gifts(rules: &TermsDraft, currency: Currency) -> Result<(), Refusal> {
    let invalid = |field, problem| Err(Refusal::InvalidField { field, problem });
    if let Some(problem) = rules.customer_reward_fault(currency) {
        return invalid(Field::CustomerRewardCurrency, problem);
    }
    match rules.enrollment_bonus_fault(currency) {
        Some((RewardUnit::Cash, problem)) => invalid(Field::EnrollmentBonusCurrency, problem),
        Some((_, problem)) => invalid(Field::EnrollmentDiscountCurrency, problem),
        None => Ok(()),
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

/// Makes the current default program, if there is one, an ordinary one, because an account has at most one default.
fn depose_default(context: &mut Context<'_>) -> Result<(), Refusal> {
    let Some(program) = context.set.default_program(context.account_id)?.cloned() else { return Ok(()) };
    let former = Program {
        is_default: false,
        version: program.version.saturating_add(1),
        updated_at: context.now,
        ..program.as_ref().clone()
    };
    let terms = terms::terms_in_force(context, &former)?;
    put(context, EventKind::ProgramUpdated, former, terms);
    Ok(())
}

/// Writes a program and adds the event.
pub(super) fn put(
    context: &mut Context<'_>,
    kind: EventKind,
    program: Program,
    terms: Arc<Terms>,
) -> Arc<ProgramWithTerms> {
    let program = context.put(program);
    let answer = Arc::new(ProgramWithTerms { program, terms });
    context.tell(kind, EventImage::Program(Arc::clone(&answer)));
    answer
}

//! Programs on the wire.

mod agreement;
mod caps;
pub(super) mod condition;
pub(super) mod fraud;
mod generosity;
mod invitations;
mod ladder;
mod questions;
mod rules;
pub(super) mod terms;
pub(super) mod thresholds;
pub(super) mod uplines;
mod welcome;

use std::borrow::Cow;
use std::sync::Arc;

use super::call::canonical::{self, Mask, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, NAME_LENGTH_MAX, Warnings};
use super::call::render::{money, timestamp};
use super::call::wire_enum::WireEnum;
use super::call::{Call, page};
use crate::domain::program::{Program, ProgramMrr, ProgramWithTerms, Terms};
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::rule::{ArchiveProgram, CreateProgram, TermsChange, UpdateProgram};
use crate::error::{Error, FieldPaths};
use crate::pb;
use crate::store;
use crate::store::program::ProgramQuery;

/// The fields that an update may change.
const UPDATE_PATHS: [&str; 12] = [
    "display_name",
    "landing_url",
    "is_default",
    "terms",
    "hosts",
    "agreement",
    "questions",
    "is_private",
    "invitations",
    "welcome_mail",
    "metadata",
    "fraud_rules",
];

/// What the answers of calls need that can be trials.
pub struct Kept {
    warnings: Warnings,
    is_trial: bool,
}

/// The key of a call that can be a trial. A trial is not kept, so it cannot be repeated.
const fn repeat_key(request_id: &str, is_trial: bool) -> RepeatKey<'_> {
    RepeatKey::Request(if is_trial { "" } else { request_id })
}

impl Change for pb::CreateProgramRequest {
    type Rule = CreateProgram;
    type Kept = Kept;

    const PATHS: FieldPaths = &[
        (Field::CommissionCurrency, "terms.commission.flat.currency_code"),
        (Field::RuleCurrency, "terms.rules[].commission.flat.currency_code"),
        (Field::RuleBonusCurrency, "terms.rules[].first_sale_bonus.currency_code"),
        (Field::CapCurrency, "terms.caps[].maximum.currency_code"),
        (Field::LadderAmountCurrency, "terms.ladder.steps[].min_amount.currency_code"),
        (Field::LadderFlatCurrency, "terms.ladder.steps[].commission.flat.currency_code"),
        (Field::ThresholdAmountCurrency, "terms.threshold_bonuses[].min_amount.currency_code"),
        (Field::ThresholdBonusCurrency, "terms.threshold_bonuses[].bonus.cash.currency_code"),
        (Field::CustomerRewardCurrency, "terms.customer_reward.value.discount_money.currency_code"),
        (Field::EnrollmentBonusCurrency, "terms.enrollment_bonus.cash.currency_code"),
        (Field::EnrollmentDiscountCurrency, "terms.enrollment_bonus.discount_money.currency_code"),
    ];

    fn repeat_key(&self) -> RepeatKey<'_> {
        repeat_key(&self.request_id, self.validate_only)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::CreateProgramRequest,
            self,
            display_name: canonical::trimmed(&self.display_name),
            landing_url: canonical::url(&self.landing_url),
            terms: canonical::inside(self.terms.as_ref(), terms::canonical),
            hosts: canonical::codes(&self.hosts),
            agreement: canonical::inside(self.agreement.as_ref(), agreement::canonical),
            welcome_mail: canonical::inside(self.welcome_mail.as_ref(), welcome::canonical),
            questions: questions::canonical(&self.questions),
            invitations: invitations::canonical(&self.invitations),
            metadata: canonical::trimmed_values(&self.metadata),
            fraud_rules: fraud::canonical(&self.fraud_rules);
            as_sent: request_id, currency_code, is_default, is_private, validate_only,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(CreateProgram, Kept), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let display_name = fields.required_line("display_name", &self.display_name, NAME_LENGTH_MAX);
        let currency = fields.currency("currency_code", &self.currency_code);
        let landing_url = fields.url("landing_url", &self.landing_url);
        let hosts = fields.hosts("hosts", &self.hosts);
        let agreement = self.agreement.as_ref().map(|sent| agreement::read(&mut fields, sent));
        let questions = questions::read(&mut fields, &self.questions);
        let invitations = invitations::read(&mut fields, &self.invitations);
        let welcome_mail = welcome::read(&mut fields, self.welcome_mail.as_ref());
        let metadata = fields.metadata("metadata", &self.metadata);
        let fraud_rules = fraud::read(&mut fields, &self.fraud_rules);
        let rules = terms::read(&mut fields, "terms", self.terms.as_ref());
        if let (Some(currency), Some(rules)) = (currency, &rules) {
            for (place, problem) in rules.currency_faults(currency) {
                fields.wrong(&currency_path(place), problem);
            }
            for (place, problem) in rules.bonus_faults(currency) {
                fields.wrong(&format!("terms.rules[{place}].first_sale_bonus.currency_code"), problem);
            }
        }
        let warnings = fields.take_warnings();
        let (currency, rules) = fields.complete((currency, rules))?;
        let (is_default, is_private) = (self.is_default, self.is_private);
        let rule = CreateProgram {
            display_name,
            currency,
            landing_url,
            hosts,
            is_default,
            agreement,
            questions,
            is_private,
            invitations,
            welcome_mail,
            metadata,
            fraud_rules,
            rules,
            is_trial: self.validate_only,
        };
        Ok((rule, Kept { warnings, is_trial: self.validate_only }))
    }

    fn render(
        answer: Arc<ProgramWithTerms>,
        replayed: bool,
        kept: Kept,
        _asking: &Asking,
    ) -> pb::CreateProgramResponse {
        let mut program = render(&answer.program, &answer.terms);
        if kept.is_trial {
            program.id.clear();
            program.etag.clear();
        }
        pb::CreateProgramResponse { program: Some(program), replayed, warnings: kept.warnings }
    }
}

/// The path of the currency of a flat commission in new terms: that of a rule, or that of the terms.
fn currency_path(place: Option<usize>) -> String {
    let rule = place.map(|place| format!("rules[{place}].")).unwrap_or_default();
    format!("terms.{rule}commission.flat.currency_code")
}

pub(super) async fn get(call: Call, message: pb::GetProgramRequest) -> Result<pb::GetProgramResponse, Error> {
    let mut fields = Fields::default();
    let id = fields.optional_id("program_id", &message.program_id);
    let version = fields.number("terms_version", message.terms_version, 0..=i32::MAX);
    fields.finish()?;
    let (store, account_id, now) = (call.store(), call.account_id(), call.now());
    let program = match id {
        Some(id) => store::program::find(store, account_id, id)
            .await?
            .ok_or_else(|| Refusal::not_found(Resource::Program, id))?,
        None => store::program::find_default(store, account_id).await?.ok_or(Refusal::NoDefaultProgram)?,
    };
    let terms = if version == 0 {
        store::program::terms_in_force(store, &program, now).await?
    } else {
        store::program::find_terms(store, account_id, program.id, version).await?.ok_or_else(|| {
            Refusal::not_found(Resource::Program, format!("{} with version {version} of its terms", program.id))
        })?
    };
    let scheduled = store::program::scheduled_terms(store, &program, now).await?;
    let sums = store::program_mrr::of_program(store, account_id, program.id).await?;
    let mrr_by_currency = sums.into_iter().map(render_mrr).collect();
    Ok(pb::GetProgramResponse {
        program: Some(render(&program, &terms)),
        mrr_by_currency,
        scheduled_terms: scheduled.iter().map(terms::render_scheduled).collect(),
        newest_terms_version: program.terms_version,
    })
}

fn render_mrr(sum: ProgramMrr) -> pb::ProgramMrr {
    pb::ProgramMrr { mrr: Some(money(sum.mrr)), customer_count: sum.customer_count }
}

pub(super) async fn list(call: Call, message: pb::ListProgramsRequest) -> Result<pb::ListProgramsResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let states = fields.values("states", &message.states);
    let metadata = fields.wanted_metadata("metadata", &message.metadata);
    if message.with_total_count && !message.metadata.is_empty() {
        fields.wrong("with_total_count", "cannot be sent with metadata, because all programs would have to be read");
    }
    fields.finish()?;
    let filter =
        pb::ListProgramsRequest { page_size: 0, page_token: String::new(), with_total_count: false, ..message.clone() };
    let query = ProgramQuery { states, metadata, terms_at: Some(call.now()) };
    let page = call.page_with(&query.metadata, &filter, shape, &message.page_token).await?;
    let found = store::program::list(call.store(), call.account_id(), &query, page.walk()).await?;
    call.works_on(found.rows.len()).await;
    let (programs, next_page_token) = page.fill_until(
        found.rows,
        found.ended_at,
        |row| row.program.id.uuid(),
        |row| render(&row.program, &row.terms),
    );
    let total_count = if message.with_total_count {
        Some(store::program::count(call.store(), call.account_id(), &query).await?)
    } else {
        None
    };
    Ok(pb::ListProgramsResponse { programs, next_page_token, total_count })
}

/// The fields that UpdateProgram changes.
impl Change for pb::UpdateProgramRequest {
    type Rule = UpdateProgram;
    type Kept = Kept;

    const PATHS: FieldPaths = &[
        (Field::ProgramId, "program.id"),
        (Field::Etag, "program.etag"),
        (Field::CommissionCurrency, "program.terms.commission.flat.currency_code"),
        (Field::RuleCurrency, "program.terms.rules[].commission.flat.currency_code"),
        (Field::RuleBonusCurrency, "program.terms.rules[].first_sale_bonus.currency_code"),
        (Field::CapCurrency, "program.terms.caps[].maximum.currency_code"),
        (Field::LadderAmountCurrency, "program.terms.ladder.steps[].min_amount.currency_code"),
        (Field::LadderFlatCurrency, "program.terms.ladder.steps[].commission.flat.currency_code"),
        (Field::ThresholdAmountCurrency, "program.terms.threshold_bonuses[].min_amount.currency_code"),
        (Field::ThresholdBonusCurrency, "program.terms.threshold_bonuses[].bonus.cash.currency_code"),
        (Field::CustomerRewardCurrency, "program.terms.customer_reward.value.discount_money.currency_code"),
        (Field::EnrollmentBonusCurrency, "program.terms.enrollment_bonus.cash.currency_code"),
        (Field::EnrollmentDiscountCurrency, "program.terms.enrollment_bonus.discount_money.currency_code"),
    ];

    fn repeat_key(&self) -> RepeatKey<'_> {
        repeat_key(&self.request_id, self.validate_only)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        let mask = Mask::of(self.update_mask.as_ref());
        canonical!(
            pb::UpdateProgramRequest,
            self,
            program: canonical::inside(self.program.as_ref(), |program| canonical_update(program, mask)),
            update_mask: mask.canonical(),
            terms_start_time: canonical::time(self.terms_start_time.as_ref()),
            terms_end_time: canonical::time(self.terms_end_time.as_ref());
            as_sent: request_id, withdraw_terms_version, validate_only,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(UpdateProgram, Kept), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let withdraw_terms_version = fields.number("withdraw_terms_version", self.withdraw_terms_version, 0..=i32::MAX);
        let mask = self.update_mask.as_ref().filter(|mask| !mask.paths.is_empty());
        let paths = match mask {
            None if withdraw_terms_version > 0 => Vec::new(),
            mask => fields.update_mask(mask, &UPDATE_PATHS),
        };
        let (starts_at, ends_at) = terms::period(&mut fields, self, paths.contains(&"terms"));
        let Some(values) = fields.required("program", self.program.as_ref()) else { return Err(fields.into_error()) };
        let rule = fields.within("program", |fields| {
            let id = fields.id("id", &values.id);
            let display_name = paths
                .contains(&"display_name")
                .then(|| fields.required_line("display_name", &values.display_name, NAME_LENGTH_MAX));
            let landing_url = paths.contains(&"landing_url").then(|| fields.url("landing_url", &values.landing_url));
            let hosts = paths.contains(&"hosts").then(|| fields.hosts("hosts", &values.hosts));
            let wanted = paths.contains(&"agreement");
            let agreement = if wanted { fields.required("agreement", values.agreement.as_ref()) } else { None };
            let agreement = agreement.map(|sent| agreement::read(fields, sent));
            let questions = paths.contains(&"questions").then(|| questions::read(fields, &values.questions));
            let is_private = paths.contains(&"is_private").then_some(values.is_private);
            let invitations = paths.contains(&"invitations").then(|| invitations::read(fields, &values.invitations));
            let welcome_mail =
                paths.contains(&"welcome_mail").then(|| welcome::read(fields, values.welcome_mail.as_ref()));
            let metadata = paths.contains(&"metadata").then(|| fields.metadata("metadata", &values.metadata));
            let fraud_rules = paths.contains(&"fraud_rules").then(|| fraud::read(fields, &values.fraud_rules));
            let make_default = paths.contains(&"is_default");
            if make_default && !values.is_default {
                fields.wrong("is_default", "can be set to true only; make another program the default instead");
            }
            let rules =
                if paths.contains(&"terms") { terms::read(fields, "terms", values.terms.as_ref()) } else { None };
            let etag = (!values.etag.is_empty()).then(|| values.etag.clone());
            Some(UpdateProgram {
                id: id?,
                etag,
                display_name,
                landing_url,
                hosts,
                agreement,
                questions,
                is_private,
                invitations,
                welcome_mail,
                metadata,
                fraud_rules,
                make_default,
                withdraw_terms_version,
                terms: rules.map(|rules| TermsChange { rules, starts_at, ends_at }),
                is_trial: self.validate_only,
            })
        });
        let warnings = fields.take_warnings();
        Ok((fields.complete(rule)?, Kept { warnings, is_trial: self.validate_only }))
    }

    fn render(
        answer: Arc<ProgramWithTerms>,
        replayed: bool,
        kept: Kept,
        _asking: &Asking,
    ) -> pb::UpdateProgramResponse {
        let mut program = render(&answer.program, &answer.terms);
        if kept.is_trial {
            program.etag.clear();
        }
        pb::UpdateProgramResponse { program: Some(program), replayed, warnings: kept.warnings }
    }
}

/// The values of an update. Fields outside the mask are not read.
fn canonical_update<'message>(sent: &'message pb::Program, mask: Mask<'_>) -> Cow<'message, pb::Program> {
    canonical!(
        pb::Program,
        sent,
        display_name: mask.field("display_name", &sent.display_name, |text| canonical::trimmed(text)),
        currency_code: canonical::unread(&sent.currency_code),
        landing_url: mask.field("landing_url", &sent.landing_url, |url| canonical::url(url)),
        hosts: mask.field("hosts", &sent.hosts, |hosts| canonical::codes(hosts)),
        is_default: mask.field("is_default", &sent.is_default, |_| None),
        questions: mask.field("questions", &sent.questions, |sent| questions::canonical(sent)),
        is_private: mask.field("is_private", &sent.is_private, |_| None),
        invitations: mask.field("invitations", &sent.invitations, |sent| invitations::canonical(sent)),
        agreement: mask.field("agreement", &sent.agreement, |sent| canonical::inside(sent.as_ref(), agreement::canonical)),
        welcome_mail: mask
            .field("welcome_mail", &sent.welcome_mail, |sent| canonical::inside(sent.as_ref(), welcome::canonical)),
        metadata: mask.field("metadata", &sent.metadata, canonical::trimmed_values),
        fraud_rules: mask.field("fraud_rules", &sent.fraud_rules, |rules| fraud::canonical(rules)),
        state: canonical::unread(&sent.state),
        terms: mask.field("terms", &sent.terms, |terms| canonical::inside(terms.as_ref(), terms::canonical)),
        create_time: canonical::unread(&sent.create_time),
        update_time: canonical::unread(&sent.update_time);
        as_sent: id, etag,
    )
}

impl Change for pb::ArchiveProgramRequest {
    type Rule = ArchiveProgram;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(pb::ArchiveProgramRequest, self; as_sent: request_id, program_id, etag)
    }

    fn read(&self, _asking: &Asking) -> Result<(ArchiveProgram, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let id = fields.id("program_id", &self.program_id);
        let etag = (!self.etag.is_empty()).then(|| self.etag.clone());
        Ok((ArchiveProgram { id: fields.complete(id)?, etag }, ()))
    }

    fn render(answer: Arc<ProgramWithTerms>, replayed: bool, (): (), _asking: &Asking) -> pb::ArchiveProgramResponse {
        pb::ArchiveProgramResponse { program: Some(render(&answer.program, &answer.terms)), replayed }
    }
}

/// The program as stored in the feed, without the codes of its invitations.
pub(super) fn image(program: &Program, terms: &Terms) -> pb::Program {
    let mut image = render(program, terms);
    image.invitations.iter_mut().for_each(|invitation| invitation.code.clear());
    image
}

/// A program with a version of its terms as a message.
pub(super) fn render(program: &Program, terms: &Terms) -> pb::Program {
    pb::Program {
        id: program.id.to_string(),
        display_name: program.display_name.clone(),
        currency_code: program.currency.code().to_owned(),
        landing_url: program.landing_url.clone(),
        hosts: program.hosts.clone(),
        is_default: program.is_default,
        agreement: program.agreement.as_ref().map(agreement::render),
        questions: program.questions.iter().map(questions::render).collect(),
        is_private: program.is_private,
        invitations: program.invitations.iter().map(invitations::render).collect(),
        welcome_mail: program.welcome_mail.as_ref().map(welcome::render),
        metadata: program.metadata.clone(),
        fraud_rules: program.fraud_rules.iter().map(fraud::render).collect(),
        state: program.state.number(),
        terms: Some(terms::render(terms)),
        create_time: Some(timestamp(program.created_at)),
        update_time: Some(timestamp(program.updated_at)),
        etag: program.etag(),
    }
}

#[cfg(test)]
mod tests {
    use super::terms::PRECEDENCE_DEFAULT;
    use super::*;
    use crate::domain::account::KeyKind;
    use crate::domain::money::Rounding;
    use crate::domain::program::{AttributionModel, Commission, TermsDraft, TermsReach};
    use crate::domain::time::Time;

    fn percent(ppm: i32) -> Option<pb::Commission> {
        Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(ppm)) })
    }

    fn request(terms: pb::Terms) -> pb::CreateProgramRequest {
        pb::CreateProgramRequest {
            display_name: "Spring".to_owned(),
            currency_code: "USD".to_owned(),
            landing_url: "https://shop.example/".to_owned(),
            terms: Some(terms),
            ..Default::default()
        }
    }

    fn read(message: &pb::CreateProgramRequest) -> Result<CreateProgram, Error> {
        let asking = Asking::new(Time::from_micros(0), KeyKind::Admin);
        message.read(&asking).map(|(rule, _)| rule)
    }

    fn wrong_fields(message: &pb::CreateProgramRequest) -> Vec<String> {
        match read(message) {
            Err(Error::InvalidFields(violations)) => violations.into_iter().map(|violation| violation.field).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn terms_have_the_defaults_that_the_proto_says() {
        let command = read(&request(pb::Terms { commission: percent(200_000), ..Default::default() })).unwrap();
        assert_eq!(
            command.rules,
            TermsDraft {
                reach: TermsReach::NewSales,
                commission: Commission::PercentPpm(200_000),
                hold_period_days: 30,
                attribution_model: AttributionModel::LastClick,
                attribution_window_days: 60,
                new_customers_only: false,
                precedence: PRECEDENCE_DEFAULT,
                rounding: Rounding::HalfEven,
                custom_kinds: Vec::new(),
                commission_rules: Vec::new(),
                upline_levels: Vec::new(),
                caps: Vec::new(),
                ladder: None,
                threshold_bonuses: Vec::new(),
                sales_tallies: Vec::new(),
                customer_reward: None,
                enrollment_bonus: None,
            }
        );
    }

    #[test]
    fn zero_days_of_hold_are_not_the_default() {
        let terms = pb::Terms { commission: percent(1), hold_period_days: Some(0), ..Default::default() };
        assert_eq!(read(&request(terms)).unwrap().rules.hold_period_days, 0);
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let message = pb::CreateProgramRequest {
            currency_code: "usd".to_owned(),
            landing_url: "ftp://shop.example".to_owned(),
            terms: Some(pb::Terms {
                commission: percent(1_000_001),
                reach: 9,
                hold_period_days: Some(-1),
                attribution_window_days: Some(0),
                precedence: vec![1, 1, 2],
                ..Default::default()
            }),
            ..Default::default()
        };
        assert_eq!(
            wrong_fields(&message),
            [
                "display_name",
                "currency_code",
                "landing_url",
                "terms.reach",
                "terms.commission.percent_ppm",
                "terms.hold_period_days",
                "terms.attribution_window_days",
                "terms.precedence",
            ]
        );
    }

    #[test]
    fn precedence_has_each_source_once() {
        for (numbers, is_right) in [
            (vec![], true),
            (vec![3, 2, 1], true),
            (vec![1], false),
            (vec![1, 2, 3, 3], false),
            (vec![1, 2, 0], false),
            (vec![1, 2, 3, 9], false),
        ] {
            let terms = pb::Terms { commission: percent(1), precedence: numbers.clone(), ..Default::default() };
            assert_eq!(read(&request(terms)).is_ok(), is_right, "{numbers:?}");
        }
    }
}

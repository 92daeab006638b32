//! Programs and their terms on the wire.

use std::sync::Arc;

use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, NAME_LENGTH_MAX};
use super::call::render::{money, timestamp};
use super::call::wire_enum::WireEnum;
use super::call::{Call, page};
use crate::domain::attribution::AttributionSource;
use crate::domain::money::{PPM, Rounding};
use crate::domain::program::{AttributionModel, Commission, Program, ProgramWithTerms, Terms, TermsDraft, TermsReach};
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::rule::{ArchiveProgram, CreateProgram, UpdateProgram};
use crate::error::{Error, FieldPaths};
use crate::pb::{self, commission};
use crate::store;

const HOLD_PERIOD_DAYS_DEFAULT: i32 = 30;
const ATTRIBUTION_WINDOW_DAYS_DEFAULT: i32 = 60;
const DAYS_MAX: i32 = 3_650;
const PRECEDENCE_DEFAULT: [AttributionSource; 3] =
    [AttributionSource::LeadBinding, AttributionSource::Coupon, AttributionSource::Click];

impl Change for pb::CreateProgramRequest {
    type Rule = CreateProgram;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::CommissionCurrency, "terms.commission.flat.currency_code")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn read(&self, _asking: &Asking) -> Result<(CreateProgram, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let display_name = fields.required_line("display_name", &self.display_name, NAME_LENGTH_MAX);
        let currency = fields.currency("currency_code", &self.currency_code);
        let landing_url = fields.url("landing_url", &self.landing_url);
        let rules = terms(&mut fields, "terms", self.terms.as_ref());
        if let (Some(currency), Some(rules)) = (currency, &rules)
            && let Some(problem) = rules.commission.problem_in(currency)
        {
            fields.wrong("terms.commission.flat.currency_code", problem);
        }
        let (currency, rules) = fields.complete((currency, rules))?;
        Ok((CreateProgram { display_name, currency, landing_url, is_default: self.is_default, rules }, ()))
    }

    fn render(answer: Arc<ProgramWithTerms>, replayed: bool, (): (), _asking: &Asking) -> pb::CreateProgramResponse {
        pb::CreateProgramResponse { program: Some(render(&answer.program, &answer.terms)), replayed }
    }
}

pub(super) async fn get(call: Call, message: pb::GetProgramRequest) -> Result<pb::GetProgramResponse, Error> {
    let mut fields = Fields::default();
    let id = fields.optional_id("program_id", &message.program_id);
    let version = fields.number("terms_version", message.terms_version, 0..=i32::MAX);
    fields.finish()?;
    let (store, account_id) = (call.store(), call.account_id());
    let program = match id {
        Some(id) => store::program::find(store, account_id, id)
            .await?
            .ok_or_else(|| Refusal::not_found(Resource::Program, id))?,
        None => store::program::find_default(store, account_id).await?.ok_or(Refusal::NoDefaultProgram)?,
    };
    let version = if version == 0 { program.terms_version } else { version };
    let terms = store::program::find_terms(store, account_id, program.id, version).await?.ok_or_else(|| {
        Refusal::not_found(Resource::Program, format!("{} with version {version} of its terms", program.id))
    })?;
    Ok(pb::GetProgramResponse { program: Some(render(&program, &terms)) })
}

pub(super) async fn list(call: Call, message: pb::ListProgramsRequest) -> Result<pb::ListProgramsResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let states = fields.values("states", &message.states);
    fields.finish()?;
    let filter = pb::ListProgramsRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page(&filter, shape, &message.page_token)?;
    let programs = store::program::list(call.store(), call.account_id(), &states, page.walk()).await?;
    let (programs, next_page_token) =
        page.fill(programs, |row| row.program.id.uuid(), |row| render(&row.program, &row.terms));
    Ok(pb::ListProgramsResponse { programs, next_page_token })
}

impl Change for pb::UpdateProgramRequest {
    type Rule = UpdateProgram;
    type Kept = ();

    const PATHS: FieldPaths = &[
        (Field::ProgramId, "program.id"),
        (Field::Etag, "program.etag"),
        (Field::CommissionCurrency, "program.terms.commission.flat.currency_code"),
    ];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn read(&self, _asking: &Asking) -> Result<(UpdateProgram, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let known = ["display_name", "landing_url", "is_default", "terms"];
        let paths = fields.update_mask(self.update_mask.as_ref(), &known);
        let Some(values) = fields.required("program", self.program.as_ref()) else { return Err(fields.into_error()) };
        let rule = fields.within("program", |fields| {
            let id = fields.id("id", &values.id);
            let display_name = paths
                .contains(&"display_name")
                .then(|| fields.required_line("display_name", &values.display_name, NAME_LENGTH_MAX));
            let landing_url = paths.contains(&"landing_url").then(|| fields.url("landing_url", &values.landing_url));
            let make_default = paths.contains(&"is_default");
            if make_default && !values.is_default {
                fields.wrong("is_default", "can be set to true only; make another program the default instead");
            }
            let rules = if paths.contains(&"terms") { terms(fields, "terms", values.terms.as_ref()) } else { None };
            let etag = (!values.etag.is_empty()).then(|| values.etag.clone());
            Some(UpdateProgram { id: id?, etag, display_name, landing_url, make_default, rules })
        });
        Ok((fields.complete(rule)?, ()))
    }

    fn render(answer: Arc<ProgramWithTerms>, replayed: bool, (): (), _asking: &Asking) -> pb::UpdateProgramResponse {
        pb::UpdateProgramResponse { program: Some(render(&answer.program, &answer.terms)), replayed }
    }
}

impl Change for pb::ArchiveProgramRequest {
    type Rule = ArchiveProgram;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
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

/// Reads the terms that an owner sets. Version and start are not read, because the server sets them.
fn terms(fields: &mut Fields, field: &str, terms: Option<&pb::Terms>) -> Option<TermsDraft> {
    let terms = fields.required(field, terms)?;
    fields.within(field, |fields| {
        let reach = fields.optional_value("reach", terms.reach).unwrap_or(TermsReach::NewSales);
        let commission = fields.required("commission", terms.commission.as_ref());
        let commission = commission.and_then(|value| optional_commission(fields, "commission", Some(value)));
        let hold_period_days = terms.hold_period_days.unwrap_or(HOLD_PERIOD_DAYS_DEFAULT);
        let window_days = terms.attribution_window_days.unwrap_or(ATTRIBUTION_WINDOW_DAYS_DEFAULT);
        let model = fields.optional_value("attribution_model", terms.attribution_model);
        let rules = TermsDraft {
            reach,
            hold_period_days: fields.number("hold_period_days", hold_period_days, 0..=DAYS_MAX),
            attribution_model: model.unwrap_or(AttributionModel::LastClick),
            attribution_window_days: fields.number("attribution_window_days", window_days, 1..=DAYS_MAX),
            precedence: precedence(fields, &terms.precedence),
            rounding: fields.optional_value("rounding", terms.rounding).unwrap_or(Rounding::HalfEven),
            commission: commission?,
        };
        Some(rules)
    })
}

fn precedence(fields: &mut Fields, numbers: &[i32]) -> [AttributionSource; 3] {
    if numbers.is_empty() {
        return PRECEDENCE_DEFAULT;
    }
    let sources: Vec<AttributionSource> = numbers.iter().filter_map(|number| WireEnum::from_number(*number)).collect();
    let has_each = AttributionSource::ALL.iter().all(|source| sources.contains(source));
    match <[AttributionSource; 3]>::try_from(sources) {
        Ok(sources) if has_each && numbers.len() == sources.len() => sources,
        _ => {
            let names: Vec<_> = PRECEDENCE_DEFAULT.iter().map(|source| source.wire_name()).collect();
            fields.wrong("precedence", format!("must have each of {} once, or nothing", names.join(", ")));
            PRECEDENCE_DEFAULT
        }
    }
}

/// Reads a commission; `None` when it is not set.
pub(super) fn optional_commission(
    fields: &mut Fields,
    field: &str,
    commission: Option<&pb::Commission>,
) -> Option<Commission> {
    let commission = commission?;
    let Some(rate) = &commission.rate else {
        fields.wrong(field, "must have one of percent_ppm and flat");
        return None;
    };
    fields.within(field, |fields| match rate {
        commission::Rate::PercentPpm(ppm) => {
            if !(0..=PPM).contains(&i64::from(*ppm)) {
                fields.wrong("percent_ppm", format!("must be 0 to {PPM}, in parts per million: 20 % is 200000"));
            }
            Some(Commission::PercentPpm(*ppm))
        }
        commission::Rate::Flat(flat) => fields.optional_money("flat", Some(flat)).map(Commission::Flat),
    })
}

/// A commission as a message.
pub(super) fn commission(value: Commission) -> pb::Commission {
    let rate = match value {
        Commission::PercentPpm(ppm) => commission::Rate::PercentPpm(ppm),
        Commission::Flat(flat) => commission::Rate::Flat(money(flat)),
    };
    pb::Commission { rate: Some(rate) }
}

/// A program with a version of its terms as a message.
pub(super) fn render(program: &Program, terms: &Terms) -> pb::Program {
    let rules = &terms.rules;
    pb::Program {
        id: program.id.to_string(),
        display_name: program.display_name.clone(),
        currency_code: program.currency.code().to_owned(),
        landing_url: program.landing_url.clone(),
        is_default: program.is_default,
        state: program.state.number(),
        terms: Some(pb::Terms {
            version: terms.version,
            start_time: Some(timestamp(terms.starts_at)),
            reach: rules.reach.number(),
            commission: Some(commission(rules.commission)),
            hold_period_days: Some(rules.hold_period_days),
            attribution_model: rules.attribution_model.number(),
            attribution_window_days: Some(rules.attribution_window_days),
            precedence: rules.precedence.iter().map(|source| source.number()).collect(),
            rounding: rules.rounding.number(),
        }),
        create_time: Some(timestamp(program.created_at)),
        update_time: Some(timestamp(program.updated_at)),
        etag: program.etag(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::KeyKind;
    use crate::domain::time::Time;

    fn percent(ppm: i32) -> Option<pb::Commission> {
        Some(pb::Commission { rate: Some(commission::Rate::PercentPpm(ppm)) })
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
        let asking = Asking { now: Time::from_micros(0), key_kind: KeyKind::Admin };
        message.read(&asking).map(|(rule, ())| rule)
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
                precedence: PRECEDENCE_DEFAULT,
                rounding: Rounding::HalfEven,
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

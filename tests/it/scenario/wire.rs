//! Scenarios over gRPC: every step is a call with the generated client to a server on a real database.

use std::collections::HashMap;

use headwater::domain::money::{Currency, Rounding};
use headwater::pb;
use prost_types::Timestamp;
use testkit::client::Client;
use tonic::{Code, Status};

use super::script::{Step, amount, minor_units};
use super::{World, balance_text, lead_text, percent_ppm};
use crate::support::database::TestDatabase;
use crate::support::server::{START_MICROS, TestServer, reason};

pub(crate) struct WireWorld {
    server: TestServer,
    client: Client,
    programs: HashMap<String, (String, String)>,
    affiliates: HashMap<String, String>,
    visitors: HashMap<String, String>,
}

impl WireWorld {
    pub(crate) async fn new(database: &TestDatabase) -> Self {
        let server = TestServer::start(database).await;
        let client = server.new_account("shop").await;
        let (programs, affiliates, visitors) = Default::default();
        Self { server, client, programs, affiliates, visitors }
    }

    /// A further scenario on the same server, with an account of its own.
    pub(crate) async fn begin(&mut self, name: &str) {
        self.server.clock.set(headwater::domain::time::Time::from_micros(START_MICROS));
        self.client = self.server.new_account(name).await;
        self.programs.clear();
        self.affiliates.clear();
        self.visitors.clear();
    }

    fn name_of(&self, id: &str) -> String {
        self.affiliates.iter().find(|(_, other)| *other == id).map(|(name, _)| name.clone()).unwrap()
    }

    fn program_id(&self, step: &Step) -> String {
        step.option("program").map(|name| self.programs[name].0.clone()).unwrap_or_default()
    }

    fn selector(&self, affiliate: &str) -> Option<pb::AffiliateSelector> {
        let id = self.affiliates[affiliate].clone();
        Some(pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(id)) })
    }

    async fn enrollment_id(&mut self, affiliate: &str, step: &Step) -> String {
        let request = pb::ListEnrollmentsRequest {
            affiliate: self.selector(affiliate),
            program_id: self.program_id(step),
            ..pb::ListEnrollmentsRequest::default()
        };
        let listed = self.client.affiliates.list_enrollments(request).await.unwrap().into_inner();
        listed.enrollments[0].id.clone()
    }

    async fn sale(&mut self, event_id: &str) -> pb::Conversion {
        let event = pb::RecordedEvent { kind: pb::ConversionKind::Sale.into(), event_id: event_id.to_owned() };
        let selector = Some(pb::get_conversion_request::Selector::Event(event));
        let request = pb::GetConversionRequest { selector };
        self.client.tracking.get_conversion(request).await.unwrap().into_inner().conversion.unwrap()
    }

    async fn reward_ids(&mut self, event_id: &str) -> Vec<String> {
        self.sale(event_id).await.rewards.into_iter().map(|reward| reward.id).collect()
    }

    async fn try_perform(&mut self, step: &Step) -> Result<String, Status> {
        match step.verb.as_str() {
            "day" => {
                let days = step.word(0).parse().unwrap();
                let start = headwater::domain::time::Time::from_micros(START_MICROS);
                self.server.clock.set(start.plus_days(days));
                Ok("ok".to_owned())
            }
            "program" | "terms" | "archive" => self.program_step(step).await,
            "affiliate" | "enroll" | "override" | "ref" | "end" => self.affiliate_step(step).await,
            "link" | "revoke" | "coupon" | "remove" => self.code_step(step).await,
            "click" => self.click_step(step).await,
            "lead" => self.lead_step(step).await,
            "sale" => self.sale_step(step).await,
            "refund" => self.refund_step(step).await,
            "cancel" => self.cancel_step(step).await,
            "approve" | "deny" | "approve-due" => self.reward_step(step).await,
            _ => self.read_step(step).await,
        }
    }

    async fn program_step(&mut self, step: &Step) -> Result<String, Status> {
        let name = step.word(0).to_owned();
        match step.verb.as_str() {
            "archive" => {
                let program_id = self.programs[&name].0.clone();
                let request = pb::ArchiveProgramRequest { program_id, ..pb::ArchiveProgramRequest::default() };
                self.client.affiliates.archive_program(request).await?;
            }
            "terms" => {
                let (id, currency) = self.programs[&name].clone();
                let terms = Some(terms(step, 1, &currency));
                let request = pb::UpdateProgramRequest {
                    program: Some(pb::Program { id, terms, ..pb::Program::default() }),
                    update_mask: Some(prost_types::FieldMask { paths: vec!["terms".to_owned()] }),
                    ..pb::UpdateProgramRequest::default()
                };
                self.client.affiliates.update_program(request).await?;
            }
            _ => {
                let currency = step.word(1).to_owned();
                let request = pb::CreateProgramRequest {
                    display_name: name.clone(),
                    currency_code: currency.clone(),
                    landing_url: "https://shop.example/".to_owned(),
                    terms: Some(terms(step, 2, &currency)),
                    ..pb::CreateProgramRequest::default()
                };
                let program = self.client.affiliates.create_program(request).await?.into_inner().program.unwrap();
                self.programs.insert(name, (program.id, currency));
            }
        }
        Ok("ok".to_owned())
    }

    async fn affiliate_step(&mut self, step: &Step) -> Result<String, Status> {
        let name = step.word(0).to_owned();
        let ref_id = step.option("ref").unwrap_or(&name).to_owned();
        let promo_code = step.option("coupon").unwrap_or_default().to_owned();
        let commission_override = step.option("commission").map(|text| commission(text, "USD"));
        let program_id = self.program_id(step);
        match step.verb.as_str() {
            "affiliate" => {
                let request = pb::CreateAffiliateRequest {
                    email: format!("{name}@affiliates.example"),
                    first_name: name.clone(),
                    program_id,
                    ref_id,
                    promo_code,
                    commission_override,
                    ..pb::CreateAffiliateRequest::default()
                };
                let made = self.client.affiliates.create_affiliate(request).await?.into_inner();
                self.affiliates.insert(name, made.affiliate.unwrap().id);
            }
            "enroll" => {
                let request = pb::EnrollRequest {
                    affiliate: self.selector(&name),
                    program_id,
                    ref_id,
                    promo_code,
                    commission_override,
                    ..pb::EnrollRequest::default()
                };
                self.client.affiliates.enroll(request).await?;
            }
            "override" => {
                let id = self.enrollment_id(&name, step).await;
                let commission_override = Some(commission(step.word(1), "USD"));
                let request = pb::UpdateEnrollmentRequest {
                    enrollment: Some(pb::Enrollment { id, commission_override, ..pb::Enrollment::default() }),
                    update_mask: Some(prost_types::FieldMask { paths: vec!["commission_override".to_owned()] }),
                    ..pb::UpdateEnrollmentRequest::default()
                };
                self.client.affiliates.update_enrollment(request).await?;
            }
            "ref" => {
                let enrollment = pb::Enrollment {
                    id: self.enrollment_id(&name, step).await,
                    ref_id: step.word(1).to_owned(),
                    ..Default::default()
                };
                let request = pb::UpdateEnrollmentRequest {
                    enrollment: Some(enrollment),
                    update_mask: Some(prost_types::FieldMask { paths: vec!["ref_id".to_owned()] }),
                    ..pb::UpdateEnrollmentRequest::default()
                };
                self.client.affiliates.update_enrollment(request).await?;
            }
            _ => {
                let enrollment_id = self.enrollment_id(&name, step).await;
                let request = pb::EndEnrollmentRequest { enrollment_id, ..pb::EndEnrollmentRequest::default() };
                self.client.affiliates.end_enrollment(request).await?;
            }
        }
        Ok("ok".to_owned())
    }

    async fn code_step(&mut self, step: &Step) -> Result<String, Status> {
        let code = step.word(0).to_owned();
        match step.verb.as_str() {
            "link" => {
                let enrollment_id = self.enrollment_id(step.word(1), step).await;
                let request = pb::CreateLinkRequest { enrollment_id, code, ..pb::CreateLinkRequest::default() };
                self.client.affiliates.create_link(request).await?;
            }
            "revoke" => {
                let listed = self.client.affiliates.list_links(pb::ListLinksRequest::default()).await?.into_inner();
                let link_id = listed.links.into_iter().find(|link| link.code == code).unwrap().id;
                let request = pb::RevokeLinkRequest { link_id, ..pb::RevokeLinkRequest::default() };
                self.client.affiliates.revoke_link(request).await?;
            }
            "coupon" => {
                let request = pb::AssignCouponRequest {
                    affiliate: self.selector(step.word(1)),
                    program_id: self.program_id(step),
                    code,
                    ..pb::AssignCouponRequest::default()
                };
                self.client.affiliates.assign_coupon(request).await?;
            }
            _ => {
                let request = pb::ListCouponsRequest { code, ..pb::ListCouponsRequest::default() };
                let mut listed = self.client.affiliates.list_coupons(request).await?.into_inner().coupons;
                let coupon_id = listed.pop().unwrap().id;
                let request = pb::RemoveCouponRequest { coupon_id, ..pb::RemoveCouponRequest::default() };
                self.client.affiliates.remove_coupon(request).await?;
            }
        }
        Ok("ok".to_owned())
    }

    async fn click_step(&mut self, step: &Step) -> Result<String, Status> {
        let visitor = step.word(0).to_owned();
        let request = pb::RecordClickRequest {
            referral: Some(pb::record_click_request::Referral::LinkCode(step.word(1).to_owned())),
            tid: self.visitors.get(&visitor).cloned().unwrap_or_default(),
            occur_time: occur_time(step),
            ..pb::RecordClickRequest::default()
        };
        let click = self.client.tracking.record_click(request).await?.into_inner();
        self.visitors.insert(visitor, click.tid);
        Ok(self.name_of(&click.affiliate_id))
    }

    fn tid(&self, step: &Step) -> String {
        step.option("visitor")
            .map(|name| self.visitors.get(name).map_or(name, String::as_str))
            .unwrap_or_default()
            .to_owned()
    }

    async fn lead_step(&mut self, step: &Step) -> Result<String, Status> {
        let (email, uid) = customer(step.word(1));
        let state = match step.option("state") {
            Some("subscribed") => pb::LeadState::Subscribed,
            _ => pb::LeadState::Unspecified,
        };
        let request = pb::RecordLeadRequest {
            event_id: step.word(0).to_owned(),
            email,
            uid,
            tid: self.tid(step),
            ref_id: step.option("ref").unwrap_or_default().to_owned(),
            coupon_code: step.option("coupon").unwrap_or_default().to_owned(),
            state: state.into(),
            occur_time: occur_time(step),
            ..pb::RecordLeadRequest::default()
        };
        let answer = self.client.tracking.record_lead(request).await?.into_inner();
        let text = match answer.outcome() {
            pb::ConversionOutcome::Attributed => format!("attributed {}", self.name_of(&answer.affiliate_id)),
            outcome => outcome_text(outcome),
        };
        Ok(replayed(answer.replayed, text))
    }

    async fn sale_step(&mut self, step: &Step) -> Result<String, Status> {
        let (email, uid) = customer(step.word(1));
        let currency = step.word(3);
        let channel = match step.option("channel") {
            Some("pos") => pb::SaleChannel::PointOfSale,
            _ => pb::SaleChannel::Unspecified,
        };
        let request = pb::RecordSaleRequest {
            event_id: step.word(0).to_owned(),
            email,
            uid,
            tid: self.tid(step),
            ref_id: step.option("ref").unwrap_or_default().to_owned(),
            coupon_code: step.option("coupon").unwrap_or_default().to_owned(),
            amount: Some(money(step.word(2), currency)),
            mrr: step.option("mrr").map(|mrr| money(mrr, currency)),
            channel: channel.into(),
            occur_time: occur_time(step),
            ..pb::RecordSaleRequest::default()
        };
        let answer = self.client.tracking.record_sale(request).await?.into_inner();
        let text = match answer.outcome() {
            pb::ConversionOutcome::Attributed => {
                assert!(!answer.conversion_id.is_empty());
                format!("attributed {}{}", self.name_of(&answer.affiliate_id), rewards_text(&answer.rewards))
            }
            outcome => {
                assert!(answer.conversion_id.is_empty(), "a sale that is not referred shows no conversion");
                outcome_text(outcome)
            }
        };
        Ok(replayed(answer.replayed, text))
    }

    async fn refund_step(&mut self, step: &Step) -> Result<String, Status> {
        let (email, uid) = step.option("customer").map(customer).unwrap_or_default();
        let request = pb::RecordRefundRequest {
            event_id: step.word(0).to_owned(),
            sale_event_id: step.option("sale").unwrap_or_default().to_owned(),
            email,
            uid,
            amount: Some(money(step.word(1), step.word(2))),
            occur_time: occur_time(step),
            ..pb::RecordRefundRequest::default()
        };
        let answer = self.client.tracking.record_refund(request).await?.into_inner();
        let text = match answer.outcome() {
            pb::ConversionOutcome::Attributed => format!("attributed{}", rewards_text(&answer.rewards)),
            outcome => outcome_text(outcome),
        };
        Ok(replayed(answer.replayed, text))
    }

    async fn cancel_step(&mut self, step: &Step) -> Result<String, Status> {
        let request = pb::RecordCancellationRequest {
            event_id: step.word(0).to_owned(),
            lead: lead_selector(step.word(1)),
            occur_time: occur_time(step),
        };
        let answer = self.client.tracking.record_cancellation(request).await?.into_inner();
        Ok(replayed(answer.replayed, outcome_text(answer.outcome())))
    }

    async fn reward_step(&mut self, step: &Step) -> Result<String, Status> {
        match step.verb.as_str() {
            "approve" => {
                let reward_ids = self.reward_ids(step.word(0)).await;
                let request = pb::ApproveRewardsRequest { reward_ids, ..pb::ApproveRewardsRequest::default() };
                self.client.rewards.approve_rewards(request).await?;
            }
            "deny" => {
                let reward_ids = self.reward_ids(step.word(0)).await;
                let reason = "no".to_owned();
                let request = pb::DenyRewardsRequest { reward_ids, reason, ..pb::DenyRewardsRequest::default() };
                self.client.rewards.deny_rewards(request).await?;
            }
            _ => {
                // Other scenarios' accounts are on the same server; only this one's rewards count.
                let before = self.approved_count().await?;
                self.server.server.app().approve_due_rewards().await.unwrap();
                return Ok((self.approved_count().await? - before).to_string());
            }
        }
        Ok("ok".to_owned())
    }

    /// How many approved rewards the account has, those that only take back left out.
    async fn approved_count(&mut self) -> Result<usize, Status> {
        let state = pb::RewardState::Approved.into();
        let request = pb::ListRewardsRequest { state, page_size: 1_000, ..pb::ListRewardsRequest::default() };
        let rewards = self.client.rewards.list_rewards(request).await?.into_inner().rewards;
        Ok(rewards.iter().filter(|reward| reward.reverses_reward_id.is_empty()).count())
    }

    async fn read_step(&mut self, step: &Step) -> Result<String, Status> {
        match step.verb.as_str() {
            "balance" => {
                let currency: Currency = step.word(1).parse().unwrap();
                let request = pb::GetBalanceRequest { affiliate: self.selector(step.word(0)) };
                let balances = self.client.rewards.get_balance(request).await?.into_inner().balances;
                let balance = balances.into_iter().find(|balance| balance.currency_code == currency.code());
                let balance = balance.unwrap_or_default();
                Ok(balance_text(balance.pending_minor, balance.owed_minor, balance.earned_minor, currency))
            }
            "rewards" => {
                let request = pb::ListRewardsRequest {
                    affiliate: self.selector(step.word(0)),
                    ..pb::ListRewardsRequest::default()
                };
                let rewards = self.client.rewards.list_rewards(request).await?.into_inner().rewards;
                let texts = rewards.into_iter().map(|reward| {
                    let state = short(reward.state().as_str_name(), "REWARD_STATE_");
                    let value = reward.value.unwrap();
                    format!("{} {state}", amount(value.amount_minor, value.currency_code.parse().unwrap()))
                });
                Ok(texts.collect::<Vec<_>>().join(", "))
            }
            "customer" => {
                let request = pb::GetLeadRequest { lead: lead_selector(step.word(0)) };
                match self.client.tracking.get_lead(request).await {
                    Ok(answer) => {
                        let lead = answer.into_inner().lead.unwrap();
                        let state = short(lead.state().as_str_name(), "LEAD_STATE_");
                        let bound = (!lead.affiliate_id.is_empty()).then(|| self.name_of(&lead.affiliate_id));
                        Ok(lead_text(&state, bound))
                    }
                    Err(status) if status.code() == Code::NotFound => Ok("unknown".to_owned()),
                    Err(status) => Err(status),
                }
            }
            "why" => {
                let texts = self.sale(step.word(0)).await.candidates.into_iter().map(|candidate| {
                    let source = match candidate.source() {
                        pb::AttributionSource::LeadBinding => "binding",
                        pb::AttributionSource::Coupon => "coupon",
                        pb::AttributionSource::Click => "click",
                        pb::AttributionSource::Unspecified => "unspecified",
                    };
                    format!("{source}:{}", short(candidate.result().as_str_name(), "CANDIDATE_RESULT_"))
                });
                Ok(texts.collect::<Vec<_>>().join(" "))
            }
            "terms-of" => match self.sale(step.word(0)).await.terms_version {
                0 => Ok("none".to_owned()),
                version => Ok(version.to_string()),
            },
            "feed" => self.feed().await,
            other => panic!("line {}: no such verb: {other}", step.line_number),
        }
    }

    /// The types of all events about conversions, by the feed itself; checks on the way that it has no gap.
    async fn feed(&mut self) -> Result<String, Status> {
        let request = pb::ListConversionEventsRequest {
            start: Some(pb::list_conversion_events_request::Start::Beginning(())),
            page_size: 1_000,
            ..pb::ListConversionEventsRequest::default()
        };
        let events = self.client.tracking.list_conversion_events(request).await?.into_inner().events;
        for (place, event) in (1..).zip(&events) {
            assert_eq!(event.sequence, place);
        }
        let about_conversions = events.iter().filter(|event| event.conversion.is_some());
        let texts = about_conversions.map(|event| short(event.r#type().as_str_name(), "EVENT_TYPE_"));
        Ok(texts.collect::<Vec<_>>().join(" "))
    }

    /// After each scenario the books must verify.
    pub(crate) async fn verify(&mut self) {
        let report = self.client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
        assert!(report.ok, "{:?}", report.differences);
    }
}

impl World for WireWorld {
    async fn perform(&mut self, step: &Step) -> String {
        match self.try_perform(step).await {
            Ok(answer) => answer,
            Err(status) => format!("error {}", reason(&status)),
        }
    }
}

fn short(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}

fn outcome_text(outcome: pb::ConversionOutcome) -> String {
    short(outcome.as_str_name(), "CONVERSION_OUTCOME_")
}

fn replayed(was_replayed: bool, text: String) -> String {
    if was_replayed { format!("replayed {text}") } else { text }
}

fn rewards_text(rewards: &[pb::RewardSummary]) -> String {
    if rewards.is_empty() {
        return " nothing".to_owned();
    }
    let values = rewards.iter().filter_map(|reward| reward.value.clone());
    values.map(|value| format!(" {}", amount(value.amount_minor, value.currency_code.parse().unwrap()))).collect()
}

fn occur_time(step: &Step) -> Option<Timestamp> {
    step.option("day")
        .map(|day| Timestamp { seconds: START_MICROS / 1_000_000 + day.parse::<i64>().unwrap() * 86_400, nanos: 0 })
}

fn money(text: &str, currency: &str) -> pb::Money {
    pb::Money { amount_minor: minor_units(text, currency.parse().unwrap()), currency_code: currency.to_owned() }
}

/// Email and uid of `bob@shop.example`, `uid:42`, both with a `+` between, or `-` for nobody.
fn customer(text: &str) -> (String, String) {
    let (mut email, mut uid) = (String::new(), String::new());
    for name in text.split('+').filter(|name| *name != "-") {
        match name.strip_prefix("uid:") {
            Some(id) => uid = id.to_owned(),
            None => email = name.to_owned(),
        }
    }
    (email, uid)
}

fn lead_selector(text: &str) -> Option<pb::LeadSelector> {
    let (email, uid) = customer(text);
    let selector =
        if uid.is_empty() { pb::lead_selector::Selector::Email(email) } else { pb::lead_selector::Selector::Uid(uid) };
    Some(pb::LeadSelector { selector: Some(selector) })
}

fn commission(text: &str, currency: &str) -> pb::Commission {
    let commission = match text.strip_prefix("flat:") {
        Some(flat) => pb::commission::Commission::Flat(money(flat, currency)),
        None => pb::commission::Commission::PercentPpm(percent_ppm(text)),
    };
    pb::Commission { commission: Some(commission) }
}

fn terms(step: &Step, commission_place: usize, currency: &str) -> pb::Terms {
    let precedence = step.option("precedence").map_or_else(Vec::new, |order| {
        let sources = order.split(',').map(|name| match name {
            "binding" => pb::AttributionSource::LeadBinding,
            "coupon" => pb::AttributionSource::Coupon,
            "click" => pb::AttributionSource::Click,
            other => panic!("no such source: {other}"),
        });
        sources.map(i32::from).collect()
    });
    let rounding = step.option("rounding").map(|name| match name.parse::<Rounding>().unwrap() {
        Rounding::HalfEven => pb::Rounding::HalfEven,
        Rounding::HalfUp => pb::Rounding::HalfUp,
        Rounding::Down => pb::Rounding::Down,
    });
    let model = step.option("model").map(|name| match name {
        "first" => pb::AttributionModel::FirstClick,
        _ => pb::AttributionModel::LastClick,
    });
    let reach = step.option("reach").map(|_| pb::TermsReach::NewCustomers);
    pb::Terms {
        commission: Some(commission(step.word(commission_place), currency)),
        hold_period_days: step.option("hold").map(|days| days.parse().unwrap()),
        attribution_window_days: step.option("window").map(|days| days.parse().unwrap()),
        attribution_model: model.unwrap_or_default().into(),
        rounding: rounding.unwrap_or_default().into(),
        reach: reach.unwrap_or_default().into(),
        precedence,
        ..pb::Terms::default()
    }
}

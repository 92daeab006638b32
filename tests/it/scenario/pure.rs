//! The rules alone: a working set that holds everything, no database, no wire.

use std::collections::HashMap;

use headwater::domain::account::{Account, NewApiKey, RegisterAccount};
use headwater::domain::affiliate::{AffiliateSelector, CreateAffiliate, Profile};
use headwater::domain::attribution::{AttributionSource, Referral};
use headwater::domain::click::RecordClick;
use headwater::domain::command::{Command, Envelope, Outcome};
use headwater::domain::conversion::{Conversion, ConversionKind, OrderDetails, RecordRefund, RecordSale, SaleChannel};
use headwater::domain::coupon::{AssignCoupon, RemoveCoupon};
use headwater::domain::enrollment::{EndEnrollment, Enroll, NewEnrollment, UpdateEnrollment};
use headwater::domain::id::{AccountId, AffiliateId, ClickId, EnrollmentId, IdSource, ProgramId, RewardId};
use headwater::domain::lead::{Customer, LeadSelector, LeadState, RecordCancellation, RecordLead};
use headwater::domain::ledger::Balance;
use headwater::domain::link::{CreateLink, RevokeLink};
use headwater::domain::money::{Currency, Money, Rounding};
use headwater::domain::program::{
    ArchiveProgram, AttributionModel, Commission, CreateProgram, TermsDraft, TermsReach, UpdateProgram,
};
use headwater::domain::refusal::{Refusal, Resource};
use headwater::domain::request::{Fingerprint, RequestScope};
use headwater::domain::reward::{ApproveRewards, DenyRewards, Reward, RewardState};
use headwater::domain::time::Time;
use headwater::domain::working_set::WorkingSet;
use headwater::domain::{Decision, decide};
use uuid::Uuid;

use super::World;
use super::script::{Step, amount, minor_units};
use crate::support::server::START_MICROS;

struct CountedIds(u128);

impl IdSource for CountedIds {
    fn next_uuid(&mut self) -> Uuid {
        self.0 += 1;
        Uuid::from_u128(self.0)
    }
}

pub(crate) struct PureWorld {
    set: WorkingSet,
    ids: CountedIds,
    now: Time,
    account: Account,
    programs: HashMap<String, ProgramId>,
    affiliates: HashMap<String, AffiliateId>,
    visitors: HashMap<String, ClickId>,
}

impl PureWorld {
    pub(crate) fn new() -> Self {
        let mut set = WorkingSet { is_complete: true, ..WorkingSet::default() };
        let mut ids = CountedIds(0);
        let now = Time::from_micros(START_MICROS);
        let key = NewApiKey { prefix: "hw_admin_test".to_owned(), secret_hash: [0; 32] };
        let command = RegisterAccount { display_name: "Shop".to_owned(), email: "owner@shop.example".to_owned(), key };
        let envelope =
            Envelope { account_id: AccountId::SERVER, fingerprint: None, command: Command::RegisterAccount(command) };
        let Decision { outcome: Outcome::Registered { account, .. }, .. } =
            decide(&mut set, &envelope, now, &mut ids).unwrap()
        else {
            panic!("RegisterAccount answers with the account")
        };
        let (programs, affiliates, visitors) = Default::default();
        Self { set, ids, now, account: *account, programs, affiliates, visitors }
    }

    fn carry_out(&mut self, command: Command, fingerprint: Option<Fingerprint>) -> Result<Decision, Refusal> {
        let envelope = Envelope { account_id: self.account.id, fingerprint, command };
        decide(&mut self.set, &envelope, self.now, &mut self.ids)
    }

    fn administer(&mut self, command: Command) -> Result<String, Refusal> {
        self.carry_out(command, None).map(|_| "ok".to_owned())
    }

    /// Records an event under its event_id, with a hash of what the line says.
    fn record(&mut self, step: &Step, kind: ConversionKind, command: Command) -> Result<Decision, Refusal> {
        use sha2::Digest;
        let text = format!("{:?} {:?}", step.words, step.options);
        let fingerprint = Fingerprint {
            scope: RequestScope::Event(Some(kind)).as_str().to_owned(),
            key: step.word(0).to_owned(),
            is_kept_for_ever: true,
            content_hash: sha2::Sha256::digest(text).into(),
        };
        self.carry_out(command, Some(fingerprint))
    }

    fn name_of(&self, id: AffiliateId) -> String {
        self.affiliates.iter().find(|(_, other)| **other == id).map(|(name, _)| name.clone()).unwrap()
    }

    fn program(&self, step: &Step) -> Option<ProgramId> {
        step.option("program").map(|name| self.programs[name])
    }

    fn enrollment(&self, affiliate: &str, program: Option<ProgramId>) -> EnrollmentId {
        let affiliate = self.affiliates[affiliate];
        self.set
            .enrollments
            .iter()
            .find(|row| row.affiliate_id == affiliate && program.is_none_or(|program| row.program_id == program))
            .map(|row| row.id)
            .unwrap()
    }

    fn conversion(&self, kind: ConversionKind, event_id: &str) -> &Conversion {
        self.set.conversions.iter().find(|row| row.kind == kind && row.event_id == event_id).unwrap()
    }

    fn rewards_of_sale(&self, event_id: &str) -> Vec<RewardId> {
        let sale = self.conversion(ConversionKind::Sale, event_id).id;
        self.set.rewards.iter().filter(|row| row.conversion_id == sale).map(|row| row.id).collect()
    }

    fn referral(&self, step: &Step) -> Referral {
        Referral {
            tid: step.option("visitor").map(|name| self.visitors.get(name).copied().ok_or_else(|| name.to_owned())),
            ref_id: step.option("ref").map(str::to_owned),
            coupon_code: step.option("coupon").map(str::to_owned),
        }
    }

    fn occurred_at(&self, step: &Step) -> Option<Time> {
        step.option("day").map(|day| Time::from_micros(START_MICROS).plus_days(day.parse().unwrap()))
    }

    fn money(text: &str, currency: &str) -> Money {
        let currency: Currency = currency.parse().unwrap();
        Money::new(minor_units(text, currency), currency)
    }

    fn rewards_text(rewards: &[headwater::domain::reward::RewardSummary]) -> String {
        if rewards.is_empty() {
            return " nothing".to_owned();
        }
        rewards.iter().map(|reward| format!(" {}", amount(reward.value.amount_minor, reward.value.currency))).collect()
    }

    fn try_perform(&mut self, step: &Step) -> Result<String, Refusal> {
        match step.verb.as_str() {
            "day" => {
                self.now = Time::from_micros(START_MICROS).plus_days(step.word(0).parse().unwrap());
                Ok("ok".to_owned())
            }
            "program" | "terms" | "archive" => self.program_step(step),
            "affiliate" | "enroll" | "override" | "ref" | "end" => self.affiliate_step(step),
            "link" | "revoke" | "coupon" | "remove" => self.code_step(step),
            "click" => self.click_step(step),
            "lead" | "sale" | "refund" | "cancel" => self.record_step(step),
            "approve" | "deny" | "approve-due" => self.reward_step(step),
            _ => Ok(self.read_step(step)),
        }
    }

    fn program_step(&mut self, step: &Step) -> Result<String, Refusal> {
        if step.verb == "archive" {
            let id = self.programs[step.word(0)];
            return self.administer(Command::ArchiveProgram(ArchiveProgram { id, etag: None }));
        }
        if step.verb == "terms" {
            let id = self.programs[step.word(0)];
            let currency = self.set.programs.get(&(self.account.id, id)).unwrap().currency;
            return self.administer(Command::UpdateProgram(Box::new(UpdateProgram {
                id,
                etag: None,
                display_name: None,
                landing_url: None,
                make_default: false,
                rules: Some(rules(step, 1, currency)),
            })));
        }
        let currency: Currency = step.word(1).parse().unwrap();
        let command = CreateProgram {
            display_name: step.word(0).to_owned(),
            currency,
            landing_url: "https://shop.example/".to_owned(),
            is_default: false,
            rules: rules(step, 2, currency),
        };
        match self.carry_out(Command::CreateProgram(Box::new(command)), None)?.outcome {
            Outcome::Program(program) => self.programs.insert(step.word(0).to_owned(), program.program.id),
            other => panic!("{other:?}"),
        };
        Ok("ok".to_owned())
    }

    fn affiliate_step(&mut self, step: &Step) -> Result<String, Refusal> {
        let name = step.word(0).to_owned();
        let enrollment = NewEnrollment {
            program_id: self.program(step),
            ref_id: Some(step.option("ref").unwrap_or(&name).to_owned()),
            ref_id_stem: String::new(),
            ref_id_suffix: String::new(),
            promo_code: step.option("coupon").map(str::to_owned),
            landing_url: String::new(),
            commission_override: step.option("commission").map(|text| commission(text, "USD".parse().unwrap())),
        };
        match step.verb.as_str() {
            "affiliate" => {
                let command = CreateAffiliate {
                    external_id: None,
                    email: format!("{name}@affiliates.example"),
                    first_name: name.clone(),
                    last_name: String::new(),
                    profile: Profile::default(),
                    token_hash: [u8::try_from(self.affiliates.len()).unwrap(); 32],
                    enrollment,
                };
                if let Outcome::Affiliate { affiliate, .. } =
                    self.carry_out(Command::CreateAffiliate(Box::new(command)), None)?.outcome
                {
                    self.affiliates.insert(name, affiliate.id);
                }
                Ok("ok".to_owned())
            }
            "enroll" => {
                let affiliate = AffiliateSelector::Id(self.affiliates[&name]);
                self.administer(Command::Enroll(Enroll { affiliate, enrollment }))
            }
            "override" => {
                let id = self.enrollment(&name, self.program(step));
                let commission_override = Some(Some(commission(step.word(1), "USD".parse().unwrap())));
                let command = UpdateEnrollment { id, ref_id: None, landing_url: None, commission_override };
                self.administer(Command::UpdateEnrollment(command))
            }
            "ref" => {
                let id = self.enrollment(&name, self.program(step));
                let ref_id = Some(step.word(1).to_owned());
                let command = UpdateEnrollment { id, ref_id, landing_url: None, commission_override: None };
                self.administer(Command::UpdateEnrollment(command))
            }
            _ => {
                let id = self.enrollment(&name, self.program(step));
                self.administer(Command::EndEnrollment(EndEnrollment { id }))
            }
        }
    }

    fn code_step(&mut self, step: &Step) -> Result<String, Refusal> {
        let code = step.word(0).to_owned();
        match step.verb.as_str() {
            "link" => {
                let enrollment_id = self.enrollment(step.word(1), self.program(step));
                self.administer(Command::CreateLink(CreateLink { enrollment_id, code, destination_url: String::new() }))
            }
            "revoke" => {
                let id = self.set.links.iter().find(|link| link.code == code).unwrap().id;
                self.administer(Command::RevokeLink(RevokeLink { id }))
            }
            "coupon" => self.administer(Command::AssignCoupon(AssignCoupon {
                affiliate: AffiliateSelector::Id(self.affiliates[step.word(1)]),
                program_id: self.program(step),
                code,
                description: String::new(),
            })),
            _ => {
                let id = self.set.coupons.iter().filter(|coupon| coupon.code == code).map(|coupon| coupon.id).max();
                self.administer(Command::RemoveCoupon(RemoveCoupon { id: id.unwrap() }))
            }
        }
    }

    fn click_step(&mut self, step: &Step) -> Result<String, Refusal> {
        let visitor = step.word(0).to_owned();
        let command = RecordClick {
            code: step.word(1).to_owned(),
            tid: self.visitors.get(&visitor).copied(),
            referrer_url: String::new(),
            occurred_at: self.occurred_at(step),
        };
        match self.carry_out(Command::RecordClick(command), None)?.outcome {
            Outcome::Click(click) => {
                self.visitors.insert(visitor, click.tid);
                Ok(self.name_of(click.affiliate_id))
            }
            other => panic!("{other:?}"),
        }
    }

    fn record_step(&mut self, step: &Step) -> Result<String, Refusal> {
        let event_id = step.word(0).to_owned();
        let occurred_at = self.occurred_at(step);
        let (kind, command) = match step.verb.as_str() {
            "lead" => {
                let command = RecordLead {
                    event_id,
                    customer: customer(step.word(1)),
                    referral: self.referral(step),
                    first_name: String::new(),
                    last_name: String::new(),
                    state: step.option("state").map_or(LeadState::Signup, |name| name.parse().unwrap()),
                    occurred_at,
                };
                (ConversionKind::Lead, Command::RecordLead(command))
            }
            "sale" => {
                let referral = self.referral(step);
                let command = RecordSale {
                    event_id,
                    customer: customer(step.word(1)),
                    amount: Self::money(step.word(2), step.word(3)),
                    occurred_at,
                    channel: match step.option("channel") {
                        Some("pos") => SaleChannel::PointOfSale,
                        _ => SaleChannel::Online,
                    },
                    first_name: String::new(),
                    last_name: String::new(),
                    mrr: step.option("mrr").map(|mrr| Self::money(mrr, step.word(3))),
                    order: OrderDetails {
                        coupon_code: referral.coupon_code.clone().unwrap_or_default(),
                        quantity: 1,
                        ..OrderDetails::default()
                    },
                    referral,
                };
                (ConversionKind::Sale, Command::RecordSale(command))
            }
            "refund" => {
                let command = RecordRefund {
                    event_id,
                    sale_event_id: step.option("sale").map(str::to_owned),
                    customer: step.option("customer").map(customer).unwrap_or_default(),
                    amount: Self::money(step.word(1), step.word(2)),
                    refund_id: String::new(),
                    occurred_at,
                };
                (ConversionKind::Refund, Command::RecordRefund(command))
            }
            _ => {
                let lead = customer(step.word(1)).selectors().remove(0);
                let command = RecordCancellation { event_id, lead, occurred_at };
                (ConversionKind::Cancellation, Command::RecordCancellation(command))
            }
        };
        let decision = self.record(step, kind, command)?;
        let answer = match decision.outcome {
            Outcome::Lead(lead) => match lead.affiliate_id {
                Some(id) => format!("attributed {}", self.name_of(id)),
                None => "not_referred".to_owned(),
            },
            Outcome::Sale(sale) => match sale.credit {
                Some(credit) => {
                    format!("attributed {}{}", self.name_of(credit.affiliate_id), Self::rewards_text(&sale.rewards))
                }
                None => "not_referred".to_owned(),
            },
            Outcome::Refund(refund) => {
                let rewards = match refund.sale_id {
                    Some(_) if refund.outcome.as_str() == "attributed" => Self::rewards_text(&refund.rewards),
                    _ => String::new(),
                };
                format!("{}{rewards}", refund.outcome)
            }
            Outcome::Cancellation(cancellation) => cancellation.outcome.to_string(),
            other => panic!("{other:?}"),
        };
        Ok(if decision.replayed { format!("replayed {answer}") } else { answer })
    }

    fn reward_step(&mut self, step: &Step) -> Result<String, Refusal> {
        match step.verb.as_str() {
            "approve" => {
                let ids = self.rewards_of_sale(step.word(0));
                self.administer(Command::ApproveRewards(ApproveRewards { ids, skip_others: false }))
            }
            "deny" => {
                let ids = self.rewards_of_sale(step.word(0));
                self.administer(Command::DenyRewards(DenyRewards { ids, reason: "no".to_owned() }))
            }
            _ => {
                let is_due = |reward: &&Reward| {
                    reward.state == RewardState::Pending
                        && reward.reverses.is_none()
                        && reward.approve_after <= self.now
                };
                let mut ids: Vec<RewardId> = self.set.rewards.iter().filter(is_due).map(|reward| reward.id).collect();
                ids.sort();
                let count = ids.len();
                self.carry_out(Command::ApproveRewards(ApproveRewards { ids, skip_others: true }), None)?;
                Ok(count.to_string())
            }
        }
    }

    fn read_step(&self, step: &Step) -> String {
        match step.verb.as_str() {
            "balance" => {
                let affiliate = self.affiliates[step.word(0)];
                let currency: Currency = step.word(1).parse().unwrap();
                let mut balance = Balance::default();
                let postings = self.set.postings.iter();
                for posting in postings.filter(|row| row.affiliate_id == affiliate && row.currency == currency) {
                    balance.post(posting).unwrap();
                }
                super::balance_text(balance.pending_minor, balance.owed_minor, balance.earned_minor(), currency)
            }
            "rewards" => {
                let mut states: Vec<_> = self.set.rewards.iter().collect();
                states.sort_by_key(|reward| reward.id);
                let affiliate = self.affiliates[step.word(0)];
                let states = states.into_iter().filter(|reward| reward.affiliate_id == affiliate);
                let texts = states.map(|reward| {
                    format!("{} {}", amount(reward.value.amount_minor, reward.value.currency), reward.state)
                });
                texts.collect::<Vec<_>>().join(", ")
            }
            "customer" => match self.find_lead(step.word(0)) {
                Some(lead) => super::lead_text(
                    lead.state.as_str(),
                    lead.binding.map(|binding| self.name_of(binding.affiliate_id)),
                ),
                None => "unknown".to_owned(),
            },
            "why" => {
                let sale = self.conversion(ConversionKind::Sale, step.word(0));
                let candidates = sale.candidates.iter().map(|candidate| {
                    let source = match candidate.source {
                        AttributionSource::LeadBinding => "binding",
                        AttributionSource::Coupon => "coupon",
                        AttributionSource::Click => "click",
                    };
                    format!("{source}:{}", candidate.result)
                });
                candidates.collect::<Vec<_>>().join(" ")
            }
            "terms-of" => {
                let sale = self.conversion(ConversionKind::Sale, step.word(0));
                sale.credit.map_or_else(|| "none".to_owned(), |credit| credit.terms_version.to_string())
            }
            "feed" => {
                let events = self.set.events.iter().filter(|event| event.image.is_some());
                events.map(|event| event.event_type.to_string()).collect::<Vec<_>>().join(" ")
            }
            other => panic!("line {}: no such verb: {other}", step.line_number),
        }
    }

    fn find_lead(&self, name: &str) -> Option<&headwater::domain::lead::Lead> {
        let selectors = customer(name).selectors();
        self.set.leads.iter().find(|lead| {
            selectors.iter().any(|selector| match selector {
                LeadSelector::Uid(uid) => lead.uid.as_ref() == Some(uid),
                LeadSelector::Email(email) => lead.email.as_ref() == Some(email),
                LeadSelector::Id(id) => lead.id == *id,
            })
        })
    }
}

impl World for PureWorld {
    async fn perform(&mut self, step: &Step) -> String {
        match self.try_perform(step) {
            Ok(answer) => answer,
            Err(refusal) => format!("error {}", reason(&refusal)),
        }
    }
}

/// `bob@shop.example`, `uid:42`, both with a `+` between, or `-` for nobody.
fn customer(text: &str) -> Customer {
    let mut customer = Customer::default();
    for name in text.split('+').filter(|name| *name != "-") {
        match name.strip_prefix("uid:") {
            Some(uid) => customer.uid = Some(uid.to_owned()),
            None => customer.email = Some(name.to_owned()),
        }
    }
    customer
}

/// `20%`, `12.5%`, or `flat:5.00`.
fn commission(text: &str, currency: Currency) -> Commission {
    match text.strip_prefix("flat:") {
        Some(flat) => Commission::Flat(Money::new(minor_units(flat, currency), currency)),
        None => Commission::PercentPpm(super::percent_ppm(text)),
    }
}

fn rules(step: &Step, commission_place: usize, currency: Currency) -> TermsDraft {
    let precedence = match step.option("precedence") {
        None => [AttributionSource::LeadBinding, AttributionSource::Coupon, AttributionSource::Click],
        Some(order) => {
            let sources: Vec<_> = order
                .split(',')
                .map(|name| match name {
                    "binding" => AttributionSource::LeadBinding,
                    "coupon" => AttributionSource::Coupon,
                    "click" => AttributionSource::Click,
                    other => panic!("no such source: {other}"),
                })
                .collect();
            sources.try_into().unwrap()
        }
    };
    TermsDraft {
        reach: match step.option("reach") {
            Some("new_customers") => TermsReach::NewCustomers,
            _ => TermsReach::NewSales,
        },
        commission: commission(step.word(commission_place), currency),
        hold_period_days: step.option("hold").map_or(30, |days| days.parse().unwrap()),
        attribution_model: match step.option("model") {
            Some("first") => AttributionModel::FirstClick,
            _ => AttributionModel::LastClick,
        },
        attribution_window_days: step.option("window").map_or(60, |days| days.parse().unwrap()),
        precedence,
        rounding: step.option("rounding").map_or(Rounding::HalfEven, |name| name.parse().unwrap()),
    }
}

/// The reason that `error.rs` gives for a refusal; the gRPC worlds see to it that the two agree.
fn reason(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NotFound { resource: Resource::Link, .. } => "LINK_NOT_FOUND",
        Refusal::NotFound { resource: Resource::Lead, .. } => "LEAD_NOT_FOUND",
        Refusal::NotFound { .. } => "NOT_FOUND",
        Refusal::NoDefaultProgram => "PROGRAM_NOT_FOUND",
        Refusal::AlreadyExists { .. } | Refusal::AlreadyEnrolled { .. } => "ALREADY_EXISTS",
        Refusal::NotEnrolled { .. } => "ENROLLMENT_NOT_FOUND",
        Refusal::InvalidField { .. } => "INVALID_FIELDS",
        Refusal::IdempotencyMismatch { .. } => "IDEMPOTENCY_MISMATCH",
        Refusal::EtagMismatch { .. } => "ETAG_MISMATCH",
        Refusal::RewardState { .. } => "REWARD_STATE",
        Refusal::ProgramArchived { .. } => "PROGRAM_ARCHIVED",
        Refusal::EnrollmentEnded { .. } => "ENROLLMENT_ENDED",
        Refusal::RefundExceedsSale { .. } => "REFUND_EXCEEDS_SALE",
        Refusal::CurrencyMismatch { .. } => "CURRENCY_MISMATCH",
        Refusal::NoSaleToRefund => "NO_SALE_TO_REFUND",
        Refusal::CouponLimit { .. } => "COUPON_LIMIT",
        Refusal::Overflow(_) => "INVALID_FIELDS",
        Refusal::NotLoaded(what) => panic!("{what} was not loaded"),
    }
}

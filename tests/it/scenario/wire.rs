//! Scenarios over gRPC: every step calls a server on a real database.

use std::time::Duration;

use headwater::domain::conversion::ConversionKind;
use headwater::domain::money::Currency;
use headwater::domain::time::Time;
use headwater::pb;
use headwater::pb::event::Subject;
use headwater::pb::simulate_terms_response::Content;
use headwater::rpc::call::change::Change;
use headwater::store;
use serde_json::{Value, json};
use testkit::client::Client;
use tonic::{Code, Status};

use super::play::short;
use super::rules::priced_by;
use super::{LeadFacts, SaleFacts, ScheduleFacts, World};
use crate::support::database::TestDatabase;
use crate::support::fakes::{Fakes, send_due};
use crate::support::feed::{cash, from_beginning, from_cursor};
use crate::support::server::{START_MICROS, TestServer};

pub(crate) struct WireWorld {
    server: TestServer,
    client: Client,
    fakes: Fakes,
}

impl WireWorld {
    pub(crate) async fn new(database: &TestDatabase) -> Self {
        let fakes = Fakes::start().await;
        let (paypal, stripe, wise) = (fakes.url("paypal"), fakes.url("stripe"), fakes.url("wise"));
        let flags = ["--paypal-address", &paypal, "--stripe-address", &stripe, "--wise-address", &wise];
        let server = TestServer::start_with(database, &flags).await;
        let client = server.new_account("shop").await;
        Self { server, client, fakes }
    }

    /// Begins another scenario on the same server, in a new account.
    pub(crate) async fn begin(&mut self, name: &str) {
        self.server.clock.set(Time::from_micros(START_MICROS));
        self.client = self.server.new_account(name).await;
    }

    /// The number of the account's approved rewards, without the negative ones of refunds.
    async fn approved_count(&mut self) -> usize {
        let states = vec![pb::RewardState::Approved.into()];
        let request = pb::ListRewardsRequest { states, page_size: 1_000, ..Default::default() };
        let rewards = self.client.rewards.list_rewards(request).await.unwrap().into_inner().rewards;
        rewards.iter().filter(|reward| reward.reverses_reward_id.is_empty()).count()
    }

    /// Verifies the books after each scenario.
    pub(crate) async fn verify(&mut self) {
        let report = self.client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
        assert!(report.ok, "{:?}", report.differences);
        let account = self.client.accounts.get_account(pb::GetAccountRequest {}).await.unwrap().into_inner().account;
        let account_id = account.unwrap().id.parse().unwrap();
        let snapshot = self.server.server.app().store().snapshot().await.unwrap();
        let differences = store::yearly_total::differences(&snapshot, account_id).await.unwrap();
        assert_eq!(differences, Vec::<String>::new());
    }

    /// A simulation with the terms in force changes nothing.
    pub(crate) async fn simulate(&mut self) {
        let request = pb::ListProgramsRequest::default();
        let programs = self.client.affiliates.list_programs(request).await.unwrap().into_inner().programs;
        for program in programs {
            let request =
                pb::SimulateTermsRequest { program_id: program.id, terms: program.terms, ..Default::default() };
            let mut messages = self.client.rewards.simulate_terms(request).await.unwrap().into_inner();
            let mut last = None;
            while let Some(message) = messages.message().await.unwrap() {
                last = message.content;
            }
            let Some(Content::Summary(summary)) = last else { panic!("{last:?}") };
            assert_eq!(summary.changed_conversion_count, 0, "{summary:?}");
            let differences = summary.totals.iter().filter_map(|total| total.difference_amount.as_ref());
            assert!(differences.into_iter().all(|amount| amount.amount_minor == 0), "{summary:?}");
        }
    }

    /// The explanation of every conversion gives the rewards that are recorded. Returns those that do not.
    pub(crate) async fn explain_all(&mut self) -> Vec<String> {
        let outcomes =
            [pb::ConversionOutcome::Attributed, pb::ConversionOutcome::NotReferred, pb::ConversionOutcome::Waiting];
        let request = pb::ListConversionsRequest {
            outcomes: outcomes.map(Into::into).to_vec(),
            page_size: 200,
            ..Default::default()
        };
        let conversions = self.client.tracking.list_conversions(request).await.unwrap().into_inner().conversions;
        let mut wrong = Vec::new();
        for conversion in conversions {
            let selector = Some(pb::conversion_selector::Selector::Id(conversion.id.clone()));
            let conversion = Some(pb::ConversionSelector { selector });
            let request = pb::ExplainConversionRequest { conversion };
            let told = self.client.tracking.explain_conversion(request).await.unwrap().into_inner();
            let differs =
                |credit: &pb::CreditExplanation| credit.difference() != pb::ExplanationDifference::Unspecified;
            assert!(!told.sentences.is_empty());
            if told.credits.iter().any(differs) || told.result() == pb::ExplanationResult::NotRecorded {
                wrong.push(format!("{}: {:#?}", told.conversion.unwrap().event_id, told.sentences));
            }
        }
        wrong
    }
}

/// What only a whole server has.
impl WireWorld {
    /// Calls the control of the fake providers.
    pub(super) async fn fake(&mut self, method: &str, path: &str, body: Option<Value>) -> Value {
        self.fakes.control(method, path, body).await
    }

    /// Opens a connected account at Stripe, and gives all that Stripe asks for.
    pub(super) async fn stripe_account(&mut self, key: &str) -> String {
        let made = self.fakes.call("POST", "stripe/v1/accounts", "type=express", key).await;
        let id = made["id"].as_str().unwrap().to_owned();
        self.fake("POST", &format!("stripe/accounts/{id}"), Some(json!({"complete": true}))).await;
        id
    }

    /// Lets time pass at the providers and here, and sends all that is due then.
    pub(super) async fn pass(&mut self, seconds: u64) {
        self.fake("POST", "clock", Some(json!({"advance_seconds": seconds}))).await;
        self.server.clock.pass(Duration::from_secs(seconds));
        send_due(&self.server).await;
    }

    pub(super) async fn payout(&mut self, payout_id: String) -> pb::Payout {
        let request = pb::GetPayoutRequest { payout_id };
        self.client.payouts.get_payout(request).await.unwrap().into_inner().payout.unwrap()
    }

    /// The kinds of the events about a payout.
    pub(super) async fn told(&mut self, payout_id: &str) -> Vec<String> {
        let (mut start, mut kinds) = (from_beginning(), Vec::new());
        loop {
            let request = pb::ReadEventsRequest { start: Some(start), page_size: 1_000, ..Default::default() };
            let events = self.client.feed.read_events(request).await.unwrap().into_inner().events;
            let is_told =
                |event: &&pb::Event| matches!(&event.subject, Some(Subject::Payout(payout)) if payout.id == payout_id);
            let told = events.iter().filter(is_told);
            kinds.extend(told.map(|event| short(event.kind().as_str_name(), "EVENT_KIND_PAYOUT_")));
            let Some(last) = events.last() else { return kinds };
            start = from_cursor(last.cursor.clone());
        }
    }

    pub(super) async fn preview(
        &mut self,
        request: pb::PreviewPayoutRunRequest,
    ) -> Result<Vec<pb::PayoutRunItem>, Status> {
        Ok(self.client.payouts.preview_payout_run(request).await?.into_inner().items)
    }

    /// A run, once its payouts are created.
    pub(super) async fn finished_run(&mut self, id: &str) -> pb::PayoutRun {
        let finished = async {
            loop {
                let request = pb::GetPayoutRunRequest { payout_run_id: id.to_owned() };
                let run = self.client.payouts.get_payout_run(request).await.unwrap().into_inner().payout_run.unwrap();
                if run.state() == pb::PayoutRunState::Created {
                    return run;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), finished).await.expect("the run is not finished")
    }

    pub(super) async fn payouts_of(&mut self, payout_run_id: String) -> Result<Vec<pb::Payout>, Status> {
        let request = pb::ListPayoutsRequest { payout_run_id, page_size: 1_000, ..Default::default() };
        Ok(self.client.payouts.list_payouts(request).await?.into_inner().payouts)
    }

    /// What is owed in the one currency that is asked for.
    pub(super) async fn amount_owed(&mut self, request: pb::GetAmountOwedRequest) -> pb::AmountOwed {
        let amounts = self.client.payouts.get_amount_owed(request).await.unwrap().into_inner().amounts;
        amounts.into_iter().next().unwrap_or_default()
    }

    pub(super) async fn statement(
        &mut self,
        request: pb::CalculateCommissionsRequest,
    ) -> Result<Vec<pb::StatementLine>, Status> {
        Ok(self.client.rewards.calculate_commissions(request).await?.into_inner().lines)
    }

    pub(super) async fn export(
        &mut self,
        request: pb::ExportPayoutFileRequest,
    ) -> Result<pb::ExportPayoutFileResponse, Status> {
        Ok(self.client.payouts.export_payout_file(request).await?.into_inner())
    }
}

fn suspicion(found: &pb::Suspicion) -> String {
    let flag = |flag: &pb::FraudFlag| {
        let kind = short(flag.kind().as_str_name(), "FRAUD_RULE_KIND_");
        let mode = short(flag.mode().as_str_name(), "FRAUD_RULE_MODE_");
        super::fraud::flag_text(&kind, &mode, &flag.found, &flag.threshold)
    };
    let flags: Vec<_> = found.flags.iter().map(flag).collect();
    flags.join(", ") + if found.is_released { " released" } else { "" }
}

fn selector(affiliate_id: &str) -> Option<pb::AffiliateSelector> {
    let selector = pb::affiliate_selector::Selector::Id(affiliate_id.to_owned());
    Some(pb::AffiliateSelector { selector: Some(selector) })
}

impl World for WireWorld {
    fn server(&mut self) -> &mut WireWorld {
        self
    }

    fn set_now(&mut self, now: Time) {
        self.server.clock.set(now);
    }

    async fn change<M: Change>(&mut self, request: M) -> Result<M::Response, Status> {
        self.client.call(M::NAME, request).await
    }

    async fn approve_due(&mut self) -> usize {
        // Other scenarios' accounts are on the same server. Only this account's rewards count.
        let before = self.approved_count().await;
        self.server.server.app().approve_due_rewards().await.unwrap();
        self.approved_count().await - before
    }

    async fn run_schedules(&mut self) {
        let app = self.server.server.app();
        app.run_due_schedules().await.unwrap();
        // The worker waits while the clock jumps.
        app.create_payouts_of_runs().await.unwrap();
    }

    async fn schedule(&mut self, id: &str) -> ScheduleFacts {
        let request = pb::GetPayoutScheduleRequest { payout_schedule_id: id.to_owned() };
        let schedule = self.client.payouts.get_payout_schedule(request).await.unwrap().into_inner();
        let schedule = schedule.payout_schedule.unwrap();
        ScheduleFacts {
            next_run_at: schedule.next_run_time.map(|time| Time::from_micros(time.seconds * 1_000_000)),
            last_run_id: schedule.last_payout_run_id,
            currency: schedule.currency_code.parse().unwrap(),
        }
    }

    async fn payouts_of_run(&mut self, run_id: &str) -> Vec<(String, i64, String)> {
        let request = pb::ListPayoutsRequest { payout_run_id: run_id.to_owned(), ..Default::default() };
        let payouts = self.client.payouts.list_payouts(request).await.unwrap().into_inner().payouts;
        let facts = |payout: pb::Payout| {
            let state = short(payout.state().as_str_name(), "PAYOUT_STATE_");
            (payout.affiliate_id, payout.amount.unwrap().amount_minor, state)
        };
        payouts.into_iter().map(facts).collect()
    }

    async fn enrollment_id(&mut self, affiliate_id: &str, program_id: &str) -> String {
        let (affiliate, program_id) = (selector(affiliate_id), program_id.to_owned());
        let request = pb::ListEnrollmentsRequest { affiliate, program_id, ..Default::default() };
        self.client.affiliates.list_enrollments(request).await.unwrap().into_inner().enrollments[0].id.clone()
    }

    async fn link_id(&mut self, code: &str) -> String {
        let listed = self.client.affiliates.list_links(pb::ListLinksRequest::default()).await.unwrap().into_inner();
        listed.links.into_iter().find(|link| link.code == code).unwrap().id
    }

    async fn coupon_id(&mut self, code: &str) -> String {
        let request = pb::ListCouponsRequest { code: code.to_owned(), ..Default::default() };
        self.client.affiliates.list_coupons(request).await.unwrap().into_inner().coupons.pop().unwrap().id
    }

    async fn recorded(&mut self, kind: ConversionKind, event_id: &str) -> SaleFacts {
        let name = format!("CONVERSION_KIND_{}", kind.as_str().to_uppercase());
        let kind = pb::ConversionKind::from_str_name(&name).unwrap();
        let event = pb::RecordedEvent { kind: kind.into(), event_id: event_id.to_owned() };
        let selector = Some(pb::conversion_selector::Selector::RecordedEvent(event));
        let request =
            pb::GetConversionRequest { conversion: Some(pb::ConversionSelector { selector }), ..Default::default() };
        let sale = self.client.tracking.get_conversion(request).await.unwrap().into_inner().conversion.unwrap();
        let candidates = sale.candidates.iter().map(|candidate| {
            let source = match candidate.source() {
                pb::AttributionSource::LeadBinding => "binding",
                pb::AttributionSource::Coupon => "coupon",
                pb::AttributionSource::Click => "click",
                pb::AttributionSource::Manual => "manual",
                pb::AttributionSource::Unspecified => "unspecified",
            };
            (source.to_owned(), short(candidate.result().as_str_name(), "CANDIDATE_RESULT_"))
        });
        SaleFacts {
            candidates: candidates.collect(),
            terms_version: sale.credits.first().map_or(0, |credit| credit.terms_version),
            priced_by: sale.rewards.iter().filter_map(|row| row.calculation.as_ref()).map(priced_by).collect(),
            suspicions: sale.suspicions.iter().map(suspicion).collect(),
            lines: sale.lines.iter().map(line_facts).collect(),
            reward_ids: sale.rewards.iter().map(|reward| reward.id.clone()).collect(),
        }
    }

    async fn lead(&mut self, email: &str, external_id: &str) -> Option<LeadFacts> {
        use pb::lead_selector::Selector;
        let named = if external_id.is_empty() {
            Selector::Email(email.to_owned())
        } else {
            Selector::ExternalId(external_id.to_owned())
        };
        let request = pb::GetLeadRequest { lead: Some(pb::LeadSelector { selector: Some(named) }) };
        match self.client.tracking.get_lead(request).await {
            Ok(answer) => {
                let lead = answer.into_inner().lead.unwrap();
                let state = short(lead.state().as_str_name(), "LEAD_STATE_");
                let affiliate_id = lead.credits.into_iter().next().map(|credit| credit.affiliate_id);
                let rewards = lead.customer_rewards.iter().map(reward).collect();
                let suspicion = lead.suspicion.iter().map(|found| {
                    let kind = short(found.flag.as_ref().unwrap().kind().as_str_name(), "FRAUD_RULE_KIND_");
                    format!("{kind} {}", found.masked_email).trim().to_owned()
                });
                let suspicion = suspicion.collect();
                Some(LeadFacts { state, affiliate_id, email_as_sent: lead.email_as_sent, rewards, suspicion })
            }
            Err(status) if status.code() == Code::NotFound => None,
            Err(status) => panic!("{status:?}"),
        }
    }

    async fn balance(&mut self, affiliate_id: &str, currency: Currency) -> [i64; 4] {
        let request = pb::GetBalanceRequest { affiliate: selector(affiliate_id), ..Default::default() };
        let balances = self.client.rewards.get_balance(request).await.unwrap().into_inner().balances;
        let is_in = |balance: &&pb::Balance| cash(balance.earned.as_ref()).currency_code == currency.code();
        let Some(balance) = balances.iter().find(is_in) else { return [0; 4] };
        [&balance.pending, &balance.owed, &balance.earned, &balance.in_dispute]
            .map(|value| cash(value.as_ref()).amount_minor)
    }

    async fn tax_state(&mut self, affiliate_id: &str) -> String {
        let request = pb::GetTaxProfileRequest { affiliate: selector(affiliate_id) };
        let profile = self.client.payouts.get_tax_profile(request).await.unwrap().into_inner().tax_profile.unwrap();
        short(profile.state().as_str_name(), "TAX_PROFILE_STATE_")
    }

    async fn yearly_total(&mut self, affiliate_id: &str, year: i32, currency: Currency) -> [i64; 3] {
        let request = pb::ListYearlyTotalsRequest { year, ..Default::default() };
        let years = self.client.payouts.list_yearly_totals(request).await.unwrap().into_inner().affiliates;
        let of_affiliate = years.into_iter().find(|year| year.affiliate_id == affiliate_id);
        let totals = of_affiliate.map_or_else(Vec::new, |year| year.totals);
        let is_in = |total: &&pb::YearlyTotal| total.paid.as_ref().unwrap().currency_code == currency.code();
        let Some(total) = totals.iter().find(is_in) else { return [0; 3] };
        [&total.paid, &total.returned, &total.fees].map(|sum| sum.as_ref().unwrap().amount_minor)
    }

    async fn explained(&mut self, kind: ConversionKind, event_id: &str) -> (String, Vec<String>) {
        let name = format!("CONVERSION_KIND_{}", kind.as_str().to_uppercase());
        let kind = pb::ConversionKind::from_str_name(&name).unwrap();
        let event = pb::RecordedEvent { kind: kind.into(), event_id: event_id.to_owned() };
        let selector = Some(pb::conversion_selector::Selector::RecordedEvent(event));
        let request = pb::ExplainConversionRequest { conversion: Some(pb::ConversionSelector { selector }) };
        let told = self.client.tracking.explain_conversion(request).await.unwrap().into_inner();
        let actions = told.actions().map(|action| short(action.as_str_name(), "EXPLANATION_ACTION_"));
        (short(told.result().as_str_name(), "EXPLANATION_RESULT_"), actions.collect())
    }

    async fn rewards(&mut self, affiliate_id: &str) -> Vec<(i64, Currency, String)> {
        let request = pb::ListRewardsRequest { affiliate: selector(affiliate_id), ..Default::default() };
        let rewards = self.client.rewards.list_rewards(request).await.unwrap().into_inner().rewards;
        let facts = rewards.into_iter().map(|reward| {
            let state = short(reward.state().as_str_name(), "REWARD_STATE_");
            let value = cash(reward.value.as_ref());
            (value.amount_minor, value.currency_code.parse().unwrap(), state)
        });
        facts.collect()
    }

    /// Reads the feed itself, which must have no gap.
    async fn feed(&mut self) -> Vec<String> {
        let request = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
        let events = self.client.feed.read_events(request).await.unwrap().into_inner().events;
        for (place, event) in (1..).zip(&events) {
            assert_eq!(event.sequence, place);
        }
        let is_told = |event: &&pb::Event| matches!(event.subject, Some(Subject::Conversion(_) | Subject::Reward(_)));
        events.iter().filter(is_told).map(|event| short(event.kind().as_str_name(), "EVENT_KIND_")).collect()
    }
}

fn line_facts(line: &pb::ConversionLine) -> (String, i64, i64) {
    let minor = |money: Option<&pb::Money>| money.map_or(0, |money| money.amount_minor);
    (line.line_id.clone(), minor(line.amount.as_ref()), minor(line.refunded_amount.as_ref()))
}

fn reward(reward: &pb::CustomerReward) -> String {
    let value = match reward.value.as_ref().and_then(|value| value.amount.as_ref()).unwrap() {
        pb::reward_value::Amount::Points(count) => format!("{count} points"),
        pb::reward_value::Amount::DiscountPercentPpm(ppm) => format!("{ppm} discount_percent"),
        pb::reward_value::Amount::DiscountMoney(money) => {
            format!(
                "discount_money {}.{:02} {}",
                money.amount_minor / 100,
                money.amount_minor % 100,
                money.currency_code
            )
        }
        other => panic!("{other:?}"),
    };
    format!("{value} {}", short(reward.state().as_str_name(), "CUSTOMER_REWARD_STATE_"))
}

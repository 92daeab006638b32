//! Scenarios against the rules alone: a working set that holds everything, without a database or a wire. Requests pass the
//! server's own parsing.

use std::collections::BTreeMap;

use headwater::domain::account::KeyKind;
use headwater::domain::attribution::AttributionSource;
use headwater::domain::conversion::{Conversion, ConversionKind, SaleLine};
use headwater::domain::customer_reward::CustomerReward;
use headwater::domain::event::EventImage;
use headwater::domain::explanation;
use headwater::domain::fraud::{FraudFlag, FraudRuleMode, Suspicion};
use headwater::domain::fraud_note::FraudNote;
use headwater::domain::id::{AccountId, AffiliateId, IdSource, RewardId};
use headwater::domain::lead::{Lead, LeadSelector};
use headwater::domain::ledger::Balance;
use headwater::domain::money::Currency;
use headwater::domain::outcome::Outcome;
use headwater::domain::payout::Payout;
use headwater::domain::payout_run::PayoutRunState;
use headwater::domain::reward::{Calculation, Reward, RewardState, RewardUnit};
use headwater::domain::rule::{
    ApproveRewards, Command, ContinuePayoutRun, Envelope, NewApiKey, RegisterAccount, RunPayoutSchedule,
};
use headwater::domain::set::WorkingSet;
use headwater::domain::tax_profile::TaxProfileState;
use headwater::domain::time::Time;
use headwater::domain::yearly_total::{YearlyTotalKey, YearlyTotals};
use headwater::domain::{Decision, decide};
use headwater::error::{CallName, Error};
use headwater::rpc::call::change::{self, Asking, Change};
use headwater::secrets::Secrets;
use sha2::Digest;
use tonic::Status;
use uuid::Uuid;

use super::{LeadFacts, SaleFacts, ScheduleFacts, World};
use crate::support::dossier::dossier;
use crate::support::server::START_MICROS;
use crate::support::simulation;

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
    account_id: AccountId,
}

impl PureWorld {
    pub(crate) fn new() -> Self {
        let (mut set, mut ids) = (WorkingSet::complete(), CountedIds(0));
        let now = Time::from_micros(START_MICROS);
        let key = NewApiKey { text_prefix: "hw_admin_test".to_owned(), secret_hash: [0; 32] };
        let (display_name, email) = ("Shop".to_owned(), "owner@shop.example".to_owned());
        let (time_zone, token) = ("UTC".to_owned(), Some("token".to_owned()));
        let rule = RegisterAccount { display_name, email, time_zone, key, token, invitation: None, is_test: false };
        let envelope = Envelope { account_id: AccountId::SERVER, fingerprint: None, actor: None, command: rule.into() };
        let Decision { outcome: Outcome::Registered(registered), .. } =
            decide(&mut set, &envelope, now, &mut ids).unwrap()
        else {
            panic!("RegisterAccount answers with the account")
        };
        Self { set, ids, now, account_id: registered.account.id }
    }

    fn try_change<M: Change>(&mut self, request: &M) -> Result<M::Response, Error> {
        let secrets = Secrets::parse(&"5".repeat(64)).unwrap();
        let asking = Asking { now: self.now, key_kind: KeyKind::Admin, account_id: self.account_id, secrets: &secrets };
        let (rule, kept) = request.read(&asking)?;
        let hash = |scope: &str, content: &[u8]| sha2::Sha256::new().chain_update(scope).chain_update(content);
        let envelope =
            change::envelope(request, rule, self.account_id, |scope, content| hash(scope, content).finalize().into());
        let decision = decide(&mut self.set, &envelope, self.now, &mut self.ids);
        let decision = decision.map_err(|refusal| Error::from(refusal).with_paths(M::PATHS))?;
        Ok(M::render(change::answer::<M>(decision.outcome)?, decision.replayed, kept, &asking))
    }

    /// What a simulation with the terms in force changes, which must be nothing.
    pub(crate) fn simulate(&mut self) -> Vec<String> {
        // The clock stands still in scenarios, so what is judged again may meet a change of the moment in which it was told.
        let (changed, _) = simulation::differences(&mut self.set, self.account_id, self.now, &mut self.ids);
        changed.iter().map(|changed| format!("{changed:?}")).collect()
    }

    /// Carries out a command of a worker.
    fn work(&mut self, command: impl Into<Command>) {
        let envelope =
            Envelope { account_id: self.account_id, fingerprint: None, actor: None, command: command.into() };
        decide(&mut self.set, &envelope, self.now, &mut self.ids).unwrap();
    }

    /// The affiliates who are owed something in a currency, in the order of their ids.
    fn owed(&self, currency: Currency) -> Vec<AffiliateId> {
        let mut balances: BTreeMap<AffiliateId, Balance> = BTreeMap::new();
        for posting in self.set.postings.iter().filter(|row| row.currency == currency && row.unit == RewardUnit::Cash) {
            balances.entry(posting.affiliate_id).or_default().post(posting).unwrap();
        }
        balances.into_iter().filter(|(_, balance)| balance.owed_minor > 0).map(|(id, _)| id).collect()
    }

    /// The rewards that a rule holds and that are owed nevertheless, and the balances that are not the sums of the rewards.
    pub(crate) fn faults_of_held_money(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut sums: BTreeMap<AffiliateId, [i64; 3]> = BTreeMap::new();
        for reward in self.set.rewards.iter() {
            let is_held = reward.review.as_ref().is_some_and(|review| review.holds());
            let sum = sums.entry(reward.affiliate_id).or_default();
            match reward.state {
                RewardState::Pending | RewardState::Held => sum[0] += reward.value.amount_minor,
                RewardState::Approved | RewardState::InPayout | RewardState::Paid => {
                    sum[1] += reward.value.amount_minor;
                }
                RewardState::Frozen => sum[2] += reward.value.amount_minor,
                RewardState::Denied | RewardState::Reversed => {}
            }
            let is_kept_back = matches!(
                reward.state,
                RewardState::Held | RewardState::Frozen | RewardState::Denied | RewardState::Reversed
            );
            if is_held && !is_kept_back {
                faults.push(format!("{reward:?}"));
            }
        }
        for (affiliate_id, [pending, owed, frozen]) in sums {
            let mut balance = Balance::default();
            let own = self.set.postings.iter().filter(|row| row.affiliate_id == affiliate_id);
            own.for_each(|posting| balance.post(posting).unwrap());
            // What is settled sums to zero, wherever it was booked.
            let is_sum = balance.pending_minor + balance.owed_minor == pending + owed && balance.frozen_minor == frozen;
            if !is_sum || balance.pending_minor < 0 {
                faults.push(format!("{affiliate_id} has {balance:?}, and rewards of {pending}, {owed} and {frozen}"));
            }
        }
        faults
    }

    /// The findings of fraud rules in the events of a lead.
    fn found_about(&self, lead: &Lead) -> Vec<String> {
        let names: Vec<_> = lead.own_and_merged_ids().map(FraudNote::name_of_lead).collect();
        let notes = names.iter().filter_map(|name| self.set.fraud_notes.get(&(self.account_id, name.clone())));
        let found = notes.flat_map(|note| note.lead_flags().to_vec());
        found.map(|found| format!("{} {}", found.flag.kind, found.masked_email).trim().to_owned()).collect()
    }

    fn conversion(&self, kind: ConversionKind, event_id: &str) -> &Conversion {
        self.set.conversions.iter().find(|row| row.kind == kind && row.event_id == event_id).unwrap()
    }
}

fn priced_by(calculation: &Calculation) -> String {
    let mut text = match &calculation.rule_taken {
        Some(taken) => format!("{}:{}", taken.number, taken.name),
        None => calculation.rule.to_string(),
    };
    if let Some(bonus) = calculation.rule_taken.as_ref().and_then(|taken| taken.first_sale_bonus) {
        text += &format!(" bonus {}.{:02}", bonus.amount_minor / 100, bonus.amount_minor % 100);
    }
    if let Some(taken) = calculation.rule_taken.as_ref().filter(|taken| taken.quantity > 0) {
        text += &format!(" x{}", taken.quantity);
    }
    if calculation.amount_not_compared {
        text += " amount_not_compared";
    }
    if let Some(met) = &calculation.ladder {
        text += &format!(" step {}", met.step);
    }
    for line in &calculation.lines {
        let id = if line.line_id.is_empty() { "rest" } else { &line.line_id };
        let rule = line.rule_taken.as_ref().map_or_else(|| line.rule.to_string(), |taken| taken.number.to_string());
        text += &format!(" {id}:{rule}:{}", line.value_minor);
    }
    text
}

impl World for PureWorld {
    fn set_now(&mut self, now: Time) {
        self.now = now;
    }

    async fn change<M: Change>(&mut self, request: M) -> Result<M::Response, Status> {
        self.try_change(&request).map_err(|error| error.into_status(&CallName::default()))
    }

    async fn approve_due(&mut self) -> usize {
        let is_due = |reward: &&Reward| {
            reward.state == RewardState::Pending && reward.reverses.is_none() && reward.auto_approve_at <= self.now
        };
        let rewards = self.set.rewards.iter().map(|reward| &**reward);
        let mut ids: Vec<RewardId> = rewards.filter(is_due).map(|reward| reward.id).collect();
        ids.sort();
        let count = ids.len();
        let command = ApproveRewards { ids, skip_others: true }.into();
        let envelope = Envelope { account_id: self.account_id, fingerprint: None, actor: None, command };
        decide(&mut self.set, &envelope, self.now, &mut self.ids).unwrap();
        count
    }

    async fn run_schedules(&mut self) {
        let due = self.set.payout_schedules.iter().filter(|row| row.next_run_at.is_some_and(|next| next <= self.now));
        let due: Vec<_> = due.map(|row| (row.id, row.next_run_at.unwrap(), row.currency)).collect();
        for (id, next_run_at, currency) in due {
            let is_anybody_owed = !self.owed(currency).is_empty();
            self.work(RunPayoutSchedule { id, next_run_at, is_anybody_owed });
        }
        let creating = self.set.payout_runs.iter().filter(|run| run.state == PayoutRunState::Creating);
        let creating: Vec<_> = creating.map(|run| (run.id, run.currency, run.affiliate_ids.clone())).collect();
        for (id, currency, named) in creating {
            let affiliate_ids = named.unwrap_or_else(|| self.owed(currency));
            self.work(ContinuePayoutRun { id, after: None, affiliate_ids, is_last: true });
        }
    }

    async fn schedule(&mut self, id: &str) -> ScheduleFacts {
        let row = self.set.payout_schedules.iter().find(|row| row.id.to_string() == id).unwrap();
        ScheduleFacts {
            next_run_at: row.next_run_at,
            last_run_id: row.last_run_id.map(|id| id.to_string()).unwrap_or_default(),
            currency: row.currency,
        }
    }

    async fn payouts_of_run(&mut self, run_id: &str) -> Vec<(String, i64, String)> {
        let payouts = self.set.payouts.iter().filter(|row| row.run_id.is_some_and(|id| id.to_string() == run_id));
        let mut payouts: Vec<_> = payouts.collect();
        payouts.sort_by_key(|row| row.id);
        let facts = |row: &std::sync::Arc<Payout>| {
            (row.affiliate_id.to_string(), row.amount.amount_minor, row.state.to_string())
        };
        payouts.into_iter().map(facts).collect()
    }

    async fn enrollment_id(&mut self, affiliate_id: &str, program_id: &str) -> String {
        let mut rows = self.set.enrollments.iter().filter(|row| row.affiliate_id.to_string() == affiliate_id);
        rows.find(|row| program_id.is_empty() || row.program_id.to_string() == program_id).unwrap().id.to_string()
    }

    async fn link_id(&mut self, code: &str) -> String {
        self.set.links.iter().find(|link| link.code == code).unwrap().id.to_string()
    }

    async fn coupon_id(&mut self, code: &str) -> String {
        let coupons = self.set.coupons.iter().filter(|coupon| coupon.code == code);
        coupons.map(|coupon| coupon.id).max().unwrap().to_string()
    }

    async fn recorded(&mut self, kind: ConversionKind, event_id: &str) -> SaleFacts {
        let sale = self.conversion(kind, event_id);
        let candidates = sale.candidates.iter().map(|candidate| {
            let source = match candidate.evidence.source() {
                AttributionSource::LeadBinding => "binding",
                AttributionSource::Coupon => "coupon",
                AttributionSource::Click => "click",
                AttributionSource::Manual => "manual",
            };
            (source.to_owned(), candidate.result.to_string())
        });
        let rewards = self.set.rewards.iter().filter(|row| row.conversion_id == Some(sale.id));
        let mut rewards: Vec<_> = rewards.collect();
        rewards.sort_by_key(|row| row.id);
        SaleFacts {
            candidates: candidates.collect(),
            terms_version: sale.credits.first().map_or(0, |credit| credit.terms_version),
            reward_ids: rewards.iter().map(|row| row.id.to_string()).collect(),
            priced_by: rewards.iter().filter_map(|row| row.calculation.as_ref()).map(priced_by).collect(),
            suspicions: sale.order.suspicions.iter().filter_map(suspicion).collect(),
            lines: sale.order.lines.iter().map(line_facts).collect(),
        }
    }

    async fn lead(&mut self, email: &str, external_id: &str) -> Option<LeadFacts> {
        let selector = if external_id.is_empty() {
            LeadSelector::Email(email.to_owned())
        } else {
            LeadSelector::ExternalId(external_id.to_owned())
        };
        let lead = self.set.find_lead(self.account_id, &selector).unwrap()?;
        Some(LeadFacts {
            state: lead.state.to_string(),
            affiliate_id: lead.credits().first().map(|credit| credit.affiliate_id.to_string()),
            email_as_sent: lead.email_as_sent.clone(),
            rewards: lead.details.customer_rewards.all().iter().map(reward).collect(),
            suspicion: self.found_about(lead),
        })
    }

    async fn balance(&mut self, affiliate_id: &str, currency: Currency) -> [i64; 4] {
        let mut balance = Balance::default();
        let of_affiliate = self.set.postings.iter().filter(|row| row.affiliate_id.to_string() == affiliate_id);
        for posting in of_affiliate.filter(|row| row.currency == currency) {
            balance.post(posting).unwrap();
        }
        [balance.pending_minor, balance.owed_minor, balance.earned_minor(), balance.frozen_minor]
    }

    async fn tax_state(&mut self, affiliate_id: &str) -> String {
        let profile = self.set.tax_profiles.iter().find(|row| row.affiliate_id.to_string() == affiliate_id);
        profile.map_or(TaxProfileState::Missing, |profile| profile.state_at(self.now)).to_string()
    }

    async fn yearly_total(&mut self, affiliate_id: &str, year: i32, currency: Currency) -> [i64; 3] {
        let calendar = self.set.account(self.account_id).unwrap().calendar();
        let (mut calendar, mut totals) = (calendar, YearlyTotals::default());
        self.set.payouts.iter().for_each(|payout| totals.payout(&mut calendar, payout, 1));
        self.set.postings.iter().filter(|row| row.is_fee()).for_each(|fee| totals.fee(&mut calendar, fee));
        let is_asked = |key: &YearlyTotalKey| {
            (key.year, key.currency) == (year, currency.code()) && key.affiliate_id.to_string() == affiliate_id
        };
        let total = totals.0.into_iter().find(|(key, _)| is_asked(key)).map(|(_, total)| total).unwrap_or_default();
        [total.paid_minor, total.returned_minor, total.fee_minor].map(|sum_minor| sum_minor.try_into().unwrap())
    }

    async fn explained(&mut self, kind: ConversionKind, event_id: &str) -> (String, Vec<String>) {
        let mut events = self.set.conversions.iter();
        let event = events.find(|row| row.kind == kind && row.event_id == event_id).unwrap();
        let told = explanation::explain(&dossier(&self.set, event));
        (told.result.to_string(), told.actions.iter().map(ToString::to_string).collect())
    }

    async fn rewards(&mut self, affiliate_id: &str) -> Vec<(i64, Currency, String)> {
        let mut rewards: Vec<_> =
            self.set.rewards.iter().filter(|reward| reward.affiliate_id.to_string() == affiliate_id).collect();
        rewards.sort_by_key(|reward| reward.id);
        let facts = rewards.into_iter();
        facts.map(|reward| (reward.value.amount_minor, reward.value.currency, reward.state.to_string())).collect()
    }

    async fn feed(&mut self) -> Vec<String> {
        let is_told = |image: &EventImage| matches!(image, EventImage::Conversion(_) | EventImage::Reward(_));
        self.set.events.iter().filter(|event| is_told(&event.image)).map(|event| event.kind.to_string()).collect()
    }
}

fn line_facts(line: &SaleLine) -> (String, i64, i64) {
    (line.line_id.clone(), line.amount_minor, line.refunded_minor)
}

fn suspicion(found: &Suspicion) -> Option<String> {
    let flag = |flag: &FraudFlag| {
        let mode = if flag.mode.holds() { FraudRuleMode::On } else { flag.mode };
        super::fraud::flag_text(flag.kind.as_str(), mode.as_str(), &flag.found, &flag.threshold)
    };
    let flags: Vec<_> = found.flags.iter().map(flag).collect();
    let released = if found.is_released { " released" } else { "" };
    (!flags.is_empty()).then(|| flags.join(", ") + released)
}

fn reward(reward: &CustomerReward) -> String {
    format!("{} {}", reward.unit.describe(reward.value), reward.state)
}

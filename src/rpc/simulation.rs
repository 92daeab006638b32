//! SimulateTerms on the wire. The app judges the history part by part, whenever the stream is asked for its next message, so a caller who is
//! gone leaves nothing open.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::call::Call;
use super::call::change::Change;
use super::call::parse::{Fields, Warnings};
use super::call::render::money;
use super::call::wire_enum::WireEnum;
use super::program::terms;
use super::{conversion, ledger, reward};
use crate::app::simulation::{Simulation, SimulationError, Sums};
use crate::clock;
use crate::deadline::Deadline;
use crate::domain::conversion::ConversionImage;
use crate::domain::id::{AccountId, AffiliateId};
use crate::domain::money::{Currency, Money};
use crate::domain::pricing::CommissionRule;
use crate::domain::program::{Terms, TermsDraft};
use crate::domain::refusal::{Refusal, Resource};
use crate::domain::reward::Reward;
use crate::domain::rule::{Envelope, RecordSale, check_currency};
use crate::domain::simulation::{OrderMatters, ProposedTerms};
use crate::domain::time::Time;
use crate::error::{CallName, Error};
use crate::pb::{self, simulate_terms_response::Content};
use crate::shares::Share;
use crate::store;

/// How often a message says how far the simulation is.
const PROGRESS_DELAY: Duration = Duration::from_secs(1);

/// How many affiliates a message has at most.
const AFFILIATES_MAX: usize = 1_000;

/// The messages of a simulation.
pub(in crate::rpc) type SimulationStream =
    Pin<Box<dyn Stream<Item = Result<pb::SimulateTermsResponse, Status>> + Send>>;

/// The request, parsed.
struct Wanted {
    terms: TermsDraft,
    start_at: Option<Time>,
    end_at: Option<Time>,
    sale: Option<RecordSale>,
    warnings: Warnings,
}

pub(in crate::rpc) async fn open(
    call: Call,
    message: pb::SimulateTermsRequest,
    draining: CancellationToken,
) -> Result<SimulationStream, Error> {
    let opened = timeout_at(call.deadline, begin(&call, &message)).await;
    let (simulation, warnings, share, sale) = opened.map_err(|_| Error::DeadlineExceeded { is_unchanged: true })??;
    let name = call.name.clone();
    if let Some(sale) = sale {
        let message = pb::SimulateTermsResponse { content: Some(Content::SampleSale(sale)), warnings };
        return Ok(Box::pin(stream::iter([Ok(message)])));
    }
    let end_at = call.sent_deadline.map(Deadline::handler_end);
    let running = Running {
        call,
        simulation,
        warnings,
        draining,
        end_at,
        stage: Stage::Beginning,
        conversion_count: 0,
        _share: share,
    };
    Ok(messages(running, name))
}

fn messages(running: Running, name: CallName) -> SimulationStream {
    let messages = stream::unfold(Some(running), |running| async move {
        let mut running = running?;
        match running.next().await {
            Ok(message) => message.map(|message| (Ok(message), Some(running))),
            Err(error) => Some((Err(error), None)),
        }
    });
    Box::pin(messages.map(move |message| message.map_err(|error| error.into_status(&name))))
}

type Begun = (Simulation, Warnings, Share<AccountId>, Option<pb::SimulatedSale>);

/// Reads the request, and simulates the sample sale if there is one.
async fn begin(call: &Call, message: &pb::SimulateTermsRequest) -> Result<Begun, Error> {
    let (store, account_id) = (call.store(), call.account_id());
    let _turn = store.read_turn(account_id).await;
    let mut fields = Fields::default();
    let program_id = fields.optional_id("program_id", &message.program_id);
    let wanted = read(call, fields, message).await?;
    let program = match program_id {
        Some(id) => store::program::find(store, account_id, id)
            .await?
            .ok_or_else(|| Refusal::not_found(Resource::Program, id))?,
        None => store::program::find_default(store, account_id).await?.ok_or(Refusal::NoDefaultProgram)?,
    };
    check_currency(&wanted.terms, program.currency)
        .map_err(|refusal| Error::from(refusal).with_paths(<pb::CreateProgramRequest as Change>::PATHS))?;
    let versions = store::simulation::versions(store, account_id).await?;
    let has_tallies = |terms: &Terms| terms.program_id == program.id && !terms.rules.sales_tallies.is_empty();
    refuse_sales_tallies(&wanted, versions.iter().any(has_tallies))?;
    let pays_for_tally = |terms: &Terms| terms.program_id == program.id && terms.rules.pays_for_tally();
    refuse_ladders_of_tallies(&wanted, versions.iter().any(pays_for_tally))?;
    let in_force = store::program::terms_in_force(store, &program, call.now()).await?;
    let proposed = ProposedTerms::new(&in_force, wanted.terms, wanted.start_at, wanted.end_at);
    if wanted.sale.is_none() {
        refuse_unordered(&proposed, &versions)?;
    }
    let share = call.rpc.app.begin_heavy(account_id)?;
    let mut simulation = Simulation::new(Arc::clone(&call.rpc.app), account_id, proposed, &versions);
    let sale = match wanted.sale {
        Some(rule) => {
            let envelope = Envelope { account_id, fingerprint: None, actor: None, command: rule.into() };
            let [current, proposed] = simulation.sale(&envelope).await.map_err(failed)?;
            let (current, proposed) = (Some(outcome(&current)), Some(outcome(&proposed)));
            Some(pb::SimulatedSale { current, proposed })
        }
        None => None,
    };
    Ok((simulation, wanted.warnings, share, sale))
}

/// The history is judged customer by customer, so terms are refused by which the order of all customers' events decides.
fn refuse_unordered(proposed: &ProposedTerms, versions: &[Terms]) -> Result<(), Error> {
    let mut fields = Fields::default();
    let (own, others): (Vec<&Terms>, Vec<_>) =
        versions.iter().partition(|terms| terms.program_id == proposed.terms.program_id);
    let rules: Vec<_> = own.iter().map(|terms| &terms.rules).collect();
    if let Some(reason) = OrderMatters::by(&[&proposed.terms.rules]) {
        fields.wrong("terms.caps", why_unordered(reason));
    } else if let Some(reason) = OrderMatters::by(&rules) {
        fields.wrong("program_id", format!("has terms with caps: {}", why_unordered(reason)));
    } else if let Some(reason) = OrderMatters::by(&proposed.with_the_rest(&own)) {
        fields.wrong("terms.caps", why_unordered(reason));
    } else if own.iter().any(|terms| !terms.rules.attributes_as(&proposed.terms.rules)) {
        // Events may then be credited in another program.
        let mut programs: BTreeMap<_, Vec<_>> = BTreeMap::new();
        others.iter().for_each(|terms| programs.entry(terms.program_id).or_default().push(&terms.rules));
        if let Some((id, reason)) = programs.iter().find_map(|(id, rules)| Some((id, OrderMatters::by(rules)?))) {
            let reason = why_unordered(reason);
            let problem = format!("credits other events than before, maybe those of program {id} with caps: {reason}");
            fields.wrong("terms", problem);
        }
    }
    fields.complete(Some(()))
}

/// Bonuses and figures of what an affiliate has sold need its sales in the order in which they were told.
fn refuse_sales_tallies(wanted: &Wanted, has_tallies: bool) -> Result<(), Error> {
    let mut fields = Fields::default();
    let rules = &wanted.terms.commission_rules;
    if wanted.sale.is_none() && !wanted.terms.threshold_bonuses.is_empty() {
        let problem = "cannot be simulated over the history; leave them out, or send a sample_sale";
        fields.wrong("terms.threshold_bonuses", problem);
    }
    if let Some(place) = rules.iter().position(CommissionRule::looks_at_sales)
        && wanted.sale.is_none()
    {
        let problem = "compares what the affiliate has sold, which cannot be simulated over the history; leave it out, or send a sample_sale";
        fields.wrong(&format!("terms.rules[{place}].condition"), problem);
    }
    if wanted.sale.is_none() && has_tallies {
        let problem = "has terms that count what an affiliate has sold, which cannot be simulated over the history; send a sample_sale";
        fields.wrong("program_id", problem);
    }
    fields.complete(Some(()))
}

/// RETROACTIVE and MARGINAL ladders pay for what all customers of an affiliate buy.
fn refuse_ladders_of_tallies(wanted: &Wanted, pays_for_tally: bool) -> Result<(), Error> {
    let mut fields = Fields::default();
    if wanted.sale.is_none() && wanted.terms.pays_for_tally() {
        let problem = "of this mode cannot be simulated over the history; leave it out, or send a sample_sale";
        fields.wrong("terms.ladder", problem);
    }
    if wanted.sale.is_none() && pays_for_tally {
        let problem = "has terms with a RETROACTIVE or MARGINAL ladder, which cannot be simulated over the history; send a sample_sale";
        fields.wrong("program_id", problem);
    }
    fields.complete(Some(()))
}

const fn why_unordered(reason: OrderMatters) -> &'static str {
    match reason {
        OrderMatters::SeveralCaps => {
            "several caps of customers and affiliates cannot be simulated over the history, because what they pay depends on the order in \
             which all events were told; keep one of them, or send a sample_sale"
        }
        OrderMatters::CapOfProgram => {
            "a cap of the program cannot be simulated over the history, because what it pays to whom depends on the order in which all \
             events were told; leave it out, or send a sample_sale"
        }
        OrderMatters::LadderAndCap => {
            "a ladder and a cap of customers, affiliates or the program cannot be simulated together over the history, because the step decides \
             what the cap limits; leave one of both out, or send a sample_sale"
        }
        OrderMatters::Uplines => {
            "caps and upline_levels cannot be simulated together over the history, because uplines earn of those commissions that found \
             room; leave one of both out, or send a sample_sale"
        }
        OrderMatters::Clicks => {
            "caps and rules for clicks cannot be simulated together over the history, because clicks count in the caps and are not \
             simulated; leave one of both out, or send a sample_sale"
        }
        OrderMatters::OtherMaximum => {
            "one cap with two maxima in two versions cannot be simulated over the history, because a new maximum pays nothing of before; \
             keep the maximum, or send a sample_sale"
        }
    }
}

async fn read(call: &Call, mut fields: Fields, message: &pb::SimulateTermsRequest) -> Result<Wanted, Error> {
    let start_at = fields.time("start_time", message.start_time.as_ref());
    let end_at = fields.time("end_time", message.end_time.as_ref());
    ledger::refuse_future(call, &mut fields, "start_time", start_at).await?;
    if start_at.zip(end_at).is_some_and(|(start_at, end_at)| end_at <= start_at) {
        fields.wrong("end_time", "must be later than start_time: the terms in force apply from then on");
    }
    let rules = terms::read(&mut fields, "terms", message.terms.as_ref());
    let sale = message.sample_sale.as_ref().and_then(|sent| sample_sale(call, &mut fields, sent));
    let mut warnings = fields.take_warnings();
    let terms = fields.complete(rules)?;
    let (sale, of_sale) = sale.unzip();
    warnings.extend(of_sale.into_iter().flatten());
    Ok(Wanted { terms, start_at, end_at, sale, warnings })
}

/// Reads a sale as RecordSale does. It has no event_id, so that no refund that waits is its own.
fn sample_sale(call: &Call, fields: &mut Fields, sent: &pb::RecordSaleRequest) -> Option<(RecordSale, Warnings)> {
    let sent = pb::RecordSaleRequest { event_id: "sample".to_owned(), ..sent.clone() };
    match sent.read(&call.asking()) {
        Ok((rule, mut warnings)) => {
            warnings.iter_mut().for_each(|warning| warning.field = format!("sample_sale.{}", warning.field));
            Some((RecordSale { event_id: String::new(), ..rule }, warnings))
        }
        Err(Error::InvalidFields(violations)) => {
            for violation in violations {
                fields.wrong(&format!("sample_sale.{}", violation.field), violation.description);
            }
            None
        }
        Err(_) => {
            fields.wrong("sample_sale", "cannot be read");
            None
        }
    }
}

fn failed(error: SimulationError) -> Error {
    match error {
        SimulationError::Refused(refusal) => refusal.into(),
        SimulationError::Store(error) => error.into(),
    }
}

/// What the next message is about.
enum Stage {
    Beginning,
    Judging,
    /// The results from this place on.
    Affiliates(Option<(AffiliateId, Currency)>),
    Over,
}

/// A stream of a simulation. Its next message is made when it is asked for.
struct Running {
    call: Call,
    simulation: Simulation,
    warnings: Warnings,
    draining: CancellationToken,
    end_at: Option<Instant>,
    stage: Stage,
    conversion_count: i64,
    _share: Share<AccountId>,
}

impl Running {
    /// The next message. `None` after the last one.
    async fn next(&mut self) -> Result<Option<pb::SimulateTermsResponse>, Error> {
        let end_at = self.end_at;
        let content = match end_at {
            Some(end_at) => timeout_at(end_at, self.content())
                .await
                .map_err(|_| Error::DeadlineExceeded { is_unchanged: true })??,
            None => self.content().await?,
        };
        let warnings = std::mem::take(&mut self.warnings);
        Ok(content.map(|content| pb::SimulateTermsResponse { content: Some(content), warnings }))
    }

    async fn content(&mut self) -> Result<Option<Content>, Error> {
        let due_at = clock::monotonic_now() + PROGRESS_DELAY;
        loop {
            if self.draining.is_cancelled() {
                return Err(Error::Unavailable);
            }
            match self.stage {
                Stage::Beginning => {
                    self.conversion_count = self.simulation.count().await?;
                    self.stage = Stage::Judging;
                    return Ok(Some(self.progress()));
                }
                Stage::Judging => {
                    // The key may have been revoked meanwhile.
                    self.call.rpc.authenticator.check(&self.call.principal).await?;
                    if !self.simulation.step().await.map_err(failed)? {
                        self.stage = Stage::Affiliates(None);
                        return Ok(Some(self.progress()));
                    }
                    if clock::monotonic_now() >= due_at {
                        return Ok(Some(self.progress()));
                    }
                }
                Stage::Affiliates(after) => {
                    let affiliates = self.affiliates_after(after);
                    if affiliates.is_empty() {
                        self.stage = Stage::Over;
                        return Ok(Some(self.summary()));
                    }
                    return Ok(Some(Content::Affiliates(pb::SimulatedAffiliates { affiliates })));
                }
                Stage::Over => return Ok(None),
            }
        }
    }

    fn progress(&self) -> Content {
        let judged_conversion_count = self.simulation.judged_count();
        Content::Progress(pb::SimulationProgress { judged_conversion_count, conversion_count: self.conversion_count })
    }

    fn affiliates_after(&mut self, after: Option<(AffiliateId, Currency)>) -> Vec<pb::SimulatedAffiliate> {
        let rest = self.simulation.affiliates().filter(|(key, _)| after.is_none_or(|after| **key > after));
        let page: Vec<_> = rest.take(AFFILIATES_MAX).collect();
        let last = page.last().map(|(key, _)| **key);
        let affiliates = page.into_iter().map(|((affiliate_id, currency), sums)| {
            let [earned_amount, proposed_amount, difference_amount] = amounts(*sums, *currency);
            pb::SimulatedAffiliate {
                affiliate_id: affiliate_id.to_string(),
                earned_amount,
                proposed_amount,
                difference_amount,
                changed_conversion_count: sums.changed_count,
            }
        });
        let affiliates = affiliates.collect();
        self.stage = Stage::Affiliates(last.or(after));
        affiliates
    }

    fn summary(&self) -> Content {
        let results = &self.simulation.results;
        let totals = self.simulation.totals().into_values().map(|(currency, sums)| {
            let [earned_amount, proposed_amount, difference_amount] = amounts(sums, currency);
            let changed_affiliate_count = sums.changed_count;
            pb::SimulationTotal { earned_amount, proposed_amount, difference_amount, changed_affiliate_count }
        });
        Content::Summary(pb::SimulationSummary {
            totals: totals.collect(),
            judged_conversion_count: results.judged_count,
            program_conversion_count: results.program_count,
            changed_conversion_count: results.changed_count,
        })
    }
}

/// What was earned, what would have been earned, and the difference.
fn amounts(sums: Sums, currency: Currency) -> [Option<pb::Money>; 3] {
    let amounts = [sums.earned_minor, sums.earned_minor + sums.difference_minor, sums.difference_minor];
    amounts.map(|minor| {
        let minor = i64::try_from(minor).unwrap_or(if minor < 0 { i64::MIN } else { i64::MAX });
        Some(money(Money::new(minor, currency)))
    })
}

fn outcome(image: &ConversionImage) -> pb::SimulatedOutcome {
    let sale = &image.conversion;
    pb::SimulatedOutcome {
        outcome: conversion::outcome_of(&sale.credits).number(),
        credits: conversion::credits(&sale.credits),
        candidates: sale.candidates.iter().map(conversion::candidate).collect(),
        rewards: image.rewards.iter().map(|reward| simulated_reward(reward)).collect(),
    }
}

fn simulated_reward(earned: &Reward) -> pb::SimulatedReward {
    pb::SimulatedReward {
        affiliate_id: earned.affiliate_id.to_string(),
        enrollment_id: earned.enrollment_id.to_string(),
        program_id: earned.program_id.to_string(),
        value: Some(money(earned.value)),
        calculation: (earned.calculation.as_ref())
            .map(|calculation| reward::render_calculation(calculation, earned.value.currency)),
    }
}

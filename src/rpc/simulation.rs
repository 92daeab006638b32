//! SimulateTerms on the wire. The app judges the history part by part, whenever the stream is asked for its next message, so a caller who is
//! gone leaves nothing open.

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
use crate::domain::program::TermsDraft;
use crate::domain::refusal::{Refusal, Resource};
use crate::domain::reward::Reward;
use crate::domain::rule::{Envelope, RecordSale, check_currency};
use crate::domain::simulation::ProposedTerms;
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
    let in_force = store::program::terms_in_force(store, &program, call.now()).await?;
    let proposed = ProposedTerms::new(&in_force, wanted.terms, wanted.start_at, wanted.end_at);
    // A sale that is recorded now finds the tallies of the version in force.
    let proposed = match &wanted.sale {
        Some(_) => proposed,
        None => proposed.among(&versions.iter().collect::<Vec<_>>()),
    };
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

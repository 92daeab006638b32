//! ReplayFraudRules on the wire. The app judges history page by page, whenever the stream is asked for its next message, so a caller who is gone
//! leaves nothing open.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::call::Call;
use super::call::parse::Fields;
use super::call::render::money;
use super::call::wire_enum::WireEnum;
use super::program::fraud;
use crate::app::fraud_replay::{FlaggedCredit, FraudReplay};
use crate::clock;
use crate::deadline::Deadline;
use crate::domain::id::AccountId;
use crate::domain::money::Money;
use crate::domain::refusal::{Refusal, Resource};
use crate::error::Error;
use crate::pb::{self, replay_fraud_rules_response::Content};
use crate::shares::Share;
use crate::store;

/// How often a message says how far the replay is.
const PROGRESS_DELAY: Duration = Duration::from_secs(1);

/// How many events a message has at most.
const EVENTS_MAX: usize = 500;

/// The messages of a replay.
pub(in crate::rpc) type FraudReplayStream =
    Pin<Box<dyn Stream<Item = Result<pb::ReplayFraudRulesResponse, Status>> + Send>>;

pub(in crate::rpc) async fn open(
    call: Call,
    message: pb::ReplayFraudRulesRequest,
    draining: CancellationToken,
) -> Result<FraudReplayStream, Error> {
    let opened = timeout_at(call.deadline, begin(&call, &message)).await;
    let (replay, share) = opened.map_err(|_| Error::DeadlineExceeded { is_unchanged: true })??;
    let name = call.name.clone();
    let end_at = call.sent_deadline.map(Deadline::handler_end);
    let stage = Stage::Beginning;
    let running = Running {
        call,
        replay,
        draining,
        end_at,
        stage,
        flagged: VecDeque::new(),
        conversion_count: 0,
        told_at: clock::monotonic_now(),
        _share: share,
    };
    let messages = stream::unfold(Some(running), |running| async move {
        let mut running = running?;
        match running.next().await {
            Ok(message) => message.map(|message| (Ok(message), Some(running))),
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(Box::pin(messages.map(move |message| message.map_err(|error| error.into_status(&name)))))
}

/// Reads the request.
async fn begin(call: &Call, message: &pb::ReplayFraudRulesRequest) -> Result<(FraudReplay, Share<AccountId>), Error> {
    let (store, account_id) = (call.store(), call.account_id());
    let _turn = store.read_turn(account_id).await;
    let mut fields = Fields::default();
    let program_id = fields.optional_id("program_id", &message.program_id);
    if message.fraud_rules.is_empty() {
        fields.wrong("fraud_rules", "must have a rule");
    }
    let rules = fraud::read(&mut fields, &message.fraud_rules);
    fields.finish()?;
    let program = match program_id {
        Some(id) => store::program::find(store, account_id, id)
            .await?
            .ok_or_else(|| Refusal::not_found(Resource::Program, id))?,
        None => store::program::find_default(store, account_id).await?.ok_or(Refusal::NoDefaultProgram)?,
    };
    let share = call.rpc.app.begin_heavy(account_id)?;
    Ok((FraudReplay::new(Arc::clone(&call.rpc.app), account_id, program.id, rules), share))
}

/// What the next message is about.
enum Stage {
    Beginning,
    Judging,
    /// Nothing is left to judge. What was flagged last may be left to tell.
    Judged,
    Over,
}

/// A stream of a replay. Its next message is made when it is asked for.
struct Running {
    call: Call,
    replay: FraudReplay,
    draining: CancellationToken,
    end_at: Option<Instant>,
    stage: Stage,
    /// What was flagged and not told yet: at most that of one page.
    flagged: VecDeque<FlaggedCredit>,
    conversion_count: i64,
    /// When a message last said how far the replay is.
    told_at: Instant,
    _share: Share<AccountId>,
}

impl Running {
    /// The next message. `None` after the last one.
    async fn next(&mut self) -> Result<Option<pb::ReplayFraudRulesResponse>, Error> {
        let content = match self.end_at {
            Some(end_at) => timeout_at(end_at, self.content())
                .await
                .map_err(|_| Error::DeadlineExceeded { is_unchanged: true })??,
            None => self.content().await?,
        };
        Ok(content.map(|content| pb::ReplayFraudRulesResponse { content: Some(content) }))
    }

    async fn content(&mut self) -> Result<Option<Content>, Error> {
        loop {
            if self.draining.is_cancelled() {
                return Err(Error::Unavailable);
            }
            if !self.flagged.is_empty() {
                let count = self.flagged.len().min(EVENTS_MAX);
                let events = self.flagged.drain(..count).map(|flagged| event(&flagged)).collect();
                return Ok(Some(Content::Events(pb::ReplayedEvents { events })));
            }
            match self.stage {
                Stage::Beginning => {
                    self.conversion_count = self.replay.count().await?;
                    self.stage = Stage::Judging;
                    return Ok(Some(self.progress()));
                }
                Stage::Judging if clock::monotonic_now() >= self.told_at + PROGRESS_DELAY => {
                    return Ok(Some(self.progress()));
                }
                Stage::Judging => {
                    // The key may have been revoked meanwhile.
                    self.call.rpc.authenticator.check(&self.call.principal).await?;
                    match self.replay.step().await? {
                        Some(flagged) => self.flagged.extend(flagged),
                        None => self.stage = Stage::Judged,
                    }
                }
                Stage::Judged => {
                    self.stage = Stage::Over;
                    return Ok(Some(self.summary()));
                }
                Stage::Over => return Ok(None),
            }
        }
    }

    fn progress(&mut self) -> Content {
        self.told_at = clock::monotonic_now();
        let judged_conversion_count = self.replay.counts.conversions;
        Content::Progress(pb::FraudReplayProgress { judged_conversion_count, conversion_count: self.conversion_count })
    }

    fn summary(&self) -> Content {
        let counts = &self.replay.counts;
        let held_amounts = counts.held_minor.values().map(|(currency, minor)| {
            let minor = i64::try_from(*minor).unwrap_or(if *minor < 0 { i64::MIN } else { i64::MAX });
            money(Money::new(minor, *currency))
        });
        let rules = self.replay.rules.iter().zip(&counts.by_rule);
        let rule_counts = rules.map(|(rule, count)| pb::FraudRuleCount {
            kind: rule.kind.number(),
            mode: rule.mode.number(),
            flagged_credit_count: *count,
        });
        Content::Summary(pb::FraudReplaySummary {
            judged_conversion_count: counts.conversions,
            judged_credit_count: counts.credits,
            flagged_credit_count: counts.flagged,
            held_credit_count: counts.held,
            held_amounts: held_amounts.collect(),
            rule_counts: rule_counts.collect(),
        })
    }
}

fn event(flagged: &FlaggedCredit) -> pb::ReplayedEvent {
    pb::ReplayedEvent {
        conversion_id: flagged.conversion_id.into(),
        affiliate_id: flagged.credit.affiliate_id.into(),
        enrollment_id: flagged.credit.enrollment_id.into(),
        flags: flagged.flags.iter().map(fraud::render_flag).collect(),
        is_held: flagged.is_held,
        rewards_amount: flagged.rewards.map(money),
    }
}

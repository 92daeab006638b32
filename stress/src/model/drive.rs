//! Plays steps: sends each to the server and to the model, and compares their answers.

use std::collections::BTreeMap;

use headwater_client::pb;
use testkit::client::Client;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

use super::command::{Command, Step};
use super::names::{Names, Parting};
use super::reply::{Refused, Replayed, Reply};
use super::world::World;

/// A difference between server and model.
#[derive(Debug, Clone)]
pub(super) struct Difference {
    /// The request or read with different answers, such as the step.
    pub(super) asked: String,
    pub(super) parting: Parting,
}

/// Changes the server's answer before the comparison, to prove that a wrong answer is found.
pub(super) type Distortion = fn(&mut Reply);

/// Counts of answers by method and kind, and of events by kind.
pub(super) type Tally = BTreeMap<(&'static str, String), u64>;

/// One account on the server, with its model.
pub(super) struct Player {
    pub(super) client: Client,
    pub(super) names: Names,
    pub(super) world: World,
    /// When the sequence started.
    pub(super) origin: i64,
    pub(super) distortion: Option<Distortion>,
    /// Events already read and compared, and the cursor after them.
    pub(super) events_checked: usize,
    pub(super) cursor: String,
    pub(super) tally: Tally,
    /// The steps collected for one batch, with the model's answers.
    waiting: Vec<(Step, Command, Reply)>,
}

fn answer<M>(result: Result<Response<M>, Status>, reply: impl FnOnce(M) -> Reply) -> Reply {
    match result {
        Ok(response) => reply(response.into_inner()).without_warnings(),
        Err(status) => Reply::Refused(Refused::of_call(&status)),
    }
}

/// Whether the call got no answer that can be compared, because the transport failed or the server could not take the call.
fn is_trouble(reply: &Reply) -> bool {
    let troubles = [Code::Unavailable, Code::DeadlineExceeded, Code::ResourceExhausted, Code::Unknown, Code::Cancelled];
    matches!(reply, Reply::Refused(refused) if troubles.contains(&refused.code))
}

impl Player {
    /// Registers an account.
    pub(super) async fn register(
        channel: &Channel,
        operator: &Client,
        now: i64,
        name: &str,
        distortion: Option<Distortion>,
    ) -> anyhow::Result<Self> {
        let email = format!("{name}@owners.example");
        let request = pb::RegisterAccountRequest {
            display_name: name.to_owned(),
            email,
            ..pb::RegisterAccountRequest::default()
        };
        let owner_email = request.email.clone();
        let registered = operator.accounts.clone().register_account(request).await?.into_inner();
        let world = World::new(now, name, &owner_email, registered.api_key.unwrap_or_default());
        let mut names = Names::default();
        let told =
            names.compare(&format!("{:?}", world.account), &format!("{:?}", registered.account.unwrap_or_default()));
        told.map_err(|parting| anyhow::anyhow!("registered otherwise: {parting:?}"))?;
        let client = Client::on(channel, &registered.api_key_text)?;
        let (events_checked, cursor, tally, waiting) = (0, String::new(), Tally::new(), Vec::new());
        Ok(Self { client, names, world, origin: now, distortion, events_checked, cursor, tally, waiting })
    }

    /// Plays a step that does not move the clock.
    pub(super) async fn play(&mut self, step: &Step) -> anyhow::Result<Option<Difference>> {
        let mut command = step.command.starting_at(self.origin);
        let is_batched = step.is_batched && command.item().is_some();
        // The ids that a collected step makes are unknown until it is sent.
        let must_learn = !command.is_known_to(&self.names);
        if (must_learn || !is_batched)
            && let Some(difference) = self.flush().await?
        {
            return Ok(Some(difference));
        }
        if must_learn
            && !command.is_known_to(&self.names)
            && let Some(difference) = self.check().await?
        {
            return Ok(Some(difference));
        }
        if self.waiting.is_empty() {
            self.world.begin_batch();
        }
        let expected = self.world.apply(step.label, &command);
        let command = command.resolve(&mut self.names);
        if is_batched {
            self.waiting.push((step.clone(), command, expected));
            return Ok(None);
        }
        let actual = self.send(command).await;
        self.compare_reply(step, &expected, actual)
    }

    /// Sends the collected batch.
    pub(super) async fn flush(&mut self) -> anyhow::Result<Option<Difference>> {
        if self.waiting.is_empty() {
            return Ok(None);
        }
        let waiting = std::mem::take(&mut self.waiting);
        let items = waiting.iter().map(|(_, command, _)| pb::BatchItem { item: command.item() }).collect();
        let results = self
            .client
            .tracking
            .batch_record_events(pb::BatchRecordEventsRequest { items })
            .await?
            .into_inner()
            .results;
        anyhow::ensure!(results.len() == waiting.len(), "{} results for {} items", results.len(), waiting.len());
        for ((step, _, expected), result) in waiting.into_iter().zip(results) {
            if let Some(difference) = self.compare_reply(&step, &expected, Reply::of_item(result).without_warnings())? {
                return Ok(Some(difference));
            }
        }
        Ok(None)
    }

    fn compare_reply(
        &mut self,
        step: &Step,
        expected: &Reply,
        mut actual: Reply,
    ) -> anyhow::Result<Option<Difference>> {
        anyhow::ensure!(!is_trouble(&actual), "step {step}: the server answered {actual:?}");
        *self.tally.entry((step.command.name(), actual.kind())).or_default() += 1;
        if let Some(distort) = self.distortion {
            distort(&mut actual);
        }
        Ok(self.compare(&format!("step {step}"), &format!("{expected:?}"), &format!("{actual:?}")))
    }

    /// Compares two texts for the same question.
    pub(super) fn compare(&mut self, asked: &str, expected: &str, actual: &str) -> Option<Difference> {
        let parted = self.names.compare(expected, actual).err()?;
        Some(Difference { asked: asked.to_owned(), parting: parted })
    }

    async fn send(&mut self, command: Command) -> Reply {
        let Client { accounts, affiliates, tracking, rewards, .. } = &mut self.client;
        match command {
            Command::Wait { .. } => Reply::Nothing,
            Command::UpdateAccount(request) => answer(accounts.update_account(request).await, |answer| {
                Reply::Account(answer.account.unwrap_or_default(), Replayed(answer.replayed))
            }),
            Command::CreateProgram(request) => answer(affiliates.create_program(request).await, |answer| {
                Reply::Program(answer.program.unwrap_or_default(), Replayed(answer.replayed))
            }),
            Command::UpdateProgram(request) => answer(affiliates.update_program(request).await, |answer| {
                Reply::Program(answer.program.unwrap_or_default(), Replayed(answer.replayed))
            }),
            Command::ArchiveProgram(request) => answer(affiliates.archive_program(request).await, |answer| {
                Reply::Program(answer.program.unwrap_or_default(), Replayed(answer.replayed))
            }),
            Command::CreateAffiliate(request) => {
                answer(affiliates.create_affiliate(*request).await, |made| Reply::Affiliate(Box::new(made)))
            }
            Command::ApproveAffiliate(request) => answer(affiliates.approve_affiliate(request).await, |answer| {
                Reply::ChangedAffiliate(Box::new(answer.affiliate.unwrap_or_default()), Replayed(answer.replayed))
            }),
            Command::DeactivateAffiliate(request) => answer(affiliates.deactivate_affiliate(request).await, |answer| {
                Reply::ChangedAffiliate(Box::new(answer.affiliate.unwrap_or_default()), Replayed(answer.replayed))
            }),
            Command::EraseAffiliate(request) => answer(affiliates.erase_affiliate(request).await, |answer| {
                Reply::ChangedAffiliate(Box::new(answer.affiliate.unwrap_or_default()), Replayed(answer.replayed))
            }),
            Command::SetUpline(request) => answer(affiliates.set_upline(request).await, |answer| {
                Reply::ChangedAffiliate(Box::new(answer.affiliate.unwrap_or_default()), Replayed(answer.replayed))
            }),
            Command::EnrollAffiliate(request) => answer(affiliates.enroll_affiliate(request).await, |answer| {
                Reply::Enrollment(answer.enrollment.unwrap_or_default(), answer.coupon, Replayed(answer.replayed))
            }),
            Command::UpdateEnrollment(request) => answer(affiliates.update_enrollment(request).await, |answer| {
                Reply::Enrollment(answer.enrollment.unwrap_or_default(), None, Replayed(answer.replayed))
            }),
            Command::EndEnrollment(request) => answer(affiliates.end_enrollment(request).await, |answer| {
                Reply::Enrollment(answer.enrollment.unwrap_or_default(), None, Replayed(answer.replayed))
            }),
            Command::MoveEnrollment(request) => answer(affiliates.move_enrollment(request).await, |answer| {
                Reply::Enrollment(answer.enrollment.unwrap_or_default(), None, Replayed(answer.replayed))
            }),
            Command::CreateLink(request) => answer(affiliates.create_link(request).await, |answer| {
                Reply::Link(answer.link.unwrap_or_default(), Replayed(answer.replayed))
            }),
            Command::RevokeLink(request) => answer(affiliates.revoke_link(request).await, |answer| {
                Reply::Link(answer.link.unwrap_or_default(), Replayed(answer.replayed))
            }),
            Command::AssignCoupon(request) => answer(affiliates.assign_coupon(request).await, |answer| {
                Reply::Coupon(answer.coupon.unwrap_or_default(), Replayed(answer.replayed))
            }),
            Command::RemoveCoupon(request) => answer(affiliates.remove_coupon(request).await, |answer| {
                Reply::Coupon(answer.coupon.unwrap_or_default(), Replayed(answer.replayed))
            }),
            Command::Click(request) => answer(tracking.record_click(request).await, Reply::Click),
            Command::Lead(request) => answer(tracking.record_lead(request).await, Reply::Lead),
            Command::Sale(request) => answer(tracking.record_sale(request).await, Reply::Sale),
            Command::Refund(request) => answer(tracking.record_refund(request).await, Reply::Refund),
            Command::Cancellation(request) => answer(tracking.record_cancellation(request).await, Reply::Cancellation),
            Command::Appointment(request) => answer(tracking.record_appointment(request).await, Reply::Appointment),
            Command::CustomEvent(request) => answer(tracking.record_custom_event(request).await, Reply::CustomEvent),
            Command::DeleteLead(request) => answer(tracking.delete_lead(request).await, Reply::DeletedLead),
            Command::Approve(request) => answer(rewards.approve_rewards(request).await, |answer| {
                Reply::Rewards(answer.rewards, Replayed(answer.replayed))
            }),
            Command::Deny(request) => answer(rewards.deny_rewards(request).await, |answer| {
                Reply::Rewards(answer.rewards, Replayed(answer.replayed))
            }),
            Command::Release(request) => answer(rewards.release_rewards(request).await, |answer| {
                Reply::Rewards(answer.rewards, Replayed(answer.replayed))
            }),
            Command::GetConversion(request) => answer(tracking.get_conversion(request).await, Reply::FoundConversion),
            Command::GetLead(request) => answer(tracking.get_lead(request).await, Reply::FoundLead),
            Command::GetBalance(request) => answer(rewards.get_balance(request).await, Reply::FoundBalance),
            Command::GetAffiliate(request) => answer(affiliates.get_affiliate(request).await, Reply::FoundAffiliate),
            Command::GetProgram(request) => answer(affiliates.get_program(request).await, Reply::FoundProgram),
            Command::GetReward(request) => {
                answer(rewards.get_reward(request).await, |found| Reply::FoundReward(Box::new(found)))
            }
        }
    }
}

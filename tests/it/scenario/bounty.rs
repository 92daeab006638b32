//! Steps that make bounties and contests, submit to them, and decide about submissions.

use headwater::pb;
use tonic::Status;

use super::World;
use super::offer::{day, limit};
use super::play::Player;
use super::request::money;
use super::script::Step;

/// What a step with these amounts promises, the first place first.
fn rewards(amounts: &[&str], currency: &str) -> Vec<pb::RewardValue> {
    let value =
        |amount: &&str| pb::RewardValue { amount: Some(pb::reward_value::Amount::Cash(money(amount, currency))) };
    amounts.iter().map(value).collect()
}

impl<W: World> Player<'_, W> {
    pub(super) async fn bounty_step(&mut self, step: &Step) -> Result<String, Status> {
        let name = step.word(0).to_owned();
        match step.verb.as_str() {
            "bounty" | "contest" => {
                let kind = match step.verb.as_str() {
                    "contest" => pb::BountyKind::Contest,
                    _ => pb::BountyKind::Submission,
                };
                let amounts: Vec<&str> = step.words.iter().skip(1).map(String::as_str).collect();
                let request = pb::CreateBountyRequest {
                    program_id: self.program_id(step),
                    kind: kind.into(),
                    display_name: name.clone(),
                    rewards: rewards(&amounts, "USD"),
                    start_time: day(step, "from"),
                    end_time: day(step, "until"),
                    max_submissions: limit(step, "max"),
                    max_submissions_per_affiliate: limit(step, "each"),
                    ..Default::default()
                };
                let bounty = self.world.change(request).await?.bounty.unwrap();
                self.bounties.insert(name, bounty.id);
                Ok("ok".to_owned())
            }
            "submit" => {
                let request = pb::SubmitToBountyRequest {
                    bounty_id: self.bounties[&name].clone(),
                    affiliate: self.selector(step.word(1)),
                    note: step.word(2).to_owned(),
                    ..Default::default()
                };
                let submission = self.world.change(request).await?.submission.unwrap();
                self.submissions.insert(step.word(2).to_owned(), submission.id);
                Ok("ok".to_owned())
            }
            "winners" => {
                let winners = step.words.iter().skip(1).map(|name| self.submissions[name].clone());
                let request = pb::NameContestWinnersRequest {
                    bounty_id: self.bounties[&name].clone(),
                    winner_submission_ids: winners.collect(),
                    ..Default::default()
                };
                self.world.change(request).await?;
                Ok("ok".to_owned())
            }
            _ => self.decide_step(step, &name).await,
        }
    }

    async fn decide_step(&mut self, step: &Step, name: &str) -> Result<String, Status> {
        let submission_id = self.submissions[name].clone();
        if step.verb == "approve-submission" {
            let request = pb::ApproveSubmissionRequest { submission_id, ..Default::default() };
            self.world.change(request).await?;
        } else {
            let reason = "no".to_owned();
            let request = pb::RejectSubmissionRequest { submission_id, reason, ..Default::default() };
            self.world.change(request).await?;
        }
        Ok("ok".to_owned())
    }
}

//! Steps about clicks, and about what they earn.

use headwater::pb;
use tonic::Status;

use super::World;
use super::play::{Player, short, values_text};
use super::request::occur_time;
use super::script::Step;

impl<W: World> Player<'_, W> {
    /// `click VISITOR CODE [times=N]`: the affiliate, and what the last click earned, or why it earned nothing if a rule is for it.
    pub(super) async fn click_step(&mut self, step: &Step) -> Result<String, Status> {
        let visitor = step.word(0).to_owned();
        let request = pb::RecordClickRequest {
            ref_id: step.word(1).to_owned(),
            tid: self.visitors.get(&visitor).cloned().unwrap_or_default(),
            referrer_url: step.option("referrer").unwrap_or_default().to_owned(),
            occur_time: occur_time(step),
            ..Default::default()
        };
        let mut click = self.world.change(request.clone()).await?;
        let times: usize = step.option("times").map_or(1, |times| times.parse().unwrap());
        for _ in 1..times {
            click = self.world.change(pb::RecordClickRequest { tid: click.tid, ..request.clone() }).await?;
        }
        let name = self.name_of(&click.affiliate_id);
        let payment = short(click.payment().as_str_name(), "CLICK_PAYMENT_");
        assert_eq!(click.reward.is_some(), click.payment() == pb::ClickPayment::Earned, "{click:?}");
        self.visitors.insert(visitor.clone(), click.tid);
        let Some(reward) = click.reward else {
            return Ok(if payment == "no_rule" { name } else { format!("{name} {payment}") });
        };
        let text = format!("{name} {payment}{}", values_text(std::slice::from_ref(&reward)));
        self.click_rewards.insert(visitor, reward.reward_id);
        Ok(text)
    }

    /// `deny-click VISITOR`: denies the newest reward of a click of the visitor.
    pub(super) async fn deny_click_step(&mut self, step: &Step) -> Result<String, Status> {
        let (reward_ids, reason) = (vec![self.click_rewards[step.word(0)].clone()], "no".to_owned());
        self.world.change(pb::DenyRewardsRequest { reward_ids, reason, ..Default::default() }).await?;
        Ok("ok".to_owned())
    }
}

//! The states of affiliates, what becomes of their pending rewards, and their uplines.

use headwater_client::pb;
use pb::event::Subject;
use pb::{AffiliateState, EventKind, PendingRewards, RewardState};
use tonic::Code;

use super::reward::{HOLD, denial};
use super::{Ruling, World, refused};
use crate::model::command::{micros, stamp};
use crate::model::reply::{Refused, Replayed, Reply};

/// An affiliate as the feed shows it.
pub(super) fn affiliate_image(row: &pb::Affiliate) -> Subject {
    let empty = String::new;
    Subject::Affiliate(pb::Affiliate {
        external_id: empty(),
        email: empty(),
        first_name: empty(),
        last_name: empty(),
        profile: None,
        state_reason: empty(),
        past_uplines: Vec::new(),
        ..row.clone()
    })
}

impl World {
    pub(super) fn check_affiliate_etag(&self, place: usize, sent: &str) -> Result<(), Refused> {
        let current = &self.affiliates[place].etag;
        if sent.is_empty() || sent == current {
            return Ok(());
        }
        refused(Code::Aborted, "ETAG_MISMATCH", &[("current_etag", current)])
    }

    pub(super) fn affiliate_answer(&mut self, place: usize) -> pb::Affiliate {
        let row = self.affiliates[place].clone();
        self.effect.clone_from(&row.id);
        row
    }

    /// Gives a changed affiliate its next etag, and adds the event.
    pub(super) fn affiliate_changed(&mut self, place: usize, kind: EventKind) -> pb::Affiliate {
        let now = stamp(self.now);
        let row = &mut self.affiliates[place];
        let version: u32 = row.etag.trim_start_matches('v').parse().unwrap_or_default();
        row.etag = format!("v{}", version + 1);
        row.update_time = Some(now);
        let image = affiliate_image(row);
        self.tell(kind, image);
        self.affiliate_answer(place)
    }

    /// Changes the state. It also counts for the enrollments, and for ended ones too.
    fn change_state(
        &mut self,
        place: usize,
        to: AffiliateState,
        reason: &str,
        pending_rewards: PendingRewards,
    ) -> Result<pb::Affiliate, Refused> {
        let now = stamp(self.now);
        let row = &mut self.affiliates[place];
        if row.state() == to {
            return Ok(self.affiliate_answer(place));
        }
        if row.state() == AffiliateState::Erased {
            let metadata = [("affiliate_id", row.id.as_str()), ("state", "erased")];
            return refused(Code::FailedPrecondition, "AFFILIATE_STATE", &metadata);
        }
        row.set_state(to);
        reason.clone_into(&mut row.state_reason);
        row.state_time = Some(now);
        row.set_pending_rewards(pending_rewards);
        let id = row.id.clone();
        let own: Vec<_> = self.enrollments.iter().filter(|row| row.affiliate_id == id).cloned().collect();
        own.iter().for_each(|row| self.keep_standing(row));
        let is_active = to == AffiliateState::Active;
        let kind = if is_active { EventKind::AffiliateApproved } else { EventKind::AffiliateDeactivated };
        Ok(self.affiliate_changed(place, kind))
    }

    pub(super) fn approve_affiliate(&mut self, request: &pb::ApproveAffiliateRequest) -> Ruling {
        let place = self.selected(request.affiliate.as_ref())?;
        self.check_affiliate_etag(place, &request.etag)?;
        let row = self.change_state(place, AffiliateState::Active, "", PendingRewards::Unspecified)?;
        Ok(Reply::ChangedAffiliate(Box::new(row), Replayed(false)))
    }

    pub(super) fn deactivate_affiliate(&mut self, request: &pb::DeactivateAffiliateRequest) -> Ruling {
        let place = self.selected(request.affiliate.as_ref())?;
        self.check_affiliate_etag(place, &request.etag)?;
        let row = self.change_state(place, AffiliateState::Inactive, &request.reason, request.pending_rewards())?;
        self.settle_pending(&row, &request.reason);
        self.effect.clone_from(&row.id);
        Ok(Reply::ChangedAffiliate(Box::new(row), Replayed(false)))
    }

    pub(super) fn set_upline(&mut self, request: &pb::SetUplineRequest) -> Ruling {
        let place = self.living(request.affiliate.as_ref())?;
        self.check_affiliate_etag(place, &request.etag)?;
        let upline_id = match &request.upline {
            Some(upline) => self.possible_upline(place, upline)?,
            None => String::new(),
        };
        let end_time = Some(stamp(self.now));
        let row = &mut self.affiliates[place];
        if row.upline_affiliate_id == upline_id {
            return Ok(Reply::ChangedAffiliate(Box::new(self.affiliate_answer(place)), Replayed(false)));
        }
        let affiliate_id = std::mem::replace(&mut row.upline_affiliate_id, upline_id);
        row.past_uplines.push(pb::PastUpline { affiliate_id, end_time });
        let row = self.affiliate_changed(place, EventKind::AffiliateUplineChanged);
        Ok(Reply::ChangedAffiliate(Box::new(row), Replayed(false)))
    }

    /// The selected affiliate, which must not be erased.
    pub(super) fn living(&self, selector: Option<&pb::AffiliateSelector>) -> Result<usize, Refused> {
        let place = self.selected(selector)?;
        let row = &self.affiliates[place];
        if row.state() == AffiliateState::Erased {
            return refused(Code::FailedPrecondition, "AFFILIATE_ERASED", &[("affiliate_id", &row.id)]);
        }
        Ok(place)
    }

    /// The id of an upline, which must not have the affiliate above it.
    fn possible_upline(&self, place: usize, upline: &pb::AffiliateSelector) -> Result<String, Refused> {
        let id = &self.affiliates[place].id;
        let upline = &self.affiliates[self.living(Some(upline))?];
        let mut above = Some(upline);
        while let Some(row) = above {
            if row.id == *id {
                return refused(Code::FailedPrecondition, "UPLINE_LOOP", &[("affiliate_id", id)]);
            }
            above = self.affiliates.iter().find(|other| other.id == row.upline_affiliate_id);
        }
        Ok(upline.id.clone())
    }

    /// Denies or holds what was pending when the affiliate was deactivated. A repeated call goes on with what is left of it.
    pub(super) fn settle_pending(&mut self, affiliate: &pb::Affiliate, reason: &str) {
        let step = match affiliate.pending_rewards() {
            PendingRewards::Deny => denial(reason),
            PendingRewards::Hold => HOLD,
            PendingRewards::Keep | PendingRewards::Unspecified => return,
        };
        // The server does this once the deactivation is committed.
        self.begin_commit();
        let deactivated = affiliate.state_time.as_ref().map(micros);
        let is_left = |reward: &pb::Reward| {
            reward.affiliate_id == affiliate.id
                && reward.state() == RewardState::Pending
                && reward.reverses_reward_id.is_empty()
                && reward.create_time.as_ref().map(micros) <= deactivated
        };
        let left: Vec<usize> = (0..self.rewards.len()).filter(|place| is_left(&self.rewards[*place])).collect();
        // No request of the caller's is the cause.
        self.cause.clear();
        self.carry_on(&left, &step);
    }

    /// A repeated answer shows the affiliate's data as they are now.
    pub(super) fn with_present_data(&self, row: &mut pb::Affiliate) {
        let Some(now) = self.affiliates.iter().find(|other| other.id == row.id).cloned() else { return };
        *row = pb::Affiliate {
            external_id: now.external_id,
            email: now.email,
            first_name: now.first_name,
            last_name: now.last_name,
            profile: now.profile,
            state_reason: now.state_reason,
            past_uplines: now.past_uplines,
            ..row.clone()
        };
    }
}

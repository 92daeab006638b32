//! The rule of clicks.

use std::sync::Arc;

use super::context::{Context, Rule};
use super::terms::applicable_terms;
use super::{click_payment, timeline};
use crate::domain::click::{Click, ClickOutcome, ClickPayment};
use crate::domain::id::{AccountId, ClickId};
use crate::domain::refusal::{Refusal, Resource};
use crate::domain::set::Needs;
use crate::domain::terms_period::Occasion;
use crate::domain::time::Time;
use crate::domain::upline_standing::why_not_earning;

/// Record a visit through a link.
#[derive(Debug, Clone)]
pub struct RecordClick {
    /// The code of the link, or a ref_id, in lower case. Empty: the link is the one that claims the page.
    pub code: String,
    /// The page that the visitor came to, as links claim it. Only looked at if there is no code.
    pub page: String,
    /// The affiliate's own name for where the link was placed.
    pub sub_id: String,
    /// The visitor's tracking id, if the visitor already has one.
    pub tid: Option<ClickId>,
    /// The page that the visitor came from.
    pub referrer_url: String,
    /// When the click happened; `None` for now.
    pub occurred_at: Option<Time>,
}

impl Rule for RecordClick {
    type Answer = ClickOutcome;

    // A click makes no event and no posting, unless it is told late and its visitor has bought since, or terms pay for clicks. An account that
    // has only clicks in a batch therefore needs no lock. The writer locks accounts that ever had such terms.
    fn locks_account(&self) -> bool {
        self.tid.is_some() && self.occurred_at.is_some()
    }

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        if self.code.is_empty() {
            needs.names.claimed_pages.insert((account, self.page.clone()));
        } else {
            needs.link_code(account, &self.code);
        }
        needs.names.clicks_of.extend(self.tid.map(|tid| (account, tid)));
        if self.locks_account() {
            needs.names.conversions_of_visitor.extend(self.tid.map(|tid| (account, tid)));
        }
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<ClickOutcome, Refusal> {
        let account_id = context.account_id;
        // A revoked link and an ended enrollment get the same answer as an unknown code, because a visitor's browser need not
        // know the difference.
        let (found, name) = if self.code.is_empty() {
            (context.set.link_claiming(account_id, &self.page)?, &self.page)
        } else {
            (context.set.link_with_code(account_id, &self.code)?, &self.code)
        };
        let unknown = || Refusal::not_found(Resource::Link, name);
        let link = found.ok_or_else(unknown)?;
        // A click is judged by what its link was when it happened.
        let occurred_at = self.occurred_at.unwrap_or(context.now);
        let enrollment = context.set.serving(context.set.enrollment(account_id, link.enrollment_id)?, occurred_at)?;
        let program = context.set.program(account_id, enrollment.program_id)?;
        let standing = enrollment.standing_at(occurred_at);
        if link.is_revoked_at(occurred_at) || why_not_earning(standing, program, occurred_at).is_some() {
            return Err(unknown());
        }
        let destination_url = context.set.destination(link, enrollment)?.to_owned();
        let terms = applicable_terms(context.set, program, &Occasion::of(enrollment, occurred_at))?;
        let paid_for = terms.rules.pays_for_clicks().then(|| (Arc::clone(enrollment), Arc::clone(terms)));
        let id = ClickId::new(context.ids);
        let known_visitor = match self.tid {
            Some(tid) if !context.set.clicks_of(account_id, tid)?.is_empty() => Some(tid),
            _ => None,
        };
        let mut click = Click {
            id,
            account_id,
            tid: known_visitor.unwrap_or(id),
            link_id: link.id,
            enrollment_id: enrollment.id,
            affiliate_id: enrollment.affiliate_id,
            program_id: enrollment.program_id,
            referrer_url: self.referrer_url.clone(),
            sub_id: self.sub_id.clone(),
            occurred_at,
            created_at: context.now,
            payment: ClickPayment::NoRule,
            reward_id: None,
        };
        let mut reward = None;
        if let Some((enrollment, terms)) = paid_for {
            let earned = click_payment::earn(context, &click, &enrollment, &terms)?;
            reward = earned.reward.map(|reward| reward.summary());
            click.payment = earned.payment;
            click.reward_id = reward.as_ref().map(|reward| reward.reward_id);
        }
        let click = context.put(click);
        keep_first_clicks(context, click.tid)?;
        if self.occurred_at.is_some()
            && let Some(tid) = known_visitor
        {
            timeline::judge_visitor_again(context, tid, occurred_at)?;
        }
        let (affiliate_id, payment) = (click.affiliate_id, click.payment);
        Ok(ClickOutcome { click_id: id, tid: click.tid, destination_url, affiliate_id, payment, reward })
    }
}

/// From this number of clicks on, the first click of each day is kept apart. It is well below the number of clicks that are read,
/// so that no click is forgotten before.
const CLICKS_BEFORE_KEEPING: usize = 50;

/// Keeps the first click of a visitor of each day and program apart, if the visitor has many clicks.
fn keep_first_clicks(context: &mut Context<'_>, tid: ClickId) -> Result<(), Refusal> {
    let clicks: Vec<_> = context.set.clicks_of(context.account_id, tid)?.into_iter().cloned().collect();
    if clicks.len() < CLICKS_BEFORE_KEEPING {
        return Ok(());
    }
    context.set.wanted().names.first_clicks_of.insert((context.account_id, tid));
    // The clicks come in the order in which they happened.
    for click in clicks {
        let kept = context.set.first_click(&click)?;
        if kept.is_none_or(|kept| click.occurred_at < kept.occurred_at) {
            context.put(click.as_first());
        }
    }
    Ok(())
}

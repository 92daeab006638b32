//! The rule of uplines: who brought an affiliate. Loops are refused.

use std::sync::Arc;

use super::{check_etag, put_changed};
use crate::domain::affiliate::{Affiliate, AffiliateSelector, AffiliateState, UPLINE_LEVELS_MAX};
use crate::domain::event::EventKind;
use crate::domain::id::{AccountId, AffiliateId};
use crate::domain::refusal::Refusal;
use crate::domain::rule::context::{Context, Rule};
use crate::domain::set::Needs;

/// Set, move or remove the upline of an affiliate.
#[derive(Debug, Clone)]
pub struct SetUpline {
    /// The affiliate.
    pub affiliate: AffiliateSelector,
    /// Refuse unless this is the affiliate's etag.
    pub etag: Option<String>,
    /// Who brought the affiliate. `None`: nobody.
    pub upline: Option<AffiliateSelector>,
}

impl Rule for SetUpline {
    type Answer = Arc<Affiliate>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.affiliate(account, &self.affiliate);
        if let Some(upline) = &self.upline {
            needs.affiliate_with_uplines(account, upline);
        }
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let before = Arc::clone(context.set.living_affiliate(context.account_id, &self.affiliate)?);
        check_etag(&before, self.etag.as_ref())?;
        let upline_id = match &self.upline {
            Some(upline) => Some(checked(context, upline, Some(before.id))?),
            None => None,
        };
        if before.upline_id == upline_id {
            return Ok(before);
        }
        let mut affiliate = before.as_ref().clone();
        affiliate.set_upline(upline_id, context.now);
        Ok(put_changed(context, EventKind::AffiliateUplineChanged, affiliate))
    }
}

/// The id of an upline. Refuses one that is not there, was rejected or was erased, that has the affiliate itself above it, or that has too
/// many levels above it. `id` is the affiliate's, unless it is new.
pub(super) fn checked(
    context: &Context<'_>,
    upline: &AffiliateSelector,
    id: Option<AffiliateId>,
) -> Result<AffiliateId, Refusal> {
    let account_id = context.account_id;
    let Some(upline) = context.set.find_affiliate(account_id, upline)? else {
        return Err(Refusal::UplineNotFound { name: upline.to_string() });
    };
    match upline.state {
        AffiliateState::Erased => return Err(Refusal::AffiliateErased { affiliate_id: upline.id }),
        AffiliateState::Rejected => return Err(Refusal::UplineRejected { affiliate_id: upline.id }),
        AffiliateState::Applied | AffiliateState::Active | AffiliateState::Inactive => {}
    }
    let mut above = Some(upline.id);
    for _ in 0..UPLINE_LEVELS_MAX {
        let Some(next) = above else { return Ok(upline.id) };
        if Some(next) == id {
            return Err(Refusal::UplineLoop { affiliate_id: next });
        }
        above = context.set.existing::<Affiliate>(&(account_id, next))?.upline_id;
    }
    match above {
        None => Ok(upline.id),
        Some(_) => Err(Refusal::UplineLevels { limit: UPLINE_LEVELS_MAX }),
    }
}

//! Affiliates with what few have: past uplines, a password, and the state after a deactivation.

use headwater::domain::affiliate::{
    Affiliate, AffiliateState, FormerEmail, Password, PasswordHash, PastUpline, PendingRewards,
};
use headwater::domain::id::AffiliateId;

use super::{NOW, affiliate, affiliate_group, profile_with_custom_fields, uuid};

fn password() -> Password {
    Password { hash: PasswordHash::new("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA".to_owned()), is_temporary: true }
}

pub(crate) fn past_uplines() -> Vec<PastUpline> {
    let past = |upline: Option<u128>, day| PastUpline {
        affiliate_id: upline.map(|number| AffiliateId::from_uuid(uuid(number))),
        ended_at: NOW.plus_days(day),
    };
    vec![past(None, 1), past(Some(41), 2)]
}

/// The affiliate after its deactivation, with every optional field set.
pub(crate) fn inactive_affiliate() -> Affiliate {
    Affiliate {
        profile: profile_with_custom_fields(),
        state: AffiliateState::Inactive,
        state_reason: "left".to_owned(),
        state_changed_at: Some(NOW.plus_days(1)),
        pending_rewards: Some(PendingRewards::Deny),
        email_verified: true,
        upline_id: Some(AffiliateId::from_uuid(uuid(40))),
        group_id: Some(affiliate_group().id),
        former_email: Some(FormerEmail { email: "ada@former.test".to_owned(), changed_at: NOW }),
        past_uplines: past_uplines(),
        awaits_welcome: true,
        password: Some(password()),
        version: 3,
        ..affiliate()
    }
}

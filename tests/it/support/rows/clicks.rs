//! Samples of clicks that are paid for.

use headwater::domain::calendar::Day;
use headwater::domain::click::{Click, ClickPayment, CountedClick};
use headwater::domain::id::ClickId;
use headwater::domain::pricing::{CommissionEvent, CommissionRule};
use headwater::domain::program::Commission;
use headwater::domain::reward::{Reward, RewardClick};

use super::{ACCOUNT, NOW, affiliate, click, link, reward, sale, tallies, usd, uuid};

/// A click that counts, and was paid for.
pub(crate) fn paid_click() -> Click {
    Click {
        payment: ClickPayment::Earned,
        reward_id: Some(reward_of_click(4).id),
        ..click(2, ClickId::from_uuid(uuid(1)))
    }
}

/// The memory of the click that was paid for, with a tally.
pub(crate) fn counted_click() -> CountedClick {
    CountedClick {
        account_id: ACCOUNT,
        tid: ClickId::from_uuid(uuid(1)),
        affiliate_id: affiliate().id,
        day: Day(20_758),
        click_id: ClickId::from_uuid(uuid(2)),
        reward_id: Some(reward_of_click(4).id),
        counted: Some(tallies::counted()),
    }
}

/// The click that a reward pays for.
pub(crate) fn reward_click() -> RewardClick {
    RewardClick {
        click_id: ClickId::from_uuid(uuid(2)),
        tid: ClickId::from_uuid(uuid(1)),
        link_id: link().id,
        sub_id: "newsletter".into(),
        occurred_at: NOW,
    }
}

/// The reward of a click.
pub(crate) fn reward_of_click(number: u128) -> Reward {
    Reward {
        conversion_id: None,
        value: usd(20),
        reversed_minor: 0,
        click: Some(reward_click()),
        deny_reason: String::new(),
        ..reward(number, &sale(1), None)
    }
}

/// A rule that pays for clicks.
pub(crate) fn rule_for_clicks() -> CommissionRule {
    CommissionRule {
        name: "clicks".into(),
        event_kind: CommissionEvent::Click,
        custom_kinds: Vec::new(),
        coupon_codes: Vec::new(),
        item_skus: Vec::new(),
        plans: Vec::new(),
        condition: None,
        starts_at: None,
        ends_at: None,
        commission: Commission::Flat(usd(20)),
        is_per_unit: false,
        max_customer_sales: None,
        max_customer_months: None,
        first_sale_bonus: None,
    }
}

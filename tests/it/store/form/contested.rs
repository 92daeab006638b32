//! Stored forms of sales that are refunded, disputed or suspected: their golden texts.

use std::sync::Arc;

use headwater::domain::conversion::{ConversionOutcome, OrderDetails, RefundOutcome};
use headwater::domain::fraud::FraudRule;
use headwater::domain::fraud_note::FraudNoteContent;
use headwater::domain::id::RewardId;
use headwater::domain::outcome::Outcome;
use headwater::domain::reward::{Calculation, Reward, RewardDispute, RewardState};
use headwater::domain::told_refund::ToldRefund;

use super::Golden;
use crate::support::rows::{self, NOW, uuid};

/// Checks the golden texts of refunds, of disputes, and of fraud rules.
pub(super) fn holds_forms(golden: &mut Golden) {
    holds_forms_of_refunds(golden);
    holds_forms_of_disputes(golden);
    holds_forms_of_fraud_rules(golden);
}

/// Checks the golden texts of refunds, and of what they leave in their sales.
fn holds_forms_of_refunds(golden: &mut Golden) {
    let sale_id = rows::sale(1).id;
    let waiting = Outcome::Refund(RefundOutcome {
        outcome: ConversionOutcome::Waiting,
        conversion_id: sale_id,
        sale_id: None,
        rewards: Vec::new(),
        known_total: None,
        was_undone: false,
        is_outdated: false,
    });
    golden.holds("request_outcome_refund.v1.short", &waiting);
    let known = Outcome::Refund(RefundOutcome {
        outcome: ConversionOutcome::Attributed,
        conversion_id: sale_id,
        sale_id: Some(sale_id),
        rewards: Vec::new(),
        known_total: Some(rows::usd(500)),
        was_undone: true,
        is_outdated: true,
    });
    golden.holds("request_outcome_refund.v1.known", &known);
    let refund = ToldRefund {
        id: sale_id,
        occurred_at: NOW,
        minor: 500,
        is_total: true,
        undone_at: Some(NOW.plus_days(1)),
        undone_after: 2,
    };
    let refunded = OrderDetails {
        refunded_total: Some(rows::usd(500)),
        was_known: true,
        undone_by: Some(sale_id),
        undone_refund_id: Some(sale_id),
        corrected_at: Some(NOW),
        told_refunds: vec![
            refund,
            ToldRefund { minor: 0, is_total: false, undone_at: None, undone_after: 0, ..refund },
        ],
        held_rewards: vec![RewardId::from_uuid(uuid(1))],
        ..OrderDetails::default()
    };
    golden.holds("conversion_order_details.v1.with_refunds", &refunded);
    let adjusted = Calculation { adjustment: Some(rows::usd(800)), ..rows::calculation() };
    golden.holds("reward_calculation.v1.with_adjustment", &adjusted);
    let reason = "typing error".to_owned();
    let order = OrderDetails { reason, commission_adjustment: Some(rows::usd(800)), ..OrderDetails::default() };
    golden.holds("conversion_order_details.v1.with_reason_and_adjustment", &order);
}

/// Checks the golden texts of disputes, and of the rewards that they freeze.
fn holds_forms_of_disputes(golden: &mut Golden) {
    let dispute = RewardDispute { dispute_id: rows::sale(2).id, frozen_from: Some(RewardState::Held) };
    golden.holds("reward_dispute.v1.full", &dispute);
    golden.holds("reward_dispute.v1.least", &RewardDispute { frozen_from: None, ..dispute });
    let frozen = Reward { state: RewardState::Frozen, dispute: Some(dispute), ..rows::reward(1, &rows::sale(1), None) };
    golden.holds("request_outcome_reward.v1.with_dispute", &Outcome::Reward(Arc::new(frozen)));
    for (name, part) in rows::dispute_parts() {
        let order = OrderDetails { dispute: Some(Arc::new(part)), ..OrderDetails::default() };
        golden.holds(&format!("conversion_order_details.v1.with_dispute_{name}"), &order);
    }
}

/// Checks the golden texts of fraud rules, and of what they find and remember.
fn holds_forms_of_fraud_rules(golden: &mut Golden) {
    golden.holds("program_fraud_rules.v1", &vec![rows::fraud_rule()]);
    golden.holds("reward_review.v1", &rows::reward_review());
    golden.holds("fraud_note_content.v1", &rows::fraud_note().content);
    golden.holds("fraud_note_content.v1.order", &FraudNoteContent::Order(rows::sale(1).id));
    golden.holds("fraud_note_content.v1.sales", &FraudNoteContent::Sales(vec![NOW]));
    let judged = OrderDetails { suspicions: vec![rows::suspicion()], ..OrderDetails::default() };
    golden.holds("conversion_order_details.v1.with_suspicions", &judged);
    let short =
        FraudRule { minimum_seconds: 0, maximum_sales: 0, period_minutes: 0, values: Vec::new(), ..rows::fraud_rule() };
    golden.holds("program_fraud_rules.v1.short", &vec![short]);
}

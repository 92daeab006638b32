//! How an account pays its affiliates, on the wire.

use crate::domain::payout::{METHOD_CHANGE_HOURS_DEFAULT, NET_DAYS_MAX, PayoutPolicy};
use crate::pb;
use crate::rpc::call::parse::Fields;
use crate::rpc::call::render::money;

/// The most currencies with an amount above which payouts need an approval.
const CURRENCIES_MAX: usize = 50;

/// How long a change of a payout method may wait: up to 30 days.
const METHOD_CHANGE_HOURS: std::ops::RangeInclusive<i32> = 0..=720;

pub(super) fn read(fields: &mut Fields, sent: Option<&pb::PayoutPolicy>) -> PayoutPolicy {
    let Some(sent) = sent else { return PayoutPolicy::default() };
    fields.within("payout_policy", |fields| {
        let net_days = fields.number("net_days", sent.net_days, 0..=NET_DAYS_MAX);
        if sent.approval_above.len() > CURRENCIES_MAX {
            let count = sent.approval_above.len();
            fields.wrong("approval_above", format!("has {count} amounts; at most {CURRENCIES_MAX} are taken"));
        }
        let mut approval_above = Vec::new();
        for (index, amount) in sent.approval_above.iter().take(CURRENCIES_MAX).enumerate() {
            let place = format!("approval_above[{index}]");
            let Some(amount) = fields.optional_money(&place, Some(amount)) else { continue };
            if approval_above.iter().any(|other: &crate::domain::money::Money| other.currency == amount.currency) {
                fields.wrong(&place, "has the currency of an earlier one; send one amount for each currency");
            }
            approval_above.push(amount);
        }
        let method_change_hours = sent.method_change_hours.unwrap_or(METHOD_CHANGE_HOURS_DEFAULT);
        let method_change_hours = fields.number("method_change_hours", method_change_hours, METHOD_CHANGE_HOURS);
        PayoutPolicy {
            net_days,
            approval_above,
            method_change_hours,
            requires_tax_profile: sent.tax_profile_required,
            self_billing_invoices: sent.self_billing_invoices,
        }
    })
}

/// A policy with defaults alone is the same as none, and a default that is sent the same as one that is left out.
pub(super) fn canonical(sent: Option<&pb::PayoutPolicy>) -> Option<Option<pb::PayoutPolicy>> {
    let sent = sent?;
    let is_usual = sent.method_change_hours == Some(METHOD_CHANGE_HOURS_DEFAULT);
    let short =
        pb::PayoutPolicy { method_change_hours: sent.method_change_hours.filter(|_| !is_usual), ..sent.clone() };
    if short == pb::PayoutPolicy::default() { Some(None) } else { is_usual.then_some(Some(short)) }
}

pub(super) fn render(policy: &PayoutPolicy) -> pb::PayoutPolicy {
    pb::PayoutPolicy {
        net_days: policy.net_days,
        approval_above: policy.approval_above.iter().map(|amount| money(*amount)).collect(),
        method_change_hours: Some(policy.method_change_hours),
        tax_profile_required: policy.requires_tax_profile,
        self_billing_invoices: policy.self_billing_invoices,
    }
}

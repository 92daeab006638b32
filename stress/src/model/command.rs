//! The commands for the server and the model: requests of the API, with symbols in place of ids, and with times relative to the
//! start of their sequence. So a sequence can be replayed, whole or in part, in another account and at another time.

use std::fmt;

use headwater_client::pb;
use headwater_client::pb::batch_item::Item;
use prost_types::Timestamp;

use super::names::{Names, has_symbol};

pub(super) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(super) const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// One request, or a step of the clock.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Command {
    /// Advances the clock. Rewards past their hold period may then be approved, as the server does by itself.
    Wait {
        micros: i64,
        approves_due: bool,
    },
    UpdateAccount(pb::UpdateAccountRequest),
    CreateProgram(pb::CreateProgramRequest),
    UpdateProgram(pb::UpdateProgramRequest),
    ArchiveProgram(pb::ArchiveProgramRequest),
    CreateAffiliate(Box<pb::CreateAffiliateRequest>),
    ApproveAffiliate(pb::ApproveAffiliateRequest),
    DeactivateAffiliate(pb::DeactivateAffiliateRequest),
    EraseAffiliate(pb::EraseAffiliateRequest),
    SetUpline(pb::SetUplineRequest),
    EnrollAffiliate(pb::EnrollAffiliateRequest),
    UpdateEnrollment(pb::UpdateEnrollmentRequest),
    EndEnrollment(pb::EndEnrollmentRequest),
    MoveEnrollment(pb::MoveEnrollmentRequest),
    CreateLink(pb::CreateLinkRequest),
    RevokeLink(pb::RevokeLinkRequest),
    AssignCoupon(pb::AssignCouponRequest),
    RemoveCoupon(pb::RemoveCouponRequest),
    Click(pb::RecordClickRequest),
    Lead(pb::RecordLeadRequest),
    Sale(pb::RecordSaleRequest),
    Refund(pb::RecordRefundRequest),
    Cancellation(pb::RecordCancellationRequest),
    Appointment(pb::RecordAppointmentRequest),
    CustomEvent(pb::RecordCustomEventRequest),
    DeleteLead(pb::DeleteLeadRequest),
    Approve(pb::ApproveRewardsRequest),
    Deny(pb::DenyRewardsRequest),
    Release(pb::ReleaseRewardsRequest),
    GetConversion(pb::GetConversionRequest),
    GetLead(pb::GetLeadRequest),
    GetBalance(pb::GetBalanceRequest),
    GetAffiliate(pb::GetAffiliateRequest),
    GetProgram(pb::GetProgramRequest),
    GetReward(pb::GetRewardRequest),
}

/// A command in a sequence. The label names the objects that the step makes, and stays when the sequence is shortened.
#[derive(Clone, PartialEq)]
pub(super) struct Step {
    pub(super) label: u32,
    /// Sent in a BatchRecordEvents with its neighbours that have the flag.
    pub(super) is_batched: bool,
    pub(super) command: Command,
}

/// The idempotency key of a command.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The kind of event, or the method.
    pub(super) scope: &'static str,
    pub(super) text: String,
    pub(super) is_kept_for_ever: bool,
}

pub(super) fn stamp(micros: i64) -> Timestamp {
    let nanos = micros.rem_euclid(MICROS_PER_SECOND) * 1_000;
    Timestamp { seconds: micros.div_euclid(MICROS_PER_SECOND), nanos: i32::try_from(nanos).unwrap_or_default() }
}

pub(super) fn micros(stamp: &Timestamp) -> i64 {
    stamp.seconds * MICROS_PER_SECOND + i64::from(stamp.nanos / 1_000)
}

impl Command {
    /// The key, if the request has one.
    pub(super) fn key(&self) -> Option<Key> {
        let (scope, text, is_kept_for_ever) = match self {
            Self::Click(request) => ("click", &request.event_id, true),
            Self::Lead(request) => ("lead", &request.event_id, true),
            Self::Sale(request) => ("sale", &request.event_id, true),
            Self::Refund(request) => ("refund", &request.event_id, true),
            Self::Cancellation(request) => ("cancellation", &request.event_id, true),
            Self::Appointment(request) => ("appointment", &request.event_id, true),
            Self::CustomEvent(request) => ("custom_event", &request.event_id, true),
            Self::UpdateAccount(request) => ("UpdateAccount", &request.request_id, false),
            Self::CreateProgram(request) => ("CreateProgram", &request.request_id, false),
            Self::UpdateProgram(request) => ("UpdateProgram", &request.request_id, false),
            Self::ArchiveProgram(request) => ("ArchiveProgram", &request.request_id, false),
            Self::CreateAffiliate(request) => ("CreateAffiliate", &request.request_id, false),
            Self::ApproveAffiliate(request) => ("ApproveAffiliate", &request.request_id, false),
            Self::DeactivateAffiliate(request) => ("DeactivateAffiliate", &request.request_id, false),
            Self::EraseAffiliate(request) => ("EraseAffiliate", &request.request_id, false),
            Self::SetUpline(request) => ("SetUpline", &request.request_id, false),
            Self::EnrollAffiliate(request) => ("EnrollAffiliate", &request.request_id, false),
            Self::UpdateEnrollment(request) => ("UpdateEnrollment", &request.request_id, false),
            Self::EndEnrollment(request) => ("EndEnrollment", &request.request_id, false),
            Self::MoveEnrollment(request) => ("MoveEnrollment", &request.request_id, false),
            Self::CreateLink(request) => ("CreateLink", &request.request_id, false),
            Self::RevokeLink(request) => ("RevokeLink", &request.request_id, false),
            Self::AssignCoupon(request) => ("AssignCoupon", &request.request_id, false),
            Self::RemoveCoupon(request) => ("RemoveCoupon", &request.request_id, false),
            Self::DeleteLead(request) => ("DeleteLead", &request.request_id, false),
            Self::Approve(request) => ("ApproveRewards", &request.request_id, false),
            Self::Deny(request) => ("DenyRewards", &request.request_id, false),
            Self::Release(request) => ("ReleaseRewards", &request.request_id, false),
            Self::Wait { .. }
            | Self::GetConversion(_)
            | Self::GetLead(_)
            | Self::GetBalance(_)
            | Self::GetAffiliate(_)
            | Self::GetProgram(_)
            | Self::GetReward(_) => return None,
        };
        (!text.is_empty()).then(|| Key { scope, text: text.clone(), is_kept_for_ever })
    }

    /// The name of the method, for counting.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Wait { .. } => "Wait",
            Self::UpdateAccount(_) => "UpdateAccount",
            Self::CreateProgram(_) => "CreateProgram",
            Self::UpdateProgram(_) => "UpdateProgram",
            Self::ArchiveProgram(_) => "ArchiveProgram",
            Self::CreateAffiliate(_) => "CreateAffiliate",
            Self::ApproveAffiliate(_) => "ApproveAffiliate",
            Self::DeactivateAffiliate(_) => "DeactivateAffiliate",
            Self::EraseAffiliate(_) => "EraseAffiliate",
            Self::SetUpline(_) => "SetUpline",
            Self::EnrollAffiliate(_) => "EnrollAffiliate",
            Self::UpdateEnrollment(_) => "UpdateEnrollment",
            Self::EndEnrollment(_) => "EndEnrollment",
            Self::MoveEnrollment(_) => "MoveEnrollment",
            Self::CreateLink(_) => "CreateLink",
            Self::RevokeLink(_) => "RevokeLink",
            Self::AssignCoupon(_) => "AssignCoupon",
            Self::RemoveCoupon(_) => "RemoveCoupon",
            Self::Click(_) => "RecordClick",
            Self::Lead(_) => "RecordLead",
            Self::Sale(_) => "RecordSale",
            Self::Refund(_) => "RecordRefund",
            Self::Cancellation(_) => "RecordCancellation",
            Self::Appointment(_) => "RecordAppointment",
            Self::CustomEvent(_) => "RecordCustomEvent",
            Self::DeleteLead(_) => "DeleteLead",
            Self::Approve(_) => "ApproveRewards",
            Self::Deny(_) => "DenyRewards",
            Self::Release(_) => "ReleaseRewards",
            Self::GetConversion(_) => "GetConversion",
            Self::GetLead(_) => "GetLead",
            Self::GetBalance(_) => "GetBalance",
            Self::GetAffiliate(_) => "GetAffiliate",
            Self::GetProgram(_) => "GetProgram",
            Self::GetReward(_) => "GetReward",
        }
    }

    /// The batch item for the command; `None` if batches do not accept it.
    pub(super) fn item(&self) -> Option<Item> {
        Some(match self {
            Self::Click(request) => Item::Click(request.clone()),
            Self::Lead(request) => Item::Lead(request.clone()),
            Self::Sale(request) => Item::Sale(request.clone()),
            Self::Refund(request) => Item::Refund(request.clone()),
            Self::Cancellation(request) => Item::Cancellation(request.clone()),
            Self::Appointment(request) => Item::Appointment(request.clone()),
            Self::CustomEvent(request) => Item::CustomEvent(request.clone()),
            _ => return None,
        })
    }

    /// When the event happened, if the request has such a field.
    pub(super) fn occur_time(&mut self) -> Option<&mut Timestamp> {
        match self {
            Self::Click(request) => request.occur_time.as_mut(),
            Self::Lead(request) => request.occur_time.as_mut(),
            Self::Sale(request) => request.occur_time.as_mut(),
            Self::Refund(request) => request.occur_time.as_mut(),
            Self::Cancellation(request) => request.occur_time.as_mut(),
            Self::Appointment(request) => request.occur_time.as_mut(),
            Self::CustomEvent(request) => request.occur_time.as_mut(),
            _ => None,
        }
    }

    /// The command with times relative to this start.
    pub(super) fn starting_at(&self, origin: i64) -> Self {
        let mut command = self.clone();
        if let Some(time) = command.occur_time() {
            *time = stamp(origin + micros(time));
        }
        if let Self::UpdateEnrollment(pb::UpdateEnrollmentRequest { dated_commission: Some(dated), .. }) = &mut command
        {
            let times = [&mut dated.start_time, &mut dated.end_time].into_iter().flatten();
            times.for_each(|time| *time = stamp(origin + micros(time)));
        }
        command
    }

    /// Whether every symbol in it has a known value.
    pub(super) fn is_known_to(&mut self, names: &Names) -> bool {
        self.texts().iter().all(|text| names.knows(text))
    }

    /// The command with symbols replaced, ready to send.
    pub(super) fn resolve(mut self, names: &mut Names) -> Self {
        for text in self.texts() {
            if has_symbol(text) {
                *text = names.resolve(text);
            }
        }
        self
    }

    /// All texts that may contain symbols.
    fn texts(&mut self) -> Vec<&mut String> {
        match self {
            Self::Wait { .. } | Self::UpdateAccount(_) | Self::CreateProgram(_) => Vec::new(),
            Self::UpdateProgram(request) => {
                request.program.iter_mut().flat_map(|program| [&mut program.id, &mut program.etag]).collect()
            }
            Self::ArchiveProgram(request) => vec![&mut request.program_id, &mut request.etag],
            Self::CreateAffiliate(request) => vec![&mut request.program_id],
            Self::ApproveAffiliate(request) => affiliate_text(&mut request.affiliate).into_iter().collect(),
            Self::DeactivateAffiliate(request) => affiliate_text(&mut request.affiliate).into_iter().collect(),
            Self::EraseAffiliate(request) => affiliate_text(&mut request.affiliate).into_iter().collect(),
            Self::SetUpline(request) => {
                [&mut request.affiliate, &mut request.upline].into_iter().filter_map(affiliate_text).collect()
            }
            Self::EnrollAffiliate(request) => {
                let mut texts = vec![&mut request.program_id];
                texts.extend(affiliate_text(&mut request.affiliate));
                texts
            }
            Self::UpdateEnrollment(request) => {
                request.enrollment.iter_mut().flat_map(|row| [&mut row.id, &mut row.ref_id]).collect()
            }
            Self::EndEnrollment(request) => vec![&mut request.enrollment_id],
            Self::MoveEnrollment(request) => vec![&mut request.enrollment_id, &mut request.program_id],
            Self::CreateLink(request) => vec![&mut request.enrollment_id],
            Self::RevokeLink(request) => vec![&mut request.link_id],
            Self::AssignCoupon(request) => {
                let mut texts = vec![&mut request.program_id];
                texts.extend(affiliate_text(&mut request.affiliate));
                texts
            }
            Self::RemoveCoupon(request) => vec![&mut request.coupon_id],
            Self::Click(request) => vec![&mut request.tid, &mut request.ref_id],
            Self::Lead(request) => vec![&mut request.tid, &mut request.ref_id],
            Self::Sale(request) => vec![&mut request.tid, &mut request.ref_id],
            Self::Appointment(request) => vec![&mut request.tid, &mut request.ref_id],
            Self::CustomEvent(request) => vec![&mut request.tid, &mut request.ref_id],
            Self::Refund(_) | Self::Cancellation(_) => Vec::new(),
            Self::DeleteLead(request) => lead_text(&mut request.lead).into_iter().collect(),
            Self::Approve(request) => request.reward_ids.iter_mut().collect(),
            Self::Deny(request) => request.reward_ids.iter_mut().collect(),
            Self::Release(request) => request.reward_ids.iter_mut().collect(),
            Self::GetConversion(request) => match request.conversion.as_mut().and_then(|one| one.selector.as_mut()) {
                Some(pb::conversion_selector::Selector::Id(id)) => vec![id],
                _ => Vec::new(),
            },
            Self::GetLead(request) => lead_text(&mut request.lead).into_iter().collect(),
            Self::GetBalance(request) => affiliate_text(&mut request.affiliate).into_iter().collect(),
            Self::GetAffiliate(request) => affiliate_text(&mut request.affiliate).into_iter().collect(),
            Self::GetProgram(request) => vec![&mut request.program_id],
            Self::GetReward(request) => vec![&mut request.reward_id],
        }
    }
}

fn affiliate_text(selector: &mut Option<pb::AffiliateSelector>) -> Option<&mut String> {
    use pb::affiliate_selector::Selector::{AuthToken, Email, ExternalId, Id, RefId};
    let (Id(text) | ExternalId(text) | Email(text) | RefId(text) | AuthToken(text)) =
        selector.as_mut()?.selector.as_mut()?;
    Some(text)
}

fn lead_text(selector: &mut Option<pb::LeadSelector>) -> Option<&mut String> {
    use pb::lead_selector::Selector::{Email, ExternalId, Id};
    let (Id(text) | ExternalId(text) | Email(text)) = selector.as_mut()?.selector.as_mut()?;
    Some(text)
}

/// One line, without unset fields.
impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.is_batched { " (batched)" } else { "" };
        write!(formatter, "{:>4}{how} {}", self.label, without_defaults(&format!("{:?}", self.command)))
    }
}

/// The text of a message without default fields. No request here contains text that looks like such a field.
fn without_defaults(text: &str) -> String {
    const DEFAULTS: [&str; 7] = [": \"\"", ": 0", ": None", ": []", ": false", ": Unspecified", ": Some(\"\")"];
    let is_set = |field: &&str| {
        let field = field.trim_end_matches([' ', '}', ')']);
        let value = field.rsplit_once(['{', ' ']).map_or(field, |(_, value)| value);
        !DEFAULTS.iter().any(|default| default.trim_start_matches(": ") == value)
    };
    // A map without entries is written like an empty list, because a bracket closes a message.
    let text = text.replace(": {}", ": []");
    let mut kept = String::with_capacity(text.len());
    for field in text.split(", ") {
        if is_set(&field) {
            if !kept.is_empty() && !kept.ends_with("{ ") {
                kept.push_str(", ");
            }
            kept.push_str(field);
            continue;
        }
        // Lines that open or close a message are kept.
        if let Some((opening, _)) = field.rsplit_once("{ ") {
            if !kept.is_empty() && !kept.ends_with("{ ") {
                kept.push_str(", ");
            }
            kept.push_str(opening);
            kept.push_str("{ ");
        }
        kept.push_str(&field[field.trim_end_matches([' ', '}', ')']).len()..]);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_printed_on_one_line_without_what_is_not_set() {
        let request = pb::RecordSaleRequest {
            event_id: "sale-1".to_owned(),
            external_id: "u-1".to_owned(),
            tid: "⟦clk 3⟧".to_owned(),
            amount: Some(pb::Money { amount_minor: 0, currency_code: "USD".to_owned() }),
            occur_time: Some(stamp(-1)),
            channel: pb::SaleChannel::PointOfSale.into(),
            quantity: 3,
            ..Default::default()
        };
        let step = Step { label: 7, is_batched: true, command: Command::Sale(request) };
        assert_eq!(
            step.to_string(),
            "   7 (batched) Sale(RecordSaleRequest { event_id: \"sale-1\", external_id: \"u-1\", tid: \"⟦clk 3⟧\", \
             amount: Some(Money { currency_code: \"USD\" }), occur_time: Some(Timestamp { seconds: -1, nanos: 999999000 }), \
             channel: PointOfSale, quantity: 3 })"
        );
        let terms = pb::Terms { hold_period_days: Some(0), precedence: vec![2, 1, 3], ..Default::default() };
        let program = pb::Program { id: "⟦prg 1⟧".to_owned(), terms: Some(terms), ..Default::default() };
        let request = pb::UpdateProgramRequest { program: Some(program), ..Default::default() };
        let step = Step { label: 8, is_batched: false, command: Command::UpdateProgram(request) };
        assert_eq!(
            step.to_string(),
            "   8 UpdateProgram(UpdateProgramRequest { program: Some(Program { id: \"⟦prg 1⟧\", \
             terms: Some(Terms { hold_period_days: Some(0), precedence: [Coupon, LeadBinding, Click] }) }) })"
        );
    }
}

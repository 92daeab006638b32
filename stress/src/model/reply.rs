//! Answers to commands, in one form for the server's and the model's.

use std::collections::BTreeMap;

use headwater_client::pb;
use headwater_client::pb::batch_result::Answer as Recorded;
use prost::Message;
use tonic::{Code, Status};
use tonic_types::pb as rpc;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    /// For commands without an answer: steps of the clock.
    Nothing,
    Account(pb::Account, Replayed),
    Program(pb::Program, Replayed),
    Affiliate(Box<pb::CreateAffiliateResponse>),
    ChangedAffiliate(Box<pb::Affiliate>, Replayed),
    Enrollment(pb::Enrollment, Option<pb::Coupon>, Replayed),
    Link(pb::Link, Replayed),
    Coupon(pb::Coupon, Replayed),
    DeletedLead(pb::DeleteLeadResponse),
    Click(pb::RecordClickResponse),
    Lead(pb::RecordLeadResponse),
    Sale(pb::RecordSaleResponse),
    Refund(pb::RecordRefundResponse),
    Cancellation(pb::RecordCancellationResponse),
    Appointment(pb::RecordAppointmentResponse),
    CustomEvent(pb::RecordCustomEventResponse),
    Rewards(Vec<pb::Reward>, Replayed),
    FoundConversion(pb::GetConversionResponse),
    FoundLead(pb::GetLeadResponse),
    FoundBalance(pb::GetBalanceResponse),
    FoundAffiliate(pb::GetAffiliateResponse),
    FoundProgram(pb::GetProgramResponse),
    FoundReward(Box<pb::GetRewardResponse>),
    Refused(Refused),
}

/// Whether the answer is a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Replayed(pub(super) bool);

/// The parts of a refusal that a program can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) code: Code,
    pub(super) reason: String,
    pub(super) metadata: BTreeMap<String, String>,
    /// The fields that are wrong.
    pub(super) fields: Vec<String>,
}

impl Refused {
    /// A refusal for a reason, such as `REWARD_STATE`.
    pub(super) fn new(code: Code, reason: &str, metadata: &[(&str, &str)]) -> Self {
        let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self { code, reason: reason.to_owned(), metadata, fields: Vec::new() }
    }

    /// The refusal of wrong fields.
    pub(super) fn fields(fields: impl IntoIterator<Item = String>) -> Self {
        let mut fields: Vec<String> = fields.into_iter().collect();
        fields.sort();
        Self { fields, ..Self::new(Code::InvalidArgument, "INVALID_FIELDS", &[]) }
    }

    pub(super) fn of_call(status: &Status) -> Self {
        match rpc::Status::decode(status.details()) {
            Ok(decoded) if decoded.code != 0 => Self::of_item(&decoded),
            _ => Self::new(status.code(), "", &[("message", status.message())]),
        }
    }

    pub(super) fn of_item(status: &rpc::Status) -> Self {
        let mut refused = Self::new(Code::from_i32(status.code), "", &[]);
        for detail in &status.details {
            if let Some(info) = decode::<rpc::ErrorInfo>(detail, "google.rpc.ErrorInfo") {
                refused.reason = info.reason;
                refused.metadata = info.metadata.into_iter().collect();
            } else if let Some(request) = decode::<rpc::BadRequest>(detail, "google.rpc.BadRequest") {
                refused.fields = request.field_violations.into_iter().map(|violation| violation.field).collect();
                refused.fields.sort();
            }
        }
        refused
    }
}

fn decode<M: Message + Default>(detail: &prost_types::Any, name: &str) -> Option<M> {
    detail.type_url.ends_with(name).then(|| M::decode(detail.value.as_slice()).ok()).flatten()
}

impl Reply {
    /// The answer without its warnings, which are texts and have no effect.
    pub(super) fn without_warnings(mut self) -> Self {
        match &mut self {
            Self::Click(answer) => answer.warnings.clear(),
            Self::Lead(answer) => answer.warnings.clear(),
            Self::Sale(answer) => answer.warnings.clear(),
            Self::Refund(answer) => answer.warnings.clear(),
            Self::Cancellation(answer) => answer.warnings.clear(),
            Self::Appointment(answer) => answer.warnings.clear(),
            Self::CustomEvent(answer) => answer.warnings.clear(),
            _ => {}
        }
        self
    }

    pub(super) fn of_item(result: pb::BatchResult) -> Self {
        match result.answer {
            Some(Recorded::Click(answer)) => Self::Click(answer),
            Some(Recorded::Lead(answer)) => Self::Lead(answer),
            Some(Recorded::Sale(answer)) => Self::Sale(answer),
            Some(Recorded::Refund(answer)) => Self::Refund(answer),
            Some(Recorded::Cancellation(answer)) => Self::Cancellation(answer),
            Some(Recorded::Error(status)) => Self::Refused(Refused::of_item(&status)),
            Some(Recorded::Appointment(answer)) => Self::Appointment(answer),
            Some(Recorded::CustomEvent(answer)) => Self::CustomEvent(answer),
            // The model tells no disputes.
            Some(Recorded::Dispute(_) | Recorded::DisputeResolution(_)) | None => Self::Nothing,
        }
    }

    /// The kind of answer, for counting.
    pub(super) fn kind(&self) -> String {
        let (outcome, replayed) = match self {
            Self::Refused(refused) => return refused.reason.clone(),
            Self::Account(_, replayed)
            | Self::Program(_, replayed)
            | Self::ChangedAffiliate(_, replayed)
            | Self::Enrollment(_, _, replayed)
            | Self::Link(_, replayed)
            | Self::Coupon(_, replayed)
            | Self::Rewards(_, replayed) => ("done", replayed.0),
            Self::Affiliate(answer) => ("done", answer.replayed),
            Self::DeletedLead(answer) => ("done", answer.replayed),
            Self::Click(answer) => ("done", answer.replayed),
            Self::Lead(answer) if answer.conversion_id.is_empty() && !answer.credits.is_empty() => {
                ("bound before", answer.replayed)
            }
            Self::Lead(answer) => (answer.outcome().as_str_name(), answer.replayed),
            Self::Sale(answer) => (answer.outcome().as_str_name(), answer.replayed),
            Self::Refund(answer) => (answer.outcome().as_str_name(), answer.replayed),
            Self::Cancellation(answer) => (answer.outcome().as_str_name(), answer.replayed),
            Self::Appointment(answer) => (answer.outcome().as_str_name(), answer.replayed),
            Self::CustomEvent(answer) => (answer.outcome().as_str_name(), answer.replayed),
            Self::Nothing
            | Self::FoundConversion(_)
            | Self::FoundLead(_)
            | Self::FoundBalance(_)
            | Self::FoundAffiliate(_)
            | Self::FoundProgram(_)
            | Self::FoundReward(_) => ("found", false),
        };
        if replayed { "replayed".to_owned() } else { outcome.trim_start_matches("CONVERSION_OUTCOME_").to_lowercase() }
    }

    /// The answer to a repeat of the request.
    pub(super) fn again(&self) -> Self {
        let mut again = self.clone();
        match &mut again {
            Self::Account(_, replayed)
            | Self::Program(_, replayed)
            | Self::ChangedAffiliate(_, replayed)
            | Self::Enrollment(_, _, replayed)
            | Self::Link(_, replayed)
            | Self::Coupon(_, replayed)
            | Self::Rewards(_, replayed) => *replayed = Replayed(true),
            Self::Affiliate(answer) => {
                answer.replayed = true;
                // Secrets are shown once.
                answer.auth_token.clear();
            }
            Self::DeletedLead(answer) => answer.replayed = true,
            Self::Click(answer) => answer.replayed = true,
            Self::Lead(answer) => answer.replayed = true,
            Self::Sale(answer) => answer.replayed = true,
            Self::Refund(answer) => answer.replayed = true,
            Self::Cancellation(answer) => answer.replayed = true,
            Self::Appointment(answer) => answer.replayed = true,
            Self::CustomEvent(answer) => answer.replayed = true,
            Self::Nothing
            | Self::FoundConversion(_)
            | Self::FoundLead(_)
            | Self::FoundBalance(_)
            | Self::FoundAffiliate(_)
            | Self::FoundProgram(_)
            | Self::FoundReward(_)
            | Self::Refused(_) => {}
        }
        again
    }
}

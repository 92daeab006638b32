//! The table from errors to answers: reason, gRPC code, message and details. `tests/it/golden/errors.txt` is printed from it.

mod missing;
mod payout;
mod sale;
mod tax_profile;

use std::time::Duration;

use tonic::Code;

use super::{Error, FieldPaths, FieldViolation, LimitedBy};
use crate::domain::account::KeyKind;
use crate::domain::money::Overflow;
use crate::domain::payout::PayoutState;
use crate::domain::payout_export::FILE_DAYS;
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::pb::ErrorReason;
use missing::missing;
use payout::{file_fields, reconciliation_running, unpayable};
use sale::{duplicate_order, of_sale};
use tax_profile::tax_profile;

/// The retry advice for failures that go away by themselves.
const RETRY_LATER: Retry = Retry::After(Duration::from_secs(1));

/// An error as its caller sees it.
pub(super) struct Answer {
    pub(super) reason: ErrorReason,
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) metadata: Vec<(&'static str, String)>,
    pub(super) detail: Detail,
    pub(super) retry: Retry,
}

/// The details of an error, apart from the ErrorInfo.
pub(super) enum Detail {
    None,
    Fields(Vec<FieldViolation>),
    /// The subject that breaks the precondition, such as `reward/rwd_...`.
    Precondition(String),
    /// Each subject that breaks the precondition, and how.
    Preconditions(Vec<(String, String)>),
    Resource(&'static str, String),
    /// Whose calls were counted: `key` or `address`.
    Quota(&'static str),
}

/// Whether the same call may get another answer later.
pub(super) enum Retry {
    /// Retry after this time.
    After(Duration),
    /// Do not retry until something else changes.
    Never,
    /// The server cannot know whether a retry helps.
    Unsaid,
}

impl Answer {
    fn new(reason: ErrorReason, code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { reason, code, message, metadata: Vec::new(), detail: Detail::None, retry: Retry::Never }
    }

    fn fields(reason: ErrorReason, violations: &[FieldViolation], violation_bytes_max: usize) -> Self {
        let mut bytes = 0;
        let fits = |violation: &&FieldViolation| {
            bytes += violation.field.len() + violation.description.len();
            bytes <= violation_bytes_max
        };
        let mut listed: Vec<FieldViolation> = violations.iter().take_while(fits).cloned().collect();
        let rest = violations.len() - listed.len();
        if rest > 0 {
            listed.push(FieldViolation { field: "...".to_owned(), description: format!("and {rest} more") });
        }
        let message = match listed.as_slice() {
            [only] => sentence(only),
            [first, ..] => format!("{} (and {} more, see the details)", sentence(first), violations.len() - 1),
            [] => "the request is wrong".to_owned(),
        };
        Self { detail: Detail::Fields(listed), ..Self::new(reason, Code::InvalidArgument, message) }
    }

    fn field(reason: ErrorReason, field: &str, description: impl Into<String>) -> Self {
        let violation = FieldViolation { field: field.to_owned(), description: description.into() };
        Self::fields(reason, &[violation], usize::MAX)
    }

    fn precondition(reason: ErrorReason, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { detail: Detail::Precondition(subject.into()), ..Self::new(reason, Code::FailedPrecondition, message) }
    }

    fn retry(self, retry: Retry) -> Self {
        Self { retry, ..self }
    }

    fn resource(self, resource_type: &'static str, name: impl Into<String>) -> Self {
        Self { detail: Detail::Resource(resource_type, name.into()), ..self }
    }

    fn with(mut self, key: &'static str, value: impl ToString) -> Self {
        self.metadata.push((key, value.to_string()));
        self
    }
}

/// The field and the description as one sentence. A violation of the whole message has no field.
fn sentence(violation: &FieldViolation) -> String {
    match violation.field.as_str() {
        "" => violation.description.clone(),
        field => format!("{field}: {}", violation.description),
    }
}

impl Error {
    /// The table. It has no wildcard, so that every new error must be given an answer here.
    pub(super) fn answer(&self, request_id: &str, violation_bytes_max: usize) -> Answer {
        match self {
            Self::InvalidFields(violations) => {
                Answer::fields(ErrorReason::InvalidFields, violations, violation_bytes_max)
            }
            Self::Refused(refusal, paths) => refused(refusal, paths, request_id, violation_bytes_max),
            Self::KeyMissing => Answer::new(
                ErrorReason::KeyMissing,
                Code::Unauthenticated,
                "no API key was sent; send `authorization: Bearer <key>` or `x-api-key: <key>`",
            ),
            Self::KeyInvalid => Answer::new(
                ErrorReason::KeyInvalid,
                Code::Unauthenticated,
                "the API key is malformed, unknown, revoked or expired; send one that works",
            ),
            Self::KeyKindNotAllowed { method, kind, allowed } => Answer::new(
                ErrorReason::KeyKindNotAllowed,
                Code::PermissionDenied,
                format!("a key of kind {kind} may not call {method}; use one of kind {}", alternatives(allowed)),
            )
            .with("method", method)
            .with("key_kind", kind),
            Self::AccountSuspended { reason } => Answer::new(
                ErrorReason::AccountSuspended,
                Code::PermissionDenied,
                format!("the account is suspended and may only read: {reason}; ask the operator of the server"),
            )
            .with("suspension_reason", reason),
            Self::SecretsKeyMissing => Answer::precondition(
                ErrorReason::SecretsKeyMissing,
                "secrets_key_file",
                "the server has no key to store this encrypted; its operator sets secrets_key_file, see docs/operations.md",
            ),
            Self::RegistrationClosed => Answer::new(
                ErrorReason::RegistrationClosed,
                Code::PermissionDenied,
                "only operators register accounts here; ask the operator of the server",
            ),
            Self::MethodUnknown { method } => Answer::new(
                ErrorReason::MethodUnknown,
                Code::Unimplemented,
                format!("there is no method {method}; server reflection lists those that there are"),
            )
            .with("method", method),
            Self::CursorMalformed => Answer::field(
                ErrorReason::CursorMalformed,
                "start.after_cursor",
                "is no cursor of this server; send one exactly as you received it",
            ),
            Self::CursorForeign => Answer::field(
                ErrorReason::CursorForeign,
                "start.after_cursor",
                "belongs to another database or another account; start again from a cursor of this one",
            ),
            Self::CursorExpired { earliest_cursor } => Answer::new(
                ErrorReason::CursorExpired,
                Code::OutOfRange,
                "the events after start.after_cursor are no longer kept, so events were missed; \
                 decide what that means, then start from earliest_cursor or from FEED_POSITION_BEGINNING",
            )
            .with("earliest_cursor", earliest_cursor),
            Self::CursorAheadOfHead => Answer::precondition(
                ErrorReason::CursorAheadOfHead,
                "start.after_cursor",
                "start.after_cursor is ahead of the newest event, so the database was restored from a backup; \
                 compare what you hold with the server, then start from a time before the backup",
            ),
            Self::CursorOfAnotherHistory => Answer::precondition(
                ErrorReason::CursorOfAnotherHistory,
                "start.after_cursor",
                "the feed has other events up to start.after_cursor, so the database was restored from a backup; \
                 compare what you hold with the server, then start from a time before the backup",
            ),
            Self::SlowConsumer { last_cursor } => Answer::new(
                ErrorReason::SlowConsumer,
                Code::ResourceExhausted,
                "the reader took no events for too long; resume from last_cursor",
            )
            .retry(RETRY_LATER)
            .with("last_cursor", last_cursor),
            Self::TooManyStreams { limit } => Answer::new(
                ErrorReason::TooManyStreams,
                Code::ResourceExhausted,
                format!("this key has {limit} open streams, as many as it may; close one first"),
            )
            .retry(RETRY_LATER)
            .with("limit", limit),
            Self::StreamsTaken => Answer::new(
                ErrorReason::TooManyStreams,
                Code::ResourceExhausted,
                "this account has its share of the streams and waiting calls that the server may have open; close one first",
            )
            .retry(RETRY_LATER),
            Self::PageTokenInvalid => Answer::field(
                ErrorReason::PageTokenInvalid,
                "page_token",
                "is no token of this list with this filter; send next_page_token as you received it, with the same filter",
            ),
            Self::MessageTooLarge => Answer::new(
                ErrorReason::MessageTooLarge,
                Code::ResourceExhausted,
                "the request is larger than the server takes; send fewer items, or shorter texts",
            ),
            Self::AnswerFull => Answer::new(
                ErrorReason::AnswerFull,
                Code::ResourceExhausted,
                "the answer has no room for this item; ask for it in another call",
            ),
            Self::Overloaded { retry_after } => Answer::new(
                ErrorReason::Overloaded,
                Code::ResourceExhausted,
                "the server has as much waiting as it takes; try again with a growing delay",
            )
            .retry(Retry::After(*retry_after)),
            Self::RateLimited { limited_by, calls_per_minute, retry_after } => {
                let subject = match limited_by {
                    LimitedBy::Address => "address",
                    LimitedBy::Key => "key",
                };
                let message = format!(
                    "this {subject} may make {calls_per_minute} calls a minute; make fewer, and try again after the delay that is told"
                );
                let answer = Answer::new(ErrorReason::RateLimited, Code::ResourceExhausted, message);
                Answer { detail: Detail::Quota(subject), ..answer }
                    .retry(Retry::After(*retry_after))
                    .with("limited_by", subject)
                    .with("calls_per_minute", calls_per_minute)
            }
            Self::PasswordTries { retry_after } => Answer::new(
                ErrorReason::PasswordTries,
                Code::ResourceExhausted,
                "too many wrong passwords were tried for this affiliate; try again after the delay that is told",
            )
            .retry(Retry::After(*retry_after)),
            Self::DeadlineExceeded { is_unchanged } => Answer::new(
                ErrorReason::DeadlineExceeded,
                Code::DeadlineExceeded,
                match is_unchanged {
                    true => "the deadline passed before there was an answer; nothing was changed",
                    false => {
                        "the deadline passed before there was an answer; a write may have been carried out all the same: \
                         repeat it with the same event_id or request_id, which has one effect"
                    }
                },
            )
            .retry(Retry::Unsaid),
            Self::Unavailable => Answer::new(
                ErrorReason::Unavailable,
                Code::Unavailable,
                "the database did not answer, or the server is stopping; repeat with the same event_id or request_id",
            )
            .retry(RETRY_LATER),
            Self::Internal(_) => internal(request_id),
        }
    }
}

fn internal(request_id: &str) -> Answer {
    Answer::new(
        ErrorReason::ServerFault,
        Code::Internal,
        format!("a fault of the server; its log has the cause under request id {request_id}"),
    )
    .retry(Retry::Unsaid)
}

fn alternatives(kinds: &[KeyKind]) -> String {
    kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(" or ")
}

/// The part of the table for refusals.
fn refused(refusal: &Refusal, paths: FieldPaths, request_id: &str, violation_bytes_max: usize) -> Answer {
    let text = refusal.to_string();
    let path = |field: &Field| paths.iter().find(|(other, _)| other == field).map_or(field.as_str(), |(_, path)| path);
    match refusal {
        Refusal::NotFound { resource, name } => {
            let (reason, resource_type) = missing(*resource);
            let field = path(&resource.field());
            Answer::new(reason, Code::NotFound, format!("{field}: {text}; check the identifier"))
                .resource(resource_type, name)
        }
        Refusal::NoDefaultProgram => {
            let (reason, resource_type) = missing(Resource::Program);
            Answer::new(reason, Code::NotFound, format!("{}: {text}", path(&Field::ProgramId)))
                .resource(resource_type, "")
        }
        Refusal::AlreadyExists { field, value, resource, resource_id } => Answer::new(
            ErrorReason::AlreadyExists,
            Code::AlreadyExists,
            format!("{0} {value} is taken; send another {0}, or use what has it", path(field)),
        )
        .resource(missing(*resource).1, resource_id)
        .with("field", path(field))
        .with("value", value)
        .with("resource_id", resource_id),
        Refusal::AlreadyEnrolled { affiliate_id: _, program_id, enrollment_id } => Answer::new(
            ErrorReason::AlreadyExists,
            Code::AlreadyExists,
            format!("{text} already; use enrollment {enrollment_id}, or name another program_id"),
        )
        .resource(missing(Resource::Enrollment).1, enrollment_id.to_string())
        .with("field", "program_id")
        .with("value", program_id)
        .with("resource_id", enrollment_id),
        Refusal::NotEnrolled { .. } => {
            let (reason, resource_type) = missing(Resource::Enrollment);
            let message = format!("{text}; enroll it first, or name another program_id");
            Answer::new(reason, Code::NotFound, message).resource(resource_type, "")
        }
        Refusal::InvalidField { field, problem } => Answer::field(ErrorReason::InvalidFields, path(field), problem),
        Refusal::InvalidPlace { field, place, problem } => {
            Answer::field(ErrorReason::InvalidFields, &path(field).replacen("[]", &format!("[{place}]"), 1), problem)
        }
        Refusal::IdempotencyMismatch { field, key, first_id } => Answer::precondition(
            ErrorReason::IdempotencyMismatch,
            key,
            format!("{text}; send the same content again, or a new {field}"),
        )
        .with("first_id", first_id),
        // A retry with the same etag always fails.
        Refusal::EtagMismatch { resource: _, current_etag } => Answer::new(
            ErrorReason::EtagMismatch,
            Code::Aborted,
            format!("{}: {text}; read it again and repeat", path(&Field::Etag)),
        )
        .with("current_etag", current_etag),
        Refusal::RewardState { reward_id, from, to: _ } => Answer::precondition(
            ErrorReason::RewardState,
            reward_id.to_string(),
            format!("{}: {text}; leave it out", path(&Field::RewardIds)),
        )
        .with("reward_id", reward_id)
        .with("state", from),
        Refusal::AffiliateState { affiliate_id, from, to: _ } => Answer::precondition(
            ErrorReason::AffiliateState,
            affiliate_id.to_string(),
            format!("{}: {text}", path(&Field::Affiliate)),
        )
        .with("affiliate_id", affiliate_id)
        .with("state", from),
        Refusal::UplineNotFound { name } => {
            let (reason, resource_type) = missing(Resource::Affiliate);
            Answer::new(reason, Code::NotFound, format!("upline: {text}; check the identifier"))
                .resource(resource_type, name)
        }
        Refusal::UplineRejected { affiliate_id } => Answer::precondition(
            ErrorReason::UplineRejected,
            affiliate_id.to_string(),
            format!("upline: {text}; approve it first, or name another affiliate"),
        )
        .with("affiliate_id", affiliate_id),
        Refusal::UplineLoop { affiliate_id } => Answer::precondition(
            ErrorReason::UplineLoop,
            affiliate_id.to_string(),
            format!("upline: {text}; name an affiliate that it has not brought"),
        )
        .with("affiliate_id", affiliate_id),
        Refusal::UplineLevels { limit } => {
            Answer::precondition(ErrorReason::UplineLevels, "upline", format!("upline: {text}")).with("limit", limit)
        }
        Refusal::AffiliateErased { affiliate_id } => Answer::precondition(
            ErrorReason::AffiliateErased,
            affiliate_id.to_string(),
            format!("{}: {text}, and nothing of it changes any more", path(&Field::Affiliate)),
        )
        .with("affiliate_id", affiliate_id),
        Refusal::ProgramArchived { program_id } => Answer::precondition(
            ErrorReason::ProgramArchived,
            program_id.to_string(),
            format!("{}: {text}; name an active program", path(&Field::ProgramId)),
        )
        .with("program_id", program_id),
        Refusal::EnrollmentEnded { enrollment_id } => Answer::precondition(
            ErrorReason::EnrollmentEnded,
            enrollment_id.to_string(),
            format!("{}: {text}; name an active enrollment", path(&Field::EnrollmentId)),
        )
        .with("enrollment_id", enrollment_id),
        Refusal::RefundExceedsSale { sale_id, left_minor, currency } => {
            let message = format!("{}: {text}; send an amount up to that", path(&Field::Amount));
            of_sale(ErrorReason::RefundExceedsSale, sale_id, *currency, message).with("left_minor", left_minor)
        }
        Refusal::DisputeExceedsSale { sale_id, sold_minor, currency } => {
            let fix = "send an amount up to that, or leave it out for all that is left";
            let message = format!("{}: {text}; {fix}", path(&Field::Amount));
            of_sale(ErrorReason::DisputeExceedsSale, sale_id, *currency, message).with("sold_minor", sold_minor)
        }
        Refusal::RefundExceedsLine { sale_id, line_id, left_minor, currency } => {
            let message = format!("{}: {text}; send an amount up to that", path(&Field::Lines));
            let answer = of_sale(ErrorReason::RefundExceedsSale, sale_id, *currency, message);
            answer.with("line_id", line_id).with("left_minor", left_minor)
        }
        Refusal::CurrencyMismatch { sale_id, currency } => {
            let message = format!("{}.currency_code: {text}", path(&Field::Amount));
            of_sale(ErrorReason::CurrencyMismatch, sale_id, *currency, message)
        }
        Refusal::NoSaleToRefund => Answer::precondition(ErrorReason::NoSaleToRefund, "sale_event_id", text),
        Refusal::DuplicateOrder { order_id, conversion_id } => duplicate_order(order_id, conversion_id, &text),
        Refusal::CouponLimit { limit } => Answer::precondition(
            ErrorReason::CouponLimit,
            "max_active_coupons_per_affiliate",
            format!("{text}; remove one, or raise the account's max_active_coupons_per_affiliate"),
        )
        .with("limit", limit),
        Refusal::LeadIdentifierLimit { limit } => Answer::precondition(
            ErrorReason::LeadIdentifierLimit,
            "lead",
            format!("{}: {text}; leave its identifiers as they are", path(&Field::Lead)),
        )
        .with("limit", limit),
        Refusal::ProgramPrivate { program_id } => Answer::precondition(
            ErrorReason::ProgramPrivate,
            program_id.to_string(),
            format!(
                "{}: {text}; approve the affiliate first, send an invitation_code, or name another program",
                path(&Field::ProgramId)
            ),
        )
        .with("program_id", program_id),
        Refusal::InvitationInvalid { program_id, fault } => Answer::precondition(
            ErrorReason::InvitationInvalid,
            program_id.to_string(),
            format!("invitation_code: {text}; ask the owner for another code"),
        )
        .with("program_id", program_id)
        .with("fault", fault),
        Refusal::AgreementVersion { program_id, current_version } => Answer::precondition(
            ErrorReason::AgreementVersion,
            program_id.to_string(),
            format!("acceptance.version: {text}; show that one to the affiliate"),
        )
        .with("program_id", program_id)
        .with("current_version", current_version),
        Refusal::AffiliateGroupArchived { group_id } => Answer::precondition(
            ErrorReason::AffiliateGroupArchived,
            group_id.to_string(),
            format!("{}: {text}; name an active group", path(&Field::GroupId)),
        )
        .with("group_id", group_id),
        Refusal::ItemArchived { item_id } => Answer::precondition(
            ErrorReason::ItemArchived,
            item_id.to_string(),
            format!("{}: {text}; name an active item", path(&Field::Item)),
        )
        .with("item_id", item_id),
        Refusal::OfferClosed { offer_id, closed } => Answer::precondition(
            ErrorReason::OfferClosed,
            offer_id.to_string(),
            format!("{}: {text}; name an offer that is open", path(&Field::OfferId)),
        )
        .with("offer_id", offer_id)
        .with("state", closed),
        Refusal::OfferLimit { offer_id, limit } => Answer::precondition(
            ErrorReason::OfferLimit,
            "max_claims",
            format!("{text}; remove the coupon of a claim, or raise the offer's max_claims"),
        )
        .with("offer_id", offer_id)
        .with("limit", limit),
        Refusal::ClaimantLimit { offer_id, limit } => Answer::precondition(
            ErrorReason::ClaimantLimit,
            "max_claims_per_affiliate",
            format!("{text}; remove the coupon of a claim, or raise the offer's max_claims_per_affiliate"),
        )
        .with("offer_id", offer_id)
        .with("limit", limit),
        Refusal::BountyClosed { bounty_id, closed } => Answer::precondition(
            ErrorReason::BountyClosed,
            bounty_id.to_string(),
            format!("{}: {text}; name a bounty that is open", path(&Field::BountyId)),
        )
        .with("bounty_id", bounty_id)
        .with("state", closed),
        Refusal::BountyLimit { bounty_id, limit } => Answer::precondition(
            ErrorReason::BountyLimit,
            "max_submissions",
            format!("{text}; reject a submission, or raise the bounty's max_submissions"),
        )
        .with("bounty_id", bounty_id)
        .with("limit", limit),
        Refusal::SubmitterLimit { bounty_id, limit } => Answer::precondition(
            ErrorReason::SubmitterLimit,
            "max_submissions_per_affiliate",
            format!("{text}; reject a submission, or raise the bounty's max_submissions_per_affiliate"),
        )
        .with("bounty_id", bounty_id)
        .with("limit", limit),
        Refusal::BountyKind { bounty_id, kind } => Answer::precondition(
            ErrorReason::BountyKind,
            bounty_id.to_string(),
            format!("{text}; approve submissions of the kind submission, and name the winners of a contest"),
        )
        .with("bounty_id", bounty_id)
        .with("kind", kind),
        Refusal::ContestDecided { bounty_id } => Answer::precondition(
            ErrorReason::ContestDecided,
            bounty_id.to_string(),
            format!("{}: {text}; deny a reward and create another one to correct it", path(&Field::BountyId)),
        )
        .with("bounty_id", bounty_id),
        Refusal::SubmissionState { submission_id, from, to: _ } => Answer::precondition(
            ErrorReason::SubmissionState,
            submission_id.to_string(),
            format!("{}: {text}; GetSubmission shows what was decided", path(&Field::SubmissionId)),
        )
        .with("submission_id", submission_id)
        .with("state", from),
        Refusal::AffiliateNotActive { affiliate_id, program_id } => Answer::precondition(
            ErrorReason::AffiliateNotActive,
            affiliate_id.to_string(),
            format!("{text}; approve the affiliate, or let it accept the agreement"),
        )
        .with("affiliate_id", affiliate_id)
        .with("program_id", program_id),
        Refusal::LastKey { kind } => {
            Answer::precondition(ErrorReason::LastKey, "api_key", format!("{}: {text}", path(&Field::ApiKeyId)))
                .with("key_kind", kind)
        }
        Refusal::VerificationTokenInvalid => Answer::precondition(
            ErrorReason::VerificationTokenInvalid,
            "verification_token",
            format!(
                "{}: {text}; call UpdateAccount with the address to get another one",
                path(&Field::VerificationToken)
            ),
        ),
        Refusal::KeyRevoked { key_id } => Answer::precondition(
            ErrorReason::ApiKeyRevoked,
            key_id.to_string(),
            format!("{}: {text}; create another one", path(&Field::ApiKeyId)),
        )
        .with("api_key_id", key_id),
        Refusal::LeadNotBound { lead_id } => Answer::precondition(
            ErrorReason::LeadNotBound,
            lead_id.to_string(),
            format!("{}: {text}; bind it first, or name an enrollment", path(&Field::Lead)),
        )
        .with("lead_id", lead_id),
        Refusal::RewardInCash { reward_id } => Answer::precondition(
            ErrorReason::RewardInCash,
            reward_id.to_string(),
            format!("{}: {text}, and payouts pay what is in cash", path(&Field::RewardIds)),
        )
        .with("reward_id", reward_id),
        Refusal::RewardsNotPayable { rewards } => {
            unpayable(rewards, path(&Field::RewardIds), &text, violation_bytes_max)
        },
        Refusal::NothingDue { affiliate_id, due } => Answer::precondition(
            ErrorReason::NothingDue,
            affiliate_id.to_string(),
            format!("{}: {text}; GetAmountOwed shows what is owed and not due, and reward_ids pays before it is due", path(&Field::Affiliate)),
        )
        .with("affiliate_id", affiliate_id)
        .with("due_minor", due.amount_minor)
        .with("currency_code", due.currency),
        Refusal::PayoutBelowMinimum { affiliate_id, amount, minimum } => Answer::precondition(
            ErrorReason::PayoutBelowMinimum,
            affiliate_id.to_string(),
            format!("minimum: {text}; wait for further rewards, or send a lower minimum"),
        )
        .with("affiliate_id", affiliate_id)
        .with("sum_minor", amount.amount_minor)
        .with("minimum_minor", minimum.amount_minor)
        .with("currency_code", minimum.currency),
        Refusal::PayoutMethod { affiliate_id, fault } => Answer::precondition(
            ErrorReason::PayoutMethod,
            affiliate_id.to_string(),
            format!("{}: {text}; GetPayoutMethod shows it, and SetPayoutMethod sets it", path(&Field::Affiliate)),
        )
        .with("affiliate_id", affiliate_id)
        .with("fault", fault),
        Refusal::TaxProfileRequired { affiliate_id, state } | Refusal::TaxProfileState { affiliate_id, state } => {
            tax_profile(refusal, *affiliate_id, *state, path(&Field::Affiliate), &text)
        }
        Refusal::PayoutState { payout_id, from, to: _ } => Answer::precondition(
            ErrorReason::PayoutState,
            payout_id.to_string(),
            format!("{}: {text}; GetPayout shows its state", path(&Field::PayoutIds)),
        )
        .with("payout_id", payout_id)
        .with("state", from),
        Refusal::PayoutMayBeMade { payout_id } => Answer::precondition(
            ErrorReason::PayoutState,
            payout_id.to_string(),
            format!(
                "{}: {text}; call RetryPayout to look it up, or ConfirmPayouts if the affiliate has the money",
                path(&Field::PayoutIds)
            ),
        )
        .with("payout_id", payout_id)
        .with("state", PayoutState::NeedsAttention),
        Refusal::PayoutNotCancellable { payout_id, provider: _, state } => Answer::precondition(
            ErrorReason::PayoutState,
            payout_id.to_string(),
            format!("{}: {text}; GetPayout shows how it goes on", path(&Field::PayoutIds)),
        )
        .with("payout_id", payout_id)
        .with("state", state),
        Refusal::PayoutFile { wrong } => Answer::fields(ErrorReason::InvalidFields, &file_fields(wrong), violation_bytes_max),
        Refusal::PayoutFileGone { payout_export_id } => Answer::precondition(
            ErrorReason::PayoutFileGone,
            payout_export_id.to_string(),
            format!("{}: {text}; files are kept for {FILE_DAYS} days", path(&Field::PayoutExportId)),
        )
        .with("payout_export_id", payout_export_id),
        Refusal::PayoutReconciliationRunning { payout_reconciliation_id: id } => reconciliation_running(*id, path(&Field::Provider), &text),
        Refusal::PayoutRunState { payout_run_id, from, to: _ } => Answer::precondition(
            ErrorReason::PayoutRunState,
            payout_run_id.to_string(),
            format!("{}: {text}; GetPayoutRun shows its state", path(&Field::PayoutRunId)),
        )
        .with("payout_run_id", payout_run_id)
        .with("state", from),
        Refusal::PayoutScheduleArchived { payout_schedule_id } => Answer::precondition(
            ErrorReason::PayoutScheduleArchived,
            payout_schedule_id.to_string(),
            format!("{}: {text}; create another one", path(&Field::PayoutScheduleId)),
        )
        .with("payout_schedule_id", payout_schedule_id),
        Refusal::PayoutScheduleLimit { limit } => Answer::precondition(
            ErrorReason::PayoutScheduleLimit,
            "payout_schedules",
            format!("{text}; archive one first"),
        )
        .with("limit", limit),
        Refusal::PayoutOwnApproval { payout_id } => Answer::precondition(
            ErrorReason::PayoutOwnApproval,
            payout_id.to_string(),
            format!("{}: {text}; approve it with another key", path(&Field::PayoutIds)),
        )
        .with("payout_id", payout_id),
        Refusal::PayoutAmount { sent: _, sum } => Answer::precondition(
            ErrorReason::PayoutAmount,
            "amount",
            format!("amount: {text}; a refund may have been told meanwhile, so look at the rewards again"),
        )
        .with("sum_minor", sum.amount_minor)
        .with("currency_code", sum.currency),
        Refusal::PayoutAboveOwed { affiliate_id, amount, owed } => Answer::precondition(
            ErrorReason::PayoutAboveOwed,
            affiliate_id.to_string(),
            format!(
                "{}: {text}, because refunds took back from rewards that were paid before; name the approved rewards with negative values too",
                path(&Field::RewardIds)
            ),
        )
        .with("affiliate_id", affiliate_id)
        .with("owed_minor", owed.amount_minor)
        .with("sum_minor", amount.amount_minor)
        .with("currency_code", owed.currency),
        Refusal::CustomerRewardState { lead_id, program_id, state } => Answer::precondition(
            ErrorReason::CustomerRewardState,
            lead_id.to_string(),
            format!("{}: {text}; GetLead shows its rewards", path(&Field::Lead)),
        )
        .with("lead_id", lead_id)
        .with("program_id", program_id)
        .with("state", state.map_or("none", |state| state.as_str())),
        Refusal::CorrectionBelowRefunds { sale_id, refunded_minor, currency } => Answer::precondition(
            ErrorReason::CorrectionBelowRefunds,
            sale_id.to_string(),
            format!("{}: {text}; send at least that much", path(&Field::Amount)),
        )
        .with("sale_conversion_id", sale_id)
        .with("refunded_minor", refunded_minor)
        .with("currency_code", currency),
        Refusal::CorrectionBelowLine { sale_id, line_id, refunded_minor, currency } => Answer::precondition(
            ErrorReason::CorrectionBelowRefunds,
            sale_id.to_string(),
            format!("{}: {text}; send the line with at least that and its refunded units", path(&Field::Lines)),
        )
        .with("sale_conversion_id", sale_id)
        .with("line_id", line_id)
        .with("refunded_minor", refunded_minor)
        .with("currency_code", currency),
        Refusal::Overflow(Overflow) => Answer::field(ErrorReason::InvalidFields, path(&Field::Amount), format!("{text}; send less")),
        Refusal::NotLoaded(_) => internal(request_id),
    }
}

//! The table of errors. It is printed from one sample of each error, and checked against the reasons in the proto.

use std::collections::BTreeSet;
use std::time::Duration;

use headwater::domain::account::KeyKind;
use headwater::domain::affiliate::AffiliateState;
use headwater::domain::bounty::{BountyClosed, BountyKind, SubmissionState};
use headwater::domain::customer_reward::CustomerRewardState;
use headwater::domain::id::{
    AffiliateGroupId, AffiliateId, ApiKeyId, BountyId, ConversionId, EnrollmentId, ItemId, LeadId, OfferId,
    PayoutExportId, PayoutId, PayoutReconciliationId, PayoutRunId, PayoutScheduleId, ProgramId, RewardId, SubmissionId,
};
use headwater::domain::money::{Money, Overflow};
use headwater::domain::offer::OfferClosed;
use headwater::domain::payout::{PayoutFault, PayoutProvider, PayoutState, UnpayableReward};
use headwater::domain::payout_export::WrongFileField;
use headwater::domain::payout_method::MethodFault;
use headwater::domain::payout_run::PayoutRunState;
use headwater::domain::program::InvitationFault;
use headwater::domain::refusal::{Field, Refusal, Resource};
use headwater::domain::reward::RewardState;
use headwater::domain::tax_profile::TaxProfileState;
use headwater::error::{CallName, DOMAIN, Error, FieldPaths, FieldViolation, LimitedBy};
use headwater::pb::{self, ErrorReason};
use prost::Message;
use tonic::{Code, Status};
use tonic_types::{ErrorDetail, StatusExt};
use uuid::Uuid;

const REQUEST_ID: &str = "0193a5f0000070008000000000000000";

/// The fields of CreateProgram.
const PATHS: FieldPaths = &[(Field::CommissionCurrency, "terms.commission.flat.currency_code")];

fn call() -> CallName {
    CallName { request_id: REQUEST_ID.into(), ..CallName::default() }
}

fn id() -> Uuid {
    Uuid::from_u128(0x0193_a5f0_0000_7000_8000_0000_0000_0001)
}

fn dollars(amount_minor: i64) -> Money {
    Money::new(amount_minor, "USD".parse().unwrap())
}

fn unpayable() -> Vec<UnpayableReward> {
    let reward_id = RewardId::from_uuid(id());
    [PayoutFault::Pending, PayoutFault::OtherAffiliate].map(|fault| UnpayableReward { reward_id, fault }).to_vec()
}

fn refusals() -> Vec<Refusal> {
    let sale_id = ConversionId::from_uuid(id());
    let currency = "USD".parse().unwrap();
    let mut refusals: Vec<Refusal> =
        Resource::ALL.iter().map(|resource| Refusal::not_found(*resource, "the name that was sent")).collect();
    refusals.extend([
        Refusal::NoDefaultProgram,
        Refusal::AlreadyExists {
            field: Field::CouponCode,
            value: "SAVE10".to_owned(),
            resource: Resource::Coupon,
            resource_id: "cpn_1".to_owned(),
        },
        Refusal::AlreadyEnrolled {
            affiliate_id: AffiliateId::from_uuid(id()),
            program_id: ProgramId::from_uuid(id()),
            enrollment_id: EnrollmentId::from_uuid(id()),
        },
        Refusal::NotEnrolled { affiliate_id: AffiliateId::from_uuid(id()), program_id: ProgramId::from_uuid(id()) },
        Refusal::InvalidField { field: Field::CommissionCurrency, problem: "is wrong here".to_owned() },
        Refusal::InvalidPlace { field: Field::RuleCurrency, place: 2, problem: "is wrong here".to_owned() },
        Refusal::IdempotencyMismatch {
            field: Field::EventId,
            key: "order-1".to_owned(),
            first_id: sale_id.to_string(),
        },
        Refusal::EtagMismatch { resource: Resource::Program, current_etag: "v3".to_owned() },
        Refusal::RewardState {
            reward_id: RewardId::from_uuid(id()),
            from: RewardState::Denied,
            to: RewardState::Approved,
        },
        Refusal::ProgramArchived { program_id: ProgramId::from_uuid(id()) },
        Refusal::EnrollmentEnded { enrollment_id: EnrollmentId::from_uuid(id()) },
        Refusal::RefundExceedsSale { sale_id, left_minor: 1250, currency },
        Refusal::DisputeExceedsSale { sale_id, sold_minor: 1250, currency },
        Refusal::RefundExceedsLine { sale_id, line_id: "mug".to_owned(), left_minor: 1250, currency },
        Refusal::CurrencyMismatch { sale_id, currency },
        Refusal::NoSaleToRefund,
        Refusal::DuplicateOrder { order_id: "1001".to_owned(), conversion_id: ConversionId::from_uuid(id()) },
        Refusal::CouponLimit { limit: 100 },
        Refusal::LeadIdentifierLimit { limit: 100 },
        Refusal::UplineNotFound { name: "jo".to_owned() },
        Refusal::UplineRejected { affiliate_id: AffiliateId::from_uuid(id()) },
        Refusal::UplineLoop { affiliate_id: AffiliateId::from_uuid(id()) },
        Refusal::UplineLevels { limit: 100 },
        Refusal::AffiliateErased { affiliate_id: AffiliateId::from_uuid(id()) },
        Refusal::AffiliateState {
            affiliate_id: AffiliateId::from_uuid(id()),
            from: AffiliateState::Applied,
            to: AffiliateState::Inactive,
        },
        Refusal::ProgramPrivate { program_id: ProgramId::from_uuid(id()) },
        Refusal::InvitationInvalid { program_id: ProgramId::from_uuid(id()), fault: InvitationFault::Expired },
        Refusal::AgreementVersion { program_id: ProgramId::from_uuid(id()), current_version: 2 },
        Refusal::AffiliateGroupArchived { group_id: AffiliateGroupId::from_uuid(id()) },
        Refusal::ItemArchived { item_id: ItemId::from_uuid(id()) },
        Refusal::OfferClosed { offer_id: OfferId::from_uuid(id()), closed: OfferClosed::NotStarted },
        Refusal::OfferLimit { offer_id: OfferId::from_uuid(id()), limit: 100 },
        Refusal::ClaimantLimit { offer_id: OfferId::from_uuid(id()), limit: 1 },
        Refusal::BountyClosed { bounty_id: BountyId::from_uuid(id()), closed: BountyClosed::Decided },
        Refusal::BountyLimit { bounty_id: BountyId::from_uuid(id()), limit: 100 },
        Refusal::SubmitterLimit { bounty_id: BountyId::from_uuid(id()), limit: 1 },
        Refusal::BountyKind { bounty_id: BountyId::from_uuid(id()), kind: BountyKind::Contest },
        Refusal::ContestDecided { bounty_id: BountyId::from_uuid(id()) },
        Refusal::SubmissionState {
            submission_id: SubmissionId::from_uuid(id()),
            from: SubmissionState::Approved,
            to: SubmissionState::Rejected,
        },
        Refusal::AffiliateNotActive {
            affiliate_id: AffiliateId::from_uuid(id()),
            program_id: ProgramId::from_uuid(id()),
        },
        Refusal::LastKey { kind: KeyKind::Admin },
        Refusal::CorrectionBelowRefunds { sale_id, refunded_minor: 1250, currency },
        Refusal::CorrectionBelowLine { sale_id, line_id: "mug".to_owned(), refunded_minor: 1250, currency },
        Refusal::VerificationTokenInvalid,
        Refusal::KeyRevoked { key_id: ApiKeyId::from_uuid(id()) },
        Refusal::LeadNotBound { lead_id: LeadId::from_uuid(id()) },
        Refusal::RewardInCash { reward_id: RewardId::from_uuid(id()) },
        Refusal::RewardsNotPayable { rewards: unpayable() },
        Refusal::NothingDue { affiliate_id: AffiliateId::from_uuid(id()), due: dollars(-50) },
        Refusal::PayoutMethod { affiliate_id: AffiliateId::from_uuid(id()), fault: MethodFault::NoMethod },
        Refusal::TaxProfileRequired { affiliate_id: AffiliateId::from_uuid(id()), state: TaxProfileState::Missing },
        Refusal::TaxProfileState { affiliate_id: AffiliateId::from_uuid(id()), state: TaxProfileState::Expired },
        Refusal::PayoutBelowMinimum {
            affiliate_id: AffiliateId::from_uuid(id()),
            amount: dollars(499),
            minimum: dollars(500),
        },
        Refusal::PayoutState {
            payout_id: PayoutId::from_uuid(id()),
            from: PayoutState::Cancelled,
            to: PayoutState::Paid,
        },
        Refusal::PayoutMayBeMade { payout_id: PayoutId::from_uuid(id()) },
        Refusal::PayoutNotCancellable {
            payout_id: PayoutId::from_uuid(id()),
            provider: PayoutProvider::Stripe,
            state: PayoutState::Processing,
        },
        Refusal::PayoutFile {
            wrong: vec![WrongFileField {
                payout_id: Some(PayoutId::from_uuid(id())),
                field: "account.iban".to_owned(),
                problem: "must be an account in the SEPA area".to_owned(),
            }],
        },
        Refusal::PayoutFileGone { payout_export_id: PayoutExportId::from_uuid(id()) },
        Refusal::PayoutReconciliationRunning { payout_reconciliation_id: PayoutReconciliationId::from_uuid(id()) },
        Refusal::PayoutRunState {
            payout_run_id: PayoutRunId::from_uuid(id()),
            from: PayoutRunState::Cancelled,
            to: PayoutRunState::Cancelling,
        },
        Refusal::PayoutScheduleArchived { payout_schedule_id: PayoutScheduleId::from_uuid(id()) },
        Refusal::PayoutScheduleLimit { limit: 200 },
        Refusal::PayoutOwnApproval { payout_id: PayoutId::from_uuid(id()) },
        Refusal::PayoutAmount { sent: dollars(999), sum: dollars(1_000) },
        Refusal::PayoutAboveOwed {
            affiliate_id: AffiliateId::from_uuid(id()),
            amount: dollars(1_000),
            owed: dollars(-50),
        },
        Refusal::CustomerRewardState {
            lead_id: LeadId::from_uuid(id()),
            program_id: ProgramId::from_uuid(id()),
            state: Some(CustomerRewardState::Revoked),
        },
        Refusal::Overflow(Overflow),
        Refusal::NotLoaded("terms"),
    ]);
    refusals
}

fn samples() -> Vec<Error> {
    let wrong = |field: &str, description: &str| FieldViolation {
        field: field.to_owned(),
        description: description.to_owned(),
    };
    let mut samples = vec![
        Error::InvalidFields(vec![
            wrong("amount.currency_code", "must be an ISO 4217 currency code in capitals, such as USD"),
            wrong("event_id", "is required"),
        ]),
        Error::KeyMissing,
        Error::KeyInvalid,
        Error::KeyKindNotAllowed {
            method: "headwater.v1.RewardService/DenyRewards",
            kind: KeyKind::Read,
            allowed: &[KeyKind::Admin],
        },
        Error::AccountSuspended { reason: "unpaid".into() },
        Error::RegistrationClosed,
        Error::SecretsKeyMissing,
        Error::MethodUnknown { method: "headwater.v1.TrackingService/Fly".to_owned() },
        Error::CursorMalformed,
        Error::CursorForeign,
        Error::CursorExpired { earliest_cursor: "AQ".to_owned() },
        Error::CursorAheadOfHead,
        Error::CursorOfAnotherHistory,
        Error::SlowConsumer { last_cursor: "AQ".to_owned() },
        Error::TooManyStreams { limit: 10 },
        Error::PageTokenInvalid,
        Error::MessageTooLarge,
        Error::AnswerFull,
        Error::Overloaded { retry_after: Duration::from_millis(250) },
        Error::PasswordTries { retry_after: Duration::from_secs(90) },
        Error::RateLimited {
            limited_by: LimitedBy::Key,
            calls_per_minute: 50,
            retry_after: Duration::from_millis(1_200),
        },
        Error::DeadlineExceeded { is_unchanged: true },
        Error::DeadlineExceeded { is_unchanged: false },
        Error::Unavailable,
        Error::Internal("password=hunter2 in driver text".to_owned()),
    ];
    samples.extend(refusals().into_iter().map(|refusal| Error::Refused(refusal, PATHS)));
    samples
}

/// The reason, the metadata keys, and the kinds of details in a status. ErrorInfo and RequestInfo are in each.
fn parts(status: &Status) -> (String, Vec<String>, Vec<&'static str>) {
    let mut found = (String::new(), Vec::new(), Vec::new());
    let mut is_named = false;
    for detail in status.get_error_details_vec() {
        found.2.push(match detail {
            ErrorDetail::ErrorInfo(info) => {
                assert_eq!(info.domain, DOMAIN);
                found.1 = info.metadata.into_keys().collect();
                found.1.sort();
                found.0 = info.reason;
                continue;
            }
            ErrorDetail::BadRequest(_) => "BadRequest",
            ErrorDetail::PreconditionFailure(_) => "PreconditionFailure",
            ErrorDetail::ResourceInfo(_) => "ResourceInfo",
            ErrorDetail::RetryInfo(_) => "RetryInfo",
            ErrorDetail::QuotaFailure(_) => "QuotaFailure",
            ErrorDetail::RequestInfo(info) => {
                assert_eq!((info.request_id.as_str(), info.serving_data.as_str()), (REQUEST_ID, ""));
                is_named = true;
                continue;
            }
            other => panic!("{other:?} is a sort of detail that we do not send"),
        });
    }
    assert!(is_named, "an error without RequestInfo: {status:?}");
    found
}

/// The trailer with the delay after which a client's library repeats the call, or a negative number for never.
fn pushback(status: &Status) -> Option<&str> {
    status.metadata().get("grpc-retry-pushback-ms").map(|value| value.to_str().unwrap())
}

fn status(sample: &Error) -> Status {
    sample.clone().into_status(&call())
}

#[test]
fn the_error_table_is_the_golden_one() {
    let mut text =
        "What callers see of each error: reason, gRPC code, details beside ErrorInfo and RequestInfo, ErrorInfo's metadata,\n\
         the trailer grpc-retry-pushback-ms, message.\n"
            .to_owned();
    for sample in samples() {
        let status = status(&sample);
        let (reason, metadata, details) = parts(&status);
        let or_dash = |list: &[&str]| if list.is_empty() { "-".to_owned() } else { list.join(", ") };
        let metadata: Vec<&str> = metadata.iter().map(String::as_str).collect();
        text += &format!(
            "\n{reason}\n  code      {:?}\n  details   {}\n  metadata  {}\n  pushback  {}\n  message   {}\n",
            status.code(),
            or_dash(&details),
            or_dash(&metadata),
            pushback(&status).unwrap_or("-"),
            status.message(),
        );
    }
    crate::support::golden::assert_golden("errors.txt", &text);
}

#[test]
fn every_reason_of_the_proto_is_produced() {
    let produced: BTreeSet<String> = samples().iter().map(|sample| parts(&status(sample)).0).collect();
    let declared: BTreeSet<String> = (1..)
        .map_while(|number| ErrorReason::try_from(number).ok())
        .map(|reason| reason.as_str_name().trim_start_matches("ERROR_REASON_").to_owned())
        .collect();
    assert_eq!(produced, declared);
}

/// The proto's comment on each reason names its code in brackets.
#[test]
fn every_reason_comes_with_the_code_that_the_proto_says() {
    let proto = include_str!("../../proto/headwater/v1/error.proto");
    for sample in samples() {
        let status = status(&sample);
        let (reason, metadata, _) = parts(&status);
        let declaration = format!("  ERROR_REASON_{reason} = ");
        let (before, _) = proto.split_once(&declaration).unwrap_or_else(|| panic!("no {reason} in the proto"));
        // The comment is all lines after the value before, because a line of a comment may end with a semicolon too.
        let is_value = |line: &&str| line.trim_start().starts_with("ERROR_REASON_");
        let comment = before.rsplit('\n').take_while(|line| !is_value(line)).collect::<Vec<_>>();
        let comment = comment.into_iter().rev().collect::<Vec<_>>().join("\n");
        let comment = comment.as_str();
        let code = format!("{:?}", status.code()).to_uppercase();
        assert!(
            comment.replace('_', "").contains(&format!("[{code}]")),
            "{reason} comes with {code}, the proto says:\n{comment}"
        );
        if let Some((_, named)) = comment.split_once("Metadata:") {
            for name in named.split('`').skip(1).step_by(2).filter(|name| !name.contains('.')) {
                assert!(metadata.iter().any(|given| given == name), "{reason} lacks the metadata {name}");
            }
        }
    }
}

#[test]
fn details_fit_the_code() {
    for sample in samples() {
        let status = status(&sample);
        let (reason, _, details) = parts(&status);
        assert!(!reason.is_empty() && !status.message().is_empty(), "{sample:?}");
        let wanted: &[&str] = match status.code() {
            Code::InvalidArgument => &["BadRequest"],
            Code::FailedPrecondition => &["PreconditionFailure"],
            Code::NotFound | Code::AlreadyExists => &["ResourceInfo"],
            Code::ResourceExhausted if ["MESSAGE_TOO_LARGE", "ANSWER_FULL"].contains(&reason.as_str()) => &[],
            Code::ResourceExhausted if reason == "RATE_LIMITED" => &["RetryInfo", "QuotaFailure"],
            Code::ResourceExhausted | Code::Unavailable => &["RetryInfo"],
            _ => &[],
        };
        assert_eq!(details, wanted, "{reason}");
    }
}

#[test]
fn every_error_says_when_to_repeat_the_call() {
    for sample in samples() {
        let status = status(&sample);
        let delay = status.get_details_retry_info().and_then(|info| info.retry_delay);
        let wanted = match (delay, status.code()) {
            (Some(delay), _) => Some(delay.as_millis().to_string()),
            (None, Code::DeadlineExceeded | Code::Internal) => None,
            (None, _) => Some("-1".to_owned()),
        };
        assert_eq!(pushback(&status), wanted.as_deref(), "{sample:?}");
    }
}

#[test]
fn a_batch_result_says_the_same_as_the_single_call() {
    for sample in samples() {
        let single = status(&sample);
        let item = sample.into_rpc_status(&call());
        assert_eq!((item.code, item.message.as_str()), (i32::from(single.code()), single.message()));
        let types: Vec<_> = item.details.iter().map(|detail| detail.type_url.as_str()).collect();
        assert!(types.contains(&"type.googleapis.com/google.rpc.ErrorInfo"), "{types:?}");
        assert!(types.contains(&"type.googleapis.com/google.rpc.RequestInfo"), "{types:?}");
    }
}

#[test]
fn an_internal_error_tells_the_request_id_and_nothing_else() {
    let status = status(&Error::Internal("password=hunter2 in driver text".to_owned()));
    assert!(!format!("{status:?}").contains("hunter2"));
    assert!(!String::from_utf8_lossy(status.details()).contains("hunter2"));
    assert!(status.get_details_error_info().unwrap().metadata.is_empty());
    assert_eq!(status.get_details_request_info().unwrap().request_id, REQUEST_ID);
}

#[test]
fn a_refused_field_has_its_path_in_the_message_of_the_call() {
    let taken = Refusal::AlreadyExists {
        field: Field::RefId,
        value: "jo".to_owned(),
        resource: Resource::Link,
        resource_id: "lnk_1".to_owned(),
    };
    let field_of = |error: Error| status(&error).get_details_error_info().unwrap().metadata["field"].clone();
    assert_eq!(field_of(Error::from(taken.clone())), "ref_id");
    let paths: FieldPaths = &[(Field::CommissionCurrency, "other"), (Field::RefId, "enrollment.ref_id")];
    let error = Error::from(taken).with_paths(paths);
    assert!(status(&error).message().starts_with("enrollment.ref_id jo is taken"), "{error:?}");
    assert_eq!(field_of(error), "enrollment.ref_id");

    let wrong = Refusal::InvalidField { field: Field::CommissionCurrency, problem: "is wrong here".to_owned() };
    let violations = status(&Error::Refused(wrong, PATHS)).get_details_bad_request().unwrap().field_violations;
    assert_eq!(violations[0].field, PATHS[0].1);
}

fn violations(count: usize) -> Error {
    let violation =
        |index| FieldViolation { field: format!("reward_ids[{index}]"), description: "is wrong".to_owned() };
    Error::InvalidFields((0..count).map(violation).collect())
}

#[test]
fn the_largest_batch_of_refusals_is_no_larger_than_what_clients_take() {
    // The longest text that callers may send, in characters of four bytes.
    let (key, request_id) = ("\u{1f600}".repeat(128), "x".repeat(128));
    let call = CallName { request_id: request_id.into(), ..CallName::default() };
    let long = FieldViolation { field: "event_id".to_owned(), description: "x".repeat(1_500) };
    let errors = [
        violations(1_000),
        Error::InvalidFields(vec![long.clone(), long]),
        Error::from(Refusal::not_found(Resource::Link, &key)),
        Error::from(Refusal::IdempotencyMismatch { field: Field::EventId, first_id: id().to_string(), key }),
    ];
    for error in errors {
        let result = pb::batch_result::Answer::Error(error.into_rpc_status(&call));
        let results = vec![pb::BatchResult { answer: Some(result) }; 1_000];
        let bytes = pb::BatchRecordEventsResponse { results }.encoded_len();
        assert!(bytes < 4 << 20, "{bytes} bytes");
    }
}

#[test]
fn all_violations_are_listed_up_to_what_headers_carry() {
    let listed = |count| status(&violations(count)).get_details_bad_request().unwrap().field_violations;
    assert_eq!(listed(100).len(), 100);
    let many = listed(1_000);
    let last = many.last().unwrap();
    assert_eq!(last.description, format!("and {} more", 1_000 - (many.len() - 1)));
    assert!(many.len() > 100);
    let status = status(&violations(1_000));
    assert!(status.message().ends_with("(and 999 more, see the details)"), "{}", status.message());
    // In base64 it stays below the 8 KiB that many clients accept as headers.
    assert!(status.details().len() < 8 * 1024 * 3 / 4);
}

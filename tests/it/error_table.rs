//! The table of errors: printed from one sample of each, and checked against the reasons in the proto.

use std::collections::BTreeSet;
use std::time::Duration;

use headwater::domain::account::KeyKind;
use headwater::domain::id::{AffiliateId, ConversionId, EnrollmentId, ProgramId, RewardId};
use headwater::domain::money::Overflow;
use headwater::domain::refusal::{Field, Refusal, Resource};
use headwater::domain::reward::RewardState;
use headwater::error::{CallName, DOMAIN, Error, FieldPaths, FieldViolation};
use headwater::pb::ErrorReason;
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

fn refusals() -> Vec<Refusal> {
    let sale_id = ConversionId::from_uuid(id());
    let currency = "USD".parse().unwrap();
    let mut refusals: Vec<Refusal> =
        Resource::ALL.iter().map(|resource| Refusal::not_found(*resource, "the name that was sent")).collect();
    refusals.extend([
        Refusal::NoDefaultProgram,
        Refusal::AlreadyExists {
            field: Field::PromoCode,
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
        Refusal::CurrencyMismatch { sale_id, currency },
        Refusal::NoSaleToRefund,
        Refusal::CouponLimit { limit: 100 },
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
        Error::MethodUnknown { method: "headwater.v1.TrackingService/Fly".to_owned() },
        Error::CursorMalformed,
        Error::CursorForeign,
        Error::CursorExpired { earliest_cursor: "AQ".to_owned() },
        Error::CursorAheadOfHead,
        Error::SlowConsumer { last_cursor: "AQ".to_owned() },
        Error::TooManyStreams { limit: 10 },
        Error::PageTokenInvalid,
        Error::MessageTooLarge,
        Error::Overloaded { retry_after: Duration::from_millis(250) },
        Error::DeadlineExceeded,
        Error::Unavailable,
        Error::Internal("password=hunter2 in driver text".to_owned()),
    ];
    samples.extend(refusals().into_iter().map(|refusal| Error::Refused(refusal, PATHS)));
    samples
}

/// The reason, the metadata keys, and the kinds of details in a status.
fn parts(status: &Status) -> (String, Vec<String>, Vec<&'static str>) {
    let mut found = (String::new(), Vec::new(), Vec::new());
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
            other => panic!("{other:?} is a sort of detail that we do not send"),
        });
    }
    found
}

fn status(sample: &Error) -> Status {
    sample.clone().into_status(&call())
}

#[test]
fn the_error_table_is_the_golden_one() {
    let mut text =
        "What callers see of each error: reason, gRPC code, details beside ErrorInfo, ErrorInfo's metadata, message.\n"
            .to_owned();
    for sample in samples() {
        let status = status(&sample);
        let (reason, metadata, details) = parts(&status);
        let or_dash = |list: &[&str]| if list.is_empty() { "-".to_owned() } else { list.join(", ") };
        let metadata: Vec<&str> = metadata.iter().map(String::as_str).collect();
        text += &format!(
            "\n{reason}\n  code      {:?}\n  details   {}\n  metadata  {}\n  message   {}\n",
            status.code(),
            or_dash(&details),
            or_dash(&metadata),
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
        // Of the lines since the value before: a line of its comment may end with a semicolon too.
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
            Code::ResourceExhausted if reason == "MESSAGE_TOO_LARGE" => &[],
            Code::ResourceExhausted | Code::Aborted | Code::Unavailable => &["RetryInfo"],
            _ => &[],
        };
        assert_eq!(details, wanted, "{reason}");
    }
}

#[test]
fn a_batch_result_says_the_same_as_the_single_call() {
    for sample in samples() {
        let single = status(&sample);
        let item = sample.into_rpc_status(&call());
        assert_eq!((item.code, item.message.as_str()), (i32::from(single.code()), single.message()));
        assert!(!item.details.is_empty());
    }
}

#[test]
fn an_internal_error_tells_the_request_id_and_nothing_else() {
    let status = status(&Error::Internal("password=hunter2 in driver text".to_owned()));
    assert!(!format!("{status:?}").contains("hunter2"));
    assert!(!String::from_utf8_lossy(status.details()).contains("hunter2"));
    assert_eq!(status.get_details_error_info().unwrap().metadata["request_id"], REQUEST_ID);
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

#[test]
fn all_violations_are_listed_up_to_what_headers_carry() {
    let violations = |count: usize| {
        Error::InvalidFields(
            (0..count)
                .map(|index| FieldViolation {
                    field: format!("reward_ids[{index}]"),
                    description: "is wrong".to_owned(),
                })
                .collect(),
        )
    };
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

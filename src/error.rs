//! Every error of the server, and its effects: a status for the caller, and a log line for a fault of ours. The only place where
//! a `tonic::Status` is made. `table.rs` beside it has the codes and texts that callers see. Does not know how errors arise.

#![expect(clippy::disallowed_methods, reason = "this is the one place where a status is made")]

mod table;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, PreconditionViolation, StatusExt};

use crate::app::SubmitError;
use crate::domain::account::KeyKind;
use crate::domain::id::{AccountId, ApiKeyId};
use crate::domain::refusal::{Field, Refusal};
use crate::store::StoreError;
use table::{Answer, Detail, Retry};

/// The domain of every `google.rpc.ErrorInfo` that the server sends.
pub const DOMAIN: &str = "headwater.dev";

/// The trailer that tells a client library how many milliseconds to wait before a retry. A negative number means never.
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// How many bytes of field violations an answer lists. Status details travel in HTTP/2 headers, where they grow by a third, and
/// many clients cap headers at 8 KiB. A list of 1,000 wrong ids would reach such a client as a broken connection.
const VIOLATION_BYTES_MAX: usize = 3_584;

/// The same limit for each result of a batch. 1,000 refused results must fit into the 4 MiB that clients accept.
const BATCH_VIOLATION_BYTES_MAX: usize = 1_536;

/// One wrong field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldViolation {
    /// The path of the field, such as `terms.commission.percent_ppm`.
    pub field: String,
    /// The fault and how to fix it.
    pub description: String,
}

/// The paths of the domain's fields in a message. The list has only the fields whose names differ.
pub type FieldPaths = &'static [(Field, &'static str)];

/// Whose calls a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitedBy {
    /// The caller's address.
    Address,
    /// The calling key.
    Key,
}

/// Why a call failed.
#[derive(Debug, Clone)]
pub enum Error {
    /// Fields of the request are wrong. Lists all of them.
    InvalidFields(Vec<FieldViolation>),
    /// A rule of the business refused the command. Has the paths of the rule's fields in the call's message.
    Refused(Refusal, FieldPaths),
    /// No API key was sent.
    KeyMissing,
    /// The API key is malformed, unknown, revoked or expired.
    KeyInvalid,
    /// The key's account is suspended, and the method is none that reads.
    AccountSuspended {
        /// The operator's reason.
        reason: Arc<str>,
    },
    /// Nobody but operators registers accounts.
    RegistrationClosed,
    /// A key of this kind may not make this call.
    KeyKindNotAllowed {
        /// The method, such as `headwater.v1.TrackingService/RecordSale`.
        method: &'static str,
        /// The kind of the calling key.
        kind: KeyKind,
        /// The kinds of key that may make the call.
        allowed: &'static [KeyKind],
    },
    /// There is no such method.
    MethodUnknown {
        /// The name that was called.
        method: String,
    },
    /// The server has no key to seal secrets with.
    SecretsKeyMissing,
    /// The cursor was not made by Headwater.
    CursorMalformed,
    /// The cursor belongs to another database or account.
    CursorForeign,
    /// The events after the cursor are no longer kept.
    CursorExpired {
        /// The earliest cursor that works.
        earliest_cursor: String,
    },
    /// The cursor is ahead of the newest event.
    CursorAheadOfHead,
    /// The event at the cursor is another than the one that the reader got.
    CursorOfAnotherHistory,
    /// The reader of a stream took no events for too long.
    SlowConsumer {
        /// The last cursor that was sent.
        last_cursor: String,
    },
    /// The key has its maximum number of open streams.
    TooManyStreams {
        /// The maximum number of open streams of the key.
        limit: usize,
    },
    /// The account has its share of the streams that the server may have open.
    StreamsTaken,
    /// The page token was not made by Headwater, or belongs to another filter.
    PageTokenInvalid,
    /// The request is larger than the server accepts, or the answer is larger than it sends.
    MessageTooLarge,
    /// The answer of a batch has no room for this item.
    AnswerFull,
    /// The queue is full. Retry later.
    Overloaded {
        /// How long to wait before a retry.
        retry_after: Duration,
    },
    /// The address or the key has made as many calls as it may for now.
    RateLimited {
        /// Whose calls were counted.
        limited_by: LimitedBy,
        /// How many calls a minute it may make.
        calls_per_minute: u32,
        /// When one more call is allowed.
        retry_after: Duration,
    },
    /// Too many wrong passwords were tried for an affiliate.
    PasswordTries {
        /// When one more may be tried.
        retry_after: Duration,
    },
    /// The deadline passed before the call was answered.
    DeadlineExceeded {
        /// Whether it is certain that the call has changed nothing and will change nothing.
        is_unchanged: bool,
    },
    /// The database did not answer, or the server is stopping.
    Unavailable,
    /// A fault of ours. The text is only for the log.
    Internal(String),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal, &[])
    }
}

impl From<SubmitError> for Error {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Refused(refusal) => refusal.into(),
            SubmitError::Overloaded { retry_after } => Self::Overloaded { retry_after },
            // The command was dropped from the queue before it began.
            SubmitError::DeadlineExceeded => Self::DeadlineExceeded { is_unchanged: true },
            SubmitError::Unavailable => Self::Unavailable,
            SubmitError::Internal(cause) => Self::Internal(cause),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        SubmitError::from(error).into()
    }
}

/// The names of a call in the log and in errors. All empty by default.
#[derive(Debug, Clone, Default)]
pub struct CallName {
    /// The request id, from the caller or made by the server.
    pub request_id: Arc<str>,
    /// The method, such as `headwater.v1.TrackingService/RecordSale`; empty for an unknown one. It is also part of the keys of
    /// repeated requests and of page tokens.
    pub method: &'static str,
    /// The calling key and its account, once they are known.
    pub key: Option<(ApiKeyId, AccountId)>,
}

impl Error {
    /// The same error, with the paths of a refusal's fields.
    pub fn with_paths(self, paths: FieldPaths) -> Self {
        match self {
            Self::Refused(refusal, _) => Self::Refused(refusal, paths),
            error => error,
        }
    }

    /// The status with which the single call ends. A fault of ours is logged here, once. Its text goes nowhere else.
    pub fn into_status(self, call: &CallName) -> Status {
        self.into_status_within(call, VIOLATION_BYTES_MAX)
    }

    fn into_status_within(self, call: &CallName, violation_bytes_max: usize) -> Status {
        if let Some(cause) = self.fault() {
            let CallName { request_id, method, key } = call;
            let key_id = key.map(|(key_id, _)| tracing::field::display(key_id));
            let account_id = key.map(|(_, account_id)| tracing::field::display(account_id));
            tracing::error!(method, request_id = &**request_id, key_id, account_id, cause, "internal error");
        }
        status(self.answer(&call.request_id, violation_bytes_max), &call.request_id)
    }

    /// The error as a result in a batch: the same code, message and details, with a shorter list of violations.
    pub fn into_rpc_status(self, call: &CallName) -> tonic_types::Status {
        let status = self.into_status_within(call, BATCH_VIOLATION_BYTES_MAX);
        // The details of a status are an encoded `google.rpc.Status`.
        tonic_types::Status::decode(status.details()).unwrap_or_else(|_| tonic_types::Status {
            code: status.code().into(),
            message: status.message().to_owned(),
            details: Vec::new(),
        })
    }

    /// The log text of a fault of ours; `None` for other errors.
    fn fault(&self) -> Option<&str> {
        match self {
            Self::Internal(cause) => Some(cause),
            Self::Refused(Refusal::NotLoaded(what), _) => Some(what),
            _ => None,
        }
    }
}

/// The status for an answer, with the request id of its call.
fn status(answer: Answer, request_id: &str) -> Status {
    let reason = answer.reason.as_str_name().trim_start_matches("ERROR_REASON_");
    let metadata: HashMap<String, String> =
        answer.metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, metadata);
    match answer.detail {
        Detail::None => {}
        Detail::Fields(violations) => {
            for violation in violations {
                details.add_bad_request_violation(violation.field, violation.description);
            }
        }
        Detail::Precondition(subject) => {
            details.set_precondition_failure(vec![PreconditionViolation::new(reason, subject, &answer.message)]);
        }
        Detail::Preconditions(subjects) => {
            let violations =
                subjects.into_iter().map(|(subject, fault)| PreconditionViolation::new(reason, subject, fault));
            details.set_precondition_failure(violations.collect::<Vec<_>>());
        }
        Detail::Quota(subject) => {
            details.add_quota_failure_violation(subject, &answer.message);
        }
        Detail::Resource(resource_type, name) => {
            details.set_resource_info(resource_type, name, "", &answer.message);
        }
    }
    if !request_id.is_empty() {
        details.set_request_info(request_id, "");
    }
    let mut trailers = MetadataMap::new();
    match answer.retry {
        Retry::After(delay) => {
            details.set_retry_info(Some(delay));
            trailers.insert(PUSHBACK, i32::try_from(delay.as_millis()).unwrap_or(i32::MAX).into());
        }
        Retry::Never => {
            trailers.insert(PUSHBACK, (-1).into());
        }
        Retry::Unsaid => {}
    }
    Status::with_error_details_and_metadata(answer.code, answer.message, details, trailers)
}

/// Our error in place of one that tonic makes by itself, before or after a handler. `None` for a status that must stay as it is:
/// our own errors, and the refusal of an unsupported compression, which the client library handles.
pub fn adopt(status: &Status) -> Option<Error> {
    let text = status.message();
    match status.code() {
        _ if !status.details().is_empty() => None,
        Code::OutOfRange if text.contains("message length too large") => Some(Error::MessageTooLarge),
        Code::ResourceExhausted if text.contains("exceeded while decompressing") => Some(Error::MessageTooLarge),
        // This error comes from tonic and is about the bytes of the request. Our own handlers always answer with details.
        Code::Internal => Some(Error::InvalidFields(vec![FieldViolation {
            field: String::new(),
            description: format!("the request is no message of this method's request type: {text}"),
        }])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Mutex, PoisonError};

    use uuid::Uuid;

    use super::*;

    /// The lines of the log.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(action: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(log, action);
        let bytes = lines.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8(bytes.clone()).unwrap()
    }

    #[test]
    fn a_fault_is_logged_with_the_name_of_its_call_and_the_caller_learns_nothing_of_it() {
        let key = (ApiKeyId::from_uuid(Uuid::from_u128(1)), AccountId::from_uuid(Uuid::from_u128(2)));
        let call = CallName {
            request_id: "order-17".into(),
            method: "headwater.v1.TrackingService/RecordSale",
            key: Some(key),
        };
        let mut message = String::new();
        let line = logged(|| {
            message = Error::Internal("the row of ada@example.com is broken".to_owned())
                .into_status(&call)
                .message()
                .to_owned();
        });
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let field = |name: &str| line["fields"][name].as_str().unwrap_or_default().to_owned();
        assert_eq!(field("cause"), "the row of ada@example.com is broken");
        assert_eq!(field("request_id"), "order-17");
        assert_eq!(field("method"), "headwater.v1.TrackingService/RecordSale");
        assert_eq!((field("key_id"), field("account_id")), (key.0.to_string(), key.1.to_string()));
        assert!(!message.contains("ada@example.com"), "{message}");

        assert_eq!(logged(|| _ = Error::KeyMissing.into_status(&call)), "", "a caller's fault is none of ours");
    }
}

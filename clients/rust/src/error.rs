//! The typed error of calls.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::pb;

/// The domain of the server's reasons. An ErrorInfo of another domain was made by something in between.
const DOMAIN: &str = "headwater.dev";

/// Why a call failed.
#[derive(Clone)]
pub struct Error(Box<Parts>);

#[derive(Clone)]
struct Parts {
    message: String,
    reason_name: String,
    violations: Vec<Violation>,
    metadata: HashMap<String, String>,
    request_id: String,
    retry_delay: Option<Duration>,
    /// The server says that the same request would fail again.
    is_repeat_useless: bool,
    status: Status,
    cause: Option<Cause>,
}

/// One wrong field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The path of the field, such as `amount.amount_minor` or `reward_ids[3]`.
    pub field: String,
    /// The fault and how to fix it.
    pub description: String,
}

impl Error {
    /// The gRPC code.
    pub fn code(&self) -> Code {
        self.0.status.code()
    }

    /// The fault and how to fix it, for people to read.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The server's reason. `Unspecified` if the error is not from the server, for example because there is no connection, and if
    /// the reason is newer than this client.
    pub fn reason(&self) -> pb::ErrorReason {
        pb::ErrorReason::from_str_name(&format!("ERROR_REASON_{}", self.0.reason_name)).unwrap_or_default()
    }

    /// The name of the reason as it was sent, such as `INVALID_FIELDS`, also if it is newer than this client. Empty if the error is
    /// not from the server.
    pub fn reason_name(&self) -> &str {
        &self.0.reason_name
    }

    /// All wrong fields of the request.
    pub fn violations(&self) -> &[Violation] {
        &self.0.violations
    }

    /// The facts that [`pb::ErrorReason`] names for each reason, such as `earliest_cursor`.
    pub fn metadata(&self) -> &HashMap<String, String> {
        &self.0.metadata
    }

    /// The id of the call in the server's log. Not the `request_id` of the request. Empty if the error is not from the server.
    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// How long to wait before a repeat, if the server says so.
    pub fn retry_delay(&self) -> Option<Duration> {
        self.0.retry_delay
    }

    /// The status as gRPC has it.
    pub fn status(&self) -> &Status {
        &self.0.status
    }

    /// Whether the same call may succeed later. Repeat it with the same `event_id` or `request_id`: the failed call may have had its
    /// effect, and then the repeat returns the same answer.
    pub fn is_temporary(&self) -> bool {
        use pb::ErrorReason::{DeadlineExceeded, Overloaded, TooManyStreams, Unavailable, Unspecified};
        if self.0.is_repeat_useless {
            return false;
        }
        match self.reason() {
            Unavailable | Overloaded | TooManyStreams | DeadlineExceeded => true,
            // Not from the server, or newer than this client. A connection that breaks has one of several codes, but its status has
            // a cause in this process.
            Unspecified => self.0.cause.is_some() || matches!(self.code(), Code::Unavailable | Code::DeadlineExceeded),
            _ => false,
        }
    }

    /// Reads a status from inside an answer: the error of one result of `BatchRecordEvents`.
    pub fn from_result(status: &tonic_types::pb::Status) -> Self {
        let details = prost::Message::encode_to_vec(status);
        Self::from(new_status(Code::from_i32(status.code), status.message.clone(), details))
    }

    /// A wrong use of this client.
    pub(crate) fn usage(message: String) -> Self {
        Self::from(new_status(Code::InvalidArgument, message, Vec::new()))
    }

    /// The stream of the feed brought no message for so long.
    pub(crate) fn silence(limit: Duration, phase: &str) -> Self {
        Self::from(new_status(Code::Unavailable, format!("no message for {limit:.0?} while {phase}"), Vec::new()))
    }

    /// The deadline passed. The failure of the attempt before, if there was one, is the cause.
    pub(crate) fn deadline(last: Option<&Self>) -> Self {
        let mut message = "there was no answer before the deadline; the call may have had its effect".to_owned();
        if let Some(last) = last {
            message = format!("{message}; the attempt before failed with {last}");
        }
        let mut error = Self::from(new_status(Code::DeadlineExceeded, message, Vec::new()));
        error.0.cause = last.map(|last| Arc::new(last.clone()) as Cause);
        error
    }

    /// Whether the timer of the connection ended the call at its deadline.
    pub(crate) fn is_timer(&self) -> bool {
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            if cause.is::<tonic::TimeoutExpired>() {
                return true;
            }
            next = cause.source();
        }
        false
    }
}

/// What broke in this process.
type Cause = Arc<dyn std::error::Error + Send + Sync>;

fn new_status(code: Code, message: String, details: Vec<u8>) -> Status {
    Status::with_details(code, message, details.into())
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let mut parts = Parts {
            message: status.message().to_owned(),
            reason_name: String::new(),
            violations: Vec::new(),
            metadata: HashMap::new(),
            request_id: String::new(),
            retry_delay: details.retry_info().and_then(|info| info.retry_delay),
            is_repeat_useless: false,
            // The clone of a status keeps its cause.
            cause: std::error::Error::source(&status).map(|_| Arc::new(status.clone()) as Cause),
            status: status.clone(),
        };
        if let Some(info) = details.error_info().filter(|info| info.domain == DOMAIN) {
            parts.reason_name.clone_from(&info.reason);
            parts.metadata.clone_from(&info.metadata);
        }
        if let Some(request) = details.bad_request() {
            let violation = |violation: &tonic_types::FieldViolation| Violation {
                field: violation.field.clone(),
                description: violation.description.clone(),
            };
            parts.violations = request.field_violations.iter().map(violation).collect();
        }
        if let Some(info) = details.request_info() {
            parts.request_id.clone_from(&info.request_id);
        } else if let Some(id) = status.metadata().get("x-request-id").and_then(|value| value.to_str().ok()) {
            id.clone_into(&mut parts.request_id);
        }
        if let Some(pushback) = status.metadata().get("grpc-retry-pushback-ms").and_then(|value| value.to_str().ok()) {
            match pushback.parse::<u64>() {
                Ok(milliseconds) => parts.retry_delay = parts.retry_delay.or(Some(Duration::from_millis(milliseconds))),
                Err(_) => parts.is_repeat_useless = true,
            }
        }
        if let Some(cause) = std::error::Error::source(&status) {
            parts.message = chain(cause);
        }
        Self(Box::new(parts))
    }
}

/// The texts of an error and its causes. Leaves out texts that repeat, and tonic's "transport error", which says nothing.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let message = error.to_string();
        if message != "transport error" && !text.contains(&message) {
            let separator = if text.is_empty() { "" } else { ": " };
            text = format!("{text}{separator}{message}");
        }
        next = error.source();
    }
    if text.is_empty() { error.to_string() } else { text }
}

impl std::fmt::Display for Error {
    /// The code, the reason, and the message or all wrong fields.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?}", self.code())?;
        if !self.0.reason_name.is_empty() {
            write!(formatter, " {}", self.0.reason_name)?;
        }
        if self.0.violations.len() > 1 {
            for (index, violation) in self.0.violations.iter().enumerate() {
                let separator = if index == 0 { ": " } else { "; " };
                write!(formatter, "{separator}{}: {}", violation.field, violation.description)?;
            }
        } else {
            write!(formatter, ": {}", self.0.message)?;
        }
        if !self.0.request_id.is_empty() {
            write!(formatter, " (request {})", self.0.request_id)?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Error({self})")
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

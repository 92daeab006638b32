//! Stripe's errors. Callers decide by `type` and `code`, never by the message.

use serde_json::{Value, json};

use crate::exchange::{Answer, Request};

/// A request that was not carried out.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) answer: Answer,
    /// Whether the answer is kept under the request's idempotency key. One that was made before the execution began is not.
    pub(super) is_stored: bool,
}

fn body(kind: &str, code: Option<&str>, message: &str, parameter: Option<&str>) -> Value {
    let mut error = json!({"type": kind, "message": message});
    if let Some(code) = code {
        error["code"] = json!(code);
        error["doc_url"] = json!(format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-")));
        error["request_log_url"] = json!("https://dashboard.stripe.com/test/logs/req_fake");
    }
    if let Some(parameter) = parameter {
        error["param"] = json!(parameter);
    }
    json!({"error": error})
}

/// A wrong or missing field, found before the execution.
pub(super) fn invalid(message: &str, parameter: Option<&str>) -> Refusal {
    let answer = Answer::json(400, &body("invalid_request_error", None, message, parameter));
    Refusal { answer, is_stored: false }
}

/// A field that is not there.
pub(super) fn no_field(name: &str) -> Refusal {
    let message = format!("Missing required param: {name}.");
    let answer = Answer::json(400, &body("invalid_request_error", Some("parameter_missing"), &message, Some(name)));
    Refusal { answer, is_stored: false }
}

/// An id of nothing.
pub(super) fn missing(id: &str, parameter: &str) -> Refusal {
    let message = format!("No such object: '{id}'");
    let status = if parameter == "id" { 404 } else { 400 };
    let answer =
        Answer::json(status, &body("invalid_request_error", Some("resource_missing"), &message, Some(parameter)));
    Refusal { answer, is_stored: false }
}

/// A refusal by the state of things, which a repeat with the same key gets again.
pub(super) fn refused(code: &str, message: &str) -> Refusal {
    Refusal { answer: Answer::json(400, &body("invalid_request_error", Some(code), message, None)), is_stored: true }
}

/// An account that the key may not act for.
pub(super) fn no_account(id: &str) -> Refusal {
    let message = format!("The provided key does not have access to account '{id}' (or that account does not exist).");
    let answer = Answer::json(403, &body("invalid_request_error", Some("account_invalid"), &message, None));
    Refusal { answer, is_stored: false }
}

pub(super) fn no_such_url(request: &Request) -> Refusal {
    let message = format!("Unrecognized request URL ({}: {}).", request.method, request.path);
    Refusal { answer: Answer::json(404, &body("invalid_request_error", None, &message, None)), is_stored: false }
}

pub(super) fn no_key() -> Answer {
    let message = "You did not provide an API key, or it is not a secret key.";
    Answer::json(401, &body("invalid_request_error", None, message, None))
}

/// The same key with another request.
pub(super) fn other_request() -> Answer {
    let message = "Keys for idempotent requests can only be used with the same parameters they were first used with.";
    Answer::json(400, &body("idempotency_error", None, message, None))
}

/// The same key while its first request is carried out.
pub(super) fn in_progress() -> Answer {
    let message = "There is currently another in-progress request using this Stripe Idempotent Key.";
    let body = body("idempotency_error", Some("idempotency_key_in_use"), message, None);
    Answer::json(409, &body).with_header("stripe-should-retry", "true")
}

/// An error that only has a status.
pub(crate) fn of_status(status: u16) -> Answer {
    let answer = match status {
        429 => Answer::json(429, &body("invalid_request_error", Some("rate_limit"), "Too many requests.", None)),
        _ => Answer::json(status, &body("api_error", None, "An unknown error occurred.", None)),
    };
    answer.with_header("request-id", "req_fake")
}

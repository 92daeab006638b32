//! Wise's errors, in their three forms: of authentication, of validation, of limits.

use serde_json::{Value, json};

use crate::exchange::Answer;

/// An error with one entry.
pub(super) fn one(status: u16, code: &str, message: &str, path: &str) -> Answer {
    Answer::json(status, &json!({"errors": [entry(code, message, path)]}))
}

/// An entry of a list of errors.
pub(super) fn entry(code: &str, message: &str, path: &str) -> Value {
    json!({"code": code, "message": message, "path": path, "arguments": [path]})
}

/// A wrong field.
pub(super) fn wrong(path: &str, message: &str) -> Answer {
    one(422, "NOT_VALID", message, path)
}

pub(super) fn not_found() -> Answer {
    one(404, "NOT_FOUND", "There is nothing here", "")
}

pub(super) fn no_token() -> Answer {
    Answer::json(401, &json!({"error": "invalid_token", "error_description": "Invalid token"}))
}

/// An error that only has a status.
pub(crate) fn of_status(status: u16) -> Answer {
    match status {
        401 => no_token(),
        429 => one(429, "too.many.requests", "Too many requests", "").with_header("x-rate-limited-by", "profile"),
        _ => Answer::json(status, &json!({"error": "internal_error", "error_description": "Something went wrong"})),
    }
}

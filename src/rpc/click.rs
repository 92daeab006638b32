//! Clicks on the wire.

use super::parse::{Fields, KEY_LENGTH_MAX};
use super::{Call, unexpected_outcome};
use crate::app::Answer;
use crate::domain::account::KeyKind;
use crate::domain::click::RecordClick;
use crate::domain::command::{Command, Outcome};
use crate::domain::refusal::Refusal;
use crate::domain::time::Time;
use crate::error::Error;
use crate::pb::{self, record_click_request};

pub(super) async fn record(call: Call, message: pb::RecordClickRequest) -> Result<pb::RecordClickResponse, Error> {
    let fingerprint = call.event_key(None, &message.event_id, &message);
    let command = parse(&message, call.now())?;
    let kind = call.caller.principal.kind;
    let answer = call.submit(fingerprint, Command::RecordClick(command)).await;
    render(answer.map_err(|error| for_kind(error, kind))?, kind)
}

/// The id of a first click is a visitor's tracking id: a page that anyone can read must not learn another visitor's by sending an
/// event_id that is in use.
fn for_kind(error: Error, kind: KeyKind) -> Error {
    match error {
        Error::Refused(Refusal::IdempotencyMismatch { field, key, .. }) if kind == KeyKind::Publishable => {
            Refusal::IdempotencyMismatch { field, key, first_id: String::new() }.into()
        }
        error => error,
    }
}

pub(super) fn parse(message: &pb::RecordClickRequest, now: Time) -> Result<RecordClick, Error> {
    use record_click_request::Referral;
    let mut fields = Fields::default();
    fields.key("event_id", &message.event_id);
    let code = match &message.referral {
        Some(Referral::LinkCode(code)) => fields.required_line("link_code", code, KEY_LENGTH_MAX),
        Some(Referral::RefId(ref_id)) => fields.required_line("ref_id", ref_id, KEY_LENGTH_MAX),
        None => {
            fields.wrong("link_code", "is required, or ref_id in its place");
            String::new()
        }
    };
    let referrer_url = fields.referrer("referrer_url", &message.referrer_url);
    let occurred_at = fields.occur_time("occur_time", message.occur_time.as_ref(), now);
    fields.finish()?;
    Ok(RecordClick {
        code: code.to_ascii_lowercase(),
        // A cookie that is none of ours, or was tampered with, makes a new visitor rather than a fault.
        tid: message.tid.trim().parse().ok(),
        referrer_url,
        occurred_at,
    })
}

/// The answer. Pages that anyone can read learn where to send the visitor, and not whose link it is.
pub(super) fn render(answer: Answer, kind: KeyKind) -> Result<pb::RecordClickResponse, Error> {
    let Outcome::Click(click) = answer.outcome else { return Err(unexpected_outcome()) };
    let affiliate_id = if kind == KeyKind::Publishable { String::new() } else { click.affiliate_id.to_string() };
    Ok(pb::RecordClickResponse {
        click_id: click.click_id.to_string(),
        tid: click.tid.to_string(),
        destination_url: click.destination_url,
        affiliate_id,
        replayed: answer.replayed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_micros(1_700_000_000_000_000);

    #[test]
    fn a_tid_that_is_none_of_ours_is_no_fault() {
        let referral = Some(record_click_request::Referral::RefId(" JO ".to_owned()));
        let message = pb::RecordClickRequest { referral, tid: "x".repeat(5_000), ..Default::default() };
        let command = parse(&message, NOW).unwrap();
        assert_eq!((command.code.as_str(), command.tid), ("jo", None));
    }

    #[test]
    fn something_must_have_been_clicked() {
        let Err(Error::InvalidFields(violations)) = parse(&pb::RecordClickRequest::default(), NOW) else {
            panic!("was taken")
        };
        assert_eq!(violations[0].field, "link_code");
    }
}

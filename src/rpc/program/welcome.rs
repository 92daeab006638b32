//! The welcome mail of a program on the wire.

use std::borrow::Cow;

use crate::domain::welcome::{self, WelcomeMail};
use crate::pb;
use crate::rpc::call::canonical::{self as form, canonical};
use crate::rpc::call::parse::{Fields, NAME_LENGTH_MAX};

/// The maximum number of characters of the body.
const BODY_LENGTH_MAX: usize = 10_000;

/// Reads a welcome mail. One that is neither enabled nor has a text is none.
pub(super) fn read(fields: &mut Fields, sent: Option<&pb::WelcomeMail>) -> Option<WelcomeMail> {
    let sent = sent?;
    fields.within("welcome_mail", |fields| {
        let subject = fields.line("subject", &sent.subject, NAME_LENGTH_MAX);
        let body = fields.paragraph_up_to("body", &sent.body, BODY_LENGTH_MAX);
        for (field, text) in [("subject", &subject), ("body", &body)] {
            if let Some(problem) = welcome::problem(text) {
                fields.wrong(field, problem);
            }
        }
        let is_none = !sent.is_enabled && subject.is_empty() && body.is_empty();
        (!is_none).then_some(WelcomeMail { is_enabled: sent.is_enabled, subject, body })
    })
}

/// A welcome mail in the form that it is compared in.
pub(super) fn canonical(sent: &pb::WelcomeMail) -> Cow<'_, pb::WelcomeMail> {
    canonical!(
        pb::WelcomeMail,
        sent,
        subject: form::trimmed(&sent.subject),
        body: form::trimmed(&sent.body);
        as_sent: is_enabled,
    )
}

/// A welcome mail as a message.
pub(super) fn render(mail: &WelcomeMail) -> pb::WelcomeMail {
    pb::WelcomeMail { is_enabled: mail.is_enabled, subject: mail.subject.clone(), body: mail.body.clone() }
}

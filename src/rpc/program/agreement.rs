//! The agreement of a program on the wire.

use std::borrow::Cow;

use crate::domain::program::Agreement;
use crate::pb;
use crate::rpc::call::canonical::{self as form, canonical};
use crate::rpc::call::parse::Fields;

/// The maximum number of characters of the text.
const TEXT_LENGTH_MAX: usize = 20_000;

/// Reads an agreement. The version is the server's.
pub(super) fn read(fields: &mut Fields, sent: &pb::Agreement) -> Agreement {
    fields.within("agreement", |fields| {
        let url = fields.optional_url("url", &sent.url);
        let text = fields.paragraph_up_to("text", &sent.text, TEXT_LENGTH_MAX);
        if sent.url.trim().is_empty() && sent.text.trim().is_empty() {
            fields.wrong("url", "is required unless there is a text");
        }
        Agreement { version: 0, url, text, is_required: sent.is_required }
    })
}

/// An agreement in the form that it is compared in.
pub(super) fn canonical(sent: &pb::Agreement) -> Cow<'_, pb::Agreement> {
    canonical!(
        pb::Agreement,
        sent,
        version: form::unread(&sent.version),
        url: form::url(&sent.url),
        text: form::trimmed(&sent.text);
        as_sent: is_required,
    )
}

/// An agreement as a message.
pub(super) fn render(agreement: &Agreement) -> pb::Agreement {
    pb::Agreement {
        version: agreement.version,
        url: agreement.url.clone(),
        text: agreement.text.clone(),
        is_required: agreement.is_required,
    }
}

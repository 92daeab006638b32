//! What affiliates accept of a program's agreement, on the wire.

use std::borrow::Cow;
use std::sync::Arc;

use super::render_answer;
use crate::domain::enrollment::{Acceptance, EnrollmentOutcome};
use crate::domain::rule::{AcceptAgreement, NewAcceptance};
use crate::error::Error;
use crate::pb;
use crate::rpc::call::canonical::{self as form, canonical};
use crate::rpc::call::change::{Asking, Change, RepeatKey};
use crate::rpc::call::parse::{Fields, NAME_LENGTH_MAX};
use crate::rpc::call::render::timestamp;

/// Reads an acceptance. A faulty one is noted in the fields.
pub(super) fn read(fields: &mut Fields, field: &str, sent: &pb::AgreementAcceptance) -> NewAcceptance {
    fields.within(field, |fields| NewAcceptance {
        version: fields.number("version", sent.version, 1..=i32::MAX),
        source: fields.line("source", &sent.source, NAME_LENGTH_MAX),
    })
}

/// An acceptance in the form that it is compared in.
pub(in crate::rpc) fn canonical(sent: &pb::AgreementAcceptance) -> Cow<'_, pb::AgreementAcceptance> {
    canonical!(
        pb::AgreementAcceptance,
        sent,
        accept_time: form::unread(&sent.accept_time),
        source: form::trimmed(&sent.source);
        as_sent: version,
    )
}

/// An acceptance as a message.
pub(super) fn acceptance(acceptance: &Acceptance) -> pb::AgreementAcceptance {
    pb::AgreementAcceptance {
        version: acceptance.version,
        accept_time: Some(timestamp(acceptance.accepted_at)),
        source: acceptance.source.clone(),
    }
}

impl Change for pb::AcceptAgreementRequest {
    type Rule = AcceptAgreement;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::AcceptAgreementRequest,
            self,
            acceptance: form::inside(self.acceptance.as_ref(), canonical);
            as_sent: request_id, enrollment_id,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(AcceptAgreement, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let id = fields.id("enrollment_id", &self.enrollment_id);
        let sent = fields.required("acceptance", self.acceptance.as_ref());
        let acceptance = sent.map(|sent| read(&mut fields, "acceptance", sent));
        let (id, acceptance) = fields.complete((id, acceptance))?;
        Ok((AcceptAgreement { id, acceptance }, ()))
    }

    fn render(answer: Arc<EnrollmentOutcome>, replayed: bool, (): (), _asking: &Asking) -> pb::AcceptAgreementResponse {
        pb::AcceptAgreementResponse { enrollment: Some(render_answer(&answer)), replayed }
    }
}

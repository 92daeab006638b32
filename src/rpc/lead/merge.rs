//! The calls that merge two leads, and that delete one.

use std::borrow::Cow;
use std::sync::Arc;

use crate::domain::lead::Lead;
use crate::domain::refusal::Field;
use crate::domain::rule::{DeleteLead, MergeLeads};
use crate::error::{Error, FieldPaths};
use crate::pb;
use crate::rpc::call::canonical::{self, canonical};
use crate::rpc::call::change::{Asking, Change, RepeatKey};
use crate::rpc::call::parse::Fields;
use crate::rpc::call::selector;
use crate::rpc::lead::render;

impl Change for pb::MergeLeadsRequest {
    type Rule = MergeLeads;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::Lead, "lead or duplicate")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::MergeLeadsRequest,
            self,
            lead: canonical::inside(self.lead.as_ref(), selector::canonical_lead),
            duplicate: canonical::inside(self.duplicate.as_ref(), selector::canonical_lead);
            as_sent: request_id,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(MergeLeads, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let lead = selector::lead(&mut fields, "lead", self.lead.as_ref());
        let duplicate = selector::lead(&mut fields, "duplicate", self.duplicate.as_ref());
        let (lead, duplicate) = fields.complete((lead, duplicate))?;
        Ok((MergeLeads { lead, duplicate }, ()))
    }

    fn render(lead: Arc<Lead>, replayed: bool, (): (), _asking: &Asking) -> pb::MergeLeadsResponse {
        pb::MergeLeadsResponse { lead: Some(render(&lead)), replayed }
    }
}

impl Change for pb::DeleteLeadRequest {
    type Rule = DeleteLead;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::DeleteLeadRequest,
            self,
            lead: canonical::inside(self.lead.as_ref(), selector::canonical_lead);
            as_sent: request_id,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(DeleteLead, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let lead = selector::lead(&mut fields, "lead", self.lead.as_ref());
        Ok((DeleteLead { lead: fields.complete(lead)? }, ()))
    }

    fn render(lead: Arc<Lead>, replayed: bool, (): (), _asking: &Asking) -> pb::DeleteLeadResponse {
        pb::DeleteLeadResponse { lead_id: lead.id.to_string(), replayed }
    }
}

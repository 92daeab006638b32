//! The call that moves an affiliate from one program to another.

use std::borrow::Cow;
use std::sync::Arc;

use super::{read_new, ref_id_stem, render_answer};
use crate::domain::affiliate::AffiliateSelector;
use crate::domain::enrollment::{EnrollmentOutcome, MovedLeads};
use crate::domain::rule::MoveEnrollment;
use crate::error::{Error, FieldPaths};
use crate::pb;
use crate::rpc::call::Call;
use crate::rpc::call::canonical::{self, canonical};
use crate::rpc::call::change::{Asking, Change, RepeatKey};
use crate::rpc::call::parse::Fields;
use crate::rpc::call::wire_enum::WireEnum;
use crate::store;

/// Moves an affiliate. Reads it only to make a ref_id from its name. If there is no such enrollment, the rule refuses.
pub(in crate::rpc) async fn move_on(
    call: Call,
    message: pb::MoveEnrollmentRequest,
) -> Result<pb::MoveEnrollmentResponse, Error> {
    let asking = call.asking();
    let (mut rule, ()) = message.read(&asking)?;
    let (store, account_id) = (call.store(), call.account_id());
    if rule.enrollment.ref_id.is_none()
        && let Some(enrollment) = store::enrollment::find(store, account_id, rule.id).await?
    {
        let selector = AffiliateSelector::Id(enrollment.affiliate_id);
        if let Some(affiliate) = store::affiliate::find(store, account_id, &selector).await? {
            rule.enrollment.ref_id_stem = ref_id_stem(&affiliate.first_name, &affiliate.email);
        }
    }
    let (answer, replayed) = call.carry_out(&message, rule).await?;
    Ok(pb::MoveEnrollmentRequest::render(answer, replayed, (), &asking))
}

impl Change for pb::MoveEnrollmentRequest {
    type Rule = MoveEnrollment;
    type Kept = ();

    const PATHS: FieldPaths = super::NEW_PATHS;

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::MoveEnrollmentRequest,
            self,
            ref_id: canonical::code(&self.ref_id),
            landing_url: canonical::url(&self.landing_url),
            leads: canonical::default_number(self.leads, MovedLeads::Follow.number());
            as_sent: request_id, enrollment_id, program_id, commission_override,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(MoveEnrollment, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let id = fields.id("enrollment_id", &self.enrollment_id);
        let program_id = fields.id("program_id", &self.program_id);
        let mut enrollment =
            read_new(&mut fields, "", &self.ref_id, "", &self.landing_url, self.commission_override.as_ref(), None);
        let leads = fields.optional_value_of("leads", self.leads, MovedLeads::ALL).unwrap_or(MovedLeads::Follow);
        let (id, program_id) = fields.complete((id, program_id))?;
        enrollment.program_id = Some(program_id);
        Ok((MoveEnrollment { id, enrollment, leads }, ()))
    }

    fn render(answer: Arc<EnrollmentOutcome>, replayed: bool, (): (), _asking: &Asking) -> pb::MoveEnrollmentResponse {
        pb::MoveEnrollmentResponse { enrollment: Some(render_answer(&answer)), replayed }
    }
}

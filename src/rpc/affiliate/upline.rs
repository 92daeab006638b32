//! The call that sets, moves or removes the upline of an affiliate.

use std::borrow::Cow;
use std::sync::Arc;

use super::change::etag;
use super::render;
use crate::domain::affiliate::Affiliate;
use crate::domain::rule::SetUpline;
use crate::error::Error;
use crate::pb;
use crate::rpc::call::canonical::{self, canonical};
use crate::rpc::call::change::{Asking, Change, RepeatKey};
use crate::rpc::call::parse::Fields;
use crate::rpc::call::selector;

impl Change for pb::SetUplineRequest {
    type Rule = SetUpline;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::SetUplineRequest,
            self,
            affiliate: canonical::inside(self.affiliate.as_ref(), selector::canonical_affiliate),
            upline: canonical::inside(self.upline.as_ref(), selector::canonical_affiliate);
            as_sent: request_id, etag,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(SetUpline, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let affiliate = selector::affiliate(&mut fields, "affiliate", self.affiliate.as_ref());
        let upline = selector::optional_affiliate(&mut fields, "upline", self.upline.as_ref());
        let affiliate = fields.complete(affiliate)?;
        Ok((SetUpline { affiliate, etag: etag(&self.etag), upline }, ()))
    }

    fn render(answer: Arc<Affiliate>, replayed: bool, (): (), _asking: &Asking) -> pb::SetUplineResponse {
        pb::SetUplineResponse { affiliate: Some(render(&answer)), replayed }
    }
}

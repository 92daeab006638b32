//! The call that erases an affiliate's personal data.

use std::borrow::Cow;
use std::sync::Arc;

use super::change::etag;
use super::{new_token, render};
use crate::domain::affiliate::Affiliate;
use crate::domain::rule::EraseAffiliate;
use crate::error::Error;
use crate::pb;
use crate::rpc::call::canonical::{self, canonical};
use crate::rpc::call::change::{Asking, Change, RepeatKey};
use crate::rpc::call::parse::Fields;
use crate::rpc::call::{Call, selector};

impl Change for pb::EraseAffiliateRequest {
    type Rule = EraseAffiliate;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::EraseAffiliateRequest,
            self,
            affiliate: canonical::inside(self.affiliate.as_ref(), selector::canonical_affiliate);
            as_sent: request_id, etag,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(EraseAffiliate, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let affiliate = selector::affiliate(&mut fields, "affiliate", self.affiliate.as_ref());
        let affiliate = fields.complete(affiliate)?;
        // The token itself is dropped, so that nobody knows it.
        let (_, token_hash) = new_token();
        Ok((EraseAffiliate { affiliate, etag: etag(&self.etag), token_hash }, ()))
    }

    fn render(answer: Arc<Affiliate>, replayed: bool, (): (), _asking: &Asking) -> pb::EraseAffiliateResponse {
        pb::EraseAffiliateResponse { affiliate: Some(render(&answer)), replayed }
    }
}

/// Erases an affiliate, then what is left of the names in the index by which they are found and in statistics. A repeated call does the
/// second step again, so that it is done once a call is answered.
pub(in crate::rpc) async fn erase(
    call: Call,
    message: pb::EraseAffiliateRequest,
) -> Result<pb::EraseAffiliateResponse, Error> {
    let asking = call.asking();
    let (rule, ()) = message.read(&asking)?;
    let (affiliate, replayed) = call.carry_out(&message, rule).await?;
    call.tidy_search().await?;
    Ok(pb::EraseAffiliateRequest::render(affiliate, replayed, (), &asking))
}

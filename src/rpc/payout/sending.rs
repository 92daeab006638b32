//! The calls that set the sending of payouts going again.

use std::borrow::Cow;
use std::sync::Arc;

use super::render;
use crate::domain::payout::{Payout, PayoutProvider};
use crate::domain::payout_purse::{FundsWait, PayoutPurse};
use crate::domain::rule::{RetryPayout, WakePayouts};
use crate::error::Error;
use crate::pb;
use crate::rpc::call::canonical::canonical;
use crate::rpc::call::change::{Asking, Change, RepeatKey};
use crate::rpc::call::parse::Fields;
use crate::rpc::call::render::{money, timestamp};

/// The providers to which Headwater sends payouts.
const SENT_BY: [PayoutProvider; 3] = [PayoutProvider::PayPal, PayoutProvider::Stripe, PayoutProvider::Wise];

impl Change for pb::RetryPayoutRequest {
    type Rule = RetryPayout;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(pb::RetryPayoutRequest, self; as_sent: request_id, payout_id)
    }

    fn read(&self, _asking: &Asking) -> Result<(RetryPayout, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let id = fields.id("payout_id", &self.payout_id);
        let id = fields.complete(id)?;
        Ok((RetryPayout { id }, ()))
    }

    fn render(payout: Arc<Payout>, replayed: bool, (): (), _asking: &Asking) -> pb::RetryPayoutResponse {
        pb::RetryPayoutResponse { payout: Some(render(&payout)), replayed }
    }
}

impl Change for pb::NotifyFundsAddedRequest {
    type Rule = WakePayouts;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(pb::NotifyFundsAddedRequest, self; as_sent: request_id, provider, currency_code)
    }

    fn read(&self, _asking: &Asking) -> Result<(WakePayouts, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let provider = fields.value_of("provider", self.provider, &SENT_BY);
        let currency =
            if self.currency_code.is_empty() { None } else { fields.currency("currency_code", &self.currency_code) };
        let provider = fields.complete(provider)?;
        Ok((WakePayouts { provider, has_funds: true, currency, payout_id: None }, ()))
    }

    fn render(purse: Arc<PayoutPurse>, replayed: bool, (): (), _asking: &Asking) -> pb::NotifyFundsAddedResponse {
        pb::NotifyFundsAddedResponse { waits: purse.waits.iter().map(render_wait).collect(), replayed }
    }
}

fn render_wait(wait: &FundsWait) -> pb::FundsWait {
    pb::FundsWait {
        currency_code: wait.currency.code().to_owned(),
        start_time: Some(timestamp(wait.since)),
        probe_time: Some(timestamp(wait.probe_at)),
        needed: Some(money(wait.needed)),
        available: wait.available.map(money),
    }
}

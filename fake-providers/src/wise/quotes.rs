//! Quotes: what a transfer costs and what arrives, held for half an hour.

use serde_json::{Value, json};

use super::currency::{Rate, exponent};
use super::{Call, Wise, errors};
use crate::clock;
use crate::exchange::Answer;
use crate::money::{self, is_currency};
use crate::world::Common;

#[derive(Debug, Clone)]
pub(super) struct Quote {
    pub(super) id: String,
    pub(super) profile: i64,
    pub(super) source_currency: String,
    pub(super) target_currency: String,
    /// With the fee.
    pub(super) source_minor: i64,
    pub(super) target_minor: i64,
    pub(super) fee_minor: i64,
    pub(super) rate: Rate,
    created_ms: i64,
    pub(super) until_ms: i64,
    is_source_given: bool,
    is_blocked: bool,
    pub(super) is_used: bool,
}

impl Quote {
    fn json(&self) -> Value {
        let source = money::number(self.source_minor, exponent(&self.source_currency));
        let target = money::number(self.target_minor, exponent(&self.target_currency));
        let fee = money::number(self.fee_minor, exponent(&self.source_currency));
        let notices = if self.is_blocked {
            json!([{"type": "BLOCKED", "text": "You cannot send to this currency now.", "link": null}])
        } else {
            json!([])
        };
        json!({
            "id": self.id, "profile": self.profile, "sourceCurrency": self.source_currency,
            "targetCurrency": self.target_currency, "sourceAmount": source, "targetAmount": target,
            "rate": money::number(self.rate.parts_per_million, 6), "rateType": "FIXED", "payOut": "BANK_TRANSFER",
            "providedAmountType": if self.is_source_given { "SOURCE" } else { "TARGET" },
            "createdTime": clock::text(self.created_ms), "expirationTime": clock::text(self.until_ms),
            "rateExpirationTime": clock::text(self.until_ms), "status": "PENDING", "notices": notices,
            "paymentOptions": [{
                "payIn": "BALANCE", "payOut": "BANK_TRANSFER", "sourceCurrency": self.source_currency,
                "targetCurrency": self.target_currency, "sourceAmount": source, "targetAmount": target,
                "fee": {"transferwise": fee, "payIn": 0, "discount": 0, "total": fee}, "disabled": self.is_blocked,
            }],
        })
    }
}

impl Wise {
    pub(super) fn create_quote(
        &mut self,
        common: &mut Common,
        call: &Call<'_>,
        profile: i64,
    ) -> Result<Answer, Answer> {
        let currency = |field: &str| {
            let text = call.body[field].as_str().filter(|text| is_currency(text));
            text.map(str::to_owned).ok_or_else(|| errors::wrong(field, "A currency is required"))
        };
        let (source_currency, target_currency) = (currency("sourceCurrency")?, currency("targetCurrency")?);
        let amount = |field: &str, currency: &str| match &call.body[field] {
            Value::Null => Ok(None),
            value => {
                let amount = money::parse_number(value, exponent(currency)).ok().filter(|amount| *amount > 0);
                amount.map(Some).ok_or_else(|| errors::wrong(field, "The amount is not valid"))
            }
        };
        let given = (amount("sourceAmount", &source_currency)?, amount("targetAmount", &target_currency)?);
        let Some(rate) = Rate::between(&self.settings.usd_values, &source_currency, &target_currency) else {
            return Err(errors::wrong("targetCurrency", "There is no rate between these currencies"));
        };
        let (source_minor, target_minor, fee_minor) = match given {
            (Some(source), None) => {
                let fee = self.fee(source);
                (source, rate.to_target(source.saturating_sub(fee).max(0)), fee)
            }
            (None, Some(target)) => {
                let net = rate.to_source(target);
                let fee = self.fee(net);
                (net.saturating_add(fee), target, fee)
            }
            _ => return Err(errors::wrong("sourceAmount", "Give either sourceAmount or targetAmount")),
        };
        if target_minor == 0 {
            return Err(errors::wrong("sourceAmount", "The amount is below the fee"));
        }
        let now = common.clock.now_ms();
        let quote = Quote {
            id: common.ids.uuid(),
            profile,
            is_blocked: self.settings.blocked_currencies.contains(&target_currency),
            source_currency,
            target_currency,
            source_minor,
            target_minor,
            fee_minor,
            rate,
            created_ms: now,
            until_ms: now.saturating_add(self.settings.quote_minutes.saturating_mul(60_000)),
            is_source_given: given.0.is_some(),
            is_used: false,
        };
        let answer = Answer::json(200, &quote.json());
        self.quotes.insert(quote.id.clone(), quote);
        Ok(answer)
    }

    fn fee(&self, amount_minor: i64) -> i64 {
        money::share(amount_minor, self.settings.fee_parts_per_million).saturating_add(self.settings.fee_fixed_minor)
    }

    pub(super) fn read_quote(&self, profile: i64, id: &str) -> Result<Answer, Answer> {
        let quote = self.quotes.get(id).filter(|quote| quote.profile == profile);
        quote.map(|quote| Answer::json(200, &quote.json())).ok_or_else(errors::not_found)
    }
}

//! Wise: a quote, a transfer to a recipient that Wise knows, and its funding from the balance. The key is the `customerTransactionId`. A
//! transfer without funding is a draft: it pays nothing, and a cancelled one never will. So a draft that cannot be funded is
//! cancelled before the result says that nothing was made.

mod read;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Method;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::Provider;
use super::amount::decimal_of;
use super::answer::{NoUse, Reply, usable};
use super::attempt::{Attempt, Receiver};
use super::outcome::{
    Cancellation, Doubt, DoubtReason, Failure, FailureReason, Fee, Funds, LookUp, NotMade, Payment, PaymentState,
    Submission,
};
use super::seen::{Listing, NotRead, SeenPayment};
use crate::domain::money::{Currency, Money};
use crate::domain::time::Time;
use crate::outbound::client::{BaseAddress, Call, Client};
use read::{Funding, Quote};

/// The most decimals of a currency that Wise pays in.
const EXPONENT_MAX: u32 = 3;

/// Banks cut longer references.
const REFERENCE_CHARACTERS_MAX: usize = 35;

const PAGE_SIZE: usize = 100;

/// A look-up does not read more transfers than this many pages have.
const PAGES_MAX: usize = 100;

/// An owner's access to Wise.
#[derive(Debug, Clone)]
pub struct WiseSettings {
    /// `https://api.wise.com`, or that of the sandbox.
    pub address: BaseAddress,
    /// The API token.
    pub token: SecretString,
    /// The profile that pays.
    pub profile_id: i64,
    /// The currency of the balance that payouts are paid from.
    pub source_currency: Currency,
}

/// See the head of the file.
#[derive(Debug)]
pub struct Wise {
    client: Client,
    settings: WiseSettings,
    /// The profile's number, as it stands in paths.
    profile: String,
}

/// The result of a try that has sent nothing that could pay.
fn nothing_sent(no_use: NoUse) -> Submission {
    match no_use {
        NoUse::Later(after) => Submission::Later { after },
        NoUse::Doubt(doubt) => Submission::Later { after: doubt.after },
    }
}

/// The result of a try that has left a draft.
fn draft_left(no_use: NoUse) -> Submission {
    Submission::Unknown(match no_use {
        NoUse::Later(after) => Doubt { after, ..Doubt::of(DoubtReason::InProgress) },
        NoUse::Doubt(doubt) => doubt,
    })
}

/// The result of a submission that has found the transfer, from a look-up of it.
fn as_duplicate(look_up: LookUp) -> Submission {
    match look_up {
        LookUp::Found(payment) => Submission::Duplicate(payment),
        LookUp::OtherPayment(id) => Submission::OtherPayment(id),
        LookUp::Unknown(doubt) => Submission::Unknown(doubt),
        LookUp::Later { after } => draft_left(NoUse::Later(after)),
        LookUp::NotMade(_) => Submission::Unknown(Doubt::of(DoubtReason::Unreadable)),
    }
}

/// A time as Wise's queries have it.
fn to_text(time: Time) -> Option<String> {
    let seconds = time.micros().div_euclid(Time::MICROS_PER_SECOND);
    jiff::Timestamp::from_second(seconds).ok().map(|time| time.to_string())
}

impl Wise {
    /// Calls with this client and this access. Calls nobody yet.
    pub fn new(client: Client, settings: WiseSettings) -> Self {
        let profile = settings.profile_id.to_string();
        Self { client, settings, profile }
    }

    async fn call(
        &self,
        method: Method,
        segments: &[&str],
        query: &[(&str, &str)],
        body: Option<Value>,
        correlation: &str,
    ) -> Result<Reply, NoUse> {
        // A token that is no header's is refused as if it were wrong.
        let token = format!("Bearer {}", self.settings.token.expose_secret());
        let token = HeaderValue::from_str(&token).unwrap_or(HeaderValue::from_static("Bearer"));
        let mut call = Call::new(method, segments).query(query).secret(AUTHORIZATION, token);
        if !correlation.is_empty() {
            call = call.header(HeaderName::from_static("x-external-correlation-id"), correlation);
        }
        if let Some(body) = body {
            call = call.body("application/json", body.to_string());
        }
        usable(self.client.send(&self.settings.address, call).await)
    }

    /// Asks what the payment costs. The quote is held for half an hour.
    async fn quote(&self, attempt: &Attempt) -> Result<Quote, Submission> {
        let failed = |reason, code: &str| Submission::Failed(Failure::of(reason, code));
        let Receiver::WiseRecipient(recipient) = attempt.receiver else {
            return Err(failed(FailureReason::ReceiverInvalid, "targetAccount"));
        };
        let currency = attempt.amount.currency;
        if currency.exponent() > EXPONENT_MAX {
            return Err(failed(FailureReason::CurrencyNotPossible, "targetCurrency"));
        }
        let amount =
            decimal_of(attempt.amount, currency.exponent()).and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let Some(amount) = amount else { return Err(failed(FailureReason::AmountNotPossible, "targetAmount")) };
        let body = json!({
            "sourceCurrency": self.settings.source_currency.code(), "targetCurrency": currency.code(),
            "targetAmount": amount, "targetAccount": recipient,
        });
        let segments = ["v3", "profiles", &self.profile, "quotes"];
        let reply = self.call(Method::POST, &segments, &[], Some(body), &attempt.key()).await.map_err(nothing_sent)?;
        read::quote(&reply, self.settings.source_currency).map_err(Submission::Failed)
    }

    /// Makes the transfer, or finds the one that an earlier try made.
    async fn make(&self, attempt: &Attempt, quote: &Quote) -> Result<Payment, Submission> {
        let Receiver::WiseRecipient(recipient) = attempt.receiver else {
            return Err(Submission::Failed(Failure::of(FailureReason::ReceiverInvalid, "targetAccount")));
        };
        let mut details = json!({});
        if !attempt.note.is_empty() {
            details["reference"] = attempt.note.chars().take(REFERENCE_CHARACTERS_MAX).collect::<String>().into();
        }
        let body = json!({
            "targetAccount": recipient, "quoteUuid": quote.id, "details": details,
            "customerTransactionId": attempt.key_uuid().to_string(),
        });
        let reply = self.call(Method::POST, &["v1", "transfers"], &[], Some(body), &attempt.key()).await?;
        if !reply.is_success() {
            return Err(read::transfer_refused(&reply));
        }
        match self.with_fee(read::transfer(&reply, &reply.body, attempt), &reply.body, attempt).await {
            LookUp::Found(payment) => Ok(payment),
            other => Err(as_duplicate(other)),
        }
    }

    /// Adds the fee of a payment that has left, which its quote tells. An answer that does not come is awaited, because the fee is booked with
    /// the payment. A quote that Wise does not give leaves it out.
    async fn with_fee(&self, found: LookUp, transfer: &Value, attempt: &Attempt) -> LookUp {
        let payment = match found {
            LookUp::Found(payment) => payment,
            other => return other,
        };
        let has_left = matches!(payment.state, PaymentState::Paid | PaymentState::Returned | PaymentState::Reversed);
        let Some(quote_id) = transfer["quoteUuid"].as_str().filter(|_| has_left) else {
            return LookUp::Found(payment);
        };
        let segments = ["v3", "profiles", &self.profile, "quotes", quote_id];
        match self.call(Method::GET, &segments, &[], None, &attempt.key()).await {
            Ok(reply) => {
                let quote = read::quote(&reply, self.settings.source_currency).ok();
                LookUp::Found(Payment { fee: quote.and_then(|quote| quote.fee), ..payment })
            }
            Err(no_use) => no_use.into(),
        }
    }

    async fn pay(&self, attempt: &Attempt) -> Submission {
        let made = match self.quote(attempt).await {
            Ok(quote) => self.make(attempt, &quote).await.map(|payment| (quote, payment)),
            Err(submission) => Err(submission),
        };
        match made {
            Ok((quote, payment)) if payment.state == PaymentState::Unfunded => {
                self.fund(attempt, payment.provider_id, &quote).await
            }
            Ok((_, payment)) => Submission::Duplicate(payment),
            // Without a draft of this try's, a refusal says nothing about an earlier one.
            Err(submission) if attempt.earlier.is_some() => submission.after_earlier_tries(),
            Err(submission) => submission,
        }
    }

    async fn fund(&self, attempt: &Attempt, id: String, quote: &Quote) -> Submission {
        let segments = ["v3", "profiles", &self.profile, "transfers", &id, "payments"];
        let body = json!({"type": "BALANCE"});
        let reply = match self.call(Method::POST, &segments, &[], Some(body), &attempt.key()).await {
            Ok(reply) => reply,
            Err(no_use) => return draft_left(no_use),
        };
        match read::funding(&reply) {
            Funding::Completed => Submission::Accepted { provider_id: id },
            Funding::PersonNeeded => Submission::Drafted { provider_id: id },
            Funding::Insufficient => {
                let available = self.available().await;
                let result = Submission::InsufficientFunds { needed: quote.needed, available };
                self.give_up(attempt, &id, result).await
            }
            Funding::Expired => {
                let failure = read::failure(&reply, FailureReason::Expired);
                self.give_up(attempt, &id, Submission::Failed(failure)).await
            }
            Funding::NotAuthorized => {
                let failure = read::failure(&reply, FailureReason::NotAuthorized);
                self.give_up(attempt, &id, Submission::Failed(failure)).await
            }
            Funding::Refused => match self.read(&id, attempt).await {
                LookUp::Found(payment) if payment.state == PaymentState::Unfunded => {
                    Submission::Unknown(read::doubt(&reply, DoubtReason::UnknownCode))
                }
                found => as_duplicate(found),
            },
        }
    }

    /// Cancels a draft. The result holds only if that is certain.
    async fn give_up(&self, attempt: &Attempt, id: &str, result: Submission) -> Submission {
        if self.cancel_transfer(attempt, id).await == Cancellation::Cancelled {
            return result;
        }
        match self.read(id, attempt).await {
            LookUp::Found(payment) if payment.state == PaymentState::Cancelled => result,
            LookUp::Found(payment) if payment.state == PaymentState::Unfunded => {
                Submission::Unknown(Doubt::of(DoubtReason::InProgress))
            }
            found => as_duplicate(found),
        }
    }

    async fn cancel_transfer(&self, attempt: &Attempt, id: &str) -> Cancellation {
        match self.call(Method::PUT, &["v1", "transfers", id, "cancel"], &[], None, &attempt.key()).await {
            Ok(reply) => read::cancelled(&reply),
            Err(no_use) => no_use.into(),
        }
    }

    async fn read(&self, id: &str, attempt: &Attempt) -> LookUp {
        match self.call(Method::GET, &["v1", "transfers", id], &[], None, &attempt.key()).await {
            Ok(reply) if reply.is_success() => {
                self.with_fee(read::transfer(&reply, &reply.body, attempt), &reply.body, attempt).await
            }
            Ok(reply) => LookUp::Unknown(read::doubt(&reply, DoubtReason::Refused)),
            Err(no_use) => no_use.into(),
        }
    }

    /// Looks for the key in the profile's transfers since a day before the first try.
    async fn list(&self, attempt: &Attempt, now: Time) -> LookUp {
        let since = attempt.earlier.map_or(now, |earlier| earlier.first_at).plus_days(-1);
        let Some(since) = to_text(since) else { return LookUp::Unknown(Doubt::of(DoubtReason::Unreadable)) };
        let limit = PAGE_SIZE.to_string();
        for page in 0..PAGES_MAX {
            let offset = (page * PAGE_SIZE).to_string();
            let query = [
                ("profile", self.profile.as_str()),
                ("createdDateStart", &since),
                ("limit", &limit),
                ("offset", &offset),
            ];
            let reply = match self.call(Method::GET, &["v1", "transfers"], &query, None, &attempt.key()).await {
                Ok(reply) => reply,
                Err(no_use) => return no_use.into(),
            };
            let Some(rows) = reply.body.as_array().filter(|_| reply.is_success()) else {
                return LookUp::Unknown(read::doubt(&reply, DoubtReason::Refused));
            };
            if let Some(row) = rows.iter().find(|row| read::is_key(row, attempt)) {
                return self.with_fee(read::transfer(&reply, row, attempt), row, attempt).await;
            }
            if rows.len() < PAGE_SIZE {
                let is_proof = attempt.is_settled(now);
                return if is_proof {
                    LookUp::NotMade(NotMade::Absent)
                } else {
                    LookUp::Unknown(Doubt::of(DoubtReason::NotSettled))
                };
            }
        }
        LookUp::Unknown(Doubt::of(DoubtReason::Unreadable))
    }

    async fn list_made(&self, start_at: Time, end_at: Time, page: Option<&str>) -> Result<Listing, NotRead> {
        let unreadable = || NotRead::Refused { code: "period".to_owned() };
        // A second more, because Wise's times have no fractions.
        let end_at = end_at.plus_micros(Time::MICROS_PER_SECOND);
        let (start, end) = to_text(start_at).zip(to_text(end_at)).ok_or_else(unreadable)?;
        let offset: usize = page.map_or(Ok(0), str::parse).map_err(|_| unreadable())?;
        let (offset_text, limit) = (offset.to_string(), PAGE_SIZE.to_string());
        let query = [
            ("profile", self.profile.as_str()),
            ("createdDateStart", &start),
            ("createdDateEnd", &end),
            ("limit", &limit),
            ("offset", &offset_text),
        ];
        let reply = self.call(Method::GET, &["v1", "transfers"], &query, None, "").await?;
        let rows = reply.body.as_array().filter(|_| reply.is_success()).ok_or_else(|| read::not_read(&reply))?;
        let next = (rows.len() >= PAGE_SIZE).then(|| (offset + PAGE_SIZE).to_string());
        Ok(Listing::Page { payments: rows.iter().filter_map(read::seen).collect(), next })
    }

    async fn read_made(&self, id: &str) -> Result<Option<SeenPayment>, NotRead> {
        let reply = self.call(Method::GET, &["v1", "transfers", id], &[], None, "").await?;
        if reply.answer.status.as_u16() == 404 {
            return Ok(None);
        }
        let found = read::seen(&reply.body).filter(|_| reply.is_success());
        found.map(Some).ok_or_else(|| read::not_read(&reply))
    }

    async fn find(&self, attempt: &Attempt, now: Time) -> LookUp {
        match &attempt.provider_id {
            Some(id) => self.read(id, attempt).await,
            None => self.list(attempt, now).await,
        }
    }

    async fn available(&self) -> Option<Money> {
        let segments = ["v4", "profiles", &self.profile, "balances"];
        let reply = self.call(Method::GET, &segments, &[("types", "STANDARD")], None, "").await.ok()?;
        read::balance(&reply, self.settings.source_currency)
    }
}

impl Provider for Wise {
    fn submit<'a>(&'a self, attempt: &'a Attempt, _now: Time) -> BoxFuture<'a, Submission> {
        self.pay(attempt).boxed()
    }

    fn look_up<'a>(&'a self, attempt: &'a Attempt, now: Time) -> BoxFuture<'a, LookUp> {
        self.find(attempt, now).boxed()
    }

    fn cancel<'a>(&'a self, attempt: &'a Attempt, _now: Time) -> BoxFuture<'a, Cancellation> {
        async move {
            match &attempt.provider_id {
                Some(id) => self.cancel_transfer(attempt, id).await,
                None => Cancellation::Refused,
            }
        }
        .boxed()
    }

    fn funds(&self, _currency: Currency, _now: Time) -> BoxFuture<'_, Funds> {
        self.available().map(|available| available.map_or(Funds::Unknown, Funds::Available)).boxed()
    }

    fn list<'a>(
        &'a self,
        start_at: Time,
        end_at: Time,
        page: Option<&'a str>,
        _now: Time,
    ) -> BoxFuture<'a, Result<Listing, NotRead>> {
        self.list_made(start_at, end_at, page).boxed()
    }

    fn read<'a>(&'a self, provider_id: &'a str, _now: Time) -> BoxFuture<'a, Result<Option<SeenPayment>, NotRead>> {
        self.read_made(provider_id).boxed()
    }

    fn fee<'a>(&'a self, attempt: &'a Attempt, _now: Time) -> BoxFuture<'a, Fee> {
        async move {
            match self.quote(attempt).await {
                Ok(Quote { fee: Some(fee), .. }) => Fee::Exact(fee),
                _ => Fee::Unknown,
            }
        }
        .boxed()
    }
}

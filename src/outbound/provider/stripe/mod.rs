//! Stripe Connect: a transfer from the owner's balance to the affiliate's connected account. A transfer has no state: it is made, so the
//! affiliate has the money. The key is the `Idempotency-Key`, which Stripe forgets after a day; the payout's id is the
//! `transfer_group`, by which transfers are found for ever.

mod read;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Method;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::Provider;
use super::amount::to_units;
use super::answer::{NoUse, Reply, usable};
use super::attempt::{Attempt, Receiver};
use super::outcome::{
    Cancellation, Doubt, DoubtReason, Failure, FailureReason, Fee, Funds, LookUp, NotMade, Submission,
};
use super::seen::{Listing, NotRead, SeenPayment};
use crate::domain::money::{Currency, Money};
use crate::domain::time::Time;
use crate::outbound::client::{BaseAddress, Call, Client};

const API_VERSION: &str = "2026-10-28.endive";

/// The field of a transfer's metadata that has the attempt's key.
const KEY_FIELD: &str = "headwater_key";

const NOTE_CHARACTERS_MAX: usize = 500;

/// How long a key is relied on. Stripe promises a day.
const KEY_AGE_MICROS_MAX: i64 = 20 * 60 * 60 * Time::MICROS_PER_SECOND;

/// An owner's access to Stripe.
#[derive(Debug, Clone)]
pub struct StripeSettings {
    /// `https://api.stripe.com`.
    pub address: BaseAddress,
    /// The secret key of the platform, such as `sk_live_...`, or a restricted one.
    pub secret_key: SecretString,
}

/// See the head of the file.
#[derive(Debug)]
pub struct Stripe {
    client: Client,
    settings: StripeSettings,
}

/// Stripe's decimals. `None` for UGX, because Stripe's documents contradict each other, and a wrong guess pays a hundred times too much.
fn exponent(currency: Currency) -> Option<u32> {
    match currency.code() {
        "BIF" | "CLP" | "DJF" | "GNF" | "JPY" | "KMF" | "KRW" | "MGA" | "PYG" | "RWF" | "VND" | "VUV" | "XAF"
        | "XOF" | "XPF" => Some(0),
        "BHD" | "JOD" | "KWD" | "OMR" | "TND" => Some(3),
        "UGX" => None,
        _ => Some(2),
    }
}

/// The amount in Stripe's units. Of three decimals, the last must be zero.
fn units(amount: Money) -> Result<i64, Failure> {
    let exponent =
        exponent(amount.currency).ok_or_else(|| Failure::of(FailureReason::CurrencyNotPossible, "currency"))?;
    let units = to_units(amount, exponent).filter(|units| *units > 0 && (exponent != 3 || units % 10 == 0));
    units.ok_or_else(|| Failure::of(FailureReason::AmountNotPossible, "amount"))
}

/// The connected account.
fn destination(attempt: &Attempt) -> Result<&str, Failure> {
    match &attempt.receiver {
        Receiver::StripeAccount(id)
            if id.starts_with("acct_") && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') =>
        {
            Ok(id)
        }
        _ => Err(Failure::of(FailureReason::ReceiverInvalid, "destination")),
    }
}

/// The form of a transfer, as it is sent each time.
fn form_of(attempt: &Attempt) -> Result<String, Failure> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("amount", &units(attempt.amount)?.to_string());
    form.append_pair("currency", &attempt.amount.currency.code().to_ascii_lowercase());
    form.append_pair("destination", destination(attempt)?);
    form.append_pair("transfer_group", &attempt.payout_id.to_string());
    form.append_pair(&format!("metadata[{KEY_FIELD}]"), &attempt.key());
    if !attempt.note.is_empty() {
        form.append_pair("description", &attempt.note.chars().take(NOTE_CHARACTERS_MAX).collect::<String>());
    }
    Ok(form.finish())
}

impl Stripe {
    /// Calls with this client and this access. Calls nobody yet.
    pub fn new(client: Client, settings: StripeSettings) -> Self {
        Self { client, settings }
    }

    async fn call(&self, call: Call<'_>) -> Result<Reply, NoUse> {
        // A key that is no header's is refused as if it were wrong.
        let key = format!("Bearer {}", self.settings.secret_key.expose_secret());
        let key = HeaderValue::from_str(&key).unwrap_or(HeaderValue::from_static("Bearer"));
        let call = call.secret(AUTHORIZATION, key).header(HeaderName::from_static("stripe-version"), API_VERSION);
        usable(self.client.send(&self.settings.address, call).await)
    }

    async fn get(&self, segments: &[&str], query: &[(&str, &str)]) -> Result<Reply, NoUse> {
        self.call(Call::new(Method::GET, segments).query(query)).await
    }

    /// Checks that the affiliate can get at the money. Else it would lie in an account that nobody has completed.
    async fn check_receiver(&self, attempt: &Attempt) -> Result<(), Submission> {
        let account = destination(attempt).map_err(Submission::Failed)?;
        // Nothing was asked for yet, whatever went wrong.
        let reply = self.get(&["v1", "accounts", account], &[]).await.map_err(|no_use| match no_use {
            NoUse::Later(after) => Submission::Later { after },
            NoUse::Doubt(doubt) => Submission::Later { after: doubt.after },
        })?;
        let failure = if reply.is_success() {
            read::not_ready(&reply)
        } else {
            let unknown = || Failure::of(FailureReason::Unrecognized, reply.answer.status.as_str());
            Some(read::refusal(&reply).unwrap_or_else(unknown))
        };
        failure.map_or(Ok(()), |failure| Err(Submission::Failed(failure)))
    }

    async fn create(&self, attempt: &Attempt) -> Submission {
        let form = match form_of(attempt) {
            Ok(form) => form,
            Err(failure) => return Submission::Failed(failure),
        };
        let call = Call::new(Method::POST, &["v1", "transfers"])
            .header(HeaderName::from_static("idempotency-key"), &attempt.key())
            .body("application/x-www-form-urlencoded", form);
        let submission = match self.call(call).await {
            Ok(reply) => read::created(&reply, attempt),
            Err(no_use) => no_use.into(),
        };
        match submission {
            Submission::InsufficientFunds { needed, .. } => {
                let available = self.available(needed.currency).await;
                Submission::InsufficientFunds { needed, available }
            }
            other => other,
        }
    }

    async fn pay(&self, attempt: &Attempt, now: Time) -> Submission {
        let Some(earlier) = attempt.earlier else {
            return match self.check_receiver(attempt).await {
                Ok(()) => self.create(attempt).await,
                Err(submission) => submission,
            };
        };
        // A key that Stripe has forgotten would pay again.
        if earlier.first_at.plus_micros(KEY_AGE_MICROS_MAX) <= now {
            match self.list(attempt, now).await {
                LookUp::NotMade(NotMade::Absent) => {}
                LookUp::Found(payment) => return Submission::Duplicate(payment),
                LookUp::OtherPayment(id) => return Submission::OtherPayment(id),
                LookUp::Later { after } => return Submission::Later { after },
                LookUp::Unknown(doubt) => return Submission::Unknown(doubt),
                LookUp::NotMade(_) => return Submission::Unknown(Doubt::of(DoubtReason::Unreadable)),
            }
        }
        self.create(attempt).await.after_earlier_tries()
    }

    async fn list(&self, attempt: &Attempt, now: Time) -> LookUp {
        let group = attempt.payout_id.to_string();
        match self.get(&["v1", "transfers"], &[("transfer_group", &group), ("limit", "100")]).await {
            Ok(reply) => read::listed(&reply, attempt, attempt.is_settled(now)),
            Err(no_use) => no_use.into(),
        }
    }

    async fn find(&self, attempt: &Attempt, now: Time) -> LookUp {
        let Some(id) = &attempt.provider_id else { return self.list(attempt, now).await };
        match self.get(&["v1", "transfers", id], &[]).await {
            Ok(reply) => read::one(&reply, attempt),
            Err(no_use) => no_use.into(),
        }
    }

    async fn list_made(&self, start_at: Time, end_at: Time, page: Option<&str>) -> Result<Listing, NotRead> {
        let seconds = |time: Time| time.micros().div_euclid(Time::MICROS_PER_SECOND).to_string();
        let (start, end) = (seconds(start_at), seconds(end_at));
        let mut query = vec![("created[gte]", start.as_str()), ("created[lte]", &end), ("limit", "100")];
        query.extend(page.map(|last| ("starting_after", last)));
        read::page(&self.get(&["v1", "transfers"], &query).await?)
    }

    async fn read_made(&self, id: &str) -> Result<Option<SeenPayment>, NotRead> {
        read::made(&self.get(&["v1", "transfers", id], &[]).await?)
    }

    async fn available(&self, currency: Currency) -> Option<Money> {
        read::balance(&self.get(&["v1", "balance"], &[]).await.ok()?, currency)
    }
}

impl Provider for Stripe {
    fn submit<'a>(&'a self, attempt: &'a Attempt, now: Time) -> BoxFuture<'a, Submission> {
        self.pay(attempt, now).boxed()
    }

    fn look_up<'a>(&'a self, attempt: &'a Attempt, now: Time) -> BoxFuture<'a, LookUp> {
        self.find(attempt, now).boxed()
    }

    fn cancel<'a>(&'a self, _attempt: &'a Attempt, _now: Time) -> BoxFuture<'a, Cancellation> {
        // The affiliate has the money as soon as there is a transfer.
        std::future::ready(Cancellation::NotPossible).boxed()
    }

    fn funds(&self, currency: Currency, _now: Time) -> BoxFuture<'_, Funds> {
        self.available(currency).map(|available| available.map_or(Funds::Unknown, Funds::Available)).boxed()
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
        std::future::ready(Fee::Exact(Money::new(0, attempt.amount.currency))).boxed()
    }
}

//! PayPal Payouts v1. A payout is a batch with one item, and its key is the `sender_batch_id`. PayPal has no look-up by key: the same batch
//! is sent again, and the refusal names the first one.

mod read;
mod token;
mod words;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::Provider;
use super::amount::decimal_of;
use super::answer::{NoUse, Reply, usable};
use super::attempt::{Attempt, Receiver};
use super::outcome::{
    Cancellation, Doubt, DoubtReason, Failure, FailureReason, Fee, Funds, LookUp, Payment, PaymentState, Submission,
};
use super::seen::{Listing, NotRead, SeenPayment};
use crate::domain::money::{Currency, Money, PPM, Rounding, portion};
use crate::domain::time::Time;
use crate::outbound::client::{BaseAddress, Call, Client};
use read::Created;
use token::Tokens;

const NOTE_CHARACTERS_MAX: usize = 4_000;
const RECEIVER_CHARACTERS_MAX: usize = 127;

/// An owner's access to PayPal.
#[derive(Debug, Clone)]
pub struct PayPalSettings {
    /// `https://api-m.paypal.com`, or that of the sandbox.
    pub address: BaseAddress,
    /// The app's client id.
    pub client_id: String,
    /// The app's secret.
    pub client_secret: SecretString,
    /// The share of an amount that PayPal takes for a payout, in parts per million.
    pub fee_ppm: i64,
    /// The most that PayPal takes for a payout in a currency.
    pub fees_max: Vec<Money>,
}

/// Why a call has no reply to read.
#[derive(Debug)]
enum Trouble {
    NoUse(NoUse),
    /// There is no token, because the client id or the secret is wrong.
    Refused(Failure),
}

impl Trouble {
    /// The trouble of a call that only reads.
    fn of_read(self) -> NoUse {
        match self {
            Self::NoUse(no_use) => no_use,
            Self::Refused(failure) => {
                NoUse::Doubt(Doubt { code: Some(failure.code), ..Doubt::of(DoubtReason::Refused) })
            }
        }
    }
}

/// See the head of the file.
#[derive(Debug)]
pub struct PayPal {
    client: Client,
    settings: PayPalSettings,
    tokens: Tokens,
}

/// PayPal's decimals. Two of these currencies have some in ISO 4217.
pub(in crate::outbound) fn exponent(currency: Currency) -> u32 {
    match currency.code() {
        "HUF" | "JPY" | "TWD" => 0,
        _ => 2,
    }
}

/// PayPal's word for the kind of the receiver, and its name. `None` for a receiver of another provider.
fn receiver_of(attempt: &Attempt) -> Option<(&'static str, &str)> {
    match &attempt.receiver {
        Receiver::PayPalEmail(address) => Some(("EMAIL", address)),
        Receiver::PayPalId(id) => Some(("PAYPAL_ID", id)),
        Receiver::PayPalPhone(number) => Some(("PHONE", number)),
        Receiver::VenmoHandle(handle) => Some(("USER_HANDLE", handle)),
        Receiver::StripeAccount(_) | Receiver::WiseRecipient(_) => None,
    }
}

/// The batch, as it is sent each time.
fn batch_of(attempt: &Attempt) -> Result<Vec<u8>, Failure> {
    let invalid = || Failure::of(FailureReason::ReceiverInvalid, "receiver");
    let (kind, receiver) = receiver_of(attempt).ok_or_else(invalid)?;
    if receiver.is_empty() || receiver.chars().count() > RECEIVER_CHARACTERS_MAX {
        return Err(invalid());
    }
    let value = decimal_of(attempt.amount, exponent(attempt.amount.currency))
        .ok_or_else(|| Failure::of(FailureReason::AmountNotPossible, "amount"))?;
    let wallet = if kind == "USER_HANDLE" { "VENMO" } else { "PAYPAL" };
    let mut item = json!({
        "recipient_type": kind, "receiver": receiver, "recipient_wallet": wallet, "sender_item_id": attempt.key(),
        "amount": {"currency": attempt.amount.currency.code(), "value": value},
    });
    if !attempt.note.is_empty() {
        item["note"] = attempt.note.chars().take(NOTE_CHARACTERS_MAX).collect::<String>().into();
    }
    let batch = json!({"sender_batch_header": {"sender_batch_id": attempt.key()}, "items": [item]});
    Ok(batch.to_string().into_bytes())
}

impl PayPal {
    /// Calls with this client and this access. Calls nobody yet.
    pub fn new(client: Client, settings: PayPalSettings) -> Self {
        Self { client, settings, tokens: Tokens::default() }
    }

    /// Sends a request with a token. A token that PayPal refuses is replaced once: the refused request was not carried out.
    async fn call(
        &self,
        method: Method,
        segments: &[&str],
        query: &[(&str, &str)],
        body: Option<&[u8]>,
        now: Time,
    ) -> Result<Reply, Trouble> {
        let mut is_second = false;
        loop {
            let token = self.tokens.get(&self.client, &self.settings, now).await?;
            let Ok(bearer) = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())) else {
                return Err(Trouble::Refused(Failure::of(FailureReason::NotAuthorized, "unusable_token")));
            };
            let mut call = Call::new(method.clone(), segments).query(query).secret(AUTHORIZATION, bearer);
            if let Some(body) = body {
                call = call.body("application/json", body.to_vec());
            }
            let reply = usable(self.client.send(&self.settings.address, call).await).map_err(Trouble::NoUse)?;
            if reply.answer.status != StatusCode::UNAUTHORIZED {
                return Ok(reply);
            }
            self.tokens.forget(&token).await;
            if is_second {
                return Ok(reply);
            }
            is_second = true;
        }
    }

    /// About what PayPal takes for the amount.
    fn estimate(&self, amount: Money) -> Option<Money> {
        let share = portion(amount.amount_minor, self.settings.fee_ppm, PPM, Rounding::HalfUp).ok()?;
        let most = self.settings.fees_max.iter().find(|most| most.currency == amount.currency);
        Some(Money::new(most.map_or(share, |most| share.min(most.amount_minor)), amount.currency))
    }

    /// The amount and about what PayPal takes for it.
    fn needed(&self, amount: Money) -> Money {
        let fee = self.estimate(amount).map_or(0, |fee| fee.amount_minor);
        Money::new(amount.amount_minor.saturating_add(fee), amount.currency)
    }

    async fn create(&self, attempt: &Attempt, now: Time) -> Submission {
        let body = match batch_of(attempt) {
            Ok(body) => body,
            Err(failure) => return Submission::Failed(failure),
        };
        let reply = match self.call(Method::POST, &["v1", "payments", "payouts"], &[], Some(&body), now).await {
            Ok(reply) => reply,
            Err(Trouble::NoUse(no_use)) => return no_use.into(),
            Err(Trouble::Refused(failure)) => return Submission::Failed(failure),
        };
        let batch_id = match read::created(&reply, self.needed(attempt.amount)) {
            Created::Done(submission) => return submission,
            Created::By(batch_id) => batch_id,
        };
        match self.read(&batch_id, attempt, now).await {
            LookUp::Found(payment) => Submission::Duplicate(payment),
            // A denied batch is proof: it pays nothing.
            LookUp::NotMade(_) => Submission::Duplicate(Payment {
                provider_id: batch_id,
                state: PaymentState::Processing,
                fee: None,
                returned: None,
            }),
            // The batch exists, so this try was carried out in a way: it found the first.
            LookUp::Later { after } => Submission::Unknown(Doubt { after, ..Doubt::of(DoubtReason::InProgress) }),
            LookUp::Unknown(doubt) => Submission::Unknown(doubt),
            LookUp::OtherPayment(id) => Submission::OtherPayment(id),
        }
    }

    async fn read(&self, batch_id: &str, attempt: &Attempt, now: Time) -> LookUp {
        let segments = ["v1", "payments", "payouts", batch_id];
        match self.call(Method::GET, &segments, &[("page_size", "2")], None, now).await {
            Ok(reply) => read::batch(&reply, attempt, self.needed(attempt.amount)),
            Err(trouble) => trouble.of_read().into(),
        }
    }

    async fn read_made(&self, batch_id: &str, now: Time) -> Result<Option<SeenPayment>, NotRead> {
        let segments = ["v1", "payments", "payouts", batch_id];
        match self.call(Method::GET, &segments, &[("page_size", "2")], None, now).await {
            Ok(reply) => read::made(&reply),
            Err(Trouble::NoUse(no_use)) => Err(no_use.into()),
            Err(Trouble::Refused(failure)) => Err(NotRead::Refused { code: failure.code }),
        }
    }

    async fn look_up_any(&self, attempt: &Attempt, now: Time) -> LookUp {
        if let Some(batch_id) = &attempt.provider_id {
            return self.read(batch_id, attempt, now).await;
        }
        match self.create(attempt, now).await.after_earlier_tries() {
            Submission::Accepted { provider_id } | Submission::Drafted { provider_id } => {
                LookUp::Found(Payment { provider_id, state: PaymentState::Processing, fee: None, returned: None })
            }
            Submission::Paid(payment) | Submission::Duplicate(payment) => LookUp::Found(payment),
            Submission::Later { after } => LookUp::Later { after },
            Submission::Unknown(doubt) => LookUp::Unknown(doubt),
            Submission::OtherPayment(id) => LookUp::OtherPayment(id),
            // Both are doubts by now.
            Submission::InsufficientFunds { .. } | Submission::Failed(_) => {
                LookUp::Unknown(Doubt::of(DoubtReason::Refused))
            }
        }
    }

    async fn cancel_item(&self, attempt: &Attempt, now: Time) -> Cancellation {
        let Some(batch_id) = &attempt.provider_id else { return Cancellation::Refused };
        let segments = ["v1", "payments", "payouts", batch_id];
        let item_id = match self.call(Method::GET, &segments, &[("page_size", "2")], None, now).await {
            Ok(reply) => read::item_id(&reply),
            Err(trouble) => return trouble.of_read().into(),
        };
        let Some(item_id) = item_id else { return Cancellation::Unknown(Doubt::of(DoubtReason::Unreadable)) };
        let segments = ["v1", "payments", "payouts-item", &item_id, "cancel"];
        match self.call(Method::POST, &segments, &[], Some(b"{}"), now).await {
            Ok(reply) => read::cancelled(&reply),
            Err(trouble) => trouble.of_read().into(),
        }
    }
}

impl Provider for PayPal {
    fn submit<'a>(&'a self, attempt: &'a Attempt, now: Time) -> BoxFuture<'a, Submission> {
        async move {
            let submission = self.create(attempt, now).await;
            if attempt.earlier.is_some() { submission.after_earlier_tries() } else { submission }
        }
        .boxed()
    }

    fn look_up<'a>(&'a self, attempt: &'a Attempt, now: Time) -> BoxFuture<'a, LookUp> {
        self.look_up_any(attempt, now).boxed()
    }

    fn cancel<'a>(&'a self, attempt: &'a Attempt, now: Time) -> BoxFuture<'a, Cancellation> {
        self.cancel_item(attempt, now).boxed()
    }

    fn funds(&self, currency: Currency, now: Time) -> BoxFuture<'_, Funds> {
        async move {
            let query = [("currency_code", currency.code())];
            let reply = self.call(Method::GET, &["v1", "reporting", "balances"], &query, None, now).await;
            reply.ok().and_then(|reply| read::balance(&reply, currency)).map_or(Funds::Unknown, Funds::Hint)
        }
        .boxed()
    }

    fn list<'a>(
        &'a self,
        _start_at: Time,
        _end_at: Time,
        _page: Option<&'a str>,
        _now: Time,
    ) -> BoxFuture<'a, Result<Listing, NotRead>> {
        std::future::ready(Ok(Listing::NotPossible)).boxed()
    }

    fn read<'a>(&'a self, provider_id: &'a str, now: Time) -> BoxFuture<'a, Result<Option<SeenPayment>, NotRead>> {
        self.read_made(provider_id, now).boxed()
    }

    fn fee<'a>(&'a self, attempt: &'a Attempt, _now: Time) -> BoxFuture<'a, Fee> {
        std::future::ready(self.estimate(attempt.amount).map_or(Fee::Unknown, Fee::Estimate)).boxed()
    }
}

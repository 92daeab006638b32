//! A merchant that owes very many affiliates, and its calls for one run of payouts. All is made through the API.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use headwater_client::pb;
use pb::reward_value::Amount;
use tempfile::TempDir;
use testkit::client::{self, Client};
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::fake::OWNER;
use crate::shop::REPEAT_DELAY;

/// How many affiliates are made at once.
const MADE_AT_ONCE: usize = 128;

/// Connections for that.
const CONNECTIONS: usize = 4;

/// What the affiliate with this number is owed, in cents.
pub(super) const fn owed_minor(number: usize) -> i64 {
    1_000 + (number % 1_000) as i64
}

/// The address of the affiliate with this number at PayPal.
pub(super) fn receiver(number: usize) -> String {
    format!("affiliate-{number:06}@receivers.example")
}

/// A key's file for what the server stores encrypted. Returns its path.
pub(super) fn secrets_key(folder: &TempDir) -> anyhow::Result<String> {
    let path = folder.path().join("secrets.key");
    std::fs::write(&path, "5".repeat(64))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(path.to_string_lossy().into_owned())
}

/// See the head of the file.
#[derive(Debug, Clone)]
pub(super) struct Merchant {
    /// The keys of two persons, because nobody approves alone.
    pub(super) keys: [String; 2],
    pub(super) affiliates: usize,
}

/// A run of payouts.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) id: String,
}

impl Merchant {
    /// An account for tests that is connected to PayPal, whose payouts all need an approval.
    pub(super) async fn open(url: &str, operator_key: &str, affiliates: usize) -> anyhow::Result<Self> {
        let channels = client::connect_many(url, CONNECTIONS).await?;
        let channel = channels.first().context("there is no connection")?;
        let mut operator = Client::on(channel, operator_key)?;
        let request = pb::RegisterAccountRequest {
            display_name: "payer".to_owned(),
            email: "owner@payer.example".to_owned(),
            test_account: true,
            ..Default::default()
        };
        let key = operator.accounts.register_account(request).await?.into_inner().api_key_text;
        let mut client = Client::on(channel, &key)?;
        let request = pb::CreateApiKeyRequest {
            kind: pb::ApiKeyKind::Admin.into(),
            display_name: "second".to_owned(),
            ..Default::default()
        };
        let second = client.accounts.create_api_key(request).await?.into_inner().api_key_text;
        furnish(&mut client).await?;
        let merchant = Self { keys: [key, second], affiliates };
        merchant.owe(&channels).await?;
        Ok(merchant)
    }

    /// Makes the affiliates, each with a payout method and a reward.
    async fn owe(&self, channels: &[Channel]) -> anyhow::Result<()> {
        let mut calls = Vec::with_capacity(self.affiliates);
        for number in 0..self.affiliates {
            let channel = channels.get(number % channels.len().max(1)).context("there is no connection")?;
            calls.push(owe_one(Client::on(channel, &self.keys[0])?, number));
        }
        stream::iter(calls).buffer_unordered(MADE_AT_ONCE).try_collect().await
    }

    /// Reads the whole preview. All affiliates must be paid.
    pub(super) async fn preview(&self, url: &str, page_size: i32) -> anyhow::Result<()> {
        let mut client = Client::connect(url, &self.keys[0]).await?;
        let (mut paid, mut page_token) = (0, String::new());
        loop {
            let request = pb::PreviewPayoutRunRequest {
                currency_code: "USD".to_owned(),
                all_affiliates: true,
                page_size,
                page_token,
                ..Default::default()
            };
            let page = client.payouts.preview_payout_run(request).await?.into_inner();
            paid += page.items.iter().filter(|item| item.verdict() == pb::PayoutRunVerdict::Pays).count();
            page_token = page.next_page_token;
            if page_token.is_empty() {
                ensure!(paid == self.affiliates, "the preview pays {paid} affiliates");
                return Ok(());
            }
        }
    }

    /// Creates the run and waits until it has all payouts.
    pub(super) async fn create_run(&self, url: &str) -> anyhow::Result<Run> {
        let mut client = Client::connect(url, &self.keys[0]).await?;
        let request =
            pb::CreatePayoutRunRequest { currency_code: "USD".to_owned(), all_affiliates: true, ..Default::default() };
        let run = client.payouts.create_payout_run(request).await?.into_inner().payout_run.context("no run")?;
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let request = pb::GetPayoutRunRequest { payout_run_id: run.id.clone() };
            let now = client.payouts.get_payout_run(request).await?.into_inner().payout_run.context("no run")?;
            match now.state() {
                pb::PayoutRunState::Creating => {}
                pb::PayoutRunState::Created => {
                    ensure!(
                        usize::try_from(now.payout_count)? == self.affiliates,
                        "the run has other payouts: {now:?}"
                    );
                    return Ok(Run { id: run.id });
                }
                state => bail!("the run is {state:?}"),
            }
        }
    }

    /// Approves all payouts of the run with the second key, so many in each call.
    pub(super) async fn approve(&self, url: &str, run: &Run, per_call: usize) -> anyhow::Result<()> {
        let mut client = Client::connect(url, &self.keys[1]).await?;
        let mut page_token = String::new();
        loop {
            let request = pb::ListPayoutsRequest {
                payout_run_id: run.id.clone(),
                page_size: i32::try_from(per_call)?,
                page_token,
                ..Default::default()
            };
            let page = client.payouts.list_payouts(request).await?.into_inner();
            let payout_ids: Vec<_> = page.payouts.into_iter().map(|payout| payout.id).collect();
            if !payout_ids.is_empty() {
                client.payouts.approve_payouts(pb::ApprovePayoutsRequest { payout_ids, ..Default::default() }).await?;
            }
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(());
            }
        }
    }
}

/// A program, the connection to PayPal, and the rule that every payout needs an approval.
async fn furnish(client: &mut Client) -> anyhow::Result<()> {
    let request = pb::CreateProgramRequest {
        display_name: "main".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://payer.example/".to_owned(),
        terms: Some(pb::Terms {
            commission: Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(200_000)) }),
            ..Default::default()
        }),
        ..Default::default()
    };
    client.affiliates.create_program(request).await?;
    let paypal = pb::PayPalCredentials {
        client_id: OWNER.to_owned(),
        client_secret: "secret".to_owned(),
        webhook_id: String::new(),
    };
    let credentials = Some(pb::provider_credentials::Credentials::Paypal(paypal));
    let request = pb::SetPayoutConnectionRequest {
        credentials: Some(pb::ProviderCredentials { credentials }),
        ..Default::default()
    };
    client.payouts.set_payout_connection(request).await?;
    let least = pb::Money { amount_minor: 1, currency_code: "USD".to_owned() };
    let policy = pb::PayoutPolicy { approval_above: vec![least], ..Default::default() };
    let request = pb::UpdateAccountRequest {
        account: Some(pb::Account { payout_policy: Some(policy), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["payout_policy".to_owned()] }),
        ..Default::default()
    };
    client.accounts.update_account(request).await?;
    Ok(())
}

/// Makes one affiliate with its payout method and its reward.
async fn owe_one(client: Client, number: usize) -> anyhow::Result<()> {
    let ref_id = format!("a{number}");
    let by_ref_id = pb::affiliate_selector::Selector::RefId(ref_id.clone());
    let request = pb::CreateAffiliateRequest {
        request_id: ref_id.clone(),
        email: receiver(number),
        ref_id: ref_id.clone(),
        ..Default::default()
    };
    repeated(|| {
        let (mut client, request) = (client.clone(), request.clone());
        async move { client.affiliates.create_affiliate(request).await.map(|_| ()) }
    })
    .await?;
    let paypal = pb::payout_details::Details::Paypal(pb::PayPalDetails { email: receiver(number) });
    let request = pb::SetPayoutMethodRequest {
        request_id: ref_id.clone(),
        affiliate: Some(pb::AffiliateSelector { selector: Some(by_ref_id) }),
        details: Some(pb::PayoutDetails { details: Some(paypal) }),
        ..Default::default()
    };
    repeated(|| {
        let (mut client, request) = (client.clone(), request.clone());
        async move { client.payouts.set_payout_method(request).await.map(|_| ()) }
    })
    .await?;
    let value = pb::Money { amount_minor: owed_minor(number), currency_code: "USD".to_owned() };
    let selector = Some(pb::enrollment_selector::Selector::RefId(ref_id.clone()));
    let request = pb::CreateRewardRequest {
        request_id: ref_id,
        recipient: Some(pb::create_reward_request::Recipient::Enrollment(pb::EnrollmentSelector { selector })),
        value: Some(pb::RewardValue { amount: Some(Amount::Cash(value)) }),
        ..Default::default()
    };
    repeated(|| {
        let (mut client, request) = (client.clone(), request.clone());
        async move { client.rewards.create_reward(request).await.map(|_| ()) }
    })
    .await
}

/// Makes a call that has an id of its own until the server takes it.
async fn repeated<Answer>(call: impl Fn() -> Answer) -> anyhow::Result<()>
where
    Answer: Future<Output = Result<(), Status>>,
{
    loop {
        match call().await {
            Ok(()) => return Ok(()),
            Err(status) if matches!(status.code(), Code::Unavailable | Code::ResourceExhausted) => {
                tokio::time::sleep(REPEAT_DELAY).await;
            }
            Err(status) => return Err(status.into()),
        }
    }
}

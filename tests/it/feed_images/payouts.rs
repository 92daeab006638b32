//! The changes of payouts, their methods and connections.

use super::*;

/// Gives a reward in cash, and pays it.
pub(super) async fn pay(client: &mut Client, enrollment_id: &str) {
    use pb::create_reward_request::Recipient;
    let selector = pb::enrollment_selector::Selector::Id(enrollment_id.to_owned());
    let request = pb::CreateRewardRequest {
        recipient: Some(Recipient::Enrollment(pb::EnrollmentSelector { selector: Some(selector) })),
        value: Some(pb::RewardValue { amount: cents(300).map(pb::reward_value::Amount::Cash) }),
        ..Default::default()
    };
    let reward = client.rewards.create_reward(request).await.unwrap().into_inner().reward.unwrap();
    want_invoices(client).await;
    let request = pb::MarkPaidRequest {
        affiliate: Some(pb::AffiliateSelector {
            selector: Some(pb::affiliate_selector::Selector::Id(reward.affiliate_id)),
        }),
        reward_ids: vec![reward.id],
        reference: "to Ann's bank".to_owned(),
        note: "Ann asked for it".to_owned(),
        message: "Thank you, Ann".to_owned(),
        ..Default::default()
    };
    let payout = client.payouts.mark_paid(request).await.unwrap().into_inner().payout.unwrap();
    let request = pb::ReopenPayoutRequest {
        payout_id: payout.id.clone(),
        reason: "Ann's bank sent it back".to_owned(),
        ..Default::default()
    };
    client.payouts.reopen_payout(request).await.unwrap();
    let request = pb::ConfirmPayoutsRequest { payout_ids: vec![payout.id], ..Default::default() };
    client.payouts.confirm_payouts(request).await.unwrap();
    schedule(client).await;
    run(client).await;
}

/// Creates a payout schedule, changes it and archives it.
async fn schedule(client: &mut Client) {
    let monthly = pb::payout_timing::Recurrence::MonthDays(pb::PayoutMonthDays { days: vec![31] });
    let request = pb::CreatePayoutScheduleRequest {
        display_name: "Monthly".to_owned(),
        timing: Some(pb::PayoutTiming { recurrence: Some(monthly), time_of_day_minutes: 540 }),
        currency_code: "CHF".to_owned(),
        all_affiliates: true,
        note: "Ann asked for it".to_owned(),
        message: "Thank you, Ann".to_owned(),
        ..Default::default()
    };
    let made = client.payouts.create_payout_schedule(request).await.unwrap().into_inner().payout_schedule.unwrap();
    let changed =
        pb::PayoutSchedule { id: made.id.clone(), needs_approval: true, etag: made.etag, ..Default::default() };
    let request = pb::UpdatePayoutScheduleRequest {
        payout_schedule: Some(changed),
        update_mask: Some(prost_types::FieldMask { paths: vec!["needs_approval".to_owned()] }),
        ..Default::default()
    };
    client.payouts.update_payout_schedule(request).await.unwrap();
    let request = pb::ArchivePayoutScheduleRequest { payout_schedule_id: made.id, ..Default::default() };
    client.payouts.archive_payout_schedule(request).await.unwrap();
}

/// Has each payout that is paid get an invoice.
async fn want_invoices(client: &mut Client) {
    let policy = pb::PayoutPolicy { self_billing_invoices: true, ..Default::default() };
    let request = pb::UpdateAccountRequest {
        account: Some(pb::Account { payout_policy: Some(policy), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["payout_policy".to_owned()] }),
        ..Default::default()
    };
    client.accounts.update_account(request).await.unwrap();
}

/// Creates a payout run, and cancels it when all of its payouts are created.
pub(super) async fn run(client: &mut Client) {
    let request = pb::CreatePayoutRunRequest {
        currency_code: "CHF".to_owned(),
        all_affiliates: true,
        note: "Ann asked for it".to_owned(),
        message: "Thank you, Ann".to_owned(),
        ..Default::default()
    };
    let run = client.payouts.create_payout_run(request).await.unwrap().into_inner().payout_run.unwrap();
    wait_for(client, &run.id, pb::PayoutRunState::Created).await;
    let request = pb::CancelPayoutRunRequest { payout_run_id: run.id.clone(), ..Default::default() };
    client.payouts.cancel_payout_run(request).await.unwrap();
    wait_for(client, &run.id, pb::PayoutRunState::Cancelled).await;
}

pub(super) async fn wait_for(client: &mut Client, payout_run_id: &str, state: pb::PayoutRunState) {
    loop {
        let request = pb::GetPayoutRunRequest { payout_run_id: payout_run_id.to_owned() };
        let run = client.payouts.get_payout_run(request).await.unwrap().into_inner().payout_run.unwrap();
        if run.state() == state {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Creates a payout that needs an approval, has it approved with another key, and cancels it.
pub(super) async fn reserve(server: &TestServer, client: &mut Client) {
    export(client).await;
    let policy = pb::PayoutPolicy { net_days: 0, approval_above: cents(0).into_iter().collect(), ..Default::default() };
    let request = pb::UpdateAccountRequest {
        account: Some(pb::Account { payout_policy: Some(policy), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["payout_policy".to_owned()] }),
        ..Default::default()
    };
    client.accounts.update_account(request).await.unwrap();
    let rewards = client.rewards.list_rewards(pb::ListRewardsRequest::default()).await.unwrap().into_inner().rewards;
    let selector = pb::enrollment_selector::Selector::Id(rewards[0].enrollment_id.clone());
    let request = pb::CreateRewardRequest {
        recipient: Some(pb::create_reward_request::Recipient::Enrollment(pb::EnrollmentSelector {
            selector: Some(selector),
        })),
        value: Some(pb::RewardValue { amount: cents(400).map(pb::reward_value::Amount::Cash) }),
        ..Default::default()
    };
    let reward = client.rewards.create_reward(request).await.unwrap().into_inner().reward.unwrap();
    let selector = pb::affiliate_selector::Selector::Id(reward.affiliate_id);
    let request = pb::CreatePayoutRequest {
        affiliate: Some(pb::AffiliateSelector { selector: Some(selector) }),
        currency_code: "USD".to_owned(),
        reward_ids: vec![reward.id],
        note: "Ann asked for it".to_owned(),
        message: "Thank you, Ann".to_owned(),
        ..Default::default()
    };
    set_and_remove_method(client, request.affiliate.clone()).await;
    set_profiles(client, request.affiliate.clone()).await;
    let payout = client.payouts.create_payout(request).await.unwrap().into_inner().payout.unwrap();
    let request = pb::CreateApiKeyRequest { kind: pb::ApiKeyKind::Payout.into(), ..Default::default() };
    let key_text = client.accounts.create_api_key(request).await.unwrap().into_inner().api_key_text;
    let mut other = Client::connect(&server.address, &key_text).await.unwrap();
    let request = pb::ApprovePayoutsRequest { payout_ids: vec![payout.id.clone()], ..Default::default() };
    other.payouts.approve_payouts(request).await.unwrap();
    let request = pb::CancelPayoutRequest { payout_id: payout.id, ..Default::default() };
    client.payouts.cancel_payout(request).await.unwrap();
}

/// Makes a file of a payout to an affiliate.
pub(super) async fn export(client: &mut Client) {
    let rewards = client.rewards.list_rewards(pb::ListRewardsRequest::default()).await.unwrap().into_inner().rewards;
    let selector = pb::enrollment_selector::Selector::Id(rewards[0].enrollment_id.clone());
    let request = pb::CreateRewardRequest {
        recipient: Some(pb::create_reward_request::Recipient::Enrollment(pb::EnrollmentSelector {
            selector: Some(selector),
        })),
        value: Some(pb::RewardValue { amount: cents(500).map(pb::reward_value::Amount::Cash) }),
        ..Default::default()
    };
    let reward = client.rewards.create_reward(request).await.unwrap().into_inner().reward.unwrap();
    let selector = Some(pb::affiliate_selector::Selector::Id(reward.affiliate_id));
    let affiliate = Some(pb::AffiliateSelector { selector });
    let other = pb::OtherDetails { instructions: "cash for Ann".to_owned() };
    let request = pb::SetPayoutMethodRequest {
        affiliate: affiliate.clone(),
        details: Some(pb::PayoutDetails { details: Some(pb::payout_details::Details::Other(other)) }),
        ..Default::default()
    };
    client.payouts.set_payout_method(request).await.unwrap();
    let request = pb::CreatePayoutRequest {
        affiliate,
        currency_code: "USD".to_owned(),
        reward_ids: vec![reward.id],
        ..Default::default()
    };
    let payout = client.payouts.create_payout(request).await.unwrap().into_inner().payout.unwrap();
    let request = pb::ExportPayoutFileRequest {
        payout_ids: vec![payout.id],
        settings: Some(pb::export_payout_file_request::Settings::Plain(pb::PlainFileSettings {})),
        ..Default::default()
    };
    client.payouts.export_payout_file(request).await.unwrap();
}

/// Sets the payout method of an affiliate twice, the second time at once and with a reason, and removes it. Connects the account to a
/// provider, and removes the connection.
pub(super) async fn set_and_remove_method(client: &mut Client, affiliate: Option<pb::AffiliateSelector>) {
    let details = |email: &str| {
        let paypal = pb::PayPalDetails { email: email.to_owned() };
        Some(pb::PayoutDetails { details: Some(pb::payout_details::Details::Paypal(paypal)) })
    };
    let request = pb::SetPayoutMethodRequest {
        affiliate: affiliate.clone(),
        details: details("ann-gets-money@example.com"),
        ..Default::default()
    };
    client.payouts.set_payout_method(request.clone()).await.unwrap();
    let details_after = details("ann-gets-more@example.com");
    let waits = pb::SetPayoutMethodRequest { details: details_after, ..request };
    client.payouts.set_payout_method(waits.clone()).await.unwrap();
    let now =
        pb::SetPayoutMethodRequest { effective_now: true, override_reason: "Ann asked by phone".to_owned(), ..waits };
    client.payouts.set_payout_method(now.clone()).await.unwrap();
    let request = pb::RemovePayoutMethodRequest { affiliate, ..Default::default() };
    client.payouts.remove_payout_method(request).await.unwrap();
    client.payouts.set_payout_method(now).await.unwrap();
    let stripe = pb::StripeCredentials {
        secret_key: "sk_live_canary4242".to_owned(),
        webhook_secret: "whsec_canary".to_owned(),
    };
    let credentials = pb::provider_credentials::Credentials::Stripe(stripe);
    let request = pb::SetPayoutConnectionRequest {
        credentials: Some(pb::ProviderCredentials { credentials: Some(credentials) }),
        ..Default::default()
    };
    client.payouts.set_payout_connection(request.clone()).await.unwrap();
    let provider = pb::PayoutProvider::Stripe.into();
    let removal = pb::RemovePayoutConnectionRequest { provider, ..Default::default() };
    client.payouts.remove_payout_connection(removal).await.unwrap();
    client.payouts.set_payout_connection(request).await.unwrap();
}

/// Sets the tax profile of an affiliate, removes it, sets it again, and has it confirmed and refused. Sets the billing profile.
async fn set_profiles(client: &mut Client, affiliate: Option<pb::AffiliateSelector>) {
    let address = Some(pb::PostalAddress {
        street: "Canary Street 1".to_owned(),
        city: "Canary Town".to_owned(),
        country_code: "US".to_owned(),
        ..Default::default()
    });
    let request = pb::SetTaxProfileRequest {
        affiliate: affiliate.clone(),
        payee_kind: pb::PayeeKind::Individual.into(),
        legal_name: "Ann Canary".to_owned(),
        address: address.clone(),
        residence_country_code: "US".to_owned(),
        form: pb::TaxForm::W9.into(),
        sign_date: "2025-11-27".to_owned(),
        number: Some(pb::TaxNumber { kind: pb::TaxNumberKind::Ssn.into(), text: "123-45-6789".to_owned() }),
        ..Default::default()
    };
    client.payouts.set_tax_profile(request.clone()).await.unwrap();
    let removal = pb::RemoveTaxProfileRequest { affiliate: affiliate.clone(), ..Default::default() };
    client.payouts.remove_tax_profile(removal).await.unwrap();
    client.payouts.set_tax_profile(request).await.unwrap();
    let confirmation = pb::ConfirmTaxProfileRequest { affiliate: affiliate.clone(), ..Default::default() };
    client.payouts.confirm_tax_profile(confirmation).await.unwrap();
    let reason = "the canary has another name".to_owned();
    let refusal = pb::RefuseTaxProfileRequest { affiliate, reason, ..Default::default() };
    client.payouts.refuse_tax_profile(refusal).await.unwrap();
    let profile = pb::BillingProfile {
        legal_name: "Canary Shop Ltd".to_owned(),
        address,
        vat_id: "DE123456789".to_owned(),
        tax_number: "canary-12/345".to_owned(),
        invoice_prefix: "SB-".to_owned(),
        payment_terms: "the canary pays in 14 days".to_owned(),
        ..Default::default()
    };
    let request = pb::SetBillingProfileRequest { billing_profile: Some(profile), ..Default::default() };
    client.payouts.set_billing_profile(request).await.unwrap();
}

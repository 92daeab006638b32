//! The images in the feed: each event has its subject as it was right after the event, without personal data. The subject's Get
//! call returns the personal data.

mod current;
mod payouts;

use std::collections::BTreeMap;

use headwater::pb;
use pb::event::Subject;
use prost::Message;
use testkit::client::Client;

use current::{current, id_of};
use payouts::{pay, reserve};

use crate::support::database::TestDatabase;
use crate::support::feed::{conversion_of, from_beginning};
use crate::support::server::TestServer;

/// Personal data. None may be in the feed, which is never changed.
const PERSONAL: &[&str] = &[
    "owner@",
    "ann@",
    "Ann",
    "Smith",
    "crm-17",
    "ann-ref",
    "spring-link",
    "ann.example",
    "note of ann",
    "bob@",
    "Bob",
    "Jones",
    "user-4711",
];

pub(crate) async fn all_events(client: &mut Client) -> Vec<pb::Event> {
    let request = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
    client.feed.read_events(request).await.unwrap().into_inner().events
}

fn cents(amount_minor: i64) -> Option<pb::Money> {
    Some(pb::Money { amount_minor, currency_code: "USD".to_owned() })
}

/// Calls that produce every kind of event.
async fn play(client: &mut Client) {
    let rename = pb::UpdateAccountRequest {
        account: Some(pb::Account { display_name: "Corner Shop".to_owned(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".to_owned()] }),
        ..Default::default()
    };
    client.accounts.update_account(rename).await.unwrap();
    let request = pb::CreateApiKeyRequest { kind: pb::ApiKeyKind::Read.into(), ..Default::default() };
    let key = client.accounts.create_api_key(request).await.unwrap().into_inner().api_key.unwrap();
    client.accounts.revoke_api_key(pb::RevokeApiKeyRequest { api_key_id: key.id, ..Default::default() }).await.unwrap();
    let enrollment = furnish(client).await;
    record(client).await;
    give_and_correct(client, &enrollment.id).await;
    let request = pb::UpdateEnrollmentRequest {
        enrollment: Some(pb::Enrollment { landing_url: "https://ann.example/new".to_owned(), ..enrollment.clone() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["landing_url".to_owned()] }),
        ..Default::default()
    };
    client.affiliates.update_enrollment(request).await.unwrap();
    change_affiliates(client).await;
    let request = pb::EndEnrollmentRequest { enrollment_id: enrollment.id, ..Default::default() };
    client.affiliates.end_enrollment(request).await.unwrap();
    let request = pb::ArchiveProgramRequest { program_id: enrollment.program_id, ..Default::default() };
    client.affiliates.archive_program(request).await.unwrap();
}

/// Verifies the owner's address, changes a key, and suspends the account for a moment.
async fn change_account(server: &TestServer, client: &mut Client) {
    let verification_token = server.mailed_token("shop@owners.example").await;
    let request = pb::VerifyAccountEmailRequest { verification_token, ..Default::default() };
    client.accounts.verify_account_email(request).await.unwrap();
    let request = pb::CreateApiKeyRequest { kind: pb::ApiKeyKind::Read.into(), ..Default::default() };
    let key = client.accounts.create_api_key(request).await.unwrap().into_inner().api_key.unwrap();
    let request = pb::UpdateApiKeyRequest {
        api_key: Some(pb::ApiKey { display_name: "reports".to_owned(), ..key }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".to_owned()] }),
        ..Default::default()
    };
    client.accounts.update_api_key(request).await.unwrap();
    let mut operator = Client::connect(&server.address, &server.operator_key).await.unwrap();
    let selector = pb::account_selector::Selector::Email("shop@owners.example".to_owned());
    let account = Some(pb::AccountSelector { selector: Some(selector) });
    let request = pb::SuspendAccountRequest {
        account: account.clone(),
        suspension_reason: "unpaid".to_owned(),
        ..Default::default()
    };
    operator.accounts.suspend_account(request).await.unwrap();
    let request = pb::ResumeAccountRequest { account, ..Default::default() };
    operator.accounts.resume_account(request).await.unwrap();
}

/// Changes Ann, and rejects another affiliate.
async fn change_affiliates(client: &mut Client) {
    let selector = pb::affiliate_selector::Selector::Email("ann@affiliates.example".to_owned());
    let ann = Some(pb::AffiliateSelector { selector: Some(selector) });
    let request = pb::UpdateAffiliateRequest {
        affiliate: Some(pb::Affiliate { first_name: "Ann".to_owned(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["first_name".to_owned()] }),
        selector: ann.clone(),
        ..Default::default()
    };
    client.affiliates.update_affiliate(request).await.unwrap();
    let request = pb::RotateAffiliateTokenRequest { affiliate: ann.clone(), ..Default::default() };
    client.affiliates.rotate_affiliate_token(request).await.unwrap();
    let request = pb::CreateAffiliateRequest {
        email: "ann@above.example".to_owned(),
        ref_id: "ann-ref-3".to_owned(),
        ..Default::default()
    };
    let above = client.affiliates.create_affiliate(request).await.unwrap().into_inner().affiliate.unwrap();
    let selector = pb::affiliate_selector::Selector::Id(above.id);
    let upline = Some(pb::AffiliateSelector { selector: Some(selector) });
    let request = pb::SetUplineRequest { affiliate: ann.clone(), upline, ..Default::default() };
    client.affiliates.set_upline(request).await.unwrap();
    let pending = pb::RecordSaleRequest {
        event_id: "held".to_owned(),
        external_id: "user-9".to_owned(),
        ref_id: "ann-ref".to_owned(),
        amount: cents(100),
        ..Default::default()
    };
    client.tracking.record_sale(pending).await.unwrap();
    let request = pb::DeactivateAffiliateRequest {
        affiliate: ann.clone(),
        pending_rewards: pb::PendingRewards::Hold.into(),
        reason: "note of ann".to_owned(),
        ..Default::default()
    };
    client.affiliates.deactivate_affiliate(request).await.unwrap();
    let request = pb::ListRewardsRequest { states: vec![pb::RewardState::Held.into()], ..Default::default() };
    let held = client.rewards.list_rewards(request).await.unwrap().into_inner().rewards;
    let held = held.into_iter().filter(|reward| reward.reverses_reward_id.is_empty());
    let request =
        pb::ReleaseRewardsRequest { reward_ids: held.map(|reward| reward.id).collect(), ..Default::default() };
    client.rewards.release_rewards(request).await.unwrap();
    let request = pb::ApproveAffiliateRequest { affiliate: ann, ..Default::default() };
    client.affiliates.approve_affiliate(request).await.unwrap();
    let request = pb::CreateAffiliateRequest {
        email: "ann@applicants.example".to_owned(),
        first_name: "Ann".to_owned(),
        ref_id: "ann-ref-2".to_owned(),
        state: pb::AffiliateState::Applied.into(),
        ..Default::default()
    };
    let applied = client.affiliates.create_affiliate(request).await.unwrap().into_inner().affiliate.unwrap();
    let selector = pb::affiliate_selector::Selector::Id(applied.id);
    let affiliate = Some(pb::AffiliateSelector { selector: Some(selector) });
    let request = pb::RejectAffiliateRequest {
        affiliate: affiliate.clone(),
        reason: "note of ann".to_owned(),
        ..Default::default()
    };
    client.affiliates.reject_affiliate(request).await.unwrap();
    client.affiliates.erase_affiliate(pb::EraseAffiliateRequest { affiliate, ..Default::default() }).await.unwrap();
}

/// Creates a program, an affiliate, a link and a coupon. Returns the enrollment.
async fn furnish(client: &mut Client) -> pb::Enrollment {
    let commission = Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(200_000)) });
    let request = pb::CreateProgramRequest {
        display_name: "main".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://shop.example/".to_owned(),
        terms: Some(pb::Terms { commission, custom_kinds: vec!["demo".to_owned()], ..Default::default() }),
        ..Default::default()
    };
    let program = client.affiliates.create_program(request).await.unwrap().into_inner().program.unwrap();
    let request = pb::UpdateProgramRequest {
        program: Some(pb::Program { display_name: "Main".to_owned(), ..program }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".to_owned()] }),
        ..Default::default()
    };
    client.affiliates.update_program(request).await.unwrap();
    let request = pb::CreateAffiliateRequest {
        email: "ann@affiliates.example".to_owned(),
        first_name: "Ann".to_owned(),
        last_name: "Smith".to_owned(),
        external_id: "crm-17".to_owned(),
        ref_id: "ann-ref".to_owned(),
        landing_url: "https://ann.example/".to_owned(),
        profile: Some(pb::AffiliateProfile { about: "note of ann".to_owned(), ..Default::default() }),
        ..Default::default()
    };
    let made = client.affiliates.create_affiliate(request).await.unwrap().into_inner();
    let (affiliate, enrollment) = (made.affiliate.unwrap(), made.enrollment.unwrap());
    let request = pb::CreateLinkRequest {
        enrollment_id: enrollment.id.clone(),
        code: "spring-link".to_owned(),
        destination_url: "https://ann.example/spring".to_owned(),
        ..Default::default()
    };
    let link = client.affiliates.create_link(request).await.unwrap().into_inner().link.unwrap();
    let request = pb::UpdateLinkRequest {
        link: Some(pb::Link { claimed_url: "https://shop.example/spring-link".to_owned(), ..link.clone() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["claimed_url".to_owned()] }),
        ..Default::default()
    };
    client.affiliates.update_link(request).await.unwrap();
    client.affiliates.revoke_link(pb::RevokeLinkRequest { link_id: link.id, ..Default::default() }).await.unwrap();
    let selector = pb::affiliate_selector::Selector::Id(affiliate.id);
    for code in ["FIRST", "SECOND"] {
        let request = pb::AssignCouponRequest {
            affiliate: Some(pb::AffiliateSelector { selector: Some(selector.clone()) }),
            code: code.to_owned(),
            note: "note of ann".to_owned(),
            ..Default::default()
        };
        let coupon = client.affiliates.assign_coupon(request).await.unwrap().into_inner().coupon.unwrap();
        if code == "FIRST" {
            let request = pb::RemoveCouponRequest { coupon_id: coupon.id, ..Default::default() };
            client.affiliates.remove_coupon(request).await.unwrap();
        }
    }
    offer(client, selector.clone()).await;
    bounty(client, selector).await;
    group(client).await;
    enrollment
}

/// Creates, changes and archives a group of affiliates.
async fn group(client: &mut Client) {
    let request = pb::CreateAffiliateGroupRequest {
        display_name: "Gold".to_owned(),
        note: "note of ann".to_owned(),
        ..Default::default()
    };
    let group = client.affiliates.create_affiliate_group(request).await.unwrap().into_inner().group.unwrap();
    let request = pb::UpdateAffiliateGroupRequest {
        group: Some(pb::AffiliateGroup { display_name: "Silver".to_owned(), ..group.clone() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".to_owned()] }),
        ..Default::default()
    };
    client.affiliates.update_affiliate_group(request).await.unwrap();
    let request = pb::ArchiveAffiliateGroupRequest { group_id: group.id, ..Default::default() };
    client.affiliates.archive_affiliate_group(request).await.unwrap();
}

/// Creates and changes an item and an offer. The affiliate claims the offer, and the claim is given back.
async fn offer(client: &mut Client, affiliate: pb::affiliate_selector::Selector) {
    let mask = |path: &str| Some(prost_types::FieldMask { paths: vec![path.to_owned()] });
    let (sku, note) = ("MUG-1".to_owned(), "note of ann".to_owned());
    let request = pb::CreateItemRequest { sku, note: note.clone(), ..Default::default() };
    let item = client.affiliates.create_item(request).await.unwrap().into_inner().item.unwrap();
    let request = pb::UpdateItemRequest {
        item: Some(pb::Item { display_name: "Mug".to_owned(), ..item.clone() }),
        update_mask: mask("display_name"),
        ..Default::default()
    };
    client.affiliates.update_item(request).await.unwrap();
    let selector = Some(pb::item_selector::Selector::Id(item.id.clone()));
    let request = pb::CreateOfferRequest {
        display_name: "Spring".to_owned(),
        item: Some(pb::ItemSelector { selector }),
        ..Default::default()
    };
    let offer = client.affiliates.create_offer(request).await.unwrap().into_inner().offer.unwrap();
    let request = pb::UpdateOfferRequest {
        offer: Some(pb::Offer { max_claims: 3, ..offer.clone() }),
        update_mask: mask("max_claims"),
        ..Default::default()
    };
    client.affiliates.update_offer(request).await.unwrap();
    let request = pb::ClaimOfferRequest {
        offer_id: offer.id.clone(),
        affiliate: Some(pb::AffiliateSelector { selector: Some(affiliate) }),
        note,
        ..Default::default()
    };
    let coupon = client.affiliates.claim_offer(request).await.unwrap().into_inner().coupon.unwrap();
    let request = pb::UpdateCouponRequest {
        coupon: Some(pb::Coupon { note: "another note of ann".to_owned(), ..coupon.clone() }),
        update_mask: mask("note"),
        ..Default::default()
    };
    client.affiliates.update_coupon(request).await.unwrap();
    let request = pb::RemoveCouponRequest { coupon_id: coupon.id, ..Default::default() };
    client.affiliates.remove_coupon(request).await.unwrap();
    client
        .affiliates
        .archive_offer(pb::ArchiveOfferRequest { offer_id: offer.id, ..Default::default() })
        .await
        .unwrap();
    client.affiliates.archive_item(pb::ArchiveItemRequest { item_id: item.id, ..Default::default() }).await.unwrap();
}

/// Creates, changes and archives a bounty, and decides a contest. The affiliate submits to both.
async fn bounty(client: &mut Client, affiliate: pb::affiliate_selector::Selector) {
    let kinds = [pb::BountyKind::Submission, pb::BountyKind::Contest];
    for kind in kinds {
        let amount = Some(pb::reward_value::Amount::Points(7));
        let request = pb::CreateBountyRequest {
            kind: kind.into(),
            display_name: "Video".to_owned(),
            rewards: vec![pb::RewardValue { amount }],
            ..Default::default()
        };
        let bounty = client.affiliates.create_bounty(request).await.unwrap().into_inner().bounty.unwrap();
        let request = pb::SubmitToBountyRequest {
            bounty_id: bounty.id.clone(),
            affiliate: Some(pb::AffiliateSelector { selector: Some(affiliate.clone()) }),
            note: "note of ann".to_owned(),
            url: "https://ann.example/video".to_owned(),
            ..Default::default()
        };
        let mut ids = Vec::new();
        for _ in 0..2 {
            let made = client.affiliates.submit_to_bounty(request.clone()).await.unwrap().into_inner();
            ids.push(made.submission.unwrap().id);
        }
        let [first, second] = [ids[0].clone(), ids[1].clone()];
        let request = pb::RejectSubmissionRequest {
            submission_id: first,
            reason: "note of ann".to_owned(),
            ..Default::default()
        };
        client.affiliates.reject_submission(request).await.unwrap();
        if kind == pb::BountyKind::Submission {
            let request = pb::ApproveSubmissionRequest { submission_id: second, ..Default::default() };
            client.affiliates.approve_submission(request).await.unwrap();
        } else {
            let request = pb::NameContestWinnersRequest {
                bounty_id: bounty.id.clone(),
                winner_submission_ids: vec![second],
                ..Default::default()
            };
            client.affiliates.name_contest_winners(request).await.unwrap();
        }
        let request = pb::UpdateBountyRequest {
            bounty: Some(pb::Bounty { max_submissions: 3, ..bounty.clone() }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["max_submissions".to_owned()] }),
            ..Default::default()
        };
        client.affiliates.update_bounty(request).await.unwrap();
        let request = pb::ArchiveBountyRequest { bounty_id: bounty.id, ..Default::default() };
        client.affiliates.archive_bounty(request).await.unwrap();
    }
}

/// Records a lead, sales and refunds of each outcome, and moves rewards to each state.
async fn record(client: &mut Client) {
    let sale = |event_id: &str, external_id: &str, coupon_code: &str| pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        external_id: external_id.to_owned(),
        coupon_code: coupon_code.to_owned(),
        first_name: "Bob".to_owned(),
        amount: cents(10_000),
        ..Default::default()
    };
    let refund = |event_id: &str, sale_event_id: &str| pb::RecordRefundRequest {
        event_id: event_id.to_owned(),
        sale_event_id: sale_event_id.to_owned(),
        amount: cents(5_000),
        ..Default::default()
    };
    // It is not referred until its lead is recorded.
    client.tracking.record_sale(sale("late", "user-4711", "")).await.unwrap();
    let lead = pb::RecordLeadRequest {
        event_id: "lead".to_owned(),
        email: "bob@customers.example".to_owned(),
        external_id: "user-4711".to_owned(),
        last_name: "Jones".to_owned(),
        ref_id: "ann-ref".to_owned(),
        ..Default::default()
    };
    client.tracking.record_lead(lead).await.unwrap();
    let approved = client.tracking.record_sale(sale("approved", "user-4711", "")).await.unwrap().into_inner();
    let denied = client.tracking.record_sale(sale("denied", "user-2", "SECOND")).await.unwrap().into_inner();
    let reward_ids = vec![approved.rewards[0].reward_id.clone()];
    client.rewards.approve_rewards(pb::ApproveRewardsRequest { reward_ids, ..Default::default() }).await.unwrap();
    let reward_ids = vec![denied.rewards[0].reward_id.clone()];
    let deny =
        pb::DenyRewardsRequest { reward_ids, reason: "Bob ordered it for himself".to_owned(), ..Default::default() };
    client.rewards.deny_rewards(deny).await.unwrap();
    for (event_id, sale_event_id) in
        [("refund-1", "late"), ("refund-2", "late"), ("refund-3", "not yet"), ("refund-4", "small")]
    {
        client.tracking.record_refund(refund(event_id, sale_event_id)).await.unwrap();
    }
    let small = pb::RecordSaleRequest { amount: cents(100), ..sale("small", "user-4711", "") };
    client.tracking.record_sale(small).await.unwrap();
    undo_and_dispute(client).await;
    let cancellation = pb::RecordCancellationRequest {
        event_id: "end".to_owned(),
        external_id: "user-4711".to_owned(),
        ..Default::default()
    };
    client.tracking.record_cancellation(cancellation).await.unwrap();
    let appointment = pb::RecordAppointmentRequest {
        event_id: "meeting".to_owned(),
        external_id: "user-4711".to_owned(),
        first_name: "Bob".to_owned(),
        ..Default::default()
    };
    client.tracking.record_appointment(appointment).await.unwrap();
    let demo = pb::RecordCustomEventRequest {
        event_id: "demo".to_owned(),
        custom_kind: "demo".to_owned(),
        external_id: "user-4711".to_owned(),
        amount: cents(100),
        ..Default::default()
    };
    client.tracking.record_custom_event(demo).await.unwrap();
    change_leads(client).await;
}

/// Records a sale and a refund, which is undone. Then the sale is disputed, and the dispute is won.
async fn undo_and_dispute(client: &mut Client) {
    let sale = pb::RecordSaleRequest {
        event_id: "disputed".to_owned(),
        external_id: "user-4711".to_owned(),
        amount: cents(10_000),
        ..Default::default()
    };
    client.tracking.record_sale(sale).await.unwrap();
    let refund = pb::RecordRefundRequest {
        event_id: "refund-5".to_owned(),
        sale_event_id: "disputed".to_owned(),
        amount: cents(5_000),
        ..Default::default()
    };
    client.tracking.record_refund(refund).await.unwrap();
    let undo = pb::UndoRefundRequest {
        event_id: "undo".to_owned(),
        refund_event_id: "refund-5".to_owned(),
        reason: "the bank of Bob sent it back".to_owned(),
        ..Default::default()
    };
    client.tracking.undo_refund(undo).await.unwrap();
    let dispute = pb::OpenDisputeRequest {
        event_id: "dispute".to_owned(),
        sale_event_id: "disputed".to_owned(),
        reason: "Bob did not receive it".to_owned(),
        ..Default::default()
    };
    client.tracking.open_dispute(dispute).await.unwrap();
    let resolution = pb::ResolveDisputeRequest {
        event_id: "resolution".to_owned(),
        dispute_event_id: "dispute".to_owned(),
        outcome: pb::DisputeOutcome::Won.into(),
        reason: "Bob Jones found it".to_owned(),
        ..Default::default()
    };
    client.tracking.resolve_dispute(resolution).await.unwrap();
}

/// Gives and fulfills a reward, and corrects a sale.
async fn give_and_correct(client: &mut Client, enrollment_id: &str) {
    use pb::create_reward_request::Recipient;
    let selector = pb::enrollment_selector::Selector::Id(enrollment_id.to_owned());
    let request = pb::CreateRewardRequest {
        recipient: Some(Recipient::Enrollment(pb::EnrollmentSelector { selector: Some(selector) })),
        value: Some(pb::RewardValue { amount: Some(pb::reward_value::Amount::Points(10)) }),
        ..Default::default()
    };
    let reward = client.rewards.create_reward(request).await.unwrap().into_inner().reward.unwrap();
    let request = pb::FulfillRewardRequest { reward_id: reward.id, ..Default::default() };
    client.rewards.fulfill_reward(request).await.unwrap();
    pay(client, enrollment_id).await;
    let request = pb::CorrectSaleRequest {
        event_id: "corrected".to_owned(),
        sale_event_id: "approved".to_owned(),
        amount: cents(0),
        reason: "Bob typed it wrong".to_owned(),
        ..Default::default()
    };
    client.tracking.correct_sale(request).await.unwrap();
}

/// Creates leads, binds one by hand, merges two and deletes one.
async fn change_leads(client: &mut Client) {
    let by_external_id = |external_id: &str| {
        Some(pb::LeadSelector { selector: Some(pb::lead_selector::Selector::ExternalId(external_id.to_owned())) })
    };
    for external_id in ["user-2-again", "user-3"] {
        let create = pb::CreateLeadRequest {
            external_id: external_id.to_owned(),
            email: format!("bob@{external_id}.example"),
            last_name: "Jones".to_owned(),
            metadata: [("name".to_owned(), "Bob".to_owned())].into(),
            ..Default::default()
        };
        client.tracking.create_lead(create).await.unwrap();
    }
    let attribute = pb::AttributeLeadRequest {
        lead: by_external_id("user-2-again"),
        referrer: Some(pb::Referrer {
            selector: Some(pb::referrer::Selector::RefId("ann-ref".to_owned())),
            ..Default::default()
        }),
        reason: "Bob Jones says so".to_owned(),
        ..Default::default()
    };
    client.tracking.attribute_lead(attribute).await.unwrap();
    let (lead, duplicate) = (by_external_id("user-2"), by_external_id("user-2-again"));
    client.tracking.merge_leads(pb::MergeLeadsRequest { lead, duplicate, ..Default::default() }).await.unwrap();
    let delete = pb::DeleteLeadRequest { lead: by_external_id("user-3"), ..Default::default() };
    client.tracking.delete_lead(delete).await.unwrap();
}

db_test!(every_event_has_its_subjects_image_and_no_personal_data, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = server.new_account("shop").await;
    play(&mut client).await;
    reserve(&server, &mut client).await;
    change_account(&server, &mut client).await;
    let events = all_events(&mut client).await;

    let mut kinds: Vec<i32> = events.iter().map(|event| event.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    // What a provider says is told in `sending/story.rs` and `sending/reconciliation.rs`, where there is one.
    let sent = pb::EventKind::PayoutSent as i32..=pb::EventKind::PayoutReturned as i32;
    let is_of_provider = |kind: &i32| sent.contains(kind) || *kind == pb::EventKind::PayoutDifferencesFound as i32;
    let is_of_story = |kind: &i32| pb::EventKind::try_from(*kind).is_ok() && !is_of_provider(kind);
    let all: Vec<i32> = (1..200).filter(is_of_story).collect();
    assert_eq!(kinds, all, "the story has every kind of event");

    let mut last: BTreeMap<String, Subject> = BTreeMap::new();
    for event in &events {
        // The cursor is random letters.
        let bytes = pb::Event { cursor: String::new(), ..event.clone() }.encode_to_vec();
        let told = String::from_utf8_lossy(&bytes);
        for text in PERSONAL {
            assert!(!told.contains(text), "{text} is in {event:?}");
        }
        let subject = event.subject.clone().unwrap_or_else(|| panic!("{event:?}"));
        assert_eq!(is_about_conversion(event.kind()), conversion_of(event).is_some(), "{:?}", event.kind());
        last.insert(id_of(&subject), subject);
    }
    // The last image of each subject equals its present state.
    for subject in last.values() {
        assert_eq!(current(&mut client, subject).await, *subject);
    }
});

fn is_about_conversion(kind: pb::EventKind) -> bool {
    let name = kind.as_str_name().trim_start_matches("EVENT_KIND_");
    [
        "SALE_",
        "APPOINTMENT_",
        "CUSTOM_EVENT_",
        "REFUND_",
        "CANCELLATION_",
        "CORRECTION_",
        "DISPUTE_",
        "CONVERSION_",
        "LEAD_RECORDED",
    ]
    .iter()
    .any(|start| name.starts_with(start))
}

db_test!(a_filter_by_subject_shows_the_story_of_one, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = server.new_account("shop").await;
    play(&mut client).await;
    let all = all_events(&mut client).await;
    let mut by_subject: BTreeMap<String, Vec<pb::Event>> = BTreeMap::new();
    for event in all {
        by_subject.entry(id_of(event.subject.as_ref().unwrap())).or_default().push(event);
    }
    for (id, expected) in by_subject {
        let filter = Some(pb::EventFilter { subject_ids: vec![id.clone()], ..Default::default() });
        let request =
            pb::ReadEventsRequest { start: Some(from_beginning()), filter, page_size: 1_000, ..Default::default() };
        let page = client.feed.read_events(request).await.unwrap().into_inner();
        assert_eq!(page.events, expected, "{id}");
    }
});

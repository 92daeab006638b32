//! Subjects of events as their Get calls return them.

use headwater::pb;
use headwater::pb::event::Subject;
use testkit::client::Client;

/// The subject as its Get call returns it, without the fields that the feed leaves out.
pub(super) async fn current(client: &mut Client, subject: &Subject) -> Subject {
    match subject {
        Subject::Conversion(row) => {
            let selector = Some(pb::conversion_selector::Selector::Id(row.id.clone()));
            let request = pb::GetConversionRequest {
                conversion: Some(pb::ConversionSelector { selector }),
                view: pb::ConversionView::Basic.into(),
            };
            let mut found = client.tracking.get_conversion(request).await.unwrap().into_inner().conversion.unwrap();
            found.coupon_code.clear();
            found.correction_reason.clear();
            if let Some(dispute) = &mut found.dispute {
                assert!(!dispute.reason.is_empty(), "Get has what the feed leaves out");
                dispute.reason.clear();
            }
            found.rewards.iter_mut().for_each(|reward| reward.deny_reason.clear());
            Subject::Conversion(found)
        }
        Subject::Reward(row) => {
            let request = pb::GetRewardRequest { reward_id: row.id.clone(), view: pb::RewardView::Basic.into() };
            let found = client.rewards.get_reward(request).await.unwrap().into_inner().reward.unwrap();
            Subject::Reward(pb::Reward { deny_reason: String::new(), ..found })
        }
        Subject::Payout(row) => {
            let request = pb::GetPayoutRequest { payout_id: row.id.clone() };
            let mut found = client.payouts.get_payout(request).await.unwrap().into_inner().payout.unwrap();
            for reopening in &mut found.reopenings {
                assert!(!reopening.reason.is_empty(), "Get has what the feed leaves out");
                reopening.reason.clear();
                reopening.reference.clear();
            }
            let empty = String::new;
            Subject::Payout(pb::Payout {
                reference: empty(),
                note: empty(),
                message: empty(),
                destination_hint: empty(),
                ..found
            })
        }
        Subject::PayoutMethod(row) => {
            let selector = Some(pb::affiliate_selector::Selector::Id(row.affiliate_id.clone()));
            let request = pb::GetPayoutMethodRequest { affiliate: Some(pb::AffiliateSelector { selector }) };
            let found = client.payouts.get_payout_method(request).await.unwrap().into_inner().payout_method.unwrap();
            let masked = |destination| pb::PayoutDestination { hint: String::new(), ..destination };
            Subject::PayoutMethod(pb::PayoutMethod {
                current: found.current.map(masked),
                pending: found.pending.map(masked),
                override_reason: String::new(),
                ..found
            })
        }
        Subject::TaxProfile(row) => {
            let selector = Some(pb::affiliate_selector::Selector::Id(row.affiliate_id.clone()));
            let request = pb::GetTaxProfileRequest { affiliate: Some(pb::AffiliateSelector { selector }) };
            let found = client.payouts.get_tax_profile(request).await.unwrap().into_inner().tax_profile.unwrap();
            let is_refused = found.state() == pb::TaxProfileState::Refused;
            assert!(!found.legal_name.is_empty() && is_refused != found.refusal_reason.is_empty());
            let empty = String::new;
            Subject::TaxProfile(pb::TaxProfile {
                legal_name: empty(),
                address: None,
                number_hint: empty(),
                refusal_reason: empty(),
                ..found
            })
        }
        Subject::BillingProfile(_) => {
            let request = pb::GetBillingProfileRequest {};
            let found = client.payouts.get_billing_profile(request).await.unwrap().into_inner();
            let found = found.billing_profile.unwrap();
            assert!(!found.vat_id.is_empty() && found.address.is_some(), "Get has what the feed leaves out");
            let empty = String::new;
            Subject::BillingProfile(pb::BillingProfile {
                legal_name: empty(),
                address: None,
                vat_id: empty(),
                tax_number: empty(),
                payment_terms: empty(),
                ..found
            })
        }
        Subject::PayoutConnection(row) => {
            let request = pb::GetPayoutConnectionRequest { provider: row.provider };
            let found = client.payouts.get_payout_connection(request).await.unwrap().into_inner();
            Subject::PayoutConnection(found.payout_connection.unwrap())
        }
        Subject::PayoutDocument(row) => {
            use pb::get_payout_document_request::Document;
            let document = Some(Document::PayoutDocumentId(row.id.clone()));
            let request = pb::GetPayoutDocumentRequest { document, ..Default::default() };
            let found = client.payouts.get_payout_document(request).await.unwrap().into_inner();
            Subject::PayoutDocument(found.payout_document.unwrap())
        }
        Subject::PayoutRun(row) => {
            let request = pb::GetPayoutRunRequest { payout_run_id: row.id.clone() };
            let found = client.payouts.get_payout_run(request).await.unwrap().into_inner().payout_run.unwrap();
            Subject::PayoutRun(pb::PayoutRun { note: String::new(), message: String::new(), ..found })
        }
        Subject::PayoutReconciliation(row) => {
            let request = pb::GetPayoutReconciliationRequest { payout_reconciliation_id: row.id.clone() };
            let found = client.payouts.get_payout_reconciliation(request).await.unwrap().into_inner();
            let found = found.payout_reconciliation.unwrap();
            Subject::PayoutReconciliation(pb::PayoutReconciliation { differences: Vec::new(), ..found })
        }
        Subject::PayoutSchedule(row) => {
            let request = pb::GetPayoutScheduleRequest { payout_schedule_id: row.id.clone() };
            let found = client.payouts.get_payout_schedule(request).await.unwrap().into_inner();
            let found = found.payout_schedule.unwrap();
            Subject::PayoutSchedule(pb::PayoutSchedule { note: String::new(), message: String::new(), ..found })
        }
        Subject::Program(row) => {
            let request = pb::GetProgramRequest { program_id: row.id.clone(), terms_version: 0 };
            Subject::Program(client.affiliates.get_program(request).await.unwrap().into_inner().program.unwrap())
        }
        Subject::Affiliate(row) => {
            let selector = Some(pb::affiliate_selector::Selector::Id(row.id.clone()));
            let request = pb::GetAffiliateRequest { affiliate: Some(pb::AffiliateSelector { selector }) };
            let found = client.affiliates.get_affiliate(request).await.unwrap().into_inner().affiliate.unwrap();
            let is_erased = found.state() == pb::AffiliateState::Erased;
            assert!(is_erased || found.email.starts_with("ann@"), "Get has what the feed leaves out");
            let empty = String::new;
            Subject::Affiliate(pb::Affiliate {
                external_id: empty(),
                past_uplines: Vec::new(),
                email: empty(),
                first_name: empty(),
                last_name: empty(),
                profile: None,
                state_reason: empty(),
                has_password: false,
                password_change_required: false,
                ..found
            })
        }
        Subject::Enrollment(row) => {
            let request = pb::GetEnrollmentRequest { enrollment_id: row.id.clone() };
            let found = client.affiliates.get_enrollment(request).await.unwrap().into_inner().enrollment.unwrap();
            let empty = String::new;
            Subject::Enrollment(pb::Enrollment {
                ref_id: empty(),
                landing_url: empty(),
                referral_link: empty(),
                lacks_newest_agreement: false,
                ..found
            })
        }
        Subject::Link(row) => {
            let request = pb::GetLinkRequest { link_id: row.id.clone() };
            let found = client.affiliates.get_link(request).await.unwrap().into_inner().link.unwrap();
            let empty = String::new;
            Subject::Link(pb::Link {
                code: empty(),
                destination_url: empty(),
                claimed_url: empty(),
                referral_link: empty(),
                ..found
            })
        }
        Subject::Coupon(row) => {
            let request = pb::GetCouponRequest { coupon_id: row.id.clone() };
            let found = client.affiliates.get_coupon(request).await.unwrap().into_inner().coupon.unwrap();
            Subject::Coupon(pb::Coupon {
                code: String::new(),
                note: String::new(),
                metadata: Default::default(),
                ..found
            })
        }
        Subject::AffiliateGroup(row) => {
            let request = pb::GetAffiliateGroupRequest { group_id: row.id.clone() };
            let found = client.affiliates.get_affiliate_group(request).await.unwrap().into_inner().group.unwrap();
            Subject::AffiliateGroup(pb::AffiliateGroup { note: String::new(), ..found })
        }
        Subject::Item(row) => {
            let selector = Some(pb::item_selector::Selector::Id(row.id.clone()));
            let request = pb::GetItemRequest { item: Some(pb::ItemSelector { selector }) };
            let found = client.affiliates.get_item(request).await.unwrap().into_inner().item.unwrap();
            Subject::Item(pb::Item { note: String::new(), ..found })
        }
        Subject::Offer(row) => {
            let request = pb::GetOfferRequest { offer_id: row.id.clone() };
            Subject::Offer(client.affiliates.get_offer(request).await.unwrap().into_inner().offer.unwrap())
        }
        Subject::Bounty(row) => {
            let request = pb::GetBountyRequest { bounty_id: row.id.clone() };
            Subject::Bounty(client.affiliates.get_bounty(request).await.unwrap().into_inner().bounty.unwrap())
        }
        Subject::Submission(row) => {
            let request = pb::GetSubmissionRequest { submission_id: row.id.clone() };
            let found = client.affiliates.get_submission(request).await.unwrap().into_inner().submission.unwrap();
            let empty = String::new;
            Subject::Submission(pb::Submission { note: empty(), url: empty(), reject_reason: empty(), ..found })
        }
        Subject::Lead(row) => {
            let selector = Some(pb::lead_selector::Selector::Id(row.id.clone()));
            let request = pb::GetLeadRequest { lead: Some(pb::LeadSelector { selector }) };
            let found = client.tracking.get_lead(request).await;
            // No call returns a deleted lead, nor one that was merged.
            if row.delete_time.is_some() {
                assert_eq!(found.unwrap_err().code(), tonic::Code::NotFound);
                return subject.clone();
            }
            let found = found.unwrap().into_inner().lead.unwrap();
            if !row.merged_into_lead_id.is_empty() {
                assert_eq!(found.id, row.merged_into_lead_id);
                return subject.clone();
            }
            let empty = String::new;
            Subject::Lead(pb::Lead {
                metadata: Default::default(),
                email: empty(),
                email_as_sent: empty(),
                external_id: empty(),
                first_name: empty(),
                last_name: empty(),
                ..found
            })
        }
        Subject::ApiKey(row) => {
            let request = pb::GetApiKeyRequest { api_key_id: row.id.clone() };
            Subject::ApiKey(client.accounts.get_api_key(request).await.unwrap().into_inner().api_key.unwrap())
        }
        Subject::Account(_) => {
            let found = client.accounts.get_account(pb::GetAccountRequest {}).await.unwrap().into_inner();
            Subject::Account(pb::Account { email: String::new(), ..found.account.unwrap() })
        }
    }
}

pub(super) fn id_of(subject: &Subject) -> String {
    match subject {
        Subject::Conversion(row) => row.id.clone(),
        Subject::Reward(row) => row.id.clone(),
        Subject::Payout(row) => row.id.clone(),
        // Neither has an id of its own.
        Subject::PayoutMethod(row) => format!("method of {}", row.affiliate_id),
        Subject::TaxProfile(row) => format!("tax profile of {}", row.affiliate_id),
        Subject::BillingProfile(_) => "billing profile".to_owned(),
        Subject::PayoutConnection(row) => format!("connection {}", row.provider),
        Subject::PayoutDocument(row) => row.id.clone(),
        Subject::PayoutRun(row) => row.id.clone(),
        Subject::PayoutReconciliation(row) => row.id.clone(),
        Subject::PayoutSchedule(row) => row.id.clone(),
        Subject::Program(row) => row.id.clone(),
        Subject::Affiliate(row) => row.id.clone(),
        Subject::Enrollment(row) => row.id.clone(),
        Subject::Link(row) => row.id.clone(),
        Subject::Coupon(row) => row.id.clone(),
        Subject::AffiliateGroup(row) => row.id.clone(),
        Subject::Item(row) => row.id.clone(),
        Subject::Offer(row) => row.id.clone(),
        Subject::Bounty(row) => row.id.clone(),
        Subject::Submission(row) => row.id.clone(),
        Subject::Lead(row) => row.id.clone(),
        Subject::ApiKey(row) => row.id.clone(),
        Subject::Account(row) => row.id.clone(),
    }
}

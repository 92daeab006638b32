//! What each command needs loaded before its rule can run. A rule that asks for more gets `NotLoaded`, which is a bug here.

use crate::domain::affiliate::AffiliateSelector;
use crate::domain::attribution::Referral;
use crate::domain::command::{Command, Envelope};
use crate::domain::conversion::ConversionKind;
use crate::domain::enrollment::NewEnrollment;
use crate::domain::id::{AccountId, ProgramId};
use crate::domain::lead::Customer;
use crate::domain::request::{RequestKey, RequestScope};
use crate::domain::working_set::Needs;

/// Adds what one command needs.
pub(super) fn add(needs: &mut Needs, envelope: &Envelope) {
    let account = envelope.account_id;
    if let Some(fingerprint) = &envelope.fingerprint {
        needs.requests.insert(RequestKey {
            account_id: account,
            scope: fingerprint.scope.clone(),
            key: fingerprint.key.clone(),
        });
    }
    match &envelope.command {
        Command::RegisterAccount(command) => {
            needs.account_emails.insert(command.email.clone());
        }
        Command::UpdateAccount(command) => {
            needs.accounts.insert(account);
            needs.account_emails.extend(command.email.clone());
        }
        Command::CreateApiKey(_) => {}
        Command::RevokeApiKey(command) => {
            needs.api_keys.insert((account, command.id));
        }
        Command::CreateProgram(_) => {
            needs.default_programs.insert(account);
        }
        Command::UpdateProgram(command) => {
            needs.default_programs.insert(account);
            needs.programs.insert((account, command.id));
        }
        Command::ArchiveProgram(command) => {
            needs.programs.insert((account, command.id));
        }
        Command::CreateAffiliate(command) => {
            add_affiliate(needs, account, AffiliateSelector::Email(command.email.clone()));
            if let Some(external_id) = &command.external_id {
                add_affiliate(needs, account, AffiliateSelector::ExternalId(external_id.clone()));
            }
            add_new_enrollment(needs, account, &command.enrollment);
        }
        Command::Enroll(command) => {
            add_affiliate(needs, account, command.affiliate.clone());
            needs.coupon_counts.insert((account, command.affiliate.clone()));
            add_new_enrollment(needs, account, &command.enrollment);
        }
        Command::UpdateEnrollment(command) => {
            needs.enrollments.insert((account, command.id));
            needs.link_codes.extend(command.ref_id.clone().map(|code| (account, code)));
        }
        Command::EndEnrollment(command) => {
            needs.enrollments.insert((account, command.id));
        }
        Command::CreateLink(command) => {
            needs.enrollments.insert((account, command.enrollment_id));
            needs.link_codes.insert((account, command.code.clone()));
        }
        Command::RevokeLink(command) => {
            needs.links.insert((account, command.id));
        }
        Command::AssignCoupon(command) => {
            needs.accounts.insert(account);
            add_affiliate(needs, account, command.affiliate.clone());
            needs.coupon_counts.insert((account, command.affiliate.clone()));
            add_program(needs, account, command.program_id);
            needs.coupon_codes.insert((account, command.code.clone()));
        }
        Command::RemoveCoupon(command) => {
            needs.coupons.insert((account, command.id));
        }
        Command::RecordClick(command) => {
            needs.link_codes.insert((account, command.code.clone()));
            needs.tids.extend(command.tid.map(|tid| (account, tid)));
        }
        Command::RecordLead(command) => {
            add_customer(needs, account, &command.customer);
            add_referral(needs, account, &command.referral);
            add_unmatched_sales(needs, account, &command.customer);
        }
        Command::RecordSale(command) => {
            add_customer(needs, account, &command.customer);
            add_referral(needs, account, &command.referral);
            needs.waiting_refunds.insert((account, command.event_id.clone()));
        }
        Command::RecordRefund(command) => match &command.sale_event_id {
            Some(sale_event_id) => {
                needs.requests.insert(RequestKey {
                    account_id: account,
                    scope: RequestScope::Event(Some(ConversionKind::Sale)).as_str().to_owned(),
                    key: sale_event_id.clone(),
                });
            }
            None => {
                add_customer(needs, account, &command.customer);
                add_unmatched_sales(needs, account, &command.customer);
                needs.latest_sales.extend(command.customer.selectors().into_iter().map(|selector| (account, selector)));
            }
        },
        Command::RecordCancellation(command) => {
            needs.leads.insert((account, command.lead.clone()));
        }
        Command::ApproveRewards(command) => {
            needs.rewards.extend(command.ids.iter().map(|id| (account, *id)));
        }
        Command::DenyRewards(command) => {
            needs.rewards.extend(command.ids.iter().map(|id| (account, *id)));
        }
    }
}

fn add_affiliate(needs: &mut Needs, account: AccountId, selector: AffiliateSelector) {
    needs.affiliates.insert((account, selector));
}

fn add_program(needs: &mut Needs, account: AccountId, program_id: Option<ProgramId>) {
    match program_id {
        Some(id) => {
            needs.programs.insert((account, id));
        }
        None => {
            needs.default_programs.insert(account);
        }
    }
}

fn add_new_enrollment(needs: &mut Needs, account: AccountId, enrollment: &NewEnrollment) {
    add_program(needs, account, enrollment.program_id);
    match &enrollment.ref_id {
        Some(ref_id) => {
            needs.link_codes.insert((account, ref_id.clone()));
        }
        None => needs.link_codes.extend(enrollment.ref_id_choices().map(|code| (account, code))),
    }
    if let Some(code) = &enrollment.promo_code {
        needs.accounts.insert(account);
        needs.coupon_codes.insert((account, code.clone()));
    }
}

fn add_customer(needs: &mut Needs, account: AccountId, customer: &Customer) {
    needs.leads.extend(customer.selectors().into_iter().map(|selector| (account, selector)));
}

fn add_unmatched_sales(needs: &mut Needs, account: AccountId, customer: &Customer) {
    needs.unmatched_sales.extend(customer.selectors().into_iter().map(|selector| (account, selector)));
}

fn add_referral(needs: &mut Needs, account: AccountId, referral: &Referral) {
    if let Some(Ok(tid)) = &referral.tid {
        needs.tids.insert((account, *tid));
    }
    needs.link_codes.extend(referral.ref_id.clone().map(|code| (account, code)));
    needs.coupon_codes.extend(referral.coupon_code.clone().map(|code| (account, code)));
}

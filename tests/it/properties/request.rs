//! Turns steps into requests, which pass the server's own parsing.

use headwater::domain::conversion::ConversionKind;
use headwater::domain::id::{AccountId, RewardId};
use headwater::domain::money::Currency;
use headwater::domain::rule::{ApproveRewards, AssignCoupon, CodeHolder, Command, Envelope, IfMissing, NewEnrollment};
use headwater::domain::time::Time;
use headwater::pb::{self, affiliate_selector, commission};
use headwater::rpc::call::change::Change;
use prost_types::{FieldMask, Timestamp};
use sha2::{Digest, Sha256};

use super::book::{Book, Earned};
use super::step::{AffiliateName, Call, Enrolling, Pay, Step, Traces, Who};
use crate::support::request;

/// The context for turning a step into a request.
pub(super) struct Asking<'book> {
    pub(super) book: &'book Book,
    pub(super) account_id: AccountId,
    pub(super) now: Time,
    pub(super) earned: &'book Earned,
}

pub(super) fn event_id(kind: ConversionKind, number: u8) -> String {
    format!("{kind}-{number}")
}

fn ref_id(number: u8) -> String {
    format!("ref-{number}")
}

fn coupon_code(number: u8) -> String {
    format!("CODE{number}")
}

fn affiliate_email(number: u8) -> String {
    format!("affiliate{number}@affiliates.example")
}

fn external_id(who: &Who) -> Option<String> {
    who.external_id.map(|number| format!("external_id-{number}"))
}

fn email(who: &Who) -> Option<String> {
    who.email.map(|number| format!("customer{number}@shop.example"))
}

/// A text field of the wire, where empty means absent.
fn or_empty(text: Option<impl ToString>) -> String {
    text.map(|text| text.to_string()).unwrap_or_default()
}

pub(super) fn money(amount_minor: i64, currency_code: &str) -> Option<pb::Money> {
    Some(pb::Money { amount_minor, currency_code: currency_code.to_owned() })
}

pub(super) fn commission(pay: Pay, currency_code: &str) -> Option<pb::Commission> {
    let kind = match pay {
        Pay::Percent(ppm) => commission::Rate::PercentPpm(ppm),
        Pay::Flat(minor) => commission::Rate::Flat(money(minor, currency_code)?),
    };
    Some(pb::Commission { rate: Some(kind) })
}

fn terms(terms: &pb::Terms, pay: Pay, currency: Currency) -> Option<pb::Terms> {
    let mut terms = pb::Terms { commission: commission(pay, currency.code()), ..terms.clone() };
    for rule in &mut terms.rules {
        if let Some(commission::Rate::Flat(flat)) = rule.commission.as_mut().and_then(|rate| rate.rate.as_mut()) {
            flat.currency_code = currency.code().to_owned();
        }
    }
    Some(terms)
}

fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

/// Replaces values that differ between worlds by values that are the same in all: the ids that parsing draws at random, and the
/// values that the handler of EnrollAffiliate looks up. Generated names collide on purpose.
fn without_chance(command: &mut Command) {
    let enrollment = match command {
        Command::CreateAffiliate(rule) => {
            rule.token_hash = Sha256::digest(&rule.email).into();
            &mut rule.enrollment
        }
        Command::EnrollAffiliate(rule) => &mut rule.enrollment,
        Command::AssignCoupon(AssignCoupon { recipient, .. }) => match new_enrollment(recipient) {
            Some(enrollment) => enrollment,
            None => return,
        },
        Command::ClaimOffer(rule) => {
            "GENERATED".clone_into(&mut rule.code_suffix);
            match new_enrollment(&mut rule.recipient) {
                Some(enrollment) => enrollment,
                None => return,
            }
        }
        _ => return,
    };
    "stem".clone_into(&mut enrollment.ref_id_stem);
    "xyz".clone_into(&mut enrollment.ref_id_suffix);
}

/// The enrollment that a recipient may get, with the same token in all worlds.
fn new_enrollment(recipient: &mut CodeHolder) -> Option<&mut NewEnrollment> {
    match &mut recipient.if_missing {
        IfMissing::Refuse => None,
        IfMissing::Enroll(enrollment) => Some(enrollment),
        IfMissing::Create(newcomer) => {
            newcomer.token_hash = Sha256::digest(recipient.affiliate.to_string()).into();
            Some(&mut newcomer.enrollment)
        }
    }
}

fn sku(number: u8) -> String {
    format!("item-{number}")
}

fn item_with(number: u8) -> pb::ItemSelector {
    pb::ItemSelector { selector: Some(pb::item_selector::Selector::Sku(sku(number))) }
}

impl Asking<'_> {
    pub(super) fn envelope(&self, call: &Call) -> Option<Envelope> {
        let request_id = or_empty(call.request_id.map(|number| format!("request-{number}")));
        let mut envelope = self.owners(&call.step, request_id)?;
        without_chance(&mut envelope.command);
        Some(envelope)
    }

    fn read<M: Change>(&self, request: M) -> Option<Envelope> {
        Some(request::envelope(&request, self.account_id, self.now))
    }

    fn owners(&self, step: &Step, request_id: String) -> Option<Envelope> {
        match step {
            Step::UpdateAccount { coupons_max } => self.read(pb::UpdateAccountRequest {
                request_id,
                account: Some(pb::Account {
                    max_active_coupons_per_affiliate: i32::from(*coupons_max),
                    ..pb::Account::default()
                }),
                update_mask: mask(&["max_active_coupons_per_affiliate"]),
            }),
            Step::CreateProgram { currency, is_default, terms: rules, pay } => self.read(pb::CreateProgramRequest {
                request_id,
                display_name: "Program".to_owned(),
                currency_code: (*currency).to_owned(),
                landing_url: "https://shop.example/".to_owned(),
                terms: terms(rules, *pay, currency.parse().unwrap()),
                is_default: *is_default,
                hosts: Vec::new(),
                agreement: None,
                questions: Vec::new(),
                is_private: false,
                invitations: Vec::new(),
                welcome_mail: None,
                fraud_rules: Vec::new(),
                metadata: Default::default(),
                validate_only: false,
            }),
            Step::UpdateProgram { program, make_default, terms: rules } => {
                let (id, currency) = self.book.program(*program)?;
                // The mask has `display_name`, but its value is unchanged.
                let paths = [("display_name", true), ("is_default", *make_default), ("terms", rules.is_some())];
                let paths: Vec<_> = paths.into_iter().filter(|(_, is_in)| *is_in).map(|(path, _)| path).collect();
                self.read(pb::UpdateProgramRequest {
                    request_id,
                    program: Some(pb::Program {
                        id: id.to_string(),
                        display_name: "Program".to_owned(),
                        is_default: *make_default,
                        terms: rules.as_ref().and_then(|(rules, pay)| terms(rules, *pay, currency)),
                        ..pb::Program::default()
                    }),
                    update_mask: mask(&paths),
                    ..Default::default()
                })
            }
            Step::ArchiveProgram { program } => {
                let program_id = self.book.program(*program)?.0.to_string();
                self.read(pb::ArchiveProgramRequest { request_id, program_id, etag: String::new() })
            }
            _ => self.affiliates(step, request_id),
        }
    }

    /// The program's id and currency.
    fn program(&self, number: Option<u8>) -> Option<(String, Currency)> {
        match number {
            Some(number) => self.book.program(number).map(|(id, currency)| (id.to_string(), currency)),
            None => Some((String::new(), "USD".parse().unwrap())),
        }
    }

    fn affiliate(&self, name: &AffiliateName) -> Option<pb::AffiliateSelector> {
        use affiliate_selector::Selector;
        let selector = match name {
            AffiliateName::Nth(number) => Selector::Id(self.book.affiliate(*number)?.to_string()),
            AffiliateName::Email(number) => Selector::Email(affiliate_email(*number)),
            AffiliateName::RefId(number) => Selector::RefId(ref_id(*number)),
            AffiliateName::ExternalId(number) => Selector::ExternalId(format!("external-{number}")),
        };
        Some(pb::AffiliateSelector { selector: Some(selector) })
    }

    /// The enrollment fields, which EnrollAffiliate and CreateAffiliate share.
    fn enrolling(&self, enrolling: &Enrolling) -> Option<pb::EnrollAffiliateRequest> {
        let (program_id, currency) = self.program(enrolling.program)?;
        Some(pb::EnrollAffiliateRequest {
            program_id,
            ref_id: or_empty(enrolling.ref_id.map(ref_id)),
            coupon_code: or_empty(enrolling.coupon.map(coupon_code)),
            commission_override: enrolling.pay.and_then(|pay| commission(pay, currency.code())),
            ..pb::EnrollAffiliateRequest::default()
        })
    }

    fn affiliates(&self, step: &Step, request_id: String) -> Option<Envelope> {
        match step {
            Step::CreateAffiliate { name, enrolling } => {
                let enrollment = self.enrolling(enrolling)?;
                self.read(pb::CreateAffiliateRequest {
                    request_id,
                    email: affiliate_email(*name),
                    external_id: or_empty((name % 2 == 0).then(|| format!("external-{name}"))),
                    first_name: "First".to_owned(),
                    program_id: enrollment.program_id,
                    ref_id: enrollment.ref_id,
                    coupon_code: enrollment.coupon_code,
                    commission_override: enrollment.commission_override,
                    ..pb::CreateAffiliateRequest::default()
                })
            }
            Step::EnrollAffiliate { affiliate, enrolling } => {
                let affiliate = Some(self.affiliate(affiliate)?);
                self.read(pb::EnrollAffiliateRequest { request_id, affiliate, ..self.enrolling(enrolling)? })
            }
            Step::UpdateEnrollment { enrollment, ref_id: code, pay } => {
                let currency = self.book.currency_of(*enrollment)?;
                // The mask has `landing_url`, but its value is unchanged.
                let paths = [("landing_url", true), ("ref_id", code.is_some()), ("commission_override", pay.is_some())];
                let paths: Vec<_> = paths.into_iter().filter(|(_, is_in)| *is_in).map(|(path, _)| path).collect();
                self.read(pb::UpdateEnrollmentRequest {
                    request_id,
                    enrollment: Some(pb::Enrollment {
                        id: self.book.enrollment(*enrollment)?.to_string(),
                        ref_id: or_empty(code.map(ref_id)),
                        commission_override: pay.flatten().and_then(|pay| commission(pay, currency.code())),
                        ..pb::Enrollment::default()
                    }),
                    update_mask: mask(&paths),
                    ..pb::UpdateEnrollmentRequest::default()
                })
            }
            Step::EndEnrollment { enrollment } => {
                let enrollment_id = self.book.enrollment(*enrollment)?.to_string();
                self.read(pb::EndEnrollmentRequest { request_id, enrollment_id })
            }
            _ => self.codes(step, request_id),
        }
    }

    fn codes(&self, step: &Step, request_id: String) -> Option<Envelope> {
        match step {
            Step::CreateLink { enrollment, code } => self.read(pb::CreateLinkRequest {
                request_id,
                enrollment_id: self.book.enrollment(*enrollment)?.to_string(),
                code: ref_id(*code),
                ..pb::CreateLinkRequest::default()
            }),
            Step::RevokeLink { link } => {
                let link_id = self.book.link(*link)?.to_string();
                self.read(pb::RevokeLinkRequest { request_id, link_id })
            }
            Step::AssignCoupon { affiliate, program, code, max_uses, each } => self.read(pb::AssignCouponRequest {
                request_id,
                affiliate: Some(self.affiliate(affiliate)?),
                program_id: self.program(*program)?.0,
                code: coupon_code(*code),
                max_uses: i32::from(*max_uses),
                max_uses_per_customer: i32::from(*each),
                ..pb::AssignCouponRequest::default()
            }),
            Step::RegisterCode { affiliate, program, code, item } => self.read(pb::AssignCouponRequest {
                request_id,
                affiliate: Some(self.affiliate(affiliate)?),
                program_id: self.program(*program)?.0,
                code: coupon_code(*code),
                item: item.map(item_with),
                create_affiliate_if_missing: true,
                ..pb::AssignCouponRequest::default()
            }),
            Step::RemoveCoupon { coupon } => {
                let coupon_id = self.book.coupon(*coupon)?.to_string();
                self.read(pb::RemoveCouponRequest { request_id, coupon_id })
            }
            _ => self.offers(step, request_id),
        }
    }

    fn offers(&self, step: &Step, request_id: String) -> Option<Envelope> {
        match step {
            Step::CreateItem { item } => {
                self.read(pb::CreateItemRequest { request_id, sku: sku(*item), ..pb::CreateItemRequest::default() })
            }
            Step::CreateOffer { program, item, days, max_claims, each } => self.read(pb::CreateOfferRequest {
                request_id,
                program_id: self.program(*program)?.0,
                display_name: "Offer".to_owned(),
                item: item.map(item_with),
                end_time: days.and_then(|days| self.time_in(i32::from(days))),
                max_claims: i32::from(*max_claims),
                max_claims_per_affiliate: i32::from(*each),
                ..pb::CreateOfferRequest::default()
            }),
            Step::ClaimOffer { offer, affiliate, code } => self.read(pb::ClaimOfferRequest {
                request_id,
                offer_id: self.book.offer(*offer)?.to_string(),
                affiliate: Some(self.affiliate(affiliate)?),
                code: or_empty(code.map(coupon_code)),
                ..pb::ClaimOfferRequest::default()
            }),
            _ => self.bounties(step, request_id),
        }
    }

    fn bounties(&self, step: &Step, request_id: String) -> Option<Envelope> {
        let id_of = |number: &u8| self.book.submission(*number).map(|id| id.to_string());
        match step {
            Step::CreateBounty { program, is_contest, days, max_submissions, each } => {
                let kind = if *is_contest { pb::BountyKind::Contest } else { pb::BountyKind::Submission };
                let values = [pb::reward_value::Amount::Points(7), pb::reward_value::Amount::Cash(money(250, "USD")?)];
                let rewards = values.map(|amount| pb::RewardValue { amount: Some(amount) });
                self.read(pb::CreateBountyRequest {
                    request_id,
                    program_id: self.program(*program)?.0,
                    kind: kind.into(),
                    display_name: "Bounty".to_owned(),
                    rewards: rewards[usize::from(!is_contest)..].to_vec(),
                    end_time: days.and_then(|days| self.time_in(i32::from(days))),
                    max_submissions: i32::from(*max_submissions),
                    max_submissions_per_affiliate: i32::from(*each),
                    ..pb::CreateBountyRequest::default()
                })
            }
            Step::Submit { bounty, affiliate } => self.read(pb::SubmitToBountyRequest {
                request_id,
                bounty_id: self.book.bounty(*bounty)?.to_string(),
                affiliate: Some(self.affiliate(affiliate)?),
                note: "mine".to_owned(),
                ..pb::SubmitToBountyRequest::default()
            }),
            Step::ApproveSubmission { submission } => {
                self.read(pb::ApproveSubmissionRequest { request_id, submission_id: id_of(submission)? })
            }
            Step::RejectSubmission { submission } => self.read(pb::RejectSubmissionRequest {
                request_id,
                submission_id: id_of(submission)?,
                reason: "no".to_owned(),
            }),
            Step::NameWinners { bounty, winners } => {
                // Two numbers may be of one submission, and the wire takes no repeats.
                let mut ids: Vec<String> = Vec::new();
                for id in winners.iter().filter_map(id_of) {
                    if !ids.contains(&id) {
                        ids.push(id);
                    }
                }
                // Nor does it take an empty list.
                if ids.is_empty() {
                    return None;
                }
                self.read(pb::NameContestWinnersRequest {
                    request_id,
                    bounty_id: self.book.bounty(*bounty)?.to_string(),
                    winner_submission_ids: ids,
                })
            }
            _ => self.events(step, request_id),
        }
    }

    fn time(&self, days_ago: Option<u8>) -> Option<Timestamp> {
        self.time_in(-i32::from(days_ago?))
    }

    fn time_in(&self, days: i32) -> Option<Timestamp> {
        let micros = self.now.plus_days(days).micros();
        let nanos = i32::try_from(micros % 1_000_000).unwrap() * 1_000;
        Some(Timestamp { seconds: micros / 1_000_000, nanos })
    }

    /// The visitor's tracking id. A visitor who never clicked gets an unknown one.
    fn tid(&self, traces: &Traces) -> String {
        let tid = |visitor| self.book.tid(visitor).map_or_else(|| "no tid".to_owned(), |tid| tid.to_string());
        traces.visitor.map(tid).unwrap_or_default()
    }

    /// The request of a step that records an event. For a click, `request_id` is its event_id.
    fn events(&self, step: &Step, request_id: String) -> Option<Envelope> {
        use ConversionKind::{Cancellation, Dispute, DisputeResolution, Lead, Refund, Sale};
        match step {
            Step::Click { visitor, code, days_ago } => self.read(pb::RecordClickRequest {
                event_id: request_id,
                tid: or_empty(self.book.tid(*visitor)),
                occur_time: self.time(*days_ago),
                ref_id: ref_id(*code),
                ..pb::RecordClickRequest::default()
            }),
            Step::Lead { event, who, traces, days_ago } => self.read(pb::RecordLeadRequest {
                event_id: event_id(Lead, *event),
                email: or_empty(email(who)),
                external_id: or_empty(external_id(who)),
                tid: self.tid(traces),
                ref_id: or_empty(traces.ref_id.map(ref_id)),
                coupon_code: or_empty(traces.coupon.map(coupon_code)),
                last_name: "Last".to_owned(),
                occur_time: self.time(*days_ago),
                ..pb::RecordLeadRequest::default()
            }),
            Step::Sale { event, who, traces, amount, currency, days_ago } => self.read(pb::RecordSaleRequest {
                event_id: event_id(Sale, *event),
                email: or_empty(email(who)),
                external_id: or_empty(external_id(who)),
                tid: self.tid(traces),
                ref_id: or_empty(traces.ref_id.map(ref_id)),
                coupon_code: or_empty(traces.coupon.map(coupon_code)),
                amount: money(*amount, currency),
                occur_time: self.time(*days_ago),
                first_name: "First".to_owned(),
                mrr: (event % 2 == 0).then(|| money(*amount, currency)).flatten(),
                item_sku: or_empty((event % 3 < 2).then(|| sku(event % 3))),
                ..pb::RecordSaleRequest::default()
            }),
            Step::Refund { event, sale, who, amount, currency, days_ago } => self.read(pb::RecordRefundRequest {
                event_id: event_id(Refund, *event),
                sale_event_id: or_empty(sale.map(|number| event_id(Sale, number))),
                email: or_empty(email(who)),
                external_id: or_empty(external_id(who)),
                amount: money(*amount, currency),
                refund_id: "refund".to_owned(),
                occur_time: self.time(*days_ago),
                ..pb::RecordRefundRequest::default()
            }),
            Step::Dispute { event, sale, amount, currency } => self.read(pb::OpenDisputeRequest {
                event_id: event_id(Dispute, *event),
                sale_event_id: event_id(Sale, *sale),
                amount: amount.and_then(|amount| money(amount, currency)),
                ..pb::OpenDisputeRequest::default()
            }),
            Step::Resolve { event, dispute, is_won, lost, currency } => self.read(pb::ResolveDisputeRequest {
                event_id: event_id(DisputeResolution, *event),
                dispute_event_id: event_id(Dispute, *dispute),
                outcome: if *is_won { pb::DisputeOutcome::Won } else { pb::DisputeOutcome::Lost }.into(),
                lost_amount: lost.and_then(|amount| money(amount, currency)),
                ..pb::ResolveDisputeRequest::default()
            }),
            Step::Cancel { event, who } => self.read(pb::RecordCancellationRequest {
                event_id: event_id(Cancellation, *event),
                email: or_empty(email(who)),
                external_id: or_empty(external_id(who)),
                occur_time: None,
            }),
            _ => self.verdicts(step, request_id),
        }
    }

    fn verdicts(&self, step: &Step, request_id: String) -> Option<Envelope> {
        let texts = |ids: Vec<RewardId>| ids.iter().map(RewardId::to_string).collect();
        match step {
            // The upkeep worker does this. The API has no call for it.
            Step::Approve { of, skip_others: true } => {
                let command = ApproveRewards { ids: self.rewards(of)?, skip_others: true }.into();
                Some(Envelope { account_id: self.account_id, fingerprint: None, actor: None, command })
            }
            Step::Approve { of, skip_others: false } => {
                self.read(pb::ApproveRewardsRequest { request_id, reward_ids: texts(self.rewards(of)?) })
            }
            Step::Deny { of } => self.read(pb::DenyRewardsRequest {
                request_id,
                reward_ids: texts(self.rewards(of)?),
                reason: "doubtful".to_owned(),
            }),
            _ => panic!("no request for {step:?}"),
        }
    }

    /// The rewards of these events, if there are any.
    fn rewards(&self, of: &[(ConversionKind, u8)]) -> Option<Vec<RewardId>> {
        let earned = of.iter().filter_map(|(kind, number)| self.earned.get(&(*kind, event_id(*kind, *number))));
        let ids: Vec<RewardId> = earned.flatten().copied().collect();
        (!ids.is_empty()).then_some(ids)
    }
}

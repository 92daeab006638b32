//! What a player of steps has been told, and the commands that steps become with it.

use std::collections::{BTreeMap, HashMap};

use headwater::domain::account::UpdateAccount;
use headwater::domain::affiliate::{AffiliateSelector, CreateAffiliate, Profile};
use headwater::domain::attribution::Referral;
use headwater::domain::click::RecordClick;
use headwater::domain::command::{Command, Envelope, Outcome};
use headwater::domain::conversion::{ConversionKind, OrderDetails, RecordRefund, RecordSale, SaleChannel};
use headwater::domain::coupon::{AssignCoupon, RemoveCoupon};
use headwater::domain::enrollment::{EndEnrollment, Enroll, NewEnrollment, UpdateEnrollment};
use headwater::domain::id::{AccountId, AffiliateId, ClickId, CouponId, EnrollmentId, LinkId, ProgramId, RewardId};
use headwater::domain::lead::{Customer, LeadSelector, LeadState, RecordCancellation, RecordLead};
use headwater::domain::link::{CreateLink, RevokeLink};
use headwater::domain::money::{Currency, Money};
use headwater::domain::program::{ArchiveProgram, Commission, CreateProgram, TermsDraft, UpdateProgram};
use headwater::domain::request::{Fingerprint, RequestScope};
use headwater::domain::reward::{ApproveRewards, DenyRewards};
use headwater::domain::time::Time;
use sha2::Digest;

use super::step::{AffiliateName, Call, Enrolling, Pay, Step, Traces, Who};

/// The rewards of recorded events, by kind and event_id.
pub(super) type Earned = BTreeMap<(ConversionKind, String), Vec<RewardId>>;

/// What one player knows of one account, in the order in which it learned it: the same on every side that plays the same.
pub(super) struct Book {
    account_id: AccountId,
    programs: Vec<(ProgramId, Currency)>,
    affiliates: Vec<AffiliateId>,
    enrollments: Vec<(EnrollmentId, ProgramId)>,
    links: Vec<LinkId>,
    coupons: Vec<CouponId>,
    visitors: HashMap<u8, ClickId>,
}

fn add<T: PartialEq>(list: &mut Vec<T>, value: T) {
    if !list.contains(&value) {
        list.push(value);
    }
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

fn email(number: u8) -> String {
    format!("affiliate{number}@affiliates.example")
}

fn customer(who: &Who) -> Customer {
    Customer {
        uid: who.uid.map(|number| format!("uid-{number}")),
        email: who.email.map(|number| format!("customer{number}@shop.example")),
    }
}

fn rules(rules: &TermsDraft, pay: Pay, currency: Currency) -> TermsDraft {
    TermsDraft { commission: commission(pay, currency), ..rules.clone() }
}

fn commission(pay: Pay, currency: Currency) -> Commission {
    match pay {
        Pay::Percent(ppm) => Commission::PercentPpm(ppm),
        Pay::Flat(minor) => Commission::Flat(Money::new(minor, currency)),
    }
}

fn money(amount_minor: i64, currency: &str) -> Money {
    Money::new(amount_minor, currency.parse().unwrap())
}

/// The scope of a step's key, and the key that it always has.
fn key(step: &Step) -> (RequestScope, Option<String>) {
    use ConversionKind::{Cancellation, Lead, Refund, Sale};
    let of_event = |kind, number| (RequestScope::Event(Some(kind)), Some(event_id(kind, number)));
    match step {
        Step::Lead { event, .. } => of_event(Lead, *event),
        Step::Sale { event, .. } => of_event(Sale, *event),
        Step::Refund { event, .. } => of_event(Refund, *event),
        Step::Cancel { event, .. } => of_event(Cancellation, *event),
        Step::Click { .. } => (RequestScope::Event(None), None),
        _ => (RequestScope::Method("/test/Call"), None),
    }
}

impl Book {
    pub(super) fn new(account_id: AccountId) -> Self {
        let (programs, affiliates, enrollments, links, coupons, visitors) = Default::default();
        Self { account_id, programs, affiliates, enrollments, links, coupons, visitors }
    }

    /// The events whose rewards the step is about.
    pub(super) fn rewards_wanted(call: &Call) -> Vec<(ConversionKind, String)> {
        match &call.step {
            Step::Approve { of, .. } | Step::Deny { of } => {
                of.iter().map(|(kind, number)| (*kind, event_id(*kind, *number))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The command that the call is at this moment; none when it names what is not there.
    pub(super) fn envelope(&self, call: &Call, now: Time, earned: &Earned) -> Option<Envelope> {
        let (scope, event_id) = key(&call.step);
        let key = event_id.or_else(|| call.request_id.map(|number| format!("request-{number}")));
        let fingerprint = key.map(|key| Fingerprint {
            scope: scope.as_str().to_owned(),
            key,
            is_kept_for_ever: scope.is_kept_for_ever(),
            content_hash: sha2::Sha256::digest(format!("{:?}", call.step)).into(),
        });
        let command = self.owners_command(&call.step).or_else(|| self.events_command(&call.step, now, earned))?;
        Some(Envelope { account_id: self.account_id, fingerprint, command })
    }

    fn nth<T: Copy>(list: &[T], number: u8) -> Option<T> {
        list.get(usize::from(number) % list.len().max(1)).copied()
    }

    fn affiliate(&self, name: &AffiliateName) -> Option<AffiliateSelector> {
        Some(match name {
            AffiliateName::Nth(number) => AffiliateSelector::Id(Self::nth(&self.affiliates, *number)?),
            AffiliateName::Email(number) => AffiliateSelector::Email(email(*number)),
            AffiliateName::RefId(number) => AffiliateSelector::RefId(ref_id(*number)),
            AffiliateName::ExternalId(number) => AffiliateSelector::ExternalId(format!("external-{number}")),
        })
    }

    fn program(&self, number: Option<u8>) -> Option<Option<(ProgramId, Currency)>> {
        match number {
            Some(number) => Self::nth(&self.programs, number).map(Some),
            None => Some(None),
        }
    }

    fn enrolling(&self, enrolling: &Enrolling) -> Option<NewEnrollment> {
        let program = self.program(enrolling.program)?;
        let currency = program.map_or("USD".parse().unwrap(), |(_, currency)| currency);
        Some(NewEnrollment {
            program_id: program.map(|(id, _)| id),
            ref_id: enrolling.ref_id.map(ref_id),
            ref_id_stem: "stem".to_owned(),
            ref_id_suffix: "xyz".to_owned(),
            promo_code: enrolling.coupon.map(coupon_code),
            landing_url: String::new(),
            commission_override: enrolling.pay.map(|pay| commission(pay, currency)),
        })
    }

    fn owners_command(&self, step: &Step) -> Option<Command> {
        Some(match step {
            Step::UpdateAccount { coupons_max } => Command::UpdateAccount(UpdateAccount {
                display_name: None,
                email: None,
                max_active_coupons_per_affiliate: Some(i32::from(*coupons_max)),
            }),
            Step::CreateProgram { currency, is_default, rules: draft, pay } => {
                let currency = currency.parse().unwrap();
                Command::CreateProgram(Box::new(CreateProgram {
                    display_name: "Program".to_owned(),
                    currency,
                    landing_url: "https://shop.example/".to_owned(),
                    is_default: *is_default,
                    rules: rules(draft, *pay, currency),
                }))
            }
            Step::UpdateProgram { program, make_default, rules: draft } => {
                let (id, currency) = Self::nth(&self.programs, *program)?;
                Command::UpdateProgram(Box::new(UpdateProgram {
                    id,
                    etag: None,
                    display_name: None,
                    landing_url: None,
                    make_default: *make_default,
                    rules: draft.as_ref().map(|(draft, pay)| rules(draft, *pay, currency)),
                }))
            }
            Step::ArchiveProgram { program } => {
                let (id, _) = Self::nth(&self.programs, *program)?;
                Command::ArchiveProgram(ArchiveProgram { id, etag: None })
            }
            Step::CreateAffiliate { name, enrolling } => Command::CreateAffiliate(Box::new(CreateAffiliate {
                external_id: (name % 2 == 0).then(|| format!("external-{name}")),
                email: email(*name),
                first_name: "First".to_owned(),
                last_name: String::new(),
                profile: Profile::default(),
                token_hash: sha2::Sha256::digest([*name]).into(),
                enrollment: self.enrolling(enrolling)?,
            })),
            Step::Enroll { affiliate, enrolling } => Command::Enroll(Enroll {
                affiliate: self.affiliate(affiliate)?,
                enrollment: self.enrolling(enrolling)?,
            }),
            _ => return self.enrollments_command(step),
        })
    }

    fn enrollments_command(&self, step: &Step) -> Option<Command> {
        Some(match step {
            Step::UpdateEnrollment { enrollment, ref_id: code, pay } => {
                let (id, program_id) = Self::nth(&self.enrollments, *enrollment)?;
                let (_, currency) = *self.programs.iter().find(|(other, _)| *other == program_id)?;
                Command::UpdateEnrollment(UpdateEnrollment {
                    id,
                    ref_id: code.map(ref_id),
                    landing_url: None,
                    commission_override: pay.map(|pay| pay.map(|pay| commission(pay, currency))),
                })
            }
            Step::EndEnrollment { enrollment } => {
                Command::EndEnrollment(EndEnrollment { id: Self::nth(&self.enrollments, *enrollment)?.0 })
            }
            Step::CreateLink { enrollment, code } => Command::CreateLink(CreateLink {
                enrollment_id: Self::nth(&self.enrollments, *enrollment)?.0,
                code: ref_id(*code),
                destination_url: String::new(),
            }),
            Step::RevokeLink { link } => Command::RevokeLink(RevokeLink { id: Self::nth(&self.links, *link)? }),
            Step::AssignCoupon { affiliate, program, code } => Command::AssignCoupon(AssignCoupon {
                affiliate: self.affiliate(affiliate)?,
                program_id: self.program(*program)?.map(|(id, _)| id),
                code: coupon_code(*code),
                description: String::new(),
            }),
            Step::RemoveCoupon { coupon } => {
                Command::RemoveCoupon(RemoveCoupon { id: Self::nth(&self.coupons, *coupon)? })
            }
            _ => return None,
        })
    }

    fn referral(&self, traces: &Traces) -> Referral {
        Referral {
            tid: traces.visitor.map(|name| self.visitors.get(&name).copied().ok_or_else(|| "no tid".to_owned())),
            ref_id: traces.ref_id.map(ref_id),
            coupon_code: traces.coupon.map(coupon_code),
        }
    }

    fn events_command(&self, step: &Step, now: Time, earned: &Earned) -> Option<Command> {
        let at = |days_ago: &Option<u8>| days_ago.map(|days| now.plus_days(-i32::from(days)));
        Some(match step {
            Step::Click { visitor, code, days_ago } => Command::RecordClick(RecordClick {
                code: ref_id(*code),
                tid: self.visitors.get(visitor).copied(),
                referrer_url: String::new(),
                occurred_at: at(days_ago),
            }),
            // A lead must be named, as the wire requires.
            Step::Lead { who, .. } if customer(who).is_unnamed() => return None,
            Step::Lead { event, who, traces, days_ago } => Command::RecordLead(RecordLead {
                event_id: event_id(ConversionKind::Lead, *event),
                customer: customer(who),
                referral: self.referral(traces),
                first_name: String::new(),
                last_name: "Last".to_owned(),
                state: LeadState::Signup,
                occurred_at: at(days_ago),
            }),
            Step::Sale { event, who, traces, amount, currency, days_ago } => Command::RecordSale(RecordSale {
                event_id: event_id(ConversionKind::Sale, *event),
                customer: customer(who),
                referral: self.referral(traces),
                amount: money(*amount, currency),
                occurred_at: at(days_ago),
                channel: SaleChannel::Online,
                first_name: "First".to_owned(),
                last_name: String::new(),
                mrr: (event % 2 == 0).then(|| money(*amount, currency)),
                order: OrderDetails {
                    coupon_code: traces.coupon.map(coupon_code).unwrap_or_default(),
                    quantity: 1,
                    ..OrderDetails::default()
                },
            }),
            Step::Refund { sale: None, who, .. } if customer(who).is_unnamed() => return None,
            Step::Refund { event, sale, who, amount, currency, days_ago } => Command::RecordRefund(RecordRefund {
                event_id: event_id(ConversionKind::Refund, *event),
                sale_event_id: sale.map(|number| event_id(ConversionKind::Sale, number)),
                customer: customer(who),
                amount: money(*amount, currency),
                refund_id: "refund".to_owned(),
                occurred_at: at(days_ago),
            }),
            Step::Cancel { event, who } => {
                let named = customer(who);
                let uid = named.uid.map(LeadSelector::Uid);
                Command::RecordCancellation(RecordCancellation {
                    event_id: event_id(ConversionKind::Cancellation, *event),
                    lead: uid.or(named.email.map(LeadSelector::Email))?,
                    occurred_at: None,
                })
            }
            Step::Approve { of, skip_others } => {
                Command::ApproveRewards(ApproveRewards { ids: rewards(of, earned)?, skip_others: *skip_others })
            }
            Step::Deny { of } => {
                Command::DenyRewards(DenyRewards { ids: rewards(of, earned)?, reason: "doubtful".to_owned() })
            }
            _ => return None,
        })
    }

    /// Learns from the answer to a call.
    pub(super) fn learn(&mut self, call: &Call, outcome: &Outcome) {
        match outcome {
            Outcome::Program(made) => add(&mut self.programs, (made.program.id, made.program.currency)),
            Outcome::Affiliate { affiliate, enrollment, coupon } => {
                add(&mut self.affiliates, affiliate.id);
                add(&mut self.enrollments, (enrollment.enrollment.id, enrollment.enrollment.program_id));
                coupon.iter().for_each(|coupon| add(&mut self.coupons, coupon.id));
            }
            Outcome::Enrollment { enrollment, coupon } => {
                add(&mut self.enrollments, (enrollment.enrollment.id, enrollment.enrollment.program_id));
                coupon.iter().for_each(|coupon| add(&mut self.coupons, coupon.id));
            }
            Outcome::Link(link) => add(&mut self.links, link.link.id),
            Outcome::Coupon(coupon) => add(&mut self.coupons, coupon.id),
            Outcome::Click(click) => {
                if let Step::Click { visitor, .. } = call.step {
                    self.visitors.insert(visitor, click.tid);
                }
            }
            _ => {}
        }
    }
}

/// The rewards of these events, if there are any.
fn rewards(of: &[(ConversionKind, u8)], earned: &Earned) -> Option<Vec<RewardId>> {
    let ids: Vec<RewardId> = of
        .iter()
        .filter_map(|(kind, number)| earned.get(&(*kind, event_id(*kind, *number))))
        .flatten()
        .copied()
        .collect();
    (!ids.is_empty()).then_some(ids)
}

//! The model: the expected state of one account, in plain lists, and the expected answer to each command. Written from the API's
//! comments and the business rules, without the server's code, so that it can disagree. Rows are API messages with symbols for
//! ids. It is not fast and stores nothing. Rules check before they change anything, because a refusal changes nothing.

mod affiliate;
mod attribution;
mod code;
mod dated_commission;
mod enrollment;
mod erasure;
mod faults;
mod figures;
mod history;
mod moved;
mod other_event;
mod price;
mod program;
mod reads;
mod refund;
mod repeat;
mod reversal;
mod reward;
mod tracking;

use std::collections::{HashMap, HashSet};

use headwater_client::pb;
use pb::event::Subject;
use tonic::Code;

use super::command::{Command, Key, MICROS_PER_DAY, MICROS_PER_SECOND, micros, stamp};
use super::names::{ANY, symbol};
use super::reply::{Refused, Reply};
pub(super) use figures::{Asked, day};
pub(super) use reads::sorted as sorted_totals;

/// How long a request_id is remembered.
const REQUEST_ID_KEPT_DAYS: i64 = 30;

/// By how much clocks may differ.
const CLOCK_DIFFERENCE_MAX: i64 = 600 * MICROS_PER_SECOND;

/// The result of a rule.
type Ruling = Result<Reply, Refused>;

/// A program with all versions of its terms; the row has the newest.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) row: pb::Program,
    versions: Vec<pb::Terms>,
    changes: u32,
    archived: Option<i64>,
}

/// A click. The API cannot read it back.
#[derive(Debug, Clone)]
pub(super) struct Click {
    pub(super) id: String,
    pub(super) tid: String,
    link_id: String,
    /// The place of the enrollment that earns from it.
    enrollment: usize,
    pub(super) occurred: i64,
}

/// The properties of an enrollment that decide what it earns, from a change on.
#[derive(Debug, Clone)]
struct Standing {
    enrollment_id: String,
    since: i64,
    is_active: bool,
    /// Whether the affiliate was ACTIVE.
    is_affiliate_active: bool,
    commission: Option<pb::Commission>,
    /// The enrollment that earns in place of this one.
    moved: Option<moved::Moved>,
}

/// A visitor's traces, as an event was sent with them.
#[derive(Debug, Clone, Default)]
struct Traces {
    tid: String,
    ref_id: String,
    coupon_code: String,
    /// The kind of a custom event; it is no trace itself.
    custom_kind: String,
}

/// A recorded event, with its traces. A sale that nobody referred is found by the names of its customer.
#[derive(Debug, Clone)]
pub(super) struct Conversion {
    pub(super) row: pb::Conversion,
    occurred: i64,
    traces: Traces,
    external_id: String,
    email: String,
    /// Another lead, bound by then, which has the address that the request named.
    other_lead_id: String,
    /// The ladder that it has met.
    met: Option<price::Met>,
}

#[derive(Debug, Clone)]
struct Answered {
    command: Command,
    reply: Reply,
    first_id: String,
    expires: Option<i64>,
}

/// A range of the ledger or the feed without a promised order: entries of the server's own approvals.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unordered {
    pub(super) from: usize,
    pub(super) until: usize,
}

/// The model of one account.
#[derive(Debug, Clone)]
pub(super) struct World {
    /// The time on the clock.
    pub(super) clock: i64,
    /// The time of the current command: later than the clock by as many microseconds as it has predecessors in its batch.
    now: i64,
    batched: i64,
    /// The time of the last commit that wrote events or entries. The next one is at least a microsecond later.
    committed: i64,
    /// Whether the commit in progress has got its time.
    is_committing: bool,
    /// The external_id and the email address of each lead when the commit in progress began.
    names_at_commit: Vec<(String, String)>,
    /// The time of the latest cancellation of each lead, by its id.
    cancelled: HashMap<String, i64>,
    pub(super) account: pb::Account,
    pub(super) programs: Vec<Program>,
    pub(super) affiliates: Vec<pb::Affiliate>,
    /// The affiliates' own tokens, in the order of the affiliates. Empty for those that were erased.
    pub(super) tokens: Vec<String>,
    /// The enrollments without their referral links, which depend on the program.
    pub(super) enrollments: Vec<pb::Enrollment>,
    /// All changes of the enrollments, in order.
    standings: Vec<Standing>,
    /// The enrollments that were left by a move, but not by the customers who are bound to them.
    staying: HashSet<String>,
    /// The links with only the destinations of their own.
    pub(super) links: Vec<pb::Link>,
    pub(super) coupons: Vec<pb::Coupon>,
    pub(super) clicks: Vec<Click>,
    pub(super) leads: Vec<pb::Lead>,
    pub(super) conversions: Vec<Conversion>,
    pub(super) rewards: Vec<pb::Reward>,
    pub(super) entries: Vec<pb::LedgerEntry>,
    pub(super) events: Vec<pb::Event>,
    pub(super) unordered_entries: Vec<Unordered>,
    pub(super) unordered_events: Vec<Unordered>,
    answered: HashMap<Key, Answered>,
    /// The label of the current command.
    label: u32,
    counts: HashMap<&'static str, u32>,
    cause: String,
    /// The id of the object that the command made or changed.
    effect: String,
}

fn refused<T>(code: Code, reason: &str, metadata: &[(&str, &str)]) -> Result<T, Refused> {
    Err(Refused::new(code, reason, metadata))
}

fn missing<T>(reason: &str) -> Result<T, Refused> {
    refused(Code::NotFound, reason, &[])
}

fn taken<T>(field: &str, value: &str, id: &str) -> Result<T, Refused> {
    refused(Code::AlreadyExists, "ALREADY_EXISTS", &[("field", field), ("value", value), ("resource_id", id)])
}

/// An account as the feed shows it.
fn account_image(account: &pb::Account) -> Subject {
    Subject::Account(pb::Account { email: String::new(), ..account.clone() })
}

/// The stored and compared form of an email address.
fn email(text: &str) -> String {
    text.trim().to_lowercase()
}

/// The email address for display. Empty if it is written as it is compared.
fn email_as_sent(text: &str) -> String {
    let sent = text.trim();
    if sent == email(text) { String::new() } else { sent.to_owned() }
}

impl World {
    /// A newly registered account with its first key, as the registration answered it.
    pub(super) fn new(now: i64, display_name: &str, owner_email: &str, first_key: pb::ApiKey) -> Self {
        let account = pb::Account {
            id: symbol("acc", 0, 0),
            display_name: display_name.to_owned(),
            email: owner_email.to_owned(),
            max_active_coupons_per_affiliate: 100,
            time_zone: "UTC".to_owned(),
            create_time: Some(stamp(now)),
            update_time: Some(stamp(now)),
            state: pb::AccountState::Active.into(),
            ..pb::Account::default()
        };
        let mut world = Self {
            clock: now,
            now,
            batched: 0,
            committed: now - 1,
            is_committing: false,
            names_at_commit: Vec::new(),
            cancelled: HashMap::new(),
            account,
            programs: Vec::new(),
            affiliates: Vec::new(),
            tokens: Vec::new(),
            enrollments: Vec::new(),
            standings: Vec::new(),
            staying: HashSet::new(),
            links: Vec::new(),
            coupons: Vec::new(),
            clicks: Vec::new(),
            leads: Vec::new(),
            conversions: Vec::new(),
            rewards: Vec::new(),
            entries: Vec::new(),
            events: Vec::new(),
            unordered_entries: Vec::new(),
            unordered_events: Vec::new(),
            answered: HashMap::new(),
            label: 0,
            counts: HashMap::new(),
            cause: String::new(),
            effect: String::new(),
        };
        world.tell(pb::EventKind::AccountRegistered, account_image(&world.account));
        world.tell(pb::EventKind::ApiKeyCreated, Subject::ApiKey(first_key));
        world
    }

    /// Begins a batch. Each of its commands has a time of its own.
    pub(super) fn begin_batch(&mut self) {
        self.batched = 0;
        self.begin_commit();
    }

    /// Begins a commit. It gets its time with its first event or entry.
    fn begin_commit(&mut self) {
        self.is_committing = false;
        self.names_at_commit = self.leads.iter().map(|lead| (lead.external_id.clone(), lead.email.clone())).collect();
    }

    /// Begins another commit if a lead has got this name from an earlier command of its batch. Nothing of it was loaded then.
    pub(super) fn begin_commit_for_new_name(&mut self, lead: Option<usize>, external_id: &str, email: &str) {
        let had_other_names = lead.and_then(|lead| self.names_at_commit.get(lead)).is_some_and(|known| {
            (external_id.is_empty() || known.0 != external_id) && (email.is_empty() || known.1 != email)
        });
        if had_other_names {
            self.begin_commit();
        }
    }

    /// The time of the commit in progress.
    fn commit_time(&mut self) -> i64 {
        if !self.is_committing {
            self.is_committing = true;
            self.committed = self.clock.max(self.committed + 1);
        }
        self.committed
    }

    /// Executes the command and returns the expected answer.
    pub(super) fn apply(&mut self, label: u32, command: &Command) -> Reply {
        self.label = label;
        self.counts.clear();
        let faults = faults::of(command, self.clock);
        if !faults.is_empty() {
            return Reply::Refused(Refused::fields(faults));
        }
        self.now = self.clock + self.batched;
        self.batched += 1;
        let key = command.key();
        if let Some(reply) = key.as_ref().and_then(|key| self.answered_before(key, command)) {
            if let (Command::DeactivateAffiliate(request), Reply::ChangedAffiliate(row, _)) = (command, &reply) {
                self.settle_pending(row, &request.reason);
            }
            return reply;
        }
        self.cause = key.as_ref().map(|key| key.text.clone()).unwrap_or_default();
        let reply = match self.carry_out(command) {
            Ok(reply) => reply,
            Err(refused) => return Reply::Refused(refused),
        };
        if let Some(key) = key {
            let expires = (!key.is_kept_for_ever).then(|| self.now + REQUEST_ID_KEPT_DAYS * MICROS_PER_DAY);
            let first_id = std::mem::take(&mut self.effect);
            self.answered.insert(key, Answered { command: command.clone(), reply: reply.clone(), first_id, expires });
        }
        reply
    }

    fn carry_out(&mut self, command: &Command) -> Ruling {
        match command {
            Command::Wait { micros, approves_due } => {
                self.clock += micros;
                self.now = self.clock;
                self.begin_batch();
                if *approves_due {
                    self.approve_due();
                }
                Ok(Reply::Nothing)
            }
            Command::UpdateAccount(request) => self.update_account(request),
            Command::CreateProgram(request) => self.create_program(request),
            Command::UpdateProgram(request) => self.update_program(request),
            Command::ArchiveProgram(request) => self.archive_program(request),
            Command::CreateAffiliate(request) => self.create_affiliate(request),
            Command::ApproveAffiliate(request) => self.approve_affiliate(request),
            Command::DeactivateAffiliate(request) => self.deactivate_affiliate(request),
            Command::EraseAffiliate(request) => self.erase_affiliate(request),
            Command::SetUpline(request) => self.set_upline(request),
            Command::EnrollAffiliate(request) => self.enroll(request),
            Command::UpdateEnrollment(request) => self.update_enrollment(request),
            Command::EndEnrollment(request) => self.end_enrollment(request),
            Command::MoveEnrollment(request) => self.move_enrollment(request),
            Command::CreateLink(request) => self.create_link(request),
            Command::RevokeLink(request) => self.revoke_link(request),
            Command::AssignCoupon(request) => self.assign_coupon(request),
            Command::RemoveCoupon(request) => self.remove_coupon(request),
            Command::Click(request) => self.record_click(request),
            Command::Lead(request) => self.record_lead(request),
            Command::Sale(request) => self.record_sale(request),
            Command::Refund(request) => self.record_refund(request),
            Command::Cancellation(request) => self.record_cancellation(request),
            Command::Appointment(request) => self.record_appointment(request),
            Command::CustomEvent(request) => self.record_custom_event(request),
            Command::DeleteLead(request) => self.delete_lead(request),
            Command::Approve(request) => self.approve(request),
            Command::Deny(request) => self.deny(request),
            Command::Release(request) => self.release(request),
            Command::GetConversion(request) => self.get_conversion(request),
            Command::GetLead(request) => self.get_lead(request),
            Command::GetBalance(request) => self.get_balance(request),
            Command::GetAffiliate(request) => self.get_affiliate(request),
            Command::GetProgram(request) => self.get_program(request),
            Command::GetReward(request) => self.get_reward(request),
        }
    }

    /// The symbol for the command's next object of a kind.
    fn fresh(&mut self, kind: &'static str) -> String {
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        symbol(kind, self.label, *count - 1)
    }

    fn add_event(&mut self, kind: pb::EventKind, occurred: i64, subject: Subject) {
        let event = pb::Event {
            id: self.fresh("evt"),
            cursor: ANY.to_owned(),
            sequence: self.events.len() as i64 + 1,
            kind: kind.into(),
            occur_time: Some(stamp(occurred)),
            commit_time: Some(stamp(self.commit_time())),
            cause_id: self.cause.clone(),
            subject: Some(subject),
            // The model does not know the ids of audit entries.
            audit_entry: None,
        };
        self.events.push(event);
    }

    /// Adds an event that happened now to the feed.
    fn tell(&mut self, kind: pb::EventKind, subject: Subject) {
        self.add_event(kind, self.now, subject);
    }

    /// Adds an event about a conversion to the feed, with its image. The feed has no candidates and no reasons of denials.
    fn tell_of(&mut self, kind: pb::EventKind, conversion: usize, occurred: i64) {
        let mut image = pb::Conversion { candidates: Vec::new(), coupon_code: String::new(), ..self.image(conversion) };
        image.rewards.iter_mut().for_each(|reward| reward.deny_reason.clear());
        self.add_event(kind, occurred, Subject::Conversion(image));
    }

    /// Whether the feed has an event of a conversion. If so, every change of it has an event too.
    fn is_in_feed(&self, conversion: usize) -> bool {
        let id = &self.conversions[conversion].row.id;
        let is_meant =
            |event: &pb::Event| matches!(&event.subject, Some(Subject::Conversion(image)) if image.id == *id);
        self.events.iter().any(is_meant)
    }

    /// A conversion with its current rewards.
    pub(super) fn image(&self, place: usize) -> pb::Conversion {
        let row = &self.conversions[place].row;
        let rewards = self.rewards.iter().filter(|reward| reward.conversion_id == row.id).cloned().collect();
        pb::Conversion { rewards, ..row.clone() }
    }

    fn program(&self, id: &str) -> Option<usize> {
        self.programs.iter().position(|program| program.row.id == id)
    }

    /// The program of a reference that is known to be valid.
    fn program_of(&self, enrollment: usize) -> &Program {
        let id = &self.enrollments[enrollment].program_id;
        self.program(id).map(|place| &self.programs[place]).unwrap_or(&self.programs[0])
    }

    /// The terms by which an enrollment is credited.
    fn terms_of(&self, enrollment: usize, occurred: i64, bound: Option<i64>) -> &pb::Terms {
        let enrolled = self.enrollments[enrollment].create_time.as_ref().map(micros).unwrap_or_default();
        self.program_of(enrollment).terms(occurred, bound, enrolled)
    }

    fn enrollment(&self, id: &str) -> Option<usize> {
        self.enrollments.iter().position(|enrollment| enrollment.id == id)
    }
}

impl Program {
    /// The terms that apply: the newest that had started and that cover it, or else the first. `bound` is the time when its lead
    /// was bound to the program, if that was earlier, and `enrolled` is when the affiliate came to the program.
    fn terms(&self, occurred: i64, bound: Option<i64>, enrolled: i64) -> &pb::Terms {
        let reaches = |terms: &&pb::Terms| {
            let start = terms.start_time.as_ref().map(micros).unwrap_or_default();
            let is_too_old = match terms.reach() {
                pb::TermsReach::NewCustomers => bound.is_some_and(|bound| bound < start),
                pb::TermsReach::NewAffiliates => enrolled < start,
                _ => false,
            };
            start <= occurred && !is_too_old
        };
        self.versions.iter().rev().find(reaches).unwrap_or(&self.versions[0])
    }

    fn is_active(&self) -> bool {
        self.row.state() == pb::ProgramState::Active
    }

    /// Whether a code of the program that was made at one time counts at another. Everything counts before the program.
    fn has_begun(&self, made: i64, at: i64) -> bool {
        let program_made = self.row.create_time.as_ref().map(micros).unwrap_or_default();
        made <= at + CLOCK_DIFFERENCE_MAX || at < program_made
    }
}

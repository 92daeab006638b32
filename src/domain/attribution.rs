//! Attribution: which affiliate a conversion is credited to, and why the others were not.

use super::coupon::CouponState;
use super::enrollment::{Enrollment, EnrollmentState};
use super::id::{AccountId, AffiliateId, ClickId, EnrollmentId};
use super::lead::{Binding, Lead};
use super::link::{Link, LinkState};
use super::program::{AttributionModel, Program, ProgramState, applicable_terms};
use super::refusal::Refusal;
use super::text_enum::text_enum;
use super::time::Time;
use super::working_set::WorkingSet;

text_enum! {
    /// A way by which a conversion can be traced to an affiliate.
    AttributionSource {
        /// The lead was bound to the affiliate earlier.
        LeadBinding = "lead_binding",
        /// A coupon was used.
        Coupon = "coupon",
        /// A click through a link, or a ref_id that was sent.
        Click = "click",
    }
}

text_enum! {
    /// How a candidate for the credit fared.
    CandidateResult {
        /// The conversion is credited to it.
        Won = "won",
        /// A source of higher precedence won.
        LowerPrecedence = "lower_precedence",
        /// Another click won under the program's model.
        OtherClick = "other_click",
        /// The click is older than the window, or the lead was bound longer after the conversion than that.
        OutsideWindow = "outside_window",
        /// The click is later than the conversion.
        AfterConversion = "after_conversion",
        /// The enrollment has ended.
        EnrollmentEnded = "enrollment_ended",
        /// The program is archived.
        ProgramArchived = "program_archived",
        /// The link is revoked.
        LinkRevoked = "link_revoked",
        /// The coupon is removed.
        CouponRemoved = "coupon_removed",
        /// There is no such thing in the account.
        Unknown = "unknown",
    }
}

/// One way by which the conversion could have been traced to an affiliate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The way.
    pub source: AttributionSource,
    /// What was sent or found: the lead's id, the coupon code, the click's id or a tid without clicks, or the ref_id.
    pub reference: String,
    /// The affiliate it leads to.
    pub affiliate_id: Option<AffiliateId>,
    /// The enrollment it leads to.
    pub enrollment_id: Option<EnrollmentId>,
    /// How it fared.
    pub result: CandidateResult,
}

/// What a request says of where a conversion came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Referral {
    /// The visitor's tracking id; `Err` keeps the text of one that is no tid of ours, for the explanation.
    pub tid: Option<Result<ClickId, String>>,
    /// A ref_id in lower case: a click that happens now.
    pub ref_id: Option<String>,
    /// A coupon code in capitals.
    pub coupon_code: Option<String>,
}

/// The order in which sources are asked whose precedence counts.
const DEFAULT_PRECEDENCE: [AttributionSource; 3] =
    [AttributionSource::LeadBinding, AttributionSource::Coupon, AttributionSource::Click];

/// How many of a visitor's clicks are kept for the explanation, the latest ones; beside them the first, and the one chosen.
const CLICKS_EXPLAINED_MAX: usize = 20;

/// Who gets the credit, and how everyone fared.
pub(super) struct Attribution<'set> {
    /// The source that won and the enrollment it leads to.
    pub(super) winner: Option<(AttributionSource, &'set Enrollment)>,
    /// All candidates, the strongest source first.
    pub(super) candidates: Vec<Candidate>,
}

/// A candidate while the credit is open: no result yet means that it could win.
struct Runner<'set> {
    source: AttributionSource,
    reference: String,
    enrollment: Option<&'set Enrollment>,
    program: Option<&'set Program>,
    /// When a click happened.
    clicked_at: Option<Time>,
    result: Option<CandidateResult>,
}

impl<'set> Runner<'set> {
    fn unknown(source: AttributionSource, reference: &str) -> Self {
        Self {
            source,
            reference: reference.to_owned(),
            enrollment: None,
            program: None,
            clicked_at: None,
            result: Some(CandidateResult::Unknown),
        }
    }

    fn new(
        set: &'set WorkingSet,
        source: AttributionSource,
        reference: String,
        enrollment: &'set Enrollment,
    ) -> Result<Self, Refusal> {
        let program = set.program(enrollment.account_id, enrollment.program_id)?;
        let result = if enrollment.state == EnrollmentState::Ended {
            Some(CandidateResult::EnrollmentEnded)
        } else if program.state == ProgramState::Archived {
            Some(CandidateResult::ProgramArchived)
        } else {
            None
        };
        Ok(Self { source, reference, enrollment: Some(enrollment), program: Some(program), clicked_at: None, result })
    }

    fn lose(&mut self, result: CandidateResult) {
        self.result.get_or_insert(result);
    }

    fn is_open(&self) -> bool {
        self.result.is_none()
    }
}

/// Finds who referred a conversion: the source of highest precedence that leads to an active enrollment of an active program.
///
/// Among clicks inside the window the program's model chooses. Where candidates stand in several programs, the model is that of
/// the latest click's program, and the precedence that of the program in which the first of binding, coupon and click stands.
pub(super) fn attribute<'set>(
    set: &'set WorkingSet,
    account_id: AccountId,
    lead: Option<&Lead>,
    referral: &Referral,
    occurred_at: Time,
) -> Result<Attribution<'set>, Refusal> {
    let mut runners = Vec::new();
    if let Some((lead, binding)) = lead.and_then(|lead| lead.binding.map(|binding| (lead, binding))) {
        runners.push(binding_runner(set, lead, binding, occurred_at)?);
    }
    if let Some(code) = &referral.coupon_code {
        runners.push(coupon_runner(set, account_id, code)?);
    }
    click_runners(set, account_id, referral, occurred_at, &mut runners)?;
    choose_click(set, &mut runners, occurred_at)?;
    let precedence = precedence(set, &runners, occurred_at)?;

    let winner_source =
        precedence.into_iter().find(|source| runners.iter().any(|runner| runner.source == *source && runner.is_open()));
    let mut winner = None;
    for runner in &mut runners {
        if Some(runner.source) == winner_source && runner.is_open() {
            runner.result = Some(CandidateResult::Won);
            winner = runner.enrollment.map(|enrollment| (runner.source, enrollment));
        } else {
            runner.lose(CandidateResult::LowerPrecedence);
        }
    }
    runners.sort_by_key(|runner| precedence.iter().position(|source| *source == runner.source));
    Ok(Attribution { winner, candidates: explained(runners) })
}

/// All candidates, but for the many clicks between the first and the latest of a visitor that were never near to winning.
fn explained(runners: Vec<Runner<'_>>) -> Vec<Candidate> {
    let click_count = runners.iter().filter(|runner| runner.source == AttributionSource::Click).count();
    let mut place = 0;
    let is_told = |runner: &Runner<'_>| {
        if runner.source != AttributionSource::Click {
            return true;
        }
        place += 1;
        place == 1
            || place + CLICKS_EXPLAINED_MAX > click_count
            || matches!(runner.result, Some(CandidateResult::Won | CandidateResult::LowerPrecedence))
    };
    runners.into_iter().filter(is_told).map(candidate).collect()
}

fn candidate(runner: Runner<'_>) -> Candidate {
    Candidate {
        source: runner.source,
        reference: runner.reference,
        affiliate_id: runner.enrollment.map(|enrollment| enrollment.affiliate_id),
        enrollment_id: runner.enrollment.map(|enrollment| enrollment.id),
        result: runner.result.unwrap_or(CandidateResult::LowerPrecedence),
    }
}

/// What was bought longer before the lead was bound than the window reaches is not the affiliate's doing: told late or in order, a
/// sale is credited alike (`match_to_lead` in `sale.rs`).
fn binding_runner<'set>(
    set: &'set WorkingSet,
    lead: &Lead,
    binding: Binding,
    occurred_at: Time,
) -> Result<Runner<'set>, Refusal> {
    let enrollment = set.enrollment(lead.account_id, binding.enrollment_id)?;
    let mut runner = Runner::new(set, AttributionSource::LeadBinding, lead.id.to_string(), enrollment)?;
    if let Some(program) = runner.program
        && occurred_at.plus_days(window_days(set, program, binding.bound_at)?) < binding.bound_at
    {
        runner.lose(CandidateResult::OutsideWindow);
    }
    Ok(runner)
}

/// For how many days after a click what happens is credited to it.
pub(super) fn window_days(set: &WorkingSet, program: &Program, at: Time) -> Result<i32, Refusal> {
    Ok(applicable_terms(set, program, at, None)?.rules.attribution_window_days)
}

fn coupon_runner<'set>(set: &'set WorkingSet, account_id: AccountId, code: &str) -> Result<Runner<'set>, Refusal> {
    let Some(coupon) = set.coupon_with_code(account_id, code)? else {
        return Ok(Runner::unknown(AttributionSource::Coupon, code));
    };
    let enrollment = set.enrollment(account_id, coupon.enrollment_id)?;
    let mut runner = Runner::new(set, AttributionSource::Coupon, code.to_owned(), enrollment)?;
    if coupon.state == CouponState::Removed {
        runner.lose(CandidateResult::CouponRemoved);
    }
    Ok(runner)
}

fn link_runner<'set>(
    set: &'set WorkingSet,
    link: &Link,
    reference: String,
    clicked_at: Time,
) -> Result<Runner<'set>, Refusal> {
    let enrollment = set.enrollment(link.account_id, link.enrollment_id)?;
    let mut runner = Runner::new(set, AttributionSource::Click, reference, enrollment)?;
    runner.clicked_at = Some(clicked_at);
    if link.state == LinkState::Revoked {
        runner.lose(CandidateResult::LinkRevoked);
    }
    Ok(runner)
}

fn click_runners<'set>(
    set: &'set WorkingSet,
    account_id: AccountId,
    referral: &Referral,
    occurred_at: Time,
    runners: &mut Vec<Runner<'set>>,
) -> Result<(), Refusal> {
    match &referral.tid {
        Some(Ok(tid)) => {
            let clicks = set.clicks_of(account_id, *tid)?;
            if clicks.is_empty() {
                runners.push(Runner::unknown(AttributionSource::Click, &tid.to_string()));
            }
            for click in clicks {
                let link = set.link(account_id, click.link_id)?;
                runners.push(link_runner(set, link, click.id.to_string(), click.occurred_at)?);
            }
        }
        Some(Err(text)) => runners.push(Runner::unknown(AttributionSource::Click, text)),
        None => {}
    }
    if let Some(ref_id) = &referral.ref_id {
        runners.push(match set.link_with_code(account_id, ref_id)? {
            Some(link) => link_runner(set, link, ref_id.clone(), occurred_at)?,
            None => Runner::unknown(AttributionSource::Click, ref_id),
        });
    }
    Ok(())
}

/// Leaves at most one click open: the one that the model of the latest click's program chooses.
fn choose_click(set: &WorkingSet, runners: &mut [Runner<'_>], occurred_at: Time) -> Result<(), Refusal> {
    for runner in runners.iter_mut() {
        let (Some(clicked_at), Some(program)) = (runner.clicked_at, runner.program) else { continue };
        if clicked_at > occurred_at {
            runner.lose(CandidateResult::AfterConversion);
        } else if clicked_at.plus_days(window_days(set, program, occurred_at)?) < occurred_at {
            runner.lose(CandidateResult::OutsideWindow);
        }
    }
    let open: Vec<usize> = (0..runners.len())
        .filter(|place| runners[*place].source == AttributionSource::Click && runners[*place].is_open())
        .collect();
    let (Some(first), Some(last)) = (open.first().copied(), open.last().copied()) else { return Ok(()) };
    let Some(program) = runners[last].program else { return Ok(()) };
    let chosen = match applicable_terms(set, program, occurred_at, None)?.rules.attribution_model {
        AttributionModel::FirstClick => first,
        AttributionModel::LastClick => last,
    };
    for place in open {
        if place != chosen {
            runners[place].lose(CandidateResult::OtherClick);
        }
    }
    Ok(())
}

fn precedence(set: &WorkingSet, runners: &[Runner<'_>], occurred_at: Time) -> Result<[AttributionSource; 3], Refusal> {
    let deciding = DEFAULT_PRECEDENCE
        .into_iter()
        .find_map(|source| runners.iter().find(|runner| runner.source == source && runner.is_open()))
        .and_then(|runner| runner.program);
    match deciding {
        Some(program) => Ok(applicable_terms(set, program, occurred_at, None)?.rules.precedence),
        None => Ok(DEFAULT_PRECEDENCE),
    }
}

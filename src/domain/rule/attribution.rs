//! The rule of attribution: finds the affiliate to credit with a conversion, and explains why the other candidates lost.

use std::mem;
use std::sync::Arc;

use smallvec::SmallVec;

use super::shared_credit::{self, Winner, Winners};
use super::terms::applicable_terms;
use crate::domain::attribution::{AttributionSource, Candidate, CandidateResult, Evidence};
use crate::domain::conversion::{Conversion, SaleChannel, WHOLE_SHARE_PPM, Way};
use crate::domain::coupon::{Coupon, Purchase};
use crate::domain::enrollment::Enrollment;
use crate::domain::id::{AccountId, ClickId, LinkId};
use crate::domain::lead::Lead;
use crate::domain::link::Link;
use crate::domain::program::{AttributionModel, Program, TermsDraft};
use crate::domain::refusal::Refusal;
use crate::domain::set::Needs;
use crate::domain::set::WorkingSet;
use crate::domain::terms_period::Occasion;
use crate::domain::time::Time;
use crate::domain::upline_standing::why_not_earning;

/// The referral data of a request: the traces of where a conversion came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Referral {
    /// The visitor's tracking id. `Err` has the text of a tid that Headwater did not make; it is shown among the candidates.
    pub tid: Option<Result<ClickId, String>>,
    /// A ref_id. It counts as a click that happens now.
    pub ref_id: Option<SentRefId>,
    /// A coupon code, folded.
    pub coupon_code: Option<String>,
    /// The SKU of the item that was sold; empty if none was named. It is no trace itself, but a coupon may be tied to an item.
    pub item_sku: String,
    /// The SKUs of the lines of a sale.
    pub line_skus: Vec<String>,
    /// The channel of a sale; `None` for other events. A coupon may be for one channel.
    pub channel: Option<SaleChannel>,
    /// The limit that the coupon had reached when the sale was told, if so.
    pub spent: Option<CandidateResult>,
    /// The name of the custom event's kind; empty for other events. It is no trace itself, but only programs that declare it credit it.
    pub custom_kind: String,
}

/// A ref_id or link code that came with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SentRefId {
    /// The code in lower case.
    Code(String),
    /// The link that had the code. Events that are judged again have it.
    Link(LinkId),
}

impl Referral {
    /// Whether nothing says who referred the conversion.
    pub fn is_traceless(&self) -> bool {
        self.tid.is_none() && self.ref_id.is_none() && self.coupon_code.is_none()
    }

    /// Adds the rows that [`attribute`] needs, except those of the lead.
    pub(super) fn needs(&self, account: AccountId, needs: &mut Needs) {
        if let Some(Ok(tid)) = &self.tid {
            needs.names.clicks_of.insert((account, *tid));
        }
        match &self.ref_id {
            Some(SentRefId::Code(code)) => needs.link_code(account, code),
            Some(SentRefId::Link(id)) => needs.row::<Link>((account, *id)),
            None => {}
        }
        if let Some(code) = &self.coupon_code {
            needs.coupon_code(account, code);
        }
    }
}

impl Referral {
    /// The tracking id, if it belongs to a click.
    pub(super) fn known_tid(&self, set: &WorkingSet, account_id: AccountId) -> Result<Option<ClickId>, Refusal> {
        match self.tid {
            Some(Ok(tid)) if !set.clicks_of(account_id, tid)?.is_empty() => Ok(Some(tid)),
            _ => Ok(None),
        }
    }
}

/// The default precedence, used when no program's precedence applies. The search for the program whose precedence applies uses
/// the same order.
const DEFAULT_PRECEDENCE: [AttributionSource; 3] =
    [AttributionSource::LeadBinding, AttributionSource::Coupon, AttributionSource::Click];

/// How many of a visitor's latest clicks are kept as candidates. The first click and the chosen one are always kept.
const CLICKS_EXPLAINED_MAX: usize = 20;

/// When a customer first bought: the time of its first sale of more than zero, referred or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstPurchase {
    /// Most programs do not ask for it.
    NotLookedUp,
    /// `None`: the customer has not bought, or nobody knows who it is.
    At(Option<Time>),
}

/// The winners, and the result of each candidate.
pub(super) struct Attribution {
    pub(super) winners: Winners,
    /// Whether a program asks for the customer's first purchase.
    pub(super) asks_for_first_purchase: bool,
    /// All candidates, the strongest source first.
    pub(super) candidates: Vec<Candidate>,
}

/// A candidate while attribution runs. It can still win as long as it has no result.
struct Runner<'set> {
    evidence: Evidence,
    enrollment: Option<&'set Arc<Enrollment>>,
    program: Option<&'set Program>,
    /// When a click happened.
    clicked_at: Option<Time>,
    /// When the evidence happened.
    referred_at: Time,
    /// The way by which the customer came.
    way: Way,
    /// The sub-id of a click.
    sub_id: &'set str,
    coupon: Option<&'set Arc<Coupon>>,
    /// How much of the credit it gets beside others that win.
    weight: i64,
    result: Option<CandidateResult>,
}

impl<'set> Runner<'set> {
    fn unknown(evidence: Evidence, occurred_at: Time) -> Self {
        Self {
            evidence,
            enrollment: None,
            program: None,
            clicked_at: None,
            referred_at: occurred_at,
            way: Way::default(),
            sub_id: "",
            coupon: None,
            weight: 1,
            result: Some(CandidateResult::Unknown),
        }
    }

    /// The candidate of an enrollment's evidence. If its affiliate was moved to another program by then, it is one of the enrollment there.
    fn new(
        set: &'set WorkingSet,
        evidence: Evidence,
        enrollment: &'set Arc<Enrollment>,
        occurred_at: Time,
    ) -> Result<Self, Refusal> {
        let (enrollment, standing) = match evidence {
            Evidence::Lead(_) => {
                let serving = set.serving_bound(enrollment, occurred_at)?;
                (serving, serving.standing_of_bound_at(occurred_at))
            }
            _ => {
                let serving = set.serving(enrollment, occurred_at)?;
                (serving, serving.standing_at(occurred_at))
            }
        };
        let program = set.program(enrollment.account_id, enrollment.program_id)?;
        let result = why_not_earning(standing, program, occurred_at);
        let (enrollment, program) = (Some(enrollment), Some(program.as_ref()));
        Ok(Self {
            evidence,
            enrollment,
            program,
            clicked_at: None,
            referred_at: occurred_at,
            way: Way::default(),
            sub_id: "",
            coupon: None,
            weight: 1,
            result,
        })
    }

    /// Whether the click is later than an event. A time in whole seconds may be any moment of its second.
    fn is_click_after(&self, occurred_at: Time) -> bool {
        let tolerance_micros = if occurred_at.is_whole_second() { Time::MICROS_PER_SECOND - 1 } else { 0 };
        self.clicked_at.is_some_and(|clicked_at| clicked_at > occurred_at.plus_micros(tolerance_micros))
    }

    /// Whether the click only seems later than an event, because clocks differ.
    fn may_be_before(&self, occurred_at: Time) -> bool {
        let latest = occurred_at.plus_micros(Time::CLOCK_DIFFERENCE_MICROS_MAX);
        self.result == Some(CandidateResult::AfterConversion)
            && self.clicked_at.is_some_and(|clicked_at| clicked_at <= latest)
    }

    fn lose(&mut self, result: CandidateResult) {
        self.result.get_or_insert(result);
    }

    fn source(&self) -> AttributionSource {
        self.evidence.source()
    }

    fn is_open(&self) -> bool {
        self.result.is_none()
    }

    /// The rules by which the program would credit the enrollment with an event of a new customer.
    fn rules(&self, set: &'set WorkingSet, occurred_at: Time) -> Result<Option<&'set TermsDraft>, Refusal> {
        let (Some(enrollment), Some(program)) = (self.enrollment, self.program) else { return Ok(None) };
        let terms = applicable_terms(set, program, &Occasion::of(enrollment, occurred_at))?;
        Ok(Some(&terms.rules))
    }
}

/// Why an enrollment is not credited with an event of a customer who is bound to it, if so. A program credits only the kinds of custom
/// events that its terms declared when the event happened.
pub(super) fn why_not_crediting(
    set: &WorkingSet,
    enrollment: &Enrollment,
    event: &Conversion,
) -> Result<Option<CandidateResult>, Refusal> {
    let program = set.program(enrollment.account_id, enrollment.program_id)?;
    let custom_kind = &event.order.custom_kind;
    let is_declared = custom_kind.is_empty() || {
        let terms = applicable_terms(set, program, &Occasion::of(enrollment, event.occurred_at))?;
        terms.rules.declares(custom_kind)
    };
    let fault = (!is_declared).then_some(CandidateResult::KindNotDeclared);
    let standing = enrollment.standing_of_bound_at(event.occurred_at);
    Ok(why_not_earning(standing, program, event.occurred_at).or(fault))
}

/// When an event happened that was sent without a time: now, or at the visitor's latest click if the server's clock was set back by up
/// to a day since then. Such an event is later than every click that was recorded before it.
pub(super) fn arrival_time(
    set: &WorkingSet,
    account_id: AccountId,
    referral: &Referral,
    now: Time,
) -> Result<Time, Refusal> {
    let Some(Ok(tid)) = referral.tid else { return Ok(now) };
    let clicks = set.clicks_of(account_id, tid)?;
    let latest = clicks.iter().map(|click| click.occurred_at).filter(|time| *time <= now.plus_days(1)).max();
    Ok(latest.map_or(now, |latest| latest.max(now)))
}

/// Finds who referred a conversion. The winner is the source of highest precedence that leads to an active affiliate's enrollment that
/// was active in an active program when the conversion happened. Coupons and links, too, are judged as they were then. The binding of
/// the first lead must be no later than the conversion. The second lead is another one that the request named too.
///
/// The program's model chooses among the clicks inside the window. Candidates may belong to several programs. The model then
/// comes from the program of the latest click. The precedence comes from the program of the first candidate, in the order
/// binding, coupon, click.
pub(super) fn attribute(
    set: &WorkingSet,
    account_id: AccountId,
    leads: [Option<&Lead>; 2],
    referral: &Referral,
    first_purchase: FirstPurchase,
    occurred_at: Time,
) -> Result<Attribution, Refusal> {
    let mut runners = Vec::new();
    for lead in leads.into_iter().flatten() {
        binding_runners(set, lead, occurred_at, &mut runners)?;
    }
    if let Some(code) = &referral.coupon_code {
        runners.push(coupon_runner(set, account_id, code, referral, occurred_at)?);
    }
    click_runners(set, account_id, referral, occurred_at, &mut runners)?;
    // Events of other kinds than custom events need no declaration.
    for runner in runners.iter_mut().filter(|_| !referral.custom_kind.is_empty()) {
        if runner.rules(set, occurred_at)?.is_some_and(|rules| !rules.declares(&referral.custom_kind)) {
            runner.lose(CandidateResult::KindNotDeclared);
        }
    }
    let asks_for_first_purchase = drop_known_customers(set, &mut runners, first_purchase, occurred_at)?;
    choose_click(set, &mut runners, occurred_at)?;
    let precedence = precedence(set, &runners, occurred_at)?;

    let winner_source = precedence
        .into_iter()
        .find(|source| runners.iter().any(|runner| runner.source() == *source && runner.is_open()));
    let winners = take_winners(&mut runners, winner_source, occurred_at)?;
    runners.sort_by_key(|runner| precedence.iter().position(|source| *source == runner.source()));
    Ok(Attribution { winners, asks_for_first_purchase, candidates: explained(runners) })
}

/// Lets the candidates lose whose programs pay for new customers only, if the customer had bought before they referred it. Returns whether
/// there are such candidates. If the binding wins anyway, it does not matter.
fn drop_known_customers(
    set: &WorkingSet,
    runners: &mut [Runner<'_>],
    first_purchase: FirstPurchase,
    occurred_at: Time,
) -> Result<bool, Refusal> {
    let is_bound = |runner: &&Runner<'_>| runner.source() == AttributionSource::LeadBinding && runner.is_open();
    if let Some(bound) = runners.iter().find(is_bound)
        && bound.rules(set, occurred_at)?.is_none_or(|rules| rules.precedence[0] == AttributionSource::LeadBinding)
    {
        return Ok(false);
    }
    let mut is_asked = false;
    for runner in runners.iter_mut().filter(|runner| runner.source() != AttributionSource::LeadBinding) {
        if !runner.is_open() || !runner.rules(set, occurred_at)?.is_some_and(|rules| rules.new_customers_only) {
            continue;
        }
        is_asked = true;
        if let FirstPurchase::At(Some(bought_at)) = first_purchase
            && bought_at < runner.referred_at.min(occurred_at)
        {
            runner.lose(CandidateResult::NotANewCustomer);
        }
    }
    Ok(is_asked)
}

/// Lets the open candidates of the strongest source win, and all others lose. The bindings of a second lead win nothing beside those of the
/// first one.
fn take_winners(
    runners: &mut [Runner<'_>],
    source: Option<AttributionSource>,
    occurred_at: Time,
) -> Result<Winners, Refusal> {
    let mut winners = Winners::new();
    let mut weights: SmallVec<[i64; 1]> = SmallVec::new();
    let mut lead_that_won = None;
    for runner in runners {
        if Some(runner.source()) == source
            && runner.is_open()
            && let Some(enrollment) = runner.enrollment
            && lead_that_won.as_ref().is_none_or(|lead| *lead == runner.evidence)
        {
            runner.result = Some(CandidateResult::Won);
            if runner.source() == AttributionSource::LeadBinding {
                lead_that_won.get_or_insert_with(|| runner.evidence.clone());
            }
            // A click that only seems later than the conversion happened before it.
            let referred_at = runner.referred_at.min(occurred_at);
            let (enrollment, way) = (Arc::clone(enrollment), mem::take(&mut runner.way));
            weights.push(runner.weight);
            let source = runner.source();
            winners.push(Winner { source, enrollment, referred_at, way, share_ppm: WHOLE_SHARE_PPM });
        } else {
            runner.lose(CandidateResult::LowerPrecedence);
        }
    }
    shared_credit::share(&mut winners, &weights)?;
    Ok(winners)
}

/// The candidates to keep. Of a visitor's clicks, only the latest ones, the first and the chosen one are kept.
fn explained(runners: Vec<Runner<'_>>) -> Vec<Candidate> {
    let click_count = runners.iter().filter(|runner| runner.source() == AttributionSource::Click).count();
    let mut place = 0;
    let is_told = |runner: &Runner<'_>| {
        if runner.source() != AttributionSource::Click {
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
        evidence: runner.evidence,
        affiliate_id: runner.enrollment.map(|enrollment| enrollment.affiliate_id),
        enrollment_id: runner.enrollment.map(|enrollment| enrollment.id),
        result: runner.result.unwrap_or(CandidateResult::LowerPrecedence),
        sub_id: runner.sub_id.to_owned(),
    }
}

fn binding_runners<'set>(
    set: &'set WorkingSet,
    lead: &Lead,
    occurred_at: Time,
    runners: &mut Vec<Runner<'set>>,
) -> Result<(), Refusal> {
    let Some(binding) = &lead.binding else { return Ok(()) };
    for credit in &binding.credits {
        let enrollment = set.enrollment(lead.account_id, credit.enrollment_id)?;
        let mut runner = Runner::new(set, Evidence::Lead(lead.id), enrollment, occurred_at)?;
        runner.referred_at = binding.referred_at;
        runner.way = credit.way();
        runner.weight = credit.share_ppm.into();
        if binding.is_later_than(occurred_at) {
            runner.lose(CandidateResult::AfterConversion);
        }
        runners.push(runner);
    }
    Ok(())
}

/// The coupon of a sale that has a limit and could credit the sale.
pub(super) fn limited_coupon(
    set: &WorkingSet,
    account_id: AccountId,
    referral: &Referral,
    occurred_at: Time,
) -> Result<Option<Arc<Coupon>>, Refusal> {
    let Some(code) = &referral.coupon_code else { return Ok(None) };
    if !set.coupons_with_code(account_id, code)?.iter().any(|coupon| coupon.has_limit()) {
        return Ok(None);
    }
    let runner = coupon_runner(set, account_id, code, referral, occurred_at)?;
    let coupon = runner.coupon.filter(|coupon| runner.is_open() && coupon.has_limit());
    Ok(coupon.cloned())
}

fn coupon_runner<'set>(
    set: &'set WorkingSet,
    account_id: AccountId,
    code: &str,
    referral: &Referral,
    occurred_at: Time,
) -> Result<Runner<'set>, Refusal> {
    let mut runner = unlimited_coupon_runner(set, account_id, code, referral, occurred_at)?;
    // The limit that was reached when the sale was told stays the reason, whatever else the coupon lacks by now.
    runner.result = referral.spent.or(runner.result);
    Ok(runner)
}

/// The candidate of a coupon, as if it had no limits.
fn unlimited_coupon_runner<'set>(
    set: &'set WorkingSet,
    account_id: AccountId,
    code: &str,
    referral: &Referral,
    occurred_at: Time,
) -> Result<Runner<'set>, Refusal> {
    let Referral { item_sku, line_skus, .. } = referral;
    let purchase = Purchase { item_sku, line_skus, channel: referral.channel, sold_at: occurred_at };
    let evidence = Evidence::Coupon(code.to_owned());
    let coupons = set.coupons_with_code(account_id, code)?;
    let mut last = None;
    for coupon in coupons {
        let enrollment = set.enrollment(account_id, coupon.enrollment_id)?;
        let mut runner = Runner::new(set, evidence.clone(), enrollment, occurred_at)?;
        runner.coupon = Some(coupon);
        // Only the first coupon with the code also counts for the time before its program. A later one was not the code's then.
        let has_begun = coupon.created_at.may_precede(occurred_at)
            || (last.is_none()
                && runner.program.is_some_and(|program| program.has_begun(coupon.created_at, occurred_at)));
        if has_begun && !coupon.is_removed_at(occurred_at) {
            if let Some(result) = coupon.why_not_crediting(set.ties_of(coupon)?, purchase) {
                runner.lose(result);
            }
            return Ok(runner);
        }
        runner.result = Some(if has_begun { CandidateResult::CouponRemoved } else { CandidateResult::NotYetMade });
        // The last coupon that was removed explains more than one that was assigned later.
        if has_begun || last.is_none() {
            last = Some(runner);
        }
    }
    Ok(last.unwrap_or_else(|| Runner::unknown(evidence, occurred_at)))
}

fn link_runner<'set>(
    set: &'set WorkingSet,
    link: &Link,
    evidence: Evidence,
    clicked_at: Time,
    occurred_at: Time,
) -> Result<Runner<'set>, Refusal> {
    let enrollment = set.enrollment(link.account_id, link.enrollment_id)?;
    let mut runner = Runner::new(set, evidence, enrollment, occurred_at)?;
    runner.clicked_at = Some(clicked_at);
    runner.referred_at = clicked_at;
    runner.way.link_id = Some(link.id);
    if link.is_revoked_at(occurred_at) {
        runner.lose(CandidateResult::LinkRevoked);
    }
    if runner.program.is_some_and(|program| !program.has_begun(link.created_at, clicked_at)) {
        runner.lose(CandidateResult::NotYetMade);
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
                runners.push(Runner::unknown(Evidence::Tid(tid.to_string()), occurred_at));
            }
            for click in clicks {
                let link = set.link(account_id, click.link_id)?;
                let mut runner = link_runner(set, link, Evidence::Click(click.id), click.occurred_at, occurred_at)?;
                runner.sub_id = &click.sub_id;
                runner.way.sub_id = (!click.sub_id.is_empty()).then(|| click.sub_id.as_str().into());
                runners.push(runner);
            }
        }
        Some(Err(text)) => runners.push(Runner::unknown(Evidence::Tid(text.clone()), occurred_at)),
        None => {}
    }
    let link = match &referral.ref_id {
        Some(SentRefId::Code(code)) => match set.link_with_code(account_id, code)? {
            Some(link) => Some(link),
            None => {
                runners.push(Runner::unknown(Evidence::RefId(code.clone()), occurred_at));
                None
            }
        },
        Some(SentRefId::Link(id)) => Some(set.link(account_id, *id)?),
        None => None,
    };
    if let Some(link) = link {
        runners.push(link_runner(set, link, Evidence::Link(link.id), occurred_at, occurred_at)?);
    }
    Ok(())
}

/// Chooses one click by the model of the latest click's program, or several that share the credit. All other clicks lose.
fn choose_click(set: &WorkingSet, runners: &mut [Runner<'_>], occurred_at: Time) -> Result<(), Refusal> {
    for runner in runners.iter_mut() {
        let (Some(clicked_at), Some(rules)) = (runner.clicked_at, runner.rules(set, occurred_at)?) else { continue };
        if runner.is_click_after(occurred_at) {
            runner.lose(CandidateResult::AfterConversion);
        } else if clicked_at.plus_days(rules.attribution_window_days) < occurred_at {
            runner.lose(CandidateResult::OutsideWindow);
        }
    }
    // Who brings a tracking id has clicked before. If no click was early enough, the first one only seems later.
    let is_open = |runner: &Runner<'_>| runner.source() == AttributionSource::Click && runner.is_open();
    if !runners.iter().any(is_open)
        && let Some(runner) = runners.iter_mut().find(|runner| runner.may_be_before(occurred_at))
    {
        runner.result = None;
    }
    let open: Vec<usize> = (0..runners.len()).filter(|place| is_open(&runners[*place])).collect();
    let (Some(first), Some(last)) = (open.first().copied(), open.last().copied()) else { return Ok(()) };
    let Some(program) = runners[last].program else { return Ok(()) };
    let Some(rules) = runners[last].rules(set, occurred_at)? else { return Ok(()) };
    let chosen = match rules.attribution_model {
        AttributionModel::FirstClick => vec![(first, 1)],
        AttributionModel::LastClick => vec![(last, 1)],
        model @ (AttributionModel::Linear | AttributionModel::Position) => {
            let is_of_program = |place: &&usize| runners[**place].program.map(|program| program.id) == Some(program.id);
            let clicked = open.iter().filter(is_of_program);
            let clicked = clicked.filter_map(|place| Some((*place, runners[*place].enrollment?.id)));
            shared_credit::weigh(model, clicked)
        }
    };
    for place in open {
        match chosen.iter().find(|(chosen, _)| *chosen == place) {
            Some((_, weight)) => runners[place].weight = *weight,
            None => runners[place].lose(CandidateResult::OtherClick),
        }
    }
    Ok(())
}

fn precedence(set: &WorkingSet, runners: &[Runner<'_>], occurred_at: Time) -> Result<[AttributionSource; 3], Refusal> {
    let deciding = DEFAULT_PRECEDENCE
        .into_iter()
        .find_map(|source| runners.iter().find(|runner| runner.source() == source && runner.is_open()));
    let rules = deciding.map(|runner| runner.rules(set, occurred_at)).transpose()?.flatten();
    Ok(rules.map_or(DEFAULT_PRECEDENCE, |rules| rules.precedence))
}

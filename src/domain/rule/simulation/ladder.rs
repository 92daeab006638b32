//! The ladders of a simulation. What a sale earns is known for each step; which step it has met depends on the sales of all customers of its
//! affiliate that were told before. So sales are noted while their customers are judged, and climb in the order in which they were told once
//! all are known. Only sales that meet a ladder are noted.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::earning::{Recorded, at_step, earn_by};
use super::group::Group;
use super::meeting::{Meeting, told};
use crate::domain::conversion::{Conversion, ConversionKind, ConversionOutcome, OrderDetails, SaleLine};
use crate::domain::id::AffiliateId;
use crate::domain::ladder::LadderPart;
use crate::domain::money::Currency;
use crate::domain::refusal::{Field, Refusal};
use crate::domain::rule::climb::{Climb, Climber, Climbs, Rank, Told, Worth};
use crate::domain::rule::commission::{self, Claim, credits_of};
use crate::domain::rule::context::Context;
use crate::domain::rule::ladder;
use crate::domain::rule::noted;
use crate::domain::rule::verdict::Verdict;
use crate::domain::simulation::Earnings;

/// The worth of each credit of a sale at the steps of its ladder.
pub(super) fn worths(
    context: &mut Context<'_>,
    group: &Group,
    recorded: &Recorded,
    event: &Conversion,
    verdict: &Verdict,
) -> Result<Vec<Vec<Worth>>, Refusal> {
    let mut all = Vec::with_capacity(verdict.claims.len());
    for claim in &verdict.claims {
        let Some(ladder) = claim.terms.rules.ladder.as_ref().filter(|_| event.kind == ConversionKind::Sale) else {
            all.push(Vec::new());
            continue;
        };
        let mut base = None;
        let mut worth = Vec::with_capacity(ladder.steps.len());
        for step in 0..=ladder.steps.len() {
            let step = i32::try_from(step).unwrap_or(i32::MAX);
            let sums = earn_by(context, (group, recorded, event, verdict), std::slice::from_ref(claim), step)?;
            match &base {
                None => base = Some(sums),
                Some(base) => worth.push(difference(&sums, base)),
            }
        }
        all.push(worth);
    }
    Ok(all)
}

fn difference(sums: &Earnings, base: &Earnings) -> Worth {
    let of = |sums: &Earnings, key: &(AffiliateId, Currency)| sums.get(key).copied().unwrap_or_default();
    let keys: BTreeSet<_> = sums.keys().chain(base.keys()).copied().collect();
    let worth = keys.into_iter().map(|key| (key, of(sums, &key).saturating_sub(of(base, &key))));
    worth.filter(|(_, minor)| *minor != 0).collect()
}

/// Something that changes what a sale has in tallies.
enum Turn<'met> {
    Credited(&'met Meeting),
    Changed(Box<Conversion>),
}

/// Notes how a sale climbs: with each meeting and each refund or correction of it.
pub(super) fn note(
    context: &mut Context<'_>,
    group: &Group,
    event: &Conversion,
    meetings: &[Meeting],
    worths: Vec<Vec<Worth>>,
) -> Result<Climbs, Refusal> {
    let mut climbs = Climbs::default();
    let has_ladder = |meeting: &Meeting| meeting.claims.iter().any(|claim| claim.terms.rules.ladder.is_some());
    if !meetings.iter().any(has_ladder) {
        return Ok(climbs);
    }
    let mut states = states(event, group.changes_of(event), meetings)?.into_iter();
    let Some((_, _, mut state)) = states.next() else { return Ok(climbs) };
    let mut turns: Vec<_> =
        meetings.iter().map(|meeting| (meeting.at, meeting.rank, Turn::Credited(meeting))).collect();
    turns.extend(states.map(|(at, rank, state)| (at, rank, Turn::Changed(Box::new(state)))));
    turns.sort_by_key(|(at, rank, _)| (*at, *rank));
    let mut worths = Some(worths);
    let count = meetings.len();
    let mut met_count = 0;
    let mut last: Option<&Meeting> = None;
    let mut standing: Vec<(usize, &Claim)> = Vec::new();
    for (at, rank, turn) in turns {
        let mut meeting_now = None;
        match turn {
            Turn::Credited(meeting) => {
                met_count += 1;
                last = Some(meeting);
                for (climber, _) in standing.drain(..) {
                    climbs.climbs.push(Climb { at, rank, climber, part: LadderPart::default() });
                }
                if at == told(event) || !is_refunded_whole(&state) {
                    meeting_now = Some(meeting);
                }
            }
            Turn::Changed(now) => {
                state = *now;
                for (climber, claim) in &standing {
                    let part = part_of(context, &state, last, claim)?;
                    climbs.climbs.push(Climb { at, rank, climber: *climber, part });
                }
                // A sale of which nothing was left when it was credited is credited when it is corrected.
                if standing.is_empty() && !is_refunded_whole(&state) {
                    meeting_now = last;
                }
            }
        }
        let Some(meeting) = meeting_now else { continue };
        let mut of_claims = if met_count == count { worths.take() } else { None }.unwrap_or_default().into_iter();
        for claim in &meeting.claims {
            let worth = of_claims.next().unwrap_or_default();
            let Some(laddered) = at_step(context, event, claim, 0)? else { continue };
            let part = part_of(context, &state, last, claim)?;
            let climber = climbs.climbers.len();
            let (key, terms) = (laddered.key(context.account_id), Arc::clone(&claim.terms));
            climbs.climbers.push(Climber { sale_id: event.id, key, terms, worth });
            climbs.climbs.push(Climb { at, rank, climber, part });
            standing.push((climber, claim));
        }
    }
    Ok(climbs)
}

fn is_refunded_whole(sale: &Conversion) -> bool {
    sale.refund_count > 0 && sale.amount.is_some_and(|amount| amount.amount_minor == sale.refunded_minor)
}

/// The part of a sale in this state in the tally of a claim.
fn part_of(
    context: &mut Context<'_>,
    state: &Conversion,
    meeting: Option<&Meeting>,
    claim: &Claim,
) -> Result<LadderPart, Refusal> {
    let (Some(meeting), Some(laddered)) = (meeting, at_step(context, state, claim, 0)?) else {
        return Ok(LadderPart::default());
    };
    let order = OrderDetails {
        customer_sale: meeting.customer_sale,
        counted: Vec::new(),
        laddered: vec![laddered.clone()],
        ..state.order.clone()
    };
    let credits = credits_of(&meeting.claims);
    let outcome = ConversionOutcome::Attributed;
    let sale = context.put(Conversion { outcome, credits, order, ..state.clone() });
    let noted = noted::with_noted(context, &sale, (&claim.credit, &claim.terms))?;
    let priced = commission::price(context, noted.as_ref().unwrap_or(&sale), claim)?;
    let enrollment_id = laddered.enrollment_id;
    ladder::count(context, &sale, claim, laddered, priced.as_ref())?;
    let sale = context.set.conversion(context.account_id, state.id)?;
    Ok(sale.laddered(enrollment_id).map(|laddered| laddered.part.clone()).unwrap_or_default())
}

/// A sale as it was told, and as each refund and correction left it.
fn states(
    event: &Conversion,
    changes: &[Arc<Conversion>],
    meetings: &[Meeting],
) -> Result<Vec<(Told, Rank, Conversion)>, Refusal> {
    let corrections = changes.iter().filter(|change| change.kind == ConversionKind::Correction);
    let corrected: i64 = corrections.filter_map(|change| change.amount).map(|amount| amount.amount_minor).sum();
    let mut state = Conversion { refunded_minor: 0, refund_count: 0, ..event.clone() };
    if let Some(amount) = &mut state.amount {
        amount.amount_minor -= corrected;
    }
    let claims = || meetings.iter().flat_map(|meeting| &meeting.claims);
    let has_corrections = changes.iter().any(|change| change.kind == ConversionKind::Correction);
    if claims().all(|claim| claim.terms.rules.commission_rules.is_empty()) {
        // The ladder prices all lines or none.
        state.order.lines.clear();
    } else if has_corrections && !state.order.lines.is_empty() {
        let problem = format!(
            "cannot be simulated with rules over the history, because the lines of {} were corrected and what they were is not kept; leave \
             out the ladder or the rules, or send a sample_sale",
            event.id
        );
        return Err(Refusal::InvalidField { field: Field::TermsLadder, problem });
    }
    state.order.lines.iter_mut().for_each(|line| (line.refunded_minor, line.refunded_quantity) = (0, 0));
    let mut states = vec![(told(event), own_rank(event, 0), state.clone())];
    for change in changes {
        let minor = change.amount.map_or(0, |amount| amount.amount_minor);
        if change.kind == ConversionKind::Correction {
            if let Some(amount) = &mut state.amount {
                amount.amount_minor += minor;
            }
        } else {
            state.refunded_minor -= minor + change.excess_minor;
            state.refund_count = state.refund_count.saturating_add(1);
            refund_lines(&mut state.order.lines, &change.order.lines);
        }
        // A refund that waited is booked after its sale was credited.
        let (at, rank) = if told(change) < told(event) { (told(event), u32::MAX) } else { (told(change), 0) };
        states.push((at, own_rank(event, rank), state.clone()));
    }
    Ok(states)
}

const fn own_rank(event: &Conversion, rank: u32) -> Rank {
    (event.occurred_at, event.id, rank)
}

fn refund_lines(lines: &mut [SaleLine], refunded: &[SaleLine]) {
    for part in refunded {
        if let Some(line) = lines.iter_mut().find(|line| line.line_id == part.line_id) {
            line.refunded_minor -= part.amount_minor;
            line.refunded_quantity += part.quantity;
        }
    }
}

//! The rules of disputes. An open dispute freezes the rewards of its sale. One that is won gives them their former states back. One that is
//! lost takes back as a refund of the same amount does, and what is left gets its former state.
//!
//! A dispute may end several times, because a decision may be revised. Each end first gives back what the ones before it took, and then takes
//! its own part. So the last one alone decides what a dispute takes.

use std::sync::Arc;

use super::context::{Context, Rule};
use super::reversal::tell_settled;
use super::reward::{tell_moved, tell_updated};
use super::{correction, freeze, line, refund, sale_count};
use crate::domain::conversion::{Conversion, ConversionKind, OrderDetails, RefundOutcome, SaleLine};
use crate::domain::dispute::{Dispute, DisputeOutcome, DisputePart, DisputeState, Resolution};
use crate::domain::event::EventKind;
use crate::domain::id::{AccountId, ConversionId};
use crate::domain::money::{Money, Overflow};
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::request::{RecordedKind, Request, RequestKey};
use crate::domain::reward::Reward;
use crate::domain::set::Needs;
use crate::domain::time::Time;

/// The most open disputes of a sale.
const OPEN_DISPUTES_MAX: usize = 20;

/// Open a dispute of a sale.
#[derive(Debug, Clone)]
pub struct OpenDispute {
    /// The merchant's id for the dispute.
    pub event_id: String,
    /// The event_id of the sale.
    pub sale_event_id: String,
    /// The disputed amount. `None`: all that is left of the sale.
    pub amount: Option<Money>,
    /// Why it is disputed; may be empty.
    pub reason: String,
    /// When it was opened; `None` for now.
    pub occurred_at: Option<Time>,
}

impl Rule for OpenDispute {
    type Answer = RefundOutcome;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Request>(RequestKey::event(account, RecordedKind::Sale, &self.sale_event_id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<RefundOutcome, Refusal> {
        let before = correction::named_sale(context, &self.sale_event_id)?;
        let amount = self.disputed(&before)?;
        let kept = Dispute {
            state: DisputeState::Opened,
            is_whole: self.amount.is_none(),
            taken_minor: None,
            taken_lines: Vec::new(),
        };
        let order = OrderDetails { reason: self.reason.clone(), ..order_of(&before, DisputePart::Dispute(kept)) };
        let told = Told { kind: ConversionKind::Dispute, event_id: &self.event_id, occurred_at: self.occurred_at };
        let dispute = told.conversion(context, &before, Some(amount), order);
        let mut disputed = before.as_ref().clone();
        disputed.order.dispute = Some(Arc::new(DisputePart::with(before.order.dispute.as_deref(), dispute.id)));
        disputed.version = disputed.version.saturating_add(1);
        let sale = context.put(disputed);
        let frozen = freeze::freeze(context, sale.id, dispute.id)?;
        freeze::freeze_of_customer(context, &sale)?;
        if sale.is_told {
            let image = context.set.image(context.account_id, dispute.id)?;
            context.tell_conversion(EventKind::DisputeOpened, dispute.occurred_at, image);
        }
        tell_moved_of(context, EventKind::RewardFrozen, &sale, &frozen)?;
        Ok(RefundOutcome::of(&dispute, frozen.values()))
    }
}

impl OpenDispute {
    /// The disputed amount. It may be more than is left, because the provider does not know of refunds that were made elsewhere.
    fn disputed(&self, sale: &Conversion) -> Result<Money, Refusal> {
        let (Some(sold), Some(left)) = (sale.amount, sale.left()) else { return Err(Refusal::NoSaleToRefund) };
        let amount = self.amount.unwrap_or(left);
        if amount.currency != sold.currency {
            return Err(Refusal::CurrencyMismatch { sale_id: sale.id, currency: sold.currency });
        }
        if amount.amount_minor > sold.amount_minor {
            let (sale_id, sold_minor, currency) = (sale.id, sold.amount_minor, sold.currency);
            return Err(Refusal::DisputeExceedsSale { sale_id, sold_minor, currency });
        }
        if self.amount.is_some() && amount.amount_minor == 0 && sold.amount_minor > 0 {
            let problem = "must be more than zero, because the sale is not free; leave it out for all that is left";
            return Err(Refusal::InvalidField { field: Field::Amount, problem: problem.to_owned() });
        }
        match sale.order.dispute.as_deref() {
            Some(DisputePart::OpenOf(open)) if open.len() >= OPEN_DISPUTES_MAX => {
                let problem = format!("has {OPEN_DISPUTES_MAX} open disputes; resolve one of them first");
                Err(Refusal::InvalidField { field: Field::Conversion, problem })
            }
            _ => Ok(amount),
        }
    }
}

/// Tell how a dispute ended, also if it is told otherwise than before.
#[derive(Debug, Clone)]
pub struct ResolveDispute {
    /// The merchant's id for the end.
    pub event_id: String,
    /// The event_id of the dispute.
    pub dispute_event_id: String,
    /// How it ended.
    pub outcome: DisputeOutcome,
    /// The part of the disputed amount that is lost. `None`: all of it. Only for a lost one.
    pub lost_amount: Option<Money>,
    /// Why; may be empty.
    pub reason: String,
    /// When it ended; `None` for now.
    pub occurred_at: Option<Time>,
}

impl Rule for ResolveDispute {
    type Answer = RefundOutcome;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Request>(RequestKey::event(account, RecordedKind::Dispute, &self.dispute_event_id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<RefundOutcome, Refusal> {
        let (dispute, kept, before) = self.find(context)?;
        let taken_minor = self.taken(&dispute, &kept, &before)?;
        let End { sale: mut ended, kept: taken, lines } = end(&before, &dispute, &kept, taken_minor)?;
        let refund_count_change = i32::from(taken.taken_minor.is_some()) - i32::from(kept.taken_minor.is_some());
        ended.refund_count = before.refund_count.saturating_add(refund_count_change);
        let taken = Dispute { state: self.outcome.into(), ..taken };
        let changes_count = sale_count::note_left(context, &before, &mut ended);
        let sale = context.put(ended);
        let mut changed = dispute.as_ref().clone();
        changed.order.dispute = Some(Arc::new(DisputePart::Dispute(taken)));
        changed.is_told |= sale.is_told;
        changed.version = changed.version.saturating_add(1);
        context.put(changed);

        let part = Resolution { dispute_id: dispute.id, outcome: self.outcome, refund_count_change };
        let order =
            OrderDetails { reason: self.reason.clone(), lines, ..order_of(&sale, DisputePart::Resolution(part)) };
        let (kind, event_id) = (ConversionKind::DisputeResolution, self.event_id.as_str());
        let told = Told { kind, event_id, occurred_at: self.occurred_at };
        let difference = before.refunded_minor.checked_sub(sale.refunded_minor).ok_or(Overflow)?;
        let difference = sale.amount.map(|amount| Money::new(difference, amount.currency));
        let resolution = told.conversion(context, &sale, difference, order);

        let mut settled = Vec::new();
        let given = settle(context, &sale, &resolution, &mut settled)?;
        let thawed = freeze::thaw(context, &sale, dispute.id)?;
        if changes_count {
            sale_count::follow(context, &sale)?;
        }
        if sale.open_dispute().is_none() {
            freeze::thaw_of_customer(context, &sale)?;
        }
        self.tell(context, &sale, &resolution)?;
        tell_settled(context, settled, sale.id)?;
        for id in thawed.renamed.into_iter().filter(|id| *id != sale.id) {
            tell_updated(context, id)?;
        }
        tell_moved_of(context, EventKind::RewardRestored, &sale, &thawed.restored)?;
        let rewards = match given {
            Some(given) => given,
            None => context.set.image(context.account_id, resolution.id)?.rewards,
        };
        Ok(RefundOutcome::of(&resolution, &rewards))
    }
}

impl ResolveDispute {
    /// The dispute, what it keeps, and its sale.
    fn find(&self, context: &mut Context<'_>) -> Result<(Arc<Conversion>, Dispute, Arc<Conversion>), Refusal> {
        let account_id = context.account_id;
        let key = RequestKey::event(account_id, RecordedKind::Dispute, &self.dispute_event_id);
        let missing = || Refusal::not_found(Resource::Conversion, &self.dispute_event_id);
        let id = ConversionId::from_uuid(context.set.request(&key)?.ok_or_else(missing)?.effect);
        context.set.wanted().row::<Conversion>((account_id, id));
        let dispute = Arc::clone(context.set.conversion(account_id, id)?);
        let (Some(DisputePart::Dispute(kept)), Some(sale_id)) = (dispute.order.dispute.as_deref(), dispute.sale_id)
        else {
            return Err(missing());
        };
        let kept = kept.clone();
        let sale = Arc::clone(context.set.conversion(account_id, sale_id)?);
        Ok((dispute, kept, sale))
    }

    /// How much the dispute takes back of its sale in all. `None` if it is won. Refunds may have left less than is lost.
    fn taken(&self, dispute: &Conversion, kept: &Dispute, sale: &Conversion) -> Result<Option<i64>, Refusal> {
        if self.outcome == DisputeOutcome::Won {
            return Ok(None);
        }
        let (Some(disputed), Some(left)) = (dispute.amount, sale.left()) else { return Err(Refusal::NoSaleToRefund) };
        let possible_minor = left.amount_minor.checked_add(kept.taken_minor.unwrap_or(0)).ok_or(Overflow)?;
        let disputed_minor =
            if kept.is_whole { possible_minor.max(disputed.amount_minor) } else { disputed.amount_minor };
        let Some(lost) = self.lost_amount else { return Ok(Some(disputed_minor.min(possible_minor))) };
        if lost.currency != disputed.currency {
            return Err(Refusal::CurrencyMismatch { sale_id: sale.id, currency: disputed.currency });
        }
        if lost.amount_minor > disputed_minor {
            let most = Money::new(disputed_minor, disputed.currency);
            let problem =
                format!("is more than the {most} that are disputed; send at most that, or leave it out for all");
            return Err(Refusal::InvalidField { field: Field::Amount, problem });
        }
        Ok(Some(lost.amount_minor.min(possible_minor)))
    }

    fn tell(&self, context: &mut Context<'_>, sale: &Conversion, resolution: &Conversion) -> Result<(), Refusal> {
        if !sale.is_told {
            return Ok(());
        }
        let image = context.set.image(context.account_id, resolution.id)?;
        context.tell_conversion(EventKind::DisputeResolved, resolution.occurred_at, image);
        if let Some(DisputePart::Resolution(part)) = resolution.order.dispute.as_deref() {
            let image = context.set.image(context.account_id, part.dispute_id)?;
            context.tell_conversion(EventKind::ConversionUpdated, resolution.occurred_at, image);
        }
        if resolution.amount.is_some_and(|amount| amount.amount_minor < 0) {
            let image = context.set.image(context.account_id, sale.id)?;
            context.tell_conversion(EventKind::SaleRefunded, resolution.occurred_at, image);
        }
        Ok(())
    }
}

/// What the end of a dispute makes of its sale.
struct End {
    sale: Conversion,
    /// What the dispute keeps of it.
    kept: Dispute,
    /// What it takes from each line of the sale, negative, or gives back.
    lines: Vec<SaleLine>,
}

/// Gives back what earlier ends of a dispute took of its sale, and takes this much.
fn end(before: &Conversion, dispute: &Conversion, kept: &Dispute, taken_minor: Option<i64>) -> Result<End, Refusal> {
    let mut sale = Conversion { version: before.version.saturating_add(1), ..before.clone() };
    let (given_minor, minor) = (kept.taken_minor.unwrap_or(0), taken_minor.unwrap_or(0));
    line::give_back(&mut sale.order.lines, &kept.taken_lines, given_minor);
    let taken_lines = line::refund(&mut sale.order.lines, &[], minor);
    let taken_lines = taken_lines.into_iter().map(|line| SaleLine { amount_minor: -line.amount_minor, ..line });
    let refunded_minor = before.refunded_minor.checked_sub(given_minor).and_then(|left| left.checked_add(minor));
    sale.refunded_minor = refunded_minor.ok_or(Overflow)?;
    let part = before.order.dispute.as_deref();
    sale.order.dispute = part.and_then(|part| part.without(dispute.id)).map(Arc::new);
    let lines = line::refunded_between(&before.order.lines, &sale.order.lines);
    let kept = Dispute { taken_minor, taken_lines: taken_lines.collect(), ..kept.clone() };
    Ok(End { sale, kept, lines })
}

/// Makes the rewards of a sale what they are after the end of a dispute, which was just entered into it. Returns the new rewards if it gives
/// something back.
pub(super) fn settle(
    context: &mut Context<'_>,
    sale: &Conversion,
    resolution: &Conversion,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<Option<Vec<Arc<Reward>>>, Refusal> {
    let Some(difference) = resolution.amount else { return Ok(None) };
    match (difference.amount_minor, refund_count_change(resolution)) {
        (1.., _) | (0, ..=-1) => correction::adjust(context, sale, resolution, difference, settled).map(Some),
        (..=-1, _) | (0, 1..) => refund::settle(context, sale, resolution, settled).map(|_| None),
        (0, 0) => Ok(None),
    }
}

/// How many refunds more a sale counts by a refund, or by the end of a dispute.
pub(super) fn refund_count_change(change: &Conversion) -> i32 {
    match change.order.dispute.as_deref() {
        Some(DisputePart::Resolution(part)) => part.refund_count_change,
        _ => 1,
    }
}

/// Tells the rewards that changed state, and the sale in any case, because it has another dispute now.
fn tell_moved_of(
    context: &mut Context<'_>,
    kind: EventKind,
    sale: &Conversion,
    moved: &freeze::Moved,
) -> Result<(), Refusal> {
    tell_moved(context, kind, moved)?;
    let tells_sale = moved.values().any(|reward| reward.conversion_id == Some(sale.id));
    if sale.is_told && !tells_sale { tell_updated(context, sale.id) } else { Ok(()) }
}

/// The details that a dispute or its end has from its sale.
fn order_of(sale: &Conversion, part: DisputePart) -> OrderDetails {
    OrderDetails { commission_adjustment: None, dispute: Some(Arc::new(part)), ..sale.order.of_change() }
}

/// A dispute or its end as it was told.
struct Told<'told> {
    kind: ConversionKind,
    event_id: &'told str,
    occurred_at: Option<Time>,
}

impl Told<'_> {
    fn conversion(
        self,
        context: &mut Context<'_>,
        sale: &Conversion,
        amount: Option<Money>,
        order: OrderDetails,
    ) -> Arc<Conversion> {
        let id = ConversionId::new(context.ids);
        context.put(Conversion {
            id,
            kind: self.kind,
            event_id: self.event_id.to_owned(),
            amount,
            refunded_minor: 0,
            refund_count: 0,
            excess_minor: 0,
            sale_id: Some(sale.id),
            sale_event_id: sale.event_id.clone(),
            tid: None,
            order,
            candidates: Vec::new(),
            occurred_at: self.occurred_at.unwrap_or(context.now),
            created_at: context.now,
            version: 1,
            as_recorded: None,
            ..sale.clone()
        })
    }
}

//! Payout runs on the wire.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::call::Call;
use super::call::canonical::{self, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::page::{self, Shape};
use super::call::parse::Fields;
use super::call::render::{id_or_empty, money, timestamp};
use super::call::wire_enum::WireEnum;
use crate::domain::affiliate::AffiliateState;
use crate::domain::id::{AffiliateId, RewardId};
use crate::domain::money::{Currency, Money, Overflow};
use crate::domain::payout::{Payable, PayoutPolicy, PayoutProvider};
use crate::domain::payout_method::{PayoutDestination, PayoutMethod, provider_for};
use crate::domain::payout_run::{Payee, PayoutRun, PayoutRunVerdict, RUN_AFFILIATES_MAX, RunLimits};
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::reward::RewardState;
use crate::domain::rule::{CancelPayoutRun, CreatePayoutRun};
use crate::domain::tax_profile::TaxProfileState;
use crate::error::{Error, FieldPaths};
use crate::pb;
use crate::store;
use crate::store::list::ListOrder;
use crate::store::payout_run::StateCount;

/// The path of the affiliates in both requests.
const PATHS: FieldPaths = &[(Field::Affiliate, "affiliate_ids")];

/// How many affiliates of a preview are read at once.
const AFFILIATES_AT_ONCE: usize = 50;

/// Whom a run pays. `None`: all affiliates.
pub(super) type Selection = Option<Vec<AffiliateId>>;

/// Reads whom a run pays: all affiliates only if the caller says so.
pub(super) fn selection(fields: &mut Fields, all_affiliates: bool, affiliate_ids: &[String]) -> Selection {
    match (all_affiliates, affiliate_ids) {
        (true, []) => None,
        (true, _) => {
            fields.wrong("affiliate_ids", "must be empty with all_affiliates");
            None
        }
        (false, []) => {
            fields.wrong(
                "affiliate_ids",
                format!("has no id; send 1 to {RUN_AFFILIATES_MAX}, or set all_affiliates to pay all"),
            );
            Some(Vec::new())
        }
        (false, ids) => Some(fields.ids("affiliate_ids", ids)),
    }
}

/// Reads the currency and the limits of a run.
pub(super) fn amounts(
    fields: &mut Fields,
    code: &str,
    minimum: Option<&pb::Money>,
    maximum_total: Option<&pb::Money>,
) -> (Option<Currency>, RunLimits) {
    let currency = fields.currency("currency_code", code);
    let minimum = fields.optional_money("minimum", minimum);
    let maximum_total = fields.optional_money("maximum_total", maximum_total);
    for (field, limit) in [("minimum.currency_code", minimum), ("maximum_total.currency_code", maximum_total)] {
        if let (Some(limit), Some(currency)) = (limit, currency)
            && limit.currency != currency
        {
            fields.wrong(field, "must be the same as currency_code");
        }
    }
    let limits = RunLimits { minimum, maximum_total };
    if !limits.have_room() {
        fields
            .wrong("maximum_total.amount_minor", "must be above zero and not less than minimum, so that a payout fits");
    }
    (currency, limits)
}

impl Change for pb::CreatePayoutRunRequest {
    type Rule = CreatePayoutRun;
    type Kept = ();

    const PATHS: FieldPaths = PATHS;

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::CreatePayoutRunRequest,
            self,
            note: canonical::trimmed(&self.note),
            message: canonical::trimmed(&self.message);
            as_sent: request_id, currency_code, all_affiliates, affiliate_ids, minimum, maximum_total, provider,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(CreatePayoutRun, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let affiliate_ids = selection(&mut fields, self.all_affiliates, &self.affiliate_ids);
        let limits = (self.minimum.as_ref(), self.maximum_total.as_ref());
        let (currency, limits) = amounts(&mut fields, &self.currency_code, limits.0, limits.1);
        let provider = fields.optional_value("provider", self.provider);
        let note = fields.paragraph("note", &self.note);
        let message = fields.paragraph("message", &self.message);
        let currency = fields.complete(currency)?;
        let RunLimits { minimum, maximum_total } = limits;
        Ok((CreatePayoutRun { affiliate_ids, currency, minimum, maximum_total, provider, note, message }, ()))
    }

    fn render(run: Arc<PayoutRun>, replayed: bool, (): (), _asking: &Asking) -> pb::CreatePayoutRunResponse {
        pb::CreatePayoutRunResponse { payout_run: Some(render(&run)), replayed }
    }
}

/// Creates a run, and wakes the worker that creates its payouts.
pub(super) async fn create(
    call: Call,
    message: pb::CreatePayoutRunRequest,
) -> Result<pb::CreatePayoutRunResponse, Error> {
    let asking = call.asking();
    let (rule, ()) = message.read(&asking)?;
    let (run, replayed) = call.carry_out(&message, rule).await?;
    call.rpc.app.wake_payout_runs();
    Ok(pb::CreatePayoutRunRequest::render(run, replayed, (), &asking))
}

impl Change for pb::CancelPayoutRunRequest {
    type Rule = CancelPayoutRun;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(pb::CancelPayoutRunRequest, self; as_sent: request_id, payout_run_id)
    }

    fn read(&self, _asking: &Asking) -> Result<(CancelPayoutRun, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let id = fields.id("payout_run_id", &self.payout_run_id);
        let id = fields.complete(id)?;
        Ok((CancelPayoutRun { id }, ()))
    }

    fn render(run: Arc<PayoutRun>, replayed: bool, (): (), _asking: &Asking) -> pb::CancelPayoutRunResponse {
        pb::CancelPayoutRunResponse { payout_run: Some(render(&run)), replayed }
    }
}

/// Cancels a run, and wakes the worker that cancels its payouts.
pub(super) async fn cancel(
    call: Call,
    message: pb::CancelPayoutRunRequest,
) -> Result<pb::CancelPayoutRunResponse, Error> {
    let asking = call.asking();
    let (rule, ()) = message.read(&asking)?;
    let (run, replayed) = call.carry_out(&message, rule).await?;
    call.rpc.app.wake_payout_runs();
    Ok(pb::CancelPayoutRunRequest::render(run, replayed, (), &asking))
}

pub(super) async fn get(call: Call, message: pb::GetPayoutRunRequest) -> Result<pb::GetPayoutRunResponse, Error> {
    let mut fields = Fields::default();
    let id = fields.id("payout_run_id", &message.payout_run_id);
    let id = fields.complete(id)?;
    let found = store::payout_run::find(call.store(), call.account_id(), id).await?;
    let found = found.ok_or_else(|| Refusal::not_found(Resource::PayoutRun, id))?;
    let mut counts = store::payout_run::state_counts(call.store(), call.account_id(), id).await?;
    counts.sort_by_key(|count| count.state.number());
    let render_count = |count: &StateCount| pb::PayoutStateCount {
        state: count.state.number(),
        payout_count: count.payout_count,
        total: Some(money(Money::new(count.total_minor, found.currency))),
    };
    let state_counts = counts.iter().map(render_count).collect();
    Ok(pb::GetPayoutRunResponse { payout_run: Some(render(&found)), state_counts })
}

pub(super) async fn preview(
    call: Call,
    message: pb::PreviewPayoutRunRequest,
) -> Result<pb::PreviewPayoutRunResponse, Error> {
    let mut fields = Fields::default();
    let size = page::size(&mut fields, message.page_size);
    let selected = selection(&mut fields, message.all_affiliates, &message.affiliate_ids);
    let limits = (message.minimum.as_ref(), message.maximum_total.as_ref());
    let (currency, limits) = amounts(&mut fields, &message.currency_code, limits.0, limits.1);
    let provider = fields.optional_value("provider", message.provider);
    let currency = fields.complete(currency)?;
    let connected = connected(&call, provider).await?;
    let filter = pb::PreviewPayoutRunRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page(&filter, Shape::new(size, ListOrder::OldestFirst), &message.page_token).await?;
    let walk = page.walk();
    let after = walk.after.map(AffiliateId::from_uuid);
    let affiliates = match &selected {
        Some(selected) => named(&call, selected, after, walk.limit).await?,
        None => {
            let (store, account_id) = (call.store(), call.account_id());
            store::payout_run::payees(store, account_id, currency, after, true, walk.limit).await?
        }
    };
    let rows = store::affiliate::by_ids(call.store(), call.account_id(), &affiliates).await?;
    let states: HashMap<AffiliateId, AffiliateState> = rows.into_iter().map(|row| (row.id, row.state)).collect();
    let account = store::account::find(call.store(), call.account_id()).await?;
    let policy = account.and_then(|account| account.payout_policy).unwrap_or_default();
    let _long = call.store().long_read(call.account_id()).await;
    let methods = store::payout_method::of_affiliates(call.store(), call.account_id(), &affiliates).await?;
    let methods: HashMap<AffiliateId, PayoutMethod> =
        methods.into_iter().map(|method| (method.affiliate_id, method)).collect();
    let profiles = if policy.requires_tax_profile {
        Some(store::tax_profile::of_affiliates(call.store(), call.account_id(), &affiliates).await?)
    } else {
        None
    };
    let preview = Preview { limits, provider, connected, policy };
    let mut items = Vec::with_capacity(affiliates.len());
    let mut total_minor = page.sum_minor();
    for some in affiliates.chunks(AFFILIATES_AT_ONCE) {
        let dues = due_to_each(&call, some, currency, &preview.policy).await?;
        for (affiliate_id, due) in some.iter().zip(dues) {
            let state = states.get(affiliate_id).copied();
            let state =
                state.ok_or_else(|| Error::Internal(format!("affiliate {affiliate_id} has a balance and no row")))?;
            let destination = methods.get(affiliate_id).and_then(|method| method.destination_at(call.now()));
            let lacks_tax_profile = profiles.as_ref().is_some_and(|profiles| {
                let state = profiles.get(affiliate_id).map(|profile| profile.state_at(call.now()));
                !state.unwrap_or(TaxProfileState::Missing).may_be_paid()
            });
            let payee = Payee { state, is_named: selected.is_some(), fault: None, lacks_tax_profile };
            let item = preview.item((*affiliate_id, payee), &due, currency, destination, &mut total_minor);
            items.push((*affiliate_id, total_minor, item));
        }
    }
    call.works_on(items.len()).await;
    let place = |(id, total_minor, _): &(AffiliateId, i64, _)| (id.uuid(), *total_minor);
    let (items, next_page_token) = page.fill_with_sums(items, place, |(_, _, item)| item);
    Ok(pb::PreviewPayoutRunResponse { items, next_page_token })
}

/// What all items of a preview depend on.
struct Preview {
    limits: RunLimits,
    provider: Option<PayoutProvider>,
    connected: Vec<PayoutProvider>,
    policy: PayoutPolicy,
}

impl Preview {
    /// The item of an affiliate. Adds what it pays to the total.
    fn item(
        &self,
        (affiliate_id, payee): (AffiliateId, Payee),
        due: &Payable,
        currency: Currency,
        destination: Option<&PayoutDestination>,
        total_minor: &mut i64,
    ) -> pb::PayoutRunItem {
        let amount = Money::new(due.sum_minor, currency);
        let route = provider_for(self.provider, destination, |own| self.connected.contains(&own));
        let payee = Payee { fault: route.err(), ..payee };
        let verdict = PayoutRunVerdict::of(due, self.limits, *total_minor, payee);
        if verdict == PayoutRunVerdict::Pays {
            *total_minor = total_minor.saturating_add(due.sum_minor);
        }
        pb::PayoutRunItem {
            affiliate_id: affiliate_id.to_string(),
            verdict: verdict.number(),
            amount: Some(money(amount)),
            reward_count: i64::try_from(due.rewards.len()).unwrap_or(i64::MAX),
            needs_approval: verdict == PayoutRunVerdict::Pays && self.policy.needs_approval(amount),
            provider: route.map_or(0, WireEnum::number),
            destination_kind: destination.map_or(0, |destination| destination.kind.number()),
            destination_hint: destination.map(|destination| destination.hint.clone()).unwrap_or_default(),
        }
    }
}

/// The named affiliates after this one, in the order of their ids. Refuses if one of them does not exist.
async fn named(
    call: &Call,
    selected: &[AffiliateId],
    after: Option<AffiliateId>,
    limit: u64,
) -> Result<Vec<AffiliateId>, Error> {
    let found = store::affiliate::by_ids(call.store(), call.account_id(), selected).await?;
    let found: HashSet<AffiliateId> = found.into_iter().map(|affiliate| affiliate.id).collect();
    if let Some(unknown) = selected.iter().find(|id| !found.contains(id)) {
        return Err(Error::from(Refusal::not_found(Resource::Affiliate, unknown)).with_paths(PATHS));
    }
    let mut ids: Vec<_> = selected.iter().copied().filter(|id| after.is_none_or(|after| *id > after)).collect();
    ids.sort_unstable();
    ids.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(ids)
}

/// The rewards that payouts to these affiliates would take now, in the order of the affiliates.
async fn due_to_each(
    call: &Call,
    affiliates: &[AffiliateId],
    currency: Currency,
    policy: &PayoutPolicy,
) -> Result<Vec<Payable>, Error> {
    let (store, account_id) = (call.store(), call.account_id());
    let mut approved = match store::payee::payable_of_each(store, account_id, affiliates, currency).await? {
        Some(approved) => approved,
        None => {
            let mut approved = HashMap::new();
            for id in affiliates {
                approved.insert(*id, store::reward::payable(store, account_id, *id, currency).await?);
            }
            approved
        }
    };
    let originals: Vec<RewardId> = approved.values().flatten().filter_map(|reward| reward.reverses).collect();
    let originals = store::reward::by_ids(store, account_id, originals).await?;
    let waiting: HashSet<_> =
        originals.values().filter(|reward| reward.state == RewardState::Approved).map(|reward| reward.id).collect();
    let owed = store::payee::owed_to_each(store, account_id, affiliates, currency).await?;
    let due_until = policy.due_until(call.now());
    let mut dues = Vec::with_capacity(affiliates.len());
    for id in affiliates {
        let (of_affiliate, owed_minor) = (approved.remove(id).unwrap_or_default(), owed.get(id).copied());
        let due = Payable::choose(&of_affiliate, due_until, owed_minor.unwrap_or_default(), |id| waiting.contains(&id));
        dues.push(due.map_err(|Overflow| Error::from(Refusal::Overflow(Overflow)))?);
    }
    Ok(dues)
}

/// The providers that the account is connected to. Refuses if the wanted one is not among them.
async fn connected(call: &Call, wanted: Option<PayoutProvider>) -> Result<Vec<PayoutProvider>, Error> {
    let connections = store::payout_connection::list(call.store(), call.account_id()).await?;
    let connected: Vec<_> = connections.into_iter().map(|connection| connection.provider).collect();
    match wanted {
        Some(wanted) if wanted != PayoutProvider::Manual && !connected.contains(&wanted) => {
            Err(Refusal::not_found(Resource::PayoutConnection, wanted).into())
        }
        _ => Ok(connected),
    }
}

/// A run as stored in the feed, without the texts that a person wrote.
pub(super) fn image(run: &PayoutRun) -> pb::PayoutRun {
    pb::PayoutRun { note: String::new(), message: String::new(), ..render(run) }
}

fn render(run: &PayoutRun) -> pb::PayoutRun {
    let affiliate_count = run.affiliate_ids.as_ref().map_or(0, Vec::len);
    pb::PayoutRun {
        id: run.id.to_string(),
        state: run.state.number(),
        currency_code: run.currency.code().to_owned(),
        all_affiliates: run.affiliate_ids.is_none(),
        affiliate_count: i64::try_from(affiliate_count).unwrap_or(i64::MAX),
        minimum: run.minimum.map(money),
        maximum_total: run.maximum_total.map(money),
        provider: run.provider.map_or(0, WireEnum::number),
        note: run.note.clone(),
        message: run.message.clone(),
        payout_count: run.payout_count,
        total: Some(money(run.total)),
        creator_key_id: id_or_empty(run.created_by),
        canceller_key_id: id_or_empty(run.cancelled_by),
        cancel_time: run.cancelled_at.map(timestamp),
        payout_schedule_id: id_or_empty(run.plan.map(|plan| plan.schedule_id)),
        planned_time: run.plan.map(|plan| timestamp(plan.planned_at)),
        cutoff_time: run.plan.and_then(|plan| plan.due_until).map(timestamp),
        needs_approval: run.plan.is_some_and(|plan| plan.needs_approval),
        create_time: Some(timestamp(run.created_at)),
        update_time: Some(timestamp(run.updated_at)),
    }
}

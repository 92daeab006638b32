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
use crate::domain::ledger::BalanceKey;
use crate::domain::money::{Currency, Money, Overflow};
use crate::domain::payout::{Payable, PayoutPolicy};
use crate::domain::payout_run::{PayoutRun, PayoutRunVerdict, RUN_AFFILIATES_MAX};
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::reward::{RewardState, RewardUnit};
use crate::domain::rule::CreatePayoutRun;
use crate::error::{Error, FieldPaths};
use crate::pb;
use crate::store;
use crate::store::list::ListOrder;

/// The path of the affiliates in both requests.
const PATHS: FieldPaths = &[(Field::Affiliate, "affiliate_ids")];

/// Whom a run pays. `None`: all affiliates.
type Selection = Option<Vec<AffiliateId>>;

/// Reads whom a run pays: all affiliates only if the caller says so.
fn selection(fields: &mut Fields, all_affiliates: bool, affiliate_ids: &[String]) -> Selection {
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

/// Reads the currency and the minimum of a run.
fn amounts(fields: &mut Fields, code: &str, minimum: Option<&pb::Money>) -> (Option<Currency>, Option<Money>) {
    let currency = fields.currency("currency_code", code);
    let minimum = fields.optional_money("minimum", minimum);
    if let (Some(minimum), Some(currency)) = (minimum, currency)
        && minimum.currency != currency
    {
        fields.wrong("minimum.currency_code", "must be the run's currency_code");
    }
    (currency, minimum)
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
            as_sent: request_id, currency_code, all_affiliates, affiliate_ids, minimum,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(CreatePayoutRun, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let affiliate_ids = selection(&mut fields, self.all_affiliates, &self.affiliate_ids);
        let (currency, minimum) = amounts(&mut fields, &self.currency_code, self.minimum.as_ref());
        let note = fields.paragraph("note", &self.note);
        let message = fields.paragraph("message", &self.message);
        let currency = fields.complete(currency)?;
        Ok((CreatePayoutRun { affiliate_ids, currency, minimum, note, message }, ()))
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

pub(super) async fn get(call: Call, message: pb::GetPayoutRunRequest) -> Result<pb::GetPayoutRunResponse, Error> {
    let mut fields = Fields::default();
    let id = fields.id("payout_run_id", &message.payout_run_id);
    let id = fields.complete(id)?;
    let found = store::payout_run::find(call.store(), call.account_id(), id).await?;
    let found = found.ok_or_else(|| Refusal::not_found(Resource::PayoutRun, id))?;
    Ok(pb::GetPayoutRunResponse { payout_run: Some(render(&found)) })
}

pub(super) async fn preview(
    call: Call,
    message: pb::PreviewPayoutRunRequest,
) -> Result<pb::PreviewPayoutRunResponse, Error> {
    let mut fields = Fields::default();
    let size = page::size(&mut fields, message.page_size);
    let selected = selection(&mut fields, message.all_affiliates, &message.affiliate_ids);
    let (currency, minimum) = amounts(&mut fields, &message.currency_code, message.minimum.as_ref());
    let currency = fields.complete(currency)?;
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
    let mut items = Vec::with_capacity(affiliates.len());
    for affiliate_id in affiliates {
        let due = due(&call, affiliate_id, currency, &policy).await?;
        let state = states.get(&affiliate_id).copied();
        let state =
            state.ok_or_else(|| Error::Internal(format!("affiliate {affiliate_id} has a balance and no row")))?;
        let verdict = PayoutRunVerdict::of(&due, minimum, state, selected.is_some());
        items.push((affiliate_id, item(affiliate_id, &due, verdict, currency, &policy)));
    }
    call.works_on(items.len()).await;
    let (items, next_page_token) = page.fill(items, |(id, _)| id.uuid(), |(_, item)| item);
    Ok(pb::PreviewPayoutRunResponse { items, next_page_token })
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

/// The rewards that a payout to an affiliate would take now.
async fn due(
    call: &Call,
    affiliate_id: AffiliateId,
    currency: Currency,
    policy: &PayoutPolicy,
) -> Result<Payable, Error> {
    let (store, account_id) = (call.store(), call.account_id());
    let approved = store::reward::payable(store, account_id, affiliate_id, currency).await?;
    let originals: Vec<RewardId> = approved.iter().filter_map(|reward| reward.reverses).collect();
    let originals = store::reward::by_ids(store, account_id, originals).await?;
    let waiting: HashSet<_> =
        originals.values().filter(|reward| reward.state == RewardState::Approved).map(|reward| reward.id).collect();
    let balances = store::ledger::balances(store, account_id, affiliate_id).await?;
    let is_owed = |key: &BalanceKey| key.unit == RewardUnit::Cash && key.currency == currency;
    let owed_minor = balances.iter().find(|(key, _)| is_owed(key)).map_or(0, |(_, balance)| balance.owed_minor);
    let due = Payable::choose(&approved, policy.due_until(call.now()), owed_minor, |id| waiting.contains(&id));
    due.map_err(|Overflow| Refusal::Overflow(Overflow).into())
}

fn item(
    affiliate_id: AffiliateId,
    due: &Payable,
    verdict: PayoutRunVerdict,
    currency: Currency,
    policy: &PayoutPolicy,
) -> pb::PayoutRunItem {
    let amount = Money::new(due.sum_minor, currency);
    pb::PayoutRunItem {
        affiliate_id: affiliate_id.to_string(),
        verdict: verdict.number(),
        amount: Some(money(amount)),
        reward_count: i64::try_from(due.rewards.len()).unwrap_or(i64::MAX),
        needs_approval: verdict == PayoutRunVerdict::Pays && policy.needs_approval(amount),
    }
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
        note: run.note.clone(),
        message: run.message.clone(),
        payout_count: run.payout_count,
        total: Some(money(run.total)),
        creator_key_id: id_or_empty(run.created_by),
        create_time: Some(timestamp(run.created_at)),
        update_time: Some(timestamp(run.updated_at)),
    }
}

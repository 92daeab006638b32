//! GetAmountOwed on the wire.

use crate::domain::money::{Currency, Money};
use crate::domain::refusal::{Refusal, Resource};
use crate::error::Error;
use crate::pb;
use crate::rpc::call::parse::Fields;
use crate::rpc::call::render::money;
use crate::rpc::call::{Call, selector};
use crate::store;
use crate::store::payout::owed::{AmountOwed, OwedQuery};

pub(in crate::rpc) async fn get(
    call: Call,
    message: pb::GetAmountOwedRequest,
) -> Result<pb::GetAmountOwedResponse, Error> {
    let mut fields = Fields::default();
    let affiliate = selector::optional_affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let currencies = fields.currencies("currencies", &message.currencies);
    let program_id = fields.optional_id("program_id", &message.program_id);
    fields.finish()?;
    let affiliate_id = call.affiliate_id(affiliate.as_ref()).await?;
    if let Some(id) = program_id {
        let found = store::program::find(call.store(), call.account_id(), id).await?;
        found.ok_or_else(|| Refusal::not_found(Resource::Program, id))?;
    }
    let account = store::account::find(call.store(), call.account_id()).await?;
    let policy = account.and_then(|account| account.payout_policy).unwrap_or_default();
    let query = OwedQuery {
        affiliate_id,
        program_id,
        currencies,
        due_until: policy.due_until(call.now()),
        overdue_until: policy.overdue_until(call.now()),
    };
    let _long = call.store().long_read(call.account_id()).await;
    let amounts = store::payout::owed::sum(call.store(), call.account_id(), &query).await?;
    Ok(pb::GetAmountOwedResponse { amounts: amounts.into_iter().map(render).collect() })
}

fn render((currency, owed): (Currency, AmountOwed)) -> pb::AmountOwed {
    let amount = |minor: i128| {
        let minor = i64::try_from(minor).unwrap_or(if minor < 0 { i64::MIN } else { i64::MAX });
        Some(money(Money::new(minor, currency)))
    };
    pb::AmountOwed {
        approved_overdue: amount(owed.approved_overdue),
        approved_not_due: amount(owed.approved - owed.approved_overdue),
        unapproved_overdue: amount(owed.unapproved_overdue),
        unapproved_not_due: amount(owed.unapproved - owed.unapproved_overdue),
        in_flight: amount(owed.in_flight),
        affiliate_count: owed.affiliate_count,
        negative: amount(owed.negative),
    }
}

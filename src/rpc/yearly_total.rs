//! Yearly totals on the wire.

use super::call::parse::Fields;
use super::call::render::money;
use super::call::wire_enum::WireEnum;
use super::call::{Call, page};
use crate::domain::calendar::Quarter;
use crate::domain::id::AffiliateId;
use crate::domain::money::{Currency, Money};
use crate::domain::tax_profile::TaxProfileState;
use crate::domain::yearly_total::YearlyTotal;
use crate::error::Error;
use crate::pb;
use crate::store;

/// The years that times can be in.
const YEARS: std::ops::RangeInclusive<i32> = 1970..=9999;

pub(super) async fn list(
    call: Call,
    message: pb::ListYearlyTotalsRequest,
) -> Result<pb::ListYearlyTotalsResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let year = if message.year == 0 { None } else { Some(fields.number("year", message.year, YEARS)) };
    fields.finish()?;
    let year = match year {
        Some(year) => year,
        None => present_year(&call).await?,
    };
    let filter = pb::ListYearlyTotalsRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page(&filter, shape, &message.page_token).await?;
    let rows = store::yearly_total::list(call.store(), call.account_id(), year, page.walk()).await?;
    let ids: Vec<AffiliateId> = rows.iter().map(|(id, _)| *id).collect();
    let profiles = store::tax_profile::of_affiliates(call.store(), call.account_id(), &ids).await?;
    call.works_on(rows.len()).await;
    let render = |(affiliate_id, totals): (AffiliateId, Vec<(Currency, YearlyTotal)>)| {
        let profile = profiles.get(&affiliate_id);
        let details = profile.and_then(|profile| profile.details.as_ref());
        let state = profile.map_or(TaxProfileState::Missing, |profile| profile.state_at(call.now()));
        pb::AffiliateYear {
            affiliate_id: affiliate_id.to_string(),
            totals: totals.into_iter().map(|(currency, total)| render_total(currency, total)).collect(),
            tax_profile_state: state.number(),
            tax_form: details.map_or(0, |details| details.form.number()),
            payee_kind: details.map_or(0, |details| details.payee_kind.number()),
            residence_country_code: details.map(|details| details.residence_country.clone()).unwrap_or_default(),
        }
    };
    let (affiliates, next_page_token) = page.fill(rows, |(id, _)| id.uuid(), render);
    Ok(pb::ListYearlyTotalsResponse { affiliates, next_page_token })
}

/// The year that it is now in the account's time zone.
async fn present_year(call: &Call) -> Result<i32, Error> {
    let account = store::account::find(call.store(), call.account_id()).await?;
    let mut calendar = account.map(|account| account.calendar()).unwrap_or_default();
    let today = calendar.day(Quarter::of(call.now())).date();
    Ok(today.map_or(*YEARS.start(), |date| i32::from(date.year())))
}

fn render_total(currency: Currency, total: YearlyTotal) -> pb::YearlyTotal {
    let clamped = |sum_minor: i128| money(Money::new(i64::try_from(sum_minor).unwrap_or(i64::MAX), currency));
    pb::YearlyTotal {
        paid: Some(clamped(total.paid_minor)),
        returned: Some(clamped(total.returned_minor)),
        fees: Some(clamped(total.fee_minor)),
        payout_count: total.payout_count,
    }
}

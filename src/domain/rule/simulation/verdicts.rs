//! The verdicts of a simulation on the events of a customer. Knows no rewards.

use std::sync::Arc;

use super::group::Group;
use crate::domain::conversion::{Conversion, ConversionKind, Credit};
use crate::domain::lead::Lead;
use crate::domain::refusal::Refusal;
use crate::domain::rule::context::Context;
use crate::domain::rule::sale_count::{self, Verdicts};
use crate::domain::rule::shared_credit::{Winner, Winners};
use crate::domain::rule::timeline;
use crate::domain::rule::verdict::Verdict;

/// The verdicts on all events of a customer, in their order.
pub(super) fn verdicts_on(context: &mut Context<'_>, group: &Group) -> Result<Verdicts, Refusal> {
    let mut verdicts = Verdicts::new();
    for (lead, events, is_whole) in &group.parts {
        if *is_whole {
            let first_purchase = timeline::first_purchase_in(context, lead, events)?;
            verdicts.extend(timeline::judge_in_order(context.set, lead, events, first_purchase)?.0);
        } else {
            let kept = events.iter().map(|event| Ok((Arc::clone(event), kept_verdict(context, lead, event)?)));
            verdicts.extend(kept.collect::<Result<Vec<_>, Refusal>>()?);
        }
    }
    if let Some(event) = &group.alone {
        verdicts.push((Arc::clone(event), timeline::judge_unnamed(context.set, event)?.0));
    }
    verdicts.sort_by_key(|(event, _)| (event.occurred_at, event.created_at, event.id));
    if let Some(lead) = &group.lead {
        sale_count::number_all(context, lead, &mut verdicts)?;
    }
    Ok(verdicts)
}

/// The verdict on an event of a history that is too long to be judged again: its credits stay, under the terms that apply to them.
fn kept_verdict(context: &Context<'_>, lead: &Lead, event: &Conversion) -> Result<Verdict, Refusal> {
    let winner = |credit: &Credit| {
        let enrollment = Arc::clone(context.set.enrollment(event.account_id, credit.enrollment_id)?);
        let (source, way, share_ppm) = (credit.source, credit.way(), credit.share_ppm);
        Ok(Winner { source, enrollment, referred_at: event.occurred_at, way, share_ppm })
    };
    let winners = event.credits.iter().map(winner).collect::<Result<Winners, Refusal>>()?;
    let claims = timeline::claims_of(context.set, &winners, lead.binding.as_ref(), event.occurred_at)?;
    let bound_at = lead.binding.as_ref().map(|binding| binding.bound_at);
    let may_earn = event.kind != ConversionKind::Lead || bound_at.is_none_or(|bound_at| event.occurred_at <= bound_at);
    Ok(Verdict { claims, candidates: event.candidates.clone(), may_earn, customer_sale: None })
}

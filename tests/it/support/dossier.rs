//! The rows from which a conversion is explained, from a set that holds everything. The store has its own way to find them.

use std::collections::HashMap;
use std::sync::Arc;

use headwater::domain::conversion::{Conversion, ConversionImage};
use headwater::domain::explanation::Dossier;
use headwater::domain::set::WorkingSet;
use headwater::domain::terms_period::Occasion;

pub(crate) fn dossier(set: &WorkingSet, event: &Arc<Conversion>) -> Dossier {
    let mut rewards: Vec<_> = set.rewards.iter().filter(|row| row.conversion_id == Some(event.id)).cloned().collect();
    rewards.sort_by_key(|row| row.id);
    let is_own = |id| rewards.iter().any(|row| Some(row.id) == id);
    let reversals = set.rewards.iter().filter(|row| row.reverses.is_some() && is_own(row.reverses));
    let sale = event.sale_id.map(|id| set.conversions.iter().find(|row| row.id == id).unwrap());
    let lead = set.leads.iter().find(|row| Some(row.id) == event.lead_id);
    let is_unmatched = set.unmatched_sales.iter().any(|row| row.conversion_id == event.id);
    let has_lead = lead.is_some_and(|lead| lead.deleted_at.is_none());
    let mut terms: Vec<_> = set.terms.iter().map(|row| row.as_ref().clone()).collect();
    terms.sort_by_key(|row| row.version);
    let terms_then = set.enrollments.iter().map(|row| {
        let occasion = Occasion::of(row, event.occurred_at);
        let applying = terms.iter().filter(|terms| terms.program_id == row.program_id && terms.applies_to(&occasion));
        (row.id, applying.max_by_key(|terms| terms.rank()).unwrap().clone())
    });
    let terms_then: HashMap<_, _> = terms_then.collect();
    let mut coupons: Vec<_> = set.coupons.iter().map(|row| row.as_ref().clone()).collect();
    coupons.retain(|coupon| coupon.code == event.order.coupon_code);
    coupons.sort_by_key(|coupon| (coupon.created_at, coupon.id));
    Dossier {
        reversals: reversals.map(|row| row.as_ref().clone()).collect(),
        image: ConversionImage { conversion: Arc::clone(event), rewards },
        sale: sale.map(|sale| Box::new(dossier(set, sale))),
        causes: set.conversions.iter().map(|row| (row.id, row.as_ref().clone())).collect(),
        enrollments: set.enrollments.iter().map(|row| (row.id, row.as_ref().clone())).collect(),
        affiliates: set.affiliates.iter().map(|row| (row.id, row.as_ref().clone())).collect(),
        upline_enrollments: set.enrollments.iter().map(|row| row.as_ref().clone()).collect(),
        programs: set.programs.iter().map(|row| (row.id, row.as_ref().clone())).collect(),
        terms,
        terms_then,
        leads: set.leads.iter().map(|row| (row.id, row.as_ref().clone())).collect(),
        clicks: set.clicks.iter().map(|row| (row.id, row.as_ref().clone())).collect(),
        links: set.links.iter().map(|row| (row.id, row.as_ref().clone())).collect(),
        coupons,
        items: set.items.iter().map(|row| (row.id, row.as_ref().clone())).collect(),
        sales_tallies: set.sales_tallies.iter().map(|row| row.as_ref().clone()).collect(),
        offers: set.offers.iter().map(|row| (row.id, row.as_ref().clone())).collect(),
        has_lead,
        is_customer_named: !has_lead && is_unmatched && event.lead_id.is_none(),
    }
}

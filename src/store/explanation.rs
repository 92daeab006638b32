//! The rows from which a conversion is explained. Reads them from one snapshot, so that they fit each other. Writes nothing.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use uuid::Uuid;

use super::entity::{click, coupon, enrollment, terms, unmatched_sale};
use super::program::terms_for;
use super::set::keyed::rows_by;
use super::set::stored::{Stored, key_columns};
use super::{Snapshot, Source, StoreError, conversion, list, reward, sales_tally};
use crate::domain::affiliate::Affiliate;
use crate::domain::attribution::Evidence;
use crate::domain::click::Click;
use crate::domain::conversion::{Conversion, ConversionImage, ConversionSelector};
use crate::domain::coupon::Coupon;
use crate::domain::enrollment::Enrollment;
use crate::domain::explanation::Dossier;
use crate::domain::id::{AccountId, AffiliateId, ClickId, EnrollmentId, ProgramId, TypedId};
use crate::domain::item::Item;
use crate::domain::lead::Lead;
use crate::domain::link::Link;
use crate::domain::offer::Offer;
use crate::domain::program::{Program, Terms};
use crate::domain::terms_period::Occasion;
use crate::domain::time::Time;

/// How many versions of the terms after the one that applies are read.
const LATER_TERMS_MAX: u64 = 10;

/// How many coupons with one code are read, the newest ones. More are told of nobody.
const COUPONS_MAX: u64 = 100;

/// The rows about a conversion. `None` if there is none.
///
/// # Errors
/// [`StoreError`].
pub async fn dossier(
    snapshot: &Snapshot,
    account_id: AccountId,
    selector: &ConversionSelector,
) -> Result<Option<Dossier>, StoreError> {
    let Some(image) = conversion::find(snapshot, account_id, selector).await? else { return Ok(None) };
    let sale = match image.conversion.sale_id {
        Some(id) => conversion::find(snapshot, account_id, &ConversionSelector::Id(id)).await?,
        None => None,
    };
    let mut dossier = dossier_of(snapshot, image).await?;
    if let Some(sale) = sale {
        dossier.sale = Some(Box::new(dossier_of(snapshot, sale).await?));
    }
    Ok(Some(dossier))
}

async fn dossier_of(snapshot: &Snapshot, image: ConversionImage) -> Result<Dossier, StoreError> {
    let event = image.conversion.as_ref();
    let account_id = event.account_id;
    let read = Reader { snapshot, account_id };
    let candidates = &event.candidates;
    let of_candidates = candidates.iter().filter_map(|candidate| candidate.enrollment_id);
    let enrollment_ids = event.credits.iter().map(|credit| credit.enrollment_id).chain(of_candidates);
    let enrollments: HashMap<_, Enrollment> = read.rows(enrollment_ids, |row: &Enrollment| row.id).await?;
    let program_ids: BTreeSet<ProgramId> = enrollments.values().map(|enrollment| enrollment.program_id).collect();
    let terms = read.terms(event).await?;
    let affiliates = read.uplines(event, &terms).await?;
    let upline_enrollments = read.enrollments_of(event, &affiliates).await?;
    let programs = read.rows(program_ids, |program: &Program| program.id).await?;
    let terms_then = read.terms_then(event.occurred_at, &enrollments, &programs).await?;
    let lead_ids = candidates.iter().filter_map(|candidate| match candidate.evidence {
        Evidence::Lead(id) => Some(id),
        _ => None,
    });
    let mut leads = read.rows(lead_ids.chain(event.lead_id), |lead: &Lead| lead.id).await?;
    if let Some(id) = event.lead_id.and_then(|id| leads.get(&id)).and_then(|lead| lead.merged_into) {
        leads.extend(read.rows([id], |lead: &Lead| lead.id).await?);
    }
    let clicks = read.clicks(event).await?;
    let link_ids = candidates.iter().filter_map(|candidate| match candidate.evidence {
        Evidence::Link(id) => Some(id),
        _ => None,
    });
    let link_ids = link_ids.chain(clicks.values().map(|click| click.link_id));
    let links = read.rows(link_ids, |link: &Link| link.id).await?;
    let coupons = read.coupons(event).await?;
    let items = coupons.iter().filter_map(|coupon| coupon.item_id);
    let offers = coupons.iter().filter_map(|coupon| coupon.offer_id);
    let reward_ids: Vec<_> = image.rewards.iter().map(|reward| reward.id).collect();
    let reversals = if reward_ids.is_empty() {
        Vec::new()
    } else {
        let own: BTreeSet<_> = reward_ids.iter().copied().collect();
        let all = reward::with_reversals(snapshot, account_id, &reward_ids).await?;
        all.into_iter().filter(|reward| reward.reverses.is_some_and(|id| own.contains(&id))).collect()
    };
    let causes = reversals.iter().filter_map(|reward| reward.conversion_id);
    let causes = conversion::by_ids(snapshot, account_id, causes).await?;
    let has_lead = event.lead_id.and_then(|id| leads.get(&id)).is_some_and(|lead| lead.deleted_at.is_none());
    Ok(Dossier {
        terms,
        affiliates,
        upline_enrollments,
        items: read.rows(items, |item: &Item| item.id).await?,
        offers: read.rows(offers, |offer: &Offer| offer.id).await?,
        is_customer_named: !has_lead && read.is_customer_named(event).await?,
        sale: None,
        sales_tallies: sales_tally::of_sale(snapshot, event).await?,
        reversals,
        causes,
        enrollments,
        programs,
        terms_then,
        leads,
        clicks,
        links,
        coupons,
        has_lead,
        image,
    })
}

/// Reads rows of one account.
struct Reader<'snapshot> {
    snapshot: &'snapshot Snapshot,
    account_id: AccountId,
}

impl Reader<'_> {
    /// The rows with these ids.
    async fn rows<S, I>(
        &self,
        ids: impl IntoIterator<Item = I>,
        id_of: impl Fn(&S) -> I,
    ) -> Result<HashMap<I, S>, StoreError>
    where
        S: Stored<Key = (AccountId, I)>,
        I: TypedId + Copy + Ord + Hash,
    {
        let ids: BTreeSet<I> = ids.into_iter().collect();
        let keys = ids.into_iter().map(|id| (self.account_id.uuid(), id.uuid()));
        let rows = rows_by::<S::Table, _>(self.snapshot.connection(), &key_columns::<S::Table>(), keys).await?;
        let rows = rows.into_iter().map(|row| S::from_row(row).map(|row| (id_of(&row), row)));
        rows.collect()
    }

    /// The clicks among the candidates.
    async fn clicks(&self, event: &Conversion) -> Result<HashMap<ClickId, Click>, StoreError> {
        let Some(tid) = event.tid else { return Ok(HashMap::new()) };
        let ids = event.candidates.iter().filter_map(|candidate| match candidate.evidence {
            Evidence::Click(id) => Some(id),
            _ => None,
        });
        let keys = ids.map(|id| (self.account_id.uuid(), tid.uuid(), id.uuid()));
        let columns = [click::Column::AccountId, click::Column::Tid, click::Column::Id];
        let rows = rows_by::<click::Entity, _>(self.snapshot.connection(), &columns, keys).await?;
        rows.into_iter().map(|row| Click::from_row(row).map(|click| (click.id, click))).collect()
    }

    /// The coupons that had the code that was sent, the oldest first.
    async fn coupons(&self, event: &Conversion) -> Result<Vec<Coupon>, StoreError> {
        let mut codes = event.candidates.iter().filter_map(|candidate| match &candidate.evidence {
            Evidence::Coupon(code) => Some(code),
            _ => None,
        });
        let Some(code) = codes.next() else { return Ok(Vec::new()) };
        let query = coupon::Entity::find()
            .filter(coupon::Column::AccountId.eq(self.account_id.uuid()))
            .filter(coupon::Column::Code.eq(code))
            .order_by_desc(coupon::Column::Id)
            .limit(COUPONS_MAX);
        let mut coupons = list::read::<Coupon>(query, self.snapshot.connection()).await?;
        coupons.sort_by_key(|coupon| (coupon.created_at, coupon.id));
        Ok(coupons)
    }

    /// The versions of the terms of the credits, and those that follow them.
    async fn terms(&self, event: &Conversion) -> Result<Vec<Terms>, StoreError> {
        let mut all = Vec::new();
        for credit in &event.credits {
            let query = self.versions(credit.program_id).filter(terms::Column::Version.gte(credit.terms_version));
            let query = query.order_by_asc(terms::Column::Version).limit(1 + LATER_TERMS_MAX);
            all.extend(list::read::<Terms>(query, self.snapshot.connection()).await?);
        }
        Ok(all)
    }

    /// The credited affiliates and those above them when the event occurred, as far up as the terms pay for.
    async fn uplines(
        &self,
        event: &Conversion,
        terms: &[Terms],
    ) -> Result<HashMap<AffiliateId, Affiliate>, StoreError> {
        let mut found: HashMap<AffiliateId, Affiliate> = HashMap::new();
        for credit in &event.credits {
            let is_of_credit =
                |terms: &&Terms| (terms.program_id, terms.version) == (credit.program_id, credit.terms_version);
            let levels = terms.iter().find(is_of_credit).map_or(0, |terms| terms.rules.upline_levels.len());
            if levels == 0 {
                continue;
            }
            let mut next = Some(credit.affiliate_id);
            for _ in 0..=levels {
                let Some(id) = next else { break };
                if !found.contains_key(&id) {
                    found.extend(self.rows([id], |affiliate: &Affiliate| affiliate.id).await?);
                }
                next = found.get(&id).and_then(|affiliate| affiliate.upline_at(event.occurred_at));
            }
        }
        Ok(found)
    }

    /// The enrollments of these affiliates in the programs of the credits.
    async fn enrollments_of(
        &self,
        event: &Conversion,
        affiliates: &HashMap<AffiliateId, Affiliate>,
    ) -> Result<Vec<Enrollment>, StoreError> {
        if affiliates.is_empty() {
            return Ok(Vec::new());
        }
        let programs = event.credits.iter().map(|credit| credit.program_id.uuid());
        let query = enrollment::Entity::find()
            .filter(enrollment::Column::AccountId.eq(self.account_id.uuid()))
            .filter(enrollment::Column::ProgramId.is_in(programs))
            .filter(enrollment::Column::AffiliateId.is_in(affiliates.keys().copied().map(AffiliateId::uuid)));
        list::read::<Enrollment>(query, self.snapshot.connection()).await
    }

    /// The version for each enrollment that applies to an event of this time whose customer was not bound before.
    async fn terms_then(
        &self,
        at: Time,
        enrollments: &HashMap<EnrollmentId, Enrollment>,
        programs: &HashMap<ProgramId, Program>,
    ) -> Result<HashMap<EnrollmentId, Terms>, StoreError> {
        let mut of_new: HashMap<ProgramId, Terms> = HashMap::new();
        for program in programs.values() {
            of_new.insert(program.id, terms_for(self.snapshot.connection(), program, &Occasion::at(at)).await?);
        }
        let mut found = HashMap::new();
        for enrollment in enrollments.values() {
            let Some(program) = programs.get(&enrollment.program_id) else { continue };
            let Some(terms) = of_new.get(&program.id) else { continue };
            let occasion = Occasion::of(enrollment, at);
            // What reaches new affiliates and is not only for them reaches all.
            let terms = if terms.reaches(&occasion) || terms.version == 1 {
                terms.clone()
            } else {
                terms_for(self.snapshot.connection(), program, &occasion).await?
            };
            found.insert(enrollment.id, terms);
        }
        Ok(found)
    }

    fn versions(&self, program_id: ProgramId) -> Select<terms::Entity> {
        terms::Entity::find()
            .filter(terms::Column::AccountId.eq(self.account_id.uuid()))
            .filter(terms::Column::ProgramId.eq(program_id.uuid()))
    }

    /// Whether the request of an event that nobody referred named a customer.
    async fn is_customer_named(&self, event: &Conversion) -> Result<bool, StoreError> {
        let key: (Uuid, Uuid) = (self.account_id.uuid(), event.id.uuid());
        let row = unmatched_sale::Entity::find_by_id(key).one(self.snapshot.connection()).await?;
        Ok(row.is_some())
    }
}

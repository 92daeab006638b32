//! The rules of affiliates.

use std::sync::Arc;

use super::context::{Context, Rule};
use super::enrollment::{self, NewEnrollment};
use crate::domain::affiliate::{Affiliate, AffiliateOutcome, AffiliateSelector, Profile};
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, AffiliateId};
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::set::Needs;

/// Make an affiliate and enroll it.
#[derive(Debug, Clone)]
pub struct CreateAffiliate {
    /// The merchant's own id for the affiliate.
    pub external_id: Option<String>,
    /// The email address in lower case. Empty for an affiliate that is created with a coupon and named by `external_id`.
    pub email: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// Contact details and online profiles.
    pub profile: Profile,
    /// SHA-256 of the affiliate's token.
    pub token_hash: [u8; 32],
    /// The affiliate's first enrollment.
    pub enrollment: NewEnrollment,
}

impl CreateAffiliate {
    /// The identifiers that no other affiliate of the account may have.
    /// Adds the rows that [`make`] needs, except the program.
    pub(super) fn needs_of_names(&self, account: AccountId, needs: &mut Needs) {
        self.names().for_each(|(_, name)| needs.affiliate(account, &name));
        self.enrollment.needs_of_codes(account, needs);
    }

    fn names(&self) -> impl Iterator<Item = (Field, AffiliateSelector)> {
        let external_id = self.external_id.clone().map(AffiliateSelector::ExternalId);
        let email = (!self.email.is_empty()).then(|| AffiliateSelector::Email(self.email.clone()));
        [email.map(|name| (Field::Email, name)), external_id.map(|name| (Field::ExternalId, name))]
            .into_iter()
            .flatten()
    }
}

impl Rule for CreateAffiliate {
    type Answer = Arc<AffiliateOutcome>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        self.needs_of_names(account, needs);
        needs.program(account, self.enrollment.program_id);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        make(context, self, &self.enrollment).map(Arc::new)
    }
}

/// Creates an affiliate and enrolls it.
pub(super) fn make(
    context: &mut Context<'_>,
    wanted: &CreateAffiliate,
    enrollment: &NewEnrollment,
) -> Result<AffiliateOutcome, Refusal> {
    for (field, name) in wanted.names() {
        name_is_free(context, field, &name)?;
    }
    let affiliate = Affiliate {
        id: AffiliateId::new(context.ids),
        account_id: context.account_id,
        external_id: wanted.external_id.clone(),
        email: wanted.email.clone(),
        first_name: wanted.first_name.clone(),
        last_name: wanted.last_name.clone(),
        profile: wanted.profile.clone(),
        token_hash: wanted.token_hash,
        created_at: context.now,
        updated_at: context.now,
    };
    let affiliate = context.put(affiliate);
    context.tell(EventKind::AffiliateCreated, EventImage::Affiliate(Arc::clone(&affiliate)));
    let made = enrollment::make(context, affiliate.id, enrollment)?;
    Ok(AffiliateOutcome { affiliate, enrollment: made.enrollment, coupon: made.coupon })
}

fn name_is_free(context: &Context<'_>, field: Field, name: &AffiliateSelector) -> Result<(), Refusal> {
    match context.set.find_affiliate(context.account_id, name)? {
        Some(other) => Err(Refusal::AlreadyExists {
            field,
            value: name.to_string(),
            resource: Resource::Affiliate,
            resource_id: other.id.to_string(),
        }),
        None => Ok(()),
    }
}

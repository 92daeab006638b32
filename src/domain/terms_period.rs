//! Which version of the terms applies to an event. Of the versions that have started, have not ended and reach the event, the one with the
//! latest start applies; of the same start, the newest. Knows no set and no command.

use super::enrollment::Enrollment;
use super::program::{Terms, TermsReach};
use super::time::Time;

/// What decides which version applies to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occasion {
    /// When the event happened.
    pub occurred_at: Time,
    /// When the event's lead was bound in the program. `None`: it has no lead, or the event itself binds the lead.
    pub bound_at: Option<Time>,
    /// When the affiliate was enrolled in the program. `None`: later than every version.
    pub enrolled_at: Option<Time>,
}

impl Occasion {
    /// An event of a new customer and a new affiliate.
    pub const fn at(occurred_at: Time) -> Self {
        Self { occurred_at, bound_at: None, enrolled_at: None }
    }

    /// An event of a new customer that an enrollment would be credited with.
    pub fn of(enrollment: &Enrollment, occurred_at: Time) -> Self {
        Self { occurred_at, bound_at: None, enrolled_at: Some(enrollment.created_at) }
    }

    /// The same event of a customer who was bound at this time.
    pub const fn bound(self, bound_at: Option<Time>) -> Self {
        Self { bound_at, ..self }
    }
}

impl Terms {
    /// Whether the version has started, has not ended and reaches an event. The first version does always, because sales from before the
    /// program existed can be told too.
    pub fn applies_to(&self, occasion: &Occasion) -> bool {
        self.version == 1 || (self.is_running_at(occasion.occurred_at) && self.reaches(occasion))
    }

    /// Whether the version has started and has not ended at a time.
    pub fn is_running_at(&self, time: Time) -> bool {
        self.withdrawn_at.is_none() && self.starts_at <= time && !self.has_ended_at(time)
    }

    /// Whether the version has ended at a time.
    pub fn has_ended_at(&self, time: Time) -> bool {
        self.ends_at.is_some_and(|ends_at| ends_at <= time)
    }

    /// Whether the version reaches an event, apart from the time of the event.
    pub fn reaches(&self, occasion: &Occasion) -> bool {
        let is_new = |since: Option<Time>| since.is_none_or(|since| since >= self.starts_at);
        match self.rules.reach {
            TermsReach::NewSales => true,
            TermsReach::NewCustomers => is_new(occasion.bound_at),
            TermsReach::NewAffiliates => is_new(occasion.enrolled_at),
        }
    }

    /// The order of versions that apply: the greatest one is taken.
    pub fn rank(&self) -> (Time, i32) {
        (self.starts_at, self.version)
    }
}

/// The version that applies to an event, of those from the newest one on. Reads no version that it need not read: if nothing was
/// scheduled, only the newest one that applies and those after it. `None`: none of them applies.
///
/// # Errors
/// Those of `version`, which looks a version up by its number.
pub fn choose<T: AsRef<Terms>, E>(
    newest: i32,
    occasion: &Occasion,
    mut version: impl FnMut(i32) -> Result<T, E>,
) -> Result<Option<T>, E> {
    for number in (1..=newest).rev() {
        let terms = version(number)?;
        if terms.as_ref().applies_to(occasion) {
            // Of all older versions, only those that it yields to can start later.
            let mut chosen = terms;
            for rival in chosen.as_ref().yields_to.clone() {
                let rival = version(rival)?;
                if rival.as_ref().applies_to(occasion) && rival.as_ref().rank() > chosen.as_ref().rank() {
                    chosen = rival;
                }
            }
            return Ok(Some(chosen));
        }
    }
    Ok(None)
}

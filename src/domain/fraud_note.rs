//! The memory of fraud rules beside conversions: which sale had an order first, when an affiliate sold, and what was found in the events of a
//! lead. Programs whose rules do not ask for it have none.

use super::fraud::{FraudFlag, VELOCITY_SALES_MAX};
use super::id::{AccountId, AffiliateId, ConversionId, EnrollmentId, LeadId, ProgramId};
use super::money::Money;
use super::time::Time;

/// The most flags that are kept of a lead.
const LEAD_FLAGS_MAX: usize = 50;

/// One note.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct FraudNote {
    pub account_id: AccountId,
    /// What the note is about, see the functions that make names.
    pub name: String,
    pub content: FraudNoteContent,
}

/// What a note says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FraudNoteContent {
    /// The first sale with an order and an amount.
    Order(ConversionId),
    /// When an affiliate sold, the newest [`VELOCITY_SALES_MAX`] and one, in order.
    Sales(Vec<Time>),
    /// What was found in the events of a lead.
    Lead(Vec<LeadFlag>),
}

/// What was found in an event of a lead.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct LeadFlag {
    pub conversion_id: ConversionId,
    pub enrollment_id: EnrollmentId,
    pub flag: FraudFlag,
    /// The customer's address, masked. Empty if none was compared.
    pub masked_email: String,
}

impl FraudNote {
    /// The name of the note about an order of a program with an amount.
    pub fn name_of_order(program_id: ProgramId, amount: Money, order_id: &str) -> String {
        format!("order {program_id} {} {} {order_id}", amount.amount_minor, amount.currency.code())
    }

    /// The name of the note about the sales of an affiliate in a program.
    pub fn name_of_sales(program_id: ProgramId, affiliate_id: AffiliateId) -> String {
        format!("sales {program_id} {affiliate_id}")
    }

    /// The name of the note about a lead.
    pub fn name_of_lead(lead_id: LeadId) -> String {
        format!("lead {lead_id}")
    }

    /// What was found in the events of a lead. None in a note about something else.
    pub fn lead_flags(&self) -> &[LeadFlag] {
        match &self.content {
            FraudNoteContent::Lead(flags) => flags,
            FraudNoteContent::Order(_) | FraudNoteContent::Sales(_) => &[],
        }
    }
}

/// Adds flags of a lead, and drops the oldest ones above the most that are kept.
pub fn keep_lead_flags(flags: &mut Vec<LeadFlag>, new: impl IntoIterator<Item = LeadFlag>) {
    flags.extend(new);
    flags.drain(..flags.len().saturating_sub(LEAD_FLAGS_MAX));
}

/// Adds a sale to those of an affiliate, and counts those of the period that ends with it. Clocks differ, so sales that seem a little later
/// count too.
pub fn add_sale(times: &mut Vec<Time>, occurred_at: Time, period_minutes: i32) -> usize {
    let place = times.partition_point(|time| *time <= occurred_at);
    times.insert(place, occurred_at);
    let since = Time::from_micros(occurred_at.micros().saturating_sub(i64::from(period_minutes) * 60_000_000));
    let count = times.iter().filter(|time| since < **time && time.may_precede(occurred_at)).count();
    times.drain(..times.len().saturating_sub(VELOCITY_SALES_MAX + 1));
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sales_of_the_period_that_ends_with_the_sale_are_counted() {
        let minute = |minute: i64| Time::from_micros(minute * 60_000_000);
        let mut times = Vec::new();
        let counts = [0, 1, 2, 7, 30, 3].map(|at| add_sale(&mut times, minute(at), 5));
        // That of minute 2 is at the beginning of the period of minute 7, and that of minute 30 is later than clocks differ.
        assert_eq!(counts, [1, 2, 3, 1, 1, 5]);
        assert!(times.is_sorted());
        for at in 0..1_000 {
            add_sale(&mut times, minute(100), at);
        }
        assert_eq!(times.len(), VELOCITY_SALES_MAX + 1);
        assert_eq!(add_sale(&mut times, minute(100), 5), VELOCITY_SALES_MAX + 2, "more than any rule allows");
    }
}

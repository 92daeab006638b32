//! Levels of uplines: the part of an event that the affiliates above the credited one earn. Knows no rows.

use super::id::EnrollmentId;
use super::text_enum::text_enum;

text_enum! {
    /// The amount that the percentage of an upline is of.
    UplineBasis {
        /// The commission of the credited affiliate.
        Commission = "commission",
        /// The amount of the event.
        SaleAmount = "sale_amount",
    }
}

/// The rate of the affiliates on one level above the credited one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct UplineLevel {
    pub basis: UplineBasis,
    pub percent_ppm: i32,
}

/// How many levels terms may have. Each level of a sale is a reward of its own.
pub const PAID_LEVELS_MAX: usize = 10;

/// The level and the rate of an upline's reward, in addition to the commission of the affiliate below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct UplineShare {
    /// 1 for the upline of the credited affiliate, 2 for the upline of that one.
    pub level: i32,
    pub rate: UplineLevel,
    /// The enrollment that is credited with the event.
    pub credited_enrollment_id: EnrollmentId,
}

//! What the affiliates above another one earn from its events. Knows no rows.

use super::id::EnrollmentId;
use super::text_enum::text_enum;

text_enum! {
    /// What an upline's percentage is of.
    UplineBasis {
        /// What the affiliate below earns from the event.
        Commission = "commission",
        /// The amount of the event.
        SaleAmount = "sale_amount",
    }
}

/// What the affiliates on one level above another one earn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct UplineLevel {
    pub basis: UplineBasis,
    pub percent_ppm: i32,
}

/// How many levels terms may have. Each level of a sale is a reward of its own.
pub const PAID_LEVELS_MAX: usize = 10;

/// What a reward of an upline was computed by, in addition to the commission of the affiliate below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct UplineShare {
    /// 1 for the upline of the credited affiliate, 2 for the upline of that one.
    pub level: i32,
    pub rate: UplineLevel,
    /// The enrollment that is credited with the event.
    pub credited_enrollment_id: EnrollmentId,
}

//! Disputes of sales: what a conversion keeps of them. A sale names its open disputes, a dispute has its state and what it has taken back, and
//! the end of a dispute has its outcome. Knows no rule.

use super::id::ConversionId;
use super::line::SaleLine;
use super::text_enum::text_enum;

text_enum! {
    /// The state of a dispute.
    DisputeState {
        /// The rewards of its sale are frozen.
        Opened = "opened",
        /// The merchant keeps the money.
        Won = "won",
        /// The customer has the money back, or a part of it.
        Lost = "lost",
    }
}

text_enum! {
    /// How a dispute ended.
    DisputeOutcome {
        /// The merchant keeps the money.
        Won = "won",
        /// The customer has the money back, or a part of it.
        Lost = "lost",
    }
}

impl From<DisputeOutcome> for DisputeState {
    fn from(outcome: DisputeOutcome) -> Self {
        match outcome {
            DisputeOutcome::Won => Self::Won,
            DisputeOutcome::Lost => Self::Lost,
        }
    }
}

/// The part of a conversion in disputes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DisputePart {
    /// A sale: its open disputes, the oldest first. Never empty.
    OpenOf(Vec<ConversionId>),
    /// A dispute.
    Dispute(Dispute),
    /// The end of a dispute.
    Resolution(Resolution),
}

/// The details of a dispute.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Dispute {
    pub state: DisputeState,
    /// Whether it was opened without an amount. It is then about all that is left of the sale, also after a correction.
    pub is_whole: bool,
    /// The amount that it has taken back of the sale, in minor units. `None` unless it is lost.
    pub taken_minor: Option<i64>,
    /// The part of each line of the sale in that: amount and quantity, both more than zero.
    pub taken_lines: Vec<SaleLine>,
}

/// The details of the end of a dispute.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Resolution {
    pub dispute_id: ConversionId,
    pub outcome: DisputeOutcome,
    /// How many refunds more the sale counts: 1 if a dispute is lost, -1 if one that was lost is won after all, 0 otherwise.
    pub refund_count_change: i32,
}

impl DisputePart {
    /// The sale without one of its disputes. `None` if it was the only one.
    pub fn without(&self, dispute_id: ConversionId) -> Option<Self> {
        let Self::OpenOf(open) = self else { return None };
        let open: Vec<_> = open.iter().copied().filter(|id| *id != dispute_id).collect();
        (!open.is_empty()).then_some(Self::OpenOf(open))
    }

    /// The sale with one dispute more.
    pub fn with(before: Option<&Self>, dispute_id: ConversionId) -> Self {
        let mut open = match before {
            Some(Self::OpenOf(open)) => open.clone(),
            _ => Vec::new(),
        };
        open.push(dispute_id);
        Self::OpenOf(open)
    }
}

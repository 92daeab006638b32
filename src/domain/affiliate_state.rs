//! The states of affiliates. They have a file of their own, because enrollments keep the state of their affiliate.
//!
//! | from | may become |
//! |---|---|
//! | applied | active, rejected |
//! | active | inactive |
//! | inactive, rejected | active |
//! | any but erased | erased |

use super::text_enum::text_enum;

text_enum! {
    /// The state of an affiliate. It decides whether events of its time are credited to the affiliate.
    AffiliateState {
        /// The affiliate has applied, and nobody has decided yet.
        Applied = "applied",
        /// The affiliate earns.
        Active = "active",
        /// The affiliate was deactivated.
        Inactive = "inactive",
        /// The application was rejected.
        Rejected = "rejected",
        /// The affiliate's personal data was erased. The rest of the row stays for the books.
        Erased = "erased",
    }
}

impl AffiliateState {
    /// Whether an affiliate may change from this state to the next: the table above.
    pub fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Applied, Self::Active | Self::Rejected | Self::Erased)
                | (Self::Active, Self::Inactive | Self::Erased)
                | (Self::Inactive | Self::Rejected, Self::Active | Self::Erased)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_moves_is_the_one_in_the_head_of_the_file() {
        use AffiliateState::{Active, Applied, Erased, Inactive, Rejected};
        let allowed = [
            (Applied, Active),
            (Applied, Rejected),
            (Active, Inactive),
            (Inactive, Active),
            (Rejected, Active),
            (Applied, Erased),
            (Active, Erased),
            (Inactive, Erased),
            (Rejected, Erased),
        ];
        for from in AffiliateState::ALL {
            for to in AffiliateState::ALL {
                assert_eq!(from.may_become(*to), allowed.contains(&(*from, *to)), "{from} -> {to}");
            }
        }
    }
}

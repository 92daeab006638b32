//! The movers of payouts' money.

use super::text_enum::text_enum;

text_enum! {
    /// Who moves the money of a payout.
    PayoutProvider {
        /// The owner, outside Headwater.
        Manual = "manual",
        /// PayPal Payouts.
        PayPal = "paypal",
        /// Stripe Connect.
        Stripe = "stripe",
        /// Wise.
        Wise = "wise",
    }
}

impl PayoutProvider {
    /// Whether Headwater sends the payouts itself.
    pub const fn is_sent(self) -> bool {
        !matches!(self, Self::Manual)
    }

    /// The provider's name as people write it.
    pub const fn display_name(self) -> &'static str {
        match self {
            Self::Manual => "your bank",
            Self::PayPal => "PayPal",
            Self::Stripe => "Stripe",
            Self::Wise => "Wise",
        }
    }

    /// Whether a payment that the provider works on has been paid for. PayPal takes a payment first, and looks for the money afterwards.
    pub const fn takes_funds_first(self) -> bool {
        matches!(self, Self::Stripe | Self::Wise)
    }
}

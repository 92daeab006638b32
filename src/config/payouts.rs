//! Payout providers, and the key for what is stored encrypted.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

/// Payouts.
#[derive(Debug, Clone, Args, Serialize)]
pub struct PayoutSettings {
    /// The file with the keys that encrypt payout details and providers' credentials in the database: 64 hexadecimal digits in each line, the
    /// newest key first. It must not be readable for everybody. Not set: on SQLite a file beside the database, which is made with a random
    /// key; on PostgreSQL none, and calls that need one fail. Back it up apart from the database: without it, the details are lost.
    #[arg(long, global = true, env = "HEADWATER_SECRETS_KEY_FILE", value_name = "FILE")]
    pub secrets_key_file: Option<PathBuf>,

    /// The address of PayPal's API.
    #[arg(
        long,
        global = true,
        env = "HEADWATER_PAYPAL_ADDRESS",
        default_value = "https://api-m.paypal.com",
        value_name = "URL"
    )]
    pub paypal_address: String,

    /// The address of PayPal's API for accounts that are for tests.
    #[arg(
        long,
        global = true,
        env = "HEADWATER_PAYPAL_SANDBOX_ADDRESS",
        default_value = "https://api-m.sandbox.paypal.com",
        value_name = "URL"
    )]
    pub paypal_sandbox_address: String,

    /// The address of Stripe's API.
    #[arg(
        long,
        global = true,
        env = "HEADWATER_STRIPE_ADDRESS",
        default_value = "https://api.stripe.com",
        value_name = "URL"
    )]
    pub stripe_address: String,

    /// The address of Stripe's API for accounts that are for tests. Stripe's own sandbox has the same address and other keys.
    #[arg(
        long,
        global = true,
        env = "HEADWATER_STRIPE_SANDBOX_ADDRESS",
        default_value = "https://api.stripe.com",
        value_name = "URL"
    )]
    pub stripe_sandbox_address: String,

    /// The address of Wise's API.
    #[arg(
        long,
        global = true,
        env = "HEADWATER_WISE_ADDRESS",
        default_value = "https://api.wise.com",
        value_name = "URL"
    )]
    pub wise_address: String,

    /// The address of Wise's API for accounts that are for tests.
    #[arg(
        long,
        global = true,
        env = "HEADWATER_WISE_SANDBOX_ADDRESS",
        default_value = "https://api.wise-sandbox.com",
        value_name = "URL"
    )]
    pub wise_sandbox_address: String,
}

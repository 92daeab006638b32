//! Who may register accounts.

use clap::{Args, ValueEnum};
use serde::Serialize;

/// Who may register accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Registration {
    /// Operators alone.
    OperatorOnly,
    /// Operators, and those whom they give an invitation.
    InviteOnly,
    /// Everybody who can be reached by mail.
    Open,
}

/// The registration of accounts.
#[derive(Debug, Clone, Args, Serialize)]
pub struct RegistrationSettings {
    /// Who may register accounts with RegisterAccount: operators alone, also those who have an invitation, or everybody. Who is no
    /// operator needs a token that is mailed to the owner's address, so set `mail_smtp_url` too.
    #[arg(long, global = true, env = "HEADWATER_REGISTRATION", value_enum, default_value = "operator_only")]
    pub registration: Registration,

    /// How many calls a minute one address, or one /64 network of IPv6 addresses, may make to RegisterAccount with an invitation or
    /// without a key, and as many at once after a pause. 0: any number. Each call may send a mail.
    #[arg(long, global = true, env = "HEADWATER_REGISTRATIONS_PER_MINUTE", default_value = "5", value_parser = clap::value_parser!(u32).range(0..=60_000_000))]
    pub registrations_per_minute: u32,
}

//! How mail is sent.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};

/// Mail.
#[derive(Debug, Clone, Args, Serialize)]
pub struct MailSettings {
    /// The mail server: `smtps://user:password@host`, `smtp://user:password@host?tls=required` for STARTTLS, or `smtp://host` without
    /// TLS. Not set: mail is written to `mail_spool_dir`, from where another program may send it.
    #[arg(long, global = true, env = "HEADWATER_MAIL_SMTP_URL", hide_env_values = true, value_name = "URL")]
    pub mail_smtp_url: Option<SmtpUrl>,

    /// The sender of all mail, such as `Shop <noreply@shop.example>`.
    #[arg(long, global = true, env = "HEADWATER_MAIL_FROM", default_value = "Headwater <headwater@localhost>")]
    pub mail_from: String,

    /// The directory for mail while no mail server is set, and for mail that cannot be sent. Not set: `mail` in the data directory.
    #[arg(long, global = true, env = "HEADWATER_MAIL_SPOOL_DIR", value_name = "DIRECTORY")]
    pub mail_spool_dir: Option<PathBuf>,
}

/// The URL of a mail server. It may hold a password, so it is never shown as it is.
#[derive(Debug, Clone)]
pub struct SmtpUrl(SecretString);

impl SmtpUrl {
    /// The URL to connect to.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }
}

impl FromStr for SmtpUrl {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned().into()))
    }
}

/// Masked when it holds a password.
impl Serialize for SmtpUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = match url::Url::parse(self.0.expose_secret()) {
            Ok(mut url) if url.password().is_some() => {
                // A URL with a password has a host, so a password can be set.
                let _ = url.set_password(Some("masked"));
                url.to_string()
            }
            Ok(url) => url.to_string(),
            Err(_) => "masked".to_owned(),
        };
        serializer.serialize_str(&text)
    }
}

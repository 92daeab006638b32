//! Sends mail: to a mail server by SMTP, or into a directory (the spool) if no server is set. Knows nothing of who writes mail, nor of
//! when to try again.

mod spool;

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};
use tokio_rustls::rustls::{self, CertificateError};

use crate::domain::mail::Mail;
use spool::Spool;

/// How long the mail server may take for one step. It is shorter than the pause until the next try, so that tries do not overlap.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);

/// How long one try may take. The next one begins a minute after it.
const TRY_TIMEOUT: Duration = Duration::from_secs(45);

/// Where mail goes.
#[derive(Debug, Clone)]
pub struct PostOptions {
    /// The sender of all mail, such as `Shop <noreply@shop.example>`.
    pub from: String,
    /// The mail server, such as `smtps://user:password@mail.shop.example`. `None`: mail is written to the spool.
    pub smtp_url: Option<SecretString>,
    /// The directory of the spool.
    pub spool_dir: PathBuf,
}

/// An option that cannot be used. The texts have nothing of a URL, which may have a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PostProblem {
    /// The sender is no address.
    #[error("must be an email address, or a name with an address, such as Shop <noreply@shop.example>")]
    From,
    /// The URL of the mail server cannot be used.
    #[error(
        "must be smtps://user:password@host, smtp://user:password@host?tls=required, or smtp://host for a server without TLS; \
         in a user name or a password, write @ as %40, / as %2F and % as %25"
    )]
    Url,
}

/// Why a mail was not sent. The texts have no address, because logs must have no personal data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// A later try may succeed.
    #[error("{0}")]
    Later(String),
    /// A later try would fail too.
    #[error("{0}")]
    Never(String),
}

/// See the head of the file.
pub struct Post {
    from: Mailbox,
    server: Option<AsyncSmtpTransport<Tokio1Executor>>,
    spool: Spool,
}

/// Without the password of the mail server.
impl fmt::Debug for Post {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Post").field("from", &self.from).finish_non_exhaustive()
    }
}

impl Post {
    /// The way of mail with these options. Connects to nothing.
    ///
    /// # Errors
    /// [`PostProblem`].
    pub fn new(options: &PostOptions) -> Result<Self, PostProblem> {
        let from = options.from.parse().map_err(|_| PostProblem::From)?;
        let server = options.smtp_url.as_ref().map(|url| {
            let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret());
            server.map(|server| server.timeout(Some(STEP_TIMEOUT)).build()).map_err(|_| PostProblem::Url)
        });
        Ok(Self { from, server: server.transpose()?, spool: Spool::new(&options.spool_dir) })
    }

    /// Sends a mail.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send(&self, mail: &Mail) -> Result<(), SendError> {
        let message = self.message(mail)?;
        let Some(server) = &self.server else {
            let written = self.spool.write(mail, &message.formatted()).await;
            return written.map_err(|error| SendError::Later(format!("the spool cannot be written: {error}")));
        };
        match tokio::time::timeout(TRY_TIMEOUT, server.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            // The server's own words may have the address.
            Ok(Err(error)) => Err(match error.status() {
                Some(code) if error.is_permanent() => {
                    SendError::Never(format!("the mail server refused it with {code}"))
                }
                Some(code) => SendError::Later(format!("the mail server answered with {code}")),
                None => SendError::Later(match tls_problem(&error) {
                    Some(problem) => format!("the mail server is not trusted: {problem}"),
                    None if error.is_tls() => "the mail server's TLS does not work".to_owned(),
                    None => "the mail server cannot be reached, or does not speak SMTP".to_owned(),
                }),
            }),
            Err(_) => Err(SendError::Later("the mail server did not answer in time".to_owned())),
        }
    }

    /// Writes a mail that cannot be sent to a file of the spool, and returns the file's path.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn set_aside(&self, mail: &Mail) -> std::io::Result<PathBuf> {
        let bytes = match self.message(mail) {
            Ok(message) => message.formatted(),
            Err(_) => {
                let letter = &mail.letter;
                format!("To: {}\r\nSubject: {}\r\n\r\n{}", letter.recipient, letter.subject, letter.body).into_bytes()
            }
        };
        self.spool.set_aside(mail, &bytes).await
    }

    fn message(&self, mail: &Mail) -> Result<Message, SendError> {
        let recipient: Address =
            mail.letter.recipient.parse().map_err(|_| SendError::Never("the address cannot be used".to_owned()))?;
        // The same for every try, so that a reader shows the mail once.
        let message_id = format!("<{}@{}>", mail.id, self.from.email.domain());
        let created = Duration::from_micros(mail.created_at.micros().try_into().unwrap_or_default());
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, recipient))
            .subject(mail.letter.subject.clone())
            .message_id(Some(message_id))
            .date(SystemTime::UNIX_EPOCH + created)
            .header(ContentType::TEXT_PLAIN)
            .body(mail.letter.body.clone());
        message.map_err(|error| SendError::Never(format!("no mail can be made of it: {error}")))
    }

    /// The directory of the spool.
    pub fn spool_dir(&self) -> &Path {
        self.spool.dir()
    }
}

/// What is wrong with the mail server's certificate, if that is why it was not used. The error's own text may have a name of the
/// operator's network.
fn tls_problem(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // An I/O error does not name the error inside it as its source.
        let inside = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(rustls::Error::InvalidCertificate(problem)) = inside.and_then(|inside| inside.downcast_ref()) {
            return Some(match problem {
                // Another authority may have the name of one that is known.
                CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                    "its certificate is from an authority that this system does not know; add it to the system's certificates, \
                     or name a file of certificates in SSL_CERT_FILE"
                }
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    "its certificate is for another name than the host in mail_smtp_url"
                }
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired",
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    "its certificate is not valid yet; the clocks may differ"
                }
                _ => "its certificate is not valid",
            });
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_cannot_be_used_are_refused_before_the_start() {
        let options = |from: &str, url: Option<&str>| PostOptions {
            from: from.to_owned(),
            smtp_url: url.map(SecretString::from),
            spool_dir: PathBuf::from("/nowhere"),
        };
        let problem = |from: &str, url: Option<&str>| Post::new(&options(from, url)).err();
        let from = "Shop <noreply@shop.example>";
        assert_eq!(problem(from, None), None);
        assert_eq!(problem("headwater@localhost", None), None);
        for wrong in ["", "shop", "Shop <shop>"] {
            assert_eq!(problem(wrong, None), Some(PostProblem::From), "{wrong}");
        }
        for right in
            ["smtp://127.0.0.1:25", "smtps://me:p%40ss@mail.example", "smtp://me@mail.example:587?tls=required"]
        {
            assert_eq!(problem(from, Some(right)), None, "{right}");
        }
        for wrong in ["", "mail.example", "http://mail.example", "smtp://mail.example?tls=perhaps"] {
            assert_eq!(problem(from, Some(wrong)), Some(PostProblem::Url), "{wrong}");
        }
    }
}

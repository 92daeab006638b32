//! Sends the mail that waits. A try is recorded before it begins, so that two servers never make the same one, and a try during which
//! the server ends is repeated later. A mail may therefore arrive twice; both copies have the same Message-ID.

use std::sync::Arc;
use std::time::Duration;

use super::driver::{Run, Worker};
use super::report::Failure;
use crate::app::App;
use crate::app::writer::Upkeep;
use crate::domain::mail::Mail;
use crate::mail::{Post, SendError};
use crate::store;

/// The worker's name.
pub const NAME: &str = "send_mail";

/// How often the worker looks for mail.
pub(super) const INTERVAL: Duration = Duration::from_secs(5);

/// How many mails are read at a time.
const MAILS_MAX: u64 = 100;

/// See the head of the file.
pub(super) struct SendMail {
    pub(super) app: Arc<App>,
    pub(super) post: Arc<Post>,
}

impl Worker for SendMail {
    const NAME: &'static str = NAME;

    async fn run(&self, run: &mut Run) -> Result<(), Failure> {
        loop {
            let due = store::mail::due(self.app.store(), self.app.clock().now(), MAILS_MAX).await?;
            let is_last = (due.len() as u64) < MAILS_MAX;
            for mail in due {
                if run.is_stopping() {
                    return Ok(());
                }
                self.send(run, mail.into()).await?;
            }
            if is_last {
                return Ok(());
            }
        }
    }
}

impl SendMail {
    /// Makes one try. The recipient is not logged, because logs must have no personal data.
    async fn send(&self, run: &mut Run, mail: Arc<Mail>) -> Result<(), Failure> {
        let now = self.app.clock().now();
        let begin = Upkeep::BeginMail(Arc::clone(&mail), mail.next_try_after(now));
        if self.app.keep_up(begin).await? == 0 {
            return Ok(());
        }
        let (mail_id, tries) = (mail.id, mail.tries + 1);
        match self.post.send(&mail).await {
            Ok(()) => run.count("mails sent", 1),
            Err(SendError::Later(problem)) if !mail.is_given_up(now) => {
                tracing::warn!(%mail_id, tries, problem, "a mail was not sent; it is tried again");
                return Ok(());
            }
            Err(error) => {
                let file = self.post.set_aside(&mail).await.map_err(|error| Failure::TryAgain(error.to_string()))?;
                tracing::error!(%mail_id, tries, problem = %error, file = %file.display(), "a mail cannot be sent; it is in this file");
                run.count("mails set aside", 1);
            }
        }
        self.app.keep_up(Upkeep::RemoveMail(mail)).await?;
        Ok(())
    }
}

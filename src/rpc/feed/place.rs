//! Positions in the feed: the start of a reader, and the next segments. Knows no stream and no message.

use super::event::Start;
use crate::app::App;
use crate::app::cursor::CursorError;
use crate::app::feed::{Follower, Page};
use crate::domain::id::AccountId;
use crate::domain::ledger::AccountHead;
use crate::error::Error;

/// The sequence after which the reader starts.
pub(super) async fn find(app: &App, account_id: AccountId, head: &AccountHead, start: &Start) -> Result<i64, Error> {
    let position = match start {
        Start::Beginning => head.pruned_sequence,
        Start::Latest => head.event_sequence,
        Start::Time(time) => app.feed().sequence_before(account_id, *time).await?.max(head.pruned_sequence),
        Start::After(text) => app.feed().cursors().decode(account_id, text).map_err(|error| match error {
            CursorError::Malformed => Error::CursorMalformed,
            CursorError::Foreign => Error::CursorForeign,
        })?,
    };
    if position > head.event_sequence {
        return Err(Error::CursorAheadOfHead);
    }
    check_kept(app, head, position)?;
    Ok(position)
}

/// The next segments after a position. A gap before the first event means that events are no longer kept. A gap is an error and
/// is never skipped.
pub(super) async fn read(
    app: &App,
    follower: &mut Follower,
    account_id: AccountId,
    position: i64,
) -> Result<Page, Error> {
    failpoint!(BeforeFeedRead);
    let page = app.feed().after(follower, position).await?;
    if page.first().is_some_and(|segment| segment.first_sequence() > position + 1) {
        let head = app.feed().head(account_id).await?;
        return Err(expired(app, &head));
    }
    Ok(page)
}

/// Checks that all events after a position are still kept. An empty page does not prove it, because all of them may be gone.
pub(super) fn check_kept(app: &App, head: &AccountHead, position: i64) -> Result<(), Error> {
    if position < head.pruned_sequence { Err(expired(app, head)) } else { Ok(()) }
}

fn expired(app: &App, head: &AccountHead) -> Error {
    Error::CursorExpired { earliest_cursor: app.feed().cursors().encode(head.account_id, head.pruned_sequence) }
}

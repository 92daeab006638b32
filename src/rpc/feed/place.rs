//! Positions in the feed: the start of a reader, and the next segments. Knows no stream and no message.

use super::event::Start;
use crate::app::App;
use crate::app::cursor::CursorError;
use crate::app::feed::{Follower, Page};
use crate::domain::event::FeedPlace;
use crate::domain::id::AccountId;
use crate::domain::ledger::AccountHead;
use crate::error::Error;

/// The place where the reader starts.
pub(super) async fn find(
    app: &App,
    account_id: AccountId,
    head: &AccountHead,
    start: &Start,
) -> Result<FeedPlace, Error> {
    let sequence = match start {
        Start::Beginning => return Ok(head.earliest()),
        Start::Latest => head.event_sequence,
        Start::Time(time) => app.feed().sequence_before(account_id, *time).await?.max(head.pruned_sequence),
        Start::After(text) => {
            let place = app.feed().cursors().decode(account_id, text).map_err(|error| match error {
                CursorError::Malformed => Error::CursorMalformed,
                CursorError::Foreign => Error::CursorForeign,
            })?;
            check(app, head, place).await?;
            return Ok(place);
        }
    };
    app.feed().place(account_id, sequence).await?.ok_or_else(|| expired(app, head))
}

/// Checks that the feed has the events before a place and all events after it. The events before it are others if the database was
/// restored from a backup and new events got the sequences of the lost ones.
pub(super) async fn check(app: &App, head: &AccountHead, place: FeedPlace) -> Result<(), Error> {
    if place.sequence > head.event_sequence {
        return Err(Error::CursorAheadOfHead);
    }
    check_kept(app, head, place.sequence)?;
    match app.feed().place(head.account_id, place.sequence).await? {
        Some(found) if found == place => Ok(()),
        Some(_) => Err(Error::CursorOfAnotherHistory),
        // The events after it were pruned in the meantime.
        None => Err(expired(app, &app.feed().head(head.account_id).await?)),
    }
}

/// The place after the newest event. A reader's position saves the read if it is this place.
pub(super) async fn of_head(app: &App, head: &AccountHead, position: FeedPlace) -> Result<FeedPlace, Error> {
    if position.sequence == head.event_sequence {
        return Ok(position);
    }
    // Without a place, all events up to the head were pruned in the meantime, and so were the reader's next ones.
    app.feed().place(head.account_id, head.event_sequence).await?.ok_or_else(|| expired(app, head))
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

/// Checks that all events after a sequence are still kept. An empty page does not prove it, because all of them may be gone.
pub(super) fn check_kept(app: &App, head: &AccountHead, sequence: i64) -> Result<(), Error> {
    if sequence < head.pruned_sequence { Err(expired(app, head)) } else { Ok(()) }
}

fn expired(app: &App, head: &AccountHead) -> Error {
    Error::CursorExpired { earliest_cursor: app.feed().cursors().encode(head.account_id, head.earliest()) }
}

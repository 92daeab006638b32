package dev.headwater.client;

import dev.headwater.v1.Event;
import dev.headwater.v1.Opened;
import java.time.Duration;
import java.util.List;

/** Handles the events of the feed. {@link FeedFollower} calls the methods one after the other, from one thread. */
@FunctionalInterface
public interface FeedHandler {
    /**
     * Handles events and stores the cursor. Do both in one transaction: then a crash neither loses nor repeats an
     * event. Start the next follower after the stored cursor.
     *
     * <p>The list is empty if only the cursor has moved, for example past events that the filter leaves out. Store the
     * cursor then too. Ignore an event of a kind that you do not know.
     *
     * @param events the next events in order
     * @param cursor the cursor after these events
     * @throws Exception if the events could not be handled; the follower then stops with a {@link FeedHandlerException},
     *     and its cursor stays before these events
     */
    void handle(List<Event> events, String cursor) throws Exception;

    /**
     * Called when a stream is open.
     *
     * @param opened the facts about the feed
     */
    default void opened(Opened opened) {}

    /** Called when the newest event was handled. Called again when the follower has caught up again. */
    default void caughtUp() {}

    /**
     * Called when the follower had caught up and is now many events behind.
     *
     * @param lagEventCount how many events of the account follow the cursor
     */
    default void fellBehind(long lagEventCount) {}

    /**
     * Called before the follower waits and connects again.
     *
     * @param cause why the last stream ended, for a log
     * @param delay how long the follower waits
     */
    default void reconnecting(String cause, Duration delay) {}
}

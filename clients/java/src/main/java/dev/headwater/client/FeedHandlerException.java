package dev.headwater.client;

/** The follower has stopped because its handler failed. The cause is the handler's exception. */
public final class FeedHandlerException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    FeedHandlerException(Exception cause) {
        super("the handler of the feed failed: " + cause, cause);
    }
}

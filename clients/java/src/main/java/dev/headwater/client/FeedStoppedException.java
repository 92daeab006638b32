package dev.headwater.client;

import io.grpc.StatusRuntimeException;

/**
 * The follower has stopped because the server refuses to continue, and would refuse it again.
 *
 * <p>For CURSOR_EXPIRED the reader has missed events. Decide how to make up for them, then start again after {@code
 * error().metadata().get("earliest_cursor")}.
 */
public final class FeedStoppedException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient HeadwaterError error;

    FeedStoppedException(HeadwaterError error, StatusRuntimeException cause) {
        super(error.reasonName() + ": " + error.message(), cause);
        this.error = error;
    }

    /**
     * Returns the error of the server.
     *
     * @return the error
     */
    public HeadwaterError error() {
        return error == null ? HeadwaterError.of(getCause()) : error;
    }
}

package dev.headwater.client;

import com.google.protobuf.Timestamp;
import dev.headwater.v1.CaughtUp;
import dev.headwater.v1.Draining;
import dev.headwater.v1.ErrorReason;
import dev.headwater.v1.EventBatch;
import dev.headwater.v1.EventFilter;
import dev.headwater.v1.FeedPosition;
import dev.headwater.v1.FeedServiceGrpc;
import dev.headwater.v1.FeedStart;
import dev.headwater.v1.FellBehind;
import dev.headwater.v1.Opened;
import dev.headwater.v1.TrackingServiceGrpc;
import dev.headwater.v1.WatchConversionsRequest;
import dev.headwater.v1.WatchEventsRequest;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;

/**
 * Follows the feed: calls a {@link FeedHandler} with every event in order, without gap or repeat.
 *
 * <p>When a stream ends, for whatever reason, the follower connects again after the last cursor that was handled. It
 * also connects again if no message arrives for three times the heartbeat delay. It stops only if {@link #stop()} is
 * called, its thread is interrupted, the handler fails, or the server gives a reason that would not change: a missing or
 * wrong key, wrong fields, an unknown method, or a cursor that the server cannot continue after.
 *
 * <p>A follower runs once, in the thread that calls {@link #run()}.
 */
public final class FeedFollower {
    private static final Set<ErrorReason> STOP_REASONS = Set.of(
            ErrorReason.ERROR_REASON_KEY_MISSING,
            ErrorReason.ERROR_REASON_KEY_INVALID,
            ErrorReason.ERROR_REASON_KEY_KIND_NOT_ALLOWED,
            ErrorReason.ERROR_REASON_INVALID_FIELDS,
            ErrorReason.ERROR_REASON_METHOD_UNKNOWN,
            ErrorReason.ERROR_REASON_CURSOR_MALFORMED,
            ErrorReason.ERROR_REASON_CURSOR_FOREIGN,
            ErrorReason.ERROR_REASON_CURSOR_EXPIRED,
            ErrorReason.ERROR_REASON_CURSOR_AHEAD_OF_HEAD,
            ErrorReason.ERROR_REASON_CURSOR_OF_ANOTHER_HISTORY);
    private static final Duration DEFAULT_HEARTBEAT_DELAY = Duration.ofSeconds(15);
    private static final Duration LONGEST_HEARTBEAT_DELAY = Duration.ofSeconds(60);
    private static final int SILENT_HEARTBEATS = 3;

    private final Supplier<ManagedChannel> newChannel;
    private final FeedHandler handler;
    private final EventFilter filter;
    private final Duration heartbeatDelay;
    private final int maxBatchSize;
    private final boolean conversionsOnly;

    private final AtomicBoolean started = new AtomicBoolean();
    private final CountDownLatch stopped = new CountDownLatch(1);
    private final Backoff backoff = new Backoff();
    private volatile FeedStart start;
    private volatile MessageStream stream;
    private final AtomicInteger reconnectCount = new AtomicInteger();

    private FeedFollower(Builder settings) {
        this.newChannel = settings.newChannel;
        this.handler = settings.handler;
        this.start = settings.start;
        this.filter = settings.filter;
        this.heartbeatDelay = settings.heartbeatDelay;
        this.maxBatchSize = settings.maxBatchSize;
        this.conversionsOnly = settings.conversionsOnly;
    }

    /**
     * Follows the feed until the follower stops.
     *
     * @throws FeedStoppedException if the server refuses to continue
     * @throws FeedHandlerException if the handler failed
     * @throws InterruptedException if the thread was interrupted
     */
    public void run() throws InterruptedException {
        if (!started.compareAndSet(false, true)) {
            throw new IllegalStateException("a follower runs once");
        }
        ManagedChannel channel = newChannel.get();
        try {
            while (!isStopped()) {
                Ending ending = followStream(channel);
                if (isStopped()) {
                    return;
                }
                Duration delay = backoff.delay(ending.requestedDelay());
                notifyReconnecting(ending, delay);
                if (stopped.await(delay.toMillis(), TimeUnit.MILLISECONDS)) {
                    return;
                }
                reconnectCount.incrementAndGet();
                channel.resetConnectBackoff();
            }
        } finally {
            channel.shutdownNow();
        }
    }

    /** Stops the follower after the events that its handler is handling. May be called from any thread. */
    public void stop() {
        stopped.countDown();
        MessageStream open = stream;
        if (open != null) {
            open.close();
        }
    }

    /**
     * Returns the cursor of the last events that were handled.
     *
     * @return the cursor; empty before the first message of a follower that did not start after a cursor
     */
    public String cursor() {
        return start.getAfterCursor();
    }

    /**
     * Returns how often the follower has connected again.
     *
     * @return the number of connections after the first one
     */
    public int reconnectCount() {
        return reconnectCount.get();
    }

    /** Why a stream ended, and how long the server asks to wait. */
    private record Ending(String cause, Duration requestedDelay) {}

    private boolean isStopped() {
        return stopped.getCount() == 0;
    }

    private Ending followStream(Channel channel) throws InterruptedException {
        // What a draining server asks for holds even if the connection breaks before the stream ends.
        Duration drainDelay = Duration.ZERO;
        String cause = "the stream ended";
        Duration silence = silenceBeforeOpened();
        try (MessageStream open = openStream(channel)) {
            stream = open;
            while (!isStopped()) {
                FeedMessage message = open.next(silence);
                if (message == null) {
                    return new Ending(cause, drainDelay);
                }
                if (message.content() instanceof Opened opened) {
                    Duration used = Durations.of(opened.getHeartbeatDelay());
                    silence = isPositive(used) ? used.multipliedBy(SILENT_HEARTBEATS) : silence;
                }
                if (message.content() instanceof Draining draining) {
                    drainDelay = Durations.of(draining.getReconnectDelay());
                    cause = draining.getReason().name();
                }
                handle(message);
            }
            return new Ending("stopped", Duration.ZERO);
        } catch (TimeoutException silent) {
            return new Ending(silent.getMessage(), drainDelay);
        } catch (StatusRuntimeException failure) {
            return endingOf(failure, drainDelay);
        } finally {
            stream = null;
        }
    }

    private Ending endingOf(StatusRuntimeException failure, Duration drainDelay) {
        HeadwaterError error = HeadwaterError.of(failure);
        if (!isStopped() && STOP_REASONS.contains(error.reason())) {
            throw new FeedStoppedException(error, failure);
        }
        Duration retryDelay = error.retryDelay().orElse(Duration.ZERO);
        return new Ending(failure.getMessage(), retryDelay.compareTo(drainDelay) > 0 ? retryDelay : drainDelay);
    }

    /** The watchdog's limit until the stream says which heartbeat delay it uses. Opening a stream may take a while. */
    private Duration silenceBeforeOpened() {
        Duration delay = heartbeatDelay;
        if (delay.compareTo(DEFAULT_HEARTBEAT_DELAY) < 0) {
            delay = DEFAULT_HEARTBEAT_DELAY;
        } else if (delay.compareTo(LONGEST_HEARTBEAT_DELAY) > 0) {
            delay = LONGEST_HEARTBEAT_DELAY;
        }
        return delay.multipliedBy(SILENT_HEARTBEATS);
    }

    private static boolean isPositive(Duration duration) {
        return duration.compareTo(Duration.ZERO) > 0;
    }

    private MessageStream openStream(Channel channel) {
        if (conversionsOnly) {
            WatchConversionsRequest request = WatchConversionsRequest.newBuilder()
                    .setStart(start)
                    .setFilter(filter)
                    .setHeartbeatDelay(Durations.of(heartbeatDelay))
                    .setMaxBatchSize(maxBatchSize)
                    .build();
            return MessageStream.open(
                    channel, TrackingServiceGrpc.getWatchConversionsMethod(), request, FeedMessage::of);
        }
        WatchEventsRequest request = WatchEventsRequest.newBuilder()
                .setStart(start)
                .setFilter(filter)
                .setHeartbeatDelay(Durations.of(heartbeatDelay))
                .setMaxBatchSize(maxBatchSize)
                .build();
        return MessageStream.open(channel, FeedServiceGrpc.getWatchEventsMethod(), request, FeedMessage::of);
    }

    private void handle(FeedMessage message) throws InterruptedException {
        // The server always sends a cursor. Without one, the last cursor stays.
        String cursor = message.cursor().isEmpty() ? cursor() : message.cursor();
        try {
            if (message.content() instanceof EventBatch batch) {
                handler.handle(batch.getEventsList(), cursor);
            } else if (!cursor.equals(cursor())) {
                handler.handle(List.of(), cursor);
            }
            if (!cursor.isEmpty()) {
                start = FeedStart.newBuilder().setAfterCursor(cursor).build();
            }
            notify(message);
        } catch (InterruptedException interrupted) {
            throw interrupted;
        } catch (Exception failure) {
            throw new FeedHandlerException(failure);
        }
    }

    private void notifyReconnecting(Ending ending, Duration delay) {
        try {
            handler.reconnecting(ending.cause(), delay);
        } catch (RuntimeException failure) {
            throw new FeedHandlerException(failure);
        }
    }

    private void notify(FeedMessage message) {
        if (message.content() instanceof Opened opened) {
            handler.opened(opened);
            return;
        }
        backoff.reset();
        if (message.content() instanceof CaughtUp) {
            handler.caughtUp();
        } else if (message.content() instanceof FellBehind fellBehind) {
            handler.fellBehind(fellBehind.getLagEventCount());
        }
    }

    /** The settings of a follower. A position to start from is required. */
    public static final class Builder {
        private final Supplier<ManagedChannel> newChannel;
        private final FeedHandler handler;
        private FeedStart start;
        private EventFilter filter = EventFilter.getDefaultInstance();
        private Duration heartbeatDelay = DEFAULT_HEARTBEAT_DELAY;
        private int maxBatchSize;
        private boolean conversionsOnly;

        Builder(Supplier<ManagedChannel> newChannel, FeedHandler handler) {
            this.newChannel = newChannel;
            this.handler = Objects.requireNonNull(handler, "handler");
        }

        /**
         * Starts after the cursor that was stored, or at the beginning if none was stored yet.
         *
         * @param cursor the cursor; null or empty if there is none
         * @return this builder
         */
        public Builder resume(String cursor) {
            return cursor == null || cursor.isEmpty() ? fromBeginning() : after(cursor);
        }

        /**
         * Starts after a cursor that was stored.
         *
         * @param cursor the cursor
         * @return this builder
         */
        public Builder after(String cursor) {
            return from(FeedStart.newBuilder().setAfterCursor(cursor));
        }

        /**
         * Starts before the oldest event that is kept.
         *
         * @return this builder
         */
        public Builder fromBeginning() {
            return from(FeedStart.newBuilder().setPosition(FeedPosition.FEED_POSITION_BEGINNING));
        }

        /**
         * Starts after the newest event.
         *
         * @return this builder
         */
        public Builder fromLatest() {
            return from(FeedStart.newBuilder().setPosition(FeedPosition.FEED_POSITION_LATEST));
        }

        /**
         * Starts before the first event that was committed at a time or later.
         *
         * @param commitTime the time
         * @return this builder
         */
        public Builder fromCommitTime(Instant commitTime) {
            return from(FeedStart.newBuilder()
                    .setCommitTime(Timestamp.newBuilder()
                            .setSeconds(commitTime.getEpochSecond())
                            .setNanos(commitTime.getNano())));
        }

        /**
         * Follows only the events that pass a filter. Default: all events.
         *
         * @param filter the filter
         * @return this builder
         */
        public Builder filter(EventFilter filter) {
            this.filter = Objects.requireNonNull(filter, "filter");
            return this;
        }

        /**
         * Follows WatchConversions, which has only events about conversions, instead of WatchEvents.
         *
         * @return this builder
         */
        public Builder conversionsOnly() {
            this.conversionsOnly = true;
            return this;
        }

        /**
         * Sets how long the stream may be silent before the server sends a heartbeat. Default 15 seconds. The server
         * uses 5 to 60 seconds.
         *
         * @param heartbeatDelay the delay
         * @return this builder
         */
        public Builder heartbeatDelay(Duration heartbeatDelay) {
            this.heartbeatDelay = Objects.requireNonNull(heartbeatDelay, "heartbeatDelay");
            return this;
        }

        /**
         * Sets the largest number of events in one call of the handler. Default 100. The server allows at most 1,000.
         *
         * @param maxBatchSize the number; 0 is the default
         * @return this builder
         */
        public Builder maxBatchSize(int maxBatchSize) {
            this.maxBatchSize = maxBatchSize;
            return this;
        }

        /**
         * Returns the follower. {@link FeedFollower#run()} starts it.
         *
         * @return the follower
         * @throws IllegalStateException if there is no position to start from
         */
        public FeedFollower build() {
            if (start == null) {
                throw new IllegalStateException("a follower needs a position to start from, such as resume(cursor)");
            }
            return new FeedFollower(this);
        }

        private Builder from(FeedStart.Builder start) {
            this.start = start.build();
            return this;
        }
    }
}

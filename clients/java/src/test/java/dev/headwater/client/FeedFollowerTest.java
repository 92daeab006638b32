package dev.headwater.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Duration;
import dev.headwater.v1.CaughtUp;
import dev.headwater.v1.Draining;
import dev.headwater.v1.ErrorReason;
import dev.headwater.v1.Event;
import dev.headwater.v1.EventBatch;
import dev.headwater.v1.FeedPosition;
import dev.headwater.v1.FeedServiceGrpc;
import dev.headwater.v1.FeedStart;
import dev.headwater.v1.Heartbeat;
import dev.headwater.v1.Opened;
import dev.headwater.v1.TrackingServiceGrpc;
import dev.headwater.v1.WatchConversionsRequest;
import dev.headwater.v1.WatchConversionsResponse;
import dev.headwater.v1.WatchEventsRequest;
import dev.headwater.v1.WatchEventsResponse;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(30)
final class FeedFollowerTest {
    private final Queue<Consumer<StreamObserver<WatchEventsResponse>>> streams = new ConcurrentLinkedQueue<>();
    private final List<FeedStart> starts = new CopyOnWriteArrayList<>();
    private final List<String> handled = new ArrayList<>();
    private FakeServer server;
    private HeadwaterClient client;

    @BeforeEach
    void start() throws IOException {
        server = new FakeServer(new Feed(), new Conversions());
        client = server.client();
    }

    @AfterEach
    void stop() {
        client.close();
        server.close();
    }

    @Test
    void everyEndIsFollowedByAStreamAfterTheLastCursor() {
        streams.add(stream -> {
            stream.onNext(opened("c0"));
            stream.onNext(events("c2", 1, 2));
            stream.onCompleted();
        });
        streams.add(stream -> {
            stream.onNext(events("c3", 3));
            stream.onError(FakeServer.error(Status.Code.RESOURCE_EXHAUSTED, "SLOW_CONSUMER"));
        });
        streams.add(stream -> {
            stream.onNext(heartbeat("c4"));
            stream.onError(Status.INVALID_ARGUMENT.asRuntimeException());
        });
        streams.add(stream -> stream.onError(FakeServer.error(Status.Code.UNAUTHENTICATED, "NEW_IN_LATER_VERSION")));
        refuse();

        FeedFollower follower = client.followFeed(this::handle).after("stored").build();
        assertThrows(FeedStoppedException.class, follower::run);

        assertEquals(
                List.of("stored", "c2", "c3", "c4", "c4"),
                starts.stream().map(FeedStart::getAfterCursor).toList());
        assertEquals(List.of("[] c0", "[1, 2] c2", "[3] c3", "[] c4"), handled);
        assertEquals("c4", follower.cursor());
        assertEquals(4, follower.reconnectCount());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "KEY_MISSING",
                "KEY_INVALID",
                "KEY_KIND_NOT_ALLOWED",
                "INVALID_FIELDS",
                "METHOD_UNKNOWN",
                "CURSOR_MALFORMED",
                "CURSOR_FOREIGN",
                "CURSOR_EXPIRED",
                "CURSOR_AHEAD_OF_HEAD",
                "CURSOR_OF_ANOTHER_HISTORY"
            })
    void theFollowerStopsForAReasonThatWouldNotChange(String reason) {
        streams.add(stream -> stream.onError(FakeServer.error(Status.Code.UNAVAILABLE, reason)));

        FeedFollower follower = client.followFeed(this::handle).fromBeginning().build();
        FeedStoppedException stopped = assertThrows(FeedStoppedException.class, follower::run);

        assertEquals(reason, stopped.error().reasonName());
        assertEquals("value", stopped.error().metadata().get("key"));
        assertEquals(1, starts.size());
    }

    @Test
    void aFailedHandlerKeepsTheCursorBeforeItsEvents() {
        streams.add(stream -> {
            stream.onNext(events("c1", 1));
            stream.onNext(events("c2", 2));
        });
        IOException fault = new IOException("the disk is full");
        FeedHandler handler = (events, cursor) -> {
            if (cursor.equals("c2")) {
                throw fault;
            }
        };

        FeedFollower follower = client.followFeed(handler).fromBeginning().build();
        FeedHandlerException failure = assertThrows(FeedHandlerException.class, follower::run);

        assertEquals(fault, failure.getCause());
        assertEquals("c1", follower.cursor());
    }

    @Test
    void aMessageWithoutACursorKeepsTheLastOne() {
        streams.add(stream -> {
            stream.onNext(events("c1", 1));
            stream.onNext(heartbeat(""));
            stream.onNext(events("", 2));
            stream.onCompleted();
        });
        refuse();

        FeedFollower follower = client.followFeed(this::handle).resume("").build();
        assertThrows(FeedStoppedException.class, follower::run);

        assertEquals("c1", starts.get(1).getAfterCursor());
        assertEquals(List.of("[1] c1", "[2] c1"), handled);
    }

    @Test
    void aFollowerResumesAtTheBeginningOrAfterACursor() {
        for (String cursor : new String[] {null, "", "stored"}) {
            refuse();
            FeedFollower follower =
                    client.followFeed(this::handle).resume(cursor).build();
            assertThrows(FeedStoppedException.class, follower::run);
        }

        assertEquals(FeedPosition.FEED_POSITION_BEGINNING, starts.get(0).getPosition());
        assertEquals(FeedPosition.FEED_POSITION_BEGINNING, starts.get(1).getPosition());
        assertEquals("stored", starts.get(2).getAfterCursor());
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, 0, 1, Long.MAX_VALUE})
    void theWatchdogDoesNotTrustAHeartbeatDelayThatNobodyUses(long seconds) {
        streams.add(stream -> {
            stream.onNext(WatchEventsResponse.newBuilder()
                    .setCursor("c0")
                    .setOpened(Opened.newBuilder().setHeartbeatDelay(Duration.newBuilder()))
                    .build());
            sleep(100);
            stream.onNext(events("c1", 1));
            stream.onError(FakeServer.error(Status.Code.OUT_OF_RANGE, "CURSOR_EXPIRED"));
        });

        FeedFollower follower = client.followFeed(this::handle)
                .fromBeginning()
                .heartbeatDelay(java.time.Duration.ofSeconds(seconds))
                .build();
        assertThrows(FeedStoppedException.class, follower::run);

        assertEquals("c1", follower.cursor());
        assertEquals(0, follower.reconnectCount());
    }

    @Test
    void aFaultOfTheConnectionIsNamed() throws IOException {
        server.close();
        List<String> causes = new ArrayList<>();
        FeedHandler handler = new FeedHandler() {
            @Override
            public void handle(List<Event> events, String cursor) {}

            @Override
            public void reconnecting(String cause, java.time.Duration delay) {
                causes.add(cause);
                throw new IllegalStateException("enough");
            }
        };

        FeedFollower follower = client.followFeed(handler).fromBeginning().build();
        FeedHandlerException failure = assertThrows(FeedHandlerException.class, follower::run);

        assertEquals("enough", failure.getCause().getMessage());
        assertTrue(causes.get(0).contains("Connection refused"), causes::toString);
    }

    @Test
    void aSilentStreamIsReplaced() {
        streams.add(stream -> stream.onNext(opened("c0")));
        refuse();

        long begun = System.nanoTime();
        FeedFollower follower = client.followFeed(this::handle).fromBeginning().build();
        assertThrows(FeedStoppedException.class, follower::run);

        assertEquals(1, follower.reconnectCount());
        assertTrue(System.nanoTime() - begun >= 300_000_000, "the stream was replaced before three heartbeats");
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void theFollowerWaitsAsLongAsADrainingServerAsks(boolean isOrderly) {
        streams.add(stream -> {
            stream.onNext(WatchEventsResponse.newBuilder()
                    .setCursor("c5")
                    .setDraining(Draining.newBuilder().setReconnectDelay(millis(400)))
                    .build());
            if (isOrderly) {
                stream.onCompleted();
            } else {
                stream.onError(Status.UNAVAILABLE.asRuntimeException());
            }
        });
        refuse();
        List<java.time.Duration> delays = new ArrayList<>();
        FeedHandler handler = new FeedHandler() {
            @Override
            public void handle(List<Event> events, String cursor) {}

            @Override
            public void reconnecting(String cause, java.time.Duration delay) {
                delays.add(delay);
            }
        };

        FeedFollower follower = client.followFeed(handler).fromBeginning().build();
        assertThrows(FeedStoppedException.class, follower::run);

        assertEquals("c5", starts.get(1).getAfterCursor());
        assertEquals(1, delays.size());
        assertTrue(delays.get(0).toMillis() >= 400, () -> "the delay is " + delays.get(0));
    }

    @Test
    void theCallerStopsTheFollower() throws InterruptedException {
        streams.add(stream -> {
            stream.onNext(events("c1", 1));
            stream.onNext(WatchEventsResponse.newBuilder()
                    .setCursor("c1")
                    .setCaughtUp(CaughtUp.getDefaultInstance())
                    .build());
        });
        FeedFollower[] follower = new FeedFollower[1];
        FeedHandler handler = new FeedHandler() {
            @Override
            public void handle(List<Event> events, String cursor) {}

            @Override
            public void caughtUp() {
                new Thread(follower[0]::stop).start();
            }
        };

        follower[0] = client.followFeed(handler).fromBeginning().build();
        follower[0].run();

        assertEquals("c1", follower[0].cursor());
    }

    @Test
    void aStoppedFollowerDoesNotConnect() throws InterruptedException {
        FeedFollower follower = client.followFeed(this::handle).fromBeginning().build();
        follower.stop();
        follower.run();

        assertEquals(List.of(), starts);
    }

    @Test
    void conversionsAreFollowedTheSameWay() {
        FeedFollower follower = client.followFeed(this::handle)
                .conversionsOnly()
                .after("stored")
                .build();
        FeedStoppedException stopped = assertThrows(FeedStoppedException.class, follower::run);

        assertEquals(ErrorReason.ERROR_REASON_CURSOR_FOREIGN, stopped.error().reason());
        assertInstanceOf(io.grpc.StatusRuntimeException.class, stopped.getCause());
        assertEquals(List.of("[7] c7"), handled);
    }

    private void handle(List<Event> events, String cursor) {
        handled.add(events.stream().map(Event::getSequence).toList() + " " + cursor);
    }

    /** The next stream ends the follower. */
    private void refuse() {
        streams.add(stream -> stream.onError(FakeServer.error(Status.Code.OUT_OF_RANGE, "CURSOR_EXPIRED")));
    }

    private static WatchEventsResponse opened(String cursor) {
        return WatchEventsResponse.newBuilder()
                .setCursor(cursor)
                .setOpened(Opened.newBuilder().setHeartbeatDelay(millis(100)))
                .build();
    }

    private static WatchEventsResponse events(String cursor, long... sequences) {
        EventBatch.Builder batch = EventBatch.newBuilder();
        for (long sequence : sequences) {
            batch.addEvents(Event.newBuilder().setSequence(sequence));
        }
        return WatchEventsResponse.newBuilder()
                .setCursor(cursor)
                .setBatch(batch)
                .build();
    }

    private static WatchEventsResponse heartbeat(String cursor) {
        return WatchEventsResponse.newBuilder()
                .setCursor(cursor)
                .setHeartbeat(Heartbeat.getDefaultInstance())
                .build();
    }

    private static void sleep(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private static Duration millis(int millis) {
        return Duration.newBuilder().setNanos(millis * 1_000_000).build();
    }

    private final class Feed extends FeedServiceGrpc.FeedServiceImplBase {
        @Override
        public void watchEvents(WatchEventsRequest request, StreamObserver<WatchEventsResponse> observer) {
            starts.add(request.getStart());
            streams.remove().accept(observer);
        }
    }

    private static final class Conversions extends TrackingServiceGrpc.TrackingServiceImplBase {
        @Override
        public void watchConversions(
                WatchConversionsRequest request, StreamObserver<WatchConversionsResponse> observer) {
            if (request.getStart().getAfterCursor().equals("c7")) {
                observer.onError(FakeServer.error(Status.Code.INVALID_ARGUMENT, "CURSOR_FOREIGN"));
                return;
            }
            observer.onNext(WatchConversionsResponse.newBuilder()
                    .setCursor("c7")
                    .setBatch(
                            EventBatch.newBuilder().addEvents(Event.newBuilder().setSequence(7)))
                    .build());
            observer.onCompleted();
        }
    }
}

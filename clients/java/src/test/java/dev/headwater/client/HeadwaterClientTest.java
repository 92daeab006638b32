package dev.headwater.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Duration;
import dev.headwater.v1.AccountServiceGrpc;
import dev.headwater.v1.AffiliateServiceGrpc;
import dev.headwater.v1.CheckApiKeyRequest;
import dev.headwater.v1.CheckApiKeyResponse;
import dev.headwater.v1.CreateProgramRequest;
import dev.headwater.v1.CreateProgramResponse;
import dev.headwater.v1.ErrorReason;
import dev.headwater.v1.FeedServiceGrpc;
import dev.headwater.v1.ReadEventsRequest;
import dev.headwater.v1.ReadEventsResponse;
import dev.headwater.v1.RecordClickRequest;
import dev.headwater.v1.RecordClickResponse;
import dev.headwater.v1.RecordSaleRequest;
import dev.headwater.v1.RecordSaleResponse;
import dev.headwater.v1.RewardServiceGrpc;
import dev.headwater.v1.TrackingServiceGrpc;
import dev.headwater.v1.VerifyLedgerRequest;
import dev.headwater.v1.VerifyLedgerResponse;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.ServerSocket;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.UUID;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
final class HeadwaterClientTest {
    private final List<Object> requests = new CopyOnWriteArrayList<>();
    private final Queue<StatusRuntimeException> failures = new ConcurrentLinkedQueue<>();
    private FakeServer server;
    private HeadwaterClient client;

    @BeforeEach
    void start() throws IOException {
        server = new FakeServer(new Accounts(), new Affiliates(), new Tracking(), new Rewards(), new Feed());
        client = server.client();
    }

    @AfterEach
    void stop() {
        client.close();
        server.close();
    }

    @Test
    void anEmptyRequestIdIsFilledOnceForAllAttempts() {
        failures.add(FakeServer.error(Status.Code.UNAVAILABLE, "UNAVAILABLE"));
        failures.add(FakeServer.error(Status.Code.RESOURCE_EXHAUSTED, "OVERLOADED", "20"));

        client.affiliates().createProgram(CreateProgramRequest.getDefaultInstance());
        client.affiliates().createProgram(CreateProgramRequest.getDefaultInstance());

        List<String> ids = requests.stream()
                .map(request -> ((CreateProgramRequest) request).getRequestId())
                .toList();
        assertEquals(4, ids.size());
        assertEquals(ids.get(0), UUID.fromString(ids.get(0)).toString());
        assertEquals(List.of(ids.get(0), ids.get(0)), ids.subList(1, 3));
        assertNotEquals(ids.get(0), ids.get(3));
    }

    @Test
    void aRequestIdOfTheCallerIsKept() {
        CreateProgramRequest request =
                CreateProgramRequest.newBuilder().setRequestId("mine").build();

        client.affiliates().createProgram(request);

        assertEquals(List.of(request), requests);
    }

    @Test
    void theEventIdIsFilledForClicksOnly() {
        client.tracking().recordClick(RecordClickRequest.getDefaultInstance());
        client.tracking().recordSale(RecordSaleRequest.getDefaultInstance());

        assertEquals(36, ((RecordClickRequest) requests.get(0)).getEventId().length());
        assertEquals(RecordSaleRequest.getDefaultInstance(), requests.get(1));
    }

    @Test
    void callsGetTheirDefaultDeadlines() {
        client.affiliates().createProgram(CreateProgramRequest.getDefaultInstance());
        client.feed()
                .readEvents(ReadEventsRequest.newBuilder()
                        .setMaxWait(Duration.newBuilder().setSeconds(30))
                        .build());
        client.rewards().verifyLedger(VerifyLedgerRequest.getDefaultInstance());
        client.affiliates()
                .withDeadlineAfter(3, TimeUnit.SECONDS)
                .createProgram(CreateProgramRequest.getDefaultInstance());

        assertEquals(
                List.of(Optional.of(10L), Optional.of(35L), Optional.empty(), Optional.of(3L)), server.deadlineSeconds);
    }

    @Test
    void theKeyIsSent() {
        client.accounts().checkApiKey(CheckApiKeyRequest.getDefaultInstance());

        assertEquals("Bearer hw_test", server.headers.get(0).get(FakeServer.AUTHORIZATION));
    }

    @Test
    void aTooLargeMessageIsNotRepeated() {
        failures.add(FakeServer.error(Status.Code.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE", "-1"));

        StatusRuntimeException failure = assertThrows(
                StatusRuntimeException.class,
                () -> client.tracking().recordSale(RecordSaleRequest.getDefaultInstance()));

        assertEquals(
                ErrorReason.ERROR_REASON_MESSAGE_TOO_LARGE,
                HeadwaterError.of(failure).reason());
        assertEquals(1, requests.size());
    }

    @Test
    void manyBadRequestsDoNotSwitchOffRetries() {
        for (int bad = 0; bad < 200; bad++) {
            failures.add(FakeServer.error(Status.Code.NOT_FOUND, "LINK_NOT_FOUND", "-1"));
            assertThrows(
                    StatusRuntimeException.class,
                    () -> client.tracking().recordClick(RecordClickRequest.getDefaultInstance()));
        }
        failures.add(FakeServer.error(Status.Code.UNAVAILABLE, "UNAVAILABLE"));

        client.tracking().recordSale(RecordSaleRequest.getDefaultInstance());

        assertEquals(202, requests.size());
    }

    @Test
    void aWrongAddressFailsAtOnce() throws IOException {
        int freePort;
        try (ServerSocket socket = new ServerSocket(0)) {
            freePort = socket.getLocalPort();
        }
        HeadwaterClient.Builder builder =
                HeadwaterClient.builder("127.0.0.1:" + freePort, "hw_test").plaintext();

        StatusRuntimeException failure = assertThrows(StatusRuntimeException.class, builder::connect);

        assertEquals(Status.Code.UNAVAILABLE, failure.getStatus().getCode());
        assertTrue(String.valueOf(failure.getCause()).contains("refused"), () -> "the cause: " + failure.getCause());
    }

    @Test
    void aWrongKeyFailsAtOnce() {
        failures.add(FakeServer.error(Status.Code.UNAUTHENTICATED, "KEY_INVALID", "-1"));
        HeadwaterClient.Builder builder =
                HeadwaterClient.builder(server.address(), "wrong").plaintext();

        StatusRuntimeException failure = assertThrows(StatusRuntimeException.class, builder::connect);

        assertEquals(
                ErrorReason.ERROR_REASON_KEY_INVALID, HeadwaterError.of(failure).reason());
    }

    private <A> void answer(Object request, A answer, StreamObserver<A> observer) {
        requests.add(request);
        StatusRuntimeException failure = failures.poll();
        if (failure != null) {
            observer.onError(failure);
            return;
        }
        observer.onNext(answer);
        observer.onCompleted();
    }

    private final class Accounts extends AccountServiceGrpc.AccountServiceImplBase {
        @Override
        public void checkApiKey(CheckApiKeyRequest request, StreamObserver<CheckApiKeyResponse> observer) {
            answer(request, CheckApiKeyResponse.getDefaultInstance(), observer);
        }
    }

    private final class Affiliates extends AffiliateServiceGrpc.AffiliateServiceImplBase {
        @Override
        public void createProgram(CreateProgramRequest request, StreamObserver<CreateProgramResponse> observer) {
            answer(request, CreateProgramResponse.getDefaultInstance(), observer);
        }
    }

    private final class Tracking extends TrackingServiceGrpc.TrackingServiceImplBase {
        @Override
        public void recordClick(RecordClickRequest request, StreamObserver<RecordClickResponse> observer) {
            answer(request, RecordClickResponse.getDefaultInstance(), observer);
        }

        @Override
        public void recordSale(RecordSaleRequest request, StreamObserver<RecordSaleResponse> observer) {
            answer(request, RecordSaleResponse.getDefaultInstance(), observer);
        }
    }

    private final class Rewards extends RewardServiceGrpc.RewardServiceImplBase {
        @Override
        public void verifyLedger(VerifyLedgerRequest request, StreamObserver<VerifyLedgerResponse> observer) {
            answer(request, VerifyLedgerResponse.getDefaultInstance(), observer);
        }
    }

    private final class Feed extends FeedServiceGrpc.FeedServiceImplBase {
        @Override
        public void readEvents(ReadEventsRequest request, StreamObserver<ReadEventsResponse> observer) {
            answer(request, ReadEventsResponse.getDefaultInstance(), observer);
        }
    }
}

package dev.headwater.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Duration;
import dev.headwater.v1.AccountServiceGrpc;
import dev.headwater.v1.AffiliateServiceGrpc;
import dev.headwater.v1.BatchItem;
import dev.headwater.v1.BatchRecordEventsRequest;
import dev.headwater.v1.BatchRecordEventsResponse;
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
import java.nio.file.Files;
import java.nio.file.Path;
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
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

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
    void theEventIdsOfClicksInABatchAreFilled() {
        RecordClickRequest own =
                RecordClickRequest.newBuilder().setEventId("mine").build();
        BatchItem sale = BatchItem.newBuilder()
                .setSale(RecordSaleRequest.getDefaultInstance())
                .build();

        client.tracking()
                .batchRecordEvents(BatchRecordEventsRequest.newBuilder()
                        .addItems(BatchItem.newBuilder().setClick(RecordClickRequest.getDefaultInstance()))
                        .addItems(sale)
                        .addItems(BatchItem.newBuilder().setClick(own))
                        .build());

        BatchRecordEventsRequest sent = (BatchRecordEventsRequest) requests.get(0);
        assertEquals(36, sent.getItems(0).getClick().getEventId().length());
        assertEquals(sale, sent.getItems(1));
        assertEquals(own, sent.getItems(2).getClick());
    }

    @Test
    void durationsWithoutMeasureAreShortened() {
        HeadwaterClient.Builder patient = HeadwaterClient.builder(server.address(), "hw_test")
                .plaintext()
                .timeout(java.time.Duration.ofSeconds(Long.MAX_VALUE));
        try (HeadwaterClient slow = patient.connect()) {
            slow.feed()
                    .readEvents(ReadEventsRequest.newBuilder()
                            .setMaxWait(Duration.newBuilder().setSeconds(Long.MAX_VALUE))
                            .build());
        }

        assertEquals(2, requests.size());
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
        HeadwaterClient.Builder builder =
                HeadwaterClient.builder(unusedAddress(), "hw_test").plaintext();

        StatusRuntimeException failure = assertThrows(StatusRuntimeException.class, builder::connect);

        assertEquals(Status.Code.UNAVAILABLE, failure.getStatus().getCode());
        assertTrue(failure.getMessage().contains("Connection refused"), failure::getMessage);
        assertTrue(HeadwaterError.of(failure).message().contains("Connection refused"), failure::getMessage);
    }

    @Test
    void aDeadlineThatPassesWhileTheServerIsDownNamesTheCauseInOneLine() throws IOException {
        HeadwaterClient.Builder builder = HeadwaterClient.builder(unusedAddress(), "hw_test")
                .plaintext()
                .timeout(java.time.Duration.ofMillis(300));
        try (HeadwaterClient down = builder.build()) {
            StatusRuntimeException failure = assertThrows(
                    StatusRuntimeException.class,
                    () -> down.tracking().recordSale(RecordSaleRequest.getDefaultInstance()));

            assertEquals(Status.Code.DEADLINE_EXCEEDED, failure.getStatus().getCode());
            assertTrue(failure.getMessage().contains("Connection refused"), failure::getMessage);
            assertEquals(1, failure.getMessage().lines().count(), failure::getMessage);
        }
    }

    @Test
    void aCallConnectsAtOnceWhenTheServerIsBack() throws IOException, InterruptedException {
        String address = unusedAddress();
        HeadwaterClient.Builder builder =
                HeadwaterClient.builder(address, "hw_test").plaintext().timeout(java.time.Duration.ofMillis(700));
        try (HeadwaterClient down = builder.build()) {
            RecordSaleRequest sale = RecordSaleRequest.getDefaultInstance();
            assertThrows(StatusRuntimeException.class, () -> down.tracking().recordSale(sale));
            Thread.sleep(2_700); // gRPC now waits for 2.6 seconds before it connects again.

            try (FakeServer back = new FakeServer(Integer.parseInt(address.split(":")[1]), new Tracking())) {
                down.tracking().recordSale(sale);
                assertEquals(1, back.headers.size());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "headwater.internal", "https://headwater.internal:50051", ":50051", "2001:db8::1"})
    void anAddressWithoutAPortIsRefused(String address) {
        assertThrows(IllegalArgumentException.class, () -> HeadwaterClient.builder(address, "hw_test"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "headwater.internal:50051",
                "[2001:db8::1]:50051",
                "dns:///headwater.internal:50051",
                "unix:/run/hw"
            })
    void anAddressWithAPortIsTaken(String address) {
        HeadwaterClient.builder(address, "hw_test");
    }

    @Test
    void whiteSpaceAroundTheKeyIsNotSent() {
        HeadwaterClient.builder(server.address(), " hw_test\n")
                .plaintext()
                .connect()
                .close();

        assertEquals("Bearer hw_test", server.headers.get(0).get(FakeServer.AUTHORIZATION));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " \n", "hw_\ntest", "hw_t\u00e4st"})
    void aKeyThatCannotBeSentIsRefusedAndNotShown(String key) {
        IllegalArgumentException failure =
                assertThrows(IllegalArgumentException.class, () -> HeadwaterClient.builder("localhost:1", key));

        assertFalse(failure.getMessage().contains("hw_"), failure::getMessage);
    }

    @Test
    void aFileWithoutCertificatesIsRefused(@TempDir Path folder) throws IOException {
        Path file = Files.writeString(folder.resolve("ca.pem"), "no certificate");
        HeadwaterClient.Builder builder = HeadwaterClient.builder("localhost:1", "hw_test");

        assertThrows(IOException.class, () -> builder.trustCertificates(file));
    }

    @Test
    void aTimeoutMustBeMoreThanZero() {
        HeadwaterClient.Builder builder = HeadwaterClient.builder("localhost:1", "hw_test");

        assertThrows(IllegalArgumentException.class, () -> builder.timeout(java.time.Duration.ZERO));
    }

    private static String unusedAddress() throws IOException {
        try (ServerSocket socket = new ServerSocket(0)) {
            return "127.0.0.1:" + socket.getLocalPort();
        }
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

        @Override
        public void batchRecordEvents(
                BatchRecordEventsRequest request, StreamObserver<BatchRecordEventsResponse> observer) {
            answer(request, BatchRecordEventsResponse.getDefaultInstance(), observer);
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

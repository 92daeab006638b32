package dev.headwater.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.protobuf.Duration;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RequestInfo;
import com.google.rpc.RetryInfo;
import dev.headwater.client.HeadwaterError.FieldViolation;
import dev.headwater.v1.ErrorReason;
import io.grpc.Metadata;
import io.grpc.Status;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.Test;

final class HeadwaterErrorTest {
    @Test
    void allDetailsAreRead() {
        HeadwaterError error = HeadwaterError.of(FakeServer.error(
                Status.Code.INVALID_ARGUMENT,
                "INVALID_FIELDS",
                BadRequest.newBuilder()
                        .addFieldViolations(violation("amount.amount_minor", "must be more than zero"))
                        .addFieldViolations(violation("email", "must be an address"))
                        .build(),
                RetryInfo.newBuilder()
                        .setRetryDelay(Duration.newBuilder().setNanos(250_000_000))
                        .build(),
                RequestInfo.newBuilder().setRequestId("call-1").build()));

        assertEquals(Status.Code.INVALID_ARGUMENT, error.code());
        assertEquals(ErrorReason.ERROR_REASON_INVALID_FIELDS, error.reason());
        assertEquals("INVALID_FIELDS", error.reasonName());
        assertEquals(
                List.of(
                        new FieldViolation("amount.amount_minor", "must be more than zero"),
                        new FieldViolation("email", "must be an address")),
                error.fieldViolations());
        assertEquals(Map.of("key", "value"), error.metadata());
        assertEquals(Optional.of(java.time.Duration.ofMillis(250)), error.retryDelay());
        assertEquals("call-1", error.requestId());
    }

    @Test
    void anUnknownReasonKeepsItsName() {
        HeadwaterError error = HeadwaterError.of(FakeServer.error(Status.Code.ABORTED, "NEW_IN_LATER_VERSION"));

        assertEquals(ErrorReason.UNRECOGNIZED, error.reason());
        assertEquals("NEW_IN_LATER_VERSION", error.reasonName());
    }

    @Test
    void aFailureOfTheTransportHasNoReason() {
        HeadwaterError error = HeadwaterError.of(
                Status.UNAVAILABLE.withDescription("io exception").asRuntimeException());

        assertEquals(Status.Code.UNAVAILABLE, error.code());
        assertEquals(ErrorReason.ERROR_REASON_UNSPECIFIED, error.reason());
        assertEquals("io exception", error.message());
        assertTrue(error.fieldViolations().isEmpty());
    }

    @Test
    void malformedDetailsLeaveTheCode() {
        Metadata trailers = new Metadata();
        trailers.put(Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER), new byte[] {1, 2, 3});
        trailers.put(Metadata.Key.of("x-request-id", Metadata.ASCII_STRING_MARSHALLER), "call-2");

        HeadwaterError error = HeadwaterError.of(Status.INTERNAL.asRuntimeException(trailers));

        assertEquals(Status.Code.INTERNAL, error.code());
        assertEquals("call-2", error.requestId());
    }

    @Test
    void theCauseOfAFutureIsRead() {
        Throwable failure = new ExecutionException(FakeServer.error(Status.Code.NOT_FOUND, "LEAD_NOT_FOUND"));

        assertEquals(
                ErrorReason.ERROR_REASON_LEAD_NOT_FOUND,
                HeadwaterError.of(failure).reason());
    }

    @Test
    void theErrorOfABatchItemIsRead() {
        com.google.rpc.Status status = com.google.rpc.Status.newBuilder()
                .setCode(Status.Code.NOT_FOUND.value())
                .setMessage("no such link")
                .addDetails(Any.pack(ErrorInfo.newBuilder()
                        .setDomain("headwater.dev")
                        .setReason("LINK_NOT_FOUND")
                        .build()))
                .build();

        HeadwaterError error = HeadwaterError.of(status);

        assertEquals(Status.Code.NOT_FOUND, error.code());
        assertEquals(ErrorReason.ERROR_REASON_LINK_NOT_FOUND, error.reason());
        assertEquals("no such link", error.message());
    }

    private static BadRequest.FieldViolation violation(String field, String description) {
        return BadRequest.FieldViolation.newBuilder()
                .setField(field)
                .setDescription(description)
                .build();
    }
}

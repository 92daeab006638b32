package dev.headwater.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RequestInfo;
import com.google.rpc.RetryInfo;
import dev.headwater.v1.ErrorReason;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What the server says about a call that failed.
 *
 * <p>If the failure is not from a Headwater server, for example because the connection broke, the reason is {@link
 * ErrorReason#ERROR_REASON_UNSPECIFIED} and the reason's name is empty.
 *
 * @param code the code of gRPC
 * @param message the text for people; it says how to fix the request
 * @param reason the reason; {@link ErrorReason#UNRECOGNIZED} if the server is newer than this client and has a reason
 *     that the client does not know
 * @param reasonName the reason as it was sent, such as {@code AFFILIATE_NOT_FOUND}
 * @param fieldViolations all wrong fields of the request
 * @param metadata the values that belong to the reason; {@link ErrorReason} names them
 * @param retryDelay when a repeat of the call may succeed; empty if the server gives no delay
 * @param requestId the id of the call in the server's log, to quote when you report a fault; not the field {@code
 *     request_id}
 */
public record HeadwaterError(
        Status.Code code,
        String message,
        ErrorReason reason,
        String reasonName,
        List<FieldViolation> fieldViolations,
        Map<String, String> metadata,
        Optional<Duration> retryDelay,
        String requestId) {

    private static final String REASON_PREFIX = "ERROR_REASON_";
    private static final String DOMAIN = "headwater.dev";
    private static final Metadata.Key<String> REQUEST_ID =
            Metadata.Key.of("x-request-id", Metadata.ASCII_STRING_MARSHALLER);

    /**
     * A wrong field of a request.
     *
     * @param field the path of the field, such as {@code amount.currency_code}
     * @param description what is wrong and how to fix it
     */
    public record FieldViolation(String field, String description) {}

    /**
     * Makes the collections unmodifiable.
     *
     * @param code the code of gRPC
     * @param message the text for people
     * @param reason the reason
     * @param reasonName the reason as it was sent
     * @param fieldViolations all wrong fields of the request
     * @param metadata the values that belong to the reason
     * @param retryDelay when a repeat of the call may succeed
     * @param requestId the id of the call in the server's log
     */
    public HeadwaterError {
        fieldViolations = List.copyOf(fieldViolations);
        metadata = Map.copyOf(metadata);
    }

    /**
     * Reads the exception of a call.
     *
     * @param failure an {@link io.grpc.StatusRuntimeException} or {@link io.grpc.StatusException}, or an exception that
     *     one of them caused
     * @return the error; its code is UNKNOWN if no such exception is found
     */
    public static HeadwaterError of(Throwable failure) {
        Status status = Status.fromThrowable(failure);
        Metadata trailers = Status.trailersFromThrowable(failure);
        Details details = new Details();
        if (trailers != null) {
            details.read(detailsOf(status, trailers));
            String requestId = trailers.get(REQUEST_ID);
            if (details.requestId.isEmpty() && requestId != null) {
                details.requestId = requestId;
            }
        }
        String message = status.getDescription();
        return details.toError(status.getCode(), message == null ? "" : message);
    }

    /**
     * Reads the error of one item of BatchRecordEvents.
     *
     * @param status the item's error
     * @return the error
     */
    public static HeadwaterError of(com.google.rpc.Status status) {
        Details details = new Details();
        details.read(status.getDetailsList());
        return details.toError(Status.fromCodeValue(status.getCode()).getCode(), status.getMessage());
    }

    private static List<Any> detailsOf(Status status, Metadata trailers) {
        try {
            com.google.rpc.Status proto = StatusProto.fromStatusAndTrailers(status, trailers);
            return proto.getDetailsList();
        } catch (IllegalArgumentException malformed) {
            // A proxy may replace the status and leave the details. The code and the message are still right.
            return List.of();
        }
    }

    private static ErrorReason reasonOf(String name) {
        if (name.isEmpty()) {
            return ErrorReason.ERROR_REASON_UNSPECIFIED;
        }
        try {
            return ErrorReason.valueOf(REASON_PREFIX + name);
        } catch (IllegalArgumentException unknown) {
            return ErrorReason.UNRECOGNIZED;
        }
    }

    /** The details of a status, while they are read. */
    private static final class Details {
        private final List<FieldViolation> fieldViolations = new ArrayList<>();
        private String reasonName = "";
        private Map<String, String> metadata = Map.of();
        private Optional<Duration> retryDelay = Optional.empty();
        private String requestId = "";

        private void read(List<Any> details) {
            for (Any detail : details) {
                try {
                    read(detail);
                } catch (InvalidProtocolBufferException malformed) {
                    // Skipped, because the other details may be readable.
                }
            }
        }

        private void read(Any detail) throws InvalidProtocolBufferException {
            if (detail.is(ErrorInfo.class)) {
                ErrorInfo info = detail.unpack(ErrorInfo.class);
                if (info.getDomain().equals(DOMAIN)) {
                    reasonName = info.getReason();
                    metadata = info.getMetadataMap();
                }
            } else if (detail.is(BadRequest.class)) {
                for (BadRequest.FieldViolation violation :
                        detail.unpack(BadRequest.class).getFieldViolationsList()) {
                    fieldViolations.add(new FieldViolation(violation.getField(), violation.getDescription()));
                }
            } else if (detail.is(RetryInfo.class)) {
                retryDelay =
                        Optional.of(Durations.of(detail.unpack(RetryInfo.class).getRetryDelay()));
            } else if (detail.is(RequestInfo.class)) {
                requestId = detail.unpack(RequestInfo.class).getRequestId();
            }
        }

        private HeadwaterError toError(Status.Code code, String message) {
            return new HeadwaterError(
                    code, message, reasonOf(reasonName), reasonName, fieldViolations, metadata, retryDelay, requestId);
        }
    }
}

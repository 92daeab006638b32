package dev.headwater.client;

import dev.headwater.v1.AccountServiceGrpc;
import dev.headwater.v1.AffiliateServiceGrpc;
import dev.headwater.v1.FeedServiceGrpc;
import dev.headwater.v1.PayoutServiceGrpc;
import dev.headwater.v1.RewardServiceGrpc;
import dev.headwater.v1.TrackingServiceGrpc;
import java.util.List;
import java.util.Map;

/**
 * The rules of gRPC's built-in retries.
 *
 * <p>RESOURCE_EXHAUSTED is repeated only if the server allows it: its trailer {@code grpc-retry-pushback-ms} has the
 * delay for OVERLOADED and TOO_MANY_STREAMS, and -1 for MESSAGE_TOO_LARGE.
 *
 * <p>There is no retry throttling, because gRPC's throttling also counts every error with -1. Many bad requests would
 * then switch off the retries of good ones. The server limits its load itself.
 */
final class ServiceConfig {
    private static final Map<String, ?> RETRY_POLICY = Map.of(
            "maxAttempts",
            5.0,
            "initialBackoff",
            "0.1s",
            "maxBackoff",
            "5s",
            "backoffMultiplier",
            2.0,
            "retryableStatusCodes",
            List.of("UNAVAILABLE", "RESOURCE_EXHAUSTED"));

    /** The service config as gRPC takes it: every number is a Double. */
    static final Map<String, ?> MAP = Map.of(
            "methodConfig",
            List.of(
                    Map.of(
                            "name",
                            List.of(
                                    Map.of("service", AccountServiceGrpc.SERVICE_NAME),
                                    Map.of("service", AffiliateServiceGrpc.SERVICE_NAME),
                                    Map.of("service", FeedServiceGrpc.SERVICE_NAME),
                                    Map.of("service", PayoutServiceGrpc.SERVICE_NAME),
                                    Map.of("service", RewardServiceGrpc.SERVICE_NAME),
                                    Map.of("service", TrackingServiceGrpc.SERVICE_NAME)),
                            "retryPolicy",
                            RETRY_POLICY),
                    // An entry of a method replaces that of its service. FeedFollower reconnects streams itself.
                    Map.of(
                            "name",
                            List.of(
                                    Map.of("service", FeedServiceGrpc.SERVICE_NAME, "method", "WatchEvents"),
                                    Map.of(
                                            "service",
                                            TrackingServiceGrpc.SERVICE_NAME,
                                            "method",
                                            "WatchConversions")))));

    private ServiceConfig() {}
}

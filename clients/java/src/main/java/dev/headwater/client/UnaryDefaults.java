package dev.headwater.client;

import dev.headwater.v1.ReadEventsRequest;
import dev.headwater.v1.RewardServiceGrpc;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.Context;
import io.grpc.MethodDescriptor;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** Gives unary calls their deadline, their request_id and wait-for-ready. Leaves streaming calls as they are. */
final class UnaryDefaults implements ClientInterceptor {
    /** The call fails at once if the connection fails. */
    static final CallOptions.Key<Boolean> FAIL_FAST =
            CallOptions.Key.createWithDefault("dev.headwater.client.fail-fast", false);

    private static final Duration LONG_POLL_MARGIN = Duration.ofSeconds(5);

    private final Duration timeout;

    UnaryDefaults(Duration timeout) {
        this.timeout = timeout;
    }

    @Override
    public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
        if (method.getType() != MethodDescriptor.MethodType.UNARY) {
            return next.newCall(method, options);
        }
        return new DeferredCall<>() {
            @Override
            protected Q prepare(Q request) {
                return RequestId.fill(request);
            }

            @Override
            protected ClientCall<Q, A> open(Q request) {
                return next.newCall(method, withDefaults(method, options, request));
            }
        };
    }

    private CallOptions withDefaults(MethodDescriptor<?, ?> method, CallOptions options, Object request) {
        CallOptions changed = options.getOption(FAIL_FAST) ? options : options.withWaitForReady();
        boolean hasDeadline = options.getDeadline() != null || Context.current().getDeadline() != null;
        if (hasDeadline || method.equals(RewardServiceGrpc.getVerifyLedgerMethod())) {
            return changed;
        }
        return changed.withDeadlineAfter(Durations.nanos(timeoutOf(request)), TimeUnit.NANOSECONDS);
    }

    private Duration timeoutOf(Object request) {
        if (request instanceof ReadEventsRequest read && read.hasMaxWait()) {
            Duration longPoll = Durations.of(read.getMaxWait()).plus(LONG_POLL_MARGIN);
            return longPoll.compareTo(timeout) > 0 ? longPoll : timeout;
        }
        return timeout;
    }
}

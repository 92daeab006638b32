package dev.headwater.client;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Connects at once when a call starts while the channel waits to connect again. The waits of gRPC grow to two minutes,
 * and calls would fail for that long after the server is back.
 */
final class EarlyReconnect implements ClientInterceptor {
    private static final long SHORTEST_PAUSE_NANOS = Duration.ofSeconds(1).toNanos();

    private final ManagedChannel channel;
    private final AtomicLong lastReset = new AtomicLong(System.nanoTime() - SHORTEST_PAUSE_NANOS);

    EarlyReconnect(ManagedChannel channel) {
        this.channel = channel;
    }

    @Override
    public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
        if (channel.getState(false) == ConnectivityState.TRANSIENT_FAILURE) {
            long now = System.nanoTime();
            long last = lastReset.get();
            // Many calls at once connect once.
            if (now - last >= SHORTEST_PAUSE_NANOS && lastReset.compareAndSet(last, now)) {
                channel.resetConnectBackoff();
            }
        }
        return next.newCall(method, options);
    }
}

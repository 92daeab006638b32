package dev.headwater.client;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;

/**
 * A stream of messages from the server, read by one thread with a time limit for each message. It holds at most one
 * message that was not read yet.
 */
final class MessageStream implements AutoCloseable {
    private sealed interface Item {}

    private record Received(FeedMessage message) implements Item {}

    private record Ended(Status status, Metadata trailers) implements Item {}

    private final LinkedBlockingQueue<Item> items = new LinkedBlockingQueue<>();
    private final ClientCall<?, ?> call;

    private MessageStream(ClientCall<?, ?> call) {
        this.call = call;
    }

    /** Starts the call. The stream has no deadline and does not wait for the connection. */
    static <Q, A> MessageStream open(
            Channel channel, MethodDescriptor<Q, A> method, Q request, Function<A, FeedMessage> read) {
        ClientCall<Q, A> call = channel.newCall(method, CallOptions.DEFAULT);
        MessageStream stream = new MessageStream(call);
        call.start(
                new ClientCall.Listener<>() {
                    @Override
                    public void onMessage(A message) {
                        stream.items.add(new Received(read.apply(message)));
                    }

                    @Override
                    public void onClose(Status status, Metadata trailers) {
                        stream.items.add(new Ended(status, trailers));
                    }
                },
                new Metadata());
        call.request(1);
        call.sendMessage(request);
        call.halfClose();
        return stream;
    }

    /**
     * Returns the next message, or null if the stream ended with OK.
     *
     * @throws StatusRuntimeException if the stream ended with an error
     * @throws TimeoutException if no message arrived in time
     */
    FeedMessage next(Duration timeout) throws InterruptedException, TimeoutException {
        Item item = items.poll(Durations.nanos(timeout), TimeUnit.NANOSECONDS);
        if (item == null) {
            throw new TimeoutException("no message for " + timeout);
        }
        if (item instanceof Received received) {
            call.request(1);
            return received.message();
        }
        Ended ended = (Ended) item;
        items.add(ended);
        if (ended.status().isOk()) {
            return null;
        }
        throw StatusText.withCauses(ended.status()).asRuntimeException(ended.trailers());
    }

    /** Ends the stream. May be called from any thread and more than once. */
    @Override
    public void close() {
        call.cancel("closed by the reader", null);
    }
}

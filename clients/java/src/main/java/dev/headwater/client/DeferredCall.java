package dev.headwater.client;

import io.grpc.Attributes;
import io.grpc.ClientCall;
import io.grpc.ForwardingClientCallListener.SimpleForwardingClientCallListener;
import io.grpc.Metadata;
import io.grpc.Status;

/**
 * A unary call that starts when its request is known, because the request decides the call's deadline.
 *
 * <p>gRPC opens a call before it sends the request. This class keeps what happens in between, and repeats it on the
 * real call.
 */
abstract class DeferredCall<Q, A> extends ClientCall<Q, A> {
    private Listener<A> listener;
    private Metadata headers;
    private int requestedAnswers;
    private ClientCall<Q, A> call;

    /** Returns the request to send. */
    protected abstract Q prepare(Q request);

    /** Opens the real call. The request is null if the call was cancelled before it had one. */
    protected abstract ClientCall<Q, A> open(Q request);

    @Override
    public final synchronized void start(Listener<A> listener, Metadata headers) {
        this.listener = listener;
        this.headers = headers;
    }

    @Override
    public final synchronized void request(int answers) {
        if (call == null) {
            requestedAnswers += answers;
        } else {
            call.request(answers);
        }
    }

    @Override
    public final synchronized void sendMessage(Q message) {
        if (call == null) {
            Q request = prepare(message);
            startCall(request);
            call.sendMessage(request);
        } else {
            call.sendMessage(message);
        }
    }

    @Override
    public final synchronized void halfClose() {
        call.halfClose();
    }

    @Override
    public final synchronized void cancel(String message, Throwable cause) {
        if (call == null) {
            startCall(null);
        }
        call.cancel(message, cause);
    }

    @Override
    public final synchronized boolean isReady() {
        return call != null && call.isReady();
    }

    @Override
    public final synchronized Attributes getAttributes() {
        return call == null ? Attributes.EMPTY : call.getAttributes();
    }

    private void startCall(Q request) {
        call = open(request);
        if (listener == null) {
            return; // Cancelled before its start.
        }
        call.start(new CauseListener<>(listener), headers);
        if (requestedAnswers > 0) {
            call.request(requestedAnswers);
        }
    }

    /** Makes the text of a failure name its cause. */
    private static final class CauseListener<A> extends SimpleForwardingClientCallListener<A> {
        CauseListener(Listener<A> listener) {
            super(listener);
        }

        @Override
        public void onClose(Status status, Metadata trailers) {
            super.onClose(status.isOk() ? status : StatusText.withCauses(status), trailers);
        }
    }
}

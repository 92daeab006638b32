package dev.headwater.client;

import com.google.protobuf.Any;
import com.google.protobuf.Message;
import com.google.rpc.ErrorInfo;
import io.grpc.BindableService;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Deadline;
import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerBuilder;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

/** A gRPC server on loopback with services that a test writes, and the headers and deadlines of the calls. */
final class FakeServer implements AutoCloseable {
    static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
    static final Metadata.Key<String> PUSHBACK =
            Metadata.Key.of("grpc-retry-pushback-ms", Metadata.ASCII_STRING_MARSHALLER);

    final List<Metadata> headers = new CopyOnWriteArrayList<>();
    /** The seconds that the calls had until their deadlines; empty for a call without a deadline. */
    final List<Optional<Long>> deadlineSeconds = new CopyOnWriteArrayList<>();

    private final Server server;

    FakeServer(BindableService... services) throws IOException {
        this(0, services);
    }

    FakeServer(int port, BindableService... services) throws IOException {
        ServerBuilder<?> builder = Grpc.newServerBuilderForPort(port, InsecureServerCredentials.create());
        for (BindableService service : services) {
            builder.addService(service);
        }
        server = builder.intercept(new Recorder()).build().start();
    }

    String address() {
        return "127.0.0.1:" + server.getPort();
    }

    HeadwaterClient client() {
        return HeadwaterClient.builder(address(), "hw_test").plaintext().build();
    }

    @Override
    public void close() {
        server.shutdownNow();
    }

    /** An error as Headwater sends it. */
    static StatusRuntimeException error(Status.Code code, String reason, Message... details) {
        return error(code, reason, null, details);
    }

    /** An error as Headwater sends it, with the trailer grpc-retry-pushback-ms. */
    static StatusRuntimeException error(Status.Code code, String reason, String pushback, Message... details) {
        com.google.rpc.Status.Builder status = com.google.rpc.Status.newBuilder()
                .setCode(code.value())
                .setMessage("refused")
                .addDetails(Any.pack(ErrorInfo.newBuilder()
                        .setDomain("headwater.dev")
                        .setReason(reason)
                        .putMetadata("key", "value")
                        .build()));
        for (Message detail : details) {
            status.addDetails(Any.pack(detail));
        }
        Metadata trailers = new Metadata();
        if (pushback != null) {
            trailers.put(PUSHBACK, pushback);
        }
        return StatusProto.toStatusRuntimeException(status.build(), trailers);
    }

    private final class Recorder implements ServerInterceptor {
        @Override
        public <Q, A> ServerCall.Listener<Q> interceptCall(
                ServerCall<Q, A> call, Metadata received, ServerCallHandler<Q, A> next) {
            headers.add(received);
            Deadline deadline = Context.current().getDeadline();
            deadlineSeconds.add(Optional.ofNullable(deadline)
                    .map(end -> Math.round(end.timeRemaining(TimeUnit.MILLISECONDS) / 1000.0)));
            return Contexts.interceptCall(Context.current(), call, received, next);
        }
    }
}

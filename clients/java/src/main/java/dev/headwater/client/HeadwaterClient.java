package dev.headwater.client;

import dev.headwater.v1.AccountServiceGrpc;
import dev.headwater.v1.AffiliateServiceGrpc;
import dev.headwater.v1.CheckApiKeyRequest;
import dev.headwater.v1.FeedServiceGrpc;
import dev.headwater.v1.PayoutServiceGrpc;
import dev.headwater.v1.RewardServiceGrpc;
import dev.headwater.v1.TrackingServiceGrpc;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientInterceptors;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.TlsChannelCredentials;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * A connection to a Headwater server with one API key.
 *
 * <p>The client and its stubs may be used by many threads. An application needs one client for each API key.
 *
 * <p>Every unary call has these defaults. A streaming call has none of them.
 *
 * <ul>
 *   <li>A call without a deadline gets one of 10 seconds. ReadEvents gets its {@code max_wait} and 5 seconds.
 *       VerifyLedger gets none.
 *   <li>An empty {@code request_id} is filled with a random UUID, so that the call is safe to repeat. RecordClick's
 *       {@code event_id} is filled too.
 *   <li>A call that fails with UNAVAILABLE, OVERLOADED or TOO_MANY_STREAMS is repeated up to four times, after the
 *       delay that the server asks for.
 *   <li>A call waits until the connection is ready or its deadline passes.
 * </ul>
 *
 * <p>A call that fails throws {@link io.grpc.StatusRuntimeException}. {@link HeadwaterError#of(Throwable)} reads it.
 */
public final class HeadwaterClient implements AutoCloseable {
    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
    private static final long KEEPALIVE_SECONDS = 30;
    private static final long KEEPALIVE_TIMEOUT_SECONDS = 10;
    private static final long CLOSE_SECONDS = 5;
    // The server accepts requests of 4 MiB. gRPC repeats a call only if its request fits this buffer.
    private static final long RETRY_BUFFER_BYTES = 5L << 20;

    private final Builder settings;
    private final ManagedChannel managedChannel;
    private final Channel channel;

    private HeadwaterClient(Builder settings) {
        this.settings = settings;
        this.managedChannel = settings.newChannel();
        this.channel = ClientInterceptors.intercept(
                managedChannel, new EarlyReconnect(managedChannel), new UnaryDefaults(settings.timeout));
    }

    /**
     * Returns a builder. Without further settings the connection uses TLS and the trusted certificates of the Java
     * runtime.
     *
     * @param address the server's host and port, such as {@code headwater.internal:50051}, or any target of gRPC, such
     *     as {@code dns:///headwater.internal:50051}
     * @param apiKey the text of the API key; white space around it is left out
     * @return the builder
     * @throws IllegalArgumentException if the address has no port, or the key has characters that no key has
     */
    public static Builder builder(String address, String apiKey) {
        return new Builder(address, apiKey);
    }

    /**
     * Returns the stub for accounts and their API keys.
     *
     * @return the stub
     */
    public AccountServiceGrpc.AccountServiceBlockingStub accounts() {
        return AccountServiceGrpc.newBlockingStub(channel);
    }

    /**
     * Returns the stub for programs, affiliates, enrollments, links and coupons.
     *
     * @return the stub
     */
    public AffiliateServiceGrpc.AffiliateServiceBlockingStub affiliates() {
        return AffiliateServiceGrpc.newBlockingStub(channel);
    }

    /**
     * Returns the stub for clicks, leads, sales, refunds, cancellations and conversions.
     *
     * @return the stub
     */
    public TrackingServiceGrpc.TrackingServiceBlockingStub tracking() {
        return TrackingServiceGrpc.newBlockingStub(channel);
    }

    /**
     * Returns the stub for payouts.
     *
     * @return the stub
     */
    public PayoutServiceGrpc.PayoutServiceBlockingStub payouts() {
        return PayoutServiceGrpc.newBlockingStub(channel);
    }

    /**
     * Returns the stub for rewards, balances and the ledger.
     *
     * @return the stub
     */
    public RewardServiceGrpc.RewardServiceBlockingStub rewards() {
        return RewardServiceGrpc.newBlockingStub(channel);
    }

    /**
     * Returns the stub for reading the feed a page at a time. {@link #followFeed} follows the feed as a stream.
     *
     * @return the stub
     */
    public FeedServiceGrpc.FeedServiceBlockingStub feed() {
        return FeedServiceGrpc.newBlockingStub(channel);
    }

    /**
     * Returns the channel with the key and the defaults, for stubs of another style, such as {@code
     * TrackingServiceGrpc.newFutureStub(client.channel())}.
     *
     * @return the channel
     */
    public Channel channel() {
        return channel;
    }

    /**
     * Returns a builder of a follower of the feed. The follower has a connection of its own, so it goes on when this
     * client is closed.
     *
     * @param handler handles the events
     * @return the builder
     */
    public FeedFollower.Builder followFeed(FeedHandler handler) {
        return new FeedFollower.Builder(settings::newChannel, handler);
    }

    /** Waits up to 5 seconds for calls in progress, then cancels the rest and closes the connection. */
    @Override
    public void close() {
        managedChannel.shutdown();
        try {
            if (managedChannel.awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS)) {
                return;
            }
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
        managedChannel.shutdownNow();
    }

    /** The settings of a client. */
    public static final class Builder {
        private final String address;
        private final String apiKey;
        private ChannelCredentials credentials = TlsChannelCredentials.create();
        private Duration timeout = Duration.ofSeconds(10);
        private Consumer<ManagedChannelBuilder<?>> configureChannel = channel -> {};

        private Builder(String address, String apiKey) {
            this.address = Connection.checkAddress(address);
            this.apiKey = Connection.checkKey(apiKey);
        }

        private Builder(Builder other) {
            this.address = other.address;
            this.apiKey = other.apiKey;
            this.credentials = other.credentials;
            this.timeout = other.timeout;
            this.configureChannel = other.configureChannel;
        }

        /**
         * Trusts the certificates in a PEM file instead of those of the Java runtime.
         *
         * @param certificates the file
         * @return this builder
         * @throws IOException if the file cannot be read, or has no certificate
         */
        public Builder trustCertificates(Path certificates) throws IOException {
            Connection.checkCertificates(certificates);
            return credentials(TlsChannelCredentials.newBuilder()
                    .trustManager(certificates.toFile())
                    .build());
        }

        /**
         * Connects without TLS. The API key is then readable on the network, so use it on loopback or in a network that
         * you trust.
         *
         * @return this builder
         */
        public Builder plaintext() {
            return credentials(InsecureChannelCredentials.create());
        }

        /**
         * Sets other credentials of the channel, for example with a certificate of the client.
         *
         * @param credentials the credentials
         * @return this builder
         */
        public Builder credentials(ChannelCredentials credentials) {
            this.credentials = Objects.requireNonNull(credentials, "credentials");
            return this;
        }

        /**
         * Sets the deadline of unary calls that have none. Default 10 seconds.
         *
         * @param timeout the time from the start of a call to its deadline; more than zero
         * @return this builder
         */
        public Builder timeout(Duration timeout) {
            if (timeout.isNegative() || timeout.isZero()) {
                throw new IllegalArgumentException("the timeout must be more than zero, not " + timeout);
            }
            this.timeout = timeout;
            return this;
        }

        /**
         * Changes other settings of gRPC's channels: the client's own and those of its followers. For example {@code
         * channel -> channel.overrideAuthority("headwater.example")} expects another name in the certificate.
         *
         * @param configureChannel changes the builder of a channel
         * @return this builder
         */
        public Builder configureChannel(Consumer<ManagedChannelBuilder<?>> configureChannel) {
            this.configureChannel = Objects.requireNonNull(configureChannel, "configureChannel");
            return this;
        }

        /**
         * Connects and checks the API key. A wrong address, certificate or key fails within about two seconds: the call
         * does not wait for the connection, and the message of its exception names the cause.
         *
         * @return the client
         * @throws io.grpc.StatusRuntimeException if the connection or the key does not work
         */
        public HeadwaterClient connect() {
            HeadwaterClient client = build();
            try {
                client.accounts()
                        .withOption(UnaryDefaults.FAIL_FAST, true)
                        .checkApiKey(CheckApiKeyRequest.getDefaultInstance());
            } catch (RuntimeException failure) {
                client.close();
                throw failure;
            }
            return client;
        }

        /**
         * Returns a client without a check. The first call connects.
         *
         * @return the client
         */
        public HeadwaterClient build() {
            return new HeadwaterClient(new Builder(this));
        }

        private ManagedChannel newChannel() {
            Metadata headers = new Metadata();
            headers.put(AUTHORIZATION, "Bearer " + apiKey);
            ManagedChannelBuilder<?> channel = Grpc.newChannelBuilder(address, credentials)
                    .defaultServiceConfig(ServiceConfig.MAP)
                    .enableRetry()
                    .perRpcBufferLimit(RETRY_BUFFER_BYTES)
                    .keepAliveTime(KEEPALIVE_SECONDS, TimeUnit.SECONDS)
                    .keepAliveTimeout(KEEPALIVE_TIMEOUT_SECONDS, TimeUnit.SECONDS)
                    .keepAliveWithoutCalls(true)
                    .userAgent("headwater-java/0.1.0")
                    .intercept(MetadataUtils.newAttachHeadersInterceptor(headers));
            configureChannel.accept(channel);
            return channel.build();
        }
    }
}

package headwater

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	hw "headwater.dev/gen/headwater/v1"
)

// Version is the version of this module. Servers see it in the user agent.
const Version = "0.1.0"

// DefaultTimeout is the deadline of a unary call whose context has none.
const DefaultTimeout = 10 * time.Second

// Client calls one Headwater server with one API key. Its methods and stubs may be used by many goroutines at once.
type Client struct {
	// Accounts has the calls for accounts and API keys.
	Accounts hw.AccountServiceClient
	// Affiliates has the calls for programs, affiliates, enrollments, links and coupons.
	Affiliates hw.AffiliateServiceClient
	// Feed reads pages of the feed. To follow the feed, use [Client.Follow].
	Feed hw.FeedServiceClient
	// Payouts has the calls for payouts.
	Payouts hw.PayoutServiceClient
	// Rewards has the calls for rewards, balances and the ledger.
	Rewards hw.RewardServiceClient
	// Tracking records clicks, leads, sales, refunds and cancellations.
	Tracking hw.TrackingServiceClient
	// Key says what Connect's check found out: the calling key, its account and the methods that it may call.
	Key *hw.CheckApiKeyResponse

	connection *grpc.ClientConn
	// dial opens another connection with the same settings.
	dial func() (*grpc.ClientConn, error)
	// closed ends when Close is called.
	closed context.Context
	close  context.CancelFunc
}

// ErrClosed is what [Client.Follow] returns after [Client.Close].
var ErrClosed = errors.New("headwater: the client is closed")

// Option changes a setting of [Connect].
type Option func(*settings)

type settings struct {
	plaintext   bool
	caFile      string
	tls         *tls.Config
	timeout     time.Duration
	dialOptions []grpc.DialOption
}

// WithPlaintext connects without TLS. The key can then be read on the way, so use it on loopback and behind a proxy that adds TLS.
func WithPlaintext() Option {
	return func(settings *settings) { settings.plaintext = true }
}

// WithCAFile trusts the certificates of a PEM file, in place of the system's roots.
func WithCAFile(path string) Option {
	return func(settings *settings) { settings.caFile = path }
}

// WithTLSConfig sets the TLS configuration, for example to check another server name than that of the address.
func WithTLSConfig(config *tls.Config) Option {
	return func(settings *settings) { settings.tls = config }
}

// WithTimeout sets the deadline of unary calls whose context has none, in place of [DefaultTimeout].
func WithTimeout(timeout time.Duration) Option {
	return func(settings *settings) { settings.timeout = timeout }
}

// WithDialOptions adds options of gRPC, such as interceptors for metrics. They apply after the client's own, so a service config
// given here replaces the client's rules for repeats.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(settings *settings) { settings.dialOptions = append(settings.dialOptions, options...) }
}

// Connect connects to the server at address, such as "headwater.internal:50051", and checks the key. It uses TLS with the system's
// roots unless an option says otherwise. A wrong address, certificate or key fails here, within seconds and with the cause.
func Connect(ctx context.Context, address, key string, options ...Option) (*Client, error) {
	settings := settings{timeout: DefaultTimeout}
	for _, option := range options {
		option(&settings)
	}
	if err := checkAddress(address); err != nil {
		return nil, err
	}
	key = strings.TrimSpace(key)
	if strings.ContainsFunc(key, func(character rune) bool { return character <= ' ' || character > '~' }) {
		return nil, errors.New("headwater: the key has characters that no key has; pass the text of one key alone")
	}
	dialOptions, err := settings.toDialOptions(key)
	if err != nil {
		return nil, err
	}
	dial := func() (*grpc.ClientConn, error) { return grpc.NewClient(address, dialOptions...) }
	connection, err := dial()
	if err != nil {
		return nil, fmt.Errorf("headwater: connect to %s: %w", address, err)
	}
	closed, closeFollowers := context.WithCancel(context.Background())
	client := &Client{
		Accounts:   hw.NewAccountServiceClient(connection),
		Affiliates: hw.NewAffiliateServiceClient(connection),
		Feed:       hw.NewFeedServiceClient(connection),
		Payouts:    hw.NewPayoutServiceClient(connection),
		Rewards:    hw.NewRewardServiceClient(connection),
		Tracking:   hw.NewTrackingServiceClient(connection),
		connection: connection,
		dial:       dial,
		closed:     closed,
		close:      closeFollowers,
	}
	// Without wait-for-ready a failed connection ends the call with the cause, not with a deadline that hides it.
	client.Key, err = client.Accounts.CheckApiKey(ctx, &hw.CheckApiKeyRequest{}, grpc.WaitForReady(false))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("headwater: connect to %s: %w", address, err), client.Close())
	}
	return client, nil
}

// Close closes all connections. Calls in progress fail with code Canceled. [Client.Follow] returns [ErrClosed], after the handler if
// it is at work.
func (client *Client) Close() error {
	client.close()
	return client.connection.Close()
}

// checkAddress refuses addresses that gRPC would misread: it takes "host" for port 443, and a URL for a host name.
func checkAddress(address string) error {
	scheme, _, found := strings.Cut(address, "://")
	if found && scheme != "http" && scheme != "https" || strings.HasPrefix(address, "unix:") {
		return nil
	}
	if _, port, err := net.SplitHostPort(address); found || err != nil || port == "" {
		return fmt.Errorf("headwater: the address %q is not host:port, such as headwater.internal:50051", address)
	}
	return nil
}

func (settings *settings) toDialOptions(key string) ([]grpc.DialOption, error) {
	transport, err := settings.transport()
	if err != nil {
		return nil, err
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithPerRPCCredentials(keyCredentials{key: key, plaintext: settings.plaintext}),
		grpc.WithUserAgent("headwater-go/" + Version),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithDisableServiceConfig(),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second, PermitWithoutStream: true}),
		// The default grows to two minutes, and a server that is back would be noticed that late.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
		grpc.WithChainUnaryInterceptor(typedErrors, withDeadline(settings.timeout), withRequestID),
		grpc.WithChainStreamInterceptor(typedStreamErrors),
	}
	return append(options, settings.dialOptions...), nil
}

func (settings *settings) transport() (credentials.TransportCredentials, error) {
	if settings.plaintext {
		if settings.caFile != "" || settings.tls != nil {
			return nil, errors.New("headwater: WithPlaintext excludes WithCAFile and WithTLSConfig")
		}
		return insecure.NewCredentials(), nil
	}
	config := &tls.Config{}
	if settings.tls != nil {
		config = settings.tls.Clone()
	}
	if settings.caFile != "" {
		pem, err := os.ReadFile(settings.caFile)
		if err != nil {
			return nil, fmt.Errorf("headwater: read the CA file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("headwater: the CA file %s has no certificate in PEM", settings.caFile)
		}
	}
	return credentials.NewTLS(config), nil
}

// keyCredentials sends the API key with each call.
type keyCredentials struct {
	key       string
	plaintext bool
}

func (credentials keyCredentials) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + credentials.key}, nil
}

func (credentials keyCredentials) RequireTransportSecurity() bool {
	return !credentials.plaintext
}

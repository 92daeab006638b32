package headwater

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	hw "headwater.dev/gen/headwater/v1"
)

func TestConnectChecksTheKey(t *testing.T) {
	t.Parallel()
	fake := &fakeServer{}
	if client := fake.client(t); client.Key.GetAccountId() != "acc_1" {
		t.Errorf("got %v", client.Key)
	}
	_, err := Connect(t.Context(), fake.serve(t), "wrong", WithPlaintext())
	if ReasonOf(err) != hw.ErrorReason_ERROR_REASON_KEY_INVALID || AsError(err).RequestID != "call-1" {
		t.Errorf("got %v", err)
	}
}

func TestConnectFailsFastWithTheCause(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := listener.Addr().String()
	listener.Close()
	for _, test := range []struct {
		name, address, cause string
		options              []Option
	}{
		{"nobody listens", nobody, "connection refused", []Option{WithPlaintext()}},
		{"TLS to a plaintext server", (&fakeServer{}).serve(t), "tls: first record does not look like a TLS handshake", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			_, err := Connect(t.Context(), test.address, "key", test.options...)
			if err == nil || !strings.Contains(err.Error(), test.cause) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(begun); took > DefaultTimeout/2 {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	certificate, caFile := selfSigned(t)
	address := (&fakeServer{}).serve(t, grpc.Creds(credentials.NewServerTLSFromCert(&certificate)))
	client, err := Connect(t.Context(), address, "hw_admin_right", WithCAFile(caFile))
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
	_, otherFile := selfSigned(t)
	for name, test := range map[string]struct {
		cause   string
		options []Option
	}{
		"system roots":    {"x509: certificate signed by unknown authority", nil},
		"another CA":      {"x509: certificate signed by unknown authority", []Option{WithCAFile(otherFile)}},
		"another name":    {"failed to verify certificate", []Option{WithCAFile(caFile), WithTLSConfig(&tls.Config{ServerName: "other.example"})}},
		"plaintext to it": {"Unavailable", []Option{WithPlaintext()}},
	} {
		if _, err := Connect(t.Context(), address, "hw_admin_right", test.options...); err == nil || !strings.Contains(err.Error(), test.cause) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// selfSigned makes a certificate for loopback, and a PEM file that trusts it.
func selfSigned(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

func TestConnectRefusesWrongSettings(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "localhost", "localhost:", "http://localhost:50051", "https://localhost"} {
		if _, err := Connect(t.Context(), address, "key", WithPlaintext()); err == nil || !strings.Contains(err.Error(), "host:port") {
			t.Errorf("%q: got %v", address, err)
		}
	}
	for _, options := range [][]Option{{WithCAFile("no/such/file")}, {WithCAFile("client_test.go")}, {WithPlaintext(), WithCAFile("ca.pem")}} {
		if client, err := Connect(t.Context(), "localhost:50051", "key", options...); err == nil {
			t.Errorf("got %v", client)
		}
	}
}

func TestConnectRefusesTextsThatAreNoKeys(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"hw_admin_right\nhw_admin_other", "hw_admin_r\u00efght", "Bearer hw_admin_right"} {
		_, err := Connect(t.Context(), "localhost:50051", key, WithPlaintext())
		if err == nil || !strings.Contains(err.Error(), "the key has characters") || strings.Contains(err.Error(), key) {
			t.Errorf("got %v", err)
		}
	}
}

func TestAddressesOfOtherResolvers(t *testing.T) {
	for _, address := range []string{"localhost:50051", "[::1]:50051", "dns:///headwater.internal:50051", "unix:/run/headwater.sock"} {
		if err := checkAddress(address); err != nil {
			t.Error(err)
		}
	}
}

"""Channels: TLS, keepalive, retries and proxies."""

import ipaddress
import json
import os
import re
import ssl
from collections.abc import Sequence
from typing import Any

import grpc

_RETRY = {
    "maxAttempts": 5,
    "initialBackoff": "0.1s",
    "maxBackoff": "5s",
    "backoffMultiplier": 2,
    # The server's trailer `grpc-retry-pushback-ms` stops the retries of RESOURCE_EXHAUSTED where repeating never helps, as with
    # MESSAGE_TOO_LARGE.
    "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
}

# An entry for a method replaces the entry for its service as a whole. The streams have no retries, because a follower resumes
# them from its cursor.
SERVICE_CONFIG = json.dumps(
    {
        "methodConfig": [
            {
                "name": [
                    {"service": f"headwater.v1.{service}"}
                    for service in (
                        "AccountService",
                        "AffiliateService",
                        "FeedService",
                        "PayoutService",
                        "RewardService",
                        "TrackingService",
                    )
                ],
                "waitForReady": True,
                "retryPolicy": _RETRY,
            },
            {
                "name": [
                    {"service": "headwater.v1.FeedService", "method": "WatchEvents"},
                    {"service": "headwater.v1.TrackingService", "method": "WatchConversions"},
                ]
            },
        ],
        # A restart of the server fails all calls of a connection at once, 256 by the server's default. All are repeated.
        "retryThrottling": {"maxTokens": 1000, "tokenRatio": 1},
    }
)

_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.service_config", SERVICE_CONFIG),
    # A request above this size would not be repeated. The default is 256 KiB, and the server takes 4 MiB.
    ("grpc.per_rpc_retry_buffer_size", 8 << 20),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # The defaults are 1 s and 120 s. A call that waits for a restarted server would then miss its deadline.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # In spite of its name, this is the time that one attempt to connect may take. The default is 20 s.
    ("grpc.min_reconnect_backoff_ms", 5_000),
]

_ROOT_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def check_address(address: str) -> None:
    """Refuses addresses that gRPC would misread: it takes `host` for port 443, and a URL for the name of a host."""
    if re.match(r"(dns|unix|ipv4|ipv6|vsock|xds|unix-abstract):", address) and not re.fullmatch(r"[^:/]+:\d+", address):
        return
    if "//" in address or not re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]]+):\d+", address):
        raise ValueError(f"the address {address!r} is not host:port, such as hw.internal:50051")


def check_key(key: str) -> None:
    """Refuses a text that is no key, such as two lines of a file, because gRPC says only that the metadata is invalid."""
    if re.search(r"[^!-~]", key):
        raise ValueError("the key has characters that no key has; pass the text of one key alone")


def check_certificate(ca_certificate: bytes) -> None:
    """Refuses what is no certificate, because gRPC says only that it could not make a handshaker."""
    if not isinstance(ca_certificate, bytes):
        raise TypeError("ca_certificate must be bytes: the content of a PEM file, not its name")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=ca_certificate.decode("ascii", "ignore"))
    except ssl.SSLError as error:
        raise ValueError(f"ca_certificate has no certificate in PEM: {error}") from error


def open_channel(
    address: str,
    *,
    ca_certificate: bytes | None,
    plaintext: bool,
    server_name: str | None,
    options: Sequence[tuple[str, Any]],
) -> grpc.Channel:
    """Opens a channel. It connects when the first call is made."""
    all_options = [*_OPTIONS]
    if is_loopback(address):
        all_options.append(("grpc.enable_http_proxy", 0))
    if server_name is not None:
        all_options.append(("grpc.ssl_target_name_override", server_name))
    all_options += options
    if plaintext:
        return grpc.insecure_channel(address, all_options)
    credentials = grpc.ssl_channel_credentials(ca_certificate or system_roots())
    return grpc.secure_channel(address, credentials, all_options)


def is_loopback(address: str) -> bool:
    """Says whether the address is on this machine. A proxy cannot reach it."""
    host = re.sub(r"^ipv[46]:", "", address.rsplit("/", 1)[-1]).rsplit(":", 1)[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def system_roots() -> bytes | None:
    """Returns the system's root certificates as PEM. None: gRPC uses the roots that it brings along.

    gRPC for Python does not use the system's roots by itself.
    """
    if "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH" in os.environ:
        return None
    for path in (ssl.get_default_verify_paths().cafile, *_ROOT_FILES):
        if path is not None and os.path.isfile(path):
            with open(path, "rb") as file:
                return file.read()
    roots = ssl.create_default_context().get_ca_certs(binary_form=True)
    return "".join(ssl.DER_cert_to_PEM_cert(root) for root in roots).encode() or None

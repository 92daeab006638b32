"""Choices that are made for each channel."""

import contextlib
import socket
import threading
import time

import pytest

import headwater
from fakes import Server
from headwater._channel import check_address, is_loopback, system_roots


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("localhost:50051", True),
        ("127.0.0.1:50051", True),
        ("[::1]:50051", True),
        ("dns:///localhost:50051", True),
        ("ipv4:127.0.0.1:50051", True),
        ("ipv6:[::1]:50051", True),
        ("hw.internal:50051", False),
        ("10.0.0.1:50051", False),
        ("127.example.com:50051", False),
    ],
)
def test_loopback(address: str, loopback: bool) -> None:
    assert is_loopback(address) is loopback


@pytest.mark.parametrize("address", ["", "localhost", "localhost:", "http://localhost:50051", "https://localhost", "::1", "a b"])
def test_wrong_addresses_are_refused(address: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        headwater.connect(address, "hw_admin_test", plaintext=True)


@pytest.mark.parametrize(
    "address",
    ["localhost:1", "[::1]:1", "dns:1", "dns:///hw.internal:1", "unix:/run/hw.sock", "ipv4:10.0.0.1:1,10.0.0.2:1", "ipv6:[::1]:1"],
)
def test_addresses_of_all_resolvers_are_taken(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize("key", ["hw_admin_a\nhw_admin_b", "hw_admin_\u00e4", "Bearer hw_admin_a"])
def test_texts_that_are_no_key_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match="the key has characters that no key has") as raised:
        headwater.connect("localhost:50051", key, plaintext=True)
    assert key not in str(raised.value)


def test_wrong_certificates_are_refused() -> None:
    with pytest.raises(ValueError, match="no certificate in PEM"):
        headwater.connect("localhost:50051", "hw_admin_test", ca_certificate=b"no certificate")
    with pytest.raises(TypeError, match="not its name"):
        headwater.connect("localhost:50051", "hw_admin_test", ca_certificate="ca.pem")  # type: ignore[arg-type]


def test_system_roots_are_pem_unless_a_variable_names_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", raising=False)
    roots = system_roots()
    assert roots is None or b"-----BEGIN CERTIFICATE-----" in roots
    monkeypatch.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "/etc/roots.pem")
    assert system_roots() is None


def test_slow_network_can_connect(server: Server) -> None:
    host, port = server.address.split(":")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def copy(source: socket.socket, target: socket.socket) -> None:
            with contextlib.suppress(OSError), source, target:
                while data := source.recv(65_536):
                    target.sendall(data)

        def serve() -> None:
            incoming = listener.accept()[0]
            time.sleep(1)
            outgoing = socket.create_connection((host, int(port)))
            for pair in ((incoming, outgoing), (outgoing, incoming)):
                threading.Thread(target=copy, args=pair, daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        headwater.connect(f"127.0.0.1:{listener.getsockname()[1]}", "hw_admin_test", plaintext=True).close()
    assert len(server.calls) == 1

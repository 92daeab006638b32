"""Choices that are made for each channel."""

import contextlib
import socket
import threading
import time

import pytest

import headwater
from fakes import Server
from headwater._channel import is_loopback, system_roots


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("localhost:50051", True),
        ("127.0.0.1:50051", True),
        ("[::1]:50051", True),
        ("dns:///localhost:50051", True),
        ("hw.internal:50051", False),
        ("10.0.0.1:50051", False),
        ("127.example.com:50051", False),
    ],
)
def test_loopback(address: str, loopback: bool) -> None:
    assert is_loopback(address) is loopback


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

"""Choices that are made for each channel."""

import pytest

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

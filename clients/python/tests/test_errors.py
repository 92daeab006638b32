"""Errors are typed values."""

import pickle
from collections.abc import Callable
from datetime import timedelta

import grpc
import pytest

import headwater
from fakes import Fault, Server
from headwater import FieldViolation, HeadwaterError
from headwater import v1 as hw


def test_error_has_reason_and_all_violations(server: Server, client: headwater.Client) -> None:
    server.faults.append(Fault(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELDS", -1, ("event_id", "amount.currency_code")))
    with pytest.raises(HeadwaterError) as raised:
        client.tracking.RecordSale(hw.RecordSaleRequest())
    error = raised.value
    assert error.code == grpc.StatusCode.INVALID_ARGUMENT
    assert error.reason == hw.ERROR_REASON_INVALID_FIELDS
    assert error.reason_name == "INVALID_FIELDS"
    assert error.violations == (FieldViolation("event_id", "is wrong"), FieldViolation("amount.currency_code", "is wrong"))
    assert error.request_id == "call-1"
    assert not error.is_transient
    assert str(error).startswith("INVALID_ARGUMENT INVALID_FIELDS: it failed (request id call-1)\n  event_id: is wrong\n")
    assert isinstance(error.__cause__, grpc.RpcError)


def test_unknown_reason_survives() -> None:
    fault = Fault(grpc.StatusCode.FAILED_PRECONDITION, "MOON_IS_FULL", 250, metadata={"phase": "full"})
    error = HeadwaterError.from_status(fault.status())
    assert error.reason == hw.ERROR_REASON_UNSPECIFIED
    assert error.reason_name == "MOON_IS_FULL"
    assert error.metadata == {"phase": "full"}
    assert error.retry_delay == timedelta(milliseconds=250)


def test_reason_of_another_domain_is_ignored() -> None:
    fault = Fault(grpc.StatusCode.PERMISSION_DENIED, "KEY_INVALID", domain="proxy.example")
    error = HeadwaterError.from_status(fault.status())
    assert error.reason == hw.ERROR_REASON_UNSPECIFIED
    assert error.reason_name == ""
    assert error.request_id == "call-1"


def test_error_without_details_has_the_code(server: Server, client: headwater.Client) -> None:
    server.faults.append(Fault(grpc.StatusCode.PERMISSION_DENIED))
    with pytest.raises(HeadwaterError) as raised:
        client.tracking.RecordSale(hw.RecordSaleRequest())
    assert raised.value.code == grpc.StatusCode.PERMISSION_DENIED
    assert raised.value.reason == hw.ERROR_REASON_UNSPECIFIED
    assert raised.value.reason_name == ""
    assert raised.value.request_id == "call-1"


@pytest.mark.parametrize(
    ("fault", "transient"),
    [
        (Fault(grpc.StatusCode.UNAVAILABLE), True),
        (Fault(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"), True),
        (Fault(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED"), True),
        (Fault(grpc.StatusCode.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE"), False),
        (Fault(grpc.StatusCode.RESOURCE_EXHAUSTED), False),
        (Fault(grpc.StatusCode.ABORTED, "ETAG_MISMATCH"), False),
        (Fault(grpc.StatusCode.CANCELLED), False),
    ],
)
def test_transient_errors(fault: Fault, transient: bool) -> None:
    assert HeadwaterError.from_status(fault.status()).is_transient is transient


def test_error_of_a_future_can_be_typed(server: Server, client: headwater.Client) -> None:
    server.faults.append(Fault(grpc.StatusCode.NOT_FOUND, "LEAD_NOT_FOUND", -1))
    with pytest.raises(grpc.RpcError) as raised:
        client.tracking.RecordSale.future(hw.RecordSaleRequest()).result()
    assert HeadwaterError.from_rpc_error(raised.value).reason == hw.ERROR_REASON_LEAD_NOT_FOUND


def test_error_can_be_pickled() -> None:
    error = HeadwaterError.from_status(Fault(grpc.StatusCode.NOT_FOUND, "LEAD_NOT_FOUND", fields=("lead",)).status())
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert str(copy) == str(error)
    assert copy.violations == error.violations


def test_wrong_key_fails_when_connecting(server: Server) -> None:
    server.faults.append(Fault(grpc.StatusCode.UNAUTHENTICATED, "KEY_INVALID", -1))
    with pytest.raises(HeadwaterError) as raised:
        headwater.connect(server.address, "hw_admin_wrong", plaintext=True)
    assert raised.value.reason == hw.ERROR_REASON_KEY_INVALID


def test_wrong_address_fails_at_once_with_the_cause() -> None:
    with pytest.raises(HeadwaterError, match="Connection refused") as raised:
        headwater.connect("127.0.0.1:1", "hw_admin_test", plaintext=True, timeout=60)
    assert raised.value.code == grpc.StatusCode.UNAVAILABLE


def test_plaintext_to_a_server_excludes_certificates() -> None:
    with pytest.raises(ValueError, match="plaintext"):
        headwater.connect("127.0.0.1:1", "hw_admin_test", plaintext=True, ca_certificate=b"PEM")


def test_key_is_sent_without_surrounding_space(server: Server, connect: Callable[..., headwater.Client]) -> None:
    with headwater.connect(server.address, "hw_admin_test\n", plaintext=True):
        assert server.calls[0].metadata["authorization"] == "Bearer hw_admin_test"

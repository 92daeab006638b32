"""Errors of calls as typed values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from .v1 import (
    ERROR_REASON_OVERLOADED,
    ERROR_REASON_TOO_MANY_STREAMS,
    ERROR_REASON_UNSPECIFIED,
    ErrorReason,
)

_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
_TRANSIENT_CODES = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})
# An ErrorInfo of another domain was made by something in between, such as a proxy.
_DOMAIN = "headwater.dev"


@dataclass(frozen=True)
class FieldViolation:
    """A wrong field of a request."""

    field: str
    """The path of the field in the request, such as `amount.currency_code`."""
    description: str
    """How to fix it."""


class HeadwaterError(Exception):
    """The error of a call, or of one item of a batch."""

    code: grpc.StatusCode
    """The gRPC code."""
    message: str
    """The fault and how to fix it, for people to read."""
    reason: ErrorReason.ValueType
    """The reason, such as `headwater.v1.ERROR_REASON_KEY_INVALID`. ERROR_REASON_UNSPECIFIED if the error has no reason, or a
    reason that this version of the client does not know."""
    reason_name: str
    """The name of the reason as the server sent it, such as `KEY_INVALID`. It is also there for an unknown reason. Empty if
    the error has no reason, for example because the server could not be reached."""
    violations: tuple[FieldViolation, ...]
    """All wrong fields of the request."""
    metadata: Mapping[str, str]
    """Facts about the error. The comment of each ErrorReason names the keys."""
    retry_delay: timedelta | None
    """How long to wait before a retry. None if the server named no delay."""
    request_id: str
    """The id of the call in the server's log. Quote it when you report a fault. Empty if the server was not reached."""

    def __init__(self, code: grpc.StatusCode, message: str, details: status_pb2.Status | None = None, request_id: str = "") -> None:
        self.code = code
        self.message = message
        self.reason = ERROR_REASON_UNSPECIFIED
        self.reason_name = ""
        self.violations = ()
        self.metadata = {}
        self.retry_delay = None
        self.request_id = request_id
        for detail in details.details if details is not None else ():
            self._add(detail)
        super().__init__(code, message)

    def _add(self, detail: Any) -> None:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo.FromString(detail.value)
            if info.domain != _DOMAIN:
                return
            self.reason_name = info.reason
            self.metadata = dict(info.metadata)
            name = f"ERROR_REASON_{info.reason}"
            if name in ErrorReason.keys():  # noqa: SIM118 (the wrapper of an enum is no mapping)
                self.reason = ErrorReason.Value(name)
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad_request = error_details_pb2.BadRequest.FromString(detail.value)
            self.violations = tuple(
                FieldViolation(violation.field, violation.description) for violation in bad_request.field_violations
            )
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            self.retry_delay = error_details_pb2.RetryInfo.FromString(detail.value).retry_delay.ToTimedelta()
        elif detail.Is(error_details_pb2.RequestInfo.DESCRIPTOR):
            self.request_id = error_details_pb2.RequestInfo.FromString(detail.value).request_id

    @classmethod
    def from_rpc_error(cls, error: grpc.RpcError) -> "HeadwaterError":
        """Returns the typed form of an error of gRPC. Calls raise HeadwaterError already. You need this for the errors of
        `future()` and of streams that you read yourself.
        """
        trailers: dict[str, Any] = {entry.key: entry.value for entry in error.trailing_metadata() or ()}
        details = status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b""))
        return cls(error.code(), error.details() or "", details, trailers.get("x-request-id", ""))

    @classmethod
    def from_status(cls, status: status_pb2.Status) -> "HeadwaterError":
        """Returns the typed form of the error of one item of a batch: `BatchResult.error`."""
        return cls(_CODES.get(status.code, grpc.StatusCode.UNKNOWN), status.message, status)

    @property
    def is_transient(self) -> bool:
        """True if the same request may succeed later. Repeat a write with the same event_id or request_id: the call may have
        been carried out, and the repeat then has no further effect.
        """
        return self.code in _TRANSIENT_CODES or self.reason in (
            ERROR_REASON_OVERLOADED,
            ERROR_REASON_TOO_MANY_STREAMS,
        )

    def __str__(self) -> str:
        name = f"{self.code.name} {self.reason_name}".rstrip()
        request_id = f" (request id {self.request_id})" if self.request_id else ""
        fields = "".join(f"\n  {violation.field}: {violation.description}" for violation in self.violations)
        return f"{name}: {self.message}{request_id}{fields}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.code, self.message, self.__dict__)


def _restore(code: grpc.StatusCode, message: str, values: dict[str, Any]) -> HeadwaterError:
    error = HeadwaterError(code, message)
    error.__dict__.update(values)
    return error

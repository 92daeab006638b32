"""The defaults of every call: the key, the deadline, the id that makes a write safe to repeat, and typed errors."""

import math
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from ._errors import HeadwaterError
from .v1 import BatchRecordEventsRequest, ReadEventsRequest, RecordClickRequest, VerifyLedgerRequest

LONG_POLL_MARGIN = 5.0
"""How many seconds the deadline of a long poll is longer than its `max_wait`."""


CONNECTION_CHECK_TIMEOUT = 0.1
"""How many seconds a call whose deadline has passed may take to find out whether there is a connection."""

_HEALTH_CHECK = "/grpc.health.v1.Health/Check"


class _Details(grpc.ClientCallDetails):
    def __init__(self, details: grpc.ClientCallDetails, timeout: float | None, authorization: str) -> None:
        self.method = details.method
        self.timeout = timeout
        self.metadata = (*(details.metadata or ()), ("authorization", authorization))
        self.credentials = details.credentials
        self.wait_for_ready = details.wait_for_ready
        self.compression = details.compression


class Defaults(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Adds the defaults to each call. gRPC's own retries happen below it, so all attempts of a call have the same id."""

    def __init__(self, key: str, timeout: float) -> None:
        self._authorization = f"Bearer {key}"
        self._timeout = timeout

    def intercept_unary_unary(
        self, continuation: Callable[[grpc.ClientCallDetails, Any], Any], details: grpc.ClientCallDetails, request: Any
    ) -> Any:
        """Makes a call with one answer."""
        timeout = deadline(request, details.timeout, self._timeout)
        call = continuation(_Details(details, timeout, self._authorization), with_id(request))
        # `future()` returns a call in progress, which can be iterated. Its errors stay those of gRPC.
        if isinstance(call, grpc.RpcError) and not hasattr(call, "__next__"):
            error = HeadwaterError.from_rpc_error(call)
            if error.code == grpc.StatusCode.DEADLINE_EXCEEDED and not error.reason_name:
                fault = self._connection_fault(continuation, details, request)
                if fault:
                    error = HeadwaterError(error.code, f"{error.message}: {fault}")
            raise error from call
        return call

    def _connection_fault(
        self, continuation: Callable[[grpc.ClientCallDetails, Any], Any], details: grpc.ClientCallDetails, request: Message
    ) -> str:
        """Says why there is no connection. Empty if there is one.

        A call that waited for a connection until its deadline does not say it. A call that does not wait fails at once with
        the cause. It has no entry in the service config, so it is not repeated.
        """
        check = _Details(details, CONNECTION_CHECK_TIMEOUT, self._authorization)
        check.method = _HEALTH_CHECK
        check.metadata = ()
        check.wait_for_ready = False
        # The serializer is that of the call. An empty message of any type is an empty request.
        answer = continuation(check, type(request)())
        if isinstance(answer, grpc.RpcError) and answer.code() == grpc.StatusCode.UNAVAILABLE:
            return answer.details() or ""
        return ""

    def intercept_unary_stream(
        self, continuation: Callable[[grpc.ClientCallDetails, Any], Any], details: grpc.ClientCallDetails, request: Any
    ) -> Any:
        """Opens a stream, without a deadline unless the caller has set one."""
        return continuation(_Details(details, _finite(details.timeout), self._authorization), request)


def deadline(request: Message, timeout: float | None, default: float) -> float | None:
    """Returns the time limit of a call in seconds: the caller's, or else the default for this request."""
    if timeout is not None:
        return _finite(timeout)
    if isinstance(request, VerifyLedgerRequest):
        return None
    if isinstance(request, ReadEventsRequest) and request.HasField("max_wait"):
        return _finite(max(default, request.max_wait.ToTimedelta().total_seconds() + LONG_POLL_MARGIN))
    return _finite(default)


def _finite(timeout: float | None) -> float | None:
    return None if timeout == math.inf else timeout


def with_id(request: Message) -> Message:
    """Returns the request with a random id where it has none, so that it may be repeated. The caller's message is not changed.

    Leads, sales, refunds and cancellations get no id, because their `event_id` is the merchant's and required.
    """
    if isinstance(request, BatchRecordEventsRequest):
        if not any(item.HasField("click") and not item.click.event_id for item in request.items):
            return request
        batch = _copy(request)
        for item in batch.items:
            if item.HasField("click") and not item.click.event_id:
                item.click.event_id = str(uuid.uuid4())
        return batch
    field = "event_id" if isinstance(request, RecordClickRequest) else "request_id"
    if field not in request.DESCRIPTOR.fields_by_name or getattr(request, field):
        return request
    copy = _copy(request)
    setattr(copy, field, str(uuid.uuid4()))
    return copy


_Message = TypeVar("_Message", bound=Message)


def _copy(message: _Message) -> _Message:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy

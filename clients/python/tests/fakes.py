"""A fake server that records calls and fails as it is told."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from headwater import v1 as hw


@dataclass
class Fault:
    """An error as the server sends it."""

    code: grpc.StatusCode
    reason: str = ""
    pushback_ms: int | None = None
    fields: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    domain: str = "headwater.dev"

    def status(self) -> status_pb2.Status:
        details = []
        if self.reason:
            details.append(error_details_pb2.ErrorInfo(reason=self.reason, domain=self.domain, metadata=self.metadata))
            details.append(error_details_pb2.RequestInfo(request_id="call-1"))
        if self.fields:
            violations = [error_details_pb2.BadRequest.FieldViolation(field=name, description="is wrong") for name in self.fields]
            details.append(error_details_pb2.BadRequest(field_violations=violations))
        if self.pushback_ms is not None and self.pushback_ms >= 0:
            delay = Duration(nanos=self.pushback_ms * 1_000_000)
            details.append(error_details_pb2.RetryInfo(retry_delay=delay))
        packed = []
        for detail in details:
            packed.append(AnyMessage())
            packed[-1].Pack(detail)
        return status_pb2.Status(code=self.code.value[0], message="it failed", details=packed)

    def abort(self, context: Any) -> None:
        trailers: list[tuple[str, str | bytes]] = [("x-request-id", "call-1")]
        if self.reason:
            trailers.append(("grpc-status-details-bin", self.status().SerializeToString()))
        if self.pushback_ms is not None:
            trailers.append(("grpc-retry-pushback-ms", str(self.pushback_ms)))
        context.set_trailing_metadata(tuple(trailers))
        context.abort(self.code, "it failed")


@dataclass
class Call:
    """A call as it arrived."""

    request: Any
    seconds_left: float | None
    metadata: dict[str, str]


Script: TypeAlias = list[Any]
"""What one stream sends: messages, and as its last entry perhaps a Fault or an Event to wait for."""


class Server:
    """What the server does, and what it saw."""

    address: str
    stop: Callable[[], None]

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.delay = 0.0
        self.faults: deque[Fault] = deque()
        self.streams: deque[Script] = deque()

    def answer(self, request: Any, context: Any, answer: Any) -> Any:
        left = context.time_remaining()
        # gRPC says "no deadline" as a time that is many years away.
        seconds_left = None if left is None or left > 1e6 else left
        self.calls.append(Call(request, seconds_left, dict(context.invocation_metadata())))
        time.sleep(self.delay)
        if self.faults:
            self.faults.popleft().abort(context)
        return answer

    def stream(self, request: Any, context: Any) -> Iterator[Any]:
        self.answer(request, context, None)
        script = self.streams.popleft() if self.streams else [Fault(grpc.StatusCode.UNAUTHENTICATED, "KEY_INVALID")]
        for entry in script:
            if isinstance(entry, Fault):
                entry.abort(context)
            elif hasattr(entry, "wait"):
                entry.wait(10)
            else:
                yield entry


UNARY: dict[str, tuple[Any, Any]] = {
    "AccountService/CheckApiKey": (hw.CheckApiKeyRequest, hw.CheckApiKeyResponse),
    "AccountService/RegisterAccount": (hw.RegisterAccountRequest, hw.RegisterAccountResponse),
    "FeedService/ReadEvents": (hw.ReadEventsRequest, hw.ReadEventsResponse),
    "RewardService/VerifyLedger": (hw.VerifyLedgerRequest, hw.VerifyLedgerResponse),
    "TrackingService/BatchRecordEvents": (hw.BatchRecordEventsRequest, hw.BatchRecordEventsResponse),
    "TrackingService/RecordClick": (hw.RecordClickRequest, hw.RecordClickResponse),
    "TrackingService/RecordSale": (hw.RecordSaleRequest, hw.RecordSaleResponse),
}
STREAMS = {
    "FeedService/WatchEvents": hw.WatchEventsRequest,
    "TrackingService/WatchConversions": hw.WatchConversionsRequest,
}


class Handlers(grpc.GenericRpcHandler):
    """Passes each call to the server."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any] | None":
        method = handler_call_details.method.removeprefix("/headwater.v1.")
        if method in STREAMS:
            return grpc.unary_stream_rpc_method_handler(
                self.server.stream,
                request_deserializer=STREAMS[method].FromString,
                response_serializer=lambda message: message.SerializeToString(),
            )
        if method not in UNARY:
            return None
        request_type, answer_type = UNARY[method]
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self.server.answer(request, context, answer_type()),
            request_deserializer=request_type.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )

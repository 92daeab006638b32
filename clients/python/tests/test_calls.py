"""Each call has a deadline, an id and retries."""

import math
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

import headwater
from fakes import Fault, Server
from headwater import HeadwaterError
from headwater import v1 as hw


def test_request_id_is_filled_on_a_copy(server: Server, client: headwater.Client) -> None:
    request = hw.RegisterAccountRequest(email="owner@shop.example")
    client.accounts.RegisterAccount(request)
    assert request.request_id == ""
    assert uuid.UUID(server.calls[0].request.request_id).version == 4
    assert server.calls[0].request.email == "owner@shop.example"


def test_own_request_id_is_kept(server: Server, client: headwater.Client) -> None:
    client.accounts.RegisterAccount(hw.RegisterAccountRequest(request_id="mine"))
    assert server.calls[0].request.request_id == "mine"


def test_all_attempts_have_the_same_request_id(server: Server, client: headwater.Client) -> None:
    server.faults += [Fault(grpc.StatusCode.UNAVAILABLE), Fault(grpc.StatusCode.UNAVAILABLE)]
    client.accounts.RegisterAccount(hw.RegisterAccountRequest())
    assert len(server.calls) == 3
    assert len({call.request.request_id for call in server.calls}) == 1


def test_clicks_get_an_event_id_and_sales_do_not(server: Server, client: headwater.Client) -> None:
    client.tracking.RecordClick(hw.RecordClickRequest(ref_id="lena"))
    client.tracking.RecordSale(hw.RecordSaleRequest())
    assert uuid.UUID(server.calls[0].request.event_id).version == 4
    assert server.calls[1].request.event_id == ""


def test_clicks_of_a_batch_get_event_ids(server: Server, client: headwater.Client) -> None:
    items = [
        hw.BatchItem(click=hw.RecordClickRequest(ref_id="lena")),
        hw.BatchItem(click=hw.RecordClickRequest(ref_id="lena", event_id="mine")),
        hw.BatchItem(sale=hw.RecordSaleRequest(email="kim@customers.example")),
    ]
    batch = hw.BatchRecordEventsRequest(items=items)
    client.tracking.BatchRecordEvents(batch)
    sent = server.calls[0].request.items
    assert uuid.UUID(sent[0].click.event_id).version == 4
    assert sent[1].click.event_id == "mine"
    assert sent[2].sale == items[2].sale
    assert batch.items[0].click.event_id == ""


@pytest.mark.parametrize("reason", ["OVERLOADED", "TOO_MANY_STREAMS"])
def test_overload_is_retried_after_the_delay_of_the_server(server: Server, client: headwater.Client, reason: str) -> None:
    server.faults.append(Fault(grpc.StatusCode.RESOURCE_EXHAUSTED, reason, 700))
    begun = time.monotonic()
    client.tracking.RecordSale(hw.RecordSaleRequest())
    assert len(server.calls) == 2
    assert time.monotonic() - begun > 0.65


@pytest.mark.parametrize(
    "fault",
    [
        Fault(grpc.StatusCode.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE", -1),
        Fault(grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE", -1),
        Fault(grpc.StatusCode.ABORTED, "ETAG_MISMATCH"),
        Fault(grpc.StatusCode.INTERNAL, "SERVER_FAULT"),
    ],
)
def test_other_errors_are_not_retried(server: Server, client: headwater.Client, fault: Fault) -> None:
    server.faults.append(fault)
    with pytest.raises(HeadwaterError):
        client.tracking.RecordSale(hw.RecordSaleRequest())
    assert len(server.calls) == 1


def test_large_request_is_retried(server: Server, client: headwater.Client) -> None:
    sale = hw.RecordSaleRequest(event_id="e" * 128, email="k" * 254, order_id="o" * 128, plan="p" * 128)
    server.faults.append(Fault(grpc.StatusCode.UNAVAILABLE))
    batch = hw.BatchRecordEventsRequest(items=[hw.BatchItem(sale=sale)] * 5_000)
    assert 3 << 20 < batch.ByteSize() < 4 << 20
    client.tracking.BatchRecordEvents(batch)
    assert len(server.calls) == 2


def test_all_calls_of_a_connection_are_retried(server: Server, client: headwater.Client) -> None:
    # A restart of the server fails all calls in progress at once.
    server.faults += [Fault(grpc.StatusCode.UNAVAILABLE)] * 256
    with ThreadPoolExecutor(64) as pool:
        answers = [pool.submit(client.tracking.RecordSale, hw.RecordSaleRequest(event_id=str(n))) for n in range(200)]
    assert [answer.exception() for answer in answers] == [None] * 200


def test_deadline_names_the_cause_while_the_server_is_down(server: Server, client: headwater.Client) -> None:
    client.tracking.RecordSale(hw.RecordSaleRequest())
    server.stop()
    with pytest.raises(HeadwaterError, match=r"Connection refused|Socket closed") as raised:
        client.tracking.RecordSale(hw.RecordSaleRequest(), timeout=1)
    assert raised.value.code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert raised.value.is_transient


def test_deadline_of_a_slow_answer_names_no_connection(server: Server, client: headwater.Client) -> None:
    server.delay = 1
    with pytest.raises(HeadwaterError) as raised:
        client.tracking.RecordSale(hw.RecordSaleRequest(), timeout=0.3)
    assert raised.value.message == "Deadline Exceeded"


def test_default_deadlines(server: Server, client: headwater.Client) -> None:
    client.tracking.RecordSale(hw.RecordSaleRequest())
    client.feed.ReadEvents(hw.ReadEventsRequest())
    client.feed.ReadEvents(hw.ReadEventsRequest(max_wait=Duration(seconds=30)))
    client.rewards.VerifyLedger(hw.VerifyLedgerRequest())
    seconds = [call.seconds_left and round(call.seconds_left) for call in server.calls]
    assert seconds == [10, 10, 35, None]


def test_own_deadlines(server: Server, connect: Callable[..., headwater.Client]) -> None:
    client = connect(timeout=20)
    client.tracking.RecordSale(hw.RecordSaleRequest())
    client.tracking.RecordSale(hw.RecordSaleRequest(), timeout=3)
    client.tracking.RecordSale(hw.RecordSaleRequest(), timeout=math.inf)
    client.rewards.VerifyLedger(hw.VerifyLedgerRequest(), timeout=4)
    seconds = [call.seconds_left and round(call.seconds_left) for call in server.calls]
    assert seconds == [20, 3, None, 4]

"""A follower keeps its cursor, reconnects, and stops only by reason."""

import threading
import time
from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

import headwater
from fakes import Fault, Server
from headwater import HeadwaterError
from headwater import v1 as hw
from headwater._follower import STOP_REASONS, reconnect_delay

STOP = Fault(grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED", -1)


def opened(cursor: str, heartbeat_seconds: float = 15) -> hw.WatchEventsResponse:
    delay = Duration(nanos=int(heartbeat_seconds * 1e9) % 1_000_000_000, seconds=int(heartbeat_seconds))
    return hw.WatchEventsResponse(cursor=cursor, opened=hw.Opened(heartbeat_delay=delay))


def batch(*sequences: int) -> hw.WatchEventsResponse:
    events = [hw.Event(sequence=sequence, cursor=f"c{sequence}") for sequence in sequences]
    return hw.WatchEventsResponse(cursor=f"c{sequences[-1]}", batch=hw.EventBatch(events=events))


class Store:
    """Keeps what the handler gets."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[int], str]] = []

    def handle(self, events: Sequence[hw.Event], cursor: str) -> None:
        self.calls.append(([event.sequence for event in events], cursor))


@pytest.fixture
def store() -> Store:
    return Store()


def starts(server: Server) -> list[Any]:
    return [call.request.start.after_cursor or call.request.start.position for call in server.calls]


def run_to_stop(follower: headwater.Follower) -> HeadwaterError:
    with pytest.raises(HeadwaterError) as raised:
        follower.run()
    return raised.value


def test_any_end_is_resumed_from_the_cursor(server: Server, client: headwater.Client, store: Store) -> None:
    server.streams += [
        [opened("c0"), batch(1, 2)],
        [opened("c2"), batch(3), Fault(grpc.StatusCode.UNKNOWN)],
        [Fault(grpc.StatusCode.UNAVAILABLE)],
        [Fault(grpc.StatusCode.PERMISSION_DENIED)],
        [Fault(grpc.StatusCode.UNAUTHENTICATED)],
        [opened("c3"), batch(4), STOP],
    ]
    follower = client.follow_events(store.handle)
    error = run_to_stop(follower)
    assert error.reason == hw.ERROR_REASON_CURSOR_EXPIRED
    assert store.calls == [([], "c0"), ([1, 2], "c2"), ([3], "c3"), ([4], "c4")]
    assert starts(server) == [hw.FEED_POSITION_BEGINNING, "c2", "c3", "c3", "c3", "c3"]
    assert follower.cursor == "c4"
    assert follower.reconnect_count == 5


def test_cursor_of_control_messages_is_kept(server: Server, client: headwater.Client, store: Store) -> None:
    server.streams += [
        [
            opened("c7"),
            hw.WatchEventsResponse(cursor="c8", heartbeat=hw.Heartbeat()),
            hw.WatchEventsResponse(cursor="c8", caught_up=hw.CaughtUp()),
            hw.WatchEventsResponse(cursor="c9"),  # a kind of message that this client does not know
        ],
        [STOP],
    ]
    run_to_stop(client.follow_events(store.handle, cursor="c7"))
    assert store.calls == [([], "c8"), ([], "c9")]
    assert starts(server) == ["c7", "c9"]


def test_start_applies_until_there_is_a_cursor(server: Server, client: headwater.Client, store: Store) -> None:
    server.streams += [[], [opened("c5")], [STOP]]
    run_to_stop(client.follow_events(store.handle, start=hw.FeedStart(position=hw.FEED_POSITION_LATEST)))
    assert starts(server) == [hw.FEED_POSITION_LATEST, hw.FEED_POSITION_LATEST, "c5"]


def test_draining_delays_the_reconnect(server: Server, client: headwater.Client, store: Store) -> None:
    draining = hw.Draining(reconnect_delay=Duration(nanos=600_000_000))
    server.streams += [[opened("c1"), hw.WatchEventsResponse(cursor="c2", draining=draining)], [STOP]]
    begun = time.monotonic()
    run_to_stop(client.follow_events(store.handle))
    assert time.monotonic() - begun > 0.6
    assert starts(server)[1] == "c2"


@pytest.mark.parametrize("reason", sorted(STOP_REASONS))
def test_these_reasons_stop(server: Server, client: headwater.Client, store: Store, reason: Any) -> None:
    name = hw.ErrorReason.Name(reason).removeprefix("ERROR_REASON_")
    server.streams.append([Fault(grpc.StatusCode.UNKNOWN, name, -1)])
    assert run_to_stop(client.follow_events(store.handle)).reason == reason
    assert len(server.calls) == 1


def test_other_reasons_do_not_stop(server: Server, client: headwater.Client, store: Store) -> None:
    server.streams += [
        [Fault(grpc.StatusCode.RESOURCE_EXHAUSTED, "SLOW_CONSUMER", 1)],
        [Fault(grpc.StatusCode.INVALID_ARGUMENT, "NEW_REASON", -1)],
        [STOP],
    ]
    run_to_stop(client.follow_events(store.handle))
    assert len(server.calls) == 3


def test_silent_stream_is_replaced(server: Server, client: headwater.Client, store: Store) -> None:
    server.streams += [[opened("c1", heartbeat_seconds=0.1), threading.Event()], [STOP]]
    begun = time.monotonic()
    run_to_stop(client.follow_events(store.handle))
    assert 0.3 < time.monotonic() - begun < 5
    assert starts(server)[1] == "c1"


def test_slow_handler_is_no_silence(server: Server, client: headwater.Client) -> None:
    server.streams += [[opened("c1", heartbeat_seconds=0.1), batch(1), batch(2), STOP]]
    follower = client.follow_events(lambda events, cursor: time.sleep(0.5))
    run_to_stop(follower)
    assert follower.reconnect_count == 0


def test_failed_handler_leaves_the_cursor(server: Server, client: headwater.Client) -> None:
    def handle(events: Sequence[hw.Event], cursor: str) -> None:
        if cursor == "c2":
            raise RuntimeError("the database is down")

    server.streams.append([opened("c0"), batch(1), batch(2)])
    follower = client.follow_events(handle)
    with pytest.raises(RuntimeError, match="the database is down"):
        follower.run()
    assert follower.cursor == "c1"


def test_stop_ends_a_waiting_follower(server: Server, client: headwater.Client) -> None:
    release, handled = threading.Event(), threading.Event()
    server.streams.append([opened("c1"), release])
    follower = client.follow_events(lambda events, cursor: handled.set())
    thread = threading.Thread(target=follower.run)
    thread.start()
    assert handled.wait(5)
    follower.stop()
    thread.join(5)
    release.set()
    assert not thread.is_alive()
    assert follower.cursor == "c1"


def test_stop_ends_a_follower_that_waits_to_reconnect(server: Server, client: headwater.Client, store: Store) -> None:
    server.streams.append([Fault(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS", 900)] * 9)
    follower = client.follow_events(store.handle)
    thread = threading.Thread(target=follower.run)
    thread.start()
    while not server.calls:
        time.sleep(0.01)
    time.sleep(0.1)
    follower.stop()
    thread.join(0.5)
    assert not thread.is_alive()


@pytest.mark.parametrize("script", ["idle", "waits to reconnect"])
def test_close_ends_followers(server: Server, client: headwater.Client, script: str) -> None:
    release, handled = threading.Event(), threading.Event()
    draining = hw.WatchEventsResponse(cursor="c1", draining=hw.Draining(reconnect_delay=Duration(seconds=60)))
    server.streams.append([opened("c1"), release] if script == "idle" else [opened("c1"), draining])
    follower = client.follow_events(lambda events, cursor: handled.set())
    thread = threading.Thread(target=follower.run)
    thread.start()
    assert handled.wait(5)
    time.sleep(0.2)
    client.close()
    thread.join(5)
    release.set()
    assert not thread.is_alive()


def test_follower_of_a_closed_client_ends(server: Server, client: headwater.Client, store: Store) -> None:
    client.close()
    client.follow_events(store.handle).run()
    assert not server.calls


def test_draining_delays_the_reconnect_after_an_error_too(server: Server, client: headwater.Client, store: Store) -> None:
    draining = hw.Draining(reconnect_delay=Duration(nanos=600_000_000))
    end = Fault(grpc.StatusCode.UNAVAILABLE)
    late = Fault(grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE", 1)
    for fault in (end, late):
        server.streams.append([opened("c1"), hw.WatchEventsResponse(cursor="c2", draining=draining), fault])
    server.streams.append([STOP])
    begun = time.monotonic()
    run_to_stop(client.follow_events(store.handle))
    assert time.monotonic() - begun > 1.2


def test_stop_in_the_handler_keeps_the_cursor(server: Server, client: headwater.Client) -> None:
    server.streams.append([opened("c0"), batch(1), batch(2)])
    follower = client.follow_events(lambda events, cursor: follower.stop() if events else None)
    follower.run()
    assert follower.cursor == "c1"


def test_conversions_can_be_followed(server: Server, client: headwater.Client, store: Store) -> None:
    events = hw.EventBatch(events=[hw.Event(sequence=5)])
    server.streams.append([hw.WatchConversionsResponse(cursor="c5", batch=events), STOP])
    kinds = hw.EventFilter(kinds=[hw.EVENT_KIND_SALE_RECORDED])
    run_to_stop(client.follow_conversions(store.handle, event_filter=kinds, max_batch_size=7))
    assert store.calls == [([5], "c5")]
    assert isinstance(server.calls[0].request, hw.WatchConversionsRequest)
    assert server.calls[0].request.filter == kinds
    assert server.calls[0].request.max_batch_size == 7


def test_reconnect_delay_grows_and_honours_the_server() -> None:
    assert 0.1 <= reconnect_delay(0, 0) <= 0.2
    assert 2.5 <= reconnect_delay(0, 50) <= 5
    assert reconnect_delay(3, 0) >= 3

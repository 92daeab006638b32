"""The client: one channel, a stub for each service, and followers of the feed."""

import weakref
from collections.abc import Callable, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration

from . import v1
from ._calls import Defaults
from ._channel import check_address, check_certificate, check_key, open_channel
from ._follower import Follower, Handler

# Channels with equal options share connections. A stream that fills its window would then hold up calls.
_OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)


def connect(
    address: str,
    key: str,
    *,
    ca_certificate: bytes | None = None,
    plaintext: bool = False,
    server_name: str | None = None,
    timeout: float = 10.0,
    check: bool = True,
    options: Sequence[tuple[str, Any]] = (),
) -> "Client":
    """Connects to a server and checks the key, so that a wrong address, certificate or key fails at once.

    Args:
        address: Host and port, such as `hw.internal:50051`, or a target of gRPC with a scheme, such as `unix:/run/hw.sock`.
        key: The text of the API key.
        ca_certificate: The certificates to trust, PEM, in place of the system's roots.
        plaintext: Connect without TLS. The key is then sent unencrypted: use this only on the same machine, or where something
            else encrypts the connection.
        server_name: The name in the server's certificate, if it is not the host in the address.
        timeout: The time limit in seconds of calls that set none. `math.inf`: none. The time includes all retries.
        check: False leaves out the first call, so that the server need not run yet.
        options: Further options of gRPC's channel.

    Raises:
        HeadwaterError: The server cannot be reached, or does not accept the key.
        ValueError: An argument is wrong, such as an address without a port.
    """
    if plaintext and (ca_certificate is not None or server_name is not None):
        raise ValueError("plaintext excludes ca_certificate and server_name")
    key = key.strip()
    check_address(address)
    check_key(key)
    if ca_certificate is not None:
        check_certificate(ca_certificate)
    client = Client(
        address,
        key,
        ca_certificate=ca_certificate,
        plaintext=plaintext,
        server_name=server_name,
        timeout=timeout,
        options=options,
    )
    if check:
        try:
            # A call that waits for the connection would end as DEADLINE_EXCEEDED after the whole timeout, without the cause.
            client.accounts.CheckApiKey(v1.CheckApiKeyRequest(), wait_for_ready=False)
        except BaseException:
            client.close()
            raise
    return client


class Client:
    """A connection to Headwater. All calls of one process should share a client; it may be used by several threads.

    Each attribute is the stub of a service: `client.tracking.RecordSale(request)`. A call raises HeadwaterError. The arguments
    `timeout` and `metadata` of a call take precedence over the defaults; `timeout=math.inf` means no time limit. `connect` makes
    clients.
    """

    accounts: v1.AccountServiceStub
    """Accounts and their API keys."""
    affiliates: v1.AffiliateServiceStub
    """Programs, affiliates, enrollments, links and coupons."""
    feed: v1.FeedServiceStub
    """The feed of events. To follow it, use `follow_events`."""
    payouts: v1.PayoutServiceStub
    """Payouts."""
    rewards: v1.RewardServiceStub
    """Rewards, balances and the ledger."""
    tracking: v1.TrackingServiceStub
    """Clicks, leads, sales, refunds, cancellations and conversions."""
    channel: grpc.Channel
    """The channel of the stubs, for other services of the server such as grpc.health.v1."""

    def __init__(
        self,
        address: str,
        key: str,
        *,
        ca_certificate: bytes | None,
        plaintext: bool,
        server_name: str | None,
        timeout: float,
        options: Sequence[tuple[str, Any]],
    ) -> None:
        def open_one(more: Sequence[tuple[str, Any]]) -> grpc.Channel:
            channel = open_channel(
                address,
                ca_certificate=ca_certificate,
                plaintext=plaintext,
                server_name=server_name,
                options=[*more, *options],
            )
            return grpc.intercept_channel(channel, Defaults(key, timeout))

        self._open = open_one
        self._followers: weakref.WeakSet[Follower] = weakref.WeakSet()
        self._closed = False
        self.channel = open_one(())
        self.accounts = v1.AccountServiceStub(self.channel)
        self.affiliates = v1.AffiliateServiceStub(self.channel)
        self.feed = v1.FeedServiceStub(self.channel)
        self.payouts = v1.PayoutServiceStub(self.channel)
        self.rewards = v1.RewardServiceStub(self.channel)
        self.tracking = v1.TrackingServiceStub(self.channel)

    def follow_events(
        self,
        handler: Handler,
        *,
        cursor: str | None = None,
        start: v1.FeedStart | None = None,
        event_filter: v1.EventFilter | None = None,
        heartbeat_delay: timedelta | None = None,
        max_batch_size: int = 0,
    ) -> Follower:
        """Makes a follower of all events of the account. `Follower.run` starts it.

        Args:
            handler: Called with events and the cursor to store with their effect. See `Follower`.
            cursor: The cursor that was stored last. None or empty: nothing was stored yet.
            start: Where to start if there is no cursor. Default: the beginning of the feed.
            event_filter: The events to receive. Default: all.
            heartbeat_delay: How long the stream may be silent, 5 to 60 seconds. Default: 15 seconds.
            max_batch_size: The largest number of events in a message. Default: 100.
        """
        request = v1.WatchEventsRequest(
            start=_start(cursor, start),
            filter=event_filter,
            heartbeat_delay=_duration(heartbeat_delay),
            max_batch_size=max_batch_size,
        )
        return self._follower(lambda channel: v1.FeedServiceStub(channel).WatchEvents, request, handler)

    def follow_conversions(
        self,
        handler: Handler,
        *,
        cursor: str | None = None,
        start: v1.FeedStart | None = None,
        event_filter: v1.EventFilter | None = None,
        heartbeat_delay: timedelta | None = None,
        max_batch_size: int = 0,
    ) -> Follower:
        """Makes a follower of the events about conversions alone. The arguments are those of `follow_events`. A filter may have
        only kinds of events whose subject is a conversion.
        """
        request = v1.WatchConversionsRequest(
            start=_start(cursor, start),
            filter=event_filter,
            heartbeat_delay=_duration(heartbeat_delay),
            max_batch_size=max_batch_size,
        )
        return self._follower(lambda channel: v1.TrackingServiceStub(channel).WatchConversions, request, handler)

    def _follower(
        self,
        method: Callable[[grpc.Channel], Callable[[Any], Any]],
        request: v1.WatchEventsRequest | v1.WatchConversionsRequest,
        handler: Handler,
    ) -> Follower:
        follower = Follower(lambda: self._open(_OWN_CONNECTION), method, request, handler)
        self._followers.add(follower)
        if self._closed:
            follower.stop()
        return follower

    def close(self) -> None:
        """Closes all connections. Calls in progress raise HeadwaterError with the code CANCELLED, and later calls ValueError.
        Followers stop, after the handler if it is at work.
        """
        self._closed = True
        for follower in list(self._followers):
            follower.stop()
        self.channel.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()


def _start(cursor: str | None, start: v1.FeedStart | None) -> v1.FeedStart:
    if cursor:
        return v1.FeedStart(after_cursor=cursor)
    return start or v1.FeedStart(position=v1.FEED_POSITION_BEGINNING)


def _duration(delay: timedelta | None) -> Duration | None:
    if delay is None:
        return None
    duration = Duration()
    duration.FromTimedelta(delay)
    return duration

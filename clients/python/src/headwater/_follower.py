"""Following the feed: reconnecting, resuming from the cursor, noticing a dead connection, and stopping."""

import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc

from . import v1
from ._errors import HeadwaterError

Handler: TypeAlias = Callable[[Sequence[v1.Event], str], None]
"""A function that takes events, in order, and the cursor to store with their effect."""

# Reconnecting cannot help after an error with one of these reasons. The code alone never says so: proxies send codes too.
STOP_REASONS = frozenset(
    {
        v1.ERROR_REASON_KEY_MISSING,
        v1.ERROR_REASON_KEY_INVALID,
        v1.ERROR_REASON_KEY_KIND_NOT_ALLOWED,
        v1.ERROR_REASON_INVALID_FIELDS,
        v1.ERROR_REASON_METHOD_UNKNOWN,
        v1.ERROR_REASON_CURSOR_MALFORMED,
        v1.ERROR_REASON_CURSOR_FOREIGN,
        v1.ERROR_REASON_CURSOR_EXPIRED,
        v1.ERROR_REASON_CURSOR_AHEAD_OF_HEAD,
        v1.ERROR_REASON_CURSOR_OF_ANOTHER_HISTORY,
    }
)

_FIRST_BACKOFF = 0.2
_MAX_BACKOFF = 5.0
_DEFAULT_HEARTBEAT_DELAY = 15.0
_HEARTBEATS_MISSED_MAX = 3

_log = logging.getLogger("headwater")


@dataclass
class _End:
    """How a stream ended."""

    advanced: bool = False
    """Whether the stream brought a message after the first."""
    error: HeadwaterError | None = None
    delay: float = 0.0
    """How long the server asked to wait before connecting again, in seconds."""


class Follower:
    """Follows the feed and calls a handler with the events, across restarts of the server and faults of the network.

    The handler is called with events and a cursor. Write the effect of the events and the cursor in one transaction. If you start
    the next follower with the stored cursor, no event is lost and none has its effect twice. The list of events is empty if
    the cursor moved alone, for example because the filter left events out: store the cursor then too.

    If the handler raises an exception, `run` raises it, and the cursor stays before these events. Ignore events of a kind that
    you do not know.
    """

    def __init__(
        self,
        open_channel: Callable[[], grpc.Channel],
        method: Callable[[grpc.Channel], Callable[[Any], Any]],
        request: v1.WatchEventsRequest | v1.WatchConversionsRequest,
        handler: Handler,
    ) -> None:
        self._open_channel = open_channel
        self._method = method
        self._request = request
        self._handler = handler
        self._cursor = request.start.after_cursor
        self._reconnect_count = 0
        self._call: Any = None
        self._stopped = False
        # A SimpleQueue may be used in a signal handler, unlike a threading.Event.
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()

    @property
    def cursor(self) -> str:
        """The cursor after the last call of the handler that succeeded. Empty before the first."""
        return self._cursor

    @property
    def reconnect_count(self) -> int:
        """How often the follower has connected again."""
        return self._reconnect_count

    def run(self) -> None:
        """Follows the feed until `stop` is called or the client is closed. Blocks. Each end of the stream is logged under the
        name `headwater`.

        Raises:
            HeadwaterError: Reconnecting cannot help. The reason is one of KEY_MISSING, KEY_INVALID, KEY_KIND_NOT_ALLOWED,
                INVALID_FIELDS, METHOD_UNKNOWN, CURSOR_MALFORMED, CURSOR_FOREIGN, CURSOR_EXPIRED, CURSOR_AHEAD_OF_HEAD
                and CURSOR_OF_ANOTHER_HISTORY.
        """
        watchdog = _Watchdog()
        failures = 0
        try:
            while not self._stopped:
                end = self._follow_once(watchdog)
                if self._stopped:
                    return
                if end.error is not None and end.error.reason in STOP_REASONS:
                    raise end.error
                failures = 0 if end.advanced else failures + 1
                delay = reconnect_delay(end.delay, failures)
                level = logging.INFO if end.error is None else logging.WARNING
                _log.log(level, "feed: the stream ended (%s), connecting again in %.1f s", end.error or "OK", delay)
                self._sleep(delay)
                self._reconnect_count += 1
        finally:
            watchdog.close()

    def stop(self) -> None:
        """Makes `run` return, after the handler if it is at work. May be called from any thread, signal handler or the handler
        itself. A stopped follower cannot run again.
        """
        self._stopped = True
        self._wake.put(None)
        call = self._call
        if call is not None:
            call.cancel()

    def _follow_once(self, watchdog: "_Watchdog") -> _End:
        end = _End()
        silence_max = _DEFAULT_HEARTBEAT_DELAY * _HEARTBEATS_MISSED_MAX
        if self._request.HasField("heartbeat_delay"):
            silence_max = max(silence_max, _HEARTBEATS_MISSED_MAX * _seconds(self._request.heartbeat_delay))
        if self._cursor:
            self._request.start.after_cursor = self._cursor
        # A new channel each time: a dead connection or an old address must not be used again.
        channel = self._open_channel()
        try:
            call = self._method(channel)(self._request)
            self._call = call
            while not self._stopped:
                watchdog.begin(call, silence_max)
                try:
                    message = next(call)
                except StopIteration:
                    return end
                except grpc.RpcError as error:
                    end.error = HeadwaterError.from_rpc_error(error)
                    if watchdog.fired and end.error.code == grpc.StatusCode.CANCELLED:
                        end.error.message = f"no message for {silence_max:.0f} s"
                    if end.error.retry_delay is not None:
                        end.delay = max(end.delay, end.error.retry_delay.total_seconds())
                    return end
                finally:
                    watchdog.end()
                content = message.WhichOneof("content")
                # A stream that only opens is no success, or a fault after that would be tried without end.
                end.advanced = end.advanced or content != "opened"
                if content == "opened" and message.opened.HasField("heartbeat_delay"):
                    silence_max = _HEARTBEATS_MISSED_MAX * _seconds(message.opened.heartbeat_delay)
                elif content == "draining":
                    end.delay = _seconds(message.draining.reconnect_delay)
                events = message.batch.events if content == "batch" else ()
                self._handle(events, message.cursor)
            return end
        finally:
            self._call = None
            channel.close()

    def _handle(self, events: Sequence[v1.Event], cursor: str) -> None:
        if self._stopped or (not events and cursor in ("", self._cursor)):
            return
        self._handler(events, cursor)
        self._cursor = cursor

    def _sleep(self, seconds: float) -> None:
        try:
            self._wake.get(timeout=seconds)
        except queue.Empty:
            return


def reconnect_delay(asked: float, failures: int) -> float:
    """Returns how many seconds to wait: a growing, random time, and at least what the server asked for."""
    backoff = min(_MAX_BACKOFF, _FIRST_BACKOFF * 2.0 ** min(failures, 10))
    return asked + random.uniform(0.5, 1.0) * backoff


def _seconds(duration: Any) -> float:
    seconds: float = duration.ToTimedelta().total_seconds()
    return seconds


class _Watchdog:
    """Cancels a call that is waited for too long. Time that the handler takes does not count."""

    def __init__(self) -> None:
        self.fired = False
        self._condition = threading.Condition()
        self._call: Any = None
        self._expiry = 0.0
        self._closed = False
        threading.Thread(target=self._run, name="headwater-watchdog", daemon=True).start()

    def begin(self, call: Any, seconds: float) -> None:
        with self._condition:
            self.fired = False
            self._call = call
            self._expiry = time.monotonic() + seconds
            self._condition.notify()

    def end(self) -> None:
        with self._condition:
            self._call = None

    def close(self) -> None:
        with self._condition:
            self._closed = True
            self._condition.notify()

    def _run(self) -> None:
        with self._condition:
            while not self._closed:
                if self._call is None:
                    self._condition.wait()
                    continue
                left = self._expiry - time.monotonic()
                if left > 0:
                    self._condition.wait(left)
                    continue
                self.fired = True
                self._call.cancel()
                self._call = None

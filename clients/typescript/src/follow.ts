// The follower of the feed: reads it without gap or repeat, across lost connections and restarts of the server.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Duration, durationMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { HeadwaterError } from "./error.js";
import { ErrorReason } from "./generated/headwater/v1/error_pb.js";
import type { Event, EventFilterSchema } from "./generated/headwater/v1/event_pb.js";
import {
  FeedPosition,
  type FeedStart,
  FeedStartSchema,
  type WatchConversionsResponse,
  type WatchEventsRequestSchema,
  type WatchEventsResponse,
} from "./generated/headwater/v1/feed_pb.js";
import { type Backoff, delayAfter, pause } from "./retry.js";

/** What the handler of a follower gets. */
export interface FeedStep {
  /** The next events in order. Empty if only the cursor moved on. */
  readonly events: readonly Event[];
  /** Where to resume after these events. Store it in the same transaction as your results from the events. */
  readonly cursor: string;
}

/** What a follower reports to `onNotice`, for logs and metrics. */
export type FeedNotice =
  /** A stream is open. */
  | { readonly kind: "opened"; readonly headCursor: string; readonly feedId: string }
  /** The handler has had every event up to the newest. */
  | { readonly kind: "caughtUp"; readonly cursor: string }
  /** The reader had caught up, and is many events behind now. */
  | { readonly kind: "fellBehind"; readonly lagEventCount: bigint }
  /** The stream ended. The follower opens another after the delay. The error is undefined if the server ended it with OK. */
  | { readonly kind: "disconnected"; readonly error: HeadwaterError | undefined; readonly delayMs: number };

/** The settings of a follower. */
export interface FollowOptions {
  /** The stored cursor. Undefined or empty if there is none yet. Then `start` says where to begin. */
  readonly cursor?: string | undefined;
  /** Where to begin without a cursor. Default: `{ place: { case: "position", value: FeedPosition.BEGINNING } }`. */
  readonly start?: MessageInitShape<typeof FeedStartSchema>;
  /**
   * Called with the next events and the cursor after them, one call at a time. It should write both in one transaction: then a
   * crash neither loses nor repeats an event. It is also called without events, when only the cursor moved on. If it throws, the
   * follower ends with what it threw.
   *
   * The server ends a stream that nobody reads for 30 seconds. The follower then resumes after the handler is done.
   */
  readonly handle: (step: FeedStep) => void | Promise<void>;
  /** Ends the follower when it is aborted: after the call of the handler that is in progress. */
  readonly signal?: AbortSignal;
  /** Only these events. Default: all. */
  readonly filter?: MessageInitShape<typeof EventFilterSchema>;
  /** How long the stream may be silent, 5 to 60 seconds. Default: 15 seconds. The watchdog waits three times as long. */
  readonly heartbeatDelay?: MessageInitShape<typeof WatchEventsRequestSchema>["heartbeatDelay"];
  /** The largest number of events in a step. Default: 100. */
  readonly maxBatchSize?: number;
  /** Called for what happens to the stream. It must not throw. */
  readonly onNotice?: (notice: FeedNotice) => void;
}

/** A message of either stream. Their contents have the same types. */
export type FeedMessage = WatchEventsResponse | WatchConversionsResponse;

/** Opens a stream on a connection of its own. Aborting the signal ends both. */
export type OpenStream = (start: FeedStart, signal: AbortSignal) => AsyncIterable<FeedMessage>;

/** The reasons for which no later attempt can succeed. Every other end of the stream leads to another attempt. */
const FINAL_REASONS: ReadonlySet<ErrorReason> = new Set([
  ErrorReason.KEY_MISSING,
  ErrorReason.KEY_INVALID,
  ErrorReason.KEY_KIND_NOT_ALLOWED,
  ErrorReason.INVALID_FIELDS,
  ErrorReason.METHOD_UNKNOWN,
  ErrorReason.CURSOR_MALFORMED,
  ErrorReason.CURSOR_FOREIGN,
  ErrorReason.CURSOR_EXPIRED,
  ErrorReason.CURSOR_AHEAD_OF_HEAD,
  ErrorReason.CURSOR_OF_ANOTHER_HISTORY,
]);

const BEGINNING: MessageInitShape<typeof FeedStartSchema> = {
  place: { case: "position", value: FeedPosition.BEGINNING },
};

const RECONNECT_BACKOFF: Backoff = { firstMs: 200, maxMs: 5_000 };

const DEFAULT_HEARTBEAT_MS = 15_000;

/** How many heartbeats may be missing. */
const WATCHDOG_HEARTBEATS = 3;

/** Follows the feed until the signal is aborted. Throws only for a final reason, or what the handler throws. */
export async function follow(openStream: OpenStream, options: FollowOptions): Promise<void> {
  const { signal } = options;
  const follower = new Follower(openStream, options);
  while (!signal?.aborted) {
    const delayMs = await follower.readStream();
    await pause(delayMs, signal);
  }
}

/** An error of the handler. It is wrapped, so that it is never taken for an error of the stream. */
class HandlerFailure {
  constructor(readonly thrown: unknown) {}
}

class Follower {
  readonly #openStream: OpenStream;
  readonly #options: FollowOptions;
  #start: FeedStart;
  #cursor: string;
  #watchdogMs: number;
  /** Streams that ended in a row without a message after the first. */
  #failures = 0;

  constructor(openStream: OpenStream, options: FollowOptions) {
    this.#openStream = openStream;
    this.#options = options;
    this.#cursor = options.cursor ?? "";
    this.#start = this.#cursor === "" ? create(FeedStartSchema, options.start ?? BEGINNING) : after(this.#cursor);
    this.#watchdogMs = watchdogOf(options.heartbeatDelay);
  }

  /** Reads one stream to its end. Returns how long to wait before the next. */
  async readStream(): Promise<number> {
    const { signal, onNotice } = this.#options;
    // Ends the stream however this method is left, because Connect frees a stream only by its signal.
    const stream = new AbortController();
    const stop = () => stream.abort();
    signal?.addEventListener("abort", stop);
    let error: HeadwaterError | undefined;
    let serverDelayMs: number | undefined;
    this.#failures += 1;
    try {
      serverDelayMs = await this.#readMessages(stream.signal);
    } catch (thrown) {
      if (thrown instanceof HandlerFailure) {
        throw thrown.thrown;
      }
      error = HeadwaterError.from(thrown);
      serverDelayMs = error.retryDelayMs;
    } finally {
      signal?.removeEventListener("abort", stop);
      stream.abort();
    }
    if (signal?.aborted) {
      return 0;
    }
    if (error && FINAL_REASONS.has(error.reason)) {
      throw error;
    }
    const delayMs = delayAfter(Math.max(1, this.#failures), serverDelayMs, RECONNECT_BACKOFF);
    onNotice?.({ kind: "disconnected", error, delayMs });
    return delayMs;
  }

  /** Returns the delay that the server asked for before the next stream. */
  async #readMessages(signal: AbortSignal): Promise<number | undefined> {
    const messages = this.#openStream(this.#start, signal)[Symbol.asyncIterator]();
    let reconnectDelay: Duration | undefined;
    while (!signal.aborted) {
      const message = await this.#next(messages);
      if (message === undefined) {
        break;
      }
      // A stream that only opens is no success, or a fault after that would be tried without end.
      if (message.content.case !== "opened") {
        this.#failures = 0;
      }
      await this.#process(message);
      if (message.content.case === "draining") {
        reconnectDelay = message.content.value.reconnectDelay;
      }
    }
    return reconnectDelay && durationMs(reconnectDelay);
  }

  /** Waits for a message, guarded by the watchdog. The time that the handler takes does not count as silence. */
  async #next(messages: AsyncIterator<FeedMessage>): Promise<FeedMessage | undefined> {
    let watchdog: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      watchdog = setTimeout(() => {
        const message = `Unavailable: no message for ${this.#watchdogMs} ms, so the stream is taken for dead`;
        reject(new HeadwaterError(message, { code: Code.Unavailable }));
      }, this.#watchdogMs);
    });
    try {
      const result = await Promise.race([messages.next(), silence]);
      return result.done ? undefined : result.value;
    } finally {
      clearTimeout(watchdog);
    }
  }

  async #process({ content, cursor }: FeedMessage): Promise<void> {
    const { onNotice } = this.#options;
    if (content.case === "opened") {
      this.#watchdogMs = watchdogOf(content.value.heartbeatDelay);
    }
    await this.#advance(content.case === "batch" ? content.value.events : [], cursor);
    if (content.case === "opened") {
      const { headCursor, feedId } = content.value;
      onNotice?.({ kind: "opened", headCursor, feedId });
    } else if (content.case === "caughtUp") {
      onNotice?.({ kind: "caughtUp", cursor });
    } else if (content.case === "fellBehind") {
      onNotice?.({ kind: "fellBehind", lagEventCount: content.value.lagEventCount });
    }
  }

  /** Gives events and cursor to the handler. The follower resumes from the cursor only if the handler took it. */
  async #advance(events: readonly Event[], cursor: string): Promise<void> {
    if (events.length === 0 && cursor === this.#cursor) {
      return;
    }
    try {
      await this.#options.handle({ events, cursor });
    } catch (thrown) {
      throw new HandlerFailure(thrown);
    }
    this.#cursor = cursor;
    this.#start = after(cursor);
  }
}

function after(cursor: string): FeedStart {
  return create(FeedStartSchema, { place: { case: "afterCursor", value: cursor } });
}

function watchdogOf(heartbeatDelay: FollowOptions["heartbeatDelay"]): number {
  const { seconds = 0n, nanos = 0 } = heartbeatDelay ?? {};
  const heartbeatMs = Number(seconds) * 1_000 + nanos / 1_000_000;
  return WATCHDOG_HEARTBEATS * (heartbeatMs > 0 ? heartbeatMs : DEFAULT_HEARTBEAT_MS);
}

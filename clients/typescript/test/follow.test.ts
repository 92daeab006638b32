import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { HeadwaterError } from "../src/error.js";
import { type FeedMessage, type FeedNotice, type FollowOptions, follow } from "../src/follow.js";
import { EventSchema, FeedPosition, type FeedStart, WatchEventsResponseSchema } from "../src/generated/index.js";
import { serverError } from "./fake_server.js";

type Content = Parameters<typeof create<typeof WatchEventsResponseSchema>>[1] extends infer Init
  ? NonNullable<Extract<Init, { content?: unknown }>["content"]>
  : never;

const message = (cursor: string, content: Content) => create(WatchEventsResponseSchema, { cursor, content });
const batch = (...sequences: number[]) =>
  message(`c${sequences.at(-1)}`, {
    case: "batch",
    value: { events: sequences.map((sequence) => create(EventSchema, { sequence: BigInt(sequence) })) },
  });
const caughtUp = (cursor: string) => message(cursor, { case: "caughtUp", value: {} });
const heartbeat = (cursor: string) => message(cursor, { case: "heartbeat", value: {} });
const opened = (cursor: string, heartbeatMs: number) =>
  message(cursor, { case: "opened", value: { heartbeatDelay: { nanos: heartbeatMs * 1_000_000 } } });

/** A stream: what it sends, then how it ends. */
interface FakeStream {
  readonly messages?: FeedMessage[];
  readonly end?: "OK" | "silence" | Error;
}

interface Followed {
  readonly starts: FeedStart["place"][];
  readonly sequences: number[];
  readonly cursors: string[];
  readonly notices: FeedNotice[];
  readonly error: unknown;
}

/** Follows fake streams. Aborts the follower when the last of them is read. */
async function followFake(streams: FakeStream[], options: Partial<FollowOptions> = {}): Promise<Followed> {
  const result = { starts: [], sequences: [], cursors: [], notices: [] } as unknown as {
    -readonly [K in keyof Followed]: Followed[K];
  };
  const stop = new AbortController();
  let next = 0;
  async function* openStream(start: FeedStart, signal: AbortSignal): AsyncGenerator<FeedMessage> {
    result.starts.push(start.place);
    const stream = streams[next];
    next += 1;
    if (!stream) {
      stop.abort();
      return;
    }
    yield* stream.messages ?? [];
    if (stream.end === "silence") {
      await new Promise((resolve) => {
        signal.addEventListener("abort", resolve);
      });
    } else if (stream.end instanceof Error) {
      throw stream.end;
    }
  }
  await follow(openStream, {
    handle({ events, cursor }) {
      result.sequences.push(...events.map(({ sequence }) => Number(sequence)));
      result.cursors.push(cursor);
    },
    onNotice: (notice) => result.notices.push(notice),
    ...options,
    signal: stop.signal,
  }).catch((error: unknown) => {
    result.error = error;
  });
  return result;
}

test("events come in order, and the next stream resumes after the last cursor", async () => {
  const { starts, sequences, cursors, error } = await followFake([
    { messages: [opened("c0", 15_000), batch(1, 2), batch(3)], end: "OK" },
    { messages: [opened("c3", 15_000), batch(4), heartbeat("c9"), caughtUp("c9")], end: "OK" },
  ]);
  assert.equal(error, undefined);
  assert.deepEqual(sequences, [1, 2, 3, 4]);
  assert.deepEqual(cursors, ["c0", "c2", "c3", "c4", "c9"]);
  assert.deepEqual(starts, [
    { case: "position", value: FeedPosition.BEGINNING },
    { case: "afterCursor", value: "c3" },
    { case: "afterCursor", value: "c9" },
  ]);
});

test("a stored cursor takes precedence over the start", async () => {
  const start: FollowOptions["start"] = { place: { case: "position", value: FeedPosition.LATEST } };
  assert.deepEqual((await followFake([], { cursor: "c7", start })).starts, [{ case: "afterCursor", value: "c7" }]);
  assert.deepEqual((await followFake([], { cursor: "", start })).starts, [start?.place]);
});

test("the follower stops by reason, never by code", async () => {
  const final: [Code, string][] = [
    [Code.Unauthenticated, "KEY_MISSING"],
    [Code.Unauthenticated, "KEY_INVALID"],
    [Code.PermissionDenied, "KEY_KIND_NOT_ALLOWED"],
    [Code.InvalidArgument, "INVALID_FIELDS"],
    [Code.Unimplemented, "METHOD_UNKNOWN"],
    [Code.InvalidArgument, "CURSOR_MALFORMED"],
    [Code.InvalidArgument, "CURSOR_FOREIGN"],
    [Code.OutOfRange, "CURSOR_EXPIRED"],
    [Code.FailedPrecondition, "CURSOR_AHEAD_OF_HEAD"],
    [Code.FailedPrecondition, "CURSOR_OF_ANOTHER_HISTORY"],
  ];
  for (const [code, reason] of final) {
    const { error, starts } = await followFake([{ end: serverError(code, reason) }]);
    assert.ok(error instanceof HeadwaterError);
    assert.equal(error.reasonName, reason);
    assert.equal(starts.length, 1);
  }
  const passing: [Code, string][] = [
    [Code.Unauthenticated, "A_LATER_REASON"],
    [Code.ResourceExhausted, "SLOW_CONSUMER"],
    [Code.Unavailable, "UNAVAILABLE"],
  ];
  for (const [code, reason] of passing) {
    const { error, starts } = await followFake([{ end: serverError(code, reason) }]);
    assert.equal(error, undefined);
    assert.equal(starts.length, 2);
  }
});

test("what the handler throws ends the follower, and its cursor is not kept", async () => {
  const thrown = serverError(Code.Unavailable, "UNAVAILABLE");
  const handle = () => {
    throw thrown;
  };
  const { error, starts } = await followFake([{ messages: [batch(1)] }], { handle });
  assert.equal(error, thrown);
  assert.equal(starts.length, 1);
});

test("a silent stream is left after three heartbeats", async () => {
  const begin = performance.now();
  const { notices, starts } = await followFake([{ messages: [opened("c0", 40), batch(1)], end: "silence" }]);
  assert.ok(performance.now() - begin >= 120);
  assert.deepEqual(starts.at(-1), { case: "afterCursor", value: "c1" });
  const [, disconnected] = notices;
  assert.ok(disconnected?.kind === "disconnected");
  assert.match(disconnected.error?.message ?? "", /no message for 120 ms/);
});

test("the time that the handler takes is not silence", async () => {
  const handle = () => new Promise<void>((resolve) => setTimeout(resolve, 150));
  const { notices } = await followFake([{ messages: [opened("c0", 20), batch(1), batch(2)], end: "OK" }], { handle });
  const disconnects = notices.filter(({ kind }) => kind === "disconnected");
  assert.deepEqual(
    disconnects.map((notice) => notice.kind === "disconnected" && notice.error),
    [undefined],
  );
});

test("the server's delay before the next stream is obeyed", async () => {
  const draining = message("c1", { case: "draining", value: { reconnectDelay: { nanos: 300_000_000 } } });
  const begin = performance.now();
  const { cursors, notices } = await followFake([{ messages: [batch(1), draining], end: "OK" }]);
  assert.ok(performance.now() - begin >= 290);
  assert.deepEqual(cursors, ["c1"]);
  assert.equal(notices.at(-1)?.kind, "disconnected");
});

test("an aborted follower ends after the handler's call, without an error", async () => {
  const stop = new AbortController();
  const handled: string[] = [];
  async function* openStream(): AsyncGenerator<FeedMessage> {
    yield batch(1);
    yield batch(2);
  }
  await follow(openStream, {
    async handle({ cursor }) {
      stop.abort();
      await new Promise((resolve) => setTimeout(resolve, 20));
      handled.push(cursor);
    },
    signal: stop.signal,
  });
  assert.deepEqual(handled, ["c1"]);
});

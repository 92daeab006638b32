import assert from "node:assert/strict";
import * as http2 from "node:http2";
import * as net from "node:net";
import { test } from "node:test";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import { type ClientOptions, HeadwaterClient } from "../src/client.js";
import { HeadwaterError } from "../src/error.js";
import {
  AccountService,
  AffiliateService,
  ErrorReason,
  RewardService,
  TrackingService,
} from "../src/generated/index.js";
import { delayAfter, isRetryable } from "../src/retry.js";
import { addressOf, listen, overloaded, serverError, startServer, untilAborted } from "./fake_server.js";

const GRPC_HEADERS = { ":status": 200, "content-type": "application/grpc+proto" };

function connectTo(address: string, options: Partial<ClientOptions> = {}): Promise<HeadwaterClient> {
  return HeadwaterClient.connect({ address, key: "hw_test", plaintext: true, checkKey: false, ...options });
}

async function withServer(
  routes: (router: ConnectRouter) => void,
  run: (client: HeadwaterClient) => Promise<void>,
  options: Partial<ClientOptions> = {},
): Promise<void> {
  const server = await startServer(routes);
  const client = await connectTo(server.address, options);
  try {
    await run(client);
  } finally {
    client.close();
    await server.stop();
  }
}

/** Asserts that a call fails, and returns its error. */
async function errorOf(call: Promise<unknown>): Promise<HeadwaterError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof HeadwaterError, `the call must fail with a HeadwaterError, not ${error}`);
  return error;
}

test("only faults that a repeat can cure are retried", () => {
  const cases: [Code, string, boolean][] = [
    [Code.Unavailable, "UNAVAILABLE", true],
    [Code.ResourceExhausted, "OVERLOADED", true],
    [Code.ResourceExhausted, "TOO_MANY_STREAMS", true],
    [Code.ResourceExhausted, "MESSAGE_TOO_LARGE", false],
    [Code.ResourceExhausted, "SLOW_CONSUMER", false],
    [Code.Aborted, "ETAG_MISMATCH", false],
    [Code.DeadlineExceeded, "DEADLINE_EXCEEDED", false],
    [Code.Internal, "SERVER_FAULT", false],
  ];
  for (const [code, reason, expected] of cases) {
    assert.equal(isRetryable(HeadwaterError.from(serverError(code, reason))), expected, reason);
  }
  const refused = serverError(Code.Unavailable, "UNAVAILABLE", { pushback: "-1" });
  assert.equal(isRetryable(HeadwaterError.from(refused)), false);
});

test("the server's delay is the least, and delays without one double up to a limit", () => {
  const backoff = { firstMs: 100, maxMs: 1_000 };
  for (let round = 0; round < 100; round += 1) {
    const told = delayAfter(1, 700, backoff);
    assert.ok(told >= 700 && told <= 750);
    const third = delayAfter(3, undefined, backoff);
    assert.ok(third >= 200 && third <= 400);
    assert.ok(delayAfter(50, undefined, backoff) <= 1_000);
  }
});

test("a repeated call has the same request_id and a shorter deadline", async () => {
  const seen: { requestId: string; timeoutMs: number; key: string | null }[] = [];
  const routes = (router: ConnectRouter) =>
    router.rpc(AffiliateService.method.createProgram, ({ requestId }, context) => {
      const key = context.requestHeader.get("authorization");
      seen.push({ requestId, timeoutMs: context.timeoutMs() ?? 0, key });
      if (seen.length < 3) {
        throw overloaded(50);
      }
      return {};
    });
  await withServer(routes, async (client) => {
    await client.affiliates.createProgram({ displayName: "Shop" });
  });
  assert.equal(seen.length, 3);
  assert.equal(new Set(seen.map(({ requestId }) => requestId)).size, 1);
  assert.ok(seen[0]?.requestId);
  assert.ok((seen[2]?.timeoutMs ?? 0) <= (seen[0]?.timeoutMs ?? 0) - 100);
  assert.deepEqual(new Set(seen.map(({ key }) => key)), new Set(["Bearer hw_test"]));
});

test("a refused call is not repeated", async () => {
  let calls = 0;
  const routes = (router: ConnectRouter) =>
    router.rpc(TrackingService.method.recordSale, () => {
      calls += 1;
      throw serverError(Code.InvalidArgument, "INVALID_FIELDS", { violations: ["event_id"], pushback: "-1" });
    });
  await withServer(routes, async (client) => {
    const error = await errorOf(client.tracking.recordSale({}));
    assert.equal(error.reason, ErrorReason.INVALID_FIELDS);
    assert.equal(error.callId, "call-1");
  });
  assert.equal(calls, 1);
});

test("a call that would be repeated after its deadline fails at once", async () => {
  const routes = (router: ConnectRouter) =>
    router.rpc(RewardService.method.getBalance, () => {
      throw overloaded(60_000);
    });
  await withServer(routes, async (client) => {
    const begin = performance.now();
    const error = await errorOf(client.rewards.getBalance({}));
    assert.equal(error.reason, ErrorReason.OVERLOADED);
    assert.ok(performance.now() - begin < 5_000);
  });
});

test("a call ends at its deadline, and when the client is closed", async () => {
  const routes = (router: ConnectRouter) => router.rpc(RewardService.method.getBalance, untilAborted);
  await withServer(routes, async (client) => {
    assert.equal((await errorOf(client.rewards.getBalance({}, { timeoutMs: 50 }))).code, Code.DeadlineExceeded);
    const aborted = client.rewards.getBalance({}, { signal: AbortSignal.timeout(50) });
    assert.equal((await errorOf(aborted)).code, Code.Canceled);
    const call = errorOf(client.rewards.getBalance({}));
    setTimeout(() => client.close(), 50);
    assert.equal((await call).code, Code.Canceled);
  });
});

test("a call whose deadline has passed is not sent", async () => {
  let calls = 0;
  const routes = (router: ConnectRouter) =>
    router.rpc(RewardService.method.getBalance, () => {
      calls += 1;
      return {};
    });
  await withServer(routes, async (client) => {
    const error = await errorOf(client.rewards.getBalance({}, { timeoutMs: -1 }));
    assert.equal(error.code, Code.DeadlineExceeded);
    assert.equal(calls, 0);
  });
});

test("a client without a deadline calls and repeats", async () => {
  let calls = 0;
  const routes = (router: ConnectRouter) =>
    router.rpc(RewardService.method.getBalance, (_, context) => {
      assert.equal(context.timeoutMs(), undefined);
      calls += 1;
      if (calls === 1) {
        throw overloaded(50);
      }
      return {};
    });
  await withServer(routes, (client) => client.rewards.getBalance({}).then(() => undefined), { timeoutMs: 0 });
  assert.equal(calls, 2);
});

test("options that cannot be right are refused", async () => {
  for (const timeoutMs of [-1, Number.NaN]) {
    await assert.rejects(connectTo("127.0.0.1:1", { timeoutMs }), TypeError);
  }
  const key = undefined as unknown as string;
  await assert.rejects(connectTo("127.0.0.1:1", { key }), /TypeError: the key is missing/);
});

test("TLS against a server without TLS, and the reverse, are named as the cause", async () => {
  const server = await startServer(() => undefined);
  const noTls = HeadwaterClient.connect({ address: server.address, key: "hw_test" });
  assert.match((await errorOf(noTls)).message, /wrong version number.*with TLS; the server answers without TLS\)$/);
  await server.stop();
  // A TLS server ends a connection that begins otherwise.
  const tlsServer = await listen(net.createServer((socket) => socket.destroy()));
  const needsTls = connectTo(addressOf(tlsServer), { checkKey: true });
  assert.match((await errorOf(needsTls)).message, /without TLS; does the server need TLS\?\)$/);
  tlsServer.close();
});

test("a call survives the loss of its connection", async () => {
  let calls = 0;
  const server = await startServer((router) =>
    router.rpc(RewardService.method.getBalance, (request, context) => {
      calls += 1;
      return calls === 1 ? untilAborted(request, context) : { affiliateId: "aff_1" };
    }),
  );
  const client = await connectTo(server.address);
  const balance = client.rewards.getBalance({});
  setTimeout(() => server.dropConnections(), 100);
  assert.equal((await balance).affiliateId, "aff_1");
  assert.equal(calls, 2);
  client.close();
  await server.stop();
});

test("a call survives an answer that is cut off", async () => {
  const cuts: ((stream: http2.ServerHttp2Stream) => void)[] = [
    () => undefined,
    (stream) => stream.respond(GRPC_HEADERS),
    (stream) => {
      stream.respond(GRPC_HEADERS);
      stream.write(Buffer.from([0, 0, 0, 0, 9, 1]));
    },
  ];
  for (const cut of cuts) {
    let calls = 0;
    const server = await listen(http2.createServer());
    server.on("stream", (stream: http2.ServerHttp2Stream) => {
      calls += 1;
      if (calls === 1) {
        cut(stream);
        setTimeout(() => stream.close(), 20);
      } else {
        stream.respond(GRPC_HEADERS, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
        stream.end(Buffer.from([0, 0, 0, 0, 0]));
      }
    });
    const client = await connectTo(addressOf(server));
    await client.rewards.getBalance({});
    assert.equal(calls, 2);
    client.close();
    server.close();
  }
});

test("connect checks the key, and fails at once with the cause", async () => {
  const routes = (router: ConnectRouter) =>
    router.rpc(AccountService.method.checkApiKey, () => {
      throw serverError(Code.Unauthenticated, "KEY_INVALID", { pushback: "-1" });
    });
  const server = await startServer(routes);
  const { address } = server;
  const options = { address, key: "hw_wrong", plaintext: true };
  assert.equal((await errorOf(HeadwaterClient.connect(options))).reason, ErrorReason.KEY_INVALID);
  await server.stop();
  const begin = performance.now();
  const error = await errorOf(HeadwaterClient.connect(options));
  assert.equal(error.code, Code.Unavailable);
  assert.match(error.message, /ECONNREFUSED.*without TLS/);
  assert.ok(performance.now() - begin < 2_000);
});

test("a key that cannot be right is refused without being shown", async () => {
  for (const key of ["", " ", "secret\nsecret", "schlüssel"]) {
    const connecting = HeadwaterClient.connect({ address: "127.0.0.1:1", key, plaintext: true });
    await assert.rejects(connecting, (error) => error instanceof TypeError && !/secret|schl/.test(error.message));
  }
});

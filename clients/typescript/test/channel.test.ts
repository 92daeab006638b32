import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { openChannel } from "../src/channel.js";
import { RewardService } from "../src/generated/index.js";
import { startServer, untilAborted } from "./fake_server.js";

// Connect 2.1.2 throws ERR_HTTP2_INVALID_SESSION from the timer of the next ping. The test runner reports such an exception.
test("no ping is sent on a connection that was lost or closed", async () => {
  const server = await startServer((router) => router.rpc(RewardService.method.getBalance, untilAborted));
  const keepalive = { pingIntervalMs: 20, pingTimeoutMs: 1_000, pingIdleConnection: true };
  for (const end of ["lost", "closed"]) {
    const channel = openChannel({ address: server.address, plaintext: true }, keepalive);
    const failed = assert.rejects(createClient(RewardService, channel.transport).getBalance({}));
    await sleep(50);
    if (end === "lost") {
      server.dropConnections();
    } else {
      channel.close();
    }
    await failed;
    await sleep(60);
    channel.close();
  }
  await server.stop();
});

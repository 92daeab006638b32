import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import * as tls from "node:tls";
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

test("authorities that are no certificates are refused", () => {
  const address = "hw.internal:50051";
  for (const ca of ["", "rubbish", Buffer.from("rubbish"), pem("AAAA"), tls.rootCertificates[0] + pem("AAAA")]) {
    assert.throws(() => openChannel({ address, tls: { ca } }), /TypeError: `tls.ca`/);
  }
  openChannel({ address, tls: { ca: tls.rootCertificates.slice(0, 2).join("\n") } });
});

function pem(content: string): string {
  return `\n-----BEGIN CERTIFICATE-----\n${content}\n-----END CERTIFICATE-----\n`;
}

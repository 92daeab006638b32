import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { baseUrlOf } from "../src/channel.js";
import {
  BatchRecordEventsRequestSchema,
  CreateProgramRequestSchema,
  ReadEventsRequestSchema,
  RecordClickRequestSchema,
  RecordSaleRequestSchema,
  VerifyLedgerRequestSchema,
} from "../src/generated/index.js";
import { deadlineOf, withRequestId } from "../src/request.js";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;

test("an empty request_id is filled on a copy", () => {
  const own = create(CreateProgramRequestSchema, { displayName: "Shop" });
  const sent = withRequestId(CreateProgramRequestSchema, own);
  assert.match(sent.requestId, UUID);
  assert.equal(sent.displayName, "Shop");
  assert.equal(own.requestId, "");
  assert.notEqual(withRequestId(CreateProgramRequestSchema, own).requestId, sent.requestId);
});

test("a partial object is not changed either", () => {
  const own = { displayName: "Shop" };
  assert.match(withRequestId(CreateProgramRequestSchema, own).requestId, UUID);
  assert.deepEqual(own, { displayName: "Shop" });
});

test("a request_id of the caller is kept", () => {
  assert.equal(withRequestId(CreateProgramRequestSchema, { requestId: "mine" }).requestId, "mine");
});

test("clicks get an event_id, alone and in a batch; sales never", () => {
  assert.match(withRequestId(RecordClickRequestSchema, { refId: "lena" }).eventId, UUID);
  assert.equal(withRequestId(RecordSaleRequestSchema, { email: "anna@example.net" }).eventId, "");
  const click = create(RecordClickRequestSchema, { refId: "lena" });
  const batch = withRequestId(BatchRecordEventsRequestSchema, {
    items: [
      { item: { case: "click", value: click } },
      { item: { case: "sale", value: { email: "anna@example.net" } } },
    ],
  });
  const [first, second] = batch.items.map(({ item }) => item.value?.eventId);
  assert.match(first ?? "", UUID);
  assert.equal(second, "");
  assert.equal(click.eventId, "");
});

test("deadlines follow the call", () => {
  const sale = create(RecordSaleRequestSchema);
  assert.equal(deadlineOf(sale, undefined, 10_000), 10_000);
  assert.equal(deadlineOf(sale, 300, 10_000), 300);
  assert.equal(deadlineOf(sale, 0, 10_000), undefined);
  assert.equal(deadlineOf(sale, undefined, 0), undefined);
  assert.equal(deadlineOf(sale, -1, 10_000), -1);
  // Node's timers take no more than 31 bits of milliseconds, and end at once for more.
  assert.equal(deadlineOf(sale, Number.POSITIVE_INFINITY, 10_000), 2 ** 31 - 1);
  assert.throws(() => deadlineOf(sale, Number.NaN, 10_000), TypeError);
  assert.equal(deadlineOf(create(VerifyLedgerRequestSchema), undefined, 10_000), undefined);
  assert.equal(deadlineOf(create(ReadEventsRequestSchema), undefined, 10_000), 10_000);
  const longPoll = create(ReadEventsRequestSchema, { maxWait: { seconds: 30n } });
  assert.equal(deadlineOf(longPoll, undefined, 10_000), 35_000);
  assert.equal(deadlineOf(longPoll, undefined, 60_000), 60_000);
  assert.equal(deadlineOf(longPoll, undefined, 0), undefined);
});

test("addresses are host:port, and plaintext is a choice", () => {
  assert.equal(baseUrlOf({ address: "hw.internal:50051" }), "https://hw.internal:50051");
  assert.equal(baseUrlOf({ address: "[::1]:50051", plaintext: true }), "http://[::1]:50051");
  for (const address of [
    "hw.internal",
    "https://hw.internal:50051",
    "hw.internal:50051/path",
    "hw.internal:99999",
    "",
  ]) {
    assert.throws(() => baseUrlOf({ address }), TypeError);
  }
  assert.throws(() => baseUrlOf({ address: "hw.internal:50051", plaintext: true, tls: {} }), TypeError);
});

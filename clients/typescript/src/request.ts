// What the client adds to a request: its id and its deadline.

import { randomUUID } from "node:crypto";
import {
  clone,
  create,
  type DescMessage,
  isMessage,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { type Duration, durationMs } from "@bufbuild/protobuf/wkt";
import { BatchRecordEventsRequestSchema } from "./generated/headwater/v1/batch_pb.js";
import { RecordClickRequestSchema } from "./generated/headwater/v1/click_pb.js";
import { VerifyLedgerRequestSchema } from "./generated/headwater/v1/ledger_pb.js";

/** The largest delay of Node's timers, 24 days. For more they end at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** What a long poll may take beyond the wait that it asks for. */
const LONG_POLL_MARGIN_MS = 5_000;

/**
 * Makes the message of a request. If it has an empty `request_id`, or is a click with an empty `event_id`, it gets a random UUID.
 * The caller's own message is never changed.
 */
export function withRequestId<Desc extends DescMessage>(
  schema: Desc,
  input: MessageInitShape<Desc>,
): MessageShape<Desc> {
  const message = isMessage(input, schema) ? clone(schema, input) : create(schema, input);
  if (isMessage(message, RecordClickRequestSchema)) {
    message.eventId ||= randomUUID();
  } else if (isMessage(message, BatchRecordEventsRequestSchema)) {
    for (const { item } of message.items) {
      if (item.case === "click") {
        item.value = withRequestId(RecordClickRequestSchema, item.value);
      }
    }
  } else if (schema.field["requestId"]) {
    const request = message as { requestId?: string };
    request.requestId ||= randomUUID();
  }
  return message;
}

/**
 * Returns the deadline of a unary call in milliseconds, or undefined for none. It is negative if it has passed. The default holds
 * except for a long poll, which may take its wait and 5 seconds, and for VerifyLedger, which reads the whole ledger.
 */
export function deadlineOf(
  request: MessageShape<DescMessage>,
  chosenMs: number | undefined,
  defaultMs: number,
): number | undefined {
  const timeoutMs = chosenMs ?? usualTimeoutOf(request, defaultMs);
  if (Number.isNaN(timeoutMs)) {
    throw new TypeError("timeoutMs is not a number");
  }
  return timeoutMs === 0 ? undefined : Math.min(timeoutMs, MAX_TIMEOUT_MS);
}

function usualTimeoutOf(request: MessageShape<DescMessage>, defaultMs: number): number {
  if (isMessage(request, VerifyLedgerRequestSchema)) {
    return 0;
  }
  const { maxWait } = request as { maxWait?: Duration };
  const waitMs = maxWait ? durationMs(maxWait) : 0;
  // A default of 0 is no deadline.
  return waitMs > 0 && defaultMs !== 0 ? Math.max(defaultMs, waitMs + LONG_POLL_MARGIN_MS) : defaultMs;
}

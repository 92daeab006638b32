// The rules for repeating a failed call, and waiting.

import { Code } from "@connectrpc/connect";
import type { HeadwaterError } from "./error.js";
import { ErrorReason } from "./generated/headwater/v1/error_pb.js";

/** Delays that double with every failure. */
export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** The longest delay is short, because a call should go on soon after a restart of the server. */
export const CALL_BACKOFF: Backoff = { firstMs: 100, maxMs: 1_000 };

/** Returns whether the same call may succeed if it is repeated. Every write is safe to repeat, because it has an id. */
export function isRetryable(error: HeadwaterError): boolean {
  if (error.isRepeatUseless) {
    return false;
  }
  return (
    error.code === Code.Unavailable ||
    (error.code === Code.ResourceExhausted &&
      (error.reason === ErrorReason.OVERLOADED || error.reason === ErrorReason.TOO_MANY_STREAMS))
  );
}

/**
 * Returns how long to wait after the given number of failures in a row. The server's delay is the least; without one the delay is
 * between half and the whole of the doubled delay. The random part spreads the clients of a server that restarts.
 */
export function delayAfter(failures: number, serverDelayMs: number | undefined, backoff: Backoff): number {
  const doubledMs = Math.min(backoff.maxMs, backoff.firstMs * 2 ** (failures - 1));
  const jitterMs = (Math.random() * doubledMs) / 2;
  return (serverDelayMs ?? doubledMs / 2) + jitterMs;
}

/** Waits. Returns early if one of the signals is aborted. */
export async function pause(delayMs: number, ...signals: (AbortSignal | undefined)[]): Promise<void> {
  await new Promise<void>((resolve) => {
    const end = () => {
      clearTimeout(timer);
      for (const signal of signals) {
        signal?.removeEventListener("abort", end);
      }
      resolve();
    };
    const timer = setTimeout(end, delayMs);
    for (const signal of signals) {
      signal?.addEventListener("abort", end);
      if (signal?.aborted) {
        end();
      }
    }
  });
}

// The transport of a client's calls: adds key, deadline and request_id, repeats calls, makes errors typed.

import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import { Code, type ContextValues, type StreamResponse, type Transport, type UnaryResponse } from "@connectrpc/connect";
import type { Channel } from "./channel.js";
import { HeadwaterError } from "./error.js";
import { deadlineOf, withRequestId } from "./request.js";
import { CALL_BACKOFF, delayAfter, isRetryable, pause } from "./retry.js";

/** The settings of a {@link CallTransport}. */
export interface CallTransportOptions {
  readonly key: string;
  readonly defaultTimeoutMs: number;
  /** False for the first call of a client, which must show the cause of a failure at once. */
  readonly retries: boolean;
  /** Aborted when the client is closed. */
  readonly closed: AbortSignal;
}

/** How long a call without a deadline is repeated, from its first failure on. */
const RETRY_PERIOD_MS = 10_000;

const PASSED_DEADLINE = "DeadlineExceeded: the deadline had passed before the call was sent";

/** A transport that follows the rules of Headwater on top of a plain gRPC transport. */
export class CallTransport implements Transport {
  readonly #channel: Channel;
  readonly #options: CallTransportOptions;

  constructor(channel: Channel, options: CallTransportOptions) {
    this.#channel = channel;
    this.#options = options;
  }

  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: MessageInitShape<I>,
    contextValues?: ContextValues,
  ): Promise<UnaryResponse<I, O>> {
    const { closed, defaultTimeoutMs, retries } = this.#options;
    const request = withRequestId(method.input, input);
    const deadlineMs = deadlineOf(request, timeoutMs, defaultTimeoutMs);
    let endTime = deadlineMs === undefined ? undefined : performance.now() + deadlineMs;
    let last: HeadwaterError | undefined;
    for (let failures = 0; ; ) {
      throwIfOver(closed, signal, last);
      let attemptMs = 0;
      if (deadlineMs !== undefined && endTime !== undefined) {
        const leftMs = endTime - performance.now();
        if (leftMs <= 0) {
          throw last ?? new HeadwaterError(PASSED_DEADLINE, { code: Code.DeadlineExceeded });
        }
        attemptMs = Math.ceil(leftMs);
      }
      try {
        const headers = this.#headers(header);
        return await this.#channel.transport.unary(method, signal, attemptMs, headers, request, contextValues);
      } catch (thrown) {
        throwIfOver(closed, signal, thrown);
        const error = HeadwaterError.from(thrown);
        if (error.code === Code.DeadlineExceeded && error.reasonName === "") {
          this.#channel.endConnecting();
          throw last === undefined ? error : afterRetries(error, failures, last);
        }
        failures += 1;
        endTime ??= performance.now() + RETRY_PERIOD_MS;
        const delayMs = delayAfter(failures, error.retryDelayMs, CALL_BACKOFF);
        if (!retries || !isRetryable(error) || performance.now() + delayMs >= endTime) {
          throw error;
        }
        last = error;
        await pause(delayMs, closed, signal);
      }
    }
  }

  async stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: AsyncIterable<MessageInitShape<I>>,
    contextValues?: ContextValues,
  ): Promise<StreamResponse<I, O>> {
    const { closed } = this.#options;
    try {
      const headers = this.#headers(header);
      const response = await this.#channel.transport.stream(method, signal, timeoutMs, headers, input, contextValues);
      return { ...response, message: typedErrors(response.message, closed, signal) };
    } catch (thrown) {
      throwIfOver(closed, signal, thrown);
      throw HeadwaterError.from(thrown);
    }
  }

  #headers(header: HeadersInit | undefined): Headers {
    const headers = new Headers(header);
    headers.set("authorization", `Bearer ${this.#options.key}`);
    return headers;
  }
}

async function* typedErrors<T>(messages: AsyncIterable<T>, closed: AbortSignal, signal: AbortSignal | undefined) {
  try {
    yield* messages;
  } catch (thrown) {
    throwIfOver(closed, signal, thrown);
    throw HeadwaterError.from(thrown);
  }
}

/** Throws if the caller ended the call, because errors that follow from this tell nothing about the server. */
function throwIfOver(closed: AbortSignal, signal: AbortSignal | undefined, cause: unknown): void {
  if (closed.aborted) {
    throw new HeadwaterError("Canceled: the client was closed", { code: Code.Canceled, cause });
  }
  if (signal?.aborted) {
    throw new HeadwaterError("Canceled: the caller aborted the call", { code: Code.Canceled, cause: signal.reason });
  }
}

/** The deadline passed during a repeat. The error names the failure before, because that is the cause. */
function afterRetries(error: HeadwaterError, failures: number, last: HeadwaterError): HeadwaterError {
  return new HeadwaterError(`${error.message}; ${failures} attempts failed before, the last with ${last.message}`, {
    code: error.code,
    cause: last,
  });
}

// The errors of calls as typed values.

import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RequestInfoSchema,
  RetryInfoSchema,
} from "./generated/google/rpc/error_details_pb.js";
import type { Status } from "./generated/google/rpc/status_pb.js";
import { ErrorReason } from "./generated/headwater/v1/error_pb.js";

/** A wrong field of a request. */
export interface FieldViolation {
  /** The field's path as in the protos, such as `amount.amount_minor` or `reward_ids[3]`. */
  readonly field: string;
  /** How to fix the field, in English. */
  readonly description: string;
}

/** The values of a {@link HeadwaterError}. What is left out is empty. */
export type HeadwaterErrorInit = Pick<HeadwaterError, "code"> &
  Partial<
    Pick<
      HeadwaterError,
      "reasonName" | "fieldViolations" | "metadata" | "retryDelayMs" | "isRepeatUseless" | "callId" | "cause"
    >
  >;

/**
 * The error of a call. Every call of a {@link HeadwaterClient} that fails throws this class.
 *
 * Decide by {@link reason}, not by the text of the message. If the reason is UNSPECIFIED and {@link reasonName} is empty, the error
 * does not come from a Headwater server: the connection failed, the deadline passed, or the caller aborted the call.
 */
export class HeadwaterError extends Error {
  /** Always "HeadwaterError". */
  override readonly name = "HeadwaterError";
  /** The gRPC code. A connection that fails in the middle of a call has `Code.Unavailable`. */
  readonly code: Code;
  /** The reason. UNSPECIFIED if the server sent none, or one that is newer than this client: see {@link reasonName}. */
  readonly reason: ErrorReason;
  /** The reason as the server sent it, such as `INVALID_FIELDS`. Empty if the server sent none. */
  readonly reasonName: string;
  /** All wrong fields. Empty unless the request had any. */
  readonly fieldViolations: readonly FieldViolation[];
  /** The values that belong to the reason. The comments of {@link ErrorReason} name the keys. */
  readonly metadata: Readonly<Record<string, string>>;
  /** How long to wait before a retry. Undefined if the server did not say. */
  readonly retryDelayMs: number | undefined;
  /** True if the server said that the same request would fail again. */
  readonly isRepeatUseless: boolean;
  /** The id of the call in the server's log. Empty if no server answered. It is not the field `request_id`. */
  readonly callId: string;

  /** Makes an error, such as one that a test of yours throws. */
  constructor(message: string, init: HeadwaterErrorInit) {
    super(message, { cause: init.cause });
    this.code = init.code;
    this.reasonName = init.reasonName ?? "";
    this.reason = reasonOf(this.reasonName);
    this.fieldViolations = init.fieldViolations ?? [];
    this.metadata = init.metadata ?? {};
    this.retryDelayMs = init.retryDelayMs;
    this.isRepeatUseless = init.isRepeatUseless ?? false;
    this.callId = init.callId ?? "";
  }

  /** Makes a HeadwaterError from whatever a call threw. Returns a HeadwaterError as it is. */
  static from(thrown: unknown): HeadwaterError {
    if (thrown instanceof HeadwaterError) {
      return thrown;
    }
    const error = ConnectError.from(thrown);
    const [info] = error.findDetails(ErrorInfoSchema);
    const [retry] = error.findDetails(RetryInfoSchema);
    const pushbackMs = pushbackOf(error.metadata);
    const isLost = info === undefined && isConnectionFault(error);
    const code = isLost ? Code.Unavailable : error.code;
    const reasonName = info?.reason ?? "";
    const text = error.rawMessage.trim();
    const message = isLost ? `the connection failed: ${text}` : text;
    return new HeadwaterError(`${reasonName || Code[code]}: ${message}`, {
      code,
      reasonName,
      fieldViolations: error
        .findDetails(BadRequestSchema)
        .flatMap((detail) => detail.fieldViolations)
        .map(({ field, description }) => ({ field, description })),
      metadata: info?.metadata ?? {},
      retryDelayMs: pushbackMs ?? (retry?.retryDelay && durationMs(retry.retryDelay)),
      isRepeatUseless: error.metadata.get(PUSHBACK_TRAILER) === "-1",
      callId: error.findDetails(RequestInfoSchema)[0]?.requestId || (error.metadata.get("x-request-id") ?? ""),
      cause: thrown,
    });
  }

  /** Makes a HeadwaterError from the `error` of a `BatchResult`. */
  static fromStatus(status: Status): HeadwaterError {
    const error = new ConnectError(status.message, status.code);
    error.details = status.details.map(({ typeUrl, value }) => ({
      type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
      value,
    }));
    // The status is an answer of the server, so its code must be kept.
    error.metadata.set(STATUS_TRAILER, String(status.code));
    return HeadwaterError.from(error);
  }
}

const PUSHBACK_TRAILER = "grpc-retry-pushback-ms";
const STATUS_TRAILER = "grpc-status";

function reasonOf(name: string): ErrorReason {
  // A TypeScript enum maps numbers to names too, so the name of a reason must not be a number.
  const value: unknown = ErrorReason[name as keyof typeof ErrorReason];
  return typeof value === "number" ? value : ErrorReason.UNSPECIFIED;
}

/** The delay of the trailer `grpc-retry-pushback-ms`, which is -1 where a retry is useless. */
function pushbackOf(metadata: Headers): number | undefined {
  const text = metadata.get(PUSHBACK_TRAILER);
  return text !== null && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** What Connect says about an answer without an end, because something between client and server ended the stream. */
const CUT_OFF_ANSWER = /^protocol error: (missing status|incomplete envelope)|before the response was received$/;

/**
 * Whether the connection failed, so that the server may or may not have carried out the call. Connect and Node report this with
 * different codes: a server that was killed gives CANCELED, a reset connection ABORTED, an unreachable network INTERNAL, half an
 * answer INVALID_ARGUMENT.
 * The caller must rule out first that it aborted the call itself.
 */
function isConnectionFault(error: ConnectError): boolean {
  if (error.metadata.has(STATUS_TRAILER)) {
    return false;
  }
  if (error.code === Code.Canceled || error.code === Code.Aborted || CUT_OFF_ANSWER.test(error.rawMessage)) {
    return true;
  }
  for (let cause: unknown = error.cause; cause instanceof Error; cause = cause.cause) {
    const { code, syscall } = cause as { code?: unknown; syscall?: unknown };
    if (syscall !== undefined || (typeof code === "string" && code.startsWith("ERR_HTTP2_"))) {
      return true;
    }
  }
  return false;
}

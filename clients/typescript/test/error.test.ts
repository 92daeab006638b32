import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { HeadwaterError } from "../src/error.js";
import { BadRequestSchema, ErrorInfoSchema } from "../src/generated/google/rpc/error_details_pb.js";
import { StatusSchema } from "../src/generated/google/rpc/status_pb.js";
import { ErrorReason } from "../src/generated/headwater/v1/error_pb.js";
import { serverError } from "./fake_server.js";

test("an error has all details as typed values", () => {
  const error = HeadwaterError.from(
    serverError(Code.InvalidArgument, "INVALID_FIELDS", { violations: ["event_id", "amount"], pushback: "-1" }),
  );
  assert.equal(error.code, Code.InvalidArgument);
  assert.equal(error.reason, ErrorReason.INVALID_FIELDS);
  assert.deepEqual(error.fieldViolations, [
    { field: "event_id", description: "fix event_id" },
    { field: "amount", description: "fix amount" },
  ]);
  assert.equal(error.callId, "call-1");
  assert.equal(error.isRepeatUseless, true);
  assert.equal(error.retryDelayMs, undefined);
});

test("metadata and the retry delay are kept", () => {
  const metadata = { limit: "128" };
  const error = HeadwaterError.from(
    serverError(Code.ResourceExhausted, "TOO_MANY_STREAMS", { metadata, retryDelayMs: 1_500 }),
  );
  assert.deepEqual({ ...error.metadata }, metadata);
  assert.equal(error.retryDelayMs, 1_500);
  assert.equal(error.isRepeatUseless, false);
});

test("a reason that is newer than the client survives", () => {
  for (const name of ["WALLET_EMPTY", "7", "toString"]) {
    const error = HeadwaterError.from(serverError(Code.FailedPrecondition, name));
    assert.equal(error.reason, ErrorReason.UNSPECIFIED);
    assert.equal(error.reasonName, name);
  }
});

test("a lost connection is UNAVAILABLE, whatever code the transport gives it", () => {
  const unreachable = Object.assign(new Error("connect ENETUNREACH"), { code: "ENETUNREACH", syscall: "connect" });
  const faults = [
    new ConnectError("http/2 stream closed with error code CANCEL (0x8)", Code.Canceled),
    new ConnectError("read ECONNRESET", Code.Aborted),
    new ConnectError("connect ENETUNREACH", Code.Internal, undefined, undefined, unreachable),
  ];
  for (const fault of faults) {
    assert.equal(HeadwaterError.from(fault).code, Code.Unavailable);
  }
});

test("codes of the server and of a wrong certificate are kept", () => {
  const mismatch = new ConnectError("etag", Code.Aborted, { "grpc-status": "10" });
  assert.equal(HeadwaterError.from(mismatch).code, Code.Aborted);
  const certificate = Object.assign(new Error("self-signed certificate"), { code: "DEPTH_ZERO_SELF_SIGNED_CERT" });
  const wrongAuthority = new ConnectError("self-signed certificate", Code.Internal, undefined, undefined, certificate);
  assert.equal(HeadwaterError.from(wrongAuthority).code, Code.Internal);
});

test("the error of a batch's result has the same values", () => {
  const info = create(ErrorInfoSchema, { reason: "INVALID_FIELDS" });
  const badRequest = create(BadRequestSchema, { fieldViolations: [{ field: "sale.amount", description: "required" }] });
  const status = create(StatusSchema, {
    code: 3,
    message: "sale.amount: required",
    details: [anyPack(ErrorInfoSchema, info), anyPack(BadRequestSchema, badRequest)],
  });
  const error = HeadwaterError.fromStatus(status);
  assert.equal(error.code, Code.InvalidArgument);
  assert.equal(error.reason, ErrorReason.INVALID_FIELDS);
  assert.deepEqual(error.fieldViolations, [{ field: "sale.amount", description: "required" }]);
});

// A server in this process that speaks gRPC and answers as a test says.

import * as http2 from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RequestInfoSchema,
  RetryInfoSchema,
} from "../src/generated/google/rpc/error_details_pb.js";

export interface FakeServer {
  readonly address: string;
  dropConnections(): void;
  stop(): Promise<void>;
}

/** Makes a server listen on a free port. Returns the server. */
export async function listen<T extends Server>(server: T): Promise<T> {
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return server;
}

export function addressOf(server: Server): string {
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export async function startServer(routes: (router: ConnectRouter) => void): Promise<FakeServer> {
  const sessions = new Set<http2.ServerHttp2Session>();
  const server = http2.createServer(connectNodeAdapter({ routes }));
  server.on("session", (session) => {
    sessions.add(session);
  });
  await listen(server);
  const dropConnections = () => {
    for (const session of sessions) {
      session.destroy();
    }
    sessions.clear();
  };
  return {
    address: addressOf(server),
    dropConnections,
    async stop() {
      dropConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

/** A handler that answers nothing. */
export function untilAborted(_: unknown, { signal }: HandlerContext): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

interface Details {
  readonly violations?: string[];
  readonly metadata?: Record<string, string>;
  readonly retryDelayMs?: number;
  readonly pushback?: string;
}

/** An error with the details that a Headwater server sends. */
export function serverError(code: Code, reason: string, details: Details = {}): ConnectError {
  const { violations, metadata = {}, retryDelayMs, pushback } = details;
  const error = new ConnectError("told by the server", code, pushback ? { "grpc-retry-pushback-ms": pushback } : {}, [
    { desc: ErrorInfoSchema, value: create(ErrorInfoSchema, { reason, domain: "headwater.dev", metadata }) },
    { desc: RequestInfoSchema, value: create(RequestInfoSchema, { requestId: "call-1" }) },
  ]);
  if (violations) {
    const fieldViolations = violations.map((field) => ({ field, description: `fix ${field}` }));
    error.details.push({ desc: BadRequestSchema, value: create(BadRequestSchema, { fieldViolations }) });
  }
  if (retryDelayMs !== undefined) {
    const retryDelay = { seconds: BigInt(Math.floor(retryDelayMs / 1_000)), nanos: (retryDelayMs % 1_000) * 1_000_000 };
    error.details.push({ desc: RetryInfoSchema, value: create(RetryInfoSchema, { retryDelay }) });
  }
  return error;
}

export const overloaded = (retryDelayMs: number) =>
  serverError(Code.ResourceExhausted, "OVERLOADED", { retryDelayMs, pushback: String(retryDelayMs) });

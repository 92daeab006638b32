/**
 * Client of Headwater for Node.
 *
 * Start with {@link HeadwaterClient.connect}. All messages, enums and services of the API are exported from here.
 *
 * @packageDocumentation
 */

export { Code } from "@connectrpc/connect";
export type { ServerOptions, TlsOptions } from "./channel.js";
export { type ClientOptions, HeadwaterClient } from "./client.js";
export { type FieldViolation, HeadwaterError, type HeadwaterErrorInit } from "./error.js";
export type { FeedNotice, FeedStep, FollowOptions } from "./follow.js";
export type { Status } from "./generated/google/rpc/status_pb.js";
export * from "./generated/index.js";

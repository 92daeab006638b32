// The client: the services of a Headwater server, and followers of its feed.

import { type Client, createClient } from "@connectrpc/connect";
import { CallTransport } from "./call_transport.js";
import { type Channel, openChannel, type ServerOptions } from "./channel.js";
import { HeadwaterError } from "./error.js";
import { type FeedMessage, type FollowOptions, follow } from "./follow.js";
import { AccountService } from "./generated/headwater/v1/account_service_pb.js";
import { AffiliateService } from "./generated/headwater/v1/affiliate_service_pb.js";
import type { CheckApiKeyResponse } from "./generated/headwater/v1/api_key_pb.js";
import type { FeedStart } from "./generated/headwater/v1/feed_pb.js";
import { FeedService } from "./generated/headwater/v1/feed_service_pb.js";
import { PayoutService } from "./generated/headwater/v1/payout_service_pb.js";
import { RewardService } from "./generated/headwater/v1/reward_service_pb.js";
import { TrackingService } from "./generated/headwater/v1/tracking_service_pb.js";

/** The settings of a {@link HeadwaterClient}. */
export interface ClientOptions extends ServerOptions {
  /** The API key. */
  readonly key: string;
  /** The deadline of unary calls in milliseconds. Default: 10,000. A call's own `timeoutMs` takes precedence; 0 means none. */
  readonly timeoutMs?: number;
  /** False: do not call CheckApiKey first, so that a process can start before the server does. Default: true. */
  readonly checkKey?: boolean;
}

const DEFAULT_TIMEOUT_MS = 10_000;

/**
 * A client of one server with one API key. It uses one connection for all calls, and one for each follower.
 *
 * Unary calls get a deadline, a `request_id` if they have the field, and are repeated when the server or the way to it fails. Calls
 * that fail throw a {@link HeadwaterError}.
 */
export class HeadwaterClient {
  /** Accounts and API keys. */
  readonly accounts: Client<typeof AccountService>;
  /** Programs, affiliates, enrollments, links and coupons. */
  readonly affiliates: Client<typeof AffiliateService>;
  /** Payouts. */
  readonly payouts: Client<typeof PayoutService>;
  /** Rewards, balances and the ledger. */
  readonly rewards: Client<typeof RewardService>;
  /** Clicks, leads, sales, refunds, cancellations and conversions. */
  readonly tracking: Client<typeof TrackingService>;
  /** The feed, call by call. {@link followEvents} does the rest: resuming, reconnecting, keeping the cursor. */
  readonly feed: Client<typeof FeedService>;

  readonly #options: ClientOptions & { readonly timeoutMs: number };
  readonly #channel: Channel;
  readonly #closed = new AbortController();

  private constructor(options: ClientOptions) {
    const { key, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    if (!(timeoutMs >= 0)) {
      throw new TypeError(`timeoutMs must be 0 or more, not ${timeoutMs}`);
    }
    this.#options = { ...options, key: checkedKey(key), timeoutMs };
    this.#channel = openChannel(options);
    const transport = this.#transport(this.#channel, true);
    this.accounts = createClient(AccountService, transport);
    this.affiliates = createClient(AffiliateService, transport);
    this.payouts = createClient(PayoutService, transport);
    this.rewards = createClient(RewardService, transport);
    this.tracking = createClient(TrackingService, transport);
    this.feed = createClient(FeedService, transport);
  }

  /**
   * Makes a client, and checks address, certificate and key with one CheckApiKey. If one of them is wrong, it throws a
   * {@link HeadwaterError} with the cause at once. It throws a TypeError for options that cannot be right.
   */
  static async connect(options: ClientOptions): Promise<HeadwaterClient> {
    const client = new HeadwaterClient(options);
    if (options.checkKey ?? true) {
      try {
        await client.checkKey();
      } catch (thrown) {
        client.close();
        throw namingServer(HeadwaterError.from(thrown), options);
      }
    }
    return client;
  }

  /** Returns what the server knows about the key: its kind, its account and the methods that it may call. Never repeats the call. */
  checkKey(): Promise<CheckApiKeyResponse> {
    return createClient(AccountService, this.#transport(this.#channel, false)).checkApiKey({});
  }

  /**
   * Follows all events of the account. The promise resolves when the signal of the options is aborted or the client is closed.
   *
   * The follower has a connection of its own. It opens a new stream after every end of the old one, and when nothing arrives for
   * three heartbeats. It gives up only for a reason that no other attempt can change: a wrong key, request or cursor. It then
   * throws a {@link HeadwaterError}. CURSOR_EXPIRED and CURSOR_AHEAD_OF_HEAD need a decision of yours, because events were lost.
   */
  followEvents(options: FollowOptions): Promise<void> {
    return this.#follow(options, (transport, request, signal) =>
      createClient(FeedService, transport).watchEvents(request, { signal }),
    );
  }

  /** Follows the events about conversions, like {@link followEvents}. Both use the same cursors. */
  followConversions(options: FollowOptions): Promise<void> {
    return this.#follow(options, (transport, request, signal) =>
      createClient(TrackingService, transport).watchConversions(request, { signal }),
    );
  }

  /** Ends the followers and the calls in progress, and closes the connections. */
  close(): void {
    this.#closed.abort();
    this.#channel.close();
  }

  async #follow(options: FollowOptions, watch: Watch): Promise<void> {
    const { filter, heartbeatDelay, maxBatchSize } = options;
    const settings = {
      ...(filter && { filter }),
      ...(heartbeatDelay && { heartbeatDelay }),
      ...(maxBatchSize && { maxBatchSize }),
    };
    // A connection for each stream, because the next one should look the address up again.
    const openStream = (start: FeedStart, signal: AbortSignal) => {
      const channel = openChannel(this.#options);
      signal.addEventListener("abort", () => channel.close(), { once: true });
      return watch(this.#transport(channel, false), { ...settings, start }, signal);
    };
    const end = new AbortController();
    const stop = () => end.abort();
    const signals = [this.#closed.signal, options.signal];
    for (const signal of signals) {
      signal?.addEventListener("abort", stop);
      if (signal?.aborted) {
        stop();
      }
    }
    try {
      await follow(openStream, { ...options, signal: end.signal });
    } finally {
      for (const signal of signals) {
        signal?.removeEventListener("abort", stop);
      }
    }
  }

  #transport(channel: Channel, retries: boolean): CallTransport {
    return new CallTransport(channel, {
      key: this.#options.key,
      defaultTimeoutMs: this.#options.timeoutMs,
      retries,
      closed: this.#closed.signal,
    });
  }
}

/** Returns the key without white space around it, such as the line end of a file. Its error must not contain the key. */
function checkedKey(key: unknown): string {
  if (typeof key !== "string") {
    throw new TypeError("the key is missing");
  }
  const trimmed = key.trim();
  if (!/^[\x21-\x7e]+$/.test(trimmed)) {
    throw new TypeError("the key is empty, or has characters that no key has");
  }
  return trimmed;
}

/** Adds to an error that no server sent how the client tried to connect. */
function namingServer(error: HeadwaterError, { address, plaintext }: ClientOptions): HeadwaterError {
  if (error.reasonName !== "") {
    return error;
  }
  let how = plaintext ? "without TLS" : "with TLS";
  if (plaintext && ENDED_BY_SERVER.test(error.message)) {
    how += "; does the server need TLS?";
  } else if (!plaintext && NO_TLS.test(error.message)) {
    how += "; the server answers without TLS";
  }
  return new HeadwaterError(`${error.message} (connecting to ${address} ${how})`, { code: error.code, cause: error });
}

/** What Node says if the server ends the connection before it answers. */
const ENDED_BY_SERVER = /error code CANCEL|ECONNRESET|Protocol error/;

/** What Node says if the answer to its TLS greeting is not TLS. */
const NO_TLS = /wrong version number/;

/** The request of a stream: WatchEventsRequest and WatchConversionsRequest have the same fields. */
type WatchRequest = Pick<FollowOptions, "filter" | "heartbeatDelay" | "maxBatchSize"> & { start: FeedStart };

type Watch = (transport: CallTransport, request: WatchRequest, signal: AbortSignal) => AsyncIterable<FeedMessage>;

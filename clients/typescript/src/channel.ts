// A connection to a server: address, TLS and keepalive.

import { X509Certificate } from "node:crypto";
import * as tls from "node:tls";
import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";

/** How the server's certificate is checked. */
export interface TlsOptions {
  /** The certificates in PEM of the authorities to trust, in place of those that Node and the system trust. */
  readonly ca?: string | Buffer;
  /** The name in the server's certificate, if it is not the host of the address. */
  readonly serverName?: string;
}

/** The place of a server, and how to talk to it. */
export interface ServerOptions {
  /** Host and port, such as `hw.internal:50051` or `[::1]:50051`. */
  readonly address: string;
  /** How to check the certificate. Default: for the host of the address, with the authorities that Node and the system trust. */
  readonly tls?: TlsOptions;
  /** True: no TLS, so everyone on the way can read the key. For servers on loopback and inside a private network. */
  readonly plaintext?: boolean;
}

/** A connection that opens on the first call, and again when it was lost. */
export interface Channel {
  readonly transport: Transport;
  /** Gives up an attempt to connect that takes too long, so that the next call starts a new one. */
  endConnecting(): void;
  /** Closes the connection and ends its calls. */
  close(): void;
}

const KEEPALIVE = { pingIntervalMs: 30_000, pingTimeoutMs: 10_000, pingIdleConnection: true };

/** Makes a channel. Does not connect. */
export function openChannel(options: ServerOptions, keepalive = KEEPALIVE): Channel {
  const baseUrl = baseUrlOf(options);
  const sessionManager = new Http2SessionManager(
    baseUrl,
    keepalive,
    options.plaintext ? undefined : tlsOf(options.tls ?? {}),
  );
  return {
    transport: createGrpcTransport({ baseUrl, sessionManager }),
    endConnecting() {
      if (sessionManager.state() === "connecting") {
        sessionManager.abort();
      }
    },
    close: () => sessionManager.abort(),
  };
}

/** Returns the URL of a server. Throws a TypeError if the options are wrong. */
export function baseUrlOf({ address, tls, plaintext = false }: ServerOptions): string {
  if (plaintext && tls) {
    throw new TypeError("choose `tls` or `plaintext`, not both");
  }
  const [, port] = /^(?:\[[0-9a-fA-F:.]+\]|[^\s:/?#@[\]]+):(\d{1,5})$/.exec(address) ?? [];
  if (port === undefined || Number(port) > 65_535) {
    throw new TypeError(`the address must be host:port, such as hw.internal:50051, not "${address}"`);
  }
  return `${plaintext ? "http" : "https"}://${address}`;
}

function tlsOf({ ca, serverName }: TlsOptions): tls.SecureContextOptions & { servername?: string } {
  const trusted = ca === undefined ? systemAuthorities() : checkedAuthorities(ca);
  return {
    ...(trusted && { ca: trusted }),
    ...(serverName && { servername: serverName }),
  };
}

/** Throws a TypeError for what is no certificate, because Node ignores it. */
function checkedAuthorities(ca: string | Buffer): string | Buffer {
  const certificates = ca.toString().match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g);
  if (!certificates) {
    throw new TypeError("`tls.ca` has no certificate in PEM");
  }
  for (const certificate of certificates) {
    try {
      new X509Certificate(certificate);
    } catch (cause) {
      throw new TypeError("`tls.ca` has a certificate that cannot be read", { cause });
    }
  }
  return ca;
}

/** The authorities of Node and the system. Undefined before Node 22.15, which cannot read those of the system. */
function systemAuthorities(): string[] | undefined {
  const { getCACertificates } = tls as { getCACertificates?: (type: "default" | "system") => string[] };
  return getCACertificates && [...getCACertificates("default"), ...getCACertificates("system")];
}

// The story of a merchant: an account, a program, an affiliate, a click, a sign-up, sales, a refund, a balance, and the feed of all
// this. The server may be restarted at any time while it runs. Run it with ./story.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { ErrorReason, type Event, EventKind, FeedPosition, HeadwaterClient, HeadwaterError } from "@headwater/client";

const address = process.env["HEADWATER_ADDRESS"] ?? "localhost:50051";
const operatorKey = process.env["HEADWATER_OPERATOR_KEY"] ?? "";
const saleCount = Number(process.env["HEADWATER_SALES"] ?? 40);
const saleDelayMs = Number(process.env["HEADWATER_SALE_DELAY_MS"] ?? 50);

const SALE_MINOR = 2_000n; // 20.00 USD
const REFUND_MINOR = 500n; // 5.00 USD
const COMMISSION_PPM = 100_000n; // 10 %

/** Stands for your database. Events and cursor are kept together, as in one transaction. */
class Warehouse {
  cursor = "";
  events: Event[] = [];

  save(events: readonly Event[], cursor: string): void {
    this.events = [...this.events, ...events];
    this.cursor = cursor;
  }
}

/** Registers a new account. Returns a client with the account's admin key. */
async function registerAccount(): Promise<HeadwaterClient> {
  // The server listens on loopback here. Elsewhere leave `plaintext` out: then the client uses TLS.
  const operator = await HeadwaterClient.connect({ address, key: operatorKey, plaintext: true });
  try {
    const email = `owner-${randomUUID()}@harbour-coffee.example`;
    const registered = await operator.accounts.registerAccount({ displayName: "Harbour Coffee", email });
    let key = registered.apiKeyText;
    if (key === "") {
      // The first answer got lost, and the client repeated the call. Keys are shown once only, so make another.
      const account = { selector: { case: "email" as const, value: email } };
      key = (await operator.accounts.createAdminApiKey({ account })).apiKeyText;
    }
    // The key is new, so there is nothing to check.
    return await HeadwaterClient.connect({ address, key, plaintext: true, checkKey: false });
  } finally {
    operator.close();
  }
}

/** Creates a program, an affiliate with a coupon, and a link. Returns the affiliate's id and the link's code. */
async function setUp(client: HeadwaterClient): Promise<{ affiliateId: string; linkCode: string }> {
  await client.affiliates.createProgram({
    displayName: "Shop",
    currencyCode: "USD",
    landingUrl: "https://harbour-coffee.example/",
    terms: { commission: { rate: { case: "percentPpm", value: Number(COMMISSION_PPM) } }, holdPeriodDays: 30 },
  });
  const { affiliate, enrollment } = await client.affiliates.createAffiliate({
    email: "lena@filterblog.example",
    firstName: "Lena",
    refId: "lena",
    couponCode: "LENA10",
  });
  assert(affiliate && enrollment);
  const { link } = await client.affiliates.createLink({ enrollmentId: enrollment.id, code: "lena-spring" });
  assert(link);
  return { affiliateId: affiliate.id, linkCode: link.code };
}

/** Records a click, a sign-up that it leads to, the sales, and a refund of a part of the first sale. */
async function trade(client: HeadwaterClient, linkCode: string): Promise<void> {
  const { tid } = await client.tracking.recordClick({ refId: linkCode });
  await client.tracking.recordLead({ eventId: "signup-1", email: "anna@example.net", tid });
  for (let number = 1; number <= saleCount; number += 1) {
    await client.tracking.recordSale({
      eventId: `sale-${number}`,
      email: "anna@example.net",
      amount: { amountMinor: SALE_MINOR, currencyCode: "USD" },
    });
    await sleep(saleDelayMs);
  }
  await client.tracking.recordRefund({
    eventId: "refund-1",
    saleEventId: "sale-1",
    amount: { amountMinor: REFUND_MINOR, currencyCode: "USD" },
  });
}

/** Follows the feed from the stored cursor on, until the signal is aborted. Returns how often it had to reconnect. */
async function followFeed(client: HeadwaterClient, warehouse: Warehouse, signal: AbortSignal): Promise<number> {
  let reconnects = 0;
  await client.followEvents({
    cursor: warehouse.cursor,
    handle: ({ events, cursor }) => warehouse.save(events, cursor),
    onNotice(notice) {
      if (notice.kind === "disconnected") {
        reconnects += 1;
      }
    },
    signal,
  });
  return reconnects;
}

/** Follows the feed until the warehouse has every event up to the cursor. */
async function followTo(client: HeadwaterClient, warehouse: Warehouse, lastCursor: string): Promise<number> {
  const done = new AbortController();
  const following = followFeed(client, warehouse, done.signal);
  while (warehouse.cursor !== lastCursor) {
    await sleep(10);
  }
  done.abort();
  return await following;
}

/** Sends a sale with wrong fields. Returns their names. */
async function wrongFields(client: HeadwaterClient): Promise<string[]> {
  try {
    await client.tracking.recordSale({ email: "anna", amount: { amountMinor: -1n, currencyCode: "dollars" } });
  } catch (error) {
    if (error instanceof HeadwaterError && error.reason === ErrorReason.INVALID_FIELDS) {
      return error.fieldViolations.map(({ field }) => field).sort();
    }
    throw error;
  }
  throw new Error("the server took a sale with wrong fields");
}

async function earnedMinor(client: HeadwaterClient, affiliateId: string): Promise<bigint> {
  const { balances } = await client.rewards.getBalance({
    affiliate: { selector: { case: "id", value: affiliateId } },
  });
  const amount = balances[0]?.earned?.amount;
  assert(balances.length === 1 && amount?.case === "cash" && amount.value.currencyCode === "USD");
  return amount.value.amountMinor;
}

/** Checks that the events are 1, 2, 3 and so on, and that every sale is among them exactly once. */
function checkEvents(events: readonly Event[]): void {
  events.forEach((event, index) => {
    assert.equal(event.sequence, BigInt(index + 1), "an event was lost or repeated");
  });
  const sales = events
    .filter(({ kind }) => kind === EventKind.SALE_RECORDED)
    .map(({ subject }) => (subject.case === "conversion" ? subject.value.eventId : ""));
  const expected = Array.from({ length: saleCount }, (_, index) => `sale-${index + 1}`);
  assert.deepEqual(sales, expected, "each sale must be in the feed once");
}

const client = await registerAccount();
const { affiliateId, linkCode } = await setUp(client);
console.log("registered an account with a program, an affiliate, a coupon and a link");

const warehouse = new Warehouse();
const tradingEnds = new AbortController();
const following = followFeed(client, warehouse, tradingEnds.signal);
await trade(client, linkCode);
console.log(`recorded a click, a lead, ${saleCount} sales and a refund`);

// Stop the follower wherever it is, as a restart of your process would, and go on from the stored cursor.
tradingEnds.abort();
let reconnects = await following;
const { headCursor } = await client.feed.readEvents({
  start: { place: { case: "position", value: FeedPosition.LATEST } },
});
reconnects += await followTo(client, warehouse, headCursor);
checkEvents(warehouse.events);
console.log(`read ${warehouse.events.length} events from the feed`);

const expectedMinor = ((BigInt(saleCount) * SALE_MINOR - REFUND_MINOR) * COMMISSION_PPM) / 1_000_000n;
const balanceMinor = await earnedMinor(client, affiliateId);
assert.equal(balanceMinor, expectedMinor, "the balance must be the sum of the commissions");

const fields = await wrongFields(client);
assert.deepEqual(fields, ["amount.amount_minor", "amount.currency_code", "email", "event_id"]);
console.log(`a bad sale was refused with INVALID_FIELDS: ${fields.join(", ")}`);
client.close();

const balance = (Number(balanceMinor) / 100).toFixed(2);
console.log(
  `typescript: ${saleCount} sales, ${warehouse.events.length} events without gap or repeat, ` +
    `${reconnects} reconnects, balance ${balance} USD`,
);

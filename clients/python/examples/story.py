"""A shop's story with Headwater: an affiliate refers a customer, the customer buys, and the shop follows the feed.

The story keeps going while the server restarts, and checks at its end that nothing was lost or counted twice. It needs
HEADWATER_ADDRESS (host:port, plaintext) and HEADWATER_OPERATOR_KEY.
"""

import os
import sqlite3
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import headwater
from headwater import v1 as hw

ADDRESS = os.environ.get("HEADWATER_ADDRESS", "localhost:50051")
SALES = int(os.environ.get("HEADWATER_SALES", "40"))
SALE_DELAY_SECONDS = int(os.environ.get("HEADWATER_SALE_DELAY_MS", "50")) / 1_000

CUSTOMER = "kim@customers.example"
PRICE = hw.Money(amount_minor=20_00, currency_code="USD")
COMMISSION_PPM = 100_000  # 10 %: 2.00 of each sale
REFUND = hw.Money(amount_minor=5_00, currency_code="USD")

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class Warehouse:
    """The shop's own database. It stores events and the cursor of the feed in one transaction."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self.open() as database:
            database.execute("CREATE TABLE event (sequence INTEGER PRIMARY KEY, kind TEXT, event_id TEXT)")
            database.execute("CREATE TABLE feed (cursor TEXT)")

    def open(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path)

    def handle(self, events: Sequence[hw.Event], cursor: str) -> None:
        """Stores what the feed sends. After a crash, both the events and the cursor are there, or neither is."""
        with self.open() as database:
            for event in events:
                # A repeated event would break the primary key, and the story would fail.
                database.execute(
                    "INSERT INTO event VALUES (?, ?, ?)",
                    (event.sequence, hw.EventKind.Name(event.kind), event.conversion.event_id),
                )
            database.execute("DELETE FROM feed")
            database.execute("INSERT INTO feed VALUES (?)", (cursor,))

    def cursor(self) -> str | None:
        row = self.open().execute("SELECT cursor FROM feed").fetchone()
        return row[0] if row else None

    def sequences(self) -> list[int]:
        return [row[0] for row in self.open().execute("SELECT sequence FROM event ORDER BY sequence")]

    def recorded_sales(self) -> list[str]:
        rows = self.open().execute("SELECT event_id FROM event WHERE kind = 'EVENT_KIND_SALE_RECORDED' ORDER BY sequence")
        return [row[0] for row in rows]


class FeedThread:
    """Follows the feed in a thread, from the cursor in the warehouse."""

    def __init__(self, client: headwater.Client, warehouse: Warehouse) -> None:
        self.follower = client.follow_events(warehouse.handle, cursor=warehouse.cursor())
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        try:
            self.follower.run()
        except BaseException as error:
            self.error = error

    def stop(self) -> None:
        self.follower.stop()
        self.thread.join()
        if self.error is not None:
            raise self.error


def patiently(call: Callable[[Request], Answer], request: Request) -> Answer:
    """Repeats a call for a minute if the client's own retries were not enough, because the server was down for longer."""
    give_up = time.monotonic() + 60
    while True:
        try:
            return call(request)
        except headwater.HeadwaterError as error:
            if not error.is_transient or time.monotonic() > give_up:
                raise
            print(f"repeating a call after: {error}")
            time.sleep(0.5)


def register_account() -> str:
    """Registers an account with the operator key, and returns the account's admin key."""
    with headwater.connect(ADDRESS, os.environ["HEADWATER_OPERATOR_KEY"], plaintext=True) as operator:
        email = f"owner-{uuid.uuid4().hex}@shop.example"
        request = hw.RegisterAccountRequest(display_name="Harbour Coffee", email=email)
        account = operator.accounts.RegisterAccount(request)
        if not account.replayed:
            return account.api_key_text
        # The first answer was lost on the way, and only that one had the key's text. A new key is made in its place.
        whose = hw.AccountSelector(id=account.account.id)
        return operator.accounts.CreateAdminApiKey(hw.CreateAdminApiKeyRequest(account=whose)).api_key_text


def set_up(client: headwater.Client) -> tuple[str, str]:
    """Creates a program, an affiliate with a coupon, and a link. Returns the affiliate's id and the link's code."""
    client.affiliates.CreateProgram(
        hw.CreateProgramRequest(
            display_name="Shop",
            currency_code="USD",
            landing_url="https://harbour-coffee.example/",
            terms=hw.Terms(commission=hw.Commission(percent_ppm=COMMISSION_PPM)),
        )
    )
    lena = client.affiliates.CreateAffiliate(
        hw.CreateAffiliateRequest(email="lena@filterblog.example", first_name="Lena", ref_id="lena", coupon_code="LENA10")
    )
    link = client.affiliates.CreateLink(hw.CreateLinkRequest(enrollment_id=lena.enrollment.id, code="lena-spring")).link
    print(f"affiliate {lena.affiliate.id} has the link {link.code} and the coupon {lena.coupon.code}")
    return lena.affiliate.id, link.code


def refer_customer(client: headwater.Client, code: str) -> None:
    """The customer clicks the link and signs up."""
    click = client.tracking.RecordClick(hw.RecordClickRequest(ref_id=code))
    lead = client.tracking.RecordLead(hw.RecordLeadRequest(event_id="signup-1", email=CUSTOMER, tid=click.tid))
    print(f"lead {lead.lead_id}: {hw.ConversionOutcome.Name(lead.outcome)}")


def record_sales(client: headwater.Client, numbers: Sequence[int]) -> None:
    """Records sales. Each fourth is at the till: the coupon alone says who referred it."""
    for number in numbers:
        request = hw.RecordSaleRequest(event_id=f"order-{number}", amount=PRICE)
        if number % 4 == 0:
            request.coupon_code = "LENA10"
            request.channel = hw.SALE_CHANNEL_POINT_OF_SALE
        else:
            request.email = CUSTOMER
        sale = patiently(client.tracking.RecordSale, request)
        check(sale.outcome == hw.CONVERSION_OUTCOME_ATTRIBUTED, f"{request.event_id} is attributed")
        time.sleep(SALE_DELAY_SECONDS)


def check_bad_request(client: headwater.Client) -> None:
    """A bad request fails with a reason and all wrong fields."""
    bad = hw.RecordSaleRequest(email=CUSTOMER, amount=hw.Money(amount_minor=-1, currency_code="dollars"))
    try:
        patiently(client.tracking.RecordSale, bad)
    except headwater.HeadwaterError as error:
        print(f"a bad request: {error}")
        check(error.reason == hw.ERROR_REASON_INVALID_FIELDS, "the reason is INVALID_FIELDS")
        fields = {violation.field for violation in error.violations}
        check(fields == {"event_id", "amount.amount_minor", "amount.currency_code"}, "all wrong fields are listed")
        check(error.request_id != "", "the error has the id of the call")
    else:
        check(False, "a bad request fails")


def check(holds: bool, claim: str) -> None:
    if not holds:
        sys.exit(f"FAILED: {claim}")


def tell(client: headwater.Client, warehouse: Warehouse) -> str:
    """Tells the story and returns its summary."""
    affiliate_id, code = set_up(client)
    refer_customer(client, code)

    feed = FeedThread(client, warehouse)
    record_sales(client, range(1, SALES // 2 + 1))
    # The shop's own process may restart too: another follower continues from the stored cursor.
    feed.stop()
    reconnects = feed.follower.reconnect_count
    feed = FeedThread(client, warehouse)
    record_sales(client, range(SALES // 2 + 1, SALES + 1))

    refund = hw.RecordRefundRequest(event_id="refund-1", sale_event_id="order-1", amount=REFUND)
    patiently(client.tracking.RecordRefund, refund)
    check_bad_request(client)

    books = patiently(client.rewards.VerifyLedger, hw.VerifyLedgerRequest())
    check(books.ok, f"the books are right: {list(books.differences)}")
    give_up = time.monotonic() + 60
    while len(warehouse.sequences()) < books.event_count and time.monotonic() < give_up and feed.error is None:
        time.sleep(0.1)
    feed.stop()
    reconnects += feed.follower.reconnect_count

    check(warehouse.sequences() == list(range(1, books.event_count + 1)), "the feed has no gap and no repeat")
    check(warehouse.recorded_sales() == [f"order-{n}" for n in range(1, SALES + 1)], "each sale is in the feed once")

    whose = hw.GetBalanceRequest(affiliate=hw.AffiliateSelector(id=affiliate_id))
    balances = patiently(client.rewards.GetBalance, whose).balances
    earned = balances[0].earned.cash
    expected = (SALES * PRICE.amount_minor - REFUND.amount_minor) * COMMISSION_PPM // 1_000_000
    check(len(balances) == 1 and earned.amount_minor == expected, f"the balance {earned.amount_minor} is {expected}")
    amount = f"{earned.amount_minor // 100}.{earned.amount_minor % 100:02} {earned.currency_code}"
    return f"{SALES} sales, {books.event_count} events without gap or repeat, {reconnects} reconnects, balance {amount}"


def main() -> None:
    key = register_account()
    with tempfile.TemporaryDirectory() as folder, headwater.connect(ADDRESS, key, plaintext=True) as client:
        print(f"python: {tell(client, Warehouse(Path(folder, 'warehouse.sqlite')))}")


main()

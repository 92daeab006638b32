package dev.headwater.example;

import dev.headwater.client.FeedFollower;
import dev.headwater.client.HeadwaterClient;
import dev.headwater.client.HeadwaterError;
import dev.headwater.client.HeadwaterError.FieldViolation;
import dev.headwater.v1.AccountSelector;
import dev.headwater.v1.AffiliateSelector;
import dev.headwater.v1.Commission;
import dev.headwater.v1.ConversionOutcome;
import dev.headwater.v1.CreateAdminApiKeyRequest;
import dev.headwater.v1.CreateAffiliateRequest;
import dev.headwater.v1.CreateAffiliateResponse;
import dev.headwater.v1.CreateLinkRequest;
import dev.headwater.v1.CreateProgramRequest;
import dev.headwater.v1.ErrorReason;
import dev.headwater.v1.GetBalanceRequest;
import dev.headwater.v1.GetBalanceResponse;
import dev.headwater.v1.Money;
import dev.headwater.v1.RecordClickRequest;
import dev.headwater.v1.RecordLeadRequest;
import dev.headwater.v1.RecordRefundRequest;
import dev.headwater.v1.RecordSaleRequest;
import dev.headwater.v1.RegisterAccountRequest;
import dev.headwater.v1.RegisterAccountResponse;
import dev.headwater.v1.Terms;
import dev.headwater.v1.VerifyLedgerRequest;
import dev.headwater.v1.VerifyLedgerResponse;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * A merchant's day: from a new account to sales, a refund, a balance and a copy of the feed.
 *
 * <p>The server may be stopped or killed and started again while sales are recorded. The story checks that nothing was
 * lost or done twice.
 */
public final class Story {
    private static final String CURRENCY = "USD";
    private static final long SALE_MINOR = 2_000;
    private static final long REFUND_MINOR = 1_000;
    private static final int COMMISSION_PPM = 100_000; // 10 %
    private static final int MOST_REPEATS = 10;
    private static final Duration FEED_TIMEOUT = Duration.ofSeconds(60);

    private final HeadwaterClient client;
    private final String run = UUID.randomUUID().toString().substring(0, 8);
    private final FeedCopy copy = new FeedCopy();
    private String affiliateId;
    private int reconnectCount;

    private Story(HeadwaterClient client) {
        this.client = client;
    }

    /**
     * Runs the story with the settings in the environment.
     *
     * @param arguments none
     * @throws Exception if a call or a check fails
     */
    public static void main(String[] arguments) throws Exception {
        String address = environment("HEADWATER_ADDRESS", null);
        String operatorKey = environment("HEADWATER_OPERATOR_KEY", null);
        int saleCount = Integer.parseInt(environment("HEADWATER_SALES", "40"));
        long saleDelayMillis = Long.parseLong(environment("HEADWATER_SALE_DELAY_MS", "50"));

        String adminKey = registerAccount(address, operatorKey);
        // `build` makes no call. The key is new, so `connect` and its check of the key are not needed.
        try (HeadwaterClient client =
                HeadwaterClient.builder(address, adminKey).plaintext().build()) {
            System.out.println(new Story(client).tell(saleCount, saleDelayMillis));
        }
    }

    private static String registerAccount(String address, String operatorKey) {
        String email = "owner-" + UUID.randomUUID() + "@harbour-coffee.example";
        try (HeadwaterClient operator =
                HeadwaterClient.builder(address, operatorKey).plaintext().connect()) {
            RegisterAccountResponse registered = operator.accounts()
                    .registerAccount(RegisterAccountRequest.newBuilder()
                            .setDisplayName("Harbour Coffee")
                            .setEmail(email)
                            .build());
            System.out.println(
                    "registered the account " + registered.getAccount().getId());
            if (!registered.getApiKeyText().isEmpty()) {
                return registered.getApiKeyText();
            }
            // The first answer was lost and the call was repeated. Only the first answer has the key.
            return operator.accounts()
                    .createAdminApiKey(CreateAdminApiKeyRequest.newBuilder()
                            .setAccount(AccountSelector.newBuilder()
                                    .setId(registered.getAccount().getId()))
                            .build())
                    .getApiKeyText();
        }
    }

    private String tell(int saleCount, long saleDelayMillis) throws InterruptedException, ExecutionException {
        String customer = "anna-" + run + "@example.net";
        String linkCode = createProgramAndAffiliate();
        recordClickAndLead(linkCode, customer);
        showBadRequest();

        // Two followers, one after the other, as if the reading process was restarted. The second one continues after
        // the cursor that the first one stored.
        int half = saleCount / 2;
        FeedFollower first = client.followFeed(copy).resume(copy.cursor()).build();
        whileFollowing(first, () -> recordSales(1, half, customer, saleDelayMillis));
        FeedFollower second = client.followFeed(copy).resume(copy.cursor()).build();
        long eventCount = whileFollowing(second, () -> {
            recordSales(half + 1, saleCount, customer, saleDelayMillis);
            recordRefund();
            return awaitEndOfFeed();
        });
        System.out.println("followed the feed to event " + eventCount);

        long balanceMinor = readBalance();
        checkFeed(saleCount);
        long expectedMinor = (saleCount * SALE_MINOR - REFUND_MINOR) * COMMISSION_PPM / 1_000_000;
        check(balanceMinor == expectedMinor, "the balance is " + balanceMinor + ", not " + expectedMinor);
        return "java: %d sales, %d events without gap or repeat, %d reconnects, balance %d.%02d %s"
                .formatted(saleCount, eventCount, reconnectCount, balanceMinor / 100, balanceMinor % 100, CURRENCY);
    }

    private String createProgramAndAffiliate() {
        client.affiliates()
                .createProgram(CreateProgramRequest.newBuilder()
                        .setDisplayName("Shop")
                        .setCurrencyCode(CURRENCY)
                        .setLandingUrl("https://harbour-coffee.example/")
                        .setTerms(Terms.newBuilder()
                                .setCommission(Commission.newBuilder().setPercentPpm(COMMISSION_PPM)))
                        .build());
        CreateAffiliateResponse created = client.affiliates()
                .createAffiliate(CreateAffiliateRequest.newBuilder()
                        .setEmail("lena@filterblog.example")
                        .setFirstName("Lena")
                        .setCouponCode("LENA10")
                        .build());
        affiliateId = created.getAffiliate().getId();
        String code = client.affiliates()
                .createLink(CreateLinkRequest.newBuilder()
                        .setEnrollmentId(created.getEnrollment().getId())
                        .build())
                .getLink()
                .getCode();
        System.out.println("created a program, the affiliate " + affiliateId + ", a coupon and the link " + code);
        return code;
    }

    private void recordClickAndLead(String linkCode, String customer) {
        String tid = client.tracking()
                .recordClick(RecordClickRequest.newBuilder().setRefId(linkCode).build())
                .getTid();
        client.tracking()
                .recordLead(RecordLeadRequest.newBuilder()
                        .setEventId("signup-1")
                        .setEmail(customer)
                        .setTid(tid)
                        .build());
        System.out.println("recorded a click and a lead");
    }

    private void showBadRequest() {
        try {
            client.tracking()
                    .recordSale(RecordSaleRequest.newBuilder()
                            .setEventId("charge-0")
                            .setAmount(Money.newBuilder().setAmountMinor(-1).setCurrencyCode("usd"))
                            .build());
            throw new IllegalStateException("a sale with a wrong amount was accepted");
        } catch (StatusRuntimeException failure) {
            HeadwaterError error = HeadwaterError.of(failure);
            List<String> fields =
                    error.fieldViolations().stream().map(FieldViolation::field).toList();
            System.out.println("a bad sale: " + error.reason() + " " + fields + ", call " + error.requestId());
            check(error.code() == Status.Code.INVALID_ARGUMENT, "the code is " + error.code());
            check(error.reason() == ErrorReason.ERROR_REASON_INVALID_FIELDS, "the reason is " + error.reasonName());
            check(
                    fields.containsAll(List.of("amount.amount_minor", "amount.currency_code")),
                    "not all wrong fields are named: " + error.fieldViolations());
        }
    }

    private Void recordSales(int from, int to, String customer, long delayMillis) throws InterruptedException {
        for (int number = from; number <= to; number++) {
            RecordSaleRequest.Builder sale = RecordSaleRequest.newBuilder()
                    .setEventId("charge-" + number)
                    .setAmount(money(SALE_MINOR));
            // The first sale is that of an unknown customer with Lena's coupon.
            if (number == 1) {
                sale.setEmail("ben-" + run + "@example.net").setCouponCode("lena10");
            } else {
                sale.setEmail(customer);
            }
            recordSale(sale.build());
            Thread.sleep(delayMillis);
        }
        System.out.println("recorded the sales " + from + " to " + to);
        return null;
    }

    /**
     * Records a sale. If the client gives up because its deadline passed, nobody knows whether the sale was recorded. So
     * the call is repeated with the same event_id, and has one effect.
     */
    private void recordSale(RecordSaleRequest sale) {
        for (int repeat = 0; ; repeat++) {
            try {
                ConversionOutcome outcome = client.tracking().recordSale(sale).getOutcome();
                check(
                        outcome == ConversionOutcome.CONVERSION_OUTCOME_ATTRIBUTED,
                        "the sale " + sale.getEventId() + " is " + outcome);
                return;
            } catch (StatusRuntimeException failure) {
                Status.Code code = failure.getStatus().getCode();
                boolean unknownOutcome = code == Status.Code.DEADLINE_EXCEEDED || code == Status.Code.UNAVAILABLE;
                if (!unknownOutcome || repeat == MOST_REPEATS) {
                    throw failure;
                }
                System.out.println("repeating the sale " + sale.getEventId() + ": " + failure.getMessage());
            }
        }
    }

    private void recordRefund() {
        client.tracking()
                .recordRefund(RecordRefundRequest.newBuilder()
                        .setEventId("refund-1")
                        .setSaleEventId("charge-1")
                        .setAmount(money(REFUND_MINOR))
                        .build());
        System.out.println("recorded a refund of half of the first sale");
    }

    /** Waits until the copy has all events, and returns their number. */
    private long awaitEndOfFeed() throws InterruptedException {
        VerifyLedgerResponse books = client.rewards().verifyLedger(VerifyLedgerRequest.getDefaultInstance());
        check(books.getOk(), "the books have differences: " + books.getDifferencesList());
        check(
                copy.awaitEvent(books.getEventCount(), FEED_TIMEOUT),
                "the copy ends at event " + copy.lastSequence() + " of " + books.getEventCount());
        return books.getEventCount();
    }

    private long readBalance() {
        GetBalanceResponse answer = client.rewards()
                .getBalance(GetBalanceRequest.newBuilder()
                        .setAffiliate(AffiliateSelector.newBuilder().setId(affiliateId))
                        .build());
        check(answer.getBalancesCount() == 1, "there is not one balance: " + answer);
        Money earned = answer.getBalances(0).getEarned().getCash();
        check(earned.getCurrencyCode().equals(CURRENCY), "the balance is in " + earned.getCurrencyCode());
        return earned.getAmountMinor();
    }

    private void checkFeed(int saleCount) {
        check(copy.faults().isEmpty(), "the feed has gaps or repeats: " + copy.faults());
        check(copy.refundArrived(), "the feed has no refund");
        check(
                copy.saleCounts().size() == saleCount,
                "the feed has " + copy.saleCounts().size() + " sales");
        for (int number = 1; number <= saleCount; number++) {
            Integer count = copy.saleCounts().get("charge-" + number);
            check(count != null && count == 1, "the feed has the sale " + number + " this often: " + count);
        }
    }

    /** Work that is done while the feed is followed. */
    private interface Work<R> {
        R run() throws InterruptedException;
    }

    /** Runs a follower in a thread of its own while the work is done, then stops it. */
    private <R> R whileFollowing(FeedFollower follower, Work<R> work) throws InterruptedException, ExecutionException {
        ExecutorService thread = Executors.newSingleThreadExecutor();
        try {
            Future<?> running = thread.submit(() -> {
                follower.run();
                return null;
            });
            try {
                return work.run();
            } finally {
                follower.stop();
                running.get();
                reconnectCount += follower.reconnectCount();
            }
        } finally {
            thread.shutdownNow();
        }
    }

    private static Money money(long amountMinor) {
        return Money.newBuilder()
                .setAmountMinor(amountMinor)
                .setCurrencyCode(CURRENCY)
                .build();
    }

    private static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw new IllegalStateException(otherwise);
        }
    }

    private static String environment(String name, String otherwise) {
        String value = System.getenv(name);
        if (value == null && otherwise == null) {
            throw new IllegalArgumentException("the environment variable " + name + " is not set");
        }
        return value == null ? otherwise : value;
    }
}

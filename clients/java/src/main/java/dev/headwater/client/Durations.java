package dev.headwater.client;

import com.google.protobuf.Duration;

/** Converts durations of protobuf and Java. */
final class Durations {
    // The range that protobuf gives to its durations: 10,000 years.
    private static final long MOST_SECONDS = 315_576_000_000L;

    private Durations() {}

    static java.time.Duration of(Duration duration) {
        long seconds = Math.max(-MOST_SECONDS, Math.min(MOST_SECONDS, duration.getSeconds()));
        return java.time.Duration.ofSeconds(seconds, duration.getNanos());
    }

    /** Returns the nanoseconds, or the most that a long holds. */
    static long nanos(java.time.Duration duration) {
        try {
            return duration.toNanos();
        } catch (ArithmeticException tooLong) {
            return duration.isNegative() ? Long.MIN_VALUE : Long.MAX_VALUE;
        }
    }

    static Duration of(java.time.Duration duration) {
        return Duration.newBuilder()
                .setSeconds(duration.getSeconds())
                .setNanos(duration.getNano())
                .build();
    }
}

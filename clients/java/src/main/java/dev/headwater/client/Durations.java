package dev.headwater.client;

import com.google.protobuf.Duration;

/** Converts durations of protobuf and Java. */
final class Durations {
    private Durations() {}

    static java.time.Duration of(Duration duration) {
        return java.time.Duration.ofSeconds(duration.getSeconds(), duration.getNanos());
    }

    static Duration of(java.time.Duration duration) {
        return Duration.newBuilder()
                .setSeconds(duration.getSeconds())
                .setNanos(duration.getNano())
                .build();
    }
}

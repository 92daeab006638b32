package dev.headwater.client;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/** The delays before a follower connects again: they double from failure to failure, and vary at random. */
final class Backoff {
    static final Duration FIRST = Duration.ofMillis(100);
    static final Duration LONGEST = Duration.ofSeconds(10);

    private Duration next = FIRST;

    /** Starts again with the shortest delay, because the connection works. */
    void reset() {
        next = FIRST;
    }

    /** Returns the next delay: at least what the server asks for, and a random part of the series' next delay. */
    Duration delay(Duration requested) {
        Duration random =
                Duration.ofMillis(ThreadLocalRandom.current().nextLong(next.toMillis() / 2, next.toMillis() + 1));
        Duration doubled = next.multipliedBy(2);
        next = doubled.compareTo(LONGEST) > 0 ? LONGEST : doubled;
        return requested.plus(random);
    }
}

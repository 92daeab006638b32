package dev.headwater.example;

import dev.headwater.client.FeedHandler;
import dev.headwater.v1.ConversionKind;
import dev.headwater.v1.Event;
import dev.headwater.v1.EventKind;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A copy of the feed, as a warehouse keeps one. It stands for a database: {@link #handle} is the transaction that
 * stores the events and the cursor together.
 */
final class FeedCopy implements FeedHandler {
    private final Map<String, Integer> saleCounts = new HashMap<>();
    private final List<String> faults = new ArrayList<>();
    private long lastSequence;
    private boolean refundArrived;
    private String cursor = "";

    @Override
    public synchronized void handle(List<Event> events, String cursor) {
        for (Event event : events) {
            store(event);
        }
        this.cursor = cursor;
        notifyAll();
    }

    private void store(Event event) {
        if (event.getSequence() != lastSequence + 1) {
            faults.add("event " + event.getSequence() + " follows event " + lastSequence);
        }
        lastSequence = event.getSequence();
        if (event.getKind() == EventKind.EVENT_KIND_SALE_RECORDED) {
            saleCounts.merge(event.getConversion().getEventId(), 1, Integer::sum);
        }
        if (event.hasConversion() && event.getConversion().getKind() == ConversionKind.CONVERSION_KIND_REFUND) {
            refundArrived = true;
        }
    }

    /** Waits until the copy has the event with this sequence, and returns whether it has. */
    synchronized boolean awaitEvent(long sequence, Duration timeout) throws InterruptedException {
        Instant end = Instant.now().plus(timeout);
        while (lastSequence < sequence) {
            long millis = Duration.between(Instant.now(), end).toMillis();
            if (millis <= 0) {
                return false;
            }
            wait(millis);
        }
        return true;
    }

    synchronized String cursor() {
        return cursor;
    }

    synchronized long lastSequence() {
        return lastSequence;
    }

    synchronized Map<String, Integer> saleCounts() {
        return Map.copyOf(saleCounts);
    }

    synchronized boolean refundArrived() {
        return refundArrived;
    }

    synchronized List<String> faults() {
        return List.copyOf(faults);
    }
}

package dev.headwater.client;

import io.grpc.Status;
import java.util.stream.Collectors;

/** Makes the text of a failed call name its cause. gRPC's own text for a broken connection is only "io exception". */
final class StatusText {
    private static final int MOST_CAUSES = 10;

    private StatusText() {}

    /** Returns the status with the texts of its causes in its description, and without stack traces and their like. */
    static Status withCauses(Status status) {
        String text = status.getDescription() == null ? "" : status.getDescription();
        StringBuilder changed = new StringBuilder(text.lines()
                .filter(line -> !line.startsWith("\tat ") && !line.startsWith("\t... ") && !isPipeline(line))
                .collect(Collectors.joining(" ")));
        Throwable cause = status.getCause();
        for (int depth = 0; cause != null && depth < MOST_CAUSES; depth++) {
            String message = cause.getMessage();
            if (message != null && changed.indexOf(message) < 0) {
                changed.append(changed.isEmpty() ? "" : ": ").append(message);
            }
            cause = cause.getCause();
        }
        return status.withDescription(changed.isEmpty() ? null : changed.toString());
    }

    private static boolean isPipeline(String line) {
        return line.startsWith("Channel Pipeline: ");
    }
}

package dev.headwater.client;

import com.google.protobuf.Message;
import dev.headwater.v1.WatchConversionsResponse;
import dev.headwater.v1.WatchEventsResponse;

/**
 * One message of WatchEvents or WatchConversions. The content is one of Opened, EventBatch, Heartbeat, CaughtUp,
 * FellBehind and Draining. It is null if the server sent content that this client does not know.
 */
record FeedMessage(String cursor, Message content) {
    static FeedMessage of(WatchEventsResponse message) {
        Message content =
                switch (message.getContentCase()) {
                    case OPENED -> message.getOpened();
                    case BATCH -> message.getBatch();
                    case HEARTBEAT -> message.getHeartbeat();
                    case CAUGHT_UP -> message.getCaughtUp();
                    case FELL_BEHIND -> message.getFellBehind();
                    case DRAINING -> message.getDraining();
                    case CONTENT_NOT_SET -> null;
                };
        return new FeedMessage(message.getCursor(), content);
    }

    static FeedMessage of(WatchConversionsResponse message) {
        Message content =
                switch (message.getContentCase()) {
                    case OPENED -> message.getOpened();
                    case BATCH -> message.getBatch();
                    case HEARTBEAT -> message.getHeartbeat();
                    case CAUGHT_UP -> message.getCaughtUp();
                    case FELL_BEHIND -> message.getFellBehind();
                    case DRAINING -> message.getDraining();
                    case CONTENT_NOT_SET -> null;
                };
        return new FeedMessage(message.getCursor(), content);
    }
}

package dev.headwater.client;

import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Message;
import dev.headwater.v1.BatchItem;
import dev.headwater.v1.BatchRecordEventsRequest;
import dev.headwater.v1.RecordClickRequest;
import java.util.UUID;

/** Fills the id that makes a call safe to repeat. */
final class RequestId {
    private RequestId() {}

    /**
     * Returns the request with a random UUID in its empty request_id, or else the request itself.
     *
     * <p>A click's event_id is filled because the server allows an empty one, and so are those of the clicks of a batch.
     * The event_id of a lead, sale, refund or cancellation is never filled, because it is the merchant's.
     */
    @SuppressWarnings("unchecked") // The copy has the class of the request.
    static <Q> Q fill(Q request) {
        if (!(request instanceof Message message)) {
            return request;
        }
        if (message instanceof BatchRecordEventsRequest batch) {
            return (Q) fillClicks(batch);
        }
        String name = message instanceof RecordClickRequest ? "event_id" : "request_id";
        FieldDescriptor field = message.getDescriptorForType().findFieldByName(name);
        if (field == null || !message.getField(field).equals("")) {
            return request;
        }
        return (Q) message.toBuilder()
                .setField(field, UUID.randomUUID().toString())
                .build();
    }

    private static BatchRecordEventsRequest fillClicks(BatchRecordEventsRequest batch) {
        BatchRecordEventsRequest.Builder filled = batch.toBuilder();
        for (int index = 0; index < batch.getItemsCount(); index++) {
            BatchItem item = batch.getItems(index);
            if (item.hasClick()) {
                filled.setItems(index, item.toBuilder().setClick(fill(item.getClick())));
            }
        }
        return filled.build();
    }
}

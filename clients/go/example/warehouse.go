package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"headwater.dev/gen/headwater"
	hw "headwater.dev/gen/headwater/v1"
)

// warehouse is a reader of the feed. It stands for a database: apply is its transaction.
type warehouse struct {
	// cursor is stored with the results, so that a restart continues where it stopped.
	cursor       string
	lastSequence int64
	// sales counts how often each sale was in the feed, by event_id.
	sales      map[string]int
	reconnects int
}

func newWarehouse() *warehouse {
	return &warehouse{sales: map[string]int{}}
}

// follow reads the feed until the refund was booked against its sale, which is the last event of the story.
func (warehouse *warehouse) follow(ctx context.Context, client *headwater.Client) error {
	options := headwater.FollowOptions{
		Start: headwater.Resume(warehouse.cursor),
		OnReconnect: func(reason error, delay time.Duration) {
			warehouse.reconnects++
			log.Printf("reconnect in %s after: %v", delay.Round(time.Millisecond), reason)
		},
	}
	return client.Follow(ctx, options, func(_ context.Context, delivery headwater.Delivery) error {
		return warehouse.apply(delivery)
	})
}

// apply stores the effects of the events and the cursor. In a database both are written in one transaction:
//
//	INSERT INTO sales ...;
//	UPDATE reader SET cursor = $1;
//	COMMIT;
func (warehouse *warehouse) apply(delivery headwater.Delivery) error {
	isLast := false
	for _, event := range delivery.Events {
		if event.GetSequence() != warehouse.lastSequence+1 {
			return fmt.Errorf("event %d follows event %d", event.GetSequence(), warehouse.lastSequence)
		}
		warehouse.lastSequence = event.GetSequence()
		switch event.GetKind() {
		case hw.EventKind_EVENT_KIND_SALE_RECORDED:
			warehouse.sales[event.GetConversion().GetEventId()]++
		case hw.EventKind_EVENT_KIND_SALE_REFUNDED:
			isLast = true
		default:
			// Events of other kinds have no effect here. Their cursor is stored all the same.
		}
	}
	warehouse.cursor = delivery.Cursor
	if isLast {
		return headwater.ErrStop
	}
	return nil
}

// check compares the warehouse with the shop: every sale is there once, and the feed has nothing after the stored cursor.
func (warehouse *warehouse) check(ctx context.Context, client *headwater.Client, saleCount int) error {
	for number := 1; number <= saleCount; number++ {
		if times := warehouse.sales[saleEventID(number)]; times != 1 {
			return fmt.Errorf("the sale %s was in the feed %d times", saleEventID(number), times)
		}
	}
	if len(warehouse.sales) != saleCount {
		return fmt.Errorf("the feed has %d sales, not %d", len(warehouse.sales), saleCount)
	}
	page, err := client.Feed.ReadEvents(ctx, &hw.ReadEventsRequest{Start: headwater.Resume(warehouse.cursor)})
	if err != nil {
		return fmt.Errorf("read the end of the feed: %w", err)
	}
	if len(page.GetEvents()) != 0 || page.GetHeadCursor() != warehouse.cursor {
		return fmt.Errorf("the feed has %d events after the last one", len(page.GetEvents()))
	}
	return nil
}

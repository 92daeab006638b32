package headwater_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"

	"headwater.dev/gen/headwater"
	hw "headwater.dev/gen/headwater/v1"
)

func ExampleConnect() {
	ctx := context.Background()
	client, err := headwater.Connect(ctx, "headwater.internal:50051", os.Getenv("HEADWATER_KEY"), headwater.WithCAFile("/etc/ssl/own-ca.pem"))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	sale, err := client.Tracking.RecordSale(ctx, &hw.RecordSaleRequest{
		EventId: "charge-1",
		Email:   "anna@example.net",
		Amount:  &hw.Money{AmountMinor: 4800, CurrencyCode: "EUR"},
	})
	if failure := headwater.AsError(err); failure != nil && failure.Reason == hw.ErrorReason_ERROR_REASON_INVALID_FIELDS {
		for _, violation := range failure.Violations {
			fmt.Println(violation.Field, violation.Description)
		}
	}
	fmt.Println(sale.GetOutcome())
}

// The cursor is stored in the transaction that stores the effects of the events.
func ExampleClient_Follow() {
	follow := func(ctx context.Context, client *headwater.Client, database *sql.DB) error {
		var cursor string
		if err := database.QueryRowContext(ctx, "SELECT cursor FROM reader").Scan(&cursor); err != nil {
			return err
		}
		options := headwater.FollowOptions{Start: headwater.Resume(cursor)}
		return client.Follow(ctx, options, func(ctx context.Context, delivery headwater.Delivery) error {
			transaction, err := database.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer transaction.Rollback()
			for _, event := range delivery.Events {
				if event.GetKind() != hw.EventKind_EVENT_KIND_SALE_RECORDED {
					continue
				}
				sale := event.GetConversion()
				if _, err := transaction.ExecContext(ctx, "INSERT INTO sales (id, event_id) VALUES ($1, $2)", sale.GetId(), sale.GetEventId()); err != nil {
					return err
				}
			}
			if _, err := transaction.ExecContext(ctx, "UPDATE reader SET cursor = $1", delivery.Cursor); err != nil {
				return err
			}
			return transaction.Commit()
		})
	}
	_ = follow
}

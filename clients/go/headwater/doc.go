// Package headwater is the Go client of Headwater, a self-hosted affiliate and referral engine.
//
// [Connect] makes a [Client], which has the generated stub of each service. Requests and answers are the generated messages of
// package headwaterv1, which is usually imported as hw:
//
//	client, err := headwater.Connect(ctx, "headwater.internal:50051", key)
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	sale, err := client.Tracking.RecordSale(ctx, &hw.RecordSaleRequest{
//		EventId: "charge-1",
//		Email:   "anna@example.net",
//		Amount:  &hw.Money{AmountMinor: 4800, CurrencyCode: "EUR"},
//	})
//
// # Defaults of each call
//
//   - Deadline: a unary call whose context has no deadline gets one of 10 seconds, a long poll its max_wait and 5 seconds.
//     VerifyLedger and streams get none.
//   - Idempotency: an empty request_id is filled with a random UUID, and so is the event_id of a click. The request that you pass
//     is not changed. The event_id of leads, sales, refunds and cancellations is yours.
//   - Repeats: a call that fails with UNAVAILABLE or RESOURCE_EXHAUSTED is repeated up to four times, after the delay that the
//     server names. The server says in the trailer grpc-retry-pushback-ms when a repeat cannot help. While the server is down,
//     calls wait for it until their deadline.
//   - Errors: each failed call returns an [*Error] with the reason, all wrong fields and the id of the call in the server's log.
//
// # The feed
//
// [Client.Follow] calls a handler with the events in order, and with the cursor to store in the same transaction as their effects.
// It reconnects by itself, and returns only if continuing makes no sense.
package headwater

package headwater

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	hw "headwater.dev/gen/headwater/v1"
)

// longPollMargin is what the deadline of a long poll has beyond its max_wait.
const longPollMargin = 5 * time.Second

// serviceConfig has gRPC's rules for repeats. RESOURCE_EXHAUSTED is repeated because the server's trailer grpc-retry-pushback-ms
// says when a repeat cannot help: a message that is too large has -1 there. Streams have no rule, because followers reconnect.
// The throttling must allow that all calls of a full connection, 256 by the server's default, fail at once when the server restarts.
const serviceConfig = `{
	"methodConfig": [
		{
			"name": [
				{"service": "headwater.v1.AccountService"},
				{"service": "headwater.v1.AffiliateService"},
				{"service": "headwater.v1.FeedService"},
				{"service": "headwater.v1.RewardService"},
				{"service": "headwater.v1.TrackingService"}
			],
			"waitForReady": true,
			"retryPolicy": {
				"maxAttempts": 5,
				"initialBackoff": "0.1s",
				"maxBackoff": "5s",
				"backoffMultiplier": 2,
				"retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]
			}
		},
		{
			"name": [
				{"service": "headwater.v1.FeedService", "method": "WatchEvents"},
				{"service": "headwater.v1.TrackingService", "method": "WatchConversions"}
			],
			"waitForReady": true
		}
	],
	"retryThrottling": {"maxTokens": 1000, "tokenRatio": 1}
}`

// withDeadline gives a deadline to unary calls that have none.
func withDeadline(timeout time.Duration) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, request, answer any, connection *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
		if _, has := ctx.Deadline(); !has && method != hw.RewardService_VerifyLedger_FullMethodName {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, timeoutFor(request, timeout))
			defer cancel()
		}
		return invoke(ctx, method, request, answer, connection, options...)
	}
}

func timeoutFor(request any, timeout time.Duration) time.Duration {
	if poll, ok := request.(*hw.ReadEventsRequest); ok && poll.GetMaxWait() != nil {
		return max(timeout, poll.GetMaxWait().AsDuration()+longPollMargin)
	}
	return timeout
}

// withRequestID makes writes safe to repeat. Interceptors run once for all attempts of a call, so each attempt has the same id.
func withRequestID(ctx context.Context, method string, request, answer any, connection *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	if message, ok := request.(proto.Message); ok {
		request = fillRequestID(message)
	}
	return invoke(ctx, method, request, answer, connection, options...)
}

// fillRequestID returns the request with its ids filled: a copy if something was empty, else the request itself.
func fillRequestID(request proto.Message) proto.Message {
	switch request := request.(type) {
	case *hw.RecordClickRequest:
		if request.GetEventId() == "" {
			request = proto.CloneOf(request)
			request.EventId = newUUID()
		}
		return request
	case *hw.BatchRecordEventsRequest:
		request = proto.CloneOf(request)
		for _, item := range request.GetItems() {
			if click := item.GetClick(); click != nil && click.GetEventId() == "" {
				click.EventId = newUUID()
			}
		}
		return request
	}
	field := request.ProtoReflect().Descriptor().Fields().ByName("request_id")
	if field == nil || request.ProtoReflect().Get(field).String() != "" {
		return request
	}
	request = proto.Clone(request)
	request.ProtoReflect().Set(field, protoreflect.ValueOfString(newUUID()))
	return request
}

// newUUID makes a random UUID, version 4 of RFC 9562.
func newUUID() string {
	var bytes [16]byte
	rand.Read(bytes[:]) // Never fails: it ends the program if the system has no randomness.
	bytes[6] = bytes[6]&0x0f | 0x40
	bytes[8] = bytes[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", bytes[0:4], bytes[4:6], bytes[6:8], bytes[8:10], bytes[10:16])
}

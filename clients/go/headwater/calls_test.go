package headwater

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	hw "headwater.dev/gen/headwater/v1"
)

var uuidPattern = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestRequestIDIsFilledOnACopy(t *testing.T) {
	request := &hw.CreateLinkRequest{Code: "spring"}
	filled := fillRequestID(request).(*hw.CreateLinkRequest)
	if request.GetRequestId() != "" {
		t.Error("the caller's request was changed")
	}
	if !uuidPattern.MatchString(filled.GetRequestId()) || filled.GetCode() != "spring" {
		t.Errorf("got %v", filled)
	}
}

func TestIdsOfTheCallerStay(t *testing.T) {
	for _, request := range []proto.Message{
		&hw.CreateLinkRequest{RequestId: "mine"},
		&hw.RecordClickRequest{EventId: "mine"},
		&hw.RecordSaleRequest{},
		&hw.RecordLeadRequest{},
		&hw.RecordRefundRequest{},
		&hw.RecordCancellationRequest{},
		&hw.GetLinkRequest{},
	} {
		if filled := fillRequestID(request); filled != request {
			t.Errorf("%s was copied: %v", request.ProtoReflect().Descriptor().Name(), filled)
		}
	}
}

func TestClicksGetAnEventID(t *testing.T) {
	if click := fillRequestID(&hw.RecordClickRequest{}).(*hw.RecordClickRequest); !uuidPattern.MatchString(click.GetEventId()) {
		t.Errorf("got %v", click)
	}
	items := []*hw.BatchItem{
		{Item: &hw.BatchItem_Click{Click: &hw.RecordClickRequest{RefId: "lena"}}},
		{Item: &hw.BatchItem_Sale{Sale: &hw.RecordSaleRequest{}}},
	}
	filled := fillRequestID(&hw.BatchRecordEventsRequest{Items: items}).(*hw.BatchRecordEventsRequest).GetItems()
	if !uuidPattern.MatchString(filled[0].GetClick().GetEventId()) || filled[1].GetSale().GetEventId() != "" || items[0].GetClick().GetEventId() != "" {
		t.Errorf("got %v from %v", filled, items)
	}
}

func TestDeadlines(t *testing.T) {
	const timeout = 10 * time.Second
	own, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	for _, test := range []struct {
		name     string
		ctx      context.Context
		method   string
		request  any
		expected time.Duration // Zero: none.
	}{
		{"unary call", t.Context(), hw.TrackingService_RecordSale_FullMethodName, &hw.RecordSaleRequest{}, timeout},
		{"deadline of the caller", own, hw.TrackingService_RecordSale_FullMethodName, &hw.RecordSaleRequest{}, time.Hour},
		{"page without wait", t.Context(), hw.FeedService_ReadEvents_FullMethodName, &hw.ReadEventsRequest{}, timeout},
		{"long poll", t.Context(), hw.FeedService_ReadEvents_FullMethodName, &hw.ReadEventsRequest{MaxWait: durationpb.New(30 * time.Second)}, 35 * time.Second},
		{"audit", t.Context(), hw.RewardService_VerifyLedger_FullMethodName, &hw.VerifyLedgerRequest{}, 0},
	} {
		invoke := func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
			deadline, has := ctx.Deadline()
			if has != (test.expected != 0) || has && (time.Until(deadline)-test.expected).Abs() > time.Minute/30 {
				t.Errorf("%s: the deadline is in %s, not in %s", test.name, time.Until(deadline), test.expected)
			}
			return nil
		}
		if err := withDeadline(timeout)(test.ctx, test.method, test.request, nil, nil, invoke); err != nil {
			t.Error(err)
		}
	}
}

func TestRepeats(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		code     codes.Code
		reason   string
		pushback string
		attempts int
	}{
		{"server is stopping", codes.Unavailable, "UNAVAILABLE", "10", 3},
		{"queue is full", codes.ResourceExhausted, "OVERLOADED", "10", 3},
		{"too large", codes.ResourceExhausted, "MESSAGE_TOO_LARGE", "-1", 1},
		{"wrong fields", codes.InvalidArgument, "INVALID_FIELDS", "-1", 1},
		{"etag", codes.Aborted, "ETAG_MISMATCH", "-1", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var ids []string
			fake := &fakeServer{createLink: func(ctx context.Context, request *hw.CreateLinkRequest) error {
				ids = append(ids, request.GetRequestId())
				if len(ids) == 3 {
					return nil
				}
				return failure(ctx, test.code, test.reason, test.pushback)
			}}
			_, err := fake.client(t).Affiliates.CreateLink(t.Context(), &hw.CreateLinkRequest{})
			if len(ids) != test.attempts || (err == nil) != (test.attempts == 3) {
				t.Fatalf("%d attempts, then: %v", len(ids), err)
			}
			for _, id := range ids {
				if id == "" || id != ids[0] {
					t.Errorf("the attempts have the ids %q", ids)
				}
			}
			if failure := AsError(err); err != nil && (failure.ReasonName != test.reason || status.Code(err) != test.code) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestErrorAfterTheLastRepeat(t *testing.T) {
	t.Parallel()
	attempts := 0
	fake := &fakeServer{createLink: func(ctx context.Context, _ *hw.CreateLinkRequest) error {
		attempts++
		return failure(ctx, codes.ResourceExhausted, "OVERLOADED", "1")
	}}
	_, err := fake.client(t).Affiliates.CreateLink(t.Context(), &hw.CreateLinkRequest{})
	failure := AsError(err)
	if attempts != 5 || failure == nil || failure.Reason != hw.ErrorReason_ERROR_REASON_OVERLOADED || !failure.Temporary() {
		t.Fatalf("%d attempts, then: %v", attempts, err)
	}
	if failure.Message != "the message" || failure.RequestID != "call-1" {
		t.Errorf("got %q, %q", failure.Message, failure.RequestID)
	}
}

func TestRepeatWaitsForTheDelayOfTheServer(t *testing.T) {
	t.Parallel()
	var times []time.Time
	fake := &fakeServer{createLink: func(ctx context.Context, _ *hw.CreateLinkRequest) error {
		times = append(times, time.Now())
		if len(times) == 2 {
			return nil
		}
		return failure(ctx, codes.ResourceExhausted, "OVERLOADED", "700")
	}}
	if _, err := fake.client(t).Affiliates.CreateLink(t.Context(), &hw.CreateLinkRequest{}); err != nil {
		t.Fatal(err)
	}
	if waited := times[1].Sub(times[0]); waited < 700*time.Millisecond {
		t.Errorf("repeated after %s", waited)
	}
}

// A restart of the server fails all calls of a connection at once. Each of them must be repeated.
func TestAllCallsOfAConnectionAreRepeated(t *testing.T) {
	t.Parallel()
	var lock sync.Mutex
	attempts := map[string]int{}
	fake := &fakeServer{createLink: func(ctx context.Context, request *hw.CreateLinkRequest) error {
		lock.Lock()
		defer lock.Unlock()
		attempts[request.GetRequestId()]++
		if attempts[request.GetRequestId()] == 1 {
			return failure(ctx, codes.Unavailable, "UNAVAILABLE", "1")
		}
		return nil
	}}
	client := fake.client(t)
	var calls sync.WaitGroup
	for range 256 {
		calls.Go(func() {
			if _, err := client.Affiliates.CreateLink(t.Context(), &hw.CreateLinkRequest{}); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	if len(attempts) != 256 {
		t.Errorf("got %d calls", len(attempts))
	}
}

func TestDeadlineNamesTheCauseWhileTheServerIsDown(t *testing.T) {
	t.Parallel()
	fake := &fakeServer{createLink: func(context.Context, *hw.CreateLinkRequest) error { return nil }}
	client := fake.client(t)
	fake.server.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := client.Affiliates.CreateLink(ctx, &hw.CreateLinkRequest{})
	if status.Code(err) != codes.DeadlineExceeded || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v", err)
	}
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		t.Errorf("errors.Is does not recognise %v", err)
	}
}

func TestCancelledCall(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	fake := &fakeServer{createLink: func(ctx context.Context, _ *hw.CreateLinkRequest) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}}
	_, err := fake.client(t).Affiliates.CreateLink(ctx, &hw.CreateLinkRequest{})
	if !errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || AsError(err).Temporary() {
		t.Errorf("got %v", err)
	}
}

package headwater

import (
	"context"
	"errors"
	"io"
	"reflect"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hw "headwater.dev/gen/headwater/v1"
)

// script is what the fake does with one stream after the other: it sends the messages, then ends the stream with end. The last
// stream stays open if end is nil.
type script []struct {
	messages []*hw.WatchEventsResponse
	end      func(ctx context.Context) error
}

// orderly ends a stream with OK.
func orderly(context.Context) error { return nil }

// fakeFeed plays the script. It returns the client, and the starts that were asked for.
func fakeFeed(t *testing.T, script script) (*Client, *[]string) {
	t.Helper()
	starts := &[]string{}
	fake := &fakeServer{watchEvents: func(request *hw.WatchEventsRequest, stream grpc.ServerStreamingServer[hw.WatchEventsResponse]) error {
		scene := script[len(*starts)]
		*starts = append(*starts, request.GetStart().GetAfterCursor())
		for _, message := range scene.messages {
			if err := stream.Send(message); err != nil {
				return err
			}
		}
		if scene.end == nil {
			<-stream.Context().Done()
			return stream.Context().Err()
		}
		return scene.end(stream.Context())
	}}
	return fake.client(t), starts
}

// recorder keeps what the handler was given, and stops after the event with the sequence last.
type recorder struct {
	last      int64
	sequences []int64
	cursors   []string
}

func (recorder *recorder) handle(_ context.Context, delivery Delivery) error {
	recorder.cursors = append(recorder.cursors, delivery.Cursor)
	for _, event := range delivery.Events {
		recorder.sequences = append(recorder.sequences, event.GetSequence())
		if event.GetSequence() == recorder.last {
			return ErrStop
		}
	}
	return nil
}

func expect(t *testing.T, what string, got, expected any) {
	t.Helper()
	if !reflect.DeepEqual(got, expected) {
		t.Errorf("%s: got %v, expected %v", what, got, expected)
	}
}

func TestFollowResumesAfterEachEnd(t *testing.T) {
	t.Parallel()
	client, starts := fakeFeed(t, script{
		{[]*hw.WatchEventsResponse{opened("c0", time.Minute), batch("c2", 1, 2), caughtUp("c2"), heartbeat("c2"), heartbeat("c3")}, orderly},
		{nil, func(ctx context.Context) error { return status.Error(codes.Unauthenticated, "a proxy says no") }},
		{nil, func(ctx context.Context) error { return failure(ctx, codes.Unavailable, "UNAVAILABLE", "") }},
		{[]*hw.WatchEventsResponse{opened("c3", time.Minute), batch("c4", 3), draining("c5", time.Millisecond)}, orderly},
		{[]*hw.WatchEventsResponse{opened("c5", time.Minute), batch("c6", 4)}, nil},
	})
	recorder := recorder{last: 4}
	var reasons []codes.Code
	err := client.Follow(t.Context(), FollowOptions{
		Start: Resume(""),
		OnReconnect: func(reason error, _ time.Duration) {
			if errors.Is(reason, io.EOF) {
				reason = nil
			}
			reasons = append(reasons, status.Code(reason))
		},
	}, recorder.handle)
	expect(t, "the error", err, nil)
	expect(t, "the starts", *starts, []string{"", "c3", "c3", "c3", "c5"})
	expect(t, "the events", recorder.sequences, []int64{1, 2, 3, 4})
	// A heartbeat is delivered if it moves the cursor; caught_up always.
	expect(t, "the cursors", recorder.cursors, []string{"c0", "c2", "c2", "c3", "c4", "c5", "c6"})
	expect(t, "the reasons", reasons, []codes.Code{codes.OK, codes.Unauthenticated, codes.Unavailable, codes.OK})
}

func TestFollowStopsByReasonAlone(t *testing.T) {
	t.Parallel()
	for _, reason := range []hw.ErrorReason{
		hw.ErrorReason_ERROR_REASON_KEY_MISSING, hw.ErrorReason_ERROR_REASON_KEY_INVALID, hw.ErrorReason_ERROR_REASON_KEY_KIND_NOT_ALLOWED,
		hw.ErrorReason_ERROR_REASON_INVALID_FIELDS, hw.ErrorReason_ERROR_REASON_METHOD_UNKNOWN, hw.ErrorReason_ERROR_REASON_CURSOR_MALFORMED,
		hw.ErrorReason_ERROR_REASON_CURSOR_FOREIGN, hw.ErrorReason_ERROR_REASON_CURSOR_EXPIRED, hw.ErrorReason_ERROR_REASON_CURSOR_AHEAD_OF_HEAD,
		hw.ErrorReason_ERROR_REASON_CURSOR_OF_ANOTHER_HISTORY,
	} {
		name := reason.String()[len("ERROR_REASON_"):]
		client, starts := fakeFeed(t, script{
			{nil, func(ctx context.Context) error { return failure(ctx, codes.Unavailable, name, "-1") }}, // The code does not matter.
		})
		err := client.Follow(t.Context(), FollowOptions{Start: Resume("c1")}, (&recorder{}).handle)
		expect(t, "the reason", ReasonOf(err), reason)
		expect(t, "the starts", *starts, []string{"c1"})
	}
	final := 0
	for _, number := range hw.ErrorReason_value {
		if isFinal(&Error{Reason: hw.ErrorReason(number)}) {
			final++
		}
	}
	expect(t, "the number of reasons that stop the follower", final, 10)
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		if isFinal(newError(status.New(code, "no reason"), nil)) {
			t.Errorf("%s stops the follower without a reason", code)
		}
	}
}

func TestFollowNoticesSilence(t *testing.T) {
	t.Parallel()
	client, starts := fakeFeed(t, script{
		{[]*hw.WatchEventsResponse{opened("c0", 200*time.Millisecond), batch("c1", 1)}, nil},
		{[]*hw.WatchEventsResponse{opened("c1", time.Minute), batch("c2", 2)}, nil},
	})
	recorder := recorder{last: 2}
	var reason error
	options := FollowOptions{Start: Resume(""), OnReconnect: func(end error, _ time.Duration) { reason = end }}
	expect(t, "the error", client.Follow(t.Context(), options, recorder.handle), nil)
	expect(t, "the starts", *starts, []string{"", "c1"})
	expect(t, "the reason", errors.Is(reason, errSilent), true)
}

func TestFollowDoesNotCountTheHandlerAsSilence(t *testing.T) {
	t.Parallel()
	client, starts := fakeFeed(t, script{{[]*hw.WatchEventsResponse{opened("c0", 200*time.Millisecond), batch("c1", 1), batch("c2", 2)}, nil}})
	err := client.Follow(t.Context(), FollowOptions{Start: Resume("")}, func(_ context.Context, delivery Delivery) error {
		if delivery.Cursor == "c2" {
			return ErrStop
		}
		time.Sleep(time.Second) // The watchdog waits for 600 ms.
		return nil
	})
	expect(t, "the error", err, nil)
	expect(t, "the starts", *starts, []string{""})
}

func TestFollowWaitsAsLongAsTheServerSays(t *testing.T) {
	t.Parallel()
	client, _ := fakeFeed(t, script{
		{[]*hw.WatchEventsResponse{opened("c0", time.Minute), draining("c0", 500*time.Millisecond)}, orderly},
		{[]*hw.WatchEventsResponse{opened("c0", time.Minute), batch("c1", 1)}, nil},
	})
	var delay time.Duration
	options := FollowOptions{Start: Resume(""), OnReconnect: func(_ error, d time.Duration) { delay = d }}
	begun := time.Now()
	expect(t, "the error", client.Follow(t.Context(), options, (&recorder{last: 1}).handle), nil)
	if delay < 500*time.Millisecond || delay > time.Second || time.Since(begun) < delay {
		t.Errorf("the delay was %s, and %s passed", delay, time.Since(begun))
	}
}

func TestFollowKeepsTheCursorOfWhatTheHandlerRefused(t *testing.T) {
	t.Parallel()
	client, _ := fakeFeed(t, script{{[]*hw.WatchEventsResponse{opened("c0", time.Minute), batch("c1", 1)}, nil}})
	broken := errors.New("the disk is full")
	follower := follower{feed: client.Feed, start: Resume(""), handle: func(_ context.Context, delivery Delivery) error {
		if len(delivery.Events) > 0 {
			return broken
		}
		return nil
	}}
	expect(t, "the error", follower.run(t.Context()), broken)
	expect(t, "the cursor", follower.start.GetAfterCursor(), "c0")
}

func TestFollowEndsWithItsContext(t *testing.T) {
	t.Parallel()
	client, _ := fakeFeed(t, script{{[]*hw.WatchEventsResponse{opened("c0", time.Minute), caughtUp("c0")}, nil}})
	ctx, cancel := context.WithCancel(t.Context())
	err := client.Follow(ctx, FollowOptions{Start: Resume("")}, func(_ context.Context, delivery Delivery) error {
		if delivery.CaughtUp {
			cancel()
		}
		return nil
	})
	expect(t, "the error", err, context.Canceled)
}

func TestCloseEndsFollowers(t *testing.T) {
	t.Parallel()
	for name, scene := range map[string]script{
		"idle": {{messages: []*hw.WatchEventsResponse{opened("c1", time.Minute)}}},
		"waits to reconnect": {{
			messages: []*hw.WatchEventsResponse{opened("c1", time.Minute), draining("c1", time.Minute)},
			end:      orderly,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, _ := fakeFeed(t, scene)
			begun := time.Now()
			err := client.Follow(t.Context(), FollowOptions{Start: Resume("")}, func(context.Context, Delivery) error {
				time.AfterFunc(200*time.Millisecond, func() { client.Close() })
				return nil
			})
			if err != ErrClosed || time.Since(begun) > 10*time.Second {
				t.Errorf("got %v after %s", err, time.Since(begun))
			}
		})
	}
}

func TestFollowAfterClose(t *testing.T) {
	t.Parallel()
	client, starts := fakeFeed(t, nil)
	client.Close()
	if err := client.Follow(t.Context(), FollowOptions{Start: Resume("")}, nil); err != ErrClosed || len(*starts) != 0 {
		t.Errorf("got %v", err)
	}
}

func TestFollowConversions(t *testing.T) {
	t.Parallel()
	fake := &fakeServer{watchConversions: func(request *hw.WatchConversionsRequest, stream grpc.ServerStreamingServer[hw.WatchConversionsResponse]) error {
		events := &hw.EventBatch{Events: []*hw.Event{{Sequence: 8}}}
		return stream.Send(&hw.WatchConversionsResponse{Cursor: "c8", Content: &hw.WatchConversionsResponse_Batch{Batch: events}})
	}}
	recorder := recorder{last: 8}
	options := FollowOptions{Start: FromLatest(), ConversionsOnly: true}
	expect(t, "the error", fake.client(t).Follow(t.Context(), options, recorder.handle), nil)
	expect(t, "the cursors", recorder.cursors, []string{"c8"})
}

func TestReconnectDelayGrowsToItsLimit(t *testing.T) {
	follower := follower{}
	for _, longest := range []time.Duration{200, 400, 800, 1600, 3200, 6400, 10000, 10000} {
		longest *= time.Millisecond
		if delay := follower.nextDelay(io.EOF); delay > longest || delay < longest/2 {
			t.Errorf("the delay is %s, not %s to %s", delay, longest/2, longest)
		}
	}
}

package headwater

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	hw "headwater.dev/gen/headwater/v1"
)

const (
	// defaultHeartbeatDelay is the server's default, and what the watchdog assumes until the stream says what it uses.
	defaultHeartbeatDelay = 15 * time.Second
	// silentHeartbeats is how many heartbeats a stream may miss before it counts as dead.
	silentHeartbeats = 3
	// The delay before a reconnect doubles from the first to the longest, and is reduced by a random part of up to a half.
	firstReconnectDelay   = 200 * time.Millisecond
	longestReconnectDelay = 10 * time.Second
)

// ErrStop is what a [Handler] returns to end [Client.Follow] without an error. The delivery counts as handled.
var ErrStop = errors.New("headwater: stop following")

// Delivery is what a message of the feed brings.
type Delivery struct {
	// Events are the next events, in order. There are none if the message only moves the cursor, as a heartbeat may.
	Events []*hw.Event
	// Cursor is the place after these events. Store it in the transaction that stores the effects of the events. Then a crash
	// neither loses nor repeats an event. Start again with [Resume].
	Cursor string
	// CaughtUp is true in the delivery that says that the reader has reached the newest event.
	CaughtUp bool
}

// Handler handles a delivery, and stores its cursor. Deliveries come one after the other. The context is that of Follow. An error
// ends Follow, which returns it. A handler that takes longer than the server's limit, 30 seconds by default, costs a reconnect.
type Handler func(ctx context.Context, delivery Delivery) error

// FollowOptions says what to follow.
type FollowOptions struct {
	// Start is the place to start from, see [Resume]. Required.
	Start *hw.FeedStart
	// Filter selects events. Nil: all. It may change from one Follow to the next, because cursors do not depend on it.
	Filter *hw.EventFilter
	// ConversionsOnly follows TrackingService.WatchConversions in place of FeedService.WatchEvents.
	ConversionsOnly bool
	// HeartbeatDelay is how long the stream may be silent before the server sends a heartbeat, 5 to 60 seconds. Zero: 15 seconds.
	// Follow reconnects after three times this delay without a message.
	HeartbeatDelay time.Duration
	// MaxBatchSize is the largest number of events in a delivery, up to 1,000. Zero: 100.
	MaxBatchSize int32
	// OnReconnect is called before each reconnect with the reason, and with the delay until then. Optional; meant for logs and
	// metrics. The reason is io.EOF if the server ended the stream in an orderly way.
	OnReconnect func(reason error, delay time.Duration)
}

// Resume starts after a stored cursor. An empty cursor, that of a reader that has stored none yet, starts at the beginning.
func Resume(cursor string) *hw.FeedStart {
	if cursor == "" {
		return &hw.FeedStart{Place: &hw.FeedStart_Position{Position: hw.FeedPosition_FEED_POSITION_BEGINNING}}
	}
	return &hw.FeedStart{Place: &hw.FeedStart_AfterCursor{AfterCursor: cursor}}
}

// FromLatest starts after the newest event.
func FromLatest() *hw.FeedStart {
	return &hw.FeedStart{Place: &hw.FeedStart_Position{Position: hw.FeedPosition_FEED_POSITION_LATEST}}
}

// FromTime starts before the first event that was committed at this time or later.
func FromTime(commitTime time.Time) *hw.FeedStart {
	return &hw.FeedStart{Place: &hw.FeedStart_CommitTime{CommitTime: timestamppb.New(commitTime)}}
}

// Follow reads the feed on a connection of its own, and calls handle with the events in order. It returns
//
//   - nil, if handle returned [ErrStop];
//   - the error of handle, if it returned another one;
//   - the error of ctx, if ctx ended;
//   - [ErrClosed], if the client was closed;
//   - an [*Error], if its reason says that a reconnect cannot help: the key was refused, the request is wrong, or the server cannot
//     continue after the cursor. With CURSOR_EXPIRED, events were missed. Decide how to make up for them before you start again.
//
// After any other end of the stream it reconnects from the last delivery that was handled, with a growing, random delay or the delay
// that the server named. Inside one Follow no event is lost or repeated.
func (client *Client) Follow(ctx context.Context, options FollowOptions, handle Handler) error {
	connection, err := client.dial()
	if err != nil {
		return fmt.Errorf("headwater: follow the feed: %w", err)
	}
	defer connection.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(client.closed, func() { cancel(ErrClosed) })()
	follower := follower{
		options:  options,
		handle:   handle,
		start:    options.Start,
		feed:     hw.NewFeedServiceClient(connection),
		tracking: hw.NewTrackingServiceClient(connection),
	}
	return follower.run(ctx)
}

type follower struct {
	options  FollowOptions
	handle   Handler
	start    *hw.FeedStart
	feed     hw.FeedServiceClient
	tracking hw.TrackingServiceClient
	// cursor is that of the last delivery that was handled.
	cursor string
	// failures counts the streams in a row that brought no message after the first.
	failures int
	// reconnectDelay is what the server named when it drained the stream.
	reconnectDelay time.Duration
}

// errSilent is why the watchdog ends a stream.
var errSilent = errors.New("headwater: no message for three times the heartbeat delay")

// handlerError marks an error of the handler, which ends the follower.
type handlerError struct{ error }

// run reads streams until one ends for good.
func (follower *follower) run(ctx context.Context) error {
	for {
		err := follower.readStream(ctx)
		var fromHandler handlerError
		switch {
		case errors.As(err, &fromHandler) && errors.Is(fromHandler.error, ErrStop):
			return nil
		case errors.As(err, &fromHandler):
			return fromHandler.error
		case ctx.Err() != nil:
			return endOf(ctx)
		case isFinal(err):
			return err
		}
		delay := follower.nextDelay(err)
		if follower.options.OnReconnect != nil {
			follower.options.OnReconnect(err, delay)
		}
		select {
		case <-ctx.Done():
			return endOf(ctx)
		case <-time.After(delay):
		}
	}
}

// endOf returns why the context of Follow ended: ErrClosed, or the error of the caller's context.
func endOf(ctx context.Context) error {
	if context.Cause(ctx) == ErrClosed {
		return ErrClosed
	}
	return ctx.Err()
}

// readStream opens a stream and handles its messages. It returns why the stream ended, never nil.
func (follower *follower) readStream(ctx context.Context) error {
	streamContext, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	limit := silentHeartbeats * max(defaultHeartbeatDelay, follower.options.HeartbeatDelay)
	silence := time.AfterFunc(limit, func() { cancel(errSilent) })
	defer silence.Stop()

	follower.reconnectDelay = 0
	receive, err := follower.open(streamContext)
	for err == nil {
		var message feedMessage
		if message, err = receive(); err != nil {
			break
		}
		silence.Stop()
		if message.GetOpened() == nil {
			follower.failures = 0 // A stream that only opens is no success, or a fault after that would be tried without end.
		}
		if opened := message.GetOpened(); opened.GetHeartbeatDelay().AsDuration() > 0 {
			limit = silentHeartbeats * opened.GetHeartbeatDelay().AsDuration()
		}
		if draining := message.GetDraining(); draining != nil {
			follower.reconnectDelay = draining.GetReconnectDelay().AsDuration()
		}
		if err := follower.deliver(ctx, message); err != nil {
			return handlerError{err}
		}
		silence.Reset(limit)
	}
	if context.Cause(streamContext) == errSilent {
		return fmt.Errorf("%w: %w", errSilent, err) // err has the cause if the stream waited for a connection.
	}
	return err
}

// deliver hands a message to the handler, unless it has nothing new, and then keeps its cursor.
func (follower *follower) deliver(ctx context.Context, message feedMessage) error {
	delivery := Delivery{Events: message.GetBatch().GetEvents(), Cursor: message.GetCursor(), CaughtUp: message.GetCaughtUp() != nil}
	if delivery.Cursor == "" {
		delivery.Cursor = follower.cursor // The server sets it always. Without this guard, Resume would start at the beginning.
	}
	if len(delivery.Events) == 0 && !delivery.CaughtUp && delivery.Cursor == follower.cursor {
		return nil
	}
	if err := follower.handle(ctx, delivery); err != nil {
		return err
	}
	follower.cursor = delivery.Cursor
	if delivery.Cursor != "" {
		follower.start = Resume(delivery.Cursor)
	}
	return nil
}

// feedMessage is a message of either stream.
type feedMessage interface {
	GetCursor() string
	GetOpened() *hw.Opened
	GetBatch() *hw.EventBatch
	GetCaughtUp() *hw.CaughtUp
	GetDraining() *hw.Draining
}

// open opens the stream and returns the function that reads its next message.
func (follower *follower) open(ctx context.Context) (func() (feedMessage, error), error) {
	options := &follower.options
	var heartbeatDelay *durationpb.Duration
	if options.HeartbeatDelay != 0 {
		heartbeatDelay = durationpb.New(options.HeartbeatDelay)
	}
	if options.ConversionsOnly {
		stream, err := follower.tracking.WatchConversions(ctx, &hw.WatchConversionsRequest{
			Start: follower.start, Filter: options.Filter, HeartbeatDelay: heartbeatDelay, MaxBatchSize: options.MaxBatchSize,
		})
		return func() (feedMessage, error) { return stream.Recv() }, err
	}
	stream, err := follower.feed.WatchEvents(ctx, &hw.WatchEventsRequest{
		Start: follower.start, Filter: options.Filter, HeartbeatDelay: heartbeatDelay, MaxBatchSize: options.MaxBatchSize,
	})
	return func() (feedMessage, error) { return stream.Recv() }, err
}

// isFinal reports whether a reconnect cannot help. Only the server's reason says so. A code alone may come from something in
// between, such as a proxy that restarts.
func isFinal(err error) bool {
	switch ReasonOf(err) {
	case hw.ErrorReason_ERROR_REASON_KEY_MISSING,
		hw.ErrorReason_ERROR_REASON_KEY_INVALID,
		hw.ErrorReason_ERROR_REASON_KEY_KIND_NOT_ALLOWED,
		hw.ErrorReason_ERROR_REASON_INVALID_FIELDS,
		hw.ErrorReason_ERROR_REASON_METHOD_UNKNOWN,
		hw.ErrorReason_ERROR_REASON_CURSOR_MALFORMED,
		hw.ErrorReason_ERROR_REASON_CURSOR_FOREIGN,
		hw.ErrorReason_ERROR_REASON_CURSOR_EXPIRED,
		hw.ErrorReason_ERROR_REASON_CURSOR_AHEAD_OF_HEAD,
		hw.ErrorReason_ERROR_REASON_CURSOR_OF_ANOTHER_HISTORY:
		return true
	}
	return false
}

// nextDelay returns how long to wait before the next stream: the growing delay, and before it what the server named.
func (follower *follower) nextDelay(err error) time.Duration {
	delay := min(firstReconnectDelay<<min(follower.failures, 6), longestReconnectDelay)
	follower.failures++
	delay -= rand.N(delay / 2)
	named := follower.reconnectDelay
	if failure := AsError(err); failure != nil {
		if retryDelay, has := failure.RetryDelay(); has {
			named = max(named, retryDelay)
		}
	}
	return named + delay
}

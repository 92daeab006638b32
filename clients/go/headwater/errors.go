package headwater

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	hw "headwater.dev/gen/headwater/v1"
)

// errorDomain is the domain of the server's reasons. An ErrorInfo of another domain was made by something in between.
const errorDomain = "headwater.dev"

// Error is why a call failed. Get it from any error of this package with errors.As or [AsError].
type Error struct {
	// Code is the gRPC code.
	Code codes.Code
	// Message says what is wrong and how to fix it.
	Message string
	// Reason is the server's reason. It is ERROR_REASON_UNSPECIFIED if the error is not from the server, for example because there is
	// no connection, and if the reason is newer than this client.
	Reason hw.ErrorReason
	// ReasonName is the reason as it was sent, without the prefix ERROR_REASON_, also if it is newer than this client.
	ReasonName string
	// Violations are all wrong fields of the request.
	Violations []Violation
	// Metadata has the facts that ErrorReason names for each reason, such as earliest_cursor.
	Metadata map[string]string
	// RequestID is the id of the call in the server's log. It is not the request_id of the request.
	RequestID string

	retryDelay *time.Duration
	status     *status.Status
}

// Violation is one wrong field of a request.
type Violation struct {
	// Field is the path of the field, such as amount.amount_minor or reward_ids[3].
	Field string
	// Description says how to fix it.
	Description string
}

// AsError returns the first [Error] in the chain of err, or nil.
func AsError(err error) *Error {
	var failure *Error
	if errors.As(err, &failure) {
		return failure
	}
	return nil
}

// ReasonOf returns the server's reason in err, and ERROR_REASON_UNSPECIFIED if there is none.
func ReasonOf(err error) hw.ErrorReason {
	if failure := AsError(err); failure != nil {
		return failure.Reason
	}
	return hw.ErrorReason_ERROR_REASON_UNSPECIFIED
}

// ErrorFromStatus reads a status from inside an answer: the error of one result of BatchRecordEvents. It returns nil for nil, which
// is what GetError returns for a result without an error.
func ErrorFromStatus(inner *spb.Status) *Error {
	if inner == nil {
		return nil
	}
	return newError(status.FromProto(inner), nil)
}

// Error returns the code, the reason, and the message or all wrong fields.
func (failure *Error) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s", failure.Code)
	if failure.ReasonName != "" {
		fmt.Fprintf(&text, " %s", failure.ReasonName)
	}
	if len(failure.Violations) > 1 {
		for i, violation := range failure.Violations {
			separator := "; "
			if i == 0 {
				separator = ": "
			}
			fmt.Fprintf(&text, "%s%s: %s", separator, violation.Field, violation.Description)
		}
	} else {
		fmt.Fprintf(&text, ": %s", failure.Message)
	}
	if failure.RequestID != "" {
		fmt.Fprintf(&text, " (request %s)", failure.RequestID)
	}
	return text.String()
}

// GRPCStatus returns the status as gRPC has it, so that status.Code and status.FromError accept the error.
func (failure *Error) GRPCStatus() *status.Status {
	return failure.status
}

// Is makes errors.Is accept context.Canceled for a call that was cancelled, and context.DeadlineExceeded for one whose deadline passed.
func (failure *Error) Is(target error) bool {
	return target == context.Canceled && failure.Code == codes.Canceled ||
		target == context.DeadlineExceeded && failure.Code == codes.DeadlineExceeded
}

// RetryDelay returns how long to wait before a repeat, if the server says so.
func (failure *Error) RetryDelay() (time.Duration, bool) {
	if failure.retryDelay == nil {
		return 0, false
	}
	return *failure.retryDelay, true
}

// Temporary reports whether the same call may succeed later. Repeat it with the same event_id or request_id: the failed call may
// have had its effect, and then the repeat returns the same answer.
func (failure *Error) Temporary() bool {
	switch failure.Code {
	case codes.Unavailable, codes.DeadlineExceeded:
		return true
	case codes.ResourceExhausted:
		return failure.Reason == hw.ErrorReason_ERROR_REASON_OVERLOADED || failure.Reason == hw.ErrorReason_ERROR_REASON_TOO_MANY_STREAMS
	}
	return false
}

func newError(from *status.Status, trailer metadata.MD) *Error {
	failure := &Error{Code: from.Code(), Message: from.Message(), status: from}
	for _, detail := range from.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.GetDomain() == errorDomain {
				failure.ReasonName = detail.GetReason()
				failure.Reason = hw.ErrorReason(hw.ErrorReason_value["ERROR_REASON_"+detail.GetReason()])
				failure.Metadata = detail.GetMetadata()
			}
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				failure.Violations = append(failure.Violations, Violation{Field: violation.GetField(), Description: violation.GetDescription()})
			}
		case *errdetails.RetryInfo:
			delay := detail.GetRetryDelay().AsDuration()
			failure.retryDelay = &delay
		case *errdetails.RequestInfo:
			failure.RequestID = detail.GetRequestId()
		}
	}
	if ids := trailer.Get("x-request-id"); failure.RequestID == "" && len(ids) > 0 {
		failure.RequestID = ids[0]
	}
	if delays := trailer.Get("grpc-retry-pushback-ms"); failure.retryDelay == nil && len(delays) > 0 {
		if milliseconds, err := strconv.ParseInt(delays[0], 10, 32); err == nil && milliseconds >= 0 {
			delay := time.Duration(milliseconds) * time.Millisecond
			failure.retryDelay = &delay
		}
	}
	return failure
}

// statusOf returns the status of the last attempt. When gRPC gives up repeating it wraps that, and status.Convert would add the
// wrapper's text to the message.
func statusOf(err error) *status.Status {
	var attempt interface{ GRPCStatus() *status.Status }
	if errors.As(err, &attempt) {
		return attempt.GRPCStatus()
	}
	return status.Convert(err)
}

// typedErrors turns the error of a unary call into an *Error.
func typedErrors(ctx context.Context, method string, request, answer any, connection *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	var trailer metadata.MD
	options = append(options[:len(options):len(options)], grpc.Trailer(&trailer))
	if err := invoke(ctx, method, request, answer, connection, options...); err != nil {
		return newError(statusOf(err), trailer)
	}
	return nil
}

// typedStreamErrors turns the errors of a stream into *Error.
func typedStreamErrors(ctx context.Context, description *grpc.StreamDesc, connection *grpc.ClientConn, method string, open grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := open(ctx, description, connection, method, options...)
	if err != nil {
		return nil, newError(statusOf(err), nil)
	}
	return typedStream{stream}, nil
}

type typedStream struct{ grpc.ClientStream }

func (stream typedStream) RecvMsg(message any) error {
	err := stream.ClientStream.RecvMsg(message)
	if err == nil || err == io.EOF {
		return err
	}
	return newError(statusOf(err), stream.Trailer())
}

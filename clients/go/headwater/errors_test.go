package headwater

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	hw "headwater.dev/gen/headwater/v1"
)

func TestErrorHasAllDetails(t *testing.T) {
	from, err := status.New(codes.InvalidArgument, "email: must be set (and 1 more, see the details)").WithDetails(
		&errdetails.ErrorInfo{Domain: errorDomain, Reason: "INVALID_FIELDS", Metadata: map[string]string{"limit": "3"}},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: "email", Description: "must be set"},
			{Field: "amount.amount_minor", Description: "must be more than zero"},
		}},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(250 * time.Millisecond)},
		&errdetails.RequestInfo{RequestId: "call-7"},
	)
	if err != nil {
		t.Fatal(err)
	}
	failure := AsError(fmt.Errorf("wrapped: %w", newError(from, nil)))
	if failure == nil || failure.Code != codes.InvalidArgument || failure.Reason != hw.ErrorReason_ERROR_REASON_INVALID_FIELDS {
		t.Fatalf("got %#v", failure)
	}
	violations := []Violation{{"email", "must be set"}, {"amount.amount_minor", "must be more than zero"}}
	if !reflect.DeepEqual(failure.Violations, violations) || failure.Metadata["limit"] != "3" || failure.RequestID != "call-7" {
		t.Errorf("got %#v", failure)
	}
	if delay, has := failure.RetryDelay(); !has || delay != 250*time.Millisecond {
		t.Errorf("got the delay %s, %t", delay, has)
	}
	text := "InvalidArgument INVALID_FIELDS: email: must be set; amount.amount_minor: must be more than zero (request call-7)"
	if failure.Error() != text {
		t.Errorf("got the text %q", failure.Error())
	}
	if status.Code(failure) != codes.InvalidArgument {
		t.Errorf("gRPC sees the code %s", status.Code(failure))
	}
}

func TestUnknownReasonSurvives(t *testing.T) {
	from, _ := status.New(codes.FailedPrecondition, "no").WithDetails(&errdetails.ErrorInfo{Domain: errorDomain, Reason: "MOON_PHASE"})
	failure := newError(from, nil)
	if failure.Reason != hw.ErrorReason_ERROR_REASON_UNSPECIFIED || failure.ReasonName != "MOON_PHASE" {
		t.Errorf("got %s, %q", failure.Reason, failure.ReasonName)
	}
}

func TestReasonOfAnotherDomainIsIgnored(t *testing.T) {
	from, _ := status.New(codes.Unauthenticated, "no").WithDetails(&errdetails.ErrorInfo{Domain: "proxy.example", Reason: "KEY_INVALID"})
	if failure := newError(from, nil); failure.ReasonName != "" || isFinal(failure) {
		t.Errorf("got %q", failure.ReasonName)
	}
}

func TestTrailerStandsInForDetails(t *testing.T) {
	trailer := metadata.Pairs("x-request-id", "call-9", "grpc-retry-pushback-ms", "1000")
	failure := newError(status.New(codes.Unavailable, "no"), trailer)
	if delay, has := failure.RetryDelay(); failure.RequestID != "call-9" || !has || delay != time.Second {
		t.Errorf("got %q, %s, %t", failure.RequestID, delay, has)
	}
	never := newError(status.New(codes.Internal, "no"), metadata.Pairs("grpc-retry-pushback-ms", "-1"))
	if _, has := never.RetryDelay(); has {
		t.Error("-1 is no delay")
	}
}

func TestErrorOfBatchResult(t *testing.T) {
	inner, _ := status.New(codes.NotFound, "no").WithDetails(&errdetails.ErrorInfo{Domain: errorDomain, Reason: "LEAD_NOT_FOUND"})
	if failure := ErrorFromStatus(inner.Proto()); ReasonOf(failure) != hw.ErrorReason_ERROR_REASON_LEAD_NOT_FOUND {
		t.Errorf("got %v", failure)
	}
	if AsError(nil) != nil || AsError(errors.New("other")) != nil {
		t.Error("an error was made from nothing")
	}
}

func TestBatchResultWithoutErrorHasNone(t *testing.T) {
	if failure := ErrorFromStatus((&hw.BatchResult{}).GetError()); failure != nil {
		t.Errorf("got %v", failure)
	}
}

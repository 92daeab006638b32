package headwater

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	hw "headwater.dev/gen/headwater/v1"
)

// fakeServer answers as the functions say. A function that is nil answers UNIMPLEMENTED, without a reason of Headwater.
type fakeServer struct {
	hw.UnimplementedAccountServiceServer
	hw.UnimplementedAffiliateServiceServer
	hw.UnimplementedFeedServiceServer
	hw.UnimplementedTrackingServiceServer

	server           *grpc.Server
	createLink       func(ctx context.Context, request *hw.CreateLinkRequest) error
	watchEvents      func(request *hw.WatchEventsRequest, stream grpc.ServerStreamingServer[hw.WatchEventsResponse]) error
	watchConversions func(request *hw.WatchConversionsRequest, stream grpc.ServerStreamingServer[hw.WatchConversionsResponse]) error
}

func (fake *fakeServer) CheckApiKey(ctx context.Context, _ *hw.CheckApiKeyRequest) (*hw.CheckApiKeyResponse, error) {
	header, _ := metadata.FromIncomingContext(ctx)
	if keys := header.Get("authorization"); len(keys) != 1 || keys[0] != "Bearer hw_admin_right" {
		return nil, failure(ctx, codes.Unauthenticated, "KEY_INVALID", "-1")
	}
	return &hw.CheckApiKeyResponse{AccountId: "acc_1"}, nil
}

func (fake *fakeServer) CreateLink(ctx context.Context, request *hw.CreateLinkRequest) (*hw.CreateLinkResponse, error) {
	if err := fake.createLink(ctx, request); err != nil {
		return nil, err
	}
	return &hw.CreateLinkResponse{}, nil
}

func (fake *fakeServer) WatchEvents(request *hw.WatchEventsRequest, stream grpc.ServerStreamingServer[hw.WatchEventsResponse]) error {
	return fake.watchEvents(request, stream)
}

func (fake *fakeServer) WatchConversions(request *hw.WatchConversionsRequest, stream grpc.ServerStreamingServer[hw.WatchConversionsResponse]) error {
	return fake.watchConversions(request, stream)
}

// serve starts the fake on loopback and returns its address.
func (fake *fakeServer) serve(t *testing.T, options ...grpc.ServerOption) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(options...)
	hw.RegisterAccountServiceServer(server, fake)
	hw.RegisterAffiliateServiceServer(server, fake)
	hw.RegisterFeedServiceServer(server, fake)
	hw.RegisterTrackingServiceServer(server, fake)
	fake.server = server
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

// client returns a client of the fake.
func (fake *fakeServer) client(t *testing.T) *Client {
	t.Helper()
	client, err := Connect(t.Context(), fake.serve(t), "hw_admin_right\n", WithPlaintext())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// failure makes an error as the server does, with the trailer grpc-retry-pushback-ms unless it is empty.
func failure(ctx context.Context, code codes.Code, reason, pushback string, details ...protoadapt.MessageV1) error {
	details = append(details, &errdetails.ErrorInfo{Domain: errorDomain, Reason: reason}, &errdetails.RequestInfo{RequestId: "call-1"})
	withDetails, err := status.New(code, "the message").WithDetails(details...)
	if err != nil {
		return err
	}
	if pushback != "" {
		if err := grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", pushback)); err != nil {
			return err
		}
	}
	return withDetails.Err()
}

func opened(cursor string, heartbeatDelay time.Duration) *hw.WatchEventsResponse {
	return &hw.WatchEventsResponse{Cursor: cursor, Content: &hw.WatchEventsResponse_Opened{
		Opened: &hw.Opened{HeartbeatDelay: durationpb.New(heartbeatDelay)},
	}}
}

func batch(cursor string, sequences ...int64) *hw.WatchEventsResponse {
	events := &hw.EventBatch{}
	for _, sequence := range sequences {
		events.Events = append(events.Events, &hw.Event{Sequence: sequence})
	}
	return &hw.WatchEventsResponse{Cursor: cursor, Content: &hw.WatchEventsResponse_Batch{Batch: events}}
}

func heartbeat(cursor string) *hw.WatchEventsResponse {
	return &hw.WatchEventsResponse{Cursor: cursor, Content: &hw.WatchEventsResponse_Heartbeat{Heartbeat: &hw.Heartbeat{}}}
}

func caughtUp(cursor string) *hw.WatchEventsResponse {
	return &hw.WatchEventsResponse{Cursor: cursor, Content: &hw.WatchEventsResponse_CaughtUp{CaughtUp: &hw.CaughtUp{}}}
}

func draining(cursor string, reconnectDelay time.Duration) *hw.WatchEventsResponse {
	return &hw.WatchEventsResponse{Cursor: cursor, Content: &hw.WatchEventsResponse_Draining{
		Draining: &hw.Draining{ReconnectDelay: durationpb.New(reconnectDelay)},
	}}
}

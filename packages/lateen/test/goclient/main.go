// Command goclient is an xDS client over grpc-go for Lateen's tests: it subscribes, acknowledges
// everything, prints each response as a line of JSON, and ends after a number of them.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

type line struct {
	Type      string   `json:"type,omitempty"`
	Version   string   `json:"version,omitempty"`
	Resources []string `json:"resources"`
	Removed   []string `json:"removed"`
	Code      int      `json:"code"`
	Message   string   `json:"message,omitempty"`
}

type request struct {
	typeURL string
	names   []string
}

func main() {
	addr := flag.String("addr", "", "host:port of the server")
	form := flag.String("form", "delta", "delta or sotw")
	count := flag.Int("count", 1, "responses to wait for")
	subscribe := flag.String("subscribe", "", "TYPE=NAME,NAME;TYPE=... in order; no names: the wildcard")
	within := flag.Duration("within", 20*time.Second, "time limit")
	flag.Parse()

	out := json.NewEncoder(os.Stdout)
	ctx, cancel := context.WithTimeout(context.Background(), *within)
	defer cancel()
	conn, err := grpc.NewClient(*addr,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second}))
	if err == nil {
		defer conn.Close()
		client := discovery.NewAggregatedDiscoveryServiceClient(conn)
		if *form == "delta" {
			err = delta(ctx, client, parse(*subscribe), *count, out)
		} else {
			err = sotw(ctx, client, parse(*subscribe), *count, out)
		}
	}
	if err != nil {
		s := status.Convert(err)
		_ = out.Encode(line{Code: int(s.Code()), Message: s.Message()})
	}
}

func parse(text string) []request {
	var all []request
	for _, part := range strings.Split(text, ";") {
		typeURL, list, _ := strings.Cut(part, "=")
		var names []string
		if list != "" {
			names = strings.Split(list, ",")
		}
		all = append(all, request{typeURL, names})
	}
	return all
}

func node() *core.Node { return &core.Node{Id: "go-client", Cluster: "test"} }

func delta(ctx context.Context, client discovery.AggregatedDiscoveryServiceClient, subscribe []request, count int, out *json.Encoder) error {
	stream, err := client.DeltaAggregatedResources(ctx)
	if err != nil {
		return err
	}
	for _, each := range subscribe {
		first := &discovery.DeltaDiscoveryRequest{Node: node(), TypeUrl: each.typeURL, ResourceNamesSubscribe: each.names}
		if err := stream.Send(first); err != nil {
			break
		}
	}
	for i := 0; i < count; i++ {
		response, err := stream.Recv()
		if err != nil {
			return err
		}
		l := line{Type: response.TypeUrl, Version: response.SystemVersionInfo, Removed: response.RemovedResources}
		for _, resource := range response.Resources {
			l.Resources = append(l.Resources, resource.Name+"@"+resource.Version)
		}
		_ = out.Encode(l)
		ack := &discovery.DeltaDiscoveryRequest{TypeUrl: response.TypeUrl, ResponseNonce: response.Nonce}
		if err := stream.Send(ack); err != nil {
			break
		}
	}
	return stream.CloseSend()
}

func sotw(ctx context.Context, client discovery.AggregatedDiscoveryServiceClient, subscribe []request, count int, out *json.Encoder) error {
	stream, err := client.StreamAggregatedResources(ctx)
	if err != nil {
		return err
	}
	names := map[string][]string{}
	for _, each := range subscribe {
		names[each.typeURL] = each.names
		first := &discovery.DiscoveryRequest{Node: node(), TypeUrl: each.typeURL, ResourceNames: each.names}
		if err := stream.Send(first); err != nil {
			break
		}
	}
	for i := 0; i < count; i++ {
		response, err := stream.Recv()
		if err != nil {
			return err
		}
		l := line{Type: response.TypeUrl, Version: response.VersionInfo}
		for _, resource := range response.Resources {
			l.Resources = append(l.Resources, string(resource.Value))
		}
		_ = out.Encode(l)
		ack := &discovery.DiscoveryRequest{TypeUrl: response.TypeUrl, ResourceNames: names[response.TypeUrl], ResponseNonce: response.Nonce, VersionInfo: response.VersionInfo}
		if err := stream.Send(ack); err != nil {
			break
		}
	}
	return stream.CloseSend()
}

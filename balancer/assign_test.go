package balancer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"github.com/tryst-chat/tryst/balancer"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// TestUniform: 300 fresh clients on three servers, 100 each, give or take 5.
func TestUniform(t *testing.T) {
	const servers, clients, slack = 3, 300, 5
	o := newOperator(t)
	b, _ := startBalancer(t, o, nil)
	info := infoOf(t, b)
	for range servers {
		startServer(t, o, info)
	}
	awaitReady(t, b, servers)

	answers := make(chan *pb.Assignment, clients)
	var group errgroup.Group
	group.SetLimit(4) // handshakes at a time: libp2p gives each 15 s, however busy the machine is
	for _, h := range newHosts(t, clients) {
		group.Go(func() error {
			answer, err := question(t.Context(), h, info)
			answers <- answer
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	close(answers)
	shares := make(map[peer.ID]int)
	for answer := range answers {
		id, _ := assigned(t, o, answer)
		shares[id]++
	}
	if len(shares) != servers {
		t.Fatalf("shares %v", shares)
	}
	for id, n := range shares {
		if n < clients/servers-slack || n > clients/servers+slack {
			t.Errorf("server %s got %d of %d", id, n, clients)
		}
	}
	for _, l := range b.Loads() {
		if l.Assignments != shares[l.Server] {
			t.Errorf("the balancer counts %d sessions, the clients %d", l.Assignments, shares[l.Server])
		}
	}
}

func TestAssignmentEndsWithTheConnection(t *testing.T) {
	o := newOperator(t)
	b, _ := startBalancer(t, o, nil)
	startServer(t, o, infoOf(t, b))
	awaitReady(t, b, 1)
	h := newHost(t)
	ask(t, h, infoOf(t, b))
	ask(t, h, infoOf(t, b))
	if n := b.Loads()[0].Assignments; n != 1 {
		t.Fatalf("a client that asks twice counts %d times", n)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	harness.Await(t, "assignment freed", func() bool { return b.Loads()[0].Assignments == 0 })
}

func TestAvoidedServer(t *testing.T) {
	o := newOperator(t)
	b, _ := startBalancer(t, o, nil)
	one, _ := startServer(t, o, infoOf(t, b))
	two, _ := startServer(t, o, infoOf(t, b))
	awaitReady(t, b, 2)
	h := newHost(t)
	for range 4 {
		if id, _ := assigned(t, o, ask(t, h, infoOf(t, b), []byte(one.ID()))); id != two.ID() {
			t.Fatal("got the server that was to be avoided")
		}
	}
}

func TestNoServerReady(t *testing.T) {
	o := newOperator(t)
	b, _ := startBalancer(t, o, nil)
	answer := ask(t, newHost(t), infoOf(t, b))
	if err := wire.FromWire(answer.GetError()); !errors.Is(err, wire.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
}

func TestQuestionThatIsNone(t *testing.T) {
	o := newOperator(t)
	b, _ := startBalancer(t, o, nil)
	h := newHost(t)
	many := make([][]byte, 17)
	for i := range many {
		many[i] = []byte(h.ID())
	}
	for name, avoid := range map[string][][]byte{"not a peer ID": {[]byte("x")}, "too many": many} {
		answer := ask(t, h, infoOf(t, b), avoid...)
		if err := wire.FromWire(answer.GetError()); !errors.Is(err, wire.ErrBadRequest) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestGarbage: whatever comes in on whichever protocol, the balancer goes on.
func TestGarbage(t *testing.T) {
	o := newOperator(t)
	b, _ := startBalancer(t, o, nil)
	info := infoOf(t, b)
	startServer(t, o, info)
	awaitReady(t, b, 1)
	stranger := newHost(t)
	if err := stranger.Connect(t.Context(), info); err != nil {
		t.Fatal(err)
	}
	protocols, err := stranger.Peerstore().GetProtocols(info.ID)
	if err != nil || len(protocols) < 3 {
		t.Fatalf("the balancer speaks %v, %v", protocols, err)
	}
	garbage := map[string][]byte{
		"nothing":      nil,
		"zeros":        make([]byte, 100),
		"no end":       {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"huge length":  {0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3},
		"not protobuf": {4, 0xff, 0xff, 0xff, 0xff},
		"long":         bytes.Repeat([]byte("garbage "), 1<<14),
	}
	for _, id := range protocols {
		for name, junk := range garbage {
			t.Run(fmt.Sprintf("%s %s", strings.ReplaceAll(string(id), "/", " "), name), func(t *testing.T) {
				s := open(t, stranger, info, id)
				s.Write(junk) // may fail: the balancer may have hung up already
				s.CloseWrite()
				io.Copy(io.Discard, io.LimitReader(s, 1<<20)) // until it is done with us
			})
		}
	}
	if got, _ := assigned(t, o, ask(t, newHost(t), info)); got == "" {
		t.Fatal("no assignment after garbage")
	}
}

func TestMetricsAndHealth(t *testing.T) {
	o := newOperator(t)
	b, _ := startBalancer(t, o, nil)
	if code, _ := get(t, b, "/healthz"); code != http.StatusServiceUnavailable {
		t.Fatalf("healthy without a server: %d", code)
	}
	server, _ := startServer(t, o, infoOf(t, b))
	awaitReady(t, b, 1)
	ask(t, newHost(t), infoOf(t, b))
	if code, _ := get(t, b, "/healthz"); code != http.StatusOK {
		t.Fatalf("not healthy: %d", code)
	}
	_, text := get(t, b, "/metrics")
	for _, want := range []string{
		fmt.Sprintf(`tryst_balancer_sessions{name="test",server="%s"} 1`, server.ID()),
		fmt.Sprintf(`tryst_balancer_server_ready{name="test",server="%s"} 1`, server.ID()),
		`tryst_balancer_questions_total{outcome="assigned"} 1`,
		"tryst_balancer_connections 2",
		"libp2p_relaysvc_",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func get(t *testing.T, b *balancer.Balancer, path string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.MetricsAddr()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

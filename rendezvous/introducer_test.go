package rendezvous_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/provision"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// introducer assigns servers as it is told to: the first of its order that the
// asker does not avoid.
type introducer struct {
	host  host.Host
	made  provision.Cluster
	certs map[peer.ID][]byte

	mu       sync.Mutex
	order    []int
	lifetime uint32
	change   func(*pb.Assignment) // spoils answers
}

func newIntroducer(t testing.TB, made provision.Cluster) *introducer {
	t.Helper()
	in := &introducer{host: newHost(t, directorytest.NewKey(), true), made: made, certs: make(map[peer.ID][]byte), lifetime: 600}
	for i, m := range made.Servers {
		s, err := provision.LoadServer(m.Dir)
		if err != nil {
			t.Fatal(err)
		}
		in.certs[m.ID] = s.Certificate
		in.order = append(in.order, i)
	}
	in.host.SetStreamHandler(wire.Balancer, in.serve)
	return in
}

// prefer makes servers the first ones to be assigned.
func (in *introducer) prefer(order ...int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i := range in.made.Servers {
		if !slices.Contains(order, i) {
			order = append(order, i)
		}
	}
	in.order = order
}

func (in *introducer) spoil(change func(*pb.Assignment)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.change = change
}

func (in *introducer) serve(s network.Stream) {
	defer s.Close()
	var req pb.BalancerRequest
	if wire.NewReader(s, wire.MaxBalancer).Read(&req) != nil {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	order := slices.DeleteFunc(slices.Clone(in.order), func(i int) bool {
		return slices.ContainsFunc(req.GetAvoid(), func(id []byte) bool { return string(id) == string(in.made.Servers[i].ID) })
	})
	first := append(order, in.order...)[0] // all avoided: then any
	m := in.made.Servers[first]
	answer := &pb.Assignment{
		Cluster: in.made.Key, Certificate: in.certs[m.ID], Lifetime: in.lifetime,
		Addresses: [][]byte{m.Addresses[0].Bytes()},
	}
	if in.change != nil {
		in.change(answer)
	}
	_ = wire.WriteFrame(s, answer)
}

package balancer

import (
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tryst-chat/tryst/rendezvous/quota"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// refusals counts what limits turned away, by which of them: a row of package quota by
// its name, and what all clients together may have by what there was too much of. It
// names no peer.
type refusals struct{ by *prometheus.CounterVec }

var _ rcmgr.MetricsReporter = refusals{}

// What all together may have too much of.
const (
	allConnections = "all connections"
	allStreams     = "all streams"
	allMemory      = "all memory"
)

func newRefusals() refusals {
	r := refusals{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tryst_balancer_refusals_total",
		Help: "What a limit turned away, by the limit.",
	}, []string{"limit"})}
	for _, limit := range []string{allConnections, allStreams, allMemory} {
		r.by.WithLabelValues(limit) // there from the beginning, so that a first one is a rise
	}
	for _, row := range quota.Table() {
		if row.At == quota.AtBalancer && row != quota.BalancerIdleConns { // which closes, and refuses nothing
			r.by.WithLabelValues(row.Name)
		}
	}
	return r
}

func (r refusals) add(limit string) { r.by.WithLabelValues(limit).Inc() }

// BlockProtocolPeer implements rcmgr.MetricsReporter, as do those that follow.
func (r refusals) BlockProtocolPeer(id protocol.ID, _ peer.ID) {
	switch id {
	case wire.Balancer, wire.Relay:
		r.add(quota.BalancerDeviceQuestions.Name)
	case wire.Backend:
		r.add(quota.BalancerBackends.Name)
	case proto.ProtoIDv2Hop:
		r.add(quota.BalancerDeviceCircuits.Name)
	default:
		r.add(quota.BalancerDeviceStreams.Name)
	}
}

// BlockStream is told of a peer that has too many, which is by far the likeliest; all
// streams together are as many as four to each connection.
func (r refusals) BlockStream(peer.ID, network.Direction) { r.add(quota.BalancerDeviceStreams.Name) }

func (r refusals) BlockPeer(peer.ID)                    { r.add(quota.BalancerDeviceConns.Name) }
func (r refusals) BlockConn(network.Direction, bool)    { r.add(allConnections) }
func (r refusals) BlockProtocol(protocol.ID)            { r.add(allStreams) }
func (r refusals) BlockService(string)                  { r.add(allStreams) }
func (r refusals) BlockServicePeer(string, peer.ID)     { r.add(quota.BalancerDeviceCircuits.Name) }
func (r refusals) BlockMemory(int)                      { r.add(allMemory) }
func (refusals) AllowConn(network.Direction, bool)      {}
func (refusals) AllowStream(peer.ID, network.Direction) {}
func (refusals) AllowPeer(peer.ID)                      {}
func (refusals) AllowProtocol(protocol.ID)              {}
func (refusals) AllowService(string)                    {}
func (refusals) AllowMemory(int)                        {}

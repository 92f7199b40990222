package balancer

import (
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/prometheus/client_golang/prometheus"
)

// refusals counts what the limits of limits.go turned away, by which of them. It names
// no peer.
type refusals struct{ by *prometheus.CounterVec }

var _ rcmgr.MetricsReporter = refusals{}

func newRefusals() refusals {
	r := refusals{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tryst_balancer_refusals_total",
		Help: "Connections and streams that a limit turned away, by the limit.",
	}, []string{"limit"})}
	for _, limit := range []string{"connections", "streams", "peer", "protocol", "protocol_peer", "service", "service_peer", "memory"} {
		r.by.WithLabelValues(limit) // there from the beginning, so that a first one is a rise
	}
	return r
}

func (r refusals) add(limit string) { r.by.WithLabelValues(limit).Inc() }

// BlockConn and what follows implement rcmgr.MetricsReporter.
func (r refusals) BlockConn(network.Direction, bool)      { r.add("connections") }
func (r refusals) BlockStream(peer.ID, network.Direction) { r.add("streams") }
func (r refusals) BlockPeer(peer.ID)                      { r.add("peer") }
func (r refusals) BlockProtocol(protocol.ID)              { r.add("protocol") }
func (r refusals) BlockProtocolPeer(protocol.ID, peer.ID) { r.add("protocol_peer") }
func (r refusals) BlockService(string)                    { r.add("service") }
func (r refusals) BlockServicePeer(string, peer.ID)       { r.add("service_peer") }
func (r refusals) BlockMemory(int)                        { r.add("memory") }
func (refusals) AllowConn(network.Direction, bool)        {}
func (refusals) AllowStream(peer.ID, network.Direction)   {}
func (refusals) AllowPeer(peer.ID)                        {}
func (refusals) AllowProtocol(protocol.ID)                {}
func (refusals) AllowService(string)                      {}
func (refusals) AllowMemory(int)                          {}

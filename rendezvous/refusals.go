package rendezvous

import (
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tryst-chat/tryst/rendezvous/quota"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// refusals counts what limits turned away, by which of them: those of package quota
// by their names, and those of all together. It names no peer.
type refusals struct{ by *prometheus.CounterVec }

var _ rcmgr.MetricsReporter = refusals{}

// Limits that are not of one client, as the metric names them.
const (
	allConns = "connections of all, or from one address"
	allElse  = "streams of all"
)

func newRefusals() refusals {
	r := refusals{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tryst_rendezvous_refusals_total",
		Help: "Connections, streams and requests that a limit turned away, by the limit.",
	}, []string{"limit"})}
	r.by.WithLabelValues(allConns) // there from the beginning, so that a first one is a rise
	r.by.WithLabelValues(allElse)
	for _, limit := range quota.Table() {
		if limit.At == quota.AtServer && limit.Of != quota.Address {
			r.by.WithLabelValues(limit.Name)
		}
	}
	return r
}

func (r refusals) add(limit quota.Limit) { r.by.WithLabelValues(limit.Name).Inc() }

// BlockConn and what follows implement rcmgr.MetricsReporter.
func (r refusals) BlockConn(network.Direction, bool)      { r.by.WithLabelValues(allConns).Inc() }
func (r refusals) BlockPeer(peer.ID)                      { r.add(quota.DeviceConns) }
func (r refusals) BlockStream(peer.ID, network.Direction) { r.add(quota.DeviceStreams) }
func (r refusals) BlockProtocolPeer(id protocol.ID, _ peer.ID) {
	switch id {
	case wire.Rendezvous:
		r.add(quota.DeviceRequestsAtOnce)
	case wire.Beat:
		r.add(quota.DeviceBeats)
	default:
		r.by.WithLabelValues(allElse).Inc()
	}
}
func (r refusals) BlockProtocol(protocol.ID)            { r.by.WithLabelValues(allElse).Inc() }
func (r refusals) BlockService(string)                  { r.by.WithLabelValues(allElse).Inc() }
func (r refusals) BlockServicePeer(string, peer.ID)     { r.by.WithLabelValues(allElse).Inc() }
func (r refusals) BlockMemory(int)                      { r.by.WithLabelValues(allElse).Inc() }
func (refusals) AllowConn(network.Direction, bool)      {}
func (refusals) AllowStream(peer.ID, network.Direction) {}
func (refusals) AllowPeer(peer.ID)                      {}
func (refusals) AllowProtocol(protocol.ID)              {}
func (refusals) AllowService(string)                    {}
func (refusals) AllowMemory(int)                        {}

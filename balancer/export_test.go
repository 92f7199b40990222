package balancer

import (
	"time"

	"github.com/tryst-chat/tryst/rendezvous/quota"
)

// Forget makes the meters forget whom they have seen, as they do within a minute.
func (b *Balancer) Forget() {
	for _, m := range []*meter{b.host.Network().ResourceManager().(*resources).conns, b.questions, b.circuits, b.places} {
		fresh := newMeter(m.limit)
		m.mu.Lock()
		m.addresses, m.sites = fresh.addresses, fresh.sites
		m.mu.Unlock()
	}
}

// Held counts the connections and streams that the balancer holds.
func (b *Balancer) Held() (connections, streams int) {
	conns := b.host.Network().Conns()
	for _, c := range conns {
		streams += len(c.GetStreams())
	}
	return len(conns), streams
}

// Crowded makes strangers give way above high connections, until there are low.
func Crowded(low, high int) func(*Config) {
	const soon = 10 * time.Millisecond
	return func(c *Config) { c.room = room{low: low, high: high, grace: soon, look: soon} }
}

// RefusalsOf returns how a refusal by a limit is called in the metrics.
func RefusalsOf(row quota.Limit) string {
	return `tryst_balancer_refusals_total{limit="` + row.Name + `"}`
}

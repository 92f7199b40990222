package balancer

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/tryst-chat/tryst/rendezvous/quota"
)

// origin is where a connection comes from, as limits by address count: an IPv4 address,
// or an IPv6 /56 and the /48 that it lies in.
type origin struct {
	address netip.Prefix
	site    netip.Prefix // the zero Prefix for IPv4
}

// originOf returns the origin of a multiaddr; false for this machine itself, and for
// what has no IP address, neither of which are limited.
func originOf(from ma.Multiaddr) (o origin, limited bool) {
	ip, err := manet.ToIP(from)
	if err != nil {
		return origin{}, false
	}
	address, ok := netip.AddrFromSlice(ip)
	if address = address.Unmap(); !ok || slices.Contains(exempt, address) {
		return origin{}, false
	}
	if address.Is4() {
		return origin{address: netip.PrefixFrom(address, address.BitLen())}, true
	}
	const end, site = 56, 48
	return origin{address: netip.PrefixFrom(address, end).Masked(), site: netip.PrefixFrom(address, site).Masked()}, true
}

// exempt are the addresses of this machine itself. The rest of 127.0.0.0/8 is not: there
// the limits can be tested.
var exempt = []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}

// meter counts what comes from each origin over time.
type meter struct {
	limit quota.Limit

	mu        sync.Mutex // guards what follows
	addresses *quota.Meter[netip.Prefix]
	sites     *quota.Meter[netip.Prefix]
}

func newMeter(limit quota.Limit) *meter {
	site := limit
	site.Burst, site.Rate = quota.SiteFactor*limit.Burst, quota.SiteFactor*limit.Rate
	return &meter{
		limit:     limit,
		addresses: quota.NewMeter[netip.Prefix](limit, maxOrigins),
		sites:     quota.NewMeter[netip.Prefix](site, maxOrigins),
	}
}

// take counts one more from an address, unless there have been too many.
func (m *meter) take(from ma.Multiaddr, now time.Time) bool {
	o, limited := originOf(from)
	if !limited {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if o.site.IsValid() && m.sites.Take(o.site, 1, now) > 0 {
		return false
	}
	if m.addresses.Take(o.address, 1, now) > 0 {
		if o.site.IsValid() {
			m.sites.Give(o.site, 1, now)
		}
		return false
	}
	return true
}

// origins are the connections that are open, by where they come from.
type origins struct {
	mu sync.Mutex
	of map[netip.Prefix]map[network.Conn]struct{} // addresses and sites
}

func newOrigins() *origins { return &origins{of: make(map[netip.Prefix]map[network.Conn]struct{})} }

func (o *origins) add(c network.Conn) {
	o.each(c, func(p netip.Prefix) {
		if o.of[p] == nil {
			o.of[p] = make(map[network.Conn]struct{})
		}
		o.of[p][c] = struct{}{}
	})
}

func (o *origins) remove(c network.Conn) {
	o.each(c, func(p netip.Prefix) {
		delete(o.of[p], c)
		if len(o.of[p]) == 0 {
			delete(o.of, p)
		}
	})
}

// each calls do, with mu held, for the prefixes that a connection comes from.
func (o *origins) each(c network.Conn, do func(netip.Prefix)) {
	from, limited := originOf(c.RemoteMultiaddr())
	if !limited {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	do(from.address)
	if from.site.IsValid() {
		do(from.site)
	}
}

// exceeds reports whether more than so many circuits are asked for or carried from where
// an address is; a site may have quota.SiteFactor times as many.
func (o *origins) exceeds(from ma.Multiaddr, most int) bool {
	at, limited := originOf(from)
	if !limited {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return circuits(o.of[at.address], most) > most ||
		at.site.IsValid() && circuits(o.of[at.site], quota.SiteFactor*most) > quota.SiteFactor*most
}

// circuits counts the circuits of connections; where there cannot be more than enough of
// them it need not look.
func circuits(conns map[network.Conn]struct{}, enough int) (n int) {
	if len(conns)*quota.BalancerDeviceStreams.Burst <= enough {
		return 0
	}
	for c := range conns {
		n += circuitsOf(c)
	}
	return n
}

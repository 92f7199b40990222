package balancer

import (
	"maps"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// permits are the devices that the servers vouch for, each until when. It is
// pure; the Balancer's mu guards it.
type permits struct {
	max   int
	until map[peer.ID]time.Time
}

func newPermits(max int) *permits {
	return &permits{max: max, until: make(map[peer.ID]time.Time)}
}

// grant enters a device, or renews its entry. It returns false when there is no
// room.
func (p *permits) grant(device peer.ID, until, now time.Time) bool {
	if _, renewed := p.until[device]; !renewed && len(p.until) >= p.max {
		maps.DeleteFunc(p.until, func(_ peer.ID, until time.Time) bool { return !now.Before(until) })
		if len(p.until) >= p.max {
			return false
		}
	}
	p.until[device] = until
	return true
}

// valid reports whether a device has a permit now.
func (p *permits) valid(device peer.ID, now time.Time) bool { return now.Before(p.until[device]) }

// drop takes a device out, if it is there.
func (p *permits) drop(device peer.ID) { delete(p.until, device) }

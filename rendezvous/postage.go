package rendezvous

import (
	"container/list"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// postage limits how many letters each device puts: postageBurst at once, and
// postageRate a second over time. It has the memory of one server; who goes to
// another one has the same there. The device that was quiet longest is forgotten
// when there are more than postageDevices, which gives it no more than it would
// have had by then.
type postage struct {
	mu    sync.Mutex
	purse map[peer.ID]*list.Element // guarded by mu; of *purse
	order *list.List                // guarded by mu: the quietest in front
}

// purse is what one device has left, in letters, at a time.
type purse struct {
	device peer.ID
	left   float64
	at     time.Time
}

func newPostage() *postage {
	return &postage{purse: make(map[peer.ID]*list.Element), order: list.New()}
}

// pay takes so many letters from a device's purse, or nothing if there are not as
// many in it.
func (p *postage) pay(device peer.ID, letters int, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	element := p.purse[device]
	if element == nil {
		if len(p.purse) >= postageDevices {
			front := p.order.Front()
			delete(p.purse, front.Value.(*purse).device)
			p.order.Remove(front)
		}
		element = p.order.PushBack(&purse{device: device, left: postageBurst, at: now})
		p.purse[device] = element
	}
	p.order.MoveToBack(element)
	own := element.Value.(*purse)
	// A clock that went back adds nothing.
	own.left = min(postageBurst, own.left+postageRate*max(now.Sub(own.at), 0).Seconds())
	own.at = now
	if own.left < float64(letters) {
		return false
	}
	own.left -= float64(letters)
	return true
}

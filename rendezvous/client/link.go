package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
)

// protectTag keeps the host's connection manager from cutting the connections
// to balancer and server.
const protectTag = "tryst rendezvous"

var errDisconnected = errors.New("the connection to the server was lost")

// link is the server that requests go to now. It dies once and is never
// revived.
type link struct {
	server peer.ID
	name   string
	until  time.Time     // when to ask for a new assignment
	dead   chan struct{} // closed by fail

	once  sync.Once
	cause error // set before dead is closed
}

func newLink(server peer.ID, name string, until time.Time) *link {
	return &link{server: server, name: name, until: until, dead: make(chan struct{})}
}

// fail ends the link; only the first cause counts.
func (l *link) fail(cause error) {
	l.once.Do(func() {
		l.cause = cause
		close(l.dead)
	})
}

func (l *link) alive() bool {
	select {
	case <-l.dead:
		return false
	default:
		return true
	}
}

// keepLink finds a server, stays with it until it dies, and finds another. It
// is the only writer of Client.link.
func (c *Client) keepLink(ctx context.Context) error {
	avoid := avoidance{}
	onLoss := c.failOnLoss()
	c.host.Network().Notify(onLoss)
	defer c.host.Network().StopNotify(onLoss)
	defer c.release()

	var next *link
	var pace pace
	for ctx.Err() == nil {
		if next == nil {
			var err error
			began := time.Now()
			if next, err = c.find(ctx, avoid); err != nil {
				c.unlink(err)
				if !pause(ctx, jitter(pace.failed(time.Since(began)))) {
					break
				}
				continue
			}
		}
		pace.found()
		l := next
		c.use(l)
		if next = c.stay(ctx, l, avoid); next == nil && ctx.Err() == nil {
			avoid.add(l.server, time.Now())
			c.unlink(l.cause)
		}
		c.leave(l)
		if next == nil && !pause(ctx, jitter(retryLeast)) {
			break
		}
	}
	c.unlink(ctx.Err())
	return nil
}

// use makes a link the current one.
func (c *Client) use(l *link) {
	c.host.ConnManager().Protect(l.server, protectTag)
	c.mu.Lock()
	c.link, c.cause = l, nil
	c.signal()
	c.mu.Unlock()
	if c.host.Network().Connectedness(l.server) == network.NotConnected {
		l.fail(errDisconnected) // before failOnLoss knew the link
	}
	c.log.Info("linked", "server", l.name)
	c.notices.put(Linked{Server: l.name})
}

// unlink says that there is no link, and why.
func (c *Client) unlink(cause error) {
	c.mu.Lock()
	had := c.link != nil || c.cause == errNotYet
	c.link, c.cause = nil, cause
	c.signal()
	c.mu.Unlock()
	if had {
		c.log.Info("no server", "cause", cause)
		c.notices.put(Unlinked{Err: cause})
	}
}

// leave closes the connection to a server. Without it a frozen server would
// still count as connected, and connecting again would do nothing.
func (c *Client) leave(l *link) {
	l.fail(context.Canceled) // whoever still asks here asks the next one
	c.host.ConnManager().Unprotect(l.server, protectTag)
	c.host.Network().ClosePeer(l.server)
}

// release lets the host's connection manager have the balancers again.
func (c *Client) release() {
	for _, balancer := range c.balancers {
		c.host.ConnManager().Unprotect(balancer.ID, protectTag)
	}
}

// stay holds a link until it dies, and then returns nil, or until a renewed
// assignment names another server, and then returns the link to that one.
func (c *Client) stay(ctx context.Context, l *link, avoid avoidance) *link {
	ctx, cancel := context.WithCancel(ctx)
	var beats sync.WaitGroup
	defer beats.Wait()
	defer cancel()
	beats.Go(func() { c.keepAttending(ctx, l) })

	for {
		renew := time.NewTimer(time.Until(l.until))
		select {
		case <-ctx.Done():
			renew.Stop()
			return nil
		case <-l.dead:
			renew.Stop()
			return nil
		case <-renew.C:
		}
		next, err := c.find(ctx, avoid)
		switch {
		case err != nil: // a balancer that is away is no reason to leave
			l.until = time.Now().Add(jitter(minLifetime))
		case next.server == l.server:
			l.until = next.until
		default:
			return next
		}
	}
}

// failOnLoss fails the link when its last connection closes.
func (c *Client) failOnLoss() network.Notifiee {
	return &network.NotifyBundle{DisconnectedF: func(n network.Network, conn network.Conn) {
		c.mu.Lock()
		l := c.link
		c.mu.Unlock()
		if l != nil && l.server == conn.RemotePeer() && n.Connectedness(l.server) == network.NotConnected {
			l.fail(errDisconnected)
		}
	}}
}

// clearBackoff lets a peer be dialled at once that could not be reached a
// moment ago; libp2p would refuse for seconds.
func clearBackoff(h host.Host, to peer.ID) {
	if s, ok := h.Network().(*swarm.Swarm); ok {
		s.Backoff().Clear(to)
	}
}

// jitter draws from the upper half of a duration.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1)
}

// avoidance holds the servers that failed this node, and when.
type avoidance map[peer.ID]time.Time

func (a avoidance) add(server peer.ID, now time.Time) {
	a.list(now)
	if len(a) < maxAvoid {
		a[server] = now
	}
}

// list returns the servers to avoid, and forgets those that had their time.
func (a avoidance) list(now time.Time) [][]byte {
	var ids [][]byte
	for server, since := range a {
		if now.Sub(since) > avoidFor {
			delete(a, server)
			continue
		}
		ids = append(ids, []byte(server))
	}
	return ids
}

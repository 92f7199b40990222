package confine

import (
	"context"
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"

	"github.com/tryst-chat/tryst/testnet"
)

// Halves are two networks with one line between them, on which both ends have an
// address. Everybody in a half has its address, and a port of their own.
type Halves struct {
	Left, Right testnet.Place

	left, right *namespace
}

// The addresses of the halves, of a private network that is nobody else's in there,
// and the ends of the line.
const (
	leftHost, rightHost = "10.99.0.1", "10.99.0.2"
	prefix              = "/24"
	leftEnd, rightEnd   = "left", "right"
	// nobody is a link-layer address that neither end has: what is sent to it is lost
	// without a word, as on a line that is cut.
	nobody = "02:00:00:00:00:99"
)

// NewHalves makes two networks that see each other.
func NewHalves() (*Halves, error) {
	if err := possible("ip"); err != nil {
		return nil, err
	}
	h := &Halves{}
	var err error
	if h.left, err = newNamespace(network); err != nil {
		return nil, err
	}
	if h.right, err = newNamespace(network); err != nil {
		return nil, errors.Join(err, h.left.close())
	}
	if err := h.connect(); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	h.Left, h.Right = h.left.place(leftHost), h.right.place(rightHost)
	return h, nil
}

// connect lays the line.
func (h *Halves) connect() error {
	right := fmt.Sprintf("/proc/%d/fd/%d", unix.Getpid(), h.right.file.Fd())
	if err := h.left.run("ip", "link", "add", leftEnd, "type", "veth", "peer", "name", rightEnd, "netns", right); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	for _, end := range []struct {
		n         *namespace
		link, own string
	}{{h.left, leftEnd, leftHost}, {h.right, rightEnd, rightHost}} {
		for _, words := range [][]string{
			{"ip", "link", "set", "lo", "up"},
			{"ip", "address", "add", end.own + prefix, "dev", end.link},
			{"ip", "link", "set", end.link, "up"},
		} {
			if err := end.n.run(words...); err != nil {
				return err
			}
		}
	}
	return nil
}

// place is a half as a place of programs.
func (n *namespace) place(host string) testnet.Place {
	return testnet.Place{Host: host, Enter: n.enter(), Dial: n.dial}
}

// dial connects from inside: a socket stays in the network that its thread was in
// when it was made.
func (n *namespace) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = n.do(func() (err error) {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Cut cuts the line both ways. What is sent over it is lost without a word.
func (h *Halves) Cut() error { return errors.Join(h.CutFromLeft(), h.cut(h.right, rightEnd, leftHost)) }

// CutFromLeft has nothing from the left half come through to the right one; what the
// right one sends still does.
func (h *Halves) CutFromLeft() error { return h.cut(h.left, leftEnd, rightHost) }

func (h *Halves) cut(n *namespace, end, other string) error {
	return n.run("ip", "neighbour", "replace", other, "lladdr", nobody, "dev", end, "nud", "permanent")
}

// Heal mends the line.
func (h *Halves) Heal() error {
	mend := func(n *namespace, end string) error {
		return n.run("ip", "neighbour", "flush", "dev", end, "nud", "permanent")
	}
	return errors.Join(mend(h.left, leftEnd), mend(h.right, rightEnd))
}

// Close gives both networks up; they are gone once no program is in them.
func (h *Halves) Close() error { return errors.Join(h.left.close(), h.right.close()) }

package testnet

import (
	"context"
	"net"
	"net/http"
	"slices"
	"time"
)

// Place is where a process runs and listens when it is not simply on this machine,
// but in a network or with a disk of its own. Package confine makes some.
type Place struct {
	// Host is the IPv4 address at which servers listen there. Default: 127.0.0.1.
	Host string
	// Enter is a command that starts another one there, with the program and its
	// arguments after its own, as nsenter does; it becomes that program. Default: none.
	Enter []string
	// Dial connects to what listens there. Default: as from anywhere on this machine.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// loopback is where servers listen whose place says nothing else.
const loopback = "127.0.0.1"

func (p Place) host() string {
	if p.Host == "" {
		return loopback
	}
	return p.Host
}

// command returns what to start so that a program runs in the place.
func (p Place) command(program string, args []string) (string, []string) {
	all := slices.Concat(p.Enter, []string{program}, args)
	return all[0], all[1:]
}

// client asks what listens in the place. Its connections are not kept: a server that
// was frozen or cut off meanwhile would be asked over a dead one.
func (p Place) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: p.Dial, DisableKeepAlives: true}, Timeout: askTimeout}
}

// askTimeout bounds one question to a health endpoint: it is answered from memory,
// but not by a machine that is frozen.
const askTimeout = 5 * time.Second

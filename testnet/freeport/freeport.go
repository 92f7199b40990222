// Package freeport finds TCP ports of loopback that nobody has, for processes
// that must know each other's before any of them listens. The testnet's launcher
// uses it, and so do tests of servers; it is no part of them.
package freeport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports are drawn from below those that systems hand out by themselves (from
// 32768 on Linux, from 49152 elsewhere): there a port that is free now may be the
// near end of somebody's connection a moment later, and a server that is restarted
// does not get its own back.
const (
	first = 10_000
	last  = 32_000
	// tries bounds the draws for one port. That many taken ones in a row mean that
	// something else is wrong.
	tries = 100
)

// Draw returns n different ports that nobody listens on at the moment. They are
// held until the last is drawn.
func Draw(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		listener, err := listen()
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		ports[i] = listener.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

// Check returns why a port cannot be listened on, or nil.
func Check(port int) error {
	listener, err := listenOn(port)
	if err != nil {
		return err
	}
	return listener.Close()
}

func listenOn(port int) (net.Listener, error) {
	return net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
}

func listen() (net.Listener, error) {
	failed := errors.New("freeport: no free port")
	for range tries {
		listener, err := listenOn(first + rand.IntN(last-first))
		if err == nil {
			return listener, nil
		}
		failed = fmt.Errorf("freeport: no free port: %w", err)
	}
	return nil, failed
}

package testnet

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Status is what a server says of itself at /status, as far as a testnet needs it.
type Status struct {
	Name     string `json:"name"`
	Ready    bool   `json:"ready"`    // it takes new nodes
	Obstacle string `json:"obstacle"` // why it does not, in words
	Leader   string `json:"leader"`   // the leader's name, as far as this server knows
	Term     uint64 `json:"term"`     // of the leadership
	Applied  uint64 `json:"applied"`  // the last entry of the log that changed its state
}

// Status asks a server how it is.
func (m *Machine) Status(ctx context.Context) (s Status, err error) {
	body, err := m.get(ctx, "/status")
	if err == nil {
		err = json.Unmarshal(body, &s)
	}
	if err != nil {
		return s, fmt.Errorf("testnet: status of %s: %w", m.Name, err)
	}
	return s, nil
}

// Leader waits until the servers have a leader that runs, and returns it: whom the
// newest term says.
func (t *Testnet) Leader(ctx context.Context) (*Machine, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		var newest Status
		for _, m := range t.Servers {
			if !m.Running() {
				continue
			}
			if s, err := m.Status(ctx); err == nil && s.Leader != "" && s.Term > newest.Term {
				newest = s
			}
		}
		for _, m := range t.Servers {
			if m.Name == newest.Leader && m.Running() {
				return m, nil
			}
		}
		timer := time.NewTimer(pollInterval)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("testnet: no server leads: %w", ctx.Err())
		}
	}
}

package crowd

import (
	"context"
	"path/filepath"
	"time"

	"github.com/tryst-chat/tryst/testnet"
)

// Newcomers is what two people find who come while the crowd is there, with the real
// program. Times are in nanoseconds.
type Newcomers struct {
	SignUp  time.Duration `json:"sign_up"` // with a fifth of a second for the password
	Login   time.Duration `json:"login"`   // likewise
	Message time.Duration `json:"message"` // from typing it to "delivered"
	Failed  string        `json:"failed,omitempty"`
}

// newcomers has two people sign up, log in, and one write to the other.
func (c *crowd) newcomers(ctx context.Context) (n Newcomers, err error) {
	ctx, cancel := context.WithTimeout(ctx, newcomersTimeout)
	defer cancel()
	var people []*testnet.Node
	for _, name := range []string{"early", "late"} {
		node, err := c.net.Node(name, filepath.Join(c.net.Dir, name))
		if err != nil {
			return n, err
		}
		defer node.Kill()
		people = append(people, node)
		began := time.Now()
		if _, err := node.Do(ctx, "sign up "+name+" 1 a-password", testnet.Event{Event: "signed_up"}); err != nil {
			return n, err
		}
		n.SignUp = time.Since(began)
		began = time.Now()
		if _, err := node.Do(ctx, "login "+name+"1 a-password", testnet.Event{Event: "logged_in"}); err != nil {
			return n, err
		}
		n.Login = time.Since(began)
	}
	began := time.Now()
	sent, err := people[1].Do(ctx, "send early1 Is it always this crowded?", testnet.Event{Event: "sent"})
	if err != nil {
		return n, err
	}
	if _, err := people[1].Expect(ctx, testnet.Event{Event: "delivered", ID: sent.ID, By: "early1"}); err != nil {
		return n, err
	}
	n.Message = time.Since(began)
	return n, nil
}

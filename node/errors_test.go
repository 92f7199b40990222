package node

import (
	"fmt"
	"testing"

	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// A person is told what there was too much of, in the servers' words if they have any.
func TestExplainTooMany(t *testing.T) {
	for want, err := range map[string]error{
		"Could not create the group: there were too many attempts. Wait a little and try again.": wire.ErrTooMany,
		"Could not create the group: too many groups created by one account: wait 10m0s. Wait a little and try again.": fromServer(
			tooMany{"too many groups created by one account: wait 10m0s"}),
	} {
		if got := explain(fmt.Errorf("append: %w", err), "create the group"); got.Code != CodeTooMany || got.Error() != want {
			t.Errorf("%s: %s", got.Code, got)
		}
	}
}

// fromServer is an error as it came from a server.
func fromServer(err error) error { return wire.FromWire(wire.ToWire(err)) }

type tooMany struct{ words string }

func (e tooMany) Error() string { return e.words }
func (tooMany) Unwrap() error   { return wire.ErrTooMany }

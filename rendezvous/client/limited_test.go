package client

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// Who asks for too much waits and goes on at the same server, if it is only for a
// moment; and otherwise is told so at once.
func TestLimitedForTheMoment(t *testing.T) {
	st := newStage(t, "s1")
	c := st.client()
	refusal := func(err error) *pb.Response {
		return &pb.Response{Kind: &pb.Response_Error{Error: wire.ToWire(fmt.Errorf("%w: wait", err))}}
	}
	var asked atomic.Int32
	st.servers[0].says(func(*pb.Request) *pb.Response {
		if asked.Add(1) < 3 {
			return refusal(wire.ErrSoon)
		}
		return &pb.Response{Kind: &pb.Response_Done{Done: &pb.Done{}}}
	})
	if err := c.Withdraw(harness.Within(t)); err != nil || asked.Load() != 3 {
		t.Errorf("after %d attempts: %v", asked.Load(), err)
	}
	if !c.Linked() {
		t.Error("the server was left")
	}

	asked.Store(0)
	st.servers[0].says(func(*pb.Request) *pb.Response { asked.Add(1); return refusal(wire.ErrTooMany) })
	if err := c.Withdraw(harness.Within(t)); !errors.Is(err, wire.ErrTooMany) || asked.Load() != 1 {
		t.Errorf("after %d attempts: %v", asked.Load(), err)
	}

	st.servers[0].says(func(*pb.Request) *pb.Response { return refusal(wire.ErrSoon) })
	ctx, cancel := context.WithTimeout(harness.Within(t), 16*limitedLeast)
	defer cancel()
	if err := c.Withdraw(ctx); !errors.Is(err, wire.ErrSoon) || ctx.Err() != nil {
		t.Errorf("who has no time to wait is told %v", err)
	}
}

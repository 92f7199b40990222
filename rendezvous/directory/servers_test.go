package directory_test

import (
	"errors"
	"testing"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

func TestRetireServer(t *testing.T) {
	b := newBench(t)
	gone, stays := directorytest.NewKey().ID(), directorytest.NewKey().ID()
	for range 2 { // again changes nothing
		if r := b.do(directory.RetireServer(gone)); r.Err != nil {
			t.Fatal(r.Err)
		}
		if retired, err := b.Retired(gone); err != nil || !retired {
			t.Errorf("retired: %v, %v", retired, err)
		}
		if retired, err := b.Retired(stays); err != nil || retired {
			t.Errorf("one that stays is retired: %v, %v", retired, err)
		}
	}
	if r := b.do(directory.RetireServer("")); !errors.Is(r.Err, wire.ErrBadRequest) {
		t.Errorf("nobody: %v", r.Err)
	}
}

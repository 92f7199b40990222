package storetest_test

import (
	"testing"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(testing.TB) directory.Store { return storetest.NewMemory() })
}

package main

import (
	"context"
	"sync"

	"github.com/tryst-chat/tryst/node"
)

// seen is what was shown on a terminal since the person last typed something. When they
// do they have seen it: a terminal that nobody looks at reads nothing.
type seen struct {
	mu    sync.Mutex
	where map[string]bool // conversations, as node.History names them
}

func newSeen() *seen { return &seen{where: make(map[string]bool)} }

// note looks at every event of the node that was shown. A nil seen notes nothing.
func (s *seen) note(e node.Event) {
	if s == nil || e.Kind != node.EventMessage && e.Kind != node.EventFile {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.Group != "" {
		s.where["#"+string(e.Group)] = true
	} else {
		s.where[string(e.From)] = true
	}
}

// markRead has the node note what was seen. What fails is noted the next time.
func (s *seen) markRead(ctx context.Context, n *node.Node) {
	if s == nil {
		return
	}
	s.mu.Lock()
	where := s.where
	s.where = make(map[string]bool)
	s.mu.Unlock()
	for with := range where {
		if err := n.MarkRead(ctx, with); err != nil {
			s.mu.Lock()
			s.where[with] = true
			s.mu.Unlock()
		}
	}
}

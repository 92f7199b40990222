package node

import (
	"fmt"

	"github.com/tryst-chat/tryst/node/group"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// The servers hold a group's chain, and could show one to some of its members and
// another one to the others. They cannot take back what a device knows; and each message
// names the chain that its author knows. Either way it comes to light, and people are
// told: which history is the right one no program can say.

// tellFork tells, once a run, that the servers show another history of a group than they
// have shown before.
func (r *rooms) tellFork(id record.GroupID, cause error) {
	s, ok := r.state(id)
	if !ok || !r.firstFork(id) {
		return
	}
	r.d.emit(Event{Kind: EventError, Group: s.Name(), Err: fail(CodeForked, cause, whatToCompare(s),
		"The servers show two different histories of #%s: one of them is forged, and this device keeps to the one it knew first.", s.Name())})
}

// compareHeads tells, once a run, that a member has been shown another history of a
// group than this device.
func (r *rooms) compareHeads(fx *effects, s group.State, from group.Member, content wire.GroupContent) {
	if !s.Contradicts(content.ChainLength, content.ChainHead) || !r.firstFork(s.ID()) {
		return
	}
	fx.tell(Event{Kind: EventError, Group: s.Name(), Err: fail(CodeForked, record.ErrFork, whatToCompare(s),
		"%s knows another history of #%s than this device: the servers show two different ones, or %s's device lies.", from.Account, s.Name(), from.Account)})
}

func whatToCompare(s group.State) string {
	return fmt.Sprintf("Compare with the others, over a way that no server is on, what they see with: members %s", s.Name())
}

func (r *rooms) firstFork(id record.GroupID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	told := r.forked[id]
	r.forked[id] = true
	return !told
}

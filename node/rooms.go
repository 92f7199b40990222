package node

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/account"
	"github.com/tryst-chat/tryst/node/causal"
	"github.com/tryst-chat/tryst/node/group"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/transport"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// rooms are the groups that this device is in. Each has a state (package group),
// which changes only inside transactions, and a way to its topic.
type rooms struct {
	// Immutable.
	d         *device
	arrivals  chan topicMessage
	repairs   *repairs
	histories *histories
	unstored  chan struct{} // holds a token when the servers may have to be given something

	mu      sync.RWMutex
	byID    map[record.GroupID]*room
	foreign map[record.GroupID]bool       // groups that the servers say the account is not in
	founded map[record.GroupID]bool       // groups that this device is about to have created
	forked  map[record.GroupID]bool       // groups of whose two histories the person has been told
	invited map[record.GroupID]invitation // those that this run has told of
}

// maxForeign bounds the groups of others that are remembered, so that a peer who
// talks of them is not looked into again each time.
const maxForeign = 1024

// room is one group. Its fields are guarded by rooms.mu.
type room struct {
	state      group.State // as the store has it
	rotation   *transport.Rotation
	entered    chan struct{}             // closed when this device is on the epoch's topic
	since      time.Time                 // when it began to wait for it
	asked      map[peer.ID]time.Time     // for the secret
	owed       map[peer.ID]arrival       // who has asked for it before the chain here let them in
	round      time.Time                 // when members are asked next for what this device lacks
	quiet      time.Duration             // how long it waits after that
	renewal    time.Time                 // when this device begins the epoch that is due; zero: none is
	begun      [16]byte                  // the own chain that was last spoken in, since this run began
	storeAfter time.Time                 // when the servers are given messages next, after they did not take some
	holds      bool                      // messages wait for their turn
	gaps       map[[16]byte]causal.Place // that the person was told of, by chain
	waits      map[peer.ID]waitsFor      // since when devices lack what this one has said
	mailWaits  time.Time                 // since when mail is left with the servers; zero: none is
}

// maxOwed bounds the devices that are remembered as having asked too early: all
// devices of a few people who join at the same time.
const maxOwed = 64

// newRooms loads the groups that the store has.
func newRooms(d *device) (*rooms, error) {
	r := &rooms{
		d:         d,
		arrivals:  make(chan topicMessage, arrivalQueue),
		repairs:   newRepairs(),
		histories: newHistories(),
		unstored:  make(chan struct{}, 1),
		byID:      make(map[record.GroupID]*room),
		foreign:   make(map[record.GroupID]bool),
		founded:   make(map[record.GroupID]bool),
		forked:    make(map[record.GroupID]bool),
		invited:   make(map[record.GroupID]invitation),
	}
	err := d.store.View(func(tx *store.Tx) error {
		for id, raw := range tx.Groups() {
			state, err := group.Parse(raw, statements(tx, id), d.people.acts)
			if err != nil {
				return fmt.Errorf("group %s: %w", id, err)
			}
			at := r.newRoom(state)
			b, err := r.buffer(tx, id)
			if err != nil {
				return fmt.Errorf("group %s: %w", id, err)
			}
			at.holds = b.Holds() > 0
			r.byID[id] = at
			r.resumeHistory(tx, id)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load groups: %w", err)
	}
	return r, nil
}

func (r *rooms) newRoom(s group.State) *room {
	return &room{
		state: s, entered: make(chan struct{}), since: time.Now(), quiet: shortestQuiet,
		asked: make(map[peer.ID]time.Time), owed: make(map[peer.ID]arrival),
	}
}

func (at *room) enteredOnce() {
	select {
	case <-at.entered:
	default:
		close(at.entered)
	}
}

// statementName is the name of a value in the store: statements are many, never
// change, and are read one after the other.
func statementName(id record.GroupID, seq uint64) string {
	return "statement/" + string(binary.BigEndian.AppendUint64(id[:], seq))
}

func statements(tx *store.Tx, id record.GroupID) (all [][]byte) {
	for {
		raw, ok := tx.Meta(statementName(id, uint64(len(all))))
		if !ok {
			return all
		}
		all = append(all, raw)
	}
}

// put stores a state, and makes it the one that others see, unless the transaction
// fails.
func (r *rooms) put(tx *store.Tx, fx *effects, s group.State) error {
	raw, err := s.MarshalBinary()
	if err != nil {
		return err
	}
	id := s.ID()
	r.mu.Lock()
	defer r.mu.Unlock()
	at, known := r.byID[id]
	first := uint64(0)
	if known {
		first = at.state.Chain().Len()
	}
	for i, statement := range s.Statements() {
		if seq := uint64(i); seq >= first {
			tx.PutMeta(statementName(id, seq), statement)
		}
	}
	tx.PutGroup(id, raw)
	if !known {
		r.byID[id] = r.newRoom(s)
		fx.otherwise(func() { r.restore(id, nil) })
		return nil
	}
	before := *at
	fx.otherwise(func() { r.restore(id, &before) })
	if !at.state.Waiting() && s.Waiting() { // a new epoch
		at.entered, at.since = make(chan struct{}), time.Now()
		at.asked = make(map[peer.ID]time.Time)
	}
	at.state = s
	return nil
}

// restore makes a room what it was before a transaction that failed.
func (r *rooms) restore(id record.GroupID, before *room) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if before == nil {
		delete(r.byID, id)
		return
	}
	if at, ok := r.byID[id]; ok {
		at.state, at.entered, at.since, at.asked = before.state, before.entered, before.since, before.asked
		return
	}
	r.byID[id] = before
}

// drop removes a group that the account is not in any more.
func (r *rooms) drop(tx *store.Tx, fx *effects, s group.State) {
	id := s.ID()
	tx.RemoveGroup(id)
	tx.PutMeta(orderName(id), nil)
	tx.PutMeta(acksName(id), nil)
	tx.DropEarly(id)
	r.forgetHistory(tx, fx, id)
	for seq := range s.Chain().Len() {
		tx.PutMeta(statementName(id, seq), nil)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.byID[id]
	if !ok {
		return
	}
	delete(r.byID, id)
	fx.otherwise(func() { r.restore(id, at) })
	rotation, members := at.rotation, r.d.people.devices(s.Chain().Members())
	fx.after(func() {
		r.d.topics.MembershipChanged(members...)
		if rotation != nil {
			r.d.errands.do(func(ctx context.Context) { r.leaveTopics(ctx, rotation) })
		}
	})
}

func (r *rooms) leaveTopics(ctx context.Context, rotation *transport.Rotation) {
	ctx, cancel := context.WithTimeout(ctx, noticeTimeout)
	defer cancel()
	if err := rotation.Leave(ctx); err != nil {
		r.d.log.Warn("a group's topic was not left", "err", err)
	}
}

// state returns a group's state.
func (r *rooms) state(id record.GroupID) (group.State, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	at, ok := r.byID[id]
	if !ok {
		return group.State{}, false
	}
	return at.state, true
}

// named returns the group of a name.
func (r *rooms) named(name record.GroupName) (group.State, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, at := range r.byID {
		if at.state.Name() == name {
			return at.state, true
		}
	}
	return group.State{}, false
}

// all returns the states of all groups, by name.
func (r *rooms) all() []group.State {
	r.mu.RLock()
	defer r.mu.RUnlock()
	states := make([]group.State, 0, len(r.byID))
	for _, at := range r.byID {
		states = append(states, at.state)
	}
	slices.SortFunc(states, func(a, b group.State) int {
		if a.Name() < b.Name() {
			return -1
		}
		return 1
	})
	return states
}

// isMember reports whether a device acts for a member of a group.
func (r *rooms) isMember(id record.GroupID, device peer.ID) bool {
	owner, ok := r.d.people.owner(device)
	if !ok {
		return false
	}
	s, ok := r.state(id)
	return ok && s.Chain().Member(owner)
}

// shares reports whether a device acts for a member of any group that this one
// is in: only such peers see this device's pubsub.
func (r *rooms) shares(device peer.ID) bool {
	owner, ok := r.d.people.owner(device)
	if !ok {
		return false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, at := range r.byID {
		if at.state.Chain().Member(owner) {
			return true
		}
	}
	return false
}

// devices returns the devices of all members of a group, this one left out.
func (r *rooms) devices(s group.State) []group.Member {
	var all []group.Member
	for _, a := range s.Chain().Members() {
		for _, device := range r.d.people.devices([]record.Account{a}) {
			if device != r.d.self.Device {
				all = append(all, group.Member{Account: a, Device: device})
			}
		}
	}
	return all
}

// connected returns those of some devices that this one is connected to.
func (r *rooms) connected(devices []group.Member) (here []group.Member) {
	net := r.d.link.host.Libp2p().Network()
	for _, m := range devices {
		if net.Connectedness(m.Device) == network.Connected {
			here = append(here, m)
		}
	}
	return here
}

// listening returns how many member devices of a group are on its topic now.
func (r *rooms) listening(id record.GroupID, rotation *transport.Rotation) (n int) {
	for _, p := range rotation.Subscribed() {
		if r.isMember(id, p) {
			n++
		}
	}
	return n
}

// enterAll enters the topics of all groups whose secret is here.
func (r *rooms) enterAll() {
	for _, s := range r.all() {
		r.enter(s.ID())
	}
}

// rotation returns a group's way to its topics, nil if the group is gone.
func (r *rooms) rotation(id record.GroupID) *transport.Rotation {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.byID[id]
	if !ok {
		return nil
	}
	if at.rotation == nil {
		at.rotation = r.d.topics.Rotation(
			func(p peer.ID) bool { return r.isMember(id, p) },
			func(ctx context.Context, from peer.ID, data []byte) { r.arrived(ctx, from, id, data) },
		)
	}
	return at.rotation
}

// enter enters the topic of a group's epoch, if its secret is here and it has
// not been entered yet.
func (r *rooms) enter(id record.GroupID) {
	s, ok := r.state(id)
	if !ok {
		return
	}
	topic, ok := s.Topic()
	if !ok {
		return
	}
	rotation := r.rotation(id)
	if rotation == nil {
		return
	}
	if err := rotation.Enter(topic); err != nil {
		r.d.log.Error("a group's topic was not entered", "err", err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.byID[id]
	if !ok { // left meanwhile
		r.d.errands.do(func(ctx context.Context) { r.leaveTopics(ctx, rotation) })
		return
	}
	if !at.state.Waiting() {
		at.enteredOnce()
	}
	r.liven(at) // there may have been talk before
}

// devicesChanged reacts to a contact's devices: those of a revoked one know the
// secrets of its groups, so that the remaining members begin new epochs.
func (r *rooms) devicesChanged(c account.Contact, change account.Change) {
	if len(change.Revoked) == 0 {
		return
	}
	for _, s := range r.all() {
		if s.Chain().Member(c.Account) {
			r.d.errands.do(func(context.Context) { r.reviewAcks(s.ID()) })
		}
		if s.Chain().Member(c.Account) && !s.Waiting() {
			r.d.errands.do(func(ctx context.Context) { r.rekeySoon(ctx, s.ID(), s.Epoch()) })
		}
	}
}

// seen asks a member device that has come for the secrets that are missing, and for
// what was said meanwhile.
func (r *rooms) seen(device peer.ID) {
	for _, s := range r.all() {
		if !r.isMember(s.ID(), device) {
			continue
		}
		if s.Waiting() {
			r.d.errands.do(func(context.Context) { r.ask(s.ID()) })
		}
		r.repairs.add(s.ID(), device, 0)
	}
}

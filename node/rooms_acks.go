package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/group"
	"github.com/tryst-chat/tryst/node/outbox"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// A topic does not say who has heard a message. So each device that has one tells its
// author how far it has got: by asking it for more (rooms_repair.go), which it does a
// moment after it heard something, or by a receipt over the session where the author
// is not there. What some device does not say it has, the servers are given, sealed as
// it is, one copy for all who lack it.

const (
	// ackDelay is after what time an author is told, for each device in the group: so
	// that many who hear the same do not all answer at once, and few answer quickly.
	ackDelay        = 10 * time.Millisecond
	shortestAckWait = 50 * time.Millisecond
	longestAckWait  = time.Second
	// ackPatience is how long a connected device may take to say that it has a message,
	// before the servers are given it for that device too.
	ackPatience = 5 * time.Second
	// maxStoredAtOnce bounds the messages of a group that are given to the servers at a
	// time: of up to 96 KiB each.
	maxStoredAtOnce = 32
	// storeLook is how often groups are looked at in which something is not with
	// everybody yet.
	storeLook = 250 * time.Millisecond
)

// waitsFor is since when a device lacks what it lacks.
type waitsFor struct {
	lacks group.Place
	since time.Time
}

func acksName(id record.GroupID) string { return "acks/" + string(id[:]) }

// ownPlaceName is where the store has the ID of the message at a place in one of this
// device's chains, while it is not with everybody.
func ownPlaceName(chain [16]byte, iteration uint32) string {
	return "own place/" + string(binary.BigEndian.AppendUint32(chain[:], iteration))
}

func (r *rooms) acks(tx *store.Tx, id record.GroupID) (group.Acks, error) {
	raw, ok := tx.Meta(acksName(id))
	if !ok {
		return group.Acks{}, nil
	}
	return group.ParseAcks(raw)
}

// awaitAcks notes a message that has just been sealed for some devices.
func (r *rooms) awaitAcks(tx *store.Tx, fx *effects, s group.State, id wire.MessageID, at group.Place, devices []group.Member) error {
	a, err := r.acks(tx, s.ID())
	if err != nil {
		return err
	}
	own, _ := tx.Own(id)
	own.ID, own.Chain, own.Iteration = id, at.Chain, at.Iteration
	tx.PutOwn(own)
	tx.PutMeta(ownPlaceName(at.Chain, at.Iteration), id[:])
	return r.putAcks(tx, fx, s, a.Sent(at, devices))
}

// putAcks stores who has what, and tells of what is new: that a message is with a first
// device of somebody else, that the servers have it for all who lack it, and that it is
// with all.
func (r *rooms) putAcks(tx *store.Tx, fx *effects, s group.State, a group.Acks) error {
	a = a.Keep(func(m group.Member) bool { return r.isMember(s.ID(), m.Device) })
	a, reached := a.Reached(r.d.self.Account)
	for _, at := range reached {
		r.eachOwn(tx, at, func(own store.Own) {
			r.noteOwn(tx, own, outbox.Sent)
			fx.tell(Event{Kind: EventSent, ID: own.ID.String(), Group: s.Name()})
		})
	}
	a, settled := a.Settled()
	for _, at := range settled {
		r.eachOwn(tx, at, func(own store.Own) {
			tx.PutMeta(ownPlaceName(own.Chain, own.Iteration), nil)
			m, ok := tx.MessageAt(own.Conversation, own.Order)
			if ok && m.File != nil {
				return // the announcement is there, which says little of the file
			}
			r.noteOwn(tx, own, outbox.Delivered)
			fx.tell(Event{Kind: EventDelivered, ID: own.ID.String(), Group: s.Name()})
		})
	}
	a, kept := a.Kept()
	for _, at := range kept {
		r.eachOwn(tx, at, func(own store.Own) {
			r.noteOwn(tx, own, outbox.Stored)
			fx.tell(Event{Kind: EventStored, ID: own.ID.String(), Group: s.Name()})
		})
	}
	raw, err := a.MarshalBinary()
	if err != nil {
		return err
	}
	tx.PutMeta(acksName(s.ID()), raw)
	if a.Uncovered() {
		fx.after(r.storeSoon)
	}
	return nil
}

// reviewAcks waits no longer for devices that need nothing more of a group.
func (r *rooms) reviewAcks(id record.GroupID) {
	err := r.changeAcks(id, func(a group.Acks) group.Acks { return a })
	if err != nil {
		r.d.log.Error("who has what was not reviewed", "err", err)
	}
}

// changeAcks changes who has what, in a transaction.
func (r *rooms) changeAcks(id record.GroupID, change func(group.Acks) group.Acks) error {
	return r.d.commit(func(tx *store.Tx, fx *effects) error {
		s, ok := r.state(id)
		if !ok {
			return nil
		}
		a, err := r.acks(tx, id)
		if err != nil {
			return err
		}
		return r.putAcks(tx, fx, s, change(a))
	})
}

// noteOwn keeps what has become of a message to a group.
func (r *rooms) noteOwn(tx *store.Tx, own store.Own, state outbox.State) {
	r.d.advance(tx, own.ID, state)
	tx.AddStep(own.ID, store.Step{At: time.Now(), State: state})
}

// eachOwn calls do for the messages in a range of one of this device's chains.
func (r *rooms) eachOwn(tx *store.Tx, at group.Range, do func(store.Own)) {
	for n := at.From; n < at.To; n++ {
		raw, ok := tx.Meta(ownPlaceName(at.Chain, n))
		if !ok {
			continue
		}
		if id, ok := wire.ParseMessageID(raw); ok {
			if own, ok := tx.Own(id); ok {
				do(own)
			}
		}
	}
}

// noteHave takes a member device's word for how far it has got.
func (r *rooms) noteHave(id record.GroupID, device peer.ID, have []wire.Have) error {
	var news bool
	err := r.d.store.View(func(tx *store.Tx) error {
		a, err := r.acks(tx, id)
		if err == nil {
			_, news = a.Has(device, have)
		}
		return err
	})
	if err != nil || !news {
		return err
	}
	return r.changeAcks(id, func(a group.Acks) group.Acks {
		a, _ = a.Has(device, have)
		return a
	})
}

// receivedOne takes a device's word that it has one message of this device's to a
// group.
func (r *rooms) receivedOne(tx *store.Tx, fx *effects, from group.Member, id wire.MessageID) error {
	own, ok := tx.Own(id)
	if !ok {
		return nil
	}
	for _, s := range r.all() {
		if conversation(s.Name()) != own.Conversation {
			continue
		}
		a, err := r.acks(tx, s.ID())
		if err != nil {
			return err
		}
		if a, news := a.HasOne(from.Device, group.Place{Chain: own.Chain, Iteration: own.Iteration}); news {
			return r.putAcks(tx, fx, s, a)
		}
	}
	return nil
}

// acknowledge tells the authors of messages that this device has them.
func (r *rooms) acknowledge(tx *store.Tx, fx *effects, s group.State, all []opened) error {
	away := newAnswers()
	for _, m := range all {
		if m.From.Device == r.d.self.Device {
			continue
		}
		if r.here(m.From.Device) {
			fx.after(func() { r.repairs.add(s.ID(), m.From.Device, r.ackWait(s)) })
		} else if m.valid {
			away.received(letter{from: m.From.Account, device: m.From.Device, id: m.said.ID})
		}
	}
	return away.send(r.d, tx, fx)
}

func (r *rooms) here(device peer.ID) bool {
	return r.d.link.host.Libp2p().Network().Connectedness(device) == network.Connected
}

// ackWait is how long to wait before an author is told.
func (r *rooms) ackWait(s group.State) time.Duration {
	return min(max(shortestAckWait, ackDelay*time.Duration(len(r.devices(s)))), longestAckWait)
}

// keepStored gives the servers what some device does not say it has, until the context
// ends.
func (r *rooms) keepStored(ctx context.Context) {
	for ctx.Err() == nil {
		wait := storeReview
		if r.d.link.client.Linked() {
			for _, s := range r.all() {
				if more := r.storeFor(ctx, s); more {
					wait = storeLook
				}
			}
		}
		awaitSignal(ctx, r.unstored, wait)
	}
}

// storeFor gives the servers what they are to have of a group now, unless they did not
// take it a moment ago. more says that some will be due soon.
func (r *rooms) storeFor(ctx context.Context, s group.State) (more bool) {
	if r.refusedLately(s.ID()) {
		return true
	}
	more, err := r.storeDue(ctx, s)
	if err != nil && ctx.Err() == nil {
		r.d.log.Debug("the servers did not take a group's messages", "err", err)
		r.mu.Lock()
		if at, ok := r.byID[s.ID()]; ok {
			at.storeAfter = time.Now().Add(retryAfter(err))
		}
		r.mu.Unlock()
	}
	return more
}

func (r *rooms) refusedLately(id record.GroupID) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	at, ok := r.byID[id]
	return ok && time.Now().Before(at.storeAfter)
}

// serversChanged has what they did not take given to the servers again: they may answer
// otherwise now.
func (r *rooms) serversChanged() {
	r.mu.Lock()
	for _, at := range r.byID {
		at.storeAfter = time.Time{}
	}
	r.mu.Unlock()
	signal(r.unstored)
}

// storeSoon has groups looked at in which something may not be with everybody.
func (r *rooms) storeSoon() { signal(r.unstored) }

// storeDue gives the servers messages of a group. more says that some will be due soon.
func (r *rooms) storeDue(ctx context.Context, s group.State) (more bool, err error) {
	var letters []client.GroupLetter
	var which []group.ToStore
	err = r.d.store.View(func(tx *store.Tx) error {
		a, err := r.acks(tx, s.ID())
		if err != nil || !a.Uncovered() {
			return err
		}
		more = true
		due := r.due(s, a)
		for _, l := range a.ToStore(due, maxStoredAtOnce) {
			letter, ok := groupLetter(tx, s.ID(), l)
			which = append(which, l)
			if ok { // else it is not kept any more, and nobody can be given it
				letters = append(letters, letter)
			}
		}
		return nil
	})
	if err != nil || len(which) == 0 {
		return more, err
	}
	bounded, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	errs, err := r.d.link.client.PutGroupMail(bounded, s.ID(), letters)
	if err != nil {
		return more, fmt.Errorf("put group mail: %w", err)
	}
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return more, fmt.Errorf("%w: %w", errNotTaken, errs[i])
	}
	return more, r.stored(s.ID(), which)
}

func groupLetter(tx *store.Tx, id record.GroupID, l group.ToStore) (client.GroupLetter, bool) {
	raw, known := tx.Meta(ownPlaceName(l.Chain, l.Iteration))
	message, ok := wire.ParseMessageID(raw)
	order, kept := tx.LoggedAt(id, l.Chain, l.Iteration)
	if !known || !ok || !kept {
		return client.GroupLetter{}, false
	}
	logged, kept := tx.Logged(id, order)
	return client.GroupLetter{ID: message, For: l.For, Message: logged.Message}, kept
}

// stored notes what the servers keep.
func (r *rooms) stored(id record.GroupID, which []group.ToStore) error {
	return r.changeAcks(id, func(a group.Acks) group.Acks { return a.Stored(which) })
}

// due returns which devices have lacked something for so long that the servers are
// given it for them.
func (r *rooms) due(s group.State, a group.Acks) func(group.Member) bool {
	now, waits := time.Now(), a.Waits()
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.byID[s.ID()]
	if !ok {
		return func(group.Member) bool { return false }
	}
	before := at.waits
	at.waits = make(map[peer.ID]waitsFor, len(waits))
	for device, lacks := range waits {
		w, waited := before[device]
		if !waited || w.lacks != lacks { // it has moved
			w = waitsFor{lacks, now}
		}
		at.waits[device] = w
	}
	since := at.waits
	return func(m group.Member) bool {
		w, waits := since[m.Device]
		patience := storePatience
		if r.here(m.Device) {
			patience = ackPatience
		}
		return waits && now.Sub(w.since) >= patience
	}
}

var errWaitsForKeys = errors.New("what opens it has not come yet")

// keysPatience is how long mail to a group is left with the servers because what opens
// it has not come.
const keysPatience = 2 * time.Minute

// takeMail takes what the servers kept of a group for this device.
func (r *rooms) takeMail(ctx context.Context, id record.GroupID, page []client.Mail) error {
	if s, ok := r.state(id); ok && slices.ContainsFunc(page, func(m client.Mail) bool { return !s.Chain().Member(m.From) }) {
		r.update(ctx, id) // somebody has joined, or left
	}
	waits := false
	for part := range slices.Chunk(page, maxMailBatch/8) { // of up to 96 KiB each
		err := r.d.commit(func(tx *store.Tx, fx *effects) error {
			again := newAnswers()
			for _, m := range part {
				if owner, ok := r.d.people.owner(m.Device); !ok || owner != m.From {
					continue
				}
				effect, err := r.receive(tx, fx, id, group.Member{Account: m.From, Device: m.Device}, m.Envelope)
				if err != nil {
					return err
				}
				waits = waits || effect.NeedChain || effect.NeedSecret || effect.NeedSenderKey
				if effect.Duplicate {
					again.received(letter{from: m.From, device: m.Device, id: m.ID})
				}
			}
			return again.send(r.d, tx, fx)
		})
		if err != nil {
			return fmt.Errorf("take group mail: %w", err)
		}
	}
	if waits && r.stillWaits(id) {
		return errWaitsForKeys
	}
	return nil
}

// stillWaits tells whether to leave a group's mail with the servers for now. A member
// who never hands out what opens a message does not hold up the others for ever.
func (r *rooms) stillWaits(id record.GroupID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.byID[id]
	if !ok {
		return false
	}
	now := time.Now()
	if at.mailWaits.IsZero() {
		at.mailWaits = now
	}
	if now.Sub(at.mailWaits) < keysPatience {
		return true
	}
	at.mailWaits = time.Time{}
	return false
}

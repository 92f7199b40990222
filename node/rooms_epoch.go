package node

import (
	"context"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/group"
	"github.com/tryst-chat/tryst/node/store"
	nwire "github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

const (
	// askInterval is how often a device without its group's secret looks for
	// somebody to ask; askAgain how long the same device is left in peace.
	askInterval = 2 * time.Second
	askAgain    = 5 * time.Second
	// askAtOnce is how many member devices are asked at a time: one that answers is
	// enough, three make it likely.
	askAtOnce = 3
	// rekeyPatience is how long a member waits for the secret before it begins an
	// epoch of its own: nobody who has it seems to be online.
	rekeyPatience = 30 * time.Second
	// rekeySpread is over how long the members of a group spread their rekeying
	// after a device was revoked. The first wins, and the others then see it.
	rekeySpread = 3 * time.Second
	// leaveSettle is how long members wait after somebody has left before they rekey,
	// so that others who leave with them share the epoch. What is said meanwhile is under
	// keys that who is gone never had (package group).
	leaveSettle = 5 * time.Second
)

// run keeps asking for secrets that are missing, and for messages, and begins epochs
// that are due.
func (r *rooms) run(ctx context.Context) error {
	ticker := time.NewTicker(askInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		for _, s := range r.all() {
			r.makeRound(s)
			r.reviewOrder(s.ID(), time.Now())
			r.pursueHistory(s.ID())
			if r.renewalDue(s) {
				r.d.errands.do(func(ctx context.Context) { r.rekey(ctx, s.ID(), s.Epoch()) })
			}
			if !s.Waiting() {
				continue
			}
			if r.waitedFor(s.ID()) > rekeyPatience && r.d.link.client.Linked() {
				r.d.errands.do(func(ctx context.Context) { r.rekey(ctx, s.ID(), s.Epoch()) })
			} else {
				r.d.errands.do(func(context.Context) { r.ask(s.ID()) })
			}
		}
	}
}

// renewalDue tells that somebody has left a group so long ago that this device begins
// the next epoch: if others are no faster, one of several that left together.
func (r *rooms) renewalDue(s group.State) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.byID[s.ID()]
	if !ok {
		return false
	}
	now := time.Now()
	switch {
	case !s.Chain().Lapsed() || s.Waiting():
		at.renewal = time.Time{}
		return false
	case at.renewal.IsZero():
		at.renewal = now.Add(leaveSettle + spread(rekeySpread))
		return false
	case now.Before(at.renewal):
		return false
	}
	at.renewal = now.Add(leaveSettle + spread(rekeySpread)) // should it not succeed
	return true
}

func (r *rooms) waitedFor(id record.GroupID) time.Duration {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if at, ok := r.byID[id]; ok {
		return time.Since(at.since)
	}
	return 0
}

// ask asks a few connected member devices for a group's secret.
func (r *rooms) ask(id record.GroupID) {
	s, ok := r.state(id)
	if !ok || !s.Waiting() {
		return
	}
	here := r.notAskedLately(id, r.connected(r.devices(s)))
	if len(here) == 0 {
		return
	}
	err := r.d.commit(func(tx *store.Tx, fx *effects) error {
		for _, m := range here {
			if err := unlessFull(r.d.tellDevice(tx, fx, m.Account, m.Device, nwire.EpochRequest{Group: id, Epoch: s.Epoch()})); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		r.d.log.Error("a group's secret was not asked for", "err", err)
	}
}

func (r *rooms) notAskedLately(id record.GroupID, devices []group.Member) (next []group.Member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.byID[id]
	if !ok {
		return nil
	}
	asked := at.asked
	for _, m := range devices {
		if len(next) < askAtOnce && time.Since(asked[m.Device]) > askAgain {
			asked[m.Device] = time.Now()
			next = append(next, m)
		}
	}
	return next
}

// answerEpoch sends a group's secret to a member device that asks for it. Who asks
// before the statement has come that lets them in is answered when it has.
func (r *rooms) answerEpoch(tx *store.Tx, fx *effects, a arrival, asked nwire.EpochRequest) error {
	err := r.giveSecret(tx, fx, a.from.Account, a.device, asked)
	if errors.Is(err, group.ErrNotMember) || errors.Is(err, group.ErrBehind) {
		r.owe(asked.Group, a)
		fx.after(func() { r.d.errands.do(func(ctx context.Context) { r.update(ctx, asked.Group) }) })
		return nil
	}
	return err
}

func (r *rooms) owe(id record.GroupID, a arrival) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.byID[id]; ok && len(at.owed) < maxOwed {
		at.owed[a.device] = a
	}
}

func (r *rooms) takeOwed(id record.GroupID) map[peer.ID]arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.byID[id]
	if !ok {
		return nil
	}
	owed := at.owed
	at.owed = make(map[peer.ID]arrival)
	return owed
}

// payOwed answers those who had asked too early.
func (r *rooms) payOwed(id record.GroupID) {
	for device, a := range r.takeOwed(id) {
		err := r.d.commit(func(tx *store.Tx, fx *effects) error {
			return r.giveSecret(tx, fx, a.from.Account, device, a.content.Body.(nwire.EpochRequest))
		})
		if err != nil {
			r.d.log.Info("a group's secret was not given", "peer", device, "err", err)
		}
	}
}

// giveSecret returns group.ErrNotMember or group.ErrBehind when the chain here
// does not say so; otherwise it answers, or has nothing to answer.
func (r *rooms) giveSecret(tx *store.Tx, fx *effects, to record.Account, device peer.ID, asked nwire.EpochRequest) error {
	s, ok := r.state(asked.Group)
	if !ok {
		return nil
	}
	secret, err := s.SecretFor(asked.Epoch, to)
	switch {
	case errors.Is(err, group.ErrNoSecret):
		return nil
	case errors.Is(err, group.ErrOver): // it is late, or has gone back to then
	case err != nil:
		return err
	default:
		if err := unlessFull(r.d.tellDevice(tx, fx, to, device, nwire.EpochSecret{Group: asked.Group, Epoch: asked.Epoch, Secret: secret})); err != nil {
			return err
		}
	}
	// Whoever asks has nothing yet, our sender key neither, or has it no longer.
	return r.put(tx, fx, s.Forget(device))
}

// takeEpoch takes a group's secret, whoever sent it: the chain says whether it is
// the one.
func (r *rooms) takeEpoch(tx *store.Tx, fx *effects, a arrival, sent nwire.EpochSecret) error {
	s, ok := r.state(sent.Group)
	if !ok || !s.Waiting() {
		return nil
	}
	s, err := s.AcceptSecret(sent.Epoch, sent.Secret)
	if err != nil {
		r.d.log.Warn("a group's secret is not the one that its chain commits to", "peer", a.device, "err", err)
		return nil
	}
	fx.after(func() { r.enter(sent.Group) })
	fx.after(func() { r.d.errands.do(func(context.Context) { r.pursueHistory(sent.Group) }) })
	return r.put(tx, fx, s)
}

// rekeySoon begins a new epoch, unless another member does so first.
func (r *rooms) rekeySoon(ctx context.Context, id record.GroupID, over uint64) {
	select {
	case <-time.After(spread(rekeySpread)):
		r.rekey(ctx, id, over)
	case <-ctx.Done():
	}
}

// rekey begins the epoch after one that is over, and sends its secret to all
// member devices.
func (r *rooms) rekey(ctx context.Context, id record.GroupID, over uint64) {
	ctx, cancel := context.WithTimeout(ctx, groupTimeout)
	defer cancel()
	s, ok := r.state(id)
	if !ok || s.Epoch() != over || s.Chain().Full() {
		return
	}
	next, statement, secret, err := s.Rekey(r.self(), time.Now())
	if err == nil {
		err = r.d.link.client.AppendGroup(ctx, statement)
	}
	if errors.Is(err, wire.ErrConflict) {
		r.update(ctx, id) // somebody else was first
		return
	}
	if err == nil {
		err = r.d.commit(func(tx *store.Tx, fx *effects) error {
			return r.commitEpoch(tx, fx, id, next.Epoch(), statement, nwire.EpochSecret{Group: id, Epoch: next.Epoch(), Secret: secret})
		})
	}
	if err != nil {
		r.d.log.Warn("a group's new epoch was not begun", "err", err)
		return
	}
	r.enter(id)
}

// commitEpoch stores an epoch that this device has begun: on the state as it is
// now, which may have moved on while the servers were asked.
func (r *rooms) commitEpoch(tx *store.Tx, fx *effects, id record.GroupID, epoch uint64, statement []byte, secret nwire.EpochSecret) error {
	s, _ := r.state(id)
	s, _, err := s.Extend([][]byte{statement}, r.d.people.acts)
	if err != nil {
		return err
	}
	if s, err = s.AcceptSecret(epoch, secret.Secret); err != nil {
		return err
	}
	for _, m := range r.devices(s) {
		if err := unlessFull(r.d.tellDevice(tx, fx, m.Account, m.Device, secret)); err != nil {
			return err
		}
	}
	return r.put(tx, fx, s)
}

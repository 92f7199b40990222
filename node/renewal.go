package node

import (
	"context"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/group"
	"github.com/tryst-chat/tryst/node/store"
	nwire "github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// renewAtOnce bounds the sessions or entries that one transaction renews: a few
// hundred bytes are written for each, while contents are read.
const renewAtOnce = 256

// renew makes a home that is older than the servers have seen this device one that
// can go on: whatever it would say next has been said before, by the state that was
// lost. found is what the servers know of that one.
//
// It is done when its last transaction is on disk, which lets the next question be
// about the generation that was found. A device that stops before finds its home the
// same old one, and begins again.
func (d *device) renew(found client.Generation) error {
	d.start.setRenewing()
	if err := d.forgetSessions(); err != nil {
		return err
	}
	if err := d.rooms.renew(); err != nil {
		return err
	}
	return d.commit(func(tx *store.Tx, _ *effects) error {
		keys, _ := tx.Keys()
		tx.PutKeys(keys.Renew(found.HighestPrekey, time.Now()))
		for _, id := range tx.OneTimeIDs() {
			tx.UseOneTime(id)
		}
		tx.PutMeta(bundlePublished, nil)
		readFromNow(tx)
		putGeneration(tx, generation{number: found.Number, token: newToken(), renewing: true, behind: true})
		return nil
	})
}

// forgetSessions forgets all sessions, and has what waits sealed in those that begin.
func (d *device) forgetSessions() error {
	var with, waiting []peer.ID
	err := d.store.View(func(tx *store.Tx) error {
		with, waiting = tx.Sessions(), tx.Waiting()
		return nil
	})
	if err != nil {
		return err
	}
	for some := range slices.Chunk(with, renewAtOnce) {
		err := d.commit(func(tx *store.Tx, _ *effects) error {
			for _, device := range some {
				tx.RemoveSession(device)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	// Only now, so that nothing is sealed in a session that goes. An envelope that is
	// on its way meanwhile is refused, and sealed anew for that.
	for _, device := range waiting {
		if err := d.unsealAll(device); err != nil {
			return err
		}
	}
	return nil
}

// unsealAll drops the envelopes of everything that waits for a device.
func (d *device) unsealAll(device peer.ID) error {
	for last, more := uint64(0), true; more; {
		var next uint64
		err := d.commit(func(tx *store.Tx, _ *effects) error {
			entries := tx.EntriesAfter(device, last, renewAtOnce)
			more = len(entries) == renewAtOnce
			for _, e := range entries {
				next = e.Seq
				if e.Envelope != nil || e.Renewals > 0 {
					e.Envelope, e.Renewals = nil, 0
					tx.PutEntry(e)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		last = next
	}
	return nil
}

// renew has this device speak in new chains of its own in all groups.
func (r *rooms) renew() error {
	for _, known := range r.all() { // each alone, since a state may be large
		err := r.d.commit(func(tx *store.Tx, fx *effects) error {
			s, ok := r.state(known.ID())
			if !ok {
				return nil
			}
			return r.put(tx, fx, s.Renew())
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// catchUp asks the members of all groups for the keys that the lost state was given,
// once the home knows again who they are. Until that is done each resync tries it again.
func (d *device) catchUp(ctx context.Context) {
	if !d.start.isSettled() || !d.isBehind() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, resyncTimeout)
	defer cancel()
	d.lookUpAll(ctx, d.people.all())
	err := d.rooms.sync(ctx)
	if err == nil {
		err = d.rooms.askAll()
	}
	if err == nil {
		err = d.commit(func(tx *store.Tx, _ *effects) error {
			g, err := getGeneration(tx)
			if err != nil {
				return err
			}
			g.behind = false
			putGeneration(tx, g)
			return nil
		})
	}
	if err != nil && ctx.Err() == nil {
		d.log.Info("the members of groups were not asked for their keys yet", "err", err)
	}
}

func (d *device) isBehind() bool {
	var g generation
	err := d.store.View(func(tx *store.Tx) (err error) {
		g, err = getGeneration(tx)
		return err
	})
	return err == nil && g.behind
}

// askAll asks every member device of every group for the epoch's secret. That is here
// in most cases; but whoever is asked takes it that the asker has nothing, and hands
// out its sender key again, which nothing else makes it do (see giveSecret).
func (r *rooms) askAll() error {
	for _, known := range r.all() {
		err := r.d.commit(func(tx *store.Tx, fx *effects) error {
			s, ok := r.state(known.ID())
			if !ok {
				return nil
			}
			for _, m := range r.devices(s) {
				request := nwire.EpochRequest{Group: s.ID(), Epoch: s.Epoch()}
				if err := unlessFull(r.d.tellDevice(tx, fx, m.Account, m.Device, request)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// speakable returns a group's state to send with. As long as it is not settled that
// the home is what it was, it speaks in a chain that this run has begun: in an older
// one its numbers may have been heard before, and then nobody hears it.
func (r *rooms) speakable(s group.State) group.State {
	chain, speaks := s.SenderChain()
	if !speaks || r.d.start.isSettled() {
		return s
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.byID[s.ID()].begun == chain {
		return s
	}
	return s.Renew()
}

// spoke notes the chain that this device speaks in.
func (r *rooms) spoke(id record.GroupID, chain [16]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byID[id].begun = chain
}

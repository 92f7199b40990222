package node

import (
	"context"
	"errors"
	"time"

	"github.com/tryst-chat/tryst/node/account"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

const (
	// bundlePublished names a value in the store: the directory has the current
	// bundle of this device.
	bundlePublished = "bundle published"
	// refill is how many one-time prekeys are published when they run low. With
	// wire.PrekeyLow left the directory's limit is not reached.
	refill = record.MaxPrekeys - 2*wire.PrekeyLow
)

// publishKeys brings the directory's stock of this device's prekeys up to date:
// the bundle if it is new, one-time prekeys with it or when they run low. It waits
// until the servers have counted this start: an older home's prekeys may have IDs that
// the directory knows.
func (d *device) publishKeys(ctx context.Context, low bool) {
	if !d.start.isSettled() {
		if low {
			d.start.ranLow()
		}
		return
	}
	ctx, cancel := context.WithTimeout(ctx, noticeTimeout)
	defer cancel()
	bundle, oneTime, err := d.makeKeys(low)
	if err != nil {
		d.log.Error("prekeys were not made", "err", err)
		return
	}
	if bundle == nil && oneTime == nil {
		return
	}
	err = d.link.client.PublishKeys(ctx, bundle, oneTime)
	if errors.Is(err, wire.ErrFull) && bundle != nil {
		// Nothing of it was taken, and there are one-time prekeys enough.
		err = d.link.client.PublishKeys(ctx, bundle, nil)
	}
	if err != nil && !errors.Is(err, wire.ErrFull) {
		d.log.Info("prekeys were not published and will be", "err", err)
		return
	}
	if bundle != nil {
		err = d.commit(func(tx *store.Tx, _ *effects) error {
			tx.PutMeta(bundlePublished, []byte{1})
			return nil
		})
		if err != nil {
			d.log.Error("the published bundle was not noted", "err", err)
		}
		d.start.published()
	}
}

// makeKeys returns what is to be published, its private halves already on disk.
func (d *device) makeKeys(low bool) (bundle []byte, oneTime [][]byte, err error) {
	err = d.commit(func(tx *store.Tx, _ *effects) error {
		bundle, oneTime = nil, nil
		now := time.Now()
		keys, ok := tx.Keys()
		fresh := !ok
		if fresh {
			keys = account.NewKeys(now)
		} else {
			keys, fresh = keys.Rotate(now)
		}
		if fresh {
			tx.PutMeta(bundlePublished, nil)
		}
		_, published := tx.Meta(bundlePublished)
		if published && !low {
			return nil // and nothing has changed that would have to be written
		}
		if !published {
			bundle = keys.Bundle(d.self.Account, d.self.Device, d.self.DH.Public(), now, d.key)
		}
		if low || !published {
			var private []account.OneTime
			keys, private, oneTime = keys.Refill(refill, d.self.Device, d.key)
			tx.AddOneTime(private...)
		}
		tx.PutKeys(keys)
		return nil
	})
	return bundle, oneTime, err
}

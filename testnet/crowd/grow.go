package crowd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// grow brings the devices, as many of one account as it may have: an account costs its
// client a fifth of a second for the password, and a further device nearly nothing. It
// ends early with the first that does not get in.
func (c *crowd) grow(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(households)
	for i, left := 0, c.options.Nodes; left > 0 && ctx.Err() == nil; i++ {
		n := min(left, record.MaxDevices)
		left -= n
		group.Go(func() error { return c.household(ctx, i, n) })
	}
	return group.Wait()
}

// household signs one account up and logs n devices of it in.
func (c *crowd) household(ctx context.Context, number, n int) error {
	identity := newSigner()
	var log record.DeviceLog
	var account record.Account
	for i := range n {
		d, err := c.newDevice()
		if err != nil {
			return err
		}
		c.keep(d)
		enter := func(of record.DeviceLog) ([]byte, error) {
			entry := of.Next(record.AddDevice, d.host.ID(), "one of a crowd", time.Now()).Sign(identity)
			log, err = of.Append(entry)
			return entry, err
		}
		join := func(ctx context.Context) error {
			if i > 0 {
				before := log
				entry, err := enter(log)
				if err != nil {
					return err
				}
				if err := d.AppendDevice(ctx, account, entry); err != nil {
					log = before
					return err
				}
				return nil
			}
			account, err = d.SignUp(ctx, fmt.Sprintf("crowd%d-", number), "1", []byte("a password"),
				func(account record.Account, _ client.ExportKey) (client.Enrolment, error) {
					entry, err := enter(record.NewDeviceLog(account, identity.public()))
					return client.Enrolment{Identity: identity.public(), Device: entry}, err
				})
			return err
		}
		if err := c.join(ctx, d, join); err != nil {
			return fmt.Errorf("crowd: device %d of account %d: %w", i+1, number+1, err)
		}
	}
	return nil
}

// join has a device enter the account and waits for its first beat. Who is told to wait
// does.
func (c *crowd) join(ctx context.Context, d *device, enter func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, joinTimeout, errCrowded)
	defer cancel()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		err := enter(ctx)
		if err == nil {
			break
		}
		if !errors.Is(err, wire.ErrTooMany) {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		}
	}
	d.Attend(true)
	select {
	case <-d.here:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

var errCrowded = fmt.Errorf("it did not get its place within %v", joinTimeout)

// progress tells how the crowd grows until ctx ends.
func (c *crowd) progress(ctx context.Context) {
	ticker := time.NewTicker(tell)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.say("%6d of %d are there; %d lost their server on the way.", c.present.Load(), c.options.Nodes, c.lost.Load())
		}
	}
}

package linear

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/testnet/keys"
	"github.com/tryst-chat/tryst/testnet/linear/check"
)

// register races for names until over is closed: all registrars start for the same
// name at the same time. Whoever wins goes on with another device, since a device is
// one account's.
func (r *run) register(ctx context.Context, number int, over <-chan struct{}) (err error) {
	var d *device
	defer func() {
		if d != nil {
			d.close()
		}
	}()
	ticker := time.NewTicker(race)
	defer ticker.Stop()
	for {
		if d == nil {
			if d, err = r.device(keys.New()); err != nil {
				return err
			}
		}
		select {
		case <-over:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		// Tickers drift and drop ticks, the clock does not.
		i := int(time.Since(r.began) / race)
		r.world.raced(i)
		if won := r.raceFor(ctx, d, number, raceName(i)); won {
			d.close()
			d = nil
		}
	}
}

// raceFor tries to get a name, and tells whether the device may be an account's now.
func (r *run) raceFor(ctx context.Context, d *device, number int, name string) bool {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	identity := keys.New()
	limited := false
	outcome := r.ask(ctx, asking{number, nameOf(accountNamed(name)), check.SignUp{Identity: text(identity.Public())}, []error{wire.ErrNameTaken}},
		func(ctx context.Context) (any, error) {
			_, err := d.signUp(ctx, name, identity)
			if errors.Is(err, wire.ErrTooMany) { // it was not begun
				limited = true
				err = fmt.Errorf("%w: %w", context.Canceled, err)
			}
			return nil, err
		})
	return outcome != check.Refused && !limited
}

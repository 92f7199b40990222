package rendezvous

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/quota"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// refused is wire.ErrTooMany with which limit it was and how long to wait, in one
// sentence for a person. Where that is not long it is wire.ErrSoon, and a node waits by
// itself; but a password is a person's to try again.
type refused struct {
	limit quota.Limit
	wait  time.Duration
}

func (r *refused) Error() string {
	if r.wait == quota.Never {
		return fmt.Sprintf("too many %s", r.limit.Name)
	}
	return fmt.Sprintf("too many %s: wait %s", r.limit.Name, (r.wait + time.Second - 1).Truncate(time.Second))
}

func (r *refused) Unwrap() error {
	password := r.limit.Name == quota.DevicePasswords.Name || r.limit.Name == quota.AccountPasswords.Name
	if r.wait > soon || password {
		return wire.ErrTooMany
	}
	return wire.ErrSoon
}

// allowance keeps one limit over time, for many goroutines. It has the memory of one
// server; who goes to another one has the same there.
type allowance[K comparable] struct {
	limit quota.Limit
	mu    sync.Mutex
	meter *quota.Meter[K]
}

func newAllowance[K comparable](limit quota.Limit, keys int) *allowance[K] {
	return &allowance[K]{limit: limit, meter: quota.NewMeter[K](limit, keys)}
}

// take takes n, or nothing and returns refused.
func (a *allowance[K]) take(key K, n int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if wait := a.meter.Take(key, n, time.Now()); wait > 0 {
		return &refused{a.limit, wait}
	}
	return nil
}

// give puts back what was taken for nothing.
func (a *allowance[K]) give(key K, n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.meter.Give(key, n, time.Now())
}

// allowances are a server's limits over time. Those of passwords are package auth's.
type allowances struct {
	requests  *allowance[peer.ID]
	strangers *allowance[peer.ID]
	beats     *allowance[peer.ID]
	signUps   *allowance[struct{}]
	listing   *allowance[record.Account]
	prekeys   *allowance[pair]
	groups    *allowance[record.Account]
	writes    both
	letters   both
}

// pair is who takes prekeys, and whose.
type pair struct {
	by record.Account
	of peer.ID
}

// newAllowances takes the limits as adjust makes them.
func newAllowances(adjust func(quota.Limit) quota.Limit) allowances {
	return allowances{
		requests:  newAllowance[peer.ID](adjust(quota.DeviceRequests), trackedKeys),
		strangers: newAllowance[peer.ID](adjust(quota.StrangerRequests), trackedKeys),
		beats:     newAllowance[peer.ID](adjust(quota.DeviceBeatFrames), trackedKeys),
		signUps:   newAllowance[struct{}](adjust(quota.SignUps), 1),
		listing:   newAllowance[record.Account](adjust(quota.AccountListing), trackedKeys),
		prekeys:   newAllowance[pair](adjust(quota.Prekeys), trackedPairs),
		groups:    newAllowance[record.Account](adjust(quota.NewGroups), trackedKeys),
		writes:    newBoth(adjust(quota.DeviceWrites), adjust(quota.AccountWrites)),
		letters:   newBoth(adjust(quota.DeviceLetters), adjust(quota.AccountLetters)),
	}
}

// both is what a device may do, and all devices of its account together.
type both struct {
	device  *allowance[peer.ID]
	account *allowance[record.Account]
}

func newBoth(device, account quota.Limit) both {
	return both{newAllowance[peer.ID](device, trackedKeys), newAllowance[record.Account](account, trackedKeys)}
}

func (b both) take(c caller, n int) error {
	if err := b.device.take(c.device, n); err != nil {
		return err
	}
	if err := b.account.take(c.account, n); err != nil {
		b.device.give(c.device, n)
		return err
	}
	return nil
}

func (b both) give(c caller, n int) {
	b.device.give(c.device, n)
	b.account.give(c.account, n)
}

// bench is where logins and sign-ups are reckoned, which anybody may ask for: few at
// a time, and few that wait.
type bench struct {
	seats chan struct{}
	queue chan struct{}
}

func newBench() bench {
	return bench{make(chan struct{}, quota.StrangersWork.Burst), make(chan struct{}, quota.StrangersWaiting.Burst)}
}

// sit waits for a seat, in turn, and returns what to call when it is free again. Whoever
// holds one waits for nothing.
func (b bench) sit(ctx context.Context) (rise func(), err error) {
	rise = func() { <-b.seats }
	select {
	case b.seats <- struct{}{}:
		return rise, nil
	default:
	}
	select {
	case b.queue <- struct{}{}:
		defer func() { <-b.queue }()
	default:
		return nil, &refused{quota.StrangersWaiting, strangersPatience}
	}
	patience := time.NewTimer(strangersPatience)
	defer patience.Stop()
	select {
	case b.seats <- struct{}{}:
		return rise, nil
	case <-patience.C:
		return nil, &refused{quota.StrangersWork, strangersPatience}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

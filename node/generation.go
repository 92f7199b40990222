package node

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// Each run of a device is a generation, which the servers count: see "A home that was
// restored" in the package comment. This file finds out whether the home is what the
// count says; renewal.go does what is to be done if it is not.

const (
	// startPatience is how long after its start a device holds back what it would
	// say, until it knows that its home is what it was. Longer than it takes to find
	// a server; a device that finds none must not be held up, since two who have met
	// need none.
	startPatience = 3 * time.Second
	// generationTimeout bounds the question. It is below wire.RequestTimeout, so that
	// servers without a quorum are not left for it, again and again: they still
	// introduce.
	generationTimeout = 8 * time.Second
	// generationTries bounds how often another one of this device may be counted in
	// between; then both are running now, and it is for the next occasion.
	generationTries = 3
	// quietAfterRenewal is how long after a renewal the person is not told that
	// sessions begin anew: all do, and that has been said.
	quietAfterRenewal = 10 * time.Minute
)

// start is what a run of a device knows of its home.
type start struct {
	began   time.Time
	settled chan struct{} // closed when the servers have counted this start

	mu       sync.Mutex
	renewing bool      // the home is an older one, and the servers do not have its new prekeys yet
	renewed  time.Time // when it was found to be one
	low      bool      // one-time prekeys ran low while it was not known
}

// newStart returns what a device knows as it starts.
func newStart(s *store.Store) (*start, error) {
	at := &start{began: time.Now(), settled: make(chan struct{})}
	err := s.View(func(tx *store.Tx) error {
		g, err := getGeneration(tx)
		at.renewing = g.renewing
		return err
	})
	return at, err
}

func (s *start) isSettled() bool {
	select {
	case <-s.settled:
		return true
	default:
		return false
	}
}

// wait waits until it is settled whether the home is what it was, and for as long as
// that is worth waiting for.
func (s *start) wait(ctx context.Context) {
	timer := time.NewTimer(time.Until(s.began.Add(startPatience)))
	defer timer.Stop()
	select {
	case <-s.settled:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// unsure reports whether to ask for a new session would be too early: it is about to
// be known whether the home is an older one, or it is one and nobody can begin a
// session with it before its new prekeys are published.
func (s *start) unsure() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.renewing || (!s.isSettled() && time.Since(s.began) < startPatience)
}

func (s *start) renewedLately() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.renewing || time.Since(s.renewed) < quietAfterRenewal
}

func (s *start) setRenewing() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renewing, s.renewed = true, time.Now()
}

// published notes that the servers have the prekeys of this home.
func (s *start) published() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.renewing {
		s.renewing, s.renewed = false, time.Now()
	}
}

// ranLow notes that prekeys are to be published when they may be, and tookLow takes
// the note away.
func (s *start) ranLow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.low = true
}

func (s *start) tookLow() (low bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	low, s.low = s.low, false
	return low
}

// generation is what is on the disk of it.
type generation struct {
	number uint64 // of the last start that this home knows to be counted
	// token is of the start that is asked about, zero when no answer is awaited. It is
	// on the disk before the question goes out: a device that stops before it has
	// written the answer asks the same again.
	token    client.Token
	renewing bool // the home was an older one; its prekeys at the servers are to go
	behind   bool // the members of its groups are still to be asked for what it lost
}

// generationName names a value in the store:
//
//	u64 number || flags || token[16]
const generationName = "generation"

const (
	flagRenewing = 1 << iota
	flagBehind
)

func getGeneration(tx *store.Tx) (g generation, err error) {
	b, ok := tx.Meta(generationName)
	if !ok {
		return g, nil
	}
	if len(b) != 8+1+len(g.token) {
		return g, errors.New("the store's generation is malformed")
	}
	g.number = binary.BigEndian.Uint64(b)
	g.renewing, g.behind = b[8]&flagRenewing != 0, b[8]&flagBehind != 0
	copy(g.token[:], b[9:])
	return g, nil
}

func putGeneration(tx *store.Tx, g generation) {
	b := binary.BigEndian.AppendUint64(nil, g.number)
	flags := byte(0)
	if g.renewing {
		flags |= flagRenewing
	}
	if g.behind {
		flags |= flagBehind
	}
	tx.PutMeta(generationName, append(append(b, flags), g.token[:]...))
}

// newToken draws a token. It is no secret; that nobody draws it again is all.
func newToken() (t client.Token) {
	rand.Read(t[:]) // never fails
	return t
}

// settle has the servers count this start, unless they have. What fails is tried
// again at the next occasion.
func (d *device) settle(ctx context.Context) {
	if d.start.isSettled() {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, generationTimeout)
	defer cancel()
	if err := d.beginGeneration(bounded); err != nil && ctx.Err() == nil {
		d.log.Info("the servers have not counted this start yet", "err", err)
	}
}

func (d *device) beginGeneration(ctx context.Context) error {
	for range generationTries {
		g, err := d.askedGeneration()
		if err != nil {
			return err
		}
		found, err := d.link.client.BeginGeneration(ctx, g.number, g.token, g.renewing)
		if err != nil {
			return fmt.Errorf("begin generation: %w", err)
		}
		if found.Stepped {
			return d.stepped(found.Number)
		}
		d.log.Warn("this home is not the newest of its device; everything begins anew", "known", g.number, "counted", found.Number)
		if err := d.renew(found); err != nil {
			return fmt.Errorf("renew the home: %w", err)
		}
	}
	return errors.New("begin generation: another one of this device is being counted")
}

// askedGeneration returns what to ask about, with its token on disk.
func (d *device) askedGeneration() (g generation, err error) {
	err = d.commit(func(tx *store.Tx, _ *effects) error {
		if g, err = getGeneration(tx); err != nil || g.token != (client.Token{}) {
			return err
		}
		g.token = newToken()
		putGeneration(tx, g)
		return nil
	})
	return g, err
}

// stepped writes down that this start is counted, and tells the person if everything
// had to begin anew.
func (d *device) stepped(number uint64) error {
	return d.commit(func(tx *store.Tx, fx *effects) error {
		g, err := getGeneration(tx)
		if err != nil {
			return err
		}
		if g.renewing {
			fx.tell(Event{Kind: EventNotice, Text: "This device's folder was restored from an older copy, or is used twice: " +
				"its sessions begin anew, and messages from in between may be missing here."})
		}
		putGeneration(tx, generation{number: number, behind: g.behind})
		fx.after(func() { close(d.start.settled) })
		if g.behind {
			fx.after(func() { d.errands.do(d.catchUp) })
		}
		return nil
	})
}

// tellRenewed tells that the session with somebody has begun anew, unless all have.
func (d *device) tellRenewed(fx *effects, with record.Account) {
	if !d.start.renewedLately() {
		fx.tell(renewed(with))
	}
}

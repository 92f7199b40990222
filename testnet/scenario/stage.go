package scenario

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tryst-chat/tryst/testnet"
	"github.com/tryst-chat/tryst/testnet/confine"
	"github.com/tryst-chat/tryst/testnet/scenario/check"
)

// stage is a running testnet with people on it, and the record of all that they do
// and see. A scenario plays on it from one goroutine.
type stage struct {
	scenario   Scenario
	options    Options
	chance     *rand.Rand
	dir        string
	net        *testnet.Testnet
	config     testnet.Config                     // of net; surround may change it
	seat       func(account string) testnet.Place // where a person's devices are; surround may change it
	devices    []*device
	groups     map[string][]string // accounts by name
	record     *record
	began      time.Time
	halves     *confine.Halves // of partition
	homeDisk   *confine.Disk   // of disk
	serverDisk *confine.Disk
	unwind     []func() error // what surround made is taken away, last first

	mu      sync.Mutex
	faults  []Suffered // guarded by mu
	figures []Figure   // guarded by mu
}

func newStage(s Scenario, o Options) *stage {
	return &stage{scenario: s, options: o, chance: chance(o.Seed), config: s.net,
		groups: make(map[string][]string),
		seat:   func(string) testnet.Place { return testnet.Place{} }, record: newRecord(), began: time.Now()}
}

// open starts the testnet.
func (s *stage) open(ctx context.Context) (err error) {
	if s.dir, err = os.MkdirTemp("", "tryst-scenario-"); err != nil {
		return fmt.Errorf("scenario: %w", err)
	}
	s.config.Dir, s.config.Bin = filepath.Join(s.dir, "net"), s.options.Bin
	s.config.Progress = s.options.Progress
	if s.scenario.surround != nil {
		if err := s.scenario.surround(ctx, s); err != nil {
			return err
		}
	}
	s.net, err = testnet.Start(ctx, s.config)
	return err
}

// close stops everything, and removes the folder unless it is to be kept.
func (s *stage) close() (err error) {
	if s.net != nil {
		err = s.net.Stop()
	}
	for _, undo := range slices.Backward(s.unwind) {
		err = errors.Join(err, undo())
	}
	if s.options.Keep {
		s.say("Everything is kept in %s", s.dir)
		return err
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// say tells whoever waits what goes on.
func (s *stage) say(format string, args ...any) {
	fmt.Fprintf(s.options.Progress, "%7.1f s  %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}

// size is a number that a short play has less of.
func (s *stage) size(full, small int) int {
	if s.options.Small {
		return small
	}
	return full
}

// person signs an account up on a first device and logs it in on further ones. What
// it is called must end in a digit, which is its roll number.
func (s *stage) person(ctx context.Context, account string, further int) ([]*device, error) {
	devices := []*device{s.newDevice(account, "a")}
	name, roll := account[:len(account)-1], account[len(account)-1:]
	if err := devices[0].start(ctx, fmt.Sprintf("sign up %s %s %s", name, roll, devices[0].password)); err != nil {
		return nil, err
	}
	for i := range further {
		d := s.newDevice(account, string(rune('b'+i)))
		if err := d.start(ctx); err != nil {
			return nil, err
		}
		devices = append(devices, d)
	}
	return devices, nil
}

// people makes accounts of one device each, several at a time.
func (s *stage) people(ctx context.Context, accounts ...string) ([]*device, error) {
	devices := make([]*device, len(accounts))
	for i, account := range accounts {
		devices[i] = s.newDevice(account, "a")
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(startsAtOnce)
	for _, d := range devices {
		group.Go(func() error {
			name, roll := d.account[:len(d.account)-1], d.account[len(d.account)-1:]
			return d.start(ctx, fmt.Sprintf("sign up %s %s %s", name, roll, d.password))
		})
	}
	return devices, group.Wait()
}

// group makes a group of accounts, of which the devices are given, and waits until
// every device knows all of them.
func (s *stage) group(ctx context.Context, name string, members ...*device) error {
	var accounts []string
	for _, d := range members {
		if slices.Contains(accounts, d.account) {
			continue
		}
		join := d.join
		if len(accounts) == 0 {
			join = d.create
		}
		if err := join(ctx, name); err != nil {
			return err
		}
		accounts = append(accounts, d.account)
	}
	s.groups[name] = accounts
	all, ctx := errgroup.WithContext(ctx)
	for _, d := range members {
		all.Go(func() error { return d.knows(ctx, name, accounts...) })
	}
	return all.Wait()
}

// line is one message that a device is to send.
type line struct {
	from *device
	to   string // an account, or "#group"
	size int    // bytes
}

// talk has every device send its lines in order, all devices at the same time, and
// returns when each has been taken.
func (s *stage) talk(ctx context.Context, lines []line) error {
	by := make(map[*device][]line)
	for _, l := range lines {
		by[l.from] = append(by[l.from], l)
	}
	group, ctx := errgroup.WithContext(ctx)
	for d, lines := range by {
		group.Go(func() error {
			for _, l := range lines {
				if err := d.send(ctx, l.to, l.size); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// chatter draws lines: who writes to whom, and how much.
func (s *stage) chatter(n int, from []*device, to func(*device) []string) []line {
	lines := make([]line, 0, n)
	for range n {
		d := from[s.chance.IntN(len(from))]
		addressees := to(d)
		lines = append(lines, line{d, addressees[s.chance.IntN(len(addressees))], s.someSize()})
	}
	return lines
}

// someSize draws a message's size: most are short, some long, a few as long as can be.
func (s *stage) someSize() int {
	switch n := s.chance.IntN(100); {
	case n < 80:
		return s.chance.IntN(300)
	case n < 98:
		return s.chance.IntN(8 << 10)
	default:
		return s.chance.IntN(maxSize)
	}
}

// figure notes a measured figure.
func (s *stage) figure(name string, value float64, unit string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.figures = append(s.figures, Figure{name, value, unit})
	s.say("%s: %.3g %s", name, value, unit)
}

// tellProgress says now and then how far the run is, until the context ends.
func (s *stage) tellProgress(ctx context.Context) {
	said := ""
	for sleep(ctx, progressInterval) == nil {
		v := check.Judge(s.record.history(nil))
		now := fmt.Sprintf("%d messages, %d delivered, %d displayed, %d on their way", v.Messages, v.Delivered, v.Displayed, v.Open())
		if now != said {
			s.say("%s", now)
			said = now
		}
	}
}

// settle waits until every message is where it must be, or until there has been no
// news for long.
func (s *stage) settle(ctx context.Context) (check.Verdict, time.Duration, error) {
	start := time.Now()
	length, news, asked := s.record.length(), start, start
	var shelves []check.Shelf
	for {
		v := check.Judge(s.record.history(shelves))
		if now := s.record.length(); now != length {
			length, news = now, time.Now()
		}
		if v.Open() == 0 || time.Since(news) > s.options.Patience || time.Since(start) > settleTimeout {
			settled := time.Since(start)
			shelves, err := s.shelves(ctx)
			return check.Judge(s.record.history(shelves)), settled, err
		}
		if err := sleep(ctx, lookInterval); err != nil {
			return v, 0, err
		}
		// What a killed program has not said, it keeps.
		if time.Since(asked) > shelfInterval {
			var err error
			if shelves, err = s.shelves(ctx); err != nil {
				return v, 0, err
			}
			asked = time.Now()
		}
	}
}

// shelves asks every device what it keeps of every conversation: nothing where the
// programs cannot be asked.
func (s *stage) shelves(ctx context.Context) ([]check.Shelf, error) {
	if len(s.devices) == 0 {
		return nil, nil
	}
	can, err := s.devices[0].canTellHistory(ctx)
	if err != nil || !can {
		return nil, err
	}
	accounts := make(map[string]bool)
	for _, d := range s.devices {
		accounts[d.account] = true
	}
	var mu sync.Mutex
	var all []check.Shelf
	group, ctx := errgroup.WithContext(ctx)
	for _, d := range s.devices {
		group.Go(func() error {
			for _, conversation := range s.conversations(d) {
				shelf, err := d.shelf(ctx, conversation)
				if err != nil {
					return err
				}
				mu.Lock()
				all = append(all, shelf)
				mu.Unlock()
			}
			return nil
		})
	}
	return all, group.Wait()
}

// conversations are those that a device has: with everybody to whom or from whom
// something was typed, and the groups.
func (s *stage) conversations(d *device) []string {
	var with []string
	add := func(conversation string) {
		if !slices.Contains(with, conversation) {
			with = append(with, conversation)
		}
	}
	h := s.record.history(nil)
	for _, step := range h.Steps {
		switch from := h.Accounts[step.Device]; {
		case step.Kind == check.Joined && from == d.account, step.Kind == check.Typed && from == d.account:
			add(step.Conversation)
		case step.Kind == check.Typed && step.Conversation == d.account:
			add(from)
		}
	}
	return with
}

// canTellHistory reports whether the program has a command for what it keeps.
func (d *device) canTellHistory(ctx context.Context) (bool, error) {
	e, err := d.do(ctx, "help", of("help"))
	return slices.ContainsFunc(e.Commands, func(c testnet.Command) bool { return strings.HasPrefix(c.Usage, "history ") }), err
}

// conclude lets the run settle and makes its report.
func (s *stage) conclude(ctx context.Context) (Report, error) {
	s.say("everything is typed; waiting until it has arrived")
	verdict, settled, err := s.settle(ctx)
	for _, d := range s.devices {
		if r := d.running(); r != nil {
			err = errors.Join(err, r.node.Broken())
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	report := Report{
		Scenario: s.scenario.Name, Seed: s.options.Seed, Good: verdict.Good(), Verdict: verdict,
		Settled: settled, Took: time.Since(s.began), Faults: s.faults, Figures: s.figures,
	}
	if s.options.Keep {
		report.Dir = s.dir
	}
	return report, err
}

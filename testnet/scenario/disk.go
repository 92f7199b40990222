package scenario

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tryst-chat/tryst/rendezvous/quota"
	"github.com/tryst-chat/tryst/testnet"
	"github.com/tryst-chat/tryst/testnet/confine"
)

const (
	// smallDisk is the size of the disks that are filled, in bytes: programs keep a
	// reserve of up to 128 MiB, and lay out their logs beforehand.
	smallDisk = 512 << 20
	// fullPatience bounds the wait for a program to notice that its disk is full,
	// while others have it write all the time.
	fullPatience = time.Minute
)

// disk fills the disk of a person and of a server while people talk.
var disk = Scenario{
	Name:  "disk",
	About: "a person's disk fills up, then a server's, while people talk; then room is made",
	surround: func(_ context.Context, s *stage) error {
		for _, d := range []struct {
			of   string
			disk **confine.Disk
		}{{"dora1", &s.homeDisk}, {"s3", &s.serverDisk}} {
			dir := filepath.Join(s.dir, "disk-"+d.of)
			if err := os.Mkdir(dir, 0o700); err != nil {
				return fmt.Errorf("scenario: %w", err)
			}
			made, err := confine.NewDisk(dir, smallDisk)
			if err != nil {
				return err
			}
			s.unwind = append(s.unwind, made.Close)
			*d.disk = made
		}
		s.config.Place = func(name string) testnet.Place {
			if name == "s3" {
				return s.serverDisk.Place
			}
			return testnet.Place{}
		}
		s.seat = func(account string) testnet.Place {
			if account == "dora1" {
				return s.homeDisk.Place
			}
			return testnet.Place{}
		}
		return nil
	},
	play: func(ctx context.Context, s *stage) error {
		if err := s.moveServer(ctx); err != nil {
			return err
		}
		dora := s.newDevice("dora1", "a")
		dora.home = filepath.Join(s.dir, "disk-dora1", "home")
		if err := dora.start(ctx, "sign up dora 1 "+dora.password); err != nil {
			return err
		}
		others, err := s.people(ctx, "dirk1", "dana1")
		if err != nil {
			return err
		}
		people := append(others, dora)
		if err := s.group(ctx, "attic", people...); err != nil {
			return err
		}
		talk := func(ctx context.Context, _ int) error { return s.talk(ctx, s.chatter(12, people, s.anybody)) }
		if err := s.busyThrough(ctx, s.fillHome(dora), talk); err != nil {
			return err
		}
		// Servers write what changes in the directory only.
		found := func(ctx context.Context, round int) error {
			if round < len(people)*quota.NewGroups.Burst { // as many as each may
				if err := people[round%len(people)].create(ctx, fmt.Sprintf("attic-%d", round)); err != nil {
					return err
				}
			}
			return talk(ctx, round)
		}
		return s.busyThrough(ctx, s.fillServer(s.net.Servers[2]), found)
	},
}

// busyThrough does something again and again for as long as a fault lasts: so that
// programs write all the time, and notice.
func (s *stage) busyThrough(ctx context.Context, f fault, do func(ctx context.Context, round int) error) error {
	over := make(chan struct{})
	target := f.target
	f.target = func(ctx context.Context) (victim, error) {
		v, err := target(ctx)
		heal := v.heal
		v.heal = func(ctx context.Context) error {
			defer close(over)
			return heal(ctx)
		}
		return v, err
	}
	return s.suffer(ctx, f, time.Second, func(ctx context.Context) error {
		for round := 0; ; round++ {
			select {
			case <-over:
				return nil
			default:
			}
			if err := do(ctx, round); err != nil {
				return err
			}
		}
	})
}

// moveServer moves the state of the last server onto its small disk.
func (s *stage) moveServer(ctx context.Context) error {
	m := s.net.Servers[2]
	if err := m.Stop(); err != nil {
		return err
	}
	data := filepath.Join(s.net.Dir, m.Name, "data")
	if err := s.serverDisk.Copy(data); err != nil {
		return err
	}
	if err := os.Rename(data, data+".old"); err != nil {
		return fmt.Errorf("scenario: %w", err)
	}
	if err := os.Symlink(filepath.Join(s.dir, "disk-s3"), data); err != nil {
		return fmt.Errorf("scenario: %w", err)
	}
	if err := m.Start(ctx); err != nil {
		return err
	}
	return s.net.Ready(ctx)
}

// fillHome leaves a person's program no room: it must say so, and go on when there is
// room again.
func (s *stage) fillHome(d *device) fault {
	return fault{"disk full", here(victim{
		name: d.label,
		harm: func(context.Context) error { return s.homeDisk.Fill() },
		heal: func(ctx context.Context) error {
			r := d.running()
			err := awaited(ctx, d.label+" to say that its disk is full", func() bool {
				_, ok := r.complained("disk_failed")
				return ok
			}, r.node.Ended())
			if err != nil {
				return err
			}
			e, _ := r.complained("disk_failed")
			s.say("%s: %s %s", d.label, e.Message, e.Hint)
			return s.homeDisk.Free()
		},
	})}
}

// fillServer leaves a server no room: it must say so and end. Then room is made, and
// it is started again.
func (s *stage) fillServer(m *testnet.Machine) fault {
	return fault{"disk full", here(victim{
		name: m.Name,
		harm: func(context.Context) error { return s.serverDisk.Fill() },
		heal: func(ctx context.Context) error {
			if err := awaited(ctx, m.Name+" to leave", func() bool { return !m.Running() }, nil); err != nil {
				return err
			}
			words := m.LastWords()
			if !strings.HasPrefix(words, "rendezvous: ") { // as every error at a program's end
				return fmt.Errorf("%s did not say why it ended; its log ends with %q", m.Name, words)
			}
			s.say("%s: %s", m.Name, words)
			return errors.Join(s.serverDisk.Free(), s.killing(m).heal(ctx))
		},
	})}
}

// awaited waits until something holds, or over is closed.
func awaited(ctx context.Context, what string, holds func() bool, over <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, fullPatience)
	defer cancel()
	for !holds() {
		select {
		case <-over:
			if holds() {
				return nil
			}
			return fmt.Errorf("waited in vain for %s: it ended without a word", what)
		default:
		}
		if err := sleep(ctx, lookInterval); err != nil {
			return fmt.Errorf("waited in vain for %s: %w", what, err)
		}
	}
	return nil
}

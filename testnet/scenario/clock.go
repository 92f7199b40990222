package scenario

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tryst-chat/tryst/testnet"
)

// clock has clocks jump while people talk. No clock of a machine can be set for one
// program alone, and programs that ask the kernel without a C library cannot be lied
// to from outside. So the programs are built with a package time in which Now adds
// what a file says; nothing of the project is changed for it.
var clock = Scenario{
	Name:     "clock",
	About:    "clocks of people and of the leader jump by hours and days while people talk (builds everything anew)",
	Long:     true,
	surround: setClocks,
	play: func(ctx context.Context, s *stage) error {
		people, err := s.company(ctx)
		if err != nil {
			return err
		}
		const day = 24 * time.Hour
		faults := []fault{
			s.jump(people[0], day), s.jump(people[1], -day), s.jump(people[2], time.Hour),
			s.jumpLeader(time.Hour), s.jumpLeader(-time.Hour),
		}
		return s.through(ctx, people, faults, 5*time.Second)
	},
}

// shiftedClock is what is added to package time.
//
//go:embed testdata/clock/shifted.go
var shiftedClock []byte

// clockVariable is where the programs are told which file says by how much their
// clock is wrong.
const clockVariable = "TRYST_SCENARIO_CLOCK"

// setClocks builds the programs, and gives each account, server and balancer a clock
// of its own.
func setClocks(ctx context.Context, s *stage) error {
	overlay, err := clockOverlay(ctx, s.dir)
	if err != nil {
		return err
	}
	s.say("building programs whose clocks can jump, with everything that they need: this takes minutes")
	s.config.Bin = filepath.Join(s.dir, "bin")
	if err := testnet.Build(ctx, s.config.Bin, "-overlay", overlay); err != nil {
		return err
	}
	own := func(name string) testnet.Place {
		return testnet.Place{Enter: []string{"env", clockVariable + "=" + s.clockOf(name)}}
	}
	s.config.Place, s.seat = own, own
	return nil
}

func (s *stage) clockOf(name string) string { return filepath.Join(s.dir, "clock-"+name) }

// clockOverlay writes what go build's -overlay takes, and returns its path.
func clockOverlay(ctx context.Context, dir string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("scenario: to build programs whose clocks can jump takes Go: %w", err)
	}
	source := filepath.Join(strings.TrimSpace(string(out)), "src", "time")
	now, err := os.ReadFile(filepath.Join(source, "time.go"))
	if err != nil {
		return "", fmt.Errorf("scenario: package time: %w", err)
	}
	before, after, ok := strings.Cut(string(now), "\nfunc Now() Time {")
	shifted := strings.Replace(after, "runtimeNow()", "shiftedNow()", 1)
	if body, _, _ := strings.Cut(after, "\n}"); !ok || !strings.Contains(body, "runtimeNow()") {
		return "", fmt.Errorf("scenario: time.Now of this Go is not as it was: %s", source)
	}
	replace := make(map[string]string)
	for name, content := range map[string][]byte{
		"time.go": []byte(before + "\nfunc Now() Time {" + shifted), "shifted.go": shiftedClock,
	} {
		replacement := filepath.Join(dir, "overlay-"+name)
		if err := os.WriteFile(replacement, content, 0o600); err != nil {
			return "", fmt.Errorf("scenario: %w", err)
		}
		replace[filepath.Join(source, name)] = replacement
	}
	table, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", fmt.Errorf("scenario: %w", err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, table, 0o600); err != nil {
		return "", fmt.Errorf("scenario: %w", err)
	}
	return path, nil
}

// jump has the clock of all devices of a person jump, and jump back; what a device then
// says must be of that time.
func (s *stage) jump(d *device, by time.Duration) fault {
	v := s.jumping(d.account, by)
	set := v.harm
	v.harm = func(ctx context.Context) error {
		if err := set(ctx); err != nil {
			return err
		}
		const sloppy = time.Minute // what an answer may take
		for range tries {
			e, err := d.do(ctx, "whoami", of("whoami"))
			if err != nil {
				return err
			}
			if off := time.Until(e.At); (off - by).Abs() < sloppy {
				return nil
			}
			if err := sleep(ctx, lookInterval); err != nil {
				return err
			}
		}
		return fmt.Errorf("the clock of %s does not jump", d.label)
	}
	return fault{"clock jumps", here(v)}
}

// jumpLeader has the clock of whichever server leads jump, and jump back.
func (s *stage) jumpLeader(by time.Duration) fault {
	return fault{"leader's clock jumps", s.leader(func(m *testnet.Machine) victim { return s.jumping(m.Name, by) })}
}

func (s *stage) jumping(name string, by time.Duration) victim {
	set := func(by time.Duration) error {
		path := s.clockOf(name)
		if err := os.WriteFile(path+".new", []byte(strconv.Itoa(int(by.Seconds()))), 0o600); err != nil {
			return fmt.Errorf("scenario: %w", err)
		}
		return os.Rename(path+".new", path)
	}
	return victim{
		name: fmt.Sprintf("%s, %+.0f h", name, by.Hours()),
		harm: func(context.Context) error { return set(by) },
		heal: func(context.Context) error { return set(0) },
	}
}

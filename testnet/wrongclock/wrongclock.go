// Package wrongclock gives programs clocks that are wrong, each its own. Scenarios and
// end-to-end tests call it; nothing of the project is changed for it.
//
// No clock of a machine can be set for one program alone, and programs that ask the kernel
// without a C library cannot be lied to from outside. So the programs are built with a
// package time in which Now adds what a file says.
package wrongclock

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

// shifted is what is added to package time.
//
//go:embed testdata/shifted.go
var shifted []byte

// variable is where the programs are told which file says by how much their clock is wrong.
const variable = "TRYST_WRONG_CLOCK"

// Build builds the programs into a folder, with everything that they need: the first time
// that takes minutes.
func Build(ctx context.Context, bin string) error {
	dir, err := os.MkdirTemp("", "tryst-clock-")
	if err != nil {
		return fmt.Errorf("wrongclock: %w", err)
	}
	defer os.RemoveAll(dir)
	overlay, err := overlay(ctx, dir)
	if err != nil {
		return err
	}
	return testnet.Build(ctx, bin, "-overlay", overlay)
}

// overlay writes what go build's -overlay takes, and returns its path.
func overlay(ctx context.Context, dir string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("wrongclock: to build programs whose clocks can be wrong takes Go: %w", err)
	}
	source := filepath.Join(strings.TrimSpace(string(out)), "src", "time")
	now, err := os.ReadFile(filepath.Join(source, "time.go"))
	if err != nil {
		return "", fmt.Errorf("wrongclock: package time: %w", err)
	}
	before, after, ok := strings.Cut(string(now), "\nfunc Now() Time {")
	wrong := strings.Replace(after, "runtimeNow()", "shiftedNow()", 1)
	if body, _, _ := strings.Cut(after, "\n}"); !ok || !strings.Contains(body, "runtimeNow()") {
		return "", fmt.Errorf("wrongclock: time.Now of this Go is not as it was: %s", source)
	}
	replace := make(map[string]string)
	for name, content := range map[string][]byte{
		"time.go": []byte(before + "\nfunc Now() Time {" + wrong), "shifted.go": shifted,
	} {
		replacement := filepath.Join(dir, name)
		if err := os.WriteFile(replacement, content, 0o600); err != nil {
			return "", fmt.Errorf("wrongclock: %w", err)
		}
		replace[filepath.Join(source, name)] = replacement
	}
	table, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", fmt.Errorf("wrongclock: %w", err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, table, 0o600); err != nil {
		return "", fmt.Errorf("wrongclock: %w", err)
	}
	return path, nil
}

// Clock is a file that says by how much the clock of a program is wrong.
type Clock string

// Place is where a program that Build built runs by that clock.
func (c Clock) Place() testnet.Place {
	return testnet.Place{Enter: []string{"env", variable + "=" + string(c)}}
}

// Set puts the clock ahead, or behind if by is negative; to whole seconds. Programs that run
// notice within a fraction of a second.
func (c Clock) Set(by time.Duration) error {
	fresh := string(c) + ".new"
	if err := os.WriteFile(fresh, []byte(strconv.Itoa(int(by.Seconds()))), 0o600); err != nil {
		return fmt.Errorf("wrongclock: %w", err)
	}
	if err := os.Rename(fresh, string(c)); err != nil {
		return fmt.Errorf("wrongclock: %w", err)
	}
	return nil
}

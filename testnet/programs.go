package testnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// module is this module's path; its commands are built by name, so that any
// folder of a clone will do.
const module = "github.com/tryst-chat/tryst"

// programs are what a testnet runs.
var programs = [...]string{"tryst", "rendezvous", "balancer"}

// Build builds the programs into a folder. Flags are given to go build.
func Build(ctx context.Context, bin string, flags ...string) error {
	args := append([]string{"build", "-o", bin + string(filepath.Separator)}, flags...)
	for _, program := range programs {
		args = append(args, module+"/cmd/"+program)
	}
	if err := os.MkdirAll(bin, 0o700); err != nil {
		return fmt.Errorf("testnet: %w", err)
	}
	build := exec.CommandContext(ctx, "go", args...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return errors.New("testnet: there is no go command to build the programs with; install Go, or put tryst, rendezvous and balancer beside testnet")
	case err != nil:
		return fmt.Errorf("testnet: go build: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// findPrograms returns the folder of the programs, building them where there
// are none.
func (c Config) findPrograms(ctx context.Context) (string, error) {
	if c.Bin != "" {
		if !complete(c.Bin) {
			return "", fmt.Errorf("testnet: %s does not hold tryst, rendezvous and balancer", c.Bin)
		}
		return filepath.Abs(c.Bin)
	}
	if self, err := os.Executable(); err == nil && complete(filepath.Dir(self)) {
		return filepath.Dir(self), nil
	}
	bin := filepath.Join(c.Dir, "bin")
	c.say("Building the programs (the first time takes a minute or two) …")
	return bin, Build(ctx, bin)
}

// complete reports whether a folder holds all programs.
func complete(bin string) bool {
	for _, program := range programs {
		if info, err := os.Stat(executable(bin, program)); err != nil || info.IsDir() {
			return false
		}
	}
	return true
}

func executable(bin, program string) string {
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	return filepath.Join(bin, program)
}

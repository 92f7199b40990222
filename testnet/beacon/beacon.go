package beacon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Testnet is what a running testnet says of itself. Its JSON form is that of
// the ready line and of testnet.json.
type Testnet struct {
	Event       string   `json:"event"`        // "ready"
	Balancer    string   `json:"balancer"`     // multiaddr with /p2p/
	BalancerPID int      `json:"balancer_pid"` //
	ClusterKey  string   `json:"cluster_key"`  // Ed25519 public key, hexadecimal
	Dir         string   `json:"dir"`
	PID         int      `json:"pid"` // of the launcher: when it is gone, so is the testnet
	Servers     []Server `json:"servers"`
}

// Server is one rendezvous server of a testnet.
type Server struct {
	Name    string `json:"name"`
	PID     int    `json:"pid"`
	Peer    string `json:"peer"`
	Metrics string `json:"metrics"` // host:port
}

const (
	file     = "testnet.json"
	private  = 0o700 // the folder: whoever may write there decides where a node connects
	readable = 0o644
)

// ErrFolder is returned when the well-known folder belongs to somebody else
// or can be written by others.
var ErrFolder = errors.New("beacon: the folder is not private")

// Write writes a testnet's description as DIR/testnet.json.
func Write(dir string, t Testnet) error {
	encoded, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return fmt.Errorf("beacon: %w", err)
	}
	name := filepath.Join(dir, file)
	fresh := fmt.Sprintf("%s.%d", name, os.Getpid())
	if err := os.WriteFile(fresh, append(encoded, '\n'), readable); err != nil {
		return fmt.Errorf("beacon: %w", err)
	}
	return os.Rename(fresh, name) // a reader sees all of it or nothing
}

// Light makes a testnet the one that nodes on this machine find.
func Light(t Testnet) error {
	if err := os.MkdirAll(folder(), private); err != nil {
		return fmt.Errorf("beacon: %w", err)
	}
	if err := check(folder()); err != nil {
		return err
	}
	return Write(folder(), t)
}

// PutOut ends what Light began, unless a later testnet was lit meanwhile.
func PutOut(t Testnet) error {
	lit, err := read()
	if err != nil || lit.PID != t.PID {
		return nil
	}
	return os.Remove(filepath.Join(folder(), file))
}

// Find returns the testnet that was lit last, if it still runs.
func Find() (Testnet, bool) {
	t, err := read()
	if err != nil || t.Balancer == "" || !alive(t.PID) {
		return Testnet{}, false
	}
	return t, true
}

func read() (t Testnet, err error) {
	if err := check(folder()); err != nil {
		return t, err
	}
	encoded, err := os.ReadFile(filepath.Join(folder(), file))
	if err != nil {
		return t, err
	}
	return t, json.Unmarshal(encoded, &t)
}

// folder lies below the temporary folder, which every terminal of a person
// agrees on.
func folder() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("tryst-%d", os.Getuid()))
}

// check makes sure that nobody else can put a balancer of theirs into the
// folder: the temporary folder is everybody's.
func check(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() || info.Mode().Perm()&^fs.FileMode(private) != 0 || !own(info) {
		return fmt.Errorf("%w: %s", ErrFolder, dir)
	}
	return nil
}

// alive reports whether a process runs; signal 0 asks and does nothing.
func alive(pid int) bool {
	if pid <= 0 {
		return false
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	err = process.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, os.ErrPermission)
}

package testnet_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tryst-chat/tryst/testnet"
)

// A file of 100 MiB arrives byte for byte, and neither side's memory grows
// with it.
func TestLargeFile(t *testing.T) {
	t.Parallel()
	size := int64(100 << 20)
	if testing.Short() {
		size = 16 << 20
	}
	net := suite.testnet(t)
	wim, xenia := enter(t, net, "wim", "1"), enter(t, net, "xenia", "1")
	wim.tells(xenia, "a big one comes")
	before := []int64{peak(t, wim), peak(t, xenia)}

	path, digest := randomFile(t, size)
	wim.do(fmt.Sprintf("send_file %q xenia1", path), testnet.Event{Event: "sending", To: "xenia1"})
	got := xenia.sees(testnet.Event{Event: "file", From: "wim1", Name: filepath.Base(path), Size: size, SHA256: digest})
	if again := digestOf(t, got.Path); again != digest {
		t.Errorf("the file has SHA-256 %s and not %s", again, digest)
	}
	if dir := filepath.Join(xenia.Home, "downloads"); !strings.HasPrefix(got.Path, dir) {
		t.Errorf("%s is not in %s", got.Path, dir)
	}
	for i, u := range []*user{wim, xenia} {
		const room = 64 << 20 // for garbage that is not collected yet; far below the file
		if grown := peak(t, u) - before[i]; !testing.Short() && grown > room {
			t.Errorf("%s grew by %d MiB for a file of %d MiB", u.account, grown>>20, size>>20)
		} else {
			t.Logf("%s grew by %d MiB", u.account, grown>>20)
		}
	}
}

// Two files of one name both arrive, and neither overwrites the other; a name
// cannot leave the folder.
func TestFilesOfOneName(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	yann, zoe := enter(t, net, "yann", "1"), enter(t, net, "zoe", "1")
	seen := make(map[string]bool)
	for range 2 {
		path, digest := randomFile(t, 1000)
		yann.do("send_file "+path+" zoe1", testnet.Event{Event: "sending", To: "zoe1"})
		got := zoe.sees(testnet.Event{Event: "file", From: "yann1", SHA256: digest})
		if digestOf(t, got.Path) != digest || seen[got.Path] {
			t.Errorf("%s was overwritten", got.Path)
		}
		seen[got.Path] = true
	}
}

// randomFile makes a file that does not compress and always has one name.
func randomFile(t *testing.T, size int64) (path, digest string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "holiday photos.tar")
	if size < 1<<20 {
		path = filepath.Join(filepath.Dir(path), "notes.txt")
	}
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var seed [32]byte
	copy(seed[:], path)
	hash := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(file, hash), rand.NewChaCha8(seed), size); err != nil {
		t.Fatal(err)
	}
	return path, hex.EncodeToString(hash.Sum(nil))
}

func digestOf(t *testing.T, path string) string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// peak returns the most memory that a node's process ever had, in bytes
// (VmHWM, proc_pid_status(5)); 0 where the system does not tell.
func peak(t *testing.T, u *user) int64 {
	t.Helper()
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", u.PID()))
	if err != nil {
		return 0
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var kib int64
		if n, _ := fmt.Sscanf(lines.Text(), "VmHWM: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	return 0
}

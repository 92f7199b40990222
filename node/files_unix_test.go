//go:build unix

package node

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A pipe has no end to wait for: it is refused at once, whether anybody writes to
// it or not.
func TestPipeCannotBeSent(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	refused := make(chan error, 1)
	go func() {
		_, _, err := openFile(pipe)
		refused <- err
	}()
	var err error
	await(t, "an answer", func() bool {
		select {
		case err = <-refused:
			return true
		default:
			return false
		}
	})
	wantCode(t, err, CodeNoFile)
}

func TestUnreadableFileCannotBeSent(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root reads every file")
	}
	secret := newFile(t, "secret", []byte("x"))
	if err := os.Chmod(secret, 0); err != nil {
		t.Fatal(err)
	}
	_, _, err := openFile(secret)
	wantCode(t, err, CodeNoFile)
}

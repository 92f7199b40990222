package confine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/tryst-chat/tryst/testnet"
)

// Disk is a folder with a small disk of its own, which only programs in its place
// see.
type Disk struct {
	Place testnet.Place

	dir string
	n   *namespace
}

// ballast is the file that fills a disk.
const ballast = "ballast"

// NewDisk makes a disk of so many bytes at a folder, which must be there.
func NewDisk(dir string, bytes int64) (*Disk, error) {
	if err := possible("mount", "dd"); err != nil {
		return nil, err
	}
	n, err := newNamespace(mounts)
	if err != nil {
		return nil, err
	}
	// Mounts of a new namespace are its own: nothing of it is to be seen outside.
	if err := n.run("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d,mode=0700", bytes), "tmpfs", dir); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrUnavailable, err), n.close())
	}
	return &Disk{Place: testnet.Place{Enter: n.enter()}, dir: dir, n: n}, nil
}

// fill writes 8 MiB at a time, as fast as a disk is written and not as memory is: whoever
// looks at what is left before each thing that they write has to have seen it.
const fill = `while dd if=/dev/zero of="$0" bs=1M count=8 oflag=append conv=notrunc; do sleep 0.05; done`

// Fill leaves no room on the disk.
func (d *Disk) Fill() error {
	if err := d.n.run("sh", "-c", fill, filepath.Join(d.dir, ballast)); err != nil {
		return err
	}
	var full *exec.ExitError
	err := d.n.run("dd", "if=/dev/zero", "of="+filepath.Join(d.dir, ballast), "bs=4k", "oflag=append", "conv=notrunc")
	if errors.As(err, &full) { // which is how dd says so
		return nil
	}
	if err == nil {
		return errors.New("confine: the disk does not fill up")
	}
	return err
}

// Free makes room again.
func (d *Disk) Free() error { return d.n.run("rm", "-f", filepath.Join(d.dir, ballast)) }

// Copy copies a folder's content onto the disk.
func (d *Disk) Copy(from string) error {
	if _, err := os.Stat(from); err != nil {
		return fmt.Errorf("confine: %w", err)
	}
	return d.n.run("cp", "-a", filepath.Clean(from)+"/.", d.dir)
}

// Close gives the disk up; it is gone once no program uses it.
func (d *Disk) Close() error { return d.n.close() }

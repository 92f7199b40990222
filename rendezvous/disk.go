package rendezvous

import (
	"errors"
	"fmt"

	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// Disk is how full the disk is that a server's state lies on.
type Disk struct {
	Size uint64 // bytes that a user may have on it, used ones included
	Free uint64 // bytes that a user may still have
}

// used is how much of the disk is in use, in percent.
func (d Disk) used() int {
	if d.Size == 0 || d.Free > d.Size {
		return 0
	}
	return int((d.Size - d.Free) * 100 / d.Size)
}

// full says that no more mail is taken.
func (d Disk) full() bool { return d.used() >= diskFull && d.Free < diskAmple }

// noMail is why letters are not taken now, in words; empty while they are. It is
// the state's own growth that must stop here: what people can not do without, to
// sign up and to find each other, needs the rest of the disk, and a server whose
// disk is full leaves the cluster.
func (s *Server) noMail() string {
	disk, err := s.cfg.Disk(s.cfg.Dir)
	if err != nil {
		// Nobody has to wait for a disk that is perhaps not full; the status says so.
		s.log.Debug("how full the disk is cannot be found out", "err", err)
		return ""
	}
	if !disk.full() {
		return ""
	}
	return fmt.Sprintf("the server's disk is %d %% full", disk.used())
}

// errUnknownDisk is for a disk of which it is not known how full it is.
var errUnknownDisk = errors.New("rendezvous: how full the disk is is not known")

// free is how many bytes may still be written to the disk that the state lies on.
func (s *Server) free() (uint64, error) {
	disk, err := s.cfg.Disk(s.cfg.Dir)
	if err == nil && disk.Size == 0 {
		err = errUnknownDisk
	}
	return disk.Free, err
}

// room refuses mail while the disk is too full for it.
func (s *Server) room() error {
	if why := s.noMail(); why != "" {
		return fmt.Errorf("%w: %s", wire.ErrNoSpace, why)
	}
	return nil
}

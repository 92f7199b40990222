package rendezvous

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"github.com/tryst-chat/tryst/rendezvous/backup"
	"github.com/tryst-chat/tryst/rendezvous/cluster"
	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/provision"
)

// Backup writes all that the directory holds, as it is at one moment, and at least as
// new as what was acknowledged anywhere before the call. With stale it is what this
// server has: for when there is no quorum, and nothing newer to be had.
//
// Neither the servers' keys nor the secrets that passwords are checked with are in it:
// they are files of the servers' folders. A backup alone tells account names, groups
// and who wrote to whom.
func (s *Server) Backup(ctx context.Context, w io.Writer, stale bool) error {
	if !stale {
		if err := s.cluster.Barrier(ctx); err != nil {
			return &refusedError{"the servers have no quorum now, so that this one may be behind; to back up what it has all the same, add --stale"}
		}
	}
	var b *backup.Writer
	begin := func(all directory.Summary) (err error) {
		b, err = backup.NewWriter(w, backup.Header{
			Cluster: hex.EncodeToString(s.cfg.Server.ClusterKey), Server: s.Name(), Created: time.Now().UTC(),
			Index: all.Index, Accounts: all.Accounts, Groups: all.Groups, Version: Version(),
		})
		return err
	}
	err := s.cluster.Directory().Dump(begin, func(key, value []byte) error { return b.Row(key, value) })
	if err == nil {
		err = b.Close()
	}
	if err != nil {
		return fmt.Errorf("rendezvous: backup: %w", err)
	}
	return nil
}

// serveBackup sends a backup to the operator. One that fails on its way ends the
// connection, and lacks its end.
func (s *Server) serveBackup(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), memberTimeout)
	defer cancel()
	out := &patient{w: w, control: http.NewResponseController(w)}
	err := s.Backup(ctx, out, r.FormValue("stale") != "")
	switch {
	case err == nil:
		s.log.Info("a backup was written", "bytes", out.written)
	case out.written == 0:
		answerAdmin(w, err)
	default:
		s.log.Warn("a backup was not finished", "err", err)
		panic(http.ErrAbortHandler) // the one way to tell the other side that this is not all
	}
}

// patient writes for as long as the other side takes something now and then.
type patient struct {
	w       io.Writer
	control *http.ResponseController
	written int64
}

func (p *patient) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(backupTimeout)); err != nil {
		return 0, err
	}
	n, err := p.w.Write(b)
	p.written += int64(n)
	return n, err
}

// Restore makes the state of a server's folder from a backup: that of a cluster of
// one, which then may grow. The folder is one that provision made with the same cluster
// key, and has no state; its keys may lie in another one. It returns what the backup
// was of.
func Restore(dir, keys string, file io.Reader) (backup.Header, error) {
	server, err := provision.LoadServerKeys(dir, keys)
	if err != nil {
		return backup.Header{}, fmt.Errorf("rendezvous: %w", err)
	}
	r, err := backup.NewReader(file)
	if err != nil {
		return backup.Header{}, err
	}
	if r.Header.Cluster != hex.EncodeToString(server.ClusterKey) {
		return r.Header, errors.New("rendezvous: the backup is of another cluster: its servers had another cluster key")
	}
	own, _ := server.Own() // LoadServer has found it
	self := cluster.Server{ID: own.ID, Name: own.Name, Addresses: own.Addresses}
	_, err = cluster.Restore(filepath.Join(dir, dataFolder), self, slog.New(slog.DiscardHandler), r.Next)
	return r.Header, err
}

// ErrState is returned by Restore for a folder that has a state.
var ErrState = cluster.ErrState

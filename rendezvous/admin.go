package rendezvous

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"
)

// AdminSocket is where a server's operator speaks to it while it runs: a Unix socket
// in its folder of state, which only the user that runs the server (and root) may
// open. Nothing of it is on any network.
//
//	GET  /servers        how this server is, and then the others: Status as a JSON array
//	POST /leave          take this server out of the cluster, for good, and end it
//	POST /remove?server= take another one out, by name or peer ID
//	GET  /backup?stale=  all that the directory holds, in the form of package backup
//	GET  /terms          on which terms people sign up: SignUps as JSON
//	POST /terms?invitation=&bits=    set them, for the whole cluster
//	POST /invitations?count=&valid=  codes that are good for so long (as Go writes a
//	                     duration), one a line
//	DELETE /invitations  take back all that are out
//
// What is refused is status 409 with a sentence.
const AdminSocket = "admin.sock"

// maxSocketPath is what systems take as a Unix socket's path, less the end mark: 104
// bytes on BSD and macOS, 108 on Linux.
const maxSocketPath = 103

// AdminPath returns the socket of the server in a folder, as LoadDir takes it.
func AdminPath(dir string) string { return filepath.Join(dir, dataFolder, AdminSocket) }

// listenAdmin opens the socket. The caller has the folder's lock: what lies there is
// left over from a server that was killed.
func listenAdmin(dir string) (net.Listener, error) {
	path := filepath.Join(dir, AdminSocket)
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("rendezvous: the folder's path is too long for a socket in it (%d bytes, at most %d): %s", len(path), maxSocketPath, path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("rendezvous: admin socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("rendezvous: admin socket: %w", err)
	}
	const owner = 0o600
	// Until this is done the folder keeps others out: it is the owner's alone.
	if err := os.Chmod(path, owner); err != nil {
		return nil, errors.Join(fmt.Errorf("rendezvous: admin socket: %w", err), l.Close())
	}
	return l, nil
}

// serveAdmin answers the operator until ctx ends, and then those that have asked.
func (s *Server) serveAdmin(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /servers", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(s.Servers(r.Context())) // whoever asked may have gone
	})
	mux.HandleFunc("POST /leave", func(w http.ResponseWriter, r *http.Request) {
		// Once begun it is brought to its end, whether or not anybody waits for it.
		answerAdmin(w, s.Leave(context.WithoutCancel(r.Context())))
	})
	mux.HandleFunc("POST /remove", func(w http.ResponseWriter, r *http.Request) {
		answerAdmin(w, s.Remove(r.Context(), r.FormValue("server")))
	})
	mux.HandleFunc("GET /backup", s.serveBackup)
	s.handleTerms(mux)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: httpTimeout}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := server.Serve(s.admin); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("rendezvous: admin socket: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), httpTimeout)
		defer cancel()
		if server.Shutdown(ending) != nil {
			server.Close()
		}
		return nil
	})
	return group.Wait()
}

func answerAdmin(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
	}
}

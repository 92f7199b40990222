package balancer

import (
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// profileTimeout bounds the answer to a question for a profile, which takes as long as
// it was asked to.
const profileTimeout = 2 * time.Minute

// profiles serves Go's profiles beside the metrics, if only this machine can ask: they
// cost time, and show what is in memory.
func profiles(mux *http.ServeMux, l net.Listener) {
	at, ok := l.Addr().(*net.TCPAddr)
	if !ok || !at.IP.IsLoopback() {
		return
	}
	for path, serve := range map[string]http.HandlerFunc{
		"/debug/pprof/": pprof.Index, "/debug/pprof/cmdline": pprof.Cmdline, "/debug/pprof/profile": pprof.Profile,
		"/debug/pprof/symbol": pprof.Symbol, "/debug/pprof/trace": pprof.Trace,
	} {
		mux.HandleFunc("GET "+path, within(profileTimeout, serve))
	}
}

// within bounds how long an answer may take.
func within(timeout time.Duration, serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if http.NewResponseController(w).SetWriteDeadline(time.Now().Add(timeout)) == nil {
			serve(w, r)
		}
	}
}

package rendezvous

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// metrics is what the operator sees: numbers, and no names.
type metrics struct {
	registry *prometheus.Registry // its own: several servers may run in one process
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	letters  *prometheus.CounterVec
}

func (s *Server) newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tryst_rendezvous_requests_total",
			Help: "Requests answered, by kind and outcome.",
		}, []string{"kind", "outcome"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "tryst_rendezvous_request_seconds",
			Help:    "Time from a request's stream to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15), // 0.5 ms to 8 s
		}, []string{"kind"}),
		letters: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tryst_rendezvous_letters_total",
			Help: "Letters that nodes put, by kind (direct, group) and outcome.",
		}, []string{"kind", "outcome"}),
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	m.registry.MustRegister(m.requests, m.latency, m.letters,
		gauge("tryst_rendezvous_applied_index", "Index of the last applied entry of the replicated log.",
			func() float64 { return float64(s.cluster.Directory().AppliedIndex()) }),
		gauge("tryst_rendezvous_term", "Raft's term: it rises with every election.",
			func() float64 { return float64(s.cluster.Status().Term) }),
		gauge("tryst_rendezvous_accounts", "Accounts in the directory.",
			func() float64 { return float64(s.size().Accounts) }),
		gauge("tryst_rendezvous_groups", "Groups in the directory.",
			func() float64 { return float64(s.size().Groups) }),
		gauge("tryst_rendezvous_mail_letters", "Letters that wait for devices.",
			func() float64 { return float64(s.mailTotals().Letters) }),
		gauge("tryst_rendezvous_mail_bytes", "Their size.",
			func() float64 { return float64(s.mailTotals().Bytes) }),
		gauge("tryst_rendezvous_group_mail_letters", "Letters that wait in groups, each counted once.",
			func() float64 { return float64(s.mailTotals().GroupLetters) }),
		gauge("tryst_rendezvous_group_mail_bytes", "Their size, with what is kept for each device that lacks one.",
			func() float64 { return float64(s.mailTotals().GroupBytes) }),
		gauge("tryst_rendezvous_mail_refused", "1 while no letters are taken because the disk is too full.",
			func() float64 { return oneIf(s.noMail() != "") }),
		gauge("tryst_rendezvous_leader", "1 on the server that leads.",
			func() float64 { leader, ok := s.cluster.Leader(); return oneIf(ok && leader == s.host.ID()) }),
		gauge("tryst_rendezvous_ready", "1 while the server takes new nodes.",
			func() float64 { return oneIf(s.Ready()) }),
		gauge("tryst_rendezvous_sessions", "Devices that hold a beat stream to this server.",
			func() float64 { return float64(s.hub.len()) }),
		gauge("tryst_rendezvous_presence_devices", "Devices whose whereabouts are known, anywhere.",
			func() float64 { return float64(s.presence.Len()) }),
		gauge("tryst_rendezvous_balancers", "Balancers that this server stands behind.",
			func() float64 { return float64(s.attachment.Attached()) }),
	)
	return m
}

// size is zero when the store cannot be read, which ends the server anyway.
func (s *Server) size() directory.Size {
	size, err := s.cluster.Directory().Size()
	if err != nil {
		s.log.Error("the directory's size cannot be read", "err", err)
	}
	return size
}

// mailTotals is zero when the store cannot be read, as size.
func (s *Server) mailTotals() directory.MailTotals {
	totals, err := s.cluster.Directory().MailTotals()
	if err != nil {
		s.log.Error("how much mail waits cannot be read", "err", err)
	}
	return totals
}

// put counts letters by what they came to: each its own result, or all the error.
func (m *metrics) put(kind string, letters int, results []error, err error) {
	if err != nil {
		m.letters.WithLabelValues(kind, outcome(err)).Add(float64(letters))
		return
	}
	for _, result := range results {
		m.letters.WithLabelValues(kind, outcome(result)).Inc()
	}
}

func (m *metrics) observe(kind, outcome string, took time.Duration) {
	m.requests.WithLabelValues(kind, outcome).Inc()
	m.latency.WithLabelValues(kind).Observe(took.Seconds())
}

// outcome is an error as a label: the sentinel's words, of which there are few.
func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	return wire.ErrorOf(wire.Code(err)).Error()
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// serveHTTP serves /metrics, /status and /healthz until ctx ends.
func (s *Server) serveHTTP(ctx context.Context) error {
	if s.http == nil {
		return nil
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /status", s.serveStatus)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if !s.Ready() {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		w.Write([]byte("ok\n"))
	})
	server := &http.Server{Handler: mux, ReadTimeout: httpTimeout, WriteTimeout: httpTimeout}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(s.http); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// listenHTTP opens the operator's port; nil for no address.
func listenHTTP(address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	return net.Listen("tcp", address)
}

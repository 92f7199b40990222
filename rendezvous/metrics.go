package rendezvous

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
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
	m.registry.MustRegister(m.requests, m.latency, m.letters, s.refused.by,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		build("tryst_rendezvous_build_info"),
		gauge("tryst_rendezvous_applied_index", "Index of the last applied entry of the replicated log.",
			func() float64 { return float64(s.cluster.Directory().AppliedIndex()) }),
		gauge("tryst_rendezvous_term", "Raft's term: it rises with every election.",
			func() float64 { return float64(s.cluster.Status().Term) }),
		gauge("tryst_rendezvous_lag_entries", "Entries of the log that are committed, as far as this server knows, and that it is not done with.",
			func() float64 { is := s.cluster.Status(); return float64(is.Committed - min(is.Handled, is.Committed)) }),
		gauge("tryst_rendezvous_leader_known", "1 while this server knows who leads.",
			func() float64 { _, ok := s.cluster.Leader(); return oneIf(ok) }),
		gauge("tryst_rendezvous_voters", "Servers that vote, as far as this server knows.",
			func() float64 { return float64(s.count(true)) }),
		gauge("tryst_rendezvous_joining", "Servers that were let in and do not vote yet.",
			func() float64 { return float64(s.count(false)) }),
		gauge("tryst_rendezvous_disk_size_bytes", "Size of the disk that the state lies on.",
			func() float64 { disk, _ := s.cfg.Disk(s.cfg.Dir); return float64(disk.Size) }),
		gauge("tryst_rendezvous_disk_free_bytes", "What is free of it.",
			func() float64 { disk, _ := s.cfg.Disk(s.cfg.Dir); return float64(disk.Free) }),
		gauge("tryst_rendezvous_certificate_expiry_timestamp_seconds", "When this server's certificate ends.",
			func() float64 { return float64(s.certificate.Until.Unix()) }),
		gauge("tryst_rendezvous_clock_offset_seconds", "How far this server's clock is ahead of the other servers', as far as it is known.",
			func() float64 { return s.clocks.now().Ahead.Seconds() }),
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

// build is the program's version, as a label of a metric that is always 1.
func build(name string) prometheus.Collector {
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: "1; the label is the program's version."}, []string{"version"})
	info.WithLabelValues(Version()).Set(1)
	return info
}

// count counts the members that vote, or those that do not.
func (s *Server) count(voters bool) int {
	n := 0
	for _, m := range s.cluster.Members() {
		if m.Voter == voters {
			n++
		}
	}
	return n
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
	mux.HandleFunc("GET /metrics", within(httpTimeout, promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}).ServeHTTP))
	mux.HandleFunc("GET /status", within(httpTimeout, s.serveStatus))
	mux.HandleFunc("GET /healthz", within(httpTimeout, func(w http.ResponseWriter, _ *http.Request) {
		if !s.Ready() {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		w.Write([]byte("ok\n"))
	}))
	profiles(mux, s.http)
	server := &http.Server{Handler: mux, ReadTimeout: httpTimeout}
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

package balancer

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// newMetrics makes the balancer's own registry: several balancers may run in
// one process, and libp2p's default one belongs to nobody.
func (b *Balancer) newMetrics() {
	b.registry = prometheus.NewRegistry()
	b.outcomes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tryst_balancer_questions_total",
		Help: "Clients that asked for a server, by outcome.",
	}, []string{"outcome"})
	b.permitted = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tryst_balancer_permits_total",
		Help: "Devices that asked to be reached through the relay, by outcome.",
	}, []string{"outcome"})
	for _, v := range []string{"assigned", "refused", "bad"} { // there from the beginning, so that a first one is a rise
		b.outcomes.WithLabelValues(v)
	}
	for _, v := range []string{"granted", "refused"} {
		b.permitted.WithLabelValues(v)
	}
	connections := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tryst_balancer_connections",
		Help: "Open connections of clients and servers.",
	}, func() float64 { return float64(len(b.host.Network().Conns())) })
	devices := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tryst_balancer_devices",
		Help: "Connected devices that may be reached through the relay.",
	}, func() float64 {
		b.mu.Lock()
		defer b.mu.Unlock()
		return float64(len(b.permits.until))
	})
	b.registry.MustRegister(b.outcomes, b.permitted, b.refused.by, connections, devices, newLoads(b),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
}

// loads collects what each server carries at the moment of asking.
type loads struct {
	b               *Balancer
	sessions, ready *prometheus.Desc
}

func newLoads(b *Balancer) loads {
	labels := []string{"name", "server"}
	return loads{
		b:        b,
		sessions: prometheus.NewDesc("tryst_balancer_sessions", "Live assignments to a server that stands behind this balancer.", labels, nil),
		ready:    prometheus.NewDesc("tryst_balancer_server_ready", "1 while a server that stands behind this balancer takes new clients.", labels, nil),
	}
}

// Describe implements prometheus.Collector.
func (l loads) Describe(out chan<- *prometheus.Desc) { out <- l.sessions; out <- l.ready }

// Collect implements prometheus.Collector.
func (l loads) Collect(out chan<- prometheus.Metric) {
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	for _, load := range l.b.pool.Loads(time.Now()) {
		name, id := l.b.backends[load.Server].certificate.Name, load.Server.String()
		ready := 0.0
		if load.Ready {
			ready = 1
		}
		out <- prometheus.MustNewConstMetric(l.sessions, prometheus.GaugeValue, float64(load.Assignments), name, id)
		out <- prometheus.MustNewConstMetric(l.ready, prometheus.GaugeValue, ready, name, id)
	}
}

// serveHTTP serves /metrics and /healthz until ctx ends.
func (b *Balancer) serveHTTP(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", within(httpTimeout, promhttp.HandlerFor(b.registry, promhttp.HandlerOpts{}).ServeHTTP))
	mux.HandleFunc("GET /healthz", within(httpTimeout, b.health))
	profiles(mux, b.http)
	server := &http.Server{Handler: mux, ReadTimeout: httpTimeout}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(b.http); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// health answers 200 while a client that asked would get a server.
func (b *Balancer) health(w http.ResponseWriter, _ *http.Request) {
	for _, load := range b.Loads() {
		if load.Ready {
			w.Write([]byte("ok\n"))
			return
		}
	}
	http.Error(w, "no server is ready", http.StatusServiceUnavailable)
}

package testnet

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// Ready waits until every running server is healthy and every running balancer hands
// out each of them.
func (t *Testnet) Ready(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	running := 0
	for _, s := range t.servers() {
		if s.Running() {
			running++
			group.Go(func() error { return s.healthy(ctx) })
		}
	}
	for _, m := range t.Fronts {
		if m.Running() {
			group.Go(func() error {
				return m.poll(ctx, "/metrics", func(body []byte) bool { return ready(body) >= running })
			})
		}
	}
	return group.Wait()
}

func (m *Machine) healthy(ctx context.Context) error {
	return m.poll(ctx, "/healthz", func([]byte) bool { return true })
}

// ready counts the servers that a balancer's metrics call ready.
func ready(metrics []byte) (n int) {
	for line := range bytes.Lines(metrics) {
		if bytes.HasPrefix(line, []byte("tryst_balancer_server_ready{")) && bytes.HasSuffix(bytes.TrimSpace(line), []byte(" 1")) {
			n++
		}
	}
	return n
}

// poll asks a machine's HTTP endpoint until it answers 200 with a good body.
func (m *Machine) poll(ctx context.Context, path string, good func(body []byte) bool) error {
	for {
		body, err := m.get(ctx, path)
		if err == nil && good(body) {
			return nil
		}
		timer := time.NewTimer(pollInterval)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("testnet: %s did not become ready: %w (%w): %s", m.Name, ctx.Err(), err, lastLine(m.logFile))
		}
	}
}

func (m *Machine) get(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.Metrics()+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := m.place.client().Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, bytes.TrimSpace(body))
	}
	return body, err
}

package crowd

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/tryst-chat/tryst/testnet"
)

// State is what the programs were like at one time, as their metrics say.
type State struct {
	Balancer Program   `json:"balancer"`
	Servers  []Program `json:"servers"`
	Crowd    Program   `json:"crowd"` // this program
	// Connections and Circuits are the balancer's: open ones of clients and servers, and
	// what is carried between them.
	Connections int `json:"connections"`
	Circuits    int `json:"circuits"`
}

// Program is one process.
type Program struct {
	Name       string `json:"name"`
	Resident   int64  `json:"resident"` // bytes, of memory that it has from the system
	Heap       int64  `json:"heap"`     // bytes in use, after a collection
	Stacks     int64  `json:"stacks"`   // bytes
	Goroutines int    `json:"goroutines"`
	Files      int    `json:"files"`
	Sessions   int    `json:"sessions"` // of a server: beat streams
	Assigned   int    `json:"assigned"` // of a server: clients that the balancer sent there
	// Share is how much of one processor it used while the crowd was idle.
	Share float64 `json:"share"`

	cpu float64 // seconds, since it started
}

// measure asks every program, each after a collection of its garbage.
func (c *crowd) measure(ctx context.Context) (s State, err error) {
	front, err := figuresOf(ctx, c.net.Front)
	if err != nil {
		return s, err
	}
	s.Balancer = front.program(c.net.Front.Name)
	s.Connections = int(front["tryst_balancer_connections"])
	s.Circuits = int(front[`libp2p_relaysvc_connections_total{type="opened"}`] - front[`libp2p_relaysvc_connections_total{type="closed"}`])
	for _, m := range c.net.Servers {
		figures, err := figuresOf(ctx, m)
		if err != nil {
			return s, err
		}
		server := figures.program(m.Name)
		server.Assigned = int(front[fmt.Sprintf(`tryst_balancer_sessions{name="%s",server="%s"}`, m.Name, m.Peer())])
		s.Servers = append(s.Servers, server)
	}
	s.Crowd = own()
	return s, nil
}

// own is what this program is like.
func own() Program {
	runtime.GC() // as the programs do when they are asked
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Program{
		Name: "the crowd", Resident: int64(m.Sys - m.HeapReleased), Heap: int64(m.HeapAlloc), Stacks: int64(m.StackInuse),
		Goroutines: runtime.NumGoroutine(), cpu: used().Seconds(),
	}
}

// idle works out what the programs used since an earlier state.
func (s *State) idle(since State, in time.Duration) {
	s.Balancer.Share = (s.Balancer.cpu - since.Balancer.cpu) / in.Seconds()
	s.Crowd.Share = (s.Crowd.cpu - since.Crowd.cpu) / in.Seconds()
	for i := range s.Servers {
		s.Servers[i].Share = (s.Servers[i].cpu - since.Servers[i].cpu) / in.Seconds()
	}
}

// returned reports whether everything is as it was in an earlier state, but for what the
// directory has of accounts, and memory that Go gives back to the system over minutes.
func (s State) returned(before, during State) bool {
	same := s.Connections <= before.Connections && s.Circuits <= before.Circuits &&
		s.Balancer.Goroutines <= before.Balancer.Goroutines+stragglers &&
		s.Balancer.Heap-before.Balancer.Heap <= (during.Balancer.Heap-before.Balancer.Heap)/remembered+fewBytes
	for i, p := range s.Servers {
		same = same && p.Sessions <= before.Servers[i].Sessions && p.Goroutines <= before.Servers[i].Goroutines+stragglers
	}
	return same
}

// figures are a program's metrics, by name and labels as they are written.
type figures map[string]float64

func (f figures) program(name string) Program {
	return Program{
		Name:       name,
		Resident:   int64(f["process_resident_memory_bytes"]),
		Heap:       int64(f["go_memstats_heap_alloc_bytes"]),
		Stacks:     int64(f["go_memstats_stack_inuse_bytes"]),
		Goroutines: int(f["go_goroutines"]),
		Files:      int(f["process_open_fds"]),
		Sessions:   int(f["tryst_rendezvous_sessions"]),
		cpu:        f["process_cpu_seconds_total"],
	}
}

// figuresOf has a program collect its garbage, and returns its figures.
func figuresOf(ctx context.Context, m *testnet.Machine) (figures, error) {
	if _, err := get(ctx, m, "/debug/pprof/heap?gc=1"); err != nil {
		return nil, err
	}
	body, err := get(ctx, m, "/metrics")
	if err != nil {
		return nil, err
	}
	return parse(body)
}

// parse reads the lines "name{labels} value" of Prometheus's text format.
func parse(body []byte) (figures, error) {
	f := make(figures)
	for lines := bufio.NewScanner(bytes.NewReader(body)); lines.Scan(); {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("crowd: %q is no metric: %w", line, err)
		}
		f[line[:at]] = value
	}
	return f, nil
}

func get(ctx context.Context, m *testnet.Machine, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.Metrics()+path, nil)
	if err != nil {
		return nil, fmt.Errorf("crowd: ask %s: %w", m.Name, err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("crowd: ask %s: %w", m.Name, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("it answers %s", answer.Status)
	}
	if err != nil {
		return nil, fmt.Errorf("crowd: ask %s for %s: %w", m.Name, path, err)
	}
	return body, nil
}

//go:build unix

package main

import (
	"context"
	"debug/elf"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	ma "github.com/multiformats/go-multiaddr"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// documented is a row of metrics.md.
type documented struct {
	name, kind string
	labels     []string
}

func metricsInTheList(t *testing.T) []documented {
	t.Helper()
	row := regexp.MustCompile("^\\| `([a-z0-9_]+)` \\| ([a-z]+) \\| ([^|]*)\\| .+ \\|$")
	var found []documented
	for line := range strings.SplitSeq(deployed(t, "metrics.md"), "\n") {
		if m := row.FindStringSubmatch(line); m != nil {
			d := documented{name: m[1], kind: m[2]}
			for label := range strings.SplitSeq(m[3], ",") {
				if label = strings.Trim(label, " `"); label != "" {
					d.labels = append(d.labels, label)
				}
			}
			found = append(found, d)
		} else if strings.HasPrefix(line, "| `") {
			t.Errorf("not a row: %s", line)
		}
	}
	if len(found) < 30 {
		t.Fatalf("only %d metrics are in the list", len(found))
	}
	return found
}

func deployed(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func get(t *testing.T, url string) (string, int) {
	t.Helper()
	request, err := http.NewRequestWithContext(harness.Within(t), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body), answer.StatusCode
}

func scrape(t *testing.T, address string) map[string]*dto.MetricFamily {
	t.Helper()
	body, _ := get(t, "http://"+address+"/metrics")
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// whereabouts is a signed peer record with an address that is nobody's.
func (m *member) whereabouts(t *testing.T, addr string) []byte {
	t.Helper()
	private, err := crypto.UnmarshalEd25519PrivateKey(m.key)
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := record.Seal(&peer.PeerRecord{PeerID: m.id, Seq: 1, Addrs: []ma.Multiaddr{ma.StringCast(addr)}}, private)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := envelope.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// What is in the list is what servers and balancers serve, with its type and labels,
// and nothing of their own is missing there. Neither it nor the log names anybody.
func TestMetricsAreAsDocumented(t *testing.T) {
	c := newCluster(t, "s1")
	ctx := harness.Within(t)
	m := c.member(t, ctx, "veronica")
	m.Attend(true)
	m.linked(t)
	const at = "203.0.113.77"
	if err := m.Announce(ctx, m.whereabouts(t, "/ip4/"+at+"/tcp/4242")); err != nil {
		t.Fatal(err)
	}
	letters := []client.Letter{{To: m.id, Envelope: []byte("sealed")}}
	if _, err := m.PutMail(ctx, m.account, letters); err != nil {
		t.Fatal(err)
	}
	server, front := c.servers["s1"].listening.Metrics, c.balancer.MetricsAddr()
	served := scrape(t, server)
	for name, family := range scrape(t, front) {
		if strings.HasPrefix(name, "tryst_") && served[name] != nil {
			t.Errorf("%s is both's", name)
		}
		served[name] = family
	}
	list := metricsInTheList(t)
	for _, d := range list {
		family := served[d.name]
		if family == nil {
			t.Errorf("%s is not served", d.name)
			continue
		}
		delete(served, d.name)
		if kind := strings.ToLower(family.GetType().String()); kind != d.kind || family.GetHelp() == "" {
			t.Errorf("%s is a %s (%q)", d.name, kind, family.GetHelp())
		}
		for _, one := range family.GetMetric() {
			var labels []string
			for _, l := range one.GetLabel() {
				labels = append(labels, l.GetName())
			}
			if slices.Sort(labels); !slices.Equal(labels, d.labels) {
				t.Errorf("%s has the labels %q", d.name, labels)
			}
		}
		if d.kind == "counter" && !strings.HasSuffix(d.name, "_total") {
			t.Errorf("%s counts and does not end in _total", d.name)
		}
	}
	for name := range served {
		if strings.HasPrefix(name, "tryst_") {
			t.Errorf("%s is not in the list", name)
		}
	}
	logged, err := os.ReadFile(c.servers["s1"].log)
	if err != nil || len(logged) == 0 {
		t.Fatalf("no log: %v", err)
	}
	body, _ := get(t, "http://"+server+"/metrics")
	for _, secret := range []string{"veronica", at, m.id.String()} {
		for what, text := range map[string]string{"log": string(logged), "metrics": body} {
			if strings.Contains(text, secret) {
				t.Errorf("the %s names %s", what, secret)
			}
		}
	}
	for _, address := range []string{server, front} {
		if _, status := get(t, "http://"+address+"/debug/pprof/goroutine?debug=1"); status != http.StatusOK {
			t.Errorf("no profile on loopback: %d", status)
		}
	}
}

// The dashboard and the alerts name only metrics that there are.
func TestDashboardAndAlerts(t *testing.T) {
	var known []string
	for _, d := range metricsInTheList(t) {
		known = append(known, d.name)
		if d.kind == "histogram" {
			known = append(known, d.name+"_bucket", d.name+"_sum", d.name+"_count")
		}
	}
	var dashboard struct {
		Title  string
		Panels []struct {
			ID      int
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr, RefID string }
		}
	}
	if err := json.Unmarshal([]byte(deployed(t, "grafana.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	exprs := make(map[string]string)
	for _, p := range dashboard.Panels {
		if p.Title == "" || len(p.Targets) == 0 || p.GridPos.W == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %d is not one: %+v", p.ID, p)
		}
		for _, target := range p.Targets {
			exprs["panel "+p.Title+" "+target.RefID] = target.Expr
		}
	}
	rule := regexp.MustCompile(`(?m)^      - alert: (\w+)\n        expr: (.+)$`)
	for _, m := range rule.FindAllStringSubmatch(deployed(t, "alerts.yml"), -1) {
		exprs["alert "+m[1]] = m[2]
	}
	if len(exprs) < 30 {
		t.Fatalf("only %d questions", len(exprs))
	}
	name := regexp.MustCompile(`\b(tryst|libp2p)_[a-z0-9_]+`)
	for where, expr := range exprs {
		names := name.FindAllString(expr, -1)
		for _, n := range names {
			if !slices.Contains(known, n) {
				t.Errorf("%s: there is no %s", where, n)
			}
		}
		if len(names) == 0 && !strings.Contains(expr, "up{") {
			t.Errorf("%s asks for nothing: %s", where, expr)
		}
	}
	if promtool, err := exec.LookPath("promtool"); err == nil {
		if out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", "deploy/alerts.yml").CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
}

// The units are valid, and leave little to somebody who has broken in.
func TestUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("systemd-analyze is needed here")
		}
		t.Skip("no systemd-analyze on this machine")
	}
	execStart := regexp.MustCompile(`(?m)^ExecStart=(/\S+) (.+)$`)
	for _, name := range []string{"tryst-rendezvous.service", "tryst-balancer.service"} {
		text := deployed(t, name)
		start := execStart.FindStringSubmatch(text)
		if start == nil {
			t.Fatalf("%s starts nothing", name)
		}
		if name == "tryst-rendezvous.service" {
			knowsFlags(t, strings.Fields(start[2]))
		}
		unit := filepath.Join(t.TempDir(), name)
		text = strings.ReplaceAll(text, start[1], os.Args[0]) // a program that there is
		if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", unit).CombinedOutput()
		if err != nil || strings.Contains(string(out), name) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		// At most 2.0 of 10.0, where most services that come with a system are above 9.
		out, err = exec.CommandContext(t.Context(), analyze, "security", "--offline=yes", "--threshold=20", "--no-pager", unit).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// knowsFlags fails unless a command line is one of this program's.
func knowsFlags(t *testing.T, args []string) {
	t.Helper()
	c, rest, err := rootCommand().Find(args)
	if err != nil {
		t.Fatal(err)
	}
	for _, arg := range rest {
		if flag, ok := strings.CutPrefix(arg, "--"); ok && c.Flags().Lookup(flag) == nil {
			t.Errorf("%s has no flag --%s", c.Name(), flag)
		}
	}
}

// The image runs static programs as nobody in particular.
func TestContainerfile(t *testing.T) {
	text := deployed(t, "Containerfile")
	for _, want := range []string{`(?m)^FROM scratch$`, `(?m)^USER 65532:65532$`, `(?m)^VOLUME /var/lib/tryst$`, `CGO_ENABLED=0 go build`} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("there is no %s", want)
		}
	}
	var args []string
	if m := regexp.MustCompile(`(?m)^CMD (\[.+\])$`).FindStringSubmatch(text); m == nil || json.Unmarshal([]byte(m[1]), &args) != nil {
		t.Fatal("there is no command")
	}
	knowsFlags(t, args)
	if testing.Short() || runtime.GOOS != "linux" {
		t.Skip("whether the programs are static is seen by building them, on Linux")
	}
	program := filepath.Join(t.TempDir(), "rendezvous")
	build := exec.CommandContext(context.WithoutCancel(t.Context()), "go", "build", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	file, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the program needs a loader")
		}
	}
}

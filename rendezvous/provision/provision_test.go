package provision_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/rendezvous/provision"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

func machine(t *testing.T, text string) provision.Machine {
	t.Helper()
	m, err := provision.ParseMachine(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func plan(t *testing.T) provision.Plan {
	t.Helper()
	return provision.Plan{
		Dir: filepath.Join(t.TempDir(), "cluster"),
		Servers: []provision.Machine{
			machine(t, "s1=/ip4/192.0.2.1/tcp/4001"),
			machine(t, "s2=/ip4/192.0.2.2/tcp/4001,/ip4/192.0.2.2/udp/4001/quic-v1"),
		},
		Balancers: []provision.Machine{machine(t, "b1=/dns4/tryst.example/tcp/4100")},
	}
}

// files returns the files below a folder with their contents.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		found[strings.TrimPrefix(path, dir+"/")] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestInit(t *testing.T) {
	p, now := plan(t), time.Now()
	made, err := provision.Init(p, now)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range made.Servers {
		s, err := provision.LoadServer(m.Dir)
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := record.VerifyCertificate(s.Certificate, made.Key, now)
		if err != nil {
			t.Fatal(err)
		}
		if certificate.Server != m.ID || certificate.Name != m.Name || s.Name != m.Name {
			t.Errorf("%s is certified as %s, %s", m.Name, certificate.Name, certificate.Server)
		}
		if _, err := record.VerifyCertificate(s.Certificate, made.Key, now.Add(provision.DefaultLifetime)); !errors.Is(err, record.ErrExpired) {
			t.Errorf("%s at the end of its time: %v", m.Name, err)
		}
		if !s.ClusterKey.Equal(made.Key) {
			t.Errorf("%s has another cluster's key", m.Name)
		}
		if own, ok := s.Own(); !ok || own.ID != m.ID || len(own.Addresses) != len(p.Servers[i].Addresses) {
			t.Errorf("%s knows itself as %v", m.Name, own)
		}
		if len(s.Servers) != 2 || len(s.Balancers) != 1 || s.Balancers[0].ID != made.Balancers[0].ID {
			t.Errorf("%s knows servers %v and balancers %v", m.Name, s.Servers, s.Balancers)
		}
	}
	all := files(t, p.Dir)
	if all["s1/opaque.secrets"] != all["s2/opaque.secrets"] {
		t.Error("the servers do not share their secrets")
	}
	for name, content := range all {
		info, err := os.Stat(filepath.Join(p.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		secret := strings.HasSuffix(name, ".key") || strings.HasSuffix(name, ".secrets")
		if secret != (info.Mode().Perm() == 0o600) {
			t.Errorf("%s has mode %o", name, info.Mode().Perm())
		}
		if name != "cluster.key" && strings.Contains(content, strings.TrimSpace(all["cluster.key"])) {
			t.Errorf("%s holds the cluster's private key", name)
		}
	}
}

func TestInitOverwritesNothing(t *testing.T) {
	p := plan(t)
	if _, err := provision.Init(p, time.Now()); err != nil {
		t.Fatal(err)
	}
	before := files(t, p.Dir)
	other := p
	other.Servers = []provision.Machine{machine(t, "s9=/ip4/192.0.2.9/tcp/4001")}
	for _, again := range []provision.Plan{p, other} {
		if _, err := provision.Init(again, time.Now()); !errors.Is(err, provision.ErrExists) {
			t.Errorf("again: %v", err)
		}
	}
	if diff := cmp.Diff(before, files(t, p.Dir)); diff != "" {
		t.Error(diff)
	}
}

func TestImpossiblePlans(t *testing.T) {
	good := machine(t, "s1=/ip4/192.0.2.1/tcp/4001")
	for name, change := range map[string]func(*provision.Plan){
		"no folder":        func(p *provision.Plan) { p.Dir = "" },
		"no server":        func(p *provision.Plan) { p.Servers = nil },
		"a name twice":     func(p *provision.Plan) { p.Balancers = []provision.Machine{good} },
		"a way out":        func(p *provision.Plan) { p.Servers[0].Name = "../s1" },
		"no name":          func(p *provision.Plan) { p.Servers[0].Name = "" },
		"no address":       func(p *provision.Plan) { p.Servers[0].Addresses = nil },
		"expired at birth": func(p *provision.Plan) { p.Lifetime = -time.Hour },
		"somebody's key": func(p *provision.Plan) {
			p.Servers[0].Addresses = []ma.Multiaddr{ma.StringCast("/ip4/192.0.2.1/tcp/1/p2p/12D3KooWLHeqf6DNT9SN5bdD8RdXyknxopWtxyjcbAPDwUj6WjaF")}
		},
	} {
		p := plan(t)
		change(&p)
		if _, err := provision.Init(p, time.Now()); err == nil {
			t.Errorf("%s: done", name)
		}
		if p.Dir == "" {
			continue
		}
		if _, err := os.Stat(p.Dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: something was made", name)
		}
	}
	for _, text := range []string{"", "s1", "s1=", "s1=nowhere", "s1=/ip4/192.0.2.1/tcp/4001,"} {
		if _, err := provision.ParseMachine(text); err == nil {
			t.Errorf("%q is a machine", text)
		}
	}
}

func TestRenew(t *testing.T) {
	p := plan(t)
	p.Lifetime = time.Hour
	now := time.Now()
	made, err := provision.Init(p, now)
	if err != nil {
		t.Fatal(err)
	}
	before := files(t, p.Dir)
	later := now.Add(24 * time.Hour)
	renewed, err := provision.Renew(p.Dir, time.Hour, later)
	if err != nil || len(renewed) != len(made.Servers) {
		t.Fatalf("%v, %v", renewed, err)
	}
	for i, m := range made.Servers {
		s, err := provision.LoadServer(m.Dir)
		if err != nil {
			t.Fatal(err)
		}
		c, err := record.VerifyCertificate(s.Certificate, made.Key, later)
		if err != nil || c.Server != m.ID || c.Name != m.Name || renewed[i].ID != m.ID {
			t.Errorf("%s: %+v, %v", m.Name, c, err)
		}
	}
	after := files(t, p.Dir)
	for name := range before {
		if changed := before[name] != after[name]; changed != strings.HasSuffix(name, "server.cert") {
			t.Errorf("%s changed: %t", name, changed)
		}
	}

	other := plan(t)
	if _, err := provision.Init(other, now); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(other.Dir, "cluster.key"), filepath.Join(p.Dir, "cluster.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := provision.Renew(p.Dir, time.Hour, later); err == nil {
		t.Error("renewed with another cluster's key")
	}
	if _, err := provision.Renew(other.Dir, time.Hour, later); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("renewed without a key: %v", err)
	}
}

// A folder with one file spoiled is refused, and the error names the file.
func TestLoadServerRefuses(t *testing.T) {
	p := plan(t)
	made, err := provision.Init(p, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	dir := made.Servers[0].Dir
	for name, content := range files(t, dir) {
		path := filepath.Join(dir, name)
		if name == "server.cert" {
			continue // verified where the time is known
		}
		if err := os.WriteFile(path, []byte("spoiled"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := provision.LoadServer(dir); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("with a spoiled %s: %v", name, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := provision.LoadServer(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("without %s: %v", name, err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// The key of another server.
	other, err := os.ReadFile(filepath.Join(made.Balancers[0].Dir, "balancer.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "server.key"), other, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := provision.LoadServer(dir); err == nil {
		t.Error("loaded with a key that the cluster does not know")
	}
}

func TestAdd(t *testing.T) {
	p, now := plan(t), time.Now()
	made, err := provision.Init(p, now)
	if err != nil {
		t.Fatal(err)
	}
	before := files(t, p.Dir)
	one, err := provision.Add(p.Dir, machine(t, "s3=/ip4/192.0.2.3/tcp/4001"), 0, now)
	if err != nil {
		t.Fatal(err)
	}
	s, err := provision.LoadServer(one.Dir)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := record.VerifyCertificate(s.Certificate, made.Key, now)
	if err != nil || certificate.Server != one.ID || certificate.Name != "s3" {
		t.Errorf("it is certified as %v, %v", certificate, err)
	}
	first, err := provision.LoadServer(made.Servers[0].Dir)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Joins || first.Joins {
		t.Error("who begins the cluster and who joins it are not told apart")
	}
	if len(s.Servers) != 3 || s.Servers[2].ID != one.ID {
		t.Errorf("it knows the servers %v", s.Servers)
	}
	if diff := cmp.Diff(first.Balancers, s.Balancers, cmp.Comparer(ma.Multiaddr.Equal)); diff != "" {
		t.Error(diff)
	}
	after := files(t, p.Dir)
	if after["s3/opaque.secrets"] != before["s1/opaque.secrets"] {
		t.Error("it does not share the secrets")
	}
	for name, content := range before {
		if after[name] != content {
			t.Errorf("%s was changed", name)
		}
	}
}

func TestAddRefuses(t *testing.T) {
	p, now := plan(t), time.Now()
	if _, err := provision.Init(p, now); err != nil {
		t.Fatal(err)
	}
	before := files(t, p.Dir)
	for _, text := range []string{"s1=/ip4/192.0.2.3/tcp/1", "b1=/ip4/192.0.2.3/tcp/1"} {
		if _, err := provision.Add(p.Dir, machine(t, text), 0, now); !errors.Is(err, provision.ErrExists) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, m := range []provision.Machine{{Name: "s3"}, machine(t, "../s3=/ip4/192.0.2.3/tcp/1")} {
		if _, err := provision.Add(p.Dir, m, 0, now); err == nil {
			t.Errorf("%v was added", m)
		}
	}
	if _, err := provision.Add(t.TempDir(), machine(t, "s3=/ip4/192.0.2.3/tcp/1"), 0, now); err == nil {
		t.Error("a server was added without the cluster's key")
	}
	if diff := cmp.Diff(before, files(t, p.Dir)); diff != "" {
		t.Error(diff)
	}
}

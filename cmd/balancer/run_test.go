package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/balancer"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// asProgram makes the test binary be the program itself.
const asProgram = "TRYST_TEST_BALANCER"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// program returns a command that is the real one, with SIGKILL as its end if
// the test does not end it.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), harness.Timeout)
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, self, args...)
	c.Env = append(os.Environ(), asProgram+"=1")
	return c
}

func newDir(t *testing.T, listen string) (dir string, id peer.ID) {
	t.Helper()
	dir = t.TempDir()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if id, err = peer.IDFromPrivateKey(key); err != nil {
		t.Fatal(err)
	}
	raw, err := crypto.MarshalPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cluster, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{
		balancer.KeyFile:     raw,
		balancer.ClusterFile: []byte(hex.EncodeToString(cluster)),
	}
	if listen != "" {
		files[balancer.ConfigFile] = []byte(`{"listen":["` + listen + `"]}`)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, id
}

// TestRun: it says where it listens in one line of JSON, serves its metrics,
// and a signal ends it with status 0.
func TestRun(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		dir, id := newDir(t, "/ip4/127.0.0.1/tcp/0")
		c := program(t, "run", "--dir", dir, "--log-format", "json")
		var logs bytes.Buffer
		c.Stderr = &logs
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		line, err := lines.ReadBytes('\n')
		if err != nil {
			t.Fatalf("no line: %v\n%s", err, &logs)
		}
		var event struct {
			Event, Peer, Metrics string
			Addresses            []string
		}
		if err := json.Unmarshal(line, &event); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if event.Event != "listening" || event.Peer != id.String() || len(event.Addresses) != 1 ||
			!strings.HasPrefix(event.Addresses[0], "/ip4/127.0.0.1/tcp/") || !strings.HasSuffix(event.Addresses[0], "/p2p/"+event.Peer) {
			t.Fatalf("%s", line)
		}
		answer, err := http.Get("http://" + event.Metrics + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("healthy without servers: %s", answer.Status)
		}
		if err := c.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(lines); err != nil || len(rest) != 0 {
			t.Errorf("more on standard output: %q, %v", rest, err)
		}
		if err := c.Wait(); err != nil {
			t.Errorf("%v: %v\n%s", signal, err, &logs)
		}
	}
}

func TestListenReplacesTheFile(t *testing.T) {
	dir, _ := newDir(t, "/ip4/192.0.2.1/tcp/1") // not an address of this machine
	c := program(t, "run", "--dir", dir, "--metrics", "", "--listen", "/ip4/127.0.0.1/tcp/0", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(line, "/tcp/") || !strings.Contains(line, "/quic-v1/p2p/") || strings.Contains(line, "metrics") {
		t.Errorf("%s", line)
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

// TestMistakes: each gives one sentence on standard error and status 1.
func TestMistakes(t *testing.T) {
	dir, _ := newDir(t, "")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no command":       {[]string{"serve"}, "unknown command"},
		"no directory":     {[]string{"run"}, `"dir" not set`},
		"not a directory":  {[]string{"run", "--dir", filepath.Join(dir, "none")}, "no such file"},
		"no address":       {[]string{"run", "--dir", dir}, "--listen"},
		"a bad address":    {[]string{"run", "--dir", dir, "--listen", "localhost:1"}, "is not an address"},
		"not our address":  {[]string{"run", "--dir", dir, "--listen", "/ip4/192.0.2.1/tcp/1"}, "listen"},
		"a bad log format": {[]string{"run", "--dir", dir, "--log-format", "xml"}, "text or json"},
		"an argument":      {[]string{"run", "--dir", dir, "now"}, "now"},
	} {
		t.Run(name, func(t *testing.T) {
			command := program(t, c.args...)
			var out, errs bytes.Buffer
			command.Stdout, command.Stderr = &out, &errs
			command.Run() // its status is looked at below
			if code := command.ProcessState.ExitCode(); code != 1 {
				t.Errorf("status %d", code)
			}
			text := errs.String()
			if !strings.Contains(text, c.want) || strings.Count(text, "\n") != 1 || out.Len() != 0 {
				t.Errorf("said %q and %q, want one line with %q", out.String(), text, c.want)
			}
		})
	}
}

// TestFewFiles: a system that allows too few open files is a warning, and no reason not
// to serve those that it allows.
func TestFewFiles(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("there is no sh to set the limit with")
	}
	for limit, warned := range map[string]bool{"1000": true, "": false} {
		dir, _ := newDir(t, "/ip4/127.0.0.1/tcp/0")
		c := program(t, "run", "--dir", dir)
		if limit != "" {
			c.Args = []string{"sh", "-c", "ulimit -n " + limit + ` && exec "$0" "$@"`, c.Path, "run", "--dir", dir}
			c.Path, _ = exec.LookPath("sh")
		} else if most := mostFiles(t); most < balancer.Files {
			continue // it is right to warn here
		}
		var logs bytes.Buffer
		c.Stderr = &logs
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(out).ReadBytes('\n'); err != nil {
			t.Fatalf("it does not serve: %v\n%s", err, &logs)
		}
		if err := c.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
		if strings.Contains(logs.String(), "hold 1000 files open") != warned {
			t.Errorf("with the limit %q it said %q", limit, &logs)
		}
	}
}

// mostFiles is the hard limit here, as a shell knows it.
func mostFiles(t *testing.T) int {
	t.Helper()
	said, err := exec.Command("sh", "-c", "ulimit -Hn").Output()
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(said)))
	if err != nil {
		return balancer.Files // "unlimited"
	}
	return n
}

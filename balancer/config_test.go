package balancer

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// writeDir makes a balancer's directory and returns what is in it.
func writeDir(t *testing.T) (dir string, key crypto.PrivKey, cluster ed25519.PublicKey) {
	t.Helper()
	dir = t.TempDir()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := crypto.MarshalPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cluster, _, err = ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, KeyFile, raw)
	write(t, dir, ClusterFile, []byte(hex.EncodeToString(cluster)+"\n"))
	write(t, dir, ConfigFile, []byte(`{"listen": ["/ip4/127.0.0.1/tcp/0"]}`))
	return dir, key, cluster
}

func write(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLoadDir(t *testing.T) {
	dir, key, cluster := writeDir(t)
	cfg, err := LoadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !cfg.Key.Equals(key) || !cfg.ClusterKey.Equal(cluster) {
		t.Error("other keys than were written")
	}
	if len(cfg.Listen) != 1 || !cfg.Listen[0].Equal(ma.StringCast("/ip4/127.0.0.1/tcp/0")) {
		t.Errorf("listens on %s", cfg.Listen)
	}
	if err := os.Remove(filepath.Join(dir, ConfigFile)); err != nil {
		t.Fatal(err)
	}
	if cfg, err = LoadDir(dir); err != nil || len(cfg.Listen) != 0 {
		t.Errorf("without %s: %s, %v", ConfigFile, cfg.Listen, err)
	}
}

// A systemd credential shows the mask of its ACL as what the group may do; everybody else may
// do no more with it than with any key.
func TestLoadCredential(t *testing.T) {
	dir, _, _ := writeDir(t)
	for _, c := range []struct {
		folder string
		mode   os.FileMode
		good   bool
	}{{dir, 0o440, true}, {dir, 0o444, false}, {"", 0o440, false}} {
		t.Setenv("CREDENTIALS_DIRECTORY", c.folder)
		if err := os.Chmod(filepath.Join(dir, KeyFile), c.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadDir(dir); (err == nil) != c.good {
			t.Errorf("%q, %v: %v", c.folder, c.mode, err)
		}
	}
}

func TestLoadDirSaysWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		want  string
	}{
		"no key":         {func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, KeyFile)) }, "no such file"},
		"key for others": {func(t *testing.T, dir string) { os.Chmod(filepath.Join(dir, KeyFile), 0o644) }, "chmod 600"},
		"key is none":    {func(t *testing.T, dir string) { write(t, dir, KeyFile, []byte("x")) }, "not a libp2p private key"},
		"no cluster key": {func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, ClusterFile)) }, "no such file"},
		"short cluster":  {func(t *testing.T, dir string) { write(t, dir, ClusterFile, []byte("abcd")) }, "32 bytes"},
		"not JSON":       {func(t *testing.T, dir string) { write(t, dir, ConfigFile, []byte("{")) }, "is not valid"},
		"not an address": {func(t *testing.T, dir string) { write(t, dir, ConfigFile, []byte(`{"listen":["localhost:1"]}`)) }, "is not an address"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _, _ := writeDir(t)
			c.spoil(t, dir)
			_, err := LoadDir(dir)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want something with %q", err, c.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %v", err)
			}
		})
	}
}

// A busy test may take another; a frozen server is noticed by the wire's.
func TestBeatTimeoutIsTheWires(t *testing.T) {
	_, key, cluster := writeDir(t)
	cfg, err := Config{Key: key, ClusterKey: cluster, Listen: []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/tcp/0")}}.complete()
	if err != nil || cfg.BeatTimeout != wire.BeatTimeout {
		t.Errorf("%v, %v", cfg.BeatTimeout, err)
	}
}

func TestNewRefusesWhatIsMissing(t *testing.T) {
	_, key, cluster := writeDir(t)
	listen := []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/tcp/0")}
	for name, cfg := range map[string]Config{
		"key":         {ClusterKey: cluster, Listen: listen},
		"cluster key": {Key: key, Listen: listen},
		"address":     {Key: key, ClusterKey: cluster},
		"transport":   {Key: key, ClusterKey: cluster, Listen: []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/udp/1/webrtc-direct")}},
		"metrics":     {Key: key, ClusterKey: cluster, Listen: listen, MetricsListen: "nowhere:at all"},
	} {
		if b, err := New(cfg); err == nil {
			t.Errorf("%s: %v is running", name, b.ID())
		}
	}
}

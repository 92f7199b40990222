package balancer

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// The files of a balancer's directory, as `rendezvous init` makes them.
const (
	KeyFile     = "balancer.key"  // libp2p private key, marshalled; mode 0600
	ClusterFile = "cluster.pub"   // the cluster's Ed25519 public key, 32 bytes in hexadecimal
	ConfigFile  = "balancer.json" // {"listen": [multiaddr, ...]}; may be missing
)

// Config is what a Balancer needs.
type Config struct {
	// Key is the balancer's identity. People know its peer ID: it stays.
	Key crypto.PrivKey
	// Listen are the fixed TCP or QUIC addresses that people know.
	Listen []ma.Multiaddr
	// ClusterKey signs the certificates of the servers that may stand behind
	// this balancer.
	ClusterKey ed25519.PublicKey
	// MetricsListen is the address (host:port) of /metrics and /healthz. Empty
	// means none; DefaultMetrics is a free port on loopback.
	MetricsListen string
	// Logger may be nil.
	Logger *slog.Logger
	// BeatTimeout is wire.BeatTimeout unless a test wants it quicker: a
	// server that is silent for so long is out.
	BeatTimeout time.Duration

	room room // zero for the real one; tests have less
}

// DefaultMetrics is a free port on loopback: what is there is for the operator.
const DefaultMetrics = "127.0.0.1:0"

// complete checks the configuration and fills in what may be left out.
func (c Config) complete() (Config, error) {
	switch {
	case c.Key == nil:
		return c, errors.New("balancer: a key is needed")
	case len(c.ClusterKey) != ed25519.PublicKeySize:
		return c, fmt.Errorf("balancer: a cluster key has %d bytes, not %d", ed25519.PublicKeySize, len(c.ClusterKey))
	case len(c.Listen) == 0:
		return c, errors.New("balancer: at least one address to listen on is needed")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.BeatTimeout == 0 {
		c.BeatTimeout = wire.BeatTimeout
	}
	if c.room == (room{}) {
		c.room = wholeRoom()
	}
	return c, nil
}

// LoadDir reads a balancer's directory. Listen stays empty if there is no
// ConfigFile.
func LoadDir(dir string) (Config, error) { return LoadDirKeys(dir, dir) }

// LoadDirKeys is LoadDir where KeyFile lies in another directory.
func LoadDirKeys(dir, keys string) (Config, error) {
	cfg := Config{MetricsListen: DefaultMetrics}
	var err error
	if cfg.Key, err = loadKey(filepath.Join(keys, KeyFile)); err != nil {
		return cfg, err
	}
	if cfg.ClusterKey, err = loadClusterKey(filepath.Join(dir, ClusterFile)); err != nil {
		return cfg, err
	}
	cfg.Listen, err = loadListen(filepath.Join(dir, ConfigFile))
	return cfg, err
}

func loadKey(path string) (crypto.PrivKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("balancer: read the key: %w", err)
	}
	others := fs.FileMode(0o077)
	if filepath.Dir(path) == os.Getenv("CREDENTIALS_DIRECTORY") {
		others = 0o007 // an ACL lets the service's user read it, and its mask shows as the group's bits
	}
	if info.Mode().Perm()&others != 0 {
		return nil, fmt.Errorf("balancer: other users may read %s; type: chmod 600 %s", path, path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("balancer: read the key: %w", err)
	}
	key, err := crypto.UnmarshalPrivateKey(raw)
	if err != nil {
		return nil, fmt.Errorf("balancer: %s is not a libp2p private key: %w", path, err)
	}
	return key, nil
}

func loadClusterKey(path string) (ed25519.PublicKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("balancer: read the cluster key: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("balancer: %s does not hold %d bytes in hexadecimal", path, ed25519.PublicKeySize)
	}
	return key, nil
}

func loadListen(path string) ([]ma.Multiaddr, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("balancer: read the configuration: %w", err)
	}
	var file struct {
		Listen []string `json:"listen"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("balancer: %s is not valid: %w", path, err)
	}
	addrs, err := parseAddrs(file.Listen)
	if err != nil {
		return nil, fmt.Errorf("balancer: %s: %w", path, err)
	}
	return addrs, nil
}

// parseAddrs reads multiaddrs such as /ip4/0.0.0.0/tcp/4100.
func parseAddrs(texts []string) ([]ma.Multiaddr, error) {
	addrs := make([]ma.Multiaddr, 0, len(texts))
	for _, text := range texts {
		addr, err := ma.NewMultiaddr(text)
		if err != nil {
			return nil, fmt.Errorf("%q is not an address like /ip4/0.0.0.0/tcp/4100: %w", text, err)
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

package provision

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/record"
)

// Renew signs new certificates for all servers whose folders lie in a cluster's
// folder, beginning now, and returns the servers. It needs the cluster key. A
// server takes its new certificate when it starts.
func Renew(dir string, lifetime time.Duration, now time.Time) ([]Made, error) {
	if lifetime <= 0 {
		return nil, errors.New("provision: certificates cannot expire before they begin")
	}
	private, err := loadClusterKey(filepath.Join(dir, clusterKeyFile))
	if err != nil {
		return nil, err
	}
	folders, err := serversIn(dir, private)
	if err != nil {
		return nil, fmt.Errorf("provision: renew: %w", err)
	}
	var renewed []Made
	for _, f := range folders {
		own, _ := f.server.Own() // LoadServer has found it
		if err := replace(filepath.Join(f.dir, certificateFile), certify(own.ID, own.Name, private, lifetime, now)); err != nil {
			return renewed, fmt.Errorf("provision: renew: %w", err)
		}
		renewed = append(renewed, Made{Name: own.Name, Dir: f.dir, ID: own.ID, Addresses: own.Addresses})
	}
	return renewed, nil
}

// folder is a server's folder that was read.
type folder struct {
	dir    string
	server Server
}

// serversIn reads the servers' folders in a cluster's folder, of which there must be
// one at least and none of another cluster.
func serversIn(dir string, cluster ed25519.PrivateKey) ([]folder, error) {
	folders, err := foldersIn(dir)
	if err != nil {
		return nil, err
	}
	for _, f := range folders {
		if !f.server.ClusterKey.Equal(cluster.Public()) {
			return nil, fmt.Errorf("server %s is of another cluster", f.server.Name)
		}
	}
	return folders, nil
}

func foldersIn(dir string) ([]folder, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*", certificateFile))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no server's folder in %s", dir)
	}
	var folders []folder
	for _, path := range paths {
		s, err := LoadServer(filepath.Dir(path))
		if err != nil {
			return nil, err
		}
		folders = append(folders, folder{dir: filepath.Dir(path), server: s})
	}
	return folders, nil
}

// LoadServers reads the folders of all servers in a cluster's folder: one at least.
func LoadServers(dir string) ([]Server, error) {
	folders, err := foldersIn(dir)
	if err != nil {
		return nil, fmt.Errorf("provision: %w", err)
	}
	servers := make([]Server, len(folders))
	for i, f := range folders {
		servers[i] = f.server
	}
	return servers, nil
}

// certify signs a certificate that holds from a little before now.
func certify(id peer.ID, name string, cluster ed25519.PrivateKey, lifetime time.Duration, now time.Time) []byte {
	return record.Certificate{Server: id, Name: name, From: now.Add(-clockSkew), Until: now.Add(lifetime)}.Sign(signer(cluster))
}

func loadClusterKey(path string) (ed25519.PrivateKey, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("provision: read %s: %w", path, err)
	}
	seed, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("provision: %s is not a cluster's private key", path)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// replace writes a file beside the old one and moves it there, so that it is
// never half written.
func replace(path string, content []byte) error {
	next := path + ".next"
	if err := os.WriteFile(next, content, publicMode); err != nil {
		return err
	}
	return os.Rename(next, path)
}

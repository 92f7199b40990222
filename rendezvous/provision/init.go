package provision

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/rendezvous/auth"
)

// ErrExists is returned by Init and Add where such files are already.
var ErrExists = errors.New("there is one already")

// Cluster is what Init made.
type Cluster struct {
	Dir       string
	Key       ed25519.PublicKey // the cluster's
	Servers   []Made
	Balancers []Made
}

// Made is one server or balancer that Init made.
type Made struct {
	Name      string
	Dir       string // its folder, to be copied to its machine
	ID        peer.ID
	Addresses []ma.Multiaddr // ending in /p2p/ID
}

// Init makes a cluster's keys and files. It overwrites nothing: where the
// folder holds a cluster, or a machine's folder, it returns ErrExists and has
// changed nothing.
func Init(plan Plan, now time.Time) (Cluster, error) {
	if err := plan.check(); err != nil {
		return Cluster{}, err
	}
	if plan.Lifetime == 0 {
		plan.Lifetime = DefaultLifetime
	}
	if err := plan.vacant(); err != nil {
		return Cluster{}, err
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return Cluster{}, fmt.Errorf("provision: %w", err)
	}
	c := Cluster{Dir: plan.Dir, Key: public}
	var keys map[string]crypto.PrivKey
	if c.Servers, c.Balancers, keys, err = makeKeys(plan); err != nil {
		return Cluster{}, err
	}

	w := &writer{dir: plan.Dir}
	w.secret(clusterKeyFile, []byte(hex.EncodeToString(private.Seed())+"\n"))
	w.public(clusterPubFile, publicText(public))
	secrets := auth.NewSecrets().Marshal()
	for _, m := range c.Servers {
		w.server(m, keys[m.Name], certify(m.ID, m.Name, private, plan.Lifetime, now), public, secrets, describe(plan, c))
	}
	for i, m := range c.Balancers {
		w.key(filepath.Join(m.Name, balancerKeyFile), keys[m.Name])
		w.public(filepath.Join(m.Name, clusterPubFile), publicText(public))
		w.json(filepath.Join(m.Name, balancerFile), balancerJSON{Listen: texts(plan.Balancers[i].Addresses)})
	}
	if w.err != nil {
		return Cluster{}, fmt.Errorf("provision: %w", w.err)
	}
	return c, nil
}

// vacant reports whether nothing of the plan exists yet.
func (p Plan) vacant() error {
	paths := []string{clusterKeyFile, clusterPubFile}
	for _, m := range p.Servers {
		paths = append(paths, m.Name)
	}
	for _, m := range p.Balancers {
		paths = append(paths, m.Name)
	}
	for _, path := range paths {
		full := filepath.Join(p.Dir, path)
		if _, err := os.Lstat(full); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %s is there; nothing was changed", ErrExists, full)
		}
	}
	return nil
}

// makeKeys draws a libp2p key for every machine.
func makeKeys(plan Plan) (servers, balancers []Made, keys map[string]crypto.PrivKey, err error) {
	keys = make(map[string]crypto.PrivKey)
	one := func(m Machine) (made Made, err error) {
		made, keys[m.Name], err = makeKey(plan.Dir, m)
		return made, err
	}
	for _, m := range plan.Servers {
		made, err := one(m)
		if err != nil {
			return nil, nil, nil, err
		}
		servers = append(servers, made)
	}
	for _, m := range plan.Balancers {
		made, err := one(m)
		if err != nil {
			return nil, nil, nil, err
		}
		balancers = append(balancers, made)
	}
	return servers, balancers, keys, nil
}

// makeKey draws one machine's libp2p key.
func makeKey(dir string, m Machine) (Made, crypto.PrivKey, error) {
	key, _, err := crypto.GenerateEd25519Key(nil)
	if err != nil {
		return Made{}, nil, fmt.Errorf("provision: key of %s: %w", m.Name, err)
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		return Made{}, nil, fmt.Errorf("provision: key of %s: %w", m.Name, err)
	}
	addrs, err := peer.AddrInfoToP2pAddrs(&peer.AddrInfo{ID: id, Addrs: m.Addresses})
	return Made{Name: m.Name, Dir: filepath.Join(dir, m.Name), ID: id, Addresses: addrs}, key, err
}

// describe is what every server is told of the others.
func describe(plan Plan, c Cluster) clusterJSON {
	d := clusterJSON{Balancers: []string{}}
	for i, m := range c.Servers {
		d.Servers = append(d.Servers, serverJSON{Name: m.Name, Peer: m.ID.String(), Addresses: texts(plan.Servers[i].Addresses)})
	}
	for _, m := range c.Balancers {
		d.Balancers = append(d.Balancers, texts(m.Addresses)...)
	}
	return d
}

func publicText(key ed25519.PublicKey) []byte {
	return []byte(hex.EncodeToString(key) + "\n")
}

func texts(addrs []ma.Multiaddr) []string {
	out := make([]string, len(addrs))
	for i, addr := range addrs {
		out[i] = addr.String()
	}
	return out
}

// server writes a server's folder.
func (w *writer) server(m Made, key crypto.PrivKey, certificate []byte, cluster ed25519.PublicKey, secrets []byte, all clusterJSON) {
	w.key(filepath.Join(m.Name, serverKeyFile), key)
	w.public(filepath.Join(m.Name, certificateFile), certificate)
	w.public(filepath.Join(m.Name, clusterPubFile), publicText(cluster))
	w.secret(filepath.Join(m.Name, secretsFile), secrets)
	w.json(filepath.Join(m.Name, clusterFile), all)
}

// writer writes files below a folder; after the first failure it does nothing
// more.
type writer struct {
	dir string
	err error
}

func (w *writer) public(name string, content []byte) { w.write(name, content, publicMode) }
func (w *writer) secret(name string, content []byte) { w.write(name, content, secretMode) }

func (w *writer) key(name string, key crypto.PrivKey) {
	raw, err := crypto.MarshalPrivateKey(key)
	if w.err == nil {
		w.err = err
	}
	w.secret(name, raw)
}

func (w *writer) json(name string, v any) {
	raw, err := json.MarshalIndent(v, "", "  ")
	if w.err == nil {
		w.err = err
	}
	w.public(name, append(raw, '\n'))
}

func (w *writer) write(name string, content []byte, mode fs.FileMode) {
	if w.err != nil {
		return
	}
	path := filepath.Join(w.dir, name)
	if w.err = os.MkdirAll(filepath.Dir(path), folderMode); w.err != nil {
		return
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		w.err = err
		return
	}
	_, err = f.Write(content)
	w.err = errors.Join(err, f.Sync(), f.Close())
}

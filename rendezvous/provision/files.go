package provision

import (
	"cmp"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/rendezvous/auth"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// The files of a cluster; see the package's comment.
const (
	clusterKeyFile  = "cluster.key"
	clusterPubFile  = "cluster.pub"
	serverKeyFile   = "server.key"
	certificateFile = "server.cert"
	clusterFile     = "cluster.json"
	secretsFile     = "opaque.secrets"
	balancerKeyFile = "balancer.key"
	balancerFile    = "balancer.json"
	secretMode      = 0o600
	publicMode      = 0o644
	folderMode      = 0o700
	maxFileSize     = 1 << 20 // of any of these files
)

// clusterJSON is cluster.json.
type clusterJSON struct {
	Servers   []serverJSON `json:"servers"`
	Balancers []string     `json:"balancers"` // multiaddrs that end in /p2p/
	Joins     bool         `json:"joins,omitempty"`
}

type serverJSON struct {
	Name      string   `json:"name"`
	Peer      string   `json:"peer"`
	Addresses []string `json:"addresses"`
}

// balancerJSON is balancer.json.
type balancerJSON struct {
	Listen []string `json:"listen"`
}

// Peer is a server as the others know it.
type Peer struct {
	Name      string
	ID        peer.ID
	Addresses []ma.Multiaddr
}

// Server is all that a server's folder says.
type Server struct {
	Name        string // from its certificate
	Key         crypto.PrivKey
	Certificate []byte // signed record.Certificate; not checked for its time here
	ClusterKey  ed25519.PublicKey
	Secrets     auth.Secrets
	Servers     []Peer // itself included: those to begin with; who belongs to a cluster that runs, that knows itself
	Balancers   []peer.AddrInfo
	Joins       bool // it was added to a cluster that there was already, and begins none
}

// Own returns the server's own entry among Servers.
func (s Server) Own() (Peer, bool) {
	id, err := peer.IDFromPrivateKey(s.Key)
	for _, p := range s.Servers {
		if err == nil && p.ID == id {
			return p, true
		}
	}
	return Peer{}, false
}

// LoadServer reads the folder that Init wrote for a server.
func LoadServer(dir string) (Server, error) { return LoadServerKeys(dir, dir) }

// LoadServerKeys is LoadServer where what is secret, server.key and opaque.secrets,
// lies in another folder.
func LoadServerKeys(dir, keys string) (Server, error) {
	var s Server
	read := func(name string, into func([]byte) error) error {
		path := filepath.Join(dir, name)
		if name == serverKeyFile || name == secretsFile {
			path = filepath.Join(keys, name)
		}
		raw, err := readFile(path)
		if err == nil {
			err = into(raw)
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		return nil
	}
	err := cmp.Or( // the first says enough: a folder that is not a server's lacks all
		read(serverKeyFile, func(raw []byte) (err error) { s.Key, err = crypto.UnmarshalPrivateKey(raw); return }),
		read(certificateFile, func(raw []byte) error { s.Certificate = raw; return nil }),
		read(clusterPubFile, func(raw []byte) (err error) { s.ClusterKey, err = ParseClusterKey(string(raw)); return }),
		read(secretsFile, func(raw []byte) (err error) { s.Secrets, err = auth.ParseSecrets(raw); return }),
		read(clusterFile, s.parseCluster),
	)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w; a server's folder is made by: rendezvous init", err)
	}
	if err != nil {
		return Server{}, err
	}
	own, ok := s.Own()
	if !ok {
		return Server{}, fmt.Errorf("%s does not name the server of %s", clusterFile, serverKeyFile)
	}
	s.Name = own.Name
	return s, nil
}

func (s *Server) parseCluster(raw []byte) error {
	var c clusterJSON
	if err := json.Unmarshal(raw, &c); err != nil {
		return err
	}
	for _, m := range c.Servers {
		id, err := peer.Decode(m.Peer)
		if err != nil {
			return fmt.Errorf("server %s: %w", m.Name, err)
		}
		p := Peer{Name: m.Name, ID: id}
		for _, text := range m.Addresses {
			addr, err := ma.NewMultiaddr(text)
			if err != nil {
				return fmt.Errorf("server %s: %w", m.Name, err)
			}
			p.Addresses = append(p.Addresses, addr)
		}
		s.Servers = append(s.Servers, p)
	}
	s.Joins = c.Joins
	balancers := make([]ma.Multiaddr, len(c.Balancers))
	for i, text := range c.Balancers {
		var err error
		if balancers[i], err = ma.NewMultiaddr(text); err != nil {
			return fmt.Errorf("balancer %s: %w", text, err)
		}
	}
	var err error
	s.Balancers, err = peer.AddrInfosFromP2pAddrs(balancers...)
	return err
}

// ParseClusterKey reads a cluster's public key as cluster.pub holds it: 64
// hexadecimal digits.
func ParseClusterKey(text string) (ed25519.PublicKey, error) {
	raw, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return nil, errors.New("a cluster's public key is 64 hexadecimal digits")
	}
	return raw, nil
}

// readFile reads a file of a bounded size.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, errors.Unwrap(err) // the caller names the path
	}
	if info.Size() > maxFileSize {
		return nil, fmt.Errorf("%d bytes are too many", info.Size())
	}
	return os.ReadFile(path)
}

// signer lets an Ed25519 private key sign records.
type signer ed25519.PrivateKey

var _ record.Signer = signer(nil)

func (s signer) Sign(message []byte) []byte { return ed25519.Sign(ed25519.PrivateKey(s), message) }

package rendezvous

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/rendezvous/cluster"
	"github.com/tryst-chat/tryst/rendezvous/provision"
	"github.com/tryst-chat/tryst/rendezvous/quota"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// DefaultMetrics is a free port on loopback: what is there is for the operator.
const DefaultMetrics = "127.0.0.1:0"

// dataFolder is where a server's state lies within its folder.
const dataFolder = "data"

// begunFile is Config.Begun of a server's folder.
const begunFile = "begun"

// Config is what a Server needs.
type Config struct {
	// Server is who this server is and who the others are.
	Server provision.Server
	// Dir holds its state: the directory and the replicated log.
	Dir string
	// Begun is a file outside of Dir that says that this server has had a state. Where
	// it is and the state is not, the server must not begin anew: it would vote again
	// on what it has forgotten. Empty means that nobody looks.
	Begun string
	// Listen are TCP or QUIC addresses. Empty stands for the server's own
	// addresses among Server.Servers.
	Listen []ma.Multiaddr
	// Advertise are addresses at which nodes reach the server directly. None
	// means that they come through the balancers.
	Advertise []ma.Multiaddr
	// MetricsListen is the address (host:port) of /metrics and /healthz. Empty
	// means none; DefaultMetrics is a free port on loopback.
	MetricsListen string
	// Disk finds out how full the disk is that a folder lies on; nil asks the
	// system.
	Disk func(dir string) (Disk, error)
	// Logger may be nil. No account's name and no secret is logged.
	Logger *slog.Logger

	// Set by tests only; zero stands for maxConns, strangerGrace, and limits as they are.
	conns  int
	grace  time.Duration
	adjust func(quota.Limit) quota.Limit
}

// LoadDir reads a server's folder as provision.Init wrote it. The server's
// state goes into a folder of its own in there.
func LoadDir(dir string) (Config, error) { return LoadDirKeys(dir, dir) }

// LoadDirKeys is LoadDir where server.key and opaque.secrets lie in another folder.
func LoadDirKeys(dir, keys string) (Config, error) {
	server, err := provision.LoadServerKeys(dir, keys)
	if err != nil {
		return Config{}, fmt.Errorf("rendezvous: %w", err)
	}
	return Config{Server: server, Dir: filepath.Join(dir, dataFolder), Begun: filepath.Join(dir, begunFile), MetricsListen: DefaultMetrics}, nil
}

// complete checks the configuration and fills in what may be left out.
func (c Config) complete(now time.Time) (Config, error) {
	if c.Server.Key == nil || c.Dir == "" {
		return c, errors.New("rendezvous: a key and a folder are needed")
	}
	certificate, err := record.VerifyCertificate(c.Server.Certificate, c.Server.ClusterKey, now)
	if errors.Is(err, record.ErrExpired) {
		return c, fmt.Errorf("this server's certificate does not hold now: %w, and this machine's clock says %s; set the clock if it is wrong (timedatectl set-ntp true), else make a new certificate with \"rendezvous renew\"",
			err, now.UTC().Format(time.DateTime))
	}
	if err != nil {
		return c, fmt.Errorf("this server's certificate does not hold with its cluster.pub: %w; put the cluster's own cluster.pub into its folder, or make a new certificate with \"rendezvous renew\"", err)
	}
	id, err := peer.IDFromPrivateKey(c.Server.Key)
	if err != nil || certificate.Server != id {
		return c, errors.New("rendezvous: the certificate is not for this server's key")
	}
	own, ok := c.Server.Own()
	if !ok {
		return c, errors.New("rendezvous: this server is not among the cluster's servers")
	}
	if len(c.Listen) == 0 {
		c.Listen = listenable(own.Addresses)
	}
	if len(c.Listen) == 0 {
		return c, errors.New("rendezvous: at least one address to listen on is needed")
	}
	c.conns, c.grace = cmp.Or(c.conns, maxConns), cmp.Or(c.grace, strangerGrace)
	if c.adjust == nil {
		c.adjust = func(l quota.Limit) quota.Limit { return l }
	}
	if c.Disk == nil {
		c.Disk = diskOf
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// remembers refuses to begin without the state that there was.
func (c Config) remembers() error {
	if c.Begun == "" {
		return nil
	}
	if _, err := os.Stat(c.Begun); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	there, err := cluster.Exists(c.Dir)
	if err == nil && !there {
		err = fmt.Errorf("%s had a state in %s, and it is gone. To vote on what it has forgotten would put at risk what the others know: "+
			"take it out on another server (rendezvous remove %s) and make a new one (rendezvous add), or put a backup back (rendezvous restore)",
			c.Server.Name, c.Dir, c.Server.Name)
	}
	return err
}

// begun notes that there is a state from now on.
func (c Config) begun() error {
	if c.Begun == "" {
		return nil
	}
	const owner = 0o600
	return os.WriteFile(c.Begun, nil, owner)
}

// listenable turns the addresses that others use into such that a socket takes:
// what is given by a DNS name listens on all interfaces.
func listenable(addrs []ma.Multiaddr) []ma.Multiaddr {
	any4, any6 := ma.StringCast("/ip4/"+net.IPv4zero.String()), ma.StringCast("/ip6/"+net.IPv6zero.String())
	var out []ma.Multiaddr
	for _, addr := range addrs {
		host, rest := ma.SplitFirst(addr)
		if host == nil {
			continue
		}
		switch host.Protocol().Code {
		case ma.P_DNS, ma.P_DNS4:
			addr = any4.Encapsulate(rest)
		case ma.P_DNS6:
			addr = any6.Encapsulate(rest)
		}
		out = append(out, addr)
	}
	return out
}

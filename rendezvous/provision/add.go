package provision

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Add makes the folder of one more server of a cluster, beside those that Init
// made, and signs its certificate. It needs the cluster key and the folder of one
// server at least, and changes none of them: the cluster itself tells its servers of
// the new one, once that runs. A lifetime of 0 stands for DefaultLifetime. Where
// there is something of that name it returns ErrExists.
func Add(dir string, m Machine, lifetime time.Duration, now time.Time) (Made, error) {
	if err := m.check(); err != nil {
		return Made{}, err
	}
	if lifetime < 0 {
		return Made{}, errors.New("provision: certificates cannot expire before they begin")
	}
	if lifetime == 0 {
		lifetime = DefaultLifetime
	}
	path := filepath.Join(dir, m.Name)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return Made{}, fmt.Errorf("%w of that name: %s is there; nothing was changed", ErrExists, path)
	}
	private, err := loadClusterKey(filepath.Join(dir, clusterKeyFile))
	if err != nil {
		return Made{}, err
	}
	folders, err := serversIn(dir, private)
	if err != nil {
		return Made{}, fmt.Errorf("provision: add %s: %w", m.Name, err)
	}
	made, key, err := makeKey(dir, m)
	if err != nil {
		return Made{}, err
	}
	all := clusterJSON{Joins: true, Balancers: []string{}}
	for _, f := range folders {
		own, _ := f.server.Own() // LoadServer has found it
		all.Servers = append(all.Servers, serverJSON{Name: own.Name, Peer: own.ID.String(), Addresses: texts(own.Addresses)})
	}
	all.Servers = append(all.Servers, serverJSON{Name: m.Name, Peer: made.ID.String(), Addresses: texts(m.Addresses)})
	first := folders[0].server // all have the same secrets and balancers
	for _, b := range first.Balancers {
		for _, addr := range b.Addrs {
			all.Balancers = append(all.Balancers, addr.String()+"/p2p/"+b.ID.String())
		}
	}
	w := &writer{dir: dir}
	w.server(made, key, certify(made.ID, m.Name, private, lifetime, now), first.ClusterKey, first.Secrets.Marshal(), all)
	if w.err != nil {
		return Made{}, fmt.Errorf("provision: add %s: %w", m.Name, errors.Join(w.err, os.RemoveAll(path)))
	}
	return made, nil
}

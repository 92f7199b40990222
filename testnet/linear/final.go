package linear

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/testnet/linear/check"
)

// look asks each server for all that it holds, and compares what they answer. The
// members' own clients have to be closed.
func (r *run) look(ctx context.Context) (check.Final, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	var first check.Final
	for i := range servers {
		f, err := r.lookAt(ctx, i)
		if err != nil {
			return first, fmt.Errorf("what %s holds: %w", serverName(i), err)
		}
		if i == 0 {
			first = f
			continue
		}
		different(r, i, "name", first.Owners, f.Owners, func(a, b string) bool { return a == b })
		different(r, i, "chain", first.Chains, f.Chains, slices.Equal)
		different(r, i, "mail", first.Mail, f.Mail, slices.Equal)
	}
	return first, nil
}

// different blames two servers that hold different things.
func different[V any](r *run, server int, kind string, first, other map[string]V, equal func(a, b V) bool) {
	for object := range maps.Keys(first) {
		if !equal(first[object], other[object]) {
			r.blame(object, fmt.Sprintf("servers differ in its %s: %s has %v and %s has %v", kind, serverName(0), first[object], serverName(server), other[object]))
		}
	}
}

// lookAt asks one server, through clients that are sent there and nowhere else.
func (r *run) lookAt(ctx context.Context, server int) (f check.Final, err error) {
	u, err := newUsher(filepath.Join(r.net.Dir, serverName(server)))
	if err != nil {
		return f, err
	}
	defer u.close()
	f = check.Final{Owners: map[string]string{}, Chains: map[string][]string{}, Mail: map[string][]check.Letter{}}
	for i, m := range r.world.members {
		d, err := newDevice(m.key, []peer.AddrInfo{u.AddrInfo}, r.cluster, r.mesh)
		if err != nil {
			return f, err
		}
		err = r.lookAs(ctx, d, m, i == 0, &f)
		d.close()
		if err != nil {
			return f, err
		}
	}
	return f, nil
}

// lookAs asks for what one member may see: its mail, and the rest once.
func (r *run) lookAs(ctx context.Context, d *device, m *member, rest bool, f *check.Final) error {
	// Only that there is no such name is promised to be true now: who is told so by a
	// server reads all else from one that has what was acknowledged before.
	if _, err := lookUp(ctx, d.Client, accountNamed("nobody-")); err != nil {
		return err
	}
	letters, err := fetchAll(ctx, d.Client, m.asked)
	if err != nil {
		return err
	}
	f.Mail[mailOf(m.account)] = letters
	if !rest {
		return nil
	}
	for i := range r.world.names + 1 {
		account := accountNamed(raceName(i))
		found, err := lookUp(ctx, d.Client, account)
		if err != nil {
			return err
		}
		f.Owners[nameOf(account)] = found.(check.LookUp).Owner
	}
	for i := range r.world.groups + 1 {
		name := groupName(i)
		_, statements, err := readChain(ctx, d.Client, name)
		if err != nil {
			return err
		}
		var hashes []string
		for _, signed := range statements {
			hash := record.HashOf(signed)
			hashes = append(hashes, text(hash[:]))
		}
		f.Chains[groupNamed(name)] = hashes
		m.extend(name, 0, statements) // which verifies them
	}
	// The last prekeys are handed out by each server in turn.
	for _, of := range r.world.members {
		r.ask(ctx, asking{m.number, keysOf(of.account), check.Take{}, nil}, func(ctx context.Context) (any, error) {
			return takeKeys(ctx, d.Client, r.world, of)
		})
	}
	return nil
}

package directory

import (
	"encoding/binary"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"

	"github.com/tryst-chat/tryst/rendezvous/directory/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// The keys of the store. Everything of an account stands under its name, so
// that a shard of accounts is a range of keys; names hold no zero byte, so that
// one ends them.
//
//	p                              pb.Position
//	a <account> 0 a                pb.Account
//	a <account> 0 l                state of the record.DeviceLog
//	a <account> 0 d <seq>          signed record.DeviceEntry
//	a <account> 0 b <device>       signed record.Bundle
//	a <account> 0 s <device>       pb.Stock
//	a <account> 0 r <device>       pb.Generation
//	a <account> 0 o <device> <id>  signed record.OneTimePrekey
//	a <account> 0 q <device>       pb.Queue of letters for the device
//	a <account> 0 m <device> <n>   pb.Letter
//	a <account> 0 v <device> <n>   its envelope
//	a <account> 0 i <device> <sender's device> <letter ID>   n
//	a <account> 0 f <device> <sender>                        pb.Share
//	a <account> 0 k                pb.Contacts
//	a <account> 0 c <account>      standing of the other with it, one byte
//	a <account> 0 g <group name>   group ID: a member
//	a <account> 0 j <group name>   group ID: invited
//	a <account> 0 x <group ID>     length of a private group's chain when the account ceased to be a member
//	d <device>                     account
//	n <group name>                 pb.Group
//	l <group name>                 group ID: an open group, for everybody's list
//	g <group ID> c                 state of the record.Chain
//	g <group ID> s <seq>           signed record.Statement
//	g <group ID> q                 pb.Queue of letters in the group
//	g <group ID> m <n>             pb.Letter
//	g <group ID> v <n>             its message
//	g <group ID> i <sender's device> <letter ID>   n
//	g <group ID> f <sender>        pb.Share
//	g <group ID> r <account> 0 <device> <r>   n: this device lacks letter n, as number r
//	g <group ID> w <n> <account> 0 <device>   r: the same, found by letter
//	t                              the clock, in milliseconds
//	e <expiry> a <account> 0 <device> <n>   nothing: when a letter goes
//	e <expiry> g <group ID> <n>             nothing: when a group's letter goes
//	x <group ID> <account>         r: what waits for one who left, up to there, goes
//	s                              pb.Terms of signing up
//	i <hash of a code>             pb.Invitation
//	j o <expiry> <hash>            nothing: when an invitation goes that is out
//	j u <expiry> <hash>            nothing: when one goes that was used
//	c a                            number of accounts (8 bytes, big-endian)
//	c g                            number of groups
//	c m                            pb.MailTotals
//	c i                            number of invitations that are out
//	y                              epoch of a directory that was restored from a backup
//	z <server>                     nothing: a server that was taken out of the cluster
var (
	keyPosition = []byte("p")
	keyAccounts = []byte("ca")
	keyGroups   = []byte("cg")
	keyMail     = []byte("cm")
	keyClock    = []byte("t")
	keyTerms    = []byte("s")
	keyInvited  = []byte("ci")
)

func accountKey(a record.Account, field byte, rest ...byte) []byte {
	key := make([]byte, 0, 1+len(a)+2+len(rest)+4)
	key = append(key, 'a')
	key = append(key, a...)
	key = append(key, 0, field)
	return append(key, rest...)
}

func keyAccount(a record.Account) []byte           { return accountKey(a, 'a') }
func keyDeviceLog(a record.Account) []byte         { return accountKey(a, 'l') }
func keyBundle(a record.Account, d peer.ID) []byte { return accountKey(a, 'b', []byte(d)...) }
func keyStock(a record.Account, d peer.ID) []byte  { return accountKey(a, 's', []byte(d)...) }
func keyGeneration(a record.Account, d peer.ID) []byte {
	return accountKey(a, 'r', []byte(d)...)
}
func keyDeviceEntry(a record.Account, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(accountKey(a, 'd'), seq)
}
func keyPrekey(a record.Account, d peer.ID, id uint32) []byte {
	return binary.BigEndian.AppendUint32(accountKey(a, 'o', []byte(d)...), id)
}
func keyMembership(a record.Account, g record.GroupName) []byte {
	return accountKey(a, 'g', []byte(g)...)
}
func keyContacts(a record.Account) []byte        { return accountKey(a, 'k') }
func keyStanding(a, other record.Account) []byte { return accountKey(a, 'c', []byte(other)...) }

func keyInvitations(a record.Account) []byte { return accountKey(a, 'j') }
func keyInvitation(a record.Account, g record.GroupName) []byte {
	return append(keyInvitations(a), g...)
}
func keyFormer(a record.Account, id record.GroupID) []byte { return accountKey(a, 'x', id[:]...) }
func keyDevice(d peer.ID) []byte                           { return append([]byte("d"), d...) }
func keyGroupName(n record.GroupName) []byte               { return append([]byte("n"), n...) }
func keyOpenGroup(n record.GroupName) []byte               { return append([]byte("l"), n...) }

// The states of an invitation, as they stand in its key.
const (
	inviteOut  = 'o'
	inviteUsed = 'u'
)

func keyInvite(hash []byte) []byte { return append([]byte("i"), hash...) }
func keyInvites(state byte) []byte { return []byte{'j', state} }
func keyInviteExpiry(state byte, expires uint64, hash []byte) []byte {
	return append(binary.BigEndian.AppendUint64(keyInvites(state), expires), hash...)
}

func groupKey(id record.GroupID, field byte) []byte {
	return append(append([]byte("g"), id[:]...), field)
}
func keyChain(id record.GroupID) []byte { return groupKey(id, 'c') }
func keyStatement(id record.GroupID, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(groupKey(id, 's'), seq)
}

// marshal gives equal messages equal bytes, which replayed logs rely on.
func marshal(m proto.Message) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(m)
}

func load(r Reader, key []byte, m proto.Message) error {
	value, err := r.Get(key)
	if err != nil {
		return err
	}
	return parse(key, value, m)
}

// parse reads a stored value.
func parse(key, value []byte, m proto.Message) error {
	if err := proto.Unmarshal(value, m); err != nil {
		return fmt.Errorf("directory: stored value at %q: %w", key, err)
	}
	return nil
}

func save(w Writer, key []byte, m proto.Message) error {
	value, err := marshal(m)
	if err != nil {
		return fmt.Errorf("directory: value for %q: %w", key, err)
	}
	return w.Set(key, value)
}

func has(r Reader, key []byte) (bool, error) {
	switch _, err := r.Get(key); err {
	case nil:
		return true, nil
	case ErrMissing:
		return false, nil
	default:
		return false, err
	}
}

// count reads a number that increment keeps.
func count(r Reader, key []byte) (uint64, error) {
	value, err := r.Get(key)
	switch {
	case err == ErrMissing:
		return 0, nil
	case err == nil && len(value) != 8:
		err = fmt.Errorf("directory: stored number at %q is malformed", key)
	}
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(value), nil
}

func increment(w Writer, key []byte) error {
	n, err := count(w, key)
	if err != nil {
		return err
	}
	return w.Set(key, binary.BigEndian.AppendUint64(nil, n+1))
}

// collect returns all values under a prefix, in the order of their keys.
func collect(r Reader, prefix, from []byte, limit int) ([][]byte, error) {
	var values [][]byte
	err := r.Scan(prefix, from, func(_, value []byte) (bool, error) {
		values = append(values, value)
		return len(values) < limit, nil
	})
	return values, err
}

func loadLog(r Reader, a record.Account) (record.DeviceLog, error) {
	state, err := r.Get(keyDeviceLog(a))
	if err != nil {
		return record.DeviceLog{}, err
	}
	return record.RestoreDeviceLog(state)
}

func loadChain(r Reader, id record.GroupID) (record.Chain, error) {
	state, err := r.Get(keyChain(id))
	if err != nil {
		return record.Chain{}, err
	}
	return record.RestoreChain(state)
}

func loadPosition(r Reader) (Position, error) {
	var p pb.Position
	if err := load(r, keyPosition, &p); err != nil && err != ErrMissing {
		return Position{}, err
	}
	return Position{
		Index: p.GetIndex(), Term: p.GetTerm(), Changed: p.GetChanged(),
		ConfigurationIndex: p.GetConfigurationIndex(), Configuration: p.GetConfiguration(),
	}, nil
}

func savePosition(w Writer, p Position) error {
	return save(w, keyPosition, &pb.Position{
		Index: p.Index, Term: p.Term, Changed: p.Changed,
		ConfigurationIndex: p.ConfigurationIndex, Configuration: p.Configuration,
	})
}

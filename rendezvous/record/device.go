package record

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

const deviceLabel = "tryst device entry 1"

// Errors of device logs and membership chains.
var (
	ErrChain   = errors.New("record: does not continue the chain")
	ErrRule    = errors.New("record: the rules do not allow it")
	ErrFork    = errors.New("record: contradicts what was seen before")
	ErrTooLong = errors.New("record: chain is full")
	ErrFull    = errors.New("record: the group is full")
)

// DeviceOp is what an entry does to its device.
type DeviceOp uint8

// The operations of a device log.
const (
	AddDevice    DeviceOp = 1
	RevokeDevice DeviceOp = 2
)

// DeviceEntry is one entry of an account's device log. The account's identity
// key signs it; a device may also sign its own revocation (that is a log-out).
type DeviceEntry struct {
	Account Account
	Seq     uint64 // 0 for the first
	Prev    Hash   // of the entry before, zero for the first
	Op      DeviceOp
	Device  peer.ID
	Name    string // what the person calls the device, at most 64 bytes
	At      time.Time
}

// Sign returns the entry signed by the identity key, or, for a revocation, by
// the device's own.
func (d DeviceEntry) Sign(by Signer) []byte {
	e := newEncoder(deviceLabel)
	e.text(string(d.Account))
	e.u64(d.Seq)
	e.fixed(d.Prev[:])
	e.u8(uint8(d.Op))
	e.bytes([]byte(d.Device))
	e.text(d.Name)
	e.u64(uint64(d.At.Unix()))
	return seal(e.b, by)
}

// ParseDeviceEntry reads a signed entry without judging it: not its signature,
// which a log's identity key verifies, and not its place. It returns ErrMalformed.
func ParseDeviceEntry(signed []byte) (DeviceEntry, error) {
	body, _, err := split(signed)
	if err != nil {
		return DeviceEntry{}, err
	}
	return parseDeviceEntry(body)
}

func parseDeviceEntry(body []byte) (DeviceEntry, error) {
	d := newDecoder(body, deviceLabel)
	var e DeviceEntry
	e.Account = d.account()
	e.Seq = d.u64()
	d.fixed(e.Prev[:])
	e.Op = DeviceOp(d.u8())
	e.Device = d.peer()
	e.Name = d.text(maxLabel)
	e.At = time.Unix(int64(d.u64()), 0).UTC()
	return e, d.end()
}

// DeviceLog is an account's verified log. The zero value is the empty log of
// no account; NewDeviceLog starts one.
type DeviceLog struct {
	account  Account
	identity ed25519.PublicKey
	head     Hash
	length   uint64
	active   []peer.ID // in the order in which they were added
	ever     []peer.ID // revoked ones included: a device key is never used twice
}

// NewDeviceLog returns the empty log of an account with that identity key
// (Ed25519 public, 32 bytes).
func NewDeviceLog(account Account, identity ed25519.PublicKey) DeviceLog {
	return DeviceLog{account: account, identity: slices.Clone(identity)}
}

// VerifyDeviceLog checks a whole log from its first entry.
func VerifyDeviceLog(account Account, identity ed25519.PublicKey, signed [][]byte) (DeviceLog, error) {
	log := NewDeviceLog(account, identity)
	for i, entry := range signed {
		var err error
		if log, err = log.Append(entry); err != nil {
			return DeviceLog{}, fmt.Errorf("device log of %s, entry %d: %w", account, i, err)
		}
	}
	return log, nil
}

// Append returns the log with one more signed entry. The receiver is not
// changed. It returns ErrMalformed, ErrSignature, ErrChain for an entry that
// belongs elsewhere, ErrRule for one that makes no sense here (a device added
// twice, an unknown one revoked, more than MaxDevices), or ErrTooLong.
func (l DeviceLog) Append(signed []byte) (DeviceLog, error) {
	body, signature, err := split(signed)
	if err != nil {
		return l, err
	}
	e, err := parseDeviceEntry(body)
	if err != nil {
		return l, err
	}
	if err := l.checkSigner(e, body, signature); err != nil {
		return l, err
	}
	if e.Account != l.account || e.Seq != l.length || e.Prev != l.head {
		return l, ErrChain
	}
	if l.length >= MaxDeviceLog {
		return l, ErrTooLong
	}
	next := l
	next.head, next.length = HashOf(signed), l.length+1
	switch e.Op {
	case AddDevice:
		if slices.Contains(l.ever, e.Device) || len(l.active) >= MaxDevices {
			return l, fmt.Errorf("%w: device known already, or more than %d", ErrRule, MaxDevices)
		}
		next.active = append(slices.Clone(l.active), e.Device)
		next.ever = append(slices.Clone(l.ever), e.Device)
	case RevokeDevice:
		i := slices.Index(l.active, e.Device)
		if i < 0 {
			return l, fmt.Errorf("%w: no such device", ErrRule)
		}
		next.active = slices.Delete(slices.Clone(l.active), i, i+1)
	default:
		return l, fmt.Errorf("%w: operation %d", ErrMalformed, e.Op)
	}
	return next, nil
}

func (l DeviceLog) checkSigner(e DeviceEntry, body, signature []byte) error {
	if verify(l.identity, body, signature) == nil {
		return nil
	}
	if e.Op != RevokeDevice {
		return ErrSignature
	}
	own, err := DeviceKey(e.Device)
	if err != nil {
		return err
	}
	return verify(own, body, signature)
}

// Account returns whose log it is.
func (l DeviceLog) Account() Account { return l.account }

// Identity returns the identity key that the log hangs on.
func (l DeviceLog) Identity() ed25519.PublicKey { return slices.Clone(l.identity) }

// Active returns the devices that may act for the account, oldest first.
func (l DeviceLog) Active() []peer.ID { return slices.Clone(l.active) }

// Has reports whether a device may act for the account now.
func (l DeviceLog) Has(device peer.ID) bool { return slices.Contains(l.active, device) }

// HadEver reports whether a device acts or has acted for the account.
func (l DeviceLog) HadEver(device peer.ID) bool { return slices.Contains(l.ever, device) }

// Len returns the number of entries, Head the hash of the last.
func (l DeviceLog) Len() uint64 { return l.length }

// Head returns the hash of the last entry, zero for an empty log.
func (l DeviceLog) Head() Hash { return l.head }

// Next returns the entry that would follow, for the caller to sign.
func (l DeviceLog) Next(op DeviceOp, device peer.ID, name string, now time.Time) DeviceEntry {
	return DeviceEntry{Account: l.account, Seq: l.length, Prev: l.head, Op: op, Device: device, Name: name, At: now}
}

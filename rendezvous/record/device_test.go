package record

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

// logOf verifies entries that add devices 10, 11, ... and revoke those below
// revoked.
func logOf(t testing.TB, added, revoked int) (DeviceLog, [][]byte) {
	t.Helper()
	log := NewDeviceLog("alice42", identity.public())
	var signed [][]byte
	for i := range added + revoked {
		op, number := AddDevice, 10+i
		if i >= added {
			op, number = RevokeDevice, 10+i-added
		}
		signed = append(signed, log.Next(op, newKey(byte(number)).id(), "d", now).Sign(identity))
		var err error
		if log, err = log.Append(signed[i]); err != nil {
			t.Fatal(err)
		}
	}
	return log, signed
}

func TestDeviceLog(t *testing.T) {
	log, signed := logOf(t, 3, 1)
	again, err := VerifyDeviceLog("alice42", identity.public(), signed)
	if err != nil {
		t.Fatal(err)
	}
	if log.Head() != HashOf(signed[3]) || again.Head() != log.Head() || again.Len() != 4 {
		t.Errorf("length %d", again.Len())
	}
	if got, want := again.Active(), []peer.ID{newKey(11).id(), newKey(12).id()}; !slices.Equal(got, want) {
		t.Errorf("active %v, want %v", got, want)
	}
	if first := newKey(10).id(); again.Has(first) || !again.HadEver(first) {
		t.Error("the first device is revoked, and was active")
	}
	if _, err := VerifyDeviceLog("bob7", identity.public(), signed); !errors.Is(err, ErrChain) {
		t.Errorf("as another's log: %v", err)
	}
	if _, err := VerifyDeviceLog("alice42", stranger.public(), signed); !errors.Is(err, ErrSignature) {
		t.Errorf("under another identity: %v", err)
	}
	if _, err := VerifyDeviceLog("alice42", identity.public(), signed[1:]); !errors.Is(err, ErrChain) {
		t.Errorf("without its beginning: %v", err)
	}
}

func TestDeviceLogRules(t *testing.T) {
	log, signed := logOf(t, 3, 1)
	full, _ := logOf(t, MaxDevices, 0)
	fresh, active, revoked := newKey(99), newKey(11), newKey(10)
	change := func(e DeviceEntry, f func(*DeviceEntry)) DeviceEntry { f(&e); return e }
	add, revoke := log.Next(AddDevice, fresh.id(), "", now), log.Next(RevokeDevice, active.id(), "", now)
	for _, c := range []struct {
		what   string
		log    DeviceLog
		signed []byte
		want   error
	}{
		{"a new device", log, add.Sign(identity), nil},
		{"a revocation", log, revoke.Sign(identity), nil},
		{"a device's own revocation", log, revoke.Sign(active), nil},
		{"a device added by itself", log, add.Sign(fresh), ErrSignature},
		{"a device added by another", log, add.Sign(active), ErrSignature},
		{"a revocation by another device", log, revoke.Sign(fresh), ErrSignature},
		{"an active device again", log, log.Next(AddDevice, active.id(), "", now).Sign(identity), ErrRule},
		{"a revoked device again", log, log.Next(AddDevice, revoked.id(), "", now).Sign(identity), ErrRule},
		{"an unknown device revoked", log, log.Next(RevokeDevice, fresh.id(), "", now).Sign(identity), ErrRule},
		{"a revoked device revoked", log, log.Next(RevokeDevice, revoked.id(), "", now).Sign(identity), ErrRule},
		{"one device too many", full, full.Next(AddDevice, fresh.id(), "", now).Sign(identity), ErrRule},
		{"a revocation in a full log", full, full.Next(RevokeDevice, active.id(), "", now).Sign(identity), nil},
		{"no operation", log, log.Next(0, fresh.id(), "", now).Sign(identity), ErrMalformed},
		{"an unknown operation", log, log.Next(9, fresh.id(), "", now).Sign(identity), ErrMalformed},
		{"the last entry again", log, signed[3], ErrChain},
		{"an earlier number", log, change(add, func(e *DeviceEntry) { e.Seq-- }).Sign(identity), ErrChain},
		{"a later number", log, change(add, func(e *DeviceEntry) { e.Seq++ }).Sign(identity), ErrChain},
		{"another predecessor", log, change(add, func(e *DeviceEntry) { e.Prev[0] ^= 1 }).Sign(identity), ErrChain},
		{"another account", log, change(add, func(e *DeviceEntry) { e.Account = "bob7" }).Sign(identity), ErrChain},
		{"a long name", log, change(add, func(e *DeviceEntry) { e.Name = string(make([]byte, maxLabel+1)) }).Sign(identity), ErrMalformed},
		{"nothing", log, nil, ErrMalformed},
	} {
		before := c.log.State()
		next, err := c.log.Append(c.signed)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
		if !bytes.Equal(c.log.State(), before) {
			t.Errorf("%s: the receiver changed", c.what)
		}
		if err != nil && !bytes.Equal(next.State(), before) {
			t.Errorf("%s: refused, and yet the log grew", c.what)
		}
	}
}

func TestDeviceLogIsBounded(t *testing.T) {
	log := NewDeviceLog("alice42", identity.public())
	for log.Len() < MaxDeviceLog {
		id := numbered(log.Len() / 2)
		op := AddDevice
		if log.Len()%2 == 1 {
			op = RevokeDevice
		}
		var err error
		if log, err = log.Append(log.Next(op, id, "", now).Sign(identity)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := log.Append(log.Next(AddDevice, device.id(), "", now).Sign(identity)); !errors.Is(err, ErrTooLong) {
		t.Errorf("an entry too many: %v", err)
	}
	restored, err := RestoreDeviceLog(log.State())
	if err != nil || !bytes.Equal(restored.State(), log.State()) {
		t.Errorf("the state of the longest log (%d bytes): %v", len(log.State()), err)
	}
}

func numbered(n uint64) peer.ID {
	seed := make([]byte, ed25519.SeedSize)
	seed[0], seed[1], seed[2] = byte(n), byte(n>>8), 1
	return key{ed25519.NewKeyFromSeed(seed)}.id()
}

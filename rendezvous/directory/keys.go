package directory

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"

	"github.com/tryst-chat/tryst/rendezvous/directory/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// publishKeys replaces a device's bundle and adds to its one-time prekeys.
//
// Prekey IDs rise over a device's life: one at or below the highest that was
// ever accepted is passed over, and so is a bundle older than the one that is there.
// So a publication that is repeated because its answer was lost, by a server that was
// frozen meanwhile even after the device has published again elsewhere, brings back no
// prekey that somebody has taken and no bundle that the device has replaced.
func publishKeys(w Writer, c *pb.PublishKeys) ([]Event, error) {
	account, device, err := actingDevice(w, c.GetAccount(), c.GetDevice())
	if err != nil {
		return nil, err
	}
	var bundle record.Bundle
	if len(c.GetBundle()) > 0 {
		if bundle, err = record.VerifyBundle(c.GetBundle(), account, device); err != nil {
			return nil, refuse(err)
		}
	}
	stock, err := loadStock(w, account, device)
	if err != nil {
		return nil, err
	}
	fresh, err := freshPrekeys(c.GetOneTime(), device, stock.GetHighest())
	if err != nil {
		return nil, err
	}
	if int(stock.GetLeft())+len(fresh) > record.MaxPrekeys {
		return nil, fmt.Errorf("%w: at most %d one-time prekeys", wire.ErrFull, record.MaxPrekeys)
	}
	for _, p := range fresh {
		if err := w.Set(keyPrekey(account, device, p.id), p.signed); err != nil {
			return nil, err
		}
		stock.Left, stock.Highest = stock.Left+1, p.id
	}
	if len(fresh) > 0 {
		if err := save(w, keyStock(account, device), stock); err != nil {
			return nil, err
		}
	}
	return saveBundle(w, bundle, c.GetBundle())
}

type signedPrekey struct {
	id     uint32
	signed []byte
}

// freshPrekeys verifies prekeys and returns those above the highest known ID.
func freshPrekeys(signed [][]byte, device peer.ID, highest uint32) ([]signedPrekey, error) {
	if len(signed) > record.MaxPrekeys {
		return nil, fmt.Errorf("%w: at most %d one-time prekeys", wire.ErrFull, record.MaxPrekeys)
	}
	var fresh []signedPrekey
	var last uint32
	for i, raw := range signed {
		p, err := record.VerifyOneTimePrekey(raw, device)
		if err != nil {
			return nil, refuse(err)
		}
		if p.ID == 0 || (i > 0 && p.ID <= last) {
			return nil, fmt.Errorf("%w: prekey IDs must rise from 1", wire.ErrBadRequest)
		}
		last = p.ID
		if p.ID > highest {
			fresh = append(fresh, signedPrekey{p.ID, raw})
		}
	}
	return fresh, nil
}

// saveBundle keeps a bundle, unless it is older than the one that is there: a device
// numbers its signed prekeys upwards.
func saveBundle(w Writer, bundle record.Bundle, signed []byte) ([]Event, error) {
	if len(signed) == 0 {
		return nil, nil
	}
	key := keyBundle(bundle.Account, bundle.Device)
	stored, err := w.Get(key)
	switch {
	case errors.Is(err, ErrMissing):
	case err != nil:
		return nil, err
	case bytes.Equal(stored, signed):
		return nil, nil
	default:
		before, err := record.VerifyBundle(stored, bundle.Account, bundle.Device)
		if err != nil {
			return nil, fmt.Errorf("directory: stored bundle: %w", err)
		}
		if older(bundle, before) {
			return nil, nil
		}
	}
	return []Event{AccountChanged{bundle.Account}}, w.Set(key, signed)
}

// older reports whether a bundle was made before another one of the same device. The
// device's clock decides only where the same prekey was signed again.
func older(a, b record.Bundle) bool {
	if a.SignedPrekeyID != b.SignedPrekeyID {
		return a.SignedPrekeyID < b.SignedPrekeyID
	}
	return a.At.Before(b.At)
}

// takeKeys hands out the bundles of some of an account's active devices, each
// with a one-time prekey that is then nobody else's. Devices that are unknown,
// revoked or without a bundle are left out.
func takeKeys(w Writer, c *pb.TakeKeys) ([]byte, []Event, error) {
	account, err := canonical(c.GetAccount())
	if err != nil {
		return nil, nil, err
	}
	if n := len(c.GetDevices()); n == 0 || n > record.MaxDevices {
		return nil, nil, fmt.Errorf("%w: keys of %d devices", wire.ErrBadRequest, n)
	}
	log, err := loadLog(w, account)
	if err != nil {
		return nil, nil, orElse(err, wire.ErrNoAccount)
	}
	devices, err := parseDevices(c.GetDevices())
	if err != nil {
		return nil, nil, err
	}
	var (
		taken  pb.TakenKeys
		events []Event
	)
	for _, device := range devices {
		if !log.Has(device) {
			continue
		}
		keys, err := takeDevice(w, account, device)
		if errors.Is(err, ErrMissing) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		taken.Devices = append(taken.Devices, keys)
		if keys.GetLeft() < wire.PrekeyLow {
			events = append(events, KeysLow{account, device, int(keys.GetLeft())})
		}
	}
	value, err := marshal(&taken)
	return value, events, err
}

// parseDevices reads peer IDs, each of which may stand there once: keys are for
// one session a device.
func parseDevices(raw [][]byte) ([]peer.ID, error) {
	devices := make([]peer.ID, 0, len(raw))
	for _, r := range raw {
		device, err := parseDevice(r)
		if err != nil {
			return nil, err
		}
		if slices.Contains(devices, device) {
			return nil, fmt.Errorf("%w: a device twice", wire.ErrBadRequest)
		}
		devices = append(devices, device)
	}
	return devices, nil
}

// takeDevice takes the oldest one-time prekey. It returns ErrMissing for a
// device without a bundle.
func takeDevice(w Writer, account record.Account, device peer.ID) (*pb.TakenKeys_Device, error) {
	bundle, err := w.Get(keyBundle(account, device))
	if err != nil {
		return nil, err
	}
	stock, err := loadStock(w, account, device)
	if err != nil {
		return nil, err
	}
	keys := &pb.TakenKeys_Device{Device: []byte(device), Bundle: bundle}
	if stock.GetLeft() == 0 {
		return keys, nil
	}
	var key []byte
	err = w.Scan(accountKey(account, 'o', []byte(device)...), nil, func(k, v []byte) (bool, error) {
		key, keys.OneTime = k, v
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	if err := w.Delete(key); err != nil {
		return nil, err
	}
	stock.Left--
	keys.Left = stock.Left
	return keys, save(w, keyStock(account, device), stock)
}

// dropKeys removes a revoked device's bundle and prekeys. Its stock, its
// generation and its mail go too: a device key is never used twice.
func dropKeys(w Writer, account record.Account, device peer.ID) error {
	for _, key := range [][]byte{keyBundle(account, device), keyStock(account, device), keyGeneration(account, device)} {
		if err := w.Delete(key); err != nil {
			return err
		}
	}
	if err := dropMail(w, account, device); err != nil {
		return err
	}
	return dropPrekeys(w, account, device)
}

// dropPrekeys removes a device's one-time prekeys. The stock is the caller's.
func dropPrekeys(w Writer, account record.Account, device peer.ID) error {
	var keys [][]byte
	err := w.Scan(accountKey(account, 'o', []byte(device)...), nil, func(k, _ []byte) (bool, error) {
		keys = append(keys, k)
		return true, nil
	})
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := w.Delete(key); err != nil {
			return err
		}
	}
	return nil
}

// actingDevice returns an account and one of its active devices.
func actingDevice(r Reader, name string, raw []byte) (record.Account, peer.ID, error) {
	account, err := canonical(name)
	if err != nil {
		return "", "", err
	}
	device, err := parseDevice(raw)
	if err != nil {
		return "", "", err
	}
	log, err := loadLog(r, account)
	if err != nil {
		return "", "", orElse(err, wire.ErrNoAccount)
	}
	if !log.Has(device) {
		return "", "", fmt.Errorf("%w: not a device of the account", wire.ErrRefused)
	}
	return account, device, nil
}

func loadStock(r Reader, account record.Account, device peer.ID) (*pb.Stock, error) {
	stock := &pb.Stock{}
	if err := load(r, keyStock(account, device), stock); err != nil && !errors.Is(err, ErrMissing) {
		return nil, err
	}
	return stock, nil
}

// DeviceKeys is what TakeKeys hands out for one device.
type DeviceKeys struct {
	Device  peer.ID
	Bundle  []byte // signed record.Bundle
	OneTime []byte // signed record.OneTimePrekey; nil: none left
	Left    int    // one-time prekeys that remain
}

// ParseTakenKeys reads the Value of a TakeKeys.
func ParseTakenKeys(value []byte) ([]DeviceKeys, error) {
	var taken pb.TakenKeys
	if err := proto.Unmarshal(value, &taken); err != nil {
		return nil, fmt.Errorf("directory: taken keys: %w", err)
	}
	keys := make([]DeviceKeys, len(taken.GetDevices()))
	for i, d := range taken.GetDevices() {
		device, err := parseDevice(d.GetDevice())
		if err != nil {
			return nil, fmt.Errorf("directory: taken keys: %w", err)
		}
		keys[i] = DeviceKeys{Device: device, Bundle: d.GetBundle(), OneTime: d.GetOneTime(), Left: int(d.GetLeft())}
	}
	return keys, nil
}

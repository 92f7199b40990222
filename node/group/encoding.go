package group

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/crypto/cryptobyte"

	"github.com/tryst-chat/tryst/node/crypto/senderkey"
	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

const stateVersion = 2

// ErrState means bytes that are not an encoded State of the chain.
var ErrState = errors.New("group: malformed state")

// MarshalBinary returns the state for storage under seal. It holds secrets, and
// all but the statements, which are public, only ever appended to, and stored
// apart:
//
//	version 2 || member (this device) || u64 length of the chain ||
//	u64 secret's epoch || secret[32], if that is not 0 || u16(len(sender)) || sender || certificate[64], if that is not 0 ||
//	u16 count || (u8(len(device)) || device)... || u16 count || (member || certificate[64] || u24(len(chain)) || chain)... ||
//	u16 count || (member || u24(len(message)) || message)...
//	member = u8(len(account)) || account || u8(len(device)) || device
//
// Numbers are big-endian; the devices that were handed the sender's chain, and the
// chains by ID, are in ascending order. One state has one encoding.
func (s State) MarshalBinary() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint8(stateVersion)
	s.self.marshal(&b)
	b.AddUint64(s.chain.Len())
	b.AddUint64(s.secretEpoch)
	if s.secretEpoch != 0 {
		b.AddBytes(s.secret.Bytes())
	}
	var sender []byte
	if s.sender != nil {
		var err error
		if sender, err = s.sender.MarshalBinary(); err != nil {
			return nil, fmt.Errorf("group: marshal: %w", err)
		}
	}
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(sender) })
	if s.sender != nil {
		b.AddBytes(s.certificate[:])
	}
	b.AddUint16(uint16(len(s.handed)))
	for _, d := range slices.Sorted(maps.Keys(s.handed)) {
		addText(&b, string(d))
	}
	if err := s.marshalReceivers(&b); err != nil {
		return nil, fmt.Errorf("group: marshal: %w", err)
	}
	b.AddUint16(uint16(len(s.buffered)))
	for _, m := range s.buffered {
		m.from.marshal(&b)
		addBytes(&b, m.message)
	}
	return b.Bytes()
}

func (s State) marshalReceivers(b *cryptobyte.Builder) error {
	b.AddUint16(uint16(len(s.receivers)))
	ids := slices.SortedFunc(maps.Keys(s.receivers), func(x, y chainID) int { return bytes.Compare(x[:], y[:]) })
	for _, id := range ids {
		r := s.receivers[id]
		chain, err := r.chain.MarshalBinary()
		if err != nil {
			return err
		}
		r.from.marshal(b)
		b.AddBytes(r.certificate[:])
		addBytes(b, chain)
	}
	return nil
}

// Parse undoes MarshalBinary and Statements; what it accepts encodes to the same
// bytes. It verifies the chain, which costs one Ed25519 operation a statement. The
// chain may have grown since: then the state is extended, as by Extend. It returns
// ErrState or the chain's error.
func Parse(b []byte, statements [][]byte, acts Acts) (State, error) {
	var version uint8
	in := cryptobyte.String(b)
	if !in.ReadUint8(&version) || version != stateVersion {
		return State{}, fmt.Errorf("%w: version", ErrState)
	}
	self, ok := readMember(&in)
	if !ok {
		return State{}, fmt.Errorf("%w: this device", ErrState)
	}
	s, err := FromChain(statements, acts, self)
	if err != nil {
		return State{}, err
	}
	var length uint64
	if !in.ReadUint64(&length) || length == 0 || length > s.chain.Len() {
		return State{}, fmt.Errorf("%w: length", ErrState)
	}
	for _, part := range []struct {
		name string
		read func(*cryptobyte.String) bool
	}{
		{"secret", s.readSecret}, {"sender", s.readSender}, {"sender keys handed out", s.readHanded},
		{"sender keys", s.readReceivers}, {"waiting messages", s.readBuffered},
		{"end", func(in *cryptobyte.String) bool { return in.Empty() }},
	} {
		if !part.read(&in) {
			return State{}, fmt.Errorf("%w: %s", ErrState, part.name)
		}
	}
	if gone, err := anybodyGone(statements[length:]); err != nil || gone {
		s.sender, s.handed = nil, nil
	}
	return s, nil
}

// anybodyGone tells whether somebody has left or was removed by some statements.
func anybodyGone(statements [][]byte) (bool, error) {
	for _, raw := range statements {
		parsed, err := record.ParseStatement(raw)
		if err != nil {
			return false, err
		}
		if parsed.Op == record.LeaveGroup || parsed.Op == record.RemoveMember {
			return true, nil
		}
	}
	return false, nil
}

// readSecret reads the epoch's secret, and drops one of an epoch that is over.
func (s *State) readSecret(in *cryptobyte.String) bool {
	var epoch uint64
	if !in.ReadUint64(&epoch) || epoch > s.chain.Epoch() {
		return false
	}
	if epoch == 0 {
		return true
	}
	var raw []byte
	if !in.ReadBytes(&raw, key.Size) {
		return false
	}
	secret, err := key.ParseEpoch(raw)
	if err != nil {
		return false
	}
	if epoch < s.chain.Epoch() {
		return true
	}
	*s, err = s.AcceptSecret(epoch, secret)
	return err == nil
}

func (s *State) readSender(in *cryptobyte.String) bool {
	var raw cryptobyte.String
	if !in.ReadUint16LengthPrefixed(&raw) {
		return false
	}
	if raw.Empty() {
		return true
	}
	var c certificate
	if !in.CopyBytes(c[:]) {
		return false
	}
	sender, err := senderkey.ParseSender(raw)
	if err != nil || sender.GroupID() != s.chain.ID() || sender.Epoch() > s.chain.Epoch() {
		return false
	}
	if sender.Epoch() == s.chain.Epoch() {
		s.sender, s.certificate = sender, c
	}
	return true
}

func (s *State) readHanded(in *cryptobyte.String) bool {
	var count uint16
	if !in.ReadUint16(&count) {
		return false
	}
	handed := make(map[peer.ID]struct{}, min(int(count), len(*in)))
	last := peer.ID("")
	for range count {
		device, ok := readText(in)
		if !ok || peer.ID(device) <= last {
			return false
		}
		last = peer.ID(device)
		handed[last] = struct{}{}
	}
	if s.sender != nil && count > 0 {
		s.handed = handed
	}
	return true
}

func (s *State) readReceivers(in *cryptobyte.String) bool {
	var count uint16
	if !in.ReadUint16(&count) || count > MaxReceivers {
		return false
	}
	if count == 0 {
		return true
	}
	s.receivers = make(map[chainID]receiver, min(int(count), len(*in)))
	var last chainID
	for i := range count {
		var c certificate
		from, ok := readMember(in)
		okCertificate := in.CopyBytes(c[:])
		raw, okBytes := readBytes(in)
		if !ok || !okCertificate || !okBytes {
			return false
		}
		chain, err := senderkey.ParseReceiver(raw)
		if err != nil || chain.GroupID() != s.chain.ID() || chain.Epoch() > s.chain.Epoch() {
			return false
		}
		id := chain.ChainID()
		if i > 0 && bytes.Compare(id[:], last[:]) <= 0 {
			return false
		}
		last = id
		s.receivers[id] = receiver{from, c, chain}
	}
	return true
}

func (s *State) readBuffered(in *cryptobyte.String) bool {
	var count uint16
	if !in.ReadUint16(&count) || count > MaxBuffered {
		return false
	}
	for range count {
		from, ok := readMember(in)
		raw, okBytes := readBytes(in)
		if !ok || !okBytes {
			return false
		}
		m, err := s.parseMessage(raw)
		if err != nil {
			return false
		}
		s.buffered = append(s.buffered, bufferedMessage{from, m.chain, bytes.Clone(raw)})
	}
	return bufferedBytes(s.buffered) <= MaxBufferedBytes
}

func (m Member) marshal(b *cryptobyte.Builder) {
	addText(b, string(m.Account))
	addText(b, string(m.Device))
}

func readMember(in *cryptobyte.String) (m Member, ok bool) {
	account, okAccount := readText(in)
	device, okDevice := readText(in)
	parsed, err := record.ParseAccount(account)
	if !okAccount || !okDevice || err != nil || string(parsed) != account {
		return Member{}, false
	}
	id, err := peer.IDFromBytes([]byte(device))
	return Member{parsed, id}, err == nil
}

func addText(b *cryptobyte.Builder, text string) {
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(text)) })
}

func readText(in *cryptobyte.String) (string, bool) {
	var text cryptobyte.String
	ok := in.ReadUint8LengthPrefixed(&text)
	return string(text), ok
}

func addBytes(b *cryptobyte.Builder, raw []byte) {
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(raw) })
}

func readBytes(in *cryptobyte.String) ([]byte, bool) {
	var raw cryptobyte.String
	ok := in.ReadUint24LengthPrefixed(&raw)
	return raw, ok
}

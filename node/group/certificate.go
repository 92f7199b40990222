package group

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"

	"github.com/tryst-chat/tryst/node/crypto/senderkey"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// certificate is a device's signature that a sender chain is its own. Who is given a
// chain has it over the session with that device; who is shown a single message by
// somebody else later (see History) has nothing but this.
type certificate [ed25519.SignatureSize]byte

const certificateLabel = "tryst sender chain certificate 1"

// certified returns the bytes that a certificate signs.
func certified(owner Member, id record.GroupID, epoch uint64, chain chainID, signing []byte) []byte {
	b := make([]byte, 0, 256)
	b = append(b, certificateLabel...)
	b = append(b, id[:]...)
	b = binary.BigEndian.AppendUint64(b, epoch)
	b = append(b, chain[:]...)
	b = append(b, signing...)
	return appendMember(b, owner)
}

// chainEnd is either end of a sender chain.
type chainEnd interface {
	GroupID() [senderkey.GroupIDSize]byte
	Epoch() uint64
	ChainID() [senderkey.ChainIDSize]byte
	SigningKey() []byte
}

// certify signs a chain that this device has just made.
func certify(self Self, c chainEnd) certificate {
	return certificate(self.Signer.Sign(certified(self.Member, c.GroupID(), c.Epoch(), c.ChainID(), c.SigningKey())))
}

func (c certificate) verify(owner Member, id record.GroupID, epoch uint64, chain chainID, signing []byte) bool {
	device, err := record.DeviceKey(owner.Device)
	return err == nil && ed25519.Verify(device, certified(owner, id, epoch, chain, signing), c[:])
}

// handedSize is the length of what Send hands out: a distribution and the chain's
// certificate.
const handedSize = senderkey.DistributionSize + len(certificate{})

// parseHanded reads what a device has handed out as its chain; whether it has
// certified it is for the caller. It returns ErrSenderKey.
func parseHanded(owner Member, handed []byte) (receiver, error) {
	if len(handed) != handedSize {
		return receiver{}, fmt.Errorf("%w: %d bytes", ErrSenderKey, len(handed))
	}
	chain, err := senderkey.NewReceiver(handed[:senderkey.DistributionSize])
	if err != nil {
		return receiver{}, fmt.Errorf("%w: %w", ErrSenderKey, err)
	}
	return receiver{owner, certificate(handed[senderkey.DistributionSize:]), chain}, nil
}

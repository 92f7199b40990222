package senderkey

import (
	"crypto/ed25519"
	"encoding/binary"

	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/node/key"
)

// Opening is what one message of a chain opens with: for who has it the chain's other
// messages, those before and those after, stay closed. It is a secret.
type Opening struct {
	Iteration uint32 // the message's number in the chain
	Signing   [ed25519.PublicKeySize]byte
	Key       key.Message
}

// Open verifies and opens a message with its Opening alone. Who has the Opening from
// somebody else than the sender has to know that the signing key is the sender's: see
// the certificates of node/group. It returns ErrDecrypt.
func Open(groupID [GroupIDSize]byte, epoch uint64, o Opening, ad, message []byte) (plaintext []byte, err error) {
	chain, err := ChainOf(message)
	if err != nil {
		return nil, err
	}
	of := scope{group: groupID, epoch: epoch, chain: chain}
	bound := of.bind(ad)
	header, body, ok := verify(o.Signing, bound, message)
	if !ok || iterationOf(header) != o.Iteration {
		return nil, ErrDecrypt
	}
	return unseal(o.Key, bound, header, body)
}

// verify checks a message's signature and takes the message apart. message is at least
// Overhead long, and bound is what bind returned.
func verify(signing [ed25519.PublicKeySize]byte, bound, message []byte) (header, body []byte, ok bool) {
	rest, signature := message[:len(message)-ed25519.SignatureSize], message[len(message)-ed25519.SignatureSize:]
	if !ed25519.Verify(signing[:], signed(bound, rest), signature) {
		return nil, nil, false
	}
	return rest[:headerSize], rest[headerSize:], true
}

func iterationOf(header []byte) uint32 { return binary.BigEndian.Uint32(header[ChainIDSize:]) }

func unseal(k key.Message, bound, header, body []byte) ([]byte, error) {
	padded, err := seal.Open(k, seal.SenderKey, bound, header, body)
	if err != nil {
		return nil, ErrDecrypt
	}
	plaintext, err := seal.Unpad(padded)
	if err != nil {
		return nil, ErrDecrypt
	}
	return plaintext, nil
}

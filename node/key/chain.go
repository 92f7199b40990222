package key

import (
	"crypto/hmac"
	"crypto/sha256"
)

// Chain is the 32-byte key of a symmetric chain. It gives one message its key
// and is then replaced by the next (KDF_CK of "The Double Ratchet Algorithm",
// section 5.2): neither leads back.
type Chain struct{ symmetric }

// The HMAC inputs that the specification recommends for KDF_CK.
const (
	chainMessageInput = 0x01
	chainNextInput    = 0x02
)

// NewChain returns a random chain key.
func NewChain() Chain { return Chain{newSymmetric()} }

// ParseChain reads the 32 bytes that Bytes returned.
func ParseChain(b []byte) (Chain, error) {
	k, err := parseSymmetric("chain key", b)
	return Chain{k}, err
}

// ChainFrom makes a chain key of a derivation's output.
func ChainFrom(b [Size]byte) Chain { return Chain{symmetric{b: b}} }

// Equal compares in constant time.
func (k Chain) Equal(o Chain) bool { return k.equal(o.symmetric) }

// Message returns the message key at this place of the chain.
func (k Chain) Message() Message { return Message{k.hmac(chainMessageInput)} }

// Next returns the next chain key.
func (k Chain) Next() Chain { return Chain{k.hmac(chainNextInput)} }

func (k Chain) hmac(input byte) (out symmetric) {
	mac := hmac.New(sha256.New, k.b[:])
	mac.Write([]byte{input})
	mac.Sum(out.b[:0])
	return out
}

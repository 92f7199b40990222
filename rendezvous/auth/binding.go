package auth

import (
	"encoding/binary"
	"fmt"
)

// Binding is what a login is tied to beside its account. The first two are also
// in the OPAQUE transcript (see [Context]), so that the client checks them too.
type Binding struct {
	ClusterKey []byte // the cluster's Ed25519 public key, 32 bytes
	Peer       []byte // the client's peer ID, as its connection proved it
	// RecordVersion is the number that the directory counts up with each password
	// change, 0 for an account that does not exist. A login that began before
	// the change cannot be finished after it.
	RecordVersion uint64
}

// check fails with ErrArgument where a part is missing: it would bind nothing.
func (b Binding) check() error {
	if len(b.ClusterKey) == 0 || len(b.Peer) == 0 {
		return fmt.Errorf("%w: no cluster key or no peer", ErrArgument)
	}
	return nil
}

// cookieData is the associated data of a cookie.
func (b Binding) cookieData(account string) []byte {
	ad := binary.BigEndian.AppendUint64([]byte("tryst/login-cookie/1"), b.RecordVersion)
	return appendFields(ad, []byte(account), b.ClusterKey, b.Peer)
}

// Context is what client and server must agree on beside the account: the
// cluster's key (Ed25519, 32 bytes) and the peer ID (its bytes) by which the
// server knows the client's connection. A KE2 that was made for another cluster
// or another connection is refused with ErrServerAuthentication.
func Context(clusterKey, peer []byte) []byte {
	return appendFields([]byte("tryst/login/1"), clusterKey, peer)
}

// transcriptContext is the context as the RFC's preamble has it: the header,
// whose size is fixed, and then the caller's context. It fails with ErrArgument.
func transcriptContext(k ksf, context []byte) ([]byte, error) {
	if len(context) == 0 || len(context) > maxContext {
		return nil, fmt.Errorf("%w: context of %d bytes", ErrArgument, len(context))
	}
	return append(k.appendTo(nil), context...), nil
}

// appendFields appends each field after its length in four bytes.
func appendFields(b []byte, fields ...[]byte) []byte {
	for _, field := range fields {
		b = binary.BigEndian.AppendUint32(b, uint32(len(field)))
		b = append(b, field...)
	}
	return b
}

package transport

import (
	"errors"
	"fmt"

	"github.com/tryst-chat/tryst/node/wire/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
	rwire "github.com/tryst-chat/tryst/rendezvous/wire"
)

// Hello says which account a device acts for, and how long that account's device
// log is. It is a claim: the receiver believes it only as far as the log bears it
// out.
type Hello struct {
	Account   record.Account
	LogLength uint64 // entries
	LogHead   record.Hash
}

// ErrHello is returned when the other side did not introduce itself.
var ErrHello = errors.New("transport: no hello")

func (h Hello) toWire() *pb.Frame {
	return &pb.Frame{Kind: &pb.Frame_Hello{Hello: &pb.Hello{
		Account: string(h.Account), LogLength: h.LogLength, LogHead: h.LogHead[:],
	}}}
}

func helloFromWire(m *pb.Hello) (Hello, error) {
	account, err := record.ParseAccount(m.GetAccount())
	if err != nil || string(account) != m.GetAccount() {
		return Hello{}, fmt.Errorf("%w: it names no account", ErrHello)
	}
	if len(m.GetLogHead()) != len(record.Hash{}) {
		return Hello{}, fmt.Errorf("%w: the log's head is not a hash", ErrHello)
	}
	return Hello{Account: account, LogLength: m.GetLogLength(), LogHead: record.Hash(m.GetLogHead())}, nil
}

// readHello reads the first frame of a stream, which must be a Hello. The caller
// has set a deadline.
func readHello(r *rwire.Reader) (Hello, error) {
	var f pb.Frame
	if err := r.Read(&f); err != nil {
		return Hello{}, fmt.Errorf("%w: %w", ErrHello, err)
	}
	if f.GetHello() == nil {
		return Hello{}, fmt.Errorf("%w: another frame came first", ErrHello)
	}
	return helloFromWire(f.GetHello())
}

package directory

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"

	"github.com/tryst-chat/tryst/rendezvous/directory/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// beginGeneration counts a start of a device, if the device knows how many there
// were. A device whose home was restored from a copy, or of which there are two,
// names another number, and nothing changes.
//
// The number alone would not tell it the one from the other: a copy that is one
// start behind is answered the number that it hopes for. So the answer says whether
// the last start is the one with this token, which it also is when the same
// command comes again because its answer was lost.
func beginGeneration(w Writer, c *pb.BeginGeneration) ([]byte, error) {
	account, device, err := actingDevice(w, c.GetAccount(), c.GetDevice())
	if err != nil {
		return nil, err
	}
	if n := len(c.GetToken()); n != wire.TokenSize {
		return nil, fmt.Errorf("%w: token of %d bytes", wire.ErrBadRequest, n)
	}
	var g pb.Generation
	if err := load(w, keyGeneration(account, device), &g); err != nil && !errors.Is(err, ErrMissing) {
		return nil, err
	}
	stock, err := loadStock(w, account, device)
	if err != nil {
		return nil, err
	}
	begun := &pb.Begun{Generation: g.GetNumber(), HighestPrekey: stock.GetHighest()}
	switch {
	case c.GetGeneration() == g.GetNumber():
		begun.Generation, begun.Stepped = g.GetNumber()+1, true
		if err := step(w, account, device, begun.Generation, c, stock); err != nil {
			return nil, err
		}
	case c.GetGeneration()+1 == g.GetNumber():
		// No secret, and no need for constant time: whoever may ask is the device itself.
		begun.Stepped = bytes.Equal(c.GetToken(), g.GetToken())
	}
	return marshal(begun)
}

// step writes a start down.
func step(w Writer, account record.Account, device peer.ID, number uint64, c *pb.BeginGeneration, stock *pb.Stock) error {
	if c.GetRenew() && stock.GetLeft() > 0 {
		if err := dropPrekeys(w, account, device); err != nil {
			return err
		}
		stock.Left = 0 // the highest ID stays: those below it are never used again
		if err := save(w, keyStock(account, device), stock); err != nil {
			return err
		}
	}
	return save(w, keyGeneration(account, device), &pb.Generation{Number: number, Token: c.GetToken()})
}

// Generation is how often a device has started, as BeginGeneration finds it.
type Generation struct {
	Number        uint64
	HighestPrekey uint32 // ID of a one-time prekey that was ever accepted
	Stepped       bool   // the last start is the command's
}

// ParseGeneration reads the Value of a BeginGeneration.
func ParseGeneration(value []byte) (Generation, error) {
	var begun pb.Begun
	if err := proto.Unmarshal(value, &begun); err != nil {
		return Generation{}, fmt.Errorf("directory: generation: %w", err)
	}
	return Generation{Number: begun.GetGeneration(), HighestPrekey: begun.GetHighestPrekey(), Stepped: begun.GetStepped()}, nil
}

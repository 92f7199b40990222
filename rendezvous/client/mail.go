package client

import (
	"context"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// Letter is a sealed message for one device.
type Letter struct {
	ID       [wire.LetterIDSize]byte // tells the sender's letters to a device apart
	To       peer.ID
	Envelope []byte // at most wire.MaxEnvelope
}

// GroupLetter is a message that was sealed once for a whole group.
type GroupLetter struct {
	ID      [wire.LetterIDSize]byte // tells the sender's letters in a group apart
	For     []peer.ID               // the member devices that lack it
	Message []byte                  // at most wire.MaxEnvelope
}

// Mail is what waits for this device.
type Mail struct {
	Number   uint64 // rises in the order in which it came
	From     record.Account
	Device   peer.ID // the sender's; the servers vouch for both
	ID       [wire.LetterIDSize]byte
	Envelope []byte // or the group's message
}

// PutMail has the servers keep letters for devices of one account until they
// are taken. Once it returns, a majority of the servers has each letter whose
// error is nil on disk.
//
// errs has one element a letter: nil, wire.ErrFull (the device has too much
// mail already, or too much of this account's), wire.ErrRefused (it is no device
// of the account, or the account does not take the letter), wire.ErrTooLarge.
// err is what ended the call before all were put, and is then also the error of
// each letter that was not: ErrOffline, wire.ErrNoAccount, wire.ErrTooMany (too
// much mail in a short time), wire.ErrNoSpace.
//
// What is more than one request takes is split. Putting a letter again is safe:
// one that still lies there is not put twice.
func (c *Client) PutMail(ctx context.Context, to record.Account, letters []Letter) (errs []error, err error) {
	parcel := make([]parcelled, len(letters))
	for i, l := range letters {
		parcel[i] = parcelled{size: len(l.To) + len(l.Envelope), tooLarge: len(l.Envelope) > wire.MaxEnvelope}
	}
	return c.put(ctx, parcel, func(some []int) *pb.Request {
		req := &pb.PutMail{Account: string(to)}
		for _, i := range some {
			l := &letters[i]
			req.Letters = append(req.Letters, &pb.Letter{Id: l.ID[:], Device: []byte(l.To), Envelope: l.Envelope})
		}
		return &pb.Request{Kind: &pb.Request_PutMail{PutMail: req}}
	})
}

// PutGroupMail has the servers keep one copy of each letter until those member
// devices that it is for have taken it. errs and err are as for PutMail:
// wire.ErrFull where the group has too much mail already, or too much of this
// account's; wire.ErrRefused for a letter that is for no device of a member;
// err is wire.ErrRefused for an account that is no member itself, and
// wire.ErrNoGroup.
func (c *Client) PutGroupMail(ctx context.Context, group record.GroupID, letters []GroupLetter) (errs []error, err error) {
	var parcel []parcelled
	var parts []groupPart
	for i, l := range letters {
		for first := true; first || len(l.For) > 0; first = false {
			n := min(len(l.For), wire.MaxFor)
			part := groupPart{letter: i, devices: make([][]byte, n)}
			size := len(l.Message)
			for j, device := range l.For[:n] {
				part.devices[j] = []byte(device)
				size += len(device) + fieldOverhead
			}
			l.For = l.For[n:]
			parts = append(parts, part)
			parcel = append(parcel, parcelled{size: size, devices: n, tooLarge: len(l.Message) > wire.MaxEnvelope})
		}
	}
	of, err := c.put(ctx, parcel, func(some []int) *pb.Request {
		req := &pb.PutGroupMail{Group: group[:]}
		for _, i := range some {
			l := &letters[parts[i].letter]
			req.Letters = append(req.Letters, &pb.GroupLetter{Id: l.ID[:], Devices: parts[i].devices, Message: l.Message})
		}
		return &pb.Request{Kind: &pb.Request_PutGroupMail{PutGroupMail: req}}
	})
	errs = make([]error, len(letters))
	for i, e := range of {
		if errs[parts[i].letter] == nil {
			errs[parts[i].letter] = e
		}
	}
	return errs, err
}

// groupPart is a group letter for some of its devices.
type groupPart struct {
	letter  int
	devices [][]byte
}

// parcelled is what splitting needs to know of a letter.
type parcelled struct {
	size     int // bytes, but for what each has beside it
	devices  int // of a group letter
	tooLarge bool
}

const (
	// fieldOverhead is above the tag and the length of a field.
	fieldOverhead = 8
	// letterOverhead is above what a letter has beside its device and envelope:
	// an ID and four fields.
	letterOverhead = wire.LetterIDSize + 4*fieldOverhead
	// requestOverhead is above what a request has beside its letters.
	requestOverhead = 128
)

// put sends letters in as many requests as they need. request makes one of the
// letters with these numbers.
func (c *Client) put(ctx context.Context, parcel []parcelled, request func([]int) *pb.Request) ([]error, error) {
	errs := make([]error, len(parcel))
	var some []int
	size, devices := requestOverhead, 0
	var failed error
	flush := func() {
		if len(some) == 0 {
			return
		}
		codes := make([]uint32, len(some))
		if failed == nil {
			codes, failed = c.putOnce(ctx, request(some), len(some))
		}
		for j, i := range some {
			switch {
			case failed != nil:
				errs[i] = failed
			case codes[j] != 0:
				errs[i] = wire.ErrorOf(codes[j])
			}
		}
		some, size, devices = nil, requestOverhead, 0
	}
	for i, p := range parcel {
		if p.tooLarge {
			errs[i] = wire.ErrTooLarge
			continue
		}
		own := p.size + letterOverhead
		if len(some) == wire.MaxLetters || size+own > wire.MaxRequest || devices+p.devices > wire.MaxFor {
			flush()
		}
		some, size, devices = append(some, i), size+own, devices+p.devices
	}
	flush()
	return errs, failed
}

func (c *Client) putOnce(ctx context.Context, req *pb.Request, letters int) ([]uint32, error) {
	resp, err := c.ask(ctx, req)
	if err != nil {
		return nil, err
	}
	codes := resp.GetMailPut().GetCodes()
	if len(codes) != letters {
		return nil, fmt.Errorf("%w: an answer about %d letters of %d", ErrForged, len(codes), letters)
	}
	return codes, nil
}

// FetchMail returns what waits for this device with numbers above after, in
// order, about a page (at most wire.MailPage) at a time, and whether there is
// more. Everything up to and including taken is forgotten by the servers first
// (0: nothing): call it with what is on disk here.
func (c *Client) FetchMail(ctx context.Context, taken, after uint64) (mail []Mail, more bool, err error) {
	return c.fetch(ctx, &pb.Request{Kind: &pb.Request_FetchMail{FetchMail: &pb.FetchMail{Taken: taken, After: after}}}, max(taken, after))
}

// FetchGroupMail is FetchMail for what waits for this device in a group, whose
// numbers are the group's own. It returns wire.ErrRefused to those who are not
// members, and wire.ErrNoGroup.
func (c *Client) FetchGroupMail(ctx context.Context, group record.GroupID, taken, after uint64) (mail []Mail, more bool, err error) {
	return c.fetch(ctx, &pb.Request{Kind: &pb.Request_FetchGroupMail{FetchGroupMail: &pb.FetchGroupMail{
		Group: group[:], Taken: taken, After: after,
	}}}, max(taken, after))
}

// fetch asks for a page of mail with numbers above after.
func (c *Client) fetch(ctx context.Context, req *pb.Request, after uint64) ([]Mail, bool, error) {
	resp, err := c.ask(ctx, req)
	if err != nil {
		return nil, false, err
	}
	page := resp.GetMailPage()
	// A page without mail and yet more of it would let a server keep its client asking.
	if page == nil || (page.GetMore() && len(page.GetMail()) == 0) {
		return nil, false, fmt.Errorf("%w: no page of mail", ErrForged)
	}
	var mail []Mail
	for _, m := range page.GetMail() {
		letter, err := mailFromWire(m)
		if err != nil {
			return nil, false, fmt.Errorf("%w: %w", ErrForged, err)
		}
		if letter.Number <= after {
			return nil, false, fmt.Errorf("%w: mail out of order", ErrForged)
		}
		after = letter.Number
		mail = append(mail, letter)
	}
	return mail, page.GetMore(), nil
}

func mailFromWire(m *pb.Mail) (Mail, error) {
	from, err := record.ParseAccount(m.GetAccount())
	if err != nil {
		return Mail{}, err
	}
	device, err := peer.IDFromBytes(m.GetDevice())
	if err != nil {
		return Mail{}, err
	}
	if len(m.GetId()) != wire.LetterIDSize || len(m.GetEnvelope()) > wire.MaxEnvelope {
		return Mail{}, fmt.Errorf("a letter of %d bytes with an ID of %d", len(m.GetEnvelope()), len(m.GetId()))
	}
	return Mail{Number: m.GetNumber(), From: from, Device: device, ID: [wire.LetterIDSize]byte(m.GetId()), Envelope: m.GetEnvelope()}, nil
}

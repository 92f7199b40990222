package directory

import (
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"

	"github.com/tryst-chat/tryst/rendezvous/directory/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// Letter is a sealed message for one device.
type Letter struct {
	ID       [wire.LetterIDSize]byte // tells the sender's letters to a device apart
	To       peer.ID
	Envelope []byte // 1 to wire.MaxEnvelope bytes
}

// PutMail keeps 1 to wire.MaxLetters letters of a sender's device for devices of
// one account. A letter that lies there already, by its sender's device, its ID
// and its recipient, is kept as it is. It results in wire.ErrNoAccount; the
// result's Value is for ParseLettersPut.
func PutMail(from record.Account, device peer.ID, to record.Account, letters []Letter) []byte {
	c := &pb.PutMail{From: string(from), Device: []byte(device), To: string(to)}
	for i := range letters {
		l := &letters[i]
		c.Letters = append(c.Letters, &pb.PostedLetter{Id: l.ID[:], Device: []byte(l.To), Envelope: l.Envelope})
	}
	return encode(&pb.Command{Kind: &pb.Command_PutMail{PutMail: c}})
}

// TakeMail removes a device's letters up to and including a number.
func TakeMail(account record.Account, device peer.ID, upTo uint64) []byte {
	return encode(&pb.Command{Kind: &pb.Command_TakeMail{TakeMail: &pb.TakeMail{
		Account: string(account), Device: []byte(device), UpTo: upTo,
	}}})
}

// GroupLetter is a message that was sealed once for a whole group.
type GroupLetter struct {
	ID      [wire.LetterIDSize]byte // tells the sender's letters in a group apart
	For     []Member                // those who lack it
	Message []byte                  // 1 to wire.MaxEnvelope bytes
}

// Member is a device of a group's member. Whose it is has to be known to who
// makes a command: a group's shard may not be that of the account.
type Member struct {
	Account record.Account
	Device  peer.ID
}

// PutGroupMail keeps one copy of each of 1 to wire.MaxLetters letters until those
// whom it is for, at most wire.MaxFor in all, have taken it. Where there is a copy
// already, by its sender's device and its ID, it is then for these devices too.
// It results in wire.ErrNoGroup, and in wire.ErrRefused for a sender who is not a
// member; the result's Value is for ParseLettersPut.
func PutGroupMail(from record.Account, device peer.ID, group record.GroupID, letters []GroupLetter) []byte {
	c := &pb.PutGroupMail{From: string(from), Device: []byte(device), Group: group[:]}
	for i := range letters {
		l := &letters[i]
		posted := &pb.PostedGroupLetter{Id: l.ID[:], Message: l.Message}
		for _, m := range l.For {
			posted.Members = append(posted.Members, &pb.Member{Account: string(m.Account), Device: []byte(m.Device)})
		}
		c.Letters = append(c.Letters, posted)
	}
	return encode(&pb.Command{Kind: &pb.Command_PutGroupMail{PutGroupMail: c}})
}

// TakeGroupMail removes what waits for a device in a group, up to and including a
// number. The result's Value is for ParseUnfinished.
func TakeGroupMail(group record.GroupID, account record.Account, device peer.ID, upTo uint64) []byte {
	return encode(&pb.Command{Kind: &pb.Command_TakeGroupMail{TakeGroupMail: &pb.TakeGroupMail{
		Group: group[:], Account: string(account), Device: []byte(device), UpTo: upTo,
	}}})
}

// Tick moves the directory's clock on by what elapsed since it was read, at most
// by two minutes, and removes what has expired. The clock stays where it is if
// another tick has moved it meanwhile. The result's Value is for ParseUnfinished.
func Tick(clock, elapsed time.Duration) []byte {
	return encode(&pb.Command{Kind: &pb.Command_Tick{Tick: &pb.Tick{
		Clock: uint64(clock.Milliseconds()), Elapsed: uint64(max(elapsed, 0).Milliseconds()),
	}}})
}

// ParseLettersPut reads the Value of a PutMail or PutGroupMail: what each letter
// came to, in order. nil: it is kept. Else wire.ErrFull, wire.ErrRefused (there
// is no such device in the account, or no such member in the group),
// wire.ErrTooLarge, wire.ErrBadRequest.
func ParseLettersPut(value []byte) ([]error, error) {
	var put pb.LettersPut
	if err := proto.Unmarshal(value, &put); err != nil {
		return nil, fmt.Errorf("directory: letters put: %w", err)
	}
	results := make([]error, len(put.GetCodes()))
	for i, code := range put.GetCodes() {
		if code != 0 {
			results[i] = wire.ErrorOf(code)
		}
	}
	return results, nil
}

// ParseUnfinished reads the Value of a TakeGroupMail or Tick: whether the same
// command again would find more to do.
func ParseUnfinished(value []byte) (more bool, err error) {
	var unfinished pb.Unfinished
	if err := proto.Unmarshal(value, &unfinished); err != nil {
		return false, fmt.Errorf("directory: unfinished: %w", err)
	}
	return unfinished.GetMore(), nil
}

// lettersPut is what ParseLettersPut reads.
func lettersPut(results []error) ([]byte, error) {
	put := &pb.LettersPut{}
	for _, err := range results {
		var code uint32
		if err != nil {
			code = wire.Code(err)
		}
		put.Codes = append(put.Codes, code)
	}
	return marshal(put)
}

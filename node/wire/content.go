package wire

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/node/wire/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// ErrContent is returned for plaintext that a session or sender chain opened
// but that is no valid content: its sender runs something else than this
// program, or one that is newer.
var ErrContent = errors.New("wire: the message's content is not valid")

// Content is what one device tells another inside a session.
type Content struct {
	ID     MessageID
	SentAt time.Time // by the sender's clock, to the millisecond
	// To is set in a copy to the sender's own other devices: whom the original
	// went to.
	To   record.Account
	Body Body
}

// GroupContent is what a member device tells a group inside its sender chain.
type GroupContent struct {
	ID          MessageID
	SentAt      time.Time
	ChainLength uint64 // the membership chain as the sender knows it
	ChainHead   record.Hash
	After       []After // at most MaxAfter
	Body        Body    // Text or FileOffer
}

// After names the last message of another sender chain that the sender had shown
// before it wrote.
type After struct {
	Chain       [16]byte // senderkey's chain ID
	Next        uint32   // the number that follows it in its chain
	ChainLength uint64   // the membership chain as its own sender knew it
	SentAt      time.Time
}

// Body is one of Text, FileOffer, SenderKey, EpochRequest, EpochSecret, FileReceived,
// Received, Seen, HistoryRequest and HistoryPart.
type Body interface{ body() }

// Text is what a person wrote: valid UTF-8, 1 to MaxText bytes.
type Text string

// FileOffer is a manifest that package transfer has still to validate.
type FileOffer struct{ Manifest *pb.File }

// SenderKey hands out a sender chain (package senderkey).
type SenderKey struct {
	Group        record.GroupID
	Epoch        uint64
	Distribution []byte
}

// EpochRequest asks for the secret of an epoch.
type EpochRequest struct {
	Group record.GroupID
	Epoch uint64
}

// EpochSecret answers it.
type EpochSecret struct {
	Group  record.GroupID
	Epoch  uint64
	Secret key.Epoch
}

// FileReceived says that the file which a message announced is whole on the
// receiver's disk.
type FileReceived struct{ Message MessageID }

// Received acknowledges messages to a device that was not there to be answered at
// once. At most MaxReceived in all.
type Received struct {
	Messages []MessageID // that are on the receiver's disk
	Unopened []MessageID // that did not open, and are to be sealed in a new session
}

// Seen says that a person has seen messages, at most MaxReceived.
type Seen struct{ Messages []MessageID }

func (Text) body()           {}
func (FileOffer) body()      {}
func (SenderKey) body()      {}
func (EpochRequest) body()   {}
func (EpochSecret) body()    {}
func (FileReceived) body()   {}
func (Received) body()       {}
func (Seen) body()           {}
func (HistoryRequest) body() {}
func (HistoryPart) body()    {}

// CheckText reports ErrContent for a text that cannot be sent.
func CheckText(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("%w: the text is empty", ErrContent)
	case len(s) > MaxText:
		return fmt.Errorf("%w: the text has %d bytes, at most %d", ErrContent, len(s), MaxText)
	case !utf8.ValidString(s):
		return fmt.Errorf("%w: the text is not UTF-8", ErrContent)
	}
	return nil
}

// Marshal returns the content's bytes, not padded.
func (c Content) Marshal() ([]byte, error) {
	m := &pb.Content{Id: c.ID[:], SentAt: c.SentAt.UnixMilli(), To: string(c.To)}
	switch b := c.Body.(type) {
	case Text:
		m.Kind = &pb.Content_Text{Text: &pb.Text{Body: string(b)}}
	case FileOffer:
		m.Kind = &pb.Content_File{File: b.Manifest}
	case SenderKey:
		m.Kind = &pb.Content_SenderKey{SenderKey: &pb.SenderKey{Group: b.Group[:], Epoch: b.Epoch, Distribution: b.Distribution}}
	case EpochRequest:
		m.Kind = &pb.Content_EpochRequest{EpochRequest: &pb.EpochRequest{Group: b.Group[:], Epoch: b.Epoch}}
	case EpochSecret:
		m.Kind = &pb.Content_EpochSecret{EpochSecret: &pb.EpochSecret{Group: b.Group[:], Epoch: b.Epoch, Secret: b.Secret.Bytes()}}
	case FileReceived:
		m.Kind = &pb.Content_FileReceived{FileReceived: &pb.FileReceived{Message: b.Message[:]}}
	case Received:
		m.Kind = &pb.Content_Received{Received: &pb.Received{Messages: rawIDs(b.Messages), Unopened: rawIDs(b.Unopened)}}
	case Seen:
		m.Kind = &pb.Content_Seen{Seen: &pb.Seen{Messages: rawIDs(b.Messages)}}
	case HistoryRequest:
		m.Kind = &pb.Content_GroupHistory{GroupHistory: b.toWire()}
	case HistoryPart:
		m.Kind = &pb.Content_GroupHistory{GroupHistory: b.toWire()}
	default:
		return nil, fmt.Errorf("%w: nothing to say", ErrContent)
	}
	return proto.Marshal(m)
}

// ParseContent reads and validates what Marshal wrote. It returns ErrContent.
func ParseContent(b []byte) (Content, error) {
	var m pb.Content
	if err := proto.Unmarshal(b, &m); err != nil {
		return Content{}, fmt.Errorf("%w: %w", ErrContent, err)
	}
	c := Content{SentAt: time.UnixMilli(m.GetSentAt()).UTC()}
	var err error
	if m.GetTo() != "" {
		if c.To, err = record.ParseAccount(m.GetTo()); err != nil {
			return Content{}, fmt.Errorf("%w: %w", ErrContent, err)
		}
	}
	var p parser
	p.fixed(c.ID[:], m.GetId())
	switch k := m.GetKind().(type) {
	case *pb.Content_Text:
		c.Body = p.text(k.Text)
	case *pb.Content_File:
		c.Body = p.file(k.File)
	case *pb.Content_SenderKey:
		c.Body = SenderKey{Group: p.group(k.SenderKey.GetGroup()), Epoch: k.SenderKey.GetEpoch(), Distribution: k.SenderKey.GetDistribution()}
	case *pb.Content_EpochRequest:
		c.Body = EpochRequest{Group: p.group(k.EpochRequest.GetGroup()), Epoch: k.EpochRequest.GetEpoch()}
	case *pb.Content_EpochSecret:
		c.Body = EpochSecret{Group: p.group(k.EpochSecret.GetGroup()), Epoch: k.EpochSecret.GetEpoch(), Secret: p.epoch(k.EpochSecret.GetSecret())}
	case *pb.Content_FileReceived:
		var done FileReceived
		p.fixed(done.Message[:], k.FileReceived.GetMessage())
		c.Body = done
	case *pb.Content_Received:
		c.Body = Received{p.ids(k.Received.GetMessages()), p.ids(k.Received.GetUnopened())}
	case *pb.Content_Seen:
		c.Body = Seen{p.ids(k.Seen.GetMessages())}
	case *pb.Content_GroupHistory:
		c.Body = p.history(k.GroupHistory)
	default:
		p.fail(errors.New("an unknown kind"))
	}
	if p.err != nil {
		return Content{}, p.err
	}
	return c, nil
}

// Marshal returns the content's bytes, not padded.
func (c GroupContent) Marshal() ([]byte, error) {
	m := &pb.GroupContent{
		Id: c.ID[:], SentAt: c.SentAt.UnixMilli(),
		ChainLength: c.ChainLength, ChainHead: c.ChainHead[:],
	}
	for _, a := range c.After[:min(len(c.After), MaxAfter)] {
		m.After = append(m.After, &pb.After{Chain: a.Chain[:], Next: a.Next, ChainLength: a.ChainLength, SentAt: a.SentAt.UnixMilli()})
	}
	switch b := c.Body.(type) {
	case Text:
		m.Kind = &pb.GroupContent_Text{Text: &pb.Text{Body: string(b)}}
	case FileOffer:
		m.Kind = &pb.GroupContent_File{File: b.Manifest}
	default:
		return nil, fmt.Errorf("%w: not for a group", ErrContent)
	}
	return proto.Marshal(m)
}

// ParseGroupContent reads and validates what Marshal wrote. It returns
// ErrContent.
func ParseGroupContent(b []byte) (GroupContent, error) {
	var m pb.GroupContent
	if err := proto.Unmarshal(b, &m); err != nil {
		return GroupContent{}, fmt.Errorf("%w: %w", ErrContent, err)
	}
	c := GroupContent{SentAt: time.UnixMilli(m.GetSentAt()).UTC(), ChainLength: m.GetChainLength()}
	var p parser
	p.fixed(c.ID[:], m.GetId())
	p.fixed(c.ChainHead[:], m.GetChainHead())
	c.After = p.after(m.GetAfter())
	switch k := m.GetKind().(type) {
	case *pb.GroupContent_Text:
		c.Body = p.text(k.Text)
	case *pb.GroupContent_File:
		c.Body = p.file(k.File)
	default:
		p.fail(errors.New("an unknown kind"))
	}
	if p.err != nil {
		return GroupContent{}, p.err
	}
	return c, nil
}

// parser converts fields; the first failure sticks.
type parser struct{ err error }

func (p *parser) fail(why error) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: %w", ErrContent, why)
	}
}

func (p *parser) fixed(dst, src []byte) {
	if len(src) != len(dst) {
		p.fail(errors.New("a field has the wrong length"))
		return
	}
	copy(dst, src)
}

func (p *parser) group(b []byte) (id record.GroupID) {
	p.fixed(id[:], b)
	return id
}

func (p *parser) epoch(b []byte) key.Epoch {
	k, err := key.ParseEpoch(b)
	if err != nil {
		p.fail(err)
	}
	return k
}

// ids reads message IDs.
func (p *parser) ids(raw [][]byte) []MessageID {
	if len(raw) > MaxReceived {
		p.fail(errors.New("too many messages"))
		return nil
	}
	ids := make([]MessageID, len(raw))
	for i := range raw {
		p.fixed(ids[i][:], raw[i])
	}
	return ids
}

func (p *parser) after(raw []*pb.After) (after []After) {
	if len(raw) > MaxAfter {
		p.fail(errors.New("it follows too many messages"))
		return nil
	}
	for _, r := range raw {
		a := After{Next: r.GetNext(), ChainLength: r.GetChainLength(), SentAt: time.UnixMilli(r.GetSentAt()).UTC()}
		p.fixed(a.Chain[:], r.GetChain())
		after = append(after, a)
	}
	return after
}

func rawIDs(ids []MessageID) [][]byte {
	raw := make([][]byte, len(ids))
	for i := range ids {
		raw[i] = ids[i][:]
	}
	return raw
}

func (p *parser) text(t *pb.Text) Text {
	if err := CheckText(t.GetBody()); err != nil {
		p.fail(err)
	}
	return Text(t.GetBody())
}

func (p *parser) file(f *pb.File) FileOffer {
	if f == nil {
		p.fail(errors.New("no manifest"))
	}
	return FileOffer{f}
}

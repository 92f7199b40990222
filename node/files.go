package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"

	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/node/group"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/transfer"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/node/wire/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

const (
	// maxSenders bounds the files whose hashes are kept in memory to be served; the
	// hashes of another one are made again from the file.
	maxSenders = 16
	// progressInterval is how often progress is told.
	progressInterval = 200 * time.Millisecond
)

// files sends files and fetches those that others send.
type files struct {
	d      *device
	folder downloads

	mu       sync.Mutex
	senders  map[transfer.ID]*transfer.Sender
	fetching map[transfer.ID]*fetch
	start    func(*fetch) // runs it; nil before run and after its end
	running  sync.WaitGroup
}

func newFiles(d *device) *files {
	return &files{
		d: d, folder: downloads{d.cfg.Downloads},
		senders:  make(map[transfer.ID]*transfer.Sender),
		fetching: make(map[transfer.ID]*fetch),
	}
}

// transferRow is what the store keeps of a transfer.
type transferRow struct {
	Outgoing bool
	Message  wire.MessageID
	Account  record.Account   // whom it goes to, or who sent it
	Group    record.GroupName // set: it goes to a group
	GroupID  record.GroupID
	From     []byte // the peer ID of the device that has it; of an incoming one
	To       record.Account
	Path     string // where it lies; of an outgoing one
	SentAt   time.Time
	Manifest []byte // a marshalled pb.File
}

func (r transferRow) device() peer.ID { return peer.ID(r.From) }

func (r transferRow) manifest() (transfer.Manifest, error) {
	var m pb.File
	if err := proto.Unmarshal(r.Manifest, &m); err != nil {
		return transfer.Manifest{}, fmt.Errorf("stored manifest: %w", err)
	}
	return transfer.FromWire(&m)
}

func putTransfer(tx *store.Tx, m transfer.Manifest, row transferRow) error {
	var err error
	if row.Manifest, err = proto.Marshal(m.ToWire()); err != nil {
		return err
	}
	raw, err := json.Marshal(row)
	if err != nil {
		return err
	}
	tx.PutTransfer(m.ID, raw)
	return nil
}

func getTransfer(tx *store.Tx, id transfer.ID) (row transferRow, ok bool) {
	raw, ok := tx.Transfer(id)
	return row, ok && json.Unmarshal(raw, &row) == nil
}

// announced is a file that is about to be sent.
type announced struct {
	message  wire.MessageID
	manifest transfer.Manifest
	path     string // absolute
}

// announce reads a file once and describes it. What cannot be sent is refused
// in words.
func (f *files) announce(ctx context.Context, path string) (announced, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return announced{}, fail(CodeNoFile, err, "", "There is no file %q.", path)
	}
	file, size, err := openFile(path)
	if err != nil {
		return announced{}, err
	}
	defer file.Close()
	a := announced{message: wire.NewMessageID(), path: path}
	name := filepath.Base(path)
	digest := transfer.NewDigest()
	told := progress{f: f, id: a.message, name: name, total: size}
	if _, err := io.Copy(io.MultiWriter(digest, &told), contextReader{ctx, file}); err != nil {
		return announced{}, unreadable(path, err)
	}
	m, hashes := digest.Finish(name)
	a.manifest = m
	sender, err := transfer.NewSender(m, hashes)
	if err != nil {
		return announced{}, explain(err, "read the file")
	}
	f.remember(m.ID, sender)
	return a, nil
}

// openFile opens a file that may be sent.
func openFile(path string) (*os.File, int64, error) {
	file, info, err := openRegular(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = fail(CodeNoFile, err, "Check the path; one with spaces can be quoted.", "There is no file %q.", path)
	case errors.Is(err, errNotRegular) && info.IsDir():
		err = fail(CodeNoFile, err, "Pack it into one file first.", "%q is a folder.", path)
	case errors.Is(err, errNotRegular):
		err = fail(CodeNoFile, err, "Copy it into an ordinary file first.", "%q is not an ordinary file.", path)
	case err != nil:
		err = unreadable(path, err)
	case info.Size() > wire.MaxFile:
		err = fail(CodeTooLong, nil, "Split it.", "%q is larger than %d GiB.", path, wire.MaxFile>>30)
	case len(filepath.Base(path)) > wire.MaxFileName:
		err = fail(CodeTooLong, nil, "Give it a shorter name.", "The name of %q is too long.", path)
	}
	if err != nil {
		if file != nil {
			file.Close()
		}
		return nil, 0, err
	}
	return file, info.Size(), nil
}

// errNotRegular is returned for folders, pipes and devices.
var errNotRegular = errors.New("not an ordinary file")

// openRegular opens a regular file. It looks before it opens, since to open a
// pipe is to wait until somebody writes to it.
func openRegular(path string) (*os.File, fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, info, errNotRegular
	}
	file, err := os.Open(path)
	return file, info, err
}

func unreadable(path string, err error) *Error {
	if errors.Is(err, fs.ErrPermission) {
		return fail(CodeNoFile, err, "Check its permissions.", "The file %q may not be read.", path)
	}
	why := err
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		why = at.Err // the path is named already
	}
	return fail(CodeNoFile, err, "Check it and try again.", "The file %q cannot be read: %v.", path, why)
}

// send announces a file to an account.
func (f *files) send(ctx context.Context, to, path string) (wire.MessageID, error) {
	contact, err := f.d.recipient(ctx, to)
	if err != nil {
		return wire.MessageID{}, err
	}
	if contact.Account == f.d.self.Account {
		return wire.MessageID{}, fail(CodeUsage, nil, "Name somebody else.", "A file cannot be sent to your own account.")
	}
	if err := f.d.contacts.writable(contact.Account); err != nil {
		return wire.MessageID{}, err
	}
	a, err := f.announce(ctx, path)
	if err != nil {
		return wire.MessageID{}, err
	}
	now := time.Now()
	err = f.d.commit(func(tx *store.Tx, fx *effects) error {
		fx.tell(Event{Kind: EventSending, ID: a.message.String(), To: contact.Account, Name: a.manifest.Name, Size: a.manifest.Size})
		if err := f.keepOutgoing(tx, a, now, transferRow{Account: contact.Account}, string(contact.Account)); err != nil {
			return err
		}
		offer := wire.FileOffer{Manifest: a.manifest.ToWire()}
		return f.d.address(tx, fx, contact, isFile, wire.Content{ID: a.message, SentAt: now, Body: offer})
	})
	return a.message, sendingFailed(err, contact.Account)
}

// sendGroup announces a file to a group.
func (f *files) sendGroup(ctx context.Context, name record.GroupName, path string) (wire.MessageID, error) {
	if _, err := f.d.rooms.mine(name); err != nil {
		return wire.MessageID{}, f.d.rooms.notMine(ctx, name, explain(err, "send to the group"))
	}
	a, err := f.announce(ctx, path)
	if err != nil {
		return wire.MessageID{}, err
	}
	offer := wire.FileOffer{Manifest: a.manifest.ToWire()}
	return a.message, f.d.rooms.send(ctx, name, a.message, offer, func(tx *store.Tx, _ *effects, s group.State) error {
		return f.keepOutgoing(tx, a, time.Now(), transferRow{Group: name, GroupID: s.ID()}, conversation(name))
	})
}

// keepOutgoing stores a transfer, so that it can be served, and its line in the
// conversation.
func (f *files) keepOutgoing(tx *store.Tx, a announced, now time.Time, row transferRow, where string) error {
	row.Outgoing, row.Message, row.Path, row.SentAt = true, a.message, a.path, now
	tx.PutMeta(offerName(a.message), a.manifest.ID[:])
	f.d.keepOwn(tx, store.Message{ID: a.message, Conversation: where, File: fileLine(a.manifest, a.path)}, now)
	return putTransfer(tx, a.manifest, row)
}

func offerName(message wire.MessageID) string { return "offer/" + string(message[:]) }

func fileLine(m transfer.Manifest, path string) *store.File {
	return &store.File{ID: m.ID, Name: transfer.SafeName(m.Name), Size: uint64(m.Size), SHA256: m.SHA256, Path: path}
}

// received tells the person that a file is whole at the other side: once an
// account, though each of its devices says so, and not of one's own.
func (f *files) received(tx *store.Tx, fx *effects, a arrival, done wire.FileReceived) error {
	raw, ok := tx.Meta(offerName(done.Message))
	if !ok || len(raw) != len(transfer.ID{}) || a.own(f.d) {
		return nil
	}
	row, ok := getTransfer(tx, transfer.ID(raw))
	if !ok || !row.Outgoing || !f.mayFetch(row, a.device) {
		return nil
	}
	told := receivedName(done.Message, a.from.Account)
	if _, again := tx.Meta(told); again {
		return nil
	}
	tx.PutMeta(told, []byte{1})
	fx.tell(Event{Kind: EventDelivered, ID: done.Message.String(), By: a.from.Account, Group: row.Group})
	return nil
}

func receivedName(message wire.MessageID, by record.Account) string {
	return "received/" + string(message[:]) + string(by)
}

// mayFetch reports whether a device is one that a file was sent to.
func (f *files) mayFetch(row transferRow, device peer.ID) bool {
	if row.Group != "" {
		return f.d.rooms.isMember(row.GroupID, device)
	}
	owner, ok := f.d.people.owner(device)
	return ok && (owner == row.Account && !f.d.contacts.blocks(owner) || owner == f.d.self.Account)
}

// serve answers a device that fetches a file.
func (f *files) serve(ctx context.Context, from peer.ID, req *pb.FileRequest, reply func(*pb.FileReply) error) error {
	refuse := func(why pb.Refusal) error { return reply(&pb.FileReply{Refusal: why}) }
	if len(req.GetId()) != len(transfer.ID{}) {
		return refuse(pb.Refusal_UNKNOWN)
	}
	var row transferRow
	var known bool
	err := f.d.store.View(func(tx *store.Tx) error {
		row, known = getTransfer(tx, transfer.ID(req.GetId()))
		return nil
	})
	if err != nil {
		return err
	}
	if !known || !row.Outgoing || !f.mayFetch(row, from) {
		return refuse(pb.Refusal_UNKNOWN)
	}
	err = f.stream(ctx, row, req.GetFrom(), func(m *pb.FileReply) error {
		if !f.mayFetch(row, from) { // not any more
			return errUnwanted
		}
		return reply(m)
	})
	if hasChanged(err) {
		f.d.emit(Event{Kind: EventError, ID: row.Message.String(), Err: fail(CodeFileFailed, err, "Send it again.",
			"The file %q has changed or gone since it was sent, so that it cannot be fetched any more.", row.Path)})
		return refuse(pb.Refusal_GONE)
	}
	return err
}

// hasChanged reports whether a file is not what was announced, or gone.
func hasChanged(err error) bool {
	return errors.Is(err, transfer.ErrChanged) || errors.Is(err, errNotRegular) ||
		errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
}

// stream sends the list of hashes and then the chunks from one on.
func (f *files) stream(ctx context.Context, row transferRow, from uint64, reply func(*pb.FileReply) error) error {
	m, err := row.manifest()
	if err != nil {
		return err
	}
	file, _, err := openRegular(row.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	sender, err := f.sender(m, file)
	if err != nil {
		return err
	}
	for i := range m.HashFrames() {
		sealed, err := sender.Hashes(i)
		if err != nil {
			return err
		}
		if err := reply(&pb.FileReply{Hashes: sealed}); err != nil {
			return err
		}
	}
	told := progress{f: f, id: row.Message, name: m.Name, total: m.Size, done: int64(from) * seal.ChunkSize}
	chunk := make([]byte, seal.ChunkSize)
	for i := from; i < transfer.Chunks(m.Size) && ctx.Err() == nil; i++ {
		plain := chunk[:m.ChunkLen(i)]
		if _, err := file.ReadAt(plain, int64(i)*seal.ChunkSize); err != nil {
			return fmt.Errorf("%w: %w", transfer.ErrChanged, err)
		}
		sealed, err := sender.Chunk(i, plain)
		if err != nil {
			return err
		}
		if err := reply(&pb.FileReply{Chunk: sealed}); err != nil {
			return err
		}
		told.Write(plain)
	}
	return ctx.Err()
}

// sender returns what seals a file's chunks, from memory or by reading the file
// again.
func (f *files) sender(m transfer.Manifest, file *os.File) (*transfer.Sender, error) {
	f.mu.Lock()
	s, ok := f.senders[m.ID]
	f.mu.Unlock()
	if ok {
		return s, nil
	}
	digest := transfer.NewDigest()
	if _, err := io.Copy(digest, io.NewSectionReader(file, 0, m.Size+1)); err != nil {
		return nil, err
	}
	hashes, err := digest.Check(m)
	if err != nil {
		return nil, err
	}
	if s, err = transfer.NewSender(m, hashes); err != nil {
		return nil, err
	}
	f.remember(m.ID, s)
	return s, nil
}

func (f *files) remember(id transfer.ID, s *transfer.Sender) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.senders) >= maxSenders {
		for other := range f.senders {
			delete(f.senders, other)
			break
		}
	}
	f.senders[id] = s
}

// progress tells how far something is, now and then and at its end. It counts
// what is written to it.
type progress struct {
	f           *files
	id          wire.MessageID
	name        string
	done, total int64
	told        time.Time
}

func (p *progress) Write(b []byte) (int, error) {
	p.done += int64(len(b))
	if now := time.Now(); now.Sub(p.told) >= progressInterval || p.done == p.total {
		if !p.told.IsZero() || p.done == p.total { // nothing for what is over at once
			p.f.d.emit(Event{Kind: EventProgress, ID: p.id.String(), Name: transfer.SafeName(p.name), Done: p.done, Total: p.total})
		}
		p.told = now
	}
	return len(b), nil
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}

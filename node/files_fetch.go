package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/node/group"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/transfer"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/node/wire/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

const (
	// maxFetches bounds the files that are fetched at a time.
	maxFetches = 4
	// maxCorrupt is how often a file is fetched anew that came wrong: a sender that
	// sends garbage does not keep this device busy.
	maxCorrupt = 3
	// fetchDelay and maxFetchDelay bound the pause before a fetch is tried again;
	// the sender's device showing itself ends it.
	fetchDelay    = time.Second
	maxFetchDelay = 2 * time.Minute
)

// fetch is a file on its way to this device.
type fetch struct {
	id      transfer.ID
	row     transferRow
	present chan struct{} // holds a token when the sender's device has shown itself
}

var (
	errRefused = errors.New("the sender's device does not hand it out")
	errGone    = errors.New("the file is no longer what it was, or gone")
	// errUnwanted ends a transfer whose other side the person has blocked meanwhile.
	errUnwanted = errors.New("the other side is not wanted any more")
)

// offered begins to fetch a file that somebody sends.
func (f *files) offered(tx *store.Tx, fx *effects, a arrival, offer wire.FileOffer) error {
	from, _ := a.parties(f.d)
	return f.accept(tx, fx, offer, transferRow{
		Message: a.content.ID, Account: from, To: a.to(f.d), From: []byte(a.device), SentAt: a.content.SentAt,
	})
}

// offeredToGroup begins to fetch a file that a member sends to a group.
func (f *files) offeredToGroup(tx *store.Tx, fx *effects, name record.GroupName, from group.Member, c wire.GroupContent, offer wire.FileOffer) error {
	return f.accept(tx, fx, offer, transferRow{
		Message: c.ID, Account: from.Account, Group: name, From: []byte(from.Device), SentAt: c.SentAt,
	})
}

func (f *files) accept(tx *store.Tx, fx *effects, offer wire.FileOffer, row transferRow) error {
	m, err := transfer.FromWire(offer.Manifest)
	if err != nil {
		f.d.log.Warn("a manifest is not valid and is dropped", "peer", row.device(), "err", err)
		return nil
	}
	if _, known := tx.Transfer(m.ID); known {
		return nil
	}
	fx.after(func() { f.begin(m.ID) })
	return putTransfer(tx, m, row)
}

// run fetches what is unfinished on disk, and then whatever begin asks for, until
// the context ends; it waits for all of it.
func (f *files) run(ctx context.Context) error {
	slots := make(chan struct{}, maxFetches)
	var unfinished []transfer.ID
	err := f.d.store.View(func(tx *store.Tx) error {
		for id := range tx.Transfers() {
			if row, ok := getTransfer(tx, id); ok && !row.Outgoing {
				unfinished = append(unfinished, id)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read transfers: %w", err)
	}
	f.mu.Lock()
	f.start = func(at *fetch) { f.running.Go(func() { f.work(ctx, at, slots) }) }
	for _, at := range f.fetching {
		f.start(at)
	}
	f.mu.Unlock()
	for _, id := range unfinished {
		f.begin(id)
	}
	<-ctx.Done()
	f.mu.Lock()
	f.start = nil
	f.mu.Unlock()
	f.running.Wait()
	return nil
}

// begin starts to fetch a file that the store knows.
func (f *files) begin(id transfer.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, going := f.fetching[id]; going {
		return
	}
	at := &fetch{id: id, present: make(chan struct{}, 1)}
	f.fetching[id] = at
	if f.start != nil {
		f.start(at)
	}
}

// seen has what a device sends fetched now.
func (f *files) seen(device peer.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, at := range f.fetching {
		if at.row.device() != device {
			continue
		}
		select {
		case at.present <- struct{}{}:
		default: // it knows
		}
	}
}

// work fetches one file, trying again until it is whole or cannot be had.
func (f *files) work(ctx context.Context, at *fetch, slots chan struct{}) {
	defer func() {
		f.mu.Lock()
		delete(f.fetching, at.id)
		f.mu.Unlock()
	}()
	var known bool
	err := f.d.store.View(func(tx *store.Tx) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		at.row, known = getTransfer(tx, at.id)
		return nil
	})
	if err != nil || !known {
		return
	}
	m, err := at.row.manifest()
	if err != nil {
		f.giveUp(at, m, err)
		return
	}
	corrupt := 0
	for delay := fetchDelay; ; delay = min(2*delay, maxFetchDelay) {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		err := f.fetchOnce(ctx, at, m)
		<-slots
		if errors.Is(err, transfer.ErrCorrupt) {
			corrupt++
		}
		switch {
		case err == nil, ctx.Err() != nil:
			return
		case errors.Is(err, errUnwanted):
			f.folder.discard(at.id) // forsake has removed the transfer, and the part may have been made again since
			return
		case errors.Is(err, errGone), errors.Is(err, errRefused), corrupt >= maxCorrupt:
			f.giveUp(at, m, err)
			return
		case isLocal(err):
			f.putOff(at, m, err)
			return
		}
		f.d.log.Info("a file is not whole yet", "peer", at.row.device(), "err", err)
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-at.present:
			delay = fetchDelay
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// isLocal reports whether it is this machine that a fetch failed on: a full disk,
// a folder that may not be written.
func isLocal(err error) bool {
	var local *os.PathError
	var link *os.LinkError
	return errors.As(err, &local) || errors.As(err, &link)
}

// putOff tells the person that this machine cannot take a file. The transfer
// stays, with what there is of it, and goes on at the next start.
func (f *files) putOff(at *fetch, m transfer.Manifest, why error) {
	f.d.emit(Event{Kind: EventError, ID: at.row.Message.String(), From: at.row.Account, Group: at.row.Group,
		Err: fail(CodeFileFailed, why, "Make room, or make the folder writable; the file is fetched when you next log in.",
			"The file %q from %s cannot be written here: %v.", transfer.SafeName(m.Name), at.row.Account, why)})
}

// giveUp forgets a transfer and tells the person.
func (f *files) giveUp(at *fetch, m transfer.Manifest, why error) {
	f.folder.discard(at.id)
	err := f.d.commit(func(tx *store.Tx, fx *effects) error {
		tx.RemoveTransfer(at.id)
		fx.tell(Event{Kind: EventError, ID: at.row.Message.String(), From: at.row.Account, Group: at.row.Group,
			Err: fail(CodeFileFailed, why, fmt.Sprintf("Ask %s to send it again.", at.row.Account),
				"The file %q from %s could not be fetched: %v.", transfer.SafeName(m.Name), at.row.Account, why)})
		return nil
	})
	if err != nil {
		f.d.log.Error("a transfer was not forgotten", "err", err)
	}
}

// forsake forgets what is to be fetched of an account that has been blocked.
func (f *files) forsake(a record.Account) error {
	var ids []transfer.ID
	err := f.d.commit(func(tx *store.Tx, _ *effects) error {
		ids = nil
		for id := range tx.Transfers() {
			if row, ok := getTransfer(tx, id); ok && !row.Outgoing && row.Account == a {
				tx.RemoveTransfer(id)
				ids = append(ids, id)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range ids {
		f.folder.discard(id)
	}
	return nil
}

// fetchOnce fetches what is missing of a file and, when it is whole, gives it its
// name.
func (f *files) fetchOnce(ctx context.Context, at *fetch, m transfer.Manifest) error {
	if f.d.contacts.blocks(at.row.Account) {
		return errUnwanted
	}
	bounded, cancel := context.WithTimeout(ctx, reachTimeout)
	err := f.d.reach(bounded, at.row.device())
	cancel()
	if err != nil {
		return err
	}
	part, err := f.folder.openPart(at.id)
	if err != nil {
		return err
	}
	defer part.Close()
	received, err := f.download(ctx, at, m, part)
	if err != nil {
		return err
	}
	if err := received.Verify(); err != nil {
		return errors.Join(err, part.Truncate(0))
	}
	if err := errors.Join(part.Truncate(m.Size), part.Sync(), part.Close()); err != nil {
		return err
	}
	path, err := f.folder.publish(at.id, m.Name)
	if err != nil {
		return err
	}
	return f.finish(at, m, path)
}

// download asks for the chunks that the part does not have and writes them.
func (f *files) download(ctx context.Context, at *fetch, m transfer.Manifest, part *os.File) (*transfer.Receiver, error) {
	r, err := transfer.NewReceiver(m)
	if err != nil {
		return nil, err
	}
	have, err := wholeChunks(part, m)
	if err != nil {
		return nil, err
	}
	told := progress{f: f, id: at.row.Message, name: m.Name, total: m.Size}
	req := &pb.FileRequest{Id: at.id[:], From: have}
	err = f.d.link.host.FetchFile(ctx, at.row.device(), req, func(reply *pb.FileReply) error {
		switch {
		case f.d.contacts.blocks(at.row.Account):
			return errUnwanted
		case reply.GetRefusal() == pb.Refusal_GONE:
			return errGone
		case reply.GetRefusal() != pb.Refusal_NONE:
			return errRefused
		case r.NeedHashes():
			if err := r.Hashes(reply.GetHashes()); err != nil || r.NeedHashes() {
				return err
			}
			return f.recall(r, m, part, have, &told)
		}
		index := r.Next()
		plain, err := r.Chunk(reply.GetChunk())
		if err != nil {
			return err
		}
		if _, err := part.WriteAt(plain, int64(index)*seal.ChunkSize); err != nil {
			return err
		}
		told.Write(plain)
		return nil
	})
	if err == nil && !r.Complete() {
		err = errors.New("the transfer ended early")
	}
	return r, err
}

// wholeChunks returns how many chunks the part seems to have.
func wholeChunks(part *os.File, m transfer.Manifest) (uint64, error) {
	info, err := part.Stat()
	if err != nil {
		return 0, err
	}
	if info.Size() >= m.Size && m.Size > 0 {
		return transfer.Chunks(m.Size), nil
	}
	return uint64(info.Size()) / seal.ChunkSize, nil
}

// recall checks the chunks that an earlier run wrote. If one of them is not what
// it should be, the part is cut off there, and the fetch begins anew from there.
func (f *files) recall(r *transfer.Receiver, m transfer.Manifest, part *os.File, have uint64, told *progress) error {
	chunk := make([]byte, seal.ChunkSize)
	for r.Next() < have {
		plain := chunk[:m.ChunkLen(r.Next())]
		_, err := part.ReadAt(plain, int64(r.Next())*seal.ChunkSize)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if !r.Have(plain) {
			return errors.Join(errors.New("an unfinished part was damaged"), part.Truncate(int64(r.Next())*seal.ChunkSize))
		}
		told.done += int64(len(plain))
	}
	return nil
}

// finish writes down that a file is whole, tells the person and the sender, and
// removes the part.
func (f *files) finish(at *fetch, m transfer.Manifest, path string) error {
	row := at.row
	where := conversation(row.Group)
	if row.Group == "" {
		where = string(row.Account)
		if row.Account == f.d.self.Account {
			where = string(row.To)
		}
	}
	err := f.d.commit(func(tx *store.Tx, fx *effects) error {
		tx.RemoveTransfer(at.id)
		tx.Append(store.Message{
			ID: row.Message, Conversation: where, From: row.Account, SentAt: row.SentAt, ReceivedAt: time.Now(),
			Device: row.device(), File: fileLine(m, path),
		})
		fx.tell(Event{
			Kind: EventFile, ID: row.Message.String(), At: row.SentAt, From: row.Account, To: row.To, Group: row.Group,
			Name: transfer.SafeName(m.Name), Size: m.Size, SHA256: hex.EncodeToString(m.SHA256[:]), Path: path,
		})
		owner, ok := f.d.people.owner(row.device())
		if !ok {
			return nil
		}
		return unlessFull(f.d.tellDevice(tx, fx, owner, row.device(), wire.FileReceived{Message: row.Message}))
	})
	if err == nil {
		f.folder.discard(at.id)
	}
	return err
}

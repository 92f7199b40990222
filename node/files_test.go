package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/transfer"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/node/wire/pb"
)

// random returns that many bytes which are the same in each run.
func random(size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{1: byte(size), 2: byte(size >> 8)}).Read(b)
	return b
}

// newFile writes a file into a folder of its own.
func newFile(t testing.TB, name string, content []byte) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// gives sends a file to an account and returns the message's ID.
func (p *person) gives(to, path string) string {
	p.Helper()
	id, err := p.SendFile(p.Context(), to, path)
	if err != nil {
		p.Fatalf("send file: %v", err)
	}
	return id
}

// gets waits for a file and checks it.
func (p *person) gets(id string, content []byte) Event {
	p.Helper()
	e := p.sees("the file", ofMessage(EventFile, id))
	got, err := os.ReadFile(e.Path)
	sum := sha256.Sum256(content)
	switch {
	case err != nil:
		p.Errorf("the file: %v", err)
	case !bytes.Equal(got, content):
		p.Errorf("%d bytes came, and not those that were sent", len(got))
	case e.SHA256 != hex.EncodeToString(sum[:]) || e.Size != int64(len(content)):
		p.Errorf("told %d bytes and %s", e.Size, e.SHA256)
	case filepath.Dir(e.Path) != p.device.cfg.Downloads:
		p.Errorf("it lies at %q", e.Path)
	}
	return e
}

// inDownloads returns the names of what lies in the downloads folder.
func (p *person) inDownloads() (names []string) {
	p.Helper()
	entries, err := os.ReadDir(p.device.cfg.Downloads)
	if err != nil {
		p.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// announced returns the transfer that a message of this person's announced.
func (p *person) announced(message string) (id transfer.ID) {
	p.Helper()
	raw, err := hex.DecodeString(message)
	if err != nil {
		p.Fatal(err)
	}
	err = p.device.store.View(func(tx *store.Tx) error {
		b, _ := tx.Meta(offerName(wire.MessageID(raw)))
		copy(id[:], b)
		return nil
	})
	if err != nil || id == (transfer.ID{}) {
		p.Fatalf("nothing was announced (%v)", err)
	}
	return id
}

// hatch stands between a node's files and those who fetch them. It counts the
// chunks that go out, and can hold them back.
type hatch struct {
	mu     sync.Mutex
	chunks int
	holdAt int           // before this chunk it holds; counted from 1, 0: never
	open   chan struct{} // closed: it holds no more
}

// hatch puts one in place that holds before a chunk.
func (p *person) hatch(holdAt int) *hatch {
	h := &hatch{holdAt: holdAt, open: make(chan struct{})}
	serve := p.device.files.serve
	p.device.link.host.ServeFiles(func(ctx context.Context, from peer.ID, req *pb.FileRequest, reply func(*pb.FileReply) error) error {
		return serve(ctx, from, req, func(r *pb.FileReply) error {
			if r.GetChunk() != nil && !h.pass(ctx) {
				return ctx.Err()
			}
			return reply(r)
		})
	})
	return h
}

func (h *hatch) pass(ctx context.Context) bool {
	h.mu.Lock()
	hold := h.chunks+1 == h.holdAt
	h.mu.Unlock()
	if hold {
		select {
		case <-h.open:
		case <-ctx.Done():
			return false
		}
	}
	h.mu.Lock()
	h.chunks++
	h.mu.Unlock()
	return true
}

// served returns how many chunks went out.
func (h *hatch) served() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.chunks
}

// hasPart waits until a growing file has so many chunks.
func (p *person) hasPart(id transfer.ID, chunks int64) (path string) {
	p.Helper()
	path = p.device.files.folder.partPath(id)
	await(p, "that part of the file", func() bool {
		info, err := os.Stat(path)
		return err == nil && info.Size() == chunks*seal.ChunkSize
	})
	return path
}

func TestFilesArriveByteForByte(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	for _, size := range []int{0, 1, seal.ChunkSize, 1<<20 + 17} {
		content := random(size)
		id := alice.gives("bob7", newFile(t, "photo.jpg", content))
		e := bob.gets(id, content)
		if e.From != "alice42" || e.To != "bob7" || e.Group != "" {
			t.Errorf("the event is %+v", e)
		}
		if e := alice.sees("that it was delivered", ofMessage(EventDelivered, id)); e.By != "bob7" {
			t.Errorf("delivered by %q", e.By)
		}
	}
	want := []string{"photo (2).jpg", "photo (3).jpg", "photo (4).jpg", "photo.jpg"}
	if got := bob.inDownloads(); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("downloads has %q, want %q", got, want)
	}
	hostileNames(t, alice, bob)
	deliveredOnlyWhenWhole(t, alice, bob)
	downloadsThatCannotBeWritten(t, alice, bob)
}

// A peer may call a file whatever it likes; it ends up in the downloads folder.
func hostileNames(t *testing.T, alice, bob *person) {
	content := []byte("harmless")
	for _, name := range []string{
		"../../evil", "/etc/evil", `..\..\evil`, "..", "", ".bashrc", "a\x00b", "line\nbreak\x1b[2J", "\u202efdp.exe", "CON", "\xff\xfe", strings.Repeat("é", 120),
	} {
		path := newFile(t, "f", content)
		a, err := alice.device.files.announce(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		a.manifest.Name = name
		contact, _ := alice.device.people.contact("bob7")
		err = alice.device.commit(func(tx *store.Tx, fx *effects) error {
			offer := wire.FileOffer{Manifest: a.manifest.ToWire()}
			err := alice.device.files.keepOutgoing(tx, a, time.Now(), transferRow{Account: "bob7"}, "bob7")
			if err != nil {
				return err
			}
			return alice.device.address(tx, fx, contact, isFile, wire.Content{ID: a.message, SentAt: time.Now(), Body: offer})
		})
		if name == "\xff\xfe" { // protobuf sends no such string
			if err == nil {
				t.Errorf("%q was sent", name)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		e := bob.gets(a.message.String(), content)
		if strings.ContainsAny(e.Name+filepath.Base(e.Path), "/\\\x00\n\x1b\u202e") || strings.HasPrefix(filepath.Base(e.Path), ".") {
			t.Errorf("%q became %q at %q", name, e.Name, e.Path)
		}
	}
	if _, err := os.Stat(filepath.Join(bob.home, "evil")); err == nil {
		t.Error("a file left the downloads folder")
	}
}

func deliveredOnlyWhenWhole(t *testing.T, alice, bob *person) {
	content := random(4 * seal.ChunkSize)
	hatch := alice.hatch(4)
	id := alice.gives("bob7", newFile(t, "slow.bin", content))
	bob.hasPart(alice.announced(id), 3)
	alice.sees("that the announcement was sent", ofMessage(EventSent, id))
	if alice.all(ofMessage(EventDelivered, id)) != nil || bob.all(ofMessage(EventFile, id)) != nil {
		t.Error("a file counts as delivered before it is whole")
	}
	if _, err := os.Stat(filepath.Join(bob.device.cfg.Downloads, "slow.bin")); err == nil {
		t.Error("a file has its name before it is whole")
	}
	close(hatch.open)
	alice.sees("that it was delivered", ofMessage(EventDelivered, id))
	bob.gets(id, content)
}

// A folder that cannot be written is said, and the file is fetched once it can.
func downloadsThatCannotBeWritten(t *testing.T, alice, bob *person) {
	folder := bob.device.cfg.Downloads
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(folder, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	content := random(100)
	id := alice.gives("bob7", newFile(t, "later.bin", content))
	wantCode(t, bob.sees("an error", ofMessage(EventError, id)).Err, CodeFileFailed)
	if alice.all(ofMessage(EventDelivered, id)) != nil {
		t.Error("delivered though it could not be written")
	}
	if err := os.Remove(folder); err != nil {
		t.Fatal(err)
	}
	bob.again("bob7").gets(id, content)
	alice.sees("that it was delivered", ofMessage(EventDelivered, id))
}

// A file that breaks off goes on where it was, whichever side went away, and
// what was there already is not sent again.
func TestTransferGoesOnWhereItBroke(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	const chunks = 20
	content := random((chunks-1)*seal.ChunkSize + 17)
	path := newFile(t, "long.bin", content)

	first := alice.hatch(4)
	id := alice.gives("bob7", path)
	transfer := alice.announced(id)
	bob.hasPart(transfer, 3)
	alice.end() // the sender, in the middle of it
	bob.end()

	alice = w.open(alice.home)
	alice.login("alice42")
	second := alice.hatch(8)
	bob = w.open(bob.home)
	bob.login("bob7")
	bob.hasPart(transfer, 3+7)
	bob.end() // and the receiver
	close(second.open)

	third := alice.hatch(0)
	bob = w.open(bob.home)
	bob.login("bob7")
	bob.gets(id, content)
	alice.sees("that it was delivered", ofMessage(EventDelivered, id))
	if first.served() != 3 || third.served() != chunks-3-7 {
		t.Errorf("served %d, %d and %d chunks of %d", first.served(), second.served(), third.served(), chunks)
	}
	damagedPart(t, alice, bob)
}

// A part that was damaged on the disk is noticed, and mended from there on.
func damagedPart(t *testing.T, alice, bob *person) {
	content := random(10 * seal.ChunkSize)
	alice.hatch(7)
	id := alice.gives("bob7", newFile(t, "rotten.bin", content))
	part := bob.hasPart(alice.announced(id), 6)
	bob.end()
	b, err := os.ReadFile(part)
	if err != nil {
		t.Fatal(err)
	}
	b[2*seal.ChunkSize+5] ^= 1
	if err := os.WriteFile(part, b, 0o600); err != nil {
		t.Fatal(err)
	}
	alice.hatch(0)
	bob = bob.w.open(bob.home)
	bob.login("bob7")
	bob.gets(id, content)
	alice.sees("that it was delivered", ofMessage(EventDelivered, id))
	if got := bob.inDownloads(); strings.Join(got, "|") != "long.bin|rotten.bin" {
		t.Errorf("downloads has %q", got)
	}
}

// What is sent to somebody who is away waits on the disk. If the file has changed
// or gone when they come for it, both sides are told, and nothing of it appears.
func TestFilesWaitForTheRecipient(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	alice.says("bob7", "hello")
	bob.end()
	content := random(3 * seal.ChunkSize)
	kept, changed, gone := newFile(t, "kept", content), newFile(t, "changed", content), newFile(t, "gone", content)
	replaced := newFile(t, "replaced", content)
	ids := make(map[string]string)
	for _, path := range []string{kept, changed, gone, replaced} {
		ids[path] = alice.gives("bob7", path)
	}
	content[len(content)-1] ^= 1
	err := os.WriteFile(changed, content, 0o600)
	content[len(content)-1] ^= 1
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{gone, replaced} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(replaced, 0o700); err != nil {
		t.Fatal(err)
	}
	alice = alice.again("alice42")
	bob = w.open(bob.home)
	bob.login("bob7")

	bob.gets(ids[kept], content)
	alice.sees("that it was delivered", ofMessage(EventDelivered, ids[kept]))
	for _, path := range []string{changed, gone, replaced} {
		wantCode(t, alice.sees(filepath.Base(path), ofMessage(EventError, ids[path])).Err, CodeFileFailed)
		wantCode(t, bob.sees(filepath.Base(path), ofMessage(EventError, ids[path])).Err, CodeFileFailed)
		if alice.all(ofMessage(EventDelivered, ids[path])) != nil {
			t.Errorf("%s counts as delivered", path)
		}
	}
	if got := bob.inDownloads(); strings.Join(got, "|") != "kept" {
		t.Errorf("downloads has %q", got)
	}
	changedOnTheWay(t, alice, bob)
}

func changedOnTheWay(t *testing.T, alice, bob *person) {
	path := newFile(t, "shifting", random(4*seal.ChunkSize))
	hatch := alice.hatch(2)
	id := alice.gives("bob7", path)
	bob.hasPart(alice.announced(id), 1)
	if err := os.Truncate(path, 2*seal.ChunkSize); err != nil {
		t.Fatal(err)
	}
	close(hatch.open)
	wantCode(t, alice.sees("an error", ofMessage(EventError, id)).Err, CodeFileFailed)
	wantCode(t, bob.sees("an error", ofMessage(EventError, id)).Err, CodeFileFailed)
	if got := bob.inDownloads(); strings.Join(got, "|") != "kept" {
		t.Errorf("downloads has %q", got)
	}
}

func TestGroupFileReachesMembersOnly(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol, eve := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("carol", "9"), w.newPerson("eve", "1")
	alice.founds("g1", bob, carol)
	eve.says("alice42", "hello") // connected, and known
	content := random(2*seal.ChunkSize + 1)
	path := newFile(t, "minutes.txt", content)
	id, err := alice.SendGroupFile(t.Context(), "g1", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, member := range []*person{bob, carol} {
		if e := member.gets(id, content); e.From != "alice42" || e.Group != "g1" || e.To != "" {
			t.Errorf("the event is %+v", e)
		}
	}
	await(t, "that both have it", func() bool {
		by := make(map[string]int)
		for _, e := range alice.all(ofMessage(EventDelivered, id)) {
			by[string(e.By)]++
		}
		return by["bob7"] == 1 && by["carol9"] == 1
	})
	direct := alice.gives("bob7", path)
	bob.gets(direct, content)
	strangersGetNoFile(t, alice, eve, alice.announced(id), alice.announced(direct))

	_, err = eve.SendGroupFile(t.Context(), "g1", path)
	wantCode(t, err, CodeNotMember)
	_, err = alice.SendGroupFile(t.Context(), "g2", path)
	wantCode(t, err, CodeNoGroup)
	if got := eve.all(func(e Event) bool { return e.Kind == EventFile }); got != nil {
		t.Errorf("eve has %+v", got)
	}
}

// Who knows a file's ID and is not one of those whom it was sent to gets the same
// answer as for an ID that nobody knows.
func strangersGetNoFile(t *testing.T, alice, eve *person, ids ...transfer.ID) {
	server := alice.device.self.Device
	if err := eve.device.reach(t.Context(), server); err != nil {
		t.Fatal(err)
	}
	for _, id := range append(ids, transfer.ID{1, 2, 3}) {
		var replies []*pb.FileReply
		err := eve.device.link.host.FetchFile(t.Context(), server, &pb.FileRequest{Id: id[:]}, func(r *pb.FileReply) error {
			replies = append(replies, r)
			return nil
		})
		if err != nil || len(replies) != 1 || replies[0].GetRefusal() != pb.Refusal_UNKNOWN || replies[0].GetHashes() != nil {
			t.Errorf("eve gets %d frames, %v", len(replies), err)
		}
	}
}

// A file to somebody with another device of one's own: that has it too, and only
// the recipient makes it delivered.
func TestOwnDevicesGetCopiesOfFiles(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	alice.says("bob7", "hello")
	tablet := w.open("")
	tablet.login("alice42")
	alice.seesNotices("alice42", 1)
	bob.end()
	content := random(1000)
	id := alice.gives("bob7", newFile(t, "mine.txt", content))
	if e := tablet.gets(id, content); e.From != "alice42" || e.To != "bob7" {
		t.Errorf("the copy is %+v", e)
	}
	tablet.says("alice42", "note") // after the tablet's receipt, on the same way
	alice.sees("the note", text("note"))
	if got := alice.all(ofMessage(EventDelivered, id)); got != nil {
		t.Errorf("delivered by %q while bob is away", got[0].By)
	}
	bob = w.open(bob.home)
	bob.login("bob7")
	bob.gets(id, content)
	if e := alice.sees("that it was delivered", ofMessage(EventDelivered, id)); e.By != "bob7" {
		t.Errorf("delivered by %q", e.By)
	}
}

func TestFilesThatCannotBeSent(t *testing.T) {
	folder := t.TempDir()
	for name, path := range map[string]string{
		"missing": filepath.Join(folder, "no such file"), "a folder": folder, "the working folder": "", "a device": os.DevNull,
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := openFile(path)
			wantCode(t, err, CodeNoFile)
		})
	}
	wantCode(t, unreadable("secret", &fs.PathError{Op: "open", Err: fs.ErrPermission}), CodeNoFile)
	long := newFile(t, strings.Repeat("n", wire.MaxFileName), nil) // as long as file systems allow
	file, _, err := openFile(long)
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	large := filepath.Join(folder, "sparse")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, wire.MaxFile+1); err != nil {
		t.Skipf("no sparse files here: %v", err)
	}
	_, _, err = openFile(large)
	wantCode(t, err, CodeTooLong)
}

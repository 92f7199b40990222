package client

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"

	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// postOffice takes letters, and notes in how many requests they came.
type postOffice struct {
	mu       sync.Mutex
	requests int
	letters  []*pb.Letter
	group    []*pb.GroupLetter
	code     func(id []byte) uint32
	fail     func(request int) *pb.Response
}

func (p *postOffice) answer(t testing.TB) func(*pb.Request) *pb.Response {
	return func(req *pb.Request) *pb.Response {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.requests++
		if p.fail != nil {
			if resp := p.fail(p.requests); resp != nil {
				return resp
			}
		}
		put := &pb.MailPut{}
		devices := 0
		for _, l := range req.GetPutMail().GetLetters() {
			p.letters = append(p.letters, l)
			put.Codes = append(put.Codes, p.code(l.GetId()))
		}
		for _, l := range req.GetPutGroupMail().GetLetters() {
			p.group = append(p.group, l)
			put.Codes = append(put.Codes, p.code(l.GetId()))
			devices += len(l.GetDevices())
		}
		if len(put.Codes) == 0 || len(put.Codes) > wire.MaxLetters || proto.Size(req) > wire.MaxRequest || devices > wire.MaxFor {
			t.Errorf("%d letters of %d bytes for %d devices in a request", len(put.Codes), proto.Size(req), devices)
		}
		return &pb.Response{Kind: &pb.Response_MailPut{MailPut: put}}
	}
}

func kept([]byte) uint32 { return 0 }

func TestPutMailInParts(t *testing.T) {
	st := newStage(t, "server")
	c, to := st.client(), directorytest.NewKey().ID()
	for name, tc := range map[string]struct {
		sizes []int
		want  int // requests
	}{
		"none":             {nil, 0},
		"one":              {[]int{1}, 1},
		"many small":       {slices.Repeat([]int{10}, 2*wire.MaxLetters+1), 3},
		"large":            {slices.Repeat([]int{wire.MaxEnvelope}, 3), 3},
		"two in one":       {slices.Repeat([]int{wire.MaxEnvelope - 200}, 4), 2},
		"small and large":  {[]int{10, wire.MaxEnvelope, 10, wire.MaxEnvelope, 10}, 2},
		"one is too large": {[]int{10, wire.MaxEnvelope + 1, 10}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			office := &postOffice{code: kept}
			st.servers[0].says(office.answer(t))
			var letters []Letter
			for i, size := range tc.sizes {
				letters = append(letters, Letter{ID: [16]byte{byte(i), byte(i >> 8)}, To: to, Envelope: bytes.Repeat([]byte{byte(i)}, size)})
			}
			errs, err := c.PutMail(t.Context(), "alice1", letters)
			if err != nil || len(errs) != len(letters) || office.requests != tc.want {
				t.Fatalf("%d results in %d requests, %v; want %d", len(errs), office.requests, err, tc.want)
			}
			for i, l := range letters {
				if len(l.Envelope) > wire.MaxEnvelope {
					if !errors.Is(errs[i], wire.ErrTooLarge) {
						t.Errorf("a letter too large: %v", errs[i])
					}
					continue
				}
				got := office.letters[0]
				office.letters = office.letters[1:]
				if errs[i] != nil || !bytes.Equal(got.GetId(), l.ID[:]) || !bytes.Equal(got.GetEnvelope(), l.Envelope) || string(got.GetDevice()) != string(to) {
					t.Fatalf("letter %d is another one, or %v", i, errs[i])
				}
			}
		})
	}
}

// Each letter has its own result, also where the call ends half way.
func TestPutMailResults(t *testing.T) {
	st := newStage(t, "server")
	c := st.client()
	office := &postOffice{code: func(id []byte) uint32 {
		return map[byte]uint32{1: wire.Code(wire.ErrFull), 2: wire.Code(wire.ErrRefused), 3: 9999}[id[0]]
	}}
	st.servers[0].says(office.answer(t))
	letters := []Letter{{}, {ID: [16]byte{1}}, {ID: [16]byte{2}}, {ID: [16]byte{3}}}
	errs, err := c.PutMail(t.Context(), "alice1", letters)
	if err != nil || errs[0] != nil || errs[1] != wire.ErrFull || errs[2] != wire.ErrRefused || errs[3] != wire.ErrInternal {
		t.Errorf("%v, %v", errs, err)
	}

	office = &postOffice{code: kept, fail: func(request int) *pb.Response {
		if request == 2 {
			return &pb.Response{Kind: &pb.Response_Error{Error: wire.ToWire(wire.ErrTooMany)}}
		}
		return nil
	}}
	st.servers[0].says(office.answer(t))
	many := make([]Letter, 3*wire.MaxLetters)
	errs, err = c.PutMail(t.Context(), "alice1", many)
	if !errors.Is(err, wire.ErrTooMany) || office.requests != 2 {
		t.Errorf("after %d requests: %v", office.requests, err)
	}
	for i, e := range errs {
		if put := i < wire.MaxLetters; put != (e == nil) || (!put && !errors.Is(e, wire.ErrTooMany)) {
			t.Fatalf("letter %d: %v", i, e)
		}
	}
}

func TestPutGroupMailInParts(t *testing.T) {
	st := newStage(t, "server")
	c := st.client()
	office := &postOffice{code: func(id []byte) uint32 {
		return map[byte]uint32{7: wire.Code(wire.ErrFull)}[id[0]]
	}}
	st.servers[0].says(office.answer(t))
	device := directorytest.NewKey().ID()
	letter := func(id byte, devices, size int) GroupLetter {
		return GroupLetter{ID: [16]byte{id}, For: slices.Repeat([]peer.ID{device}, devices), Message: bytes.Repeat([]byte{id}, size)}
	}
	letters := []GroupLetter{
		letter(1, 3, 10), letter(2, 2*wire.MaxFor+1, wire.MaxEnvelope), letter(7, wire.MaxFor+1, 1), letter(4, 1, wire.MaxEnvelope+1), letter(5, 0, 1),
	}
	errs, err := c.PutGroupMail(t.Context(), record.GroupID{1}, letters)
	if err != nil || len(errs) != len(letters) || errs[0] != nil || errs[1] != nil || errs[2] != wire.ErrFull || errs[3] != wire.ErrTooLarge || errs[4] != nil {
		t.Errorf("%v, %v", errs, err)
	}
	devices := make(map[byte]int)
	for _, l := range office.group {
		devices[l.GetId()[0]] += len(l.GetDevices())
		if !bytes.Equal(l.GetMessage(), letters[slices.IndexFunc(letters, func(g GroupLetter) bool { return bytes.Equal(g.ID[:], l.GetId()) })].Message) {
			t.Errorf("letter %d came with another message", l.GetId()[0])
		}
	}
	for _, l := range letters {
		if want := len(l.For); len(l.Message) <= wire.MaxEnvelope && devices[l.ID[0]] != want {
			t.Errorf("letter %d came for %d devices, want %d", l.ID[0], devices[l.ID[0]], want)
		}
	}
}

func FuzzMail(f *testing.F) {
	device := directorytest.NewKey().ID()
	f.Add(uint64(1), "alice1", []byte(device), make([]byte, 16), []byte("sealed"))
	f.Add(uint64(1), "alice1", []byte(device), make([]byte, 17), []byte(nil))
	f.Fuzz(func(t *testing.T, number uint64, account string, device, id, envelope []byte) {
		m, err := mailFromWire(&pb.Mail{Number: number, Account: account, Device: device, Id: id, Envelope: envelope})
		if err == nil && (m.Number != number || string(m.Device) != string(device) || string(m.ID[:]) != string(id) || !bytes.Equal(m.Envelope, envelope)) {
			t.Errorf("believed %+v", m)
		}
	})
}

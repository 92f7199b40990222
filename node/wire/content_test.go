package wire

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/node/wire/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

var someTime = time.UnixMilli(1_700_000_000_123).UTC()

func TestContentRoundTrip(t *testing.T) {
	group := record.NewGroupID()
	for _, body := range []Body{
		Text("naïve @ text\nwith two lines"),
		Text(strings.Repeat("x", MaxText)),
		SenderKey{Group: group, Epoch: 3, Distribution: []byte("d")},
		EpochRequest{Group: group, Epoch: 4},
		FileReceived{Message: NewMessageID()},
		HistoryRequest{Group: group, Request: RequestID{1}},
		HistoryRequest{Group: group, Request: RequestID{1}, After: Place{Chain: [16]byte{2}, Iteration: 1<<32 - 1}},
		HistoryPart{Group: group, Request: RequestID{1}, Last: true},
		HistoryPart{Group: group, Request: RequestID{1}, Messages: []PastMessage{{[]byte("m"), []byte("o")}, {make([]byte, MaxPastMessage-1), []byte("o")}}},
	} {
		c := Content{ID: NewMessageID(), SentAt: someTime, To: "bob7", Body: body}
		b, err := c.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseContent(b)
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%T: got %+v, %v", body, got, err)
		}
	}
}

func TestSecretsAndManifestsRoundTrip(t *testing.T) {
	secret := EpochSecret{Group: record.NewGroupID(), Epoch: 1, Secret: key.NewEpoch()}
	b, _ := Content{ID: NewMessageID(), SentAt: someTime, Body: secret}.Marshal()
	got, err := ParseContent(b)
	if err != nil || !got.Body.(EpochSecret).Secret.Equal(secret.Secret) {
		t.Fatalf("epoch secret: %v", err)
	}
	file := FileOffer{&pb.File{Name: "a", Size: 7}}
	c := GroupContent{ID: NewMessageID(), SentAt: someTime, ChainLength: 9, ChainHead: record.HashOf([]byte("x")), Body: file}
	b, _ = c.Marshal()
	back, err := ParseGroupContent(b)
	if err != nil || back.ChainHead != c.ChainHead || !proto.Equal(back.Body.(FileOffer).Manifest, file.Manifest) {
		t.Fatalf("manifest: %+v, %v", back, err)
	}
}

func TestInvalidContentIsRefused(t *testing.T) {
	id := make([]byte, 16)
	text := func(s string) *pb.Content_Text { return &pb.Content_Text{Text: &pb.Text{Body: s}} }
	for name, m := range map[string]*pb.Content{
		"empty":        {},
		"no body":      {Id: id},
		"short ID":     {Id: id[1:], Kind: text("x")},
		"empty text":   {Id: id, Kind: text("")},
		"long text":    {Id: id, Kind: text(strings.Repeat("x", MaxText+1))},
		"bad account":  {Id: id, To: "NOT/ok", Kind: text("x")},
		"short secret": {Id: id, Kind: &pb.Content_EpochSecret{EpochSecret: &pb.EpochSecret{Group: id, Secret: id}}},
		"no history":   {Id: id, Kind: &pb.Content_GroupHistory{GroupHistory: &pb.GroupHistory{Group: id, Request: id}}},
		"short request": {Id: id, Kind: &pb.Content_GroupHistory{GroupHistory: &pb.GroupHistory{
			Group: id, Request: id[1:], Kind: &pb.GroupHistory_Ask{Ask: &pb.HistoryRequest{}}}}},
		"short place": {Id: id, Kind: &pb.Content_GroupHistory{GroupHistory: &pb.GroupHistory{
			Group: id, Request: id, Kind: &pb.GroupHistory_Ask{Ask: &pb.HistoryRequest{After: id}}}}},
		"a place of zeros": {Id: id, Kind: &pb.Content_GroupHistory{GroupHistory: &pb.GroupHistory{
			Group: id, Request: id, Kind: &pb.GroupHistory_Ask{Ask: &pb.HistoryRequest{After: make([]byte, 20)}}}}},
		"an empty past message": {Id: id, Kind: &pb.Content_GroupHistory{GroupHistory: &pb.GroupHistory{
			Group: id, Request: id, Kind: &pb.GroupHistory_Part{Part: &pb.HistoryPart{Messages: []*pb.PastMessage{{Opening: id}}}}}}},
		"a long past message": {Id: id, Kind: &pb.Content_GroupHistory{GroupHistory: &pb.GroupHistory{
			Group: id, Request: id, Kind: &pb.GroupHistory_Part{Part: &pb.HistoryPart{Messages: []*pb.PastMessage{{Message: make([]byte, MaxPastMessage+1)}}}}}}},
		"short group": {Id: id, Kind: &pb.Content_EpochRequest{EpochRequest: &pb.EpochRequest{Group: id[2:]}}},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseContent(b); !errors.Is(err, ErrContent) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if CheckText("\xff") == nil {
		t.Error("text that is not UTF-8 is taken")
	}
	if _, err := (GroupContent{Body: FileReceived{}}).Marshal(); !errors.Is(err, ErrContent) {
		t.Errorf("a copy inside a group message: %v", err)
	}
}

func FuzzParseContent(f *testing.F) {
	for _, body := range []Body{
		Text("hello"), HistoryRequest{After: Place{Iteration: 1}}, HistoryPart{Messages: []PastMessage{{[]byte("m"), []byte("o")}}},
	} {
		b, _ := Content{ID: NewMessageID(), SentAt: someTime, Body: body}.Marshal()
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseContent(b)
		if err != nil {
			return
		}
		once, err := c.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseContent(once)
		if err != nil {
			t.Fatalf("what was parsed does not parse again: %v", err)
		}
		if twice, _ := again.Marshal(); !bytes.Equal(once, twice) {
			t.Fatal("encoding is not stable")
		}
	})
}

func FuzzParseGroupContent(f *testing.F) {
	b, _ := GroupContent{ID: NewMessageID(), SentAt: someTime, Body: Text("hello")}.Marshal()
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseGroupContent(b)
		if err != nil {
			return
		}
		if _, err := c.Marshal(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestMessageID(t *testing.T) {
	id := NewMessageID()
	if got, ok := ParseMessageID(id[:]); !ok || got != id || len(id.String()) != 32 {
		t.Fatal(got, ok)
	}
	if _, ok := ParseMessageID(id[:15]); ok {
		t.Fatal("15 bytes are an ID")
	}
}

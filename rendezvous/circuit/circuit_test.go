package circuit

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

var errAway = errors.New("away")

// script grants a place for as long as each ask is told to, in turn; 0 refuses.
type script struct {
	grants []time.Duration
	asked  []time.Duration // when, since the beginning
	began  time.Time
}

func (s *script) ask(context.Context) (time.Time, error) {
	s.asked = append(s.asked, time.Since(s.began))
	if n := len(s.asked); n <= len(s.grants) && s.grants[n-1] > 0 {
		return time.Now().Add(s.grants[n-1]), nil
	}
	return time.Time{}, errAway
}

// A place is renewed at half time; what fails is tried again for as long as the
// place stands, and no longer.
func TestHold(t *testing.T) {
	const hour = time.Hour
	for name, c := range map[string]struct {
		grants []time.Duration
		end    time.Duration // of the context
		asked  []time.Duration
		want   error
	}{
		"never had one":     {nil, hour, []time.Duration{0}, errAway},
		"until it is ended": {[]time.Duration{hour}, hour / 4, []time.Duration{0}, context.DeadlineExceeded},
		"renewed, then lost": {
			[]time.Duration{hour, 12 * time.Second}, 2 * hour,
			[]time.Duration{0, hour / 2, hour/2 + 6*time.Second, hour/2 + 11*time.Second}, errAway,
		},
		"renewed after a failure": {
			[]time.Duration{hour, 0, hour}, hour,
			[]time.Duration{0, hour / 2, hour/2 + retry}, context.DeadlineExceeded,
		},
		"it hardly stands": {[]time.Duration{time.Millisecond}, hour, []time.Duration{0, leastWait}, errAway},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{grants: c.grants, began: time.Now()}
				ctx, cancel := context.WithTimeout(t.Context(), c.end)
				defer cancel()
				held := 0
				err := Hold(ctx, s.ask, func() { held++ }, slog.New(slog.DiscardHandler))
				if !errors.Is(err, c.want) {
					t.Errorf("ended with %v, want %v", err, c.want)
				}
				if !slices.Equal(s.asked, c.asked) {
					t.Errorf("asked at %v, want %v", s.asked, c.asked)
				}
				if want := min(len(c.grants), 1); held != want {
					t.Errorf("held %d times, want %d", held, want)
				}
			})
		})
	}
}

func TestAddrs(t *testing.T) {
	const id = "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X"
	b, err := peer.AddrInfoFromString("/ip4/192.0.2.1/tcp/4000/p2p/" + id)
	if err != nil {
		t.Fatal(err)
	}
	b.Addrs = append(b.Addrs, ma.StringCast("/dns4/example.org/udp/4000/quic-v1"))
	got := Addrs(*b)
	want := []string{"/ip4/192.0.2.1/tcp/4000/p2p/" + id + "/p2p-circuit", "/dns4/example.org/udp/4000/quic-v1/p2p/" + id + "/p2p-circuit"}
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for i := range want {
		if got[i].String() != want[i] {
			t.Errorf("got %s, want %s", got[i], want[i])
		}
	}
	if len(Addrs()) != 0 {
		t.Error("an address through nobody")
	}
}

package search_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/tryst-chat/tryst/node/crypto/tdes/internal/sbox"
	"github.com/tryst-chat/tryst/node/crypto/tdes/internal/search"
)

var (
	rounds = flag.Int("rounds", 1, "how long to search for each S-box; some hundreds take a minute")
	seed   = flag.Uint64("seed", 1, "what the search depends on besides")
	fresh  = flag.Bool("fresh", false, "search from nothing instead of from the circuits that are kept")
	update = flag.Bool("update", false, "keep smaller circuits in package sbox; then type go generate in node/crypto/tdes")
)

var kept = filepath.Join("..", "sbox", "circuits.txt")

// The search gives circuits of the S-boxes, and never larger ones than it
// starts from. To search in earnest:
//
//	go test -run TestSearch -v -timeout 0 -rounds 600 -seed 2 -update
func TestSearch(t *testing.T) {
	circuits, err := sbox.Circuits()
	if err != nil {
		t.Fatal(err)
	}
	for box, before := range circuits {
		report := func(c sbox.Circuit) { t.Logf("S%d: %d gates", box+1, len(c.Gates)) }
		var c sbox.Circuit
		if *fresh {
			c = search.Find(box, *seed, *rounds, report)
		} else {
			c = search.Improve(before, box, *seed, *rounds, report)
		}
		if !c.Computes(box) {
			t.Fatalf("S%d: not what the circuit computes", box+1)
		}
		if !*fresh && len(c.Gates) > len(before.Gates) {
			t.Errorf("S%d: %d gates, from %d", box+1, len(c.Gates), len(before.Gates))
		}
		if *update && len(c.Gates) < len(before.Gates) {
			circuits[box] = c
			if err := os.WriteFile(kept, []byte(sbox.Text(circuits)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The same arguments give the same circuit, also from nothing.
func TestSearchIsRepeatable(t *testing.T) {
	const box = 3 // the quickest one
	ignore := func(sbox.Circuit) {}
	a, b := search.Find(box, *seed, 1, ignore), search.Find(box, *seed, 1, ignore)
	if !a.Computes(box) || a.String() != b.String() {
		t.Errorf("two searches found different circuits:\n%v\n%v", a, b)
	}
}

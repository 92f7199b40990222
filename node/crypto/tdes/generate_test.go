package tdes

// purego, so that the assembly need not be there or fit.
//go:generate go test -tags purego -run ^TestGenerated$ -update

import (
	"flag"
	"os"
	"testing"

	"github.com/tryst-chat/tryst/node/crypto/tdes/internal/gen"
)

var update = flag.Bool("update", false, "write the generated files anew")

// The generated files are what the generator makes of the circuits.
func TestGenerated(t *testing.T) {
	files, err := gen.Files()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if *update {
			if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s is not what go generate makes (%v)", name, err)
		}
	}
}

package sbox

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/tryst-chat/tryst/node/crypto/tdes/internal/fips46"
)

//go:embed circuits.txt
var circuits string

// separator stands before each circuit of circuits.txt.
const separator = "S%d\n"

// Circuits returns the circuits of S1 to S8.
func Circuits() (all [fips46.Boxes]Circuit, err error) {
	rest := circuits
	for box := range all {
		text, found := strings.CutPrefix(rest, fmt.Sprintf(separator, box+1))
		if !found {
			return all, fmt.Errorf("circuit of S%d: %w", box+1, errText)
		}
		end := len(text)
		if i := strings.Index(text, "S"); i >= 0 {
			end = i
		}
		if all[box], err = Parse(text[:end]); err != nil {
			return all, fmt.Errorf("circuit of S%d: %w", box+1, err)
		}
		rest = text[end:]
	}
	return all, nil
}

// Text is the content of circuits.txt.
func Text(all [fips46.Boxes]Circuit) string {
	var b strings.Builder
	for box, c := range all {
		fmt.Fprintf(&b, separator+"%v", box+1, c)
	}
	return b.String()
}

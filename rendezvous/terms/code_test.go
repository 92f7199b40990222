package terms

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// The code of the random part 0, 1, 2 ... 12; computed in Python, too.
const known = "000G-40R4-0M30-E209-185G-SQ4N"

func knownCode() Code {
	var c Code
	for i := range c.random {
		c.random[i] = byte(i)
	}
	return c
}

func TestCode(t *testing.T) {
	if got := knownCode().Text(); got != known {
		t.Fatalf("written as %s", got)
	}
	want := knownCode().Hash()
	for _, typed := range []string{
		known, strings.ToLower(known), strings.ReplaceAll(known, "-", ""), strings.ReplaceAll(known, "-", " "),
		strings.ReplaceAll(known, "0", "O"), strings.ReplaceAll(known, "0", "o"),
		strings.ReplaceAll(known, "1", "I"), strings.ReplaceAll(known, "1", "l"), " -" + known + "\t",
	} {
		c, err := ParseCode(typed)
		if err != nil || c.Hash() != want {
			t.Errorf("%q: %v", typed, err)
		}
	}
}

func TestCodesDiffer(t *testing.T) {
	seen := make(map[[HashSize]byte]bool)
	for range 100 {
		c := NewCode()
		again, err := ParseCode(c.Text())
		if err != nil || again.Hash() != c.Hash() {
			t.Fatal(c.Text(), err)
		}
		if seen[c.Hash()] {
			t.Fatal("made twice")
		}
		seen[c.Hash()] = true
	}
}

// A mistake is known as one without asking anybody, whatever letter it is.
func TestMistypedCode(t *testing.T) {
	for _, typed := range []string{
		"", "-", known[:len(known)-1], known + "0", "U" + known[1:], "?" + known[1:], known + "\n", known[:4] + "\r" + known[5:],
		"é" + known[2:], strings.Repeat("0", maxTyped+1), known + known,
	} {
		if _, err := ParseCode(typed); !errors.Is(err, ErrCode) {
			t.Errorf("%q: %v", typed, err)
		}
	}
	for i, right := range known {
		for _, wrong := range "0123456789ABCDEFGHJKMNPQRSTVWXYZ" {
			if right == '-' || wrong == right {
				continue
			}
			typed := known[:i] + string(wrong) + known[i+1:]
			if _, err := ParseCode(typed); !errors.Is(err, ErrCode) {
				t.Errorf("%s: %v", typed, err)
			} else if strings.Contains(err.Error(), typed[:8]) {
				t.Errorf("the error shows the code: %v", err)
			}
		}
	}
}

func TestCodeIsNotPrinted(t *testing.T) {
	c := NewCode()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, v := range []any{c, &c, struct{ C Code }{c}} {
			if got := fmt.Sprintf(verb, v); !strings.Contains(got, "[invitation]") {
				t.Errorf("%s prints %s", verb, got)
			}
		}
	}
}

func FuzzParseCode(f *testing.F) {
	f.Add(known)
	f.Add(strings.ToLower(known))
	f.Add("OIL- ")
	f.Fuzz(func(t *testing.T, typed string) {
		c, err := ParseCode(typed)
		if err != nil {
			if !errors.Is(err, ErrCode) {
				t.Fatal(err)
			}
			return
		}
		again, err := ParseCode(c.Text())
		if err != nil || again.Hash() != c.Hash() {
			t.Fatalf("%q is written as %s: %v", typed, c.Text(), err)
		}
	})
}

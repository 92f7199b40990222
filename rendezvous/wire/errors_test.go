package wire

import (
	"errors"
	"fmt"
	"testing"
)

// What crosses the wire is the same sentinel on the other side, the most particular
// one there is.
func TestErrorsCross(t *testing.T) {
	for code, sentinel := range codes {
		if sentinel == nil {
			continue
		}
		sent := fmt.Errorf("%w: in other words", sentinel)
		back := FromWire(ToWire(sent))
		if Code(sent) != uint32(code) || !errors.Is(back, sentinel) {
			t.Errorf("%v is %d, and then %v", sent, Code(sent), back)
		}
		if words := Words(back); words != "" && words != sent.Error() {
			t.Errorf("its words are %q", words)
		}
	}
	if Words(ErrTooMany) != "" || Words(nil) != "" {
		t.Error("words that no server has said")
	}
	if words := Words(FromWire(ToWire(fmt.Errorf("%w\x1b[2J", ErrTooMany)))); words != `too many attempts\x1b[2J` {
		t.Errorf("a terminal would be told %q", words)
	}
}

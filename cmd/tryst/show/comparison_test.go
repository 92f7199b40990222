package show

import (
	"strings"
	"testing"

	"rsc.io/qr"
)

func TestScreenShowsWhatToCompare(t *testing.T) {
	screen, shown := typed("")
	screen.Print(Event{Kind: LoggedIn, Account: "alice42"})
	number := strings.TrimSpace(strings.Repeat("12345 ", 12))
	screen.Print(Event{Kind: Comparison, Account: "bob7", Number: number, QR: "tryst:alice42+bob7:" + strings.ReplaceAll(number, " ", ""), Verified: new(false)})
	for _, want := range []string{"Compare this number with bob7's", "    12345 12345 12345 12345\r\n", "verify bob7 <their number>", "█"} {
		if !strings.Contains(shown.String(), want) {
			t.Errorf("%q is not in %q", want, shown.String())
		}
	}
	screen.Print(Event{Kind: Comparison, Account: "bob7", Number: number, Verified: new(true)})
	if !strings.Contains(shown.String(), "You have compared this number") {
		t.Error("that it was compared does not show")
	}
}

// What is drawn is the code, module by module, with its quiet border.
func TestQRLines(t *testing.T) {
	const text = "tryst:alice42+bob7:123456789012345678901234567890123456789012345678901234567890"
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		t.Fatal(err)
	}
	lines := qrLines(text)
	size := code.Size + 2*quiet
	if len(lines) != (size+1)/2 {
		t.Fatalf("%d lines for %d modules", len(lines), size)
	}
	for y := range size {
		line := []rune(lines[y/2])
		if len(line) != size {
			t.Fatalf("line %d has %d characters", y/2, len(line))
		}
		for x := range size {
			ink := strings.ContainsRune(map[bool]string{true: "█▀", false: "█▄"}[y%2 == 0], line[x])
			if ink == code.Black(x-quiet, y-quiet) {
				t.Fatalf("module %d,%d is wrong", x, y)
			}
		}
	}
	if qrLines(strings.Repeat("x", 10_000)) != nil {
		t.Error("a text that no code holds was drawn")
	}
}

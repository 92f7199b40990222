package show

import (
	"strings"

	"rsc.io/qr"
)

// comparison shows what two people compare: the number in three lines, as it is
// read out, and the QR code.
func (s *Screen) comparison(e Event) string {
	const groupsALine = 4
	var lines []string
	if e.Verified != nil && *e.Verified {
		lines = append(lines, s.style.green("✓ You have compared this number with "+e.Account+"."))
	} else {
		lines = append(lines, "Compare this number with "+e.Account+"'s, by voice or when you meet:")
	}
	groups := strings.Fields(e.Number)
	for len(groups) > 0 {
		n := min(groupsALine, len(groups))
		lines = append(lines, "    "+s.style.bold(strings.Join(groups[:n], " ")))
		groups = groups[n:]
	}
	for _, line := range qrLines(e.QR) {
		lines = append(lines, s.style.whiteOnBlack(line))
	}
	lines = append(lines, s.style.dim("  Theirs is what they see at: verify "+s.own), s.style.dim("  If it is the same, type: verify "+e.Account+" <their number>"))
	return strings.Join(lines, "\n")
}

// quiet is the light border that a QR code needs, in modules (ISO/IEC 18004).
const quiet = 4

// qrLines draws a QR code two modules to a character, light ones as ink: terminals
// are mostly dark. It is left out where it cannot be made.
func qrLines(text string) []string {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return nil
	}
	light := func(x, y int) bool { return !code.Black(x, y) }
	var lines []string
	for y := -quiet; y < code.Size+quiet; y += 2 {
		var line strings.Builder
		for x := -quiet; x < code.Size+quiet; x++ {
			switch upper, lower := light(x, y), light(x, y+1) && y+1 < code.Size+quiet; {
			case upper && lower:
				line.WriteString("█")
			case upper:
				line.WriteString("▀")
			case lower:
				line.WriteString("▄")
			default:
				line.WriteString(" ")
			}
		}
		lines = append(lines, line.String())
	}
	return lines
}

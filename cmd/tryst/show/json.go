package show

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

type jsonPrinter struct {
	mu sync.Mutex
	w  io.Writer // guarded by mu
}

// JSON prints each event as one JSON object on a line of its own.
func JSON(w io.Writer) Printer { return &jsonPrinter{w: w} }

func (p *jsonPrinter) Print(e Event) {
	line, err := marshal(e)
	if err != nil {
		return // cannot be: an Event has only fields that marshal
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.w.Write(line) // a reader that is gone shows as SIGPIPE; there is nobody to tell
}

// marshal returns one line. Characters that encoding/json leaves as they are
// but that a terminal acts on become \u escapes (they stand in strings only):
// whoever looks at JSON in a terminal is as safe as with the other printers.
func marshal(e Event) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false) // "<" is a letter like any other here
	if err := enc.Encode(e); err != nil {
		return nil, err
	}
	encoded := bytes.TrimSuffix(out.Bytes(), []byte("\n"))
	line := make([]byte, 0, len(encoded)+1)
	for _, r := range string(encoded) {
		if harmful(r) {
			line = fmt.Appendf(line, `\u%04x`, r)
		} else {
			line = append(line, string(r)...)
		}
	}
	return append(line, '\n'), nil
}

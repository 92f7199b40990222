package main

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/tryst-chat/tryst/cmd/tryst/show"
)

// openScreen puts the terminal into raw mode, where every key comes by itself,
// and returns a screen on it. interrupt is called at Ctrl-C, which raw mode
// makes a key like any other.
func openScreen(stdin, stdout *os.File, interrupt func()) (*show.Screen, func(), error) {
	before, err := term.MakeRaw(int(stdin.Fd()))
	if err != nil {
		return nil, nil, fmt.Errorf("the terminal does not take raw mode: %w; try --plain", err)
	}
	screen := show.NewScreen(keyboard{stdin, stdout, interrupt}, colourful())
	resize := func() {
		// A terminal that nobody drew yet may say that it is 0 wide.
		if width, height, err := term.GetSize(int(stdout.Fd())); err == nil && width > 0 && height > 0 {
			screen.SetSize(width, height)
		}
	}
	resize()
	stop := onResize(resize)
	return screen, func() {
		stop()
		fmt.Fprint(stdout, "\r\x1b[K") // the last prompt
		_ = term.Restore(int(stdin.Fd()), before)
	}, nil
}

// colourful follows no-color.org.
func colourful() bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// keyboard reads keys from one file and writes to another.
type keyboard struct {
	io.Reader
	io.Writer
	interrupt func()
}

// Read looks for Ctrl-C on the way.
func (k keyboard) Read(p []byte) (int, error) {
	const ctrlC = 3
	n, err := k.Reader.Read(p)
	if bytes.IndexByte(p[:n], ctrlC) >= 0 {
		k.interrupt()
	}
	return n, err
}

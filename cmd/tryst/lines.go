package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/tryst-chat/tryst/node/wire"
)

// maxLine holds the longest text and a command around it: verb, 64 groups of
// 33 characters, or a path.
const maxLine = wire.MaxText + 8<<10

var (
	errLineTooLong = errors.New("the line is too long")
	errNoTerminal  = errors.New("there is no terminal to ask on")
)

// source is where commands come from.
type source interface {
	// ReadLine returns the next line, or io.EOF. After errLineTooLong the next
	// line can be read.
	ReadLine() (string, error)
	// ReadPassword asks without echo, or returns errNoTerminal.
	ReadPassword(prompt string) (string, error)
}

// lineReader reads from a pipe, a file, or a terminal that is not interactive.
type lineReader struct {
	in     *os.File // for passwords
	out    io.Writer
	reader *bufio.Reader
}

func newLineReader(in *os.File, prompts io.Writer) *lineReader {
	return &lineReader{in: in, out: prompts, reader: bufio.NewReaderSize(in, maxLine)}
}

// ReadLine implements source. A last line without a newline is a line.
func (r *lineReader) ReadLine() (string, error) {
	line, err := r.reader.ReadSlice('\n')
	switch {
	case err == nil, err == io.EOF && len(line) > 0:
		return string(line), nil
	case err != bufio.ErrBufferFull:
		return "", err
	}
	for err == bufio.ErrBufferFull {
		_, err = r.reader.ReadSlice('\n')
	}
	return "", errLineTooLong // an io.EOF comes again at the next call
}

// ReadPassword implements source.
func (r *lineReader) ReadPassword(prompt string) (string, error) {
	if !term.IsTerminal(int(r.in.Fd())) {
		return "", errNoTerminal
	}
	fmt.Fprint(r.out, prompt)
	password, err := term.ReadPassword(int(r.in.Fd()))
	fmt.Fprintln(r.out)
	return string(password), err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/tryst-chat/tryst/cmd/tryst/show"
	"github.com/tryst-chat/tryst/node"
)

// closeTimeout bounds the end: the node takes leave of the servers within
// seconds, and its store closes at once unless it cannot be written to.
const closeTimeout = 10 * time.Second

// errInterrupted ends a run that a signal ended.
var errInterrupted = errors.New("interrupted")

// session is one run: it opens a node, carries out what is typed, prints what
// happens, and closes the node.
func session(ctx context.Context, opts options, stdin, stdout *os.File) error {
	where, err := findPlace(opts)
	if err != nil {
		return err
	}
	logger, closeLog, err := openLog(opts.log)
	if err != nil {
		return err
	}
	defer closeLog()
	if err := os.MkdirAll(where.home, 0o700); err != nil {
		return fmt.Errorf("state cannot be kept: %w; give another folder with --home DIR", err)
	}
	n, err := node.Open(node.Config{
		Home: where.home, Downloads: opts.downloads, Balancers: where.balancers,
		ClusterKey: where.clusterKey, ListenPort: opts.listen, Logger: logger,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	from, out, restore, err := face(opts, stdin, stdout, cancel)
	if err != nil {
		return errors.Join(err, n.Close())
	}
	defer restore()
	greet(out, where)
	err = converse(ctx, n, from, out, where)
	if _, interactive := from.(*show.Screen); interactive && errors.Is(err, errInterrupted) {
		return nil // Ctrl-C is how people leave
	}
	return err
}

// converse carries out commands until they end, and prints events until the
// node is closed.
func converse(ctx context.Context, n *node.Node, from source, out show.Printer, where place) error {
	way := newPending()
	var watched *seen
	if _, interactive := out.(*show.Screen); interactive {
		watched = newSeen()
	}
	printed := make(chan struct{})
	go func() {
		defer close(printed)
		for e := range n.Events() {
			way.note(e)
			out.Print(show.FromNode(e))
			watched.note(e)
		}
	}()

	requests := make(chan request)
	done := make(chan struct{})
	// The reader may hang in a read of standard input that nothing can end but
	// the end of the process; it touches nothing once done is closed.
	go readRequests(from, requests, done)

	x := &executor{node: n, print: out, loggedIn: where.remember, way: way, seen: watched}
	err := x.all(ctx, requests)
	close(done)
	way.drain(ctx)
	closed := make(chan error, 1)
	go func() { closed <- n.Close() }()
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case failed := <-closed:
		if err == nil && failed != nil {
			err = fmt.Errorf("closing: %w", failed)
		}
		<-printed
	case <-timer.C:
		err = fmt.Errorf("the folder %s cannot be written to; make sure that it is there and that the disk is not full", where.home)
	}
	out.Print(show.New(show.Bye))
	return err
}

// all carries out requests in order, until the last.
func (x *executor) all(ctx context.Context, requests <-chan request) error {
	for {
		select {
		case <-ctx.Done():
			return errInterrupted
		case r, ok := <-requests:
			x.seen.markRead(ctx, x.node)
			switch {
			case !ok:
				return nil
			case r.err != nil:
				x.fail(r.err)
			case x.do(ctx, r.command):
				return nil
			}
		}
	}
}

// face chooses where lines come from and how events are printed; restore puts
// the terminal back.
func face(opts options, stdin, stdout *os.File, interrupt func()) (from source, out show.Printer, restore func(), err error) {
	nothing := func() {}
	switch {
	case opts.json:
		return newLineReader(stdin, os.Stderr), show.JSON(stdout), nothing, nil
	case opts.plain || !term.IsTerminal(int(stdin.Fd())) || !term.IsTerminal(int(stdout.Fd())):
		return newLineReader(stdin, os.Stderr), show.Plain(stdout), nothing, nil
	default:
		screen, restore, err := openScreen(stdin, stdout, interrupt)
		return screen, screen, restore, err
	}
}

// greet says on a screen where one is; programs know.
func greet(out show.Printer, where place) {
	if _, interactive := out.(*show.Screen); !interactive {
		return
	}
	e := show.New(show.Notice)
	e.Text = "tryst, by way of " + where.balancers[0].String() + ". For the commands, type: help"
	if where.testnet {
		e.Text = "tryst, on the testnet of this machine. For the commands, type: help"
	}
	out.Print(e)
}

// openLog opens the log, or one that goes nowhere.
func openLog(path string) (*slog.Logger, func(), error) {
	if path == "" {
		return slog.New(slog.DiscardHandler), func() {}, nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("the log cannot be written: %w", err)
	}
	return slog.New(slog.NewTextHandler(file, &slog.HandlerOptions{Level: slog.LevelDebug})), func() { file.Close() }, nil
}

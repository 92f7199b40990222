package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tryst-chat/tryst/rendezvous"
)

// maxAnswer bounds what is read of a server's words, in bytes.
const maxAnswer = 64 << 10

// dirFlag defines --dir of a command that speaks to the server that runs there.
func dirFlag(c *cobra.Command, dir *string) {
	c.Flags().StringVar(dir, "dir", "", "the folder of the server, which runs on this machine")
	if err := c.MarkFlagRequired("dir"); err != nil {
		panic(err) // only for a flag that is not defined above
	}
}

// admin is a server that runs on this machine, by its socket.
type admin struct {
	dir    string
	client *http.Client
}

func adminOf(dir string) admin {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", rendezvous.AdminPath(dir))
	}
	return admin{dir: dir, client: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// ask returns the server's answer, to be closed, or what it says against it.
func (a admin) ask(ctx context.Context, method, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://admin"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := a.client.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("no server runs in %s on this machine; to start it, type: rendezvous run --dir %s", a.dir, a.dir)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("the server in %s belongs to another user; type the command as that one, or as root", a.dir)
	case err != nil && ctx.Err() != nil:
		return nil, errors.New("interrupted; the server goes on with what it was asked to do")
	case err != nil:
		return nil, fmt.Errorf("the server in %s does not answer: %w", a.dir, errors.Unwrap(err)) // without the URL
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		words, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		return nil, errors.Join(err, errors.New(strings.TrimSpace(string(words))))
	}
	return resp.Body, nil
}

// do is ask where no answer but yes is expected.
func (a admin) do(ctx context.Context, path string) error {
	body, err := a.ask(ctx, http.MethodPost, path)
	if err != nil {
		return err
	}
	return body.Close()
}

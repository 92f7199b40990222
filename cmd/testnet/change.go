package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tryst-chat/tryst/testnet"
	"github.com/tryst-chat/tryst/testnet/beacon"
)

// controlSocket is where "testnet up" takes changes, in the testnet's folder.
const controlSocket = "control.sock"

// headerTimeout bounds what a caller takes to ask; a change itself takes its time.
const headerTimeout = 5 * time.Second

func newGrow() *cobra.Command {
	return &cobra.Command{
		Use:   "grow [N]",
		Short: "add servers to the testnet that runs, one unless told otherwise",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			by := "1"
			if len(args) > 0 {
				by = args[0]
			}
			return change(c.Context(), c.OutOrStdout(), "/grow", url.Values{"by": {by}})
		},
	}
}

func newShrink() *cobra.Command {
	return &cobra.Command{
		Use:   "shrink NAME...",
		Short: "have servers leave the testnet that runs",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return change(c.Context(), c.OutOrStdout(), "/shrink", url.Values{"name": args})
		},
	}
}

func newRoll() *cobra.Command {
	return &cobra.Command{
		Use:   "roll",
		Short: "restart all servers of the testnet that runs, one after the other",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return change(c.Context(), c.OutOrStdout(), "/roll", nil)
		},
	}
}

// change asks the testnet that runs on this machine for a change and waits for it.
func change(ctx context.Context, out io.Writer, path string, form url.Values) error {
	lit, found := beacon.Find()
	if !found {
		return errors.New("no testnet runs on this machine; to start one, type: testnet up")
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(lit.Dir, controlSocket))
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://testnet"+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("the testnet in %s does not answer: %w", lit.Dir, errors.Unwrap(err)) // without the URL
	}
	defer answer.Body.Close()
	const longest = 4 << 10
	words, err := io.ReadAll(io.LimitReader(answer.Body, longest))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(strings.TrimSpace(string(words)))
	}
	if err != nil {
		return err
	}
	_, err = out.Write(words)
	return err
}

// serveChanges takes changes until the context ends, and then those under way to their
// end. The socket lies in the testnet's folder, which only its owner may enter.
func serveChanges(ctx context.Context, net *testnet.Testnet, l net.Listener) error {
	mux := http.NewServeMux()
	handle := func(path string, do func(context.Context, *http.Request) error) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			err := do(ctx, r)
			if err == nil {
				err = beacon.Light(net.Describe())
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusConflict)
				return
			}
			fmt.Fprintf(w, "Done: %s run and take nodes.\n", counted(len(net.Describe().Servers)))
		})
	}
	handle("/grow", func(ctx context.Context, r *http.Request) error {
		by, err := strconv.Atoi(r.FormValue("by"))
		if err != nil {
			return fmt.Errorf("%q is not a number of servers", r.FormValue("by"))
		}
		return net.Grow(ctx, by)
	})
	handle("/shrink", func(ctx context.Context, r *http.Request) error {
		if err := r.ParseForm(); err != nil {
			return err
		}
		return net.Shrink(ctx, r.Form["name"]...)
	})
	handle("/roll", func(ctx context.Context, _ *http.Request) error { return net.Roll(ctx) })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	if err := server.Serve(l); ctx.Err() == nil {
		return err
	}
	return server.Shutdown(context.WithoutCancel(ctx)) // what is under way ends with ctx
}

// listenChanges opens the socket.
func listenChanges(dir string) (net.Listener, error) {
	path := filepath.Join(dir, controlSocket)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return net.Listen("unix", path)
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tryst-chat/tryst/rendezvous"
)

const statusHelp = `Ask a running server how it is: whether it takes nodes, who leads, and how much
there is. The exit status is 1 if the server takes no nodes, or does not answer.

The address is what the server's --metrics says; it is also in the line that the
server prints when it starts, as "metrics".`

// statusTimeout bounds the question; the server answers from memory.
const statusTimeout = 5 * time.Second

// maxStatus bounds what is read of an answer, in bytes: a name for each of the
// servers of a large cluster.
const maxStatus = 64 << 10

func statusCommand() *cobra.Command {
	var metrics string
	var asJSON bool
	c := &cobra.Command{
		Use:   "status --metrics HOST:PORT",
		Short: "Ask a running server how it is",
		Long:  statusHelp,
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return status(c.Context(), c.OutOrStdout(), metrics, asJSON)
		},
	}
	c.Flags().StringVar(&metrics, "metrics", "", "the server's --metrics address")
	c.Flags().BoolVar(&asJSON, "json", false, "print the answer as JSON")
	if err := c.MarkFlagRequired("metrics"); err != nil {
		panic(err) // only for a flag that is not defined above
	}
	return c
}

func status(ctx context.Context, out io.Writer, address string, asJSON bool) error {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	s, err := askStatus(ctx, address)
	if err != nil {
		return err
	}
	if asJSON {
		err = json.NewEncoder(out).Encode(s)
	} else {
		_, err = io.WriteString(out, words(s))
	}
	if err == nil && !s.Ready {
		err = fmt.Errorf("%s takes no nodes now: %s", s.Name, s.Obstacle)
	}
	return err
}

func askStatus(ctx context.Context, address string) (s rendezvous.Status, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/status", nil)
	if err != nil {
		return s, fmt.Errorf("--metrics: %q is not an address like 127.0.0.1:9100", address)
	}
	resp, err := http.DefaultClient.Do(req)
	if errors.Is(err, context.DeadlineExceeded) {
		return s, fmt.Errorf("the server at %s does not answer within %v", address, statusTimeout)
	}
	if err != nil {
		return s, fmt.Errorf("no server answers at %s: %w", address, errors.Unwrap(err)) // without the URL
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		err = json.NewDecoder(io.LimitReader(resp.Body, maxStatus)).Decode(&s)
	}
	if err != nil || s.Name == "" {
		return s, fmt.Errorf("what answers at %s is no rendezvous server", address)
	}
	return s, nil
}

// words puts a status into lines for a person.
func words(s rendezvous.Status) string {
	var out strings.Builder
	line := func(what, format string, args ...any) {
		fmt.Fprintf(&out, "%-11s%s\n", what, fmt.Sprintf(format, args...))
	}
	leader := s.Leader
	if leader == "" {
		leader = "nobody, as far as it knows"
	}
	line("server", "%s (%s)", s.Name, s.Peer)
	line("nodes", "%s", taken(s))
	line("leader", "%s, in term %d", leader, s.Term)
	line("cluster", "%s", strings.Join(s.Servers, ", "))
	line("applied", "%d", s.Applied)
	line("accounts", "%d", s.Accounts)
	line("groups", "%d", s.Groups)
	line("mail", "%s", mail(s))
	line("devices", "%d at this server, %d online in all", s.Sessions, s.Online)
	line("balancers", "%d", s.Balancers)
	return out.String()
}

func mail(s rendezvous.Status) string {
	waiting := fmt.Sprintf("%d waiting for devices (%s), %d in groups (%s)",
		s.Letters, size(s.LetterBytes), s.GroupLetters, size(s.GroupBytes))
	if s.NoMail != "" {
		waiting += "; no more are taken: " + s.NoMail
	}
	return waiting
}

// size is a number of bytes for a person.
func size(n uint64) string {
	const unit = 1024
	switch {
	case n < unit:
		return fmt.Sprintf("%d B", n)
	case n < unit*unit:
		return fmt.Sprintf("%.1f KiB", float64(n)/unit)
	case n < unit*unit*unit:
		return fmt.Sprintf("%.1f MiB", float64(n)/unit/unit)
	default:
		return fmt.Sprintf("%.1f GiB", float64(n)/unit/unit/unit)
	}
}

func taken(s rendezvous.Status) string {
	if s.Ready {
		return "are taken"
	}
	return "are not taken: " + s.Obstacle
}

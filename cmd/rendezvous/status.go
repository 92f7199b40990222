package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/tryst-chat/tryst/rendezvous"
	"github.com/tryst-chat/tryst/rendezvous/clock"
)

const statusHelp = `Ask a running server how it is: whether it takes nodes, who leads, and how much
there is; and with --dir, on its own machine, how all servers of its cluster are:

  rendezvous status --dir s1

The exit status is 1 if the server takes no nodes, or does not answer.

With --metrics it is asked at the address that its own --metrics says, which is also
in the line that the server prints when it starts, as "metrics".`

// statusTimeout bounds the question; the server answers from memory, and gives the
// others 2 s.
const statusTimeout = 5 * time.Second

// maxStatus bounds what is read of an answer, in bytes: all that each server of a
// large cluster says of itself.
const maxStatus = 1 << 20

func statusCommand() *cobra.Command {
	var dir, metrics string
	var asJSON bool
	c := &cobra.Command{
		Use:   "status --dir DIR | --metrics HOST:PORT",
		Short: "Ask a running server how it and its cluster are",
		Long:  statusHelp,
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(c.Context(), statusTimeout)
			defer cancel()
			if dir != "" {
				return clusterStatus(ctx, c.OutOrStdout(), dir, asJSON)
			}
			return status(ctx, c.OutOrStdout(), metrics, asJSON)
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "the folder of a server that runs on this machine")
	c.Flags().StringVar(&metrics, "metrics", "", "a server's --metrics address")
	c.Flags().BoolVar(&asJSON, "json", false, "print the answer as JSON")
	c.MarkFlagsOneRequired("dir", "metrics")
	c.MarkFlagsMutuallyExclusive("dir", "metrics")
	return c
}

func status(ctx context.Context, out io.Writer, address string, asJSON bool) error {
	s, err := askStatus(ctx, address)
	if err != nil {
		return err
	}
	if asJSON {
		err = json.NewEncoder(out).Encode(s)
	} else {
		_, err = io.WriteString(out, words(s))
	}
	return cmp.Or(err, unready(s))
}

func unready(s rendezvous.Status) error {
	if s.Ready {
		return nil
	}
	return fmt.Errorf("%s takes no nodes now: %s", s.Name, s.Obstacle)
}

// clusterStatus asks the server that runs in a folder how all are.
func clusterStatus(ctx context.Context, out io.Writer, dir string, asJSON bool) error {
	body, err := adminOf(dir).ask(ctx, http.MethodGet, "/servers")
	if err != nil {
		return err
	}
	defer body.Close()
	var all []rendezvous.Status
	if err := json.NewDecoder(io.LimitReader(body, maxStatus)).Decode(&all); err != nil {
		return fmt.Errorf("the server's answer cannot be read; is it of another version? %w", err)
	}
	if len(all) == 0 {
		return errors.New("the server says nothing of itself")
	}
	own := all[0]
	slices.SortFunc(all, func(a, b rendezvous.Status) int { return strings.Compare(a.Name, b.Name) })
	if asJSON {
		err = json.NewEncoder(out).Encode(all)
	} else {
		_, err = io.WriteString(out, words(own)+"\n"+table(all))
	}
	return cmp.Or(err, unready(own))
}

// table shows all servers, one a line.
func table(all []rendezvous.Status) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SERVER\tROLE\tBEHIND\tDEVICES\tDISK FREE\tCLOCK\tVERSION\tNODES")
	var last uint64 // of all logs
	for _, s := range all {
		last = max(last, s.Log)
	}
	for _, s := range all {
		if s.State == "" {
			fmt.Fprintf(w, "%s\t%s\t\t\t\t\t\t%s\n", s.Name, role(s), s.Obstacle)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\n", s.Name, role(s), last-s.Handled, s.Sessions, size(s.DiskFree), offset(s), s.Version, taken(s))
	}
	w.Flush() // a strings.Builder takes everything
	return out.String()
}

// offset is how far a server's clock is ahead, where somebody should know.
func offset(s rendezvous.Status) string {
	if s.ClockNotice == "" {
		return s.Clock
	}
	return fmt.Sprintf("%+.0f s", s.ClockOffset)
}

func role(s rendezvous.Status) string {
	switch {
	case s.State == "":
		return "?"
	case !s.Voter:
		return "joining"
	default:
		return s.State
	}
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
	line("disk", "%s free of %s", size(s.DiskFree), size(s.DiskSize))
	line("clock", "%s", agreement(s))
	line("version", "%s", s.Version)
	return out.String()
}

func agreement(s rendezvous.Status) string {
	switch {
	case s.ClockNotice != "":
		return "this server's " + s.ClockNotice
	case s.Clock == clock.Good.String():
		return fmt.Sprintf("good: most servers' are within %v", clock.Notice)
	default:
		return "unknown: too few servers answer to compare it with"
	}
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

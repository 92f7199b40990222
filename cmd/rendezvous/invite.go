package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tryst-chat/tryst/rendezvous/directory"
)

// usualValidity is how long an invitation is good unless the operator says otherwise:
// longer than people's holidays.
const usualValidity = 30 * 24 * time.Hour

const inviteHelp = `Make invitations: codes, one a line, each for one sign-up to the cluster, at whatever
server. Whoever has one can use it; give each to one person, and not in public.

  rendezvous invite --dir s1 --count 20 --valid 14d

Servers keep only hashes, so that nobody can show a code again. The person types

  sign up <username> <rollnumber> <password> --invitation <code>

and a code that was mistyped is told from one that was used. Codes may be made before
people are asked for them, which "rendezvous signup" sets.`

func inviteCommand() *cobra.Command {
	var dir string
	var count int
	valid := validity(usualValidity)
	var revoke bool
	c := &cobra.Command{
		Use:   "invite --dir DIR",
		Short: "Make invitations, each for one sign-up",
		Long:  inviteHelp,
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if revoke {
				return revokeAll(c.Context(), c.OutOrStdout(), dir)
			}
			return invite(c, dir, count, time.Duration(valid))
		},
	}
	dirFlag(c, &dir)
	c.Flags().IntVar(&count, "count", 1, fmt.Sprintf("how many, 1 to %d", directory.MaxInvite))
	c.Flags().Var(&valid, "valid", "how long they are good, like 14d or 12h")
	c.Flags().BoolVar(&revoke, "revoke-all", false, "instead, take back all that are out")
	c.MarkFlagsMutuallyExclusive("revoke-all", "count")
	c.MarkFlagsMutuallyExclusive("revoke-all", "valid")
	return c
}

func invite(c *cobra.Command, dir string, count int, valid time.Duration) error {
	switch {
	case count < 1 || count > directory.MaxInvite:
		return fmt.Errorf("--count: from 1 to %d at a time", directory.MaxInvite)
	case valid < directory.MinInvitation || valid > directory.MaxInvitation:
		return fmt.Errorf("--valid: from %v to %v", validity(directory.MinInvitation), validity(directory.MaxInvitation))
	}
	question := url.Values{"count": {strconv.Itoa(count)}, "valid": {valid.String()}}
	body, err := adminOf(dir).ask(c.Context(), http.MethodPost, "/invitations?"+question.Encode())
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := io.Copy(c.OutOrStdout(), io.LimitReader(body, maxAnswer)); err != nil {
		return fmt.Errorf("the codes did not come whole; take them back with --revoke-all, or make others: %w", err)
	}
	if is, err := askTerms(c.Context(), dir); err == nil && !is.Invitation {
		// Not on standard output, where only codes are.
		fmt.Fprintf(c.ErrOrStderr(), "Nobody is asked for an invitation yet; to change that, type: rendezvous signup --dir %s invitation\n", dir)
	}
	return nil
}

func revokeAll(ctx context.Context, out io.Writer, dir string) error {
	body, err := adminOf(dir).ask(ctx, http.MethodDelete, "/invitations")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "No invitation is out any more.\n")
	return body.Close()
}

// validity is a duration on the command line, which may be in days.
type validity time.Duration

const day = 24 * time.Hour

// Set implements pflag.Value.
func (v *validity) Set(text string) error {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > int(directory.MaxInvitation/day) {
			return fmt.Errorf("%q is no number of days up to %d", days, directory.MaxInvitation/day)
		}
		*v = validity(time.Duration(n) * day)
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%q is not like 14d, 12h or 30m", text)
	}
	*v = validity(d)
	return nil
}

// String implements pflag.Value.
func (v validity) String() string {
	if d := time.Duration(v); d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	text := time.Duration(v).String()
	for _, none := range []struct{ unit, zero string }{{"m", "0s"}, {"h", "0m"}} {
		if strings.HasSuffix(text, none.unit+none.zero) {
			text = strings.TrimSuffix(text, none.zero)
		}
	}
	return text
}

// Type implements pflag.Value.
func (validity) Type() string { return "DURATION" }

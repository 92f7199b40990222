package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tryst-chat/tryst/rendezvous"
	"github.com/tryst-chat/tryst/rendezvous/terms"
)

const signupHelp = `Show or set on which terms people sign up, in the whole cluster and from now on.
Accounts that exist, and logins, are not touched. Type it on the machine of any server:

  rendezvous signup --dir s1                       shows the terms
  rendezvous signup --dir s1 open                  asks for nothing (the default)
  rendezvous signup --dir s1 invitation            asks for a code that was given out:
                                                   see "rendezvous invite"
  rendezvous signup --dir s1 work --bits 22        asks for 2^22 hashes of a computer
  rendezvous signup --dir s1 invitation work       asks for both

Work keeps scripts from making accounts by the thousand, and costs a person seconds.
With one core an ordinary computer needs for 20 bits 0.1 seconds, for 22 half a second,
for 24 two seconds and for 26 seven; a slow phone ten times as long. It stops nobody who
rents graphics cards; invitations do.`

func signupCommand() *cobra.Command {
	var dir string
	var bits int
	c := &cobra.Command{
		Use:       "signup --dir DIR [open | invitation | work]",
		Short:     "Show or set on which terms people sign up",
		Long:      signupHelp,
		ValidArgs: []string{"open", "invitation", "work"},
		Args:      cobra.MatchAll(cobra.MaximumNArgs(2), cobra.OnlyValidArgs),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				asked, err := termsOf(args, bits, c.Flags().Changed("bits"))
				if err != nil {
					return err
				}
				if err := setTerms(c.Context(), dir, asked); err != nil {
					return err
				}
			} else if c.Flags().Changed("bits") {
				return fmt.Errorf("--bits is for work: rendezvous signup --dir %s work --bits %d", dir, bits)
			}
			is, err := askTerms(c.Context(), dir)
			if err == nil {
				_, err = io.WriteString(c.OutOrStdout(), termsText(is))
			}
			return err
		},
	}
	dirFlag(c, &dir)
	c.Flags().IntVar(&bits, "bits", terms.UsualBits, fmt.Sprintf("how much work: 2^bits hashes on average, %d to %d", terms.MinBits, terms.MaxBits))
	return c
}

// termsOf reads the terms off the command line.
func termsOf(args []string, bits int, given bool) (terms.Terms, error) {
	var t terms.Terms
	open := false
	for _, arg := range args {
		switch arg {
		case "open":
			open = true
		case "invitation":
			t.Invitation = true
		case "work":
			t.Bits = bits
		}
	}
	switch {
	case open && !t.Open():
		return t, fmt.Errorf("open means that nothing is asked for; leave out one of: %s", strings.Join(args, ", "))
	case given && t.Bits == 0:
		return t, fmt.Errorf("--bits is for work, which takes from %d to %d", terms.MinBits, terms.MaxBits)
	}
	if err := t.Check(); err != nil {
		return t, fmt.Errorf("--bits: work takes from %d to %d", terms.MinBits, terms.MaxBits)
	}
	return t, nil
}

func setTerms(ctx context.Context, dir string, t terms.Terms) error {
	path := fmt.Sprintf("/terms?bits=%d", t.Bits)
	if t.Invitation {
		path += "&invitation=yes"
	}
	return adminOf(dir).do(ctx, path)
}

func askTerms(ctx context.Context, dir string) (is rendezvous.SignUps, err error) {
	body, err := adminOf(dir).ask(ctx, http.MethodGet, "/terms")
	if err != nil {
		return is, err
	}
	defer body.Close()
	if err := json.NewDecoder(io.LimitReader(body, maxAnswer)).Decode(&is); err != nil {
		return is, fmt.Errorf("the server's answer cannot be read; is it of another version? %w", err)
	}
	return is, nil
}

// termsText puts the terms into a sentence for the operator.
func termsText(is rendezvous.SignUps) string {
	work := fmt.Sprintf("after 2^%d hashes of work", is.Bits)
	var text string
	switch {
	case is.Invitation && is.Bits > 0:
		text = "People sign up with an invitation, " + work + ".\n"
	case is.Invitation:
		text = "People sign up with an invitation.\n"
	case is.Bits > 0:
		text = "People sign up " + work + ".\n"
	default:
		text = "Anybody may sign up.\n"
	}
	if is.Invitation || is.Invitations > 0 {
		text += fmt.Sprintf("Invitations that are out: %d\n", is.Invitations)
	}
	return text
}

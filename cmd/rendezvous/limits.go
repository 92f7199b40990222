package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/tryst-chat/tryst/rendezvous/quota"
)

const limitsHelp = `Show how much one client may ask of the balancers and servers, in the order in which
a client meets the limits, and why.

AT ONCE is how much there may be; BACK is how fast what was used is given back, so that
whoever stays below that rate never meets the limit. Where nothing is, there is never
more at a time. What a server counts over time it counts for itself. How often each limit turned somebody away is in the metrics
tryst_balancer_refusals_total and tryst_rendezvous_refusals_total.`

func limitsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "limits",
		Short: "Show how much one client may ask",
		Long:  limitsHelp,
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := io.WriteString(c.OutOrStdout(), limits(quota.Table()))
			return err
		},
	}
}

// limitsWidth is how wide the table and the reasons are, in columns.
const limitsWidth = 100

// limits shows the table, and below it what happens and why.
func limits(all []quota.Limit) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LIMIT\tOF\tAT\tAT ONCE\tBACK")
	for _, l := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", l.Name, l.Of, l.At, atOnce(l), givenBack(l))
	}
	w.Flush() // a strings.Builder takes everything
	rows := strings.Split(out.String(), "\n")
	out.Reset()
	for _, row := range rows[:len(rows)-1] {
		fmt.Fprintln(&out, strings.TrimRight(row, " "))
	}
	for _, l := range all {
		fmt.Fprintf(&out, "\n%s\n", l.Name)
		fmt.Fprint(&out, paragraph("beyond: "+l.Then+"."), paragraph("reason: "+l.Why+"."))
	}
	return out.String()
}

// atOnce is how much there may be at once.
func atOnce(l quota.Limit) string {
	if strings.HasPrefix(l.Name, "bytes ") {
		return size(uint64(l.Burst))
	}
	return grouped(l.Burst)
}

// givenBack is a limit's rate; empty for none.
func givenBack(l quota.Limit) string {
	switch {
	case l.Rate == 0:
		return ""
	case l.Rate >= 1:
		return strconv.FormatFloat(l.Rate, 'g', 4, 64) + "/s"
	default:
		each := time.Duration(float64(time.Second) / l.Rate).Round(time.Second).String()
		if whole, minutes := strings.CutSuffix(each, "m0s"); minutes {
			each = whole + "m"
		}
		return "1 in " + each
	}
}

// grouped writes a number with a comma before each three digits.
func grouped(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// paragraph breaks a sentence into indented lines.
func paragraph(text string) string {
	const indent = "  "
	var lines []string
	line := indent
	for word := range slices.Values(strings.Fields(text)) {
		if len(line)+1+len(word) > limitsWidth {
			lines = append(lines, line)
			line = indent + indent
		}
		if strings.TrimSpace(line) != "" {
			line += " "
		}
		line += word
	}
	return strings.Join(append(lines, line), "\n") + "\n"
}

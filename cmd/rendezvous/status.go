package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// statusTimeout bounds the question; the server answers from memory.
const statusTimeout = 5 * time.Second

// maxStatus bounds what is printed of an answer, in bytes.
const maxStatus = 4 << 10

func statusCommand() *cobra.Command {
	var metrics string
	c := &cobra.Command{
		Use:   "status --metrics HOST:PORT",
		Short: "Ask a running server whether it takes nodes; exit status 1 if not",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return status(c.Context(), c.OutOrStdout(), metrics)
		},
	}
	c.Flags().StringVar(&metrics, "metrics", "", "the server's --metrics address")
	if err := c.MarkFlagRequired("metrics"); err != nil {
		panic(err) // only for a flag that is not defined above
	}
	return c
}

func status(ctx context.Context, out io.Writer, address string) error {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/healthz", nil)
	if err != nil {
		return fmt.Errorf("--metrics: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("no server answers at %s: %w", address, err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(out, io.LimitReader(resp.Body, maxStatus)); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New("the server takes no nodes now: it has no leader, lags behind, or is leaving")
	}
	return nil
}

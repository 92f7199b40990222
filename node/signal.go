package node

import (
	"context"
	"time"
)

// signal leaves a token that there is news.
func signal(news chan<- struct{}) {
	select {
	case news <- struct{}{}:
	default: // a token is there already
	}
}

// awaitSignal waits for a token, and at most so long.
func awaitSignal(ctx context.Context, signal <-chan struct{}, most time.Duration) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-signal:
	case <-timer.C:
	case <-ctx.Done():
	}
}

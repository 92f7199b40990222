//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// onResize calls resize whenever the terminal's size changes, until stop.
func onResize(resize func()) (stop func()) {
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, syscall.SIGWINCH)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range changes {
			resize()
		}
	}()
	return func() {
		signal.Stop(changes)
		close(changes)
		<-done
	}
}

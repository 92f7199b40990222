//go:build !unix

package main

// onResize: elsewhere the size is what it was at the start.
func onResize(func()) (stop func()) { return func() {} }

// Package show prints what happens on a node: as JSON for programs, as plain
// lines for pipes, and above a line that is being edited for a person at a
// terminal. It decides nothing and calls no node; package main of cmd/tryst
// hands it events. The rules that all three printers keep stand in printer.go.
package show

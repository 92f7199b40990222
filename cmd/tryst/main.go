// Command tryst is a person's node: it signs up, logs in, sends and receives
// messages and files, and takes part in groups. On a terminal it is an
// interactive program; otherwise it reads one command a line and prints one
// event a line, with --json as JSON objects. It only turns lines into calls of
// package node and events into lines: what the calls do is told there.
package main

import "os"

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// Package command reads what a person types: one line in, one Command out, or
// a sentence that says what is wrong with it. It is pure. It knows the form of
// every command and nothing of what they do: whether an account, a group or a
// file exists is found out by whoever executes the command. Package main of
// cmd/tryst calls it, for lines from a terminal and from a pipe alike.
package command

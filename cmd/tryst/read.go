package main

import (
	"errors"
	"strings"

	"github.com/tryst-chat/tryst/cmd/tryst/command"
	"github.com/tryst-chat/tryst/node"
)

// request is one line that was read: a command, or why it is none.
type request struct {
	command command.Command
	err     *node.Error
}

// readRequests reads lines until the source or done ends, and hands on what
// they ask for. It asks for passwords itself, so that a question never meets
// the next line. It closes requests.
func readRequests(from source, requests chan<- request, done <-chan struct{}) {
	defer close(requests)
	for {
		line, err := from.ReadLine()
		var r request
		switch {
		case errors.Is(err, errLineTooLong):
			r.err = &node.Error{Code: node.CodeTooLong, Message: "The line is longer than a command with a text of 64 KiB can be.", Hint: "Send it as a file: send_file <file> <name+rollno>"}
		case err != nil:
			return
		default:
			if r.command, r.err = parse(from, line); r.command == nil && r.err == nil {
				continue
			}
		}
		select {
		case requests <- r:
		case <-done:
			return
		}
	}
}

// parse reads a line and asks for the password that it leaves out.
func parse(from source, line string) (command.Command, *node.Error) {
	c, err := command.Parse(line)
	if err == nil {
		c, err = askPassword(from, c)
	}
	if err == nil {
		return c, nil
	}
	e := &node.Error{Code: node.CodeUsage, Message: err.Error()}
	var usage *command.UsageError
	if errors.As(err, &usage) {
		e.Message, e.Hint = usage.Message, usage.Hint
	}
	return nil, e
}

func askPassword(from source, c command.Command) (command.Command, error) {
	switch c := c.(type) {
	case command.SignUp:
		if c.Password != "" {
			return c, nil
		}
		password, err := ask(from, "Choose a password: ", "sign up <username> <rollnumber> <password>")
		if err != nil {
			return nil, err
		}
		again, err := ask(from, "The same again: ", "sign up <username> <rollnumber> <password>")
		if err != nil {
			return nil, err
		}
		if again != password {
			return nil, &command.UsageError{Message: "The two passwords differ.", Hint: "Type the command again."}
		}
		c.Password = password
		return c, nil
	case command.Login:
		if c.Password != "" {
			return c, nil
		}
		password, err := ask(from, "Password: ", "login <username+rollnumber> <password>")
		c.Password = password
		return c, err
	default:
		return c, nil
	}
}

func ask(from source, prompt, usage string) (string, error) {
	password, err := from.ReadPassword(prompt)
	password = strings.Trim(password, " \t") // as on the line
	switch {
	case errors.Is(err, errNoTerminal):
		return "", &command.UsageError{Message: "The password is missing.", Hint: "Type: " + usage}
	case err != nil || password == "":
		return "", &command.UsageError{Message: "No password was typed.", Hint: "Type the command again."}
	}
	return password, nil
}

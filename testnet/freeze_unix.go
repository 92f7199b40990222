//go:build unix

package testnet

import "syscall"

// freeze stops a process where it is: its connections stay open and silent.
func (p *process) freeze() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }

// thaw lets it go on.
func (p *process) thaw() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

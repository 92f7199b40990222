package testnet

import "syscall"

// attributes: children are in a group of their own, so that Ctrl-C reaches
// only the launcher, which stops them in order; and the kernel kills them when
// the launcher dies without doing so. (The signal comes when the thread that
// started them ends; Go keeps its threads.)
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

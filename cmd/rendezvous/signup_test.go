//go:build unix

package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/tryst-chat/tryst/rendezvous/terms"
)

// The operator sets the terms at one server and sees them at another; codes are all
// that is on standard output.
func TestSignUpTerms(t *testing.T) {
	c := newCluster(t, "s1", "s2", "s3")
	c.votes(t, "s1", "s1", "s2", "s3")
	dir := func(name string) string { return filepath.Join(c.dir, name) }
	shows := func(name, want string) {
		t.Helper()
		if out, errs, status := say(t, "signup", "--dir", dir(name)); status != 0 || out != want {
			t.Errorf("%s shows %q, %s", name, out, errs)
		}
	}
	shows("s1", "Anybody may sign up.\n")
	codes, errs, status := say(t, "invite", "--dir", dir("s1"), "--count", "3", "--valid", "2d")
	if status != 0 || !strings.Contains(errs, "rendezvous signup --dir "+dir("s1")+" invitation") {
		t.Fatal(codes, errs)
	}
	lines := strings.Split(strings.TrimSuffix(codes, "\n"), "\n")
	if len(lines) != 3 || lines[0] == lines[1] {
		t.Fatalf("codes %q", lines)
	}
	for _, line := range lines {
		if _, err := terms.ParseCode(line); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	}
	shows("s2", "Anybody may sign up.\nInvitations that are out: 3\n")
	for _, step := range []struct {
		args []string
		want string
	}{
		{[]string{"invitation"}, "People sign up with an invitation.\nInvitations that are out: 3\n"},
		{[]string{"work"}, "People sign up after 2^22 hashes of work.\nInvitations that are out: 3\n"},
		{[]string{"work", "invitation", "--bits", "20"}, "People sign up with an invitation, after 2^20 hashes of work.\nInvitations that are out: 3\n"},
	} {
		args := append([]string{"signup", "--dir", dir("s3")}, step.args...)
		if out, errs, status := say(t, args...); status != 0 || out != step.want {
			t.Errorf("%v says %q, %s", step.args, out, errs)
		}
		shows("s1", step.want)
	}
	if out, errs, status := say(t, "invite", "--dir", dir("s2")); status != 0 || errs != "" || strings.Count(out, "\n") != 1 {
		t.Errorf("one more: %q, %s", out, errs)
	}
	if out, errs, status := say(t, "invite", "--dir", dir("s1"), "--revoke-all"); status != 0 || !strings.Contains(out, "No invitation is out") {
		t.Error(out, errs)
	}
	if out, errs, status := say(t, "signup", "--dir", dir("s2"), "open"); status != 0 || out != "Anybody may sign up.\n" {
		t.Error(out, errs)
	}
	shows("s3", "Anybody may sign up.\n")
}

// Each mistake gets one line that says what to do, before any server is asked.
func TestSignUpMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no such terms":     {[]string{"signup", "closed"}, `"closed"`},
		"open and more":     {[]string{"signup", "open", "work"}, "nothing is asked for"},
		"bits of nothing":   {[]string{"signup", "--bits", "20"}, "work --bits 20"},
		"bits of codes":     {[]string{"signup", "invitation", "--bits", "20"}, "--bits is for work"},
		"too much work":     {[]string{"signup", "work", "--bits", "27"}, "from 8 to 26"},
		"no bits":           {[]string{"signup", "work", "--bits", "0"}, "from 8 to 26"},
		"no codes":          {[]string{"invite", "--count", "0"}, "from 1 to 1000"},
		"codes without end": {[]string{"invite", "--valid", "400d"}, "365"},
		"codes for ever":    {[]string{"invite", "--valid", "99999999999999999999d"}, "number of days"},
		"codes for a while": {[]string{"invite", "--valid", "soon"}, "like 14d"},
		"codes for nobody":  {[]string{"invite", "--valid", "1m"}, "from 10m to 365d"},
		"both at once":      {[]string{"invite", "--revoke-all", "--count", "2"}, "revoke-all"},
		"no server":         {[]string{"signup", "open"}, "no server runs in"},
		"no server of it":   {[]string{"invite"}, "no server runs in"},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, status := say(t, append(c.args, "--dir", t.TempDir())...)
			if status != 1 || out != "" || !strings.Contains(errs, c.want) {
				t.Errorf("exit status %d, out %q, err %q", status, out, errs)
			}
		})
	}
}

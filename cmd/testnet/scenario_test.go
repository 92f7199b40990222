package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tryst-chat/tryst/testnet/scenario"
)

func TestScenariosAreListed(t *testing.T) {
	var out bytes.Buffer
	root := newRoot()
	root.SetOut(&out)
	root.SetArgs([]string{"scenario"})
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, s := range scenario.All() {
		if !strings.Contains(out.String(), s.Name+" ") || !strings.Contains(out.String(), s.About) {
			t.Errorf("%s is not listed in:\n%s", s.Name, out.String())
		}
	}
}

func TestUnknownScenarioIsRefused(t *testing.T) {
	root := newRoot()
	root.SilenceUsage, root.SilenceErrors = true, true
	root.SetArgs([]string{"scenario", "peace"})
	if err := root.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), `"peace"`) {
		t.Errorf("an unknown scenario ends with %v", err)
	}
}

// Package storetest is the contract of directory.Store as a test suite, which
// every implementation runs, and a store in memory for tests. Only tests import
// it.
package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tryst-chat/tryst/rendezvous/directory"
)

// Run runs the contract. open returns an empty store.
func Run(t *testing.T, open func(t testing.TB) directory.Store) {
	for name, test := range map[string]func(*testing.T, directory.Store){
		"missing key":         missingKey,
		"read own writes":     readOwnWrites,
		"all or nothing":      allOrNothing,
		"scan":                scan,
		"scan stops":          scanStops,
		"snapshot":            snapshot,
		"slices are copied":   slicesAreCopied,
		"largest transaction": largestTransaction,
		"too big":             tooBig,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
	t.Run("model", func(t *testing.T) { model(t, open(t)) })
}

func missingKey(t *testing.T, s directory.Store) {
	view(t, s, func(r directory.Reader) {
		if _, err := r.Get([]byte("k")); !errors.Is(err, directory.ErrMissing) {
			t.Errorf("Get: %v, want ErrMissing", err)
		}
	})
	update(t, s, func(w directory.Writer) {
		must(t, w.Delete([]byte("k")))
	})
}

func readOwnWrites(t *testing.T, s directory.Store) {
	update(t, s, func(w directory.Writer) {
		must(t, w.Set([]byte("a1"), []byte("x")))
		must(t, w.Set([]byte("a2"), []byte("y")))
		must(t, w.Set([]byte("a1"), []byte("z")))
		must(t, w.Delete([]byte("a2")))
		if got, err := w.Get([]byte("a1")); err != nil || string(got) != "z" {
			t.Errorf("Get: %q, %v", got, err)
		}
		if got := keys(t, w, "a", ""); !slices.Equal(got, []string{"a1"}) {
			t.Errorf("Scan: %q", got)
		}
	})
}

func allOrNothing(t *testing.T, s directory.Store) {
	stop := errors.New("stop")
	err := s.Update(func(w directory.Writer) error {
		must(t, w.Set([]byte("k"), []byte("v")))
		return stop
	})
	if !errors.Is(err, stop) {
		t.Errorf("Update: %v, want the function's error", err)
	}
	view(t, s, func(r directory.Reader) {
		if got := keys(t, r, "", ""); len(got) != 0 {
			t.Errorf("a failed Update left %q", got)
		}
	})
}

func scan(t *testing.T, s directory.Store) {
	update(t, s, func(w directory.Writer) {
		for _, k := range []string{"b", "ab", "a\xff", "a", "aa\x00", "aa", "c"} {
			must(t, w.Set([]byte(k), []byte("v"+k)))
		}
	})
	for _, c := range []struct {
		prefix, from string
		want         []string
	}{
		{"", "", []string{"a", "aa", "aa\x00", "ab", "a\xff", "b", "c"}},
		{"a", "", []string{"a", "aa", "aa\x00", "ab", "a\xff"}},
		{"aa", "", []string{"aa", "aa\x00"}},
		{"a", "aa\x00", []string{"aa\x00", "ab", "a\xff"}},
		{"a", "aaa", []string{"ab", "a\xff"}},
		{"a", "b", nil},
		{"b", "a", []string{"b"}},
		{"x", "", nil},
	} {
		view(t, s, func(r directory.Reader) {
			if got := keys(t, r, c.prefix, c.from); !slices.Equal(got, c.want) {
				t.Errorf("Scan(%q, %q): %q, want %q", c.prefix, c.from, got, c.want)
			}
		})
	}
}

func scanStops(t *testing.T, s directory.Store) {
	update(t, s, func(w directory.Writer) {
		for i := range 5 {
			must(t, w.Set([]byte{'k', byte(i)}, nil))
		}
	})
	stop := errors.New("stop")
	view(t, s, func(r directory.Reader) {
		var seen int
		err := r.Scan([]byte("k"), nil, func(_, _ []byte) (bool, error) {
			seen++
			return seen < 3, nil
		})
		if err != nil || seen != 3 {
			t.Errorf("visited %d, %v", seen, err)
		}
		err = r.Scan([]byte("k"), nil, func(_, _ []byte) (bool, error) { return true, stop })
		if !errors.Is(err, stop) {
			t.Errorf("Scan: %v, want the visitor's error", err)
		}
	})
}

func snapshot(t *testing.T, s directory.Store) {
	update(t, s, func(w directory.Writer) { must(t, w.Set([]byte("k"), []byte("old"))) })
	view(t, s, func(r directory.Reader) {
		update(t, s, func(w directory.Writer) {
			must(t, w.Set([]byte("k"), []byte("new")))
			must(t, w.Set([]byte("l"), []byte("new")))
		})
		if got, err := r.Get([]byte("k")); err != nil || string(got) != "old" {
			t.Errorf("a View that was open before an Update reads %q, %v", got, err)
		}
		if got := keys(t, r, "", ""); !slices.Equal(got, []string{"k"}) {
			t.Errorf("and scans %q", got)
		}
	})
}

func slicesAreCopied(t *testing.T, s directory.Store) {
	key, value := []byte("key"), []byte("value")
	update(t, s, func(w directory.Writer) {
		must(t, w.Set(key, value))
		copy(key, "xxx")
		copy(value, "xxxxx")
	})
	var got []byte
	view(t, s, func(r directory.Reader) {
		var err error
		got, err = r.Get([]byte("key"))
		must(t, err)
	})
	if string(got) != "value" {
		t.Errorf("Get: %q", got)
	}
	copy(got, "yyyyy")
	view(t, s, func(r directory.Reader) {
		if again, _ := r.Get([]byte("key")); string(again) != "value" {
			t.Errorf("Get after writing into what Get returned: %q", again)
		}
	})
}

func largestTransaction(t *testing.T, s directory.Store) {
	const value = 1 << 10
	update(t, s, func(w directory.Writer) {
		for i := range directory.MaxTransaction / (value + 4) {
			must(t, w.Set(fmt.Appendf(nil, "%04d", i), make([]byte, value)))
		}
	})
}

func tooBig(t *testing.T, s directory.Store) {
	const tooMuch = 64 << 20
	err := s.Update(func(w directory.Writer) error {
		value := make([]byte, directory.MaxTransaction/2)
		for i := range tooMuch / len(value) {
			if err := w.Set(fmt.Appendf(nil, "%04d", i), value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, directory.ErrTooBig) {
		t.Errorf("Update: %v, want nil or ErrTooBig", err)
	}
	view(t, s, func(r directory.Reader) {
		if got := keys(t, r, "", ""); err != nil && len(got) != 0 {
			t.Errorf("a transaction that was too big left %d keys", len(got))
		}
	})
}

// model compares a store with a map over random transactions.
func model(t *testing.T, s directory.Store) {
	want := map[string]string{}
	key := rapid.StringMatching(`[ab\x00]{1,3}`)
	rapid.Check(t, func(t *rapid.T) {
		next := map[string]string{}
		for k, v := range want {
			next[k] = v
		}
		commit := rapid.Bool().Draw(t, "commit")
		err := s.Update(func(w directory.Writer) error {
			for range rapid.IntRange(1, 6).Draw(t, "writes") {
				k := key.Draw(t, "key")
				if rapid.Bool().Draw(t, "set") {
					v := rapid.String().Draw(t, "value")
					next[k] = v
					must(t, w.Set([]byte(k), []byte(v)))
				} else {
					delete(next, k)
					must(t, w.Delete([]byte(k)))
				}
			}
			if !commit {
				return errors.New("no")
			}
			return nil
		})
		if (err == nil) != commit {
			t.Fatalf("Update: %v", err)
		}
		if commit {
			want = next
		}
		if got := Dump(t, s); !equal(got, want) {
			t.Fatalf("store holds %q, want %q", got, want)
		}
	})
}

func equal(dump []Pair, want map[string]string) bool {
	if len(dump) != len(want) {
		return false
	}
	for _, p := range dump {
		if v, ok := want[string(p.Key)]; !ok || v != string(p.Value) {
			return false
		}
	}
	return true
}

// Pair is one key of a store with its value.
type Pair struct{ Key, Value []byte }

// TB is the part of testing.TB that rapid.T has too.
type TB interface {
	Helper()
	Fatal(args ...any)
}

// Dump returns all that a store holds, in order.
func Dump(t TB, s directory.Store) []Pair {
	t.Helper()
	var pairs []Pair
	must(t, s.View(func(r directory.Reader) error {
		return r.Scan(nil, nil, func(k, v []byte) (bool, error) {
			pairs = append(pairs, Pair{k, v})
			return true, nil
		})
	}))
	return pairs
}

// Same reports whether two dumps are equal byte for byte.
func Same(a, b []Pair) bool {
	return slices.EqualFunc(a, b, func(a, b Pair) bool {
		return bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value)
	})
}

func keys(t TB, r directory.Reader, prefix, from string) []string {
	t.Helper()
	var got []string
	must(t, r.Scan([]byte(prefix), []byte(from), func(k, _ []byte) (bool, error) {
		got = append(got, string(k))
		return true, nil
	}))
	return got
}

func view(t TB, s directory.Store, f func(directory.Reader)) {
	t.Helper()
	must(t, s.View(func(r directory.Reader) error { f(r); return nil }))
}

func update(t TB, s directory.Store, f func(directory.Writer)) {
	t.Helper()
	must(t, s.Update(func(w directory.Writer) error { f(w); return nil }))
}

func must(t TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

package backup_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tryst-chat/tryst/rendezvous/backup"
)

type row struct{ Key, Value []byte }

func write(t interface{ Fatal(...any) }, h backup.Header, rows []row) []byte {
	var file bytes.Buffer
	w, err := backup.NewWriter(&file, h)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if err := w.Row(r.Key, r.Value); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func read(file []byte) (backup.Header, []row, error) {
	r, err := backup.NewReader(bytes.NewReader(file))
	if err != nil {
		return backup.Header{}, nil, err
	}
	var rows []row
	for {
		key, value, err := r.Next()
		if err != nil || key == nil {
			return r.Header, rows, err
		}
		rows = append(rows, row{key, value})
	}
}

var header = backup.Header{Cluster: "ab", Server: "s1", Created: time.Unix(1_700_000_000, 0).UTC(), Index: 7, Accounts: 2, Version: "v1"}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bytesOf := rapid.SliceOfN(rapid.Byte(), 1, 300)
		rows := rapid.SliceOf(rapid.Custom(func(t *rapid.T) row {
			return row{bytesOf.Draw(t, "key"), bytesOf.Draw(t, "value")}
		})).Draw(t, "rows")
		h, found, err := read(write(t, header, rows))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(header, h); diff != "" {
			t.Error(diff)
		}
		if len(rows)+len(found) > 0 && !cmp.Equal(rows, found) {
			t.Error(cmp.Diff(rows, found))
		}
	})
}

// Wherever a file is cut or a bit turned, it is noticed.
func TestDamage(t *testing.T) {
	file := write(t, header, []row{{[]byte("a"), nil}, {[]byte("key"), bytes.Repeat([]byte("value"), 50)}})
	for i := range file {
		if _, _, err := read(file[:i]); err == nil {
			t.Errorf("cut to %d bytes: not noticed", i)
		}
		for bit := range 8 {
			changed := bytes.Clone(file)
			changed[i] ^= 1 << bit
			if _, _, err := read(changed); err == nil {
				t.Errorf("bit %d of byte %d: not noticed", bit, i)
			}
		}
	}
	if _, _, err := read(append(bytes.Clone(file), 0)); !errors.Is(err, backup.ErrDamaged) {
		t.Errorf("with something behind it: %v", err)
	}
	if _, _, err := read([]byte("something else altogether")); !errors.Is(err, backup.ErrFormat) {
		t.Errorf("something else: %v", err)
	}
}

func TestWriterRefuses(t *testing.T) {
	w, err := backup.NewWriter(new(bytes.Buffer), header)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []row{{nil, []byte("v")}, {make([]byte, 1001), nil}, {[]byte("k"), make([]byte, 1<<20+1)}} {
		if w.Row(r.Key, r.Value) == nil {
			t.Errorf("took a key of %d and a value of %d bytes", len(r.Key), len(r.Value))
		}
	}
}

// What is read without an error reads the same when it is written again.
func FuzzRead(f *testing.F) {
	f.Add(write(f, header, []row{{[]byte("a"), []byte("b")}}))
	f.Add([]byte("tryst backup 1\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, file []byte) {
		h, rows, err := read(file)
		if err != nil {
			return
		}
		again, found, err := read(write(t, h, rows))
		if err != nil || !cmp.Equal(h, again) || len(rows) != len(found) {
			t.Errorf("%v, %d rows became %v, %d, %v", h, len(rows), again, len(found), err)
		}
	})
}

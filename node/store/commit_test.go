package store

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
)

var errRefused = errors.New("refused")

func counter(tx *Tx, name string) uint64 {
	if v, ok := tx.Meta(name); ok {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

func count(tx *Tx, name string) {
	tx.PutMeta(name, binary.BigEndian.AppendUint64(nil, counter(tx, name)+1))
}

// Many write at once, some fail: every success counts once, no failure does.
func TestUpdatesAtOnce(t *testing.T) {
	s := newStore(t)
	const writers, each = 16, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				fails := (w+i)%3 == 0
				err := s.Update(func(tx *Tx) error {
					count(tx, "n")
					if fails {
						return errRefused
					}
					count(tx, "m")
					return nil
				})
				if fails != errors.Is(err, errRefused) {
					t.Errorf("update returned %v", err)
				}
			}
		})
	}
	wg.Wait()
	want := uint64(0)
	for w := range writers {
		for i := range each {
			if (w+i)%3 != 0 {
				want++
			}
		}
	}
	mustView(t, s, func(tx *Tx) {
		if counter(tx, "n") != want || counter(tx, "m") != want {
			t.Errorf("counted %d and %d, want %d", counter(tx, "n"), counter(tx, "m"), want)
		}
	})
}

// In one batch each sees what those before it wrote, except for those that
// failed.
func TestBatch(t *testing.T) {
	s := newStore(t)
	b := batch{store: s, txn: s.db.NewTransaction(true)}
	var saw []uint64
	step := func(err error) update {
		return update{done: make(chan error, 1), run: func(tx *Tx) error {
			saw = append(saw, counter(tx, "n"))
			count(tx, "n")
			return err
		}}
	}
	updates := []update{step(nil), step(errRefused), step(nil), step(errRefused)}
	for _, u := range updates {
		b.add(u)
	}
	if len(updates[0].done) != 0 {
		t.Error("answered before it was committed")
	}
	b.commit()
	for i, want := range []error{nil, errRefused, nil, errRefused} {
		if err := <-updates[i].done; !errors.Is(err, want) {
			t.Errorf("update %d: %v, want %v", i, err, want)
		}
	}
	if got := fmt.Sprint(saw); got != "[0 1 1 2]" {
		t.Errorf("they saw %s", got)
	}
	mustView(t, s, func(tx *Tx) {
		if counter(tx, "n") != 2 {
			t.Errorf("committed %d, want 2", counter(tx, "n"))
		}
	})
}

func TestFailuresStick(t *testing.T) {
	s := newStore(t)
	err := s.View(func(tx *Tx) error {
		tx.PutMeta("n", []byte("x"))
		return nil
	})
	if !errors.Is(err, ErrReadOnly) {
		t.Errorf("write in a View: %v", err)
	}
	err = s.Update(func(tx *Tx) error {
		tx.PutMeta("kept?", []byte("x"))
		tx.PutMeta("large", make([]byte, MaxUpdate))
		if _, ok := tx.Meta("kept?"); ok {
			t.Error("a failed transaction still reads")
		}
		return nil
	})
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	// Writing a row again costs nothing more.
	mustUpdate(t, s, func(tx *Tx) {
		for range 8 {
			tx.PutMeta("large", make([]byte, MaxUpdate/2))
		}
	})

	// A row that does not parse fails whoever reads it.
	mustUpdate(t, s, func(tx *Tx) { tx.put([]byte{rowDevice}, []byte("no device")) })
	err = s.Update(func(tx *Tx) error {
		tx.Device()
		tx.PutMeta("kept?", []byte("x"))
		return nil
	})
	if !errors.Is(err, ErrDamaged) {
		t.Errorf("a damaged row: %v", err)
	}
	mustView(t, s, func(tx *Tx) {
		if _, ok := tx.Meta("kept?"); ok {
			t.Error("a failed transaction was written")
		}
	})
}

// The largest Update that may be, behind as much as a batch lets come before it.
// Once the disk has not taken something nothing more is written, so that what is
// read afterwards is not built on what was lost.
func TestNothingIsWrittenAfterTheDiskFailed(t *testing.T) {
	s := newStore(t)
	if err := s.db.Close(); err != nil { // beneath the store: commits fail from now on
		t.Fatal(err)
	}
	err := s.Update(func(tx *Tx) error {
		tx.PutMeta("lost", []byte("x"))
		return nil
	})
	if !errors.Is(err, ErrFailed) {
		t.Fatalf("update: %v", err)
	}
	ran := false
	if err := s.Update(func(*Tx) error { ran = true; return nil }); !errors.Is(err, ErrFailed) || ran {
		t.Errorf("after the failure: %v, run %t", err, ran)
	}
}

func TestLargestBatch(t *testing.T) {
	s := newStore(t)
	if most := s.db.MaxBatchCount(); (MaxUpdate+maxBatchBytes)/rowOverhead >= int(most) {
		t.Errorf("Badger takes %d rows only", most)
	}
	b := batch{store: s, txn: s.db.NewTransaction(true)}
	fill := func(limit int) update {
		return update{done: make(chan error, 1), run: func(tx *Tx) error {
			for i := 0; tx.bytes+2000 < limit; i++ {
				tx.PutMeta("row"+strconv.Itoa(i), make([]byte, 1000))
			}
			tx.PutMeta("rest", make([]byte, limit-tx.bytes-rowOverhead-len(metaKey("rest"))))
			return nil
		}}
	}
	small, large := fill(maxBatchBytes-1), fill(MaxUpdate)
	b.add(small)
	if !b.open() {
		t.Fatal("the batch is closed too early")
	}
	b.add(large)
	if b.open() {
		t.Error("the batch takes more than it should")
	}
	b.commit()
	if err := errors.Join(<-small.done, <-large.done); err != nil {
		t.Errorf("the largest batch: %v", err)
	}
}

const crashVariable = "TRYST_STORE_CRASH_DIR"

// TestMain makes the test binary the process that TestCrash kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv(crashVariable); dir != "" {
		crashChild(dir)
	}
	os.Exit(m.Run())
}

// crashChild writes for ever and prints each number once it is on the disk.
func crashChild(dir string) {
	s, err := Create(dir, password, cheap)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for i := uint64(1); ; i++ {
		err := s.Update(func(tx *Tx) error {
			count(tx, "a")
			tx.Append(Message{Conversation: "bob7", From: "bob7", Text: strconv.FormatUint(i, 10)})
			count(tx, "b")
			return nil
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(i)
	}
}

// A process that is killed in the middle has written whole updates only, and
// all that were answered.
func TestCrash(t *testing.T) {
	executable, err := os.Executable()
	if err != nil {
		t.Skip("cannot run itself:", err)
	}
	dir := t.TempDir()
	child := exec.Command(executable)
	child.Env = append(os.Environ(), crashVariable+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var answered uint64
	for lines.Scan() {
		if answered, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
			t.Fatal(err)
		}
		if answered == 200 {
			child.Process.Kill()
		}
	}
	child.Wait() // it was killed: the error says nothing
	if answered < 200 {
		t.Fatalf("the process ended after %d updates", answered)
	}

	s, err := Open(dir, password)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	mustView(t, s, func(tx *Tx) {
		a, b, history := counter(tx, "a"), counter(tx, "b"), tx.History("bob7", 0)
		if a < answered || a != b || uint64(len(history)) != a {
			t.Errorf("%d answered, %d and %d counted, %d messages", answered, a, b, len(history))
		}
	})
}

func BenchmarkUpdate(b *testing.B) {
	for _, writers := range []int{1, 16, 128} {
		b.Run(strconv.Itoa(writers), func(b *testing.B) {
			s := newStore(b)
			text := string(make([]byte, 256))
			work := make(chan struct{})
			var wg sync.WaitGroup
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					for range work {
						mustUpdate(b, s, func(tx *Tx) { tx.Append(Message{Conversation: "bob7", From: "bob7", Text: text}) })
					}
				})
			}
			for range b.N {
				work <- struct{}{}
			}
			close(work)
			wg.Wait()
		})
	}
}

// A disk that is nearly full takes nothing, and loses nothing; when there is room, all
// goes on.
func TestNoSpace(t *testing.T) {
	s := newStore(t)
	room := true
	s.Free = func(dir string) (uint64, error) {
		if dir != s.dir {
			t.Errorf("looks at %s", dir)
		}
		if room {
			return MinFree, nil
		}
		return MinFree - 1, nil
	}
	put := func(name string) error {
		return s.Update(func(tx *Tx) error { tx.PutMeta(name, []byte("x")); return nil })
	}
	has := func(name string) (ok bool) {
		if err := s.View(func(tx *Tx) error { _, ok = tx.Meta(name); return nil }); err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if err := put("before"); err != nil {
		t.Fatal(err)
	}
	room = false
	if err := put("full"); !errors.Is(err, ErrNoSpace) || has("full") || !has("before") {
		t.Errorf("on a full disk: %v", err)
	}
	room = true
	if err := put("after"); err != nil || !has("after") {
		t.Errorf("with room again: %v", err)
	}
	if free, err := freeSpace(s.dir); err != nil || free == 0 {
		t.Errorf("free: %d, %v", free, err)
	}
}

package transport

import (
	"errors"
	"fmt"
	"sync"
	"testing"
)

func TestRotationLosesNothing(t *testing.T) {
	for _, n := range []int{3, 10} {
		t.Run(fmt.Sprint(n), func(t *testing.T) { testRotation(t, n) })
	}
}

// testRotation lets three members speak while all of them, one after the other, move
// on to the next epoch's topic.
func testRotation(t *testing.T, n int) {
	const speakers, each = 3, 60
	hosts := newHosts(t, n)
	m := membersOf(hosts...)
	reachAll(t, hosts)
	rotations, ear := make([]*Rotation, n), make([]*ears, n)
	for i, h := range hosts {
		ear[i] = newEars()
		rotations[i] = startTopics(t, h, m).Rotation(m.has, ear[i].deliver)
		if err := rotations[i].Publish(within(t), nil, 0); !errors.Is(err, ErrNoTopic) {
			t.Fatalf("published without a topic: %v", err)
		}
		if err := rotations[i].Enter("epoch 1"); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range rotations {
		eventually(t, "all have met", func() bool { return r.topics.meshes.met() == n-1 && r.current.Ready(n-1) })
	}
	said := numbered("said", each)
	var speaking sync.WaitGroup
	for i, r := range rotations {
		speaking.Go(func() {
			if i >= speakers {
				if err := r.Enter("epoch 2"); err != nil {
					t.Error(err)
				}
				return
			}
			for k, text := range said {
				if k == each/3+i { // all at other moments
					if err := r.Enter("epoch 2"); err != nil {
						t.Error(err)
					}
				}
				if err := r.Publish(within(t), []byte(text), n-1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	speaking.Wait()
	for i := range hosts {
		for k, from := range hosts[:speakers] {
			if k != i {
				eventually(t, "everything said is heard", func() bool { return ear[i].has(from, said) })
			}
		}
	}
	for _, r := range rotations {
		if err := r.Leave(within(t)); err != nil {
			t.Error(err)
		}
	}
}

func TestRotationWaitsForTheLast(t *testing.T) {
	const n = 8 // more than make a mesh
	hosts := newHosts(t, n)
	m := membersOf(hosts...)
	reachAll(t, hosts)
	rotations, ear := make([]*Rotation, n), make([]*ears, n)
	for i, h := range hosts {
		ear[i] = newEars()
		rotations[i] = startTopics(t, h, m).Rotation(m.has, ear[i].deliver)
		if err := rotations[i].Enter("epoch 1"); err != nil {
			t.Fatal(err)
		}
	}
	said := numbered("old", 1)
	for _, r := range rotations {
		if err := r.Publish(within(t), []byte(said[0]), n-1); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range rotations[:n-1] {
		if err := r.Enter("epoch 2"); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the others' new mesh stands", func() bool { return rotations[0].current.Ready(n - 1) })
	moving := numbered("moving", 20)
	for _, text := range moving {
		if err := rotations[0].Publish(within(t), []byte(text), n-1); err != nil {
			t.Fatal(err)
		}
	}
	for i := 1; i < n; i++ {
		eventually(t, "what is said meanwhile is heard", func() bool { return ear[i].has(hosts[0], moving) })
	}
	old := rotations[0].previous
	rotations[0].retire(old)
	if rotations[0].previous != nil || rotations[0].topics.accepts(hosts[1].ID(), "epoch 1") {
		t.Error("the old topic was not left")
	}
}

// met returns how many peers pubsub has a stream to.
func (m *meshes) met() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.open)
}

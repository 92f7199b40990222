package session

import "testing"

func BenchmarkBegin(b *testing.B) {
	alice, bob := newPair(b)
	for b.Loop() {
		alice.record, bob.record = Record{}, Record{}
		alice.begin(b, bob, true)
		bob.mustDecrypt(b, alice, alice.encrypt(b, bob, "hello"), "hello")
	}
}

// BenchmarkOneWay is one message in an open session, both ends.
func BenchmarkOneWay(b *testing.B) {
	alice, bob := newPair(b)
	talk(b, alice, bob)
	for b.Loop() {
		bob.mustDecrypt(b, alice, alice.encrypt(b, bob, "hello"), "hello")
	}
}

// BenchmarkTurn is a message and its answer, which turn the ratchet twice;
// prepared does the agreements outside the measured time.
func BenchmarkTurn(b *testing.B) {
	for _, prepared := range []bool{false, true} {
		name := "cold"
		if prepared {
			name = "prepared"
		}
		b.Run(name, func(b *testing.B) {
			alice, bob := newPair(b)
			talk(b, alice, bob)
			for b.Loop() {
				for _, pair := range [][2]*device{{alice, bob}, {bob, alice}} {
					from, to := pair[0], pair[1]
					if prepared {
						b.StopTimer()
						var err error
						if from.record, err = from.record.Prepare(); err != nil {
							b.Fatal(err)
						}
						b.StartTimer()
					}
					to.mustDecrypt(b, from, from.encrypt(b, to, "hello"), "hello")
				}
			}
		})
	}
}

package quota

import "testing"

// Each row says what it is, what happens and why, by a name of its own.
func TestTable(t *testing.T) {
	names := make(map[string]bool)
	for _, l := range Table() {
		if l.Name == "" || l.Of == "" || l.At == "" || l.Then == "" || l.Why == "" {
			t.Errorf("%q is incomplete: %+v", l.Name, l)
		}
		if l.Burst < 1 || l.Rate < 0 {
			t.Errorf("%s lets %d at once, and %v a second", l.Name, l.Burst, l.Rate)
		}
		if names[l.Name] {
			t.Errorf("%s is there twice", l.Name)
		}
		names[l.Name] = true
	}
}

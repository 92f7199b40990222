package check

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// talk plays a run in which all is well: people write to each other and to a group,
// and each device shows what is for it in the order in which it was sent, at its own
// pace, which is a causal order.
func talk(t *rapid.T) *story {
	s := newStory()
	devices := sorted(s.Accounts)
	var sent []Text
	numbers := make(map[Name]int)             // the last number, by author and addressee
	read := make(map[string]int)              // by device: how many of sent it has looked at
	newest := make(map[string]map[string]int) // by device and author: the newest in #g that it has shown
	for _, device := range devices {
		newest[device] = make(map[string]int)
	}
	look := func(device string) {
		if read[device] == len(sent) {
			return
		}
		next := sent[read[device]]
		if forDevice(s, next, device) {
			s.shows(next, device)
			if next.To == "#g" {
				newest[device][next.Author] = next.Number
			}
		}
		read[device]++
	}
	for range rapid.IntRange(1, 60).Draw(t, "moves") {
		device := rapid.SampledFrom(devices).Draw(t, "device")
		if rapid.Bool().Draw(t, "looks") {
			look(device)
			continue
		}
		to := rapid.SampledFrom([]string{"alice", "bob", "carol", "#g"}).Draw(t, "to")
		if to == s.Accounts[device] || to == "#g" && device == "carol.1" {
			continue
		}
		for to == "#g" && rapid.Bool().Draw(t, "reads first") && read[device] < len(sent) {
			look(device)
		}
		numbers[Name{Author: device, To: to}]++
		text := Text{Author: device, To: to, Number: numbers[Name{Author: device, To: to}]}
		if to == "#g" && len(newest[device]) > 0 {
			text.After = maps.Clone(newest[device])
		}
		s.sends(text)
		sent = append(sent, text)
	}
	for _, device := range devices {
		for read[device] < len(sent) {
			look(device)
		}
	}
	for _, text := range sent {
		s.told(text, Delivered)
	}
	return s
}

func forDevice(s *story, text Text, device string) bool {
	account := s.Accounts[device]
	switch {
	case device == text.Author:
		return false
	case text.To == "#g":
		return account != "carol"
	default:
		return account == text.To || account == s.Accounts[text.Author]
	}
}

func TestJudgeFindsNothingWhereAllIsWell(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if v := Judge(talk(t).History); !v.Good() {
			t.Fatalf("%v\n%v", v.Violations[0], v.Violations[0].History)
		}
	})
}

// Whatever one thing goes wrong with one message, the judge finds it, and nothing
// that the thing is not the reason of.
func TestJudgeFindsWhatIsWrong(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := talk(t)
		var shown []int
		for i, step := range s.Steps {
			if step.Kind == Shown {
				shown = append(shown, i)
			}
		}
		if len(shown) == 0 {
			t.Skip("nobody was heard")
		}
		at := rapid.SampledFrom(shown).Draw(t, "at")
		step := s.Steps[at]
		want := rapid.SampledFrom([]Breach{Lost, Stuck, Doubled, Strayed, Forged, Disordered}).Draw(t, "what goes wrong")
		switch want {
		case Lost:
			s.Steps = slices.Delete(s.Steps, at, at+1)
		case Stuck:
			s.Steps = slices.DeleteFunc(s.Steps, func(other Step) bool { return other.Kind == Delivered && other.ID == step.ID })
		case Doubled:
			s.Steps = append(s.Steps, step)
		case Strayed:
			step.Device = rapid.SampledFrom([]string{"alice.1", "carol.1", "dave.1"}).Draw(t, "stranger")
			if text, _ := ParseText(step.Text); forDevice(s, text, step.Device) || text.Author == step.Device {
				t.Skip("no stranger")
			}
			s.Steps = append(s.Steps, step)
		case Forged:
			s.Steps[at].Text += padding
		case Disordered:
			later := slices.IndexFunc(s.Steps[at+1:], func(other Step) bool {
				a, _ := ParseText(step.Text)
				b, _ := ParseText(other.Text)
				return other.Kind == Shown && other.Device == step.Device && a.Author == b.Author && a.To == b.To
			})
			if later < 0 {
				t.Skip("the author's last message there")
			}
			s.Steps = slices.Delete(slices.Insert(s.Steps, at+1+later+1, step), at, at+1)
		}
		v := Judge(s.History)
		if v.Breaches[want] == 0 {
			t.Fatalf("%s was not found, but %v", want, v.Breaches)
		}
		for kind := range v.Breaches {
			if kind != want && !(want == Disordered && kind == Acausal) {
				t.Errorf("%s was found, and only %s there", kind, want)
			}
		}
	})
}

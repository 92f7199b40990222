package check

import (
	"fmt"
	"slices"
)

// shelf takes what a device keeps of a conversation.
func (j *judge) shelf(s Shelf) {
	d, ok := j.devices[s.Device]
	if !ok {
		j.violate(Unknown, nil, s.Device, "a shelf of a device that there is not")
		return
	}
	d.keeps[s.Conversation] = true
	kept := make(map[Name]bool)
	highest := make(map[Name]int)
	for _, line := range s.Lines {
		t, err := ParseText(line.Text)
		to := s.Conversation
		if err == nil && line.From != d.account && !group(to) {
			to = d.account
		}
		m := j.recognise(s.Device, line.ID, line.From, to, line.Text)
		if m == nil {
			continue
		}
		name, from := m.Name(), Name{Author: t.Author, To: t.To}
		switch {
		case kept[name]:
			j.violate(Doubled, m, s.Device, "it is kept twice")
		case m.Author == s.Device:
			m.sending = true
			m.delivered = m.delivered || line.State == StateDelivered || line.State == StateRead
		case !m.may[s.Device] && !m.shown[s.Device]:
			j.violate(Strayed, m, s.Device, "it is kept by somebody whom it is not for")
		}
		if before := highest[from]; before > m.Number {
			j.violate(Disordered, m, s.Device, fmt.Sprintf("it is kept after number %d of the same author", before))
		}
		highest[from] = max(highest[from], m.Number)
		kept[name] = true
		if m.Author != s.Device {
			m.shown[s.Device] = true
		}
	}
}

// The states of a line that is delivered.
const (
	StateDelivered = "delivered"
	StateRead      = "read"
)

// settle judges what a message has come to in the end.
func (j *judge) settle(m *message) {
	if m.refused || !m.sending && len(m.shown) == 0 {
		return // nobody took it, for all that is known
	}
	for _, label := range sorted(m.must) {
		d := j.devices[label]
		switch {
		case !m.must[label] || m.shown[label] || m.delivered && j.mayHideIt(d, m):
		case m.acknowledged || len(m.shown) > 0:
			j.violate(Lost, m, label, "it is not displayed there")
		default:
			j.violate(Stuck, m, label, "it was taken, and is not displayed there")
		}
	}
	author := j.devices[m.Author]
	switch {
	case m.failed != "":
		j.violate(Stuck, m, m.Author, "its device gave it up: "+m.failed)
	case !m.delivered && !m.quit && slices.Contains(values(m.must), true) && !j.mayHideOutcome(author, m):
		j.violate(Stuck, m, m.Author, "its author is not told that it is delivered")
	}
}

// mayHideIt reports whether a device may have displayed a message without saying
// so to the runner: it was killed since, and nobody has asked it what it keeps.
func (j *judge) mayHideIt(d *device, m *message) bool {
	keeps := m.To
	if !group(m.To) && d.account != m.account {
		keeps = m.account
	}
	return !d.keeps[keeps] && killedSince(d, m)
}

// mayHideOutcome is mayHideIt for what its author's device knows of a message.
func (j *judge) mayHideOutcome(author *device, m *message) bool {
	return !author.keeps[m.To] && killedSince(author, m)
}

func killedSince(d *device, m *message) bool {
	return len(d.kills) > 0 && d.kills[len(d.kills)-1] > m.typed
}

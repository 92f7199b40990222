package check

import "fmt"

// Judge looks through a history and returns every violation that it shows, and the
// figures of the run.
func Judge(h History) Verdict {
	j := newJudge(h)
	for i, s := range h.Steps {
		j.step(i, s)
	}
	for _, shelf := range h.Shelves {
		j.shelf(shelf)
	}
	j.adopt()
	for _, m := range j.messages {
		j.settle(m)
	}
	return j.verdict()
}

// message is one that was typed, and what became of it.
type message struct {
	Text
	account string // of its author
	id      string // once it is known
	typed   int    // the step
	must    map[string]bool
	may     map[string]bool
	shown   map[string]bool // by device; on a shelf counts

	refused, sending, acknowledged, delivered bool

	quit   bool   // its author has left the group: nobody tells them any more
	failed string // why its device gave it up
	steps  []int  // all that concern it
}

// device is what is known of a device at a step.
type device struct {
	account  string
	loggedIn bool
	kills    []int
	waiting  []*message                 // were typed, and the answers are not here yet
	ran      map[Name]bool              // shown since the process began
	highest  map[Name]int               // by author and addressee: the highest number shown
	foretold map[Name]foretelling       // messages that one that is shown came after
	inside   map[string]map[string]bool // by group: the accounts that it knows to be in it
	gone     map[string]map[string]bool // and to have left it
	keeps    map[string]bool            // conversations with a shelf
}

// foretelling is a message that a device has shown and that was written after
// another one was read.
type foretelling struct{ by *message }

// judge is Judge at work.
type judge struct {
	history  History
	devices  map[string]*device
	messages []*message
	named    map[Name]*message
	byID     map[string]*message
	orphans  map[string][]int                 // outcomes of messages whose IDs are not known, by ID
	members  map[string]map[string]membership // by group and account
	seen     []int                            // steps about programs, members and faults

	violations []Violation
	again      int
}

// membership is where an account is on its way into a group and out of it.
type membership int

const (
	outside membership = iota
	joining
	joined
	leaving // or out, for all that the runner knows
)

func newJudge(h History) *judge {
	j := &judge{
		history: h, devices: make(map[string]*device),
		named: make(map[Name]*message), byID: make(map[string]*message), orphans: make(map[string][]int), members: make(map[string]map[string]membership),
	}
	for label, account := range h.Accounts {
		j.devices[label] = &device{
			account: account, highest: make(map[Name]int), foretold: make(map[Name]foretelling),
			inside: make(map[string]map[string]bool), gone: make(map[string]map[string]bool), keeps: make(map[string]bool),
		}
	}
	return j
}

// step takes one step.
func (j *judge) step(i int, s Step) {
	if s.Kind == Fault {
		j.seen = append(j.seen, i)
		return
	}
	d, ok := j.devices[s.Device]
	if !ok {
		j.violate(Unknown, nil, s.Device, fmt.Sprintf("a step %q of a device that there is not", s.Kind))
		return
	}
	switch s.Kind {
	case Began:
		d.ran, d.waiting = make(map[Name]bool), nil
		j.seen = append(j.seen, i)
	case LoggedIn:
		d.loggedIn = true
	case Killed:
		d.kills, d.waiting = append(d.kills, i), nil
		j.seen = append(j.seen, i)
	case Ended:
		d.waiting = nil
		j.seen = append(j.seen, i)
	case Joining, Joined, Knows, Leaving, Gone:
		j.member(d, s)
		if s.Kind != Knows {
			j.seen = append(j.seen, i)
		}
	case Typed:
		j.typed(i, d, s)
	case Refused:
		if m := d.answered(); m != nil {
			m.refused = true
			m.steps = append(m.steps, i)
		}
	case Sending:
		j.sending(i, d, s)
	case Sent, Stored, Delivered, Failed:
		j.outcome(i, s)
	case Shown:
		j.shown(i, d, s)
	}
}

// member follows who is in which group, and who knows it.
func (j *judge) member(d *device, s Step) {
	of := j.members[s.Conversation]
	if of == nil {
		of = make(map[string]membership)
		j.members[s.Conversation] = of
	}
	note := func(in map[string]map[string]bool, account string, known bool) {
		if in[s.Conversation] == nil {
			in[s.Conversation] = make(map[string]bool)
		}
		in[s.Conversation][account] = known
	}
	switch s.Kind {
	case Joining:
		of[d.account] = joining
		for _, other := range j.devices { // who has seen them leave may see them come back any moment
			delete(other.gone[s.Conversation], d.account)
		}
		// What is not sealed yet may be sealed for the newcomer too.
		for _, m := range j.messages {
			if m.To == s.Conversation && !m.sending && !m.refused {
				j.allow(m, d.account)
			}
		}
	case Joined:
		of[d.account] = joined
		note(d.inside, d.account, true)
	case Knows:
		note(d.inside, s.Account, true)
		note(d.gone, s.Account, false)
	case Leaving:
		of[s.Account] = leaving
		for _, m := range j.messages { // what was under way may miss them
			if m.To == s.Conversation {
				m.quit = m.quit || m.account == s.Account
				for label, other := range j.devices {
					if other.account == s.Account {
						delete(m.must, label)
					}
				}
			}
		}
	case Gone:
		note(d.inside, s.Account, false)
		note(d.gone, s.Account, true)
	}
}

func (j *judge) allow(m *message, account string) {
	for label, d := range j.devices {
		if d.account == account {
			m.may[label] = true
		}
	}
}

// typed takes a message that was typed, and says who must display it.
func (j *judge) typed(i int, d *device, s Step) {
	t, err := ParseText(s.Text)
	if err != nil || t.Author != s.Device || t.To != s.Conversation || j.named[t.Name()] != nil {
		j.violate(Unknown, nil, s.Device, fmt.Sprintf("%.60q was typed, which is no text of its own", s.Text))
		return
	}
	m := &message{
		Text: t, account: d.account, typed: i, steps: []int{i},
		must: make(map[string]bool), may: make(map[string]bool), shown: make(map[string]bool),
	}
	j.messages, j.named[t.Name()] = append(j.messages, m), m
	d.waiting = append(d.waiting, m)
	if group(t.To) {
		for account, in := range j.members[t.To] {
			if in != outside && !d.gone[t.To][account] {
				j.allow(m, account)
			}
		}
	} else {
		j.allow(m, t.To)
		j.allow(m, d.account)
	}
	for label, other := range j.devices {
		m.must[label] = label != s.Device && m.may[label] && other.loggedIn && (!group(t.To) || j.reads(d, other, t.To))
	}
}

// reads reports whether a device surely reads what another one says to a group now.
func (j *judge) reads(author, reader *device, group string) bool {
	return j.members[group][reader.account] == joined && author.inside[group][reader.account] && reader.inside[group][reader.account]
}

// answered returns the message that an answer is to: the one that was typed first.
func (d *device) answered() *message {
	if len(d.waiting) == 0 {
		return nil
	}
	m := d.waiting[0]
	d.waiting = d.waiting[1:]
	return m
}

// sending takes the answer to what was typed.
func (j *judge) sending(i int, d *device, s Step) {
	m := d.answered()
	if m == nil || m.To != s.Conversation {
		j.violate(Unknown, nil, s.Device, fmt.Sprintf("it sends %s to %s, which was not typed", s.ID, s.Conversation))
		return
	}
	m.sending = true
	m.steps = append(m.steps, i)
	j.identify(m, s.ID, s.Device)
}

// identify notes a message's ID.
func (j *judge) identify(m *message, id, seenAt string) {
	if other := j.byID[id]; other != nil && other != m || m.id != "" && m.id != id {
		j.violate(Unknown, m, seenAt, fmt.Sprintf("it has the ID %s, and had another, or that is another's", id))
		return
	}
	m.id, j.byID[id] = id, m
	orphans := j.orphans[id]
	delete(j.orphans, id)
	for _, i := range orphans {
		m.outcome(i, j.history.Steps[i])
	}
}

// outcome takes what became of a message. A device that was killed may have taken it
// and not said so: then its ID is known once somebody displays it.
func (j *judge) outcome(i int, s Step) {
	if m := j.byID[s.ID]; m != nil {
		m.outcome(i, s)
	} else {
		j.orphans[s.ID] = append(j.orphans[s.ID], i)
	}
}

func (m *message) outcome(i int, s Step) {
	m.steps = append(m.steps, i)
	m.sending = true
	switch s.Kind {
	case Sent, Stored:
		m.acknowledged = true
	case Delivered:
		m.acknowledged, m.delivered = true, true
	case Failed:
		m.failed = s.Text
	}
}

// adopt finds the message of each outcome whose ID nobody has seen otherwise: one
// that a device was killed over. Where more than one may be meant, none is.
func (j *judge) adopt() {
	for _, id := range sorted(j.orphans) {
		s := j.history.Steps[j.orphans[id][0]]
		var candidates []*message
		for _, m := range j.messages {
			if m.Author == s.Device && m.id == "" && !m.refused && killedSince(j.devices[s.Device], m) {
				candidates = append(candidates, m)
			}
		}
		if len(candidates) == 1 {
			j.identify(candidates[0], id, s.Device)
		} else {
			j.violate(Unknown, nil, s.Device, fmt.Sprintf("%q of %s, which nobody sent", s.Kind, id))
		}
	}
}

// shown takes a message that a device displays.
func (j *judge) shown(i int, d *device, s Step) {
	m := j.recognise(s.Device, s.ID, s.Account, s.Conversation, s.Text)
	if m == nil {
		return
	}
	m.steps = append(m.steps, i)
	name := m.Name()
	switch {
	case d.ran[name]:
		j.violate(Doubled, m, s.Device, "it is displayed a second time")
		return
	case m.shown[s.Device]: // in an earlier run of the program
		j.again++
	}
	if d.ran != nil {
		d.ran[name] = true
	}
	if !m.may[s.Device] {
		j.violate(Strayed, m, s.Device, "it is displayed at somebody whom it is not for")
	}
	if !m.shown[s.Device] {
		j.inOrder(d, m, s.Device)
	}
	m.shown[s.Device] = true
}

// recognise returns the message that a text is, or nil.
func (j *judge) recognise(at, id, from, conversation, text string) *message {
	t, err := ParseText(text)
	m := j.named[t.Name()]
	switch {
	case err != nil || m == nil:
		j.violate(Forged, nil, at, fmt.Sprintf("%.60q (%s, from %s) was never typed", text, id, from))
		return nil
	case from != m.account || conversation != m.To || text != j.history.Steps[m.typed].Text:
		j.violate(Forged, m, at, fmt.Sprintf("it is displayed as from %s to %s, or with another text", from, conversation))
	case m.refused:
		j.violate(Forged, m, at, "it is displayed, and its author was told that it was not taken")
	}
	j.identify(m, id, at)
	return m
}

// inOrder checks a message that a device displays for the first time against what
// it has displayed before.
func (j *judge) inOrder(d *device, m *message, at string) {
	from := Name{Author: m.Author, To: m.To}
	if before := d.highest[from]; before > m.Number {
		j.violate(Disordered, m, at, fmt.Sprintf("it is displayed after number %d of the same author", before))
	}
	d.highest[from] = max(d.highest[from], m.Number)
	if !group(m.To) {
		return
	}
	if f, ok := d.foretold[m.Name()]; ok {
		j.violate(Acausal, m, at, fmt.Sprintf("it is displayed after (%v), whose author had read it", f.by.Name()))
	}
	for author, n := range m.After {
		name := Name{author, m.To, n}
		if _, ok := d.foretold[name]; !ok {
			d.foretold[name] = foretelling{m}
		}
	}
}

package testnet

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Event is what a node prints as JSON. It is written down here a second time,
// apart from the program's own type, so that a field that changes its name
// there is noticed here.
type Event struct {
	Event    string    `json:"event"`
	At       time.Time `json:"at"`
	ID       string    `json:"id"`
	From     string    `json:"from"`
	To       string    `json:"to"`
	By       string    `json:"by"`
	Account  string    `json:"account"`
	Device   string    `json:"device"`
	Group    string    `json:"group"`
	Waiting  bool      `json:"waiting"`
	Text     string    `json:"text"`
	Earlier  bool      `json:"earlier"`
	Claimed  string    `json:"claimed"`
	Name     string    `json:"name"`
	Size     int64     `json:"size"`
	SHA256   string    `json:"sha256"`
	Path     string    `json:"path"`
	Done     int64     `json:"done"`
	Total    int64     `json:"total"`
	Online   bool      `json:"online"`
	Groups   []Group   `json:"groups"`
	Members  []Member  `json:"members"`
	Messages []Kept    `json:"messages"`
	Commands []Command `json:"commands"`
	Number   string    `json:"number"`
	QR       string    `json:"qr"`
	Verified bool      `json:"verified"`
	Policy   string    `json:"policy"`
	Accepted []string  `json:"accepted"`
	Requests []Request `json:"requests"`
	Blocked  []string  `json:"blocked"`
	Pending  bool      `json:"pending"`
	Shared   []string  `json:"shared"`
	Count    int       `json:"count"`
	Code     string    `json:"code"`
	Message  string    `json:"message"`
	Hint     string    `json:"hint"`
}

// Group is one line of a "groups" event.
type Group struct {
	Number  int    `json:"number"`
	Name    string `json:"name"`
	Members int    `json:"members"`
	Mine    bool   `json:"mine"`
	Invited bool   `json:"invited"`
	Private bool   `json:"private"`
}

// Request is one of a "contacts" event.
type Request struct {
	Account string `json:"account"`
	Count   int    `json:"count"`
}

// Member is one of a "members" event.
type Member struct {
	Account string `json:"account"`
	Admin   bool   `json:"admin"`
	Invited bool   `json:"invited"`
	By      string `json:"by"`
}

// Kept is one message of a "history" event.
type Kept struct {
	ID    string    `json:"id"`
	From  string    `json:"from"`
	Text  string    `json:"text"`
	At    time.Time `json:"at"`
	State string    `json:"state"` // of one's own: how far it has come
	// Missing is how many messages of From are not here yet, where the line stands
	// for them.
	Missing int `json:"missing"`
}

// Command is one of a "help" event.
type Command struct {
	Usage string `json:"usage"`
}

// matches reports whether an event has every field that want has. Fields of
// want that are zero may be anything.
func (e Event) matches(want Event) bool {
	have, pattern := reflect.ValueOf(e), reflect.ValueOf(want)
	for i := range pattern.NumField() {
		if f := pattern.Field(i); !f.IsZero() && !reflect.DeepEqual(f.Interface(), have.Field(i).Interface()) {
			return false
		}
	}
	return true
}

// String shows the fields that are set, texts shortened.
func (e Event) String() string {
	const longest = 100 // bytes of one field
	var out strings.Builder
	v := reflect.ValueOf(e)
	for i := range v.NumField() {
		if v.Field(i).IsZero() || v.Type().Field(i).Name == "At" {
			continue
		}
		value := fmt.Sprint(v.Field(i))
		fmt.Fprintf(&out, " %s:%s", v.Type().Field(i).Tag.Get("json"), value[:min(len(value), longest)])
	}
	return "{" + strings.TrimSpace(out.String()) + "}"
}

func parseEvent(line []byte) (Event, error) {
	var e Event
	if err := json.Unmarshal(line, &e); err != nil {
		return e, fmt.Errorf("testnet: %q is not an event: %w", line[:min(len(line), 200)], err)
	}
	if e.Event == "" || e.At.IsZero() {
		return e, fmt.Errorf("testnet: %q lacks event or at", line[:min(len(line), 200)])
	}
	return e, nil
}

package rendezvous

import (
	"encoding/json"
	"errors"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/tryst-chat/tryst/rendezvous/clock"
)

// Status is what an operator asks a server for. Its JSON form is that of
// /status beside /metrics.
type Status struct {
	Name     string   `json:"name"`
	Peer     string   `json:"peer"`
	Ready    bool     `json:"ready"`              // it takes new nodes
	Obstacle string   `json:"obstacle,omitempty"` // why it does not, in words
	State    string   `json:"state"`              // Raft's: "leader", "follower", "candidate"
	Voter    bool     `json:"voter"`              // false while it catches up
	Leader   string   `json:"leader,omitempty"`   // its name, as far as this server knows
	Term     uint64   `json:"term"`
	Log      uint64   `json:"log"`     // index of the last entry of this server's log
	Applied  uint64   `json:"applied"` // index of the last one that changed its state
	Handled  uint64   `json:"handled"` // index of the last one that it is done with
	Servers  []string `json:"servers"` // the members of the cluster, by name
	Version  string   `json:"version"` // of the program

	Accounts  uint64 `json:"accounts"`
	Groups    uint64 `json:"groups"`
	Sessions  int    `json:"sessions"`  // devices that hold a beat stream to this server
	Online    int    `json:"online"`    // devices whose whereabouts are known, anywhere
	Balancers int    `json:"balancers"` // behind which this server stands

	Letters      uint64 `json:"letters"` // that wait for devices
	LetterBytes  uint64 `json:"letter_bytes"`
	GroupLetters uint64 `json:"group_letters"` // that wait in groups
	GroupBytes   uint64 `json:"group_bytes"`
	NoMail       string `json:"no_mail,omitempty"` // why no more letters are taken, in words

	DiskSize uint64 `json:"disk_size,omitempty"` // of the disk that the state lies on, in bytes
	DiskFree uint64 `json:"disk_free,omitempty"`

	Clock       string  `json:"clock"`                  // "unknown", "good", "apart", "off" or "wrong": see package clock
	ClockOffset float64 `json:"clock_offset"`           // how far it is ahead of the other servers', in seconds
	ClockNotice string  `json:"clock_notice,omitempty"` // what is the matter with it, in words

	Answers bool `json:"-"` // set by Servers: this is what the server says itself
}

// Status returns how this server is.
func (s *Server) Status() (Status, error) {
	c := s.cluster.Status()
	size, err := s.cluster.Directory().Size()
	mail, mailErr := s.cluster.Directory().MailTotals()
	status := Status{
		Name: s.Name(), Peer: s.ID().String(), Obstacle: c.Obstacle,
		State: strings.ToLower(c.State), Leader: s.nameOf(c.Leader), Term: c.Term, Log: c.LastIndex, Applied: c.Applied, Handled: c.Handled,
		Servers: make([]string, 0, len(c.Members)), Version: Version(), Answers: true,
		Accounts: size.Accounts, Groups: size.Groups,
		Sessions: s.hub.len(), Online: s.presence.Len(), Balancers: s.attachment.Attached(),
		Letters: mail.Letters, LetterBytes: mail.Bytes, GroupLetters: mail.GroupLetters, GroupBytes: mail.GroupBytes,
		NoMail: s.noMail(),
	}
	judged := s.clocks.now()
	status.Clock, status.ClockOffset, status.ClockNotice = judged.State.String(), judged.Ahead.Seconds(), misset(judged)
	if judged.State == clock.Wrong {
		status.Obstacle = "its " + status.ClockNotice
	}
	if s.isLeaving() {
		status.Obstacle = "it is leaving"
	}
	status.Ready = status.Obstacle == ""
	for _, m := range c.Members {
		status.Servers = append(status.Servers, s.nameOf(m.ID))
		status.Voter = status.Voter || m.Voter && m.ID == s.ID()
	}
	if disk, err := s.cfg.Disk(s.cfg.Dir); err == nil {
		status.DiskSize, status.DiskFree = disk.Size, disk.Free
	}
	slices.Sort(status.Servers)
	return status, errors.Join(err, mailErr)
}

// Version returns what program this is: its module's version, or the commit that it
// was built from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return setting.Value
		}
	}
	return "unknown"
}

func (s *Server) serveStatus(w http.ResponseWriter, _ *http.Request) {
	status, err := s.Status()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(status) // whoever asked may have gone
}

package quota

import (
	"slices"
	"time"
)

// Limit is one row of the table.
type Limit struct {
	// Name is what metrics, tests and operators call it.
	Name string
	// Of is whose use is counted, At where.
	Of Subject
	At Place
	// Burst is how much there may be at once. Where Rate is 0 that is all there may be at
	// any time; else so much is given back every second.
	Burst int
	Rate  float64
	// Then is what happens to who exceeds it, Why why it is as high as it is and no higher.
	Then, Why string
}

// Every is a rate of one each time that a duration passes.
func Every(d time.Duration) float64 { return 1 / d.Seconds() }

// SiteFactor is how many times as much a site, which is an IPv6 /48, may have of each row
// as one address in it: it holds 256 of /56.
const SiteFactor = 4

// Subject is whose use a limit counts.
type Subject string

// The subjects.
const (
	// Address is an IPv4 address or an IPv6 /56. Behind circuits only balancers see it.
	Address Subject = "address"
	// Device is a peer ID, which its connection proved. It costs nothing to make one.
	Device Subject = "device"
	// Stranger is a device that no server has vouched for at this balancer, or that is
	// not logged in at this server.
	Stranger Subject = "stranger"
	// Account is all devices of an account together.
	Account Subject = "account"
	// Strangers are all devices together that are not logged in.
	Strangers Subject = "all strangers"
	// Recipient is the device, account or group that something is for.
	Recipient Subject = "recipient"
)

// Place is where a limit is kept.
type Place string

// The places. Each server counts for itself what it counts in memory; what the directory
// holds is counted once, for all of them.
const (
	AtBalancer  Place = "balancer"
	AtServer    Place = "server"
	AtDirectory Place = "directory"
)

// Table returns all limits, in the order in which a client meets them: the balancer's,
// then the servers' and the directory's.
func Table() []Limit {
	return slices.Concat(balancerTable, serverTable)
}

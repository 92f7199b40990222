package linear

import "time"

const (
	// members is how many clients ask all the time; with some dozen a second each,
	// requests of every kind meet on every object.
	members = 12
	// registrars is how many more race for the same names. Each name costs a fifth of a
	// second and 64 MiB for its password.
	registrars = 3
	// servers is the least that survives the loss of one.
	servers = 3

	// requestTimeout bounds one request: above every time-out of client and servers, so
	// that no outcome stays open unless servers are away for longer than they may be.
	requestTimeout = 25 * time.Second
	// One request of so many is given up early, after up to mostImpatient: its outcome
	// is unknown, and what comes of it must be one or the other.
	oneImpatient  = 10
	mostImpatient = 300 * time.Millisecond
	// mostIdle bounds a client's pause between two requests.
	mostIdle = 60 * time.Millisecond
	// race is how often the registrars start for the next name, together.
	race = 2 * time.Second

	// longChain is the length at which the next group is begun: the judgement of one
	// grows faster than its length.
	longChain = 40
	// refill is how many prekeys a device publishes at once, while fewer than lowStock
	// are left.
	refill, lowStock = 6, 20
	// envelope is the size of a letter's content: all that wait are one page.
	envelope = 32

	// A fault lasts from leastFault to mostFault, and the servers are left alone for up
	// to mostCalm before the next.
	leastFault, mostFault = 3 * time.Second, 8 * time.Second
	mostCalm              = 2 * time.Second
	// mostAway bounds how long a killed server stays away.
	mostAway = 2 * time.Second
	// settleTimeout bounds the end of a fault, and the look at the servers at the end.
	settleTimeout = 2 * time.Minute

	// judgeTimeout bounds the search for an order, for each object. One takes
	// milliseconds unless there is none.
	judgeTimeout = 30 * time.Second
	// progressInterval is how often a run says how far it is.
	progressInterval = 5 * time.Second
	// mostShown bounds the violations that a report prints for a person: the rest are
	// mostly of the same kind.
	mostShown = 20
	// startsAtOnce bounds the members that sign up at a time.
	startsAtOnce = 3
)

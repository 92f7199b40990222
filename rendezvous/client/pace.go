package client

import "time"

// crowdedMost bounds the pause of a client that was kept waiting again and again. With it
// ten thousand who lost their servers ask for some 700 handshakes a second, which a
// server's machine has time for; and who was cut off for a while is back soon after.
const crowdedMost = 15 * time.Second

// pace is how long a client waits between its attempts to find a server. It doubles, and
// is up to retryMost as long as it is told at once that there is none. Who was kept
// waiting for balancerTimeout or longer, twice in a row, waits at least as long before it asks
// again: it is one of a crowd, and what was done for it in vain kept others from being
// served. (Once, it may have been the one server that is frozen, which is avoided then.)
type pace struct {
	wait time.Duration // 0 before the first attempt
	kept int           // how often in a row it was kept waiting
}

// failed returns the pause after an attempt, which took so long.
func (p *pace) failed(took time.Duration) time.Duration {
	most := retryMost
	p.wait = max(2*p.wait, retryLeast)
	if took >= balancerTimeout {
		p.kept++
	} else {
		p.kept = 0
	}
	if p.kept > 1 {
		most = crowdedMost
		p.wait = max(p.wait, took)
	}
	p.wait = min(p.wait, most)
	return p.wait
}

// found says that an attempt succeeded.
func (p *pace) found() { *p = pace{} }

package crowd

import "time"

const (
	// standardNodes is what one balancer is planned for.
	standardNodes = 10_000
	// standardBeating is what two processors have time for that also do other things: all
	// programs together take 0.35 ms a beat.
	standardBeating = 1_000
	// standardHold is long enough for an average of beats and of the collector's runs.
	standardHold = 30 * time.Second
	// servers is the least that survives the loss of one.
	servers = 3

	// households is how many devices come at a time: so many handshakes keep a few
	// processors busy, and stay far below their time-outs.
	households = 8
	// joinTimeout bounds a device's way to its beat stream; past it the crowd is as
	// large as the machine carries.
	joinTimeout = time.Minute
	// retry is how long somebody who was told to wait does.
	retry = time.Second
	// settle is how long the crowd is left alone before the measurement, so that
	// connections' first garbage is gone.
	settle = 10 * time.Second
	// newcomersTimeout bounds what two people do in the midst of the crowd.
	newcomersTimeout = 3 * time.Minute
	// remembered is what part of the balancer's heap may stay when a crowd has gone, beside
	// fewBytes: libp2p remembers for a quarter of an hour where a peer was.
	remembered = 4
	fewBytes   = 4 << 20
	// leaveTimeout bounds the wait for the programs to notice that the crowd has gone:
	// libp2p and the relay tidy up once a minute.
	leaveTimeout = 3 * time.Minute
	// look is how often the programs are asked meanwhile, tell how often progress is.
	look = 500 * time.Millisecond
	tell = 5 * time.Second
	// askTimeout bounds the answer of a program that is busy with a crowd.
	askTimeout = 30 * time.Second

	// closers is how many devices leave at the same time.
	closers = 64
	// crowdGC is GOGC while there is a crowd: its hosts are of one heap of gigabytes.
	crowdGC = 200

	// fewFiles is what this program holds open beside one connection a node.
	fewFiles = 256
	// uneven is how many sessions two servers may lie apart, in hundredths of a share,
	// beside one.
	uneven = 2
	// stragglers is how many goroutines a program may have more than before once the
	// crowd has gone: what serves questions, and caches that were not there yet.
	stragglers = 40
)

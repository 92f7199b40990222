package cluster

import "time"

const (
	// electionTimeout is how long a follower waits for its leader, and a
	// candidate for votes. With 300 ms a killed leader is replaced and the next
	// write acknowledged after 0.5 to 0.8 s; with Raft's own 1 s it takes up to
	// 2.6 s.
	electionTimeout = 300 * time.Millisecond
	// leaseTimeout is how long a leader believes in itself without a quorum;
	// it may not be longer than electionTimeout.
	leaseTimeout = 250 * time.Millisecond
	// commitTimeout is how soon an idle leader tells followers what is
	// committed, and so how long a read elsewhere waits for the last write.
	commitTimeout = 20 * time.Millisecond

	// rpcTimeout bounds one exchange between servers: well above what a disk
	// under load takes to sync. Raft scales it for snapshots.
	rpcTimeout = 3 * time.Second
	// pooledStreams is how many idle streams are kept to a server.
	pooledStreams = 3
	// acceptQueue is how many streams may wait to be accepted.
	acceptQueue = 16

	// maxBatch is how many entries share one sync of the log and one
	// transaction of the state: at up to 256 KiB each, 16 MiB.
	maxBatch = 64
	// enqueueTimeout bounds the wait for a place in the leader's queue.
	enqueueTimeout = time.Second
	// retryPause is how long a proposal waits before it looks for a leader
	// again.
	retryPause = 25 * time.Millisecond
	// leaderPatience is how long a server that knows no leader holds a request: ten
	// elections. One that is cut off from the others has none for as long as that lasts,
	// and whoever asks it is better off elsewhere.
	leaderPatience = 3 * time.Second
	// forwardTimeout bounds one attempt at a forwarded command. A leader that
	// is frozen answers nothing and refuses nothing: a proposal that waits for
	// it must get to the next one well within wire.RequestTimeout.
	forwardTimeout = 2 * time.Second
	// A server that ends gives its leadership away within handOverTimeout, which takes Raft
	// an election's time, and Raft ends within shutdownTimeout, which takes the sync to disk
	// that is under way; both with time for a machine that has much else to do. Together with
	// what package rendezvous waits for they are below the 30 s that service managers give.
	handOverTimeout = 2 * time.Second
	shutdownTimeout = 8 * time.Second
	// frameOverhead is what a forwarded command's frame has beside it.
	frameOverhead = 64
	// barrierQueue is how many reads may wait for the next shared barrier.
	barrierQueue = 1024

	// tickInterval is how often the leader moves the directory's clock on. A letter
	// lives for a month; a minute more or less is nothing to it.
	tickInterval = time.Minute

	// Snapshots cost nothing here (see snapshots), so they are taken often and
	// keep the log short. The trailing entries are for a server that was away
	// for a moment: it gets those instead of the whole state.
	snapshotThreshold = 2048
	snapshotInterval  = 30 * time.Second
	trailingLogs      = 8192
	// segmentSize of the log's files, which are allocated ahead.
	segmentSize = 8 << 20

	// minFree is what the disk must have left, in bytes, for anything to be written:
	// two of Badger's logs and tables, which it maps, a segment of the log, and as much
	// again for what others write on the same disk before it is looked at next.
	minFree = 64 << 20
	// closeFree is what it takes to close the state: both of Badger's tables in memory are
	// written out.
	closeFree = minFree / 2
	// spaceInterval is how often the disk is looked at while nothing is written.
	spaceInterval = time.Second

	// warningPause is how long the same warning of Raft's is not repeated.
	warningPause = 10 * time.Second
	// caughtUp is how many committed entries a server may lack and still be
	// called ready.
	caughtUp = 256
)

package scenario

import "time"

const (
	// answerTimeout bounds the wait for a program's answer to one line: above every
	// time-out of the program, and the longest that anything is frozen or cut off.
	answerTimeout = 2 * time.Minute
	// lateAnswer is how long after a command has failed its message may still turn out
	// to have been taken: events and answers come to standard output by different ways.
	lateAnswer = 2 * time.Second
	// tries is how often what a program refuses is tried again, and retryDelay the wait
	// before it: people do so too, and half a minute is longer than any fault.
	tries      = 30
	retryDelay = time.Second

	// lookInterval is how often a run that settles is looked at.
	lookInterval = 500 * time.Millisecond
	// shelfInterval is how often, at the most, devices are then asked what they keep.
	shelfInterval = 5 * time.Second
	// patience is how long a run may go without any news before what is still open is
	// called lost: members of a group ask each other for what they lack after at most
	// 5 minutes of silence, a device's outbox tries again after at most 5 minutes.
	patience = 6 * time.Minute
	// settleTimeout bounds it all, if there is always some news.
	settleTimeout = 20 * time.Minute

	// shelfLength is how many messages of a conversation are asked for: all of them.
	shelfLength = 100_000

	// progressInterval is how often a run says how far it is.
	progressInterval = 5 * time.Second
	// startsAtOnce bounds the programs that start or log in at a time: each spends
	// a fifth of a second and 64 MiB on the password.
	startsAtOnce = 4

	// maxSize is the largest message that is typed, in bytes: the longest text that
	// nodes take is 64 KiB.
	maxSize = 60 << 10
)

package quota

import (
	"runtime"
	"time"
)

// Numbers of rows that other packages need as constants, or that stand in two rows.
const (
	// ServerConns is what one server carries: its share of a balancer's 10,000
	// circuits when it is one of the last two alive, and direct clients.
	ServerConns = 12_000
	// DeviceGuesses and AccountGuesses are the guesses at a password before the wait
	// begins, DeviceGuessWait and AccountGuessWait the longest waits: see package auth.
	DeviceGuesses    = 4
	AccountGuesses   = 10
	DeviceGuessWait  = 15 * time.Minute
	AccountGuessWait = 5 * time.Second

	// MaxMailLetters and MaxMailBytes bound what waits for a device, MaxGroupMailBytes
	// what waits in a group, and MailShare is the part of a queue that one sending
	// account may hold.
	MaxMailLetters    = 1000
	MaxMailBytes      = 20 << 20
	MaxGroupMailBytes = 64 << 20
	MailShare         = 2
	// MaxStrangerLetters is how many letters a device takes of an account that waits to
	// be accepted.
	MaxStrangerLetters = 20
)

// What a connection may hold.
var (
	AddressConns = Limit{
		Name: "connections from one address", Of: Address, At: AtServer, Burst: 2_048,
		Then: "no more are taken from there",
		Why: "a campus behind one address; a sixth of the server. An IPv6 /48 may have four times as many. " +
			"Balancers and loopback have no such limit: behind a balancer's address come all who come through circuits",
	}
	AddressNewConns = Limit{
		Name: "new connections from one address", Of: Address, At: AtServer, Burst: 1_024, Rate: 50,
		Then: "no more are taken from there for a moment",
		Why:  "a lecture hall whose server is stopped comes to this one at once; each costs the server a handshake, half a millisecond",
	}
	DeviceConns = Limit{
		Name: "connections of one device", Of: Device, At: AtServer, Burst: 8,
		Then: "no more are taken",
		Why:  "a node's new connection while its old one is not yet known to be dead, over TCP and QUIC and through two balancers",
	}
	IdleConns = Limit{
		Name: "connections before strangers give way", Of: Strangers, At: AtServer, Burst: ServerConns * 3 / 4,
		Then: "those that are not logged in are closed, the oldest first, until an eighth of all has room again",
		Why: "a device that is logged in keeps its place whoever else comes, and there is room for 3,000 new ones " +
			"in the ten seconds that a stranger is given to log in",
	}
	DeviceStreams = Limit{
		Name: "streams of one device", Of: Device, At: AtServer, Burst: 96,
		Then: "no more are taken until one has ended",
		Why:  "all the requests that it may have at a time, its beats, identify and ping",
	}
	DeviceRequestsAtOnce = Limit{
		Name: "requests of one device at a time", Of: Device, At: AtServer, Burst: 64,
		Then: "no more are taken until one is answered",
		Why:  "a node asks 8 look-ups and 32 errands at a time when it starts; twice that, since the answers to those before may be on their way",
	}
	DeviceBeats = Limit{
		Name: "beat streams of one device", Of: Device, At: AtServer, Burst: 4,
		Then: "no more are taken",
		Why:  "a new stream stands beside a dying one, over each of two connections",
	}
	DeviceBeatFrames = Limit{
		Name: "beats of one device", Of: Device, At: AtServer, Burst: 100, Rate: 4,
		Then: "its stream is closed",
		Why:  "one a second, and another whenever it meets a new person or group: twenty groups at once when it is new",
	}
)

// What may be asked.
var (
	DeviceRequests = Limit{
		Name: "requests of one device", Of: Device, At: AtServer, Burst: 8_192, Rate: 100,
		Then: "it is told how long to wait",
		Why: "a node with 100 contacts and 20 groups makes 151 requests when it starts, a new one in 20 full groups some 5,000; " +
			"the busiest tests ask 35 a second, and a server answers some 10,000",
	}
	StrangerRequests = Limit{
		Name: "requests of one device not logged in", Of: Stranger, At: AtServer, Burst: 100, Rate: 2,
		Then: "it is told how long to wait",
		Why:  "a login is three requests and a sign-up two, so that these are thirty attempts; each can make the servers agree on a barrier",
	}
	StrangersWork = Limit{
		Name: "logins and sign-ups reckoned at a time", Of: Strangers, At: AtServer, Burst: max(1, runtime.NumCPU()/2),
		Then: "they wait for their turn",
		Why:  "half of the processor stays for those who are logged in, whatever comes; one core reckons 2,000 a second",
	}
	StrangersWaiting = Limit{
		Name: "logins and sign-ups waiting for their turn", Of: Strangers, At: AtServer, Burst: 1_024,
		Then: "they are told how long to wait",
		Why:  "half a second's work of one core: who waits longer has given up",
	}
	DevicePasswords = Limit{
		Name: "passwords tried by one device", Of: Device, At: AtServer, Burst: DeviceGuesses, Rate: Every(DeviceGuessWait),
		Then: "it is told how long to wait: a second, and twice as long each time up to a quarter of an hour",
		Why:  "a person who tries their few usual passwords notices nothing; a device's waits hit nobody else",
	}
	AccountPasswords = Limit{
		Name: "passwords tried at one account", Of: Recipient, At: AtServer, Burst: AccountGuesses, Rate: Every(AccountGuessWait),
		Then: "strange devices are told how long to wait: up to five seconds; its own devices never",
		Why:  "17,280 guesses a day and server, and nobody can lock somebody out of their account",
	}
	SignUps = Limit{
		Name: "sign-ups", Of: Strangers, At: AtServer, Burst: 2_000, Rate: 10,
		Then: "they are told how long to wait",
		Why: "two years of students after one lecture, and 36,000 an hour; each is kept for ever, about a kilobyte. " +
			"Who floods them holds up others who sign up, and nobody else: servers that are open to the world also ask for work or an invitation",
	}
	DeviceAccounts = Limit{
		Name: "accounts of one device", Of: Device, At: AtDirectory, Burst: 1,
		Then: "it is refused",
		Why:  "a device key belongs to one account for ever, so that what it signs cannot pass for another's",
	}
	DeviceWrites = Limit{
		Name: "changes by one device", Of: Device, At: AtServer, Burst: 1_000, Rate: 40,
		Then: "it is told how long to wait",
		Why: "each goes through the replicated log, which takes 1,300 a second and more: a new device begins some hundred sessions at once, " +
			"and the busiest tests change 25 things a second",
	}
	AccountWrites = Limit{
		Name: "changes by one account", Of: Account, At: AtServer, Burst: 2_000, Rate: 80,
		Then: "it is told how long to wait",
		Why:  "two of its devices at their busiest; it has up to eight, and can always make others",
	}
	AccountListing = Limit{
		Name: "look-ups by one account", Of: Account, At: AtServer, Burst: 10_000, Rate: 10,
		Then: "it is told how long to wait",
		Why: "a look-up, a page of groups, or an account whose devices are asked for. A new device in 20 full groups looks 5,000 members up and asks where they are; " +
			"a node with 100 contacts makes 203 when it starts. Whoever wants to list all people there are is slowed down to ten names a second",
	}
	Prekeys = Limit{
		Name: "one-time prekeys taken of one device", Of: Account, At: AtServer, Burst: 50, Rate: Every(10 * time.Minute),
		Then: "it is told how long to wait",
		Why:  "each session begins with one, and a lost one with up to five. Half of what a device has in stock: nobody empties it alone, and it is full again when the device is back",
	}
	NewGroups = Limit{
		Name: "groups created by one account", Of: Account, At: AtServer, Burst: 50, Rate: Every(10 * time.Minute),
		Then: "it is told how long to wait",
		Why:  "a course's teams in one evening; names are taken for ever, and each group is in everybody's list",
	}
	DeviceLetters = Limit{
		Name: "letters put by one device", Of: Device, At: AtServer, Burst: 1_000, Rate: 10,
		Then: "it is told how long to wait",
		Why:  "one to each device of everybody in a full group, and what a person writes. What it costs another person is bounded by their mailbox",
	}
	AccountLetters = Limit{
		Name: "letters put by one account", Of: Account, At: AtServer, Burst: 2_000, Rate: 20,
		Then: "it is told how long to wait",
		Why:  "two of its devices at their busiest",
	}
)

// What may lie in mailboxes.
var (
	MailLetters = Limit{
		Name: "letters waiting for a device", Of: Recipient, At: AtDirectory, Burst: MaxMailLetters,
		Then: "senders are told that it is full, and keep them",
		Why:  "a month of a busy person's messages",
	}
	MailBytes = Limit{
		Name: "bytes waiting for a device", Of: Recipient, At: AtDirectory, Burst: MaxMailBytes,
		Then: "senders are told that it is full, and keep them",
		Why:  "what a server of a thousand devices has room for: 20 GB",
	}
	SenderLetters = Limit{
		Name: "letters of one sender waiting for a device", Of: Account, At: AtDirectory, Burst: MaxMailLetters / MailShare,
		Then: "it is told that it is full, and keeps them",
		Why:  "half, so that nobody alone keeps all others from writing",
	}
	SenderBytes = Limit{
		Name: "bytes of one sender waiting for a device", Of: Account, At: AtDirectory, Burst: MaxMailBytes / MailShare,
		Then: "it is told that it is full, and keeps them",
		Why:  "half, for the same reason",
	}
	StrangerLetters = Limit{
		Name: "letters from who is not accepted", Of: Account, At: AtDirectory, Burst: MaxStrangerLetters,
		Then: "it is told that it is full, and keeps them",
		Why:  "enough to say who one is",
	}
	GroupMailBytes = Limit{
		Name: "bytes waiting in a group", Of: Recipient, At: AtDirectory, Burst: MaxGroupMailBytes,
		Then: "senders are told that it is full, and keep them",
		Why:  "there is one copy for all members, and it counts for each device that lacks it",
	}
	SenderGroupBytes = Limit{
		Name: "bytes of one sender waiting in a group", Of: Account, At: AtDirectory, Burst: MaxGroupMailBytes / MailShare,
		Then: "it is told that it is full, and keeps them",
		Why:  "half, so that nobody alone keeps all others from writing",
	}
)

// serverTable are the servers' and the directory's limits.
var serverTable = []Limit{
	AddressNewConns, AddressConns, DeviceConns, IdleConns, DeviceStreams, DeviceRequestsAtOnce, DeviceBeats, DeviceBeatFrames,
	DeviceRequests, StrangerRequests, StrangersWork, StrangersWaiting, DevicePasswords, AccountPasswords, SignUps, DeviceAccounts,
	DeviceWrites, AccountWrites, AccountListing, Prekeys, NewGroups, DeviceLetters, AccountLetters,
	MailLetters, MailBytes, SenderLetters, SenderBytes, StrangerLetters, GroupMailBytes, SenderGroupBytes,
}

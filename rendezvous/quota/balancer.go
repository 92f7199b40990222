package quota

// Numbers of a balancer that stand in several rows.
const (
	// BalancerCircuits is what one balancer is planned for, BalancerConns the connections
	// that it takes in all: beside the circuits there is room for those who only ask, and
	// for the servers. With its circuit a connection costs 75 KB, all of them 900 MB.
	BalancerCircuits = 10_000
	BalancerConns    = 12_000
)

// Who may connect to a balancer.
var (
	BalancerAddressConns = Limit{
		Name: "connections to the balancer from one address", Of: Address, At: AtBalancer, Burst: 2_048,
		Then: "no more are taken from there until one has ended",
		Why: "a campus behind one address; a sixth of all. An IPv6 /48 may have four times as much, here and in what follows, " +
			"and 127.0.0.1 and ::1 any number",
	}
	BalancerNewConns = Limit{
		Name: "new connections to the balancer from one address", Of: Address, At: AtBalancer, Burst: 1_024, Rate: 50,
		Then: "no more are taken from there for a moment",
		Why:  "a lecture hall whose balancer has restarted comes back at once; each costs a handshake, half a millisecond",
	}
	BalancerDeviceConns = Limit{
		Name: "connections of one device to the balancer", Of: Device, At: AtBalancer, Burst: 8,
		Then: "no more are taken",
		Why:  "a node's new connection while its old one is not yet known to be dead, over TCP and QUIC",
	}
	BalancerIdleConns = Limit{
		Name: "connections to the balancer before strangers give way", Of: Strangers, At: AtBalancer, Burst: 11_500,
		Then: "strangers' connections that are older than ten seconds are closed, those without a circuit first, until there are 11,000",
		Why: "all circuits that there may be, and a thousand who ask; 500 more may come before anybody is refused. " +
			"Servers, and devices that a server vouches for, keep their place whoever else comes",
	}
	BalancerStrangerStreams = Limit{
		Name: "streams of one stranger to the balancer", Of: Stranger, At: AtBalancer, Burst: 16,
		Then: "no more are taken until one has ended",
		Why:  "its circuits, its questions and identify, with as many that end at the moment",
	}
	BalancerDeviceStreams = Limit{
		Name: "streams of one device to the balancer", Of: Device, At: AtBalancer, Burst: 96,
		Then: "no more are taken until one has ended",
		Why: "its circuits, and beside them what a stranger has. What is opened towards a device is bounded by all circuits: " +
			"it decides itself what it takes",
	}
)

// What may be asked of a balancer.
var (
	BalancerQuestions = Limit{
		Name: "questions to the balancer from one address", Of: Address, At: AtBalancer, Burst: 2_048, Rate: 100,
		Then: "the stream is reset; the node asks again, more and more slowly",
		Why:  "each of its connections asks for a server and shows its permit, and does so again in minutes; each costs up to two signatures checked",
	}
	BalancerDeviceQuestions = Limit{
		Name: "questions of one device to the balancer at a time", Of: Device, At: AtBalancer, Burst: 4,
		Then: "the stream is reset",
		Why:  "a node asks one question at a time, and may ask anew before the first has timed out",
	}
	BalancerBackends = Limit{
		Name: "backend streams of one device to the balancer", Of: Device, At: AtBalancer, Burst: 4,
		Then: "the stream is reset",
		Why:  "a server's new stream stands beside a dying one",
	}
)

// What a balancer carries.
var (
	BalancerStrangerCircuits = Limit{
		Name: "circuits of one stranger", Of: Stranger, At: AtBalancer, Burst: 4,
		Then: "it gets no more until one has ended",
		Why: "a server, another one while moving, and the same again while the first are not yet known to be dead; " +
			"files come from keys of their own, with one circuit each",
	}
	BalancerDeviceCircuits = Limit{
		Name: "circuits of one device", Of: Device, At: AtBalancer, Burst: 64,
		Then: "it gets no more until one has ended",
		Why:  "a server, and the devices of a few groups that are reached through this relay; a node takes as many",
	}
	BalancerAddressCircuits = Limit{
		Name: "circuits from one address", Of: Address, At: AtBalancer, Burst: 2_048,
		Then: "nobody there gets any more until one has ended",
		Why:  "one for each of its connections: a fifth of all, and for an IPv6 /48 less than all of them",
	}
	BalancerNewCircuits = Limit{
		Name: "new circuits from one address", Of: Address, At: AtBalancer, Burst: 2_048, Rate: 100,
		Then: "nobody there gets any more for a moment",
		Why:  "all of them at once when a server is lost; each costs the balancer two streams, and the other end a handshake",
	}
	BalancerPlaces = Limit{
		Name: "places on the relay asked for from one address", Of: Address, At: AtBalancer, Burst: 1_024, Rate: 50,
		Then: "nobody there gets or renews one for a moment",
		Why:  "as many as may connect; a place is renewed once an hour, and each costs a signature. Strangers get none at all",
	}
)

// balancerTable are a balancer's limits.
var balancerTable = []Limit{
	BalancerAddressConns, BalancerNewConns, BalancerDeviceConns, BalancerIdleConns,
	BalancerStrangerStreams, BalancerDeviceStreams,
	BalancerQuestions, BalancerDeviceQuestions, BalancerBackends,
	BalancerStrangerCircuits, BalancerDeviceCircuits, BalancerAddressCircuits, BalancerNewCircuits, BalancerPlaces,
}

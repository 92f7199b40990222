package rendezvous_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tryst-chat/tryst/rendezvous"
	"github.com/tryst-chat/tryst/rendezvous/auth"
	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// benchLetter is the size of a letter's envelope in bytes: a short message, sealed and
// padded.
const benchLetter = 1 << 10

// BenchmarkRequests measures what servers answer, beside what they could at most:
// op=commit_put and op=commit_registration are the same commands proposed at the leader,
// without clients and requests; each is on a majority's disks when it is acknowledged.
// op=registration and op=login are both round trips of each, by a client that has stretched
// its password before, since Argon2id is the client's cost. Each registration comes from a
// device of its own, which has connected before. Clients reach the servers directly or by
// circuits over a balancer. Everything runs in one process and shares its processors.
//
//	go test ./rendezvous -run '^$' -bench Requests -benchtime 1s
//
// takes four to five minutes on two cores. benchstat -col /servers, or -col /reach, makes a
// table of it.
func BenchmarkRequests(b *testing.B) {
	type op struct {
		name string
		run  func(w *benchWorld, b *testing.B, clients int)
	}
	requests := []op{
		{"registration", (*benchWorld).register}, {"login", (*benchWorld).login},
		{"look_up", (*benchWorld).lookUp}, {"put", (*benchWorld).put},
	}
	limits := []op{{"commit_registration", (*benchWorld).commitSignUp}, {"commit_put", (*benchWorld).commitPut}}
	for _, servers := range []int{1, 3} {
		for _, reach := range []string{"direct", "balancer"} {
			b.Run(fmt.Sprintf("servers=%d/reach=%s", servers, reach), func(b *testing.B) {
				w := newBenchWorld(b, servers, reach == "direct")
				ops := requests
				if reach == "direct" {
					ops = slices.Concat(requests, limits)
				}
				for _, op := range ops {
					for _, clients := range []int{1, 16, 256} {
						b.Run(fmt.Sprintf("op=%s/clients=%d", op.name, clients), func(b *testing.B) { op.run(w, b, clients) })
					}
				}
			})
		}
	}
}

// together has so many clients do b.N things in all, numbered, and reports how many a second, and how
// long one in a hundred takes at least.
func together(b *testing.B, clients int, do func(client, n int) error) {
	took := make([]time.Duration, b.N)
	var next atomic.Int64
	var group sync.WaitGroup
	b.ResetTimer()
	for client := range clients {
		group.Go(func() {
			for n := int(next.Add(1)) - 1; n < b.N; n = int(next.Add(1)) - 1 {
				began := time.Now()
				if err := do(client, n); err != nil {
					b.Error(err)
					return
				}
				took[n] = time.Since(began)
			}
		})
	}
	group.Wait()
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
	b.ReportMetric(float64(took[(len(took)*99-1)/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(0, "ns/op") // op/s says it
}

// register signs accounts up. Each needs a device that has none.
func (w *benchWorld) register(b *testing.B, clients int) {
	opaqueRecord, err := anyRecord()
	if err != nil {
		b.Fatal(err)
	}
	fresh := w.connect(b, b.N)
	defer func() {
		for _, d := range fresh {
			d.host.Close()
		}
	}()
	together(b, clients, func(_, n int) error {
		d, name := fresh[n], fmt.Sprintf("r%d", w.names.Add(1))
		_, request, err := auth.RegistrationStart([]byte(password))
		if err != nil {
			return err
		}
		start := &pb.StartRegistration{Name: name, Roll: "1", Request: request}
		if _, err := d.ask(b.Context(), &pb.Request{Kind: &pb.Request_StartRegistration{StartRegistration: start}}); err != nil {
			return fmt.Errorf("start registration: %w", err)
		}
		return d.signUp(b.Context(), name, opaqueRecord)
	})
}

// login proves a password; it adds no device. Each client has a device of its own, since one
// that has several logins under way at once is taken for one that guesses.
func (w *benchWorld) login(b *testing.B, clients int) {
	together(b, clients, func(client, _ int) error {
		d := w.devices[client%len(w.devices)]
		login, ke1, err := w.password.LoginStart()
		if err != nil {
			return err
		}
		resp, err := d.ask(b.Context(), &pb.Request{Kind: &pb.Request_StartLogin{StartLogin: &pb.StartLogin{Account: string(d.account), Ke1: ke1}}})
		if err != nil {
			return fmt.Errorf("start login: %w", err)
		}
		ke3, _, _, err := login.Finish(resp.GetLogin().GetKe2(), auth.Context(w.made.Key, []byte(d.host.ID())), string(d.account))
		if err != nil {
			return err
		}
		finish := &pb.FinishLogin{Account: string(d.account), Ke3: ke3, Cookie: resp.GetLogin().GetCookie()}
		_, err = d.ask(b.Context(), &pb.Request{Kind: &pb.Request_FinishLogin{FinishLogin: finish}})
		return err
	})
}

func (w *benchWorld) lookUp(b *testing.B, clients int) {
	together(b, clients, func(_, n int) error {
		d, other := w.devices[n%len(w.devices)], w.devices[(n+1)%len(w.devices)]
		_, err := d.ask(b.Context(), &pb.Request{Kind: &pb.Request_LookUp{LookUp: &pb.LookUp{Account: string(other.account)}}})
		return err
	})
}

// letter is the next one: all devices write to all others in turn, so that no queue and no
// purse is exhausted.
func (w *benchWorld) letter() (from, to *benchDevice, id [16]byte) {
	n := int(w.letters.Add(1))
	copy(id[:], fmt.Sprint(n))
	from = w.devices[n%len(w.devices)]
	return from, w.devices[(n+1+n/len(w.devices)%(len(w.devices)-1))%len(w.devices)], id
}

func (w *benchWorld) put(b *testing.B, clients int) {
	together(b, clients, func(int, int) error {
		from, to, id := w.letter()
		put := &pb.PutMail{Account: string(to.account), Letters: []*pb.Letter{{Id: id[:], Device: []byte(to.host.ID()), Envelope: make([]byte, benchLetter)}}}
		resp, err := from.ask(b.Context(), &pb.Request{Kind: &pb.Request_PutMail{PutMail: put}})
		for _, code := range resp.GetMailPut().GetCodes() {
			if code != 0 {
				err = errors.Join(err, wire.ErrorOf(code))
			}
		}
		return err
	})
}

func (w *benchWorld) commitPut(b *testing.B, clients int) {
	leader := w.leader(b)
	together(b, clients, func(int, int) error {
		from, to, id := w.letter()
		return leader.Propose(b.Context(), directory.PutMail(from.account, from.host.ID(), to.account,
			[]directory.Letter{{ID: id, To: to.host.ID(), Envelope: make([]byte, benchLetter)}}))
	})
}

func (w *benchWorld) commitSignUp(b *testing.B, clients int) {
	commands := make([][]byte, b.N)
	for i := range commands {
		commands[i] = directorytest.NewPerson(record.Account(fmt.Sprintf("c%d", w.names.Add(1)))).SignUp()
	}
	leader := w.leader(b)
	together(b, clients, func(_, n int) error { return leader.Propose(b.Context(), commands[n]) })
}

// leader is the server that leads.
func (w *benchWorld) leader(b *testing.B) (leader *rendezvous.Server) {
	b.Helper()
	harness.Await(b, "a leader", func() bool {
		i := slices.IndexFunc(w.servers, func(s *rendezvous.Server) bool {
			status, err := s.Status()
			return err == nil && status.State == "leader"
		})
		if i >= 0 {
			leader = w.servers[i]
		}
		return i >= 0
	})
	return leader
}

package rendezvous_test

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tryst-chat/tryst/rendezvous/auth"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// rule is who may ask for one kind of thing of alice's, and what comes of it.
type rule struct {
	ask func(v *victim, who *node) *pb.Request
	// stranger is what devices are told that are not logged in, member what all others
	// are, but for those in but.
	stranger, member error
	but              map[string]error
	// tells is to whom the answer tells a secret of hers, changes who changes what is
	// hers. Everybody else learns and changes nothing.
	tells   map[string][]string
	changes map[string][]string
	check   func(v *victim, who *node, resp *pb.Response) error
}

// notIn is for those whom alice's private group does not exist for.
func notIn(err error) map[string]error {
	return map[string]error{another: err, blocked: err, elsewhere: err}
}

// rules are by the kind of request, of which none may be left out.
var rules = map[protoreflect.Name]rule{
	"hello": {ask: func(*victim, *node) *pb.Request { return &pb.Request{Kind: &pb.Request_Hello{Hello: &pb.Hello{}}} }},
	// What signing up takes is for who has no account.
	"get_terms": {ask: func(*victim, *node) *pb.Request {
		return &pb.Request{Kind: &pb.Request_GetTerms{GetTerms: &pb.GetTerms{}}}
	}},
	"start_registration": {stranger: wire.ErrNameTaken, member: wire.ErrNameTaken, ask: func(v *victim, _ *node) *pb.Request {
		_, request, err := auth.RegistrationStart([]byte(password))
		v.must(err)
		return &pb.Request{Kind: &pb.Request_StartRegistration{StartRegistration: &pb.StartRegistration{Name: "alice", Roll: "1", Request: request}}}
	}},
	"sign_up": {stranger: wire.ErrNameTaken, member: wire.ErrNameTaken, ask: func(v *victim, who *node) *pb.Request {
		return &pb.Request{Kind: &pb.Request_SignUp{SignUp: v.impostor(who)}}
	}},
	// Anybody may try a password. What they are told fits every guess until it is right.
	"start_login": {ask: func(v *victim, _ *node) *pb.Request {
		_, ke1, err := auth.LoginStart([]byte("a guess"))
		v.must(err)
		return &pb.Request{Kind: &pb.Request_StartLogin{StartLogin: &pb.StartLogin{Account: "alice1", Ke1: ke1}}}
	}},
	// This is what opens the vault.
	"finish_login": {stranger: wire.ErrConflict, member: wire.ErrConflict, ask: func(*victim, *node) *pb.Request {
		return &pb.Request{Kind: &pb.Request_FinishLogin{FinishLogin: &pb.FinishLogin{Account: "alice1", Ke3: make([]byte, auth.KE3Size), Cookie: make([]byte, 200)}}}
	}},
	"append_device": {stranger: wire.ErrBadRequest, member: wire.ErrBadRequest, ask: func(v *victim, who *node) *pb.Request {
		return &pb.Request{Kind: &pb.Request_AppendDevice{AppendDevice: &pb.AppendDevice{Account: "alice1", Entry: v.entry(who, record.RevokeDevice, v.alice.host.ID())}}}
	}},
	"publish_keys": {stranger: wire.ErrNotLoggedIn, member: wire.ErrConflict, ask: func(v *victim, who *node) *pb.Request {
		bundle := record.Bundle{Account: "alice1", Device: v.alice.host.ID(), Suite: 1, At: time.Now(), SignedPrekeyID: 9, LastResortID: 9}.Sign(who.key)
		return &pb.Request{Kind: &pb.Request_PublishKeys{PublishKeys: &pb.PublishKeys{Bundle: bundle}}}
	}},
	// That an account exists, and its devices, is no secret from who has an account.
	"look_up": {stranger: wire.ErrNotLoggedIn, ask: func(*victim, *node) *pb.Request {
		return &pb.Request{Kind: &pb.Request_LookUp{LookUp: &pb.LookUp{Account: "alice1"}}}
	}},
	// Whoever has an account may begin a session and write; whether the letter is taken
	// is asked when it is put.
	"take_keys": {stranger: wire.ErrNotLoggedIn, ask: func(v *victim, _ *node) *pb.Request {
		return &pb.Request{Kind: &pb.Request_TakeKeys{TakeKeys: &pb.TakeKeys{Account: "alice1", Devices: [][]byte{[]byte(v.alice.host.ID())}}}}
	}},
	// What has no name in it is the asker's own, whatever they want.
	"begin_generation": {stranger: wire.ErrNotLoggedIn, ask: func(*victim, *node) *pb.Request {
		return &pb.Request{Kind: &pb.Request_BeginGeneration{BeginGeneration: &pb.BeginGeneration{Generation: 1, Token: make([]byte, wire.TokenSize), Renew: true}}}
	}},
	"announce": {stranger: wire.ErrNotLoggedIn, member: wire.ErrBadRequest, ask: func(v *victim, _ *node) *pb.Request {
		return &pb.Request{Kind: &pb.Request_Announce{Announce: &pb.Announce{Record: v.alice.whereabouts(9)}}}
	}},
	"withdraw": {stranger: wire.ErrNotLoggedIn, ask: func(*victim, *node) *pb.Request {
		return &pb.Request{Kind: &pb.Request_Withdraw{Withdraw: &pb.Withdraw{}}}
	}},
	"find_peers": {stranger: wire.ErrNotLoggedIn, ask: func(*victim, *node) *pb.Request {
		return &pb.Request{Kind: &pb.Request_FindPeers{FindPeers: &pb.FindPeers{Accounts: []string{"alice1"}}}}
	}, tells: map[string][]string{"whereabouts": {sibling, friend}}},
	"get_permit": {stranger: wire.ErrNotLoggedIn, ask: func(*victim, *node) *pb.Request {
		return &pb.Request{Kind: &pb.Request_GetPermit{GetPermit: &pb.GetPermit{}}}
	}, check: func(v *victim, who *node, resp *pb.Response) error {
		p := resp.GetPermit()
		permit, err := record.VerifyPermit(p.GetPermit(), p.GetCertificate(), v.made.Key, time.Now())
		if err == nil && permit.Device != who.host.ID() {
			err = errors.New("the permit is somebody else's")
		}
		return err
	}},
	"append_group": {stranger: wire.ErrNotLoggedIn, but: merge(notIn(wire.ErrNoGroup), map[string]error{
		left: wire.ErrNoGroup, removed: wire.ErrNoGroup, invited: wire.ErrRefused,
	}), ask: func(v *victim, who *node) *pb.Request {
		return &pb.Request{Kind: &pb.Request_AppendGroup{AppendGroup: &pb.AppendGroup{Statement: v.next(who, record.Rekey)}}}
	}, changes: map[string][]string{"group": {sibling, friend}}},
	"list_groups": {stranger: wire.ErrNotLoggedIn, ask: func(*victim, *node) *pb.Request {
		return &pb.Request{Kind: &pb.Request_ListGroups{ListGroups: &pb.ListGroups{}}}
	}, tells: map[string][]string{"cabal": {invited, sibling, friend}}},
	// Who has been a member is shown how that ended, and nothing from then on.
	"get_group": {stranger: wire.ErrNotLoggedIn, but: notIn(wire.ErrNoGroup), ask: func(v *victim, _ *node) *pb.Request {
		return &pb.Request{Kind: &pb.Request_GetGroup{GetGroup: &pb.GetGroup{By: &pb.GetGroup_Id{Id: v.cabal[:]}}}}
	}, tells: map[string][]string{"cabal": {left, removed, invited, sibling, friend}, "late word": {invited, sibling, friend}}},
	"set_contacts": {stranger: wire.ErrNotLoggedIn, but: map[string]error{sibling: nil}, member: wire.ErrConflict, ask: func(*victim, *node) *pb.Request {
		return &pb.Request{Kind: &pb.Request_SetContacts{SetContacts: &pb.SetContacts{Version: 1, Token: make([]byte, wire.TokenSize), Forgotten: []string{"confidant8"}}}}
	}, changes: map[string][]string{"contacts": {sibling}}},
	"get_contacts": {stranger: wire.ErrNotLoggedIn, ask: func(*victim, *node) *pb.Request {
		return &pb.Request{Kind: &pb.Request_GetContacts{GetContacts: &pb.GetContacts{}}}
	}, tells: map[string][]string{"confidant": {sibling}}},
	// A stranger's letter is taken, for her to be asked.
	"put_mail": {stranger: wire.ErrNotLoggedIn, but: map[string]error{blocked: wire.ErrRefused}, ask: func(v *victim, _ *node) *pb.Request {
		letter := &pb.Letter{Id: v.letter(), Device: []byte(v.alice.host.ID()), Envelope: []byte("x")}
		return &pb.Request{Kind: &pb.Request_PutMail{PutMail: &pb.PutMail{Account: "alice1", Letters: []*pb.Letter{letter}}}}
	}, changes: map[string][]string{"mailbox": {another, left, removed, invited, elsewhere, sibling, friend}}},
	"fetch_mail": {stranger: wire.ErrNotLoggedIn, ask: func(*victim, *node) *pb.Request {
		return &pb.Request{Kind: &pb.Request_FetchMail{FetchMail: &pb.FetchMail{Taken: 99}}}
	}},
	"put_group_mail": {stranger: wire.ErrNotLoggedIn, member: wire.ErrRefused, but: map[string]error{sibling: nil, friend: nil}, ask: func(v *victim, _ *node) *pb.Request {
		letter := &pb.GroupLetter{Id: v.letter(), Devices: [][]byte{[]byte(v.alice.host.ID())}, Message: []byte("x")}
		return &pb.Request{Kind: &pb.Request_PutGroupMail{PutGroupMail: &pb.PutGroupMail{Group: v.cabal[:], Letters: []*pb.GroupLetter{letter}}}}
	}, changes: map[string][]string{"group mail": {sibling, friend}}},
	"fetch_group_mail": {stranger: wire.ErrNotLoggedIn, member: wire.ErrRefused, but: map[string]error{sibling: nil, friend: nil}, ask: func(v *victim, _ *node) *pb.Request {
		return &pb.Request{Kind: &pb.Request_FetchGroupMail{FetchGroupMail: &pb.FetchGroupMail{Group: v.cabal[:]}}}
	}, tells: map[string][]string{"group letter": {sibling, friend}}},
}

func merge(all ...map[string]error) map[string]error {
	merged := make(map[string]error)
	for _, m := range all {
		maps.Copy(merged, m)
	}
	return merged
}

// want is what somebody is told.
func (r rule) want(who string) error {
	if who == nobodys || who == revoked {
		return r.stranger
	}
	if err, there := r.but[who]; there {
		return err
	}
	return r.member
}

// Everybody asks for everything of alice's that there is to ask for. What is not
// allowed is refused, tells nothing and changes nothing.
func TestStrangers(t *testing.T) {
	ctx := harness.Within(t)
	v := newVictim(t, ctx)
	kinds := slices.Sorted(maps.Keys(everyKind()))
	was, taken := v.state(), 0
	for _, kind := range kinds {
		rule, there := rules[kind]
		if !there {
			t.Errorf("nothing says who may ask for %s", kind)
			continue
		}
		for _, who := range askers {
			t.Run(string(kind)+" by "+who, func(t *testing.T) {
				n := v.askers[who]
				req := rule.ask(v, n)
				if got := req.ProtoReflect().WhichOneof(req.ProtoReflect().Descriptor().Oneofs().ByName("kind")).Name(); got != kind {
					t.Fatalf("asks for %s", got)
				}
				resp, err := exchange(ctx, n.host, v.servers[0].ID(), req)
				for _, code := range resp.GetMailPut().GetCodes() {
					if code != 0 {
						err = wire.ErrorOf(code)
					}
				}
				if want := rule.want(who); !errors.Is(err, want) {
					t.Errorf("is told %v, want %v", err, want)
				}
				if err == nil && rule.check != nil {
					if err := rule.check(v, n, resp); err != nil {
						t.Error(err)
					}
				}
				told, err := proto.Marshal(resp)
				if err != nil {
					t.Fatal(err)
				}
				for secret, words := range secrets {
					may := slices.Contains(rule.tells[secret], who)
					if secret == "late word" {
						words = words[:len(record.Hash{})]
					}
					if does := bytes.Contains(told, []byte(words)); does != may {
						t.Errorf("is told her %s: %t, want %t", secret, does, may)
					}
				}
				is := v.state()
				for what := range is {
					if changed, may := is[what] != was[what], slices.Contains(rule.changes[what], who); changed != may {
						t.Errorf("changes her %s: %t, want %t (%q is %q)", what, changed, may, was[what], is[what])
					}
				}
				was = is
				if keys := resp.GetKeys().GetDevices(); len(keys) > 0 {
					taken++
				}
			})
		}
	}
	if left := v.prekeysLeft(); left != record.MaxPrekeys-taken || taken == 0 {
		t.Errorf("she has %d prekeys left, and gave away %d", left, taken)
	}
	for kind := range rules {
		if !slices.Contains(kinds, kind) {
			t.Errorf("there is no %s", kind)
		}
	}
}

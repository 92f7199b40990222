package testnet

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// These tests hold the shape of the tree: which package may know which, which
// are pure, and that each says what it is.

// direction is one rule of who may import whom inside the module. Test files
// are free: they put together what the program keeps apart.
type direction struct {
	from string   // a folder and all below it
	may  []string // the folders of the module outside from that it may import, each with all below it
	why  string
}

var directions = []direction{
	{"rendezvous", nil,
		"servers introduce people and never read: what they know must not depend on what nodes say to each other"},
	{"balancer", []string{"rendezvous/quota", "rendezvous/record", "rendezvous/wire"},
		"the balancer carries ciphertext: it needs the words of its own protocols, certificates and limits, and nothing that could read"},
	{"node", []string{"rendezvous/client", "rendezvous/record", "rendezvous/wire"},
		"a node uses servers as a client: a change inside the servers must not be able to break it"},
	{"node/store", []string{"node/account", "node/group", "node/key", "node/outbox", "node/roster", "node/session", "node/transfer", "node/crypto", "node/wire", "rendezvous/record"},
		"the store keeps what the cores hold; it reaches for no network, and transport for no disk"},
	{"node/transport", []string{"node/wire", "rendezvous/record", "rendezvous/wire"},
		"the transport moves sealed bytes: it sees no store, no session and no key but the device's own"},
	{"node/crypto", []string{"node/key"},
		"cryptography knows nothing of messages, stores or networks, so that it can be read alone"},
	{"testnet", []string{"rendezvous/auth", "rendezvous/provision", "rendezvous/client", "rendezvous/quota", "rendezvous/record", "rendezvous/wire"},
		"the harness drives the real programs from outside: it may ask servers and prove a password as a node does, and must not reach into what it tests"},
	{"cmd", []string{"balancer", "node", "rendezvous", "testnet"},
		"commands parse, build and run; nothing imports them"},
}

// pure are the packages (with all below them, but for generated code) that do
// no I/O, read no clock and start no goroutine: their tests need nothing but
// values, and what they do can be replayed.
var pure = []string{
	"node/account", "node/causal", "node/crypto", "node/group", "node/key", "node/outbox", "node/roster", "node/session", "node/transfer", "node/wire",
	"rendezvous/auth", "rendezvous/clock", "rendezvous/directory", "rendezvous/quota", "rendezvous/record", "rendezvous/terms", "rendezvous/wire",
	"balancer/pool", "cmd/tryst/command", "testnet/scenario/check", "testnet/linear/check",
}

// impure are imports that pure packages do without, and clocks the functions
// of package time that they do without.
var (
	impure = []string{"net", "os", "log", "syscall", "database/sql", "io/ioutil", "github.com/dgraph-io/badger/v4", "github.com/libp2p/go-libp2p/core/host", "github.com/libp2p/go-libp2p/core/network"}
	clocks = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}
)

// source is one Go file of the module.
type source struct {
	path   string // from the module's root, with slashes
	folder string
	file   *ast.File
}

const root = ".."

// sources parses the module's Go files, without tests unless they are asked
// for.
func sources(t *testing.T, tests bool) (all []source, files *token.FileSet) {
	t.Helper()
	files = token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		switch {
		case entry.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata"):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go") || !tests && strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		path, err = filepath.Rel(root, path)
		path = filepath.ToSlash(path)
		all = append(all, source{path: path, folder: filepath.ToSlash(filepath.Dir(path)), file: file})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, files
}

func (s source) imports(t *testing.T) (paths []string) {
	t.Helper()
	for _, spec := range s.file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

// below reports whether a folder or import path is one of those given, or
// below one.
func below(path string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return path == f || strings.HasPrefix(path, f+"/") })
}

func TestImportsGoOneWay(t *testing.T) {
	all, _ := sources(t, false)
	for _, d := range directions {
		known := false
		for _, s := range all {
			if !below(s.folder, d.from) {
				continue
			}
			known = true
			for _, path := range s.imports(t) {
				inside, ours := strings.CutPrefix(path, module+"/")
				if ours && !below(inside, d.from) && !below(inside, d.may...) {
					t.Errorf("%s imports %s, and %s must not: %s", s.path, inside, d.from, d.why)
				}
			}
		}
		if !known {
			t.Errorf("the rule for %s is about nothing", d.from)
		}
	}
}

// The standard library's DES looks tables up by secret bytes: it is an oracle for tests
// and benchmarks, and no program has it.
func TestDESIsAnOracleOnly(t *testing.T) {
	all, _ := sources(t, true)
	for _, s := range all {
		if slices.Contains(s.imports(t), "crypto/des") && (!strings.HasSuffix(s.path, "_test.go") || !below(s.folder, "node/crypto")) {
			t.Errorf("%s imports crypto/des: only tests below node/crypto may", s.path)
		}
	}
}

func TestPurePackagesArePure(t *testing.T) {
	all, files := sources(t, false)
	for _, s := range all {
		if !below(s.folder, pure...) || strings.HasSuffix(s.folder, "/pb") || strings.HasSuffix(s.folder, "/storetest") {
			continue
		}
		for _, path := range s.imports(t) {
			// A key tells a log what it may show of it: nothing.
			redacts := s.folder == "node/key" && path == "log/slog"
			if below(path, impure...) && !redacts {
				t.Errorf("%s imports %s: its package is pure", s.path, path)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%v: a goroutine in a pure package", files.Position(n.Pos()))
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clocks, n.Sel.Name) {
					t.Errorf("%v: time.%s in a pure package; let the caller say what time it is", files.Position(n.Pos()), n.Sel.Name)
				}
			}
			return true
		})
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	all, _ := sources(t, false)
	said := make(map[string]string)
	for _, s := range all {
		said[s.folder] += s.file.Doc.Text()
	}
	for folder, doc := range said {
		const least = 60 // characters: a sentence that says more than the name
		if len(doc) < least {
			t.Errorf("%s has no doc comment that says what it is, what it is not and who calls it", folder)
		}
	}
}

package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A control is a program that is broken on purpose: what the scenarios find wrong
// with it shows that they would find it. Each is a file in testdata/broken that says
// what is broken, with functions whose bodies are put in front of those of the
// program's functions of the same names.
type control struct {
	about   string
	patches []patch
}

// patch is what is done to one function.
type patch struct {
	file     string // from the module's root
	declared string // the function's declaration
	body     string
}

const moduleRoot = "../.."

// readControl reads a control.
func readControl(t *testing.T, name string) control {
	t.Helper()
	path := filepath.Join("testdata", "broken", name+".go")
	source, files, file := parse(t, path)
	c := control{about: strings.TrimSpace(file.Doc.Text())}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		where, said := strings.CutPrefix(strings.TrimSpace(f.Doc.Text()), "in ")
		if !ok || !said || c.about == "" {
			t.Fatalf("%s: a control says what it breaks, and each function in which file it is", path)
		}
		body := source[files.Position(f.Body.Lbrace).Offset+1 : files.Position(f.Body.Rbrace).Offset]
		c.patches = append(c.patches, patch{where, declaration(t, f), body})
	}
	return c
}

func parse(t *testing.T, path string) (source string, files *token.FileSet, file *ast.File) {
	t.Helper()
	read, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files = token.NewFileSet()
	file, err = parser.ParseFile(files, path, read, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return string(read), files, file
}

// declaration is a function without its body and its comment.
func declaration(t *testing.T, f *ast.FuncDecl) string {
	t.Helper()
	var out bytes.Buffer
	if err := printer.Fprint(&out, token.NewFileSet(), &ast.FuncDecl{Recv: f.Recv, Name: f.Name, Type: f.Type}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// build builds the program broken, beside sound servers, and returns the folder.
func (c control) build(t *testing.T) string {
	t.Helper()
	sound, broken := bin(t), t.TempDir()
	for _, server := range []string{"rendezvous", "balancer"} {
		if err := os.Symlink(filepath.Join(sound, server), filepath.Join(broken, server)); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-overlay", c.overlay(t), "-o", broken, "github.com/tryst-chat/tryst/cmd/tryst")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return broken
}

// overlay writes what go build's -overlay takes to build the program broken, and
// returns its path.
func (c control) overlay(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	replace := make(map[string]string)
	for i, p := range c.patches {
		path, err := filepath.Abs(filepath.Join(moduleRoot, p.file))
		if err != nil {
			t.Fatal(err)
		}
		replacement := filepath.Join(dir, fmt.Sprintf("%d-%s", i, filepath.Base(path)))
		if err := os.WriteFile(replacement, []byte(p.apply(t, path)), 0o600); err != nil {
			t.Fatal(err)
		}
		if replace[path] != "" {
			t.Fatalf("a control breaks one function of a file, and not two of %s", p.file)
		}
		replace[path] = replacement
	}
	table, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, table, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// apply returns a file with its function broken. It fails if the program has no such
// function any more, with the same receiver, parameters and results.
func (p patch) apply(t *testing.T, path string) string {
	t.Helper()
	source, files, file := parse(t, path)
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && declaration(t, f) == p.declared {
			at := files.Position(f.Body.Lbrace).Offset + 1
			// The rest stays, so that what it uses and returns need not be known here.
			return fmt.Sprintf("%s if broken := true; broken { %s }\n%s", source[:at], p.body, source[at:])
		}
	}
	t.Fatalf("%s has no %s any more", p.file, p.declared)
	return ""
}

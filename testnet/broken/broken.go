// Package broken builds programs that are broken on purpose: what a test finds wrong
// with one shows that it would find it. A control is a Go file that says what is
// broken, with functions whose bodies are put in front of those of the program's
// functions of the same names. Only tests import it.
package broken

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

// Control is one program that is broken.
type Control struct {
	About   string // what is broken, in a sentence
	root    string // the module's, as seen from the test
	patches []patch
}

// patch is what is done to one function.
type patch struct {
	file     string // from the module's root
	declared string // the function's declaration
	body     string
}

// Read reads the control of a name from the test's testdata/broken. root is the module's
// folder.
func Read(t *testing.T, root, name string) Control {
	t.Helper()
	path := filepath.Join("testdata", "broken", name+".go")
	source, files, file := parse(t, path)
	c := Control{About: strings.TrimSpace(file.Doc.Text()), root: root}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		where, said := strings.CutPrefix(strings.TrimSpace(f.Doc.Text()), "in ")
		if !ok || !said || c.About == "" {
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

// Build builds one of the module's programs broken, beside the sound others in a
// folder, and returns the folder of them all.
func (c Control) Build(t *testing.T, sound, program string) string {
	t.Helper()
	dir := t.TempDir()
	programs, err := os.ReadDir(sound)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range programs {
		if p.Name() == program {
			continue
		}
		if err := os.Symlink(filepath.Join(sound, p.Name()), filepath.Join(dir, p.Name())); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-overlay", c.overlay(t), "-o", dir, "github.com/tryst-chat/tryst/cmd/"+program)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

// overlay writes what go build's -overlay takes to build the program broken, and
// returns its path.
func (c Control) overlay(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	replace := make(map[string]string)
	for i, p := range c.patches {
		path, err := filepath.Abs(filepath.Join(c.root, p.file))
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

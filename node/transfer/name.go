package transfer

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tryst-chat/tryst/node/wire"
)

// nameRoom is kept free below wire.MaxFileName for the number that keeps two
// files of the same name apart.
const nameRoom = 16

// deviceNames are names that Windows gives to devices, whatever ending follows.
var deviceNames = regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)`)

// SafeName makes a stranger's file name safe to create in a folder on any
// common system: one path element, no control, formatting or separating
// characters, not hidden, no name of a device, not too long. It never returns
// an empty string.
func SafeName(name string) string {
	name = path.Base(strings.ReplaceAll(strings.ToValidUTF8(name, "_"), `\`, "/"))
	name = strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(`<>:"/|?*`, r), !unicode.IsGraphic(r):
			return '_'
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, name)
	name = strings.Trim(name, ". ") // not hidden; Windows drops what trails
	if deviceNames.MatchString(name) {
		name = "_" + name
	}
	name = strings.TrimRight(shorten(name, wire.MaxFileName-nameRoom), ". ")
	if strings.Trim(name, "_ ") == "" {
		return "file"
	}
	return name
}

// shorten cuts a name to at most max bytes, at a rune, and keeps its ending.
func shorten(name string, max int) string {
	if len(name) <= max {
		return name
	}
	ending := path.Ext(name)
	if len(ending) > 16 { // longer than endings are
		ending = ""
	}
	stem := name[:max-len(ending)]
	for !utf8.ValidString(stem) {
		stem = stem[:len(stem)-1]
	}
	return stem + ending
}

// Numbered returns the n-th name to try when earlier ones exist: the name
// itself for 1, then "photo (2).jpg".
func Numbered(name string, n int) string {
	if n <= 1 {
		return name
	}
	ending := path.Ext(name)
	return fmt.Sprintf("%s (%d)%s", strings.TrimSuffix(name, ending), n, ending)
}

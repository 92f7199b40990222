package show

// style paints words for a terminal (ECMA-48, SGR), or leaves them as they are.
type style bool

func (s style) wrap(code, text string) string {
	if !s || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) bold(text string) string         { return s.wrap("1", text) }
func (s style) dim(text string) string          { return s.wrap("2", text) }
func (s style) red(text string) string          { return s.wrap("31", text) }
func (s style) green(text string) string        { return s.wrap("32", text) }
func (s style) cyan(text string) string         { return s.wrap("36", text) }
func (s style) whiteOnBlack(text string) string { return s.wrap("97;40", text) }

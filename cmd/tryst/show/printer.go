package show

// What is printed, and how. All three printers keep to this.
//
//  1. Standard output carries events and nothing else. Standard error carries
//     only what stops the program before it begins.
//  2. One event is one line (a list or help is several in plain form), written
//     at once and whole: lines of two events never mix.
//  3. What others wrote (texts, names, a server's words) never reaches a
//     terminal as it came. Control characters, and those that reverse the
//     direction of writing, are shown as escapes; see Clean.
//  4. An error is one sentence that says what happened and why, and one that
//     says what to do next.
//  5. A direct message is "alice42 : hello", a group's "[g1] alice42 : hello",
//     a list's line "g1 : 3". Scripts may rely on these, and on all of JSON;
//     new JSON fields and events may be added.
//  6. Passwords and keys are in no event.
//  7. Colour is for terminals without NO_COLOR, and says nothing that the words
//     do not say.

// Printer prints events. It may be used from several goroutines.
type Printer interface {
	Print(Event)
}

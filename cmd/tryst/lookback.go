package main

import (
	"context"
	"strings"

	"github.com/tryst-chat/tryst/cmd/tryst/show"
	"github.com/tryst-chat/tryst/node"
)

// withConversation does something with an account, or a group that may be given by its
// number as "#2".
func (x *executor) withConversation(typed string, do func(with string) error) error {
	if !strings.HasPrefix(typed, "#") {
		return do(typed)
	}
	name, err := x.group(typed)
	if err != nil {
		return err
	}
	return do("#" + name)
}

func (x *executor) history(ctx context.Context, with string, n int) error {
	lines, err := x.node.History(ctx, with, n)
	if err != nil {
		return err
	}
	e := show.New(show.History)
	if name, ok := strings.CutPrefix(with, "#"); ok {
		e.Group = name
	} else {
		e.Account = with
	}
	x.showLines(e, lines)
	return nil
}

func (x *executor) search(ctx context.Context, words string) error {
	lines, err := x.node.Search(ctx, words)
	if err != nil {
		return err
	}
	e := show.New(show.Found)
	e.Text = words
	x.showLines(e, lines)
	return nil
}

func (x *executor) showLines(e show.Event, lines []node.Line) {
	e.Messages = make([]show.Line, len(lines))
	for i, l := range lines {
		e.Messages[i] = show.LineOf(l)
	}
	x.print.Print(e)
}

func (x *executor) status(ctx context.Context, id string) error {
	status, err := x.node.Status(ctx, id)
	if err != nil {
		return err
	}
	e := show.New(show.Status)
	e.ID, e.Messages = status.ID, []show.Line{show.LineOf(status.Line)}
	e.Steps = make([]show.Step, len(status.Steps))
	for i, s := range status.Steps {
		e.Steps[i] = show.Step{At: s.At.UTC(), State: s.State, Account: string(s.Account), Device: s.Device, Path: s.Path}
	}
	for _, a := range status.Has {
		e.Has = append(e.Has, string(a))
	}
	for _, a := range status.Lacks {
		e.Lacks = append(e.Lacks, string(a))
	}
	x.print.Print(e)
	return nil
}

func (x *executor) read(ctx context.Context, with string) error {
	if err := x.node.MarkRead(ctx, with); err != nil {
		return err
	}
	e := show.New(show.Marked)
	if name, ok := strings.CutPrefix(with, "#"); ok {
		e.Group = name
	} else {
		e.Account = with
	}
	x.print.Print(e)
	return nil
}

func (x *executor) receipts(ctx context.Context, on bool) error {
	if err := x.node.SetReceipts(ctx, on); err != nil {
		return err
	}
	e := show.New(show.Receipts)
	e.On = new(on)
	x.print.Print(e)
	return nil
}

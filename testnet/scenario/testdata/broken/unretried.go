// What has failed once is not tried again, and the servers are given nothing to keep.
package broken

// in node/courier.go
func (c *courier) pause(ctx context.Context, l *lane) { <-ctx.Done() }

// in node/storing.go
func (c *courier) keepStoring(ctx context.Context, l *lane) { <-ctx.Done() }

// Members of a group do not ask each other for what they lack.
package broken

// in node/rooms_repair.go
func (r *rooms) fetchFrom(ctx context.Context, of repairOf) error { return nil }

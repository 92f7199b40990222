//go:build !unix

package crowd

import "time"

// mostFiles: no limit is known here.
func mostFiles() (n int, known bool) { return 0, false }

// used is not known here.
func used() time.Duration { return 0 }

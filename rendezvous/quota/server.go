package quota

// serverTable are the servers' and the directory's limits.
var serverTable []Limit

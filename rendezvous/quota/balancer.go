package quota

// balancerTable are a balancer's limits.
var balancerTable []Limit

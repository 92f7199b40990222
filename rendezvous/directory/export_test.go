package directory

// WaitingCost is what a group's letter costs for each device that lacks it.
const WaitingCost = waitingCost

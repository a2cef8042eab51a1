// Package edc holds the node against a foreign connector that is alive: Eclipse EDC,
// as it is published. One of its control planes and the node of the product find,
// negotiate with and take data from each other, in both directions, over real
// sockets. Without EDC, which .ci/edc gets, it is not tried.
package edc

// Package tck holds the node to the official compatibility kit of the Dataspace
// Protocol 2025-1. The kit meets the process of this package's test binary, which
// runs the node of the product, each step by hand, and beside it, on a port of its
// own, the two addresses that the kit asks for and the scripts that act as the
// person of this side. Without the kit, which .ci/dsp-tck gets, it is not tried.
package tck

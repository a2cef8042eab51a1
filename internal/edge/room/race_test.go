//go:build race

package room_test

// racing: the race detector makes everything slower.
const racing = true

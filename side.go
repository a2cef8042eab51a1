package hansa

// Side is what a party is in a process of the Dataspace Protocol (2025-1 section
// 1.3): the consumer asks for data, the provider gives it.
type Side string

// The sides. Values are written to disk.
const (
	Consumer Side = "consumer"
	Provider Side = "provider"
)

// Other is the side across the table.
func (s Side) Other() Side {
	if s == Consumer {
		return Provider
	}
	return Consumer
}

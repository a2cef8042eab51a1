package demo

import "github.com/hansa-exchange/hansa/internal/node/demo/city"

// Town is the generated city that the demonstration plays in.
type Town = city.City

// BuildTown makes the city, the same each time.
func BuildTown() *Town { return city.Build(city.Seed) }

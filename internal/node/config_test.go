package node

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestConfigurationIsDescribed holds the page to the settings that there are.
func TestConfigurationIsDescribed(t *testing.T) {
	page, err := os.ReadFile("../../docs/formats/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	var walk func(reflect.Type)
	walk = func(x reflect.Type) {
		for x.Kind() == reflect.Slice {
			x = x.Elem()
		}
		if x.Kind() != reflect.Struct {
			return
		}
		for f := range x.Fields() {
			name := f.Tag.Get("toml")
			if name == "" {
				continue
			}
			n++
			if !strings.Contains(string(page), name) {
				t.Errorf("the page does not name the setting %s of %s", name, x.Name())
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[File]())
	if n < 40 {
		t.Errorf("only %d settings were found", n)
	}
}

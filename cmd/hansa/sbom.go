package main

import (
	"runtime"
	"runtime/debug"
	"strings"
)

// bom is a software bill of materials in CycloneDX 1.6 (ECMA-424), of what this
// very binary is made of. It bears no time and no serial number: two builds of one
// tree have the same.
type bom struct {
	Format     string        `json:"bomFormat"`
	Spec       string        `json:"specVersion"`
	Version    int           `json:"version"`
	Metadata   bomMetadata   `json:"metadata"`
	Components []bomModule   `json:"components"`
	Depends    []bomRelation `json:"dependencies"`
}

type bomMetadata struct {
	Component bomModule `json:"component"`
}

type bomModule struct {
	Type       string        `json:"type"`
	Ref        string        `json:"bom-ref"`
	Name       string        `json:"name"`
	Version    string        `json:"version"`
	PURL       string        `json:"purl"`
	Properties []bomProperty `json:"properties,omitempty"`
}

type bomProperty struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type bomRelation struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn"`
}

// materials reads the bill from what the linker wrote into the binary.
func materials() bom {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return bom{Format: "CycloneDX", Spec: "1.6", Version: 1, Components: []bomModule{}, Depends: []bomRelation{}}
	}
	own := module("application", &info.Main)
	b := bom{Format: "CycloneDX", Spec: "1.6", Version: 1, Metadata: bomMetadata{own}}
	b.Components = append(b.Components, bomModule{Type: "library", Ref: "pkg:golang/std@" + strings.TrimPrefix(info.GoVersion, "go"), Name: "std", Version: strings.TrimPrefix(info.GoVersion, "go"), PURL: "pkg:golang/std@" + strings.TrimPrefix(info.GoVersion, "go"), Properties: []bomProperty{{"platform", runtime.GOOS + "/" + runtime.GOARCH}}})
	for _, d := range info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}
		b.Components = append(b.Components, module("library", d))
	}
	all := bomRelation{Ref: own.Ref}
	for _, c := range b.Components {
		all.DependsOn = append(all.DependsOn, c.Ref)
	}
	b.Depends = []bomRelation{all}
	return b
}

func module(kind string, m *debug.Module) bomModule {
	version := first(m.Version, "(devel)")
	out := bomModule{Type: kind, Name: m.Path, Version: version, PURL: "pkg:golang/" + m.Path + "@" + version}
	out.Ref = out.PURL
	if m.Sum != "" {
		out.Properties = []bomProperty{{"go.sum", m.Sum}}
	}
	return out
}

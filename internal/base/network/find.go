package network

import (
	"slices"
	"strings"

	"github.com/hansa-exchange/hansa"
)

// Find returns the place that query means: an id or a name, and after it
// optionally --direction HEADING and --tube NAME, as on the command line. Case,
// accents and punctuation do not matter. NotFound hints at names that come near;
// Invalid lists the choices when there is more than one.
func (n *Network) Find(query string) (hansa.Place, error) {
	if len(query) > QueryBytesMax {
		return hansa.Place{}, hansa.Fielded("/place", "a place is asked for in at most %d bytes", QueryBytesMax)
	}
	name, heading, tube, err := parse(query)
	if err != nil {
		return hansa.Place{}, err
	}
	return n.Part(name, heading, tube)
}

// Part is Find with its parts told apart; an empty heading or tube narrows nothing.
func (n *Network) Part(name, heading, tube string) (hansa.Place, error) {
	key := Fold(name)
	if key == "" {
		return hansa.Place{}, hansa.Fielded("/place", "name a place: a tunnel, bridge or street")
	}
	i, ok := n.byID[key]
	if !ok {
		var err error
		if i, err = n.named(key, name); err != nil {
			return hansa.Place{}, err
		}
	}
	if heading == "" && tube == "" {
		return n.places[i], nil
	}
	return n.narrow(i, heading, tube)
}

// named returns the one place of this name; a whole goes before its parts.
func (n *Network) named(key, name string) (int, error) {
	list := n.byName[key]
	var wholes []int
	for _, i := range list {
		if n.places[i].Parent == "" {
			wholes = append(wholes, i)
		}
	}
	if len(wholes) > 0 {
		list = wholes
	}
	switch len(list) {
	case 0:
		e := hansa.Errorf(hansa.NotFound, "there is no place called %q here", clip(name))
		if near := n.near(key); len(near) > 0 {
			e = e.WithHint("did you mean " + strings.Join(near, ", ") + "?")
		}
		return 0, e
	case 1:
		return list[0], nil
	}
	return 0, hansa.Fielded("/place", "%d places are called %q", len(list), clip(name)).WithHint("name one by its id: " + n.ids(list))
}

// narrow returns the one part of place i with this heading and tube.
func (n *Network) narrow(i int, heading, tube string) (hansa.Place, error) {
	whole := n.places[i]
	if heading != "" && compass(heading) == "" {
		return hansa.Place{}, hansa.Fielded("/heading", "%q is no direction", clip(heading))
	}
	if tube != "" && letter(tube) == "" {
		return hansa.Place{}, hansa.Fielded("/tube", "%q is no tube", clip(tube))
	}
	list := []int{i}
	list = append(list, n.parts[whole.ID]...)
	list = slices.DeleteFunc(list, func(j int) bool {
		p := &n.places[j]
		return heading != "" && compass(p.Heading) != compass(heading) || tube != "" && letter(p.Tube) != letter(tube)
	})
	switch len(list) {
	case 0:
		e := hansa.Errorf(hansa.NotFound, "%s has no %s", whole.Name, asked(heading, tube))
		if has := n.choices(whole.ID); has != "" {
			return hansa.Place{}, e.WithHint("it has " + has)
		}
		return hansa.Place{}, e.WithHint("it is listed as a whole only")
	case 1:
		return n.places[list[0]], nil
	}
	return hansa.Place{}, hansa.Fielded("/place", "%s has %d parts with %s", whole.Name, len(list), asked(heading, tube)).WithHint("name one by its id: " + n.ids(list))
}

func asked(heading, tube string) string {
	switch {
	case tube == "":
		return "direction " + clip(heading)
	case heading == "":
		return "tube " + clip(tube)
	}
	return "tube " + clip(tube) + " with direction " + clip(heading)
}

// choices says which directions and tubes the parts of a place have.
func (n *Network) choices(id string) string {
	var all []string
	for _, i := range n.parts[id] {
		p := &n.places[i]
		var one []string
		if p.Heading != "" {
			one = append(one, "--direction "+p.Heading)
		}
		if p.Tube != "" {
			one = append(one, "--tube "+p.Tube)
		}
		if s := strings.Join(one, " "); s != "" && !slices.Contains(all, s) && len(all) < choicesMax {
			all = append(all, s)
		}
	}
	return strings.Join(all, ", ")
}

func (n *Network) ids(list []int) string {
	var all []string
	for _, i := range list[:min(len(list), choicesMax)] {
		all = append(all, n.places[i].ID)
	}
	if len(list) > choicesMax {
		all = append(all, "…")
	}
	return strings.Join(all, ", ")
}

// compass gives one form to north, n, Northbound and "to the north".
func compass(s string) string {
	k := strings.TrimSuffix(Fold(s), "bound")
	switch k {
	case "n", "s", "e", "w":
		return map[string]string{"n": "north", "s": "south", "e": "east", "w": "west"}[k]
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(k, "tothe"), "towards"), "ward")
}

// letter gives one form to B, b and "tube B".
func letter(s string) string { return strings.TrimPrefix(Fold(s), "tube") }

// parse splits a query into the name and what narrows it.
func parse(query string) (name, heading, tube string, err error) {
	words := strings.Fields(query)
	var rest []string
	for i := 0; i < len(words); i++ {
		flag, value, joined := strings.Cut(words[i], "=")
		var into *string
		switch flag {
		case "--direction", "--heading":
			into = &heading
		case "--tube":
			into = &tube
		default:
			if strings.HasPrefix(flag, "--") {
				return "", "", "", hansa.Fielded("/place", "a place is narrowed by --direction or --tube, not by %q", clip(flag))
			}
			rest = append(rest, words[i])
			continue
		}
		if !joined {
			if i++; i < len(words) {
				value = words[i]
			}
		}
		if Fold(value) == "" {
			return "", "", "", hansa.Fielded("/place", "%s needs a value", flag)
		}
		*into = value
	}
	return strings.Join(rest, " "), heading, tube, nil
}

// clip keeps what others typed short in a message.
func clip(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

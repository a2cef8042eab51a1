package conform

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Limits of what is read.
const (
	pagesMax  = 50 // of a catalogue
	brokenMax = 60 // malformed messages to one address
)

func versionChecks() []check {
	return []check{
		{"VERSION-1", "MUST", atVersions, "the version document is answered without credentials, and fits its schema", (*driver).versions},
		{"VERSION-2", "MUST", atVersions, "root and path of edition " + Edition + " make the base address", (*driver).basePath},
	}
}

func catalogChecks() []check {
	return []check{
		{"CATALOG-1", "MUST", atCatalogHTTPS, "a catalogue request is answered 200 with a Catalog", (*driver).catalogue},
		{"CATALOG-2", "MUST", atCatalog, "the catalogue names its participant", (*driver).named},
		{"CATALOG-3", "MUST", atCatalog, "a data service of the catalogue leads to the connector's base address", (*driver).services},
		{"CATALOG-4", "MUST", atPages, "the pages of a long catalogue are linked by next and previous, and no dataset is missing or doubled", (*driver).paged},
		{"CATALOG-5", "MAY", "Catalog HTTPS Binding, Compression", "gzip is used only for who takes it, and holds the same catalogue", (*driver).zipped},
		{"CATALOG-6", "MUST", atCatalogHTTPS, "a filter that is not supported is answered 400 with a CatalogError", (*driver).filtered},
		{"CATALOG-7", "MUST", atCatalogHTTPS, "a dataset of the catalogue is answered 200 with the Dataset", (*driver).dataset},
		{"CATALOG-8", "MUST", atCatalogHTTPS + ", Catalog Error", "a dataset that does not exist is answered by a client error with a CatalogError", (*driver).noDataset},
		{"CATALOG-9", "MUST", atCatalogHTTPS + ", Catalog Error", "malformed catalogue requests are refused with a CatalogError", (*driver).brokenCatalogue},
	}
}

// wellKnown finds the version document: at the address itself, or above it.
func (d *driver) wellKnown() (*answer, error) {
	u, err := url.Parse(d.base)
	if err != nil {
		return nil, err
	}
	path := strings.TrimRight(u.Path, "/")
	for range 6 {
		at := *u
		at.Path = path
		a, err := d.call(http.MethodGet, at.String()+"/.well-known/dspace-version", "", "Authorization", "")
		if err != nil {
			return nil, err
		}
		if a.status == http.StatusOK {
			d.root = at.String()
			return a, nil
		}
		i := strings.LastIndex(path, "/")
		if i < 0 {
			return nil, fmt.Errorf("no version document was found at or above %s; the last answer was %d", d.base, a.status)
		}
		path = path[:i]
	}
	return nil, fmt.Errorf("no version document was found at or above %s", d.base)
}

type versionDoc struct {
	Versions []struct {
		Version string `json:"version"`
		Path    string `json:"path"`
		Binding string `json:"binding"`
	} `json:"protocolVersions"`
}

func (d *driver) versions() error {
	a, err := d.wellKnown()
	if err != nil {
		return err
	}
	if err := d.hold("version document", VersionDocument, a.body); err != nil {
		return err
	}
	var doc versionDoc
	if err := json.Unmarshal(a.body, &doc); err != nil {
		return err
	}
	for _, v := range doc.Versions {
		if at := d.root + strings.TrimRight(v.Path, "/"); v.Version == Edition && (d.base == strings.TrimRight(d.root, "/") || d.base == at) {
			d.base = at // the address that was given was the root, or this one
			return nil
		}
	}
	return nil
}

func (d *driver) basePath() error {
	if d.root == "" {
		return skip("there is no version document")
	}
	a, err := d.call(http.MethodGet, d.root+"/.well-known/dspace-version", "", "Authorization", "")
	if err != nil {
		return err
	}
	var doc versionDoc
	if err := json.Unmarshal(a.body, &doc); err != nil {
		return err
	}
	var has []string
	for _, v := range doc.Versions {
		if v.Version == Edition && v.Binding == "HTTPS" && d.root+strings.TrimRight(v.Path, "/") == d.base {
			return nil
		}
		has = append(has, v.Version+" at "+v.Path)
	}
	return fmt.Errorf("%s is no base of edition %s over HTTPS; the version document has %s", d.base, Edition, strings.Join(has, ", "))
}

const askCatalogue = `{"@context":["` + Context + `"],"@type":"CatalogRequestMessage"}`

// dataset is what the driver needs of one of the catalogue.
type dataset struct {
	ID      string           `json:"@id"`
	Offers  []jsontext.Value `json:"hasPolicy"`
	Formats []struct {
		Format string `json:"format"`
	} `json:"distribution"`
}

type catalogue struct {
	Participant string    `json:"participantId"`
	Datasets    []dataset `json:"dataset"`
	Services    []struct {
		URL string `json:"endpointURL"`
	} `json:"service"`
}

func read(a *answer) (c catalogue, err error) {
	if err := a.is("Catalog", http.StatusOK); err != nil {
		return c, err
	}
	return c, json.Unmarshal(a.body, &c)
}

func (d *driver) catalogue() error {
	a, err := d.call(http.MethodPost, d.base+"/catalog/request", askCatalogue)
	if err != nil {
		return err
	}
	c, err := read(a)
	if err != nil {
		return err
	}
	d.participant, d.datasets = c.Participant, c.Datasets
	if next := linked(a.header, "next"); next != "" {
		d.pages = append(d.pages, next)
	}
	return nil
}

func (d *driver) named() error {
	if d.participant == "" {
		return errors.New("participantId is missing or empty")
	}
	return nil
}

func (d *driver) services() error {
	a, err := d.call(http.MethodPost, d.base+"/catalog/request", askCatalogue)
	if err != nil {
		return err
	}
	c, err := read(a)
	if err != nil {
		return err
	}
	if len(c.Services) == 0 {
		return skip("the catalogue lists no service")
	}
	var has []string
	for _, s := range c.Services {
		if strings.TrimRight(s.URL, "/") == d.base {
			return nil
		}
		has = append(has, s.URL)
	}
	return fmt.Errorf("the services lead to %s, none to %s", strings.Join(has, ", "), d.base)
}

// linked is the address of a Link header's relation (RFC 8288).
func linked(h http.Header, rel string) string {
	for _, line := range h.Values("Link") {
		for part := range strings.SplitSeq(line, ",") {
			at, params, _ := strings.Cut(part, ">")
			if strings.Contains(params, `rel="`+rel+`"`) || strings.Contains(params, "rel="+rel) {
				return strings.TrimPrefix(strings.TrimSpace(at), "<")
			}
		}
	}
	return ""
}

// page reads a linked page: the specification does not say by which method.
func (d *driver) page(at string) (*answer, error) {
	a, err := d.call(http.MethodGet, at, "")
	if err == nil && (a.status == http.StatusMethodNotAllowed || a.status == http.StatusNotFound) {
		a, err = d.call(http.MethodPost, at, askCatalogue)
	}
	return a, err
}

func (d *driver) paged() error {
	if len(d.pages) == 0 {
		return skip("the catalogue has one page")
	}
	var all [][]string
	var last *answer
	ids := func(list []dataset) (out []string) {
		for i := range list {
			out = append(out, list[i].ID)
		}
		return out
	}
	all = append(all, ids(d.datasets))
	for at := d.pages[0]; at != "" && len(all) < pagesMax; {
		a, err := d.page(at)
		if err != nil {
			return err
		}
		c, err := read(a)
		if err != nil {
			return fmt.Errorf("page %d: %w", len(all)+1, err)
		}
		if linked(a.header, "previous") == "" {
			return fmt.Errorf("page %d has no link to the previous one", len(all)+1)
		}
		all = append(all, ids(c.Datasets))
		d.datasets = append(d.datasets, c.Datasets...)
		last, at = a, linked(a.header, "next")
	}
	seen := map[string]bool{}
	for _, id := range slices.Concat(all...) {
		if seen[id] {
			return fmt.Errorf("the dataset %s is on two pages", id)
		}
		seen[id] = true
	}
	for i := len(all) - 2; i >= 0; i-- {
		a, err := d.page(linked(last.header, "previous"))
		if err != nil {
			return err
		}
		c, err := read(a)
		if err != nil {
			return fmt.Errorf("back on page %d: %w", i+1, err)
		}
		if got := ids(c.Datasets); !slices.Equal(got, all[i]) {
			return fmt.Errorf("back on page %d are %d datasets, there were %d", i+1, len(got), len(all[i]))
		}
		if last = a; i > 0 && linked(a.header, "previous") == "" {
			return fmt.Errorf("back on page %d there is no link to the previous one", i+1)
		}
	}
	return nil
}

func (d *driver) zipped() error {
	packed, err := d.call(http.MethodPost, d.base+"/catalog/request", askCatalogue, "Accept-Encoding", "gzip")
	if err != nil {
		return err
	}
	plain, err := d.call(http.MethodPost, d.base+"/catalog/request", askCatalogue, "Accept-Encoding", "identity")
	if err != nil {
		return err
	}
	if e := plain.header.Get("Content-Encoding"); e != "" && e != "identity" {
		return fmt.Errorf("the answer is packed by %s, which was not asked for", e)
	}
	if packed.header.Get("Content-Encoding") == "" {
		return skip("the catalogue is not packed")
	}
	a, err := read(packed)
	if err != nil {
		return err
	}
	b, err := read(plain)
	if err != nil {
		return err
	}
	if len(a.Datasets) != len(b.Datasets) {
		return fmt.Errorf("packed it has %d datasets, unpacked %d", len(a.Datasets), len(b.Datasets))
	}
	return nil
}

func (d *driver) filtered() error {
	a, err := d.call(http.MethodPost, d.base+"/catalog/request", strings.TrimSuffix(askCatalogue, "}")+`,"filter":[{"@type":"https://hansa-exchange.org/ns/NoSuchFilter","is":["nowhere"]}]}`)
	if err != nil {
		return err
	}
	return a.refuses("CatalogError", http.StatusBadRequest)
}

func (d *driver) dataset() error {
	if len(d.datasets) == 0 {
		return skip("the catalogue shows no dataset to this caller")
	}
	a, err := d.call(http.MethodGet, d.base+"/catalog/datasets/"+url.PathEscape(d.datasets[0].ID), "")
	if err != nil {
		return err
	}
	if err := a.is("Dataset", http.StatusOK); err != nil {
		return err
	}
	var one dataset
	if err := json.Unmarshal(a.body, &one); err != nil {
		return err
	}
	if one.ID != d.datasets[0].ID {
		return fmt.Errorf("the dataset is %q, want %q", one.ID, d.datasets[0].ID)
	}
	return nil
}

func (d *driver) noDataset() error {
	a, err := d.call(http.MethodGet, d.base+"/catalog/datasets/"+d.cfg.ID(), "")
	if err != nil {
		return err
	}
	return a.refuses("CatalogError")
}

func (d *driver) brokenCatalogue() error {
	return d.refusesBroken("CatalogRequestMessage", strings.TrimSuffix(askCatalogue, "}")+`,"filter":[]}`, d.base+"/catalog/request", "CatalogError")
}

// refusesBroken sends messages that break their schema in one place. All must be
// refused; a string for a @context may be taken, as the specification's own prose
// has it.
func (d *driver) refusesBroken(kind, doc, at, refusal string) error {
	all := slices.DeleteFunc(Broken(kind, []byte(doc)), func(c Change) bool { return c.At == "/@context" && strings.HasPrefix(c.What, `"`) })
	slices.SortStableFunc(all, func(a, b Change) int { return rank(&a) - rank(&b) })
	for _, c := range all[:min(len(all), brokenMax)] {
		a, err := d.call(http.MethodPost, at, string(c.Doc))
		if err != nil {
			return err
		}
		if err := a.refuses(refusal); err != nil {
			return fmt.Errorf("%s %s: %w", c.At, c.What, err)
		}
	}
	return nil
}

// rank puts what is gone before what is something else, and shallow before deep.
func rank(c *Change) int {
	r := 10 * strings.Count(c.At, "/")
	if c.What != "gone" {
		r += 25
	}
	return r
}

package room

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/hansa-exchange/hansa"
)

//go:embed assets templates vendored/fonts
var files embed.FS

// assets are what pages load. They are named by their content, so that a browser
// may keep them for ever.
type assets struct {
	hash  string // of all together
	files map[string]assetFile
}

type assetFile struct {
	body, packed []byte // packed is nil where packing gains nothing
	media        string
}

func openAssets() (*assets, error) {
	a := &assets{files: map[string]assetFile{}}
	sum := sha256.New()
	for _, dir := range []string{"assets", "vendored/fonts"} {
		list, err := fs.ReadDir(files, dir)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			name := e.Name()
			if dir != "assets" && path.Ext(name) != ".woff2" {
				continue
			}
			b, err := files.ReadFile(dir + "/" + name)
			if err != nil {
				return nil, err
			}
			sum.Write([]byte(name))
			sum.Write(b)
			f := assetFile{body: b, media: media(name)}
			if path.Ext(name) != ".woff2" {
				f.packed = pack(b, gzip.BestCompression)
			}
			a.files[name] = f
		}
	}
	a.hash = hex.EncodeToString(sum.Sum(nil)[:8])
	return a, nil
}

func media(name string) string {
	switch path.Ext(name) {
	case ".woff2":
		return "font/woff2"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	}
	return mime.TypeByExtension(path.Ext(name))
}

func pack(b []byte, level int) []byte {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, level)
	if err != nil {
		return nil
	}
	if _, err := w.Write(b); err != nil || w.Close() != nil {
		return nil
	}
	return out.Bytes()
}

// url is where an asset is served; an unknown name is an error in a template.
func (a *assets) url(name string) (string, error) {
	if _, ok := a.files[name]; !ok {
		return "", hansa.Errorf(hansa.Internal, "no asset %q", name)
	}
	return "/assets/" + a.hash + "/" + name, nil
}

// asset serves one file. Another hash than today's is answered too, but not kept.
func (r *Room) asset(w http.ResponseWriter, req *http.Request) error {
	f, ok := r.assets.files[req.PathValue("name")]
	if !ok {
		return hansa.Errorf(hansa.NotFound, "there is no such asset")
	}
	h := w.Header()
	h.Set("Content-Type", f.media)
	h.Set("Cache-Control", "no-cache")
	if req.PathValue("hash") == r.assets.hash {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Set("Vary", "Accept-Encoding")
	body := f.body
	if f.packed != nil && takesGzip(req) {
		h.Set("Content-Encoding", "gzip")
		body = f.packed
	}
	_, err := w.Write(body)
	return err
}

// takesGzip reports whether the browser unpacks gzip.
func takesGzip(req *http.Request) bool {
	for part := range strings.SplitSeq(req.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(part, ";")
		if strings.TrimSpace(name) == "gzip" && !strings.HasPrefix(strings.ReplaceAll(q, " ", ""), "q=0") {
			return true
		}
	}
	return false
}

func templates(a *assets) (*template.Template, error) {
	return template.New("room").Funcs(template.FuncMap{"asset": a.url, "seg": url.PathEscape}).Funcs(speaking(nil)).ParseFS(files, "templates/*.html")
}

package main_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// levels is at how many fill levels the disk is full.
func levels(t *testing.T) int {
	t.Helper()
	return max(3, cuts(t)/2)
}

// TestDiskFull fills the disk of a running node at several levels: writes are
// refused with 507 and a body that says so, reads go on, what was acknowledged is
// there, and with room again it goes on without a restart.
func TestDiskFull(t *testing.T) {
	d := newDrive(t)
	w := newProcess(t)
	w.data(t, d.at)
	kill := w.start(t)
	for range 100 { // until the reserve stands
		if info, err := os.Stat(filepath.Join(d.at, "node", "reserve")); err == nil && info.Size() == 8<<20 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	refused, total, at := 0, 0, 0
	for level := range levels(t) {
		used, err := strconv.ParseInt(d.do("used"), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		d.do("limit " + strconv.FormatInt(used+int64(level)*37_000, 10))
		full := false
		for range 400 {
			id := "full-" + strconv.Itoa(at)
			at++
			status, body := w.post(t, id)
			if status == http.StatusOK {
				w.acked[0] = append(w.acked[0], id)
				total++
				continue
			}
			var doc struct {
				Error struct{ Code, Message, Hint string }
			}
			if err := json.Unmarshal(body, &doc); err != nil || status != http.StatusInsufficientStorage || doc.Error.Code != "storage-full" || doc.Error.Message == "" {
				t.Fatalf("level %d: a full disk answers %d %s, want 507 in words", level, status, body)
			}
			full, refused = true, refused+1
			break
		}
		if !full {
			t.Fatalf("level %d: the disk never was full", level)
		}
		if got := w.count(t); got < total {
			t.Fatalf("level %d: reading a full disk gives %d of %d records", level, got, total)
		}
		d.do("limit 0")
		id, status, body := "room-"+strconv.Itoa(level), 0, []byte(nil)
		for range 100 { // the reserve is made again within a moment
			if status, body = w.post(t, id); status == http.StatusOK {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if status != http.StatusOK {
			t.Fatalf("level %d: with room again the node answers %d %s", level, status, body)
		}
		w.acked[0] = append(w.acked[0], id)
		total++
	}
	kill()
	if bad := w.check(t); len(bad) > 0 {
		t.Fatalf("after %d acknowledged records: %s", total, strings.Join(bad, "; "))
	}
	t.Logf("%d levels, %d writes refused with 507, %d acknowledged records, 0 lost", levels(t), refused, total)
}

// post publishes one record and returns the answer.
func (w *process) post(t *testing.T, id string) (int, []byte) {
	t.Helper()
	body := `{"kind":"situation","id":"` + id + `","version":1,"situation":{"lifecycle":"active","effect":"road-closed","start":"2026-11-23T10:00:00Z","endKind":"unknown","direction":"both","road":{"name":"Oostertunnel"},"geometry":{"type":"LineString","coordinates":[[4.9,52.37],[4.91,52.38]]}}}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/data/v1/datasets/closures/records", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.give)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, []byte(err.Error())
	}
	return res.StatusCode, b
}

// count reads how many records hold, as a receiver does.
func (w *process) count(t *testing.T) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/data/v1/flows/all/records?limit=1000", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.take)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("reading answers %s %s", res.Status, b)
	}
	return strings.Count(string(b), `"record":"f`) + strings.Count(string(b), `"record":"r`)
}

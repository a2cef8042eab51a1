package node

import (
	"context"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// Limits of what people do about alarms.
const (
	alarmActsKept  = 500 // of one party, the newest among them
	alarmReasonMax = 200 // characters
	shelvedMax     = 24 * time.Hour
)

// alarms keeps who has acknowledged or shelved which alarm.
type alarms struct{ n *Node }

var _ room.Alarms = alarms{}

// AlarmActs lists those of by's party, the newest first.
func (a alarms) AlarmActs(ctx context.Context, by hansa.Actor) (out []room.AlarmAct, err error) {
	err = a.n.db.Read(ctx, func(tx hansa.Tx) error {
		out = []room.AlarmAct{}
		rows, err := tx.Query(`SELECT alarm, lead, level, author, at, until, reason FROM node_alarm WHERE party = ? ORDER BY at DESC, id DESC LIMIT ?`, string(by.Party), alarmActsKept)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		for rows.Next() {
			var x room.AlarmAct
			var at, until int64
			if err := rows.Scan(&x.Key, &x.Lead, &x.Level, &x.Author, &at, &until, &x.Reason); err != nil {
				return err
			}
			if x.At = time.UnixMilli(at).UTC(); until > 0 {
				x.Until = time.UnixMilli(until).UTC()
			}
			out = append(out, x)
		}
		return rows.Err()
	})
	known := map[string]string{}
	for i := range out {
		who, ok := known[out[i].Author]
		if !ok {
			who = shift(a).who(ctx, by, out[i].Author)
			known[out[i].Author] = who
		}
		out[i].Who = who
	}
	return out, err
}

// ActOnAlarm acknowledges an alarm, or shelves it until a time, for a reason.
func (a alarms) ActOnAlarm(ctx context.Context, by hansa.Actor, x room.AlarmAct) error {
	now, id := a.n.clock(), hansa.NewID(a.n.wall())
	x.Reason = strings.TrimSpace(x.Reason)
	until := int64(0)
	if !x.Until.IsZero() {
		switch until = x.Until.UnixMilli(); {
		case x.Reason == "":
			return hansa.Fielded("/reason", "say why it is shelved")
		case !x.Until.After(now) || x.Until.Sub(now) > shelvedMax:
			return hansa.Fielded("/for", "an alarm is shelved for at most a day")
		case utf8.RuneCountInString(x.Reason) > alarmReasonMax || !utf8.ValidString(x.Reason) || strings.ContainsFunc(x.Reason, unicode.IsControl):
			return hansa.Fielded("/reason", "a reason is plain text of at most %d characters", alarmReasonMax)
		}
	}
	kind := "alarm-acknowledged"
	if until > 0 {
		kind = "alarm-shelved"
	}
	err := a.n.db.Write(ctx, func(tx hansa.Tx) error {
		if _, err := tx.Exec(`INSERT INTO node_alarm (id, party, alarm, lead, level, author, at, until, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, id, string(by.Party), x.Key, x.Lead, x.Level, by.ID(), now.UnixMilli(), until, x.Reason); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM node_alarm WHERE party = ? AND id NOT IN (SELECT id FROM node_alarm WHERE party = ? ORDER BY at DESC, id DESC LIMIT ?)`, string(by.Party), string(by.Party), alarmActsKept); err != nil {
			return err
		}
		return a.n.act(tx, by, by.Party, kind, id)
	})
	if err == nil {
		a.n.changed.soon()
	}
	return err
}

// Package room is the door for people: the control room, drawn on the server as
// HTML and SVG, brought up to date over SSE, readable without JavaScript. It shows
// what its source tells and no figure more; what has no data is absent. All that
// comes from others is escaped, and no page may load a thing from elsewhere.
package room

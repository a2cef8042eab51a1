package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// lastWords bounds what is kept of what a process of a story says.
const lastWords = 8 << 10

// spawn runs a node as a process and returns when it answers. The process ends with the
// story, and also when this process is killed: its standard input ends then.
func (s *hubStory) spawn(ctx context.Context, p *outpost, config string) error {
	c := s.program(context.WithoutCancel(ctx), config)
	c.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+s.dir) // no other command shall find it by itself
	says := &tail{}
	c.Stdout, c.Stderr = io.Discard, says
	in, err := c.StdinPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return fmt.Errorf("start the node of %s: %w", p.title, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	s.stops = append(s.stops, func() error {
		err := in.Close()
		select {
		case end := <-ended:
			if end != nil {
				end = fmt.Errorf("the node of %s: %w: %s", p.title, end, says)
			}
			return end
		case <-time.After(20 * time.Second):
			return errors.Join(err, fmt.Errorf("the node of %s does not end", p.title), c.Process.Kill(), <-ended)
		}
	})
	for {
		status, _, err := p.reads(ctx, http.MethodGet, p.address()+"/healthz", nil, p.token, "")
		if err == nil && status == http.StatusOK {
			return nil
		}
		select {
		case end := <-ended:
			ended <- end
			return fmt.Errorf("the node of %s ended before it answered: %w: %s", p.title, errors.Join(end, err), says)
		case <-ctx.Done():
			return fmt.Errorf("the node of %s does not answer: %w: %s", p.title, errors.Join(ctx.Err(), err), says)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// tail keeps the last of what is written to it.
type tail struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.b.Len()+len(p) > lastWords {
		t.b.Reset()
	}
	t.b.Write(p[max(0, len(p)-lastWords):])
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

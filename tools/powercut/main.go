// Command powercut mounts a file system in memory that a test can cut the power
// of: what was not synced is gone then, and the last write may be torn. It reads
// its commands from standard input, one a line, and answers each with one line:
//
//	cut    forget what was not synced
//	torn   the same, but half of the last write of each file is there
//	limit N  no file grows beyond N bytes in all; 0 lifts it
//	used     how many bytes there are
//
// It ends with its input, and unmounts. Names are kept as they are: a file that was
// made and never synced is there and empty, as on a journalling file system.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// disk is what all files share.
type disk struct {
	mu    sync.Mutex // guards all files
	limit int64      // 0 is none
	used  int64
	files map[*file]bool
}

// room reports whether n bytes more fit.
func (d *disk) room(n int64) bool { return n <= 0 || d.limit == 0 || d.used+n <= d.limit }

// dir is a folder.
type dir struct {
	fs.Inode
	d *disk
}

// file is a regular file: what it holds now, and what it held when it was last
// synced.
type file struct {
	fs.Inode
	d      *disk
	mode   uint32
	now    []byte
	synced []byte
	last   [2]int // where the last write since the sync lies
}

var (
	_ fs.NodeCreater   = (*dir)(nil)
	_ fs.NodeMkdirer   = (*dir)(nil)
	_ fs.NodeUnlinker  = (*dir)(nil)
	_ fs.NodeRmdirer   = (*dir)(nil)
	_ fs.NodeRenamer   = (*dir)(nil)
	_ fs.NodeStatfser  = (*dir)(nil)
	_ fs.NodeFsyncer   = (*dir)(nil)
	_ fs.NodeOpener    = (*file)(nil)
	_ fs.NodeReader    = (*file)(nil)
	_ fs.NodeWriter    = (*file)(nil)
	_ fs.NodeGetattrer = (*file)(nil)
	_ fs.NodeSetattrer = (*file)(nil)
	_ fs.NodeFsyncer   = (*file)(nil)
	_ fs.NodeFlusher   = (*file)(nil)
)

func (p *dir) Create(ctx context.Context, name string, _ uint32, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	f := &file{d: p.d, mode: mode & 0o777}
	p.d.mu.Lock()
	p.d.files[f] = true
	p.d.mu.Unlock()
	child := p.NewPersistentInode(ctx, f, fs.StableAttr{Mode: syscall.S_IFREG})
	p.AddChild(name, child, true)
	out.Mode = syscall.S_IFREG | f.mode
	return child, nil, 0, 0
}

func (p *dir) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	child := p.NewPersistentInode(ctx, &dir{d: p.d}, fs.StableAttr{Mode: syscall.S_IFDIR})
	p.AddChild(name, child, true)
	out.Mode = syscall.S_IFDIR | mode&0o777
	return child, 0
}

func (p *dir) Unlink(_ context.Context, name string) syscall.Errno {
	if f, ok := p.GetChild(name).Operations().(*file); ok {
		p.d.mu.Lock()
		p.d.used -= int64(len(f.now))
		delete(p.d.files, f)
		p.d.mu.Unlock()
	}
	return 0
}

func (*dir) Rmdir(context.Context, string) syscall.Errno { return 0 }

func (*dir) Rename(context.Context, string, fs.InodeEmbedder, string, uint32) syscall.Errno { return 0 }

func (*dir) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno { return 0 }

func (p *dir) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	total := int64(1 << 30)
	if p.d.limit > 0 {
		total = p.d.limit
	}
	out.Bsize, out.Frsize, out.NameLen = 4096, 4096, 255
	out.Blocks = uint64(total / 4096)
	out.Bfree = uint64(max(0, total-p.d.used) / 4096)
	out.Bavail = out.Bfree
	return 0
}

func (*file) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) { return nil, 0, 0 }

func (*file) Flush(context.Context, fs.FileHandle) syscall.Errno { return 0 }

func (f *file) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	out.Mode, out.Size = syscall.S_IFREG|f.mode, uint64(len(f.now))
	return 0
}

func (f *file) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if m, ok := in.GetMode(); ok {
		f.mode = m & 0o777
	}
	if size, ok := in.GetSize(); ok {
		grow := int64(size) - int64(len(f.now))
		if !f.d.room(grow) {
			return syscall.ENOSPC
		}
		f.d.used += grow
		fresh := make([]byte, size)
		copy(fresh, f.now)
		f.now = fresh
	}
	out.Mode, out.Size = syscall.S_IFREG|f.mode, uint64(len(f.now))
	return 0
}

func (f *file) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if off >= int64(len(f.now)) {
		return fuse.ReadResultData(nil), 0
	}
	n := copy(dest, f.now[off:])
	return fuse.ReadResultData(dest[:n]), 0
}

func (f *file) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	end := off + int64(len(data))
	if grow := end - int64(len(f.now)); grow > 0 {
		if !f.d.room(grow) {
			return 0, syscall.ENOSPC
		}
		f.d.used += grow
		f.now = append(f.now, make([]byte, grow)...)
	}
	copy(f.now[off:], data)
	f.last = [2]int{int(off), int(end)}
	return uint32(len(data)), 0
}

func (f *file) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.synced, f.last = append([]byte(nil), f.now...), [2]int{}
	return 0
}

// cut forgets what was not synced, and returns the files. A torn write leaves its
// first half.
func (d *disk) cut(torn bool) (all []*file) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.used = 0
	for f := range d.files {
		left := append([]byte(nil), f.synced...)
		if from, to := f.last[0], f.last[1]; torn && to > from && to <= len(f.now) {
			half := from + (to-from)/2
			if half > len(left) {
				left = append(left, make([]byte, half-len(left))...)
			}
			copy(left[from:half], f.now[from:half])
		}
		f.now, f.synced, f.last = left, append([]byte(nil), left...), [2]int{}
		d.used += int64(len(left))
		all = append(all, f)
	}
	return all
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: powercut MOUNTPOINT")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(at string) error {
	d := &disk{files: map[*file]bool{}}
	root := &dir{d: d}
	never := time.Duration(0)
	server, err := fs.Mount(at, root, &fs.Options{AttrTimeout: &never, EntryTimeout: &never, MountOptions: fuse.MountOptions{DirectMount: true, FsName: "powercut", Name: "powercut"}})
	if err != nil {
		return err
	}
	defer func() { _ = server.Unmount() }()
	fmt.Println("mounted")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		words := strings.Fields(in.Text())
		switch {
		case len(words) == 1 && (words[0] == "cut" || words[0] == "torn"):
			for _, f := range d.cut(words[0] == "torn") {
				_ = f.NotifyContent(0, 0) // the kernel forgets what it kept; it may have kept nothing
			}
			fmt.Println("ok")
		case len(words) == 2 && words[0] == "limit":
			n, err := strconv.ParseInt(words[1], 10, 64)
			if err != nil {
				return err
			}
			d.mu.Lock()
			d.limit = n
			d.mu.Unlock()
			fmt.Println("ok")
		case len(words) == 1 && words[0] == "used":
			d.mu.Lock()
			fmt.Println(d.used)
			d.mu.Unlock()
		default:
			return fmt.Errorf("there is no command %q", in.Text())
		}
	}
	return nil
}

// special is a socket: its name is all there is.
type special struct {
	fs.Inode
	mode uint32
}

var (
	_ fs.NodeMknoder   = (*dir)(nil)
	_ fs.NodeGetattrer = (*special)(nil)
	_ fs.NodeSetattrer = (*special)(nil)
)

func (p *dir) Mknod(ctx context.Context, name string, mode, _ uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	child := p.NewPersistentInode(ctx, &special{mode: mode}, fs.StableAttr{Mode: mode & syscall.S_IFMT})
	p.AddChild(name, child, true)
	out.Mode = mode
	return child, 0
}

func (s *special) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode = s.mode
	return 0
}

func (s *special) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if m, ok := in.GetMode(); ok {
		s.mode = s.mode&syscall.S_IFMT | m&0o777
	}
	out.Mode = s.mode
	return 0
}

package bridge

// fifo is a first-in, first-out list that reuses its memory.
type fifo[T any] struct {
	items []T
	head  int
}

func (f *fifo[T]) len() int { return len(f.items) - f.head }
func (f *fifo[T]) push(v T) { f.items = append(f.items, v) }
func (f *fifo[T]) first() T { return f.items[f.head] }
func (f *fifo[T]) last() T  { return f.items[len(f.items)-1] }

func (f *fifo[T]) pop() T {
	v := f.items[f.head]
	var none T
	f.items[f.head] = none
	f.head++
	if f.head > len(f.items)/2 { // moving fewer than were popped keeps a pop cheap
		n := copy(f.items, f.items[f.head:])
		clear(f.items[n:])
		f.items, f.head = f.items[:n], 0
	}
	return v
}

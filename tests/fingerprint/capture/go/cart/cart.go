package cart

import (
	"errors"
	"fmt"
	"sort"
)

type Cart struct {
	items []int
	owner *Owner
}

type Owner struct{ name string }

func New(seed int) *Cart { return &Cart{items: make([]int, seed%3)} }

func (c *Cart) Item(at int) int { return c.items[at] }

func (c Cart) Last() int { return c.items[len(c.items)+1] }

func (c *Cart) OwnerName() string { return c.owner.name }

func (c *Cart) Each(visit func(int)) {
	for at := 0; at < 3; at++ {
		visit(at)
	}
}

func Map[T any, R any](values []T, change func(T) R) []R {
	changed := make([]R, 0)
	for _, value := range values {
		changed = append(changed, change(value))
	}
	return changed
}

func (c *Cart) Sort(seed int) {
	values := []int{3, 2, 1, seed}
	sort.Slice(values, func(i, j int) bool {
		return c.items[values[i]+seed] < values[j]
	})
}

var ErrClosed = errors.New("cart is closed")

func Load(seed int) error { return fmt.Errorf("order %d not found in shard-%d", seed, seed%7) }

func Pay(seed int) error { return fmt.Errorf("pay order %d: %w", seed, ErrClosed) }

func Dial(seed int) error {
	return fmt.Errorf("dial tcp 10.0.%d.7:%d: connect: connection refused", seed, 5000+seed)
}

func Walk(depth int, seed int) {
	if depth == 0 {
		panic(fmt.Sprintf("leaf %d", seed))
	}
	walkOther(depth-1, seed)
}

func walkOther(depth int, seed int) {
	if depth > 0 {
		Walk(depth-1, seed)
		return
	}
	panic(fmt.Sprintf("leaf %d", seed))
}

// Fails in every way once: shop OUTPUT SEED appends one JSON line a failure.
package main

import (
	"encoding/json"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/acme/shop/cart"
	"github.com/getsentry/sentry-go"
)

var bug string

func main() {
	output, _ := os.OpenFile(os.Args[1], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	seed, _ := strconv.Atoi(os.Args[2])
	_ = sentry.Init(sentry.ClientOptions{
		Dsn:              "http://key@localhost/1",
		AttachStacktrace: true,
		BeforeSend: func(event *sentry.Event, _ *sentry.EventHint) *sentry.Event {
			line, _ := json.Marshal(map[string]any{"bug": bug, "event": event})
			_, _ = output.Write(append(line, '\n'))
			return nil
		},
	})
	bugs := map[string]func(){
		"item":         func() { item(seed) },
		"itemInEach":   func() { each(seed) },
		"last":         func() { cart.New(seed).Last() },
		"owner":        func() { _ = cart.New(seed).OwnerName() },
		"nilMap":       func() { write(nil, seed) },
		"assertion":    func() { _ = convert(seed) },
		"generic":      func() { generic(seed) },
		"genericText":  func() { genericText(seed) },
		"sorted":       func() { cart.New(seed).Sort(seed) },
		"walk":         func() { cart.Walk(3+2*(seed%5), seed) },
		"once":         func() { once(seed) },
		"errorLoad":    func() { report(cart.Load(seed)) },
		"errorPay":     func() { report(cart.Pay(seed)) },
		"errorDial":    func() { report(cart.Dial(seed)) },
		"panicText":    func() { panic("no stock for order " + strconv.Itoa(seed)) },
	}
	for name, run := range bugs {
		bug = name
		guarded(run)
	}
	bug = "goroutine"
	var done sync.WaitGroup
	done.Add(1)
	go background(seed, &done)
	done.Wait()
	bug = "message"
	sentry.CaptureMessage("Nightly job finished with " + strconv.Itoa(seed) + " errors")
	sentry.Flush(time.Second)
}

func item(seed int) { cart.New(seed).Item(seed + 3) }

func once(seed int) {
	var once sync.Once
	once.Do(func() { cart.New(seed).Item(seed + 3) })
}

func background(seed int, done *sync.WaitGroup) {
	defer done.Done()
	defer recovered()
	cart.New(seed).Item(seed + 3)
}

func recovered() {
	if found := recover(); found != nil {
		sentry.CurrentHub().Recover(found)
	}
}

func guarded(run func()) {
	defer recovered()
	run()
}

func report(err error) { sentry.CaptureException(err) }

func each(seed int) {
	c := cart.New(seed)
	c.Each(func(at int) { c.Item(at + seed + 3) })
}

func write(orders map[int]int, seed int) { orders[seed] = seed }

func convert(seed any) string { return seed.(string) }

func generic(seed int) {
	cart.Map([]int{seed}, func(value int) int { return cart.New(value).Item(value + 3) })
}

func genericText(seed int) {
	cart.Map([]string{strconv.Itoa(seed)}, func(value string) int { return []int{}[len(value)] })
}

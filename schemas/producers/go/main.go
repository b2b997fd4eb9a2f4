// Command produce reports an error to Aftershock, straight into Kafka.
//
//	KAFKA=127.0.0.1:9092 go run .
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type object = map[string]any

// connect returns a client that waits for all replicas, is idempotent and retries: franz-go's defaults.
func connect(servers string) (*kgo.Client, error) {
	return kgo.NewClient(
		kgo.SeedBrokers(strings.Split(servers, ",")...),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.ProducerLinger(20*time.Millisecond),
		kgo.MaxBufferedRecords(10_000),
		kgo.MaxBufferedBytes(32<<20),
		kgo.RecordDeliveryTimeout(5*time.Minute),
	)
}

// report buffers an event and returns its id at once, even while Kafka is away or the buffer full.
func report(client *kgo.Client, failure error) string {
	var random [16]byte
	rand.Read(random[:])
	id := hex.EncodeToString(random[:])
	event, err := json.Marshal(object{
		"event_id":    id,
		"timestamp":   time.Now().UTC().Format(time.RFC3339Nano),
		"platform":    "go",
		"level":       "error",
		"release":     "shop@1.4.2",
		"environment": "production",
		"user":        object{"id": "42"},
		"tags":        object{"region": "eu"},
		"exception":   object{"values": []object{exception(failure)}},
	})
	if err != nil {
		log.Printf("not reported: %v", err)
		return id
	}
	record := &kgo.Record{
		Topic:   os.Getenv("TOPIC_PREFIX") + "errors",
		Key:     []byte(id),
		Value:   event,
		Headers: []kgo.RecordHeader{{Key: "project", Value: []byte("shop")}},
	}
	client.TryProduce(context.Background(), record, func(_ *kgo.Record, err error) {
		if err != nil {
			log.Printf("not reported: %v", err)
		}
	})
	return id
}

// exception describes an error with the stack that reports it, oldest call first.
func exception(failure error) object {
	counters := make([]uintptr, 64)
	frames := runtime.CallersFrames(counters[:runtime.Callers(3, counters)])
	var stack []object
	for {
		frame, more := frames.Next()
		dot := strings.LastIndex(frame.Function, "/") + 1
		module, function, _ := strings.Cut(frame.Function[dot:], ".")
		stack = append(stack, object{
			"module":   frame.Function[:dot] + module,
			"function": function,
			"abs_path": frame.File,
			"filename": path.Base(frame.File),
			"lineno":   frame.Line,
			"in_app":   module == "main",
		})
		if !more {
			break
		}
	}
	slices.Reverse(stack)
	return object{
		"type":       reflect.TypeOf(failure).String(),
		"value":      failure.Error(),
		"stacktrace": object{"frames": stack},
	}
}

func charge(client *kgo.Client) string {
	return report(client, fmt.Errorf("no price for the basket: %w", errors.ErrUnsupported))
}

func main() {
	client, err := connect(os.Getenv("KAFKA"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(charge(client))

	// At the end of the program: wait for Kafka, but not for ever.
	ending, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := client.Flush(ending); err != nil {
		log.Printf("not everything was reported: %v", err)
	}
	client.Close()
}

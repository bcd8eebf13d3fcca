// The Go client, as people use it, against the cache.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

var ctx = context.Background()

// What the test does for the activations of this container: they begin, with a token, and end.
type control struct {
	connection net.Conn
	lines      *bufio.Reader
}

func (c *control) ask(line string) string {
	fmt.Fprintln(c.connection, line)
	answer, err := c.lines.ReadString('\n')
	check(err == nil, "the control answers: ", err)
	return strings.TrimSpace(answer)
}

func check(is bool, what ...any) {
	if !is {
		panic(fmt.Sprint(what...))
	}
}

func connect(token string, protocol int, size int) *redis.Client {
	options, err := redis.ParseURL(fmt.Sprintf("redis://:%s@%s", token, os.Getenv("CACHE_ADDRESS")))
	check(err == nil, err)
	options.Protocol, options.PoolSize = protocol, size
	return redis.NewClient(options)
}

func features(token string, protocol int) {
	client := connect(token, protocol, 10)
	defer client.Close()
	check(client.FlushDB(ctx).Err() == nil, "flush")
	check(client.Set(ctx, "key", "value", time.Minute).Err() == nil, "set")
	check(client.Get(ctx, "key").Val() == "value", "get")
	check(errors.Is(client.Get(ctx, "none").Err(), redis.Nil), "nothing")
	client.HSet(ctx, "hash", "a", "1", "b", "2")
	check(len(client.HGetAll(ctx, "hash").Val()) == 2, "hash")
	client.ZAdd(ctx, "sorted", redis.Z{Score: 1.5, Member: "x"})
	check(client.ZRangeWithScores(ctx, "sorted", 0, -1).Val()[0].Score == 1.5, "sorted")

	counted, err := client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for n := 0; n < 1000; n++ {
			pipe.Incr(ctx, "n")
		}
		return nil
	})
	check(err == nil && counted[999].(*redis.IntCmd).Val() == 1000, "pipeline ", err)
	done, err := client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.Set(ctx, "m", "1", 0)
		pipe.Incr(ctx, "m")
		return nil
	})
	check(err == nil && done[1].(*redis.IntCmd).Val() == 2, "transaction ", err)
	err = client.Watch(ctx, func(tx *redis.Tx) error {
		client.Set(ctx, "m", "changed", 0)
		_, err := tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Set(ctx, "m", "mine", 0)
			return nil
		})
		return err
	}, "m")
	check(errors.Is(err, redis.TxFailedErr), "watch ", err)

	var found []string
	for all := client.Scan(ctx, 0, "*", 10).Iterator(); all.Next(ctx); {
		found = append(found, all.Val())
	}
	sort.Strings(found)
	check(strings.Join(found, " ") == "hash key m n sorted", found)
	check(strings.HasPrefix(client.Keys(ctx, "*").Err().Error(), "NOPERM"), "keys")

	popped := make(chan []string)
	go func() { popped <- client.BLPop(ctx, 0, "list").Val() }()
	client.RPush(ctx, "list", "x")
	check(strings.Join(<-popped, " ") == "list x", "blpop")

	listener := client.Subscribe(ctx, "channel")
	defer listener.Close()
	_, err = listener.Receive(ctx)
	check(err == nil, "subscribe ", err)
	check(client.Publish(ctx, "channel", "hello").Val() == 1, "publish")
	check((<-listener.Channel()).Payload == "hello", "message")

	client.XAdd(ctx, &redis.XAddArgs{Stream: "stream", Values: []string{"field", "value"}})
	read := client.XRead(ctx, &redis.XReadArgs{Streams: []string{"stream", "0"}, Block: -1}).Val()
	check(len(read) == 1 && read[0].Messages[0].Values["field"] == "value", "xread ", read)
}

func warm(control *control, protocol int) {
	client := connect(control.ask("begin"), protocol, 1)
	defer client.Close()
	number := client.ClientID(ctx).Val()
	for round := int64(1); round <= 300; round++ {
		counted, err := client.Incr(ctx, "rounds").Result()
		check(err == nil && counted == round, "round ", round, err)
		_, err = client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Set(ctx, "m", round, 0)
			return nil
		})
		check(err == nil, "transaction ", err)
		control.ask("end")
		err = client.Get(ctx, "rounds").Err()
		check(err != nil && strings.HasPrefix(err.Error(), "NOAUTH"), "between: ", err)
		control.ask("begin")
	}
	check(client.ClientID(ctx).Val() == number, "it has connected more than once")
	client.Del(ctx, "rounds")
	control.ask("end")
}

func main() {
	connection, err := net.Dial("tcp", os.Getenv("CACHE_CONTROL"))
	check(err == nil, err)
	control := &control{connection, bufio.NewReader(connection)}
	for _, protocol := range []int{2, 3} {
		features(control.ask("begin"), protocol)
		control.ask("end")
		warm(control, protocol)
	}
}

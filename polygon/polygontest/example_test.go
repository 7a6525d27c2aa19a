package polygontest_test

import (
	"context"
	"fmt"

	"github.com/coder/websocket"

	"bridge/polygon/polygontest"
)

func Example() {
	ctx := context.Background()
	srv := polygontest.NewServer(polygontest.Config{Plan: polygontest.Plan{Key: "demo"}})
	defer srv.Close()
	srv.NextSession(polygontest.DropAfter(1))

	conn, _, err := websocket.Dial(ctx, srv.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.CloseNow()
	for _, message := range []string{
		`{"action":"auth","params":"demo"}`,
		`{"action":"subscribe","params":"A.AAPL"}`,
	} {
		if err := conn.Write(ctx, websocket.MessageText, []byte(message)); err != nil {
			fmt.Println(err)
			return
		}
	}
	go func() {
		if srv.WaitSubscribed(ctx) == nil {
			srv.Send([]byte(`[{"ev":"A","sym":"AAPL","v":100,"c":213.5,"s":1772461800000,"e":1772461801000}]`))
		}
	}()
	for {
		_, frame, err := conn.Read(ctx)
		if err != nil {
			break // the server dropped the connection, as it was told to
		}
		fmt.Println(string(frame))
	}
	fmt.Println(len(srv.Tape().Events()), "event on the tape")

	// Output:
	// [{"ev":"status","status":"connected","message":"Connected Successfully"}]
	// [{"ev":"status","status":"auth_success","message":"authenticated"}]
	// [{"ev":"status","status":"success","message":"subscribed to: A.AAPL"}]
	// [{"ev":"A","sym":"AAPL","v":100,"c":213.5,"s":1772461800000,"e":1772461801000}]
	// 1 event on the tape
}

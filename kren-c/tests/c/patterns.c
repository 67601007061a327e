/* Every function, in one process: what it does, and what each kind of misuse comes to. Valid as C and as C++.
 *
 * Usage: patterns PREFIX-OF-CHANNEL-NAMES
 */
#include "check.h"

#ifndef _WIN32
#include <poll.h>
#include <unistd.h>
#endif

static const char *prefix;

static const char *named(const char *what) {
  static char name[128];
  snprintf(name, sizeof name, "%s-%s", prefix, what);
  return name;
}

static void channel(void) {
  kren_options options = kren_options_default();
  kren_writer *writer;
  kren_reader *reader;
  kren_message message;
  kren_info info;
  options.alignment = 64;
  options.flags = KREN_FRESH;
  OK(kren_writer_create(named("channel"), 1 << 16, &options, &writer));
  OK(kren_reader_connect(named("channel"), NULL, &reader));
  CHECK(strcmp(kren_writer_name(writer), named("channel")) == 0);
  CHECK(strcmp(kren_reader_name(reader), named("channel")) == 0);

  /* There is nothing yet. */
  IS(KREN_EMPTY, kren_read(reader, &message, 0));
  IS(KREN_TIMED_OUT, kren_read(reader, &message, 1000000));

  /* One message, with its tag; none; one borrowed at a time. */
  OK(kren_write(writer, "first", 5, 7, KREN_FOREVER));
  OK(kren_write(writer, NULL, 0, 8, 0));
  OK(kren_read(reader, &message, KREN_FOREVER));
  CHECK(holds(message, "first") && message.tag == 7);
  OK(kren_read(reader, &message, 0));
  CHECK(message.len == 0 && message.tag == 8 && message.data != NULL);
  OK(kren_release(reader, NULL));
  OK(kren_release(reader, NULL));
  /* One that is no longer borrowed releases no other. */
  kren_message late = message;
  OK(kren_write(writer, "next", 4, 0, 0));
  OK(kren_read(reader, &message, 0));
  OK(kren_release(reader, &late));
  info.size = sizeof info;
  OK(kren_reader_info(reader, &info));
  CHECK(info.available == 64 && holds(message, "next"));
  OK(kren_release(reader, &message));
  OK(kren_reader_info(reader, &info));
  CHECK(info.available == 0);

  /* Built in place, cut short, given up, and too much said of it. */
  void *place;
  OK(kren_reserve(writer, 100, &place, KREN_FOREVER));
  CHECK((uintptr_t)place % 64 == 0);
  memcpy(place, "in place", 8);
  IS(KREN_MISUSE, kren_write(writer, "x", 1, 0, 0));
  IS(KREN_MISUSE, kren_reserve(writer, 1, &place, 0));
  IS(KREN_TOO_LARGE, kren_commit(writer, 101, 0));
  OK(kren_commit(writer, 8, 9));
  IS(KREN_MISUSE, kren_commit(writer, 1, 0));
  OK(kren_reserve(writer, 10, &place, 0));
  OK(kren_abort(writer));
  OK(kren_read(reader, &message, 0));
  CHECK(holds(message, "in place") && message.tag == 9);

  /* Several at once, or none. */
  kren_slice parts[2];
  parts[0].data = "debit";
  parts[0].len = 5;
  parts[0].tag = 1;
  parts[1].data = NULL;
  parts[1].len = 6;
  parts[1].tag = 2;
  IS(KREN_MISUSE, kren_write_batch(writer, parts, 2));
  IS(KREN_EMPTY, kren_read(reader, &message, 0));
  parts[1].data = "credit";
  OK(kren_write_batch(writer, parts, 2));
  OK(kren_read(reader, &message, 0));
  CHECK(holds(message, "debit") && message.tag == 1);

  /* Held beyond its reader's next read, and released out of order. */
  kren_lease *debit, *credit;
  OK(kren_hold(reader, &message, &debit));
  IS(KREN_MISUSE, kren_hold(reader, &message, &debit));
  kren_message second;
  OK(kren_read(reader, &second, 0));
  OK(kren_hold(reader, &second, &credit));
  info.size = sizeof info;
  OK(kren_reader_info(reader, &info));
  CHECK(info.held == 128 && info.alignment == 64 && info.capacity == 1 << 16 && info.peers == 1);
  CHECK(info.state == KREN_ATTACHED && info.removed == 0);
  OK(kren_lease_release(credit));
  CHECK(holds(message, "debit"));
  IS(KREN_MISUSE, kren_lease_release(credit));
  OK(kren_lease_release(debit));
  OK(kren_lease_release(NULL));
  OK(kren_flush(writer, PATIENCE));

  /* No room, and what would fit. */
  static char block[40000];
  OK(kren_write(writer, block, sizeof block, 0, 0));
  IS(KREN_FULL, kren_write(writer, block, sizeof block, 0, 0));
  CHECK(kren_error_figure() > 20000 && kren_error_figure() < sizeof block);
  IS(KREN_TIMED_OUT, kren_write(writer, block, sizeof block, 0, 1000000));
  IS(KREN_TOO_LARGE, kren_write(writer, block, 1 << 20, 0, 0));
  CHECK(kren_error_figure() == (1 << 16) - 8);
  IS(KREN_TIMED_OUT, kren_flush(writer, 1000000));
  info.size = sizeof info;
  OK(kren_writer_info(writer, &info));
  CHECK(info.max_message_len == (1 << 16) - 8 && info.available < sizeof block);
  OK(kren_read(reader, &message, 0));
  CHECK(message.len == sizeof block);

  /* What was left is the next one's; what is closed is told once all was read. */
  OK(kren_release(reader, NULL));
  OK(kren_write(writer, "left", 4, 0, 0));
  OK(kren_read(reader, &message, 0));
  OK(kren_leave(reader));
  OK(kren_reader_close(reader));
  OK(kren_reader_connect(named("channel"), NULL, &reader));
  OK(kren_writer_close(writer));
  OK(kren_read(reader, &message, KREN_FOREVER));
  CHECK(holds(message, "left"));
  IS(KREN_EMPTY, kren_read(reader, &message, 0));
  IS(KREN_CLOSED, kren_read(reader, &message, KREN_FOREVER));
  IS(KREN_TIMED_OUT, kren_wait_for_writer(reader, 1000000));
  OK(kren_writer_create(named("channel"), 1 << 16, &options, &writer));
  OK(kren_wait_for_writer(reader, PATIENCE));
  OK(kren_reader_close(reader));
  OK(kren_writer_close(writer));
}

static void broadcast(void) {
  kren_options options = kren_options_default();
  kren_writer *publisher;
  kren_reader *one, *two, *lossy;
  kren_message message;
  kren_peer peers[4];
  size_t count;
  int at;
  options.seats = 3;
  OK(kren_publisher_create(named("broadcast"), 1 << 16, &options, &publisher));
  OK(kren_subscriber_connect(named("broadcast"), NULL, &one));
  options = kren_options_default();
  options.durable = "auditor";
  OK(kren_subscriber_connect(named("broadcast"), &options, &two));
  options = kren_options_default();
  options.flags = KREN_LOSSY;
  OK(kren_subscriber_connect(named("broadcast"), &options, &lossy));
  IS(KREN_NO_SEAT, kren_subscriber_connect(named("broadcast"), NULL, &lossy));
  IS(KREN_WRONG_KIND, kren_reader_connect(named("broadcast"), NULL, &lossy));
  OK(kren_wait_for_subscribers(publisher, 3, PATIENCE));
  OK(kren_write(publisher, "to all", 6, 1, KREN_FOREVER));
  OK(kren_read(one, &message, PATIENCE));
  CHECK(holds(message, "to all") && message.tag == 1);
  OK(kren_read(two, &message, PATIENCE));
  CHECK(holds(message, "to all"));
  OK(kren_release(two, NULL));
  OK(kren_read(lossy, &message, PATIENCE));
  CHECK(holds(message, "to all"));
  /* The bytes of a held message of one that may be overtaken are a copy. */
  kren_lease *lease;
  OK(kren_hold(lossy, &message, &lease));
  CHECK(holds(message, "to all"));
  OK(kren_lease_release(lease));
  OK(kren_writer_peers(publisher, NULL, 0, &count));
  CHECK(count == 3);
  OK(kren_writer_peers(publisher, peers, 4, &count));
  CHECK(count == 3 && peers[0].behind == 1 && peers[1].durable == 1 && peers[2].flags == KREN_LOSSY);
  OK(kren_release(one, NULL));
  for (at = 0; at < 8; at++) {
    static char block[30000];
    OK(kren_write(publisher, block, sizeof block, 0, PATIENCE));
    OK(kren_read(one, &message, 0));
    OK(kren_release(one, NULL));
    OK(kren_read(two, &message, 0));
    OK(kren_release(two, NULL));
  }
  IS(KREN_LAGGED, kren_read(lossy, &message, PATIENCE));
  CHECK(kren_error_figure() >= 1);
  OK(kren_unsubscribe(two));
  IS(KREN_MISUSE, kren_unsubscribe(two));
  OK(kren_reader_close(one));
  OK(kren_reader_close(lossy));
  OK(kren_writer_close(publisher));
}

static void inbox(void) {
  kren_writer *a, *b;
  kren_reader *box;
  kren_message message;
  kren_peer peers[4], gone;
  kren_info info;
  size_t count;
  OK(kren_inbox_create(named("inbox"), 1 << 16, NULL, &box));
  OK(kren_sender_connect(named("inbox"), NULL, &a));
  OK(kren_sender_connect(named("inbox"), NULL, &b));
  OK(kren_write(a, "of a", 4, 1, PATIENCE));
  OK(kren_read(box, &message, PATIENCE));
  CHECK(holds(message, "of a"));
  info.size = sizeof info;
  OK(kren_writer_info(a, &info));
  CHECK(message.sender == info.number && info.state == KREN_ATTACHED);
  OK(kren_write(b, "of b", 4, 2, PATIENCE));
  OK(kren_read(box, &message, PATIENCE));
  CHECK(holds(message, "of b") && message.sender != info.number);
  OK(kren_release(box, NULL));
  OK(kren_flush(a, PATIENCE));
  OK(kren_reader_peers(box, peers, 4, &count));
  CHECK(count == 2);
  IS(KREN_EMPTY, kren_departure(box, &gone));
  OK(kren_writer_close(a));
  while (kren_departure(box, &gone) == KREN_EMPTY) IS(KREN_TIMED_OUT, kren_read(box, &message, 1000000));
  CHECK(gone.number == info.number && gone.state == KREN_HAS_CLOSED);
  IS(KREN_EMPTY, kren_departure(box, &gone));
  OK(kren_writer_close(b));
  OK(kren_reader_close(box));
}

static void queue(void) {
  kren_writer *dealer;
  kren_reader *one, *two;
  kren_message message;
  void *place;
  kren_options options = kren_options_default();
  options.ahead = 1;
  OK(kren_dealer_create(named("queue"), 1 << 16, NULL, &dealer));
  IS(KREN_FULL, kren_write(dealer, "nobody", 6, 0, 0));
  OK(kren_worker_connect(named("queue"), &options, &one));
  OK(kren_write(dealer, "task", 4, 3, PATIENCE));
  IS(KREN_FULL, kren_write(dealer, "more", 4, 3, 0));
  IS(KREN_MISUSE, kren_reserve(dealer, 4, &place, 0));
  OK(kren_read(one, &message, PATIENCE));
  CHECK(holds(message, "task") && message.tag == 3 && message.redelivered == 0);
  /* Not done when its worker closes: it goes to another one, marked. */
  OK(kren_leave(one));
  OK(kren_reader_close(one));
  OK(kren_worker_connect(named("queue"), NULL, &two));
  OK(kren_read(two, &message, PATIENCE));
  CHECK(holds(message, "task") && message.redelivered == 1);
  OK(kren_write_keyed(dealer, "key", 3, "keyed", 5, 0, PATIENCE));
  OK(kren_read(two, &message, PATIENCE));
  CHECK(holds(message, "keyed"));
  OK(kren_release(two, NULL));
  OK(kren_flush(dealer, PATIENCE));
  OK(kren_writer_close(dealer));
  IS(KREN_CLOSED, kren_read(two, &message, PATIENCE));
  OK(kren_reader_close(two));
}

static void service(void) {
  kren_server *server;
  kren_client *client;
  kren_request *request;
  kren_request_details details;
  kren_message message, reply;
  kren_call_options options;
  kren_peer peers[2];
  kren_state state;
  uint64_t call, second;
  size_t count;
  memset(&options, 0, sizeof options);
  options.size = sizeof options;
  options.method = "louder";
  options.tag = 5;
  OK(kren_client_connect(named("service"), NULL, &client));
  IS(KREN_NO_SERVER, kren_call(client, "x", 1, NULL, &reply, PATIENCE));
  OK(kren_server_create(named("service"), NULL, &server));
  IS(KREN_EMPTY, kren_server_next(server, &request, &message, 0));
  OK(kren_call_start(client, "hello", 5, &options, &call, PATIENCE));
  IS(KREN_EMPTY, kren_call_next(client, call, &reply, 0));
  IS(KREN_TIMED_OUT, kren_call_next(client, call, &reply, 1000000));
  OK(kren_server_next(server, &request, &message, PATIENCE));
  CHECK(holds(message, "hello") && message.tag == 5);
  CHECK(strcmp(kren_request_method(request), "louder") == 0);
  OK(kren_request_info(request, &details));
  CHECK(details.client == message.sender && details.time_left_ns > 0 && details.cancelled == 0);
  OK(kren_server_peers(server, peers, 2, &count));
  CHECK(count == 1 && peers[0].number == details.client);
  OK(kren_reply(request, "HELLO", 5, 6));
  IS(KREN_MISUSE, kren_reply(request, "HELLO", 5, 6));
  CHECK(kren_request_method(request) == NULL);
  OK(kren_call_next(client, call, &reply, KREN_FOREVER));
  CHECK(holds(reply, "HELLO") && reply.tag == 6);
  IS(KREN_CANCELLED, kren_call_next(client, call, &reply, KREN_FOREVER));

  /* Several answers, and an end. */
  OK(kren_call_start(client, "parts", 5, NULL, &call, PATIENCE));
  OK(kren_server_next(server, &request, &message, PATIENCE));
  CHECK(*kren_request_method(request) == 0);
  OK(kren_reply_item(request, "one", 3, 0));
  OK(kren_reply_item(request, "two", 3, 0));
  OK(kren_reply_end(request));
  OK(kren_call_next(client, call, &reply, KREN_FOREVER));
  CHECK(holds(reply, "one"));
  OK(kren_call_next(client, call, &reply, 0));
  CHECK(holds(reply, "two"));
  IS(KREN_END, kren_call_next(client, call, &reply, KREN_FOREVER));

  /* A failure, one that is dropped, and one that is given up. */
  OK(kren_call_start(client, "fail", 4, NULL, &call, PATIENCE));
  OK(kren_call_start(client, "drop", 4, NULL, &second, PATIENCE));
  OK(kren_server_next(server, &request, &message, PATIENCE));
  OK(kren_reply_fail(request, 42, "no such thing"));
  OK(kren_server_next(server, &request, &message, PATIENCE));
  OK(kren_request_drop(request));
  IS(KREN_REMOTE, kren_call_next(client, call, &reply, KREN_FOREVER));
  CHECK(kren_error_figure() == 42);
  char text[400];
  CHECK(kren_error_message(text, sizeof text) == strlen(text) && strstr(text, "no such thing") != NULL);
  IS(KREN_REMOTE, kren_call_next(client, second, &reply, KREN_FOREVER));
  OK(kren_call_start(client, "cancel", 6, NULL, &call, PATIENCE));
  OK(kren_server_next(server, &request, &message, PATIENCE));
  OK(kren_call_cancel(client, call));
  IS(KREN_EMPTY, kren_server_next(server, &request, &message, 0));
  IS(KREN_CANCELLED, kren_reply_item(request, "x", 1, 0));
  OK(kren_reply_end(request));
  IS(KREN_TIMED_OUT, kren_call(client, "slow", 4, NULL, &reply, 1000000));
  OK(kren_client_state(client, &state));
  CHECK(state == KREN_ATTACHED);
  OK(kren_server_close(server));
  OK(kren_client_close(client));
}

static void selector(void) {
  kren_selector *selector;
  kren_writer *writer;
  kren_reader *reader;
  kren_message message;
  kren_event events[4];
  size_t count;
  OK(kren_writer_create(named("selector"), 4096, NULL, &writer));
  OK(kren_reader_connect(named("selector"), NULL, &reader));
  OK(kren_selector_create(&selector));
  OK(kren_selector_add_reader(selector, 10, reader));
  IS(KREN_INVALID_OPTION, kren_selector_add_timer(selector, 10, 0, 0));
  OK(kren_selector_wait(selector, events, 4, &count, 1000000));
  CHECK(count == 0);
  OK(kren_write(writer, "news", 4, 0, 0));
  OK(kren_selector_add_writer(selector, 20, writer, 10));
  OK(kren_selector_wait(selector, events, 1, &count, PATIENCE));
  CHECK(count == 1);
  OK(kren_selector_wait(selector, events + 1, 1, &count, PATIENCE));
  CHECK(count == 1 && events[0].key != events[1].key && events[0].key + events[1].key == 30);
  OK(kren_selector_remove(selector, 20));
  IS(KREN_MISUSE, kren_selector_remove(selector, 20));
  OK(kren_read(reader, &message, 0));
  OK(kren_release(reader, NULL));
  OK(kren_selector_add_drained(selector, 20, writer));
  OK(kren_selector_add_timer(selector, 30, 0, 0));
  OK(kren_selector_wait(selector, events, 4, &count, PATIENCE));
  CHECK(count == 2 && events[0].kind + events[1].kind == KREN_READY + KREN_TIMER);
  OK(kren_selector_remove(selector, 20));
  OK(kren_selector_cancel(selector));
  IS(KREN_INTERRUPTED, kren_selector_wait(selector, events, 4, &count, PATIENCE));
  OK(kren_writer_close(writer));
  OK(kren_selector_wait(selector, events, 4, &count, PATIENCE));
  CHECK(count == 1 && events[0].key == 10 && events[0].kind == KREN_GONE);
  OK(kren_selector_close(selector));
  IS(KREN_MISUSE, kren_selector_cancel(selector));
  OK(kren_reader_close(reader));
}

#ifndef _WIN32
static int readable(int fd, int patience) {
  struct pollfd watched;
  watched.fd = fd;
  watched.events = POLLIN;
  watched.revents = 0;
  return poll(&watched, 1, patience);
}

/* What an event loop does: readable means try until there is nothing. */
static void descriptors(void) {
  kren_writer *writer, *dealer;
  kren_reader *reader, *worker;
  kren_server *server;
  kren_client *client;
  kren_request *request;
  kren_message message;
  uint64_t call;
  int in, out, at;
  static char block[3000];
  OK(kren_writer_create(named("fd"), 4096, NULL, &writer));
  OK(kren_reader_connect(named("fd"), NULL, &reader));
  OK(kren_reader_fd(reader, &in));
  OK(kren_writer_fd(writer, &out));
  for (at = 0; at < 20; at++) {
    CHECK(readable(in, 0) == 1 || at > 0);
    IS(KREN_EMPTY, kren_read(reader, &message, 0));
    CHECK(readable(in, 0) == 0);
    OK(kren_write(writer, block, sizeof block, 0, 0));
    CHECK(readable(in, 60000) == 1);
    IS(KREN_FULL, kren_write(writer, block, sizeof block, 0, 0));
    CHECK(readable(out, 0) == 0);
    OK(kren_read(reader, &message, 0));
    OK(kren_release(reader, NULL));
    CHECK(readable(out, 60000) == 1);
  }
  IS(KREN_EMPTY, kren_read(reader, &message, 0));
  OK(kren_writer_close(writer));
  CHECK(readable(in, 60000) == 1);
  IS(KREN_CLOSED, kren_read(reader, &message, 0));
  OK(kren_reader_close(reader));

  OK(kren_dealer_create(named("fdq"), 4096, NULL, &dealer));
  OK(kren_writer_fd(dealer, &out));
  IS(KREN_FULL, kren_write(dealer, "task", 4, 0, 0));
  CHECK(readable(out, 0) == 0);
  OK(kren_worker_connect(named("fdq"), NULL, &worker));
  CHECK(readable(out, 60000) == 1);
  OK(kren_reader_fd(worker, &in));
  IS(KREN_EMPTY, kren_read(worker, &message, 0));
  OK(kren_write(dealer, "task", 4, 0, 0));
  CHECK(readable(in, 60000) == 1);
  while (kren_read(worker, &message, 0) == KREN_EMPTY) CHECK(readable(in, 60000) == 1);
  CHECK(holds(message, "task"));
  OK(kren_writer_close(dealer));
  OK(kren_reader_close(worker));

  OK(kren_server_create(named("fds"), NULL, &server));
  OK(kren_server_fd(server, &in));
  IS(KREN_EMPTY, kren_server_next(server, &request, &message, 0));
  CHECK(readable(in, 0) == 0);
  OK(kren_client_connect(named("fds"), NULL, &client));
  OK(kren_client_fd(client, &out));
  OK(kren_call_start(client, "ask", 3, NULL, &call, PATIENCE));
  IS(KREN_EMPTY, kren_call_next(client, call, &message, 0));
  while (kren_server_next(server, &request, &message, 0) == KREN_EMPTY) CHECK(readable(in, 60000) == 1);
  OK(kren_reply(request, "answer", 6, 0));
  while (kren_call_next(client, call, &message, 0) == KREN_EMPTY) CHECK(readable(out, 60000) == 1);
  CHECK(holds(message, "answer"));
  OK(kren_client_close(client));
  OK(kren_server_close(server));
}
#endif

/* Arrays, several of them, tables: built, written, read where they lie, and what they are not. */
static void arrays(void) {
  kren_options options = kren_options_default();
  kren_writer *writer, *dealer;
  kren_reader *reader, *worker;
  kren_message message;
  kren_array one, seen[3];
  float values[6] = {1, 2, 3, 4, 5, 6};
  const void *stream;
  void *room;
  size_t count, len;
  memset(&one, 0, sizeof one);
  one.data = values;
  one.dtype = KREN_FLOAT32;
  one.ndim = 2;
  one.shape[0] = 2;
  one.shape[1] = 3;
  options.alignment = 64;
  OK(kren_writer_create(named("arrays"), 1 << 16, &options, &writer));
  OK(kren_reader_connect(named("arrays"), NULL, &reader));

  OK(kren_write_array(writer, &one, 7, KREN_FOREVER));
  OK(kren_read(reader, &message, 0));
  OK(kren_message_array(&message, seen));
  CHECK(message.tag == 7 && seen->dtype == KREN_FLOAT32 && seen->ndim == 2 && seen->shape[0] == 2 && seen->shape[1] == 3);
  CHECK(seen->nbytes == sizeof values && memcmp(seen->data, values, sizeof values) == 0 && (uintptr_t)seen->data % 64 == 0);
  CHECK(seen->name[0] == 0);
  IS(KREN_NOT_AN_ARRAY, kren_message_arrays(&message, seen, 3, &count));
  IS(KREN_NOT_AN_ARRAY, kren_message_table(&message, &stream, &len));

  /* In place, and whole. */
  OK(kren_reserve_array(writer, &one, &room, 0));
  CHECK(one.nbytes == sizeof values && (uintptr_t)room % 64 == 0);
  memcpy(room, values, sizeof values);
  IS(KREN_MISUSE, kren_write_array(writer, &one, 0, 0));
  IS(KREN_MISUSE, kren_commit(writer, sizeof values - 1, 0));
  OK(kren_commit(writer, one.nbytes, 8));
  OK(kren_reserve_array(writer, &one, &room, 0));
  OK(kren_abort(writer));
  OK(kren_read(reader, &message, 0));
  OK(kren_message_array(&message, seen));
  CHECK(message.tag == 8 && memcmp(seen->data, values, sizeof values) == 0);

  /* Several, with names. */
  memset(seen, 0, sizeof seen);
  seen[0] = one;
  strcpy(seen[0].name, "boxes");
  seen[1].data = "abcde";
  seen[1].dtype = KREN_UINT8;
  seen[1].ndim = 1;
  seen[1].shape[0] = 5;
  strcpy(seen[1].name, "123456789012345678901234567890123456789012345678");
  OK(kren_write_arrays(writer, seen, 2, 9, 0));
  OK(kren_write_arrays(writer, NULL, 0, 0, 0));
  OK(kren_read(reader, &message, 0));
  memset(seen, 1, sizeof seen);
  OK(kren_message_arrays(&message, NULL, 0, &count));
  CHECK(count == 2 && message.tag == 9);
  OK(kren_message_arrays(&message, seen, 3, &count));
  CHECK(strcmp(seen[0].name, "boxes") == 0 && seen[0].shape[1] == 3 && strlen(seen[1].name) == 48);
  CHECK(memcmp(seen[1].data, "abcde", 5) == 0 && seen[1].nbytes == 5);
  IS(KREN_NOT_AN_ARRAY, kren_message_array(&message, seen));
  seen[1] = seen[0];
  IS(KREN_INVALID_OPTION, kren_write_arrays(writer, seen, 2, 0, 0));
  memset(seen[1].name, 'x', sizeof seen[1].name);
  IS(KREN_INVALID_OPTION, kren_write_arrays(writer, seen, 2, 0, 0));
  IS(KREN_MISUSE, kren_write_arrays(writer, NULL, 1, 0, 0));
  OK(kren_read(reader, &message, 0));
  OK(kren_message_arrays(&message, seen, 3, &count));
  CHECK(count == 0);

  /* A table is Arrow's to make: its bytes go through. */
  OK(kren_write_table(writer, "a stream", 8, 1, 0));
  OK(kren_reserve_table(writer, 100, &room, 0));
  memcpy(room, "shorter", 7);
  IS(KREN_TOO_LARGE, kren_commit(writer, 101, 0));
  OK(kren_commit(writer, 7, 2));
  OK(kren_read(reader, &message, 0));
  OK(kren_message_table(&message, &stream, &len));
  CHECK(len == 8 && memcmp(stream, "a stream", 8) == 0 && (uintptr_t)stream % 64 == 0);
  OK(kren_read(reader, &message, 0));
  OK(kren_message_table(&message, &stream, &len));
  CHECK(len == 7 && memcmp(stream, "shorter", 7) == 0 && message.tag == 2);
  IS(KREN_NOT_AN_ARRAY, kren_message_array(&message, seen));

  /* What cannot be sent, and what is no array. */
  one.shape[1] = (size_t)-1;
  IS(KREN_INVALID_OPTION, kren_write_array(writer, &one, 0, 0));
  one.shape[1] = 3;
  one.dtype = 9999;
  IS(KREN_INVALID_OPTION, kren_write_array(writer, &one, 0, 0));
  one.dtype = KREN_FLOAT32;
  one.ndim = KREN_MAX_DIMS + 1;
  IS(KREN_INVALID_OPTION, kren_reserve_array(writer, &one, &room, 0));
  one.ndim = 2;
  one.data = NULL;
  IS(KREN_MISUSE, kren_write_array(writer, &one, 0, 0));
  IS(KREN_MISUSE, kren_write_array(writer, NULL, 0, 0));
  IS(KREN_MISUSE, kren_message_array(NULL, &one));
  IS(KREN_MISUSE, kren_message_array(&message, NULL));
  one.data = values;
  OK(kren_write(writer, "bytes", 5, 0, 0));
  OK(kren_read(reader, &message, 0));
  IS(KREN_NOT_AN_ARRAY, kren_message_array(&message, seen));
  CHECK(holds(message, "bytes"));
  one.shape[0] = 10000;
  IS(KREN_TOO_LARGE, kren_write_array(writer, &one, 0, 0));
  one.shape[0] = 2;
  OK(kren_reader_close(reader));
  OK(kren_writer_close(writer));

  /* A dealer writes them, and reserves none. */
  OK(kren_dealer_create(named("tensors"), 1 << 16, NULL, &dealer));
  IS(KREN_FULL, kren_write_array(dealer, &one, 0, 0));
  IS(KREN_TIMED_OUT, kren_write_array(dealer, &one, 0, 1000000));
  IS(KREN_MISUSE, kren_reserve_array(dealer, &one, &room, 0));
  OK(kren_worker_connect(named("tensors"), NULL, &worker));
  OK(kren_write_array(dealer, &one, 5, PATIENCE));
  OK(kren_read(worker, &message, PATIENCE));
  OK(kren_message_array(&message, seen));
  CHECK(message.tag == 5 && memcmp(seen->data, values, sizeof values) == 0);
  OK(kren_writer_close(dealer));
  OK(kren_reader_close(worker));
}

#ifdef __linux__
static int count_own(const kren_channel *channel, void *context) {
  CHECK(channel->size == sizeof *channel);
  if (strncmp(channel->name, prefix, strlen(prefix)) == 0) ++*(int *)context;
  return 0;
}

static int stop_at_once(const kren_channel *channel, void *context) {
  CHECK(channel->state != NULL);
  ++*(int *)context;
  return 1;
}

/* What is seen of a channel from outside. */
static void inspection(void) {
  kren_options options = kren_options_default();
  kren_channel channel;
  kren_writer *writer;
  kren_reader *reader;
  kren_message message;
  int count = 0;
  options.schema_name = "text";
  options.schema_text = "some words";
  OK(kren_writer_create(named("seen"), 1 << 16, &options, &writer));
  OK(kren_write(writer, "message", 7, 0, 0));
  channel.size = sizeof channel;
  OK(kren_inspect(named("seen"), &channel));
  CHECK(strcmp(channel.name, named("seen")) == 0 && strcmp(channel.kind, "channel") == 0);
  CHECK(strcmp(channel.state, "waiting for a reader") == 0 && strcmp(channel.schema_name, "text") == 0);
  CHECK(channel.writer == KREN_ATTACHED && channel.reader == KREN_NEVER_ATTACHED && channel.taken == 0 && channel.seats == 1);
  CHECK(channel.written == 1 && channel.released == 0 && channel.used == 16 && channel.capacity == 1 << 16);
  CHECK(channel.writer_pid == (uint32_t)getpid() && channel.owner == getuid() && channel.mode == 0600);
  CHECK(channel.created_ns > 0 && channel.instance != 0 && channel.bytes > channel.capacity && channel.reason[0] == 0);
  OK(kren_reader_connect(named("seen"), NULL, &reader));
  OK(kren_inspect(named("seen"), &channel));
  CHECK(strcmp(channel.state, "idle") == 0 && channel.reader == KREN_ATTACHED && channel.taken == 1);
  OK(kren_channels(count_own, &count));
  CHECK(count == 1);
  OK(kren_channels(stop_at_once, &count));
  CHECK(count == 2);
  IS(KREN_MISUSE, kren_channels(NULL, NULL));
  IS(KREN_NOT_FOUND, kren_inspect(named("unseen"), &channel));
  IS(KREN_MISUSE, kren_inspect(named("seen"), NULL));
  channel.size = 8;
  IS(KREN_MISUSE, kren_inspect(named("seen"), &channel));
  OK(kren_read(reader, &message, 0));
  OK(kren_release(reader, NULL));
  OK(kren_reader_close(reader));
  OK(kren_writer_close(writer));
}
#endif

static int stop(void *context) {
  int *left = (int *)context;
  return --*left <= 0;
}

static void misuse(void) {
  kren_options options = kren_options_default();
  kren_writer *writer = NULL;
  kren_reader *reader;
  kren_message message;
  kren_info info;
  char text[20];
  size_t len;
  int left = 3;

  /* Null, and what is no handle of the kind. */
  IS(KREN_MISUSE, kren_writer_create(NULL, 4096, NULL, &writer));
  IS(KREN_MISUSE, kren_writer_create(named("misuse"), 4096, NULL, NULL));
  IS(KREN_MISUSE, kren_write(NULL, "x", 1, 0, 0));
  IS(KREN_MISUSE, kren_read(NULL, &message, 0));
  IS(KREN_MISUSE, kren_selector_wait(NULL, NULL, 0, &len, 0));
  CHECK(kren_writer_name(NULL) == NULL);
  OK(kren_writer_close(NULL));
  OK(kren_reader_close(NULL));
  IS(KREN_INVALID_NAME, kren_writer_create("no/such name", 4096, NULL, &writer));
  IS(KREN_INVALID_NAME, kren_writer_create("\xff\xfe", 4096, NULL, &writer));
  IS(KREN_INVALID_CAPACITY, kren_writer_create(named("misuse"), 0, NULL, &writer));
  IS(KREN_NOT_FOUND, kren_reader_connect(named("absent"), NULL, &reader));
  CHECK(writer == NULL);

  /* Options: a wrong size, one that an end has no use for, one out of range. */
  options.size = sizeof options + 8;
  IS(KREN_INVALID_OPTION, kren_writer_create(named("misuse"), 4096, &options, &writer));
  options.size = 0;
  IS(KREN_INVALID_OPTION, kren_writer_create(named("misuse"), 4096, &options, &writer));
  options = kren_options_default();
  options.ahead = 1;
  IS(KREN_INVALID_OPTION, kren_writer_create(named("misuse"), 4096, &options, &writer));
  len = kren_error_message(NULL, 0);
  CHECK(len > sizeof text && kren_error_message(text, sizeof text) == len && strlen(text) == sizeof text - 1);
  options = kren_options_default();
  options.flags = KREN_LOSSY;
  IS(KREN_INVALID_OPTION, kren_writer_create(named("misuse"), 4096, &options, &writer));
  options.flags = 0;
  options.strategy = 9;
  IS(KREN_INVALID_OPTION, kren_writer_create(named("misuse"), 4096, &options, &writer));
  options = kren_options_default();
  options.alignment = 3;
  IS(KREN_INVALID_OPTION, kren_writer_create(named("misuse"), 4096, &options, &writer));
  /* An older header knows less: what it does not know is at its default. */
  options = kren_options_default();
  options.size = offsetof(kren_options, alignment);
  options.alignment = 3;
  OK(kren_writer_create(named("misuse"), 4096, &options, &writer));
  IS(KREN_WRITER_EXISTS, kren_writer_create(named("misuse"), 4096, NULL, &writer));

  /* Bytes that are not there; sizes that are none. */
  IS(KREN_MISUSE, kren_write(writer, NULL, 1, 0, 0));
  IS(KREN_MISUSE, kren_write(writer, "x", (size_t)-1, 0, 0));
  IS(KREN_MISUSE, kren_write_keyed(writer, "k", 1, "x", 1, 0, 0));
  IS(KREN_MISUSE, kren_wait_for_subscribers(writer, 1, 0));
  IS(KREN_MISUSE, kren_writer_peers(writer, NULL, 0, &len));
  info.size = 3;
  IS(KREN_MISUSE, kren_writer_info(writer, &info));
  IS(KREN_MISUSE, kren_read((kren_reader *)(void *)writer, &message, 0));

  /* What was asked to end a wait ends it. */
  options = kren_options_default();
  options.check = stop;
  options.context = &left;
  OK(kren_reader_connect(named("misuse"), &options, &reader));
  IS(KREN_INTERRUPTED, kren_read(reader, &message, KREN_FOREVER));
  CHECK(left <= 0);
  IS(KREN_MISUSE, kren_hold(reader, &message, NULL));
  IS(KREN_MISUSE, kren_leave(reader));
  IS(KREN_MISUSE, kren_departure(reader, NULL));
  IS(KREN_MISUSE, kren_unsubscribe(reader));

  /* Twice closed. */
  OK(kren_reader_close(reader));
  IS(KREN_MISUSE, kren_reader_close(reader));
  IS(KREN_MISUSE, kren_read(reader, &message, 0));
  CHECK(kren_reader_name(reader) == NULL);
  IS(KREN_WRITER_EXISTS, kren_remove(named("misuse"), 0));
  OK(kren_writer_close(writer));
  IS(KREN_MISUSE, kren_write(writer, "x", 1, 0, 0));

  CHECK(strcmp(kren_code_name(KREN_TIMED_OUT), "TIMED_OUT") == 0);
  CHECK(strcmp(kren_code_name(99999), "UNKNOWN") == 0);
  CHECK(kren_abi_version() == KREN_ABI_VERSION && strchr(kren_version(), '.') != NULL);
}

int main(int count, char **arguments) {
  CHECK(count == 2);
  prefix = arguments[1];
  channel();
  broadcast();
  inbox();
  queue();
  service();
  selector();
  arrays();
#ifndef _WIN32
  descriptors();
#endif
#ifdef __linux__
  inspection();
#endif
  misuse();
  return 0;
}

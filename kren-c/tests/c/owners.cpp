// kren.hpp: owners, values, iteration, errors. With KREN_NO_EXCEPTIONS the same as far as that goes.
//
// Usage: owners PREFIX-OF-CHANNEL-NAMES
#include "check.h"

#include <kren.hpp>

#include <array>
#include <string>
#include <thread>

namespace {

std::string prefix;

std::string named(const char *what) { return prefix + "-" + what; }

struct point {
  double x, y;
  std::uint32_t id;
  std::uint32_t kind;
};

#ifndef KREN_NO_EXCEPTIONS

template <class Work>
int code_of(Work work) {
  try {
    work();
  } catch (const kren::error &error) {
    CHECK(std::string(error.what()).size() > 10);
    return error.code();
  }
  return KREN_OK;
}

void channel() {
  auto name = named("channel");
  kren::writer writer(name.c_str(), 1 << 16);
  kren::reader reader(name.c_str());
  CHECK(writer.name() == name && reader.name() == name);

  // What there is to write: texts, anything contiguous, values.
  writer.write("text");
  writer.write(std::string("string"), 7);
  writer.write(std::array<std::uint16_t, 3>{1, 2, 3});
  writer.write(point{1.5, 2.5, 3, 4});
  CHECK(reader.read().text() == "text");
  {
    auto message = reader.read();
    CHECK(message.str() == "string" && message.tag() == 7);
  }
  CHECK(reader.read().size() == 6);
  {
    auto message = reader.read();
    CHECK(message.as<point>().y == 2.5 && message.in_place<point>()->id == 3);
    CHECK(code_of([&] { (void)message.as<std::uint64_t>(); }) == KREN_MISUSE);
    CHECK(message.in_place<std::uint64_t>() == nullptr);
#if defined(__cpp_lib_span)
    CHECK(message.span().size() == sizeof(point));
#endif
  }
  CHECK(!reader.try_read());
  CHECK(code_of([&] { reader.read(std::chrono::milliseconds(1)); }) == KREN_TIMED_OUT);

  // In place: committed, or given up with its slot.
  {
    auto slot = writer.reserve(100);
    CHECK(code_of([&] { writer.write("no"); }) == KREN_MISUSE);
    std::memcpy(slot.data(), "in place", 8);
    slot.commit(8, 1);
  }
  { auto slot = writer.reserve(10); }
  writer.write_batch({"a", "b"});
  CHECK(reader.read().text() == "in place");

  // Held; and a message that ends late releases no other one.
  auto first = reader.read().hold();
  auto second = reader.try_read();
  CHECK(first.text() == "a" && second && second->text() == "b");
  writer.write("third");
  writer.write("fourth");
  kren::message third = reader.read();
  second.reset();
  CHECK(third.text() == "third" && reader.info().available > 0);
  third = reader.read();
  CHECK(third.text() == "fourth");
  third.release();

  // Arrays, and what is seen from outside.
  writer.write_array(kren::array(std::array<double, 6>{1, 2, 3, 4, 5, 6}.data(), {2, 3}), 4);
  {
    auto message = reader.read();
    auto seen = message.array();
    CHECK(message.tag() == 4 && seen.ndim == 2 && seen.shape[1] == 3 && seen.size() == 6);
    CHECK(seen.elements<double>()[5] == 6 && seen.elements<float>() == nullptr);
    CHECK(code_of([&] { message.table(); }) == KREN_NOT_AN_ARRAY);
  }
  {
    auto frame = writer.reserve_array<std::uint8_t>({4, 4});
    std::memset(frame.data(), 7, frame.size());
    frame.commit();
  }
  CHECK(reader.read().array().elements<std::uint8_t>()[15] == 7);
  std::int32_t labels[2] = {1, 2};
  writer.write_arrays({kren::array(labels, {2}, "labels"), kren::array("xyz", KREN_UINT8, {3}, "text")});
  {
    auto message = reader.read();
    auto parts = message.arrays();
    CHECK(parts.size() == 2 && parts[0].elements<std::int32_t>()[1] == 2 && std::string(parts[1].name) == "text");
  }
  CHECK(code_of([&] { writer.write_array(kren::array(labels, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2})); }) == KREN_INVALID_OPTION);
  writer.write_table("stream");
  CHECK(reader.read().table().size() == 6);
#ifdef __linux__
  CHECK(kren::inspect(name.c_str()).writer == KREN_ATTACHED);
  std::size_t own = 0;
  for (auto &seen : kren::channels()) own += seen.name == name;
  CHECK(own == 1);
#endif

  // No room; too much.
  std::string block(40000, 'x');
  CHECK(writer.try_write(block));
  CHECK(!writer.try_write(block));
  CHECK(code_of([&] { writer.write(std::string(1 << 20, 'x')); }) == KREN_TOO_LARGE);
  {
    kren::held gone = std::move(first);
  }

  // To the end.
  writer.write("last");
  kren::writer moved = std::move(writer);
  moved.close();
  std::string all;
  for (auto &message : reader) all += message.size() == block.size() ? "block " : message.str();
  CHECK(all == "block last");
  CHECK(code_of([] { kren::reader absent("c-there-is-none"); }) == KREN_NOT_FOUND);
}

void patterns() {
  auto name = named("broadcast");
  kren::publisher publisher(name.c_str(), 1 << 16);
  kren::subscriber one(name.c_str()), two(name.c_str());
  publisher.wait_for_subscribers(2);
  publisher.write("news");
  CHECK(one.read().text() == "news" && two.read().text() == "news");
  CHECK(publisher.subscribers().size() == 2);
  two.unsubscribe();

  name = named("inbox");
  kren::inbox inbox(name.c_str(), 1 << 16);
  {
    kren::sender sender(name.c_str());
    sender.write("letter", 3);
    auto letter = inbox.read();
    CHECK(letter.text() == "letter" && letter.sender() == sender.info().number);
  }
  std::optional<kren_peer> gone;
  while (!(gone = inbox.departure())) CHECK(code_of([&] { inbox.read(std::chrono::milliseconds(1)); }) == KREN_TIMED_OUT);
  CHECK(gone->state == KREN_HAS_CLOSED);

  name = named("queue");
  kren::dealer dealer(name.c_str(), 1 << 16);
  {
    kren::worker dies(name.c_str());
    dealer.write("task");
    dies.read().leave();
  }
  kren::worker worker(name.c_str());
  dealer.write_keyed("key", "keyed");
  std::string done;
  while (done.size() < 9) {
    auto task = worker.read();
    CHECK(task.redelivered() == (task.text() == "task"));
    done += task.str();
  }
  CHECK(!worker.try_read());
  dealer.flush();

  name = named("service");
  kren::server server(name.c_str());
  std::thread serves([&] {
    for (int left = 3; left > 0; left--) {
      auto request = server.next();
      if (request.method() == "echo") {
        request.reply(request.text(), request.tag());
      } else if (request.method() == "parts") {
        for (auto part : {"one", "two"}) request.item(part);
        request.finish();
      } else {
        request.fail(42, "no such method");
      }
    }
  });
  kren::client client(name.c_str());
  auto reply = client.call("ping", {"echo", 5}, std::chrono::seconds(60));
  CHECK(reply.text() == "ping" && reply.tag() == 5);
  auto call = client.start("", "parts");
  std::string parts;
  while (auto part = client.next(call)) parts += part->str();
  CHECK(parts == "onetwo");
  try {
    client.call("x");
    CHECK(false);
  } catch (const kren::error &error) {
    CHECK(error.code() == KREN_REMOTE && error.figure() == 42);
  }
  serves.join();

  kren::selector selector;
  selector.add(1, one);
  selector.add_timer(2, std::chrono::nanoseconds(0));
  publisher.write("more");
  for (std::size_t seen = 0; seen < 2;) seen += selector.wait().size();
  CHECK(one.read().text() == "more");
  selector.remove(1);
}

#else

void channel() {
  auto name = named("channel");
  auto writer = kren::open_writer(name.c_str(), 1 << 16);
  CHECK(writer);
  auto again = kren::open_writer(name.c_str(), 1 << 16);
  CHECK(!again && again.code() == KREN_WRITER_EXISTS && again.what().size() > 10);
  auto reader = kren::open_reader(name.c_str());
  CHECK(writer->write(point{1.5, 2.5, 3, 4}));
  auto message = reader->read();
  CHECK(message && message->as<point>()->id == 3);
  CHECK(!message->array());
}

void patterns() {}

#endif

}  // namespace

int main(int count, char **arguments) {
  CHECK(count == 2);
  prefix = arguments[1];
  channel();
  patterns();
  return 0;
}

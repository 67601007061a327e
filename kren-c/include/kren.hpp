/* KREN in C++17: kren.h with owners that close themselves, values, and exceptions. Header only; link with libkren.
 *
 * - What owns something is move-only and closes it at its end; one thread at a time uses it.
 * - What fails throws kren::error, which has the code. With KREN_NO_EXCEPTIONS defined nothing throws: outcome<T> is then a result<T>, which
 *   has the code or the value, and what is opened is opened by the functions of the same name with open_ in front.
 * - Time-outs are std::chrono's; kren::forever, the default, never passes.
 */
#ifndef KREN_HPP
#define KREN_HPP

#include <kren.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>
#ifndef KREN_NO_EXCEPTIONS
#include <stdexcept>
#endif
#if __cplusplus >= 202002L && __has_include(<span>)
#include <span>
#endif

namespace kren {

using duration = std::chrono::nanoseconds;
/* A time-out that never passes. */
inline constexpr duration forever{KREN_FOREVER};
/* A time-out that does not wait. */
inline constexpr duration now{0};

/* What this thread's last failure says. */
inline std::string last_message() {
  std::string text(kren_error_message(nullptr, 0), '\0');
  kren_error_message(text.data(), text.size() + 1);
  return text;
}

#ifndef KREN_NO_EXCEPTIONS
/* A call that failed: why, as a kren_code; the figure that kren_error_figure() tells of. */
class error : public std::runtime_error {
 public:
  error(int code, const std::string &text, std::uint64_t figure = 0)
      : std::runtime_error(text), code_(code), figure_(figure) {}
  int code() const noexcept { return code_; }
  std::uint64_t figure() const noexcept { return figure_; }

 private:
  int code_;
  std::uint64_t figure_;
};

template <class T>
using outcome = T;
#else
struct done {};

struct failure {
  int code;
  std::string text;
};

/* A value, or the code of why there is none. */
template <class T>
class [[nodiscard]] result {
 public:
  result(T value) : value_(std::move(value)) {}
  result(failure why) : code_(why.code), text_(std::move(why.text)) {}
  explicit operator bool() const noexcept { return code_ == KREN_OK; }
  int code() const noexcept { return code_; }
  const std::string &what() const noexcept { return text_; }
  T &operator*() { return *value_; }
  T *operator->() { return &*value_; }

 private:
  std::optional<T> value_;
  int code_ = KREN_OK;
  std::string text_;
};

template <class T>
using outcome = result<std::conditional_t<std::is_void_v<T>, done, T>>;
#endif

namespace detail {

/* What a function comes to whose call has returned `code`. */
template <class T, class Make>
outcome<T> come_to(int code, Make make) {
#ifndef KREN_NO_EXCEPTIONS
  if (code != KREN_OK) throw error(code, last_message(), kren_error_figure());
  return make();
#else
  if (code != KREN_OK) return failure{code, last_message()};
  if constexpr (std::is_void_v<T>) {
    make();
    return done{};
  } else {
    return make();
  }
#endif
}

inline outcome<void> come_to(int code) {
  return come_to<void>(code, [] {});
}

/* A mistake that the library has not seen. */
template <class T>
outcome<T> misuse(std::string text) {
#ifndef KREN_NO_EXCEPTIONS
  throw error(KREN_MISUSE, text);
#else
  return failure{KREN_MISUSE, std::move(text)};
#endif
}

template <auto Close>
struct closer {
  template <class T>
  void operator()(T *handle) const noexcept {
    Close(handle);
  }
};

template <class T, auto Close>
using owner = std::unique_ptr<T, closer<Close>>;

template <class T, class = void>
struct is_contiguous : std::false_type {};
template <class T>
struct is_contiguous<T, std::void_t<decltype(std::data(std::declval<const T &>())), decltype(std::size(std::declval<const T &>()))>>
    : std::is_trivially_copyable<std::remove_pointer_t<decltype(std::data(std::declval<const T &>()))>> {};

}  // namespace detail

/* Bytes that somebody else owns: of a text, of anything contiguous whose elements are trivially copyable, or by place and length. */
class bytes {
 public:
  bytes() = default;
  bytes(const void *data, std::size_t size) : data_(data), size_(size) {}
  bytes(const char *text) : bytes(text, std::strlen(text)) {}
  template <class T, class = std::enable_if_t<detail::is_contiguous<T>::value>>
  bytes(const T &all) : bytes(std::data(all), std::size(all) * sizeof(*std::data(all))) {}
  const void *data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }

 private:
  const void *data_ = nullptr;
  std::size_t size_ = 0;
};

/* How an end is opened: kren_options with everything at its default. */
struct options : kren_options {
  options() : kren_options(kren_options_default()) {}
};

namespace detail {

/* The kren_dtype of a type of C++; 0 where there is none. */
template <class T>
constexpr std::uint32_t dtype_of() {
  if constexpr (std::is_same_v<T, bool>) return KREN_BOOL;
  if constexpr (std::is_integral_v<T>) return (std::is_signed_v<T> ? 0x0000u : 0x0100u) + 8 * sizeof(T);
  if constexpr (std::is_same_v<T, float>) return KREN_FLOAT32;
  if constexpr (std::is_same_v<T, double>) return KREN_FLOAT64;
  return 0;
}

}  // namespace detail

/* An array in C order, where its elements lie: of a message, as long as that does; or of one's own, to be written. */
struct array : kren_array {
  array() : kren_array{} {}
  explicit array(const kren_array &seen) : kren_array(seen) {}
  array(const void *elements, std::uint32_t type, std::initializer_list<std::size_t> dims, std::string_view called = {}) : kren_array{} {
    data = elements;
    dtype = type;
    /* One dimension too many is refused by the library. */
    for (std::size_t dim : dims) {
      if (ndim < KREN_MAX_DIMS) shape[ndim] = dim;
      ndim++;
    }
    called.copy(name, sizeof name - 1);
  }
  /* Of a type that says what it is; std::complex and the like go by their kren_dtype. */
  template <class T, class = std::enable_if_t<detail::dtype_of<T>() != 0>>
  array(const T *elements, std::initializer_list<std::size_t> dims, std::string_view called = {})
      : array(elements, detail::dtype_of<T>(), dims, called) {}
  /* How many elements there are. */
  std::size_t size() const noexcept { return nbytes / ((dtype & 0xff) / 8); }
  /* The elements in place; null if they are of another type. On a channel with the least alignment those of more than 8 bytes may not be
   * aligned, which complex128 alone is. */
  template <class T>
  const T *elements() const noexcept {
    static_assert(detail::dtype_of<T>() != 0, "it is no kren_dtype: look at data");
    return dtype == detail::dtype_of<T>() ? static_cast<const T *>(data) : nullptr;
  }
};

/* The bytes of a message, where they lie: as long as whoever gave it says. */
class view {
 public:
  view() = default;
  explicit view(const kren_message &seen) : message_(seen) {}
  const std::byte *data() const noexcept { return static_cast<const std::byte *>(message_.data); }
  std::size_t size() const noexcept { return message_.len; }
  const std::byte *begin() const noexcept { return data(); }
  const std::byte *end() const noexcept { return data() + size(); }
  std::uint32_t tag() const noexcept { return message_.tag; }
  /* Of an inbox and a server. */
  std::uint64_t sender() const noexcept { return message_.sender; }
  /* Of a worker: another one may have begun with it. */
  bool redelivered() const noexcept { return message_.redelivered != 0; }
  std::string_view text() const noexcept { return {static_cast<const char *>(message_.data), message_.len}; }
  std::string str() const { return std::string(text()); }
#if defined(__cpp_lib_span)
  std::span<const std::byte> span() const noexcept { return {data(), size()}; }
#endif

  /* The message as a value that was written as one: its size is compared. Copied, as the bytes need not be aligned for it. */
  template <class T>
  outcome<T> as() const {
    static_assert(std::is_trivially_copyable_v<T> && std::is_default_constructible_v<T>);
    if (size() != sizeof(T)) {
      return detail::misuse<T>("a message of " + std::to_string(size()) + " bytes is read as a value of " + std::to_string(sizeof(T)));
    }
    T value;
    std::memcpy(&value, data(), sizeof(T));
    return value;
  }

  /* The same in place; null if its size or its place does not fit. */
  template <class T>
  const T *in_place() const noexcept {
    static_assert(std::is_trivially_copyable_v<T>);
    bool fits = size() == sizeof(T) && reinterpret_cast<std::uintptr_t>(data()) % alignof(T) == 0;
    return fits ? reinterpret_cast<const T *>(data()) : nullptr;
  }

  /* The array that it holds, in place. */
  outcome<kren::array> array() const {
    kren::array seen;
    return detail::come_to<kren::array>(kren_message_array(&message_, &seen), [&] { return seen; });
  }

  /* The named arrays that it holds, in place. */
  outcome<std::vector<kren::array>> arrays() const {
    std::size_t count = 0;
    std::vector<kren_array> seen;
    int code = kren_message_arrays(&message_, nullptr, 0, &count);
    if (code == KREN_OK) {
      seen.resize(count);
      code = kren_message_arrays(&message_, seen.data(), seen.size(), &count);
    }
    return detail::come_to<std::vector<kren::array>>(code, [&] { return std::vector<kren::array>(seen.begin(), seen.end()); });
  }

  /* The Arrow IPC stream of the table that it holds, in place. */
  outcome<bytes> table() const {
    const void *stream = nullptr;
    std::size_t len = 0;
    int code = kren_message_table(&message_, &stream, &len);
    return detail::come_to<bytes>(code, [&] { return bytes(stream, len); });
  }

 protected:
  kren_message message_{};
};

/* A message that is held until this ends, whatever its reader does. Any thread. */
class held : public view {
 public:
  held(const kren_message &seen, kren_lease *lease) : view(seen), lease_(lease) {}

 private:
  detail::owner<kren_lease, kren_lease_release> lease_;
};

/* A message that is borrowed from its reader until this ends, or until that reads on. */
class message : public view {
 public:
  message() = default;
  message(const kren_message &seen, kren_reader *reader) : view(seen), reader_(reader) {}
  message(message &&other) noexcept : view(other), reader_(std::exchange(other.reader_, nullptr)) {}
  message &operator=(message &&other) noexcept {
    if (this != &other) {
      release();
      message_ = other.message_;
      reader_ = std::exchange(other.reader_, nullptr);
    }
    return *this;
  }
  ~message() { release(); }

  void release() noexcept {
    if (reader_ != nullptr) kren_release(std::exchange(reader_, nullptr), &message_);
  }

  /* Keeps it beyond the next read. */
  outcome<held> hold() {
    kren_lease *lease = nullptr;
    int code = kren_hold(reader_, &message_, &lease);
    if (code == KREN_OK) reader_ = nullptr;
    return detail::come_to<held>(code, [&] { return held(message_, lease); });
  }

  /* Leaves it to whoever reads the channel next, for an end that is about to close. */
  outcome<void> leave() { return detail::come_to(kren_leave(std::exchange(reader_, nullptr))); }

 private:
  kren_reader *reader_ = nullptr;
};

/* Bytes in shared memory, to be filled and committed; given up otherwise. */
class slot {
 public:
  slot(kren_writer *writer, void *data, std::size_t size) : writer_(writer), data_(data), size_(size) {}
  slot(slot &&other) noexcept : writer_(std::exchange(other.writer_, nullptr)), data_(other.data_), size_(other.size_) {}
  slot &operator=(slot &&) = delete;
  ~slot() {
    if (writer_ != nullptr) kren_abort(writer_);
  }
  std::byte *data() noexcept { return static_cast<std::byte *>(data_); }
  std::size_t size() const noexcept { return size_; }
#if defined(__cpp_lib_span)
  std::span<std::byte> span() noexcept { return {data(), size()}; }
#endif
  outcome<void> commit(std::uint32_t tag = 0) { return commit(size_, tag); }
  outcome<void> commit(std::size_t len, std::uint32_t tag) {
    int code = kren_commit(writer_, len, tag);
    if (code == KREN_OK) writer_ = nullptr;
    return detail::come_to(code);
  }

 private:
  kren_writer *writer_;
  void *data_;
  std::size_t size_;
};

/* What writer, publisher, sender and dealer have in common. */
class basic_writer {
 public:
  explicit basic_writer(kren_writer *handle) : handle_(handle) {}
  kren_writer *handle() const noexcept { return handle_.get(); }
  std::string_view name() const { return kren_writer_name(handle()); }

  outcome<void> write(bytes data, std::uint32_t tag = 0, duration timeout = forever) {
    return detail::come_to(kren_write(handle(), data.data(), data.size(), tag, timeout.count()));
  }

  /* A value that is trivially copyable, byte by byte: for the same program, or one compiled alike, on the other side. */
  template <class T, class = std::enable_if_t<std::is_trivially_copyable_v<T> && !std::is_convertible_v<const T &, bytes>>>
  outcome<void> write(const T &value, std::uint32_t tag = 0, duration timeout = forever) {
    static_assert(!std::is_pointer_v<T>, "a pointer means nothing in another process");
    return write(bytes(&value, sizeof value), tag, timeout);
  }

  /* If there is room now; tells whether there was. */
  outcome<bool> try_write(bytes data, std::uint32_t tag = 0) {
    int code = kren_write(handle(), data.data(), data.size(), tag, 0);
    return detail::come_to<bool>(code == KREN_FULL ? KREN_OK : code, [&] { return code == KREN_OK; });
  }

  /* All of them, or none. */
  outcome<void> write_batch(std::initializer_list<bytes> messages) {
    std::vector<kren_slice> slices;
    for (const bytes &one : messages) slices.push_back({one.data(), one.size(), 0});
    return detail::come_to(kren_write_batch(handle(), slices.data(), slices.size()));
  }

  outcome<slot> reserve(std::size_t len, duration timeout = forever) {
    void *data = nullptr;
    int code = kren_reserve(handle(), len, &data, timeout.count());
    return detail::come_to<slot>(code, [&] { return slot(handle(), data, len); });
  }

  /* An array as one message; several, which have names. */
  outcome<void> write_array(const array &one, std::uint32_t tag = 0, duration timeout = forever) {
    return detail::come_to(kren_write_array(handle(), &one, tag, timeout.count()));
  }
  outcome<void> write_arrays(std::initializer_list<array> all, std::uint32_t tag = 0, duration timeout = forever) {
    std::vector<kren_array> plain(all.begin(), all.end());
    return detail::come_to(kren_write_arrays(handle(), plain.data(), plain.size(), tag, timeout.count()));
  }

  /* Room for an array of T, or of a kren_dtype: to be filled, and committed whole. */
  template <class T>
  outcome<slot> reserve_array(std::initializer_list<std::size_t> dims, duration timeout = forever) {
    return reserve_array(detail::dtype_of<T>(), dims, timeout);
  }
  outcome<slot> reserve_array(std::uint32_t dtype, std::initializer_list<std::size_t> dims, duration timeout = forever) {
    array wanted(nullptr, dtype, dims);
    void *data = nullptr;
    int code = kren_reserve_array(handle(), &wanted, &data, timeout.count());
    return detail::come_to<slot>(code, [&] { return slot(handle(), data, wanted.nbytes); });
  }

  /* A table as one message: its Arrow IPC stream; or room for one. */
  outcome<void> write_table(bytes stream, std::uint32_t tag = 0, duration timeout = forever) {
    return detail::come_to(kren_write_table(handle(), stream.data(), stream.size(), tag, timeout.count()));
  }
  outcome<slot> reserve_table(std::size_t len, duration timeout = forever) {
    void *stream = nullptr;
    int code = kren_reserve_table(handle(), len, &stream, timeout.count());
    return detail::come_to<slot>(code, [&] { return slot(handle(), stream, len); });
  }

  outcome<void> flush(duration timeout = forever) { return detail::come_to(kren_flush(handle(), timeout.count())); }

  outcome<kren_info> info() const {
    kren_info info{};
    info.size = sizeof info;
    return detail::come_to<kren_info>(kren_writer_info(handle(), &info), [&] { return info; });
  }

  /* See kren_writer_fd(). */
  outcome<int> fd() {
    int fd = -1;
    return detail::come_to<int>(kren_writer_fd(handle(), &fd), [&] { return fd; });
  }

  /* Closes it now, and says what came of that. */
  outcome<void> close() { return detail::come_to(kren_writer_close(handle_.release())); }

 protected:
  detail::owner<kren_writer, kren_writer_close> handle_;
};

/* What reader, subscriber, inbox and worker have in common. */
class basic_reader {
 public:
  explicit basic_reader(kren_reader *handle) : handle_(handle) {}
  kren_reader *handle() const noexcept { return handle_.get(); }
  std::string_view name() const { return kren_reader_name(handle()); }

  /* The next message, borrowed. */
  outcome<message> read(duration timeout = forever) {
    kren_message seen{};
    int code = kren_read(handle(), &seen, timeout.count());
    return detail::come_to<message>(code, [&] { return message(seen, handle()); });
  }

  /* If there is one now. */
  outcome<std::optional<message>> try_read() {
    kren_message seen{};
    int code = kren_read(handle(), &seen, 0);
    return detail::come_to<std::optional<message>>(code == KREN_EMPTY ? KREN_OK : code, [&] {
      return code == KREN_OK ? std::optional<message>(message(seen, handle())) : std::nullopt;
    });
  }

  outcome<void> wait_for_writer(duration timeout = forever) {
    return detail::come_to(kren_wait_for_writer(handle(), timeout.count()));
  }

  outcome<kren_info> info() const {
    kren_info info{};
    info.size = sizeof info;
    return detail::come_to<kren_info>(kren_reader_info(handle(), &info), [&] { return info; });
  }

  /* See kren_reader_fd(). */
  outcome<int> fd() {
    int fd = -1;
    return detail::come_to<int>(kren_reader_fd(handle(), &fd), [&] { return fd; });
  }

  /* Closes it now, and says what came of that. */
  outcome<void> close() { return detail::come_to(kren_reader_close(handle_.release())); }

#ifndef KREN_NO_EXCEPTIONS
  /* One message after the other, until the other side has closed; each is given back when the next one is read. */
  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = message;
    using difference_type = std::ptrdiff_t;
    using pointer = message *;
    using reference = message &;
    iterator() = default;
    explicit iterator(basic_reader *reader) : reader_(reader) { ++*this; }
    message &operator*() { return current_; }
    message *operator->() { return &current_; }
    iterator &operator++() {
      current_.release();
      kren_message seen{};
      int code = kren_read(reader_->handle(), &seen, KREN_FOREVER);
      if (code == KREN_CLOSED) {
        reader_ = nullptr;
      } else {
        detail::come_to(code);
        current_ = message(seen, reader_->handle());
      }
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator &a, const iterator &b) { return a.reader_ == b.reader_; }
    friend bool operator!=(const iterator &a, const iterator &b) { return a.reader_ != b.reader_; }

   private:
    basic_reader *reader_ = nullptr;
    message current_;
  };

  iterator begin() { return iterator(this); }
  iterator end() { return {}; }
#endif

 protected:
  detail::owner<kren_reader, kren_reader_close> handle_;
};

namespace detail {

/* What opening a handle comes to, as a T. */
template <class T, class Handle, class Open>
outcome<T> opened(Open open) {
  Handle *handle = nullptr;
  return come_to<T>(open(&handle), [&] { return T(handle); });
}

}  // namespace detail

/* The writing end of a channel: see kren_writer_create(). */
class writer : public basic_writer {
 public:
  using basic_writer::basic_writer;
#ifndef KREN_NO_EXCEPTIONS
  writer(const char *name, std::size_t capacity, const options &how = {});
#endif
};

inline outcome<writer> open_writer(const char *name, std::size_t capacity, const options &how = {}) {
  return detail::opened<writer, kren_writer>([&](kren_writer **handle) { return kren_writer_create(name, capacity, &how, handle); });
}

/* The reading end of a channel: see kren_reader_connect(). */
class reader : public basic_reader {
 public:
  using basic_reader::basic_reader;
#ifndef KREN_NO_EXCEPTIONS
  explicit reader(const char *name, const options &how = {});
#endif
};

inline outcome<reader> open_reader(const char *name, const options &how = {}) {
  return detail::opened<reader, kren_reader>([&](kren_reader **handle) { return kren_reader_connect(name, &how, handle); });
}

/* The writing end of a broadcast: see kren_publisher_create(). */
class publisher : public basic_writer {
 public:
  using basic_writer::basic_writer;
#ifndef KREN_NO_EXCEPTIONS
  publisher(const char *name, std::size_t capacity, const options &how = {});
#endif
  outcome<void> wait_for_subscribers(std::size_t count, duration timeout = forever) {
    return detail::come_to(kren_wait_for_subscribers(handle(), count, timeout.count()));
  }
  outcome<std::vector<kren_peer>> subscribers() const {
    std::vector<kren_peer> peers(64);
    std::size_t count = 0;
    int code = kren_writer_peers(handle(), peers.data(), peers.size(), &count);
    return detail::come_to<std::vector<kren_peer>>(code, [&] {
      peers.resize(count);
      return std::move(peers);
    });
  }
};

inline outcome<publisher> open_publisher(const char *name, std::size_t capacity, const options &how = {}) {
  return detail::opened<publisher, kren_writer>([&](kren_writer **handle) { return kren_publisher_create(name, capacity, &how, handle); });
}

/* A reading end of a broadcast: see kren_subscriber_connect(). */
class subscriber : public basic_reader {
 public:
  using basic_reader::basic_reader;
#ifndef KREN_NO_EXCEPTIONS
  explicit subscriber(const char *name, const options &how = {});
#endif
  /* Closes it, and gives a durable place up. */
  outcome<void> unsubscribe() { return detail::come_to(kren_unsubscribe(handle_.release())); }
};

inline outcome<subscriber> open_subscriber(const char *name, const options &how = {}) {
  return detail::opened<subscriber, kren_reader>([&](kren_reader **handle) { return kren_subscriber_connect(name, &how, handle); });
}

/* A writing end of an inbox: see kren_sender_connect(). */
class sender : public basic_writer {
 public:
  using basic_writer::basic_writer;
#ifndef KREN_NO_EXCEPTIONS
  explicit sender(const char *name, const options &how = {});
#endif
};

inline outcome<sender> open_sender(const char *name, const options &how = {}) {
  return detail::opened<sender, kren_writer>([&](kren_writer **handle) { return kren_sender_connect(name, &how, handle); });
}

/* The reading end of an inbox: see kren_inbox_create(). */
class inbox : public basic_reader {
 public:
  using basic_reader::basic_reader;
#ifndef KREN_NO_EXCEPTIONS
  inbox(const char *name, std::size_t capacity, const options &how = {});
#endif
  /* A sender that is gone, each once. */
  outcome<std::optional<kren_peer>> departure() {
    kren_peer peer{};
    int code = kren_departure(handle(), &peer);
    return detail::come_to<std::optional<kren_peer>>(code == KREN_EMPTY ? KREN_OK : code, [&] {
      return code == KREN_OK ? std::optional<kren_peer>(peer) : std::nullopt;
    });
  }
};

inline outcome<inbox> open_inbox(const char *name, std::size_t capacity, const options &how = {}) {
  return detail::opened<inbox, kren_reader>([&](kren_reader **handle) { return kren_inbox_create(name, capacity, &how, handle); });
}

/* The writing end of a work queue: see kren_dealer_create(). */
class dealer : public basic_writer {
 public:
  using basic_writer::basic_writer;
#ifndef KREN_NO_EXCEPTIONS
  dealer(const char *name, std::size_t capacity, const options &how = {});
#endif
  outcome<void> write_keyed(bytes key, bytes data, std::uint32_t tag = 0, duration timeout = forever) {
    return detail::come_to(
        kren_write_keyed(handle(), key.data(), key.size(), data.data(), data.size(), tag, timeout.count()));
  }
};

inline outcome<dealer> open_dealer(const char *name, std::size_t capacity, const options &how = {}) {
  return detail::opened<dealer, kren_writer>([&](kren_writer **handle) { return kren_dealer_create(name, capacity, &how, handle); });
}

/* A reading end of a work queue: see kren_worker_connect(). */
class worker : public basic_reader {
 public:
  using basic_reader::basic_reader;
#ifndef KREN_NO_EXCEPTIONS
  explicit worker(const char *name, const options &how = {});
#endif
};

inline outcome<worker> open_worker(const char *name, const options &how = {}) {
  return detail::opened<worker, kren_reader>([&](kren_reader **handle) { return kren_worker_connect(name, &how, handle); });
}

/* What a call takes besides its request. */
struct call_options : kren_call_options {
  call_options(const char *called = nullptr, std::uint32_t number = 0, bool may_retry = false)
      : kren_call_options{sizeof(kren_call_options), called, number, may_retry ? 1u : 0u} {}
};

/* A calling end of a service: see kren_client_connect(). Answers stay until the next call of a function of the client. */
class client {
 public:
  explicit client(kren_client *handle) : handle_(handle) {}
#ifndef KREN_NO_EXCEPTIONS
  explicit client(const char *name, const options &how = {});
#endif
  kren_client *handle() const noexcept { return handle_.get(); }

  outcome<view> call(bytes request, const call_options &how = {}, duration timeout = forever) {
    kren_message reply{};
    int code = kren_call(handle(), request.data(), request.size(), &how, &reply, timeout.count());
    return detail::come_to<view>(code, [&] { return view(reply); });
  }

  /* Without waiting for the answer; gives the call's number. */
  outcome<std::uint64_t> start(bytes request, const call_options &how = {}, duration timeout = forever) {
    std::uint64_t call = 0;
    int code = kren_call_start(handle(), request.data(), request.size(), &how, &call, timeout.count());
    return detail::come_to<std::uint64_t>(code, [&] { return call; });
  }

  /* The next answer, or none once there are no more. */
  outcome<std::optional<view>> next(std::uint64_t call, duration timeout = forever) {
    kren_message reply{};
    int code = kren_call_next(handle(), call, &reply, timeout.count());
    return detail::come_to<std::optional<view>>(code == KREN_END ? KREN_OK : code, [&] {
      return code == KREN_OK ? std::optional<view>(view(reply)) : std::nullopt;
    });
  }

  outcome<void> cancel(std::uint64_t call) { return detail::come_to(kren_call_cancel(handle(), call)); }

  /* See kren_client_fd(). */
  outcome<int> fd() {
    int fd = -1;
    return detail::come_to<int>(kren_client_fd(handle(), &fd), [&] { return fd; });
  }

 private:
  detail::owner<kren_client, kren_client_close> handle_;
};

inline outcome<client> open_client(const char *name, const options &how = {}) {
  return detail::opened<client, kren_client>([&](kren_client **handle) { return kren_client_connect(name, &how, handle); });
}

/* A request that is to be answered; one that ends unanswered fails at its client. Any thread. */
class request : public view {
 public:
  request(const kren_message &seen, kren_request *handle) : view(seen), handle_(handle) {}
  std::string_view method() const { return kren_request_method(handle_.get()); }
  outcome<void> reply(bytes data, std::uint32_t tag = 0) {
    return last(kren_reply(handle_.get(), data.data(), data.size(), tag));
  }
  outcome<void> item(bytes data, std::uint32_t tag = 0) {
    return detail::come_to(kren_reply_item(handle_.get(), data.data(), data.size(), tag));
  }
  outcome<void> finish() { return last(kren_reply_end(handle_.get())); }
  outcome<void> fail(std::uint32_t code, const char *text) { return last(kren_reply_fail(handle_.get(), code, text)); }
  kren_request_details details() const {
    kren_request_details details{};
    kren_request_info(handle_.get(), &details);
    return details;
  }

 private:
  outcome<void> last(int code) {
    if (code == KREN_OK) handle_.release();
    return detail::come_to(code);
  }
  detail::owner<kren_request, kren_request_drop> handle_;
};

/* The answering end of a service: see kren_server_create(). */
class server {
 public:
  explicit server(kren_server *handle) : handle_(handle) {}
#ifndef KREN_NO_EXCEPTIONS
  explicit server(const char *name, const options &how = {});
#endif
  kren_server *handle() const noexcept { return handle_.get(); }

  outcome<request> next(duration timeout = forever) {
    kren_request *handle = nullptr;
    kren_message seen{};
    int code = kren_server_next(this->handle(), &handle, &seen, timeout.count());
    return detail::come_to<request>(code, [&] { return request(seen, handle); });
  }

  /* See kren_server_fd(). */
  outcome<int> fd() {
    int fd = -1;
    return detail::come_to<int>(kren_server_fd(handle(), &fd), [&] { return fd; });
  }

 private:
  detail::owner<kren_server, kren_server_close> handle_;
};

inline outcome<server> open_server(const char *name, const options &how = {}) {
  return detail::opened<server, kren_server>([&](kren_server **handle) { return kren_server_create(name, &how, handle); });
}

/* Waits for many ends at once: see kren_selector. Take an end out before it is closed. */
class selector {
 public:
  explicit selector(kren_selector *handle) : handle_(handle) {}
#ifndef KREN_NO_EXCEPTIONS
  selector();
#endif
  kren_selector *handle() const noexcept { return handle_.get(); }
  outcome<void> add(std::uint64_t key, basic_reader &end) {
    return detail::come_to(kren_selector_add_reader(handle(), key, end.handle()));
  }
  outcome<void> add(std::uint64_t key, basic_writer &end, std::size_t len) {
    return detail::come_to(kren_selector_add_writer(handle(), key, end.handle(), len));
  }
  outcome<void> add(std::uint64_t key, client &end) {
    return detail::come_to(kren_selector_add_client(handle(), key, end.handle()));
  }
  outcome<void> add(std::uint64_t key, server &end) {
    return detail::come_to(kren_selector_add_server(handle(), key, end.handle()));
  }
  outcome<void> add_drained(std::uint64_t key, basic_writer &end) {
    return detail::come_to(kren_selector_add_drained(handle(), key, end.handle()));
  }
  outcome<void> add_timer(std::uint64_t key, duration first, duration period = duration(0)) {
    auto nanoseconds = [](duration time) { return static_cast<std::uint64_t>(time.count()); };
    return detail::come_to(kren_selector_add_timer(handle(), key, nanoseconds(first), nanoseconds(period)));
  }
  outcome<void> remove(std::uint64_t key) { return detail::come_to(kren_selector_remove(handle(), key)); }
  outcome<std::vector<kren_event>> wait(duration timeout = forever) {
    std::vector<kren_event> events(64);
    std::size_t count = 0;
    int code = kren_selector_wait(handle(), events.data(), events.size(), &count, timeout.count());
    return detail::come_to<std::vector<kren_event>>(code, [&] {
      events.resize(count);
      return std::move(events);
    });
  }
  /* From any thread. */
  outcome<void> cancel() { return detail::come_to(kren_selector_cancel(handle())); }

 private:
  detail::owner<kren_selector, kren_selector_close> handle_;
};

inline outcome<selector> open_selector() { return detail::opened<selector, kren_selector>([&](kren_selector **handle) { return kren_selector_create(handle); }); }

/* What is known of the channel `name`: see kren_inspect(). */
inline outcome<kren_channel> inspect(const char *name) {
  kren_channel seen{};
  seen.size = sizeof seen;
  return detail::come_to<kren_channel>(kren_inspect(name, &seen), [&] { return seen; });
}

/* What is known of every channel that this user can see: see kren_channels(). */
inline outcome<std::vector<kren_channel>> channels() {
  std::vector<kren_channel> all;
  auto each = [](const kren_channel *seen, void *list) noexcept {
    static_cast<std::vector<kren_channel> *>(list)->push_back(*seen);
    return 0;
  };
  return detail::come_to<std::vector<kren_channel>>(kren_channels(each, &all), [&] { return std::move(all); });
}

#ifndef KREN_NO_EXCEPTIONS
inline writer::writer(const char *name, std::size_t capacity, const options &how) : writer(open_writer(name, capacity, how)) {}
inline reader::reader(const char *name, const options &how) : reader(open_reader(name, how)) {}
inline publisher::publisher(const char *name, std::size_t capacity, const options &how)
    : publisher(open_publisher(name, capacity, how)) {}
inline subscriber::subscriber(const char *name, const options &how) : subscriber(open_subscriber(name, how)) {}
inline sender::sender(const char *name, const options &how) : sender(open_sender(name, how)) {}
inline inbox::inbox(const char *name, std::size_t capacity, const options &how) : inbox(open_inbox(name, capacity, how)) {}
inline dealer::dealer(const char *name, std::size_t capacity, const options &how) : dealer(open_dealer(name, capacity, how)) {}
inline worker::worker(const char *name, const options &how) : worker(open_worker(name, how)) {}
inline client::client(const char *name, const options &how) : client(open_client(name, how)) {}
inline server::server(const char *name, const options &how) : server(open_server(name, how)) {}
inline selector::selector() : selector(open_selector()) {}
#endif

}  // namespace kren

#endif

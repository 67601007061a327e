// Writes one message and goes; it waits in shared memory for its reader.
//
// On Windows nothing waits where nobody is, so there the writer stays until the reader has come.
//
// Usage: hello_writer [CHANNEL]
#include <kren.hpp>

int main(int count, char **arguments) {
  kren::writer writer(count > 1 ? arguments[1] : "hello", 4096);
  writer.write("Hello from C++!");
#ifdef _WIN32
  writer.flush(std::chrono::seconds(10));
#endif
}

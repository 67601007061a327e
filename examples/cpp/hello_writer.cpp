// Writes one message and goes; it waits in shared memory for its reader.
//
// Usage: hello_writer [CHANNEL]
#include <kren.hpp>

int main(int count, char **arguments) {
  kren::writer writer(count > 1 ? arguments[1] : "hello", 4096);
  writer.write("Hello from C++!");
}
